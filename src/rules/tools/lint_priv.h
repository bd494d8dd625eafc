/* lint_priv.h - the inside of a lint; private to lint*.c. */
#ifndef CHATSLUICE_RULES_TOOLS_LINT_PRIV_H
#define CHATSLUICE_RULES_TOOLS_LINT_PRIV_H

#include "rules/judge.h"
#include "rules/tools/lint.h"

struct lint {
    const struct rule_document *doc;
    const struct ruleset *set;
    const struct lint_options *options;
    struct judge *judge;
    struct ruleset *probe; /* of all lists, each by itself; findings borrow from it */
    bool any_after;        /* some rule looks at After webhooks alone */
    struct lint_finding *findings;
    size_t count, cap;
    bool failed; /* memory ran out, or err says what else */
    struct err err;
};

void lint_add(struct lint *l, const struct lint_finding *finding);
struct lint_finding lint_about_rule(const struct lint *l, enum lint_kind kind, const struct rule *rule);
struct lint_finding lint_about_list(enum lint_kind kind, const struct term_list *list);

/* Judges a text by the set as a Before message and, when some rule looks at those alone, as an After one; rules take
 * part whatever their scope. found() is called for each verdict. */
void lint_judge(struct lint *l, struct span text, void (*found)(struct lint *l, const struct verdict *v, void *arg),
                void *arg);

/* The lists each of which is enough to make the rule hold: those reached through `any` alone. Calls with each. */
void lint_each_list(const struct condition *c, void (*with)(const char *list, void *arg), void *arg);

/* lint_terms.c: duplicates, covered terms, terms never hit. */
void lint_terms(struct lint *l);
/* lint_rules.c: rules that never or always hold, lists and tables nobody uses, allow rules. */
void lint_rules(struct lint *l);
/* lint_harmless.c: what the lexicon and texts of one character are hit by. */
void lint_harmless(struct lint *l);

#endif
