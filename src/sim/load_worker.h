/* load_worker.h - one thread of a load run: an HTTP/1.1 client over nonblocking sockets and epoll, with one request in
 * flight on each connection.
 *
 * Every request sent ends as exactly one of answered (200 with a valid reply), refused (another status) or failed (the
 * connection broke, no answer within 5 s, or an answer that is none). A lost connection is made again, with growing
 * pauses, so that the server may be stopped and started during a run. At a fixed rate requests that are due while no
 * connection is free wait their turn, and their waiting is part of their latency; what has not been sent 5 s after the
 * end of the run is told as unsent. */
#ifndef CHATSLUICE_SIM_LOAD_WORKER_H
#define CHATSLUICE_SIM_LOAD_WORKER_H

#include "sim/latency.h"
#include "sim/load_requests.h"
#include "sim/schedule.h"
#include "sim/verdict_reply.h"

#include <stdatomic.h>
#include <sys/socket.h>

enum {
    LOAD_LATE_MS = 2000, /* the platform has stopped waiting by then (`protocol.md` section 1) */
    LOAD_ANSWER_MS = 5000,
};

struct load_counts {
    uint64_t sent, answered, refused, failed;
    uint64_t unsent;                    /* due, but no connection in time */
    uint64_t timeouts, broken, invalid; /* the failed ones by reason */
    uint64_t late;                      /* answered or refused after LOAD_LATE_MS, counted from when it was sent */
    uint64_t connects, connect_failures;
    int last_refusal;                 /* a status */
    uint64_t verdicts[VERDICT_FORMS]; /* of answered Before webhooks */
    struct latency latency;           /* of answered ones, from the scheduled time */
    int64_t ended_us;                 /* clock_mono_us() when nothing was in flight any more */
};

/* The same for all workers of a run. */
struct load_run {
    const struct load_requests *requests;
    struct schedule schedule;
    struct sockaddr_storage address;
    socklen_t address_len;
    unsigned workers;
    const char *ledger_path; /* NULL: none */
    atomic_bool stop;        /* set by the main thread: send nothing more, wait for what is in flight */
    _Atomic uint64_t sent_so_far, answered_so_far, failed_so_far; /* for the progress line, a little late */
    _Atomic unsigned finished;
};

struct load_worker;
/* Makes worker number index of the run; it starts with load_worker_run, on a thread of its own. */
int load_worker_new(struct load_worker **out, struct load_run *run, unsigned index, unsigned connections,
                    struct err *err);
void *load_worker_run(void *worker);
/* After load_worker_run has returned. False in *ledger_ok: a line of the ledger could not be written. */
const struct load_counts *load_worker_counts(const struct load_worker *w, bool *ledger_ok);
void load_worker_free(struct load_worker *w); /* NULL is fine */

#endif
