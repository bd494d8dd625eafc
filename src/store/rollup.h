/* rollup.h - the thread that counts what the loaders have stored: rollups by minute and hour (0010_rollup.sql).
 *
 * Promise: every stored event is counted once, in the bucket of its own time, whatever dies in between: a pass counts a
 *          stretch of a spool and moves its position in one transaction, and all of it is done by functions of the
 *          database. Several instances may run it; the one that gets the row lock works, the others look on.
 * Rhythm:  passes of at most ROLLUP_STRETCH records, a pass every second or two, at once while it is far behind;
 *          every ten seconds what is worked out whole: deliveries, and what people said.
 * Stop:    finishes or abandons the running pass. Without the database it waits. */
#ifndef CHATSLUICE_STORE_ROLLUP_H
#define CHATSLUICE_STORE_ROLLUP_H

#include "base/err.h"
#include "store/db.h"

#include <stdint.h>

enum { ROLLUP_STRETCH = 50000 };

struct rollup;

int rollup_start(struct rollup **out, const char *database_url, int64_t connect_timeout_ms, struct err *err);
void rollup_stop(struct rollup *rollup); /* NULL is fine */

/* Counts the days (UTC) of from_us to until_us anew, one transaction each, beside running passes and loaders. day_done,
 * which may be NULL, hears of each; *events of how many were counted. ERR_USAGE when there is nothing between the
 * times. */
int rollup_rebuild(struct db *db, int64_t from_us, int64_t until_us,
                   void (*day_done)(int64_t day_us, uint64_t events, void *arg), void *arg, uint64_t *events,
                   struct err *err);

#endif
