/* find.h - every match of every leaf of a set in the fields of one message; private to the judge.
 *
 * A finder is one thread's scratch; its memory is kept from message to message, so that finding allocates nothing once
 * warm. */
#ifndef CHATSLUICE_RULES_FIND_H
#define CHATSLUICE_RULES_FIND_H

#include "rules/detect/detector.h"
#include "rules/folding/escapes.h"
#include "rules/ruleset_priv.h"
#include "rules/verdict.h"

enum {
    FIND_FIELDS = 2, /* by enum judged_field */
    /* That are to be proved in one message; beyond it, it counts as having too many matches. An ordinary text of 12 KB
     * has some thousands, one made for the purpose against 10,000 terms a hundred thousand, in 10 ms. */
    FIND_MAX_CANDIDATES = 1 << 18,
};

struct match {
    uint32_t leaf, term;
    uint32_t field;
    uint32_t start, end; /* bytes of the original field */
    bool covered;        /* by an allow hit; the judge's */
};

struct leaf_found { /* what a leaf found in the message being judged */
    uint32_t first, count;
    uint32_t surviving; /* not covered; the judge's */
    uint32_t last;      /* while scanning: 1 + index of its newest match */
};

struct finder {
    uint64_t serial; /* of the set it is made fit for */
    struct matcher_scratch *scratch;
    struct unescaped plain;                  /* the field as its reader sees it */
    struct folded folded[FOLD_COMBINATIONS]; /* base texts of it, made when a folding needs them */
    bool is_folded[FOLD_COMBINATIONS];
    struct buf joined; /* what the sender said before, and the field; and its base text */
    struct folded joined_folded;
    bool is_joined;
    struct units units;
    struct censored_scratch censored;
    struct detector_scratch detecting;
    struct leaf_found *leaves;
    struct match *matches; /* by leaf, field, start, end */
    size_t match_count, match_cap;
    size_t candidates; /* looked at */
    bool failed;       /* memory ran out */
    bool too_many;     /* more than JUDGE_MAX_MATCHES, the rest was not looked at */
};

/* False when memory ran out. Nothing to do as long as the set stays the same. */
bool finder_take_set(struct finder *f, const struct ruleset *set);
/* Fields are valid UTF-8. circumstances may be NULL. */
void finder_run(struct finder *f, const struct ruleset *set, const struct circumstances *circumstances,
                const struct span fields[FIND_FIELDS]);
/* Forgets what was found. */
void finder_reset(struct finder *f, const struct ruleset *set);
void finder_release(struct finder *f);

#endif
