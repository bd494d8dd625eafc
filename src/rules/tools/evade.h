/* evade.h - the ways people write a word so that a list of words does not find it, made for a given word.
 *
 * Each class of evasion is one function and one row of a table in evade.c; the characters come from Unicode's data
 * (evade_letters.h). The same term always gives the same variants, in the same order; within a class each is another
 * text, and none is the term. A class that has nothing to work on (pinyin of a Latin word) makes none.
 *
 * One thread. */
#ifndef CHATSLUICE_RULES_TOOLS_EVADE_H
#define CHATSLUICE_RULES_TOOLS_EVADE_H

#include "rules/rule.h"

enum {
    EVADE_MAX_CHARACTERS = 64, /* of a term */
    EVADE_MAX_VARIANTS = 1000, /* of a class */
};

/* How a variant reaches the judge. */
enum evade_form {
    EVADE_TEXT,     /* as one text */
    EVADE_ELEMENTS, /* as two text elements, cut at `cut` */
    EVADE_MESSAGES, /* as two messages of one sender, cut at `cut` */
    EVADE_ESCAPES,  /* as one text whose characters are JSON escapes in the webhook's body */
};

struct evade_class {
    const char *name;    /* "lookalikes" */
    const char *summary; /* what is done to the word */
    unsigned folding;    /* steps of enum fold_step that undo it; none: the service does that anyway */
};

struct evade_variant {
    const struct evade_class *class;
    enum evade_form form;
    struct span text;
    size_t cut; /* byte */
};

extern const struct evade_class evade_classes[]; /* ended by name NULL */

struct evasions;

/* At most `most` variants of a class. term: valid UTF-8, not empty; ERR_USAGE when it has too many characters. */
int evade_make(struct evasions **out, struct span term, size_t most, struct err *err);
void evade_free(struct evasions *e); /* NULL is fine */
/* All of them, class by class as in evade_classes. Borrowed. */
size_t evade_variants(const struct evasions *e, const struct evade_variant **variants);

/* Adds the body of a Before webhook that carries the variant; not for EVADE_MESSAGES. */
void evade_body(const struct evade_variant *variant, struct buf *out);

#endif
