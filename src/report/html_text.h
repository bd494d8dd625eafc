/* html_text.h - text from anywhere as part of HTML or SVG, in an element or between double quotes. It stays text,
 * whatever is in it: markup is escaped, and what would control the terminal, the direction of writing or the parser
 * becomes U+FFFD. Valid UTF-8 is expected, as PostgreSQL gives it; the output is also well-formed XML. */
#ifndef CHATSLUICE_REPORT_HTML_TEXT_H
#define CHATSLUICE_REPORT_HTML_TEXT_H

#include "base/buf.h"

void html_add_text(struct buf *out, struct span text);
/* The same of at most so many columns, a wide character counted twice; what is cut ends with "…". */
void html_add_cut(struct buf *out, struct span text, size_t columns);

#endif
