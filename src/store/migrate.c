#include "store/migrate.h"

#include "store/migrations.h"

#include <stdio.h>
#include <stdlib.h>

/* Two instances that start at once take turns; the number is ours alone ("chatslui" in ASCII). */
#define LOCK "SELECT pg_advisory_xact_lock(7163375912484957289)"

unsigned migrate_known_version(void)
{
    return migration_count;
}

/* One value of a query without parameters, as a number. */
static int query_number(struct db *db, const char *sql, long *out, struct err *err)
{
    struct db_result *result;
    int r = db_query(db, &result, sql, 0, NULL, err);

    if (r < 0)
        return r;
    *out = db_rows(result) ? atol(db_value(result, 0, 0).data) : 0;
    db_result_free(result);
    return 0;
}

int migrate_database_version(struct db *db, unsigned *version, struct err *err)
{
    long exists = 0, newest = 0;
    int r = query_number(db, "SELECT (to_regclass('chatsluice.schema_version') IS NOT NULL)::int", &exists, err);

    if (r == 0 && exists)
        r = query_number(db, "SELECT coalesce(max(version), 0) FROM chatsluice.schema_version", &newest, err);
    if (r < 0)
        return err_prefix(err, "could not read the schema's version");
    *version = (unsigned)newest;
    return 0;
}

/* What must hold before anything is changed. */
static int check_server(struct db *db, struct err *err)
{
    long version = 0, utf8 = 0;
    int r = query_number(db, "SELECT current_setting('server_version_num')", &version, err);

    if (r == 0)
        r = query_number(db, "SELECT (current_setting('server_encoding') = 'UTF8')::int", &utf8, err);
    if (r < 0)
        return r;
    if (version < 150000)
        return err_set(err, ERR_FAILED, "the database server is PostgreSQL %ld; 15 or later is needed",
                       version / 10000);
    if (!utf8)
        return err_set(err, ERR_FAILED, "the database is not encoded in UTF8; create it with ENCODING 'UTF8'");
    return 0;
}

/* Applied versions must be the ones of this binary: none above, none with another text. */
static int check_applied(struct db *db, struct err *err)
{
    struct db_result *result;
    int r = db_query(db, &result, "SELECT version, name, checksum FROM chatsluice.schema_version ORDER BY version DESC",
                     0, NULL, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < db_rows(result) && r == 0; i++) {
        unsigned version = (unsigned)atol(db_value(result, i, 0).data);
        struct span name = db_value(result, i, 1);

        if (version > migration_count)
            r = err_set(err, ERR_CONFLICT,
                        "the database has schema version %u, this program knows only up to %u; run the newer program",
                        version, migration_count);
        else if (version == 0 || !span_is(db_value(result, i, 2), migrations[version - 1].checksum))
            r = err_set(err, ERR_CONFLICT,
                        "schema version %u (%.*s) was applied from another text than this program's migration %04u_%s; "
                        "an applied migration must not be changed",
                        version, (int)name.len, name.data, version, version ? migrations[version - 1].name : "");
    }
    db_result_free(result);
    return r;
}

/* Under the lock of the transaction that is open: applies the one migration unless somebody else just did. */
static int apply_locked(struct db *db, const struct migration *m, bool *applied, struct err *err)
{
    char number[16];
    const char *params[] = {number, m->name, m->checksum};
    unsigned version = 0;
    int r = db_exec(db,
                    "CREATE SCHEMA IF NOT EXISTS chatsluice;"
                    "CREATE TABLE IF NOT EXISTS chatsluice.schema_version ("
                    "    version    integer     PRIMARY KEY,"
                    "    name       text        NOT NULL,"
                    "    checksum   text        NOT NULL,"
                    "    applied_at timestamptz NOT NULL DEFAULT now())",
                    err);

    if (r == 0)
        r = check_applied(db, err);
    if (r == 0)
        r = migrate_database_version(db, &version, err);
    if (r < 0)
        return r;
    *applied = version < m->version;
    if (!*applied)
        return 0;
    r = db_exec(db, m->sql, err);
    if (r < 0)
        return err_prefix(err, "could not apply migration %04u_%s", m->version, m->name);
    snprintf(number, sizeof(number), "%u", m->version);
    return db_query(db, NULL, "INSERT INTO chatsluice.schema_version (version, name, checksum) VALUES ($1, $2, $3)", 3,
                    params, err);
}

static int apply(struct db *db, const struct migration *m, bool *applied, struct err *err)
{
    /* Whatever the database's default is: after the lock the other instance's work must be visible. */
    int r = db_exec(db, "BEGIN ISOLATION LEVEL READ COMMITTED", err);

    if (r < 0)
        return r;
    r = db_exec(db, LOCK, err);
    if (r == 0)
        r = apply_locked(db, m, applied, err);
    if (r < 0)
        db_exec(db, "ROLLBACK", NULL);
    else
        r = db_exec(db, "COMMIT", err);
    return r;
}

int migrate_run(struct db *db, bool dry_run, void (*applied)(unsigned version, const char *name, void *arg), void *arg,
                struct err *err)
{
    unsigned version = 0;
    int r = check_server(db, err);

    if (r == 0)
        r = migrate_database_version(db, &version, err);
    if (r == 0 && version > 0)
        r = check_applied(db, err);
    for (unsigned i = version; r == 0 && i < migration_count; i++) {
        const struct migration *m = &migrations[i];
        bool done = true;

        if (!dry_run)
            r = apply(db, m, &done, err);
        if (r == 0 && done && applied)
            applied(m->version, m->name, arg);
    }
    return r;
}
