/* glyphs.h - a text as detectors read it: one glyph for each character a reader sees, plain (lower case, without width,
 * circle or box; every digit 0..9), with the bytes it stands on. Invisible characters are gone, marks belong to the
 * character they are drawn on.
 *
 * One thread; the memory is kept between calls. */
#ifndef CHATSLUICE_RULES_DETECT_GLYPHS_H
#define CHATSLUICE_RULES_DETECT_GLYPHS_H

#include "base/span.h"

#include <stdint.h>

enum {
    GLYPH_LETTER = 1,   /* letter or digit of any script */
    GLYPH_UNSPACED = 2, /* of a script without spaces between words: Han, kana, Thai... */
    GLYPH_BLANK = 4,    /* its code is ' ', or '\n' for a line end */
    GLYPH_CHANGED = 8,  /* not written as its code says: full-width, circled... */
    GLYPH_MARKED = 16,  /* with an accent or the like; a box drawn around it is none */
};

struct glyph {
    uint32_t code;
    uint32_t start, end; /* bytes of the text */
    uint32_t flags;
};

struct glyphs {
    struct span text;
    struct glyph *items; /* items[count] is a blank, so that one may look one further */
    size_t count, cap;
};

bool glyphs_read(struct glyphs *g, struct span text); /* valid UTF-8, borrowed; false when memory ran out */
void glyphs_trim(struct glyphs *g);                   /* gives memory back that only an unusually large text needed */
void glyphs_release(struct glyphs *g);

static inline bool glyph_is_digit(const struct glyph *g)
{
    return g->code >= '0' && g->code <= '9';
}

static inline bool glyph_is_ascii_letter(const struct glyph *g)
{
    return g->code >= 'a' && g->code <= 'z';
}

/* A letter or digit of ASCII, once plain. */
static inline bool glyph_is_alnum(const struct glyph *g)
{
    return glyph_is_digit(g) || glyph_is_ascii_letter(g);
}

/* Whether word (ASCII, or UTF-8 of at most 16 characters) stands at glyph i. Returns its number of glyphs, or 0. */
size_t glyphs_word(const struct glyphs *g, size_t i, const char *word);

#endif
