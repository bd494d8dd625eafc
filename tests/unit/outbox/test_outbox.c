/* The whole sender: real PostgreSQL, a REST API that answers as told, nothing asserted that depends on speed. */
#include "../store/postgres_fixture.h"

#include "base/config.h"
#include "outbox/outbox.h"
#include "rest_server.h"

#include <inttypes.h>

enum { WAIT_MS = 60000 };

struct scene {
    struct rest_server rest;
    struct db *db;
    char url[600], rest_url[64];
    struct config config;
};

static void scene_open(struct scene *scene, struct postgres *pg)
{
    memset(&scene->config, 0, sizeof(scene->config));
    scene->db = new_migrated_database(pg, scene->url);
    rest_server_start(&scene->rest, "127.0.0.1:0");
    snprintf(scene->rest_url, sizeof(scene->rest_url), "http://127.0.0.1:%u", http_server_port(scene->rest.server));
    struct config *c = &scene->config;
    c->database.url = scene->url;
    c->database.connect_timeout_ms = 5000;
    c->apps[0] = (struct config_app){.sdkappid = 1400000001, .secret_key = (char *)(uintptr_t) "the-secret-key"};
    c->apps[0].rest_api = scene->rest_url;
    c->app_count = 1;
    c->outbox.connections = 32;
    c->outbox.timeout_ms = 5000;
    c->outbox.poll_interval_ms = 20;
    c->outbox.confirm_within_ms = 60000;
    c->outbox.attempts = 3;
    c->outbox.room_per_minute = 2400;
    c->outbox.calls_a_second = 200;
}

static struct outbox *start(struct scene *scene, const char *instance)
{
    struct outbox *outbox = NULL;
    struct err err = {0};

    if (outbox_start(&outbox, &scene->config, instance, &err) < 0)
        fail_msg("%s", err.text);
    return outbox;
}

static void scene_close(struct scene *scene)
{
    db_close(scene->db);
    rest_server_stop(&scene->rest);
}

/* Rows of one action; the room is "room-<n mod rooms>". */
static void put(struct scene *scene, unsigned count, unsigned rooms, const char *action, const char *columns,
                const char *values)
{
    char sql[1024];

    snprintf(sql, sizeof(sql),
             "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, cause, asked_by, asked_at, "
             "state, reason, expires_at, random%s) SELECT 'room-' || n %% %u, gen_random_uuid(), 1400000001, '%s', "
             "'viewer_19', 'rule', 'a-rule', now(), 'queued', 'new', now() + interval '1 hour', 4000000000 + n%s "
             "FROM generate_series(1, %u) AS n",
             columns, rooms, action, values, count);
    run_sql(scene->db, sql);
}

static void await(struct scene *scene, const char *what, const char *sql, long wanted)
{
    const int64_t until_us = clock_mono_us() + WAIT_MS * 1000LL;
    long n;

    while ((n = query_number(scene->db, sql)) != wanted && clock_mono_us() < until_us)
        clock_sleep_ms(10);
    if (n != wanted)
        fail_msg("%s: %ld instead of %ld; %s", what, n, wanted,
                 query_text(scene->db,
                            "SELECT string_agg(state || ': ' || reason || ' ' || n, '; ') FROM (SELECT state, "
                            "reason, count(*) AS n FROM chatsluice.outbox GROUP BY 1, 2) AS x"));
}

static void await_state(struct scene *scene, const char *state, long wanted)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM chatsluice.outbox WHERE state = '%s'", state);
    await(scene, state, sql, wanted);
}

/* The most calls that arrived within any second. */
static unsigned most_in_a_second(const struct rest_server *rest)
{
    unsigned most = 0, first = 0;

    for (unsigned i = 0; i < rest->calls; i++) {
        while (rest->arrivals_us[i] - rest->arrivals_us[first] >= 1000000)
            first++;
        if (i - first + 1 > most)
            most = i - first + 1;
    }
    return most;
}

static void a_backlog_goes_out_within_the_rate(void **state)
{
    static struct scene scene;
    struct outbox *a, *b;

    scene_open(&scene, *state);
    put(&scene, 1500, 100, "send_text", ", text", ", 'call me ***'");
    const int64_t begin_us = clock_mono_us();
    a = start(&scene, "instance-a");
    await_state(&scene, "done", 1000);
    b = start(&scene, "instance-b");
    await_state(&scene, "done", 1500);
    print_message("1500 calls in %" PRId64 " ms, at most %u in a second\n", (clock_mono_us() - begin_us) / 1000,
                  most_in_a_second(&scene.rest));
    outbox_stop(a);
    outbox_stop(b);
    assert_int_equal(scene.rest.calls, 1500);
    assert_true(most_in_a_second(&scene.rest) <= 200);
    assert_int_equal(query_number(scene.db, "SELECT count(*) FROM chatsluice.outbox WHERE sent_msg_seq = 812 AND "
                                            "attempts = 1 AND transport = 'send_text_msg'"),
                     1500);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_goes_out_within_the_rate),
    };

    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
