#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_write.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { LOG_PHRASES = 64, LOG_LINE_MAX = 32 * 1024 };

static _Atomic int log_level = LOG_INFO;
static _Atomic int log_format = LOG_LOGFMT;

/* How often each phrase was printed in its window. Phrases are string literals, so their address names them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards phrases */
static struct phrase {
    const char *text;
    int64_t window_start_us;
    unsigned printed;
    uint64_t left_out;
} phrases[LOG_PHRASES];

void log_configure(enum log_format format, enum log_level level)
{
    atomic_store(&log_format, (int)format);
    atomic_store(&log_level, (int)level);
}

/* False when the phrase has been printed often enough in this window; else *repeated says how many were left out. A
 * phrase that finds no place in the table is always printed. */
static bool phrase_admit(const char *text, int64_t now_us, uint64_t *repeated)
{
    size_t at = ((uintptr_t)text >> 3) % LOG_PHRASES;
    bool admit = true;

    *repeated = 0;
    pthread_mutex_lock(&lock);
    for (size_t tried = 0; tried < LOG_PHRASES; tried++, at = (at + 1) % LOG_PHRASES) {
        struct phrase *p = &phrases[at];

        if (p->text && p->text != text)
            continue;
        if (!p->text || now_us - p->window_start_us > (int64_t)LOG_WINDOW * 1000000) {
            *repeated = p->left_out;
            *p = (struct phrase){.text = text, .window_start_us = now_us};
        }
        admit = p->printed < LOG_BURST;
        if (admit)
            p->printed++;
        else
            p->left_out++;
        break;
    }
    pthread_mutex_unlock(&lock);
    return admit;
}

static void add_time(struct buf *line, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm utc;
    char text[32];

    gmtime_r(&seconds, &utc);
    buf_add(line, text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc));
    buf_addf(line, ".%03dZ", (int)(wall_us / 1000 % 1000));
}

/* A logfmt value needs quotes when it is empty or holds anything that could be read as syntax. */
static bool is_bare(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F)
            return false;
    }
    return s.len > 0;
}

static void add_text_value(struct buf *line, enum log_format format, struct span s)
{
    if (format == LOG_LOGFMT && is_bare(s))
        buf_add_span(line, s);
    else
        json_add_string(line, s);
}

static void add_field(struct buf *line, enum log_format format, const struct log_field *f)
{
    if (format == LOG_JSON) {
        json_add_key(line, f->key);
    } else {
        if (line->len > 0)
            buf_add_char(line, ' ');
        buf_add_text(line, f->key);
        buf_add_char(line, '=');
    }
    switch (f->kind) {
    case LOG_KIND_STR:
        add_text_value(line, format, span_of(f->value.str ? f->value.str : ""));
        break;
    case LOG_KIND_SPAN:
        add_text_value(line, format, f->value.span);
        break;
    case LOG_KIND_I64:
        buf_add_i64(line, f->value.i64);
        break;
    case LOG_KIND_U64:
        buf_add_u64(line, f->value.u64);
        break;
    case LOG_KIND_BOOL:
        buf_add_text(line, f->value.u64 ? "true" : "false");
        break;
    case LOG_KIND_END:
        break;
    }
}

void log_write(enum log_level level, const struct log_field fields[LOG_FIELDS])
{
    static const char *const level_names[] = {"debug", "info", "warn", "error"};
    enum log_format format = (enum log_format)atomic_load_explicit(&log_format, memory_order_relaxed);
    struct buf line;
    struct log_field head;
    uint64_t repeated;
    int64_t now_us = clock_wall_us();

    if ((int)level < atomic_load_explicit(&log_level, memory_order_relaxed) ||
        !phrase_admit(fields[0].value.str, now_us, &repeated))
        return;
    buf_init(&line, LOG_LINE_MAX);
    if (format == LOG_JSON) {
        buf_add_text(&line, "{\"time\":\"");
        add_time(&line, now_us);
        buf_add_char(&line, '"');
    } else {
        buf_add_text(&line, "time=");
        add_time(&line, now_us);
    }
    head = log_str("level", level_names[level]);
    add_field(&line, format, &head);
    for (size_t i = 0; i < LOG_FIELDS && fields[i].kind != LOG_KIND_END; i++)
        add_field(&line, format, &fields[i]);
    if (repeated > 0) {
        head = log_u64("repeated", repeated);
        add_field(&line, format, &head);
    }
    buf_add_text(&line, format == LOG_JSON ? "}\n" : "\n");
    if (buf_failed(&line)) { /* too long: better the phrase alone than silence */
        buf_reset(&line);
        if (format == LOG_JSON)
            buf_addf(&line, "{\"level\":\"%s\",\"msg\":\"%s\",\"cut\":true}\n", level_names[level],
                     fields[0].value.str);
        else
            buf_addf(&line, "level=%s msg=\"%s\" cut=true\n", level_names[level], fields[0].value.str);
    }
    if (!buf_failed(&line)) {
        /* One write, so that lines of several threads do not mix; a log that cannot be written has nobody to tell. */
        ssize_t written = write(STDERR_FILENO, line.data, line.len);

        (void)written;
    }
    buf_release(&line);
}
