#include "scheduler.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <errno.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

enum {
    TASKS_MOST = 4096,
    PROCESSES_MOST = 512,
    STACK_BYTES = 256 * 1024,
    STEPS_MOST = 20 * 1000 * 1000,
    VIRTUAL_MOST_S = 3600, /* a seed is over in a minute or two of it; what is not, hangs */
};

/* The wall clock of virtual time 0: a morning, so that no seed meets a new day unless it asks for one. */
static const int64_t epoch_us = INT64_C(1767254400) * 1000000;

enum task_state { TASK_NONE, TASK_READY, TASK_WAITING, TASK_ENDED, TASK_JOINED };

struct task {
    ucontext_t context;
    enum task_state state;
    unsigned process;
    char name[24];
    void *(*run)(void *arg);
    void *arg;
    void *stack;
    const void *on; /* waiting */
    int64_t deadline_us;
    bool woken;
    int saved_errno;
#ifdef __SANITIZE_ADDRESS__
    void *fake_stack;
#endif
};

static struct {
    struct task *tasks;
    size_t count; /* slots in use, some of them ended */
    struct task *current;
    ucontext_t loop;
    void *stacks[TASKS_MOST]; /* free ones */
    size_t stack_count;
    int64_t now_us;
    int64_t clock_is_off_us[PROCESSES_MOST];
    uint64_t seed, state;
    unsigned eagerness; /* at a point another task goes on once in so many times */
    bool print;
    uint64_t hash;
    struct sched_figures figures;
#ifdef __SANITIZE_ADDRESS__
    void *loop_fake_stack;
    const void *loop_stack;
    size_t loop_stack_bytes;
#endif
} s;

/* The seed's numbers ----------------------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t next_random(void)
{
    uint64_t z = (s.state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t sched_random(uint64_t n)
{
    return next_random() % n;
}

bool sched_chance(unsigned n)
{
    return next_random() % n == 0;
}

/* The trace -------------------------------------------------------------------------------------------------------- */

static void trace_text(const char *text)
{
    for (const char *c = text; *c; c++)
        s.hash = (s.hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
    if (s.print)
        puts(text);
}

void sched_trace(const char *fmt, ...)
{
    char line[600];
    int at = snprintf(line, sizeof(line), "%11.6f %u %-10s ", (double)s.now_us / 1e6,
                      s.current ? s.current->process : 0, s.current ? s.current->name : "-");
    va_list args;

    va_start(args, fmt);
    vsnprintf(line + at, sizeof(line) - (size_t)at, fmt, args);
    va_end(args);
    trace_text(line);
}

uint64_t sched_trace_hash(void)
{
    return s.hash;
}

struct sched_figures sched_figures(void)
{
    s.figures.virtual_us = s.now_us;
    return s.figures;
}

void sched_fail(const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "seed %" PRIu64 " broke a promise at %.6f s: ", s.seed, (double)s.now_us / 1e6);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    for (size_t i = 0; i < s.count && s.print; i++)
        if (s.tasks[i].state == TASK_READY || s.tasks[i].state == TASK_WAITING)
            fprintf(stderr, "  process %u %-12s %s%s\n", s.tasks[i].process, s.tasks[i].name,
                    s.tasks[i].state == TASK_READY ? "ready" : "waits",
                    s.tasks[i].state == TASK_WAITING && s.tasks[i].deadline_us == FOREVER_US ? " for ever" : "");
    _exit(1);
}

/* Tasks ------------------------------------------------------------------------------------------------------------ */

void sched_begin(uint64_t seed, bool print_trace)
{
    struct task *tasks = s.tasks ? s.tasks : calloc(TASKS_MOST, sizeof(*tasks));

    if (!tasks) {
        fputs("simulation: no memory\n", stderr);
        _exit(2);
    }
    for (size_t i = 0; i < s.count; i++)
        if (tasks[i].stack)
            s.stacks[s.stack_count++] = tasks[i].stack;
    memset(tasks, 0, s.count * sizeof(*tasks));
    s.tasks = tasks;
    s.count = 0;
    s.current = NULL;
    s.now_us = 1000000;
    memset(s.clock_is_off_us, 0, sizeof(s.clock_is_off_us));
    s.seed = seed;
    s.state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    s.print = print_trace;
    s.hash = UINT64_C(0xCBF29CE484222325);
    s.figures = (struct sched_figures){0};
    s.eagerness = 1u << sched_random(5);
}

static void *stack_new(void)
{
    void *stack;

    if (s.stack_count > 0)
        return s.stacks[--s.stack_count];
    stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) {
        fputs("simulation: no memory for a stack\n", stderr);
        _exit(2);
    }
    return stack;
}

static void stack_give_back(struct task *t)
{
    if (t->stack)
        s.stacks[s.stack_count++] = t->stack;
    t->stack = NULL;
}

static void to_loop(struct task *t, bool for_good)
{
    t->saved_errno = errno;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(for_good ? NULL : &t->fake_stack, s.loop_stack, s.loop_stack_bytes);
#else
    (void)for_good;
#endif
    swapcontext(&t->context, &s.loop);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(t->fake_stack, NULL, NULL);
#endif
    errno = t->saved_errno;
}

static void task_main(void)
{
    struct task *t = s.current;

#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(NULL, &s.loop_stack, &s.loop_stack_bytes);
#endif
    t->run(t->arg);
    t->state = TASK_ENDED;
    sched_wake(t);
    to_loop(t, true);
    abort();
}

static struct task *slot_find(void)
{
    for (size_t i = 1; i < s.count; i++) /* the first one's end is the end */
        if (s.tasks[i].state == TASK_JOINED)
            return &s.tasks[i];
    if (s.count == TASKS_MOST)
        sched_fail("more than %d tasks at once", TASKS_MOST);
    return &s.tasks[s.count++];
}

static void context_make(struct task *t)
{
    t->stack = stack_new();
    getcontext(&t->context);
    t->context.uc_stack.ss_sp = t->stack;
    t->context.uc_stack.ss_size = STACK_BYTES;
    t->context.uc_link = NULL;
    makecontext(&t->context, task_main, 0);
}

static struct task *task_new(unsigned process, const char *name, void *(*run)(void *arg), void *arg)
{
    struct task *t = slot_find();

    memset(t, 0, sizeof(*t));
    t->state = TASK_READY;
    t->process = process;
    snprintf(t->name, sizeof(t->name), "%s", name);
    t->run = run;
    t->arg = arg;
    context_make(t);
    s.figures.tasks++;
    return t;
}

/* Nobody joins it. */
struct detached {
    void *(*run)(void *arg);
    void *arg;
};

static void *run_detached(void *arg)
{
    struct detached d = *(struct detached *)arg;

    free(arg);
    d.run(d.arg);
    s.current->state = TASK_JOINED; /* its slot and, once it is off it, its stack are free */
    to_loop(s.current, true);
    abort();
}

void sched_spawn(unsigned process, const char *name, void *(*run)(void *arg), void *arg)
{
    struct detached *d = malloc(sizeof(*d));

    if (!d)
        sched_fail("no memory");
    *d = (struct detached){run, arg};
    task_new(process, name, s.count == 0 ? run : run_detached, s.count == 0 ? arg : d);
}

void sched_kill(unsigned process)
{
    for (size_t i = 0; i < s.count; i++) {
        struct task *t = &s.tasks[i];

        if (t->process != process || t->state == TASK_JOINED)
            continue;
        t->state = TASK_JOINED;
        stack_give_back(t);
    }
}

bool sched_inside(void)
{
    return s.current != NULL;
}

unsigned sched_process(void)
{
    return s.current ? s.current->process : 0;
}

/* The loop --------------------------------------------------------------------------------------------------------- */

static struct task *choose(void)
{
    size_t ready = 0, at;

    for (size_t i = 0; i < s.count; i++)
        ready += s.tasks[i].state == TASK_READY;
    if (ready == 0)
        return NULL;
    at = sched_random(ready);
    for (size_t i = 0;; i++)
        if (s.tasks[i].state == TASK_READY && at-- == 0)
            return &s.tasks[i];
}

/* All wait: time goes on to the first deadline. */
static void jump(void)
{
    int64_t next_us = FOREVER_US;

    for (size_t i = 0; i < s.count; i++)
        if (s.tasks[i].state == TASK_WAITING && s.tasks[i].deadline_us < next_us)
            next_us = s.tasks[i].deadline_us;
    if (next_us == FOREVER_US)
        sched_fail("deadlock: every task waits for another one");
    if (next_us > s.now_us)
        s.now_us = next_us;
    if (s.now_us > (int64_t)VIRTUAL_MOST_S * 1000000)
        sched_fail("no end after %d s of virtual time", VIRTUAL_MOST_S);
}

static void end_waits(void)
{
    for (size_t i = 0; i < s.count; i++)
        if (s.tasks[i].state == TASK_WAITING && s.tasks[i].deadline_us <= s.now_us)
            s.tasks[i].state = TASK_READY;
}

void sched_run(void)
{
    while (s.tasks[0].state != TASK_ENDED) {
        struct task *t;

        end_waits();
        t = choose();
        if (!t) {
            jump();
            continue;
        }
        s.current = t;
        s.figures.switches++;
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_start_switch_fiber(&s.loop_fake_stack, t->stack, STACK_BYTES);
#endif
        swapcontext(&s.loop, &t->context);
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_finish_switch_fiber(s.loop_fake_stack, NULL, NULL);
#endif
        s.current = NULL;
        if (t->state == TASK_ENDED || t->state == TASK_JOINED)
            stack_give_back(t);
    }
}

/* From tasks ------------------------------------------------------------------------------------------------------- */

void sched_pause(void)
{
    if (!s.current)
        return;
    s.now_us++;
    if (++s.figures.steps > STEPS_MOST)
        sched_fail("no end after %d steps", STEPS_MOST);
    if (s.eagerness == 1 || sched_chance(s.eagerness))
        to_loop(s.current, false);
}

bool sched_wait(const void *on, int64_t deadline_us)
{
    struct task *t = s.current;

    if (!t)
        sched_fail("the simulator itself would wait");
    if (++s.figures.steps > STEPS_MOST)
        sched_fail("no end after %d steps", STEPS_MOST);
    t->on = on;
    t->deadline_us = deadline_us;
    t->woken = false;
    t->state = TASK_WAITING;
    to_loop(t, false);
    t->on = NULL;
    return t->woken;
}

void sched_wake(const void *on)
{
    for (size_t i = 0; i < s.count; i++) {
        struct task *t = &s.tasks[i];

        if (t->state == TASK_WAITING && t->on == on) {
            t->state = TASK_READY;
            t->woken = true;
        }
    }
}

void sched_sleep_us(int64_t us)
{
    static const char nobody = 0;

    sched_wait(&nobody, s.now_us + us);
}

int64_t sched_now_us(void)
{
    return s.now_us;
}

int64_t sched_wall_us(void)
{
    return epoch_us + s.now_us;
}

static int64_t *clock_of(unsigned process)
{
    if (process >= PROCESSES_MOST)
        sched_fail("more than %d processes", PROCESSES_MOST);
    return &s.clock_is_off_us[process];
}

int64_t sched_process_wall_us(void)
{
    return sched_wall_us() + *clock_of(sched_process());
}

void sched_step_wall(unsigned process, int64_t by_us)
{
    *clock_of(process) += by_us;
    sched_trace("the clock of process %u steps by %.3f s", process, (double)by_us / 1e6);
}

/* For threads.c ------------------------------------------------------------------------------------------------- */

void *sched_task_start(const char *name, void *(*run)(void *arg), void *arg)
{
    return task_new(sched_process(), name, run, arg);
}

bool sched_task_over(void *task, bool join)
{
    struct task *t = task;

    if (t->state != TASK_ENDED)
        return false;
    if (join)
        t->state = TASK_JOINED;
    return true;
}

void sched_wake_one(const void *on)
{
    size_t waiting = 0, at;

    for (size_t i = 0; i < s.count; i++)
        waiting += s.tasks[i].state == TASK_WAITING && s.tasks[i].on == on;
    if (waiting == 0)
        return;
    at = sched_random(waiting);
    for (size_t i = 0;; i++) {
        struct task *t = &s.tasks[i];

        if (t->state == TASK_WAITING && t->on == on && at-- == 0) {
            t->state = TASK_READY;
            t->woken = true;
            return;
        }
    }
}
