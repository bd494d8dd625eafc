#include "cli/marked_text.h"

#include "base/utf8.h"
#include "rules/folding/unicode.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#define REVERSE "\x1b[7m"
#define NORMAL  "\x1b[0m"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t utf8_locale;

static void open_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Columns of a character that can be shown as it is; -1: it cannot. */
static int width_of(uint32_t c)
{
    const struct unicode_tables *t = unicode_tables();
    locale_t before;
    int width;

    if (c < 0x20 || (c >= 0x7F && c < 0xA0) || !t || unicode_fold_class(t, c) == CHAR_INVISIBLE)
        return -1;
    if (c < 0x7F)
        return 1;
    pthread_once(&once, open_locale);
    if (!utf8_locale)
        return 1;
    before = uselocale(utf8_locale);
    width = wcwidth((wchar_t)c);
    uselocale(before);
    return width;
}

static bool is_pictograph(uint32_t c)
{
    return (c >= 0x2190 && c < 0x2C00) || (c >= 0x1F000 && c < 0x1FB00);
}

/* Adds the character of n bytes (0: one byte that is no UTF-8) as it is shown; returns its columns. *last is the
 * character before: what belongs to an emoji goes with it. */
static size_t add_shown(struct buf *out, const char *at, size_t n, uint32_t *last)
{
    size_t before = out->len;
    uint32_t c = n > 0 ? utf8_decode(at, n) : (unsigned char)*at;
    int width = n > 0 ? width_of(c) : -1;

    if ((c == 0xFE0F || c == 0x200D) && n > 0 && is_pictograph(*last))
        width = 0;
    if (c != 0xFE0F)
        *last = c;
    if (width >= 0) {
        buf_add(out, at, n);
        return (size_t)width;
    }
    if (n == 0)
        buf_addf(out, "\\x{%02X}", c);
    else if (c == '\n' || c == '\t' || c == '\r')
        buf_addf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    else
        buf_addf(out, "\\u{%X}", c);
    return out->len - before;
}

static bool is_marked(const struct text_mark *marks, size_t count, size_t at)
{
    for (size_t i = 0; i < count; i++)
        if (marks[i].start <= at && at < marks[i].end)
            return true;
    return false;
}

static void pad(struct buf *out, char with, size_t columns)
{
    for (size_t i = 0; i < columns; i++)
        buf_add_char(out, with);
}

static void switch_video(struct buf *out, bool *on, bool wanted)
{
    if (*on != wanted)
        buf_add_text(out, wanted ? REVERSE : NORMAL);
    *on = wanted;
}

void marked_text_add(struct buf *out, const char *indent, struct span text, const struct text_mark *marks,
                     size_t mark_count, bool reverse)
{
    struct buf under = BUF_INIT;
    size_t gap = 0; /* columns since the last mark */
    uint32_t last = 0;
    bool on = false;

    buf_add_text(out, indent);
    for (size_t at = 0; at < text.len;) {
        size_t n = utf8_char_len(text.data + at, text.len - at), columns;
        bool marked = is_marked(marks, mark_count, at);

        if (reverse)
            switch_video(out, &on, marked);
        columns = add_shown(out, text.data + at, n, &last);
        if (marked) {
            pad(&under, ' ', gap);
            pad(&under, '^', columns);
        }
        gap = marked ? 0 : gap + columns;
        at += n > 0 ? n : 1;
    }
    if (reverse)
        switch_video(out, &on, false);
    buf_add_char(out, '\n');
    if (!reverse && under.len > 0) {
        buf_add_text(out, indent);
        buf_add_span(out, buf_span(&under));
        buf_add_char(out, '\n');
    }
    out->failed = out->failed || buf_failed(&under);
    buf_release(&under);
}

void shown_text_add(struct buf *out, struct span text)
{
    uint32_t last = 0;

    for (size_t at = 0; at < text.len;) {
        size_t n = utf8_char_len(text.data + at, text.len - at);

        add_shown(out, text.data + at, n, &last);
        at += n > 0 ? n : 1;
    }
}

bool terminal_marks(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && !(no_color && *no_color);
}
