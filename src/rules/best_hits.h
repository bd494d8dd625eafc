/* best_hits.h - the hits of one verdict that are reported when there are more than fit; private to the judge. */
#ifndef CHATSLUICE_RULES_BEST_HITS_H
#define CHATSLUICE_RULES_BEST_HITS_H

#include "rules/judge.h"

struct ranked_hit {
    struct hit hit;
    uint32_t rank; /* smaller is kept rather */
    uint32_t rule; /* index in the set */
};

struct best_hits {
    struct ranked_hit kept[JUDGE_MAX_HITS]; /* a heap, the first to go on top */
    size_t count;
    struct hit hits[JUDGE_MAX_HITS]; /* what best_hits_finish() gives */
};

void best_hits_begin(struct best_hits *b);
void best_hits_add(struct best_hits *b, const struct ranked_hit *h);
/* The best ones, by field, place, then rule; borrowed until the next best_hits_begin(). */
const struct hit *best_hits_finish(struct best_hits *b, size_t *count);

#endif
