#include "report/figures.h"

#include <inttypes.h>
#include <stdio.h>

void figure_add_count(struct buf *out, int64_t n)
{
    char digits[24];
    int len;

    if (n < 0)
        buf_add_char(out, '-');
    len = snprintf(digits, sizeof(digits), "%" PRIu64, n < 0 ? -(uint64_t)n : (uint64_t)n);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buf_add_char(out, ',');
        buf_add_char(out, digits[i]);
    }
}

void figure_add_ppm(struct buf *out, int64_t ppm)
{
    if (ppm < 0 || ppm > INT64_MAX - 50)
        buf_addf(out, "%" PRId64 " ppm", ppm); /* no share */
    else if (ppm == 0 || ppm >= 10000)
        buf_addf(out, "%" PRId64 ".%02" PRId64 " %%", (ppm + 50) / 10000, (ppm + 50) / 100 % 100);
    else
        buf_addf(out, "0.%04" PRId64 " %%", ppm);
}

/* n in thousandths, with as many digits behind the point as make three in all. */
static void add_three_digits(struct buf *out, int64_t n, const char *unit)
{
    if (n < 10000)
        buf_addf(out, "%" PRId64 ".%02" PRId64 " %s", n / 1000, n / 10 % 100, unit);
    else if (n < 100000)
        buf_addf(out, "%" PRId64 ".%" PRId64 " %s", n / 1000, n / 100 % 10, unit);
    else
        buf_addf(out, "%" PRId64 " %s", n / 1000, unit);
}

void figure_add_us(struct buf *out, enum language language, int64_t us)
{
    static const struct {
        int64_t below_s, seconds;
        const char *unit, *smaller;
        int64_t smaller_seconds;
    } large[] = {{7200, 60, "min", "s", 1}, {172800, 3600, "h", "min", 60}, {INT64_MAX, 86400, "d", "h", 3600}};
    int64_t s = us / 1000000;
    size_t i = 0;

    if (us < 1000) {
        buf_addf(out, "%" PRId64 " %s", us, text_of(language, "unit", "us"));
    } else if (us < 1000000) {
        add_three_digits(out, us, text_of(language, "unit", "ms"));
    } else if (s < 120) {
        add_three_digits(out, us / 1000, text_of(language, "unit", "s"));
    } else {
        while (s >= large[i].below_s)
            i++;
        buf_addf(out, "%" PRId64 " %s %" PRId64 " %s", s / large[i].seconds, text_of(language, "unit", large[i].unit),
                 s % large[i].seconds / large[i].smaller_seconds, text_of(language, "unit", large[i].smaller));
    }
}

enum { DAY = 10, MINUTE = 16, SECOND = 19 }; /* bytes of 2026-11-22T18:30:00+08:00 */

static void add_moment(struct buf *out, struct span rfc3339, size_t from, size_t to)
{
    if (to > rfc3339.len)
        to = rfc3339.len;
    for (size_t i = from; i < to; i++)
        buf_add_char(out, (char)(rfc3339.data[i] == 'T' ? ' ' : rfc3339.data[i]));
}

void figure_add_time(struct buf *out, struct span rfc3339)
{
    add_moment(out, rfc3339, 0, SECOND);
}

void figure_add_step(struct buf *out, struct span rfc3339, struct span step)
{
    bool days = span_is(step, "day");

    add_moment(out, rfc3339, 0, span_is(step, "month") ? DAY - 3 : days ? DAY : MINUTE);
}

static void add_word(struct buf *out, const struct figure_context *context, const char *group, struct span name)
{
    const char *words = text_find(context->language, group, name);

    if (words)
        buf_add_text(out, words);
    else
        buf_add_span(out, name);
}

static void add_account(struct buf *out, const struct figure_context *context, int64_t place)
{
    struct span account = report_account(context->report, place);

    if (account.data)
        buf_add_span(out, account);
    else
        buf_add_text(out,
                     text_of(context->language, "page", context->report->offenders ? "erased" : "withheld_account"));
}

static void add_number(struct buf *out, const struct figure_context *context, enum column_kind kind, int64_t n)
{
    switch (kind) {
    case COLUMN_COUNT:
        figure_add_count(out, n);
        break;
    case COLUMN_PPM:
        figure_add_ppm(out, n);
        break;
    case COLUMN_US:
        figure_add_us(out, context->language, n);
        break;
    case COLUMN_SECONDS:
        figure_add_us(out, context->language, n <= INT64_MAX / 1000000 ? n * 1000000 : INT64_MAX);
        break;
    case COLUMN_UP_TO_US:
        if (n == 1999999) { /* the last class that the platform waited for: below its two seconds */
            buf_add_text(out, "< 2 ");
            buf_add_text(out, text_of(context->language, "unit", "s"));
            break;
        }
        buf_add_text(out, "≤ ");
        figure_add_us(out, context->language, n);
        break;
    case COLUMN_ACCOUNT:
        add_account(out, context, n);
        break;
    case COLUMN_NUMBER:
    case COLUMN_END:
    case COLUMN_FIGURE:
    case COLUMN_VALUE:
    case COLUMN_WORD:
    case COLUMN_OUTSIDE:
    case COLUMN_TIME:
    case COLUMN_STEP:
        buf_add_i64(out, n);
        break;
    }
}

static void add_text(struct buf *out, const struct figure_context *context, const struct report_column *column,
                     struct span text)
{
    switch (column->kind) {
    case COLUMN_FIGURE:
        add_word(out, context, "figure", text);
        break;
    case COLUMN_WORD:
        add_word(out, context, column->key, text);
        break;
    case COLUMN_TIME:
        figure_add_time(out, text);
        break;
    case COLUMN_STEP:
        figure_add_step(out, text, context->step);
        break;
    case COLUMN_END:
    case COLUMN_VALUE:
    case COLUMN_OUTSIDE:
    case COLUMN_COUNT:
    case COLUMN_NUMBER:
    case COLUMN_PPM:
    case COLUMN_US:
    case COLUMN_SECONDS:
    case COLUMN_UP_TO_US:
    case COLUMN_ACCOUNT:
        buf_add_span(out, text);
        break;
    }
}

void figure_add_cell(struct buf *out, const struct figure_context *context, const struct report_column *column,
                     struct json_value cell)
{
    enum column_kind kind = column->kind == COLUMN_VALUE ? figure_kind(context->figure) : column->kind;
    int64_t n;

    if (cell.kind == JSON_STRING)
        add_text(out, context, column, json_string(cell));
    else if (json_integer(cell, &n))
        add_number(out, context, kind, n);
    else
        buf_add_text(out, text_of(context->language, "page", kind == COLUMN_UP_TO_US ? "above" : "no_value"));
}

bool figure_is_number(enum column_kind kind)
{
    switch (kind) {
    case COLUMN_VALUE:
    case COLUMN_COUNT:
    case COLUMN_NUMBER:
    case COLUMN_PPM:
    case COLUMN_US:
    case COLUMN_SECONDS:
        return true;
    case COLUMN_END:
    case COLUMN_FIGURE:
    case COLUMN_WORD:
    case COLUMN_OUTSIDE:
    case COLUMN_UP_TO_US:
    case COLUMN_TIME:
    case COLUMN_STEP:
    case COLUMN_ACCOUNT:
        return false;
    }
    return false;
}
