/* history.h - what senders and rooms did lately, as far as rules ask: how often, how often the same, and the last
 * words.
 *
 * Kept in memory, of this process alone: what another instance saw does not count. Bounded: max_bytes in all, the
 * entries longest unused go first. It is split into shards with a lock each, held for some hundred nanoseconds; nothing
 * is allocated after history_new(). Any thread. */
#ifndef CHATSLUICE_RULES_HISTORY_H
#define CHATSLUICE_RULES_HISTORY_H

#include "rules/judge.h"

struct history;

enum {
    HISTORY_MAX_METERS = 16,    /* of one rule set; more are refused when it is compiled */
    HISTORY_EARLIER_BYTES = 96, /* of `earlier` */
};

/* What one message finds; memory of the caller. */
struct history_facts {
    uint32_t meters[HISTORY_MAX_METERS];
    char earlier[HISTORY_EARLIER_BYTES];
    size_t earlier_len;
};

struct history *history_new(size_t max_bytes); /* NULL: no memory */
void history_free(struct history *h);

/* Counts a Before message and fills what the set's rules ask for; now_ms is any clock that does not go back. Then
 * facts->meters and facts->earlier go into struct circumstances. A set with other meters starts counting anew. */
void history_observe(struct history *h, const struct ruleset *set, const struct message *message, uint64_t sdkappid,
                     int64_t now_ms, struct history_facts *facts);

/* Tells what became of it: rejected and discarded messages empty the buckets of rates with `tighten`. */
void history_verdict(struct history *h, const struct ruleset *set, const struct message *message, uint64_t sdkappid,
                     int64_t now_ms, enum action action);

#endif
