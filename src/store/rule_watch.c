#include "store/rule_watch.h"

static struct rule_counts_seen since(struct rule_counts_seen start, struct rule_counts_seen now)
{
    return (struct rule_counts_seen){now.messages - start.messages, now.hit - start.hit};
}

void rule_watch_taken(struct rule_watch *w, uint64_t revision, uint64_t ran, struct rule_counts_seen now,
                      int64_t now_us)
{
    w->before = ran > 0 ? since(w->start, now) : (struct rule_counts_seen){0};
    w->start = now;
    w->revision = w->factor > 0 && w->before.messages >= RULE_WATCH_LEAST ? revision : 0;
    w->until_us = now_us + w->window_us;
}

void rule_watch_end(struct rule_watch *w)
{
    w->revision = 0;
}

/* With a/b the new share and c/d the old one: a/b > factor * c/d and a/b >= c/d + points/100, in whole numbers, which
 * have room for a thousand million messages each. */
static bool is_jump(uint64_t factor, struct rule_counts_seen old, struct rule_counts_seen new)
{
    uint64_t new_share = new.hit *old.messages, old_share = old.hit *new.messages;

    return new_share > factor * old_share &&
           (new_share - old_share) >= new.messages *old.messages / 100 * RULE_WATCH_POINTS;
}

bool rule_watch_jumped(struct rule_watch *w, struct rule_counts_seen now, int64_t now_us, struct rule_jump *jump)
{
    struct rule_counts_seen after = since(w->start, now);

    if (w->revision == 0)
        return false;
    if (now_us > w->until_us) {
        rule_watch_end(w);
        return false;
    }
    if (after.messages < RULE_WATCH_LEAST || !is_jump(w->factor, w->before, after))
        return false;
    *jump = (struct rule_jump){w->revision, w->before, after};
    return true;
}
