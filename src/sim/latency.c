#include "sim/latency.h"

#include <math.h>
#include <stddef.h>

/* A value v of 2048 or more with its highest bit at position p loses p - 10 low bits; what is left is 1024..2047. */
static size_t slot_of(uint64_t us)
{
    unsigned shift;
    size_t slot;

    if (us < 2 * LATENCY_STEPS)
        return (size_t)us;
    shift = (unsigned)(63 - __builtin_clzll(us)) - 10;
    slot = (size_t)shift * LATENCY_STEPS + (size_t)(us >> shift);
    return slot < LATENCY_SLOTS ? slot : LATENCY_SLOTS - 1;
}

/* The highest value of a slot. */
static uint64_t slot_top(size_t slot)
{
    const size_t shift = slot < 2 * LATENCY_STEPS ? 0 : slot / LATENCY_STEPS - 1;
    const uint64_t step = (uint64_t)(slot - shift * LATENCY_STEPS);

    return ((step + 1) << shift) - 1;
}

void latency_add(struct latency *l, int64_t us)
{
    if (us < 0)
        us = 0;
    l->slots[slot_of((uint64_t)us)]++;
    l->count++;
    if (us > l->max_us)
        l->max_us = us;
}

void latency_merge(struct latency *l, const struct latency *other)
{
    for (size_t i = 0; i < LATENCY_SLOTS; i++)
        l->slots[i] += other->slots[i];
    l->count += other->count;
    if (other->max_us > l->max_us)
        l->max_us = other->max_us;
}

int64_t latency_at(const struct latency *l, double share)
{
    const uint64_t wanted = (uint64_t)ceil(share * (double)l->count);
    uint64_t seen = 0;

    if (l->count == 0)
        return 0;
    for (size_t i = 0; i < LATENCY_SLOTS; i++) {
        seen += l->slots[i];
        if (seen >= wanted && seen > 0) {
            const int64_t top = (int64_t)slot_top(i);
            return top < l->max_us ? top : l->max_us;
        }
    }
    return l->max_us;
}
