/* http_head.h - private to http_server.c: judges the head of a request again, after civetweb has taken it. */
#ifndef CHATSLUICE_BASE_HTTP_HEAD_H
#define CHATSLUICE_BASE_HTTP_HEAD_H

#include "base/http_server.h"

/* A head as civetweb has cut it into strings, in place. */
struct http_head {
    const char *buffer; /* where heads begin */
    const char *method;
    const char *version; /* "1.0" or "1.1" */
    size_t count;        /* of headers; HTTP_MAX_HEADERS + 1 means that many or more */
    struct {
        const char *name, *value;
    } headers[HTTP_MAX_HEADERS + 1];
};

/* What the head says about body and connection. */
struct http_framing {
    const char *fault; /* why the request is refused, NULL: it is not */
    int status;        /* the refusal's */
    size_t content_length;
    bool chunked;
    bool expects_continue;
    bool keep_alive; /* only if civetweb keeps the connection, too */
};

void http_head_judge(const struct http_head *head, struct http_framing *out);

#endif
