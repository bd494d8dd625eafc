#include "database.h"

#include "plant.h"
#include "scheduler.h"
#include "world.h"

#include "store/migrate.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONNECTIONS = 32, CLOCK_BYTES = 48 };

#define WRAP(type, name)                                                                                               \
    type __wrap_##name;                                                                                                \
    type __wrap_##name

int __real_db_open(struct db **out, const char *url, const char *application_name, int64_t connect_timeout_ms,
                   struct err *err);
int __real_db_exec(struct db *db, const char *sql, struct err *err);
int __real_db_query(struct db *db, struct db_result **out, const char *sql, size_t count, const char *const *params,
                    struct err *err);
int __real_db_copy_begin(struct db *db, const char *sql, struct err *err);
int __real_db_copy_put(struct db *db, struct span bytes, struct err *err);
int __real_db_copy_end(struct db *db, bool commit, struct err *err);

/* What the service holds as its struct db. */
struct connection {
    struct db *real; /* NULL: lost, or free */
    bool used;
    unsigned process;
    char name[12];
    bool in_transaction, copying;
    int64_t began_us;
    char spool_id[40]; /* the position that moves with the transaction */
    uint64_t from, to;
};

static struct connection connections[CONNECTIONS];
static struct db *idle[CONNECTIONS]; /* real connections nobody uses now: to make one takes longer than a seed */
static size_t idle_count;
static struct connection *owner; /* of the transaction that is open */
static struct database_faults faults;
static struct database_figures figures;
static const char *url_of_all;
static int clock_fd = -1;

void (*database_on_position)(const char *spool_id, uint64_t from, uint64_t to);

static struct connection *of(const struct db *db)
{
    return (struct connection *)(uintptr_t)db;
}

/* The clock -------------------------------------------------------------------------------------------------------- */

static void set_clock(const struct connection *c)
{
    char text[CLOCK_BYTES];
    const int64_t now_us = sched_wall_us();

    snprintf(text, sizeof(text), "%020" PRId64 " %020" PRId64 "\n", c && c->in_transaction ? c->began_us : now_us,
             now_us);
    if (pwrite(clock_fd, text, 42, 0) != 42)
        sched_fail("could not set the clock of the database");
}

static void must(int r, const struct err *err)
{
    if (r < 0)
        sched_fail("the database itself fails: %s", err->text);
}

static void run_real(struct db *db, const char *sql)
{
    struct err err = {0};

    must(__real_db_exec(db, sql, &err), &err);
}

/* Connections ------------------------------------------------------------------------------------------------------ */

static struct db *real_take(void)
{
    struct db *db = NULL;
    struct err err = {0};

    if (idle_count > 0)
        return idle[--idle_count];
    must(__real_db_open(&db, url_of_all, "simulation", 10000, &err), &err);
    return db;
}

/* As the server does when a connection is gone: the transaction is undone. */
static void end_transaction(struct connection *c)
{
    if (c->copying)
        __real_db_copy_end(c->real, false, NULL);
    if (c->in_transaction)
        run_real(c->real, "ROLLBACK");
    c->copying = c->in_transaction = false;
    c->to = 0;
    if (owner == c) {
        owner = NULL;
        sched_wake(&owner);
    }
}

static void lose(struct connection *c)
{
    if (!c->real)
        return;
    end_transaction(c);
    idle[idle_count++] = c->real;
    c->real = NULL;
}

static int lost(struct connection *c, const char *what, struct err *err)
{
    sched_trace("db %s: connection lost %s", c->name, what);
    figures.faults++;
    lose(c);
    return err_set(err, ERR_LOST, "connection to PostgreSQL lost: %s", what);
}

static bool chance(unsigned n)
{
    return n > 0 && sched_chance(n);
}

static void travel(void)
{
    if (chance(faults.slow))
        sched_sleep_us((int64_t)sched_random(1000000));
    else
        sched_sleep_us(20 + (int64_t)sched_random(300));
}

WRAP(int, db_open(struct db **out, const char *url, const char *application_name, int64_t connect_timeout_ms,
                  struct err *err))
{
    struct connection *c = NULL;

    if (!sched_inside())
        return __real_db_open(out, url, application_name, connect_timeout_ms, err);
    travel();
    if (faults.away || chance(faults.refused)) {
        if (sched_chance(2))
            sched_sleep_us(connect_timeout_ms * 1000);
        return err_set(err, ERR_LOST, "could not connect to PostgreSQL: refused");
    }
    for (size_t i = 0; i < CONNECTIONS && !c; i++)
        if (!connections[i].used)
            c = &connections[i];
    if (!c)
        sched_fail("more than %d connections: somebody does not close them", CONNECTIONS);
    *c = (struct connection){.real = real_take(), .used = true, .process = sched_process()};
    snprintf(c->name, sizeof(c->name), "%u/%.6s", c->process, application_name + strlen("chatsluice "));
    *out = (struct db *)c;
    return 0;
}

WRAP(void, db_close(struct db *db))
{
    if (!db)
        return;
    if (!sched_inside())
        sched_fail("a connection is closed outside a seed");
    lose(of(db));
    of(db)->used = false;
}

WRAP(bool, db_alive(const struct db *db))
{
    return of(db)->real != NULL;
}

/* The socket is shut: a statement under way ends here with its next step. */
WRAP(void, db_cancel(struct db *db))
{
    lose(of(db));
}

/* Statements ------------------------------------------------------------------------------------------------------- */

enum verb { VERB_OTHER, VERB_BEGIN, VERB_COMMIT, VERB_ROLLBACK };

static enum verb verb_of(const char *sql)
{
    if (strncmp(sql, "BEGIN", 5) == 0)
        return VERB_BEGIN;
    if (strcmp(sql, "COMMIT") == 0)
        return VERB_COMMIT;
    return strcmp(sql, "ROLLBACK") == 0 ? VERB_ROLLBACK : VERB_OTHER;
}

static void brief(char out[100], const char *sql)
{
    size_t at = 0;

    for (; *sql && at < 70; sql++) {
        if (strncmp(sql, "chatsluice.", 11) == 0)
            sql += 11;
        out[at++] = *sql == '\n' ? ' ' : *sql;
    }
    out[at] = '\0';
}

/* On its way to the server, and the server's turn. 0: it may be carried out. */
static int arrive(struct connection *c, enum verb verb, bool copy, struct err *err)
{
    figures.statements++;
    if (!c->real)
        return err_set(err, ERR_LOST, "connection to PostgreSQL lost");
    travel();
    while (c->real && owner && owner != c)
        sched_wait(&owner, FOREVER_US);
    if (!c->real)
        return err_set(err, ERR_LOST, "connection to PostgreSQL lost");
    if (faults.away)
        return lost(c, "the server is gone", err);
    if (chance(faults.lost_before) || (verb == VERB_COMMIT && chance(faults.lost_in_commit)))
        return lost(c, "before a statement", err);
    if (!copy && verb == VERB_OTHER && chance(faults.cancelled)) {
        figures.faults++;
        sched_trace("db %s: statement cancelled", c->name);
        if (c->in_transaction)
            __real_db_exec(c->real, "SELECT 1/0", NULL); /* from here on it takes nothing but ROLLBACK */
        err_set(err, ERR_FAILED, "canceling statement due to user request, SQLSTATE 57014");
        if (err)
            snprintf(err->sqlstate, sizeof(err->sqlstate), "57014");
        return ERR_FAILED;
    }
    if (verb == VERB_BEGIN)
        c->began_us = sched_wall_us();
    set_clock(c);
    return 0;
}

/* What the statement did to the transaction, and its answer's way back. */
static int leave(struct connection *c, enum verb verb, int r, struct err *err)
{
    if (r == 0 && verb == VERB_BEGIN) {
        c->in_transaction = true;
        owner = c;
    } else if (r == 0 && (verb == VERB_COMMIT || verb == VERB_ROLLBACK)) {
        if (verb == VERB_COMMIT) {
            figures.commits++;
            if (c->to > 0 && database_on_position)
                database_on_position(c->spool_id, c->from, c->to);
        }
        c->in_transaction = false;
        c->to = 0;
        owner = NULL;
        sched_wake(&owner);
    }
    if (chance(faults.lost_after) || (verb == VERB_COMMIT && chance(faults.lost_in_commit)))
        return lost(c, verb == VERB_COMMIT ? "after COMMIT" : "after a statement", err);
    travel();
    return c->real ? r : err_set(err, ERR_LOST, "connection to PostgreSQL lost");
}

WRAP(int, db_exec(struct db *db, const char *sql, struct err *err))
{
    struct connection *c = of(db);
    const enum verb verb = verb_of(sql);
    char words[100];
    int r;

    if (!sched_inside())
        return __real_db_exec(db, sql, err);
    r = arrive(c, verb, false, err);
    if (r < 0)
        return r;
    r = __real_db_exec(c->real, sql, err);
    brief(words, sql);
    sched_trace("db %s: %s = %d%s%s", c->name, words, r, r < 0 && err ? " " : "", r < 0 && err ? err->text : "");
    return leave(c, verb, r, err);
}

static bool moves_position(const char *sql)
{
    return strncmp(sql, "UPDATE chatsluice.spool_position SET seq", 40) == 0;
}

static void note_position(struct connection *c, const char *const *params)
{
    snprintf(c->spool_id, sizeof(c->spool_id), "%s", params[0]);
    c->from = strtoull(params[1], NULL, 10);
    c->to = strtoull(params[2], NULL, 10);
    if (!c->in_transaction && database_on_position)
        database_on_position(c->spool_id, c->from, c->to);
}

static uint64_t digest(const struct db_result *result)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    unsigned column = 0;

    if (!result || db_rows(result) == 0)
        return 0;
    for (; column < 1; column++)
        for (size_t row = 0; row < db_rows(result); row++) {
            const struct span value = db_value(result, row, column);

            for (size_t i = 0; i < value.len; i++)
                hash = (hash ^ (unsigned char)value.data[i]) * UINT64_C(0x100000001B3);
        }
    return hash % 10000;
}

/* The statement as a planted bug has it. */
static int run_query(struct connection *c, struct db_result **out, const char *sql, size_t count,
                     const char *const *params, struct err *err)
{
    const char *lock = strstr(sql, " FOR UPDATE");
    struct db *other;
    char without[512];
    int r;

    if (!planted(BUG_TWO_TRANSACTIONS) || !strstr(sql, "spool_position") || !c->in_transaction)
        return __real_db_query(c->real, out, sql, count, params, err);
    if (lock) {
        snprintf(without, sizeof(without), "%.*s", (int)(lock - sql), sql);
        return __real_db_query(c->real, out, without, count, params, err);
    }
    other = real_take();
    r = __real_db_query(other, out, sql, count, params, err);
    idle[idle_count++] = other;
    if (r == 0 && database_on_position && moves_position(sql))
        database_on_position(params[0], strtoull(params[1], NULL, 10), strtoull(params[2], NULL, 10));
    return r;
}

WRAP(int, db_query(struct db *db, struct db_result **out, const char *sql, size_t count, const char *const *params,
                   struct err *err))
{
    struct connection *c = of(db);
    struct db_result *result = NULL;
    char words[100];
    int r;

    if (!sched_inside())
        return __real_db_query(db, out, sql, count, params, err);
    r = arrive(c, VERB_OTHER, false, err);
    if (r < 0)
        return r;
    r = run_query(c, &result, sql, count, params, err);
    brief(words, sql);
    sched_trace("db %s: %s = %d, %lld rows, digest %04" PRIu64 "%s%s", c->name, words, r,
                r == 0 ? db_affected(result) : 0, r == 0 ? digest(result) : 0, r < 0 && err ? ", " : "",
                r < 0 && err ? err->text : "");
    if (r == 0 && moves_position(sql) && db_affected(result) == 1 && !planted(BUG_TWO_TRANSACTIONS))
        note_position(c, params);
    if (r == 0 && moves_position(sql) && planted(BUG_EARLY_RELEASE))
        instance_release(c->process, strtoull(params[2], NULL, 10));
    r = leave(c, VERB_OTHER, r, err);
    if (r == 0 && out)
        *out = result;
    else
        db_result_free(result);
    return r;
}

WRAP(int, db_begin(struct db *db, const char *mode, struct err *err))
{
    char sql[80];

    snprintf(sql, sizeof(sql), "BEGIN %s", mode);
    return sched_inside() ? __wrap_db_exec(db, sql, err) : __real_db_exec(db, sql, err);
}

WRAP(int, db_end(struct db *db, int r, struct err *err))
{
    if (r == 0)
        r = __wrap_db_exec(db, "COMMIT", err);
    if (r < 0 && db_alive(db))
        __wrap_db_exec(db, "ROLLBACK", NULL);
    return r;
}

WRAP(int, db_copy_begin(struct db *db, const char *sql, struct err *err))
{
    struct connection *c = of(db);
    int r = arrive(c, VERB_OTHER, true, err);

    if (r < 0)
        return r;
    r = __real_db_copy_begin(c->real, sql, err);
    c->copying = r == 0;
    sched_trace("db %s: COPY = %d", c->name, r);
    return leave(c, VERB_OTHER, r, err);
}

WRAP(int, db_copy_put(struct db *db, struct span bytes, struct err *err))
{
    struct connection *c = of(db);

    if (!c->real)
        return err_set(err, ERR_LOST, "connection to PostgreSQL lost");
    sched_pause();
    if (chance(faults.lost_before))
        return lost(c, "within COPY", err);
    return __real_db_copy_put(c->real, bytes, err);
}

WRAP(int, db_copy_end(struct db *db, bool commit, struct err *err))
{
    struct connection *c = of(db);
    int r = arrive(c, VERB_OTHER, true, err);

    if (r < 0)
        return r;
    r = __real_db_copy_end(c->real, commit, err);
    c->copying = false;
    sched_trace("db %s: COPY ends = %d", c->name, r);
    return leave(c, VERB_OTHER, r, err);
}

/* Life ------------------------------------------------------------------------------------------------------------- */

struct database_faults *database_faults(void)
{
    return &faults;
}

struct database_figures database_figures(void)
{
    return figures;
}

void database_process_killed(unsigned process)
{
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (connections[i].used && connections[i].process == process) {
            lose(&connections[i]);
            connections[i].used = false;
        }
}

void database_look(struct db_result **out, const char *sql)
{
    struct db *db = real_take();
    struct err err = {0};

    set_clock(NULL);
    must(__real_db_query(db, out, sql, 0, NULL, &err), &err);
    idle[idle_count++] = db;
}

static const char clock_file[] = "clock";

static void open_clock(void)
{
    if (clock_fd < 0)
        clock_fd = open(clock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (clock_fd < 0)
        sched_fail("could not open the clock's file");
}

void database_begin(const char *url)
{
    struct db *db;

    url_of_all = url;
    open_clock();
    faults = (struct database_faults){0};
    figures = (struct database_figures){0};
    for (size_t i = 0; i < CONNECTIONS; i++) {
        lose(&connections[i]);
        connections[i] = (struct connection){0};
    }
    owner = NULL;
    db = real_take();
    set_clock(NULL);
    run_real(db, "TRUNCATE chatsluice.event, chatsluice.spool_position, chatsluice.dead_letter, chatsluice.outbox, "
                 "chatsluice.outbox_sighting, chatsluice.room_budget, chatsluice.send_budget, chatsluice.send_lease");
    idle[idle_count++] = db;
}

int database_prepare(const char *url, struct err *err)
{
    char path[PATH_MAX], sql[4 * PATH_MAX];
    struct db *db = NULL;
    int r = __real_db_open(&db, url, "simulation", 10000, err);

    open_clock();
    set_clock(NULL);
    if (r < 0 || !realpath(clock_file, path))
        return r < 0 ? r : err_set_errno(err, ERR_FAILED, "could not find the clock's file");
    snprintf(sql, sizeof(sql),
             "CREATE SCHEMA sim;"
             "CREATE FUNCTION sim.clock(at bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$ "
             "SELECT timestamptz 'epoch' + pg_read_file('%s', at, 20)::bigint * interval '1 microsecond' $$;"
             "CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT sim.clock(0)';"
             "CREATE FUNCTION sim.transaction_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS "
             "'SELECT sim.clock(0)';"
             "CREATE FUNCTION sim.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS "
             "'SELECT sim.clock(21)';"
             "CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT sim.clock(21)';"
             "CREATE FUNCTION sim.random() RETURNS float8 LANGUAGE sql STABLE AS "
             "$$ SELECT (extract(epoch FROM sim.clock(21)) * 7919)::numeric %% 1000 / 1000 $$;"
             "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET search_path = sim, pg_catalog, public', "
             "current_database());"
             "EXECUTE format('ALTER DATABASE %%I SET plan_cache_mode = force_generic_plan', current_database());"
             "EXECUTE format('ALTER DATABASE %%I SET jit = off', current_database()); END $$",
             path);
    run_real(db, sql);
    db = NULL; /* the settings hold for new connections */
    r = __real_db_open(&db, url, "simulation", 10000, err);
    if (r == 0)
        r = migrate_run(db, false, NULL, NULL, err);
    if (r == 0) {
        const char *const days = "SELECT * FROM chatsluice.ensure_partitions((sim.now() - interval '3 days')::date, "
                                 "(sim.now() + interval '4 days')::date)";
        r = __real_db_exec(db, days, err);
    }
    return r;
}
