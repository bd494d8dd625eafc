#include "base/json_write.h"

#include "base/utf8.h"

static void add_escaped(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    switch (c) {
    case '"':
    case '\\':
        text[1] = (char)c;
        break;
    case '\n':
        text[1] = 'n';
        break;
    case '\r':
        text[1] = 'r';
        break;
    case '\t':
        text[1] = 't';
        break;
    default:
        buf_add(b, text, sizeof(text));
        return;
    }
    buf_add(b, text, 2);
}

void json_add_string(struct buf *b, struct span text)
{
    size_t from = 0, at = 0; /* [from, at) waits to be copied as it is */

    buf_add_char(b, '"');
    while (at < text.len) {
        unsigned char c = (unsigned char)text.data[at];
        size_t step = c < 0x80 ? 1 : utf8_char_len(text.data + at, text.len - at);

        if (step > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            at += step;
            continue;
        }
        buf_add(b, text.data + from, at - from);
        if (step == 0)
            buf_add(b, "\xEF\xBF\xBD", 3);
        else
            add_escaped(b, c);
        from = ++at;
    }
    buf_add(b, text.data + from, at - from);
    buf_add_char(b, '"');
}

void json_add_key(struct buf *b, const char *key)
{
    char last = b->len > 0 ? b->data[b->len - 1] : '{';

    if (last != '{' && last != '[' && last != ':')
        buf_add_char(b, ',');
    json_add_string(b, span_of(key));
    buf_add_char(b, ':');
}

void json_add_member_span(struct buf *b, const char *key, struct span text)
{
    json_add_key(b, key);
    if (text.data)
        json_add_string(b, text);
    else
        buf_add_text(b, "null");
}

void json_add_member_text(struct buf *b, const char *key, const char *text)
{
    json_add_member_span(b, key, span_of(text));
}

void json_add_member_i64(struct buf *b, const char *key, int64_t n)
{
    json_add_key(b, key);
    buf_add_i64(b, n);
}

void json_add_member_u64(struct buf *b, const char *key, uint64_t n)
{
    json_add_key(b, key);
    buf_add_u64(b, n);
}

void json_add_member_bool(struct buf *b, const char *key, bool yes)
{
    json_add_key(b, key);
    buf_add_text(b, yes ? "true" : "false");
}
