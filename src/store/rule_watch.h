/* rule_watch.h - has the share of messages that rules hit jumped since a revision was taken? Arithmetic alone: whoever
 * owns it brings counts and clock, so there is one thread for each. */
#ifndef CHATSLUICE_STORE_RULE_WATCH_H
#define CHATSLUICE_STORE_RULE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RULE_WATCH_LEAST = 200, /* messages on each side: fewer say nothing */
    RULE_WATCH_POINTS = 2
}; /* percentage points more, at least: twice as many of almost none is still almost none */

struct rule_counts_seen { /* of this process so far */
    uint64_t messages;    /* Before webhooks */
    uint64_t hit;         /* of those masked, replaced, rejected or discarded */
};

struct rule_watch {
    uint64_t factor; /* 0: off */
    int64_t window_us;
    /* private */
    uint64_t revision; /* watched; 0: none */
    int64_t until_us;
    struct rule_counts_seen start;  /* when the running revision was taken */
    struct rule_counts_seen before; /* under the one before it */
};

/* A revision was taken; `ran` is the one before it, 0 when no rules were in force, which is nothing to compare with. */
void rule_watch_taken(struct rule_watch *w, uint64_t revision, uint64_t ran, struct rule_counts_seen now,
                      int64_t now_us);
void rule_watch_end(struct rule_watch *w);

struct rule_jump {
    uint64_t revision;
    struct rule_counts_seen before, after;
};
/* True, with *jump filled, once the watched revision blocks more than factor times the share, and RULE_WATCH_POINTS
 * more, within its window. */
bool rule_watch_jumped(struct rule_watch *w, struct rule_counts_seen now, int64_t now_us, struct rule_jump *jump);

#endif
