/* figures.h - cells of a report in the words of people: numbers, shares, durations, moments, names. The same everywhere
 * and always: whole-number arithmetic, no locale. What is added is plain text; who writes HTML escapes it. */
#ifndef CHATSLUICE_REPORT_FIGURES_H
#define CHATSLUICE_REPORT_FIGURES_H

#include "report/report.h"
#include "report/sections.h"
#include "report/texts.h"

void figure_add_count(struct buf *out, int64_t n);                       /* 12,345 */
void figure_add_ppm(struct buf *out, int64_t ppm);                       /* 12.35 %; below one percent 0.0104 % */
void figure_add_us(struct buf *out, enum language language, int64_t us); /* 870 µs, 4.21 ms, 12.3 s, 34 min 10 s */
void figure_add_time(struct buf *out, struct span rfc3339);              /* 2026-11-22 18:30:00, as it stands */
void figure_add_step(struct buf *out, struct span rfc3339, struct span step); /* what tells one step from the next */

/* One cell. figure: the name of its row, for COLUMN_VALUE. step: of the trend. */
struct figure_context {
    const struct report *report;
    enum language language;
    struct span figure, step;
};
void figure_add_cell(struct buf *out, const struct figure_context *context, const struct report_column *column,
                     struct json_value cell);

/* Whether a column holds numbers, which stand to the right. */
bool figure_is_number(enum column_kind kind);

#endif
