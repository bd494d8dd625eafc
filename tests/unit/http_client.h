/* http_client.h - a raw HTTP client for tests: sends what it is told, byte for byte, and reads replies one by one. */
#ifndef CHATSLUICE_TESTS_HTTP_CLIENT_H
#define CHATSLUICE_TESTS_HTTP_CLIENT_H

#include "base/buf.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct client {
    int fd;
    struct buf in; /* received, not yet taken by client_read */
};

struct client_reply {
    int status;
    bool close; /* Connection: close */
    struct buf head, body;
};

/* fd is -1 when nobody listens. A reply may take 20 s: far more than any, so that a hanging server fails a test. */
static inline struct client client_open(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 20};
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(c.fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        close(c.fd);
        c.fd = -1;
    }
    return c;
}

static inline void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_release(&c->in);
}

/* False when the peer is gone; what it answered before that can still be read. */
static inline bool client_send(const struct client *c, const void *data, size_t len)
{
    const char *from = data;

    while (len > 0) {
        ssize_t n = send(c->fd, from, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        from += n;
        len -= (size_t)n;
    }
    return true;
}

static inline bool client_send_text(const struct client *c, const char *text)
{
    return client_send(c, text, strlen(text));
}

static inline bool client_fill(struct client *c)
{
    char *to = buf_reserve(&c->in, 16384);
    ssize_t n = to ? recv(c->fd, to, 16384, 0) : -1;

    if (n <= 0)
        return false;
    buf_commit(&c->in, (size_t)n);
    return true;
}

static inline void client_take(struct client *c, struct buf *out, size_t len)
{
    buf_reset(out);
    buf_add(out, c->in.data, len);
    memmove(c->in.data, c->in.data + len, c->in.len - len);
    c->in.len -= len;
    c->in.data[c->in.len] = '\0';
}

static inline const char *client_header(const struct client_reply *r, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(buf_text(&r->head), "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            return line + 2 + len + 2;
    }
    return NULL;
}

/* Reads one whole reply; false when the connection ends before. head_only: it answers HEAD. */
static inline bool client_read_reply(struct client *c, struct client_reply *r, bool head_only)
{
    const char *end, *length;
    size_t body_len = 0;

    while (!(end = strstr(buf_text(&c->in), "\r\n\r\n"))) {
        if (!client_fill(c))
            return false;
    }
    client_take(c, &r->head, (size_t)(end - c->in.data) + 4);
    r->status = atoi(r->head.data + strlen("HTTP/1.1 "));
    r->close = client_header(r, "Connection") && strncmp(client_header(r, "Connection"), "close", 5) == 0;
    length = client_header(r, "Content-Length");
    if (length && !head_only)
        body_len = strtoul(length, NULL, 10);
    while (c->in.len < body_len) {
        if (!client_fill(c))
            return false;
    }
    client_take(c, &r->body, body_len);
    return true;
}

static inline bool client_read(struct client *c, struct client_reply *r)
{
    return client_read_reply(c, r, false);
}

/* True when the server has closed its side and left nothing unread. */
static inline bool client_at_end(struct client *c)
{
    char byte;

    return c->in.len == 0 && recv(c->fd, &byte, 1, 0) <= 0;
}

static inline void client_reply_release(struct client_reply *r)
{
    buf_release(&r->head);
    buf_release(&r->body);
}

#endif
