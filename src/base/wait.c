#include "base/wait.h"

#include <errno.h>

struct timespec deadline_spec(int64_t deadline_us)
{
    if (deadline_us < 0)
        deadline_us = 0;
    return (struct timespec){.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000};
}

void cond_init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_us)
{
    struct timespec ts = deadline_spec(deadline_us);

    return pthread_cond_timedwait(cond, lock, &ts) != ETIMEDOUT;
}
