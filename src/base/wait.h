/* wait.h - condition variables and the end of threads on the clock that never steps, deadlines in clock_mono_us(). */
#ifndef CHATSLUICE_BASE_WAIT_H
#define CHATSLUICE_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* As the system calls on CLOCK_MONOTONIC want it; a negative deadline is one long past. */
struct timespec deadline_spec(int64_t deadline_us);

void cond_init_monotonic(pthread_cond_t *cond);
/* False when the deadline (clock_mono_us) has passed. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_us);

/* Joins a thread that is about to end. False when it has not ended within that time; it is not joined then. */
bool thread_join_within(pthread_t thread, int64_t ms);

#endif
