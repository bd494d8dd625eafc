/* pacer.h - how many calls of one REST command this instance may begin now, so that all instances together never exceed
 * the rate: pure, the clock is the caller's.
 *
 * A permit is one call under way, or one that ended less than a second ago. When a call arrives at the platform is not
 * known, only that it is after it was begun and before its answer came: so two calls by the same permit arrive more
 * than a second apart, and N permits mean at most N arrivals in any second, whatever the delays. The price is that a
 * permit serves once in a second and the time of a call.
 *
 * How many permits there are is leased from the database (chatsluice.lease_calls) for a while by our own clock. */
#ifndef CHATSLUICE_OUTBOX_PACER_H
#define CHATSLUICE_OUTBOX_PACER_H

#include <stdbool.h>
#include <stdint.h>

enum { PACER_MOST = 200, PACER_REST_US = 1001 * 1000 };

struct pacer {
    unsigned target; /* permits by the last lease */
    int64_t lease_until_us;
    unsigned under_way;
    unsigned resting_from, resting; /* a ring of those that ended, with the time each is free again */
    int64_t free_us[PACER_MOST];
};

/* From now on that many, until the lease ends. The end counts from before the database was asked. */
void pacer_lease(struct pacer *p, unsigned permits, int64_t until_us);
/* Calls that may be begun at that time, if none is begun before. */
unsigned pacer_free(const struct pacer *p, int64_t at_us);
/* A call begins; pacer_free() was at least 1. */
void pacer_begin(struct pacer *p, int64_t now_us);
/* It has ended; sent false: surely nothing of it left, and the permit is free at once. */
void pacer_end(struct pacer *p, int64_t now_us, bool sent);
/* Permits that are in use or may be used before the lease ends: what lease_calls is to count as ours. */
unsigned pacer_own(const struct pacer *p, int64_t now_us);
/* Calls under way or resting. */
unsigned pacer_busy(const struct pacer *p, int64_t now_us);

#endif
