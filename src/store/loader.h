/* loader.h - the thread that moves the spool into table event.
 *
 * Promise: exactly once. The position of the spool moves by compare-and-set in the transaction that inserts its rows;
 * what happened to a COMMIT whose answer was lost is read back from that position. Rhythm:  wait for records, build a
 * batch, one transaction, release; without the database: try again after 100 ms growing to 2 s, with jitter, for ever.
 * Refusals: a record PostgreSQL refuses goes to dead_letter in the same transaction, the rest of the batch goes in;
 *          an After delivery that is already there is counted and left out.
 * Stop:    loader_stop finishes or abandons the running transaction; nothing is lost, the spool still has it. */
#ifndef CHATSLUICE_STORE_LOADER_H
#define CHATSLUICE_STORE_LOADER_H

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
};

int loader_start(struct loader **out, const struct loader_options *options, struct err *err);
void loader_stop(struct loader *loader); /* NULL is fine */

/* For tests and readiness detail: all records up to this number are committed. */
uint64_t loader_position(struct loader *loader);

#endif
