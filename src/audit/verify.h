/* verify.h - proves that no stored event of a period was changed, removed or inserted since it was loaded.
 *
 * Reads one snapshot of the database: the blocks of each spool's chain in order, and the rows they speak of by
 * stretches, over several connections at once; memory is bounded by those stretches. Nothing is written, but block
 * ranges of indexes are summarised where that is allowed. Threads: one call at a time for each report. */
#ifndef CHATSLUICE_AUDIT_VERIFY_H
#define CHATSLUICE_AUDIT_VERIFY_H

#include "base/crypto.h"
#include "base/err.h"
#include "base/uuid.h"

enum audit_what {
    AUDIT_CHANGED,            /* a row is not what was loaded */
    AUDIT_MISSING,            /* a row that was loaded is not there */
    AUDIT_INSERTED,           /* a row that was never loaded is there */
    AUDIT_SWAPPED,            /* a row stands at another row's place in the spool */
    AUDIT_BLOCK_ALTERED,      /* a block does not fit its hash, or what was signed */
    AUDIT_CHAIN_CUT,          /* blocks are missing, in the middle or at the end */
    AUDIT_CHECKPOINT_FORGED,  /* its signature does not fit */
    AUDIT_CHECKPOINT_MISSING, /* others name it */
    AUDIT_WHATS
};

struct audit_finding {
    enum audit_what what;
    char spool_id[UUID_STRING], event_id[UUID_STRING]; /* "": none */
    uint64_t seq, block;                               /* 0: none */
    char room[256];                                    /* cut where it is longer */
    char detail[200];
};

enum { AUDIT_MOST_FINDINGS = 1000, AUDIT_MOST_KEYS = 16 };

struct audit_report {
    uint64_t spools, blocks, rows; /* looked at */
    uint64_t erased;               /* of rows */
    uint64_t unchained;            /* rows loaded before their chain began: nothing is proven of them */
    uint64_t removed;              /* rows of days that retention removed and recorded (removed_day) */
    uint64_t duplicates, parked, lost_stretches;
    uint64_t checkpoints, checkpoints_checked; /* seen; signatures that were checked and fit */
    uint64_t counts[AUDIT_WHATS];
    struct audit_finding *findings; /* in the order of spool and number; at most AUDIT_MOST_FINDINGS */
    size_t finding_count;
    int64_t took_us;
};

struct audit_options {
    const char *database_url;
    int64_t connect_timeout_ms;
    bool has_period;
    int64_t from_us, to_us; /* event times, to_us not included */
    const char *spool_id;   /* NULL: all */
    struct crypto_key *keys[AUDIT_MOST_KEYS];
    size_t key_count;             /* 0: signatures are not checked */
    struct span checkpoint_lines; /* of files the auditor kept */
};

/* 0 when it could be looked at: whether all is well say the counts. */
int audit_verify(const struct audit_options *options, struct audit_report *out, struct err *err);
void audit_report_release(struct audit_report *report);
bool audit_report_is_clean(const struct audit_report *report);
const char *audit_what_name(enum audit_what what);

#endif
