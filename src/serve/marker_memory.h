/* marker_memory.h - private to webhook.c: which markers Before webhooks have used in this process, so that none is
 * worth two messages.
 *
 * Bounded: as large as it is made, nothing is allocated afterwards. A marker is remembered for longer than it is in
 * time; there is room for many times those that the API's rate lets through in that while. Should there be none all the
 * same, the marker counts as used: our message is then judged as any other, and nothing is let through twice. Use takes
 * the same few steps however full it is. Threads: any; one short lock. */
#ifndef CHATSLUICE_SERVE_MARKER_MEMORY_H
#define CHATSLUICE_SERVE_MARKER_MEMORY_H

#include "wire/marker.h"

enum {
    MARKER_MEMORY_S = 3 * MARKER_LIFE_S, /* in time from at - life to at + life, and a clock may be set back a little */
    MARKER_MEMORY_WAYS = 16,
    MARKER_MEMORY_ROWS = 1 << 14,
};

struct marker_memory;

struct marker_memory *marker_memory_new(void); /* NULL: no memory */
void marker_memory_free(struct marker_memory *m);

/* Uses the marker: true when it was not used before. now_s is of a clock that does not go back. */
bool marker_memory_use(struct marker_memory *m, const struct marker *marker, int64_t now_s);

#endif
