/* texts.h - every word of ours that a report shows, in each language it can be shown in. One table, texts.c. */
#ifndef CHATSLUICE_REPORT_TEXTS_H
#define CHATSLUICE_REPORT_TEXTS_H

#include "base/span.h"

enum language { LANGUAGE_ENGLISH, LANGUAGE_CHINESE, LANGUAGES };

/* "en", "zh": as on the command line and in HTML's lang. */
bool language_of(const char *name, enum language *out);
const char *language_name(enum language language);

/* The words of "GROUP.NAME"; NULL when there are none. */
const char *text_find(enum language language, const char *group, struct span name);
/* The same for a name that is known to be there: its own key when it is not, which a test would find. */
const char *text_of(enum language language, const char *group, const char *name);

/* All keys, for the test that looks for one without a translation. */
const char *text_key(size_t index); /* NULL: no more */

#endif
