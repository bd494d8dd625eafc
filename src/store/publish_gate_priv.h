/* publish_gate_priv.h - private to the gate: its steps, each a file. A step sets outcome, summary and details of its
 * place in the report and adds to faults and overrides. */
#ifndef CHATSLUICE_STORE_PUBLISH_GATE_PRIV_H
#define CHATSLUICE_STORE_PUBLISH_GATE_PRIV_H

#include "store/publish_gate.h"

int gate_shrink(struct gate_report *report, const struct gate_options *options, const struct gate_sets *sets,
                struct err *err);
int gate_lexicon(struct gate_report *report, const struct gate_options *options, const struct gate_sets *sets,
                 struct err *err);
int gate_canary(struct gate_report *report, const struct gate_options *options, const struct gate_sets *sets,
                struct db *db, struct err *err);

/* Adds `name` and, when not NULL, ":" and `what` to the overrides. */
void gate_override(struct gate_report *report, const char *name, const char *what);
/* Skips a step and says why. */
void gate_skip(struct gate_report *report, enum gate_step_id id, const char *why);

/* Whether part is more than percent (or per mille, by `of`) of whole; nothing is more than anything of nothing. */
static inline bool gate_exceeds(uint64_t part, uint64_t whole, uint64_t share, uint64_t of)
{
    return part * of > share * whole;
}

#endif
