/* A table of rows of a few cells, as in rules/history.c: a marker's hash names the row and stands in the cell. The hash
 * is keyed and has 64 bits: that two markers of three minutes share one does not happen, and if it did, one of our
 * messages would be judged. Of 36000 markers, 200 a second for all that time, a row has two on average, and one in
 * thousands of millions more than 16. */
#include "serve/marker_memory.h"

#include "base/siphash.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

struct cell {
    uint64_t key;    /* 0: free */
    int64_t until_s; /* free again behind it */
};

struct marker_memory {
    uint64_t key[2];      /* fixed once made */
    pthread_mutex_t lock; /* guards the cells */
    struct cell cells[MARKER_MEMORY_ROWS][MARKER_MEMORY_WAYS];
};

struct marker_memory *marker_memory_new(void)
{
    struct marker_memory *m = calloc(1, sizeof(*m)); /* memory nobody has touched costs nothing */

    if (!m)
        return NULL;
    if (getrandom(m->key, sizeof(m->key), 0) != (ssize_t)sizeof(m->key)) {
        free(m);
        return NULL;
    }
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void marker_memory_free(struct marker_memory *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static uint64_t key_of(const struct marker_memory *m, const struct marker *marker)
{
    struct siphash s;
    uint64_t key;

    siphash_begin(&s, m->key);
    siphash_add(&s, marker->id, MARKER_ID);
    siphash_add_u64(&s, marker->attempt);
    key = siphash_end(&s);
    return key ? key : 1;
}

static bool use_locked(struct cell row[MARKER_MEMORY_WAYS], uint64_t key, int64_t now_s)
{
    struct cell *room = NULL;

    for (size_t i = 0; i < MARKER_MEMORY_WAYS; i++) {
        bool free = row[i].key == 0 || row[i].until_s < now_s;

        if (!free && row[i].key == key)
            return false;
        if (free && !room)
            room = &row[i];
    }
    if (!room)
        return false;
    *room = (struct cell){key, now_s + MARKER_MEMORY_S};
    return true;
}

bool marker_memory_use(struct marker_memory *m, const struct marker *marker, int64_t now_s)
{
    uint64_t key = key_of(m, marker);
    bool unused;

    pthread_mutex_lock(&m->lock);
    unused = use_locked(m->cells[key % MARKER_MEMORY_ROWS], key, now_s);
    pthread_mutex_unlock(&m->lock);
    return unused;
}
