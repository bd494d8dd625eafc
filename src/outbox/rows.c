#include "outbox/rows.h"

#include "base/clock.h"
#include "base/json_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER = 24 };

static const char *number_text(char out[NUMBER], int64_t n)
{
    snprintf(out, NUMBER, "%" PRId64, n);
    return out;
}

/* As an interval of PostgreSQL. */
static const char *ms_text(char out[NUMBER + 16], int64_t ms)
{
    snprintf(out, NUMBER + 16, "%" PRId64 " milliseconds", ms);
    return out;
}

/* Due ------------------------------------------------------------------------------------------------------------- */

static void mark_due(struct application *app, struct span action, struct span transport, enum rest_command usual)
{
    for (unsigned i = 0; i < LANES; i++) {
        if (!span_is(action, row_action_name(lanes[i].action)))
            continue;
        if (lanes[i].action != ACTION_SEND_TEXT ||
            (transport.len > 0 ? span_is(transport, rest_command_name(lanes[i].command)) : lanes[i].command == usual))
            app->due[i] = true;
    }
}

int rows_find_due(struct db *db, struct application *apps, enum rest_command transport, struct err *err)
{
    struct buf ids = BUF_INIT;
    struct db_result *result = NULL;
    int r;

    buf_add_char(&ids, '{');
    for (const struct application *app = apps; app; app = app->next)
        if (!app->gone)
            buf_addf(&ids, "%s%" PRIu64, ids.len > 1 ? "," : "", app->sdkappid);
    buf_add_char(&ids, '}');
    const char *params[] = {buf_text(&ids)};
    r = db_query(db, &result, "SELECT sdkappid, action, transport FROM chatsluice.outbox_due($1)", 1, params, err);
    for (size_t i = 0; r == 0 && i < db_rows(result); i++) {
        struct application *app = applications_find(apps, db_u64(result, i, 0));
        if (app)
            mark_due(app, db_value(result, i, 1), db_value(result, i, 2), transport);
    }
    db_result_free(result);
    buf_release(&ids);
    return r;
}

/* Claiming -------------------------------------------------------------------------------------------------------- */

enum column {
    ID,
    ROOM,
    ACCOUNT,
    TEXT,
    CUSTOM_DATA,
    NOTE,
    SECONDS,
    MSG_SEQ,
    RANDOM,
    ATTEMPT,
    TRIES,
    IN_DOUBT,
    AGE,
    ASKED
};

static struct span copy_value(char **at, const struct db_result *result, size_t row, enum column column)
{
    const struct span value = db_value(result, row, column);
    struct span copy = {NULL, 0};

    if (db_is_null(result, row, column))
        return copy;
    copy = (struct span){*at, value.len};
    memcpy(*at, value.data, value.len);
    (*at)[value.len] = '\0';
    *at += value.len + 1;
    return copy;
}

static int64_t number(const struct db_result *result, size_t row, enum column column, int64_t null)
{
    return db_is_null(result, row, column) ? null : strtoll(db_value(result, row, column).data, NULL, 10);
}

/* NULL: no memory. */
static struct job *job_of(const struct claim *claim, const struct db_result *result, size_t i, int64_t now_us)
{
    size_t bytes = 0;
    struct job *job;
    char *at;

    for (enum column c = ROOM; c <= NOTE; c++)
        bytes += db_value(result, i, c).len + 1;
    job = calloc(1, sizeof(*job) + bytes);
    if (!job)
        return NULL;
    at = job->bytes;
    job->app = claim->app;
    snprintf(job->row.id, sizeof(job->row.id), "%.*s", (int)db_value(result, i, ID).len, db_value(result, i, ID).data);
    job->row.action = claim->lane.action;
    job->row.command = claim->lane.command;
    job->row.room = copy_value(&at, result, i, ROOM);
    job->row.account = copy_value(&at, result, i, ACCOUNT);
    job->row.text = copy_value(&at, result, i, TEXT);
    job->row.custom_data = copy_value(&at, result, i, CUSTOM_DATA);
    job->row.note = copy_value(&at, result, i, NOTE);
    job->row.seconds = number(result, i, SECONDS, -1);
    job->row.msg_seq = number(result, i, MSG_SEQ, -1);
    job->row.random = (uint32_t)number(result, i, RANDOM, 0);
    job->row.attempt = (unsigned)number(result, i, ATTEMPT, 0);
    job->row.tries = (unsigned)number(result, i, TRIES, 0);
    job->row.in_doubt = span_is(db_value(result, i, IN_DOUBT), "t");
    job->row.first_sent_us = now_us - number(result, i, AGE, 0);
    job->row.asked_at_us = number(result, i, ASKED, 0);
    return job;
}

int rows_claim(struct db *db, const struct claim *claim, struct job **out, struct err *err)
{
    static const char sql[] =
        "SELECT outbox_id, room_id, account, text, custom_data, note, seconds, msg_seq, random, attempts, "
        "attempts - uncounted, in_doubt, (extract(epoch FROM clock_timestamp() - first_sent_at) * 1000000)::bigint, "
        "(extract(epoch FROM asked_at) * 1000000)::bigint FROM chatsluice.outbox_claim($1, $2, $3, $4, $5, $6, $7, $8)";
    char app[NUMBER], most[NUMBER], lease[NUMBER + 16], per_room[NUMBER];
    const char *params[] = {claim->instance_id,
                            number_text(app, (int64_t)claim->app->sdkappid),
                            row_action_name(claim->lane.action),
                            rest_command_name(claim->lane.command),
                            claim->fresh ? "t" : "f",
                            number_text(most, claim->most),
                            ms_text(lease, claim->lease_ms),
                            number_text(per_room, (int64_t)claim->room_per_minute)};
    struct db_result *result = NULL;
    struct job **last = out;
    int r = db_query(db, &result, sql, 8, params, err);
    const int64_t now_us = clock_mono_us();

    *out = NULL;
    for (size_t i = 0; r == 0 && i < db_rows(result); i++) {
        *last = job_of(claim, result, i, now_us);
        if (*last) {
            last = &(*last)->next;
            continue;
        }
        r = err_set(err, ERR_FAILED, "could not take over claimed rows: out of memory"); /* the rest lapses */
    }
    db_result_free(result);
    return r;
}

int rows_disown(struct db *db, const char *instance_id, unsigned long long *moved, struct err *err)
{
    const char *params[] = {instance_id};
    struct db_result *result = NULL;
    int r = db_query(db, &result, "SELECT chatsluice.outbox_disown($1)", 1, params, err);

    *moved = r == 0 && db_rows(result) ? db_u64(result, 0, 0) : 0;
    db_result_free(result);
    return r;
}

/* Answers --------------------------------------------------------------------------------------------------------- */

static void add_number(struct buf *out, const char *key, int64_t n)
{
    if (n > 0)
        json_add_member_i64(out, key, n);
}

static void add_text(struct buf *out, const char *key, const char *text)
{
    if (text[0])
        json_add_member_text(out, key, text);
}

void rows_answer_add(struct buf *lines, const struct row *row, const struct outcome *outcome,
                     const struct settled *settled)
{
    const bool done = strcmp(settled->event, "accepted") == 0;

    buf_add_char(lines, '{');
    json_add_member_span(lines, "room", row->room);
    json_add_member_text(lines, "id", row->id);
    json_add_member_u64(lines, "attempt", row->attempt);
    json_add_member_text(lines, "event", settled->event);
    if (!done)
        add_text(lines, "reason", outcome->reason);
    add_number(lines, "due_ms", settled->due_ms);
    add_number(lines, "wait_ms", settled->wait_ms);
    add_number(lines, "room_ms", settled->room_ms);
    if (settled->room_gone)
        json_add_member_bool(lines, "room_gone", true);
    add_number(lines, "http", outcome->http_status);
    if (outcome->answered) {
        json_add_member_i64(lines, "code", outcome->answer.error_code);
        add_text(lines, "info", outcome->answer.error_info);
        add_text(lines, "request", outcome->answer.request_id);
        add_text(lines, "drop", outcome->answer.msg_drop_reason);
        add_number(lines, "seq", outcome->answer.msg_seq);
        add_number(lines, "time_s", outcome->answer.msg_time_s);
    }
    buf_add_text(lines, "}\n");
}

int rows_answered(struct db *db, struct span lines, struct err *err)
{
    struct buf array = BUF_INIT;
    int r;

    buf_add_char(&array, '[');
    buf_add_span(&array, lines); /* a line feed inside a JSON string is written \n: each in here ends an answer */
    for (size_t i = 1; i < array.len; i++)
        if (array.data[i] == '\n')
            array.data[i] = i + 1 < array.len ? ',' : ' ';
    buf_add_char(&array, ']');
    const char *params[] = {buf_text(&array)};
    r = buf_failed(&array) ? err_set(err, ERR_FAILED, "could not write down answers: out of memory")
                           : db_query(db, NULL, "SELECT chatsluice.outbox_answered($1)", 1, params, err);
    buf_release(&array);
    return r;
}

int rows_sweep(struct db *db, int64_t confirm_ms, bool retry_unconfirmed, uint64_t attempts, struct err *err)
{
    char wait[NUMBER + 16], most[NUMBER];
    const char *params[] = {ms_text(wait, confirm_ms), retry_unconfirmed ? "t" : "f",
                            number_text(most, (int64_t)attempts)};

    return db_query(db, NULL, "SELECT chatsluice.outbox_sweep($1, $2, $3)", 3, params, err);
}

#define COUNT(state) "(SELECT count(*) FROM (SELECT FROM chatsluice.outbox WHERE state = '" state "' LIMIT $1) r)"

int rows_count_open(struct db *db, struct rows_open *out, struct err *err)
{
    /* Written out, so that each has its index. */
    static const char sql[] = "SELECT " COUNT("held") ", " COUNT("queued") ", " COUNT("sending") ", " COUNT(
        "waiting") ", " COUNT("uncertain");
    unsigned long long *const counts[] = {&out->held, &out->queued, &out->sending, &out->waiting, &out->uncertain};
    char most[NUMBER];
    const char *params[] = {number_text(most, ROWS_COUNTED)};
    struct db_result *result = NULL;
    int r = db_query(db, &result, sql, 1, params, err);

    for (unsigned i = 0; r == 0 && i < sizeof(counts) / sizeof(counts[0]); i++)
        *counts[i] = db_u64(result, 0, i);
    db_result_free(result);
    return r;
}

/* The rate -------------------------------------------------------------------------------------------------------- */

int rows_lease(struct db *db, const char *instance_id, uint64_t sdkappid, enum rest_command command, unsigned own,
               uint64_t most, int64_t lease_ms, unsigned *permits, struct err *err)
{
    char app[NUMBER], own_text[NUMBER], most_text[NUMBER], lease[NUMBER + 16];
    const char *params[] = {
        number_text(app, (int64_t)sdkappid),   rest_command_name(command), instance_id, number_text(own_text, own),
        number_text(most_text, (int64_t)most), ms_text(lease, lease_ms)};
    struct db_result *result = NULL;
    int r = db_query(db, &result, "SELECT chatsluice.lease_calls($1, $2, $3, $4, $5, $6)", 6, params, err);

    if (r == 0)
        *permits = (unsigned)strtoul(db_value(result, 0, 0).data, NULL, 10);
    db_result_free(result);
    return r;
}

int rows_slow_calls(struct db *db, uint64_t sdkappid, enum rest_command command, struct err *err)
{
    char app[NUMBER];
    const char *params[] = {number_text(app, (int64_t)sdkappid), rest_command_name(command)};

    return db_query(db, NULL, "SELECT chatsluice.slow_calls($1, $2)", 2, params, err);
}

int rows_give_leases_back(struct db *db, const char *instance_id, struct err *err)
{
    const char *params[] = {instance_id};

    /* Its last calls are still within the second that others must leave: the row ends as if the lease had run out. */
    return db_query(db, NULL,
                    "UPDATE chatsluice.send_lease SET expires_at = least(expires_at, clock_timestamp()) "
                    "WHERE instance_id = $1",
                    1, params, err);
}
