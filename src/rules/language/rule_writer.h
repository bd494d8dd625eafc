/* rule_writer.h - the two forms in which rules are written, canonical JSON and YAML for people, behind the same calls,
 * so that they cannot drift apart; private to the writing. Texts are written so that JSON and YAML readers take them
 * back alike: what a YAML reader would fold, refuse or strip is escaped.
 *
 *     rule_write.c       documents, lists, tables, rules, scorecards
 *     condition_write.c  conditions, scopes
 *     rule_writer.c      the two forms */
#ifndef CHATSLUICE_RULES_LANGUAGE_RULE_WRITER_H
#define CHATSLUICE_RULES_LANGUAGE_RULE_WRITER_H

#include "rules/rule.h"
#include "rules/language/rule_names.h"

struct writer {
    struct buf *out;
    bool yaml;
    unsigned indent;   /* YAML: blanks before the keys of the map being written */
    bool first;        /* of the map or list being written */
    bool inline_first; /* YAML: the next key follows "- " on the same line */
};

void write_text(struct writer *w, struct span text);
void write_key(struct writer *w, const char *key);
void write_text_key(struct writer *w, struct span key); /* one that a person chose */
void write_member(struct writer *w, const char *key, struct span text);
void write_number(struct writer *w, const char *key, int64_t n);
void write_true(struct writer *w, const char *key);
/* Lists of short texts, on one line in both forms. */
void write_texts(struct writer *w, const char *key, const char *const *items, size_t count);
void write_bits(struct writer *w, const char *key, unsigned bits, const struct name_list *names);
/* Nothing for a list without items. */
void write_some(struct writer *w, const char *key, struct texts texts);
/* steps and tables, where they are not the default. */
void write_fold_spec(struct writer *w, const struct fold_spec *spec, unsigned default_steps);

/* Opens a map that is the value of a key just written, or an item of a JSON list. */
struct writer open_map(struct writer *w);
void close_map(struct writer *inner);
/* A list of maps, the value of a key just written, and its item number i, which close_map() ends. */
void open_list(struct writer *w);
struct writer open_item(struct writer *w, size_t i);
void open_text_item(struct writer *w, size_t i); /* the item is a text, written next */
void close_list(struct writer *w);

/* condition_write.c */
void describe_condition(struct writer *w, const struct condition *c);
void describe_scope(struct writer *w, const struct scope *scope);

#endif
