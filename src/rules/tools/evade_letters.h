/* evade_letters.h - what can stand for a character, as Unicode's data tells it; private to evade.c. The second file
 * over ICU: unicode.c serves the judging of messages, this one the making of evasions, and the two share nothing, so
 * that the one can show what the other misses.
 *
 * Made once (some hundred milliseconds); one thread. */
#ifndef CHATSLUICE_RULES_TOOLS_EVADE_LETTERS_H
#define CHATSLUICE_RULES_TOOLS_EVADE_LETTERS_H

#include "base/buf.h"
#include "base/err.h"

enum letter_kind {
    LETTER_COMPATIBLE, /* full-width, mathematical, radicals: NFKC casefold makes them the character */
    LETTER_ENCLOSED,   /* circled, squared, parenthesised, regional indicators, small capitals */
    LETTER_ACCENTED,   /* with a mark or a stroke, as one character */
    LETTER_CONFUSABLE, /* drawn alike, of any script */
    LETTER_DIGIT,      /* of the same value */
    LETTER_VARIANT,    /* traditional for simplified and the other way round */
    LETTER_HOMOPHONE,  /* Chinese of the same reading, the usual ones of GB 2312 first level */
    LETTER_INVISIBLE,  /* of any character: nothing that can be seen, one of each range */
    LETTER_KINDS,
};

struct evade_letters;

int evade_letters_new(struct evade_letters **out, struct err *err);
void evade_letters_free(struct evade_letters *l); /* NULL is fine */

/* The forms of a character, ascending; the character itself is not among them. *forms is borrowed. */
size_t evade_letter_forms(const struct evade_letters *l, enum letter_kind kind, uint32_t c, const uint32_t **forms);

/* Adds the reading of a Chinese character in pinyin, with or without its tone; false when it has none. */
bool evade_letter_reading(struct evade_letters *l, uint32_t c, bool tone, struct buf *out);
uint32_t evade_letter_upper(uint32_t c);
bool evade_is_letter(uint32_t c);
bool evade_is_han(uint32_t c);
bool evade_is_small_capital(uint32_t c); /* or could be one: of the blocks they stand in */

#endif
