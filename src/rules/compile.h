/* compile.h - a checked document becomes a set; private to rules. ruleset_compile() runs the steps in this order. */
#ifndef CHATSLUICE_RULES_COMPILE_H
#define CHATSLUICE_RULES_COMPILE_H

#include "rules/ruleset_priv.h"

struct leaf_origin {                  /* where a leaf came from */
    const struct term_list *list;     /* NULL: an expression or a detector */
    const struct condition *detected; /* of a detector */
    const char *source;               /* of the first condition that names it, for faults */
    struct place place;
};

struct compiler {
    struct ruleset *set;
    struct arena *arena;
    const struct rule_document *doc;
    struct faults *faults;
    const struct term_list *const *lists;
    size_t list_count;
    struct leaf *leaves;
    struct leaf_origin *origins; /* one for each leaf */
    size_t leaf_count, leaf_cap, origin_cap;
    struct measure *measures;
    size_t measure_count, measure_cap;
    struct meter *meters;
    size_t meter_count, meter_cap;
    /* of the rule being compiled */
    const char *source;
    uint32_t *slots;
    size_t slot_count, slot_cap;
};

/* compile_rules.c: rules and conditions; collects the leaves and tells each which rules have it. */
void compile_rules(struct compiler *c);
/* compile_terms.c: the foldings the leaves ask for, and one matcher of all leaves of each. */
void compile_foldings(struct compiler *c, const char *cache_directory);
/* examples.c: judges the examples by the set just made. */
void run_examples(struct compiler *c);

#endif
