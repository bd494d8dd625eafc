/* latency.h - a histogram of microseconds with three significant digits, in the manner of HdrHistogram: exact up to
 * 2047 us, then 1024 equal steps for each doubling, so no value is off by more than 1 in 1024. One thread at a time;
 * several are merged afterwards. */
#ifndef CHATSLUICE_SIM_LATENCY_H
#define CHATSLUICE_SIM_LATENCY_H

#include <stdint.h>

enum {
    LATENCY_STEPS = 1024,   /* a doubling */
    LATENCY_DOUBLINGS = 22, /* beyond the first 2048: up to 2^33 us, more than two hours */
    LATENCY_SLOTS = 2 * LATENCY_STEPS + LATENCY_DOUBLINGS * LATENCY_STEPS,
};

struct latency {
    uint64_t count;
    int64_t max_us;
    uint64_t slots[LATENCY_SLOTS];
};

void latency_add(struct latency *l, int64_t us);
void latency_merge(struct latency *l, const struct latency *other);
/* The smallest recorded value (at its precision) that at least `share` of all do not exceed; 0 when there are none. */
int64_t latency_at(const struct latency *l, double share);

#endif
