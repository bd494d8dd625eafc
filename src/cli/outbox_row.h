/* outbox_row.h - a row of the outbox as commands show it; private to cli. */
#ifndef CHATSLUICE_CLI_OUTBOX_ROW_H
#define CHATSLUICE_CLI_OUTBOX_ROW_H

#include "store/db.h"

enum { OUTBOX_ID = 37 }; /* a UUID as text, with the NUL */

/* Spans are borrowed from rows; data NULL where the column is null. */
struct outbox_row {
    struct db_result *rows;
    size_t at;
    bool final;
    struct span id, room, action, account, state, reason, asked_by, asked_at, attempts, error_code, error_info,
        request_id, delivered_at, milliseconds /* from asking to delivery */, event_id;
};

/* ERR_NOT_FOUND when there is none. */
int outbox_row_find(struct outbox_row *out, struct db *db, const char *id, struct err *err);
void outbox_row_release(struct outbox_row *row);

/* Rows of a state (NULL: all that are not final) and room (NULL: any), the newest first, at most limit; each to be read
 * with outbox_row_at. Free *rows with db_result_free. */
int outbox_rows_list(struct db_result **rows, struct db *db, const char *state, const char *room, const char *limit,
                     struct err *err);
void outbox_row_at(struct outbox_row *out, struct db_result *rows, size_t at);

/* One line for people, or one JSON object and a line feed. Never the text of the message. */
void outbox_row_text(struct buf *out, const struct outbox_row *row);
void outbox_row_json(struct buf *out, const struct outbox_row *row);

#endif
