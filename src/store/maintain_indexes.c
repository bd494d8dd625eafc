/* maintain_indexes.c - heavy indexes and statistics of closed partitions.
 *
 * CREATE INDEX CONCURRENTLY lets the loader go on writing what comes late, and cannot run inside a function or a
 * transaction: hence from here. One that was broken off leaves an index behind that is kept up to date and never used;
 * it is dropped and built again. */
#include "store/maintain_step.h"

#include <stdio.h>
#include <string.h>

enum { STATEMENT_TEXT = 256 };

/* The extension that the index of trigrams stands on. A database's owner may make it where the server has it; without
 * it there is no such index, and everything else goes on. */
static void make_extension(struct maintain *m)
{
    static const char look[] = "SELECT x.installed_version IS NOT NULL FROM pg_available_extensions x"
                               " WHERE x.name = 'pg_trgm'";
    static const char create[] = "CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA chatsluice";
    static const char insufficient_privilege[] = "42501";
    struct db_result *rows = NULL;
    struct err err;

    if (db_query(m->db, &rows, look, 0, NULL, &err) < 0)
        maintain_tell(m, "pg_trgm", NULL, &err);
    else if (db_rows(rows) == 0)
        maintain_tell(m, "pg_trgm",
                      "not available on this server: no index for texts; PostgreSQL's contrib package has it", NULL);
    else if (span_is(db_value(rows, 0, 0), "t"))
        goto out;
    else if (m->options->dry_run)
        maintain_tell(m, "pg_trgm", "would be made", NULL);
    else if (db_exec(m->db, create, &err) == 0)
        maintain_tell(m, "pg_trgm", "made", NULL);
    else if (strcmp(err.sqlstate, insufficient_privilege) == 0)
        maintain_tell(m, "pg_trgm",
                      "not allowed: no index for texts until the owner of the database or a superuser says CREATE "
                      "EXTENSION pg_trgm",
                      NULL);
    else
        maintain_tell(m, "pg_trgm", NULL, &err);
out:
    db_result_free(rows);
}

static int drop_broken(struct maintain *m, const char *name, struct err *err)
{
    char statement[STATEMENT_TEXT];

    /* Names are made of a partition's and an index' name, both our own: [a-z0-9_]. */
    snprintf(statement, sizeof(statement), "DROP INDEX CONCURRENTLY IF EXISTS chatsluice.\"%s\"", name);
    return db_exec(m->db, statement, err);
}

static void build(struct maintain *m, const char *name, struct span state, const char *statement)
{
    struct err err;

    if (span_is(state, "building")) {
        maintain_tell(m, name, "is being built by somebody else", NULL);
        return;
    }
    if (m->options->dry_run) {
        maintain_tell(m, name, span_is(state, "broken") ? "would be built again" : "would be built", NULL);
        return;
    }
    if ((span_is(state, "broken") && drop_broken(m, name, &err) < 0) || db_exec(m->db, statement, &err) < 0)
        maintain_tell(m, name, NULL, &err);
    else
        maintain_tell(m, name, span_is(state, "broken") ? "built again" : "built", NULL);
}

int maintain_indexes(struct maintain *m, struct err *err)
{
    struct db_result *rows = NULL;
    int r;

    make_extension(m);
    r = db_query(m->db, &rows,
                 "SELECT index_name, state, build FROM chatsluice.index_work() WHERE state <> 'unavailable'", 0, NULL,
                 err);
    if (r < 0)
        return err_prefix(err, "could not see which indexes are missing");
    for (size_t i = 0; i < db_rows(rows) && maintain_goes_on(m); i++)
        build(m, db_value(rows, i, 0).data, db_value(rows, i, 1), db_value(rows, i, 2).data);
    db_result_free(rows);
    return 0;
}

/* Days whose last vacuum by hand was before they ended, once they have their indexes: $1 says that these would be
 * there. The server's memory of vacuums is lost when it crashes; then it is done once more. */
static const char not_vacuumed[] =
    "SELECT p.partition_name FROM chatsluice.closed_partitions() p"
    " LEFT JOIN pg_stat_all_tables s ON s.schemaname = 'chatsluice' AND s.relname = p.partition_name"
    " WHERE coalesce(s.last_vacuum, '-infinity') < (p.day + 1)::timestamp AT TIME ZONE 'UTC'"
    " AND ($1::boolean OR p.partition_name NOT IN (SELECT w.partition_name FROM chatsluice.index_work() w"
    " WHERE w.state <> 'unavailable')) ORDER BY p.day DESC";

int maintain_statistics(struct maintain *m, struct err *err)
{
    struct db_result *rows = NULL;
    char statement[STATEMENT_TEXT];
    const char *params[] = {m->options->dry_run ? "true" : "false"};
    int r = db_query(m->db, &rows, not_vacuumed, 1, params, err);

    if (r < 0)
        return err_prefix(err, "could not see which days have no statistics");
    for (size_t i = 0; i < db_rows(rows) && maintain_goes_on(m); i++) {
        const char *name = db_value(rows, i, 0).data;
        struct err why;

        snprintf(statement, sizeof(statement), "VACUUM (ANALYZE) chatsluice.\"%s\"", name);
        if (m->options->dry_run)
            maintain_tell(m, name, "would be vacuumed and analyzed", NULL);
        else if (db_exec(m->db, statement, &why) < 0)
            maintain_tell(m, name, NULL, &why);
        else
            maintain_tell(m, name, "vacuumed and analyzed", NULL);
    }
    db_result_free(rows);
    return 0;
}
