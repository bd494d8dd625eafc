#include "world.h"

#include "database.h"
#include "disk.h"
#include "scheduler.h"

#include <inttypes.h>

enum {
    LOOK_US = 200 * 1000,
    STEP_MOST_US = 10 * 1000 * 1000,
    DRAIN_MOST_US = 180 * 1000 * 1000, /* after the trouble; a budget by the minute, a breaker's pause */
};

/* Trouble ---------------------------------------------------------------------------------------------------------- */

static unsigned seldom(unsigned least)
{
    return sched_chance(2) ? 0 : least + (unsigned)sched_random(least * 8);
}

static void draw_disk_faults(struct disk_faults *f)
{
    *f = (struct disk_faults){.slow = seldom(4),
                              .stall = seldom(60),
                              .sync_error = seldom(200),
                              .write_error = seldom(400),
                              .read_error = seldom(200),
                              .short_io = seldom(10)};
}

static void draw_database_faults(struct database_faults *f)
{
    *f = (struct database_faults){.slow = seldom(10),
                                  .lost_before = seldom(20),
                                  .lost_after = seldom(20),
                                  .lost_in_commit = seldom(3),
                                  .refused = seldom(3),
                                  .cancelled = seldom(20)};
}

static void harm(unsigned i)
{
    struct disk_faults *disk = disk_faults(instance_disk(i));

    switch (sched_random(10)) {
    case 0:
    case 1:
        instance_kill(i, false);
        break;
    case 2:
    case 3:
        instance_kill(i, true);
        break;
    case 4:
        instance_stop(i);
        break;
    case 5:
        disk->full = !disk->full;
        sched_trace("disk %u is %sfull", i, disk->full ? "" : "no longer ");
        break;
    case 6:
        draw_disk_faults(disk);
        draw_database_faults(database_faults());
        break;
    case 7:
        if (plan.kind != WORLD_SPOOL) {
            database_faults()->away = !database_faults()->away;
            sched_trace("the database is %s", database_faults()->away ? "away" : "back");
        }
        break;
    case 8: /* less than what keeps a marker from being in time */
        instance_step_clock(i, (int64_t)sched_random(2 * STEP_MOST_US) - STEP_MOST_US);
        break;
    default: /* nothing this time */
        break;
    }
}

/* What has ended or failed is started again, as a supervisor does it. */
static void look_after(unsigned i)
{
    if (instance_has_failed(i))
        instance_kill(i, false);
    if (instance_is_down(i))
        instance_start(i);
}

static void trouble(void)
{
    const int64_t until_us = sched_now_us() + plan.trouble_us;
    const int64_t pause_us = plan.trouble_us / (int64_t)(2 + sched_random(12)) + 1;

    for (unsigned i = 0; i < plan.instances; i++)
        draw_disk_faults(disk_faults(instance_disk(i)));
    draw_database_faults(database_faults());
    while (sched_now_us() < until_us) {
        sched_sleep_us(1 + (int64_t)sched_random((uint64_t)pause_us * 2));
        harm((unsigned)sched_random(plan.instances));
        for (unsigned i = 0; i < plan.instances; i++)
            if (!sched_chance(3))
                look_after(i);
    }
    for (unsigned i = 0; i < plan.instances; i++)
        *disk_faults(instance_disk(i)) = (struct disk_faults){0};
    *database_faults() = (struct database_faults){0};
    platform_make_well();
    sched_trace("no more faults");
}

/* The end ---------------------------------------------------------------------------------------------------------- */

static bool outbox_is_settled(void)
{
    struct db_result *result;
    size_t open;

    if (plan.kind != WORLD_OUTBOX)
        return true;
    database_look(&result,
                  "SELECT FROM chatsluice.outbox WHERE state IN ('held', 'queued', 'sending', 'waiting') LIMIT 1");
    open = db_rows(result);
    db_result_free(result);
    return open == 0;
}

static bool all_is_quiet(void)
{
    if (!platform_is_done())
        return false;
    for (unsigned i = 0; i < plan.instances; i++)
        if (!instance_is_drained(i))
            return false;
    return outbox_is_settled();
}

static void drain(void)
{
    const int64_t until_us = sched_now_us() + DRAIN_MOST_US;

    while (!all_is_quiet()) {
        if (sched_now_us() > until_us)
            sched_fail("no rest %d s after the last fault: the platform is %s, the outbox %s", DRAIN_MOST_US / 1000000,
                       platform_is_done() ? "done" : "at work", outbox_is_settled() ? "settled" : "not settled");
        for (unsigned i = 0; i < plan.instances; i++)
            look_after(i);
        sched_sleep_us(LOOK_US);
    }
}

void *world_main(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < plan.instances; i++)
        instance_start(i);
    platform_start();
    trouble();
    drain();
    if (plan.kind == WORLD_SPOOL) {
        ledger_check_taken();
    } else {
        ledger_check_events();
        platform_check_rooms();
    }
    sched_trace("all promises kept");
    return NULL;
}
