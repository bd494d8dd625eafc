/* schedule.h - when the requests of a load run are due. A run at a fixed rate has a due time for every request from the
 * start, whatever the server does; latency is counted from there, so that a stalled server cannot hide what it made
 * wait (no coordinated omission). Workers share one run: worker w of n takes requests w, w + n, w + 2n... */
#ifndef CHATSLUICE_SIM_SCHEDULE_H
#define CHATSLUICE_SIM_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    double rate;        /* requests a second over all workers; 0: flat out */
    int64_t start_us;   /* clock_mono_us() */
    int64_t seconds_us; /* length of the run; 0: until count */
    uint64_t count;     /* requests of the run; 0: until the time is over */
};

/* When request number n (from 0, over all workers) is due; flat out: as soon as there is a connection, now. */
int64_t schedule_due_us(const struct schedule *s, uint64_t n, int64_t now_us);
/* Whether request n is one of this run, asked at now_us. */
bool schedule_has(const struct schedule *s, uint64_t n, int64_t now_us);

/* Splits the run into Before and After webhooks, evenly: of the first n requests, how many are After ones. */
uint64_t schedule_afters(double after_share, uint64_t n);

#endif
