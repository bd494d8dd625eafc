/* breaker.h - stops calling for an application the platform refuses as a whole (package expired, wrong key, address not
 * allowed), instead of spending every correction on the same refusal: pure, the clock is the caller's.
 *
 *     closed ──trip──▶ open ──pause over, one call──▶ trying ──pass──▶ closed
 *                        ▲──────trip (pause doubled), unsure──┘
 */
#ifndef CHATSLUICE_OUTBOX_BREAKER_H
#define CHATSLUICE_OUTBOX_BREAKER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRYING };
enum { BREAKER_FIRST_MS = 5000, BREAKER_MOST_MS = 5 * 60 * 1000 };

struct breaker {
    enum breaker_state state;
    int64_t until_us; /* open: when one call may try */
    int64_t pause_ms;
    int64_t code; /* the refusal that opened it */
};

#define BREAKER_INIT ((struct breaker){.state = BREAKER_CLOSED})

/* Calls that may be begun now: UINT_MAX, 1 to try, or 0. */
unsigned breaker_admits(const struct breaker *b, int64_t now_us);
void breaker_begin(struct breaker *b); /* such a call begins */

/* The application was refused as a whole; at least least_ms of silence follow. True when this opened a closed one: to
 * be said once. */
bool breaker_trip(struct breaker *b, int64_t now_us, int64_t code, int64_t least_ms);
/* An answer that shows the application is served. True when this closed it. */
bool breaker_pass(struct breaker *b);
/* A call ended without telling. */
void breaker_unsure(struct breaker *b, int64_t now_us);
/* Until the next call may try; 0 when it may. */
int64_t breaker_wait_ms(const struct breaker *b, int64_t now_us);

#endif
