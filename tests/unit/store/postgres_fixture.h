/* postgres_fixture.h - a real PostgreSQL for one test program: a private cluster in a temporary directory, made by
 * scripts/postgres and removed at the end, or the server of CHATSLUICE_TEST_DATABASE_URL. Every test gets a database of
 * its own, so tests do not see each other. */
#ifndef CHATSLUICE_TESTS_POSTGRES_FIXTURE_H
#define CHATSLUICE_TESTS_POSTGRES_FIXTURE_H

#include "test_program.h"

#include "store/db.h"
#include "store/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct postgres {
    char directory[64]; /* of the private cluster, "" when the server is somebody else's */
    char url[512];
    char migrated[64]; /* a database that others are copied from, once there is one */
    unsigned databases;
};

/* Runs a command of scripts/postgres on the private cluster; its first line of output goes to out. */
static inline void postgres_script(const struct postgres *pg, const char *command, const char *mode, char *out,
                                   size_t size)
{
    char line[512];
    FILE *pipe;

    /* A crash of the server is simulated, never one of the machine, so its disk need not be waited for. */
    snprintf(line, sizeof(line),
             "CHATSLUICE_POSTGRES_OPTIONS='-c fsync=off' '" SOURCE_DIR "/scripts/postgres' %s '%s' %s", command,
             pg->directory, mode);
    pipe = popen(line, "r");
    assert_non_null(pipe);
    if (out && fgets(out, (int)size, pipe))
        out[strcspn(out, "\n")] = '\0';
    assert_int_equal(pclose(pipe), 0);
}

static inline void postgres_start(struct postgres *pg)
{
    postgres_script(pg, "start", "", pg->url, sizeof(pg->url));
}

static inline void postgres_stop(struct postgres *pg, const char *mode)
{
    postgres_script(pg, "stop", mode, NULL, 0);
}

static inline int postgres_setup(void **state)
{
    static struct postgres pg;
    const char *given = getenv("CHATSLUICE_TEST_DATABASE_URL");

    memset(&pg, 0, sizeof(pg));
    if (given && *given) {
        snprintf(pg.url, sizeof(pg.url), "%s", given);
    } else {
        snprintf(pg.directory, sizeof(pg.directory), "/tmp/chatsluice-test-XXXXXX");
        assert_non_null(mkdtemp(pg.directory));
        postgres_start(&pg);
    }
    *state = &pg;
    return 0;
}

static inline int postgres_teardown(void **state)
{
    struct postgres *pg = *state;
    char line[128];

    if (!pg->directory[0])
        return 0;
    postgres_stop(pg, "immediate");
    snprintf(line, sizeof(line), "rm -rf '%s'", pg->directory);
    return system(line) == 0 ? 0 : -1;
}

static inline struct db *connect_to(const char *url)
{
    struct err err = {0};
    struct db *db = NULL;

    if (db_open(&db, url, "chatsluice test", 10000, &err) < 0)
        fail_msg("%s", err.text);
    return db;
}

static inline void run_sql(struct db *db, const char *sql)
{
    struct err err = {0};

    if (db_exec(db, sql, &err) < 0)
        fail_msg("%s\n%s", err.text, sql);
}

/* The first value of a query as text, "" for null or no row; valid until the next call of the thread. */
static inline const char *query_text(struct db *db, const char *sql)
{
    static _Thread_local char text[65536];
    struct db_result *result = NULL;
    struct err err = {0};

    if (db_query(db, &result, sql, 0, NULL, &err) < 0)
        fail_msg("%s\n%s", err.text, sql);
    text[0] = '\0';
    if (db_rows(result))
        snprintf(text, sizeof(text), "%s", db_value(result, 0, 0).data);
    db_result_free(result);
    return text;
}

static inline long query_number(struct db *db, const char *sql)
{
    return atol(query_text(db, sql));
}

/* Makes a copy of a database, gives its name, and writes its URL to url. */
static inline void copy_database(struct postgres *pg, const char *from, char name[64], char url[600])
{
    char sql[256];
    struct db *db = connect_to(pg->url);

    snprintf(name, 64, "chatsluice_test_%d_%u", (int)getpid(), ++pg->databases);
    snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    run_sql(db, sql);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s", name, from);
    run_sql(db, sql);
    db_close(db);
    /* The last dbname of a connection string counts. */
    snprintf(url, 600, "%s%sdbname=%s", pg->url,
             !strstr(pg->url, "://") ? " "
             : strchr(pg->url, '?')  ? "&"
                                     : "?",
             name);
}

/* Makes an empty database and writes its URL to url. */
static inline void new_database(struct postgres *pg, char url[600])
{
    char name[64];

    copy_database(pg, "template1", name, url);
}

/* The same with the schema in it; gives a connection to it. */
static inline struct db *new_migrated_database(struct postgres *pg, char url[600])
{
    char name[64];

    if (!pg->migrated[0]) {
        struct err err = {0};
        struct db *db;

        copy_database(pg, "template1", name, url);
        db = connect_to(url);
        if (migrate_run(db, false, NULL, NULL, &err) < 0)
            fail_msg("%s", err.text);
        db_close(db);
        memcpy(pg->migrated, name, sizeof(name));
    }
    copy_database(pg, pg->migrated, name, url);
    return connect_to(url);
}

#endif
