#include "postgres_fixture.h"

#include <pthread.h>

static struct db *fresh(void **state)
{
    char url[600];

    new_database(*state, url);
    return connect_to(url);
}

static void values_come_back(void **state)
{
    struct db *db = fresh(state);
    const char *params[] = {"a'b\"\\", NULL, "-7"};
    struct db_result *result = NULL;
    struct err err = {0};

    assert_int_equal(db_query(db, &result, "SELECT $1::text, $2::text, $3::int * 6, ''", 3, params, &err), 0);
    assert_int_equal(db_rows(result), 1);
    assert_true(span_is(db_value(result, 0, 0), "a'b\"\\"));
    assert_true(db_is_null(result, 0, 1));
    assert_true(span_is(db_value(result, 0, 1), ""));
    assert_true(span_is(db_value(result, 0, 2), "-42"));
    assert_false(db_is_null(result, 0, 3));
    db_result_free(result);

    run_sql(db, "CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 5)");
    assert_int_equal(db_query(db, &result, "DELETE FROM t WHERE n > 2", 0, NULL, &err), 0);
    assert_int_equal(db_affected(result), 3);
    db_result_free(result);
    db_close(db);
}

static void errors_tell_the_kind_and_no_value(void **state)
{
    static const struct {
        const char *sql, *param, *sqlstate;
        bool data, transient;
    } cases[] = {
        {"SELECT nonsense", NULL, "42703", false, false},
        {"SELECT $1::int", "s3cret", "22P02", true, false},
        {"SELECT $1::timestamptz", "s3cret", "22007", true, false},
        {"SELECT $1::jsonb", "{\"s3cret\":", "22P02", true, false},
        {"INSERT INTO t VALUES (1, $1)", "s3cret", "23505", true, false},
        {"INSERT INTO t VALUES (2, $1)", "s3cret-s3cret", "22001", true, false},
        {"INSERT INTO t VALUES (-1, $1)", "s3cret", "23514", true, false},
        {"INSERT INTO u VALUES ($1 || (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i))", "s3cret",
         "54000", true, false},
        {"SELECT pg_cancel_backend(pg_backend_pid()), $1::text", "s3cret", "57014", false, true},
    };
    struct db *db = fresh(state);

    run_sql(db, "CREATE TABLE t (n int PRIMARY KEY CHECK (n > 0), s varchar(10)); INSERT INTO t VALUES (1, 'x');"
                "CREATE TABLE u (s text PRIMARY KEY)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};

        assert_int_equal(db_query(db, NULL, cases[i].sql, cases[i].param ? 1 : 0, &cases[i].param, &err), ERR_FAILED);
        assert_string_equal(err.sqlstate, cases[i].sqlstate);
        assert_int_equal(db_error_is_data(&err), cases[i].data);
        assert_int_equal(db_error_is_transient(&err), cases[i].transient);
        assert_null(strstr(err.text, "s3cret"));
        assert_non_null(strstr(err.text, cases[i].sqlstate));
        assert_true(db_alive(db));
    }
    db_close(db);
}

static void a_url_that_cannot_be_one_leaks_nothing(void **state)
{
    static const struct {
        const char *url;
        int code;
    } cases[] = {
        {"s3cret", ERR_USAGE},
        {"user s3cret", ERR_USAGE},
        {"postgresql://user:s3cret%zz@127.0.0.1/db", ERR_USAGE},
        {"postgresql://user:s3@cret@127.0.0.1/db", ERR_USAGE},
        {"postgresql://user:s3/cret@127.0.0.1/db", ERR_USAGE},
        {"postgresql://user:s3cret@127.0.0.1:1/db", ERR_LOST},
        {"postgresql://user:s3cret@s3cret.invalid:1/db", ERR_LOST},
        {"host=127.0.0.1 port=1 user=x password=s3cret", ERR_LOST},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct db *db = NULL;
        struct err err = {0};

        assert_int_equal(db_open(&db, cases[i].url, "test", 2000, &err), cases[i].code);
        assert_null(db);
        assert_int_not_equal(err.text[0], 0);
        assert_null(strstr(err.text, "s3cret"));
        assert_null(strstr(err.text, "cret@"));
        assert_null(strchr(err.text, '\n'));
    }
}

static void a_terminated_connection_is_lost(void **state)
{
    struct db *db = fresh(state);
    struct err err = {0};

    assert_int_equal(db_exec(db, "SELECT pg_terminate_backend(pg_backend_pid())", &err), ERR_LOST);
    assert_true(db_error_is_transient(&err));
    assert_false(db_alive(db));
    assert_int_equal(db_exec(db, "SELECT 1", &err), ERR_LOST);
    assert_int_equal(db_copy_begin(db, "COPY t FROM STDIN", &err), ERR_LOST);
    db_close(db);
}

static void *cancel_when_running(void *arg)
{
    void **both = arg;
    struct db *watcher = both[1];

    while (!query_number(watcher, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"))
        ;
    db_cancel(both[0]);
    return NULL;
}

static void cancel_ends_what_runs(void **state)
{
    struct db *db = fresh(state);
    void *both[] = {db, connect_to(((struct postgres *)*state)->url)};
    struct err err = {0};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, cancel_when_running, both), 0);
    assert_int_equal(db_exec(db, "SELECT pg_sleep(600)", &err), ERR_LOST);
    pthread_join(thread, NULL);
    db_close(db);
    db_close(both[1]);
}

static void copy_takes_pieces_and_tells_refusals(void **state)
{
    static const struct {
        const char *pieces[3];
        bool commit;
        int code;
        const char *sqlstate;
        long rows;
    } cases[] = {
        {{"1\n2", "\n3\n", NULL}, true, 0, "", 3},
        {{"4\n5\n", NULL, NULL}, false, 0, "", 3},
        {{"6\nx", "yz\n", NULL}, true, ERR_FAILED, "22P02", 3},
        {{"7\n", "1\n", NULL}, true, ERR_FAILED, "23505", 3},
        {{NULL, NULL, NULL}, true, 0, "", 3},
    };
    struct db *db = fresh(state);

    run_sql(db, "CREATE TABLE t (n int PRIMARY KEY)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};

        assert_int_equal(db_copy_begin(db, "COPY t FROM STDIN", &err), 0);
        for (size_t j = 0; j < 3 && cases[i].pieces[j]; j++)
            assert_int_equal(db_copy_put(db, span_of(cases[i].pieces[j]), &err), 0);
        assert_int_equal(db_copy_end(db, cases[i].commit, &err), cases[i].code);
        assert_string_equal(err.sqlstate, cases[i].sqlstate);
        assert_int_equal(query_number(db, "SELECT count(*) FROM t"), cases[i].rows);
    }
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(errors_tell_the_kind_and_no_value),
        cmocka_unit_test(a_url_that_cannot_be_one_leaks_nothing),
        cmocka_unit_test(a_terminated_connection_is_lost),
        cmocka_unit_test(cancel_ends_what_runs),
        cmocka_unit_test(copy_takes_pieces_and_tells_refusals),
    };

    return cmocka_run_group_tests_name("store/database", tests, postgres_setup, postgres_teardown);
}
