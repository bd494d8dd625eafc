/* loader.h - the thread that moves the spool into table event.
 *
 * Promise: exactly once. The position of the spool moves by compare-and-set in the transaction that inserts its rows;
 * what happened to a COMMIT whose answer was lost is read back from that position. Rhythm:  wait for records, build a
 * batch, one transaction, release; without the database: try again after 100 ms growing to 2 s, with jitter, for ever.
 * Refusals: a record PostgreSQL refuses goes to dead_letter in the same transaction, the rest of the batch goes in;
 *          an After delivery that is already there is counted and left out.
 * Follow-ups of rules become rows of table outbox, and webhooks that tell of our own messages become sightings, in the
 *          same transaction (store/follow_up.h). What PostgreSQL refuses of those never holds up the events.
 * Stop:    loader_stop finishes or abandons the running transaction; nothing is lost, the spool still has it. */
#ifndef CHATSLUICE_STORE_LOADER_H
#define CHATSLUICE_STORE_LOADER_H

#include "base/config.h"
#include "base/err.h"
#include "spool/spool.h"

struct loader;

struct loader_options {
    struct spool *spool;
    const char *database_url;
    const char *instance_id;
    size_t batch_rows;
    int64_t connect_timeout_ms;
    unsigned partition_days_ahead;
    const struct config_app *apps; /* those with a secret_key have REST access: what others ask for is cancelled */
    size_t app_count;
    int64_t time_to_live_ms;          /* of what rules ask for */
    void (*on_follow_ups)(void *arg); /* in the loader's thread, after a COMMIT that wrote such rows; may be NULL */
    void *arg;
};

int loader_start(struct loader **out, const struct loader_options *options, struct err *err);
void loader_stop(struct loader *loader); /* NULL is fine */

/* From any thread: takes over changed applications and time to live. NULL is fine. */
int loader_reload(struct loader *loader, const struct config_app *apps, size_t app_count, int64_t time_to_live_ms,
                  struct err *err);

/* For tests and readiness detail: all records up to this number are committed. */
uint64_t loader_position(struct loader *loader);

#endif
