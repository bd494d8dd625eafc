#include "outbox/breaker.h"

unsigned breaker_admits(const struct breaker *b, int64_t now_us)
{
    switch (b->state) {
    case BREAKER_CLOSED:
        return UINT_MAX;
    case BREAKER_OPEN:
        return now_us >= b->until_us ? 1 : 0;
    case BREAKER_TRYING:
        return 0;
    }
    return 0;
}

void breaker_begin(struct breaker *b)
{
    if (b->state == BREAKER_OPEN)
        b->state = BREAKER_TRYING;
}

static void open_for(struct breaker *b, int64_t now_us, int64_t least_ms)
{
    b->state = BREAKER_OPEN;
    b->until_us = now_us + (b->pause_ms > least_ms ? b->pause_ms : least_ms) * 1000;
}

bool breaker_trip(struct breaker *b, int64_t now_us, int64_t code, int64_t least_ms)
{
    const bool was_closed = b->state == BREAKER_CLOSED;

    if (b->state == BREAKER_OPEN) { /* one of the calls that were under way when it opened */
        if (b->until_us < now_us + least_ms * 1000)
            b->until_us = now_us + least_ms * 1000;
        return false;
    }
    if (was_closed)
        b->pause_ms = BREAKER_FIRST_MS;
    else
        b->pause_ms = b->pause_ms * 2 < BREAKER_MOST_MS ? b->pause_ms * 2 : BREAKER_MOST_MS;
    b->code = code;
    open_for(b, now_us, least_ms);
    return was_closed;
}

bool breaker_pass(struct breaker *b)
{
    if (b->state != BREAKER_TRYING) /* while it is open, an answer to a call begun before says nothing */
        return false;
    *b = BREAKER_INIT;
    return true;
}

void breaker_unsure(struct breaker *b, int64_t now_us)
{
    if (b->state == BREAKER_TRYING)
        open_for(b, now_us, 0);
}

int64_t breaker_wait_ms(const struct breaker *b, int64_t now_us)
{
    return b->state == BREAKER_OPEN && b->until_us > now_us ? (b->until_us - now_us + 999) / 1000 : 0;
}
