#include "report/report.h"

#include "base/json_write.h"

#include <stdio.h>
#include <string.h>

enum { TRIES = 4 };

/* Two who ask the same for the first time: one freezes it, the other one is told to look again. */
static bool somebody_was_faster(const struct err *err)
{
    return strcmp(err->sqlstate, "40001") == 0 || strcmp(err->sqlstate, "23505") == 0;
}

static int meaning_of(struct err *err)
{
    if (strcmp(err->sqlstate, "22023") == 0)
        err->code = ERR_USAGE;
    else if (strcmp(err->sqlstate, "P0002") == 0)
        err->code = ERR_NOT_FOUND;
    return err->code;
}

static int fetch_document(struct report *report, struct db *db, const struct report_question *q, struct err *err)
{
#define MOMENT(n) "CASE WHEN length($" #n ") = 10 THEN $" #n "::timestamp AT TIME ZONE $5 ELSE $" #n "::timestamptz END"
    static const char sql[] =
        "SELECT report_id, document FROM moderation.report(" MOMENT(1) ", " MOMENT(2) ", $3, $4, $5, " MOMENT(6) ")";
#undef MOMENT
    const char *params[] = {q->from, q->to, q->room, q->app, q->time_zone, q->as_of};
    struct db_result *rows = NULL;
    int r = db_query(db, &rows, sql, 6, params, err);

    if (r < 0)
        return r;
    snprintf(report->id, sizeof(report->id), "%s", db_value(rows, 0, 0).data);
    buf_reset(&report->document);
    buf_add_span(&report->document, db_value(rows, 0, 1));
    db_result_free(rows);
    return buf_failed(&report->document) ? err_set(err, ERR_FAILED, "out of memory") : 0;
}

/* One snapshot for all figures. */
static int freeze(struct report *report, struct db *db, const struct report_question *q, struct err *err)
{
    int r = db_begin(db, "ISOLATION LEVEL REPEATABLE READ", err);

    if (r == 0)
        r = fetch_document(report, db, q, err);
    return db_end(db, r, err);
}

/* Who may read the figures need not be who may know names. */
static int fetch_people(struct report *report, struct db *db, struct err *err)
{
    static const char sql[] = "SELECT account FROM moderation.report_people($1) ORDER BY place";
    const char *params[] = {report->id};
    int r = db_query(db, &report->offenders, sql, 1, params, err);

    return r < 0 && strcmp(err->sqlstate, "42501") == 0 ? 0 : r;
}

static int read_document(struct report *report, struct err *err)
{
    int64_t version = 0;

    report->reader = json_reader_new();
    if (!report->reader)
        return err_set(err, ERR_FAILED, "out of memory");
    if (json_read(report->reader, buf_span(&report->document), &report->root, err) < 0)
        return err_prefix(err, "the report cannot be read");
    if (!json_integer(json_member(report->root, "version"), &version) || version != 1)
        return err_set(err, ERR_INVALID, "the report is of another version than this program can show");
    return 0;
}

int report_ask(struct report *out, struct db *db, const struct report_question *question, struct err *err)
{
    struct report report = REPORT_INIT;
    int r = freeze(&report, db, question, err);

    for (int i = 1; r < 0 && i < TRIES && somebody_was_faster(err); i++)
        r = freeze(&report, db, question, err);
    if (r < 0)
        r = meaning_of(err);
    if (r == 0)
        r = fetch_people(&report, db, err);
    if (r == 0)
        r = read_document(&report, err);
    if (r == 0)
        *out = report;
    else
        report_release(&report);
    return r;
}

int report_of_document(struct report *out, struct span document, struct err *err)
{
    struct report report = REPORT_INIT;
    int r;

    snprintf(report.id, sizeof(report.id), "%s", "00000000-0000-8000-8000-000000000000");
    buf_add_span(&report.document, document);
    r = buf_failed(&report.document) ? err_set(err, ERR_FAILED, "out of memory") : read_document(&report, err);
    if (r == 0)
        *out = report;
    else
        report_release(&report);
    return r;
}

void report_release(struct report *report)
{
    json_reader_free(report->reader);
    db_result_free(report->offenders);
    buf_release(&report->document);
    *report = REPORT_INIT;
}

struct span report_account(const struct report *report, int64_t place)
{
    size_t row = (size_t)(place - 1);

    if (!report->offenders || place < 1 || row >= db_rows(report->offenders) || db_is_null(report->offenders, row, 0))
        return (struct span){NULL, 0};
    return db_value(report->offenders, row, 0);
}

void report_json(struct buf *out, const struct report *report)
{
    buf_add_char(out, '{');
    json_add_member_text(out, "program", REPORT_PROGRAM);
    json_add_member_text(out, "report_id", report->id);
    json_add_key(out, "people");
    if (report->offenders) {
        buf_add_char(out, '[');
        for (size_t i = 0; i < db_rows(report->offenders); i++) {
            buf_add_text(out, i > 0 ? ",{" : "{");
            json_add_member_u64(out, "place", i + 1);
            json_add_member_span(out, "account", report_account(report, (int64_t)i + 1));
            buf_add_char(out, '}');
        }
        buf_add_char(out, ']');
    } else {
        buf_add_text(out, "null");
    }
    json_add_key(out, "document");
    buf_add_span(out, buf_span(&report->document));
    buf_add_text(out, "}\n");
}
