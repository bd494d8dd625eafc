/* db.h - one connection to PostgreSQL. The one file over libpq. Parameterised statements only; no server-side
 * prepared statements, so pgbouncer in transaction mode works. Threads: one at a time for each connection. */
#ifndef CHATSLUICE_STORE_DB_H
#define CHATSLUICE_STORE_DB_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct db;
struct db_result;

/* url: libpq connection string or URL, several hosts allowed. Sets application_name, tcp_user_timeout and keepalives
 * unless the url does, and client_encoding UTF8 in any case; no part of the password appears in *err. ERR_USAGE for a
 * url that cannot be one, ERR_LOST when no server takes the connection. */
int db_open(struct db **out, const char *url, const char *application_name, int64_t connect_timeout_ms,
            struct err *err);
void db_close(struct db *db); /* NULL is fine */
bool db_alive(const struct db *db);
/* From another thread: makes a running or later statement end with ERR_LOST at once, also when the server hangs, by
 * closing the socket for traffic; then only db_close is left. The caller sees to it that db_close does not run
 * meanwhile.
 */
void db_cancel(struct db *db);

/* Errors tell severity, SQLSTATE and the server's primary message, never detail or values. ERR_LOST: the connection is
 * gone and the outcome of the statement unknown. */

/* One or several statements without parameters. */
int db_exec(struct db *db, const char *sql, struct err *err);
/* One statement; text parameters, NULL for SQL null. *out (may be NULL) is to be freed with db_result_free. */
int db_query(struct db *db, struct db_result **out, const char *sql, size_t count, const char *const *params,
             struct err *err);
size_t db_rows(const struct db_result *r);
long long db_affected(const struct db_result *r);
/* Borrowed; "" for null, see db_is_null. */
struct span db_value(const struct db_result *r, size_t row, unsigned column);
bool db_is_null(const struct db_result *r, size_t row, unsigned column);
/* 0 for null and for what is no number from 0 to 2^64-1 in digits. */
uint64_t db_u64(const struct db_result *r, size_t row, unsigned column);
void db_result_free(struct db_result *r); /* NULL is fine */

/* A transaction; mode is what stands after BEGIN, "" for nothing. db_end commits when r is 0, else rolls back; it
 * returns r, or why the commit failed. */
int db_begin(struct db *db, const char *mode, struct err *err);
int db_end(struct db *db, int r, struct err *err);

/* COPY ... FROM STDIN: begin, put any pieces, end; an error of the server appears at end with its SQLSTATE. After a put
 * that failed the COPY is over. Ending without commit undoes it: an open transaction is then to be rolled back. */
int db_copy_begin(struct db *db, const char *sql, struct err *err);
int db_copy_put(struct db *db, struct span bytes, struct err *err);
int db_copy_end(struct db *db, bool commit, struct err *err);

/* COPY ... TO STDOUT (FORMAT binary): begin, then next until it is not 1. 1: *row is the next row without the stream's
 * header, borrowed until the next call. 0: that was all, the COPY is over. Negative: it is over as well. To leave off
 * early, close the connection. */
int db_copy_out_begin(struct db *db, const char *sql, struct err *err);
int db_copy_out_next(struct db *db, struct span *row, struct err *err);

/* Errors carry their SQLSTATE in err->sqlstate. Worth another try as it is: ERR_LOST, 40001, 40P01, 08*, 57P01..3,
 * 57014, 25006, 53*, 55P03. */
bool db_error_is_transient(const struct err *err);
/* The server refused the data: classes 22, 23 and 54 (a value too large for a row or an index). */
bool db_error_is_data(const struct err *err);

#endif
