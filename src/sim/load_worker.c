/* The rhythm of a worker: send what is due on the connections that are free, look after time (answers overdue,
 * connections to make again), then wait for sockets or for the next due time. It ends when the run has no further
 * request and nothing is in flight; a crash loses the ledger's last gathered lines. */
#include "sim/load_worker.h"

#include "base/clock.h"
#include "sim/ledger.h"
#include "sim/load_reply.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    TICK_MS = 50, /* the longest sleep: for the stop flag, time-outs and reconnecting */
    BACK_OFF_MIN_MS = 10,
    BACK_OFF_MAX_MS = 500,
    GRACE_US = 5000000,  /* after the end of a timed run, for requests that are still waiting */
    STALL_US = 30000000, /* a counted run gives up when nothing was answered for so long */
    READ_CHUNK = 16384,
};

/* CLOSED -> CONNECTING -> IDLE -> BUSY -> IDLE ...; from anywhere back to CLOSED when the connection ends. */
enum connection_state { CLOSED, CONNECTING, IDLE, BUSY };

struct connection {
    enum connection_state state;
    int fd;
    bool wants_write;
    unsigned back_off_ms; /* before the next attempt to connect */
    int64_t retry_us;     /* CLOSED: when */
    /* BUSY */
    struct buf request, reply;
    size_t written;
    int64_t scheduled_us, sent_us;
    struct load_key key;
    struct connection *newer, *older; /* in the list of those in flight */
};

struct load_worker {
    struct load_run *run;
    struct connection *connections;
    unsigned count;
    struct connection **idle; /* a ring: each has its turn, so that none is silent for long */
    unsigned idle_first, idle_count, closed_count;
    struct connection *oldest, *newest; /* in flight, by the time they were sent */
    int epoll_fd, timer_fd;
    int64_t timer_us; /* what the timer is set to */
    uint64_t next;    /* the request to be sent next */
    struct load_signer signer;
    struct ledger ledger;
    bool ledger_ok;
    int64_t answered_us, published_us; /* when last */
    uint64_t published_sent, published_answered, published_failed;
    struct load_counts counts;
};

/* Connections --------------------------------------------------------------------------------------------------- */

static void watch(struct load_worker *w, struct connection *c, int operation, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = c};

    c->wants_write = write;
    epoll_ctl(w->epoll_fd, operation, c->fd, &event);
}

/* The place of the one that has waited longest but i. */
static struct connection **idle_place(struct load_worker *w, unsigned i)
{
    return &w->idle[(w->idle_first + i) % w->count];
}

static void connection_close(struct load_worker *w, struct connection *c)
{
    if (c->state == IDLE) {
        unsigned i = 0;
        while (*idle_place(w, i) != c)
            i++;
        *idle_place(w, i) = *idle_place(w, --w->idle_count);
    }
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->state = CLOSED;
    c->retry_us = clock_mono_us() + (int64_t)c->back_off_ms * 1000;
    w->closed_count++;
}

/* The attempt failed: longer pauses, up to half a second. */
static void connection_failed(struct load_worker *w, struct connection *c)
{
    w->counts.connect_failures++;
    c->back_off_ms = c->back_off_ms ? c->back_off_ms * 2 : BACK_OFF_MIN_MS;
    if (c->back_off_ms > BACK_OFF_MAX_MS)
        c->back_off_ms = BACK_OFF_MAX_MS;
    connection_close(w, c);
}

static void connection_idle(struct load_worker *w, struct connection *c)
{
    c->state = IDLE;
    buf_reset(&c->reply);
    *idle_place(w, w->idle_count++) = c;
}

static void connection_open(struct load_worker *w, struct connection *c)
{
    const int one = 1;

    w->closed_count--;
    c->fd = socket(w->run->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        connection_failed(w, c);
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->state = CONNECTING;
    if (connect(c->fd, (const struct sockaddr *)&w->run->address, w->run->address_len) < 0 && errno != EINPROGRESS)
        connection_failed(w, c);
    else
        watch(w, c, EPOLL_CTL_ADD, true);
}

static void connection_opened(struct load_worker *w, struct connection *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
        connection_failed(w, c);
        return;
    }
    w->counts.connects++;
    c->back_off_ms = 0;
    watch(w, c, EPOLL_CTL_MOD, false);
    connection_idle(w, c);
}

/* Requests in flight -------------------------------------------------------------------------------------------- */

static void flight_begin(struct load_worker *w, struct connection *c)
{
    c->state = BUSY;
    c->older = w->newest;
    c->newer = NULL;
    if (w->newest)
        w->newest->newer = c;
    else
        w->oldest = c;
    w->newest = c;
    w->counts.sent++;
}

static void flight_end(struct load_worker *w, struct connection *c)
{
    if (c->older)
        c->older->newer = c->newer;
    else
        w->oldest = c->newer;
    if (c->newer)
        c->newer->older = c->older;
    else
        w->newest = c->older;
}

static void request_failed(struct load_worker *w, struct connection *c, uint64_t *reason)
{
    flight_end(w, c);
    w->counts.failed++;
    ++*reason;
    c->back_off_ms = BACK_OFF_MIN_MS;
    connection_close(w, c);
}

static void request_write(struct load_worker *w, struct connection *c)
{
    while (c->written < c->request.len) {
        const ssize_t n = send(c->fd, c->request.data + c->written, c->request.len - c->written, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (!c->wants_write)
                watch(w, c, EPOLL_CTL_MOD, true);
            return;
        }
        if (n < 0) {
            request_failed(w, c, &w->counts.broken);
            return;
        }
        c->written += (size_t)n;
    }
    if (c->wants_write)
        watch(w, c, EPOLL_CTL_MOD, false);
}

static void request_send(struct load_worker *w, struct connection *c, int64_t scheduled_us, int64_t now_us)
{
    load_requests_make(w->run->requests, &w->signer, w->next, clock_wall_us(), &c->request, &c->key);
    w->next += w->run->workers;
    c->written = 0;
    c->scheduled_us = scheduled_us;
    c->sent_us = now_us;
    flight_begin(w, c);
    if (buf_failed(&c->request))
        request_failed(w, c, &w->counts.broken);
    else
        request_write(w, c);
}

/* A whole answer: how the request ended. */
static void request_answered(struct load_worker *w, struct connection *c, const struct load_reply *reply)
{
    const enum verdict_form form = reply->status == 200 ? load_reply_verdict(reply->body) : VERDICT_NONE;
    const int64_t now_us = clock_mono_us();

    if (form == VERDICT_FAILED || c->reply.len > reply->len) { /* more bytes than one answer: out of step */
        request_failed(w, c, &w->counts.invalid);
        return;
    }
    flight_end(w, c);
    w->answered_us = now_us;
    w->counts.late += now_us - c->sent_us > LOAD_LATE_MS * 1000;
    if (reply->status == 200) {
        w->counts.answered++;
        latency_add(&w->counts.latency, now_us - c->scheduled_us);
        if (c->key.command == COMMAND_BEFORE)
            w->counts.verdicts[form]++;
        ledger_add(&w->ledger, c->key.text);
    } else {
        w->counts.refused++;
        w->counts.last_refusal = reply->status;
    }
    if (reply->close)
        connection_close(w, c);
    else
        connection_idle(w, c);
}

static void reply_read(struct load_worker *w, struct connection *c)
{
    char *space = buf_reserve(&c->reply, READ_CHUNK);
    const ssize_t n = space ? recv(c->fd, space, READ_CHUNK, 0) : 0;
    struct load_reply reply;

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        request_failed(w, c, &w->counts.broken);
        return;
    }
    buf_commit(&c->reply, (size_t)n);
    switch (load_reply_read(buf_span(&c->reply), &reply)) {
    case LOAD_REPLY_MORE:
        return;
    case LOAD_REPLY_WHOLE:
        request_answered(w, c, &reply);
        return;
    case LOAD_REPLY_BAD:
        request_failed(w, c, &w->counts.invalid);
        return;
    }
}

/* The rhythm ---------------------------------------------------------------------------------------------------- */

static void on_event(struct load_worker *w, struct connection *c, uint32_t events)
{
    switch (c->state) {
    case CLOSED:
        return;
    case CONNECTING:
        connection_opened(w, c);
        return;
    case IDLE: /* the server hung up, or said something nobody asked for */
        c->back_off_ms = BACK_OFF_MIN_MS;
        connection_close(w, c);
        return;
    case BUSY:
        if (events & EPOLLOUT)
            request_write(w, c);
        if (c->state == BUSY && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            reply_read(w, c);
        return;
    }
}

/* Whether the run has no more requests to send. */
static bool exhausted(struct load_worker *w, int64_t now_us)
{
    const struct schedule *s = &w->run->schedule;

    if (atomic_load_explicit(&w->run->stop, memory_order_relaxed) || !schedule_has(s, w->next, now_us))
        return true;
    if (s->seconds_us > 0 ? now_us >= s->start_us + s->seconds_us + GRACE_US : now_us >= w->answered_us + STALL_US) {
        atomic_store(&w->run->stop, true);
        return true;
    }
    return false;
}

static void send_due(struct load_worker *w, int64_t now_us)
{
    while (w->idle_count > 0 && !exhausted(w, now_us)) {
        const int64_t due_us = schedule_due_us(&w->run->schedule, w->next, now_us);
        if (due_us > now_us)
            return;
        struct connection *c = *idle_place(w, 0);
        w->idle_first = (w->idle_first + 1) % w->count;
        w->idle_count--;
        request_send(w, c, due_us, now_us);
    }
}

static void look_after_time(struct load_worker *w, int64_t now_us)
{
    while (w->oldest && now_us >= w->oldest->sent_us + LOAD_ANSWER_MS * 1000)
        request_failed(w, w->oldest, &w->counts.timeouts);
    for (unsigned i = 0; i < w->count && w->closed_count > 0; i++) {
        if (w->connections[i].state == CLOSED && now_us >= w->connections[i].retry_us)
            connection_open(w, &w->connections[i]);
    }
}

/* The timer has the precision that epoll's own milliseconds lack. */
static void set_timer(struct load_worker *w, int64_t due_us)
{
    const struct itimerspec at = {.it_value = {due_us / 1000000, due_us % 1000000 * 1000}};

    if (due_us == w->timer_us)
        return;
    w->timer_us = due_us;
    timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void wait_for_events(struct load_worker *w, int64_t now_us)
{
    struct epoll_event events[EVENTS];
    int timeout_ms = w->closed_count > 0 ? BACK_OFF_MIN_MS : TICK_MS, n;

    if (w->idle_count > 0 && !exhausted(w, now_us)) {
        const int64_t due_us = schedule_due_us(&w->run->schedule, w->next, now_us);
        if (due_us <= now_us)
            timeout_ms = 0;
        else
            set_timer(w, due_us);
    }
    n = epoll_wait(w->epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr) /* the timer has none: to be awake is all it is for */
            on_event(w, events[i].data.ptr, events[i].events);
    }
}

static void publish(struct load_worker *w, int64_t now_us)
{
    const uint64_t failed = w->counts.failed + w->counts.refused;
    struct load_run *run = w->run;

    if (now_us < w->published_us + TICK_MS * 1000)
        return;
    atomic_fetch_add(&run->sent_so_far, w->counts.sent - w->published_sent);
    atomic_fetch_add(&run->answered_so_far, w->counts.answered - w->published_answered);
    atomic_fetch_add(&run->failed_so_far, failed - w->published_failed);
    w->published_sent = w->counts.sent;
    w->published_answered = w->counts.answered;
    w->published_failed = failed;
    w->published_us = now_us;
    ledger_flush(&w->ledger);
}

/* What was due by the end of the run, or until it was stopped, and never left. */
static void count_unsent(struct load_worker *w)
{
    const int64_t now_us = clock_mono_us();

    if (w->run->schedule.rate <= 0)
        return;
    for (; schedule_has(&w->run->schedule, w->next, now_us); w->next += w->run->workers) {
        if (schedule_due_us(&w->run->schedule, w->next, now_us) > now_us)
            break;
        w->counts.unsent++;
    }
}

void *load_worker_run(void *worker)
{
    struct load_worker *w = worker;
    int64_t now_us = clock_mono_us();

    w->answered_us = now_us;
    while (w->oldest || !exhausted(w, now_us)) {
        look_after_time(w, now_us);
        send_due(w, now_us);
        wait_for_events(w, now_us);
        now_us = clock_mono_us();
        publish(w, now_us);
    }
    w->counts.ended_us = now_us;
    count_unsent(w);
    w->ledger_ok = ledger_close(&w->ledger);
    atomic_fetch_add(&w->run->finished, 1);
    return NULL;
}

int load_worker_new(struct load_worker **out, struct load_run *run, unsigned index, unsigned connections,
                    struct err *err)
{
    struct load_worker *w = calloc(1, sizeof(*w));
    struct epoll_event timer = {.events = EPOLLIN | EPOLLET};
    int r = ERR_FAILED;

    if (!w)
        return err_set(err, r, "could not make a load worker: out of memory");
    w->run = run;
    w->next = index;
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    w->ledger.fd = -1;
    if (w->epoll_fd < 0 || w->timer_fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->timer_fd, &timer) < 0) {
        err_set_errno(err, r, "could not make a load worker");
        goto failed;
    }
    r = ledger_open(&w->ledger, run->ledger_path, err);
    if (r < 0)
        goto failed;
    w->connections = calloc(connections, sizeof(*w->connections));
    w->idle = calloc(connections, sizeof(struct connection *));
    if (!w->connections || !w->idle) {
        r = err_set(err, ERR_FAILED, "could not make %u connections: out of memory", connections);
        goto failed;
    }
    w->count = w->closed_count = connections;
    for (unsigned i = 0; i < connections; i++)
        w->connections[i].fd = -1;
    *out = w;
    return 0;

failed:
    load_worker_free(w);
    return r;
}

const struct load_counts *load_worker_counts(const struct load_worker *w, bool *ledger_ok)
{
    *ledger_ok = w->ledger_ok;
    return &w->counts;
}

void load_worker_free(struct load_worker *w)
{
    if (!w)
        return;
    for (unsigned i = 0; i < w->count; i++) {
        if (w->connections[i].fd >= 0)
            close(w->connections[i].fd);
        buf_release(&w->connections[i].request);
        buf_release(&w->connections[i].reply);
    }
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->timer_fd >= 0)
        close(w->timer_fd);
    ledger_close(&w->ledger);
    free(w->connections);
    free(w->idle);
    free(w);
}
