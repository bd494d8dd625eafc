/* bench_outbox URL [ROWS [DELAY_MS]]: how fast the sender works off a backlog, and how soon a single row is sent.
 *
 * A REST API in this process answers every call after DELAY_MS (default 0). ROWS (default 2000) corrections are put
 * into the outbox, one sender works them off at 200 a second; printed are the rate after the first second, in which all
 * permits are fresh, and the most calls that arrived in any second. Then 200 single rows, 20 ms apart, each followed by
 * a wake as the loader gives it: the time from its INSERT to its arrival. The database is one made for this: it is
 * migrated and its outbox is emptied. */
#include "base/clock.h"
#include "base/http_server.h"
#include "outbox/outbox.h"
#include "store/db.h"
#include "store/migrate.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS_MOST = 100000, SINGLES = 200 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t called;
    size_t calls;
    int64_t arrivals_us[CALLS_MOST];
    unsigned delay_ms;
} api = {.lock = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER};

static void must(int r, const struct err *err)
{
    if (r < 0) {
        fprintf(stderr, "bench_outbox: %s\n", err->text);
        exit(1);
    }
}

static void *body_new(void *arg)
{
    (void)arg;
    return calloc(1, sizeof(struct buf));
}

static void body_free(void *body)
{
    buf_release(body);
    free(body);
}

static void answer(const struct http_request *request, struct http_reply *reply, void *arg)
{
    const int64_t now_us = clock_mono_us();

    (void)arg;
    if (http_read_body(request, request->thread, reply) != HTTP_BODY_OK)
        return;
    pthread_mutex_lock(&api.lock);
    if (api.calls < CALLS_MOST)
        api.arrivals_us[api.calls++] = now_us;
    pthread_cond_signal(&api.called);
    pthread_mutex_unlock(&api.lock);
    clock_sleep_ms(api.delay_ms);
    buf_add_text(reply->body, "{\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ActionStatus\":\"OK\",\"RequestId\":\"Id-1\","
                              "\"Response\":{\"MsgTime\":1764000002,\"MsgSeq\":812,\"MsgDropReason\":\"\"}}");
}

static void await_calls(size_t count)
{
    pthread_mutex_lock(&api.lock);
    while (api.calls < count)
        pthread_cond_wait(&api.called, &api.lock);
    pthread_mutex_unlock(&api.lock);
}

static void put(struct db *db, size_t rows)
{
    char sql[512];
    struct err err;

    snprintf(sql, sizeof(sql),
             "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, "
             "asked_at, state, reason, expires_at, random) SELECT 'room-' || n %% 200, gen_random_uuid(), 1400000001, "
             "'send_text', 'viewer_19', 'call me ***', 'rule', 'bench', now(), 'queued', 'new', now() + interval "
             "'1 hour', n FROM generate_series(1, %zu) AS n",
             rows);
    must(db_exec(db, sql, &err), &err);
}

static unsigned most_in_a_second(void)
{
    unsigned most = 0;
    size_t first = 0;

    for (size_t i = 0; i < api.calls; i++) {
        while (api.arrivals_us[i] - api.arrivals_us[first] >= 1000000)
            first++;
        if (i - first + 1 > most)
            most = (unsigned)(i - first + 1);
    }
    return most;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void measure_singles(struct db *db, struct outbox *outbox)
{
    int64_t took_us[SINGLES];

    for (unsigned i = 0; i < SINGLES; i++) {
        const size_t before = api.calls;
        clock_sleep_ms(20);
        const int64_t begin_us = clock_mono_us();
        put(db, 1);
        outbox_wake(outbox);
        await_calls(before + 1);
        took_us[i] = api.arrivals_us[before] - begin_us;
    }
    qsort(took_us, SINGLES, sizeof(took_us[0]), by_size);
    printf("single rows: INSERT to arrival p50 %.1f ms, p99 %.1f ms, most %.1f ms\n",
           (double)took_us[SINGLES / 2] / 1000, (double)took_us[SINGLES * 99 / 100] / 1000,
           (double)took_us[SINGLES - 1] / 1000);
}

int main(int argc, char **argv)
{
    const size_t rows = argc > 2 ? (size_t)atol(argv[2]) : 2000;
    const struct http_server_options serving = {.listen = "127.0.0.1:0",
                                                .threads = 64,
                                                .max_body_bytes = 65536,
                                                .body_timeout_ms = 5000,
                                                .keep_alive_ms = 60000,
                                                .handler = answer,
                                                .thread_new = body_new,
                                                .thread_free = body_free};
    struct config config = {.app_count = 1};
    struct http_server *server;
    struct outbox *outbox;
    struct err err = {0};
    struct db *db;
    char url[64], secret[] = "the-secret-key";
    size_t early = 0;

    if (argc < 2 || rows < 500 || rows > CALLS_MOST / 2) {
        fprintf(stderr, "usage: bench_outbox URL [ROWS [DELAY_MS]]\n");
        return 2;
    }
    api.delay_ms = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
    must(db_open(&db, argv[1], "bench_outbox", 5000, &err), &err);
    must(migrate_run(db, false, NULL, NULL, &err), &err);
    must(db_exec(db, "TRUNCATE chatsluice.outbox, chatsluice.room_budget, chatsluice.send_lease", &err), &err);
    must(http_server_start(&server, &serving, &err), &err);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_server_port(server));
    config.database.url = argv[1];
    config.database.connect_timeout_ms = 5000;
    config.apps[0] = (struct config_app){.sdkappid = 1400000001, .secret_key = secret, .rest_api = url};
    config.outbox.connections = 32;
    config.outbox.timeout_ms = 5000;
    config.outbox.poll_interval_ms = 200;
    config.outbox.confirm_within_ms = 20000;
    config.outbox.attempts = 8;
    config.outbox.room_per_minute = 2400;
    config.outbox.calls_a_second = 200;

    put(db, rows);
    must(outbox_start(&outbox, &config, "bench", &err), &err);
    await_calls(rows);
    while (early < rows && api.arrivals_us[early] - api.arrivals_us[0] < 1000000)
        early++;
    printf("backlog of %zu, answers after %u ms: %.1f calls a second, at most %u in any second\n", rows, api.delay_ms,
           (double)(rows - early) * 1e6 / (double)(api.arrivals_us[rows - 1] - api.arrivals_us[early - 1]),
           most_in_a_second());
    clock_sleep_ms(1500);
    measure_singles(db, outbox);
    outbox_stop(outbox);
    http_server_stop(server, 5000);
    db_close(db);
    return 0;
}
