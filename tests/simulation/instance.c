/* The service as one process of the simulation: the parts the campaign is about are started and stopped as cli/serve.c
 * does it; a receiver stands in for civetweb and the rules. */
#include "world.h"

#include "database.h"
#include "disk.h"
#include "scheduler.h"

#include "base/clock.h"
#include "base/log.h"
#include "outbox/outbox.h"
#include "serve/correction.h"
#include "store/event_record.h"
#include "store/loader.h"
#include "wire/callback.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEADLINE_US = 1500 * 1000, DRAIN_US = 2000 * 1000 };

enum state { DOWN, STARTING, UP, STOPPING };

static struct instance {
    unsigned number, process; /* a new process number with every start */
    enum state state;
    struct disk *disk;
    char id[40];
    struct spool *spool; /* the rest: of the present process */
    struct loader *loader;
    struct outbox *outbox;
    struct marker_memory *markers;
    unsigned answering;
    bool stop;
} instances[INSTANCES];

static unsigned processes;

/* The receiver ----------------------------------------------------------------------------------------------------- */

struct exchange {
    struct instance *instance;
    struct webhook *webhook;
};

/* What rules would say: "bad N" is not let through and to be sent as "good N"; "late N", which only the After webhook
 * finds, is to be recalled and sent as "good N"; "rude N" mutes. */
static void judge(struct event_record *record, const struct message *m, char becomes[64])
{
    const char *follow_ups = NULL;

    record->decided_by = DECIDED_DEFAULT;
    if (m->command == COMMAND_BEFORE && m->text.len > 4 && memcmp(m->text.data, "bad ", 4) == 0) {
        record->action = ACTION_DISCARD;
        follow_ups = "[\"resend\"]";
    } else if (m->command == COMMAND_AFTER && m->text.len > 5 && memcmp(m->text.data, "late ", 5) == 0) {
        record->action = ACTION_DISCARD;
        follow_ups = "[\"recall\",\"resend\"]";
    } else if (m->command == COMMAND_AFTER && m->text.len > 5 && memcmp(m->text.data, "rude ", 5) == 0) {
        record->action = ACTION_FLAG;
        follow_ups = "[\"mute 10m\"]";
    }
    if (!follow_ups)
        return;
    record->decided_by = DECIDED_RULE;
    record->rule = SPAN("a-rule");
    record->follow_ups_json = span_of(follow_ups);
    if (record->action != ACTION_DISCARD)
        return;
    snprintf(becomes, 64, "good %" PRId64, m->random.value);
    record->becomes = span_of(becomes);
}

static void answer(struct instance *i, struct webhook *w, struct callback_parser *parser, struct buf *own)
{
    const int64_t started_us = clock_mono_us();
    uint8_t key[MARKER_KEY];
    struct origin origin = {.key = key,
                            .platform = span_of(w->platform),
                            .wall_s = clock_wall_us() / 1000000,
                            .mono_s = started_us / 1000000};
    struct event_record record = {.received_us = clock_wall_us(),
                                  .sdkappid = APP,
                                  .command = w->command,
                                  .platform = span_of(w->platform),
                                  .body = {w->body, w->len}};
    struct correction correction = {0};
    struct buf bytes = BUF_INIT;
    struct message message;
    char becomes[64];
    struct err err = {0};
    int r;

    if (callback_parse(parser, record.body, &message, &err) < 0)
        sched_fail("a webhook of the simulation cannot be read: %s", err.text);
    marker_key(key, plan.config.apps[0].secret_key);
    record.parsed = message.command == COMMAND_BEFORE || message.command == COMMAND_AFTER;
    record.message = message;
    correction_find(&correction, &message, &origin, i->markers, own);
    correction_record(&record, &correction);
    if (correction.use == MARKER_ACCEPTED)
        record.decided_by = DECIDED_CORRECTION;
    else
        judge(&record, &message, becomes);
    if (correction_is_ours(&correction))
        record.follow_ups_json = (struct span){0};
    event_record_encode(&bytes, &record);
    r = spool_append(i->spool, buf_span(&bytes), started_us + DEADLINE_US, NULL, &err);
    buf_release(&bytes);
    sched_trace("%s of %" PRIu32 " %s%s", command_name(w->command), w->random,
                r == 0 ? "acknowledged" : "not recorded: ", r == 0 ? "" : err.text);
    w->action = w->command == COMMAND_BEFORE ? record.action : ACTION_ALLOW;
    w->without_marker = correction.use == MARKER_ACCEPTED && w->command == COMMAND_BEFORE;
    w->acknowledged = r == 0;
    w->answered = true;
    if (r == 0)
        ledger_acknowledged(w->command, w->random);
    sched_wake(w);
}

static void *receive(void *arg)
{
    struct exchange *x = arg;
    struct callback_parser *parser = callback_parser_new();
    struct buf own = BUF_INIT;

    if (!parser)
        sched_fail("no memory");
    answer(x->instance, x->webhook, parser, &own);
    callback_parser_free(parser);
    buf_release(&own);
    x->instance->answering--;
    sched_wake(&x->instance->answering);
    return NULL;
}

bool webhook_send(struct webhook *w)
{
    unsigned first = (unsigned)sched_random(plan.instances);
    struct exchange *x = keep(sizeof(*x));

    for (unsigned n = 0; n < plan.instances; n++) {
        struct instance *i = &instances[(first + n) % plan.instances];

        if (i->state != UP)
            continue;
        *x = (struct exchange){i, w};
        i->answering++;
        ledger_sent(w->command, w->random);
        sched_spawn(i->process, "webhook", receive, x);
        return true;
    }
    return false;
}

/* In the loader's place -------------------------------------------------------------------------------------------- */

/* The world's database is the ledger: what it has taken counts as committed. */
static void take(const struct spool_record *record)
{
    struct event_record event;
    struct err err = {0};

    if (event_record_decode(record->data, &event, &err) < 0)
        sched_fail("the spool gives what is no record: %s", err.text);
    ledger_taken(record->seq, event.command, (uint32_t)event.message.random.value);
}

static void *consume(void *arg)
{
    struct instance *i = arg;
    struct spool_reader *reader = NULL;
    struct err err = {0};

    while (!i->stop) {
        struct spool_record record;
        int r = reader ? spool_reader_next(reader, &record, &err)
                       : spool_reader_open(&reader, i->spool, ledger_taken_upto() + 1, &err);

        if (r == ERR_INVALID) { /* of a torn write, say: the ledger knows whether anybody was promised it */
            sched_trace("skipped: %s", err.text);
            ledger_skipped(record.seq);
        } else if (r < 0) {
            spool_reader_close(reader);
            reader = NULL;
            sched_sleep_us(100000);
        } else if (r == 1) {
            take(&record);
            if (sched_chance(4))
                spool_release(i->spool, record.seq);
        } else if (reader) {
            spool_release(i->spool, ledger_taken_upto());
            spool_wait(i->spool, ledger_taken_upto() + 1, 100);
        }
    }
    spool_reader_close(reader);
    i->answering--;
    sched_wake(&i->answering);
    return NULL;
}

/* Start and stop --------------------------------------------------------------------------------------------------- */

static void wake_sender(void *arg)
{
    struct instance *i = arg;

    outbox_wake(i->outbox);
}

static int start_database_side(struct instance *i, struct err *err)
{
    const struct loader_options options = {.spool = i->spool,
                                           .database_url = "simulated",
                                           .instance_id = i->id,
                                           .batch_rows = plan.batch_rows,
                                           .connect_timeout_ms = plan.config.database.connect_timeout_ms,
                                           .partition_days_ahead = 2,
                                           .apps = plan.config.apps,
                                           .app_count = plan.kind == WORLD_OUTBOX ? plan.config.app_count : 0,
                                           .time_to_live_ms = plan.config.outbox.time_to_live_ms,
                                           .on_follow_ups = wake_sender,
                                           .arg = i};
    struct config config = plan.config;
    char url[] = "simulated";

    config.database.url = url;
    if (plan.kind == WORLD_SPOOL) {
        i->answering++;
        sched_spawn(i->process, "reader", consume, i);
        return 0;
    }
    if (plan.kind == WORLD_OUTBOX && outbox_start(&i->outbox, &config, i->id, err) < 0)
        return err->code;
    return loader_start(&i->loader, &options, err);
}

static void stop_all(struct instance *i)
{
    int64_t until_us = clock_mono_us() + DRAIN_US;
    struct spool_status status;

    outbox_stop(i->outbox);
    i->outbox = NULL;
    while (i->answering > 0)
        sched_wait(&i->answering, FOREVER_US);
    do {
        spool_get_status(i->spool, &status);
        sched_sleep_us(10000);
    } while (i->loader && loader_position(i->loader) < status.durable_seq && clock_mono_us() < until_us);
    loader_stop(i->loader);
    spool_close(i->spool);
}

static void *instance_main(void *arg)
{
    struct instance *i = arg;
    const struct spool_options options = {disk_directory(i->disk), plan.max_bytes, plan.segment_bytes};
    struct err err = {0};

    i->markers = marker_memory_new();
    if (spool_open_io(&i->spool, &options, disk_io(i->disk), &err) < 0 || start_database_side(i, &err) < 0) {
        sched_trace("instance %u does not start: %s", i->number, err.text);
        i->state = STOPPING; /* what it holds goes with the process */
        return NULL;
    }
    i->state = UP;
    sched_trace("instance %u is up", i->number);
    while (!i->stop)
        sched_wait(&i->stop, FOREVER_US);
    i->state = STOPPING;
    stop_all(i);
    marker_memory_free(i->markers);
    i->markers = NULL;
    i->spool = NULL;
    i->loader = NULL;
    i->state = DOWN;
    sched_trace("instance %u has stopped", i->number);
    return NULL;
}

void instance_start(unsigned n)
{
    struct instance *i = &instances[n];

    if (i->state != DOWN)
        return;
    disk_process_over(i->disk, i->process); /* also one that ended in an orderly way after a failed sync */
    *i = (struct instance){.number = n, .process = ++processes, .state = STARTING, .disk = i->disk};
    snprintf(i->id, sizeof(i->id), "instance-%u-%u", n, i->process);
    sched_trace("instance %u starts as process %u", n, i->process);
    sched_spawn(i->process, "main", instance_main, i);
}

void instance_kill(unsigned n, bool power_cut)
{
    struct instance *i = &instances[n];

    if (i->state == DOWN)
        return;
    sched_trace("instance %u is killed%s", n, power_cut ? " by a power cut" : "");
    sched_kill(i->process);
    database_process_killed(i->process);
    disk_process_over(i->disk, i->process);
    if (power_cut)
        disk_power_cut(i->disk);
    i->spool = NULL;
    i->loader = NULL;
    i->outbox = NULL;
    i->state = DOWN;
}

void instance_stop(unsigned n)
{
    struct instance *i = &instances[n];

    if (i->state != UP)
        return;
    sched_trace("instance %u is told to stop", n);
    i->state = STOPPING; /* takes no more webhooks */
    i->stop = true;
    sched_wake(&i->stop);
}

bool instance_is_down(unsigned n)
{
    return instances[n].state == DOWN;
}

bool instance_has_failed(unsigned n)
{
    const struct instance *i = &instances[n];

    return (i->state == UP && i->spool->failed) || (i->state == STOPPING && !i->stop);
}

bool instance_is_drained(unsigned n)
{
    const struct instance *i = &instances[n];
    struct spool_status status;

    if (i->state != UP)
        return false;
    spool_get_status(i->spool, &status);
    return status.durable_seq == status.next_seq - 1 || status.durable_seq == i->spool->last_seq
               ? (i->loader ? loader_position(i->loader) : ledger_taken_upto()) >= status.durable_seq
               : false;
}

void instance_step_clock(unsigned n, int64_t by_us)
{
    sched_step_wall(instances[n].process, by_us);
}

struct disk *instance_disk(unsigned n)
{
    return instances[n].disk;
}

void instance_release(unsigned process, uint64_t seq)
{
    for (unsigned n = 0; n < plan.instances; n++)
        if (instances[n].process == process)
            spool_release(instances[n].spool, seq);
}

void instances_begin(void)
{
    processes = 0;
    for (unsigned n = 0; n < plan.instances; n++) {
        char name[16];

        snprintf(name, sizeof(name), "disk%u", n);
        instances[n] = (struct instance){.number = n, .disk = disk_new(name)};
    }
}

void instances_end(void)
{
    for (unsigned n = 0; n < plan.instances; n++)
        disk_free(instances[n].disk);
}
