#include "rules/cover.h"

#include "rules/sort.h"

#include <stdlib.h>

enum { COVER_KEEP_RANGES = 16 * 1024 }; /* memory for more is given back after the message that needed it */

void cover_release(struct cover *c)
{
    free(c->ranges);
    *c = (struct cover){0};
}

void cover_begin(struct cover *c)
{
    if (c->cap > COVER_KEEP_RANGES)
        cover_release(c);
    c->count = 0;
}

bool cover_add(struct cover *c, uint32_t field, uint32_t start, uint32_t end)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 64;
        struct cover_range *grown = realloc(c->ranges, cap * sizeof(*grown));

        if (!grown)
            return false;
        c->ranges = grown;
        c->cap = cap;
    }
    c->ranges[c->count++] = (struct cover_range){field, start, end, 0};
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct cover_range *x = a, *y = b;
    int order = compare_u32(x->field, y->field);

    if (!order)
        order = compare_u32(x->start, y->start);
    return order ? order : compare_u32(x->end, y->end);
}

void cover_finish(struct cover *c)
{
    sort_in_place(c->ranges, c->count, sizeof(*c->ranges), by_start);
    for (size_t i = 0; i < c->count; i++) {
        struct cover_range *r = &c->ranges[i];

        r->reach = r->end;
        if (i && c->ranges[i - 1].field == r->field && c->ranges[i - 1].reach > r->end)
            r->reach = c->ranges[i - 1].reach;
    }
}

/* Of the ranges that do not begin after start, one must reach end. */
bool cover_contains(const struct cover *c, uint32_t field, uint32_t start, uint32_t end)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct cover_range *r = &c->ranges[middle];

        if (r->field < field || (r->field == field && r->start <= start))
            low = middle + 1;
        else
            high = middle;
    }
    return low && c->ranges[low - 1].field == field && c->ranges[low - 1].reach >= end;
}
