/* scheduler.h - threads of the simulated programs as tasks on one real thread, in virtual time.
 *
 * Linked with --wrap, the service's own calls of pthread_*, futexes, sleeps and clocks end here. Each is a point where
 * the seed decides who goes on. Exactly one task runs; time moves by a microsecond at each such point, and when every
 * task waits it jumps to the next deadline. So a seed gives the same interleaving every time, and a minute of waiting
 * costs nothing. What it cannot interleave are two instructions between two such points: atomics are not wrapped.
 *
 * A task belongs to a process; process 0 is the simulator itself. A killed process's tasks never run again. */
#ifndef CHATSLUICE_SIMULATION_SCHEDULER_H
#define CHATSLUICE_SIMULATION_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOREVER_US INT64_MAX

struct sched_figures {
    uint64_t steps, switches, tasks;
    int64_t virtual_us;
};

/* Life of one seed: sched_begin -> sched_spawn -> sched_run until the first task spawned has ended. */
void sched_begin(uint64_t seed, bool print_trace);
void sched_run(void);
uint64_t sched_trace_hash(void); /* over every line of the trace, printed or not */
struct sched_figures sched_figures(void);

void sched_spawn(unsigned process, const char *name, void *(*run)(void *arg), void *arg);
void sched_kill(unsigned process); /* not the caller's own */
bool sched_inside(void);           /* called from a task */
unsigned sched_process(void);

/* From tasks. */
void sched_pause(void);
void sched_sleep_us(int64_t us);
/* Waits for sched_wake of the same address. False: the deadline passed. */
bool sched_wait(const void *on, int64_t deadline_us);
void sched_wake(const void *on);

int64_t sched_now_us(void);          /* as clock_mono_us() */
int64_t sched_wall_us(void);         /* true time */
int64_t sched_process_wall_us(void); /* what the clock of the caller's process says */
void sched_step_wall(unsigned process, int64_t by_us);

/* The seed's numbers: below n, or true once in n. */
uint64_t sched_random(uint64_t n);
bool sched_chance(unsigned n);

/* For threads.c: a task of the caller's process that can be joined, and whether it has ended; a join frees it. */
void *sched_task_start(const char *name, void *(*run)(void *arg), void *arg);
bool sched_task_over(void *task, bool join);
void sched_wake_one(const void *on); /* the seed says whom */

/* One line of the trace. */
void sched_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A broken promise: says so with what every task waits for, and ends the process with status 1. */
void sched_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
