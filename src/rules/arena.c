#include "rules/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { ARENA_BLOCK_BYTES = 16 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    max_align_t data[];
};

void arena_release(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;

        free(a->blocks);
        a->blocks = next;
    }
    *a = ARENA_INIT;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    struct arena_block *b = a->blocks;
    void *place;

    if (bytes > SIZE_MAX / 2)
        goto no_memory;
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!b || b->cap - b->used < bytes) {
        size_t cap = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;

        b = malloc(sizeof(*b) + cap);
        if (!b)
            goto no_memory;
        *b = (struct arena_block){.next = a->blocks, .cap = cap};
        a->blocks = b;
    }
    place = (char *)b->data + b->used;
    b->used += bytes;
    return memset(place, 0, bytes);

no_memory:
    a->failed = true;
    return NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) {
        a->failed = true;
        return NULL;
    }
    return arena_alloc(a, count * size);
}

struct span arena_span(struct arena *a, struct span text)
{
    char *copy = arena_alloc(a, text.len + 1);

    if (!copy)
        return (struct span){0};
    if (text.len)
        memcpy(copy, text.data, text.len);
    return (struct span){copy, text.len};
}

const char *arena_text(struct arena *a, const char *text)
{
    return text ? arena_span(a, span_of(text)).data : NULL;
}
