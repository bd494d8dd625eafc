/* why_judge.h - a stored event judged again, by the rules of then or of now; private to rules_why.c. */
#ifndef CHATSLUICE_CLI_WHY_JUDGE_H
#define CHATSLUICE_CLI_WHY_JUDGE_H

#include "cli/rules_pick.h"
#include "rules/history.h"
#include "rules/judge.h"
#include "store/evidence.h"

/* One verdict and what judged it; borrowed from its judge. */
struct rejudgement {
    struct judge *judge;
    uint32_t meters[HISTORY_MAX_METERS];
    struct circumstances circumstances;
    struct verdict verdict;
    enum action action; /* as it would be answered: a rewrite that cannot be made in the body becomes reject */
    int error_code;
};

/* message is what callback_parse() made of e->raw, set NULL for no rules; earlier: by evidence_earlier(). How often the
 * event's sender and room had spoken is not stored: whether rates and repetitions held is taken from the hits recorded.
 * False when memory ran out. */
bool why_judge(struct rejudgement *out, const struct evidence *e, struct span earlier, const struct message *message,
               const struct ruleset *set);
void why_release(struct rejudgement *r);

/* In which points the answer differs from the recorded one; hits are compared by the database. An event that was
 * decided by a deadline or an overload is compared by its hits and rule alone: rules had no say in the rest. */
enum why_difference { WHY_VERDICT, WHY_RULE, WHY_CODE, WHY_REWRITTEN, WHY_HITS, WHY_DIFFERENCES };
extern const char *const why_difference_names[WHY_DIFFERENCES];
int why_compare(struct db *db, const struct evidence *e, const struct message *message, const struct rejudgement *r,
                bool differs[WHY_DIFFERENCES], struct err *err);
/* Our own corrected message: let through by its marker, so there is nothing to judge again. */
bool why_is_correction(const struct evidence *e);
/* It came with a marker of ours, accepted or not: whatever the rules said, it has no follow-ups. */
bool why_marker_is_true(const struct evidence *e);
/* The event's answer was not the rules' own. */
bool why_decided_otherwise(const struct evidence *e);

/* Why hit number `at` did not decide: "" when it did. */
void why_reason(struct buf *out, const struct rule_document *doc, const struct verdict *v, size_t at);

/* Calls with every rule that would have had a hit, but whose scope or phase leaves the message out. */
void why_each_outside(const struct rejudgement *r, const struct message *message, const struct picked_rules *rules,
                      void (*outside)(const struct rule *rule, const char *reason, void *arg), void *arg);

#endif
