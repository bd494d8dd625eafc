/* probe.h - rule sets made on the spot, to ask what one list, term or expression does by itself.
 *
 * Life: probe_begin -> probe_add_... -> probe_compile, which also gives the memory back. What is added is written as a
 * rule document and compiled like any other, so a probe finds exactly what the engine finds. One thread. */
#ifndef CHATSLUICE_RULES_TOOLS_PROBE_H
#define CHATSLUICE_RULES_TOOLS_PROBE_H

#include "rules/ruleset.h"

struct probe {
    struct buf tables, lists, rules; /* JSON, item by item */
};

/* doc (NULL: none) is where the operator's tables that a folding names are. */
void probe_begin(struct probe *p, const struct rule_document *doc);
/* Each is found by a rule of its own, which flags. `name` is that rule's name and the list's. A probe without a rule
 * cannot be compiled. */
void probe_add_list(struct probe *p, const char *name, const struct term_list *list);
void probe_add_expression(struct probe *p, const char *name, const char *expression, const struct fold_spec *folding);
/* 0, or ERR_USAGE with the compiler's first words: a folding that leaves nothing of a term, for example. */
int probe_compile(struct ruleset **out, struct probe *p, struct err *err);

/* The same for one term. */
int probe_term(struct ruleset **out, const struct rule_document *doc, struct span term, const struct fold_spec *folding,
               enum term_boundary boundary, struct err *err);

#endif
