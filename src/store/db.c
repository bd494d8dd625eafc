#include "store/db.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct db {
    PGconn *conn;
    int socket; /* kept, so that db_cancel need not look into conn */
    bool lost;
    char *copied; /* the row COPY TO gave last */
    bool copy_begun;
};

struct db_result {
    PGresult *pg;
};

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* Connecting ------------------------------------------------------------------------------------------------------ */

/* libpq's words on one line, without any value of the connection string that is secret. */
static void add_scrubbed(struct buf *out, const char *message, const PQconninfoOption *options)
{
    while (*message) {
        size_t secret = 0;

        for (const PQconninfoOption *o = options; o && o->keyword && secret == 0; o++)
            if (o->val && *o->val && strstr(o->keyword, "password") && strncmp(message, o->val, strlen(o->val)) == 0)
                secret = strlen(o->val);
        if (secret > 0) {
            buf_add_text(out, "***");
            message += secret;
        } else if (*message == '\n') {
            if (message[1])
                buf_add_text(out, "; ");
            message++;
        } else {
            buf_add_char(out, *message++);
        }
    }
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val;
    return NULL;
}

/* Reads the url without connecting. libpq's own words are not passed on: they quote the text, and what it could not
 * read may well be the password. For the same reason a password that spills into the host is caught here. */
static int read_url(PQconninfoOption **out, const char *url, struct err *err)
{
    char *words = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &words);
    const char *host;

    PQfreemem(words);
    if (!options)
        return err_set(err, ERR_USAGE,
                       "the database URL cannot be read; it must be postgresql://user:password@host:port/database or "
                       "key=value words");
    host = option_value(options, "host");
    if ((host && strchr(host, '@')) || (strstr(url, "://") && strchr(url, '@') && !option_value(options, "user"))) {
        PQconninfoFree(options);
        return err_set(
            err, ERR_USAGE,
            "the database URL cannot be read: '@' or '/' of a user name or password must be written %%40, %%2F");
    }
    *out = options;
    return 0;
}

int db_open(struct db **out, const char *url, const char *application_name, int64_t connect_timeout_ms, struct err *err)
{
    char timeout_s[24];
    PQconninfoOption *options = NULL;
    struct db *db = NULL;
    int r = read_url(&options, url, err);

    if (r < 0)
        return r;
    /* libpq counts in whole seconds and takes 1 as 2. */
    snprintf(timeout_s, sizeof(timeout_s), "%" PRId64,
             connect_timeout_ms < 2000 ? 2 : (connect_timeout_ms + 999) / 1000);

    /* Later words win over earlier ones; dbname stands for all that the url says. A dead server or a cut cable shows
     * within about half a minute instead of the kernel's hours. */
    const char *const keywords[] = {
        "fallback_application_name",
        "connect_timeout",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "dbname",
        "client_encoding",
        NULL,
    };
    const char *const values[] = {
        application_name, timeout_s, "10", "5", "3", "20000", url, "UTF8", NULL,
    };

    db = calloc(1, sizeof(*db));
    if (!db || !(db->conn = PQconnectdbParams(keywords, values, 1))) {
        r = err_set(err, ERR_FAILED, "could not connect to PostgreSQL: no memory");
        goto out;
    }
    if (PQstatus(db->conn) != CONNECTION_OK) {
        struct buf words = BUF_INIT;

        add_scrubbed(&words, PQerrorMessage(db->conn), options);
        r = err_set(err, ERR_LOST, "could not connect to PostgreSQL: %s", buf_text(&words));
        buf_release(&words);
        goto out;
    }
    PQsetNoticeProcessor(db->conn, ignore_notice, NULL);
    PQsetErrorVerbosity(db->conn, PQERRORS_TERSE); /* a detail may quote the row */
    db->socket = PQsocket(db->conn);
    *out = db;
    db = NULL;
out:
    db_close(db);
    PQconninfoFree(options);
    return r;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    PQfreemem(db->copied);
    PQfinish(db->conn);
    free(db);
}

bool db_alive(const struct db *db)
{
    return !db->lost && PQstatus(db->conn) == CONNECTION_OK;
}

void db_cancel(struct db *db)
{
    shutdown(db->socket, SHUT_RDWR);
}

/* Errors ---------------------------------------------------------------------------------------------------------- */

/* The primary message of class 22 (data exception) quotes the value; everything between quotes is left out. */
static void add_primary(struct buf *out, const char *message, bool quotes_values)
{
    bool inside = false;

    for (; *message; message++) {
        if (quotes_values && *message == '"') {
            if (!inside)
                buf_add_text(out, "\"...\"");
            inside = !inside;
        } else if (!inside) {
            buf_add_char(out, *message);
        }
    }
}

/* What to do about it, where that is plain: a table or schema that is missing was not made yet. */
static const char *advice_for(const char *sqlstate)
{
    bool unmade = sqlstate && (strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "3F000") == 0);

    return unmade ? "; run `chatsluice migrate`" : "";
}

/* Fills *err from a result that is an error, or NULL; what names the step. */
static int fail(struct db *db, const PGresult *pg, const char *what, struct err *err)
{
    const char *sqlstate = pg ? PQresultErrorField(pg, PG_DIAG_SQLSTATE) : NULL;
    const char *severity = pg ? PQresultErrorField(pg, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
    const char *primary = pg ? PQresultErrorField(pg, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    struct buf words = BUF_INIT;
    int r;

    /* Without a SQLSTATE the words are libpq's own, about the connection: after a failed write it still calls the
     * connection good. */
    db->lost = db->lost || !sqlstate || PQstatus(db->conn) != CONNECTION_OK;
    if (primary && sqlstate)
        add_primary(&words, primary, strncmp(sqlstate, "22", 2) == 0);
    else
        add_scrubbed(&words, PQerrorMessage(db->conn), NULL);
    r = err_set(err, db->lost ? ERR_LOST : ERR_FAILED, "%s: %s%s%s%s%s%s%s", what,
                db->lost ? "connection to PostgreSQL lost: " : "", severity ? severity : "", severity ? ": " : "",
                buf_text(&words), sqlstate ? ", SQLSTATE " : "", sqlstate ? sqlstate : "", advice_for(sqlstate));
    if (err && sqlstate)
        snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate);
    buf_release(&words);
    return r;
}

bool db_error_is_transient(const struct err *err)
{
    static const char *const prefixes[] = {"08",    "53",    "40001", "40P01", "57P01",
                                           "57P02", "57P03", "57014", "25006", "55P03"};

    if (err->code == ERR_LOST)
        return true;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(err->sqlstate, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

bool db_error_is_data(const struct err *err)
{
    return strncmp(err->sqlstate, "22", 2) == 0 || strncmp(err->sqlstate, "23", 2) == 0 ||
           strncmp(err->sqlstate, "54", 2) == 0;
}

/* Statements ------------------------------------------------------------------------------------------------------ */

int db_exec(struct db *db, const char *sql, struct err *err)
{
    PGresult *pg = PQexec(db->conn, sql);
    ExecStatusType status = PQresultStatus(pg);
    int r = 0;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
        r = fail(db, pg, "could not run a statement", err);
    PQclear(pg);
    return r;
}

int db_query(struct db *db, struct db_result **out, const char *sql, size_t count, const char *const *params,
             struct err *err)
{
    PGresult *pg = PQexecParams(db->conn, sql, (int)count, NULL, params, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(pg);
    struct db_result *result = NULL;
    int r = 0;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        r = fail(db, pg, "could not run a query", err);
    } else if (out) {
        result = malloc(sizeof(*result));
        if (result) {
            result->pg = pg;
            *out = result;
            return 0;
        }
        r = err_set(err, ERR_FAILED, "could not run a query: no memory");
    }
    PQclear(pg);
    return r;
}

int db_begin(struct db *db, const char *mode, struct err *err)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "BEGIN %s", mode);
    return db_exec(db, sql, err);
}

int db_end(struct db *db, int r, struct err *err)
{
    if (r == 0)
        r = db_exec(db, "COMMIT", err);
    if (r < 0 && db_alive(db))
        db_exec(db, "ROLLBACK", NULL);
    return r;
}

size_t db_rows(const struct db_result *r)
{
    return (size_t)PQntuples(r->pg);
}

long long db_affected(const struct db_result *r)
{
    return atoll(PQcmdTuples(r->pg));
}

struct span db_value(const struct db_result *r, size_t row, unsigned column)
{
    return (struct span){PQgetvalue(r->pg, (int)row, (int)column), (size_t)PQgetlength(r->pg, (int)row, (int)column)};
}

bool db_is_null(const struct db_result *r, size_t row, unsigned column)
{
    return PQgetisnull(r->pg, (int)row, (int)column);
}

uint64_t db_u64(const struct db_result *r, size_t row, unsigned column)
{
    unsigned long long n = 0;

    return span_to_u64(db_value(r, row, column), &n) ? n : 0;
}

void db_result_free(struct db_result *r)
{
    if (!r)
        return;
    PQclear(r->pg);
    free(r);
}

/* COPY ------------------------------------------------------------------------------------------------------------ */

/* Takes what the server has to say up to the end of the command; 0 when all of it is success. */
static int drain(struct db *db, const char *what, struct err *err)
{
    PGresult *pg;
    int r = 0;

    while ((pg = PQgetResult(db->conn))) {
        if (PQresultStatus(pg) != PGRES_COMMAND_OK && r == 0)
            r = fail(db, pg, what, err);
        PQclear(pg);
    }
    if (r == 0 && !db_alive(db))
        r = fail(db, NULL, what, err);
    return r;
}

int db_copy_begin(struct db *db, const char *sql, struct err *err)
{
    PGresult *pg = PQexec(db->conn, sql);
    int r = 0;

    if (PQresultStatus(pg) != PGRES_COPY_IN)
        r = fail(db, pg, "could not begin a COPY", err);
    PQclear(pg);
    return r;
}

int db_copy_put(struct db *db, struct span bytes, struct err *err)
{
    enum { PIECE = 1 << 20 }; /* libpq counts in int */
    int r;

    while (bytes.len > 0) {
        int len = bytes.len < PIECE ? (int)bytes.len : PIECE;

        if (PQputCopyData(db->conn, bytes.data, len) != 1) {
            r = drain(db, "could not send to a COPY", err);
            return r < 0 ? r : fail(db, NULL, "could not send to a COPY", err);
        }
        bytes.data += len;
        bytes.len -= (size_t)len;
    }
    return 0;
}

int db_copy_end(struct db *db, bool commit, struct err *err)
{
    struct err refusal = {0};
    int r;

    if (PQputCopyEnd(db->conn, commit ? NULL : "abandoned by the client") != 1) {
        r = drain(db, "could not end a COPY", err);
        return r < 0 ? r : fail(db, NULL, "could not end a COPY", err);
    }
    r = drain(db, "could not end a COPY", commit ? err : &refusal);
    if (!commit && r < 0) { /* an abandoned COPY ends with an error by design */
        if (db_alive(db))
            return 0;
        if (err)
            *err = refusal;
    }
    return r;
}

int db_copy_out_begin(struct db *db, const char *sql, struct err *err)
{
    PGresult *pg = PQexec(db->conn, sql);
    int r = 0;

    if (PQresultStatus(pg) != PGRES_COPY_OUT)
        r = fail(db, pg, "could not begin a COPY", err);
    PQclear(pg);
    db->copy_begun = false;
    return r;
}

int db_copy_out_next(struct db *db, struct span *row, struct err *err)
{
    enum { HEADER = 19, TRAILER = 2 };
    int len;

    PQfreemem(db->copied);
    db->copied = NULL;
    len = PQgetCopyData(db->conn, &db->copied, 0);
    if (len < 0)
        return drain(db, "could not read a COPY", err);
    *row = (struct span){db->copied, (size_t)len};
    if (!db->copy_begun && len >= HEADER) { /* stands before the first row, or before the trailer */
        row->data += HEADER;
        row->len -= HEADER;
    }
    db->copy_begun = true;
    return row->len == TRAILER ? db_copy_out_next(db, row, err) : 1;
}
