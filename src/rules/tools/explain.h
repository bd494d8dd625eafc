/* explain.h - why a term or an expression matched: which steps of its folding it took, and what they made of the text.
 *
 * A hit is looked for again with fewer and fewer steps, the most far-reaching left out first; those without which it is
 * not found are the ones that made it. It costs some compilations of a single term: for people who ask, not for the
 * reply path. One thread. */
#ifndef CHATSLUICE_RULES_TOOLS_EXPLAIN_H
#define CHATSLUICE_RULES_TOOLS_EXPLAIN_H

#include "rules/judge.h"

enum { EXPLAIN_STAGES = 18 }; /* escapes, the operator's tables and every step */

/* The surroundings of the hit after one more step. */
struct explain_stage {
    const char *step; /* "case" ...; "tables": the operator's; "escapes": JSON's, resolved; static */
    struct buf text;
};

struct explanation {
    bool found; /* false: the rules as given do not make this hit, or its list is not among them; nothing else is set */
    bool detected;     /* links and contact data: found without a folding, by detectors of their own; no stages */
    struct span plain; /* the surroundings as they are; borrowed from the field */
    struct explain_stage stages[EXPLAIN_STAGES]; /* of the steps it took, in their order */
    size_t stage_count;
    struct buf unescaped; /* plain, as its reader sees it */
};

/* message is the one judged, its text valid UTF-8. Fills *out, which is to be released in any case. A measure is not
 * found. 0, or ERR_FAILED: out of memory. */
int explain_hit(struct explanation *out, const struct rule_document *doc, const struct hit *hit,
                const struct message *message, const struct circumstances *circumstances, struct err *err);
void explanation_release(struct explanation *e);

/* The list, or the folding of the expression, that a hit came from; NULL when the document has no such. */
const struct term_list *rule_document_find_list(const struct rule_document *doc, const char *name);
const struct rule *rule_document_find_rule(const struct rule_document *doc, const char *name);
const struct condition *rule_find_expression(const struct rule *rule, struct span expression);

#endif
