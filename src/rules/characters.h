/* characters.h - what measures and detectors ask of a character: its kind, how it joins a cluster, which plain letter
 * or digit it stands for. Beside unicode.c, which folds, the one file over ICU.
 *
 * The table is built once in a process, by the first characters(), and never changes; any thread may read it. */
#ifndef CHATSLUICE_RULES_CHARACTERS_H
#define CHATSLUICE_RULES_CHARACTERS_H

#include "base/span.h"

#include <stdint.h>

enum { CHARACTERS_LIMIT = 0x40000 }; /* above are tags and selectors, all invisible, and private use */

/* Kinds, a set of bits. */
enum {
    CHARACTER_INVISIBLE = 1,    /* default-ignorable, and control characters that end no line */
    CHARACTER_BLANK = 2,        /* white space, line ends among it, and U+2800 */
    CHARACTER_LINE_END = 4,     /* LF, CR, VT, FF, NEL, U+2028, U+2029 */
    CHARACTER_CAPITAL = 8,      /* upper and title case */
    CHARACTER_DIGIT = 16,       /* of category N: digits and other numbers */
    CHARACTER_SYMBOL = 32,      /* of categories P and S */
    CHARACTER_EMOJI = 64,       /* shown as an emoji by itself */
    CHARACTER_MAYBE_EMOJI = 128 /* shown as an emoji when U+FE0F follows */
};

/* How neighbours join (UAX 29); the numbers are ours. */
enum cluster_kind {
    CLUSTER_OTHER,
    CLUSTER_CR,
    CLUSTER_LF,
    CLUSTER_CONTROL,
    CLUSTER_EXTEND,
    CLUSTER_ZWJ,
    CLUSTER_REGIONAL,
    CLUSTER_PREPEND,
    CLUSTER_SPACING_MARK,
    CLUSTER_L,
    CLUSTER_V,
    CLUSTER_T,
    CLUSTER_LV,
    CLUSTER_LVT,
    CLUSTER_PICTOGRAPH,
};

struct character {
    uint32_t plain;  /* case, width, circles and boxes taken off; a digit of any script is 0..9. 0: itself */
    uint16_t script; /* as ICU numbers them */
    uint8_t kind;
    uint8_t cluster; /* enum cluster_kind */
};

/* CHARACTERS_LIMIT of them; NULL when ICU cannot give its data or memory ran out. */
const struct character *characters(void);

extern const struct character character_beyond_tag, character_beyond;

static inline const struct character *character_of(const struct character *table, uint32_t code)
{
    if (code < CHARACTERS_LIMIT)
        return &table[code];
    return code >= 0xE0000 && code <= 0xE0FFF ? &character_beyond_tag : &character_beyond;
}

/* The number of a script by its ISO 15924 code or English name ("Latn", "Latin"); negative when there is none. */
int character_script(const char *name);

/* Walks the clusters (user-visible characters) of a text: whether one begins at this character. */
struct cluster_state {
    enum cluster_kind last;
    bool joins_pictograph; /* a pictograph and U+200D are before */
    bool in_pictograph;
    bool odd_regional; /* an odd number of regional indicators */
    bool any;
};
bool cluster_begins(struct cluster_state *state, enum cluster_kind next);

#endif
