/* policy.h - private to webhook.c: what of the configuration a webhook request needs, as one immutable, counted value.
 * A reload puts another one in the slot; a request keeps the one it began with. The last release wipes the tokens and
 * keys. */
#ifndef CHATSLUICE_SERVE_POLICY_H
#define CHATSLUICE_SERVE_POLICY_H

#include "base/config.h"
#include "serve/query.h"
#include "wire/marker.h"

#include <pthread.h>

struct policy {
    int64_t deadline_us; /* from the head of a request */
    enum fallback fallback_verdict, unreadable_verdict;
    /* private */
    _Atomic unsigned references;
    bool authentication;
    size_t app_count;
    struct policy_app {
        uint64_t sdkappid;
        char *token, *previous_token; /* its own; NULL: none */
        bool has_marker_key;
        uint8_t marker_key[MARKER_KEY];
    } apps[CONFIG_MAX_APPS];
};

struct policy_slot {
    pthread_mutex_t lock;
    struct policy *current;
};

void policy_slot_init(struct policy_slot *slot);
void policy_slot_release(struct policy_slot *slot);
int policy_slot_put(struct policy_slot *slot, const struct config *config, struct err *err); /* copies what it needs */
struct policy *policy_slot_get(struct policy_slot *slot);                                    /* gives a reference */
void policy_unref(struct policy *policy);

/* Whether the URL is one of our applications' and signed with its token (`protocol.md` section 2). On a refusal *why
 * has the words for the sender and the log; nothing in them is secret. */
enum admission { ADMITTED, NO_SUCH_APP, NOT_SIGNED };
enum admission policy_admit(const struct policy *policy, const struct query *query, int64_t now_s, uint64_t *sdkappid,
                            const char **why);

/* The key of an application's markers; NULL: it has no secret key, so nothing is sent for it. */
const uint8_t *policy_marker_key(const struct policy *policy, uint64_t sdkappid);

#endif
