/* sort.h - a sort for the request path: qsort() of the C library allocates, this one never does. */
#ifndef CHATSLUICE_RULES_SORT_H
#define CHATSLUICE_RULES_SORT_H

#include <stddef.h>

enum { SORT_MAX_ITEM = 128 };

/* Heap sort: in place, n log n whatever the input, not stable. Items have at most SORT_MAX_ITEM bytes. */
void sort_in_place(void *items, size_t count, size_t size, int (*compare)(const void *, const void *));

#endif
