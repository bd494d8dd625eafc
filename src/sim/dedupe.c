#include "sim/dedupe.h"

#include <stdlib.h>

enum { FIRST_SIZE = 16 };

void dedupe_release(struct dedupe *d)
{
    free(d->entries);
    *d = (struct dedupe){0};
}

static struct dedupe_entry *entry_at(const struct dedupe *d, size_t index)
{
    return &d->entries[(d->first + index) % d->size];
}

static void expire(struct dedupe *d, int64_t now_us)
{
    while (d->count > 0 && now_us - entry_at(d, 0)->claimed_us >= (int64_t)DEDUPE_WINDOW_S * 1000000) {
        d->first = (d->first + 1) % d->size;
        d->count--;
    }
}

/* The entry in force, newest first: most are looked for soon after they were made. */
static struct dedupe_entry *find(const struct dedupe *d, uint32_t random)
{
    for (size_t i = d->count; i-- > 0;) {
        struct dedupe_entry *e = entry_at(d, i);
        if (e->random == random && !e->given_back)
            return e;
    }
    return NULL;
}

static bool grow(struct dedupe *d)
{
    const size_t size = d->size ? d->size * 2 : FIRST_SIZE;
    struct dedupe_entry *entries = calloc(size, sizeof(*entries));

    if (!entries)
        return false;
    for (size_t i = 0; i < d->count; i++)
        entries[i] = *entry_at(d, i);
    free(d->entries);
    d->entries = entries;
    d->size = size;
    d->first = 0;
    return true;
}

enum dedupe_claim dedupe_take(struct dedupe *d, uint32_t random, int64_t now_us, struct dedupe_entry *earlier)
{
    const struct dedupe_entry *known;

    expire(d, now_us);
    known = find(d, random);
    if (known) {
        *earlier = *known;
        return DEDUPE_AGAIN;
    }
    if (d->count >= DEDUPE_MAX || (d->count == d->size && !grow(d)))
        return DEDUPE_FULL;
    *entry_at(d, d->count++) = (struct dedupe_entry){.random = random, .claimed_us = now_us};
    return DEDUPE_FIRST;
}

void dedupe_settle(struct dedupe *d, uint32_t random, uint32_t msg_seq, int64_t msg_time_s)
{
    struct dedupe_entry *e = find(d, random);

    if (e) {
        e->msg_seq = msg_seq;
        e->msg_time_s = msg_time_s;
    }
}

void dedupe_give_back(struct dedupe *d, uint32_t random)
{
    struct dedupe_entry *e = find(d, random);

    if (e)
        e->given_back = true;
}
