#include "world.h"

#include "scheduler.h"

#include <stdlib.h>
#include <string.h>

struct plan plan;

static uint64_t between(uint64_t least, uint64_t most)
{
    return least + sched_random(most - least + 1);
}

/* The less a world costs, the more seeds draw it: a seed of the outbox takes as long as sixty of the spool. */
static enum world_kind draw_kind(uint64_t seed)
{
    return seed % 32 == 0 ? WORLD_OUTBOX : seed % 32 < 4 ? WORLD_LOADER : WORLD_SPOOL;
}

static void draw_config(struct config *c)
{
    static char secret[] = "a secret key", api[] = "https://platform.invalid";

    memset(c, 0, sizeof(*c));
    c->apps[0].sdkappid = APP;
    c->apps[0].secret_key = secret;
    c->apps[0].rest_api = api;
    c->app_count = 1;
    c->database.connect_timeout_ms = (int64_t)between(500, 3000);
    c->outbox.transport = sched_chance(4) ? TRANSPORT_SEND_GROUP_MSG : TRANSPORT_SEND_TEXT_MSG;
    c->outbox.connections = between(1, 8);
    c->outbox.timeout_ms = (int64_t)between(300, 2000);
    c->outbox.poll_interval_ms = (int64_t)between(100, 1000);
    c->outbox.time_to_live_ms = (int64_t)between(4000, 20000);
    c->outbox.confirm_within_ms = (int64_t)between(1000, 4000);
    c->outbox.attempts = between(1, 5);
    c->outbox.room_per_minute = sched_chance(4) ? between(1, 4) : 1000;
    c->outbox.calls_a_second = sched_chance(2) ? between(1, 6) : 50;
}

void plan_draw(uint64_t seed, int kind)
{
    memset(&plan, 0, sizeof(plan));
    plan.kind = kind < 0 ? draw_kind(seed) : (enum world_kind)kind;
    plan.instances = plan.kind == WORLD_SPOOL ? 1 : plan.kind == WORLD_OUTBOX ? 2 : (unsigned)between(1, 2);
    plan.messages = (unsigned)(plan.kind == WORLD_OUTBOX ? between(5, 40) : between(10, 80));
    plan.rooms = (unsigned)between(1, 4);
    plan.segment_bytes = between(1, 8) * 4096;
    plan.max_bytes = plan.segment_bytes * (sched_chance(4) ? 2 : between(6, 40));
    plan.padding_most = (unsigned)(sched_chance(2) ? 0 : between(1, 900));
    plan.batch_rows = between(1, 40);
    plan.gap_us = sched_chance(3) ? 200 : (int64_t)between(1000, 100000);
    plan.trouble_us = plan.gap_us * plan.messages + (int64_t)between(0, 4000000);
    plan.deliver_unasked = sched_chance(2);
    plan.call_faults = (unsigned)between(2, 8);
    draw_config(&plan.config);
}

/* Memory of a seed ------------------------------------------------------------------------------------------------- */

static struct kept {
    struct kept *next;
    max_align_t bytes[];
} * all_kept;

void *keep(size_t size)
{
    struct kept *k = calloc(1, sizeof(*k) + size);

    if (!k)
        sched_fail("no memory");
    k->next = all_kept;
    all_kept = k;
    return k->bytes;
}

void plan_end(void)
{
    while (all_kept) {
        struct kept *k = all_kept;

        all_kept = k->next;
        free(k);
    }
}
