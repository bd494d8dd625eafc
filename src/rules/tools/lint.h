/* lint.h - what is odd about a rule document though it is right: terms that add nothing, rules that cannot hold, words
 * that punish the innocent.
 *
 * Everything about terms is found out by judging texts with rule sets made on the spot, so folding and boundaries count
 * exactly as they do for messages. Cost: a compilation of all lists and a few microseconds for each term and text. */
#ifndef CHATSLUICE_RULES_TOOLS_LINT_H
#define CHATSLUICE_RULES_TOOLS_LINT_H

#include "rules/ruleset.h"

/* In order of importance; lint_weight() tells where it changes. */
enum lint_kind {
    LINT_NEVER_HOLDS,    /* a rule whose condition or scope contradicts itself */
    LINT_ALWAYS_HOLDS,   /* a rule whose condition no message fails */
    LINT_HITS_MOST,      /* an expression, or a rule without hits, that takes more than half of the harmless texts */
    LINT_HITS_HARMLESS,  /* a term or expression that hits harmless texts */
    LINT_HITS_ONE_CHAR,  /* an expression that matches a text of one character */
    LINT_ALLOWS_NOTHING, /* an allow rule none of whose terms holds what another rule finds */
    LINT_UNUSED_LIST,    /* no rule names it */
    LINT_UNUSED_TABLE,
    LINT_DUPLICATE,        /* a term that another term of the list finds already */
    LINT_DUPLICATE_ACROSS, /* ... of another list of the same rule */
    LINT_COVERED,          /* a term that holds a shorter one of its list: it only masks more */
    LINT_ALLOW_TERM,       /* a term of an allow rule that holds nothing another rule finds */
    LINT_NEVER_HIT,        /* in the traffic looked at */
    LINT_KINDS,
};

enum lint_weight { LINT_FAULT, LINT_WARNING, LINT_NOTE };

const char *lint_kind_name(enum lint_kind kind); /* "never_holds" */
enum lint_weight lint_weight(enum lint_kind kind);
const char *lint_weight_name(enum lint_weight weight); /* "fault" "warning" "note" */

/* Names and texts are borrowed from the document and the options. */
struct lint_finding {
    enum lint_kind kind;
    const char *rule, *list; /* NULL: not about one */
    struct span term;        /* or expression; data NULL: not about one */
    const char *other_list;  /* of `other`, when it is not `list` */
    struct span other;       /* the term that makes it needless, or a harmless text it hits; data NULL: none */
    uint64_t hits, of;       /* harmless texts hit, of how many */
    bool by_folding;         /* LINT_HITS_HARMLESS: the text holds no such word, but one the folding makes equal */
    const char *why;         /* LINT_NEVER_HOLDS: what contradicts; static */
    const char *source;
    struct place place;
};

struct lint_hits {    /* of a term or expression in stored traffic */
    const char *list; /* NULL: an expression */
    struct span term;
    uint64_t hits;
};

struct lint_options {
    const struct span *harmless; /* a lexicon of texts that should pass */
    size_t harmless_count;
    const struct lint_hits *traffic; /* by list (NULL first), term; each once */
    size_t traffic_count;
    bool has_traffic; /* whether it was looked at: without, nothing is said of terms never hit */
};

struct lint;

/* doc is checked and set compiled from it; all must live as long as the result. 0, or ERR_FAILED. */
int lint_run(struct lint **out, const struct rule_document *doc, const struct ruleset *set,
             const struct lint_options *options, struct err *err);
void lint_free(struct lint *lint); /* NULL is fine */
/* By importance, then hits, then names. */
size_t lint_findings(const struct lint *lint, const struct lint_finding **findings);

uint64_t lint_traffic_of(const struct lint_options *options, const char *list, struct span term);

/* A sentence for people, without the place and without an end of line. */
void lint_text(const struct lint_finding *finding, struct buf *out);

#endif
