#include "outbox/pacer.h"

#include <assert.h>

void pacer_lease(struct pacer *p, unsigned permits, int64_t until_us)
{
    p->target = permits < PACER_MOST ? permits : PACER_MOST;
    p->lease_until_us = until_us;
}

unsigned pacer_busy(const struct pacer *p, int64_t now_us)
{
    unsigned over = 0;

    /* The ring is in order of time. */
    while (over < p->resting && p->free_us[(p->resting_from + over) % PACER_MOST] <= now_us)
        over++;
    return p->under_way + p->resting - over;
}

unsigned pacer_free(const struct pacer *p, int64_t at_us)
{
    const unsigned busy = pacer_busy(p, at_us);

    return at_us < p->lease_until_us && busy < p->target ? p->target - busy : 0;
}

static void forget_rested(struct pacer *p, int64_t now_us)
{
    while (p->resting > 0 && p->free_us[p->resting_from] <= now_us) {
        p->resting_from = (p->resting_from + 1) % PACER_MOST;
        p->resting--;
    }
}

void pacer_begin(struct pacer *p, int64_t now_us)
{
    forget_rested(p, now_us);
    assert(p->under_way + p->resting < PACER_MOST);
    p->under_way++;
}

void pacer_end(struct pacer *p, int64_t now_us, bool sent)
{
    assert(p->under_way > 0);
    forget_rested(p, now_us);
    p->under_way--;
    if (sent)
        p->free_us[(p->resting_from + p->resting++) % PACER_MOST] = now_us + PACER_REST_US;
}

unsigned pacer_own(const struct pacer *p, int64_t now_us)
{
    const unsigned busy = pacer_busy(p, now_us);

    return now_us < p->lease_until_us && p->target > busy ? p->target : busy;
}
