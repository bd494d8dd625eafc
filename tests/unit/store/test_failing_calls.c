/* Every call the loader makes to the database fails once, in four ways: the connection is lost before it and after it,
 * the server refuses the data, the server has a fault of its own. Then every request for memory. However often it must
 * begin again: each record ends as exactly one row, and none but the bad ones in dead_letter for lack of memory. */
#include "../failing_calls.h"
#include "loader_fixture.h"

enum { MOST_CALLS = 2000 };

/* The database's calls ----------------------------------------------------------------------------------------------
 */

enum way {
    WAY_NONE,
    WAY_LOST_BEFORE,
    WAY_LOST_AFTER,
    WAY_REFUSED,
    WAY_BROKEN,
    WAY_UNREADABLE, /* of the spool's calls: they fail */
    WAY_EMPTY,      /* of the spool's calls: there is nothing */
};

static struct {
    _Atomic(enum way) way;
    atomic_long left;
    atomic_bool hit;
} fault;

static enum way fault_now(bool of_spool)
{
    enum way way = atomic_load(&fault.way);

    if (way == WAY_NONE || (way >= WAY_UNREADABLE) != of_spool || atomic_fetch_sub(&fault.left, 1) != 1)
        return WAY_NONE;
    atomic_store(&fault.hit, true);
    return way;
}

static int refuse(enum way way, struct err *err)
{
    err_set(err, ERR_FAILED, "the test says so");
    if (err)
        snprintf(err->sqlstate, sizeof(err->sqlstate), way == WAY_REFUSED ? "22000" : "XX000");
    return ERR_FAILED;
}

int __real_db_exec(struct db *db, const char *sql, struct err *err);
int __wrap_db_exec(struct db *db, const char *sql, struct err *err);

static int lose(struct db *db, struct err *err)
{
    db_cancel(db);
    return __real_db_exec(db, "SELECT 1", err);
}

/* clang-format off */
#define FAULTY(name, parameters, undo, ...) \
    int __real_##name parameters; \
    int __wrap_##name parameters; \
    int __wrap_##name parameters \
    { \
        enum way way = fault_now(false); \
        if (way == WAY_LOST_BEFORE) \
            return lose(db, err); \
        if (way == WAY_LOST_AFTER) { \
            __real_##name(__VA_ARGS__); \
            return lose(db, err); \
        } \
        if (way == WAY_REFUSED || way == WAY_BROKEN) { \
            undo; \
            return refuse(way, err); \
        } \
        return __real_##name(__VA_ARGS__); \
    }

FAULTY(db_exec, (struct db *db, const char *sql, struct err *err), (void)0, db, sql, err)
FAULTY(db_copy_begin, (struct db *db, const char *sql, struct err *err), (void)0, db, sql, err)
FAULTY(db_copy_end, (struct db *db, bool keep, struct err *err), __real_db_copy_end(db, false, NULL), db, keep, err)
FAULTY(db_copy_put, (struct db *db, struct span bytes, struct err *err), __real_db_copy_end(db, false, NULL), db, bytes, err)
/* clang-format on */

int __real_db_query(struct db *db, struct db_result **out, const char *sql, size_t count, const char *const *params,
                    struct err *err);
int __wrap_db_query(struct db *db, struct db_result **out, const char *sql, size_t count, const char *const *params,
                    struct err *err);
int __wrap_db_query(struct db *db, struct db_result **out, const char *sql, size_t count, const char *const *params,
                    struct err *err)
{
    enum way way = fault_now(false);

    if (way == WAY_REFUSED || way == WAY_BROKEN)
        return refuse(way, err);
    if (way == WAY_LOST_AFTER)
        __real_db_query(db, NULL, sql, count, params, err);
    if (way != WAY_NONE)
        return lose(db, err);
    return __real_db_query(db, out, sql, count, params, err);
}

int __real_db_open(struct db **out, const char *url, const char *name, int64_t timeout_ms, struct err *err);
int __wrap_db_open(struct db **out, const char *url, const char *name, int64_t timeout_ms, struct err *err);
int __wrap_db_open(struct db **out, const char *url, const char *name, int64_t timeout_ms, struct err *err)
{
    enum way way = fault_now(false);

    if (way != WAY_NONE)
        return err_set(err, way == WAY_BROKEN ? ERR_USAGE : ERR_LOST, "the test says so");
    return __real_db_open(out, url, name, timeout_ms, err);
}

/* The spool's reader ------------------------------------------------------------------------------------------------
 */

int __real_spool_reader_open(struct spool_reader **out, struct spool *sp, uint64_t from, struct err *err);
int __wrap_spool_reader_open(struct spool_reader **out, struct spool *sp, uint64_t from, struct err *err);
int __wrap_spool_reader_open(struct spool_reader **out, struct spool *sp, uint64_t from, struct err *err)
{
    if (fault_now(true) != WAY_NONE)
        return err_set(err, ERR_FAILED, "the test says so");
    return __real_spool_reader_open(out, sp, from, err);
}

int __real_spool_reader_next(struct spool_reader *reader, struct spool_record *record, struct err *err);
int __wrap_spool_reader_next(struct spool_reader *reader, struct spool_record *record, struct err *err);
int __wrap_spool_reader_next(struct spool_reader *reader, struct spool_record *record, struct err *err)
{
    enum way way = fault_now(true);

    if (way == WAY_EMPTY)
        return 0;
    if (way == WAY_UNREADABLE)
        return err_set(err, ERR_FAILED, "the test says so");
    return __real_spool_reader_next(reader, record, err);
}

/* Lives -------------------------------------------------------------------------------------------------------------
 */

static struct config_app with_access[] = {
    {.sdkappid = 1400000001, .secret_key = (char[]){"key"}, .rest_api = (char[]){"china"}}};

static void append_mute(struct bench *b, unsigned long random)
{
    char body[512];
    struct event_record record = {
        .received_us = b->now_us,
        .sdkappid = 1400000001,
        .command = COMMAND_BEFORE,
        .action = ACTION_REJECT,
        .decided_by = DECIDED_RULE,
        .rule = SPAN("loud"),
        .follow_ups_json = SPAN("[\"mute 10m\"]"),
    };

    snprintf(
        body, sizeof(body),
        "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"g\",\"Type\":\"Live\",\"From_Account\":"
        "\"a\",\"Random\":%lu,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"x\"}}],"
        "\"EventTime\":%" PRId64 "}",
        random, b->now_us / 1000);
    record.body = span_of(body);
    append_record(b, &record);
}

/* A batch: good ones alone, or with one nobody can read and one the table refuses. */
static uint64_t append_batch(struct bench *b, long number, bool bad)
{
    unsigned long random = (unsigned long)number * 10;

    append_before(b, "g", "a", random, "good", number % 1000);
    if (bad) {
        append_bytes(b, SPAN("\1garbage"));
        append_before(b, "g", "a", random + 1, "poison", number % 1000);
    }
    append_mute(b, random + 2);
    return append_before(b, "g", "a", random + 3, "also good", number % 1000);
}

static void load_upto(struct bench *b, uint64_t last, size_t rows)
{
    struct loader_options options = {.spool = b->spool,
                                     .database_url = b->url,
                                     .instance_id = "one",
                                     .batch_rows = rows,
                                     .connect_timeout_ms = 5000,
                                     .partition_days_ahead = 1,
                                     .apps = with_access,
                                     .app_count = 1,
                                     .time_to_live_ms = 120000};
    struct err err = {0};

    while (loader_start(&b->loader, &options, &err) < 0)
        assert_true(err.text[0] != '\0'); /* for want of memory, which comes back */
    wait_for_position(b->loader, last);
    loader_stop(b->loader);
    b->loader = NULL;
}

static long live_with_each_database_call_failing(struct bench *b, enum way way, bool bad, uint64_t *last)
{
    long number = 1;

    for (;; number++) {
        assert_true(number < MOST_CALLS);
        *last = append_batch(b, number, bad);
        atomic_store(&fault.left, number);
        atomic_store(&fault.hit, false);
        atomic_store(&fault.way, way);
        load_upto(b, *last, bad ? 5 : 3);
        atomic_store(&fault.way, WAY_NONE);
        if (!atomic_load(&fault.hit))
            return number - 1;
    }
}

static void bench_with_poison(struct bench *b, void *state)
{
    bench_open(b, state);
    run_sql(b->db, "ALTER TABLE chatsluice.event ADD CONSTRAINT poison CHECK (text NOT LIKE '%poison%')");
}

static void each_database_call_fails(void **state, enum way way)
{
    struct bench b;
    uint64_t last = 0;
    long calls;

    bench_with_poison(&b, *state);
    calls = live_with_each_database_call_failing(&b, way, false, &last);
    if (way == WAY_LOST_AFTER || way == WAY_REFUSED || way >= WAY_UNREADABLE)
        calls += live_with_each_database_call_failing(&b, way, true, &last);
    print_message("%ld calls\n", calls);
    assert_true(calls > 8);
    assert_exactly_once(&b, last);
    if (way == WAY_LOST_BEFORE || way == WAY_LOST_AFTER) /* a refusal may be taken at its word, a lost line not */
        assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event WHERE text LIKE '%good'") +
                             query_number(b.db, "SELECT count(*) FROM chatsluice.event WHERE text = 'x'") +
                             query_number(b.db, "SELECT count(*) FROM chatsluice.dead_letter"),
                         last);
    bench_close(&b);
}

static void the_connection_is_lost_before_each_call(void **state)
{
    each_database_call_fails(state, WAY_LOST_BEFORE);
}

static void the_connection_is_lost_after_each_call(void **state)
{
    each_database_call_fails(state, WAY_LOST_AFTER);
}

static void the_data_of_each_call_is_refused(void **state)
{
    each_database_call_fails(state, WAY_REFUSED);
}

static void the_server_fails_at_each_call(void **state)
{
    each_database_call_fails(state, WAY_BROKEN);
}

static void the_spool_cannot_be_read_at_each_call(void **state)
{
    each_database_call_fails(state, WAY_UNREADABLE);
}

static void the_spool_says_nothing_at_each_call(void **state)
{
    each_database_call_fails(state, WAY_EMPTY);
}

/* What the spool still has is loaded again then, what is there collides with itself. */
static void the_position_vanishes(void **state)
{
    struct bench b;
    uint64_t last;

    bench_with_poison(&b, *state);
    load_upto(&b, append_batch(&b, 1, false), 3);
    last = append_batch(&b, 2, true);
    load_upto(&b, last, 100);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    run_sql(b.db, "DELETE FROM chatsluice.spool_position");
    last = append_batch(&b, 3, false);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    bench_close(&b);
}

static void each_request_for_memory_fails(void **state)
{
    struct bench b;
    uint64_t last = 0;
    long number = 1, good;
    bool hit = true;

    bench_with_poison(&b, *state);
    for (; hit; number++) {
        assert_true(number < MOST_CALLS);
        last = append_batch(&b, number, true);
        fail_call(number, FAILING_MEMORY);
        load_upto(&b, last, 3);
        hit = fail_no_more();
    }
    print_message("%ld requests\n", number - 2);
    assert_true(number > 30);
    assert_exactly_once(&b, last);
    good = query_number(b.db, "SELECT count(*) FROM chatsluice.event WHERE text LIKE '%good' OR text = 'x'");
    assert_int_equal(good, 3 * (number - 1));
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.outbox"), number - 1);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_connection_is_lost_before_each_call),
        cmocka_unit_test(the_connection_is_lost_after_each_call),
        cmocka_unit_test(the_data_of_each_call_is_refused),
        cmocka_unit_test(the_server_fails_at_each_call),
        cmocka_unit_test(the_spool_cannot_be_read_at_each_call),
        cmocka_unit_test(the_spool_says_nothing_at_each_call),
        cmocka_unit_test(the_position_vanishes),
        cmocka_unit_test(each_request_for_memory_fails),
    };

    return cmocka_run_group_tests_name("store/failing_calls", tests, postgres_setup, postgres_teardown);
}
