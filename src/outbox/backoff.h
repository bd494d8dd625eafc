/* backoff.h - how long to wait before the next try: exponential with full jitter, so that those refused together do not
 * come back together. */
#ifndef CHATSLUICE_OUTBOX_BACKOFF_H
#define CHATSLUICE_OUTBOX_BACKOFF_H

#include <stdint.h>

/* Anything from 1 to first_ms, doubled for every try after the first, most_ms at most. random: any number. */
int64_t backoff_ms(unsigned tries, int64_t first_ms, int64_t most_ms, uint32_t random);

#endif
