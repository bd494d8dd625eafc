/* A load run: its requests, read by the service's own parser, and whole runs against a receiver over real sockets. */
#include "sim/load_report.h"

#include "base/clock.h"
#include "sim/arguments.h"
#include "wire/callback.h"
#include "wire/gate.h"

#include "responder.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char token[] = "live-hook-token-01";

static struct load_requests *requests_make(double after_share, const struct corpus *corpus)
{
    const struct load_requests_options options = {
        .host = "127.0.0.1:80",
        .path = "/webhook",
        .style = {.sdkappid = 1400000001, .token = token},
        .after_share = after_share,
        .rooms = 7,
        .run = 4242,
    };
    struct load_requests *requests;

    assert_int_equal(load_requests_new(&requests, &options, corpus, NULL), 0);
    return requests;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Requests ------------------------------------------------------------------------------------------------------ */

enum { REQUESTS = 2000 };

static void requests_are_what_the_service_reads(void **state)
{
    struct callback_parser *parser = callback_parser_new();
    const char *const tokens[] = {token};
    const int64_t wall_us = 1764000000123456;
    struct load_requests *requests;
    struct load_signer signer = {0};
    struct corpus corpus;
    struct buf request = BUF_INIT, sign = BUF_INIT, time = BUF_INIT;
    char *keys[REQUESTS];

    (void)state;
    assert_int_equal(corpus_open(&corpus, NULL, NULL), 0);
    requests = requests_make(0.4, &corpus);
    for (unsigned n = 0; n < REQUESTS; n++) {
        struct load_key key;
        struct message m;
        char text[128];
        const char *body, *query, *length;
        load_requests_make(requests, &signer, n, wall_us + n * 1000, &request, &key);
        body = strstr(buf_text(&request), "\r\n\r\n");
        query = strchr(buf_text(&request), '?');
        length = strstr(buf_text(&request), "Content-Length: ");
        assert_non_null(body);
        assert_int_equal(strncmp(request.data, "POST /webhook?", 14), 0);
        assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body + 4));
        const struct span asked = {query + 1, (size_t)(strchr(query, ' ') - query - 1)};
        assert_int_equal(http_query(asked, "Sign", &sign), 1);
        assert_int_equal(http_query(asked, "RequestTime", &time), 1);
        assert_int_equal(signature_check(tokens, 1, buf_span(&time), buf_span(&sign), (wall_us + n * 1000) / 1000000),
                         SIGNATURE_OK);
        assert_int_equal(callback_parse(parser, span_of(body + 4), &m, NULL), 0);
        assert_int_equal(m.command, key.command);
        assert_int_equal(m.event_time_ms.value, (wall_us + n * 1000) / 1000);
        assert_true(m.random.value >= 1000000000 && m.random.value <= UINT32_MAX);
        if (m.command == COMMAND_BEFORE)
            snprintf(text, sizeof(text), "before %.*s", (int)m.msg_id.text.len, m.msg_id.text.data);
        else
            snprintf(text, sizeof(text), "after %.*s %lld", (int)m.group_id.text.len, m.group_id.text.data,
                     (long long)m.msg_seq.value);
        assert_string_equal(key.text, text);
        keys[n] = strdup(text);
    }
    qsort(keys, REQUESTS, sizeof(keys[0]), by_text);
    for (unsigned n = 0; n + 1 < REQUESTS; n++)
        assert_string_not_equal(keys[n], keys[n + 1]);
    for (unsigned n = 0; n < REQUESTS; n++)
        free(keys[n]);
    buf_release(&request);
    buf_release(&sign);
    buf_release(&time);
    load_requests_free(requests);
    corpus_release(&corpus);
    callback_parser_free(parser);
}

/* After webhook number j tells of the message of Before webhook number j. */
static void after_belongs_to_before(void **state)
{
    struct callback_parser *parser = callback_parser_new();
    struct load_requests *requests;
    struct load_signer signer = {0};
    struct corpus corpus;
    struct buf request = BUF_INIT, befores[50] = {{0}};
    unsigned before = 0, after = 0;

    (void)state;
    assert_int_equal(corpus_open(&corpus, NULL, NULL), 0);
    requests = requests_make(0.5, &corpus);
    for (unsigned n = 0; n < 100; n++) {
        struct buf identity = BUF_INIT;
        struct load_key key;
        struct message m;
        load_requests_make(requests, &signer, n, 1764000000000000, &request, &key);
        assert_int_equal(callback_parse(parser, span_of(strstr(buf_text(&request), "\r\n\r\n") + 4), &m, NULL), 0);
        buf_add_span(&identity, m.group_id.text);
        buf_add_span(&identity, m.from_account.text);
        buf_add_span(&identity, m.msg_id.text);
        buf_add_span(&identity, m.text);
        buf_add_i64(&identity, m.random.value);
        if (m.command == COMMAND_BEFORE) {
            befores[before++] = identity;
        } else {
            assert_string_equal(buf_text(&identity), buf_text(&befores[after++]));
            buf_release(&identity);
        }
    }
    assert_int_equal(before, 50);
    assert_int_equal(after, 50);
    for (unsigned i = 0; i < 50; i++)
        buf_release(&befores[i]);
    buf_release(&request);
    load_requests_free(requests);
    corpus_release(&corpus);
    callback_parser_free(parser);
}

static void a_corpus_is_a_file_of_lines(void **state)
{
    char path[] = "/tmp/chatsim-corpus-XXXXXX";
    static const char text[] = "one \"quoted\"\r\n\n\xe4\xb8\xa4\nlast";
    const int fd = mkstemp(path);
    struct corpus corpus;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    assert_int_equal(corpus_open(&corpus, path, NULL), 0);
    assert_int_equal(corpus.count, 3);
    assert_true(span_is(corpus.texts[0], "one \"quoted\""));
    assert_true(span_is(corpus.texts[2], "last"));
    corpus_release(&corpus);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(corpus_open(&corpus, path, NULL), ERR_USAGE);
    unlink(path);
    assert_int_equal(corpus_open(&corpus, path, NULL), ERR_FAILED);
}

/* Runs ---------------------------------------------------------------------------------------------------------- */

struct bench {
    struct corpus corpus;
    struct load_requests *requests;
    struct load_run run;
    struct load_counts counts;
    char ledger[40];
};

static void bench_open(struct bench *b, unsigned port, double after_share, uint64_t count, unsigned workers)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    memset(b, 0, sizeof(*b));
    snprintf(b->ledger, sizeof(b->ledger), "/tmp/chatsim-ledger-XXXXXX");
    close(mkstemp(b->ledger));
    assert_int_equal(corpus_open(&b->corpus, NULL, NULL), 0);
    b->requests = requests_make(after_share, &b->corpus);
    b->run.requests = b->requests;
    b->run.schedule.count = count;
    b->run.workers = workers;
    b->run.ledger_path = b->ledger;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&b->run.address, &to, sizeof(to));
    b->run.address_len = sizeof(to);
}

static void bench_run(struct bench *b, unsigned connections)
{
    struct load_worker *workers[4];
    pthread_t threads[4];

    if (b->run.schedule.start_us == 0)
        b->run.schedule.start_us = clock_mono_us();
    for (unsigned i = 0; i < b->run.workers; i++)
        assert_int_equal(load_worker_new(&workers[i], &b->run, i, connections, NULL), 0);
    for (unsigned i = 0; i < b->run.workers; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_worker_run, workers[i]), 0);
    for (unsigned i = 0; i < b->run.workers; i++) {
        bool ledger_ok;
        pthread_join(threads[i], NULL);
        load_counts_merge(&b->counts, load_worker_counts(workers[i], &ledger_ok));
        assert_true(ledger_ok);
        load_worker_free(workers[i]);
    }
    assert_false(load_is_void(&b->counts));
}

static unsigned bench_ledger_lines(const struct bench *b, const char *kind)
{
    struct buf text = BUF_INIT;
    unsigned lines = 0;

    assert_int_equal(argument_read_file(b->ledger, 1 << 20, &text, NULL), 0);
    for (const char *at = buf_text(&text); *at; at = strchr(at, '\n') + 1)
        lines += strncmp(at, kind, strlen(kind)) == 0;
    buf_release(&text);
    return lines;
}

static void bench_close(struct bench *b)
{
    unlink(b->ledger);
    load_requests_free(b->requests);
    corpus_release(&b->corpus);
}

static void every_answer_is_counted_and_in_the_ledger(void **state)
{
    static const struct {
        int status;
        const char *reply;
        enum verdict_form form;
    } cases[] = {
        {200, RESPONDER_ALLOW, VERDICT_ALLOW},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":2,\"ErrorInfo\":\"\"}", VERDICT_DISCARD},
        {503, "{}", VERDICT_NONE},
        {200, "{}", VERDICT_FAILED},
    };
    struct responder responder;

    (void)state;
    assert_int_equal(responder_start(&responder), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const bool valid = cases[i].form == VERDICT_ALLOW || cases[i].form == VERDICT_DISCARD;
        struct bench b;
        responder_say(&responder, cases[i].status, cases[i].reply);
        bench_open(&b, http_server_port(responder.server), 0.25, 400, i == 0 ? 2 : 1);
        bench_run(&b, 8);
        assert_int_equal(b.counts.sent, 400);
        assert_int_equal(b.counts.answered, valid ? 400 : 100);
        assert_int_equal(b.counts.refused, cases[i].status == 503 ? 300 : 0);
        assert_int_equal(b.counts.failed, cases[i].form == VERDICT_FAILED ? 300 : 0);
        assert_int_equal(b.counts.invalid, b.counts.failed);
        assert_int_equal(b.counts.latency.count, b.counts.answered);
        if (valid)
            assert_int_equal(b.counts.verdicts[cases[i].form], 300);
        assert_int_equal(bench_ledger_lines(&b, "before "), valid ? 300 : 0);
        assert_int_equal(bench_ledger_lines(&b, "after load-00001092-"), 100);
        bench_close(&b);
    }
    responder_stop(&responder);
}

static void a_fixed_rate_sends_what_is_due(void **state)
{
    struct responder responder;
    struct buf json = BUF_INIT;
    struct gate_fault fault;
    struct bench b;

    (void)state;
    assert_int_equal(responder_start(&responder), 0);
    bench_open(&b, http_server_port(responder.server), 0, 0, 1);
    b.run.schedule.rate = 500;
    b.run.schedule.seconds_us = 400000;
    bench_run(&b, 4);
    assert_int_equal(b.counts.sent + b.counts.unsent, 200);
    assert_int_equal(b.counts.answered, b.counts.sent);
    load_report_json(&json, &b.counts, 0.4);
    assert_true(gate_check(buf_span(&json), GATE_WIRE, &fault));
    buf_release(&json);
    bench_close(&b);
    responder_stop(&responder);
}

/* Nothing listens: the due requests are told as unsent when the run is stopped, and nothing counts as sent. */
static void *stop_soon(void *arg)
{
    struct bench *b = arg;

    while (clock_mono_us() < b->run.schedule.start_us + 200000)
        clock_sleep_ms(10);
    atomic_store(&b->run.stop, true);
    return NULL;
}

static void a_missing_server_leaves_requests_unsent(void **state)
{
    pthread_t stopper;
    struct bench b;

    (void)state;
    bench_open(&b, 1, 0, 0, 1);
    b.run.schedule.rate = 1000;
    b.run.schedule.seconds_us = 100000;
    b.run.schedule.start_us = clock_mono_us();
    assert_int_equal(pthread_create(&stopper, NULL, stop_soon, &b), 0);
    bench_run(&b, 4);
    pthread_join(stopper, NULL);
    assert_int_equal(b.counts.sent, 0);
    assert_int_equal(b.counts.unsent, 100);
    bench_close(&b);
}

/* Answers after the platform would have given up, and before the run does. */
static void *speak_late(void *arg)
{
    struct responder *responder = arg;

    responder_wait_before(responder, 4);
    clock_sleep_ms(LOAD_LATE_MS + 20);
    responder_hush(responder, false, false);
    return NULL;
}

static void late_answers_are_told(void **state)
{
    struct responder responder;
    pthread_t speaker;
    struct bench b;

    (void)state;
    assert_int_equal(responder_start(&responder), 0);
    responder_hush(&responder, true, false);
    bench_open(&b, http_server_port(responder.server), 0, 8, 1);
    assert_int_equal(pthread_create(&speaker, NULL, speak_late, &responder), 0);
    bench_run(&b, 4);
    pthread_join(speaker, NULL);
    assert_int_equal(b.counts.answered, 8);
    assert_in_range(b.counts.late, 4, 8); /* the rest was answered as ever, unless the machine stood still */
    assert_int_equal(b.counts.timeouts, 0);
    bench_close(&b);
    responder_stop(&responder);
}

/* The receiver goes and comes back on the same port while the run goes on. */
static void *restart(void *arg)
{
    struct responder *responder = arg;
    const unsigned port = http_server_port(responder->server);
    struct http_server_options options = {
        .threads = 24,
        .max_body_bytes = 1024 * 1024,
        .body_timeout_ms = 5000,
        .keep_alive_ms = 60000,
        .handler = responder_handle,
        .thread_new = responder_thread_new,
        .thread_free = responder_thread_free,
        .arg = responder,
    };
    char listen[32];

    responder_wait_before(responder, 50);
    http_server_stop(responder->server, 5000);
    snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
    options.listen = listen;
    while (http_server_start(&responder->server, &options, NULL) < 0)
        clock_sleep_ms(10);
    return NULL;
}

static void a_restart_of_the_server_is_survived(void **state)
{
    struct responder responder;
    pthread_t restarter;
    struct bench b;

    (void)state;
    assert_int_equal(responder_start(&responder), 0);
    bench_open(&b, http_server_port(responder.server), 0, 0, 1);
    b.run.schedule.rate = 200;
    b.run.schedule.count = 1000;
    assert_int_equal(pthread_create(&restarter, NULL, restart, &responder), 0);
    bench_run(&b, 4);
    pthread_join(restarter, NULL);
    assert_int_equal(b.counts.sent, 1000);
    assert_true(b.counts.connects > 4);
    assert_int_equal(bench_ledger_lines(&b, "before "), b.counts.answered);
    assert_true(responder.before >= b.counts.answered);
    bench_close(&b);
    responder_stop(&responder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_what_the_service_reads),
        cmocka_unit_test(after_belongs_to_before),
        cmocka_unit_test(a_corpus_is_a_file_of_lines),
        cmocka_unit_test(every_answer_is_counted_and_in_the_ledger),
        cmocka_unit_test(a_fixed_rate_sends_what_is_due),
        cmocka_unit_test(a_missing_server_leaves_requests_unsent),
        cmocka_unit_test(late_answers_are_told),
        cmocka_unit_test(a_restart_of_the_server_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
