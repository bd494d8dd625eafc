/* The slot that holds the set in force. Taking a reference goes through a lock held for a few instructions; a thread
 * that keeps its reference between requests (ruleset_slot_refresh) only compares one number, so that at tens of
 * thousands of requests a second no reader waits for another, nor for the thread that swaps. */
#include "rules/ruleset_priv.h"

#include <pthread.h>
#include <stdlib.h>

struct ruleset_slot {
    atomic_uint_fast64_t serial; /* of set; 0: none. Written under the lock */
    pthread_mutex_t lock;        /* guards set */
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
    atomic_store_explicit(&slot->serial, set->serial, memory_order_release);
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

void ruleset_slot_refresh(struct ruleset_slot *slot, struct ruleset **held)
{
    uint64_t have = *held ? (*held)->serial : 0;

    if (atomic_load_explicit(&slot->serial, memory_order_acquire) == have)
        return;
    ruleset_unref(*held);
    *held = ruleset_slot_get(slot);
}
