/* folding.h - the steps of folding beyond "case" and "invisible": stage B, over the text that fold.h made (the base
 * text, always with both of these, whether the list names them or not: none of the other steps knows capitals).
 *
 * A struct folding is what a fold_spec becomes when a set is compiled: immutable, shared by all threads. Its table says
 * of each character what it becomes; one lookup a character gives the folded text and its units. Nothing is composed
 * for a message.
 *
 * A unit is one character of the folded text as it came: where it stands there, which bytes of the base text it came
 * from, what it was there (a letter, a digit or sign that stands for one, a Han character that stands for its reading)
 * and what gap stood before it. Repeated characters that the folding takes once share their place in the folded text.
 * Folding alone is too lenient; what a match must prove beside stands in proof.h, and it proves it on the units.
 *
 * Some signs can be read in two ways that exclude each other: with separators and leet a "!" between letters is noise
 * or an i; with look-alikes and readings a Han character is a syllable or drawn like a Latin letter. Such a text is
 * folded once for each reading, the second only when `turns` says that there is such a sign.
 *
 * What each step does to a character, in this order; generated tables (fold_data.h) but for two small typed ones in
 * folding_table.c:
 *
 *   letters      circled, squared, parenthesised, regional, small capital, turned letters become plain ones
 *   accents      marks vanish, letters with strokes and marks lose them; ae, oe are two letters
 *   numbers      digits of all scripts, circled, roman and so on up to 99; Chinese digits, also the financial ones
 *   lookalikes   letters whose skeleton (Unicode's confusables) is that of a Latin letter, or whose capital's is; Han
 *                characters drawn like one. l, i, 1 and | are one key, and so are o and 0
 *   leet         digits and signs stand for letters
 *   simplified   of the variants of a Han character one stands for all
 *   pinyin, homophones    a Han character stands for its usual reading without tone; which of the two a list has
 * decides what a match must prove. Apostrophes between syllables vanish with pinyin initials     the term is also
 * looked for by the first letters of its readings, if they are three or more separators   blanks, line ends,
 * punctuation, symbols and emoji vanish, up to FOLDING_MAX_GAP between two units repeats      letters and Han
 * characters that follow themselves are taken once; digits only where they stand for letters censored     see
 * censored.h split        MESSAGE_END, with the noise around it, vanishes
 *
 * A regex in such a folding sees what is left: with separators a text without blanks.
 *
 * The operator's tables come first: what they replace is looked for in the base text, so that case, width and invisible
 * characters do not hide it. */
#ifndef CHATSLUICE_RULES_FOLDING_FOLDING_H
#define CHATSLUICE_RULES_FOLDING_FOLDING_H

#include "rules/folding/fold.h"

enum { MESSAGE_END = 0x1F }; /* ends each of several messages in one text (FOLD_SPLIT) */

enum unit_kind {
    UNIT_OTHER,
    UNIT_LETTER, /* of any script, look-alikes of other scripts among them */
    UNIT_DIGIT,
    UNIT_SIGN, /* a sign that stands for a letter */
    UNIT_HAN,  /* a Han character: itself or, when the folding reads, letters of its syllable */
};

enum { /* edges: several units may come from one character */
       UNIT_FIRST = 1,
       UNIT_LAST = 2,
       UNIT_UNSPACED = 4, /* of a script written without spaces */
       UNIT_HIDES = 8,    /* a sign that hides a letter where people censor themselves */
};

enum { /* what stood between a unit and the one before; dropped from the folded text */
       GAP_BLANK = 1,
       GAP_PAUSE = 2,  /* ordinary punctuation */
       GAP_SYMBOL = 4, /* other signs, emoji */
       GAP_MESSAGE = 8,
       GAP_OWN = 16, /* of a term: the gap is the term's own */
};

enum { FOLDING_MAX_GAP = 8 /* noise characters between two units; more part what they stand between */ };

struct unit {
    uint32_t at;         /* in the folded text */
    uint32_t start, end; /* bytes of the base text; of a character with its marks */
    uint32_t own;        /* UNIT_HAN: the character, see folding_own() */
    uint8_t kind;        /* enum unit_kind */
    uint8_t edges, gap;
    uint8_t times; /* a Han character that is read and stands there several times is one: how often, 255 at most */
};

/* One thread's; memory is kept from text to text. */
struct units {
    struct span text; /* folded */
    struct buf out;
    struct unit *items; /* by at; a unit of a run shares it with the one before */
    size_t count, cap;
    bool each;  /* to be set before: Han characters that are read stand for each of them, however often repeated */
    bool turns; /* the text has signs of another reading */
    bool hides; /* a hiding sign touches a letter */
};

#define UNITS_INIT ((struct units){0})

enum folding_reading {
    READING_PLAIN,
    READING_TURNED,
    READING_HIDDEN, /* as plain, but hiding signs stand (UNIT_HIDES) even where separators are dropped */
    READING_WORDS,  /* of terms only: Han numerals are read as other Han characters are, not taken for digits */
    FOLDING_READINGS
};

struct folding;

/* Whether the spec needs stage B at all. */
static inline bool fold_spec_has_units(const struct fold_spec *spec)
{
    return (spec->steps & ~(unsigned)FOLD_BASE) || spec->tables.count;
}

/* tables: all of the document; those the spec names are taken, and copied. NULL: out of memory. */
struct folding *folding_new(const struct fold_spec *spec, const struct fold_table *const *tables, size_t table_count);
void folding_free(struct folding *f); /* NULL is fine */
unsigned folding_steps(const struct folding *f);
bool folding_has_reading(const struct folding *f, enum folding_reading reading); /* that differs from the plain one */
uint32_t folding_own(const struct folding *f, uint32_t han); /* the character that stands for it: by "simplified" */
uint32_t folding_reading_of(const struct folding *f,
                            uint32_t han); /* the same for those that are read alike; 0: none */
/* The reading of a Han character, toneless; NULL: none is known. */
const char *folding_syllable(uint32_t han);

/* base: by fold_text() with FOLD_BASE. 0, or ERR_FAILED when memory ran out. */
int folding_apply(const struct folding *f, enum folding_reading reading, const struct folded *base,
                  struct units *units);
void units_release(struct units *units);
void units_trim(struct units *units); /* gives memory back that only an unusually large text needed */

/* The first unit at byte `at` of the folded text or, when none begins there, of the character that holds it. There is
 * one: at is within the text. */
size_t units_at(const struct units *units, size_t at);

/* The name of a folding as it stands in a hit: steps joined by "+", then tables as "@name"; "none" for none. Added to
 * out. */
void fold_spec_name(const struct fold_spec *spec, struct buf *out);

/* Folds a term or another short text in both stages. base and units are scratch, and hold the result. */
int folding_apply_text(const struct folding *f, enum folding_reading reading, struct span text, struct folded *base,
                       struct units *units);

#endif
