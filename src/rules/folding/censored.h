/* censored.h - terms whose letters hide behind signs: "f*ck", "傻*".
 *
 * A hiding sign (UNIT_HIDES) stands for exactly one character of a term. Where one touches a letter, the text is walked
 * with the terms of the folding, sorted by their characters: a letter leads to the terms that go on with it, a sign to
 * all of them. A match proves that
 *   - at most half of the term is hidden, its first character is not, and no run of signs is cut;
 *   - of a term without Han characters at least two are seen, of three;
 *   - it begins and ends where words do, and its gaps are as proof.h wants them;
 *   - what is hidden at its end is not a multiplication (apples×3) nor a pair of signs around a word.
 * With "separators" a sign may also be noise between two letters; with "repeats" a letter may be stretched.
 *
 * What a walk may cost is bounded; a text that needs more cannot be judged exactly (ERR_FULL). */
#ifndef CHATSLUICE_RULES_FOLDING_CENSORED_H
#define CHATSLUICE_RULES_FOLDING_CENSORED_H

#include "rules/folding/proof.h"

enum { CENSORED_MAX_STEPS = 100 * 1000 /* of one text: some milliseconds */ };

/* One character of a term or a text, as terms are compared by: itself, or its reading where the folding has homophones.
 */
struct symbol {
    uint32_t key;
    uint32_t unit; /* of a text: index of its first unit; of a term: enum symbol_flag */
};

enum symbol_flag { SYMBOL_OWN_GAP = 1, SYMBOL_HAN = 2, SYMBOL_LETTER = 4 };

struct symbols {
    struct symbol *items;
    size_t count;
};

/* The symbols of a folded term, copied into arena; none (NULL, 0) when it is too short to be censored. */
struct symbols censored_symbols(const struct folding *f, const struct units *units, struct arena *arena);

struct censored_term {
    struct symbols symbols;
    uint32_t pattern; /* as the caller numbers them */
    uint8_t boundary;
};

/* The terms of a folding; sorted by censored_sort() before the first use, immutable after. */
struct censored {
    struct censored_term *terms;
    size_t count;
    bool inside_words; /* some term is found inside words too */
};

void censored_sort(struct censored *c);

/* One thread's. */
struct censored_scratch {
    struct symbol *items;
    size_t count, cap;
};

/* Calls found for every match: units first..last (exclusive). units: of a reading in which signs stand. 0, ERR_FULL
 * when it was stopped or would cost too much, or ERR_FAILED when memory ran out. */
int censored_find(const struct censored *c, const struct folding *f, const struct folded *base,
                  const struct units *units, struct censored_scratch *scratch,
                  bool (*found)(void *arg, uint32_t pattern, size_t first, size_t last), void *arg);
void censored_scratch_release(struct censored_scratch *scratch);
void censored_scratch_trim(struct censored_scratch *scratch);

#endif
