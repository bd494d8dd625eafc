/* unicode.h - what the rules need to know about characters. The one file over ICU, beside the generator of the tables.
 *
 * The tables are constants of the program, generated out of ICU when it is built (generate/make_fold_data.c). Nothing
 * here runs an ICU transliterator or allocates for a message. */
#ifndef CHATSLUICE_RULES_FOLDING_UNICODE_H
#define CHATSLUICE_RULES_FOLDING_UNICODE_H

#include "base/buf.h"

#include <stdint.h>

/* How NFKC casefold treats a character, as told by ICU. */
enum {
    CHAR_PLAIN,              /* stands for itself, whatever is before it */
    CHAR_INVISIBLE,          /* default-ignorable: zero-width, bidi marks, variation selectors...; and U+FFFD */
    CHAR_JOINING,            /* may combine with what is before it: accents, vowel and final jamo... */
    CHAR_MAPPED,             /* this value and above: becomes mappings[value - CHAR_MAPPED] wherever it stands */
    UNICODE_LIMIT = 0x40000, /* above, only U+E0000..U+E0FFF is not plain */
};

/* What a character is to words; bits. */
enum {
    WORD_PART = 1,     /* letter, digit or mark: two of them side by side may be one word */
    WORD_UNSPACED = 2, /* of a script written without spaces, or whose particles join the word: matched anywhere */
    WORD_MARK = 4,     /* drawn onto the character before it */
    WORD_LETTER = 8,
    WORD_DIGIT = 16,  /* digits and numerals */
    WORD_HAN = 32,    /* a Han character */
    WORD_ACCENT = 64, /* a mark that any letter may carry */
    WORD_NOISE = 128, /* blanks, line ends, punctuation, symbols, emoji */
    WORD_BLANK = 256,
    WORD_PAUSE = 512, /* noise that stands between words in ordinary writing: . , ; : ! ? dashes, quotes, brackets */
};

struct unicode_mapping {
    uint8_t len;
    char text[35]; /* the longest, U+FDFA, needs 33 */
};

struct unicode_tables {
    const uint16_t *fold, *word; /* by character, up to UNICODE_LIMIT */
    const struct unicode_mapping *mappings;
};

const struct unicode_tables *unicode_tables(void); /* never NULL */

static inline unsigned unicode_fold_class(const struct unicode_tables *t, uint32_t c)
{
    if (c < UNICODE_LIMIT)
        return t->fold[c];
    return c >= 0xE0000 && c <= 0xE0FFF ? CHAR_INVISIBLE : CHAR_PLAIN;
}

static inline unsigned unicode_word_class(const struct unicode_tables *t, uint32_t c)
{
    return c < UNICODE_LIMIT ? t->word[c] : 0;
}

/* The Unicode name of a script ("Latin") from that name or its code ("Latn"), whatever the case; NULL: there is none.
 */
const char *unicode_script_name(const char *written);

enum { UNICODE_RUN = 128 };

/* Adds the NFKC casefold of at most UNICODE_RUN characters to out. False when ICU fails or memory ran out. */
bool unicode_casefold(struct span run, struct buf *out);

/* Finds the user-visible characters (extended grapheme clusters) of a text: an accent belongs to its letter, an emoji
 * sequence is one. One thread; remembers the text of the last graphemes_set(), which must stay valid. */
struct graphemes;

struct graphemes *graphemes_new(void); /* NULL: no memory or no ICU data */
void graphemes_free(struct graphemes *g);
bool graphemes_set(struct graphemes *g, struct span text);
size_t graphemes_start(struct graphemes *g, size_t at); /* of the cluster that holds the character at byte at */
size_t graphemes_end(struct graphemes *g, size_t at);

#endif
