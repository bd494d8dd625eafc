/* spool.h - keeps every accepted webhook on disk until PostgreSQL has it.
 *
 * Promise: after spool_append() returns 0 the record survives kill -9 and power loss; records come back in order,
 *          each with its sequence number, until released. Numbers begin at 1 and grow; they have no gaps but where
 *          recovery cut off a torn tail, and a number that may have been acknowledged is never given again. After a
 *          failed or timed-out append the record may still turn up: sequence numbers, not callers, say what is there.
 * Life:    spool_open (recovers, verifies) -> append from any thread; read and release from one reader -> spool_close
 *          (writes what is queued, then syncs).
 * Threads: one writer commits, everything queued at once; a housekeeper makes the next segment full of zeros ahead of
 *          need, in paced steps, and removes released segments, so that neither holds up a commit.
 * Bounds:  max_bytes of unreleased segments, records waiting for their commit included; the files may take two segments
 *          more (the one being made, and the newest, which always stays), and quarantine/ is not counted. Over 70 %
 *          spool_status says alarm, at 100 % appends fail with ERR_FULL, as they do while the disk has no space for a
 *          segment they need.
 * Faults:  an error of write or fdatasync is final for this process: every waiting and later append fails,
 *          spool_status says failed, nothing more is acknowledged; a restart verifies the files and goes on.
 * Owner:   the directory is locked; a second process gets ERR_CONFLICT naming the first one's pid. A directory that
 *          has lost all its segments is a new spool with a new id, because its numbers begin at 1 again. */
#ifndef CHATSLUICE_SPOOL_SPOOL_H
#define CHATSLUICE_SPOOL_SPOOL_H

#include "base/err.h"
#include "base/span.h"
#include "base/uuid.h"

#include <stdint.h>

enum {
    SPOOL_MAX_RECORD = 4 * 1024 * 1024,
    SPOOL_ID_TEXT = UUID_STRING,
    /* A commit takes a fraction of a millisecond; one that takes longer than this has a stalled disk under it. After
     * webhooks are refused from 1.5 s on. */
    SPOOL_STALLED_US = 1000 * 1000,
};

struct spool;

struct spool_options {
    const char *directory; /* created with mode 0700 if missing */
    uint64_t max_bytes;
    uint64_t segment_bytes; /* 4 KiB to 1 GiB; no record can be larger than fits one */
};

struct spool_status {
    char id[SPOOL_ID_TEXT]; /* UUID text, made when the directory was first used, kept in it */
    uint64_t next_seq;      /* of the next record appended */
    uint64_t durable_seq;   /* all up to this one are on disk; 0: none yet */
    uint64_t released_seq;  /* all up to this one may go */
    uint64_t opened_seq;    /* durable_seq as it was when the spool was opened */
    uint64_t used_bytes, max_bytes;
    int64_t oldest_us;    /* append time (wall) of the oldest unreleased record, to within a second or, of a backlog
                             of hours, some; 0: none */
    uint64_t quarantined; /* records found damaged since the spool was opened */
    bool alarm;
    bool full; /* the last append was refused for lack of space, and none was released since */
    bool failed;
    int64_t stalled_us; /* how long the disk has been busy with the present commit, 0: it is idle */
};

int spool_open(struct spool **out, const struct spool_options *options, struct err *err);
void spool_close(struct spool *sp); /* NULL is fine */

/* Blocks until the record is durable or deadline_us (clock_mono_us) passes. The bytes are copied before anything else,
 * so the caller's buffer is free again in every case. 0: durable, *seq set (seq may be NULL). ERR_TIMEOUT: accepted,
 * not durable yet, will be. ERR_FULL: not taken. ERR_USAGE: no bytes, or too many. ERR_FAILED: the spool has failed. */
int spool_append(struct spool *sp, struct span record, int64_t deadline_us, uint64_t *seq, struct err *err);

/* Reading: durable records only, in order, by one thread. */
struct spool_record {
    uint64_t seq;
    int64_t appended_us; /* wall clock */
    struct span data;    /* borrowed until the next call on the same reader */
    /* The numbers passed by right before it because their segments are not there any more; gone_to 0: none. Numbers
     * recovery used up when it cut a torn tail are not among them: nobody was promised those. */
    uint64_t gone_from, gone_to;
};
struct spool_reader;

/* Reads from sequence number from on; from below the oldest record kept starts at that one. The sp may be NULL with a
 * directory: then a stopped or foreign spool is read without its lock, for `spool status|verify|export`. */
int spool_reader_open(struct spool_reader **out, struct spool *sp, uint64_t from, struct err *err);
int spool_reader_open_directory(struct spool_reader **out, const char *directory, uint64_t from, struct err *err);
void spool_reader_close(struct spool_reader *reader);

/* 1: *record is the next one. 0: none durable yet. Negative: damage or I/O. A stretch that is damaged or missing is
 * reported once as ERR_INVALID with the range of sequence numbers in err and *record set to its last one (data empty),
 * after which reading goes on behind it. A stretch the disk does not give is ERR_FAILED, and the next call tries again;
 * when that has gone on for half a minute, or at once in a directory, it is reported like damage - but its segment is
 * then moved to quarantine/ instead of removed. What was released may be skipped silently. ERR_USAGE: a segment of
 * another format version or another spool. */
int spool_reader_next(struct spool_reader *reader, struct spool_record *record, struct err *err);

/* What a reader has passed by without a record being lost for certain. */
struct spool_reader_notes {
    uint64_t damaged_headers, damaged_segment; /* how many, and the number of the first such segment */
    uint64_t short_segments, short_segment;    /* the same, of segments that are not as long as they were made */
    /* Bytes tail_from..tail_to of the newest segment, behind the last record, are no record: a write that was torn or
     * is under way, or damage to the records from number tail_seq on. tail_to 0: there are none. */
    uint64_t tail_segment, tail_seq, tail_from, tail_to;
    bool tail_unreadable;
};
/* To be asked when spool_reader_next() has returned 0. */
void spool_reader_get_notes(const struct spool_reader *reader, struct spool_reader_notes *out);

/* Waits until a record with number seq or higher is durable, or timeout_ms passes, or spool_wake() is called; a wake
 * that finds nobody waiting makes the next wait return at once. */
void spool_wait(struct spool *sp, uint64_t seq, int64_t timeout_ms);
void spool_wake(struct spool *sp);

/* All records up to seq are in the database; whole segments below it may go. Never acts on a seq that is not durable.
 */
void spool_release(struct spool *sp, uint64_t seq);

void spool_get_status(struct spool *sp, struct spool_status *out);
const char *spool_id(const struct spool *sp);

#endif
