/* ruleset_priv.h - the inside of a compiled set, shared by ruleset.c (makes it) and judge.c (reads it). Immutable once
 * made; only the reference count changes.
 *
 * A leaf is a term list, an expression or a detector; each is scanned once, however many rules name it. A rule sees its
 * leaves through slots, numbered within the rule. Rules are sorted by name: a smaller index is a smaller name.
 * Scorecards stand among them, as rules without a condition: they hold when the points of the rules that act as them
 * reach a threshold. */
#ifndef CHATSLUICE_RULES_RULESET_PRIV_H
#define CHATSLUICE_RULES_RULESET_PRIV_H

#include "rules/arena.h"
#include "rules/folding/censored.h"
#include "rules/folding/fold.h"
#include "rules/matcher.h"
#include "rules/folding/proof.h"
#include "rules/ruleset.h"
#include "wire/message.h"

#include <stdatomic.h>

enum { RULESET_MAX_RULES = 65534 }; /* scorecards included: an index + 1 fits 16 bits, see rewrite.c */

struct leaf {
    const char *list;                /* NULL: an expression or a detector */
    const char *expression;          /* NULL: a list or a detector */
    const struct detector *detector; /* finds links or contact data by itself, in the original text */
    uint32_t folding;                /* index in the set */
    bool merges;                     /* overlapping matches are one: expressions */
    const struct span *terms;        /* as written; a match names one by its index */
    uint32_t *rules;                 /* that have this leaf */
    size_t rule_count;
};

struct measure;  /* measure.h */
struct detector; /* detector.h */

enum node_kind { NODE_LEAF, NODE_MEASURE, NODE_ANY, NODE_ALL, NODE_NOT };

struct node { /* of a compiled condition */
    enum node_kind kind;
    uint32_t slot;    /* NODE_LEAF */
    uint32_t measure; /* NODE_MEASURE: index in the set */
    const struct node *parts;
    size_t part_count;
};

struct compiled_rule {
    const char *name;
    enum rule_when when;
    enum rule_mode mode;
    enum action action; /* of a scorecard and of a rule with points: flag, it says nothing */
    unsigned rollout;
    struct scope scope;
    uint32_t acts_as;                   /* index of what decides when it holds: itself, or its scorecard */
    int points;                         /* for its scorecard */
    const struct threshold *thresholds; /* of a scorecard, by action; NULL: a rule */
    uint32_t card;                      /* number of a scorecard among the scorecards */
    const char *mask, *replace, *reject_text;
    size_t mask_len;
    int reject_code;
    struct texts then;
    struct node match;
    const uint32_t *leaves; /* by slot */
    size_t leaf_count;
    size_t first_slot;                   /* slots are also numbered through the whole set */
    size_t first_measure, measure_count; /* of the set's measures, those of this rule */
    bool holds_without_match;            /* has to be evaluated for every message */
};

struct pattern_ref { /* of pattern number n of a folding's matcher */
    uint32_t leaf, term;
};

struct set_folding { /* all that is scanned in one pass */
    struct fold_spec spec;
    const char *name;
    struct folding *folding; /* NULL: the base text is all that is needed */
    struct matcher *matcher; /* NULL: nothing to find */
    const struct pattern_ref *patterns;
    struct censored censored;        /* its terms, with FOLD_CENSORED */
    const struct term_proof *proofs; /* by pattern; of expressions empty. NULL without folding */
};

struct ruleset {
    atomic_size_t references;
    uint64_t serial; /* unique in this process */
    uint64_t revision;
    char checksum[RULESET_CHECKSUM];
    struct arena arena;
    const struct compiled_rule *rules;
    size_t rule_count, slot_count; /* rules: scorecards included */
    const uint32_t *scorecards;    /* indices of rules, by number of the scorecard */
    size_t scorecard_count;
    struct texts admins;
    struct leaf *leaves;
    size_t leaf_count, term_count;
    bool any_holds_without_match;
    bool has_detectors;
    struct set_folding *foldings;
    size_t folding_count;
    const struct measure *measures; /* by rule */
    size_t measure_count;
    const struct meter *meters;
    size_t meter_count;
    struct matcher_scratch *scratch; /* fit for all matchers; judges clone it */
};

struct judge;
struct verdict;
struct circumstances;

/* How a message is judged when it is no message of the platform. */
struct judge_options {
    bool any_scope;       /* rules take part whatever their scope */
    const char *enforced; /* name of a rule to be taken as enforced, whatever its mode and rollout */
};
void judge_with(struct judge *j, const struct ruleset *set, const struct message *message,
                const struct circumstances *circumstances, const struct judge_options *options, struct verdict *out);

#endif
