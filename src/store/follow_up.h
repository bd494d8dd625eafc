/* follow_up.h - what the events of a batch ask for (rows of chatsluice.outbox) and tell of our own messages (rows of
 * chatsluice.outbox_sighting); private to store.
 *
 * Life: follow_ups_init -> (follow_ups_reset -> follow_ups_note... -> follow_ups_store or follow_ups_store_each)... ->
 * follow_ups_release. What becomes of what stands in chatsluice.outbox_enqueue, beside the tables. A batch without any
 * of it costs a look at each record and no statement. */
#ifndef CHATSLUICE_STORE_FOLLOW_UP_H
#define CHATSLUICE_STORE_FOLLOW_UP_H

#include "base/config.h"
#include "store/db.h"
#include "store/event_record.h"

struct follow_up_mark { /* one event of the batch */
    size_t start, end;  /* in items */
    uint64_t seq;
};

struct follow_ups {
    struct buf items; /* JSON objects, separated by commas */
    struct follow_up_mark *marks;
    size_t count, max;
};

/* What outbox rows depend on beside the event. */
struct follow_up_terms {
    char *rest_apps; /* the applications with REST access as PostgreSQL writes an array: {1400000001,1400000002} */
    int64_t time_to_live_ms;
};

/* max: events of a batch at most. */
int follow_ups_init(struct follow_ups *f, size_t max, struct err *err);
void follow_ups_release(struct follow_ups *f);
void follow_ups_reset(struct follow_ups *f);

/* Takes note of an event that was added to the batch, if it matters here. record: as event_encoded() gives it. */
int follow_ups_note(struct follow_ups *f, const struct event_record *record, uint64_t seq, int64_t event_time_us,
                    struct err *err);

/* In the transaction that stores the events, after them. *written: rows that are new, added to. */
int follow_ups_store(const struct follow_ups *f, struct db *db, const char *spool_id,
                     const struct follow_up_terms *terms, uint64_t *written, struct err *err);
/* The same, but an event whose follow-ups are refused is logged, counted in *refused and left without them: it must
 * come in whatever they are. Fails only for what another try may mend. */
int follow_ups_store_each(const struct follow_ups *f, struct db *db, const char *spool_id,
                          const struct follow_up_terms *terms, uint64_t *written, uint64_t *refused, struct err *err);

/* Applications with a secret_key have REST access. ERR_FAILED: no memory, *terms is then as it was. */
int follow_up_terms_set(struct follow_up_terms *terms, const struct config_app *apps, size_t count,
                        int64_t time_to_live_ms, struct err *err);

#endif
