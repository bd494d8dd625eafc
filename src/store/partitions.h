/* partitions.h - the days of chatsluice.event that have a partition, as the loader knows them; private to store.
 *
 * A row whose day has none goes into the default partition and then stands in the way of making it; so the loader asks
 * before it writes. Days far from today never get one. Knowledge lasts for one connection. */
#ifndef CHATSLUICE_STORE_PARTITIONS_H
#define CHATSLUICE_STORE_PARTITIONS_H

#include "store/db.h"

enum { PARTITIONS_DAYS = 65536 }; /* days since 1970 that can have one: up to the year 2149 */

struct partitions {
    unsigned days_ahead;
    int64_t today;                              /* for which partitions ahead were last made; 0: not yet */
    unsigned char settled[PARTITIONS_DAYS / 8]; /* one bit a day: nothing more to do for it */
};

void partitions_reset(struct partitions *p); /* a new connection: maybe another database */

/* Makes yesterday's to the last partition ahead, once a day; now_us is the wall clock. */
int partitions_make_ahead(struct partitions *p, struct db *db, int64_t now_us, struct err *err);

/* Whether a row of that time may be written now. */
bool partitions_settled(const struct partitions *p, int64_t event_time_us);
/* Makes the partition of that day; what cannot be made is logged and left to the default partition. */
int partitions_make(struct partitions *p, struct db *db, int64_t event_time_us, struct err *err);

#endif
