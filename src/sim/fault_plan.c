#include "sim/fault_plan.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/siphash.h"
#include "base/wait.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

/* Commands of the REST API first, then the webhooks. */
enum { WEBHOOKS = 3, NUMBER_WEBHOOKS = FAULT_COMMANDS_MAX, NUMBERS = NUMBER_WEBHOOKS + WEBHOOKS };

struct planned {
    struct fault_spec spec;
    uint64_t tried, hits;
};

struct fault_plan {
    uint64_t seed;        /* fixed, as the next */
    bool plain_http;      /* webhooks can be written piece by piece */
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool stopping;
    struct planned planned[FAULTS_MAX];
    size_t count;
    uint64_t numbers[NUMBERS]; /* calls since the faults were set */
    uint64_t injected[FAULT_KINDS];
};

struct fault_plan *fault_plan_new(uint64_t seed, const char *webhook_url)
{
    struct fault_plan *plan = calloc(1, sizeof(*plan));

    if (!plan)
        return NULL;
    plan->seed = seed;
    plan->plain_http = !webhook_url || strncasecmp(webhook_url, "http://", 7) == 0;
    pthread_mutex_init(&plan->lock, NULL);
    cond_init_monotonic(&plan->wake);
    return plan;
}

void fault_plan_free(struct fault_plan *plan)
{
    if (!plan)
        return;
    pthread_cond_destroy(&plan->wake);
    pthread_mutex_destroy(&plan->lock);
    free(plan);
}

int fault_plan_set(struct fault_plan *plan, const struct fault_spec *specs, size_t count, struct err *err)
{
    if (count > FAULTS_MAX)
        return err_set(err, ERR_USAGE, "%zu faults are more than the %d that can be set at a time", count, FAULTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (specs[i].kind == FAULT_SLOW && !plan->plain_http)
            return err_set(err, ERR_USAGE, "the fault \"%s\": only to an http:// URL can webhooks be written slowly",
                           specs[i].text);
    }
    pthread_mutex_lock(&plan->lock);
    memset(plan->planned, 0, sizeof(plan->planned));
    memset(plan->numbers, 0, sizeof(plan->numbers));
    for (size_t i = 0; i < count; i++)
        plan->planned[i].spec = specs[i];
    plan->count = count;
    pthread_mutex_unlock(&plan->lock);
    return 0;
}

/* Decisions ------------------------------------------------------------------------------------------------------ */

/* 64 bits that belong to call number n of that name and to fault number i. salt tells several draws for one apart. */
static uint64_t draw(const struct fault_plan *plan, size_t i, const char *name, uint64_t n, uint64_t salt)
{
    const uint64_t key[2] = {plan->seed, 0x63686174736d2121u};
    struct siphash hash;

    siphash_begin(&hash, key);
    siphash_add_u64(&hash, i);
    siphash_add_u64(&hash, n);
    siphash_add_u64(&hash, salt);
    siphash_add(&hash, name, strlen(name));
    return siphash_end(&hash);
}

static bool hits_locked(struct fault_plan *plan, size_t i, const char *name, uint64_t n)
{
    struct planned *planned = &plan->planned[i];
    /* 53 bits make a number from 0 up to but not 1 that a double holds exactly */
    const bool hit = (double)(draw(plan, i, name, n, 0) >> 11) * 0x1p-53 < planned->spec.probability;

    planned->tried++;
    planned->hits += hit;
    plan->injected[planned->spec.kind] += hit;
    return hit;
}

/* Whether the kind spoils the answer; the first such fault in the list is the one that does. */
static bool spoils_answer(enum fault_kind kind)
{
    return kind <= FAULT_OVERSIZED;
}

static bool rest_covers(const struct fault_spec *spec, size_t command)
{
    return spec->where == WHERE_REST || (spec->where == WHERE_COMMAND && spec->command == command);
}

static void rest_apply(struct rest_faults *out, const struct fault_spec *spec)
{
    if (spoils_answer(spec->kind)) {
        out->spoils = spec->kind;
        out->value = spec->value;
    } else if (spec->kind == FAULT_REST_DELAY) {
        out->delay_ms += spec->value;
    } else if (spec->kind == FAULT_FREQUENCY) {
        out->over_limit = true;
    }
}

struct rest_faults fault_plan_rest(struct fault_plan *plan, size_t command)
{
    const char *name = fault_command_name(command);
    struct rest_faults out = {.spoils = FAULT_KINDS};
    uint64_t n;

    if (!plan || !name || command >= FAULT_COMMANDS_MAX)
        return out;
    pthread_mutex_lock(&plan->lock);
    n = ++plan->numbers[command];
    for (size_t i = 0; i < plan->count; i++) {
        const struct fault_spec *spec = &plan->planned[i].spec;
        if (!rest_covers(spec, command) || (out.spoils != FAULT_KINDS && spoils_answer(spec->kind)))
            continue;
        if (spec->kind == FAULT_FREQUENCY && strncmp(name, "send_", 5) != 0)
            continue;
        if (hits_locked(plan, i, name, n))
            rest_apply(&out, spec);
    }
    pthread_mutex_unlock(&plan->lock);
    return out;
}

static const struct webhook {
    enum command command;
    enum fault_where where;
    const char *name;
} webhooks[WEBHOOKS] = {
    {COMMAND_BEFORE, WHERE_BEFORE, "before"},
    {COMMAND_AFTER, WHERE_AFTER, "after"},
    {COMMAND_RECALL, WHERE_RECALL, "recall"},
};

/* random: of this fault and this webhook. */
static void webhook_apply(struct webhook_faults *out, const struct fault_spec *spec, uint64_t random)
{
    if (spec->kind == FAULT_LOST)
        out->lost = true;
    else if (spec->kind == FAULT_WEBHOOK_DELAY)
        out->delay_ms += spec->value;
    else if (spec->kind == FAULT_REORDER)
        out->delay_ms += (int64_t)(random % ((uint64_t)spec->value + 1));
    else if (spec->kind == FAULT_SLOW)
        out->slow_ms = spec->value;
    else if (spec->kind == FAULT_MISSING)
        out->left_out |= (unsigned)spec->value;
    else if (spec->kind == FAULT_STRING_EVENT_TIME)
        out->string_event_time = true;
    else if (spec->kind == FAULT_DUPLICATE) {
        out->duplicate = true;
        out->duplicate_ms = spec->value;
    }
}

struct webhook_faults fault_plan_webhook(struct fault_plan *plan, enum command command)
{
    struct webhook_faults out = {0};
    size_t webhook = 0;
    const char *name;
    uint64_t n;

    while (webhook < WEBHOOKS - 1 && webhooks[webhook].command != command)
        webhook++;
    assert(webhooks[webhook].command == command);
    if (!plan)
        return out;
    name = webhooks[webhook].name;
    pthread_mutex_lock(&plan->lock);
    n = ++plan->numbers[NUMBER_WEBHOOKS + webhook];
    for (size_t i = 0; i < plan->count; i++) {
        const struct fault_spec *spec = &plan->planned[i].spec;
        if (spec->where != WHERE_WEBHOOKS && spec->where != webhooks[webhook].where)
            continue;
        if (hits_locked(plan, i, name, n))
            webhook_apply(&out, spec, draw(plan, i, name, n, 1));
    }
    pthread_mutex_unlock(&plan->lock);
    return out;
}

/* Sleep ---------------------------------------------------------------------------------------------------------- */

void fault_plan_sleep(struct fault_plan *plan, int64_t ms)
{
    const int64_t until_us = clock_mono_us() + ms * 1000;

    if (!plan || ms <= 0)
        return;
    pthread_mutex_lock(&plan->lock);
    while (!plan->stopping && cond_wait_until(&plan->wake, &plan->lock, until_us))
        ;
    pthread_mutex_unlock(&plan->lock);
}

void fault_plan_stop(struct fault_plan *plan)
{
    if (!plan)
        return;
    pthread_mutex_lock(&plan->lock);
    plan->stopping = true;
    pthread_mutex_unlock(&plan->lock);
    pthread_cond_broadcast(&plan->wake);
}

/* Looking -------------------------------------------------------------------------------------------------------- */

void fault_plan_list(struct fault_plan *plan, struct buf *out)
{
    pthread_mutex_lock(&plan->lock);
    json_add_member_u64(out, "seed", plan->seed);
    json_add_key(out, "faults");
    buf_add_char(out, '[');
    for (size_t i = 0; i < plan->count; i++) {
        buf_add_text(out, i > 0 ? ",{" : "{");
        json_add_member_text(out, "fault", plan->planned[i].spec.text);
        json_add_member_u64(out, "tried", plan->planned[i].tried);
        json_add_member_u64(out, "hits", plan->planned[i].hits);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    pthread_mutex_unlock(&plan->lock);
}

/* The two delays are told apart by who is late. */
static const char *count_name(enum fault_kind kind)
{
    return kind == FAULT_WEBHOOK_DELAY ? "webhook-delay" : fault_kind_name(kind);
}

void fault_plan_count(struct fault_plan *plan, struct buf *out)
{
    pthread_mutex_lock(&plan->lock);
    buf_add_char(out, '{');
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        json_add_member_u64(out, count_name((enum fault_kind)kind), plan->injected[kind]);
    buf_add_char(out, '}');
    pthread_mutex_unlock(&plan->lock);
}

void fault_plan_count_reset(struct fault_plan *plan)
{
    pthread_mutex_lock(&plan->lock);
    memset(plan->injected, 0, sizeof(plan->injected));
    pthread_mutex_unlock(&plan->lock);
}
