/* csv.h - a report as CSV (RFC 4180, UTF-8, header line), for spreadsheets and programs: the numbers as in the
 * document, units in the names of the columns (_ppm, _us, _s), the same in every language.
 *
 * A text that a spreadsheet would take for a formula gets an apostrophe in front, as OWASP advises: cells are outside
 * text. Either one table for each section, the first one about the report itself, or all in one table of the columns
 * section, row, column, value. */
#ifndef CHATSLUICE_REPORT_CSV_H
#define CHATSLUICE_REPORT_CSV_H

#include "report/report.h"

size_t report_csv_tables(void);
const char *report_csv_name(size_t table); /* "report", "totals", ... */
void report_csv_table(struct buf *out, const struct report *report, size_t table);
void report_csv(struct buf *out, const struct report *report);

#endif
