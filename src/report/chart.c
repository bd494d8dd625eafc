#include "report/chart.h"

#include "report/html_text.h"

#include <inttypes.h>

/* A count, for drawing: what no count can be is drawn as the nearest that leaves room for arithmetic. */
static int64_t number_at(struct json_value row, const char *key)
{
    static const int64_t most = INT64_C(1000000000000000);
    int64_t n = 0;

    json_integer(json_member(row, key), &n);
    return n < 0 ? 0 : n > most ? most : n;
}

/* value of most on a length of so many pixels, in tenths of a pixel. Counts fit, with room for the factor. */
static int64_t tenths(int64_t value, int64_t most, int64_t pixels)
{
    return most > 0 ? value * (pixels * 10) / most : 0;
}

static void add_tenths(struct buf *out, const char *name, int64_t n)
{
    buf_addf(out, " %s=\"%" PRId64 ".%" PRId64 "\"", name, n / 10, n % 10);
}

static void begin(struct buf *out, const struct figure_context *context, const char *id, const char *title, int width,
                  int height)
{
    const char *described = text_of(context->language, "page", "described");

    buf_addf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s-title %s-desc\">", width, height, id,
             id);
    buf_addf(out, "<title id=\"%s-title\">", id);
    html_add_text(out, span_of(title));
    buf_addf(out, "</title><desc id=\"%s-desc\">", id);
    html_add_text(out, span_of(described));
    buf_add_text(out, "</desc>\n");
}

/* The trend ---------------------------------------------------------------------------------------------------------
 */

enum { WIDTH = 960, LEFT = 64, TOP = 12, PLOT_HEIGHT = 150, FOOT = 40, LABELS = 8 };
enum { PLOT_WIDTH = WIDTH - LEFT - 8 };

struct series {
    const char *key; /* a column, and a class of the style sheet */
};

static int64_t sum_of(struct json_value row, const struct series *series, size_t count)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += number_at(row, series[i].key);
    return sum;
}

/* The first number of one digit and noughts that is not below n: what people like at an axis. */
static int64_t round_up(int64_t n)
{
    int64_t unit = 1;

    while (unit <= n / 10)
        unit *= 10;
    return (n + unit - 1) / unit * unit;
}

static void add_grid(struct buf *out, int64_t top)
{
    int lines = top % 2 == 0 ? 2 : 1;

    for (int i = 0; i <= lines; i++) {
        int y = TOP + PLOT_HEIGHT - PLOT_HEIGHT * i / lines;

        buf_addf(out,
                 "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/><text class=\"end\" x=\"%d\" y=\"%d\">",
                 LEFT, LEFT + PLOT_WIDTH, y, y, LEFT - 6, y + 4);
        figure_add_count(out, top * i / lines);
        buf_add_text(out, "</text>\n");
    }
}

/* Which part of a moment labels a step, and which one a run of steps. */
static void label_parts(struct span at, struct span step, struct span *one, struct span *run)
{
    bool month = span_is(step, "month"), day = span_is(step, "day");
    size_t from = month ? 0 : day ? 5 : 11, to = month ? 7 : day ? 10 : 16;

    *one = at.len >= to ? (struct span){at.data + from, to - from} : at;
    *run = (struct span){at.data, month || at.len < 10 ? 0 : day ? 4 : 10};
}

static void add_labels(struct buf *out, const struct figure_context *context, struct json_value rows)
{
    size_t count = json_count(rows), stride = (count + LABELS - 1) / LABELS;
    struct span shown = {NULL, 0};

    for (size_t i = 0; i < count; i += stride) {
        struct span one, run;
        int64_t x = LEFT * 10 + ((int64_t)i * 2 + 1) * PLOT_WIDTH * 5 / (int64_t)count;

        label_parts(json_string(json_member(json_item(rows, i), "at")), context->step, &one, &run);
        buf_add_text(out, "<text class=\"middle\"");
        add_tenths(out, "x", x);
        buf_addf(out, " y=\"%d\">", TOP + PLOT_HEIGHT + 16);
        html_add_text(out, one);
        buf_add_text(out, "</text>");
        if (!span_equal(run, shown)) {
            buf_add_text(out, "<text class=\"middle\"");
            add_tenths(out, "x", x);
            buf_addf(out, " y=\"%d\">", TOP + PLOT_HEIGHT + 32);
            html_add_text(out, run);
            buf_add_text(out, "</text>");
        }
        shown = run;
        buf_add_char(out, '\n');
    }
}

static void add_bar_of_step(struct buf *out, const struct figure_context *context, struct json_value row, size_t index,
                            size_t count, const struct series *series, size_t series_count, int64_t top)
{
    const int64_t slot = PLOT_WIDTH * 10 / (int64_t)count, gap = slot > 40 ? slot / 8 : 0;
    int64_t y = (TOP + PLOT_HEIGHT) * 10;

    for (size_t s = 0; s < series_count; s++) {
        int64_t n = number_at(row, series[s].key), height = tenths(n, top, PLOT_HEIGHT);

        if (n == 0)
            continue;
        if (height < 5)
            height = 5; /* what is there can be seen */
        y -= height;
        buf_addf(out, "<rect class=\"%s\"", series[s].key);
        add_tenths(out, "x", LEFT * 10 + (int64_t)index * PLOT_WIDTH * 10 / (int64_t)count + gap / 2);
        add_tenths(out, "y", y);
        add_tenths(out, "width", slot - gap > 5 ? slot - gap : 5);
        add_tenths(out, "height", height);
        buf_add_text(out, "><title>");
        figure_add_step(out, json_string(json_member(row, "at")), context->step);
        buf_addf(out, " · %s: ", text_of(context->language, "column", series[s].key));
        figure_add_count(out, n);
        buf_add_text(out, "</title></rect>\n");
    }
}

/* "by the hour" */
static void add_step_words(struct buf *out, const struct figure_context *context)
{
    const char *words = text_find(context->language, "step", context->step);

    html_add_text(out, words ? span_of(words) : context->step);
}

static void add_plot(struct buf *out, const struct figure_context *context, const char *id, struct json_value rows,
                     const struct series *series, size_t series_count)
{
    size_t count = json_count(rows);
    int64_t most = 0;
    struct buf title = BUF_INIT;

    for (size_t s = 0; s < series_count; s++)
        buf_addf(&title, "%s%s", s > 0 ? ", " : "", text_of(context->language, "column", series[s].key));
    for (size_t i = 0; i < count; i++) {
        int64_t n = sum_of(json_item(rows, i), series, series_count);

        most = n > most ? n : most;
    }
    buf_add_text(out, "<p class=\"legend\">");
    for (size_t s = 0; s < series_count; s++)
        buf_addf(out, "<span class=\"key %s\"></span>%s ", series[s].key,
                 text_of(context->language, "column", series[s].key));
    buf_add_text(out, "· ");
    add_step_words(out, context);
    buf_add_text(out, "</p>\n");
    begin(out, context, id, buf_text(&title), WIDTH, TOP + PLOT_HEIGHT + FOOT);
    add_grid(out, round_up(most > 0 ? most : 1));
    for (size_t i = 0; i < count; i++)
        add_bar_of_step(out, context, json_item(rows, i), i, count, series, series_count,
                        round_up(most > 0 ? most : 1));
    add_labels(out, context, rows);
    buf_add_text(out, "</svg>\n");
    buf_release(&title);
}

static void add_trend(struct buf *out, const struct figure_context *context, struct json_value rows)
{
    static const struct series all[] = {{"messages"}}, acted[] = {{"stopped"}, {"changed"}};

    add_plot(out, context, "trend-all", rows, all, 1);
    add_plot(out, context, "trend-acted", rows, acted, 2);
}

/* Bars --------------------------------------------------------------------------------------------------------------
 */

enum { BARS_WIDTH = 520, LABEL_WIDTH = 190, LABEL_COLUMNS = 27, BAR_MOST = 240, ROW_HEIGHT = 22, BAR_HEIGHT = 14 };

static void add_bar(struct buf *out, const struct figure_context *context, const struct report_section *section,
                    struct json_value row, int y, int64_t most)
{
    const struct report_column *label = &section->columns[section->label], *value = &section->columns[section->value];
    int64_t n = number_at(row, value->key), length = tenths(n, most, BAR_MOST);
    struct buf words = BUF_INIT;

    figure_add_cell(&words, context, label, section_cell(row, label));
    buf_addf(out, "<text class=\"end\" x=\"%d\" y=\"%d\">", LABEL_WIDTH, y + 12);
    html_add_cut(out, buf_span(&words), LABEL_COLUMNS);
    buf_addf(out, "</text><rect class=\"bar\" x=\"%d\" y=\"%d\" height=\"%d\"", LABEL_WIDTH + 8, y + 1, BAR_HEIGHT);
    add_tenths(out, "width", n > 0 && length < 10 ? 10 : length);
    buf_add_text(out, "/><text");
    add_tenths(out, "x", (LABEL_WIDTH + 14) * 10 + length);
    buf_addf(out, " y=\"%d\">", y + 12);
    figure_add_count(out, n);
    buf_add_text(out, "</text>\n");
    buf_release(&words);
}

static void add_bars(struct buf *out, const struct figure_context *context, const struct report_section *section,
                     struct json_value rows)
{
    size_t count = json_count(rows) < SECTION_BARS ? json_count(rows) : SECTION_BARS;
    int64_t most = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t n = number_at(json_item(rows, i), section->columns[section->value].key);

        most = n > most ? n : most;
    }
    begin(out, context, section->key, text_of(context->language, "section", section->key), BARS_WIDTH,
          (int)count * ROW_HEIGHT + 4);
    for (size_t i = 0; i < count; i++)
        add_bar(out, context, section, json_item(rows, i), (int)i * ROW_HEIGHT + 2, most);
    buf_add_text(out, "</svg>\n");
}

void chart_add(struct buf *out, const struct figure_context *context, const struct report_section *section)
{
    struct json_value rows = section_rows(context->report->root, section);

    if (section->chart == CHART_NONE || json_count(rows) == 0)
        return;
    buf_addf(out, "<figure class=\"%s\">\n", section->chart == CHART_TREND ? "wide" : "bars");
    if (section->chart == CHART_TREND)
        add_trend(out, context, rows);
    else
        add_bars(out, context, section, rows);
    buf_add_text(out, "</figure>\n");
}
