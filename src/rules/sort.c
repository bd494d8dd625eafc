#include "rules/sort.h"

#include <string.h>

void sort_in_place(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    char *items = base, spare[SORT_MAX_ITEM];

    for (size_t build = count / 2, end = count; end > 1;) {
        size_t parent, child;

        if (build) {
            build--;
        } else {
            end--;
            memcpy(spare, items, size);
            memcpy(items, items + end * size, size);
            memcpy(items + end * size, spare, size);
        }
        for (parent = build; (child = 2 * parent + 1) < end; parent = child) {
            if (child + 1 < end && compare(items + child * size, items + (child + 1) * size) < 0)
                child++;
            if (compare(items + parent * size, items + child * size) >= 0)
                break;
            memcpy(spare, items + parent * size, size);
            memcpy(items + parent * size, items + child * size, size);
            memcpy(items + child * size, spare, size);
        }
    }
}
