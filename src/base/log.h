/* log.h - one event, one line on standard error: a fixed phrase, then key=value (logfmt) or one JSON object.
 *
 *     log_info("spool opened", log_str("dir", dir), log_u64("segments", n));
 *
 * Ids and counts, never message text, tokens or signatures. Threads: any. A phrase that repeats is printed at most
 * LOG_BURST times in LOG_WINDOW seconds; the first line after that window carries repeated=N for those left out.
 * At most 11 fields a line. */
#ifndef CHATSLUICE_BASE_LOG_H
#define CHATSLUICE_BASE_LOG_H

#include "base/span.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum log_kind { LOG_KIND_END, LOG_KIND_STR, LOG_KIND_SPAN, LOG_KIND_I64, LOG_KIND_U64, LOG_KIND_BOOL };

enum { LOG_BURST = 10, LOG_WINDOW = 10, LOG_FIELDS = 12 };

struct log_field {
    enum log_kind kind;
    const char *key;
    union {
        const char *str;
        struct span span;
        int64_t i64;
        uint64_t u64;
    } value;
};

static inline struct log_field log_str(const char *key, const char *text)
{
    return (struct log_field){LOG_KIND_STR, key, {.str = text}};
}
static inline struct log_field log_span(const char *key, struct span text)
{
    return (struct log_field){LOG_KIND_SPAN, key, {.span = text}};
}
static inline struct log_field log_i64(const char *key, int64_t n)
{
    return (struct log_field){LOG_KIND_I64, key, {.i64 = n}};
}
static inline struct log_field log_u64(const char *key, uint64_t n)
{
    return (struct log_field){LOG_KIND_U64, key, {.u64 = n}};
}
static inline struct log_field log_bool(const char *key, bool yes)
{
    return (struct log_field){LOG_KIND_BOOL, key, {.u64 = yes}};
}

void log_configure(enum log_format format, enum log_level level);

/* fields: the phrase first, as a string with the key "msg"; ended by a zero field. */
void log_write(enum log_level level, const struct log_field fields[LOG_FIELDS]);

/* clang-format off */
#define log_event(level, ...) log_write((level), (const struct log_field[LOG_FIELDS]){__VA_ARGS__})
#define log_debug(phrase, ...) log_event(LOG_DEBUG, log_str("msg", (phrase)), __VA_ARGS__)
#define log_info(phrase, ...)  log_event(LOG_INFO, log_str("msg", (phrase)), __VA_ARGS__)
#define log_warn(phrase, ...)  log_event(LOG_WARN, log_str("msg", (phrase)), __VA_ARGS__)
#define log_error(phrase, ...) log_event(LOG_ERROR, log_str("msg", (phrase)), __VA_ARGS__)
/* clang-format on */

#endif
