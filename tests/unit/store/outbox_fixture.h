/* outbox_fixture.h - rows of the outbox made by hand, and a record of every change of state. */
#ifndef CHATSLUICE_TESTS_OUTBOX_FIXTURE_H
#define CHATSLUICE_TESTS_OUTBOX_FIXTURE_H

#include "postgres_fixture.h"

#include <stdarg.h>

/* Runs SQL made as by printf. */
__attribute__((format(printf, 2, 3))) static inline void run_sqlf(struct db *db, const char *fmt, ...)
{
    char sql[4096];
    va_list args;

    va_start(args, fmt);
    assert_true((size_t)vsnprintf(sql, sizeof(sql), fmt, args) < sizeof(sql));
    va_end(args);
    run_sql(db, sql);
}

/* A row whose room is its name; columns, "" or ", state, ..." and values beside may overrule nothing of these. The id
 * is a digest of the name. */
static inline void put_row(struct db *db, const char *name, const char *action, const char *state, const char *set)
{
    run_sqlf(
        db,
        "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, "
        "asked_at, state, reason, expires_at, random) VALUES ('%s', chatsluice.outbox_digest('%s'), 1, '%s', 'ann', "
        "'x', 'rule', 'r', now(), '%s', '-', now() + interval '1 hour', 7)",
        name, name, action, state);
    while (*set) {
        int len = (int)strcspn(set, "|");

        run_sqlf(db, "UPDATE chatsluice.outbox SET %.*s WHERE room_id = '%s'", len, set, name);
        set += len + (set[len] == '|');
    }
}

/* A webhook of the message of row `name`: 'before' or 'after'. */
static inline void put_sighting(struct db *db, const char *name, const char *command, bool marked, long random,
                                const char *verdict)
{
    run_sqlf(
        db,
        "INSERT INTO chatsluice.outbox_sighting (room_id, event_id, outbox_id, command, event_time, account, random, "
        "msg_seq, verdict) VALUES ('%s', gen_random_uuid(), CASE WHEN %s THEN chatsluice.outbox_digest('%s') END, "
        "'%s', date_trunc('second', now()), 'ann', %ld, CASE '%s' WHEN 'after' THEN 12 END, nullif('%s', ''))",
        name, marked ? "true" : "false", name, command, random, command, verdict);
}

/* From now on every change of a row by a function is kept in table change. */
static inline void watch_changes(struct db *db)
{
    run_sql(db, "CREATE TABLE change (room text, from_state text, to_state text, reason text);"
                "CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "INSERT INTO public.change VALUES (old.room_id, old.state, new.state, new.reason); RETURN NULL; END $$;"
                "CREATE TRIGGER note_change AFTER UPDATE ON chatsluice.outbox FOR EACH ROW "
                "WHEN (old.changed_at IS DISTINCT FROM new.changed_at OR old.state <> new.state) "
                "EXECUTE FUNCTION note_change()");
}

static inline const char *state_of(struct db *db, const char *name)
{
    char sql[256];

    snprintf(sql, sizeof(sql), "SELECT state FROM chatsluice.outbox WHERE room_id = '%s'", name);
    return query_text(db, sql);
}

static inline long sweep(struct db *db, const char *retry)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "SELECT chatsluice.outbox_sweep('20 seconds', %s, 3)", retry);
    return query_number(db, sql);
}

#endif
