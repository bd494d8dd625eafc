#include "cli/outbox_row.h"

#include "base/json_write.h"
#include "cli/marked_text.h"

#include <stdio.h>

#define COLUMNS                                                                                                        \
    "o.outbox_id, o.room_id, o.action, o.account, o.state, o.reason, o.asked_by, "                                     \
    "to_char(o.asked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), o.attempts, o.error_code, "          \
    "o.error_info, o.request_id, "                                                                                     \
    "to_char(o.delivered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "                                \
    "(extract(epoch FROM o.time_to_delivery) * 1000)::bigint, o.original_event_id, o.final"                            \
    " FROM moderation.correction o"

static struct span value(struct db_result *rows, size_t at, unsigned column)
{
    return db_is_null(rows, at, column) ? (struct span){NULL, 0} : db_value(rows, at, column);
}

void outbox_row_at(struct outbox_row *out, struct db_result *rows, size_t at)
{
    struct span *const columns[] = {&out->id,           &out->room,         &out->action,     &out->account,
                                    &out->state,        &out->reason,       &out->asked_by,   &out->asked_at,
                                    &out->attempts,     &out->error_code,   &out->error_info, &out->request_id,
                                    &out->delivered_at, &out->milliseconds, &out->event_id};
    unsigned count = sizeof(columns) / sizeof(*columns);

    *out = (struct outbox_row){.rows = rows, .at = at};
    for (unsigned i = 0; i < count; i++)
        *columns[i] = value(rows, at, i);
    out->final = span_is(db_value(rows, at, count), "t");
}

int outbox_row_find(struct outbox_row *out, struct db *db, const char *id, struct err *err)
{
    struct db_result *rows = NULL;
    int r = db_query(db, &rows, "SELECT " COLUMNS " WHERE o.outbox_id = $1::uuid", 1, &id, err);

    *out = (struct outbox_row){0};
    if (r < 0)
        return err_prefix(err, "could not read the outbox");
    if (db_rows(rows) == 0) {
        db_result_free(rows);
        return err_set(err, ERR_NOT_FOUND, "there is no outbox row %s", id);
    }
    outbox_row_at(out, rows, 0);
    return 0;
}

void outbox_row_release(struct outbox_row *row)
{
    db_result_free(row->rows);
    *row = (struct outbox_row){0};
}

int outbox_rows_list(struct db_result **rows, struct db *db, const char *state, const char *room, const char *limit,
                     struct err *err)
{
    /* Each state has its index: a list of them would have none. */
    static const char open_ones[] =
        "SELECT " COLUMNS " WHERE (o.state = 'held' OR o.state = 'queued' OR o.state = 'sending' OR o.state = 'waiting'"
        " OR o.state = 'uncertain') AND ($1::text IS NULL OR o.room_id = $1) ORDER BY o.asked_at DESC LIMIT $2::bigint";
    static const char of_state[] = "SELECT " COLUMNS " WHERE o.state = $3 AND ($1::text IS NULL OR o.room_id = $1)"
                                   " ORDER BY o.asked_at DESC LIMIT $2::bigint";
    const char *params[] = {room, limit, state};

    return db_query(db, rows, state ? of_state : open_ones, state ? 3 : 2, params, err) < 0
               ? err_prefix(err, "could not read the outbox")
               : 0;
}

static void add_named(struct buf *out, const char *name, struct span text)
{
    if (!text.data || text.len == 0)
        return;
    buf_addf(out, "%s", name);
    shown_text_add(out, text);
}

void outbox_row_text(struct buf *out, const struct outbox_row *row)
{
    buf_addf(out, "%s %s %s", row->id.data, row->state.data, row->action.data);
    add_named(out, " room ", row->room);
    add_named(out, " account ", row->account);
    add_named(out, ": ", row->reason);
    add_named(out, "; code ", row->error_code);
    add_named(out, " ", row->error_info);
    add_named(out, ", request ", row->request_id);
    buf_addf(out, "; asked by ");
    shown_text_add(out, row->asked_by);
    buf_addf(out, " at %s", row->asked_at.data);
    if (row->milliseconds.data)
        buf_addf(out, ", done after %s ms", row->milliseconds.data);
    buf_addf(out, ", %s attempts\n", row->attempts.data);
}

static void add_number(struct buf *out, const char *key, struct span digits)
{
    json_add_key(out, key);
    buf_add_span(out, digits.data ? digits : SPAN("null"));
}

void outbox_row_json(struct buf *out, const struct outbox_row *row)
{
    buf_add_char(out, '{');
    json_add_member_span(out, "outbox_id", row->id);
    json_add_member_span(out, "state", row->state);
    json_add_member_bool(out, "final", row->final);
    json_add_member_span(out, "reason", row->reason);
    json_add_member_span(out, "action", row->action);
    json_add_member_span(out, "group", row->room);
    json_add_member_span(out, "account", row->account);
    json_add_member_span(out, "event_id", row->event_id);
    json_add_member_span(out, "asked_by", row->asked_by);
    json_add_member_span(out, "asked_at", row->asked_at);
    add_number(out, "attempts", row->attempts);
    add_number(out, "error_code", row->error_code);
    json_add_member_span(out, "error_info", row->error_info);
    json_add_member_span(out, "request_id", row->request_id);
    json_add_member_span(out, "delivered_at", row->delivered_at);
    add_number(out, "delivery_ms", row->milliseconds);
    buf_add_text(out, "}\n");
}
