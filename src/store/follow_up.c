#include "store/follow_up.h"

#include "base/json_write.h"
#include "base/log.h"
#include "wire/marker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEEP_CAPACITY = 1 << 20, NUMBER = 24 };

int follow_ups_init(struct follow_ups *f, size_t max, struct err *err)
{
    *f = (struct follow_ups){.marks = calloc(max, sizeof(*f->marks)), .max = max};
    return f->marks ? 0 : err_set(err, ERR_FAILED, "could not follow up on events: no memory");
}

void follow_ups_release(struct follow_ups *f)
{
    free(f->marks);
    buf_release(&f->items);
    *f = (struct follow_ups){0};
}

void follow_ups_reset(struct follow_ups *f)
{
    if (f->items.cap > KEEP_CAPACITY)
        buf_release(&f->items);
    buf_reset(&f->items);
    f->count = 0;
}

/* Taking note ----------------------------------------------------------------------------------------------------- */

enum interest { NONE, UNMARKED, MARKED };

/* Whether the event asks for something, or may tell of a message of our own. */
static enum interest interest_of(const struct event_record *record)
{
    if (record->fault.data || (record->command != COMMAND_BEFORE && record->command != COMMAND_AFTER))
        return NONE;
    if (record->follow_ups_json.data || record->correction_id.data)
        return MARKED;
    return record->command == COMMAND_AFTER && marker_may_be_rest(record->platform) ? UNMARKED : NONE;
}

int follow_ups_note(struct follow_ups *f, const struct event_record *record, uint64_t seq, int64_t event_time_us,
                    struct err *err)
{
    const struct span room = record->message.group_id.text;
    const enum interest interest = interest_of(record);
    size_t start;

    if (interest == NONE)
        return 0;
    if (f->count > 0)
        buf_add_char(&f->items, ',');
    start = f->items.len;
    buf_add_char(&f->items, '{');
    json_add_member_span(&f->items, "room", room.data ? room : SPAN(""));
    json_add_member_i64(&f->items, "time_us", event_time_us);
    json_add_member_u64(&f->items, "seq", seq);
    json_add_member_bool(&f->items, "marked", interest == MARKED);
    buf_add_char(&f->items, '}');
    if (buf_failed(&f->items) || f->count == f->max)
        return err_set(err, ERR_FAILED, "could not note the follow-ups of an event: no memory");
    f->marks[f->count++] = (struct follow_up_mark){start, f->items.len, seq};
    return 0;
}

/* Writing --------------------------------------------------------------------------------------------------------- */

static int enqueue(struct db *db, const char *spool_id, const struct follow_up_terms *terms, struct span items,
                   uint64_t *written, struct err *err)
{
    struct buf array = BUF_INIT;
    struct db_result *result = NULL;
    unsigned long long rows = 0;
    char ms[NUMBER];
    int r;

    buf_add_char(&array, '[');
    buf_add_span(&array, items);
    buf_add_char(&array, ']');
    snprintf(ms, sizeof(ms), "%" PRId64, terms->time_to_live_ms);
    const char *params[] = {spool_id, buf_text(&array), terms->rest_apps ? terms->rest_apps : "{}", ms};
    r = buf_failed(&array) ? err_set(err, ERR_FAILED, "could not write follow-ups: no memory")
                           : db_query(db, &result,
                                      "SELECT chatsluice.outbox_enqueue($1::uuid, $2::jsonb, $3::bigint[], "
                                      "$4::bigint * interval '1 millisecond')",
                                      4, params, err);
    if (r == 0 && span_to_u64(db_value(result, 0, 0), &rows))
        *written += rows;
    db_result_free(result);
    buf_release(&array);
    return r;
}

int follow_ups_store(const struct follow_ups *f, struct db *db, const char *spool_id,
                     const struct follow_up_terms *terms, uint64_t *written, struct err *err)
{
    return f->count == 0 ? 0 : enqueue(db, spool_id, terms, buf_span(&f->items), written, err);
}

struct each {
    const struct follow_ups *follow_ups;
    struct db *db;
    const char *spool_id;
    const struct follow_up_terms *terms;
    uint64_t *written, *refused;
};

/* Halves the range until what PostgreSQL refuses stands alone, as merge_range does with the events. */
static int store_range(struct each *e, size_t lo, size_t hi, struct err *err)
{
    const struct follow_up_mark *marks = e->follow_ups->marks;
    struct span items = {e->follow_ups->items.data + marks[lo].start, marks[hi - 1].end - marks[lo].start};
    struct err why = {0};
    int r = db_exec(e->db, "SAVEPOINT follow_up", err);

    if (r < 0)
        return r;
    r = enqueue(e->db, e->spool_id, e->terms, items, e->written, &why);
    if (r == 0)
        return db_exec(e->db, "RELEASE SAVEPOINT follow_up", err);
    if (!db_alive(e->db) || db_error_is_transient(&why) || !why.sqlstate[0]) { /* not refused: no memory, or lost */
        if (err)
            *err = why;
        return r;
    }
    r = db_exec(e->db, "ROLLBACK TO SAVEPOINT follow_up; RELEASE SAVEPOINT follow_up", err);
    if (r == 0 && hi - lo == 1) {
        /* Not the reason in words: the server's may quote what people wrote. */
        log_error("follow-ups of an event refused", log_u64("seq", marks[lo].seq), log_str("sqlstate", why.sqlstate));
        ++*e->refused;
        return 0;
    }
    if (r == 0)
        r = store_range(e, lo, lo + (hi - lo) / 2, err);
    if (r == 0)
        r = store_range(e, lo + (hi - lo) / 2, hi, err);
    return r;
}

int follow_ups_store_each(const struct follow_ups *f, struct db *db, const char *spool_id,
                          const struct follow_up_terms *terms, uint64_t *written, uint64_t *refused, struct err *err)
{
    struct each e = {f, db, spool_id, terms, written, refused};

    return f->count == 0 ? 0 : store_range(&e, 0, f->count, err);
}

int follow_up_terms_set(struct follow_up_terms *terms, const struct config_app *apps, size_t count,
                        int64_t time_to_live_ms, struct err *err)
{
    struct buf list = BUF_INIT;

    buf_add_char(&list, '{');
    for (size_t i = 0; i < count; i++)
        if (apps[i].secret_key && apps[i].sdkappid <= INT64_MAX) {
            if (list.len > 1)
                buf_add_char(&list, ',');
            buf_add_u64(&list, apps[i].sdkappid);
        }
    buf_add_char(&list, '}');
    if (buf_failed(&list)) {
        buf_release(&list);
        return err_set(err, ERR_FAILED, "could not take over the applications: no memory");
    }
    free(terms->rest_apps);
    terms->rest_apps = list.data; /* ends with a NUL, as the data of a buffer does */
    terms->time_to_live_ms = time_to_live_ms;
    return 0;
}
