/* buf.h - a growing byte buffer with a ceiling.
 *
 * Life: BUF_INIT (or buf_init with a ceiling) -> buf_add... -> buf_release. buf_reset empties it and keeps the memory.
 * Invariant: data[len] is always '\0' once anything was added, so data may be printed; len does not count it.
 * Failure is sticky: when memory or the ceiling runs out the buffer keeps what it had, ignores every further add and
 *          buf_failed() says so. Callers add freely and check once. */
#ifndef CHATSLUICE_BASE_BUF_H
#define CHATSLUICE_BASE_BUF_H

#include "base/span.h"

#include <stdarg.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max; /* 0: no ceiling of its own */
    bool failed;
};

#define BUF_INIT ((struct buf){0})

void buf_init(struct buf *b, size_t max_bytes);
void buf_release(struct buf *b);
void buf_reset(struct buf *b); /* also clears a failure */

void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_span(struct buf *b, struct span s);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t n); /* decimal; much faster than buf_addf */
void buf_add_i64(struct buf *b, int64_t n);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for len more bytes and returns where to write them, or NULL; buf_commit() then says how many were
 * written. */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

static inline bool buf_failed(const struct buf *b)
{
    return b->failed;
}

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->data, b->len};
}

/* The text as a C string, "" when nothing was added; borrowed. */
static inline const char *buf_text(const struct buf *b)
{
    return b->data ? b->data : "";
}

#endif
