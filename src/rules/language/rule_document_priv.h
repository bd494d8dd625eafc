/* rule_document_priv.h - the inside of a document, shared by rule_document.c (keeps and checks it) and the reader
 * (fills it). */
#ifndef CHATSLUICE_RULES_LANGUAGE_RULE_DOCUMENT_PRIV_H
#define CHATSLUICE_RULES_LANGUAGE_RULE_DOCUMENT_PRIV_H

#include "rules/arena.h"
#include "rules/rule.h"

/* The model first: from it rule_document_source() and its like go back to the entry. */
struct rule_entry {
    struct rule rule;
    const char *source;
};

struct list_entry {
    struct term_list list;
    const char *source;
};

struct table_entry {
    struct fold_table table;
    const char *source;
};

struct scorecard_entry {
    struct scorecard card;
    const char *source;
};

struct rule_document {
    struct arena arena;
    bool trusted; /* see rule_document_trust() */
    const struct rule **rules;
    const struct term_list **lists;
    const struct fold_table **tables;
    const struct scorecard **scorecards;
    const char **admins; /* sorted, each once */
    size_t rule_count, rule_cap, list_count, list_cap, table_count, table_cap, scorecard_count, scorecard_cap,
        admin_count, admin_cap;
};

/* All keep a pointer into the document's arena; running out of memory marks the arena as failed. */
void rule_document_keep_rule(struct rule_document *doc, const struct rule_entry *entry);
void rule_document_keep_list(struct rule_document *doc, const struct list_entry *entry);
void rule_document_keep_table(struct rule_document *doc, const struct table_entry *entry);
void rule_document_keep_scorecard(struct rule_document *doc, const struct scorecard_entry *entry);
void rule_document_keep_admin(struct rule_document *doc, const char *glob);

#endif
