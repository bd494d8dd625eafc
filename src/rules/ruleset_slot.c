/* The slot that holds the set in force. Taking a reference goes through a lock held for a few instructions: less than
 * a tenth of a microsecond. Threads do not keep their reference between requests: an idle one would hold on to a set
 * long replaced, and there may be hundreds of threads. */
#include "rules/ruleset_priv.h"

#include <pthread.h>
#include <stdlib.h>

struct ruleset_slot {
    pthread_mutex_t lock; /* guards set */
    struct ruleset *set;
};

struct ruleset_slot *ruleset_slot_new(void)
{
    struct ruleset_slot *slot = calloc(1, sizeof(*slot));

    if (slot)
        pthread_mutex_init(&slot->lock, NULL);
    return slot;
}

void ruleset_slot_free(struct ruleset_slot *slot)
{
    if (!slot)
        return;
    ruleset_unref(slot->set);
    pthread_mutex_destroy(&slot->lock);
    free(slot);
}

void ruleset_slot_put(struct ruleset_slot *slot, struct ruleset *set)
{
    struct ruleset *old;

    ruleset_ref(set);
    pthread_mutex_lock(&slot->lock);
    old = slot->set;
    slot->set = set;
    pthread_mutex_unlock(&slot->lock);
    ruleset_unref(old);
}

struct ruleset *ruleset_slot_get(struct ruleset_slot *slot)
{
    struct ruleset *set;

    pthread_mutex_lock(&slot->lock);
    set = slot->set ? ruleset_ref(slot->set) : NULL;
    pthread_mutex_unlock(&slot->lock);
    return set;
}
