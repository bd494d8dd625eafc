/* seeded.h - random-looking numbers that a seed decides, for any number of threads: SplitMix64 over an atomic counter.
 * Not for secrets. */
#ifndef CHATSLUICE_SIM_SEEDED_H
#define CHATSLUICE_SIM_SEEDED_H

#include <stdatomic.h>
#include <stdint.h>

struct seeded {
    _Atomic uint64_t counter;
};

static inline uint64_t seeded_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline void seeded_init(struct seeded *s, uint64_t seed)
{
    atomic_init(&s->counter, seeded_mix(seed));
}

static inline uint64_t seeded_next(struct seeded *s)
{
    return seeded_mix(atomic_fetch_add_explicit(&s->counter, 0x9e3779b97f4a7c15u, memory_order_relaxed));
}

#endif
