#include "base/wait.h"

#include "base/clock.h"

#include <errno.h>

enum { JOIN_LOOK_MS = 2 };

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

/* By looking now and then: pthread_timedjoin_np() would wait on the wall clock, for an hour more when that is set back,
 * and the thread sanitizer does not know pthread_clockjoin_np(). */
bool thread_join_within(pthread_t thread, int64_t ms)
{
    int64_t deadline_us = clock_mono_us() + ms * 1000;

    while (pthread_tryjoin_np(thread, NULL) != 0) {
        if (clock_mono_us() >= deadline_us)
            return false;
        clock_sleep_ms(JOIN_LOOK_MS);
    }
    return true;
}
