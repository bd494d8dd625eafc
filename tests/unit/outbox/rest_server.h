/* rest_server.h - a REST API for tests: real sockets, answers as the text or the room asks for, remembers every call.
 */
#ifndef CHATSLUICE_TESTS_OUTBOX_REST_SERVER_H
#define CHATSLUICE_TESTS_OUTBOX_REST_SERVER_H

#include "base/clock.h"
#include "base/http_server.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { REST_CALLS_MOST = 20000 };

struct rest_server {
    struct http_server *server;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t called;
    unsigned calls;
    int64_t arrivals_us[REST_CALLS_MOST];
    struct buf log;        /* "path body\n" of every call */
    struct buf last_query; /* holds a signature */
    char answers[256];     /* the answer of every call, unless its body has "answer <code>" */
    int status;
    char once[256];   /* the answer of the next call alone, when not empty */
    unsigned holding; /* calls that get no answer at all until this is 0 */
};

#define REST_OK                                                                                                        \
    "{\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ActionStatus\":\"OK\",\"RequestId\":\"Id-1-O-Seq-1\",\"Response\":{"        \
    "\"MsgTime\":1764000002,\"MsgSeq\":812,\"MsgDropReason\":\"\"}}"

static void *rest_thread_new(void *arg)
{
    (void)arg;
    return calloc(1, sizeof(struct buf));
}

static void rest_thread_free(void *thread)
{
    buf_release(thread);
    free(thread);
}

static void rest_handle(const struct http_request *request, struct http_reply *reply, void *arg)
{
    struct rest_server *s = arg;
    struct buf *body = request->thread;
    const int64_t now_us = clock_mono_us();
    const char *asked;

    if (http_read_body(request, body, reply) != HTTP_BODY_OK)
        return;
    pthread_mutex_lock(&s->lock);
    if (s->calls < REST_CALLS_MOST)
        s->arrivals_us[s->calls] = now_us;
    s->calls++;
    buf_add_span(&s->log, request->path);
    buf_add_char(&s->log, ' ');
    buf_add_span(&s->log, buf_span(body));
    buf_add_char(&s->log, '\n');
    buf_reset(&s->last_query);
    buf_add_span(&s->last_query, request->query);
    pthread_cond_broadcast(&s->called);
    while (s->holding > 0)
        pthread_cond_wait(&s->called, &s->lock);
    reply->status = s->status;
    if (s->once[0]) {
        buf_add_text(reply->body, s->once);
        s->once[0] = '\0';
        pthread_mutex_unlock(&s->lock);
        return;
    }
    asked = strstr(buf_text(body), "answer ");
    if (asked)
        buf_addf(
            reply->body,
            "{\"ErrorCode\":%d,\"ErrorInfo\":\"as asked\",\"ActionStatus\":\"FAIL\",\"RequestId\":\"Id-2-O-Seq-2\"}",
            atoi(asked + 7));
    else
        buf_add_text(reply->body, s->answers);
    pthread_mutex_unlock(&s->lock);
}

static inline void rest_server_start(struct rest_server *s, const char *listen)
{
    const struct http_server_options options = {
        .listen = listen,
        .threads = 64,
        .max_body_bytes = 1024 * 1024,
        .body_timeout_ms = 5000,
        .keep_alive_ms = 60000,
        .handler = rest_handle,
        .thread_new = rest_thread_new,
        .thread_free = rest_thread_free,
        .arg = s,
    };
    struct err err = {0};

    memset(s, 0, sizeof(*s));
    s->status = 200;
    snprintf(s->answers, sizeof(s->answers), "%s", REST_OK);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->called, NULL);
    if (http_server_start(&s->server, &options, &err) < 0)
        fail_msg("%s", err.text);
}

/* What every call is answered from now on. */
static inline void rest_server_say(struct rest_server *s, int status, const char *answer)
{
    pthread_mutex_lock(&s->lock);
    s->status = status;
    snprintf(s->answers, sizeof(s->answers), "%s", answer);
    pthread_mutex_unlock(&s->lock);
}

static inline void rest_server_hold(struct rest_server *s, unsigned holding)
{
    pthread_mutex_lock(&s->lock);
    s->holding = holding;
    pthread_cond_broadcast(&s->called);
    pthread_mutex_unlock(&s->lock);
}

static inline unsigned rest_server_calls(struct rest_server *s)
{
    unsigned calls;

    pthread_mutex_lock(&s->lock);
    calls = s->calls;
    pthread_mutex_unlock(&s->lock);
    return calls;
}

static inline void rest_server_stop(struct rest_server *s)
{
    rest_server_hold(s, 0);
    http_server_stop(s->server, 5000);
    buf_release(&s->log);
    buf_release(&s->last_query);
    pthread_cond_destroy(&s->called);
    pthread_mutex_destroy(&s->lock);
}

#endif
