/* dedupe.h - which values of Random a group saw in the last five minutes: two messages of send_group_msg with the same
 * one are the same message, and the second is discarded (`protocol.md` section 9.2).
 *
 * A call claims its Random before anything else happens to the message, so that of two calls at the same time one only
 * goes on; then it either settles it, with what the message became, or gives it back because there is no message.
 * Bounded: the API's 200 calls a second are DEDUPE_MAX in five minutes. Not locked: its owner does that. Times are
 * clock_mono_us(). */
#ifndef CHATSLUICE_SIM_DEDUPE_H
#define CHATSLUICE_SIM_DEDUPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEDUPE_WINDOW_S = 300, DEDUPE_MAX = 200 * DEDUPE_WINDOW_S + 200 };

struct dedupe_entry {
    uint32_t random, msg_seq; /* msg_seq is 0 until settled */
    int64_t claimed_us, msg_time_s;
    bool given_back;
};

struct dedupe { /* {0} is an empty one; the entries are a ring, oldest first */
    struct dedupe_entry *entries;
    size_t size, first, count;
};

void dedupe_release(struct dedupe *d);

enum dedupe_claim { DEDUPE_FIRST, DEDUPE_AGAIN, DEDUPE_FULL /* or no memory */ };

/* DEDUPE_AGAIN: *earlier is what became of the first, as far as that is known. */
enum dedupe_claim dedupe_take(struct dedupe *d, uint32_t random, int64_t now_us, struct dedupe_entry *earlier);
void dedupe_settle(struct dedupe *d, uint32_t random, uint32_t msg_seq, int64_t msg_time_s);
void dedupe_give_back(struct dedupe *d, uint32_t random);

#endif
