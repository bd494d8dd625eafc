/* history.h - what senders and rooms did lately, as far as rules ask: how often, how often the same, and the last
 * words.
 *
 * Kept in memory, of this process alone: what another instance saw does not count. Bounded: max_bytes in all. An entry
 * has its place among eight by a keyed hash, so that nobody can aim at a place; when all eight are taken, the one
 * longest unused goes. Split into shards with a lock each, held for some hundred nanoseconds; nothing is allocated
 * after history_new(). Any thread.
 *
 * Rates: a bucket of `times` messages, refilled evenly within the time. Messages that find it empty are counted beyond
 * it, up to twice its size, as are the `tighten` of rejected and discarded ones: who goes on flooding stays flooded
 * out, and who stops is back to a full bucket after twice the time at most. The platform lets 40 messages a second into
 * one room, whatever its type, and drops the rest, though not before they were asked about here: `by: room` counts them
 * too, and a rate that takes more than 40 a second to empty its bucket is seldom reached (reading such a rule warns).
 *
 * Repetitions: the same text after FOLD_BASE, without blanks; messages without text count as none. They are counted in
 * sixteenths of the time: one that lies further back than fifteen of them may be forgotten already.
 *
 * Earlier words: of the last messages of a sender in a room that were not rejected or discarded, HISTORY_EARLIER_MS
 * back. One that does not fit ends what came before it.
 *
 * What is not known (a message without sender or room) is not counted. When the set changes, meters that are equal go
 * on counting. */
#ifndef CHATSLUICE_RULES_HISTORY_H
#define CHATSLUICE_RULES_HISTORY_H

#include "rules/folding/fold.h"
#include "rules/judge.h"

struct history;

enum {
    HISTORY_MAX_METERS = 16,       /* of one rule set; more are refused when it is compiled */
    HISTORY_EARLIER_BYTES = 96,    /* of `earlier`: of a longer message its end */
    HISTORY_EARLIER_MESSAGES = 16, /* that make it up */
    HISTORY_EARLIER_MS = 60 * 1000,
    HISTORY_LEAST_BYTES = 1024 * 1024,
};

/* What one message finds; memory of the caller, zeroed at first and kept from message to message. */
struct history_facts {
    uint32_t meters[HISTORY_MAX_METERS];
    char earlier[HISTORY_EARLIER_BYTES];
    size_t earlier_len;
    struct folded folded; /* scratch */
};
void history_facts_release(struct history_facts *facts);

struct history *history_new(size_t max_bytes); /* HISTORY_LEAST_BYTES and more; NULL: no memory */
void history_free(struct history *h);          /* NULL is fine */

/* Counts a Before message and fills what the set's rules ask for; now_ms is any clock that does not go back. Then
 * facts->meters and facts->earlier go into struct circumstances. Any other message is not counted, but finds the counts
 * as they stand, without earlier words. set: NULL for none. */
void history_observe(struct history *h, const struct ruleset *set, const struct message *message, uint64_t sdkappid,
                     int64_t now_ms, struct history_facts *facts);

/* Tells what became of a Before message: rejected and discarded ones empty the buckets of rates with `tighten`, others
 * become earlier words. */
void history_verdict(struct history *h, const struct ruleset *set, const struct message *message, uint64_t sdkappid,
                     int64_t now_ms, enum action action);

#endif
