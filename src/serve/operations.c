#include "serve/operations.h"

#include "base/http_server.h"
#include "base/json_write.h"
#include "base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The threads are few: a connection holds one only while it is being answered, or for SILENCE_MS when it says nothing.
 */
enum { MAX_BODY = 4096, BODY_TIMEOUT_MS = 2000, SILENCE_MS = 5000, DRAIN_MS = 3000 };

struct operations {
    struct http_server *server;
    struct spool *spool; /* borrowed */
    atomic_bool draining;
    pthread_mutex_t lock; /* guards the next two, and is held while the sender is asked */
    bool (*breaker_open)(void *arg, char *why, size_t size);
    void *sender;
};

static void answer_healthz(struct operations *operations, struct http_reply *reply)
{
    (void)operations;
    buf_add_text(reply->body, "{\"status\":\"alive\"}");
}

/* The one word the state of the service comes down to; NULL: it is ready. */
static const char *unready_because(const struct operations *operations, const struct spool_status *spool)
{
    if (spool->failed)
        return "spool failed";
    if (atomic_load(&operations->draining))
        return "draining";
    if (spool->full)
        return "spool full";
    if (spool->stalled_us > SPOOL_STALLED_US)
        return "spool stalled";
    return NULL;
}

static void add_sender(struct operations *operations, struct buf *body)
{
    char why[256] = "";
    bool open = false;

    pthread_mutex_lock(&operations->lock);
    if (operations->breaker_open)
        open = operations->breaker_open(operations->sender, why, sizeof(why));
    pthread_mutex_unlock(&operations->lock);
    json_add_key(body, "corrections");
    buf_add_char(body, '{');
    json_add_member_bool(body, "refused", open);
    if (open)
        json_add_member_text(body, "why", why);
    buf_add_char(body, '}');
}

static void answer_readyz(struct operations *operations, struct http_reply *reply)
{
    struct spool_status spool;
    struct buf *body = reply->body;
    const char *why;

    spool_get_status(operations->spool, &spool);
    why = unready_because(operations, &spool);
    if (why)
        reply->status = 503;
    buf_add_char(body, '{');
    json_add_member_text(body, "status", why ? why : "ready");
    json_add_key(body, "spool");
    buf_add_char(body, '{');
    json_add_member_u64(body, "used_bytes", spool.used_bytes);
    json_add_member_u64(body, "max_bytes", spool.max_bytes);
    json_add_member_bool(body, "alarm", spool.alarm);
    json_add_member_bool(body, "full", spool.full);
    json_add_member_bool(body, "failed", spool.failed);
    json_add_member_i64(body, "stalled_ms", spool.stalled_us / 1000);
    buf_add_char(body, '}');
    json_add_member_bool(body, "database_up", metric_value(METRIC_DATABASE_UP) == 1);
    json_add_member_i64(body, "rule_revision", metric_value(METRIC_RULE_REVISION));
    add_sender(operations, body);
    buf_add_char(body, '}');
}

static void answer_metrics(struct operations *operations, struct http_reply *reply)
{
    struct spool_status spool;

    spool_get_status(operations->spool, &spool); /* brings its gauges up to date */
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(reply->body);
}

static void answer_version(struct operations *operations, struct http_reply *reply)
{
    (void)operations;
    buf_add_text(reply->body, "{\"name\":\"chatsluice\",\"version\":\"" CHATSLUICE_VERSION "\"}");
}

static const struct {
    const char *path;
    void (*answer)(struct operations *operations, struct http_reply *reply);
} routes[] = {
    {"/healthz", answer_healthz},
    {"/readyz", answer_readyz},
    {"/metrics", answer_metrics},
    {"/version", answer_version},
};

static void operations_handle(const struct http_request *request, struct http_reply *reply, void *arg)
{
    reply->close = true;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!span_is(request->path, routes[i].path))
            continue;
        if (span_is(request->method, "GET") || span_is(request->method, "HEAD")) {
            reply->extra_headers = "Cache-Control: no-store\r\n";
            routes[i].answer(arg, reply);
        } else {
            http_refuse(reply, 405, "only GET and HEAD are answered here");
            reply->extra_headers = "Allow: GET, HEAD\r\n";
        }
        return;
    }
    http_refuse(reply, 404, "nothing is served at this path");
}

int operations_start(struct operations **out, const struct config *config, struct spool *spool, struct err *err)
{
    struct operations *operations = calloc(1, sizeof(*operations));
    const struct http_server_options options = {
        .listen = config->operations.listen,
        .threads = (unsigned)config->operations.threads,
        .max_body_bytes = MAX_BODY,
        .body_timeout_ms = BODY_TIMEOUT_MS,
        .keep_alive_ms = SILENCE_MS,
        .handler = operations_handle,
        .arg = operations,
    };
    int r;

    if (!operations)
        return err_set(err, ERR_FAILED, "could not start the operations server: no memory");
    operations->spool = spool;
    pthread_mutex_init(&operations->lock, NULL);
    r = http_server_start(&operations->server, &options, err);
    if (r < 0) {
        pthread_mutex_destroy(&operations->lock);
        free(operations);
        return r;
    }
    *out = operations;
    return 0;
}

void operations_watch_sender(struct operations *operations, bool (*breaker_open)(void *arg, char *why, size_t size),
                             void *arg)
{
    if (!operations)
        return;
    pthread_mutex_lock(&operations->lock);
    operations->breaker_open = breaker_open;
    operations->sender = arg;
    pthread_mutex_unlock(&operations->lock);
}

unsigned operations_port(const struct operations *operations)
{
    return http_server_port(operations->server);
}

void operations_draining(struct operations *operations)
{
    atomic_store(&operations->draining, true);
}

void operations_stop(struct operations *operations)
{
    if (!operations)
        return;
    http_server_stop(operations->server, DRAIN_MS);
    pthread_mutex_destroy(&operations->lock);
    free(operations);
}
