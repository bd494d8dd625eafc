/* limit.h - at most `max` happenings in any rolling second, exactly: it remembers when the last `max` took place. Not
 * locked: its owner does that. */
#ifndef CHATSLUICE_SIM_LIMIT_H
#define CHATSLUICE_SIM_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum { LIMIT_WINDOW_US = 1000000, LIMIT_MAX = 200 };

struct rolling_limit {
    unsigned max; /* at most LIMIT_MAX */
    unsigned count, next;
    int64_t taken_us[LIMIT_MAX];
};

void rolling_limit_init(struct rolling_limit *limit, unsigned max);
/* False, and nothing taken, when this one would be the (max + 1)th within a second. now_us never goes back. */
bool rolling_limit_take(struct rolling_limit *limit, int64_t now_us);

#endif
