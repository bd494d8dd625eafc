/* rule.h - rules and term lists as people write them: the model shared by YAML files, the database and the compiler.
 *
 * A rule file is a YAML list of entries; an entry starts with `rule: NAME` or `list: NAME`:
 *
 *     - list: contact-words
 *       folding: [case, invisible]     # default: both
 *       boundary: script               # script | any | word; default script: Latin words match whole, Chinese anywhere
 *       terms: [wechat, "加微信"]
 *     - rule: contact
 *       when: before                   # before | after | both (default)
 *       mode: enforce                  # enforce | shadow | off
 *       scope: { groups: [..], except_groups: [..], senders: [..], except_senders: [..] }   # globs: * and ?
 *       match: { any: [ {terms: contact-words}, {regex: '..', folding: [..]} ] }             # any | all | not, nested
 *       action: mask                   # allow | flag | mask | replace | reject | discard
 *       mask: "*"                      # the character that stands for each masked one
 *       replace: "..."                 # replace: the whole text becomes this
 *       reject_code: 10121             # 1 (default) or 10100..10200; also of a mask or replacement that cannot be made
 *       reject_text: "..."             # what the sender reads, with a code of 10100 and more
 *       then: []                       # follow-ups for the outbox: resend, recall, mute 10m
 *       note: "..."
 *       examples: [ { text: "..", verdict: mask, becomes: ".." } ]   # run before a revision is published
 *
 * A regex is matched on the original text unless it names a folding; it then sees the folded text, so with "case" it is
 * written in lower case. What expressions can and cannot do stands in matcher.h.
 *
 * The same as one JSON object {"lists":[..],"rules":[..]} is the document of a revision: canonical (rule_document_write
 * gives the same bytes for the same meaning), so its checksum names the set. */
#ifndef CHATSLUICE_RULES_RULE_H
#define CHATSLUICE_RULES_RULE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/faults.h"
#include "rules/verdict.h"

enum fold_step { /* a set of bits */
                 FOLD_NONE = 0,
                 FOLD_CASE = 1 << 0,      /* "case": NFKC casefold: case, width, compatibility forms */
                 FOLD_INVISIBLE = 1 << 1, /* "invisible": zero-width, bidi marks and other default-ignorables dropped */
};

enum rule_when { WHEN_BEFORE = 1, WHEN_AFTER = 2, WHEN_BOTH = 3 };
enum rule_mode { MODE_ENFORCE, MODE_SHADOW, MODE_OFF };
enum term_boundary { BOUNDARY_SCRIPT, BOUNDARY_ANY, BOUNDARY_WORD };

struct place { /* where a person wrote it */
    unsigned line, column;
};

struct term_list {
    const char *name;
    unsigned folding;
    enum term_boundary boundary;
    const struct span *terms;
    size_t term_count;
    struct place place;
};

enum condition_kind { CONDITION_TERMS, CONDITION_REGEX, CONDITION_ANY, CONDITION_ALL, CONDITION_NOT };

struct condition {
    enum condition_kind kind;
    const char *text;               /* list name or expression */
    unsigned folding;               /* of a regex */
    struct condition *const *parts; /* any, all, not (one) */
    size_t part_count;
    struct place place;
};

struct example {
    struct span text;
    enum action verdict;
    bool has_becomes;
    struct span becomes;
    struct place place;
};

struct texts {
    const char *const *items;
    size_t count;
};

struct rule {
    const char *name;
    enum rule_when when;
    enum rule_mode mode;
    struct texts groups, except_groups, senders, except_senders;
    const struct condition *match;
    enum action action;
    const char *mask, *replace, *reject_text, *note;
    int reject_code;
    struct texts then;
    const struct example *examples;
    size_t example_count;
    struct place place;
};

/* Everything of one or several files; owns all it points to. */
struct rule_document;

struct rule_document *rule_document_new(void);
void rule_document_free(struct rule_document *doc); /* NULL is fine */

/* Reads a rule file, or the JSON object of a revision, into doc beside what is there. Every fault (unknown key with a
 * suggestion, wrong kind, duplicate name, missing list, bad code...) goes to *faults as file:line:column. 0, or
 * ERR_USAGE if there was any. rule_document_check() looks at what only the whole can show: lists that no file defines,
 * duplicate names over files. */
int rule_document_read_file(struct rule_document *doc, const char *path, struct faults *faults);
int rule_document_read_text(struct rule_document *doc, const char *source, struct span text, struct faults *faults);
int rule_document_check(const struct rule_document *doc, struct faults *faults);

size_t rule_document_rules(const struct rule_document *doc, const struct rule *const **rules);
size_t rule_document_lists(const struct rule_document *doc, const struct term_list *const **lists);
const char *rule_document_source(const struct rule_document *doc, const struct rule *rule); /* its file */

/* Canonical JSON: lists and rules by name, keys in fixed order, terms sorted, defaults left out. */
void rule_document_write_json(const struct rule_document *doc, struct buf *out);
void rule_write_json(const struct rule *rule, struct buf *out); /* the object of one rule, "rule" first */
void term_list_write_json(const struct term_list *list, bool with_terms, struct buf *out);
/* YAML that rule_document_read_* takes back to the same canonical JSON. */
void rule_document_write_yaml(const struct rule_document *doc, struct buf *out);

#endif
