/* fault_plan.h - which faults hit which call or webhook, decided by the seed.
 *
 * Every REST command and every webhook counts what happens to them; whether fault number i hits the n-th call of a
 * command is a keyed hash of the seed, i, the command's name and n. So the same seed and the same faults hit the same
 * calls again, whatever the threads do; n counts from 1 since the faults were set.
 * Of several faults that spoil one answer the first in the list does; everything else adds up.
 * Threads: any. A NULL plan holds no faults. */
#ifndef CHATSLUICE_SIM_FAULT_PLAN_H
#define CHATSLUICE_SIM_FAULT_PLAN_H

#include "sim/fault_spec.h"
#include "wire/message.h"

enum { FAULTS_MAX = 64 };

struct fault_plan;

/* webhook_url: NULL or where webhooks go, which decides whether they can be written slowly. NULL: no memory. */
struct fault_plan *fault_plan_new(uint64_t seed, const char *webhook_url);
void fault_plan_free(struct fault_plan *plan); /* NULL is fine */

/* Replaces all faults and begins to count anew. On failure those that were there stay. */
int fault_plan_set(struct fault_plan *plan, const struct fault_spec *specs, size_t count, struct err *err);

/* What happens to one REST call. */
struct rest_faults {
    enum fault_kind spoils; /* FAULT_CODE ... FAULT_OVERSIZED; FAULT_KINDS: the answer leaves as it is */
    int64_t value;          /* of that */
    int64_t delay_ms;
    bool over_limit; /* FAULT_FREQUENCY */
};
struct rest_faults fault_plan_rest(struct fault_plan *plan, size_t command);

/* What happens to one webhook. */
struct webhook_faults {
    bool lost, duplicate, string_event_time;
    int64_t delay_ms, duplicate_ms, slow_ms;
    unsigned left_out; /* bits of enum webhook_part */
};
/* command is COMMAND_BEFORE, COMMAND_AFTER or COMMAND_RECALL. */
struct webhook_faults fault_plan_webhook(struct fault_plan *plan, enum command command);

/* Sleeps, until fault_plan_stop() at the longest. */
void fault_plan_sleep(struct fault_plan *plan, int64_t ms);
/* Nobody sleeps any more. */
void fault_plan_stop(struct fault_plan *plan);

/* Adds the members "seed" and "faults" of a JSON object: each fault, what it was tried on and how often it hit. */
void fault_plan_list(struct fault_plan *plan, struct buf *out);
/* Adds {"code":n,...}: how often each kind hit since the start or the last reset. */
void fault_plan_count(struct fault_plan *plan, struct buf *out);
void fault_plan_count_reset(struct fault_plan *plan);

#endif
