#include "base/http_server.h"

#include "base/clock.h"
#include "base/http_head.h"
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
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    WATCH_INTERVAL_MS = 50,   /* how late a body's deadline may be noticed */
    CROWD_INTERVALS = 10,     /* of them between two looks for connections that wait for a thread */
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

    pthread_mutex_t lock;         /* guards the rest; the watch holds it while it ends a body's input */
    int64_t body_deadline_us;     /* 0: no body is being read */
    struct sockaddr_in body_peer; /* who sends it */
    bool body_expired;
};

struct http_server {
    struct http_server_options options; /* fixed once started, as are the next two */
    struct sockaddr_in address;
    struct mg_context *context;
    char start_fault[256]; /* civetweb's words, while starting only */
    atomic_bool started;

    atomic_uint in_flight, connections, worker_count;
    atomic_int waiting; /* connections without a thread, less those already asked to make room */
    atomic_bool draining;

    pthread_t watch;
    pthread_mutex_t watch_lock; /* guards watch_stopping */
    pthread_cond_t watch_wake;
    bool watch_stopping;

    struct worker workers[]; /* options.threads */
};

/* Bodies --------------------------------------------------------------------------------------------------------- */

/* False, and a port that nobody has, when the peer's address cannot be read. */
static bool peer_read(struct sockaddr_in *peer, const struct mg_request_info *info)
{
    *peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)info->remote_port)};
    if (inet_pton(AF_INET, info->remote_addr, &peer->sin_addr) == 1)
        return true;
    peer->sin_port = 0;
    return false;
}

/* civetweb has no deadline for a body: one dripped byte by byte is read for ever, inside one call (`dependencies.md`).
 * So the thread says until when it is willing to read, and the watch ends the connection's input at that time, which
 * makes civetweb's read return what it has. */
static void body_watch_begin(struct worker *w, const struct mg_request_info *info, int64_t deadline_us)
{
    pthread_mutex_lock(&w->lock);
    w->body_deadline_us = deadline_us;
    w->body_expired = false;
    peer_read(&w->body_peer, info);
    pthread_mutex_unlock(&w->lock);
}

static bool body_watch_end(struct worker *w)
{
    bool expired;

    pthread_mutex_lock(&w->lock);
    w->body_deadline_us = 0;
    expired = w->body_expired;
    pthread_mutex_unlock(&w->lock);
    return expired;
}

static void watch_bodies(struct http_server *server, int64_t now_us)
{
    for (unsigned i = 0; i < server->options.threads; i++) {
        struct worker *w = &server->workers[i];

        pthread_mutex_lock(&w->lock);
        if (w->body_deadline_us && now_us >= w->body_deadline_us && !w->body_expired) {
            w->body_expired = true;
            http_sockets_end_input_of(&server->address, &w->body_peer);
        }
        pthread_mutex_unlock(&w->lock);
    }
}

/* A connection has its thread to itself until it closes, so one more than there are threads would never be answered.
 * For each that waits, one reply will close its connection. */
static void watch_crowd(struct http_server *server)
{
    unsigned threads = server->options.threads, open = 0;

    if (atomic_load(&server->connections) >= threads)
        open = http_sockets_connections(&server->address, false);
    if (open > threads)
        log_warn("more connections than threads", log_u64("threads", threads), log_u64("connections", open));
    atomic_store(&server->waiting, open > threads ? (int)(open - threads) : 0);
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

        watch_bodies(server, now_us);
        if (interval % CROWD_INTERVALS == 0)
            watch_crowd(server);
        cond_wait_until(&server->watch_wake, &server->watch_lock, now_us + WATCH_INTERVAL_MS * 1000);
    }
    pthread_mutex_unlock(&server->watch_lock);
    return NULL;
}

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

    body_watch_begin(w, mg_get_request_info(request->connection),
                     request->started_us + options->body_timeout_ms * 1000);
    complete = body_read_all(w, request->connection, body);
    expired = body_watch_end(w);

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
    if (buf_failed(out) || mg_write(connection, out->data, out->len) != (int)out->len)
        mg_disable_connection_keep_alive(connection);
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
        http_sockets_reset(&w->server->address, &peer);
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

    if (info && info->request_method && !info->local_uri && !w->head_refused)
        refuse_early(w, (struct mg_connection *)(uintptr_t)connection, 400, "the request target is not a path");
}

static void on_connection_closed(const struct mg_connection *connection)
{
    struct worker *w = mg_get_thread_pointer(connection);

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
    char threads[16], keep_alive[24], request_timeout[24], max_head[16];
    /* The time a connection may take for its first head, also if it says nothing at all: as long as an idle one. */
    int64_t first_head_ms = o->keep_alive_ms > o->body_timeout_ms ? o->keep_alive_ms : o->body_timeout_ms;
    /* clang-format off */
    const char *settings[] = {
        "listening_ports", o->listen,
        "num_threads", threads,
        "tcp_nodelay", "1",
        "enable_keep_alive", "yes",
        "keep_alive_timeout_ms", keep_alive,
        "request_timeout_ms", request_timeout,
        "max_request_size", max_head,
        "connection_queue", "64",
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
    snprintf(request_timeout, sizeof(request_timeout), "%lld", (long long)first_head_ms);
    snprintf(max_head, sizeof(max_head), "%d", HTTP_MAX_HEAD + HEAD_SLACK);

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
        return err_set_errno(err, ERR_FAILED, "could not start the thread that watches slow bodies");
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

static struct http_server *server_new(const struct http_server_options *options)
{
    struct http_server *server = calloc(1, sizeof(*server) + options->threads * sizeof(server->workers[0]));

    if (!server)
        return NULL;
    server->options = *options;
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
    int silent;

    if (!server)
        return;
    atomic_store(&server->draining, true);
    silent = http_sockets_stop_listening(&server->address);
    for (; now_us < end_us; now_us = clock_mono_us()) {
        /* With nothing in flight every connection is between two requests, or has one that is on its way in whole:
         * what has arrived is still read and answered. */
        bool end_idle = now_us >= grace_end_us && atomic_load(&server->in_flight) == 0;

        if (http_sockets_connections(&server->address, end_idle) == 0 && http_server_connections(server) == 0)
            break;
        clock_sleep_ms(DRAIN_INTERVAL_MS);
    }
    if (silent >= 0)
        eventfd_write(silent, 1);
    mg_stop(server->context);
    if (silent >= 0)
        close(silent);
    watch_stop(server);
    server_free(server);
}
