/* http_client.h - POST with a deadline over a bounded pool of kept connections. The one file over libcurl.
 *
 * A request is sent at most once: redirects are not followed, and libcurl's own habit of repeating a request when a
 * kept connection turns out dead is stopped before the second attempt. What is not known to have arrived is for the
 * caller to decide, who alone knows whether doing it twice does harm. TLS is verified against the system's authorities.
 * Proxies of the environment are not used.
 *
 * Threads: any, up to `connections` requests at a time; a further one waits for a free connection within its deadline.
 */
#ifndef CHATSLUICE_BASE_HTTP_CLIENT_H
#define CHATSLUICE_BASE_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

struct http_client;

struct http_client_options {
    unsigned connections;
    size_t max_answer_bytes;
    const char *user_agent; /* copied */
};

struct http_answer {
    int status;         /* 0 unless the call returned 0 */
    bool sent;          /* false: surely not a byte of the request reached the server, it may be repeated */
    int64_t elapsed_us; /* the whole call, waiting for a connection included */
    struct buf body;
};

#define HTTP_ANSWER_INIT ((struct http_answer){0})
void http_answer_release(struct http_answer *answer);

int http_client_new(struct http_client **out, const struct http_client_options *options, struct err *err);
/* No call may be under way. NULL is fine. */
void http_client_free(struct http_client *client);

/* Posts body as application/json; url is http or https. 0 when an answer of any status has been read whole into
 * *answer (whose earlier contents go). ERR_TIMEOUT: timeout_ms passed. ERR_LOST: no connection, or it broke.
 * ERR_FULL: the answer was larger than allowed. ERR_USAGE: the url cannot be used. Errors do not hold the url, whose
 * query may be secret. */
int http_client_post(struct http_client *client, const char *url, struct span body, int64_t timeout_ms,
                     struct http_answer *answer, struct err *err);

#endif
