/* responder.h - a webhook receiver for tests: real sockets, answers what it is told, remembers what it was asked. */
#ifndef CHATSLUICE_TESTS_SIM_RESPONDER_H
#define CHATSLUICE_TESTS_SIM_RESPONDER_H

#include "base/http_server.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct responder {
    struct http_server *server;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    int status;                                                    /* of the answer to Before */
    const char *reply;                                             /* its body */
    bool silent;                                                   /* no answer to Before until this is false again */
    bool silent_after;                                             /* the same for After */
    unsigned before, after;                                        /* received */
    struct buf before_query, before_body, after_query, after_body; /* the last ones */
};

#define RESPONDER_ALLOW "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}"

static void *responder_thread_new(void *arg)
{
    (void)arg;
    return calloc(1, sizeof(struct buf));
}

static void responder_thread_free(void *thread)
{
    buf_release(thread);
    free(thread);
}

static void responder_keep(struct buf *into, struct span what)
{
    buf_reset(into);
    buf_add_span(into, what);
}

static void responder_handle(const struct http_request *request, struct http_reply *reply, void *arg)
{
    struct responder *r = arg;
    struct buf *body = request->thread;
    bool before;

    if (http_read_body(request, body, reply) != HTTP_BODY_OK)
        return;
    before = strstr(buf_text(body), "Group.CallbackBeforeSendMsg") != NULL;
    pthread_mutex_lock(&r->lock);
    responder_keep(before ? &r->before_query : &r->after_query, request->query);
    responder_keep(before ? &r->before_body : &r->after_body, buf_span(body));
    if (before)
        r->before++;
    else
        r->after++;
    pthread_cond_broadcast(&r->changed);
    while (before ? r->silent : r->silent_after)
        pthread_cond_wait(&r->changed, &r->lock);
    reply->status = before ? r->status : 200;
    buf_add_text(reply->body, before ? r->reply : RESPONDER_ALLOW);
    pthread_mutex_unlock(&r->lock);
}

static inline int responder_start(struct responder *r)
{
    const struct http_server_options options = {
        .listen = "127.0.0.1:0",
        .threads = 24,
        .max_body_bytes = 1024 * 1024,
        .body_timeout_ms = 5000,
        .keep_alive_ms = 60000,
        .handler = responder_handle,
        .thread_new = responder_thread_new,
        .thread_free = responder_thread_free,
        .arg = r,
    };

    *r = (struct responder){.status = 200, .reply = RESPONDER_ALLOW};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    return http_server_start(&r->server, &options, NULL);
}

/* Answers Before webhooks so from now on. */
static inline void responder_say(struct responder *r, int status, const char *reply)
{
    pthread_mutex_lock(&r->lock);
    r->status = status;
    r->reply = reply;
    pthread_mutex_unlock(&r->lock);
}

static inline void responder_hush(struct responder *r, bool before, bool after)
{
    pthread_mutex_lock(&r->lock);
    r->silent = before;
    r->silent_after = after;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* What the receiver noted before it answered may be read without its lock after this. */
static inline void responder_meet(struct responder *r)
{
    pthread_mutex_lock(&r->lock);
    pthread_mutex_unlock(&r->lock);
}

/* Wait until so many webhooks have come. */
static inline void responder_wait_before(struct responder *r, unsigned count)
{
    pthread_mutex_lock(&r->lock);
    while (r->before < count)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static inline void responder_wait_after(struct responder *r, unsigned count)
{
    pthread_mutex_lock(&r->lock);
    while (r->after < count)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static inline void responder_stop(struct responder *r)
{
    responder_hush(r, false, false);
    http_server_stop(r->server, 5000);
    buf_release(&r->before_query);
    buf_release(&r->before_body);
    buf_release(&r->after_query);
    buf_release(&r->after_body);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

#endif
