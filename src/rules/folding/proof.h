/* proof.h - what a match in a folded text must prove before it counts.
 *
 * Folding is lenient so that nothing gets through: "as" is in it what "ass" is, "an al" what "anal" is, a Chinese name
 * what its syllables are. So a folded term found in a folded text is a candidate only, and has to prove on the units of
 * the message (folding.h) that it is the term, evaded, and not another word:
 *
 * Edges: it begins and ends where characters of the message do and, as the list's boundary wants, where words do;
 * judged on the characters of the base text before and after it. A term spelled letter by letter must not go on
 * ("c.l.a.s.s").
 *
 * Repeats: every unit is repeated at least as often as in the term; a digit exactly as often.
 *
 * Leet: a digit or a sign may stand for a letter, if another letter of the term is really one. A letter stands for a
 * digit of the term only where they look alike (o, l, i); a term of digits needs one.
 *
 * Gaps: blanks part words. Where blanks, or ordinary punctuation with blanks, stand between two pieces of a term, one
 * of the two is a single letter, or both sides are written without spaces, or it is the term's own gap. Other noise may
 * stand anywhere.
 *
 * Readings: a Han character of the message is one syllable of the term, not a part of one nor of two. It may be another
 * character only with "homophones", letters may stand for it only with "pinyin". A term of one Han character is never
 * matched by its reading alone. What is written in letters only stands as a word of its own, and so do initials, for
 * which no digit or sign stands.
 *
 * Messages: a match that spans messages takes whole ones, but for noise, unless it is written without spaces.
 *
 * A proof allocates nothing; it takes time in proportion to the length of the match. */
#ifndef CHATSLUICE_RULES_FOLDING_PROOF_H
#define CHATSLUICE_RULES_FOLDING_PROOF_H

#include "rules/arena.h"
#include "rules/folding/folding.h"

enum { /* of a run of a term */
       RUN_LETTER = 1,
       RUN_DIGIT = 2,
       RUN_OWN_GAP = 4, /* the term has a gap here, or a syllable begins */
};

struct term_run { /* the units of a term that share one place in its folded text */
    uint8_t count, flags;
};

struct term_syllable {    /* of a Han character, in a folding that reads */
    uint32_t own;         /* the character, after "simplified" */
    uint16_t first, last; /* runs */
};

enum { TERM_INITIALS = 1 /* flags of a term: made of the initials of its readings */ };

/* What must be known of a term to prove that it is one. */
struct term_proof {
    const struct term_run *runs;
    const struct term_syllable *syllables;
    uint16_t run_count, syllable_count;
    uint8_t boundary; /* enum term_boundary */
    uint8_t flags;
    uint8_t kinds; /* of its runs, together: RUN_LETTER, RUN_DIGIT */
    bool has_han;
};

/* What the units of a folded term say; copied into arena. False: the term is too long (65535 runs). */
bool term_proof_make(const struct folding *f, const struct units *units, enum term_boundary boundary, unsigned flags,
                     struct arena *arena, struct term_proof *out);

/* Whether the candidate at bytes start..end of the folded text is the term; then *first..*last (exclusive) are its
 * units. */
bool proof_holds(const struct folding *f, const struct term_proof *term, const struct folded *base,
                 const struct units *units, size_t start, size_t end, size_t *first, size_t *last);

#endif
