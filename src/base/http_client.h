/* http_client.h - POST with a deadline over a bounded pool of kept connections, waiting for each answer or with many
 * calls under way from one thread. The one file over libcurl.
 *
 * A request is sent at most once: redirects are not followed, and libcurl's own habit of repeating a request when a
 * kept connection turns out dead is stopped before the second attempt. What is not known to have arrived is for the
 * caller to decide, who alone knows whether doing it twice does harm. TLS is verified, authority and host name.
 * Proxies of the environment are not used. */
#ifndef CHATSLUICE_BASE_HTTP_CLIENT_H
#define CHATSLUICE_BASE_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

struct http_client;

struct http_client_options {
    unsigned connections;
    size_t max_answer_bytes;
    const char *user_agent; /* copied */
    const char *ca_file;    /* the authorities TLS is verified against, in place of the system's; NULL: the system's */
};

struct http_answer {
    int status;         /* 0 unless the call returned 0 */
    bool sent;          /* false: surely not a byte of the request reached the server, it may be repeated */
    int64_t elapsed_us; /* the whole call, waiting for a connection included */
    struct buf body;
};

#define HTTP_ANSWER_INIT ((struct http_answer){0})
void http_answer_release(struct http_answer *answer);

/* Waiting for the answer -------------------------------------------------------------------------------------------
 *
 * Threads: any, up to `connections` requests at a time; a further one waits for a free connection within its deadline.
 */

int http_client_new(struct http_client **out, const struct http_client_options *options, struct err *err);
/* No call may be under way. NULL is fine. */
void http_client_free(struct http_client *client);

/* Posts body as application/json; url is http or https. 0 when an answer of any status has been read whole into
 * *answer (whose earlier contents go). ERR_TIMEOUT: timeout_ms passed. ERR_LOST: no connection, or it broke.
 * ERR_FULL: the answer was larger than allowed. ERR_USAGE: the url cannot be used. Errors do not hold the url, whose
 * query may be secret. */
int http_client_post(struct http_client *client, const char *url, struct span body, int64_t timeout_ms,
                     struct http_answer *answer, struct err *err);

/* Many at a time ---------------------------------------------------------------------------------------------------
 *
 * Life:    http_calls_new -> (http_calls_begin | http_calls_wait | http_calls_next)... -> http_calls_free.
 * Threads: one, but http_calls_wake may come from any. */

struct http_calls;

struct http_call {
    const char *url;  /* http or https; copied, as body is */
    struct span body; /* posted as application/json */
    int64_t timeout_ms;
    int64_t send_before_us; /* clock_mono_us() after which nothing is sent any more; 0: only the timeout counts */
    void *arg;              /* comes back with the end */
};

/* How a call ended. */
struct http_end {
    void *arg;
    int result; /* as of http_client_post; ERR_TIMEOUT with answer->sent false also when it was not sent in time */
    struct err err;
    const struct http_answer *answer; /* borrowed until the next http_calls_begin */
};

int http_calls_new(struct http_calls **out, const struct http_client_options *options, struct err *err);
/* Calls under way are given up. NULL is fine. */
void http_calls_free(struct http_calls *calls);
/* ERR_FULL: as many calls as connections are under way. ERR_USAGE: the url cannot be used. Then nothing was sent and
 * the call will not end. */
int http_calls_begin(struct http_calls *calls, const struct http_call *call, struct err *err);
unsigned http_calls_under_way(const struct http_calls *calls); /* begun and not given by http_calls_next */
/* Moves the calls on, at most timeout_ms long; returns when one has ended, at a wake, or when something moved. */
void http_calls_wait(struct http_calls *calls, int64_t timeout_ms);
/* Gives a call that has ended; false: there is none. */
bool http_calls_next(struct http_calls *calls, struct http_end *out);
void http_calls_wake(struct http_calls *calls);

#endif
