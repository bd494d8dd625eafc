#include "sim/slow_post.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_HOST = 255, BODY_PIECES = 6, READ_STEP = 16384 };

/* One request under way. */
struct slow_post {
    char host[MAX_HOST + 1], port[6];
    const char *target; /* in the url */
    int fd;
    int64_t deadline_us;
};

/* http://host[:port]/path?query */
static bool url_read(struct slow_post *p, const char *url)
{
    const char *host = url + strlen("http://"), *end, *colon;
    size_t len;

    if (strncasecmp(url, "http://", strlen("http://")) != 0)
        return false;
    end = host + strcspn(host, "/?#");
    colon = memchr(host, ':', (size_t)(end - host));
    len = (size_t)((colon ? colon : end) - host);
    if (len == 0 || len > MAX_HOST || (colon && (size_t)(end - colon) > sizeof(p->port)))
        return false;
    snprintf(p->host, sizeof(p->host), "%.*s", (int)len, host);
    if (colon)
        snprintf(p->port, sizeof(p->port), "%.*s", (int)(end - colon - 1), colon + 1);
    else
        snprintf(p->port, sizeof(p->port), "80");
    p->target = end;
    return true;
}

/* Waits for the socket; 0, ERR_TIMEOUT or ERR_LOST. */
static int await(const struct slow_post *p, short events, struct err *err)
{
    struct pollfd poll_fd = {.fd = p->fd, .events = events};
    int n;

    do {
        const int64_t left_ms = (p->deadline_us - clock_mono_us() + 999) / 1000;
        n = left_ms > 0 ? poll(&poll_fd, 1, (int)left_ms) : 0;
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set_errno(err, ERR_LOST, "could not wait for the webhook's receiver");
    return n > 0 ? 0 : err_set(err, ERR_TIMEOUT, "no answer in time");
}

static int connect_to(struct slow_post *p, const struct addrinfo *to, struct err *err)
{
    int failed = 0, on = 1, r;
    socklen_t len = sizeof(failed);

    p->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0)
        return err_set_errno(err, ERR_LOST, "could not open a socket");
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* each piece leaves by itself */
    if (connect(p->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
        return err_set_errno(err, ERR_LOST, "could not connect");
    if ((r = await(p, POLLOUT, err)) < 0)
        return r;
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0 || failed != 0)
        return err_set(err, ERR_LOST, "could not connect");
    return 0;
}

static int open_connection(struct slow_post *p, struct err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const int failed = getaddrinfo(p->host, p->port, &hints, &list);
    int r;

    if (failed != 0)
        return err_set(err, ERR_LOST, "could not find the host: %s", gai_strerror(failed));
    r = connect_to(p, list, err);
    freeaddrinfo(list);
    return r;
}

/* Writing -------------------------------------------------------------------------------------------------------- */

static int write_piece(const struct slow_post *p, const char *data, size_t len, struct err *err)
{
    while (len > 0) {
        const ssize_t n = send(p->fd, data, len, MSG_NOSIGNAL);
        int r;
        if (n < 0 && errno == EAGAIN) {
            if ((r = await(p, POLLOUT, err)) < 0)
                return r;
            continue;
        }
        if (n < 0)
            return err_set_errno(err, ERR_LOST, "could not write the request");
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Ends of the pieces, ascending, the last one that of the request. */
static size_t cut(const char *request, size_t head_len, size_t body_len, size_t ends[BODY_PIECES + 6])
{
    const char *line_end = strstr(request, "\r\n");
    size_t count = 0;

    ends[count++] = 2;                                /* PO|ST */
    ends[count++] = (size_t)(line_end - request) + 1; /* CR|LF */
    ends[count++] = (size_t)(line_end - request) + 4; /* Ho|st */
    ends[count++] = head_len - 3;                     /* CR|LF CR LF */
    ends[count++] = head_len - 1;                     /* CR LF CR|LF */
    for (size_t i = 0; i <= BODY_PIECES; i++) {
        const size_t end = head_len + body_len * i / BODY_PIECES;
        if (end > ends[count - 1])
            ends[count++] = end;
    }
    return count;
}

static int write_request(const struct slow_post *p, struct span body, int64_t pause_ms, struct http_answer *answer,
                         struct err *err)
{
    struct buf request = BUF_INIT;
    size_t ends[BODY_PIECES + 6], head_len, count, at = 0;
    int r = 0;

    buf_addf(&request, "POST %s%s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n", *p->target == '/' ? "" : "/",
             p->target, p->host, p->port);
    buf_addf(&request, "Content-Type: application/json; charset=utf-8\r\nContent-Length: %zu\r\n\r\n", body.len);
    head_len = request.len;
    buf_add_span(&request, body);
    if (buf_failed(&request)) {
        buf_release(&request);
        return err_set(err, ERR_FAILED, "out of memory");
    }
    count = cut(request.data, head_len, body.len, ends);
    answer->sent = true;
    for (size_t i = 0; i < count && r == 0; i++) {
        if (i > 0)
            clock_sleep_ms((unsigned)pause_ms);
        r = clock_mono_us() < p->deadline_us ? write_piece(p, request.data + at, ends[i] - at, err)
                                             : err_set(err, ERR_TIMEOUT, "no answer in time");
        at = ends[i];
    }
    buf_release(&request);
    return r;
}

/* Reading -------------------------------------------------------------------------------------------------------- */

/* Length of the head with its blank line, 0 while it has not come. */
static size_t head_length(const struct buf *in)
{
    const char *end = strstr(buf_text(in), "\r\n\r\n");

    return end ? (size_t)(end - in->data) + 4 : 0;
}

/* What Content-Length says; false when it is not there and the connection's end is that of the body. */
static bool body_length(const struct buf *in, size_t head_len, size_t *length)
{
    static const char name[] = "\r\nContent-Length:";

    for (size_t at = 0; at + sizeof(name) < head_len; at++) {
        if (strncasecmp(in->data + at, name, sizeof(name) - 1) == 0) {
            *length = strtoul(in->data + at + sizeof(name) - 1, NULL, 10);
            return true;
        }
    }
    return false;
}

/* The head and as much of the body as was promised or came. */
static int read_whole(const struct slow_post *p, struct buf *in, size_t *head_len, size_t *length, struct err *err)
{
    bool promised = false;

    *head_len = *length = 0;
    while (*head_len == 0 || !promised || in->len - *head_len < *length) {
        char *space = buf_reserve(in, READ_STEP);
        ssize_t n;
        int r;
        if (!space)
            return err_set(err, ERR_FULL, "the answer is longer than allowed");
        if ((r = await(p, POLLIN, err)) < 0)
            return r;
        if ((n = recv(p->fd, space, READ_STEP, 0)) < 0)
            return err_set_errno(err, ERR_LOST, "could not read the answer");
        if (n == 0)
            break;
        buf_commit(in, (size_t)n);
        if (*head_len == 0 && (*head_len = head_length(in)) > 0)
            promised = body_length(in, *head_len, length);
    }
    if (*head_len == 0 || strncmp(in->data, "HTTP/1.", 7) != 0 || (promised && in->len - *head_len < *length))
        return err_set(err, ERR_LOST, "the connection ended before the whole answer");
    if (!promised)
        *length = in->len - *head_len;
    return 0;
}

static int read_answer(const struct slow_post *p, size_t max, struct http_answer *answer, struct err *err)
{
    struct buf in = {.max = max + (size_t)READ_STEP * 2};
    size_t head_len, length;
    int r = read_whole(p, &in, &head_len, &length, err);

    if (r == 0) {
        buf_add(&answer->body, in.data + head_len, length);
        if (buf_failed(&answer->body))
            r = err_set(err, ERR_FULL, "the answer is longer than allowed");
        else
            answer->status = atoi(in.data + strlen("HTTP/1.1 "));
    }
    buf_release(&in);
    return r;
}

int slow_post(const char *url, struct span body, int64_t pause_ms, int64_t timeout_ms, size_t max_answer_bytes,
              struct http_answer *answer, struct err *err)
{
    const int64_t start_us = clock_mono_us();
    struct slow_post p = {.fd = -1, .deadline_us = start_us + timeout_ms * 1000};
    int r;

    answer->status = 0;
    answer->sent = false;
    buf_reset(&answer->body);
    answer->body.max = max_answer_bytes;
    if (!url_read(&p, url))
        r = err_set(err, ERR_USAGE, "could not use the URL: it must be http://host[:port]/path");
    else if ((r = open_connection(&p, err)) == 0 && (r = write_request(&p, body, pause_ms, answer, err)) == 0)
        r = read_answer(&p, max_answer_bytes, answer, err);
    if (p.fd >= 0)
        close(p.fd);
    answer->elapsed_us = clock_mono_us() - start_us;
    return r;
}
