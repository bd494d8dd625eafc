/* span.h - a piece of text somebody else owns: pointer and length, never NUL-terminated by promise. */
#ifndef CHATSLUICE_BASE_SPAN_H
#define CHATSLUICE_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *data;
    size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

static inline struct span span_of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Order by bytes, the shorter of two that begin alike first: as memcmp() and qsort() tell it. */
int span_compare(struct span a, struct span b);

static inline bool span_is(struct span a, const char *text)
{
    return span_equal(a, span_of(text));
}

/* Equal when ASCII letters are taken without case. */
bool span_is_nocase(struct span a, const char *text);

/* Reads the whole span as a decimal number without sign, blanks or leading '+'. False, and *out untouched, when
 * it is anything else or does not fit. */
bool span_to_u64(struct span s, unsigned long long *out);

#endif
