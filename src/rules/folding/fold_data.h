/* fold_data.h - what the steps of folding know about characters: tables that are generated when the program is built
 * (generate/make_fold_data.c), out of ICU and Debian's unicode-data. Constant, in .rodata: a start costs nothing.
 *
 * A pair says that the character `from` stands for `to`. Pairs are sorted by from. */
#ifndef CHATSLUICE_RULES_FOLDING_FOLD_DATA_H
#define CHATSLUICE_RULES_FOLDING_FOLD_DATA_H

#include "rules/folding/unicode.h"

struct fold_pair {
    uint32_t from, to;
};

struct fold_pairs {
    const struct fold_pair *pairs;
    size_t count;
};

/* `to` may be two ASCII characters: this bit, the first one, the second one << 7. */
#define FOLD_PAIR_TWO 0x80000000u

extern const struct fold_pairs fold_data_accents;    /* base letters of what NFKC casefold leaves alone */
extern const struct fold_pairs fold_data_letters;    /* letters in other dress, by their names */
extern const struct fold_pairs fold_data_lookalikes; /* of other scripts, by the skeletons of Unicode's confusables */
extern const struct fold_pairs fold_data_numbers;    /* digits of all scripts, numerals from 0 to 99, Han from 0 to 9 */
extern const struct fold_pairs fold_data_simplified; /* variants of Han characters: one stands for all */
extern const struct fold_pairs fold_data_readings;   /* Han characters: index in fold_data_syllables */

enum { FOLD_SYLLABLE = 8 };
extern const char fold_data_syllables[][FOLD_SYLLABLE]; /* toneless, u-umlaut as v, NUL-terminated */

extern const uint16_t unicode_data_fold[UNICODE_LIMIT];
extern const uint16_t unicode_data_word[UNICODE_LIMIT];
extern const struct unicode_mapping unicode_data_mappings[];

#endif
