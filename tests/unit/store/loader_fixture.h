/* loader_fixture.h - a spool with webhooks in it and a loader on a database of its own. */
#ifndef CHATSLUICE_TESTS_LOADER_FIXTURE_H
#define CHATSLUICE_TESTS_LOADER_FIXTURE_H

#include "postgres_fixture.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "spool/spool.h"
#include "store/event_record.h"
#include "store/loader.h"

#include <inttypes.h>

static const int64_t us_per_s = 1000000, us_per_day = 86400 * 1000000LL;

struct bench { /* one test's workbench */
    char url[600];
    struct db *db; /* the test's own connection */
    char spool_directory[64];
    struct spool *spool;
    struct loader *loader;
    struct config_app *apps; /* of the loader; none unless a test sets them */
    size_t app_count;
    void (*on_follow_ups)(void *arg); /* arg: this bench */
    int64_t now_us;                   /* when all of it happens: noon today, so that no day ends within a test */
};

static inline void open_spool(struct bench *b)
{
    struct spool_options options = {b->spool_directory, 1ull << 30, 8 << 20};
    struct err err = {0};

    if (spool_open(&b->spool, &options, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void bench_open(struct bench *b, struct postgres *pg)
{
    memset(b, 0, sizeof(*b));
    b->db = new_migrated_database(pg, b->url);
    snprintf(b->spool_directory, sizeof(b->spool_directory), "/tmp/chatsluice-spool-XXXXXX");
    assert_non_null(mkdtemp(b->spool_directory));
    open_spool(b);
    b->now_us = clock_wall_us() / us_per_day * us_per_day + us_per_day / 2;
}

static inline void bench_close(struct bench *b)
{
    char line[128];

    loader_stop(b->loader);
    spool_close(b->spool);
    db_close(b->db);
    snprintf(line, sizeof(line), "rm -rf '%s'", b->spool_directory);
    assert_int_equal(system(line), 0);
}

static inline struct loader *start_loader(struct bench *b, const char *url, const char *instance, size_t batch_rows)
{
    struct loader_options options = {.spool = b->spool,
                                     .database_url = url,
                                     .instance_id = instance,
                                     .batch_rows = batch_rows,
                                     .connect_timeout_ms = 5000,
                                     .partition_days_ahead = 2,
                                     .apps = b->apps,
                                     .app_count = b->app_count,
                                     .time_to_live_ms = 120000,
                                     .on_follow_ups = b->on_follow_ups,
                                     .arg = b};
    struct loader *loader = NULL;
    struct err err = {0};

    if (loader_start(&loader, &options, &err) < 0)
        fail_msg("%s", err.text);
    return loader;
}

/* Waits until the loader is there; a minute is never needed. */
static inline void wait_for_position(struct loader *loader, uint64_t seq)
{
    int64_t deadline = clock_mono_us() + 60 * us_per_s;

    while (loader_position(loader) < seq) {
        if (clock_mono_us() > deadline)
            fail_msg("loader stands at %" PRIu64 " of %" PRIu64, loader_position(loader), seq);
        clock_sleep_ms(2);
    }
}

static inline uint64_t append_bytes(struct bench *b, struct span bytes)
{
    struct err err = {0};
    uint64_t seq = 0;

    if (spool_append(b->spool, bytes, clock_mono_us() + 30 * us_per_s, &seq, &err) < 0)
        fail_msg("%s", err.text);
    return seq;
}

static inline uint64_t append_record(struct bench *b, const struct event_record *record)
{
    struct buf bytes = BUF_INIT;
    uint64_t seq;

    event_record_encode(&bytes, record);
    assert_false(buf_failed(&bytes));
    seq = append_bytes(b, buf_span(&bytes));
    buf_release(&bytes);
    return seq;
}

/* A body as the webhook thread would spool it, with the verdict allow by default. */
static inline uint64_t append_body(struct bench *b, enum command command, const char *body)
{
    struct event_record record = {
        .received_us = b->now_us,
        .sdkappid = 1400000001,
        .command = command,
        .body = span_of(body),
    };

    return append_record(b, &record);
}

/* event_s, msg_time_s: seconds after now_us */
static inline uint64_t append_before(struct bench *b, const char *group, const char *from, unsigned long random,
                                     const char *text, int64_t event_s)
{
    char body[8192];

    snprintf(body, sizeof(body),
             "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"%s\",\"Type\":\"Live\","
             "\"From_Account\":\"%s\",\"Operator_Account\":\"%s\",\"Random\":%lu,\"MsgBody\":[{\"MsgType\":"
             "\"TIMTextElem\",\"MsgContent\":{\"Text\":\"%s\"}}],\"EventTime\":%" PRId64 "}",
             group, from, from, random, text, b->now_us / 1000 + event_s * 1000);
    return append_body(b, COMMAND_BEFORE, body);
}

static inline uint64_t append_after(struct bench *b, const char *group, const char *from, unsigned long random,
                                    const char *text, unsigned long msg_seq, int64_t msg_time_s)
{
    char body[8192];

    snprintf(body, sizeof(body),
             "{\"CallbackCommand\":\"Group.CallbackAfterSendMsg\",\"GroupId\":\"%s\",\"Type\":\"Live\","
             "\"From_Account\":\"%s\",\"Operator_Account\":\"%s\",\"Random\":%lu,\"MsgSeq\":%lu,\"MsgTime\":%" PRId64
             ",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"%s\"}}]}",
             group, from, from, random, msg_seq, b->now_us / us_per_s + msg_time_s, text);
    return append_body(b, COMMAND_AFTER, body);
}

/* n Before webhooks with texts "text 1".."text n", in rooms of 40. */
static inline uint64_t append_many(struct bench *b, unsigned long n)
{
    uint64_t seq = 0;

    for (unsigned long i = 1; i <= n; i++) {
        char group[32], text[64];

        snprintf(group, sizeof(group), "room-%lu", i / 40);
        snprintf(text, sizeof(text), "text %lu", i);
        seq = append_before(b, group, "viewer", i, text, (int64_t)(i % 1000));
    }
    return seq;
}

/* Every record of the spool up to seq is exactly one row, in event or in dead_letter. */
static inline void assert_exactly_once(struct bench *b, uint64_t seq)
{
    assert_int_equal(query_number(b->db,
                                  "SELECT count(*) FROM (SELECT spool_seq FROM chatsluice.event UNION ALL SELECT "
                                  "spool_seq FROM chatsluice.dead_letter) t"),
                     seq);
    assert_int_equal(query_number(b->db,
                                  "SELECT count(DISTINCT spool_seq) FROM (SELECT spool_seq FROM chatsluice.event "
                                  "UNION ALL SELECT spool_seq FROM chatsluice.dead_letter) t"),
                     seq);
    assert_int_equal(query_number(b->db, "SELECT seq FROM chatsluice.spool_position"), seq);
}

#endif
