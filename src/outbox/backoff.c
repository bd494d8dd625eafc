#include "outbox/backoff.h"

int64_t backoff_ms(unsigned tries, int64_t first_ms, int64_t most_ms, uint32_t random)
{
    int64_t bound = first_ms;

    for (unsigned i = 1; i < tries && bound < most_ms; i++)
        bound *= 2;
    if (bound > most_ms)
        bound = most_ms;
    return 1 + (int64_t)(random % (uint64_t)bound);
}
