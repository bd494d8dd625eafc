#include "outbox/sender.h"

#include "base/clock.h"
#include "base/incidents.h"
#include "base/log.h"
#include "base/metrics.h"
#include "outbox/call.h"
#include "outbox/outcome.h"
#include "outbox/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    /* Permits that come free while a claim is made and soon after are counted in, or they would lie idle: so long, and
     * as long as claims take. */
    LOOK_AHEAD_US = 30 * 1000,
    LOOK_AHEAD_MOST_US = 150 * 1000,
    CLAIM_MOST = 64,
    /* A claimed call that has not left by then does not leave any more: the claim's lease is longer than this and the
     * longest call together, so nobody takes the row for unanswered while it could still be sent. */
    LEAVE_WITHIN_MS = 3000,
    CLAIM_MARGIN_MS = 3000,
    /* Permits are leased for LEASE and used for USE of it, by our clock from before the database was asked. */
    LEASE_MS = 3000,
    USE_MS = 2000,
    RENEW_MS = 500,
    RENEW_SOON_MS = 100,    /* while permits move between instances */
    BUDGET_IDLE_MS = 10000, /* the lease of a command nobody has used for so long is left to run out */
    PAUSE_MS = 60 * 1000 + 1000,
    ANSWERS_MOST = 1024 * 1024,
};

uint32_t sender_random(struct sender *s)
{
    return (uint32_t)rand_r(&s->seed) << 16 ^ (uint32_t)rand_r(&s->seed);
}

/* Breakers -------------------------------------------------------------------------------------------------------- */

static void note_incident(const struct application *app, bool open, const char *meaning)
{
    char detail[INCIDENT_DETAIL];

    snprintf(detail, sizeof(detail), "%" PRId64 ", %s", app->breaker.code, meaning);
    incident_set(INCIDENT_BREAKER_OPEN, app->sdkappid, open, detail);
}

static void write_note(struct sender *s)
{
    const char *meaning;
    unsigned open = 0;

    pthread_mutex_lock(&s->note.lock);
    s->note.why[0] = '\0';
    for (const struct application *app = s->apps; app; app = app->next) {
        const bool closed = app->gone || app->breaker.state == BREAKER_CLOSED;

        handling_of_code(app->breaker.code, &meaning);
        note_incident(app, !closed, meaning);
        if (closed)
            continue;
        if (open++ == 0)
            snprintf(s->note.why, sizeof(s->note.why), "the REST API refuses application %" PRIu64 ": %" PRId64 ", %s",
                     app->sdkappid, app->breaker.code, meaning);
    }
    s->note.breaker_open = open > 0;
    pthread_mutex_unlock(&s->note.lock);
    metric_set(METRIC_OUTBOX_BREAKERS_OPEN, open);
}

static void breaker_stop(struct sender *s, struct application *app, const struct outcome *outcome, int64_t now_us)
{
    const int64_t least_ms = outcome->handling == HANDLE_PAUSE ? PAUSE_MS : 0;
    const char *meaning;

    if (!breaker_trip(&app->breaker, now_us, outcome->answer.error_code, least_ms))
        return;
    handling_of_code(outcome->answer.error_code, &meaning);
    log_error("the REST API refuses the application, its corrections wait", log_u64("sdkappid", app->sdkappid),
              log_i64("code", outcome->answer.error_code), log_str("meaning", meaning),
              log_str("request_id", outcome->answer.request_id));
    write_note(s);
}

/* What the end of a call says of its application. May change outcome->handling. */
static void learn_of_application(struct sender *s, struct job *job, struct outcome *outcome, int64_t now_us)
{
    struct application *app = job->app;
    bool known = true;

    switch (outcome->handling) {
    case HANDLE_RENEW:
        if (signature_expired(&app->signature, job->signature)) {
            breaker_unsure(&app->breaker, now_us);
            return;
        }
        outcome->handling = HANDLE_STOP; /* a new one is said to have expired: clocks differ */
        breaker_stop(s, app, outcome, now_us);
        return;
    case HANDLE_PAUSE:
    case HANDLE_STOP:
        signature_forget(&app->signature);
        breaker_stop(s, app, outcome, now_us);
        return;
    case HANDLE_NOT_SENT:
    case HANDLE_UNKNOWN:
        known = outcome->answered;
        break;
    case HANDLE_SLOW:
        app->budgets[job->row.command].slow = true;
        break;
    case HANDLE_DONE:
    case HANDLE_UNCONFIRMED:
    case HANDLE_RETRY:
    case HANDLE_ROOM_BUSY:
    case HANDLE_DROPPED:
    case HANDLE_ROOM_GONE:
    case HANDLE_REFUSED:
        break;
    }
    if (!known) {
        breaker_unsure(&app->breaker, now_us);
        return;
    }
    signature_worked(&app->signature, job->signature);
    if (breaker_pass(&app->breaker)) {
        log_info("the REST API serves the application again", log_u64("sdkappid", app->sdkappid));
        write_note(s);
    }
}

/* Says it when it begins and when it is over. */
static void note_reach(struct application *app, const struct outcome *outcome)
{
    const bool unreachable = outcome->handling == HANDLE_NOT_SENT;

    if (unreachable && !app->unreachable)
        log_warn("the REST API cannot be reached, corrections wait", log_u64("sdkappid", app->sdkappid),
                 log_str("why", outcome->reason));
    else if (!unreachable && app->unreachable)
        log_info("the REST API is reached again", log_u64("sdkappid", app->sdkappid));
    app->unreachable = unreachable;
}

/* Settling -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *event;
    enum metric metric;
} event_metrics[] = {
    {"accepted", METRIC_OUTBOX_ACCEPTED},   {"unconfirmed", METRIC_OUTBOX_UNCONFIRMED},
    {"not_sent", METRIC_OUTBOX_NOT_SENT},   {"busy", METRIC_OUTBOX_BUSY},
    {"dropped", METRIC_OUTBOX_DROPPED},     {"stopped", METRIC_OUTBOX_STOPPED},
    {"renewed", METRIC_OUTBOX_RENEWED},     {"repeat", METRIC_OUTBOX_REPEAT},
    {"no_answer", METRIC_OUTBOX_NO_ANSWER}, {"refused", METRIC_OUTBOX_REFUSED},
    {"exhausted", METRIC_OUTBOX_EXHAUSTED}, {"impossible", METRIC_OUTBOX_IMPOSSIBLE},
};

static void count_event(const char *event)
{
    for (size_t i = 0; i < sizeof(event_metrics) / sizeof(event_metrics[0]); i++)
        if (strcmp(event_metrics[i].event, event) == 0)
            metric_count(event_metrics[i].metric);
}

/* The end of a job: its answer is noted, the job freed. */
static void job_end(struct sender *s, struct job *job, const struct outcome *outcome, const struct settled *settled)
{
    count_event(settled->event);
    rows_answer_add(&s->answers, &job->row, outcome, settled);
    if (buf_failed(&s->answers))
        s->answer_lost = true;
    free(job);
}

static void job_settle(struct sender *s, struct job *job, struct outcome *outcome, int64_t now_us)
{
    struct settled settled;
    const struct settling settling = {.now_us = now_us,
                                      .most_tries = (unsigned)s->options.attempts,
                                      .confirm_ms = s->options.confirm_ms,
                                      .random = sender_random(s)};

    outcome_settle(&settled, outcome, &job->row, &settling);
    if (outcome->handling == HANDLE_DONE && job->row.action == ACTION_SEND_TEXT)
        metric_observe_us(HISTOGRAM_OUTBOX_DELIVERY, clock_wall_us() - job->row.asked_at_us);
    job_end(s, job, outcome, &settled);
}

/* It has not begun, and goes back without having counted. */
static void job_return(struct sender *s, struct job *job)
{
    job_end(s, job, &(struct outcome){.handling = HANDLE_NOT_SENT}, &(struct settled){.event = "not_sent"});
}

static void job_refuse(struct sender *s, struct job *job, const char *event, const char *why)
{
    struct outcome outcome = {.handling = HANDLE_REFUSED};

    snprintf(outcome.reason, sizeof(outcome.reason), "%.150s", why);
    job_end(s, job, &outcome, &(struct settled){.event = event, .wait_ms = s->options.confirm_ms});
}

/* Calls ----------------------------------------------------------------------------------------------------------- */

static int call_begin(struct sender *s, struct job *job, struct err *err)
{
    struct application *app = job->app;
    const int64_t lease_until_us = app->budgets[job->row.command].pacer.lease_until_us;
    struct caller caller = {.url = app->url,
                            .sdkappid = app->sdkappid,
                            .admin = app->admin,
                            .marker_key = app->marker_key,
                            .now_s = clock_wall_us() / 1000000,
                            .random = sender_random(s)};
    int r =
        signature_get(&app->signature, app->secret_key, app->admin, app->sdkappid, caller.now_s, &caller.usersig, err);

    if (r < 0)
        return err->code = ERR_FAILED;
    job->signature = app->signature.number;
    buf_reset(&s->url);
    buf_reset(&s->body);
    r = call_make(&s->url, &s->body, &job->row, &caller, err);
    if (r < 0)
        return r;
    return http_calls_begin(s->calls,
                            &(struct http_call){.url = buf_text(&s->url),
                                                .body = buf_span(&s->body),
                                                .timeout_ms = s->options.timeout_ms,
                                                .send_before_us = job->send_before_us < lease_until_us
                                                                      ? job->send_before_us
                                                                      : lease_until_us,
                                                .arg = job},
                            err);
}

/* Whether a ready job is not to be sent any more: it goes back. */
static bool is_given_up(const struct job *job, int64_t now_us)
{
    return job->app->gone || now_us > job->send_before_us || breaker_admits(&job->app->breaker, now_us) == 0;
}

/* A ready job has its permit. Its end, of whatever kind, comes either here or in sender_collect. */
static void job_begin(struct sender *s, struct job *job, int64_t now_us)
{
    struct application *app = job->app;
    struct budget *budget = &app->budgets[job->row.command];
    struct err err;
    int r;

    budget->ready--;
    app->ready--;
    if (is_given_up(job, now_us)) {
        job_return(s, job);
        return;
    }
    if (row_is_too_late(&job->row, now_us)) {
        job_refuse(s, job, "no_answer", "an earlier call may have done it, and it is too long ago to repeat it safely");
        return;
    }
    r = call_begin(s, job, &err);
    if (r == ERR_INVALID) {
        job_refuse(s, job, "impossible", err.text);
    } else if (r < 0) {
        struct outcome outcome;
        outcome_read(&outcome, job->row.action, &(struct call_end){.result = r, .why = err.text});
        note_reach(app, &outcome);
        job_settle(s, job, &outcome, now_us);
    } else {
        pacer_begin(&budget->pacer, now_us);
        breaker_begin(&app->breaker);
        app->under_way++;
    }
}

/* Whether a job can leave the ready list: to be sent, or to be given up. */
static bool can_begin(const struct sender *s, const struct job *job, int64_t now_us)
{
    return is_given_up(job, now_us) || (http_calls_under_way(s->calls) < s->options.connections &&
                                        pacer_free(&job->app->budgets[job->row.command].pacer, now_us) > 0);
}

void sender_begin_ready(struct sender *s)
{
    struct job **link = &s->ready;

    while (*link) {
        struct job *job = *link;
        const int64_t now_us = clock_mono_us();
        if (!can_begin(s, job, now_us)) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        job_begin(s, job, now_us);
    }
}

void sender_drop_ready(struct sender *s)
{
    while (s->ready) {
        struct job *job = s->ready;
        s->ready = job->next;
        job->app->budgets[job->row.command].ready--;
        job->app->ready--;
        job_return(s, job);
    }
}

void sender_collect(struct sender *s)
{
    struct http_end end;

    while (http_calls_next(s->calls, &end)) {
        const int64_t now_us = clock_mono_us();
        struct job *job = end.arg;
        struct outcome outcome;

        outcome_read(&outcome, job->row.action,
                     &(struct call_end){.result = end.result,
                                        .why = end.result < 0 ? end.err.text : "",
                                        .sent = end.answer->sent,
                                        .http_status = end.answer->status,
                                        .body = {buf_text(&end.answer->body), end.answer->body.len}});
        job->app->under_way--;
        pacer_end(&job->app->budgets[job->row.command].pacer, now_us, end.answer->sent);
        metric_count(outcome.answered                      ? METRIC_REST_CALLS_ANSWERED
                     : outcome.handling == HANDLE_NOT_SENT ? METRIC_REST_CALLS_NOT_SENT
                                                           : METRIC_REST_CALLS_NO_ANSWER);
        metric_observe_us(HISTOGRAM_REST_CALL, end.answer->elapsed_us);
        note_reach(job->app, &outcome);
        learn_of_application(s, job, &outcome, now_us);
        job_settle(s, job, &outcome, now_us);
    }
}

/* The database ---------------------------------------------------------------------------------------------------- */

/* One after the other, to find the one that is not taken. */
static int write_singly(struct sender *s, struct db *db, struct err *err)
{
    const char *at = s->answers.data, *end = at + s->answers.len;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const size_t len = line_end ? (size_t)(line_end - at) + 1 : (size_t)(end - at);
        const int r = rows_answered(db, (struct span){at, len}, err);
        if (r < 0 && !db_error_is_data(err))
            return r; /* those before were written down; twice does no harm */
        if (r < 0) {
            log_error("an answer of the REST API cannot be written down, its correction counts as unanswered",
                      log_str("why", err->text));
            s->answer_lost = true;
        }
        at += len;
    }
    return 0;
}

int sender_write_answers(struct sender *s, struct db *db, struct err *err)
{
    int r = 0;

    if (s->answers.len > 0)
        r = rows_answered(db, buf_span(&s->answers), err);
    if (r < 0 && db_error_is_data(err))
        r = write_singly(s, db, err);
    if (r == 0) {
        buf_reset(&s->answers);
        s->answers.max = ANSWERS_MOST;
    }
    return r;
}

/* A claim whose answer was lost took rows this instance does not know of: they have not been sent, so they go back at
 * once instead of counting as unanswered. Not when an answer was lost: its row would be taken for one of those. */
int sender_settle_claims(struct sender *s, struct db *db, struct err *err)
{
    unsigned long long moved = 0;
    int r;

    if (s->answer_lost || s->ready || http_calls_under_way(s->calls) > 0)
        return 0;
    r = rows_disown(db, s->options.instance_id, &moved, err);
    if (r == 0 && moved > 0)
        log_info("claimed rows given back", log_u64("rows", moved));
    return r;
}

static bool wants_lease(const struct sender *s, const struct application *app, enum rest_command command,
                        int64_t now_us)
{
    const struct budget *budget = &app->budgets[command];

    if (app->gone)
        return false;
    /* Kept warm: a correction is to leave at once. */
    return command == s->options.transport ||
           (budget->wanted_us > 0 && now_us - budget->wanted_us < BUDGET_IDLE_MS * 1000LL);
}

static int lease(struct sender *s, struct db *db, struct application *app, enum rest_command command, struct err *err)
{
    struct budget *budget = &app->budgets[command];
    const int64_t before_us = clock_mono_us();
    const unsigned own = pacer_own(&budget->pacer, before_us);
    unsigned permits = 0;
    int r = 0;

    if (budget->slow)
        r = rows_slow_calls(db, app->sdkappid, command, err);
    if (r == 0)
        r = rows_lease(db, s->options.instance_id, app->sdkappid, command, own, s->options.calls_a_second, LEASE_MS,
                       &permits, err);
    if (r < 0)
        return r;
    budget->slow = false;
    pacer_lease(&budget->pacer, permits, before_us + USE_MS * 1000LL);
    budget->renew_us = before_us + (permits < own || permits == 0 ? RENEW_SOON_MS : RENEW_MS) * 1000LL;
    return 0;
}

int sender_lease(struct sender *s, struct db *db, struct err *err)
{
    int r = 0;

    for (struct application *app = s->apps; app; app = app->next) {
        for (unsigned i = 0; i < LANES; i++)
            if (app->due[i])
                app->budgets[lanes[i].command].wanted_us = clock_mono_us();
        for (enum rest_command c = 0; r == 0 && c < REST_COMMANDS; c++) {
            const int64_t now_us = clock_mono_us();
            if (wants_lease(s, app, c, now_us) && (app->budgets[c].slow || now_us >= app->budgets[c].renew_us))
                r = lease(s, db, app, c, err);
        }
    }
    return r;
}

static int64_t look_ahead_us(const struct sender *s)
{
    return LOOK_AHEAD_US + s->claim_us < LOOK_AHEAD_MOST_US ? LOOK_AHEAD_US + s->claim_us : LOOK_AHEAD_MOST_US;
}

/* How many rows of the lane can be sent at once. share: connections it may have of those that are free. */
static unsigned claimable(const struct application *app, const struct lane *lane, unsigned app_most, unsigned share,
                          int64_t ahead_us, int64_t now_us)
{
    const struct budget *budget = &app->budgets[lane->command];
    const unsigned permits = pacer_free(&budget->pacer, now_us + ahead_us);
    const unsigned admitted = breaker_admits(&app->breaker, now_us);
    const unsigned busy = app->ready + app->under_way;
    unsigned n = share < CLAIM_MOST ? share : CLAIM_MOST;

    if (permits <= budget->ready || busy >= app_most || admitted <= app->ready)
        return 0;
    if (n > permits - budget->ready)
        n = permits - budget->ready;
    if (n > app_most - busy)
        n = app_most - busy;
    return n < admitted - app->ready ? n : admitted - app->ready;
}

static int claim_lane(struct sender *s, struct db *db, struct application *app, unsigned lane, unsigned most,
                      struct err *err)
{
    const int64_t before_us = clock_mono_us();
    const struct claim claim = {.instance_id = s->options.instance_id,
                                .app = app,
                                .lane = lanes[lane],
                                .fresh = lanes[lane].command == s->options.transport,
                                .most = most,
                                .lease_ms = LEAVE_WITHIN_MS + s->options.timeout_ms + CLAIM_MARGIN_MS,
                                .room_per_minute = s->options.room_per_minute};
    struct job **last = &s->ready, *jobs;
    int r = rows_claim(db, &claim, &jobs, err);
    const int64_t took_us = clock_mono_us() - before_us;

    s->claim_us = took_us > s->claim_us * 7 / 8 ? took_us : s->claim_us * 7 / 8;
    if (r == 0)
        app->due[lane] = jobs != NULL;
    while (*last)
        last = &(*last)->next;
    *last = jobs; /* also after a failure: what was claimed is sent or goes back */
    for (struct job *job = jobs; job; job = job->next) {
        job->send_before_us = before_us + LEAVE_WITHIN_MS * 1000LL;
        app->ready++;
        app->budgets[lanes[lane].command].ready++;
    }
    return r;
}

static unsigned count_due(const struct sender *s, unsigned *apps)
{
    unsigned due = 0;

    *apps = 0;
    for (const struct application *app = s->apps; app; app = app->next) {
        *apps += !app->gone;
        for (unsigned i = 0; i < LANES; i++)
            due += !app->gone && app->due[i];
    }
    return due;
}

bool sender_has_due(const struct sender *s)
{
    unsigned apps;

    return count_due(s, &apps) > 0;
}

static unsigned busy_connections(const struct sender *s)
{
    unsigned busy = http_calls_under_way(s->calls);

    for (const struct job *job = s->ready; job; job = job->next)
        busy++;
    return busy;
}

/* Every lane in which something is due gets its share of the free connections, and they take turns at being first. Of
 * several applications none gets all connections: a host that does not answer holds them for the whole timeout. */
int sender_claim(struct sender *s, struct db *db, struct err *err)
{
    const unsigned connections = s->options.connections;
    unsigned apps, left = count_due(s, &apps), busy = busy_connections(s), skip;
    const unsigned app_most = apps > 1 ? (connections * 3 + 3) / 4 : connections;
    struct application *app = s->apps;
    int r = 0;

    if (left == 0 || apps == 0 || busy >= connections)
        return 0;
    for (skip = s->turn++ % (unsigned)apps; skip > 0 && app->next; skip--)
        app = app->next;
    for (const struct application *first = app; r == 0 && left > 0;) {
        for (unsigned i = 0; r == 0 && i < LANES; i++) {
            const unsigned lane = (i + s->turn) % LANES;
            if (app->gone || !app->due[lane])
                continue;
            const unsigned free_now = connections > busy ? connections - busy : 0;
            const unsigned n =
                claimable(app, &lanes[lane], app_most, (free_now + left - 1) / left, look_ahead_us(s), clock_mono_us());
            left--;
            if (n == 0)
                continue;
            r = claim_lane(s, db, app, lane, n, err);
            busy = busy_connections(s);
        }
        app = app->next ? app->next : s->apps;
        if (app == first)
            break;
    }
    return r;
}

/* The rest -------------------------------------------------------------------------------------------------------- */

void sender_take_applications(struct sender *s, struct application *wanted)
{
    applications_update(&s->apps, wanted);
    write_note(s);
}

void sender_show(struct sender *s)
{
    const int64_t now_us = clock_mono_us();
    unsigned permits = 0;

    for (const struct application *app = s->apps; app; app = app->next)
        for (enum rest_command c = 0; c < REST_COMMANDS; c++)
            permits += pacer_own(&app->budgets[c].pacer, now_us);
    metric_set(METRIC_OUTBOX_PERMITS, permits);
    metric_set(METRIC_OUTBOX_UNDER_WAY, http_calls_under_way(s->calls));
}
