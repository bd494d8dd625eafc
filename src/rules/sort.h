/* sort.h - a sort for the request path: qsort() of the C library allocates, this one never does. */
#ifndef CHATSLUICE_RULES_SORT_H
#define CHATSLUICE_RULES_SORT_H

#include <stddef.h>
#include <stdint.h>

enum { SORT_MAX_ITEM = 128 };

/* Heap sort: in place, n log n whatever the input, not stable. Items have at most SORT_MAX_ITEM bytes. */
void sort_in_place(void *items, size_t count, size_t size, int (*compare)(const void *, const void *));

/* What comparison functions are made of. */
static inline int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

#endif
