/* http_server.h - a plain HTTP/1.1 server over civetweb that trusts no framing. The one file over civetweb.
 *
 * What civetweb does not do is done here (`dependencies.md`, civetweb): repeated, odd or conflicting Content-Length and
 * Transfer-Encoding, 64 headers or more: 400 and close; a header line that is folded, or does not end with CRLF, or has
 * a blank before its colon (civetweb stops reading headers there): the same; short, stalled or dripping bodies: 408 or
 * 400 and close, never handed on; bodies over max_body_bytes: 413 and close; `Expect: 100-continue` is answered; the
 * reply leaves in one send with exact Content-Length. TLS is never spoken: it ends at the proxy in front.
 *
 * Threads: one per open connection, idle ones included; the handler runs on them, several at a time. So options.threads
 *          is the number of connections to plan with.
 *
 * More of them wait, at most HTTP_WAITING_ROOM: within a fraction of a second replies begin to close their connections
 * in favour of those that wait, and connections on which nothing has come for a second, whether something ever came or
 * not, are ended. A connection beyond that, or made while the process is short of descriptors, is answered with 503 and
 * closed within a tenth of a second. A head that has begun has two seconds to come whole, whoever waits. A client that
 * does not take its reply has body_timeout_ms for that, too. */
#ifndef CHATSLUICE_BASE_HTTP_SERVER_H
#define CHATSLUICE_BASE_HTTP_SERVER_H

#include "base/buf.h"
#include "base/err.h"

#define HTTP_JSON "application/json; charset=utf-8"

enum { HTTP_MAX_HEAD = 16 * 1024, HTTP_MAX_HEADERS = 63 };
/* Descriptors a server takes at most: options.threads and these. */
enum { HTTP_WAITING_ROOM = 64, HTTP_OWN_DESCRIPTORS = HTTP_WAITING_ROOM + 8 };

struct http_request {
    struct span method; /* as sent */
    struct span path;   /* percent-decoded, without query; never holds a NUL */
    struct span query;  /* as sent, without '?' */
    const char *remote_address;
    int64_t started_us;               /* clock_mono_us() when the head had been read */
    void *thread;                     /* what thread_new gave for this thread */
    struct mg_connection *connection; /* for http_read_body only */
};

struct http_reply {
    int status;                /* 200 until the handler says otherwise */
    const char *content_type;  /* HTTP_JSON until the handler says otherwise */
    const char *extra_headers; /* NULL or "Name: value\r\n"... */
    struct buf *body;          /* empty at first; the thread's own, reused */
    bool close;                /* close the connection after this reply; so it is after a body nobody read */
    /* For a simulated peer that breaks; a service leaves both alone. */
    bool abort;       /* nothing is sent and the connection is reset (RST) */
    size_t cut_short; /* above 0: the head promises the whole body, this many bytes less are sent, and it closes */
};

enum http_body {
    HTTP_BODY_OK,
    HTTP_BODY_TOO_LARGE,
    HTTP_BODY_SHORT,
    HTTP_BODY_SLOW,
    HTTP_BODY_BAD_FRAMING,
    HTTP_BODY_NEVER_READ, /* a connection that found no place */
};

struct http_server_options {
    const char *listen; /* host:port, an IPv4 address */
    unsigned threads;
    size_t max_body_bytes;
    int64_t body_timeout_ms; /* from the head to the last byte of the body; and for the client to take its reply */
    int64_t keep_alive_ms;   /* for the next head to be there whole, the first one like any other */
    void (*handler)(const struct http_request *request, struct http_reply *reply, void *arg);
    /* Called on each worker thread as it starts and ends. NULL: there is nothing to keep. A thread whose thread_new
     * gave NULL answers everything with 503. */
    void *(*thread_new)(void *arg);
    void (*thread_free)(void *thread);
    /* Called when the server itself refuses (framing, too large...; also from within http_read_body), for counting: on
     * the worker, or for a connection that found no place on a thread of the server's own. May be NULL. */
    void (*refused)(int status, enum http_body why, void *arg);
    /* Called on the worker with +1 when it takes a connection and -1 when that is closed; may be NULL. */
    void (*connection)(int change, void *arg);
    void *arg;
};

struct http_server;

int http_server_start(struct http_server **out, const struct http_server_options *options, struct err *err);
/* The port really bound; for "host:0". */
unsigned http_server_port(const struct http_server *server);
unsigned http_server_in_flight(const struct http_server *server);
unsigned http_server_connections(const struct http_server *server);
/* Stops accepting; answers what is in flight or arrives on open connections with `Connection: close`; after a second's
 * grace ends the input of the idle ones, between two requests; waits until all are closed (at most timeout_ms), then
 * stops and frees. No reply is lost. NULL is fine. */
void http_server_stop(struct http_server *server, int64_t timeout_ms);

/* Reads the whole body into *body (reset first). On anything but HTTP_BODY_OK fills reply with the status (400, 408,
 * 413), a JSON body naming the fault, and close; the handler just returns. */
enum http_body http_read_body(const struct http_request *request, struct buf *body, struct http_reply *reply);

/* Value of a query parameter: name without case, percent-decoded into out (reset first). Returns how often the name
 * occurs; the value is that of the last. */
unsigned http_query(struct span query, const char *name, struct buf *out);

/* Replaces %XX in text, into out (reset first); '+' is not touched. False when an escape is malformed (kept as it is)
 * or stands for NUL. */
bool http_percent_decode(struct span text, struct buf *out);

/* Sets status and the service's error form: {"ActionStatus":"FAIL","ErrorCode":status,"ErrorInfo":"..."}. */
void http_refuse(struct http_reply *reply, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
