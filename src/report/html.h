/* html.h - a report as one page of HTML: no script, nothing fetched from anywhere, looks right on a screen, light or
 * dark, and on paper. The page is well-formed XML too. Cells of numbers carry the number itself in data-value. */
#ifndef CHATSLUICE_REPORT_HTML_H
#define CHATSLUICE_REPORT_HTML_H

#include "report/report.h"
#include "report/texts.h"

void report_html(struct buf *out, const struct report *report, enum language language);

/* style.css, put in at build time. */
extern const char report_style[];
extern const size_t report_style_length;

#endif
