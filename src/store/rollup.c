/* The life of the rollup thread:
 *
 *     connect ──▶ pass ──▶ (every 10 s: deliveries, opinions) ──▶ read the lag ──▶ wait, or go on when far behind ──┐
 *        ▲         ▲──────────────────────────────────────────────────────────────────────────────────────┘
 *        └── back off (1 s .. 30 s) ◀── any failure: the connection is closed
 *
 * Each step is one call of a function of the database and one transaction; there is nothing here to lose. Whoever is
 * not elected only reads the lag. What came of a call whose answer was lost need not be known: the next one begins
 * where the position stands. */
#include "store/rollup.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/db_worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_MOST_MS = 30000,
    PASS_MS = 2000,        /* a bucket that is always hot is written once a pass: few large ones are cheaper */
    ENOUGH_BEHIND = 20000, /* records that are worth a pass at once */
    WHOLE_MS = 10000,      /* between looks for what is worked out whole */
    SETTLE_MOST = 100,     /* calls at one look: the passes shall not wait longer */
    NUMBER = 24,
};

static const int64_t us_per_day = 86400 * 1000000LL;

struct rollup {
    char *database_url; /* these are fixed once started */
    int64_t connect_timeout_ms;

    struct db_worker worker;

    int64_t retry_ms; /* the rest is the thread's own */
    int64_t whole_us; /* when what is worked out whole is due */
    bool failing;     /* and it was said */
    uint64_t behind;
};

/* Steps ----------------------------------------------------------------------------------------------------------- */

/* One value of one row as a number; *found false when there is no row, or null: another session counts. */
static int call(struct rollup *r, const char *sql, uint64_t *value, bool *found, struct err *err)
{
    struct db_result *result;
    int got = db_query(r->worker.db, &result, sql, 0, NULL, err);

    if (got < 0)
        return got;
    *found = db_rows(result) == 1 && !db_is_null(result, 0, 0);
    *value = *found ? db_u64(result, 0, 0) : 0;
    db_result_free(result);
    return 0;
}

static int pass(struct rollup *r, bool *elected, struct err *err)
{
    char sql[96];
    uint64_t events;
    bool found;
    int got = call(r, "SELECT chatsluice.rollup_summarise()", &events, &found, err);

    snprintf(sql, sizeof(sql), "SELECT events FROM chatsluice.rollup_pass(%d)", ROLLUP_STRETCH);
    if (got == 0)
        got = call(r, sql, &events, elected, err);
    if (got == 0)
        metric_add(METRIC_ROLLUP_EVENTS, events);
    return got;
}

/* What no single event tells: done when it is due, and as long as there is any. */
static int work_out_whole(struct rollup *r, struct err *err)
{
    uint64_t done = 1;
    bool found = true;
    int got = 0;

    for (int i = 0; got == 0 && found && done > 0 && i < SETTLE_MOST && !db_worker_stopping(&r->worker); i++)
        got = call(r, "SELECT chatsluice.rollup_settle()", &done, &found, err);
    done = 1;
    for (int i = 0; got == 0 && found && done > 0 && i < SETTLE_MOST && !db_worker_stopping(&r->worker); i++)
        got = call(r, "SELECT chatsluice.rollup_opinions()", &done, &found, err);
    return got;
}

static int read_lag(struct rollup *r, struct err *err)
{
    struct db_result *result;
    int got =
        db_query(r->worker.db, &result, "SELECT records_behind, lag_seconds FROM chatsluice.rollup_lag", 0, NULL, err);

    if (got < 0)
        return got;
    r->behind = db_rows(result) ? db_u64(result, 0, 0) : 0;
    metric_set(METRIC_ROLLUP_LAG_RECORDS, (int64_t)r->behind);
    metric_set(METRIC_ROLLUP_LAG_SECONDS, db_rows(result) ? (int64_t)db_u64(result, 0, 1) : 0);
    db_result_free(result);
    return 0;
}

/* *again_ms: when the next turn is due. */
static int turn(struct rollup *r, int64_t *again_ms, struct err *err)
{
    bool elected = false;
    int got = pass(r, &elected, err);

    if (got == 0 && elected && clock_mono_us() >= r->whole_us) {
        got = work_out_whole(r, err);
        r->whole_us = clock_mono_us() + WHOLE_MS * 1000;
    }
    if (got == 0)
        got = read_lag(r, err);
    *again_ms = elected && r->behind >= ENOUGH_BEHIND ? 0 : PASS_MS;
    return got;
}

/* The thread ------------------------------------------------------------------------------------------------------ */

static int connect_database(struct rollup *r, struct err *err)
{
    struct db *db;
    int got = db_open(&db, r->database_url, "chatsluice rollup", r->connect_timeout_ms, err);

    if (got == 0)
        db_worker_use(&r->worker, db);
    return got;
}

static void say(struct rollup *r, const struct err *why)
{
    if (why && !r->failing)
        log_warn("rollups fall behind", log_str("why", why->text));
    else if (!why && r->failing)
        log_info("rollups go on", log_u64("behind", r->behind));
    r->failing = why != NULL;
}

static void *run(void *arg)
{
    struct rollup *r = arg;

    while (!db_worker_stopping(&r->worker)) {
        struct err err = {0};
        int64_t wait_ms = 0;
        int got = r->worker.db ? 0 : connect_database(r, &err);

        if (got == 0)
            got = turn(r, &wait_ms, &err);
        if (got < 0 && db_worker_stopping(&r->worker))
            break;
        if (got < 0) {
            metric_count(METRIC_ROLLUP_FAILURES);
            db_worker_use(&r->worker, NULL);
            wait_ms = r->retry_ms;
            r->retry_ms = r->retry_ms * 2 < RETRY_MOST_MS ? r->retry_ms * 2 : RETRY_MOST_MS;
        } else {
            r->retry_ms = RETRY_FIRST_MS;
        }
        say(r, got < 0 ? &err : NULL);
        db_worker_pause(&r->worker, wait_ms);
    }
    db_worker_use(&r->worker, NULL);
    return NULL;
}

static void release(struct rollup *r)
{
    db_worker_release(&r->worker);
    free(r->database_url);
    free(r);
}

int rollup_start(struct rollup **out, const char *database_url, int64_t connect_timeout_ms, struct err *err)
{
    struct rollup *r = calloc(1, sizeof(*r));
    int got;

    if (!r)
        return err_set(err, ERR_FAILED, "could not start the rollups: no memory");
    db_worker_init(&r->worker);
    r->connect_timeout_ms = connect_timeout_ms;
    r->retry_ms = RETRY_FIRST_MS;
    r->database_url = strdup(database_url);
    got = r->database_url ? db_worker_start(&r->worker, run, r, err) : err_set(err, ERR_FAILED, "no memory");
    if (got < 0) {
        release(r);
        return err_prefix(err, "could not start the rollups");
    }
    *out = r;
    return 0;
}

void rollup_stop(struct rollup *r)
{
    if (!r)
        return;
    db_worker_end(&r->worker);
    db_worker_join(&r->worker);
    release(r);
}

/* Rebuilding ------------------------------------------------------------------------------------------------------ */

int rollup_rebuild(struct db *db, int64_t from_us, int64_t until_us,
                   void (*day_done)(int64_t day_us, uint64_t events, void *arg), void *arg, uint64_t *events,
                   struct err *err)
{
    int r = 0;

    if (from_us < 0 || from_us >= until_us)
        return err_set(err, ERR_USAGE, "there is nothing between the two times");
    *events = 0;
    for (int64_t day_us = from_us / us_per_day * us_per_day; r == 0 && day_us < until_us; day_us += us_per_day) {
        char from[NUMBER], until[NUMBER];
        const char *params[] = {from, until};
        struct db_result *result;
        uint64_t counted;

        snprintf(from, sizeof(from), "%" PRId64, day_us);
        snprintf(until, sizeof(until), "%" PRId64, day_us + us_per_day);
        r = db_query(db, &result,
                     "SELECT chatsluice.rebuild_rollups("
                     "timestamptz 'epoch' + $1::bigint * interval '1 microsecond', "
                     "timestamptz 'epoch' + $2::bigint * interval '1 microsecond')",
                     2, params, err);
        if (r < 0)
            break;
        counted = db_u64(result, 0, 0);
        db_result_free(result);
        *events += counted;
        if (day_done)
            day_done(day_us, counted, arg);
    }
    return r;
}
