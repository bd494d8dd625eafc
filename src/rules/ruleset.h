/* ruleset.h - rules compiled into one immutable set, shared by all threads.
 *
 * Life: ruleset_compile (slow: off the request path) -> ruleset_ref/unref; the last unref frees. One scan per folding:
 * all terms and expressions of one folding are one vectorscan database. */
#ifndef CHATSLUICE_RULES_RULESET_H
#define CHATSLUICE_RULES_RULESET_H

#include "rules/rule.h"

struct ruleset;

enum { RULESET_CHECKSUM = 65 };

/* Compiles a checked document and runs its examples; a failing example, a term that folds to nothing or an expression
 * vectorscan cannot take is a fault. cache_directory (NULL: none) may hold the serialised databases of an earlier
 * compilation, keyed by content, library version and CPU; they are used and written there. The set copies what it
 * needs from doc.
 *
 * An example is judged by the whole set, as a message of the first app, room, group type, sender, operator and platform
 * of its rule's scope (a glob's * becomes nothing and its ? an "x"; in an app both become digits), in the rule's phase,
 * and as if a rule that is a shadow, or not rolled out to that room, were enforced. Rules whose mode is off take no
 * part, nor do their examples. */
int ruleset_compile(struct ruleset **out, const struct rule_document *doc, uint64_t revision,
                    const char *cache_directory, struct faults *faults);

struct ruleset *ruleset_ref(struct ruleset *set);
void ruleset_unref(struct ruleset *set); /* NULL is fine */

uint64_t ruleset_revision(const struct ruleset *set);
const char *ruleset_checksum(const struct ruleset *set); /* lower-case hex SHA-256 of the canonical document */
size_t ruleset_rule_count(const struct ruleset *set);    /* those that are not off, without scorecards */
size_t ruleset_term_count(const struct ruleset *set);

/* What has to be counted outside of the judge for conditions `repeated` and `rate`; the counts are given to it by index
 * (struct circumstances). Equal meters are one. */
enum meter_kind { METER_REPEATED, METER_RATE };
struct meter {
    enum meter_kind kind;
    struct rate_condition rate;
};
size_t ruleset_meters(const struct ruleset *set, const struct meter **meters);
bool ruleset_wants_earlier(const struct ruleset *set); /* some list has FOLD_SPLIT */

/* The last good set on disk: the canonical document with its revision, so that serve starts without the database.
 * Written to a temporary file, synced, renamed. ruleset_load gives ERR_NOT_FOUND when there is none. */
int ruleset_save(const struct ruleset *set, const struct rule_document *doc, const char *directory, struct err *err);
int ruleset_load(struct ruleset **out, const char *directory, struct err *err);

/* The set in force in this process: swapped atomically, held by each request while it judges. */
struct ruleset_slot;
struct ruleset_slot *ruleset_slot_new(void);
void ruleset_slot_free(struct ruleset_slot *slot);
void ruleset_slot_put(struct ruleset_slot *slot, struct ruleset *set); /* takes a reference of its own */
struct ruleset *ruleset_slot_get(struct ruleset_slot *slot); /* gives a reference, NULL while there is no set */

#endif
