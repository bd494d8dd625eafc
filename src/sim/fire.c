#include "sim/fire.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "sim/slow_post.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WORKERS = 16, MAX_ANSWER = 1024 * 1024, REQUEST_ID = 37 };

/* One request: the finished body, and what the query is made of when it is sent. */
struct shot {
    enum command command;
    struct webhook_style style;
    const struct group_message *query; /* only client_ip and opt_platform count */
    struct span body;
    int64_t slow_ms; /* pause between pieces of it; 0: written at once */
};

/* One After webhook that waits its turn. */
struct job {
    struct job *next;
    int64_t due_us; /* clock_mono_us() */
    enum command command;
    struct webhook_style style;
    int64_t slow_ms;
    struct buf body;
    char client_ip[64], opt_platform[32];
};

struct fire {
    struct fire_options options; /* fixed */
    struct seeded *random;
    struct http_client *client;
    pthread_t workers[WORKERS];
    unsigned worker_count;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool stopping;
    struct job *first, *last; /* by due_us */
    size_t queued;
    struct fire_counts counts;
    bool signs;
    char token[FIRE_TOKEN_MAX + 1];
};

/* The token ----------------------------------------------------------------------------------------------------- */

void fire_sign_with(struct fire *f, const char *token)
{
    pthread_mutex_lock(&f->lock);
    f->signs = token != NULL;
    snprintf(f->token, sizeof(f->token), "%s", token ? token : "");
    pthread_mutex_unlock(&f->lock);
}

/* A copy in out, or NULL when webhooks are not signed. */
static const char *token_now(struct fire *f, char out[FIRE_TOKEN_MAX + 1])
{
    bool signs;

    pthread_mutex_lock(&f->lock);
    signs = f->signs;
    memcpy(out, f->token, sizeof(f->token));
    pthread_mutex_unlock(&f->lock);
    return signs ? out : NULL;
}

/* Sending ------------------------------------------------------------------------------------------------------- */

static void request_id_make(struct fire *f, char out[REQUEST_ID])
{
    const uint64_t high = seeded_next(f->random), low = seeded_next(f->random);

    snprintf(out, REQUEST_ID, "%08" PRIx32 "-%04x-4%03x-%04x-%012" PRIx64, (uint32_t)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff), (unsigned)(low >> 48 & 0x3fff) | 0x8000,
             low & 0xffffffffffff);
}

static int post(struct fire *f, const char *url, struct span body, int64_t slow_ms, struct http_answer *answer,
                struct err *err)
{
    if (slow_ms > 0)
        return slow_post(url, body, slow_ms, f->options.deadline_ms, MAX_ANSWER, answer, err);
    return http_client_post(f->client, url, body, f->options.deadline_ms, answer, err);
}

static void send_body(struct fire *f, const struct shot *shot, struct http_answer *answer, struct fired *out)
{
    struct webhook_style style = shot->style;
    struct buf url = BUF_INIT;
    char request_id[REQUEST_ID], token[FIRE_TOKEN_MAX + 1];
    struct err err = {0};
    int r;

    buf_add_text(&url, f->options.url);
    buf_add_char(&url, '?');
    if (f->options.request_id)
        request_id_make(f, request_id);
    style.token = token_now(f, token);
    webhook_query(&url, &style, shot->command, shot->query, f->options.request_id ? request_id : NULL,
                  clock_wall_us() / 1000000);
    r = buf_failed(&url) ? err_set(&err, ERR_FAILED, "out of memory")
                         : post(f, buf_text(&url), shot->body, shot->slow_ms, answer, &err);
    buf_release(&url);
    *out = (struct fired){.fired = true, .status = answer->status, .elapsed_us = answer->elapsed_us};
    if (r != 0)
        out->failure = r == ERR_TIMEOUT ? "timeout" : "connection";
    else if (answer->status != 200)
        out->failure = "status";
    if (out->failure)
        log_warn("webhook failed", log_str("command", webhook_command_word(shot->command)),
                 log_str("failure", out->failure), log_i64("status", out->status), log_str("reason", err.text));
}

/* False: the service is being stopped. */
static bool pause_before_retry(struct fire *f)
{
    const int64_t until_us = clock_mono_us() + FIRE_AFTER_RETRY_MS * 1000;
    bool stopping;

    pthread_mutex_lock(&f->lock);
    while (!f->stopping && cond_wait_until(&f->wake, &f->lock, until_us))
        ;
    stopping = f->stopping;
    pthread_mutex_unlock(&f->lock);
    return !stopping;
}

static void count(struct fire *f, enum command command, const struct fired *fired, unsigned repeated)
{
    pthread_mutex_lock(&f->lock);
    if (command == COMMAND_BEFORE) {
        f->counts.before++;
        f->counts.before_failed += fired->failure != NULL;
    } else if (command == COMMAND_RECALL) {
        f->counts.recall++;
        f->counts.recall_failed += fired->failure != NULL;
    } else {
        f->counts.after++;
        f->counts.after_failed += fired->failure != NULL;
    }
    f->counts.after_repeated += repeated;
    pthread_mutex_unlock(&f->lock);
}

static void send_and_count(struct fire *f, const struct shot *shot, struct http_answer *answer, struct fired *out)
{
    unsigned repeated = 0;

    send_body(f, shot, answer, out);
    while (shot->command != COMMAND_BEFORE && f->options.after_retry && out->failure &&
           strcmp(out->failure, "timeout") == 0 && repeated < FIRE_AFTER_RETRIES && pause_before_retry(f)) {
        repeated++;
        send_body(f, shot, answer, out);
    }
    count(f, shot->command, out, repeated);
}

static struct webhook_style style_with(const struct fire *f, const struct webhook_faults *faults)
{
    struct webhook_style style = f->options.style;

    style.string_event_time = style.string_event_time || faults->string_event_time;
    style.left_out |= faults->left_out;
    return style;
}

static void fire_here(struct fire *f, enum command command, const struct group_message *message,
                      const struct webhook_faults *faults, struct http_answer *answer, struct fired *out)
{
    struct shot shot = {
        .command = command, .style = style_with(f, faults), .query = message, .slow_ms = faults->slow_ms};
    struct buf body = BUF_INIT;

    webhook_body(&body, &shot.style, command, message);
    shot.body = buf_span(&body);
    if (buf_failed(&body))
        *out = (struct fired){.failure = "connection"};
    else
        send_and_count(f, &shot, answer, out);
    buf_release(&body);
}

/* The queue ----------------------------------------------------------------------------------------------------- */

static void job_free(struct job *job)
{
    buf_release(&job->body);
    free(job);
}

static struct job *job_new(const struct fire *f, enum command command, const struct group_message *message,
                           const struct webhook_faults *faults)
{
    struct job *job = calloc(1, sizeof(*job));

    if (!job)
        return NULL;
    snprintf(job->client_ip, sizeof(job->client_ip), "%s", message->client_ip);
    snprintf(job->opt_platform, sizeof(job->opt_platform), "%s", message->opt_platform);
    job->command = command;
    job->style = style_with(f, faults);
    job->slow_ms = faults->slow_ms;
    webhook_body(&job->body, &job->style, command, message);
    if (buf_failed(&job->body)) {
        job_free(job);
        return NULL;
    }
    return job;
}

/* Puts it behind all that are due before it or at the same time; so those without a delay stay in order. */
static void job_insert_locked(struct fire *f, struct job *job)
{
    struct job **at = f->last && f->last->due_us <= job->due_us ? &f->last->next : &f->first;

    while (*at && (*at)->due_us <= job->due_us)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    if (!job->next)
        f->last = job;
    f->queued++;
}

static void queue(struct fire *f, enum command command, const struct group_message *message,
                  const struct webhook_faults *faults, int64_t delay_ms)
{
    struct job *job = job_new(f, command, message, faults);
    bool taken;

    pthread_mutex_lock(&f->lock);
    taken = job && f->queued < FIRE_QUEUE;
    if (taken) {
        job->due_us = clock_mono_us() + delay_ms * 1000;
        job_insert_locked(f, job);
    } else {
        f->counts.after_not_queued++;
    }
    pthread_mutex_unlock(&f->lock);
    if (taken)
        pthread_cond_broadcast(&f->wake); /* a worker may be waiting for a retry on the same condition */
    else if (job)
        job_free(job);
}

/* Waits until the first one is due. */
static struct job *job_take(struct fire *f)
{
    struct job *job = NULL;

    pthread_mutex_lock(&f->lock);
    while (!f->stopping && (!f->first || f->first->due_us > clock_mono_us())) {
        if (f->first)
            cond_wait_until(&f->wake, &f->lock, f->first->due_us);
        else
            pthread_cond_wait(&f->wake, &f->lock);
    }
    if (!f->stopping) {
        job = f->first;
        f->first = job->next;
        if (!f->first)
            f->last = NULL;
        f->queued--;
    }
    pthread_mutex_unlock(&f->lock);
    return job;
}

static void *work(void *arg)
{
    struct fire *f = arg;
    struct http_answer answer = HTTP_ANSWER_INIT;
    struct job *job;

    while ((job = job_take(f)) != NULL) {
        const struct group_message query = {.client_ip = job->client_ip, .opt_platform = job->opt_platform};
        const struct shot shot = {job->command, job->style, &query, buf_span(&job->body), job->slow_ms};
        struct fired fired;
        send_and_count(f, &shot, &answer, &fired);
        job_free(job);
    }
    http_answer_release(&answer);
    return NULL;
}

/* Handing over --------------------------------------------------------------------------------------------------- */

static void lose(struct fire *f, enum command command, struct fired *out)
{
    *out = (struct fired){.fired = true, .failure = "lost"};
    log_warn("webhook lost on purpose", log_str("command", webhook_command_word(command)));
    count(f, command, out, 0);
}

static void fire_before(struct fire *f, const struct group_message *message, const struct webhook_faults *faults,
                        struct http_answer *answer, struct fired *out)
{
    fault_plan_sleep(f->options.faults, faults->delay_ms);
    if (faults->lost)
        lose(f, COMMAND_BEFORE, out);
    else
        fire_here(f, COMMAND_BEFORE, message, faults, answer, out);
}

/* answer NULL: nobody waits for it. What a fault puts off nobody waits for either, so that a second message of the same
 * client can overtake it. */
static void fire_after(struct fire *f, enum command command, const struct group_message *message,
                       struct http_answer *answer, struct fired *out)
{
    const struct webhook_faults faults = fault_plan_webhook(f->options.faults, command);

    *out = (struct fired){0};
    if (faults.lost) {
        lose(f, command, out);
        return;
    }
    if (faults.duplicate)
        queue(f, command, message, &faults, faults.delay_ms + faults.duplicate_ms);
    if (!answer || faults.delay_ms > 0)
        queue(f, command, message, &faults, faults.delay_ms);
    else
        fire_here(f, command, message, &faults, answer, out);
}

void fire_now(struct fire *f, enum command command, const struct group_message *message, struct http_answer *answer,
              struct fired *out)
{
    if (command == COMMAND_BEFORE) {
        const struct webhook_faults faults = fault_plan_webhook(f->options.faults, COMMAND_BEFORE);
        fire_before(f, message, &faults, answer, out);
    } else {
        fire_after(f, command, message, answer, out);
    }
}

void fire_after_later(struct fire *f, enum command command, const struct group_message *message)
{
    struct fired unused;

    fire_after(f, command, message, NULL, &unused);
}

/* Life ---------------------------------------------------------------------------------------------------------- */

int fire_new(struct fire **out, const struct fire_options *options, struct seeded *random, struct err *err)
{
    const struct http_client_options client = {.connections = options->connections,
                                               .max_answer_bytes = MAX_ANSWER,
                                               .user_agent = "chatsim/" CHATSLUICE_VERSION};
    struct fire *f = calloc(1, sizeof(*f));

    if (!f)
        return err_set(err, ERR_FAILED, "could not prepare webhooks: out of memory");
    f->options = *options;
    f->random = random;
    pthread_mutex_init(&f->lock, NULL);
    cond_init_monotonic(&f->wake);
    fire_sign_with(f, options->style.token);
    if (http_client_new(&f->client, &client, err) < 0)
        goto failed;
    for (; f->worker_count < WORKERS; f->worker_count++) {
        if (pthread_create(&f->workers[f->worker_count], NULL, work, f) != 0) {
            err_set(err, ERR_FAILED, "could not start a thread for After webhooks");
            goto failed;
        }
    }
    *out = f;
    return 0;

failed:
    fire_free(f);
    return ERR_FAILED;
}

void fire_free(struct fire *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_mutex_unlock(&f->lock);
    pthread_cond_broadcast(&f->wake);
    for (unsigned i = 0; i < f->worker_count; i++)
        pthread_join(f->workers[i], NULL);
    while (f->first) {
        struct job *next = f->first->next;
        job_free(f->first);
        f->first = next;
    }
    http_client_free(f->client);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void fire_count(struct fire *f, struct fire_counts *out)
{
    pthread_mutex_lock(&f->lock);
    *out = f->counts;
    pthread_mutex_unlock(&f->lock);
}
