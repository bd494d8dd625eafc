/* escapes.h - \uXXXX inside a text that is JSON itself (CloudCustomData, custom elements): written out, with a map
 * back.
 *
 * The reader of such a text sees the character, so must the rules. \uXXXX is taken in any text, surrogate pairs as one
 * character; U+0000 and unpaired surrogates become U+FFFD, as in message.h. The short escapes (\n, \/ ...) are taken
 * where the text shows that it is JSON: it has a bracket and a quote. A backslash that is escaped itself begins none.
 *
 * One thread; the memory is kept from text to text. */
#ifndef CHATSLUICE_RULES_FOLDING_ESCAPES_H
#define CHATSLUICE_RULES_FOLDING_ESCAPES_H

#include "base/buf.h"

struct escape { /* `len` bytes at `at` came from original_len bytes at `original` */
    uint32_t at, len, original, original_len;
};

struct unescaped {
    struct span text; /* borrowed: the original itself when it holds no escape */
    struct buf out;
    struct escape *items;
    size_t count, cap;
};

/* False when memory ran out. */
bool unescape(struct unescaped *u, struct span text);
void unescaped_release(struct unescaped *u);
void unescaped_trim(struct unescaped *u); /* gives memory back that only an unusually large text needed */

/* Turns bytes *start..*end (not empty) of the text into those of the original they came from: a part of an escape into
 * the whole of it. */
void unescaped_range(const struct unescaped *u, uint32_t *start, uint32_t *end);

#endif
