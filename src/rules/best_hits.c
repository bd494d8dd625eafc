#include "rules/best_hits.h"

#include "rules/sort.h"

static int compare_texts(const char *a, const char *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

/* By place, then rule; everything else only so that equal inputs give equal outputs whatever the order of rules. */
static int by_place(const void *a, const void *b)
{
    const struct ranked_hit *x = a, *y = b;
    int order = compare_u32(x->hit.field, y->hit.field);

    if (!order)
        order = compare_u32(x->hit.start, y->hit.start);
    if (!order)
        order = compare_u32(x->rule, y->rule);
    if (!order)
        order = compare_u32(x->hit.end, y->hit.end);
    if (!order)
        order = compare_texts(x->hit.list, y->hit.list);
    if (!order)
        order = compare_texts(x->hit.term.data, y->hit.term.data);
    return order ? order : strcmp(x->hit.folding, y->hit.folding);
}

static int by_rank(const void *a, const void *b)
{
    const struct ranked_hit *x = a, *y = b;
    int order = compare_u32(x->rank, y->rank);

    return order ? order : by_place(a, b);
}

/* Keeps the JUDGE_MAX_HITS best by rank: the worst of those kept is on top of the heap. */
void best_hits_add(struct best_hits *b, const struct ranked_hit *h)
{
    struct ranked_hit *heap = b->kept, moved;
    size_t at, child;

    if (b->count < JUDGE_MAX_HITS) {
        for (at = b->count++; at && by_rank(h, &heap[(at - 1) / 2]) > 0; at = (at - 1) / 2)
            heap[at] = heap[(at - 1) / 2];
        heap[at] = *h;
        return;
    }
    if (by_rank(h, &heap[0]) >= 0)
        return;
    moved = *h;
    for (at = 0; (child = 2 * at + 1) < JUDGE_MAX_HITS; at = child) {
        if (child + 1 < JUDGE_MAX_HITS && by_rank(&heap[child + 1], &heap[child]) > 0)
            child++;
        if (by_rank(&moved, &heap[child]) >= 0)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

void best_hits_begin(struct best_hits *b)
{
    b->count = 0;
}

const struct hit *best_hits_finish(struct best_hits *b, size_t *count)
{
    sort_in_place(b->kept, b->count, sizeof(*b->kept), by_place);
    for (size_t i = 0; i < b->count; i++)
        b->hits[i] = b->kept[i].hit;
    *count = b->count;
    return b->hits;
}
