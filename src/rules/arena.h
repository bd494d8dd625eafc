/* arena.h - memory that is taken piece by piece and given back whole: what a rule document or a rule set owns. */
#ifndef CHATSLUICE_RULES_ARENA_H
#define CHATSLUICE_RULES_ARENA_H

#include "base/span.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    bool failed; /* sticky, as in struct buf: add freely, check once */
};

#define ARENA_INIT ((struct arena){0})

void arena_release(struct arena *a);

/* Zeroed and aligned for any type; NULL when memory ran out. */
void *arena_alloc(struct arena *a, size_t bytes);
void *arena_array(struct arena *a, size_t count, size_t size);

/* A copy that also ends with a NUL; {NULL, 0} when memory ran out. */
struct span arena_span(struct arena *a, struct span text);
const char *arena_text(struct arena *a, const char *text); /* NULL stays NULL */

#endif
