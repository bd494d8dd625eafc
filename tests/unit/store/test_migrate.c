#include "postgres_fixture.h"

#include <pthread.h>
#include <time.h>

static void count(unsigned version, const char *name, void *arg)
{
    (void)version;
    (void)name;
    ++*(unsigned *)arg;
}

static void twice_is_once(void **state)
{
    char url[600];
    struct err err = {0};
    unsigned applied = 0, version = 99;
    struct db *db;

    new_database(*state, url);
    db = connect_to(url);
    assert_int_equal(migrate_database_version(db, &version, &err), 0);
    assert_int_equal(version, 0);

    assert_int_equal(migrate_run(db, true, count, &applied, &err), 0); /* dry */
    assert_int_equal(applied, migrate_known_version());
    assert_string_equal(query_text(db, "SELECT to_regnamespace('chatsluice')"), "");

    applied = 0;
    assert_int_equal(migrate_run(db, false, count, &applied, &err), 0);
    assert_int_equal(applied, migrate_known_version());
    assert_int_equal(migrate_database_version(db, &version, &err), 0);
    assert_int_equal(version, migrate_known_version());

    applied = 0;
    assert_int_equal(migrate_run(db, false, count, &applied, &err), 0);
    assert_int_equal(applied, 0);
    db_close(db);
}

struct instance {
    const char *url;
    unsigned applied;
    int result;
    struct err err;
    pthread_barrier_t *start;
};

static void *run_instance(void *arg)
{
    struct instance *i = arg;
    struct db *db = NULL;

    i->result = db_open(&db, i->url, "test", 10000, &i->err);
    pthread_barrier_wait(i->start);
    if (i->result == 0)
        i->result = migrate_run(db, false, count, &i->applied, &i->err);
    db_close(db);
    return NULL;
}

static void several_at_once_are_safe(void **state)
{
    enum { INSTANCES = 6, ROUNDS = 5 };

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct instance instances[INSTANCES] = {0};
        pthread_t threads[INSTANCES];
        pthread_barrier_t start;
        unsigned applied = 0;
        char url[600];

        new_database(*state, url);
        pthread_barrier_init(&start, NULL, INSTANCES);
        for (unsigned i = 0; i < INSTANCES; i++) {
            instances[i].url = url;
            instances[i].start = &start;
            assert_int_equal(pthread_create(&threads[i], NULL, run_instance, &instances[i]), 0);
        }
        for (unsigned i = 0; i < INSTANCES; i++)
            pthread_join(threads[i], NULL);
        for (unsigned i = 0; i < INSTANCES; i++) {
            if (instances[i].result < 0)
                fail_msg("%s", instances[i].err.text);
            applied += instances[i].applied;
        }
        assert_int_equal(applied, migrate_known_version());
        pthread_barrier_destroy(&start);
    }
}

static void what_does_not_fit_is_refused_unchanged(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"INSERT INTO chatsluice.schema_version VALUES (9999, 'later', 'x')", "run the newer program"},
        {"UPDATE chatsluice.schema_version SET checksum = 'x' WHERE version = 1", "0001_events"},
    };

    static const char versions[] = "SELECT string_agg(v::text, ',' ORDER BY version) FROM chatsluice.schema_version v";

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char url[600], *before;
        struct db *db = new_migrated_database(*state, url);
        struct err err = {0};
        unsigned applied = 0;

        run_sql(db, cases[i].sql);
        before = strdup(query_text(db, versions));
        for (int dry = 0; dry < 2; dry++) {
            assert_int_equal(migrate_run(db, dry, count, &applied, &err), ERR_CONFLICT);
            assert_non_null(strstr(err.text, cases[i].words));
        }
        assert_int_equal(applied, 0);
        assert_string_equal(query_text(db, versions), before);
        free(before);
        db_close(db);
    }
}

static void another_encoding_is_refused(void **state)
{
    struct postgres *pg = *state;
    struct db *db = connect_to(pg->url);
    struct err err = {0};
    char url[600];

    run_sql(db, "DROP DATABASE IF EXISTS chatsluice_test_latin1");
    run_sql(db, "CREATE DATABASE chatsluice_test_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    db_close(db);
    snprintf(url, sizeof(url), "%s%sdbname=chatsluice_test_latin1", pg->url, strchr(pg->url, '?') ? "&" : "?");
    db = connect_to(url);
    assert_int_equal(migrate_run(db, false, NULL, NULL, &err), ERR_FAILED);
    assert_non_null(strstr(err.text, "UTF8"));
    db_close(db);
}

/* Partitions ------------------------------------------------------------------------------------------------------ */

struct caller {
    const char *url;
    pthread_barrier_t *start;
    int result;
    struct err err;
};

static void *ensure_days(void *arg)
{
    struct caller *c = arg;
    struct db *db = NULL;

    c->result = db_open(&db, c->url, "test", 10000, &c->err);
    pthread_barrier_wait(c->start);
    if (c->result == 0)
        c->result =
            db_exec(db, "SET timezone = 'Asia/Tokyo'; SELECT chatsluice.ensure_partitions('2026-11-20', '2026-11-29')",
                    &c->err);
    db_close(db);
    return NULL;
}

static void partitions_are_made_by_many_callers_at_once(void **state)
{
    enum { CALLERS = 4 };
    struct caller callers[CALLERS] = {0};
    pthread_t threads[CALLERS];
    pthread_barrier_t start;
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    pthread_barrier_init(&start, NULL, CALLERS);
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.url = url, .start = &start};
        assert_int_equal(pthread_create(&threads[i], NULL, ensure_days, &callers[i]), 0);
    }
    for (unsigned i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        if (callers[i].result < 0)
            fail_msg("%s", callers[i].err.text);
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(
        query_number(db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'chatsluice.event'::regclass"), 11);
    run_sql(db, "SET timezone = 'UTC'");
    assert_string_equal(query_text(db, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class "
                                       "WHERE relname = 'event_20261129'"),
                        "FOR VALUES FROM ('2026-11-29 00:00:00+00') TO ('2026-11-30 00:00:00+00')");
    /* the primary key, two of block ranges, and three of few rows: more would cost the loading dearly */
    assert_int_equal(query_number(db, "SELECT max(n) FROM (SELECT count(*) n FROM pg_indexes WHERE schemaname = "
                                      "'chatsluice' AND tablename LIKE 'event%' GROUP BY tablename) t"),
                     7);
    db_close(db);
}

static void a_day_with_rows_in_the_default_partition_stays_there(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    run_sql(db,
            "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id,"
            " command, duplicate_keys, raw) VALUES ('2026-11-23 12:00+00', now(), 1, 1, gen_random_uuid(),"
            " gen_random_uuid(), 'g', 'other', false, '')");
    assert_string_equal(query_text(db, "SELECT string_agg(to_char(day, 'DD') || outcome, ',' ORDER BY day) "
                                       "FROM chatsluice.ensure_partitions('2026-11-22', '2026-11-24')"),
                        "22made,23occupied,24made");
    assert_string_equal(query_text(db, "SELECT to_regclass('chatsluice.event_20261123')"), "");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.event_default"), 1);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twice_is_once),
        cmocka_unit_test(several_at_once_are_safe),
        cmocka_unit_test(what_does_not_fit_is_refused_unchanged),
        cmocka_unit_test(another_encoding_is_refused),
        cmocka_unit_test(partitions_are_made_by_many_callers_at_once),
        cmocka_unit_test(a_day_with_rows_in_the_default_partition_stays_there),
    };

    return cmocka_run_group_tests_name("store/migrate", tests, postgres_setup, postgres_teardown);
}
