/* chart.h - the pictures of a report as SVG inside HTML. Each stands beside the table with the same figures, has a
 * title and a description for those who cannot see it, and takes its colours from the page's style sheet. */
#ifndef CHATSLUICE_REPORT_CHART_H
#define CHATSLUICE_REPORT_CHART_H

#include "report/figures.h"

/* Of a section with rows; nothing for one that has no chart. */
void chart_add(struct buf *out, const struct figure_context *context, const struct report_section *section);

#endif
