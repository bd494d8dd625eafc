/* Threads, locks, clocks, sleeps and random bytes of the service, by the linker's --wrap, on the scheduler.
 *
 * A mutex keeps its owner in its own memory, all zeros being free, as PTHREAD_MUTEX_INITIALIZER has it. Condition
 * variables and futex words are only addresses to wait at; a wait may end without a cause, as POSIX allows. */
#include "plant.h"
#include "scheduler.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SPURIOUS = 400 };

struct lock {
    void *owner;
};
_Static_assert(sizeof(struct lock) <= sizeof(pthread_mutex_t), "a lock lives in a mutex");

#define WRAP(type, name)                                                                                               \
    type __wrap_##name;                                                                                                \
    type __wrap_##name

WRAP(int, pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr))
{
    (void)attr;
    memset(m, 0, sizeof(*m));
    return 0;
}

WRAP(int, pthread_mutex_destroy(pthread_mutex_t *m))
{
    if (((struct lock *)m)->owner)
        sched_fail("a held mutex is destroyed");
    return 0;
}

static void take(pthread_mutex_t *m)
{
    struct lock *lock = (struct lock *)m;

    while (lock->owner)
        sched_wait(m, FOREVER_US);
    lock->owner = m;
}

static void give(pthread_mutex_t *m)
{
    struct lock *lock = (struct lock *)m;

    if (!lock->owner)
        sched_fail("a free mutex is unlocked");
    lock->owner = NULL;
    sched_wake(m);
}

WRAP(int, pthread_mutex_lock(pthread_mutex_t *m))
{
    sched_pause();
    take(m);
    return 0;
}

WRAP(int, pthread_mutex_unlock(pthread_mutex_t *m))
{
    give(m);
    sched_pause();
    return 0;
}

WRAP(int, pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr))
{
    (void)attr;
    memset(c, 0, sizeof(*c));
    return 0;
}

WRAP(int, pthread_cond_destroy(pthread_cond_t *c))
{
    (void)c;
    return 0;
}

static bool await(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline_us)
{
    bool woken = true;

    give(m);
    if (sched_chance(SPURIOUS))
        sched_pause();
    else
        woken = sched_wait(c, deadline_us);
    take(m);
    return woken;
}

WRAP(int, pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m))
{
    await(c, m, FOREVER_US);
    return 0;
}

WRAP(int, pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until))
{
    return await(c, m, until->tv_sec * INT64_C(1000000) + until->tv_nsec / 1000) ? 0 : ETIMEDOUT;
}

WRAP(int, pthread_cond_signal(pthread_cond_t *c))
{
    if (!planted(BUG_LOST_WAKEUP) || !sched_chance(50))
        sched_wake_one(c);
    sched_pause();
    return 0;
}

WRAP(int, pthread_cond_broadcast(pthread_cond_t *c))
{
    sched_wake(c);
    sched_pause();
    return 0;
}

WRAP(int, pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *), void *arg))
{
    (void)attr;
    *out = (pthread_t)sched_task_start("thread", run, arg);
    sched_pause();
    return 0;
}

WRAP(int, pthread_tryjoin_np(pthread_t thread, void **result))
{
    (void)result;
    sched_pause();
    return sched_task_over((void *)thread, true) ? 0 : EBUSY;
}

WRAP(int, pthread_join(pthread_t thread, void **result))
{
    (void)result;
    while (!sched_task_over((void *)thread, true))
        sched_wait((void *)thread, FOREVER_US);
    return 0;
}

WRAP(int, sched_yield(void))
{
    sched_pause();
    return 0;
}

/* The spool's own sleeps: futex is the only system call the service makes by number. */
WRAP(long, syscall(long number, ...))
{
    va_list args;
    _Atomic uint32_t *word;
    const struct timespec *until;
    uint32_t value;
    int operation;

    va_start(args, number);
    word = va_arg(args, _Atomic uint32_t *);
    operation = va_arg(args, int) & ~FUTEX_PRIVATE_FLAG;
    value = va_arg(args, uint32_t);
    until = operation == FUTEX_WAIT_BITSET ? va_arg(args, const struct timespec *) : NULL;
    va_end(args);
    if (number != SYS_futex)
        sched_fail("system call %ld is not simulated", number);
    sched_pause();
    if (operation == FUTEX_WAKE) {
        sched_wake(word);
        sched_pause();
        return 0;
    }
    if (atomic_load(word) != value) {
        errno = EAGAIN;
        return -1;
    }
    if (sched_chance(SPURIOUS))
        return 0;
    if (sched_wait(word, until ? until->tv_sec * INT64_C(1000000) + until->tv_nsec / 1000 : FOREVER_US))
        return 0;
    errno = ETIMEDOUT;
    return -1;
}

/* Clocks, random bytes, numbers of processes ------------------------------------------------------------------------
 */

WRAP(int64_t, clock_mono_us(void))
{
    return sched_now_us();
}

WRAP(int64_t, clock_wall_us(void))
{
    return sched_process_wall_us();
}

WRAP(void, clock_sleep_ms(unsigned ms))
{
    sched_sleep_us((int64_t)ms * 1000);
}

WRAP(bool, uuid_random(uint8_t out[UUID_BYTES]))
{
    for (size_t i = 0; i < UUID_BYTES; i++)
        out[i] = (uint8_t)sched_random(256);
    out[6] = (uint8_t)(out[6] % 16 + 0x40);
    out[8] = (uint8_t)(out[8] % 64 + 0x80);
    return true;
}

WRAP(ssize_t, getrandom(void *out, size_t len, unsigned flags))
{
    (void)flags;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (uint8_t)sched_random(256);
    return (ssize_t)len;
}

WRAP(pid_t, getpid(void))
{
    return (pid_t)sched_process() + 1;
}

/* What the service says when others, of whom there are none here, did what they should not. */
static const char *const false_alarms[] = {"somebody else moved the position of this spool",
                                           "records are neither in this database nor in the spool any more"};

/* Into the trace instead of standard error. */
WRAP(void, log_write(enum log_level level, const struct log_field fields[LOG_FIELDS]))
{
    char line[400];
    size_t at = 0;

    line[0] = '\0';
    for (size_t i = 1; i < LOG_FIELDS && fields[i].kind != LOG_KIND_END && at < sizeof(line); i++) {
        const struct log_field *f = &fields[i];
        int n = 0;

        if (strcmp(f->key, "directory") == 0) /* another one in every run */
            continue;
        if (f->kind == LOG_KIND_STR)
            n = snprintf(line + at, sizeof(line) - at, " %s=%s", f->key, f->value.str ? f->value.str : "");
        else if (f->kind == LOG_KIND_SPAN)
            n = snprintf(line + at, sizeof(line) - at, " %s=%.*s", f->key, (int)f->value.span.len, f->value.span.data);
        else
            n = snprintf(line + at, sizeof(line) - at, " %s=%lld", f->key, (long long)f->value.u64);
        at += (size_t)n;
    }
    sched_trace("log %s: %s%s",
                level == LOG_ERROR  ? "error"
                : level == LOG_WARN ? "warn"
                                    : "info",
                fields[0].value.str, line);
    for (size_t i = 0; i < sizeof(false_alarms) / sizeof(false_alarms[0]); i++)
        if (strcmp(fields[0].value.str, false_alarms[i]) == 0)
            sched_fail("a false alarm: %s%s", false_alarms[i], line);
}
