#include "report/html.h"

#include "base/crypto.h"
#include "report/chart.h"
#include "report/html_text.h"

#include <inttypes.h>

static const char *words(const struct figure_context *c, const char *group, const char *name)
{
    return text_of(c->language, group, name);
}

/* Cells -------------------------------------------------------------------------------------------------------------
 */

/* A moment may be broken between day and time only. */
static void add_moment(struct buf *out, struct span text)
{
    const char *blank = text.len > 0 ? memchr(text.data, ' ', text.len) : NULL;
    const size_t day = blank ? (size_t)(blank - text.data) : text.len;

    buf_add_text(out, "<span>");
    html_add_text(out, (struct span){text.data, day});
    buf_add_text(out, "</span>");
    if (blank) {
        buf_add_text(out, " <span>");
        html_add_text(out, (struct span){blank + 1, text.len - day - 1});
        buf_add_text(out, "</span>");
    }
}

/* The words of a cell; <bdi> keeps the direction of writing of an outside text within it. */
static void add_cell_words(struct buf *out, const struct figure_context *c, const struct report_column *column,
                           struct json_value cell)
{
    bool outside = column->kind == COLUMN_OUTSIDE || column->kind == COLUMN_ACCOUNT;
    struct buf text = BUF_INIT;

    figure_add_cell(&text, c, column, cell);
    buf_add_text(out, outside ? "<bdi>" : "");
    if (column->kind == COLUMN_TIME)
        add_moment(out, buf_span(&text));
    else
        html_add_text(out, buf_span(&text));
    buf_add_text(out, outside ? "</bdi>" : "");
    buf_release(&text);
}

static void add_data_value(struct buf *out, struct json_value cell)
{
    int64_t n;

    if (cell.kind == JSON_INTEGER && json_integer(cell, &n))
        buf_addf(out, " data-value=\"%" PRId64 "\"", n);
}

static const char *class_of(enum column_kind kind)
{
    if (figure_is_number(kind))
        return "n";
    return kind == COLUMN_TIME || kind == COLUMN_STEP         ? "t"
           : kind == COLUMN_OUTSIDE || kind == COLUMN_ACCOUNT ? "o"
                                                              : "w";
}

/* Sections ----------------------------------------------------------------------------------------------------------
 */

static void add_head_row(struct buf *out, const struct figure_context *c, const struct report_section *section)
{
    buf_add_text(out, "<thead><tr>");
    for (size_t i = 0; i < section_columns(section); i++) {
        buf_addf(out, "<th scope=\"col\" class=\"%s\">", class_of(section->columns[i].kind));
        html_add_text(out, span_of(words(c, "column", section->columns[i].key)));
        buf_add_text(out, "</th>");
    }
    buf_add_text(out, "</tr></thead>\n");
}

static void add_table(struct buf *out, const struct figure_context *c, const struct report_section *section,
                      struct json_value rows)
{
    buf_addf(
        out,
        "<div class=\"table%s\" tabindex=\"0\" role=\"region\" aria-labelledby=\"h-%s\"><table data-section=\"%s\">\n",
        section->chart == CHART_TREND ? " tall" : "", section->key, section->key);
    add_head_row(out, c, section);
    buf_add_text(out, "<tbody>\n");
    for (size_t r = 0; r < json_count(rows); r++) {
        buf_add_text(out, "<tr>");
        for (size_t i = 0; i < section_columns(section); i++) {
            const struct report_column *column = &section->columns[i];
            struct json_value cell = section_cell(json_item(rows, r), column);

            buf_addf(out, "<td class=\"%s\"", class_of(column->kind));
            add_data_value(out, cell);
            buf_add_char(out, '>');
            add_cell_words(out, c, column, cell);
            buf_add_text(out, "</td>");
        }
        buf_add_text(out, "</tr>\n");
    }
    buf_add_text(out, "</tbody></table></div>\n");
}

/* Single figures, as tiles. */
static void add_figures(struct buf *out, const struct figure_context *c, const struct report_section *section,
                        struct json_value rows)
{
    buf_addf(out, "<dl class=\"figures\" data-section=\"%s\">\n", section->key);
    for (size_t r = 0; r < json_count(rows); r++) {
        struct json_value row = json_item(rows, r), value = json_member(row, "value");
        struct figure_context named = *c;

        named.figure = json_string(json_member(row, "name"));
        buf_add_text(out, "<div><dt>");
        add_cell_words(out, &named, &section->columns[0], json_member(row, "name"));
        buf_add_text(out, "</dt><dd data-name=\"");
        html_add_text(out, named.figure);
        buf_add_char(out, '"');
        add_data_value(out, value);
        buf_add_char(out, '>');
        add_cell_words(out, &named, &section->columns[1], value);
        buf_add_text(out, "</dd></div>\n");
    }
    buf_add_text(out, "</dl>\n");
}

static void add_paragraph(struct buf *out, const char *class, const char *text)
{
    buf_addf(out, "<p class=\"%s\">", class);
    html_add_text(out, span_of(text));
    buf_add_text(out, "</p>\n");
}

static void add_notes(struct buf *out, const struct figure_context *c, const struct report_section *section)
{
    const char *note = text_find(c->language, "note", span_of(section->key));

    if (note)
        add_paragraph(out, "note", note);
    if (strcmp(section->key, "offenders") == 0 && !c->report->offenders)
        add_paragraph(out, "note", words(c, "page", "withheld"));
}

static void add_section(struct buf *out, const struct figure_context *c, const struct report_section *section)
{
    struct json_value rows = section_rows(c->report->root, section);
    int64_t left_out = section_left_out(c->report->root, section);

    buf_addf(out, "<section id=\"%s\">\n<h3 id=\"h-%s\">", section->key, section->key);
    html_add_text(out, span_of(words(c, "section", section->key)));
    buf_add_text(out, "</h3>\n");
    add_notes(out, c, section);
    if (json_count(rows) == 0)
        add_paragraph(out, "empty", words(c, "page", "empty"));
    else if (section->columns[0].kind == COLUMN_FIGURE)
        add_figures(out, c, section, rows);
    else {
        buf_addf(out, "<div class=\"%s\">\n",
                 section->chart == CHART_BARS && section_columns(section) < 4 ? "beside" : "below");
        chart_add(out, c, section);
        add_table(out, c, section, rows);
        buf_add_text(out, "</div>\n");
    }
    if (left_out > 0) {
        buf_addf(out, "<p class=\"note\">%s ", words(c, "page", "left_out"));
        figure_add_count(out, left_out);
        buf_add_text(out, "</p>\n");
    }
    buf_add_text(out, "</section>\n");
}

/* The page ----------------------------------------------------------------------------------------------------------
 */

static void add_fact(struct buf *out, const struct figure_context *c, const char *name, struct span value)
{
    buf_add_text(out, "<div><dt>");
    html_add_text(out, span_of(words(c, "page", name)));
    buf_add_text(out, "</dt><dd><bdi>");
    html_add_text(out, value);
    buf_add_text(out, "</bdi></dd></div>\n");
}

static struct span member_text(const struct figure_context *c, const char *key)
{
    return json_string(json_member(c->report->root, key));
}

static void add_scope(struct buf *out, const struct figure_context *c, const char *key)
{
    struct json_value value = json_member(c->report->root, key);
    struct buf number = BUF_INIT;
    int64_t n;

    if (value.kind == JSON_INTEGER && json_integer(value, &n))
        buf_add_i64(&number, n);
    add_fact(out, c, key,
             value.kind == JSON_STRING ? json_string(value)
             : number.len > 0          ? buf_span(&number)
                                       : span_of(words(c, "page", "all")));
    buf_release(&number);
}

static void add_period(struct buf *out, const struct figure_context *c)
{
    figure_add_time(out, member_text(c, "from"));
    buf_addf(out, " %s ", words(c, "page", "until"));
    figure_add_time(out, member_text(c, "to"));
}

static void add_header(struct buf *out, const struct figure_context *c)
{
    const struct span document = buf_span(&c->report->document);
    struct buf period = BUF_INIT;
    char digest[SHA256_HEX];
    bool over = true;

    crypto_sha256_hex(&document, 1, digest);
    add_period(&period, c);
    buf_add_text(out, "<header>\n<h1>");
    html_add_text(out, span_of(words(c, "page", "title")));
    buf_add_text(out, "</h1>\n<dl class=\"facts\">\n");
    add_fact(out, c, "period", buf_span(&period));
    add_scope(out, c, "room");
    add_scope(out, c, "app");
    add_fact(out, c, "zone", member_text(c, "time_zone"));
    add_fact(out, c, "as_of", member_text(c, "as_of"));
    add_fact(out, c, "report", span_of(c->report->id));
    add_fact(out, c, "digest", span_of(digest));
    add_fact(out, c, "program", span_of(REPORT_PROGRAM));
    buf_add_text(out, "</dl>\n");
    add_paragraph(out, "note", words(c, "page", "frozen"));
    if (json_boolean(json_member(c->report->root, "over"), &over) && !over)
        add_paragraph(out, "warning", words(c, "page", "not_over"));
    buf_add_text(out, "</header>\n");
    buf_release(&period);
}

static void add_contents(struct buf *out, const struct figure_context *c)
{
    buf_addf(out, "<nav aria-label=\"%s\"><ol>\n", words(c, "page", "contents"));
    for (size_t i = 0; i < report_section_count; i++)
        if (report_sections[i].chapter) {
            buf_addf(out, "<li><a href=\"#chapter-%s\">", report_sections[i].chapter);
            html_add_text(out, span_of(words(c, "chapter", report_sections[i].chapter)));
            buf_add_text(out, "</a></li>\n");
        }
    buf_add_text(out, "</ol></nav>\n");
}

static void add_chapters(struct buf *out, const struct figure_context *c)
{
    for (size_t i = 0; i < report_section_count; i++) {
        const char *chapter = report_sections[i].chapter;

        if (chapter) {
            buf_addf(out, "%s<section class=\"chapter\" id=\"chapter-%s\">\n<h2>", i > 0 ? "</section>\n" : "",
                     chapter);
            html_add_text(out, span_of(words(c, "chapter", chapter)));
            buf_add_text(out, "</h2>\n");
        }
        add_section(out, c, &report_sections[i]);
    }
    buf_add_text(out, "</section>\n");
}

void report_html(struct buf *out, const struct report *report, enum language language)
{
    const struct figure_context c = {report, language, {NULL, 0}, json_string(json_member(report->root, "step"))};

    buf_addf(out, "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"%s\">\n<head>\n",
             language == LANGUAGE_CHINESE ? "zh-Hans" : "en");
    /* No script, no request: said to the browser, too. */
    buf_add_text(
        out, "<meta charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
             "style-src 'unsafe-inline'\"/>\n<meta name=\"viewport\" content=\"width=device-width, "
             "initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<meta name=\"generator\" "
             "content=\"" REPORT_PROGRAM "\"/>\n<title>");
    html_add_text(out, span_of(words(&c, "page", "title")));
    buf_add_text(out, " · ");
    add_period(out, &c);
    buf_add_text(out, "</title>\n<style>\n");
    buf_add(out, report_style, report_style_length);
    buf_add_text(out, "</style>\n</head>\n<body>\n");
    add_header(out, &c);
    add_contents(out, &c);
    buf_add_text(out, "<main>\n");
    add_chapters(out, &c);
    buf_add_text(out, "</main>\n</body>\n</html>\n");
}
