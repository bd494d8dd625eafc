#include "base/http_server.h"

#include "base/clock.h"
#include "base/http_head.h"
#include "base/http_heads.h"
#include "base/http_sockets.h"
#include "base/log.h"
#include "base/wait.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    WATCH_INTERVAL_MS = 50,   /* how late a deadline may be noticed */
    CROWD_INTERVALS = 2,      /* of them between two looks for connections that wait for a thread */
    CROWD_LOG_MS = 1000,      /* a crowd is logged once in this time */
    QUIET_MS = 1000,          /* a connection this long without a byte gives way to one that waits */
    REFUSED_AT_ONCE = 1024,   /* connections at a look: bounds what refusing costs */
    HEADS_INTERVALS = 5,      /* of them between two looks for heads that do not end */
    HEAD_MS = 2000,           /* for a head to come whole once it has begun */
    DRAIN_GRACE_MS = 1000,    /* for clients to use their open connection once more and be told that it closes */
    DRAIN_INTERVAL_MS = 5,    /* between two looks at what is left */
    HEAD_SLACK = 64,          /* civetweb's buffer is larger than any head accepted: looking behind one is safe */
    CHUNKED_STEP = 16 * 1024, /* read at a time while the length of a body is not known */
    BUFFER_KEEPS = 256 * 1024,
};

struct worker {
    struct http_server *server;
    void *user; /* what thread_new gave */
    bool broken;
    const char *buffer; /* where civetweb reads heads into; learnt from the first one */
    struct http_framing framing;
    bool body_read;
    bool head_refused; /* by civetweb, on the connection it is serving */
    struct buf path, body, out;

    atomic_int_least64_t waits_us; /* since when for a head; 0: a request is there, or there is no connection */

    pthread_mutex_t lock;    /* guards the rest; the watch holds it while it ends a connection at its deadline */
    struct sockaddr_in peer; /* of the connection; without a port before its first request, and between two of them */
    int64_t deadline_us;     /* of what is waited for; 0: nothing is */
    int deadline_ends;       /* SHUT_RD: a body. SHUT_RDWR: that a reply is taken */
    bool expired;
};

struct http_server {
    struct http_server_options options; /* fixed once started, as are the next two */
    struct sockaddr_in address;
    struct mg_context *context;
    struct http_sockets *sockets;
    struct http_heads *heads; /* the watch only */
    struct buf no_place;      /* the whole reply to a connection that finds none */
    char start_fault[256];    /* civetweb's words, while starting only */
    atomic_bool started;

    atomic_uint in_flight, connections, worker_count;
    atomic_int waiting; /* connections without a thread, less those already asked to make room */
    atomic_bool draining;

    pthread_t watch;
    int64_t crowd_logged_us;    /* the watch only, as the next */
    uint64_t crowd_refused;     /* since then */
    pthread_mutex_t watch_lock; /* guards watch_stopping */
    pthread_cond_t watch_wake;
    bool watch_stopping;

    struct worker workers[]; /* options.threads */
};

/* Deadlines ------------------------------------------------------------------------------------------------------ */

/* False, and a port that nobody has, when the peer's address cannot be read. */
static bool peer_read(struct sockaddr_in *peer, const struct mg_request_info *info)
{
    *peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)info->remote_port)};
    if (inet_pton(AF_INET, info->remote_addr, &peer->sin_addr) == 1)
        return true;
    peer->sin_port = 0;
    return false;
}

/* A client is known from its first head on, which is when civetweb tells, and no longer than its connection lives. */
static void peer_learn_locked(struct worker *w, const struct mg_request_info *info)
{
    if (w->peer.sin_port == 0)
        peer_read(&w->peer, info);
}

static void peer_learn(struct worker *w, const struct mg_request_info *info)
{
    pthread_mutex_lock(&w->lock);
    peer_learn_locked(w, info);
    pthread_mutex_unlock(&w->lock);
}

static void peer_forget(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->peer.sin_port = 0;
    pthread_mutex_unlock(&w->lock);
}

/* civetweb has no deadline for a body: one dripped byte by byte is read for ever, inside one call (`dependencies.md`),
 * and a reply nobody takes is offered for as long as a connection may idle. So the thread says until when it is willing
 * to wait, and the watch ends the connection's input, or all of it, at that time, which makes civetweb's call return.
 */
static void deadline_begin(struct worker *w, const struct mg_connection *connection, int64_t deadline_us, int ends)
{
    const struct mg_request_info *info = mg_get_request_info(connection);

    if (!info) /* a head that civetweb refused: the reply to it is short */
        return;
    pthread_mutex_lock(&w->lock);
    w->deadline_us = deadline_us;
    w->deadline_ends = ends;
    w->expired = false;
    peer_learn_locked(w, info);
    pthread_mutex_unlock(&w->lock);
}

static bool deadline_end(struct worker *w)
{
    bool expired;

    pthread_mutex_lock(&w->lock);
    w->deadline_us = 0;
    expired = w->expired;
    pthread_mutex_unlock(&w->lock);
    return expired;
}

static void watch_deadlines(struct http_server *server, int64_t now_us)
{
    for (unsigned i = 0; i < server->options.threads; i++) {
        struct worker *w = &server->workers[i];

        pthread_mutex_lock(&w->lock);
        if (w->deadline_us && now_us >= w->deadline_us && !w->expired) {
            w->expired = true;
            http_sockets_end(server->sockets, &w->peer, w->deadline_ends);
        }
        pthread_mutex_unlock(&w->lock);
    }
}

/* Slow heads ----------------------------------------------------------------------------------------------------- */

/* A head that comes drop by drop holds a thread for nothing. One that has not begun is no such thing: that connection
 * is idle, and may be until another one needs its thread. */
static void watch_heads(struct http_server *server, int64_t now_us)
{
    struct http_served *served = http_heads_served(server->heads);
    bool worth_a_look = false;
    unsigned count = 0;

    for (unsigned i = 0; i < server->options.threads; i++) {
        struct worker *w = &server->workers[i];
        int64_t waits_us = atomic_load(&w->waits_us);

        worth_a_look =
            worth_a_look || (waits_us != 0 && now_us - waits_us >= HEADS_INTERVALS * WATCH_INTERVAL_MS * 1000);
        pthread_mutex_lock(&w->lock);
        if (w->peer.sin_port != 0)
            served[count++] = (struct http_served){w->peer, waits_us};
        pthread_mutex_unlock(&w->lock);
    }
    if (worth_a_look)
        http_heads_end_slow(server->heads, server->sockets, count, HEAD_MS);
}

/* Too many connections ------------------------------------------------------------------------------------------- */

static void refuse_connections(struct http_server *server)
{
    unsigned refused = http_sockets_refuse(server->sockets, buf_span(&server->no_place), REFUSED_AT_ONCE);

    server->crowd_refused += refused;
    for (unsigned i = 0; i < refused && server->options.refused; i++)
        server->options.refused(503, HTTP_BODY_NEVER_READ, server->options.arg);
}

static void log_crowd(struct http_server *server, unsigned open, bool short_of_descriptors, int64_t now_us)
{
    if (now_us < server->crowd_logged_us + CROWD_LOG_MS * 1000)
        return;
    server->crowd_logged_us = now_us;
    log_warn(short_of_descriptors ? "short of file descriptors, connections are refused; raise LimitNOFILE"
                                  : "more connections than threads",
             log_u64("threads", server->options.threads), log_u64("connections", open),
             log_u64("refused", server->crowd_refused));
    server->crowd_refused = 0;
}

/* A connection has its thread to itself until it closes, so one more than there are threads would never be answered.
 * For each that waits a quiet one ends, or one reply will close its connection. When the waiting room is full, too,
 * civetweb's accept loop waits and the kernel would let clients wait with it; when no descriptor is left the loop would
 * spin (`dependencies.md`). What cannot be served is refused here instead. */
static void watch_crowd(struct http_server *server, int64_t now_us)
{
    unsigned threads = server->options.threads, open = 0, waiting, ended = 0;
    bool short_of_descriptors = http_sockets_short_of_descriptors(server->sockets);

    http_sockets_shut_door(server->sockets, short_of_descriptors);
    if (atomic_load(&server->connections) >= threads)
        open = http_sockets_connections(server->sockets, false);
    waiting = open > threads ? open - threads : 0;
    if (waiting > 0)
        ended = http_sockets_end_quiet(server->sockets, QUIET_MS, waiting);
    atomic_store(&server->waiting, (int)(waiting - ended));
    if (short_of_descriptors || waiting >= HTTP_WAITING_ROOM)
        refuse_connections(server);
    if (short_of_descriptors || waiting > 0)
        log_crowd(server, open, short_of_descriptors, now_us);
}

static bool must_make_room(struct http_server *server)
{
    return atomic_load(&server->waiting) > 0 && atomic_fetch_sub(&server->waiting, 1) > 0;
}

static void *watch_run(void *arg)
{
    struct http_server *server = arg;

    pthread_mutex_lock(&server->watch_lock);
    for (unsigned interval = 0; !server->watch_stopping; interval++) {
        int64_t now_us = clock_mono_us();

        watch_deadlines(server, now_us);
        if (interval % CROWD_INTERVALS == 0 && !atomic_load(&server->draining))
            watch_crowd(server, now_us);
        if (interval % HEADS_INTERVALS == 0 && !atomic_load(&server->draining))
            watch_heads(server, now_us);
        cond_wait_until(&server->watch_wake, &server->watch_lock, now_us + WATCH_INTERVAL_MS * 1000);
    }
    pthread_mutex_unlock(&server->watch_lock);
    return NULL;
}

/* Bodies --------------------------------------------------------------------------------------------------------- */

static enum http_body body_refuse(struct worker *w, struct http_reply *reply, enum http_body why, int status,
                                  const char *text)
{
    http_refuse(reply, status, "%s", text);
    reply->close = true;
    if (w->server->options.refused)
        w->server->options.refused(status, why, w->server->options.arg);
    return why;
}

/* Reads until the body is complete, the input ends, or one byte more than max_body_bytes is there. 1: complete. 0: it
 * ended before. -1: its framing is broken. */
static int body_read_all(const struct worker *w, struct mg_connection *connection, struct buf *body)
{
    const struct http_framing *framing = &w->framing;
    size_t limit = framing->chunked ? w->server->options.max_body_bytes + 1 : framing->content_length;

    while (body->len < limit) {
        size_t want = limit - body->len;
        char *to;
        int n;

        if (framing->chunked && want > CHUNKED_STEP)
            want = CHUNKED_STEP;
        to = buf_reserve(body, want);
        if (!to)
            return 0;
        n = mg_read(connection, to, want);
        if (n <= 0) /* a chunked body ends with 0; anything else that is no data is an error or the end of input */
            return framing->chunked ? (n == 0 ? 1 : -1) : 0;
        buf_commit(body, (size_t)n);
    }
    return 1;
}

enum http_body http_read_body(const struct http_request *request, struct buf *body, struct http_reply *reply)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct worker *w = mg_get_thread_pointer(request->connection);
    const struct http_server_options *options = &w->server->options;
    bool expired;
    int complete;

    buf_reset(body);
    if (!w->framing.chunked && w->framing.content_length > options->max_body_bytes)
        return body_refuse(w, reply, HTTP_BODY_TOO_LARGE, 413, "the body is larger than this service accepts");
    if (w->framing.expects_continue && mg_write(request->connection, go_on, sizeof(go_on) - 1) <= 0)
        return body_refuse(w, reply, HTTP_BODY_SHORT, 400, "the connection ended before the body");

    deadline_begin(w, request->connection, request->started_us + options->body_timeout_ms * 1000, SHUT_RD);
    complete = body_read_all(w, request->connection, body);
    expired = deadline_end(w);

    if (buf_failed(body))
        return body_refuse(w, reply, HTTP_BODY_TOO_LARGE, 503, "no memory for the body");
    if (body->len > options->max_body_bytes)
        return body_refuse(w, reply, HTTP_BODY_TOO_LARGE, 413, "the body is larger than this service accepts");
    if (complete == 1) {
        w->body_read = true;
        return HTTP_BODY_OK;
    }
    if (expired)
        return body_refuse(w, reply, HTTP_BODY_SLOW, 408, "the body did not arrive in time");
    if (complete == 0)
        return body_refuse(w, reply, HTTP_BODY_SHORT, 400, "the body is shorter than its Content-Length");
    return body_refuse(w, reply, HTTP_BODY_BAD_FRAMING, 400, "the chunked body is malformed or ends early");
}

/* Heads --------------------------------------------------------------------------------------------------------------
 */

static void head_judge(struct worker *w, const struct mg_request_info *info)
{
    struct http_head head = {.method = info->request_method, .version = info->http_version};

    if (!w->buffer || info->request_method < w->buffer)
        w->buffer = info->request_method;
    head.buffer = w->buffer;
    for (; head.count < (size_t)info->num_headers && head.count <= HTTP_MAX_HEADERS; head.count++) {
        head.headers[head.count].name = info->http_headers[head.count].name;
        head.headers[head.count].value = info->http_headers[head.count].value;
    }
    http_head_judge(&head, &w->framing);
}

static bool path_read(struct worker *w, const char *raw, struct span *path)
{
    *path = span_of(raw);
    if (!memchr(raw, '%', path->len))
        return true;
    if (!http_percent_decode(*path, &w->path) || buf_failed(&w->path))
        return false;
    *path = buf_span(&w->path);
    return true;
}

/* Replies -------------------------------------------------------------------------------------------------------- */

/* Head and body leave in one buffer by one send: two would cost a delayed acknowledgement, or at least a packet. */
static void reply_send(struct worker *w, struct mg_connection *connection, const struct http_reply *reply,
                       bool with_body)
{
    const size_t cut_short = reply->cut_short < reply->body->len ? reply->cut_short : reply->body->len;
    struct buf *out = &w->out;

    buf_reset(out);
    if (reply->status == 200) {
        buf_add_text(out, "HTTP/1.1 200 OK\r\nContent-Type: ");
    } else {
        buf_add_text(out, "HTTP/1.1 ");
        buf_add_u64(out, (uint64_t)reply->status);
        buf_add_char(out, ' ');
        buf_add_text(out, mg_get_response_code_text(connection, reply->status));
        buf_add_text(out, "\r\nContent-Type: ");
    }
    buf_add_text(out, reply->content_type);
    buf_add_text(out, "\r\nContent-Length: ");
    buf_add_u64(out, reply->body->len);
    buf_add_text(out, reply->close ? "\r\nConnection: close\r\n" : "\r\nConnection: keep-alive\r\n");
    if (reply->extra_headers)
        buf_add_text(out, reply->extra_headers);
    buf_add_text(out, "\r\n");
    if (with_body)
        buf_add(out, buf_text(reply->body), reply->body->len - cut_short);

    if (reply->close || cut_short > 0)
        mg_disable_connection_keep_alive(connection);
    deadline_begin(w, connection, clock_mono_us() + w->server->options.body_timeout_ms * 1000, SHUT_RDWR);
    if (buf_failed(out) || mg_write(connection, out->data, out->len) != (int)out->len)
        mg_disable_connection_keep_alive(connection);
    deadline_end(w);
}

static struct http_reply reply_start(struct worker *w)
{
    if (w->body.cap > BUFFER_KEEPS) /* one large reply must not stay in memory for every thread there is */
        buf_release(&w->body);
    if (w->out.cap > BUFFER_KEEPS)
        buf_release(&w->out);
    buf_reset(&w->body);
    return (struct http_reply){.status = 200, .content_type = HTTP_JSON, .body = &w->body};
}

/* Refuses what never became a request for the handler; the connection closes. */
static void refuse_early(struct worker *w, struct mg_connection *connection, int status, const char *fault)
{
    const struct http_server_options *options = &w->server->options;
    struct http_reply reply = reply_start(w);

    http_refuse(&reply, status, "%s", fault);
    reply.close = true;
    if (options->refused)
        options->refused(status, HTTP_BODY_BAD_FRAMING, options->arg);
    reply_send(w, connection, &reply, true);
}

/* No reply. Where the socket is not found the connection is at least closed without a word. */
static void reply_abort(const struct worker *w, struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct sockaddr_in peer;

    if (peer_read(&peer, info))
        http_sockets_reset(w->server->sockets, &peer);
    mg_disable_connection_keep_alive(connection);
}

/* civetweb's callbacks -------------------------------------------------------------------------------------------- */

/* Called for every request with a head that civetweb accepts, before anything civetweb would do of its own (CORS,
 * files, authorization): it always answers. */
static int on_request(struct mg_connection *connection)
{
    int64_t now_us = clock_mono_us();
    struct worker *w = mg_get_thread_pointer(connection);
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct http_server *server = w->server;
    struct http_reply reply;
    struct span path;

    atomic_fetch_add(&server->in_flight, 1);
    peer_learn(w, info);
    atomic_store(&w->waits_us, 0);
    w->body_read = false;
    head_judge(w, info);
    if (w->framing.fault) {
        refuse_early(w, connection, w->framing.status, w->framing.fault);
    } else if (!path_read(w, info->local_uri_raw, &path)) {
        refuse_early(w, connection, 400, "a malformed % escape in the path");
    } else {
        struct http_request request = {
            .method = span_of(info->request_method),
            .path = path,
            .query = info->query_string ? span_of(info->query_string) : SPAN(""),
            .remote_address = info->remote_addr,
            .started_us = now_us,
            .thread = w->user,
            .connection = connection,
        };

        reply = reply_start(w);
        if (w->broken)
            http_refuse(&reply, 503, "no memory");
        else
            server->options.handler(&request, &reply, server->options.arg);
        if (buf_failed(reply.body)) {
            buf_release(reply.body);
            http_refuse(&reply, 500, "no memory for the reply");
        }
        if (!w->body_read && (w->framing.chunked || w->framing.content_length > 0))
            reply.close = true; /* what nobody read must not be taken for the next request */
        if (!w->framing.keep_alive || atomic_load(&server->draining) || must_make_room(server))
            reply.close = true;
        if (reply.abort)
            reply_abort(w, connection);
        else
            reply_send(w, connection, &reply, !span_is(request.method, "HEAD"));
    }
    atomic_store(&w->waits_us, clock_mono_us());
    atomic_fetch_sub(&server->in_flight, 1);
    return 200; /* anything above 0: answered */
}

/* Called when civetweb itself refuses a head; it closes the connection afterwards. Its text may hold bytes of the
 * request, so the words are ours. */
static int on_http_error(struct mg_connection *connection, int status, const char *text)
{
    struct worker *w = mg_get_thread_pointer(connection);

    (void)text;
    w->head_refused = true;
    switch (status) {
    case 505:
        refuse_early(w, connection, 505, "only HTTP/1.0 and HTTP/1.1 are spoken");
        break;
    case 411:
        refuse_early(w, connection, 400, "Content-Length is not a number");
        break;
    default:
        refuse_early(w, connection, 400, "the head is malformed, larger than 16 KiB, or did not arrive in time");
    }
    return 0;
}

static int on_connection_open(const struct mg_connection *connection, void **data)
{
    struct worker *w = mg_get_thread_pointer(connection);

    (void)data;
    w->head_refused = false;
    atomic_store(&w->waits_us, clock_mono_us());
    atomic_fetch_add(&w->server->connections, 1);
    if (w->server->options.connection)
        w->server->options.connection(+1, w->server->options.arg);
    return 0;
}

/* A target that civetweb does not take for this server's ("*", another host's absolute URI) it answers by closing
 * without a word; this is the last place to say one. */
static void on_connection_close(const struct mg_connection *connection)
{
    struct worker *w = mg_get_thread_pointer(connection);
    const struct mg_request_info *info = mg_get_request_info(connection);

    atomic_store(&w->waits_us, 0);
    if (info && info->request_method && !info->local_uri && !w->head_refused)
        refuse_early(w, (struct mg_connection *)(uintptr_t)connection, 400, "the request target is not a path");
}

static void on_connection_closed(const struct mg_connection *connection)
{
    struct worker *w = mg_get_thread_pointer(connection);

    peer_forget(w);
    atomic_fetch_sub(&w->server->connections, 1);
    if (w->server->options.connection)
        w->server->options.connection(-1, w->server->options.arg);
}

static void *on_thread_start(const struct mg_context *context, int type)
{
    struct http_server *server = mg_get_user_data(context);
    struct worker *w;

    if (type != 1) /* not a worker */
        return NULL;
    w = &server->workers[atomic_fetch_add(&server->worker_count, 1)];
    if (server->options.thread_new) {
        w->user = server->options.thread_new(server->options.arg);
        w->broken = !w->user;
    }
    return w;
}

static void on_thread_end(const struct mg_context *context, int type, void *thread)
{
    struct worker *w = thread;

    (void)context;
    if (type == 1 && w->user && w->server->options.thread_free)
        w->server->options.thread_free(w->user);
}

/* civetweb's own words: the reason of a failed start, and trouble with sockets afterwards. */
static int on_log(const struct mg_connection *connection, const char *message)
{
    struct http_server *server = mg_get_user_data(mg_get_context(connection));

    if (atomic_load(&server->started))
        log_warn("http server", log_str("civetweb", message));
    else if (!server->start_fault[0])
        snprintf(server->start_fault, sizeof(server->start_fault), "%s", message);
    return 1;
}

/* Life ----------------------------------------------------------------------------------------------------------- */

/* "a.b.c.d:port" and nothing else: civetweb would take "443s" for a TLS port, and its TLS crashes. */
static int address_read(struct sockaddr_in *out, const char *listen, struct err *err)
{
    const char *colon = strrchr(listen, ':');
    char host[INET_ADDRSTRLEN];
    unsigned long long port;

    *out = (struct sockaddr_in){.sin_family = AF_INET};
    if (colon && (size_t)(colon - listen) < sizeof(host) && span_to_u64(span_of(colon + 1), &port) && port <= 65535) {
        memcpy(host, listen, (size_t)(colon - listen));
        host[colon - listen] = '\0';
        out->sin_port = htons((uint16_t)port);
        if (inet_pton(AF_INET, host, &out->sin_addr) == 1)
            return 0;
    }
    return err_set(err, ERR_USAGE,
                   "could not listen on \"%s\": it must be an IPv4 address and a port, like 127.0.0.1:8080", listen);
}

static int context_start(struct http_server *server, struct err *err)
{
    static const struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_http_error,
        .init_connection = on_connection_open,
        .connection_close = on_connection_close,
        .connection_closed = on_connection_closed,
        .init_thread = on_thread_start,
        .exit_thread = on_thread_end,
        .log_message = on_log,
    };
    const struct http_server_options *o = &server->options;
    char threads[16], keep_alive[24], request_timeout[24], max_head[16], waiting_room[16];
    /* civetweb's time for the first head of a connection, silence before it included, and for each wait for a body. A
     * head that has begun and a body have deadlines of the watch's. */
    int64_t request_ms = o->keep_alive_ms > o->body_timeout_ms ? o->keep_alive_ms : o->body_timeout_ms;
    /* clang-format off */
    const char *settings[] = {
        "listening_ports", o->listen,
        "num_threads", threads,
        "tcp_nodelay", "1",
        "enable_keep_alive", "yes",
        "keep_alive_timeout_ms", keep_alive,
        "request_timeout_ms", request_timeout,
        "max_request_size", max_head,
        "connection_queue", waiting_room,
        "listen_backlog", "512",
        "decode_url", "no", /* done here, strictly */
        "decode_query_string", "no",
        /* What on_request() never lets it come to, switched off as well: files, scripts, CORS, authorization. */
        "allow_sendfile_call", "no",
        "enable_directory_listing", "no",
        "index_files", "",
        "cgi_pattern", "",
        "ssi_pattern", "",
        "access_control_allow_origin", "",
        "access_control_allow_methods", "",
        "access_control_allow_headers", "",
        "enable_auth_domain_check", "no",
        NULL,
    };
    /* clang-format on */
    struct mg_server_port port;

    snprintf(threads, sizeof(threads), "%u", o->threads);
    snprintf(keep_alive, sizeof(keep_alive), "%lld", (long long)o->keep_alive_ms);
    snprintf(request_timeout, sizeof(request_timeout), "%lld", (long long)request_ms);
    snprintf(max_head, sizeof(max_head), "%d", HTTP_MAX_HEAD + HEAD_SLACK);
    snprintf(waiting_room, sizeof(waiting_room), "%d", HTTP_WAITING_ROOM);

    server->context = mg_start(&callbacks, server, settings);
    if (!server->context)
        return err_set(err, ERR_FAILED, "could not listen on \"%s\": %s", o->listen,
                       server->start_fault[0] ? server->start_fault : "civetweb did not start");
    if (mg_get_server_ports(server->context, 1, &port) == 1)
        server->address.sin_port = htons((uint16_t)port.port);
    atomic_store(&server->started, true);
    return 0;
}

static int watch_start(struct http_server *server, struct err *err)
{
    int failed = pthread_create(&server->watch, NULL, watch_run, server);

    if (failed) {
        errno = failed;
        return err_set_errno(err, ERR_FAILED, "could not start the thread that watches slow clients");
    }
    return 0;
}

static void watch_stop(struct http_server *server)
{
    pthread_mutex_lock(&server->watch_lock);
    server->watch_stopping = true;
    pthread_cond_signal(&server->watch_wake);
    pthread_mutex_unlock(&server->watch_lock);
    pthread_join(server->watch, NULL);
}

static void no_place_write(struct buf *out)
{
    struct buf body = BUF_INIT;
    struct http_reply reply = {.body = &body};

    http_refuse(&reply, 503, "more connections than this service can serve");
    buf_addf(out,
             "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " HTTP_JSON "\r\nContent-Length: %zu\r\n"
             "Connection: close\r\nRetry-After: 1\r\n\r\n%s",
             body.len, buf_text(&body));
    buf_release(&body);
}

static struct http_server *server_new(const struct http_server_options *options)
{
    struct http_server *server = calloc(1, sizeof(*server) + options->threads * sizeof(server->workers[0]));

    if (!server)
        return NULL;
    server->options = *options;
    server->heads = http_heads_new(options->threads);
    if (!server->heads) {
        free(server);
        return NULL;
    }
    no_place_write(&server->no_place);
    pthread_mutex_init(&server->watch_lock, NULL);
    cond_init_monotonic(&server->watch_wake);
    for (unsigned i = 0; i < options->threads; i++) {
        server->workers[i].server = server;
        pthread_mutex_init(&server->workers[i].lock, NULL);
    }
    return server;
}

static void server_free(struct http_server *server)
{
    for (unsigned i = 0; i < server->options.threads; i++) {
        struct worker *w = &server->workers[i];

        buf_release(&w->path);
        buf_release(&w->body);
        buf_release(&w->out);
        pthread_mutex_destroy(&w->lock);
    }
    http_sockets_close(server->sockets);
    http_heads_free(server->heads);
    buf_release(&server->no_place);
    pthread_cond_destroy(&server->watch_wake);
    pthread_mutex_destroy(&server->watch_lock);
    free(server);
}

static void library_start(void)
{
    mg_init_library(MG_FEATURES_DEFAULT); /* no TLS; never undone: other servers of the process may still run */
}

int http_server_start(struct http_server **out, const struct http_server_options *options, struct err *err)
{
    static pthread_once_t library = PTHREAD_ONCE_INIT;
    struct http_server *server;
    int r;

    if (options->threads == 0)
        return err_set(err, ERR_USAGE, "could not listen on \"%s\": no threads", options->listen);
    pthread_once(&library, library_start);
    server = server_new(options);
    if (!server)
        return err_set(err, ERR_FAILED, "could not listen on \"%s\": no memory", options->listen);
    r = address_read(&server->address, options->listen, err);
    if (r == 0)
        r = context_start(server, err);
    if (r == 0) {
        r = http_sockets_open(&server->sockets, &server->address, err);
        if (r == 0)
            r = watch_start(server, err);
        if (r < 0)
            mg_stop(server->context);
    }
    if (r < 0) {
        server_free(server);
        return r;
    }
    *out = server;
    return 0;
}

unsigned http_server_port(const struct http_server *server)
{
    return ntohs(server->address.sin_port);
}

unsigned http_server_in_flight(const struct http_server *server)
{
    return atomic_load(&server->in_flight);
}

unsigned http_server_connections(const struct http_server *server)
{
    return atomic_load(&server->connections);
}

/* mg_stop() cuts replies in flight and takes up to 2 s to notice (`dependencies.md`), so by the time it is called no
 * connection is left, and the silent descriptor that stands for the listener wakes the accept loop at once. */
void http_server_stop(struct http_server *server, int64_t timeout_ms)
{
    int64_t now_us = clock_mono_us();
    int64_t end_us = now_us + timeout_ms * 1000;
    int64_t grace_ms = timeout_ms / 2 < DRAIN_GRACE_MS ? timeout_ms / 2 : DRAIN_GRACE_MS;
    int64_t grace_end_us = now_us + grace_ms * 1000;

    if (!server)
        return;
    atomic_store(&server->draining, true);
    http_sockets_stop_listening(server->sockets);
    for (; now_us < end_us; now_us = clock_mono_us()) {
        /* With nothing in flight every connection is between two requests, or has one that is on its way in whole:
         * what has arrived is still read and answered. */
        bool end_idle = now_us >= grace_end_us && atomic_load(&server->in_flight) == 0;

        if (http_sockets_connections(server->sockets, end_idle) == 0 && http_server_connections(server) == 0)
            break;
        clock_sleep_ms(DRAIN_INTERVAL_MS);
    }
    http_sockets_wake(server->sockets);
    mg_stop(server->context);
    watch_stop(server);
    server_free(server);
}
