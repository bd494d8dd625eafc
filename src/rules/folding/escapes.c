#include "rules/folding/escapes.h"

#include "base/utf8.h"

#include <stdlib.h>

enum {
    ESCAPE_LEN = 6, /* \uXXXX */
    ESCAPES_KEEP_BYTES = 256 * 1024,
    NO_UNIT = -1,
};

/* The UTF-16 unit of the escape at text, or NO_UNIT. */
static int32_t unit_at(const char *text, size_t len)
{
    int32_t unit = 0;

    if (len < ESCAPE_LEN || text[0] != '\\' || text[1] != 'u')
        return NO_UNIT;
    for (size_t i = 2; i < ESCAPE_LEN; i++) {
        unsigned char c = (unsigned char)text[i], letter = c | 0x20;
        int digit = c >= '0' && c <= '9' ? c - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;

        if (digit < 0)
            return NO_UNIT;
        unit = unit * 16 + digit;
    }
    return unit;
}

static uint32_t short_escape(const char *text, size_t left, size_t *len)
{
    static const char names[] = "nrtbf/\"\\", means[] = "\n\r\t\b\f/\"\\";
    const char *name = left > 1 && text[1] ? strchr(names, text[1]) : NULL;

    *len = 2;
    return name ? (uint32_t)means[name - names] : 0;
}

/* The character of the escape (or the pair of them) at text; *len: its bytes. 0: there is none. */
static uint32_t character_at(const char *text, size_t left, bool is_json, size_t *len)
{
    int32_t unit = unit_at(text, left), low;

    if (unit == NO_UNIT)
        return is_json ? short_escape(text, left, len) : 0;
    *len = ESCAPE_LEN;
    if (unit >= 0xD800 && unit < 0xDC00) {
        low = unit_at(text + ESCAPE_LEN, left - ESCAPE_LEN);
        if (low >= 0xDC00 && low < 0xE000) {
            *len = 2 * ESCAPE_LEN;
            return 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        }
    }
    return unit == 0 || (unit >= 0xD800 && unit < 0xE000) ? 0xFFFD : (uint32_t)unit;
}

static bool add_escape(struct unescaped *u, struct escape e)
{
    if (u->count == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 64;
        struct escape *grown = realloc(u->items, cap * sizeof(*grown));

        if (!grown)
            return false;
        u->items = grown;
        u->cap = cap;
    }
    u->items[u->count++] = e;
    return true;
}

static bool holds(struct span text, char c)
{
    return memchr(text.data, c, text.len) != NULL;
}

bool unescape(struct unescaped *u, struct span text)
{
    size_t copied = 0;
    bool is_json;

    u->text = text;
    u->count = 0;
    if (!text.len || !holds(text, '\\'))
        return true;
    is_json = holds(text, '"') && (holds(text, '{') || holds(text, '['));
    buf_reset(&u->out);
    for (size_t i = 0; i < text.len;) {
        const char *backslash = memchr(text.data + i, '\\', text.len - i);
        size_t len = 0, n;
        uint32_t c;
        char utf8[4];

        if (!backslash)
            break;
        i = (size_t)(backslash - text.data);
        c = character_at(backslash, text.len - i, is_json, &len);
        if (!c) {
            i += i + 1 < text.len && backslash[1] == '\\' ? 2 : 1;
            continue;
        }
        buf_add(&u->out, text.data + copied, i - copied);
        n = utf8_encode(c, utf8);
        if (!add_escape(u, (struct escape){(uint32_t)u->out.len, (uint32_t)n, (uint32_t)i, (uint32_t)len}))
            return false;
        buf_add(&u->out, utf8, n);
        i += len;
        copied = i;
    }
    if (!u->count)
        return true;
    buf_add(&u->out, text.data + copied, text.len - copied);
    u->text = buf_span(&u->out);
    return !buf_failed(&u->out);
}

void unescaped_release(struct unescaped *u)
{
    buf_release(&u->out);
    free(u->items);
    *u = (struct unescaped){0};
}

void unescaped_trim(struct unescaped *u)
{
    if (u->out.cap > ESCAPES_KEEP_BYTES || u->cap * sizeof(*u->items) > ESCAPES_KEEP_BYTES)
        unescaped_release(u);
}

/* The last escape that begins at or before `at`, or NULL. */
static const struct escape *escape_at(const struct unescaped *u, uint32_t at)
{
    size_t low = 0, high = u->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (u->items[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &u->items[low - 1] : NULL;
}

void unescaped_range(const struct unescaped *u, uint32_t *start, uint32_t *end)
{
    const struct escape *first = u->count ? escape_at(u, *start) : NULL;
    const struct escape *last = u->count ? escape_at(u, *end - 1) : NULL;

    if (first)
        *start = *start < first->at + first->len
                     ? first->original
                     : first->original + first->original_len + *start - first->at - first->len;
    if (last)
        *end = *end <= last->at + last->len ? last->original + last->original_len
                                            : last->original + last->original_len + *end - last->at - last->len;
}
