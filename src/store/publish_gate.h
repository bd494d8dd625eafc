/* publish_gate.h - what a rule set has to pass before it is published:
 *
 *     compile   all of it compiles and its examples come out as they say
 *     shrink    no list and no enforced rules got lost against the set in force (gate_shrink.c)
 *     lexicon   no term hits too much of a lexicon of harmless texts (gate_lexicon.c); warns unless strict
 *     canary    the newest stored events are answered as before, but for a small share (gate_canary.c)
 *
 * Each step says its outcome, for people and as JSON; what refuses goes to the report's faults, of all steps that could
 * run. One thread for each report; the canary starts threads of its own and ends them. */
#ifndef CHATSLUICE_STORE_PUBLISH_GATE_H
#define CHATSLUICE_STORE_PUBLISH_GATE_H

#include "rules/ruleset.h"
#include "store/db.h"

enum gate_step_id { GATE_COMPILE, GATE_SHRINK, GATE_LEXICON, GATE_CANARY, GATE_STEPS };

enum gate_outcome {
    GATE_SKIPPED, /* it is off, there is nothing to compare with, or an earlier step made it impossible */
    GATE_PASSED,
    GATE_WARNED,     /* passed, with something to look at */
    GATE_OVERRIDDEN, /* would refuse, but the publisher allows it */
    GATE_REFUSED,
};
const char *gate_step_name(enum gate_step_id id);
const char *gate_outcome_name(enum gate_outcome o);

struct gate_options {
    uint64_t max_shrink_percent, max_benign_per_mille, max_changed_percent;
    uint64_t canary_events;                /* 0: no canary */
    unsigned canary_threads;               /* 0: as many as there are processors, to a bound */
    bool allow_shrink;                     /* of all lists and of the rules */
    const char *const *allow_shrink_lists; /* of these lists alone */
    size_t allow_shrink_count;
    bool allow_changes;
    bool strict;                                               /* warnings refuse */
    struct span lexicon;                                       /* as lexicon.h reads it; data NULL: none */
    void (*progress)(uint64_t judged, uint64_t of, void *arg); /* of the canary; NULL: nobody cares */
    void *progress_arg;
};

struct gate_step {
    enum gate_outcome outcome;
    struct buf summary; /* for people: one line, without its end */
    struct buf details; /* JSON members of this step's object, "" for none */
};

struct gate_report {
    struct gate_step steps[GATE_STEPS];
    struct faults faults; /* refusals, and warnings */
    struct buf overrides; /* JSON array of what was allowed: "shrink", "shrink:LIST", "changes" */
    bool canary_ran;
    uint64_t canary_judged, canary_changed;
};

/* What is to be published, and what is in force: set and document NULL, revision 0 when nothing is. */
struct gate_sets {
    const struct rule_document *candidate, *in_force;
    const struct ruleset *candidate_set;
    uint64_t revision;
};

void gate_report_init(struct gate_report *report);
void gate_report_release(struct gate_report *report);
void gate_report_reset(struct gate_report *report); /* as after init */

/* Notes the outcome of compiling: the compiler's faults are in report->faults already. */
void gate_compiled(struct gate_report *report, const struct ruleset *set);
/* The steps after it, as far as they can run. sets->candidate_set may be NULL: then only the documents are compared;
 * candidate NULL: nothing is. db is read for the canary, in the transaction that is open. 0 also when a step refuses
 * (gate_refused tells); negative when one could not be carried out. */
int gate_run(struct gate_report *report, const struct gate_options *options, const struct gate_sets *sets,
             struct db *db, struct err *err);
bool gate_refused(const struct gate_report *report);

/* {"compile":{"outcome":"passed",...},"shrink":{...},"lexicon":{...},"canary":{...}} */
void gate_report_json(const struct gate_report *report, struct buf *out);

#endif
