/* The life of the sender's thread:
 *
 *     connect ──▶ write answers down ──▶ rounds: write down, lease, look for due rows, claim, sweep ──┐
 *        ▲                                  ▲─────────── begin, wait for answers, collect ◀───────────┘
 *        └── back off (100 ms .. 5 s) ◀── any failure: the connection is closed, answers are kept
 *
 * Without the database nothing new is begun, and calls under way are waited for before it is tried again: connecting
 * may take long, and an answer that is not fetched in time is lost. */
#include "outbox/outbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/wait.h"
#include "outbox/backoff.h"
#include "outbox/rows.h"
#include "outbox/sender.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RETRY_FIRST_MS = 100,
    RETRY_MOST_MS = 5000,
    ROUND_US = 10 * 1000,  /* between two rounds: permits gather meanwhile, the database is not pestered */
    GATHER_US = 50 * 1000, /* so long answers gather, or until there are so many bytes of them */
    ANSWERS_MANY = 16 * 1024,
    SWEEP_MS = 1000,
    READY_WAIT_MS = 1, /* a ready call waits for a permit that comes free in a moment */
    STOP_GRACE_MS = 3000,
    ANSWER_MOST = 64 * 1024,
};

enum database_state { STATE_NEW, STATE_WORKING, STATE_AWAY, STATE_FAILING };

struct outbox {
    char *database_url; /* fixed once started, as the next three */
    char *instance_id;
    int64_t connect_timeout_ms, poll_interval_ms;
    pthread_t thread;

    atomic_bool woken, stopping;
    pthread_mutex_t lock; /* guards the next four */
    pthread_cond_t over;
    bool ended;
    struct application *wanted; /* to be taken over */
    bool wanted_is_new;
    struct db *db; /* used by the thread alone, which changes the pointer under the lock; outbox_stop cancels */

    struct sender sender; /* the rest belongs to the thread */
    enum database_state state;
    unsigned failures;
    unsigned long long uncertain;                            /* rows, as last counted */
    int64_t retry_us, round_us, write_us, poll_us, sweep_us; /* not before */
};

/* The connection -------------------------------------------------------------------------------------------------- */

static uint64_t count_applications(const struct application *apps)
{
    uint64_t count = 0;

    for (; apps; apps = apps->next)
        count += !apps->gone;
    return count;
}

static void enter_state(struct outbox *o, enum database_state state, const struct err *why)
{
    const bool changed = o->state != state;

    o->state = state;
    if (!changed)
        return;
    switch (state) {
    case STATE_NEW:
        break;
    case STATE_WORKING:
        log_info("sending corrections", log_u64("apps", count_applications(o->sender.apps)));
        break;
    case STATE_AWAY:
        log_warn("database away, corrections wait", log_str("reason", why->text));
        break;
    case STATE_FAILING:
        log_error("the outbox cannot be worked off, corrections wait", log_str("reason", why->text));
        break;
    }
}

static void set_connection(struct outbox *o, struct db *db)
{
    pthread_mutex_lock(&o->lock);
    o->db = db;
    pthread_mutex_unlock(&o->lock);
}

static void fail_database(struct outbox *o, const struct err *err)
{
    struct db *db = o->db;

    set_connection(o, NULL);
    db_close(db);
    sender_drop_ready(&o->sender);
    o->failures++;
    o->retry_us =
        clock_mono_us() + 1000 * backoff_ms(o->failures, RETRY_FIRST_MS, RETRY_MOST_MS, sender_random(&o->sender));
    if (!atomic_load(&o->stopping))
        enter_state(o, err->code == ERR_LOST || db_error_is_transient(err) ? STATE_AWAY : STATE_FAILING, err);
}

static bool connect_database(struct outbox *o)
{
    struct err err = {0};
    struct db *db = NULL;
    int r = db_open(&db, o->database_url, "chatsluice outbox", o->connect_timeout_ms, &err);

    if (r == 0) {
        set_connection(o, db);
        r = sender_write_answers(&o->sender, db, &err);
    }
    if (r == 0)
        r = sender_settle_claims(&o->sender, db, &err);
    if (r < 0) {
        fail_database(o, &err);
        return false;
    }
    o->failures = 0;
    enter_state(o, STATE_WORKING, NULL);
    return true;
}

static bool database_ready(struct outbox *o)
{
    if (o->db)
        return true;
    return http_calls_under_way(o->sender.calls) == 0 && clock_mono_us() >= o->retry_us && connect_database(o);
}

/* Rounds ---------------------------------------------------------------------------------------------------------- */

static int look_for_due(struct outbox *o, int64_t now_us, struct err *err)
{
    if (!atomic_exchange(&o->woken, false) && now_us < o->poll_us)
        return 0;
    o->poll_us = now_us + o->poll_interval_ms * 1000;
    return o->sender.apps ? rows_find_due(o->db, o->sender.apps, o->sender.options.transport, err) : 0;
}

static int lease(struct outbox *o, int64_t now_us, struct err *err)
{
    (void)now_us;
    return sender_lease(&o->sender, o->db, err);
}

static int claim(struct outbox *o, int64_t now_us, struct err *err)
{
    (void)now_us;
    return sender_claim(&o->sender, o->db, err);
}

/* What nothing tells the outcome of is a person's to decide: said when there is more of it than before. */
static int show_rows(struct outbox *o, struct err *err)
{
    struct rows_open rows;
    const int r = rows_count_open(o->db, &rows, err);

    if (r < 0)
        return r;
    metric_set(METRIC_OUTBOX_HELD, (int64_t)rows.held);
    metric_set(METRIC_OUTBOX_QUEUED, (int64_t)rows.queued);
    metric_set(METRIC_OUTBOX_SENDING, (int64_t)rows.sending);
    metric_set(METRIC_OUTBOX_WAITING, (int64_t)rows.waiting);
    metric_set(METRIC_OUTBOX_UNCERTAIN, (int64_t)rows.uncertain);
    if (rows.uncertain > o->uncertain)
        log_warn("corrections of unknown outcome wait for a person", log_u64("rows", rows.uncertain));
    o->uncertain = rows.uncertain;
    return 0;
}

static int sweep(struct outbox *o, int64_t now_us, struct err *err)
{
    const struct sender_options *options = &o->sender.options;
    int r;

    if (now_us < o->sweep_us)
        return 0;
    /* Instances that began together do not sweep together for ever. */
    o->sweep_us = now_us + (SWEEP_MS - SWEEP_MS / 8 + (int64_t)(sender_random(&o->sender) % (SWEEP_MS / 4))) * 1000;
    r = rows_sweep(o->db, options->confirm_ms, options->retry_unconfirmed, options->attempts, err);
    return r < 0 ? r : show_rows(o, err);
}

/* Calls go on between two statements. */
static void pump(struct outbox *o)
{
    sender_begin_ready(&o->sender);
    http_calls_wait(o->sender.calls, 0);
    sender_collect(&o->sender);
}

/* Answers are written down many at a time, as nobody waits for them; but soon, for what a crash leaves unwritten counts
 * as unanswered. */
static int write_answers(struct outbox *o, int64_t now_us, struct err *err)
{
    if (o->sender.answers.len < ANSWERS_MANY && now_us < o->write_us)
        return 0;
    o->write_us = now_us + GATHER_US;
    return sender_write_answers(&o->sender, o->db, err);
}

static void round_of_work(struct outbox *o)
{
    static int (*const steps[])(struct outbox * o, int64_t now_us, struct err * err) = {write_answers, look_for_due,
                                                                                        lease, claim, sweep};
    const int64_t now_us = clock_mono_us();
    struct err err = {0};

    if (now_us < o->round_us)
        return;
    o->round_us = now_us + ROUND_US;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i](o, now_us, &err) < 0) {
            fail_database(o, &err);
            return;
        }
        pump(o);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How long nothing is to do unless an answer or a wake comes. */
static int64_t idle_ms(const struct outbox *o)
{
    const struct sender *s = &o->sender;
    const int64_t now_us = clock_mono_us();
    int64_t next_us = o->poll_us;

    if (s->ready)
        return READY_WAIT_MS;
    if (!o->db)
        next_us = o->retry_us;
    else if (sender_has_due(s) || atomic_load(&o->woken))
        next_us = o->round_us;
    else
        next_us = earlier(earlier(next_us, o->sweep_us), s->answers.len > 0 ? o->write_us : next_us);
    return next_us <= now_us ? 1 : earlier((next_us - now_us + 999) / 1000, o->poll_interval_ms);
}

static void take_over_applications(struct outbox *o)
{
    struct application *wanted;
    bool is_new;

    pthread_mutex_lock(&o->lock);
    wanted = o->wanted;
    is_new = o->wanted_is_new;
    o->wanted = NULL;
    o->wanted_is_new = false;
    pthread_mutex_unlock(&o->lock);
    if (is_new)
        sender_take_applications(&o->sender, wanted);
}

/* Calls under way are waited for; what came of them is written down if the database takes it. */
static void finish(struct outbox *o)
{
    const int64_t until_us = clock_mono_us() + (o->sender.options.timeout_ms + 500) * 1000;
    struct err err = {0};

    sender_drop_ready(&o->sender);
    while (http_calls_under_way(o->sender.calls) > 0 && clock_mono_us() < until_us) {
        http_calls_wait(o->sender.calls, 100);
        sender_collect(&o->sender);
    }
    if ((o->db || connect_database(o)) && sender_write_answers(&o->sender, o->db, &err) == 0)
        rows_give_leases_back(o->db, o->instance_id, &err);
    if (o->sender.answers.len > 0)
        log_warn("answers of the REST API could not be written down, their corrections count as unanswered");
}

static void *run(void *arg)
{
    struct outbox *o = arg;

    while (!atomic_load(&o->stopping)) {
        take_over_applications(o);
        if (database_ready(o))
            round_of_work(o);
        sender_begin_ready(&o->sender);
        sender_show(&o->sender);
        http_calls_wait(o->sender.calls, idle_ms(o));
        sender_collect(&o->sender);
    }
    finish(o);
    pthread_mutex_lock(&o->lock);
    o->ended = true;
    pthread_cond_signal(&o->over);
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

/* Life ------------------------------------------------------------------------------------------------------------ */

static void release(struct outbox *o)
{
    db_close(o->db);
    http_calls_free(o->sender.calls);
    applications_free(o->sender.apps);
    applications_free(o->wanted);
    if (o->sender.url.data)
        explicit_bzero(o->sender.url.data, o->sender.url.cap); /* it holds a signature */
    buf_release(&o->sender.url);
    buf_release(&o->sender.body);
    buf_release(&o->sender.answers);
    free(o->database_url);
    free(o->instance_id);
    pthread_mutex_destroy(&o->sender.note.lock);
    pthread_cond_destroy(&o->over);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

static int make(struct outbox *o, const struct config *config, struct err *err)
{
    const struct http_client_options http = {.connections = (unsigned)config->outbox.connections,
                                             .max_answer_bytes = ANSWER_MOST,
                                             .user_agent = "chatsluice/" CHATSLUICE_VERSION,
                                             .ca_file = config->outbox.ca_file};

    if (!o->database_url || !o->instance_id)
        return err_set(err, ERR_FAILED, "could not start the sender: out of memory");
    if (config->outbox.ca_file && access(config->outbox.ca_file, R_OK) != 0)
        return err_set_errno(err, ERR_USAGE, "could not read outbox.ca_file \"%s\"", config->outbox.ca_file);
    if (http_calls_new(&o->sender.calls, &http, err) < 0)
        return err->code;
    o->sender.apps = applications_of(config, err);
    return err->code;
}

int outbox_start(struct outbox **out, const struct config *config, const char *instance_id, struct err *err)
{
    struct outbox *o = calloc(1, sizeof(*o));
    struct err ignored;

    if (!err)
        err = &ignored;
    if (!o)
        return err_set(err, ERR_FAILED, "could not start the sender: out of memory");
    pthread_mutex_init(&o->lock, NULL);
    pthread_mutex_init(&o->sender.note.lock, NULL);
    cond_init_monotonic(&o->over);
    o->database_url = strdup(config->database.url);
    o->instance_id = strdup(instance_id);
    o->connect_timeout_ms = config->database.connect_timeout_ms;
    o->poll_interval_ms = config->outbox.poll_interval_ms;
    o->sender.seed = (unsigned)clock_wall_us() ^ (unsigned)getpid();
    o->sender.options = (struct sender_options){
        .instance_id = o->instance_id,
        .transport = config->outbox.transport == TRANSPORT_SEND_TEXT_MSG ? REST_SEND_TEXT_MSG : REST_SEND_GROUP_MSG,
        .connections = (unsigned)config->outbox.connections,
        .timeout_ms = config->outbox.timeout_ms,
        .confirm_ms = config->outbox.confirm_within_ms,
        .retry_unconfirmed = config->outbox.retry_unconfirmed,
        .attempts = config->outbox.attempts,
        .room_per_minute = config->outbox.room_per_minute,
        .calls_a_second = config->outbox.calls_a_second};
    if (make(o, config, err) < 0) {
        release(o);
        return err->code;
    }
    errno = pthread_create(&o->thread, NULL, run, o);
    if (errno != 0) {
        err_set_errno(err, ERR_FAILED, "could not start the sender");
        release(o);
        return ERR_FAILED;
    }
    *out = o;
    return 0;
}

void outbox_wake(struct outbox *o)
{
    if (!o)
        return;
    atomic_store(&o->woken, true);
    http_calls_wake(o->sender.calls);
}

int outbox_reload(struct outbox *o, const struct config *config, struct err *err)
{
    struct application *wanted, *old;
    struct err why = {0};

    if (!o)
        return 0;
    wanted = applications_of(config, &why);
    if (why.code < 0) {
        if (err)
            *err = why;
        return why.code;
    }
    pthread_mutex_lock(&o->lock);
    old = o->wanted;
    o->wanted = wanted;
    o->wanted_is_new = true;
    pthread_mutex_unlock(&o->lock);
    applications_free(old);
    outbox_wake(o);
    return 0;
}

void outbox_stop(struct outbox *o)
{
    if (!o)
        return;
    atomic_store(&o->stopping, true);
    http_calls_wake(o->sender.calls);
    const int64_t until_us = clock_mono_us() + (o->sender.options.timeout_ms + STOP_GRACE_MS) * 1000;
    pthread_mutex_lock(&o->lock);
    while (!o->ended && cond_wait_until(&o->over, &o->lock, until_us))
        ;
    if (!o->ended && o->db)
        db_cancel(o->db); /* a statement hangs: what it was to write down counts as unanswered */
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->thread, NULL);
    release(o);
}

bool outbox_breaker_open(struct outbox *o, char *why, size_t size)
{
    bool open;

    if (!o) {
        if (size > 0)
            why[0] = '\0';
        return false;
    }
    pthread_mutex_lock(&o->sender.note.lock);
    open = o->sender.note.breaker_open;
    if (size > 0)
        snprintf(why, size, "%s", o->sender.note.why);
    pthread_mutex_unlock(&o->sender.note.lock);
    return open;
}
