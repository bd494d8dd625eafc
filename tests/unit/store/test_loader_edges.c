/* The loader at the edges of its days: a spool with damage and with numbers used up, rows of far days, large bodies, a
 * newer schema, idle connections that die, no memory or thread to start with, no database to stop from. */
#include "../failing_calls.h"
#include "loader_fixture.h"

#include "spool/spool_priv.h"

static void reopen(struct bench *b, uint64_t segment, off_t at, const char *bytes)
{
    char path[160];
    int fd;

    spool_close(b->spool);
    snprintf(path, sizeof(path), "%s/%020" PRIu64 ".segment", b->spool_directory, segment);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), at), strlen(bytes));
    close(fd);
    open_spool(b);
}

static void damage_and_numbers_used_up_are_passed(void **state)
{
    struct bench b;
    struct spool_status status;
    uint64_t last;

    bench_open(&b, *state);
    append_many(&b, 5);
    reopen(&b, 1, SEGMENT_HEADER_BYTES + 30, "damaged"); /* the first record */
    reopen(&b, 1, 8 << 19, "torn");                      /* far behind the last one: numbers are skipped */
    spool_get_status(b.spool, &status);
    assert_true(status.next_seq > 6);
    last = append_many(&b, 5);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event"), 9);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event WHERE spool_seq = 1"), 0);
    bench_close(&b);
}

/* The same where a repeated After makes the batch go the careful way. */
static void damage_is_passed_the_careful_way(void **state)
{
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    append_many(&b, 3);
    append_after(&b, "g", "a", 7, "said", 1, 0);
    append_bytes(&b, span_of("no event"));
    last = append_after(&b, "g", "a", 7, "said", 1, 0);
    reopen(&b, 1, SEGMENT_HEADER_BYTES + 30, "damaged");
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event"), 3);
    assert_string_equal(query_text(b.db, "SELECT string_agg(chr(get_byte(leaves, i * 37)), '' ORDER BY i) FROM "
                                         "chatsluice.chain_block, generate_series(0, octet_length(leaves) / 37 - 1) i"),
                        "xeeepd");
    bench_close(&b);
}

/* A segment that somebody took away: what was in it is told, and the chain says so. */
static void numbers_that_are_gone_are_passed(void **state)
{
    static char body[1100 * 1000];
    struct bench b;
    uint64_t last = 0;
    char path[160];

    bench_open(&b, *state);
    memset(body, 'x', 1000 * 1000);
    for (int i = 0; i < 12; i++)
        last = append_bytes(&b, span_of(body));
    last = append_many(&b, 5);
    spool_close(b.spool);
    snprintf(path, sizeof(path), "%s/%020d.segment", b.spool_directory, 1);
    assert_int_equal(unlink(path), 0);
    open_spool(&b);
    b.loader = start_loader(&b, b.url, "one", 1000);
    wait_for_position(b.loader, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event"), 5);
    assert_int_equal(
        query_number(b.db, "SELECT (min(spool_seq) > 1)::int FROM chatsluice.dead_letter HAVING count(*) < 12"), 1);
    assert_string_equal(query_text(b.db, "SELECT chr(get_byte(leaves, 0)) FROM chatsluice.chain_block WHERE block = 1"),
                        "m");
    bench_close(&b);
}

static void rows_of_far_days_and_large_ones_go_in(void **state)
{
    static char body[1100 * 1000];
    struct bench b;
    uint64_t last = 0;

    bench_open(&b, *state);
    for (int day = 0; day < 6; day++)
        last = append_before(&b, "g", "a", (unsigned long)day, "far", day * 86400 * 3);
    for (int i = 0; i < 12; i++) {
        size_t len =
            (size_t)snprintf(body, sizeof(body),
                             "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"g\",\"Random\":%d,"
                             "\"EventTime\":%" PRId64 ",\"Other\":\"",
                             i, b.now_us / 1000);
        memset(body + len, 'x', 1000 * 1000);
        memcpy(body + len + 1000 * 1000, "\"}", 3);
        last = append_body(&b, COMMAND_BEFORE, body);
    }
    b.loader = start_loader(&b, b.url, "one", 1000);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

static long sessions(struct bench *b)
{
    return query_number(b->db, "SELECT sessions FROM pg_stat_database WHERE datname = current_database()");
}

/* A session is counted at its end at the latest: the loader has come, seen the schema, and gone again. */
static void a_newer_schema_is_waited_out(void **state)
{
    int64_t until = clock_mono_us() + 60 * us_per_s;
    struct bench b;
    uint64_t last;
    long before;

    bench_open(&b, *state);
    run_sql(b.db, "INSERT INTO chatsluice.schema_version (version, name, checksum) VALUES (9999, 'newer', '')");
    last = append_many(&b, 5);
    before = sessions(&b);
    b.loader = start_loader(&b, b.url, "one", 100);
    while (sessions(&b) < before + 3) { /* one may be the test's own */
        assert_true(clock_mono_us() < until);
        clock_sleep_ms(20);
    }
    assert_int_equal(loader_position(b.loader), 0);
    run_sql(b.db, "DELETE FROM chatsluice.schema_version WHERE version = 9999");
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

/* An idle connection is tried every few seconds; one that has died is noticed without a record to load. */
static void a_dead_idle_connection_is_noticed(void **state)
{
    struct bench b;
    uint64_t last;
    int64_t failures, until = clock_mono_us() + 60 * us_per_s;

    bench_open(&b, *state);
    last = append_many(&b, 5);
    b.loader = start_loader(&b, b.url, "one", 0);
    wait_for_position(b.loader, last);
    failures = metric_value(METRIC_LOADER_FAILURES);
    assert_int_equal(query_number(b.db, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                                        "application_name = 'chatsluice loader' AND datname = current_database()"),
                     1);
    while (metric_value(METRIC_LOADER_FAILURES) == failures) {
        assert_true(clock_mono_us() < until);
        clock_sleep_ms(20);
    }
    last = append_many(&b, 5);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

static void it_starts_whole_or_not_at_all(void **state)
{
    struct bench b;
    bool hit = true;

    bench_open(&b, *state);
    for (long number = 1; hit && number < 100; number++) {
        struct loader_options options = {.spool = b.spool,
                                         .database_url = "postgresql:///none?host=/nonexistent",
                                         .instance_id = "one",
                                         .batch_rows = 10};
        struct err err = {0};

        fail_call(number, FAILING_ONCE);
        if (loader_start(&b.loader, &options, &err) < 0)
            assert_non_null(strstr(err.text, "could not start the loader"));
        hit = fail_no_more();
        loader_stop(b.loader); /* it may be waiting for the next try */
        b.loader = NULL;
    }
    assert_false(hit);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_and_numbers_used_up_are_passed),
        cmocka_unit_test(damage_is_passed_the_careful_way),
        cmocka_unit_test(numbers_that_are_gone_are_passed),
        cmocka_unit_test(rows_of_far_days_and_large_ones_go_in),
        cmocka_unit_test(a_newer_schema_is_waited_out),
        cmocka_unit_test(a_dead_idle_connection_is_noticed),
        cmocka_unit_test(it_starts_whole_or_not_at_all),
    };

    return cmocka_run_group_tests_name("store/loader_edges", tests, postgres_setup, postgres_teardown);
}
