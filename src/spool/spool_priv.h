/* spool_priv.h - what the files of src/spool share with each other and with their tests.
 *
 *   crc32c.c     the checksum
 *   segment.c    one segment file: its format, reading it in order, finding what is intact behind damage
 *   directory.c  the directory: listing, identity, lock, quarantine
 *   recover.c    from the files of the last process to where this one goes on
 *   age.c        how old the oldest unreleased record is
 *   spool.c      appending and group commit, release, status; the writer thread
 *   prepare.c    the housekeeper thread: zero-filled segments ahead of use, taking released ones out
 *   reader.c     reading in order, with or without a running spool */
#ifndef CHATSLUICE_SPOOL_SPOOL_PRIV_H
#define CHATSLUICE_SPOOL_SPOOL_PRIV_H

#include "base/wait.h"
#include "spool/spool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

enum {
    SEGMENT_HEADER_BYTES = 64,
    RECORD_HEADER_BYTES = 24,
    SPOOL_MIN_SEGMENT = 4096,
    SPOOL_MAX_SEGMENT = 1024 * 1024 * 1024,
    ID_BYTES = 16,
    NAME_BYTES = 128, /* of a file inside the directory */
};

#define LIMIT_UNKNOWN UINT64_MAX
/* Files that hold nothing anybody waits for; what is left of them at a start is removed. */
#define PREPARED_NAME "next.zero"    /* the coming segment, until it has a first record */
#define SPARE_NAME    "spare.zero"   /* a released one, to be the coming one's file */
#define LEAVING_NAME  "leaving.zero" /* a released one that is being removed */

struct spool_uuid {
    uint8_t bytes[ID_BYTES];
};

/* Every call that changes the disk or reads what a segment holds goes through this table, so that tests can make a disk
 * stall, fill or fail. All behave as the system calls they are named after. */
struct spool_io {
    ssize_t (*pread)(const struct spool_io *io, int fd, void *data, size_t len, off_t offset);
    ssize_t (*pwrite)(const struct spool_io *io, int fd, const void *data, size_t len, off_t offset);
    int (*fdatasync)(const struct spool_io *io, int fd);
    int (*fsync)(const struct spool_io *io, int fd); /* of directories */
    int (*rename)(const struct spool_io *io, int dir_fd, const char *from, const char *to);
    int (*unlink)(const struct spool_io *io, int dir_fd, const char *name);
    int (*ftruncate)(const struct spool_io *io, int fd, off_t len);
};
extern const struct spool_io spool_io_system;

/* spool_open() on another disk than the system's; io must outlive the spool. */
int spool_open_io(struct spool **out, const struct spool_options *options, const struct spool_io *io, struct err *err);

/* pwrite until all is written; -1 with errno otherwise. */
int write_fully(const struct spool_io *io, int fd, const void *data, size_t len, uint64_t offset);
/* Up to len bytes from offset, fewer only at the end of the file; -1 with errno. */
ssize_t read_fully(const struct spool_io *io, int fd, void *data, size_t len, uint64_t offset);
/* errno says that the disk cannot give these very bytes, not that it cannot be asked. */
bool read_failed_for_good(int number);

/* segment.c ---------------------------------------------------------------------------------------------------- */

struct segment {
    const struct spool_io *io;
    int fd;
    uint64_t first_seq;
    uint64_t file_bytes;
    uint64_t made_bytes; /* as the header has it; SPOOL_MAX_SEGMENT when nobody knows */
    uint32_t salt;
    bool damaged_header; /* then the name told first_seq */
    bool unreadable_header;
    bool cut_short; /* the file is not the size it was made with, or nobody knows */
};

/* Space a record takes in a segment. */
static inline uint64_t record_bytes(size_t len)
{
    return (RECORD_HEADER_BYTES + (uint64_t)len + 7) & ~(uint64_t)7;
}

void segment_name(char name[NAME_BYTES], uint64_t first_seq);
uint32_t segment_salt(const struct spool_uuid *id, uint64_t first_seq);
int segment_write_header(const struct spool_io *io, int fd, const struct spool_uuid *id, uint64_t first_seq,
                         uint64_t file_bytes);
/* ERR_NOT_FOUND: no such file. ERR_USAGE: of another format version, or of another spool. */
int segment_open(struct segment *out, const struct spool_io *io, int dir_fd, uint64_t first_seq,
                 const struct spool_uuid *id, int flags, struct err *err);
/* Takes the spool's id from the header of a segment. 1: done, 0: it is not intact, -1: errno says why it cannot be
 * read. */
int segment_read_id(const struct spool_io *io, int dir_fd, uint64_t first_seq, struct spool_uuid *out);

/* Writes the record's bytes (record_bytes() of them) to out; data_crc is the CRC-32C of the data alone. */
void record_encode(char *out, struct span data, uint32_t data_crc, uint64_t seq, int64_t appended_us, uint32_t salt);
/* A mark: the numbers from first_seq to seq are used up. */
void mark_encode(char out[RECORD_HEADER_BYTES], uint64_t first_seq, uint64_t seq, uint32_t salt);

/* Reads one segment in order. */
struct segment_cursor {
    struct segment segment;
    uint64_t pos;      /* of the next record */
    uint64_t next_seq; /* the number it must have */
    char *window;      /* bytes of the file around pos */
    size_t window_cap, window_len;
    uint64_t window_pos;
    size_t read_bytes; /* how much the next read asks for */
    /* around the bytes that the disk did not give since cursor_forget(); they read as zeros, so that no checksum fits
     */
    uint64_t unreadable_from, unreadable_to;
};

struct segment_item {
    uint64_t first_seq, seq; /* a record: both its number; damage: the first and the last number lost */
    int64_t appended_us;
    struct span data;  /* in the window: until the next call */
    uint64_t from, to; /* damage: the bytes of the file */
    bool unreadable;   /* damage: some of them could not be read, another try may find them whole */
};

enum segment_state {
    SEGMENT_CLEAN,   /* nothing more up to the limit, and only zeros */
    SEGMENT_RESUMED, /* the cursor stands before an intact record again, none is missing */
    SEGMENT_DAMAGED, /* item says what is lost; the cursor stands behind it */
    SEGMENT_TORN,    /* bytes from..to are no record and none follows; only with LIMIT_UNKNOWN */
};

void cursor_init(struct segment_cursor *c);
void cursor_release(struct segment_cursor *c);
/* Takes the segment's file descriptor; the window's memory is kept from one segment to the next. */
void cursor_start(struct segment_cursor *c, const struct segment *segment);
void cursor_forget(struct segment_cursor *c); /* what was read from the file may be out of date */
/* 1: item is the next record. 0: there is none with a number up to limit at the cursor. Negative: reading fails. */
int cursor_take(struct segment_cursor *c, uint64_t limit, struct segment_item *item, struct err *err);
/* After cursor_take() gave 0: looks what is there instead. limit: the highest number that belongs into this segment.
 * An enum segment_state, or negative: I/O. */
int cursor_resync(struct segment_cursor *c, uint64_t limit, struct segment_item *item, struct err *err);

/* directory.c -------------------------------------------------------------------------------------------------- */

struct segment_list {
    uint64_t *first_seqs; /* ascending */
    size_t count, cap;
};

void segment_list_release(struct segment_list *list);
int directory_open(const char *path, bool create, const struct spool_io *io, struct err *err); /* the descriptor */
int directory_lock(int dir_fd, const char *path, struct err *err);                             /* the descriptor */
int directory_list(int dir_fd, struct segment_list *out, struct err *err);
int directory_sync(const struct spool_io *io, int dir_fd, struct err *err);
/* The spool's id: from its file, unless that is gone or all segments say another one. ERR_NOT_FOUND: nobody knows it.
 */
int directory_read_id(const struct spool_io *io, int dir_fd, const struct segment_list *list, struct spool_uuid *out,
                      struct err *err);
/* The id's file says this one. */
bool directory_id_is(const struct spool_io *io, int dir_fd, const struct spool_uuid *id);
int directory_write_id(const struct spool_io *io, int dir_fd, const struct spool_uuid *id, struct err *err);
int uuid_make(struct spool_uuid *out, struct err *err);
/* Keeps a copy of bytes from..to of a segment in quarantine/, named after the numbers lost. A copy that is already
 * there is left alone. */
int quarantine_save(const struct spool_io *io, int dir_fd, const struct segment *segment,
                    const struct segment_item *damage, struct err *err);
/* Moves a whole file there, on disk when it returns 0. */
int quarantine_move(const struct spool_io *io, int dir_fd, const char *name, struct err *err);

/* age.c -------------------------------------------------------------------------------------------------------- */

enum { AGE_MARKS = 4096 };

/* When which number was appended: a mark a second, fewer when they run out. */
struct age {
    size_t count;
    int64_t interval_us;
    struct age_mark {
        uint64_t seq;
        int64_t appended_us;
    } marks[AGE_MARKS];
};

void age_init(struct age *age);
void age_note(struct age *age, uint64_t seq, int64_t appended_us);
void age_forget(struct age *age, uint64_t seq);      /* numbers below seq will not be asked for */
int64_t age_of(const struct age *age, uint64_t seq); /* 0: unknown */

/* recover.c ---------------------------------------------------------------------------------------------------- */

struct kept_segment {
    uint64_t first_seq;
    uint64_t bytes;          /* of records in it */
    uint64_t released_bytes; /* the part of them known to be released, while this is the newest segment */
    bool unreadable;         /* in part: it goes to quarantine, not away, for the disk may yet give what it holds */
};

struct kept_list {
    struct kept_segment *items;
    size_t count, cap;
};

int kept_reserve(struct kept_list *list, size_t count); /* room for so many in all; -1: no memory */

struct recovery {
    struct kept_list kept;
    uint64_t next_seq;
    uint64_t last_seq; /* of the newest intact record, 0: there is none; a mark may have moved next_seq further */
    uint64_t records, quarantined;
    bool sealed; /* the end of the last segment cannot be read, so nothing is written there */
    /* where appending goes on: the last segment, if it has room; else fd is -1 */
    int tail_fd;
    uint64_t tail_pos, tail_bytes;
};

/* Reads every segment of the list; on success the caller owns kept.items and tail_fd. */
int recover(struct recovery *out, const struct spool_io *io, int dir_fd, const struct segment_list *list,
            const struct spool_uuid *id, struct age *age, struct err *err);

/* spool.c and prepare.c ------------------------------------------------------------------------------------------ */

enum { BATCH_BYTES = 8 * 1024 * 1024 };

/* What one commit makes durable. */
struct batch {
    char *data; /* BATCH_BYTES, encoded records as they go to disk */
    size_t len;
    uint64_t records;
    uint32_t number;   /* counts batches; the parity says which of the two this is */
    uint64_t last_seq; /* of its last record */
    bool rolls;        /* from offset roll_at on the bytes belong into a new segment that begins with roll_seq */
    size_t roll_at;
    uint64_t roll_seq;
};

enum next_state { NEXT_MISSING, NEXT_READY, NEXT_CLAIMED };

struct spool {
    /* fixed while open */
    const struct spool_io *io;
    char *directory;
    int dir_fd, lock_fd;
    struct spool_uuid id;
    char id_text[SPOOL_ID_TEXT];
    uint64_t max_bytes, segment_bytes;
    uint64_t quarantined, opened_seq;
    pthread_t writer, housekeeper;

    pthread_mutex_t lock;    /* guards all up to the next blank line */
    pthread_cond_t work;     /* to the writer: there is something to write, or stopping */
    pthread_cond_t room;     /* to appenders: a batch was taken, a segment is ready or cannot be made */
    pthread_cond_t chores;   /* to the housekeeper */
    struct batch *filling;   /* takes appends */
    struct batch batches[2]; /* the other one is being written, or empty */
    uint64_t next_seq;
    uint64_t last_seq;   /* of the newest record taken; next_seq - 1, but for what recovery skipped */
    uint64_t fill_pos;   /* where the next record goes in the newest segment */
    uint64_t fill_bytes; /* size of that segment, 0: there is none yet */
    uint32_t fill_salt;
    struct kept_list kept; /* newest last; has room for one more whenever next is NEXT_READY */
    uint64_t used_bytes;
    uint64_t released_seq;
    struct age age;
    enum next_state next; /* claimed: the filling or the writing batch rolls into it */
    int next_fd;
    uint64_t next_bytes;
    bool no_space; /* the next segment could not be made, tried again soon */
    bool refusing; /* the last append found no space */
    bool writer_idle;
    bool stopping;
    unsigned waiting_for_room;
    uint64_t unreadable_segment; /* the one a reader failed to read last, 0: none */
    int64_t unreadable_since_us, unreadable_last_us, patience_us;

    _Atomic uint64_t durable_seq;  /* of the newest record on disk */
    _Atomic uint32_t committed[2]; /* by parity: twice the number of the last batch committed, plus 1 after a failure */
    atomic_bool failed;
    _Atomic int64_t commit_started_us; /* clock_mono_us(); 0: none is under way */

    pthread_mutex_t reader_lock; /* guards the next two */
    pthread_cond_t reader_wake;
    bool woken;
    _Atomic uint64_t wanted_seq; /* of a waiting reader; stored under reader_lock */

    bool has_spare; /* housekeeper only */

    int tail_fd; /* writer only, as is tail_pos */
    uint64_t tail_pos;
};

/* Whether a reader shall step over what it cannot read in this segment: not before it has failed there for a while. */
bool spool_gives_up_reading(struct spool *sp, uint64_t segment);
void *prepare_main(void *spool); /* the housekeeper thread */
void spool_recount_locked(struct spool *sp);
void spool_show_gauges_locked(struct spool *sp);

#endif
