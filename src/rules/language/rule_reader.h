/* rule_reader.h - how rule files are read; private to the reading.
 *
 *     rule_read.c       files, documents, rules
 *     scorecard_read.c  scorecards, and what rules and scorecards do with a message
 *     scope_read.c      scopes
 *     list_read.c       lists, tables, admins
 *     condition_read.c  conditions
 *     rule_reader.c     the values all of them are made of: names, texts, words, numbers, durations
 *
 * Every map has its keys and their readers in a table (static const struct key NAME_keys[]; a test compares these
 * tables with the JSON Schema). A fault never stops the reading, so that all of them are reported at once. */
#ifndef CHATSLUICE_RULES_LANGUAGE_RULE_READER_H
#define CHATSLUICE_RULES_LANGUAGE_RULE_READER_H

#include "base/yaml.h"
#include "rules/folding/fold.h"
#include "rules/language/rule_document_priv.h"
#include "rules/language/rule_names.h"

enum {
    RULE_MAX_NAME = 64,
    RULE_MAX_TEXT = 4096, /* replace, note, the text of an example, a glob */
    RULE_MAX_MASK = 32,   /* bytes of one user-visible character */
    RULE_MAX_KEYS = 24,   /* of one map */
};

enum { READER_TRY_MOST = 32 };

struct reader {
    struct rule_document *doc;
    struct arena *arena;
    const char *source; /* owned by the document */
    struct faults *faults;
    const char *kind, *name; /* of the entry being read: rule "x"; NULL outside of entries */
    struct folded folded;    /* scratch, to see what a term folds to */
    /* The first expressions without a fault: vectorscan compiles them only when the file has none. */
    const struct yaml_node *expressions[READER_TRY_MOST];
    size_t expression_count;
};

/* Both say where, and in which entry when the words do not already name it. */
void reader_fault(struct reader *r, const struct yaml_node *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void reader_warn(struct reader *r, const struct yaml_node *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static inline struct place place_of(const struct yaml_node *node)
{
    return (struct place){node->line, node->column};
}

/* How a reader of one key is told where to put what it reads. */
typedef void (*key_reader)(struct reader *r, const struct yaml_node *value, void *into);

struct key {
    const char *name;
    key_reader read;
};

#define KEYS(table) table, sizeof(table) / sizeof(*table)

/* Reads each key of map by its reader; what names the thing the map describes. False when it is no map. */
bool read_map(struct reader *r, const struct yaml_node *map, const char *what, const struct key *keys, size_t count,
              void *into);

/* A text of 1..max bytes without control characters other than line feed and tab; NULL after a fault. */
const char *read_text(struct reader *r, const struct yaml_node *node, const char *what, size_t max);
const char *read_name(struct reader *r, const struct yaml_node *node, const char *what);

/* One word out of a list of names; returns its index, or -1 after a fault. */
int read_word(struct reader *r, const struct yaml_node *node, const char *what, const struct name_list *names);
/* A list of words, or one alone, as bits 1 << index; 0 after a fault. */
unsigned read_words(struct reader *r, const struct yaml_node *node, const char *what, const struct name_list *names);

/* Reads each item of a list; one value that is no list stands for a list of one. */
typedef const char *(*item_reader)(struct reader *r, const struct yaml_node *item, const char *what);
/* The texts stand in the order of the file, or, when it has no meaning, sorted and each once. */
struct texts read_items(struct reader *r, const struct yaml_node *node, const char *what, item_reader read);
struct texts read_sorted(struct reader *r, const struct yaml_node *node, const char *what, item_reader read);
const char *read_line(struct reader *r, const struct yaml_node *item, const char *what); /* text without line ends */

/* A whole number least..most; false after a fault. */
bool read_number(struct reader *r, const struct yaml_node *node, const char *what, int64_t least, int64_t most,
                 int64_t *out);
/* yes/no, true/false; false after a fault. */
bool read_bool(struct reader *r, const struct yaml_node *node, const char *what, bool *out);
/* A number with its unit, ms, s, m or h, that is least_ms..most_ms; shown says both bounds in the message. */
bool read_duration(struct reader *r, const struct yaml_node *node, const char *what, int64_t least_ms, int64_t most_ms,
                   const char *shown, int64_t *out_ms);

void read_folding(struct reader *r, const struct yaml_node *node, unsigned *steps);
struct texts read_table_names(struct reader *r, const struct yaml_node *node);

/* Entries */
void read_list(struct reader *r, const struct yaml_node *node);
void read_table(struct reader *r, const struct yaml_node *node);
void read_admins(struct reader *r, const struct yaml_node *globs);
void read_rule(struct reader *r, const struct yaml_node *node);
void read_scorecard(struct reader *r, const struct yaml_node *node);

/* Parts */
struct condition *read_condition(struct reader *r, const struct yaml_node *node); /* NULL after a fault */
void read_scope(struct reader *r, const struct yaml_node *node, struct scope *scope);

/* What rules and scorecards say alike: mask, replace, reject_code, reject_text, then, note. */
struct effect {
    const char *mask, *replace, *reject_text, *note;
    int reject_code;
    struct texts then;
};
#define EFFECT_DEFAULT ((struct effect){.mask = "*", .reject_code = REPLY_REJECT})

void effect_mask(struct reader *r, const struct yaml_node *node, struct effect *effect);
void effect_replace(struct reader *r, const struct yaml_node *node, struct effect *effect);
void effect_reject_code(struct reader *r, const struct yaml_node *node, struct effect *effect);
void effect_reject_text(struct reader *r, const struct yaml_node *node, struct effect *effect);
void effect_then(struct reader *r, const struct yaml_node *node, struct effect *effect);
void effect_note(struct reader *r, const struct yaml_node *node, struct effect *effect);
/* What of it goes with the actions (bits 1 << enum action) that the entry can take; where says how to have one. */
void effect_check(struct reader *r, const struct yaml_node *entry, const struct effect *effect, unsigned actions,
                  const char *where);

#endif
