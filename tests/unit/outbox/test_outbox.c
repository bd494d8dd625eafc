/* The whole sender: real PostgreSQL, a REST API that answers as told, nothing asserted that depends on speed. */
#include "../store/postgres_fixture.h"

#include "base/config.h"
#include "base/metrics.h"
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
    await(&scene, "1000 done", "SELECT (count(*) >= 1000)::integer FROM chatsluice.outbox WHERE state = 'done'", 1);
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

#define REST_CODE(code)                                                                                                \
    "{\"ErrorCode\":" #code ",\"ErrorInfo\":\"as told\",\"ActionStatus\":\"FAIL\",\"RequestId\":\"Id-3\"}"

/* Number of calls whose path and body hold the words. */
static unsigned calls_with(struct rest_server *rest, const char *words)
{
    unsigned count = 0;

    pthread_mutex_lock(&rest->lock);
    for (const char *at = buf_text(&rest->log); (at = strstr(at, words)); at++)
        count++;
    pthread_mutex_unlock(&rest->lock);
    return count;
}

static void await_calls(struct rest_server *rest, unsigned count)
{
    pthread_mutex_lock(&rest->lock);
    while (rest->calls < count)
        pthread_cond_wait(&rest->called, &rest->lock);
    pthread_mutex_unlock(&rest->lock);
}

static void every_command_is_called(void **state)
{
    static struct scene scene;
    struct outbox *outbox;

    scene_open(&scene, *state);
    put(&scene, 2, 1, "send_text", ", text, custom_data", ", 'hello ' || n, '{\"lvl\":3}'");
    put(&scene, 2, 1, "mute", ", seconds", ", 600");
    put(&scene, 1, 1, "unmute", "", "");
    put(&scene, 1, 1, "ban", ", seconds, note", ", 60, 'spam'");
    put(&scene, 1, 1, "unban", "", "");
    put(&scene, 1, 1, "recall", ", msg_seq", ", 812");
    outbox = start(&scene, "instance-a");
    await_state(&scene, "done", 8);
    outbox_stop(outbox);
    assert_int_equal(calls_with(&scene.rest, "/send_text_msg {"), 2);
    assert_int_equal(calls_with(&scene.rest, "\"MuteTime\":600}"), 2);
    assert_int_equal(calls_with(&scene.rest, "\"MuteTime\":0}"), 1);
    assert_int_equal(calls_with(&scene.rest, "/ban_member {"), 1);
    assert_int_equal(calls_with(&scene.rest, "/unban_member {"), 1);
    assert_int_equal(calls_with(&scene.rest, "/group_msg_recall {"), 1);
    assert_non_null(strstr(buf_text(&scene.rest.last_query), "sdkappid=1400000001&identifier=administrator&usersig="));
    scene_close(&scene);
}

static void a_refusal_is_kept_with_its_words(void **state)
{
    static struct scene scene;
    struct outbox *outbox;

    scene_open(&scene, *state);
    put(&scene, 1, 1, "send_text", ", text", ", 'answer 100601'");
    put(&scene, 1, 1, "send_text", ", text", ", 'answer 60007'");
    put(&scene, 1, 1, "send_text", ", text", ", repeat('x', 13000)");
    put(&scene, 1, 1, "mute", "", ""); /* for how long? */
    outbox = start(&scene, "instance-a");
    await_state(&scene, "failed", 4);
    outbox_stop(outbox);
    assert_string_equal(query_text(scene.db, "SELECT concat_ws('|', error_code, error_info, request_id, attempts, "
                                             "http_status) FROM chatsluice.outbox WHERE text = 'answer 100601'"),
                        "100601|as asked|Id-2-O-Seq-2|1|200");
    /* Tried as often as allowed, and the rate was taken back. */
    assert_string_equal(query_text(scene.db, "SELECT concat_ws('|', error_code, attempts) FROM chatsluice.outbox "
                                             "WHERE text = 'answer 60007'"),
                        "60007|3");
    assert_int_equal(query_number(scene.db, "SELECT count(*) FROM chatsluice.send_budget WHERE slowed_at IS NOT NULL"),
                     1);
    assert_int_equal(query_number(scene.db, "SELECT count(*) FROM chatsluice.outbox WHERE reason LIKE '%12288%'"), 1);
    assert_int_equal(scene.rest.calls, 4);
    scene_close(&scene);
}

static void what_waits_for_a_room_goes_with_it(void **state)
{
    static struct scene scene;
    struct outbox *outbox;

    scene_open(&scene, *state);
    put(&scene, 9, 3, "send_text", ", text, due_at", ", 'later', now() + interval '1 hour'");
    put(&scene, 1, 1, "send_text", ", text", ", 'answer 100004'"); /* in room-0 */
    outbox = start(&scene, "instance-a");
    await_state(&scene, "failed", 4);
    outbox_stop(outbox);
    assert_int_equal(query_number(scene.db, "SELECT count(*) FROM chatsluice.outbox WHERE state = 'failed' AND room_id "
                                            "= 'room-0' AND error_code = 100004 AND request_id = 'Id-2-O-Seq-2'"),
                     4);
    assert_int_equal(query_number(scene.db, "SELECT count(*) FROM chatsluice.outbox WHERE state = 'queued'"), 6);
    scene_close(&scene);
}

static void await_gauge(enum metric gauge, int64_t wanted)
{
    const int64_t until_us = clock_mono_us() + WAIT_MS * 1000LL;

    while (metric_value(gauge) != wanted && clock_mono_us() < until_us)
        clock_sleep_ms(5);
    assert_int_equal(metric_value(gauge), wanted);
}

/* No answer: the row waits, is not sent again, and the After webhook settles it. What nothing settles is shown. */
static void a_lost_answer_is_found_by_its_webhook(void **state)
{
    static struct scene scene;
    struct outbox *outbox;

    scene_open(&scene, *state);
    scene.config.outbox.timeout_ms = 300;
    rest_server_hold(&scene.rest, 1);
    put(&scene, 3, 1, "send_text", ", text", ", 'hello ' || n");
    outbox = start(&scene, "instance-a");
    await_state(&scene, "waiting", 3);
    rest_server_hold(&scene.rest, 0);
    rest_server_say(&scene.rest, 502, "bad gateway");
    put(&scene, 1, 1, "send_text", ", text", ", 'hello 4'");
    await_state(&scene, "waiting", 4);
    run_sql(scene.db,
            "INSERT INTO chatsluice.outbox_sighting (room_id, event_id, outbox_id, command, event_time, account, "
            "msg_seq) SELECT room_id, gen_random_uuid(), outbox_id, 'after', now(), account, 900 FROM "
            "chatsluice.outbox WHERE text <> 'hello 4'");
    await_state(&scene, "done", 3);
    await_gauge(METRIC_OUTBOX_WAITING, 1);
    run_sql(scene.db, "UPDATE chatsluice.outbox SET wait_until = now() - interval '1 second' WHERE state = 'waiting'");
    await_gauge(METRIC_OUTBOX_UNCERTAIN, 1);
    assert_int_equal(metric_value(METRIC_OUTBOX_WAITING), 0);
    outbox_stop(outbox);
    assert_int_equal(scene.rest.calls, 4);
    assert_int_equal(query_number(scene.db, "SELECT count(*) FROM chatsluice.outbox WHERE sent_msg_seq = 900"), 3);
    scene_close(&scene);
}

/* The other transport: a call without an answer is repeated with the same Random. */
static void a_group_message_is_repeated_with_its_random(void **state)
{
    static struct scene scene;
    struct outbox *outbox;

    scene_open(&scene, *state);
    scene.config.outbox.transport = TRANSPORT_SEND_GROUP_MSG;
    scene.config.outbox.timeout_ms = 300;
    rest_server_hold(&scene.rest, 1);
    put(&scene, 1, 1, "send_text", ", text", ", 'hello'");
    outbox = start(&scene, "instance-a");
    await_calls(&scene.rest, 2);
    rest_server_hold(&scene.rest, 0);
    await_state(&scene, "done", 1);
    /* One whose first call is too long ago for the platform to know its Random is not repeated. */
    put(&scene, 1, 1, "send_text", ", text, in_doubt, transport, first_sent_at",
        ", 'old', true, 'send_group_msg', now() - interval '4 minutes'");
    await_state(&scene, "waiting", 1);
    outbox_stop(outbox);
    assert_true(calls_with(&scene.rest, "\"Random\":4000000001,") >= 2);
    assert_int_equal(calls_with(&scene.rest, "old"), 0);
    scene_close(&scene);
}

static void a_refused_application_is_left_alone(void **state)
{
    static struct scene scene;
    struct outbox *outbox;
    char why[256];

    scene_open(&scene, *state);
    rest_server_say(&scene.rest, 200, REST_CODE(60020));
    put(&scene, 100, 10, "send_text", ", text", ", 'hello ' || n");
    outbox = start(&scene, "instance-a");
    while (!outbox_breaker_open(outbox, why, sizeof(why)))
        clock_sleep_ms(5);
    assert_non_null(strstr(why, "1400000001"));
    assert_non_null(strstr(why, "60020"));
    rest_server_say(&scene.rest, 200, REST_OK);
    await_state(&scene, "done", 100);
    assert_false(outbox_breaker_open(outbox, why, sizeof(why)));
    assert_string_equal(why, "");
    outbox_stop(outbox);
    assert_int_equal(query_number(scene.db, "SELECT count(*) FROM chatsluice.outbox WHERE attempts - uncounted <> 1"),
                     0);
    scene_close(&scene);
}

static void an_expired_signature_is_renewed(void **state)
{
    static struct scene scene;
    struct outbox *outbox;
    char why[256];

    scene_open(&scene, *state);
    snprintf(scene.rest.once, sizeof(scene.rest.once), "%s", REST_CODE(70001));
    put(&scene, 1, 1, "send_text", ", text", ", 'hello'");
    outbox = start(&scene, "instance-a");
    await_state(&scene, "done", 1);
    assert_false(outbox_breaker_open(outbox, why, sizeof(why)));
    outbox_stop(outbox);
    assert_int_equal(scene.rest.calls, 2);
    scene_close(&scene);
}

static void without_a_connection_nothing_counts(void **state)
{
    static struct scene scene;
    struct outbox *outbox;
    char listen[64];

    scene_open(&scene, *state);
    snprintf(listen, sizeof(listen), "127.0.0.1:%u", http_server_port(scene.rest.server));
    rest_server_stop(&scene.rest);
    put(&scene, 5, 1, "send_text", ", text", ", 'hello ' || n");
    outbox = start(&scene, "instance-a");
    await(&scene, "attempts", "SELECT (min(attempts) > 3)::integer FROM chatsluice.outbox", 1);
    rest_server_start(&scene.rest, listen);
    await_state(&scene, "done", 5);
    outbox_stop(outbox);
    assert_int_equal(scene.rest.calls, 5);
    assert_int_equal(query_number(scene.db, "SELECT count(*) FROM chatsluice.outbox WHERE attempts - uncounted <> 1"),
                     0);
    scene_close(&scene);
}

/* What an instance was sending when it died may have arrived. */
static void a_dead_instance_leaves_doubt(void **state)
{
    static struct scene scene;
    struct outbox *outbox;

    scene_open(&scene, *state);
    put(&scene, 2, 1, "send_text", ", text", ", 'hello ' || n");
    put(&scene, 2, 1, "mute", ", seconds", ", 60");
    run_sql(scene.db,
            "UPDATE chatsluice.outbox SET state = 'sending', attempts = 1, sending_by = 'dead', first_sent_at = "
            "now(), sending_until = now() - interval '1 second'");
    outbox = start(&scene, "instance-a");
    await_state(&scene, "waiting", 2);
    await_state(&scene, "done", 2);
    outbox_stop(outbox);
    assert_int_equal(calls_with(&scene.rest, "send_text_msg"), 0);
    assert_int_equal(calls_with(&scene.rest, "mute_member"), 2);
    scene_close(&scene);
}

/* The connection to the database is cut again and again: nothing is sent twice, nothing is left behind. */
static void a_cut_connection_doubles_nothing(void **state)
{
    static struct scene scene;
    struct outbox *outbox;

    scene_open(&scene, *state);
    put(&scene, 500, 50, "send_text", ", text", ", 'message ' || n || '.'");
    outbox = start(&scene, "instance-a");
    for (unsigned i = 1; i <= 10; i++) {
        await_calls(&scene.rest, i * 40);
        run_sql(scene.db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE application_name = 'chatsluice outbox' AND datname = current_database()");
    }
    await(&scene, "unsettled", "SELECT count(*) FROM chatsluice.outbox WHERE state <> 'done'", 0);
    outbox_stop(outbox);
    for (unsigned i = 1; i <= 500; i++) {
        char words[32];
        snprintf(words, sizeof(words), "message %u.", i);
        assert_int_equal(calls_with(&scene.rest, words), 1);
    }
    assert_true(most_in_a_second(&scene.rest) <= 200);
    scene_close(&scene);
}

/* The API of one application does not answer: the other's corrections go out nevertheless. Mutes do not wait for texts.
 */
static void nobody_starves(void **state)
{
    static struct scene scene;
    static struct rest_server other;
    struct outbox *outbox;
    char url[64];

    scene_open(&scene, *state);
    rest_server_start(&other, "127.0.0.1:0");
    rest_server_hold(&other, 1);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_server_port(other.server));
    scene.config.apps[1] = scene.config.apps[0];
    scene.config.apps[1].sdkappid = 1400000002;
    scene.config.apps[1].rest_api = url;
    scene.config.app_count = 2;
    scene.config.outbox.connections = 8;
    put(&scene, 50, 10, "send_text", ", text", ", 'hello ' || n");
    run_sql(scene.db, "UPDATE chatsluice.outbox SET sdkappid = 1400000002, due_at = now() - interval '1 minute'");
    outbox = start(&scene, "instance-a");
    await_calls(&other, 1);
    put(&scene, 50, 10, "send_text", ", text", ", 'hello ' || n");
    put(&scene, 20, 10, "mute", ", seconds", ", 60");
    await(&scene, "done", "SELECT count(*) FROM chatsluice.outbox WHERE sdkappid = 1400000001 AND state = 'done'", 70);
    assert_int_equal(query_number(scene.db,
                                  "SELECT count(*) FROM chatsluice.outbox WHERE sdkappid = 1400000002 AND state "
                                  "= 'done'"),
                     0);
    rest_server_hold(&other, 0);
    outbox_stop(outbox);
    rest_server_stop(&other);
    scene_close(&scene);
}

/* Keys and addresses change while it runs; an application left out is left alone. */
static void applications_are_taken_over(void **state)
{
    static struct scene scene;
    struct outbox *outbox;

    scene_open(&scene, *state);
    scene.config.app_count = 0;
    outbox = start(&scene, "instance-a");
    put(&scene, 1, 1, "send_text", ", text", ", 'first'");
    scene.config.app_count = 1;
    assert_int_equal(outbox_reload(outbox, &scene.config, NULL), 0);
    await_state(&scene, "done", 1);
    scene.config.apps[0].admin = (char *)(uintptr_t) "moderator";
    assert_int_equal(outbox_reload(outbox, &scene.config, NULL), 0);
    /* A row that was put meanwhile may still go out as it was. */
    for (unsigned sent = 2; !strstr(buf_text(&scene.rest.last_query), "identifier=moderator&"); sent++) {
        assert_true(sent < 10);
        put(&scene, 1, 1, "send_text", ", text", ", 'further'");
        outbox_wake(outbox);
        await_state(&scene, "done", sent);
    }
    outbox_stop(outbox);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_goes_out_within_the_rate),
        cmocka_unit_test(every_command_is_called),
        cmocka_unit_test(a_refusal_is_kept_with_its_words),
        cmocka_unit_test(what_waits_for_a_room_goes_with_it),
        cmocka_unit_test(a_lost_answer_is_found_by_its_webhook),
        cmocka_unit_test(a_group_message_is_repeated_with_its_random),
        cmocka_unit_test(a_refused_application_is_left_alone),
        cmocka_unit_test(an_expired_signature_is_renewed),
        cmocka_unit_test(without_a_connection_nothing_counts),
        cmocka_unit_test(a_dead_instance_leaves_doubt),
        cmocka_unit_test(a_cut_connection_doubles_nothing),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(applications_are_taken_over),
    };

    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
