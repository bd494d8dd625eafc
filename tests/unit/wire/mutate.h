/* mutate.h - random edits of JSON texts, the same on every run and machine. */
#ifndef CHATSLUICE_TESTS_MUTATE_H
#define CHATSLUICE_TESTS_MUTATE_H

#include "base/buf.h"

/* splitmix64: the same sequence everywhere */
static inline uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static const char *const mutate_splices[] = {
    /* what means something to a JSON reader */
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\u0000",
    "\\ud83d",
    "\\ude00",
    "0",
    "-",
    "e",
    ".",
    "null",
    " ",
    "\n",
    "\x80",
    "\xC0",
    "\xED\xA0\x80",
    "\xE4\xBD\xA0",
    "\xF5",
    "1e400",
    "99999999999999999999",
    "[[[[",
    "]]]]",
    "\"a\":",
    "/*"};

/* One to four random edits: a byte changed, a run removed or doubled, a piece put in. */
static inline void mutate(struct buf *b, uint64_t *seed)
{
    struct buf old = BUF_INIT;
    size_t edits = 1 + next_random(seed) % 4;

    for (size_t e = 0; e < edits && b->len > 0; e++) {
        size_t at = next_random(seed) % b->len, len = next_random(seed) % 8;
        const char *splice = mutate_splices[next_random(seed) % (sizeof(mutate_splices) / sizeof(mutate_splices[0]))];

        len = len > b->len - at ? b->len - at : len;
        buf_reset(&old);
        buf_add_span(&old, buf_span(b));
        b->len = at;
        switch (next_random(seed) % 4) {
        case 0:
            buf_add_char(b, (char)next_random(seed));
            buf_add(b, old.data + at + 1, old.len - at - 1);
            break;
        case 1:
            buf_add(b, old.data + at + len, old.len - at - len);
            break;
        case 2:
            buf_add(b, old.data + at, len);
            buf_add(b, old.data + at, old.len - at);
            break;
        default:
            buf_add_text(b, splice);
            buf_add(b, old.data + at, old.len - at);
            break;
        }
    }
    buf_release(&old);
}

#endif
