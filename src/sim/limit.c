#include "sim/limit.h"

#include <assert.h>

void rolling_limit_init(struct rolling_limit *limit, unsigned max)
{
    assert(max > 0 && max <= LIMIT_MAX);
    limit->max = max;
    limit->count = limit->next = 0;
}

bool rolling_limit_take(struct rolling_limit *limit, int64_t now_us)
{
    /* Once the ring is full the slot to be overwritten holds the oldest of the last max. */
    if (limit->count == limit->max && now_us - limit->taken_us[limit->next] < LIMIT_WINDOW_US)
        return false;
    limit->taken_us[limit->next] = now_us;
    limit->next = (limit->next + 1) % limit->max;
    if (limit->count < limit->max)
        limit->count++;
    return true;
}
