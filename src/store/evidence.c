#include "store/evidence.h"

#include "rules/folding/folding.h"
#include "rules/history.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_TEXT = 24 };

/* In the order of the columns below. */
enum {
    COLUMN_EVENT_ID,
    COLUMN_EVENT_TIME,
    COLUMN_GROUP_ID,
    COLUMN_COMMAND,
    COLUMN_GROUP_TYPE,
    COLUMN_FROM_ACCOUNT,
    COLUMN_PLATFORM,
    COLUMN_TEXT,
    COLUMN_VERDICT,
    COLUMN_DECIDED_BY,
    COLUMN_RULE,
    COLUMN_HITS,
    COLUMN_REWRITTEN,
    COLUMN_FOLLOW_UPS,
    COLUMN_FAULT,
    COLUMN_SDKAPPID,
    COLUMN_REVISION,
    COLUMN_JUDGE_US,
    COLUMN_MSG_SEQ,
    COLUMN_ERROR_CODE,
    COLUMN_RAW,
    COLUMN_MEASURED,
    COLUMN_CORRECTION_ID,
    COLUMN_MARKER,
};

#define EVENT_COLUMNS_READ                                                                                             \
    "event_id, to_char(event_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), group_id, command,"        \
    " group_type, from_account, platform, text, verdict, decided_by, rule, hits::text, rewritten, follow_ups::text,"   \
    " fault, sdkappid, rule_revision, judge_us, msg_seq, error_code, encode(raw, 'hex'),"                              \
    " (SELECT string_agg(h->>'term', E'\\n') FROM jsonb_array_elements(hits) AS h"                                     \
    "  WHERE h->>'list' IS NULL AND h->>'start' = '0' AND h->>'end' = '0'), correction_id, marker"

/* The primary key begins with the room: naming it spares looking through all of them. */
static const char by_id[] = "SELECT " EVENT_COLUMNS_READ " FROM chatsluice.event"
                            " WHERE event_id = $1::uuid AND ($2::text IS NULL OR group_id = $2) LIMIT 1";
/* A number is given to a message when it is delivered; its verdict stands with the Before webhook, at most a minute
 * earlier: only that minute of the room is joined to messages. */
static const char by_seq[] =
    "SELECT " EVENT_COLUMNS_READ " FROM chatsluice.event WHERE group_id = $1 AND event_id ="
    " (SELECT m.id FROM (SELECT v.event_time FROM chatsluice.event v WHERE v.group_id = $1 AND v.command = 'after'"
    "  AND v.msg_seq = $2::bigint ORDER BY v.event_time DESC LIMIT 1) a,"
    "  LATERAL (SELECT coalesce(before_event_id, after_event_id) AS id FROM moderation.message WHERE group_id = $1"
    "  AND msg_seq = $2::bigint AND sent_at BETWEEN a.event_time - interval '1 minute' AND a.event_time + interval '5"
    " seconds' ORDER BY sent_at DESC LIMIT 1) m)";
/* Webhooks that carry a verdict: what a person asks about is a message. */
static const char last_of_sender[] = "SELECT " EVENT_COLUMNS_READ " FROM chatsluice.event"
                                     " WHERE group_id = $1 AND from_account = $2 AND command = 'before'"
                                     " ORDER BY event_time DESC, received_at DESC, spool_seq DESC LIMIT 1";

static struct span text_of(const struct db_result *rows, unsigned column)
{
    return db_is_null(rows, 0, column) ? (struct span){NULL, 0} : db_value(rows, 0, column);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

static void add_bytes(struct buf *out, struct span hex)
{
    for (size_t i = 0; i + 1 < hex.len; i += 2)
        buf_add_char(out, (char)(hex_digit(hex.data[i]) << 4 | hex_digit(hex.data[i + 1])));
}

static int take_row(struct evidence *e, struct err *err)
{
    const struct db_result *rows = e->rows;
    struct span code = db_value(rows, 0, COLUMN_ERROR_CODE);
    unsigned long long error_code = 0;

    e->event_id = text_of(rows, COLUMN_EVENT_ID);
    e->event_time = text_of(rows, COLUMN_EVENT_TIME);
    e->group_id = text_of(rows, COLUMN_GROUP_ID);
    e->command = text_of(rows, COLUMN_COMMAND);
    e->group_type = text_of(rows, COLUMN_GROUP_TYPE);
    e->from_account = text_of(rows, COLUMN_FROM_ACCOUNT);
    e->platform = text_of(rows, COLUMN_PLATFORM);
    e->text = text_of(rows, COLUMN_TEXT);
    e->verdict = text_of(rows, COLUMN_VERDICT);
    e->decided_by = text_of(rows, COLUMN_DECIDED_BY);
    e->rule = text_of(rows, COLUMN_RULE);
    e->hits = text_of(rows, COLUMN_HITS);
    e->rewritten = text_of(rows, COLUMN_REWRITTEN);
    e->follow_ups = text_of(rows, COLUMN_FOLLOW_UPS);
    e->fault = text_of(rows, COLUMN_FAULT);
    e->sdkappid = db_u64(rows, 0, COLUMN_SDKAPPID);
    e->revision = db_u64(rows, 0, COLUMN_REVISION);
    e->judge_us = db_u64(rows, 0, COLUMN_JUDGE_US);
    e->msg_seq = db_u64(rows, 0, COLUMN_MSG_SEQ);
    e->error_code = span_to_u64(code, &error_code) ? (long long)error_code : 0;
    e->measured = text_of(rows, COLUMN_MEASURED);
    e->correction_id = text_of(rows, COLUMN_CORRECTION_ID);
    e->marker = text_of(rows, COLUMN_MARKER);
    add_bytes(&e->raw, db_value(rows, 0, COLUMN_RAW));
    return buf_failed(&e->raw) ? err_set(err, ERR_FAILED, "could not read the event: out of memory") : 0;
}

int evidence_find(struct evidence *out, struct db *db, const struct evidence_key *key, struct err *err)
{
    const char *id[] = {key->event_id, key->group};
    const char *in_room[] = {key->group, key->seq ? key->seq : key->sender};
    int r;

    *out = (struct evidence){0};
    if (key->event_id)
        r = db_query(db, &out->rows, by_id, 2, id, err);
    else
        r = db_query(db, &out->rows, key->seq ? by_seq : last_of_sender, 2, in_room, err);
    if (r < 0)
        return err_prefix(err, "could not read the event");
    if (db_rows(out->rows) == 0)
        r = err_set(err, ERR_NOT_FOUND, "there is no such event");
    else
        r = take_row(out, err);
    if (r < 0)
        evidence_release(out);
    return r;
}

void evidence_release(struct evidence *e)
{
    db_result_free(e->rows);
    buf_release(&e->raw);
    *e = (struct evidence){0};
}

/* $1 event id, $2 room, $3 seconds. The hour around the event's time lets the primary key and the partitions help. */
static const char earlier_messages[] =
    "SELECT p.text FROM chatsluice.event AS e JOIN chatsluice.event AS p"
    " ON p.group_id = e.group_id AND p.sdkappid = e.sdkappid AND p.from_account = e.from_account"
    " AND p.spool_id = e.spool_id AND p.command = 'before' AND p.verdict NOT IN ('reject', 'discard') AND p.text <> ''"
    " AND p.decided_by IS DISTINCT FROM 'correction'" /* ours, not the sender's */
    " AND p.event_time BETWEEN e.event_time - interval '1 hour' AND e.event_time + interval '1 hour'"
    " AND p.received_at >= e.received_at - $3::bigint * interval '1 second'"
    " AND (p.received_at, p.spool_seq) < (e.received_at, e.spool_seq)"
    " WHERE e.event_id = $1::uuid AND e.group_id = $2 AND e.command = 'before'"
    " ORDER BY p.received_at DESC, p.spool_seq DESC";

int evidence_earlier(struct db *db, const struct evidence *e, struct buf *out, struct err *err)
{
    char seconds[NUMBER_TEXT];
    const char *params[] = {e->event_id.data, e->group_id.data, seconds}; /* values of a result end with a NUL */
    struct db_result *rows = NULL;
    size_t kept = 0, bytes = 0;
    int r;

    snprintf(seconds, sizeof(seconds), "%d", HISTORY_EARLIER_MS / 1000);
    r = db_query(db, &rows, earlier_messages, 3, params, err);
    if (r < 0)
        return err_prefix(err, "could not read what was said before");
    while (kept < db_rows(rows) && kept < HISTORY_EARLIER_MESSAGES &&
           bytes + db_value(rows, kept, 0).len + 1 <= HISTORY_EARLIER_BYTES)
        bytes += db_value(rows, kept++, 0).len + 1;
    while (kept > 0) {
        buf_add_span(out, db_value(rows, --kept, 0));
        buf_add_char(out, MESSAGE_END);
    }
    db_result_free(rows);
    return buf_failed(out) ? err_set(err, ERR_FAILED, "could not read what was said before: out of memory") : 0;
}

#define CORE_OF_HITS(hits)                                                                                             \
    "(SELECT jsonb_agg(jsonb_build_array(h->'rule', h->'list', h->'term', h->'field', h->'start', h->'end',"           \
    " h->'state')) FROM jsonb_array_elements(" hits ") AS h)"

int evidence_same_hits(struct db *db, const struct evidence *e, struct span hits, bool *same, struct err *err)
{
    struct db_result *rows = NULL;
    struct buf text = BUF_INIT;
    const char *params[2];
    int r;

    buf_add_span(&text, hits); /* a text that ends with a NUL, as the values of a result do */
    params[0] = e->hits.data ? e->hits.data : "[]";
    params[1] = buf_text(&text);
    r = buf_failed(&text)
            ? err_set(err, ERR_FAILED, "out of memory")
            : db_query(db, &rows,
                       "SELECT " CORE_OF_HITS("$1::jsonb") " IS NOT DISTINCT FROM " CORE_OF_HITS("$2::jsonb"), 2,
                       params, err);
    buf_release(&text);
    if (r < 0)
        return err_prefix(err, "could not compare the hits");
    *same = span_is(db_value(rows, 0, 0), "t");
    db_result_free(rows);
    return 0;
}

int evidence_term_hits(struct db *db, struct db_result **out, int64_t seconds, struct err *err)
{
    char number[NUMBER_TEXT];
    const char *params[] = {number};

    snprintf(number, sizeof(number), "%" PRId64, seconds);
    return db_query(db, out,
                    "SELECT h->>'rule', h->>'list', h->>'term', count(*)"
                    " FROM chatsluice.event AS e, jsonb_array_elements(e.hits) AS h"
                    " WHERE e.event_time >= now() - $1::bigint * interval '1 second' AND e.hits IS NOT NULL"
                    " GROUP BY 1, 2, 3",
                    1, params, err) < 0
               ? err_prefix(err, "could not count the hits of stored events")
               : 0;
}
