/* rows.h - the sender's statements: what migrations/0005_outbox.sql offers it. All run on one connection; a failure
 * leaves it to the caller to close it. Errors as of store/db.h. */
#ifndef CHATSLUICE_OUTBOX_ROWS_H
#define CHATSLUICE_OUTBOX_ROWS_H

#include "outbox/job.h"
#include "outbox/outcome.h"
#include "store/db.h"

/* Marks the lanes of the applications for which there is something to send; texts without a transport yet go by
 * `transport`. */
int rows_find_due(struct db *db, struct application *apps, enum rest_command transport, struct err *err);

struct claim {
    const char *instance_id;
    struct application *app;
    struct lane lane;
    bool fresh; /* texts without a transport yet, too */
    unsigned most;
    int64_t lease_ms;
    uint64_t room_per_minute;
};
/* Gives a list of jobs, each to be freed with free(). send_before_us is not filled. */
int rows_claim(struct db *db, const struct claim *claim, struct job **out, struct err *err);
/* Rows the database thinks this instance is sending go back; it knows of none. */
int rows_disown(struct db *db, const char *instance_id, unsigned long long *moved, struct err *err);

/* Adds one answer as a line of JSON. */
void rows_answer_add(struct buf *lines, const struct row *row, const struct outcome *outcome,
                     const struct settled *settled);
/* Writes down such lines, many at once. ERR_... of a data error: one of them is not taken. */
int rows_answered(struct db *db, struct span lines, struct err *err);

int rows_sweep(struct db *db, int64_t confirm_ms, bool retry_unconfirmed, uint64_t attempts, struct err *err);

/* How many rows there are that are not final, of all instances, each up to ROWS_COUNTED. */
enum { ROWS_COUNTED = 1000 };
struct rows_open {
    unsigned long long held, queued, sending, waiting, uncertain;
};
int rows_count_open(struct db *db, struct rows_open *out, struct err *err);

int rows_lease(struct db *db, const char *instance_id, uint64_t sdkappid, enum rest_command command, unsigned own,
               uint64_t most, int64_t lease_ms, unsigned *permits, struct err *err);
int rows_slow_calls(struct db *db, uint64_t sdkappid, enum rest_command command, struct err *err);
int rows_give_leases_back(struct db *db, const char *instance_id, struct err *err);

#endif
