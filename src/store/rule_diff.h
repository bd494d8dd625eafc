/* rule_diff.h - what one rule document changes against another: rules, lists, scorecards and so on added, removed,
 * changed, and terms by the number. Meaning counts, not how it was written: order, defaults written out and repetitions
 * make no difference.
 */
#ifndef CHATSLUICE_STORE_RULE_DIFF_H
#define CHATSLUICE_STORE_RULE_DIFF_H

#include "rules/rule.h"

enum change { CHANGE_NONE, CHANGE_ADDED, CHANGE_REMOVED, CHANGE_CHANGED };
const char *change_name(enum change c); /* "added" ... */

struct rule_change {
    const char *name;
    enum change change;
    bool was_enforced, is_enforced;
};

struct list_change {
    const char *name;
    enum change change;
    size_t terms_before, terms_after; /* each term once */
    size_t terms_added, terms_removed;
};

/* A scorecard, a table of a folding, or the admins, who are taken as a whole and have no name. */
struct other_change {
    enum other_kind { OTHER_SCORECARD, OTHER_TABLE, OTHER_ADMINS } kind;
    const char *name;
    enum change change; /* never CHANGE_NONE */
};

/* By name, unchanged ones included. Names are borrowed from the two documents. */
struct rule_diff {
    struct rule_change *rules;
    size_t rule_count;
    struct list_change *lists;
    size_t list_count;
    struct other_change *others;
    size_t other_count;
    size_t terms_added, terms_removed; /* over all lists */
};

/* before may be NULL: nothing. ERR_FAILED: out of memory. */
int rule_diff_make(struct rule_diff *out, const struct rule_document *before, const struct rule_document *after,
                   struct err *err);
void rule_diff_release(struct rule_diff *diff);

/* {"rules":[{"rule":..,"change":..}],"lists":[{"list":..,"change":..,"terms_added":..,"terms_removed":..}],
 * "others":[{"kind":"scorecard","name":..,"change":..}],"terms_added":..,"terms_removed":..}; what is unchanged is left
 * out. */
void rule_diff_json(const struct rule_diff *diff, struct buf *out);
/* One line a change, each after indent; nothing when there is none. */
void rule_diff_text(const struct rule_diff *diff, const char *indent, struct buf *out);

#endif
