/* verify_priv.h - what the parts of audit verify share; private to verify*.c.
 *
 * verify.c walks the chains and judges; verify_rows.c compares rows with leaves; verify_checkpoints.c knows what was
 * signed. */
#ifndef CHATSLUICE_AUDIT_VERIFY_PRIV_H
#define CHATSLUICE_AUDIT_VERIFY_PRIV_H

#include "audit/audit_row.h"
#include "audit/verify.h"
#include "store/db.h"

struct expected { /* a row there must be */
    uint64_t seq, block;
    int32_t day;
    bool found;
    uint8_t leaf[SHA256_BYTES];
};

/* A stretch of one spool, its leaves in the order of their numbers. */
struct stretch {
    uint8_t spool_id[UUID_BYTES];
    uint64_t first_seq, last_seq;
    struct expected *items;
    size_t count, cap;
};

/* A row without a leaf of its own at its place. */
struct suspect {
    struct audit_row row;
    struct buf open; /* row.open, kept */
    char room[256];
    bool json;       /* its leaf is there: only its json column is wrong */
    bool unrecorded; /* the same: nobody recorded that it was erased */
    bool settled;
};

/* Spool and number of a row that is not there as it was loaded. */
struct absent {
    uint8_t spool_id[UUID_BYTES];
    struct expected expected;
    bool settled;
};

struct row_check;

struct row_tally {
    uint64_t rows, erased, unchained, removed;
    struct suspect *suspects;
    size_t suspect_count, suspect_cap;
    struct absent *absents;
    size_t absent_count, absent_cap;
    uint64_t more_suspects, more_absents; /* beyond what is kept */
};

enum { MOST_KEPT = 1 << 16 };

/* Opens the connections, each in the snapshot that holder exported. chain_began: of a spool, the first number of its
 * chain and when that block was loaded; what is older has no leaf. */
int row_check_open(struct row_check **out, const struct audit_options *options, const char *snapshot, struct err *err);
/* Takes the items of *stretch and leaves it empty. Waits until somebody is free. */
int row_check_put(struct row_check *check, struct stretch *stretch, uint64_t chain_first_seq, int64_t chain_began_us,
                  struct err *err);
/* Waits until all is done. The tally is borrowed until close. */
int row_check_finish(struct row_check *check, struct row_tally **tally, struct err *err);
void row_check_close(struct row_check *check); /* NULL is fine */

/* Adds one finding, counted even when there is no room for it. */
struct audit_finding *audit_find(struct audit_report *report, enum audit_what what, const uint8_t spool_id[UUID_BYTES]);

/* Makes findings of what the rows came to, once all are known. */
int audit_judge(struct audit_report *report, const struct audit_options *options, struct db *db,
                struct row_tally *tally, struct err *err);

struct signed_state { /* a checkpoint that is to be met on the way */
    uint64_t block, last_seq, number;
    uint8_t hash[SHA256_BYTES];
    bool trusted; /* its signature was checked */
    bool met;
};

struct signed_states {
    struct signed_state *items; /* by block */
    size_t count;
};

/* Reads the checkpoints of one spool from the table and the auditor's files; those with wrong signatures, and gaps
 * between them, become findings. */
int signed_states_read(struct signed_states *out, struct db *db, const struct audit_options *options,
                       const uint8_t spool_id[UUID_BYTES], struct audit_report *report, struct err *err);
void signed_states_release(struct signed_states *states);
/* Whether the block is what was signed of it; what is not becomes a finding. */
void signed_states_meet(struct signed_states *states, const struct chain_block *block, struct audit_report *report);
/* After the last block: what was signed of later ones. */
void signed_states_end(struct signed_states *states, const uint8_t spool_id[UUID_BYTES], uint64_t last_block,
                       struct audit_report *report);

#endif
