/* times.h - moments and stretches of time as people write them on the command line; private to cli. */
#ifndef CHATSLUICE_CLI_TIMES_H
#define CHATSLUICE_CLI_TIMES_H

#include "base/span.h"

#include <stdint.h>

/* "90s" "15m" "2h" "7d" "4w". False for anything else, and for more than 100 years. */
bool times_stretch(struct span text, int64_t *us);
/* A moment in microseconds since 1970: RFC 3339 ("2026-11-24T18:30:00+08:00", "2026-11-24T10:30:00.5Z"), a day alone
 * ("2026-11-24", its beginning in UTC), "now", or a stretch before now_us. */
bool times_moment(struct span text, int64_t now_us, int64_t *us);
/* "2026-11-24T10:30:00Z" */
enum { TIMES_TEXT = 40 };
const char *times_text(int64_t us, char out[TIMES_TEXT]);
/* "2026-11-24T10:30:00.500000Z"; without the fraction when there is none. */
const char *times_text_us(int64_t us, char out[TIMES_TEXT]);

#endif
