#include "serve/policy.h"

#include "wire/signature.h"

#include <stdatomic.h>
#include <stdlib.h>

static void secret_free(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void policy_free(struct policy *policy)
{
    for (size_t i = 0; i < policy->app_count; i++) {
        secret_free(policy->apps[i].token);
        secret_free(policy->apps[i].previous_token);
    }
    explicit_bzero(policy->apps, sizeof(policy->apps));
    free(policy);
}

/* False: no memory. */
static bool secret_copy(char **out, const char *secret)
{
    *out = secret ? strdup(secret) : NULL;
    return *out || !secret;
}

static struct policy *policy_new(const struct config *config)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    bool copied = policy != NULL;

    if (!policy)
        return NULL;
    policy->deadline_us = config->webhook.deadline_ms * 1000;
    policy->fallback_verdict = config->webhook.fallback_verdict;
    policy->unreadable_verdict = config->webhook.unreadable_verdict;
    policy->authentication = config->webhook.authentication;
    policy->app_count = config->app_count;
    atomic_init(&policy->references, 1);
    for (size_t i = 0; i < config->app_count; i++) {
        const struct config_app *from = &config->apps[i];
        struct policy_app *app = &policy->apps[i];

        app->sdkappid = from->sdkappid;
        copied = secret_copy(&app->token, from->token) && copied;
        copied = secret_copy(&app->previous_token, from->previous_token) && copied;
        app->has_marker_key = from->secret_key != NULL;
        if (app->has_marker_key)
            marker_key(app->marker_key, from->secret_key);
    }
    if (!copied) {
        policy_free(policy);
        return NULL;
    }
    return policy;
}

void policy_unref(struct policy *policy)
{
    if (policy && atomic_fetch_sub(&policy->references, 1) == 1)
        policy_free(policy);
}

void policy_slot_init(struct policy_slot *slot)
{
    pthread_mutex_init(&slot->lock, NULL);
    slot->current = NULL;
}

void policy_slot_release(struct policy_slot *slot)
{
    policy_unref(slot->current);
    pthread_mutex_destroy(&slot->lock);
}

int policy_slot_put(struct policy_slot *slot, const struct config *config, struct err *err)
{
    struct policy *old, *policy = policy_new(config);

    if (!policy)
        return err_set(err, ERR_FAILED, "could not take over the webhook configuration: no memory");
    pthread_mutex_lock(&slot->lock);
    old = slot->current;
    slot->current = policy;
    pthread_mutex_unlock(&slot->lock);
    policy_unref(old);
    return 0;
}

struct policy *policy_slot_get(struct policy_slot *slot)
{
    struct policy *policy;

    pthread_mutex_lock(&slot->lock);
    policy = slot->current;
    atomic_fetch_add(&policy->references, 1);
    pthread_mutex_unlock(&slot->lock);
    return policy;
}

static const struct policy_app *find_app(const struct policy *policy, uint64_t sdkappid)
{
    for (size_t i = 0; i < policy->app_count; i++) {
        if (policy->apps[i].sdkappid == sdkappid)
            return &policy->apps[i];
    }
    return NULL;
}

const uint8_t *policy_marker_key(const struct policy *policy, uint64_t sdkappid)
{
    const struct policy_app *app = find_app(policy, sdkappid);

    return app && app->has_marker_key ? app->marker_key : NULL;
}

enum admission policy_admit(const struct policy *policy, const struct query *query, int64_t now_s, uint64_t *sdkappid,
                            const char **why)
{
    const struct policy_app *app;
    enum signature_result result;
    unsigned long long number;

    if (query->count[QUERY_SDKAPPID] != 1) {
        *why = "exactly one SdkAppid is required in the URL";
        return NO_SUCH_APP;
    }
    app = span_to_u64(query->value[QUERY_SDKAPPID], &number) ? find_app(policy, number) : NULL;
    if (!app) {
        *why = "SdkAppid is not one of this service's applications";
        return NO_SUCH_APP;
    }
    *sdkappid = app->sdkappid;
    if (!policy->authentication)
        return ADMITTED;
    if (query->count[QUERY_SIGN] != 1 || query->count[QUERY_REQUEST_TIME] != 1) {
        *why = "exactly one Sign and one RequestTime are required in the URL";
        return NOT_SIGNED;
    }
    result = signature_check((const char *const[]){app->token, app->previous_token}, 2,
                             query->value[QUERY_REQUEST_TIME], query->value[QUERY_SIGN], now_s);
    if (result == SIGNATURE_OK)
        return ADMITTED;
    *why = signature_result_text(result);
    return NOT_SIGNED;
}
