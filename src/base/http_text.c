#include "base/http_server.h"

#include "base/hex.h"
#include "base/json_write.h"

#include <stdarg.h>
#include <stdio.h>

bool http_percent_decode(struct span text, struct buf *out)
{
    bool clean = true;

    buf_reset(out);
    for (size_t i = 0; i < text.len; i++) {
        int high = -1, low = -1;

        if (text.data[i] != '%') {
            buf_add_char(out, text.data[i]);
            continue;
        }
        if (i + 2 < text.len) {
            high = hex_digit(text.data[i + 1]);
            low = hex_digit(text.data[i + 2]);
        }
        if (high < 0 || low < 0) {
            buf_add_char(out, '%');
            clean = false;
            continue;
        }
        clean = clean && (high | low) != 0;
        buf_add_char(out, (char)(high << 4 | low));
        i += 2;
    }
    return clean;
}

static struct span span_until(struct span text, char end)
{
    const char *found = text.len ? memchr(text.data, end, text.len) : NULL;

    return (struct span){text.data, found ? (size_t)(found - text.data) : text.len};
}

unsigned http_query(struct span query, const char *name, struct buf *out)
{
    unsigned count = 0;

    buf_reset(out);
    while (query.len > 0) {
        struct span pair = span_until(query, '&');
        struct span key = span_until(pair, '=');
        size_t step = pair.len < query.len ? pair.len + 1 : pair.len;

        if (span_is_nocase(key, name)) {
            size_t skip = key.len < pair.len ? key.len + 1 : key.len;

            http_percent_decode((struct span){pair.data + skip, pair.len - skip}, out);
            count++;
        }
        query = (struct span){query.data + step, query.len - step};
    }
    return count;
}

void http_refuse(struct http_reply *reply, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    reply->status = status;
    reply->content_type = HTTP_JSON;
    buf_reset(reply->body);
    buf_add_text(reply->body, "{\"ActionStatus\":\"FAIL\"");
    json_add_member_i64(reply->body, "ErrorCode", status);
    json_add_member_text(reply->body, "ErrorInfo", text);
    buf_add_char(reply->body, '}');
}
