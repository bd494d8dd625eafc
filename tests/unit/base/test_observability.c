/* What operators see: log lines in both forms, repeats left out and counted, and the Prometheus exposition. */
#include "base/log.h"
#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs f with standard error going to a file and gives what was written. */
static void capture(void (*f)(void), char *out, size_t size)
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    size_t got;

    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    f();
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    got = fread(out, 1, size - 1, file);
    out[got] = '\0';
    fclose(file);
}

static void write_logfmt(void)
{
    log_configure(LOG_LOGFMT, LOG_INFO);
    log_debug("not shown");
    log_info("spool opened", log_str("dir", "/var/lib/a b"), log_u64("segments", 3), log_i64("delta", -4),
             log_bool("clean", true), log_str("empty", ""), log_span("line", SPAN("x\ny=\"z\"")));
}

static void write_json(void)
{
    log_configure(LOG_JSON, LOG_WARN);
    log_info("not shown");
    log_warn("two\nlines", log_str("dir", "a\"b"), log_u64("n", 1));
}

static void write_flood(void)
{
    log_configure(LOG_LOGFMT, LOG_INFO);
    for (int i = 0; i < 1000; i++)
        log_info("the same again", log_i64("i", i));
}

static void test_log_lines(void **state)
{
    char text[65536];
    size_t lines = 0;

    (void)state;
    capture(write_logfmt, text, sizeof(text));
    assert_memory_equal(text, "time=20", 7);
    assert_non_null(strstr(text, "Z level=info msg=\"spool opened\" dir=\"/var/lib/a b\" segments=3 delta=-4 "
                                 "clean=true empty=\"\" line=\"x\\ny=\\\"z\\\"\"\n"));
    assert_null(strstr(text, "not shown"));

    capture(write_json, text, sizeof(text));
    assert_memory_equal(text, "{\"time\":\"20", 11);
    assert_non_null(strstr(text, "\"level\":\"warn\",\"msg\":\"two\\nlines\",\"dir\":\"a\\\"b\",\"n\":1}\n"));
    assert_null(strstr(text, "not shown"));

    capture(write_flood, text, sizeof(text));
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, LOG_BURST);
}

static void test_metrics(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    metric_count(METRIC_VERDICTS_MASK);
    metric_add(METRIC_VERDICTS_MASK, 41);
    metric_set(METRIC_RULE_REVISION, 7);
    metric_observe_us(HISTOGRAM_BEFORE, 100);
    metric_observe_us(HISTOGRAM_BEFORE, 101);
    metric_observe_us(HISTOGRAM_BEFORE, 3000000);
    metrics_render(&out);
    assert_false(buf_failed(&out));
    assert_non_null(strstr(out.data, "# TYPE chatsluice_verdicts_total counter\n"));
    assert_non_null(strstr(out.data, "chatsluice_verdicts_total{verdict=\"mask\"} 42\n"));
    assert_non_null(strstr(out.data, "chatsluice_rule_revision 7\n"));
    assert_non_null(strstr(out.data, "chatsluice_webhook_seconds_bucket{command=\"before\",le=\"0.0001\"} 1\n"));
    assert_non_null(strstr(out.data, "chatsluice_webhook_seconds_bucket{command=\"before\",le=\"0.00025\"} 2\n"));
    assert_non_null(strstr(out.data, "chatsluice_webhook_seconds_bucket{command=\"before\",le=\"2\"} 2\n"));
    assert_non_null(strstr(out.data, "chatsluice_webhook_seconds_bucket{command=\"before\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(out.data, "chatsluice_webhook_seconds_sum{command=\"before\"} 3.000201\n"));
    assert_non_null(strstr(out.data, "chatsluice_webhook_seconds_count{command=\"before\"} 3\n"));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_lines),
        cmocka_unit_test(test_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
