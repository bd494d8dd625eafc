/* rule_document_priv.h - the inside of a document, shared by rule_document.c (keeps and checks it) and rule_read.c
 * (fills it). */
#ifndef CHATSLUICE_RULES_RULE_DOCUMENT_PRIV_H
#define CHATSLUICE_RULES_RULE_DOCUMENT_PRIV_H

#include "rules/arena.h"
#include "rules/rule.h"

struct rule_entry {
    struct rule rule; /* first: rule_document_source() goes back from it */
    const char *source;
};

struct list_entry {
    struct term_list list;
    const char *source;
};

struct rule_document {
    struct arena arena;
    const struct rule **rules;
    const struct term_list **lists;
    size_t rule_count, rule_cap, list_count, list_cap;
};

/* Both keep a pointer to an entry in the document's arena; running out of memory marks the arena as failed. */
void rule_document_keep_rule(struct rule_document *doc, const struct rule_entry *entry);
void rule_document_keep_list(struct rule_document *doc, const struct list_entry *entry);

#endif
