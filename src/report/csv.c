#include "report/csv.h"

#include "report/sections.h"

#include <inttypes.h>

/* Cells -------------------------------------------------------------------------------------------------------------
 */

static bool begins_with(struct span text, const char *beginning)
{
    size_t len = strlen(beginning);

    return text.len >= len && memcmp(text.data, beginning, len) == 0;
}

/* The signs a formula begins with, the full-width ones that some programs fold to them, and what makes a program look
 * past the beginning. */
static bool looks_like_formula(struct span text)
{
    static const char *const beginnings[] = {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"};

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (begins_with(text, beginnings[i]))
            return true;
    return false;
}

static bool needs_quotes(struct span text)
{
    if (text.len > 0 && (text.data[0] == ' ' || text.data[text.len - 1] == ' '))
        return true;
    for (size_t i = 0; i < text.len; i++)
        if (strchr(",\"\r\n", text.data[i]))
            return true;
    return false;
}

static void add_text(struct buf *out, struct span text)
{
    bool quotes = looks_like_formula(text) || needs_quotes(text);

    if (quotes)
        buf_add_char(out, '"');
    if (looks_like_formula(text))
        buf_add_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.data[i]);
    }
    if (quotes)
        buf_add_char(out, '"');
}

static void add_value(struct buf *out, struct json_value value)
{
    bool yes;
    int64_t n;

    if (value.kind == JSON_STRING)
        add_text(out, json_string(value));
    else if (json_boolean(value, &yes))
        buf_add_text(out, yes ? "true" : "false");
    else if (json_integer(value, &n))
        buf_add_i64(out, n);
}

/* Empty for what is null, erased or withheld. */
static void add_cell(struct buf *out, const struct report *report, const struct report_column *column,
                     struct json_value row)
{
    struct json_value cell = section_cell(row, column);
    int64_t place;

    if (column->kind == COLUMN_ACCOUNT) {
        if (json_integer(cell, &place))
            add_text(out, report_account(report, place));
    } else {
        add_value(out, cell);
    }
}

/* What is said of the report itself ---------------------------------------------------------------------------------
 */

static const char *const head[] = {"program", "report_id", "version", "from", "to",  "over",
                                   "as_of",   "time_zone", "room",    "app",  "step"};
enum { HEAD = sizeof(head) / sizeof(head[0]) };

static void add_head_cell(struct buf *out, const struct report *report, size_t column)
{
    if (column == 0)
        add_text(out, span_of(REPORT_PROGRAM));
    else if (column == 1)
        add_text(out, span_of(report->id));
    else
        add_value(out, json_member(report->root, head[column]));
}

/* Tables ------------------------------------------------------------------------------------------------------------
 */

size_t report_csv_tables(void)
{
    return 1 + report_section_count;
}

const char *report_csv_name(size_t table)
{
    return table == 0 ? "report" : report_sections[table - 1].key;
}

static void end_cell(struct buf *out, size_t column, size_t columns)
{
    buf_add_text(out, column + 1 < columns ? "," : "\r\n");
}

static void add_head_table(struct buf *out, const struct report *report)
{
    for (size_t i = 0; i < HEAD; i++) {
        buf_add_text(out, head[i]);
        end_cell(out, i, HEAD);
    }
    for (size_t i = 0; i < HEAD; i++) {
        add_head_cell(out, report, i);
        end_cell(out, i, HEAD);
    }
}

void report_csv_table(struct buf *out, const struct report *report, size_t table)
{
    const struct report_section *section = table > 0 ? &report_sections[table - 1] : NULL;

    if (!section) {
        add_head_table(out, report);
        return;
    }
    const size_t columns = section_columns(section);
    const struct json_value rows = section_rows(report->root, section);

    for (size_t i = 0; i < columns; i++) {
        buf_add_text(out, section->columns[i].key);
        end_cell(out, i, columns);
    }
    for (size_t r = 0; r < json_count(rows); r++)
        for (size_t i = 0; i < columns; i++) {
            add_cell(out, report, &section->columns[i], json_item(rows, r));
            end_cell(out, i, columns);
        }
}

void report_csv(struct buf *out, const struct report *report)
{
    buf_add_text(out, "section,row,column,value\r\n");
    for (size_t i = 0; i < HEAD; i++) {
        buf_addf(out, "report,1,%s,", head[i]);
        add_head_cell(out, report, i);
        buf_add_text(out, "\r\n");
    }
    for (size_t s = 0; s < report_section_count; s++) {
        const struct report_section *section = &report_sections[s];
        const struct json_value rows = section_rows(report->root, section);

        for (size_t r = 0; r < json_count(rows); r++)
            for (size_t i = 0; i < section_columns(section); i++) {
                buf_addf(out, "%s,%zu,%s,", section->key, r + 1, section->columns[i].key);
                add_cell(out, report, &section->columns[i], json_item(rows, r));
                buf_add_text(out, "\r\n");
            }
    }
}
