#include "report/html_text.h"

#include "base/utf8.h"

/* Control characters, directional marks that reach beyond themselves, and what XML does not take. */
static bool is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
           (c & 0xfffe) == 0xfffe;
}

static const char *escape_of(uint32_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
    case '\r':
    case '\t':
        return " ";
    default:
        return is_harmful(c) ? "\xEF\xBF\xBD" : NULL;
    }
}

/* The character at the beginning of text, and its length; a byte that begins none counts as one harmful character. */
static uint32_t first_of(struct span text, size_t *len)
{
    *len = utf8_char_len(text.data, text.len);
    if (*len > 0)
        return utf8_decode(text.data, *len);
    *len = 1;
    return 0;
}

static void add_character(struct buf *out, struct span text, uint32_t c, size_t len)
{
    const char *escape = escape_of(c);

    if (escape)
        buf_add_text(out, escape);
    else
        buf_add(out, text.data, len);
}

void html_add_text(struct buf *out, struct span text)
{
    size_t len;

    for (; text.len > 0; text.data += len, text.len -= len) {
        uint32_t c = first_of(text, &len);

        add_character(out, text, c, len);
    }
}

/* Near enough to keep labels in their place: East Asian scripts and emoji are wide. */
static size_t columns_of(uint32_t c)
{
    return c >= 0x1100 ? 2 : 1;
}

static size_t width_of(struct span text, size_t most)
{
    size_t width = 0, len;

    for (; text.len > 0 && width <= most; text.data += len, text.len -= len)
        width += columns_of(first_of(text, &len));
    return width;
}

void html_add_cut(struct buf *out, struct span text, size_t columns)
{
    size_t width = 0, len;

    if (width_of(text, columns) <= columns) {
        html_add_text(out, text);
        return;
    }
    for (; text.len > 0; text.data += len, text.len -= len) {
        uint32_t c = first_of(text, &len);

        width += columns_of(c);
        if (width >= columns)
            break;
        add_character(out, text, c, len);
    }
    buf_add_text(out, "…");
}
