#include "loader_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

/* Records that are refused ---------------------------------------------------------------------------------------- */

static void refused_records_are_parked_and_the_rest_goes_in(void **state)
{
    static const uint64_t poisoned[] = {1, 77, 78, 150, 300};
    struct bench b;
    char long_group[6000];
    uint64_t garbage, too_long, last;
    uint32_t random = 1;
    int64_t parked = metric_value(METRIC_LOADER_DEAD_LETTERS);

    bench_open(&b, *state);
    run_sql(b.db, "ALTER TABLE chatsluice.event ADD CONSTRAINT poison CHECK (text NOT LIKE '%poison%')");
    for (uint64_t i = 1; i <= 300; i++) {
        bool bad = false;

        for (size_t j = 0; j < sizeof(poisoned) / sizeof(poisoned[0]); j++)
            bad |= poisoned[j] == i;
        append_before(&b, "g", "a", i, bad ? "poison" : "good", 0);
    }
    garbage = append_bytes(&b, SPAN("\1garbage"));
    for (size_t i = 0; i < sizeof(long_group) - 1; i++) /* does not compress, so it fits no index page */
        long_group[i] = "abcdefghijklmnopqrstuvwxyz012345"[(random = random * 1664525 + 1013904223) >> 27];
    long_group[sizeof(long_group) - 1] = '\0';
    too_long = append_before(&b, long_group, "a", 1, "good", 0);
    last = append_many(&b, 50);
    b.loader = start_loader(&b, b.url, "one", 1000);
    wait_for_position(b.loader, last);

    assert_exactly_once(&b, last);
    assert_int_equal(metric_value(METRIC_LOADER_DEAD_LETTERS) - parked, 7);
    assert_string_equal(query_text(b.db,
                                   "SELECT string_agg(concat_ws(':', spool_seq, sqlstate), ',' ORDER BY spool_seq) "
                                   "FROM chatsluice.dead_letter"),
                        "1:23514,77:23514,78:23514,150:23514,300:23514,301,302:54000");
    assert_int_equal(garbage, 301);
    assert_int_equal(too_long, 302);
    assert_string_equal(
        query_text(b.db, "SELECT encode(record, 'hex') FROM chatsluice.dead_letter WHERE spool_seq = 301"),
        "0167617262616765");
    bench_close(&b);
}

static void only_unreadable_records_also_move_the_position(void **state)
{
    struct bench b;
    uint64_t last = 0;

    bench_open(&b, *state);
    for (int i = 0; i < 5; i++)
        last = append_bytes(&b, SPAN("?"));
    b.loader = start_loader(&b, b.url, "one", 2);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

/* The database goes away ------------------------------------------------------------------------------------------ */

struct feeder {
    struct bench *bench;
    unsigned long count;
    atomic_bool done;
};

static void *feed(void *arg)
{
    struct feeder *f = arg;

    for (unsigned long i = 1; i <= f->count; i++)
        append_before(f->bench, "g", "a", i, "fed", (int64_t)(i % 100));
    atomic_store(&f->done, true);
    return NULL;
}

static void a_database_that_stops_is_waited_for(void **state)
{
    struct postgres *pg = *state;
    struct bench b;
    struct feeder feeder = {.bench = &b, .count = 3000};
    pthread_t thread;

    if (!pg->directory[0])
        skip(); /* the server is not ours to stop */
    bench_open(&b, pg);
    db_close(b.db);
    b.db = NULL;
    postgres_stop(pg, "immediate");
    b.loader = start_loader(&b, b.url, "one", 100); /* away at start */
    assert_int_equal(pthread_create(&thread, NULL, feed, &feeder), 0);
    for (unsigned round = 1; round <= 3; round++) {
        postgres_start(pg);
        wait_for_position(b.loader, round * 300);
        postgres_stop(pg, "immediate");
    }
    pthread_join(thread, NULL);
    postgres_start(pg);
    wait_for_position(b.loader, feeder.count);
    b.db = connect_to(b.url);
    assert_exactly_once(&b, feeder.count);
    bench_close(&b);
}

static void killed_connections_lose_and_double_nothing(void **state)
{
    struct bench b;
    struct feeder feeder = {.bench = &b, .count = 8000};
    pthread_t thread;
    long killed = 0;
    int64_t deadline = clock_mono_us() + 60 * us_per_s;

    bench_open(&b, *state);
    b.loader = start_loader(&b, b.url, "one", 200);
    assert_int_equal(pthread_create(&thread, NULL, feed, &feeder), 0);
    /* A kill for every few batches, wherever the loader is just then: between statements, in COPY, in COMMIT. */
    for (uint64_t next = 1; loader_position(b.loader) < feeder.count; next = loader_position(b.loader) + 250) {
        while (loader_position(b.loader) < next && loader_position(b.loader) < feeder.count) {
            if (clock_mono_us() > deadline)
                fail_msg("loader stands at %" PRIu64, loader_position(b.loader));
            clock_sleep_ms(1);
        }
        killed += query_number(b.db, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                     "WHERE application_name = 'chatsluice loader' AND datname = current_database()");
    }
    pthread_join(thread, NULL);
    wait_for_position(b.loader, feeder.count);
    assert_exactly_once(&b, feeder.count);
    assert_true(killed > 10);
    bench_close(&b);
}

static void stop_does_not_wait_for_a_server_that_hangs(void **state)
{
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    run_sql(b.db, "BEGIN; LOCK TABLE chatsluice.event IN ACCESS EXCLUSIVE MODE"); /* as good as hanging */
    b.loader = start_loader(&b, b.url, "one", 100);
    last = append_many(&b, 100);
    loader_stop(b.loader);
    run_sql(b.db, "ROLLBACK");
    b.loader = start_loader(&b, b.url, "two", 100);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

/* Others at work -------------------------------------------------------------------------------------------------- */

static void two_loaders_share_a_spool_without_doubling(void **state)
{
    struct bench b;
    struct feeder feeder = {.bench = &b, .count = 4000};
    struct loader *second;
    pthread_t thread;

    bench_open(&b, *state);
    b.loader = start_loader(&b, b.url, "one", 50);
    second = start_loader(&b, b.url, "two", 70);
    assert_int_equal(pthread_create(&thread, NULL, feed, &feeder), 0);
    pthread_join(thread, NULL);
    wait_for_position(b.loader, feeder.count);
    wait_for_position(second, feeder.count);
    loader_stop(second);
    assert_exactly_once(&b, feeder.count);
    bench_close(&b);
}

static void the_schema_is_waited_for(void **state)
{
    struct bench b;
    uint64_t last;
    struct err err = {0};

    bench_open(&b, *state);
    run_sql(b.db, "DROP SCHEMA moderation CASCADE; DROP SCHEMA chatsluice CASCADE");
    last = append_many(&b, 10);
    b.loader = start_loader(&b, b.url, "one", 100);
    while (!query_number(b.db, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatsluice loader' "
                               "AND datname = current_database()"))
        ;
    assert_int_equal(loader_position(b.loader), 0);
    assert_int_equal(migrate_run(b.db, false, NULL, NULL, &err), 0);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

static void a_database_set_back_gets_what_the_spool_still_has(void **state)
{
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    b.loader = start_loader(&b, b.url, "one", 100);
    last = append_many(&b, 500);
    wait_for_position(b.loader, last);
    run_sql(b.db, "BEGIN; DELETE FROM chatsluice.event WHERE spool_seq > 123;"
                  "UPDATE chatsluice.spool_position SET seq = 123; COMMIT");
    last = append_many(&b, 500);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

/* The numbers of a spool restored from an older copy are given out twice: `again` of them before the loader comes. */
static void set_spool_back(void *state, unsigned again)
{
    struct bench b;
    char line[256];
    uint64_t last;

    bench_open(&b, state);
    append_many(&b, 300);
    spool_close(b.spool);
    snprintf(line, sizeof(line), "cp -a '%s' '%s.older'", b.spool_directory, b.spool_directory);
    assert_int_equal(system(line), 0);
    open_spool(&b);
    append_many(&b, 200);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, 500);
    loader_stop(b.loader);
    spool_close(b.spool);
    snprintf(line, sizeof(line), "rm -rf '%s' && mv '%s.older' '%s'", b.spool_directory, b.spool_directory,
             b.spool_directory);
    assert_int_equal(system(line), 0);
    open_spool(&b);
    b.now_us += us_per_s; /* later than what had these numbers first */
    last = append_many(&b, again);
    assert_int_equal(last, 300 + again);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event"), 500 + again);
    bench_close(&b);
}

static void a_spool_set_back_loses_nothing_and_doubles_nothing(void **state)
{
    set_spool_back(*state, 10);
}

/* By then the spool looks as if it were ahead of the database. */
static void a_spool_set_back_and_grown_again_loses_nothing(void **state)
{
    set_spool_back(*state, 250);
}

/* A machine believed dead comes back while another one loads a copy of its spool: both have given out the same numbers
 * since, and what either has acknowledged must be loaded. */
static void a_spool_whose_copy_lives_loses_nothing(void **state)
{
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    b.loader = start_loader(&b, b.url, "one", 100);
    last = append_many(&b, 300);
    wait_for_position(b.loader, last);
    run_sql(b.db, "BEGIN; UPDATE chatsluice.spool_position SET seq = 500, owner = 'the copy''s'");
    b.now_us += us_per_s;
    last = append_many(&b, 250); /* the loader waits for the position's lock with the first of them */
    while (!query_number(b.db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                               "application_name = 'chatsluice loader' AND datname = current_database()"))
        clock_sleep_ms(2);
    run_sql(b.db, "COMMIT");
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_records_are_parked_and_the_rest_goes_in),
        cmocka_unit_test(only_unreadable_records_also_move_the_position),
        cmocka_unit_test(a_database_that_stops_is_waited_for),
        cmocka_unit_test(killed_connections_lose_and_double_nothing),
        cmocka_unit_test(stop_does_not_wait_for_a_server_that_hangs),
        cmocka_unit_test(two_loaders_share_a_spool_without_doubling),
        cmocka_unit_test(the_schema_is_waited_for),
        cmocka_unit_test(a_database_set_back_gets_what_the_spool_still_has),
        cmocka_unit_test(a_spool_set_back_loses_nothing_and_doubles_nothing),
        cmocka_unit_test(a_spool_set_back_and_grown_again_loses_nothing),
        cmocka_unit_test(a_spool_whose_copy_lives_loses_nothing),
    };

    return cmocka_run_group_tests_name("store/loader_faults", tests, postgres_setup, postgres_teardown);
}
