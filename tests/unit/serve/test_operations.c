#include "../spool/fault_io.h"
#include "service.h"

static int start(void **state)
{
    static struct service service;
    struct config config = service_config();

    service_start(&service, &config, NULL);
    *state = &service;
    return 0;
}

static int stop(void **state)
{
    service_stop(*state);
    return 0;
}

static struct operations *operations_for(struct service *s)
{
    struct operations *operations = NULL;
    struct err err = {0};

    if (operations_start(&operations, &s->config, s->spool, &err) != 0)
        fail_msg("%s", err.text);
    return operations;
}

static void get(struct operations *operations, const char *method, const char *path, struct client_reply *reply)
{
    struct client c = client_open(operations_port(operations));
    struct buf request = BUF_INIT;

    buf_addf(&request, "%s %s HTTP/1.1\r\nHost: t\r\n\r\n", method, path);
    client_send(&c, request.data, request.len);
    assert_true(client_read_reply(&c, reply, strcmp(method, "HEAD") == 0));
    buf_release(&request);
    client_close(&c);
}

static void answers_its_paths_and_no_other(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *type, *words;
    } cases[] = {
        {"GET", "/healthz", 200, "application/json", "alive"},
        {"HEAD", "/healthz", 200, "application/json", ""},
        {"GET", "/readyz", 200, "application/json", "\"status\":\"ready\""},
        {"GET", "/readyz?verbose=1", 200, "application/json", "\"database_up\":false"},
        {"HEAD", "/readyz", 200, "application/json", ""},
        {"GET", "/metrics", 200, "text/plain; version=0.0.4", "\nchatsluice_spool_max_bytes 67108864\n"},
        {"HEAD", "/metrics", 200, "text/plain; version=0.0.4", ""},
        {"GET", "/version", 200, "application/json", CHATSLUICE_VERSION},
        {"POST", "/healthz", 405, "application/json", "GET and HEAD"},
        {"DELETE", "/metrics", 405, "application/json", "GET and HEAD"},
        {"GET", "/", 404, "application/json", "path"},
        {"GET", "/metrics/", 404, "application/json", "path"},
        {"GET", "/console", 404, "application/json", "path"},
        {"POST", "/webhook", 404, "application/json", "path"},
    };
    struct operations *operations = operations_for(*state);
    struct client_reply reply = {0};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        get(operations, cases[i].method, cases[i].path, &reply);
        assert_int_equal(reply.status, cases[i].status);
        assert_int_equal(strncmp(client_header(&reply, "Content-Type"), cases[i].type, strlen(cases[i].type)), 0);
        if (!strstr(buf_text(&reply.body), cases[i].words))
            fail_msg("%s %s: %s", cases[i].method, cases[i].path, buf_text(&reply.body));
        assert_int_equal(client_header(&reply, "Allow") != NULL, cases[i].status == 405);
    }
    client_reply_release(&reply);
    operations_stop(operations);
}

static void says_why_it_is_not_ready(void **state)
{
    struct config config = service_config();
    struct client_reply reply = {0};
    struct operations *operations;
    struct spool_status status;
    struct service s;
    static char record[60000];
    struct err err;

    (void)state;
    config.spool.max_bytes = 256 * 1024;
    config.spool.segment_bytes = 64 * 1024;
    service_start(&s, &config, NULL);
    operations = operations_for(&s);

    get(operations, "GET", "/readyz", &reply);
    assert_int_equal(reply.status, 200);
    while (spool_append(s.spool, (struct span){record, sizeof(record)}, INT64_MAX, NULL, &err) == 0)
        ;
    spool_get_status(s.spool, &status);
    assert_true(status.full);
    get(operations, "GET", "/readyz", &reply);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.body.data, "\"status\":\"spool full\""));
    assert_non_null(strstr(reply.body.data, "\"full\":true"));

    operations_draining(operations);
    get(operations, "GET", "/readyz", &reply);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.body.data, "\"status\":\"draining\""));
    get(operations, "GET", "/healthz", &reply);
    assert_int_equal(reply.status, 200);

    client_reply_release(&reply);
    operations_stop(operations);
    service_stop(&s);
}

static void says_that_the_disk_stalls(void **state)
{
    struct fixture *f = fixture_new("/tmp");
    struct config config = service_config();
    struct operations *operations = NULL;
    struct client_reply reply = {0};
    struct fault_io disk;
    struct spool *spool;
    struct err err;

    (void)state;
    fault_io_init(&disk);
    spool = open_io(f, &disk.io);
    assert_int_equal(operations_start(&operations, &config, spool, &err), 0);
    fault_io_stall(&disk, true);
    assert_int_equal(spool_append(spool, SPAN("a record"), clock_mono_us() + 1100 * 1000, NULL, &err), ERR_TIMEOUT);
    get(operations, "GET", "/readyz", &reply);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.body.data, "\"status\":\"spool stalled\""));

    fault_io_stall(&disk, false);
    spool_wait(spool, 1, FOREVER_MS);
    get(operations, "GET", "/readyz", &reply);
    assert_int_equal(reply.status, 200);
    client_reply_release(&reply);
    operations_stop(operations);
    spool_close(spool);
    remove_tree(f->directory);
    free(f);
}

/* The reason it has threads of its own. */
static void answers_while_every_webhook_thread_is_busy(void **state)
{
    struct service *s = *state;
    struct operations *operations = operations_for(s);
    struct client busy[8];
    struct client_reply reply = {0};

    for (size_t i = 0; i < 8; i++) {
        busy[i] = client_open(s->port);
        client_send_text(&busy[i], "POST /webhook HTTP/1.1\r\n"); /* and nothing more */
    }
    while (metric_value(METRIC_CONNECTIONS) < 8)
        clock_sleep_ms(1);
    get(operations, "GET", "/metrics", &reply);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body.data, "\nchatsluice_connections 8\n"));
    for (size_t i = 0; i < 8; i++)
        client_close(&busy[i]);
    client_reply_release(&reply);
    operations_stop(operations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_its_paths_and_no_other, start, stop),
        cmocka_unit_test(says_why_it_is_not_ready),
        cmocka_unit_test(says_that_the_disk_stalls),
        cmocka_unit_test_setup_teardown(answers_while_every_webhook_thread_is_busy, start, stop),
    };

    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
