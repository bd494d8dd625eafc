#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include <string.h>

enum { BUF_FIRST = 256 };

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t len)
{
    size_t limit = b->max ? b->max : SIZE_MAX / 4;
    size_t cap = b->cap ? b->cap : BUF_FIRST;
    char *data;

    if (b->failed)
        return NULL;
    if (len > limit || b->len > limit - len) {
        b->failed = true;
        return NULL;
    }
    if (b->len + len < b->cap) /* one byte is always left for the NUL */
        return b->data + b->len;
    while (cap <= b->len + len)
        cap *= 2;
    data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    return data + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    char *to = buf_reserve(b, len);

    if (!to)
        return;
    if (len > 0)
        memcpy(to, data, len);
    buf_commit(b, len);
}

void buf_add_span(struct buf *b, struct span s)
{
    buf_add(b, s.data, s.len);
}

void buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_add_i64(struct buf *b, int64_t n)
{
    if (n < 0)
        buf_add_char(b, '-');
    buf_add_u64(b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        b->failed = true;
    } else {
        char *to = buf_reserve(b, (size_t)len);

        if (to) {
            vsnprintf(to, (size_t)len + 1, fmt, again);
            buf_commit(b, (size_t)len);
        }
    }
    va_end(again);
}
