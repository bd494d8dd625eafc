#include "../failing_calls.h"
#include "loader_fixture.h"
#include "store/rollup.h"

/* How many events the rollups count; a minute for them to come to that many is never needed. */
static void wait_for_count(struct bench *b, long events)
{
    int64_t deadline = clock_mono_us() + 60 * us_per_s;

    while (query_number(b->db, "SELECT coalesce(sum(events), 0) FROM chatsluice.rollup_hour") < events) {
        if (clock_mono_us() > deadline)
            fail_msg("the rollups do not come to %ld events", events);
        clock_sleep_ms(20);
    }
    assert_int_equal(query_number(b->db, "SELECT sum(events) FROM chatsluice.rollup_hour"), events);
}

static struct rollup *start_rollup(const char *url)
{
    struct rollup *rollup = NULL;
    struct err err = {0};

    if (rollup_start(&rollup, url, 5000, &err) < 0)
        fail_msg("%s", err.text);
    return rollup;
}

static void two_threads_count_each_event_once(void **state)
{
    struct rollup *rollups[2];
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    for (int i = 0; i < 2; i++)
        rollups[i] = start_rollup(b.url);
    last = append_many(&b, 300);
    b.loader = start_loader(&b, b.url, "one", 50);
    wait_for_position(b.loader, last);
    wait_for_count(&b, 300);
    for (int i = 0; i < 2; i++)
        rollup_stop(rollups[i]);
    assert_int_equal(query_number(b.db, "SELECT sum(events) FROM chatsluice.rollup_hour"), 300);
    bench_close(&b);
}

/* Somebody holds a table for longer than a stop may take. What the pass has done by then is undone. */
static void a_stop_abandons_a_pass_that_hangs(void **state)
{
    struct rollup *rollup;
    int64_t start_us;
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    last = append_many(&b, 100);
    b.loader = start_loader(&b, b.url, "one", 50);
    wait_for_position(b.loader, last);
    run_sql(b.db, "BEGIN; LOCK TABLE chatsluice.rollup_hour_term");
    rollup = start_rollup(b.url);
    while (query_number(b.db, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                              "'chatsluice.rollup_hour_term'::regclass") == 0)
        clock_sleep_ms(10);
    start_us = clock_mono_us();
    rollup_stop(rollup);
    assert_true(clock_mono_us() - start_us < 60 * us_per_s);
    run_sql(b.db, "ROLLBACK");
    rollup = start_rollup(b.url);
    wait_for_count(&b, 100);
    rollup_stop(rollup);
    bench_close(&b);
}

static void it_starts_whole_or_not_at_all(void **state)
{
    bool hit = true;

    (void)state;
    for (long number = 1; hit && number < 100; number++) {
        struct rollup *rollup = NULL;
        struct err err = {0};

        fail_call(number, FAILING_ONCE);
        if (rollup_start(&rollup, "postgresql:///none?host=/nonexistent", 1000, &err) < 0)
            assert_non_null(strstr(err.text, "could not start the rollups"));
        hit = fail_no_more();
        rollup_stop(rollup); /* it may be waiting for the next try */
    }
    assert_false(hit);
    rollup_stop(NULL);
}

static void count_days(int64_t day_us, uint64_t events, void *arg)
{
    uint64_t *seen = arg;

    assert_int_equal(day_us % us_per_day, 0);
    seen[0]++;
    seen[1] += events;
}

static void a_rebuild_goes_day_by_day(void **state)
{
    uint64_t seen[2] = {0}, events = 0, last = 0;
    struct rollup *rollup;
    struct err err = {0};
    struct bench b;

    bench_open(&b, *state);
    for (int day = -2; day <= 0; day++)
        last = append_before(&b, "g", "a", (unsigned long)(day + 10), "x", day * 86400);
    b.loader = start_loader(&b, b.url, "one", 50);
    wait_for_position(b.loader, last);
    rollup = start_rollup(b.url);
    wait_for_count(&b, 3);
    rollup_stop(rollup);
    run_sql(b.db, "DELETE FROM chatsluice.rollup_hour");
    assert_int_equal(rollup_rebuild(b.db, b.now_us - us_per_day, b.now_us, count_days, seen, &events, &err), 0);
    assert_int_equal(events, 2);
    assert_int_equal(seen[0], 2);
    assert_int_equal(seen[1], 2);
    wait_for_count(&b, 2);
    assert_int_equal(rollup_rebuild(b.db, b.now_us, b.now_us, NULL, NULL, &events, &err), ERR_USAGE);
    run_sql(b.db, "DROP FUNCTION chatsluice.rebuild_rollups");
    assert_int_equal(rollup_rebuild(b.db, b.now_us - us_per_day, b.now_us, NULL, NULL, &events, &err), ERR_FAILED);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_count_each_event_once),
        cmocka_unit_test(a_stop_abandons_a_pass_that_hangs),
        cmocka_unit_test(it_starts_whole_or_not_at_all),
        cmocka_unit_test(a_rebuild_goes_day_by_day),
    };

    return cmocka_run_group_tests_name("store/rollup", tests, postgres_setup, postgres_teardown);
}
