#include "base/http_client.h"

#include "base/clock.h"
#include "base/wait.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Each handle keeps its own single connection, so the pool of handles is the pool of connections. The free ones are a
 * stack: the connection used last is the one least likely to have been closed by the server meanwhile. */
struct http_client {
    size_t max_answer_bytes;
    struct curl_slist *headers;
    unsigned count;
    pthread_mutex_t lock; /* guards the next three */
    pthread_cond_t freed;
    CURL **idle;
    unsigned idle_count;
};

/* One call; reached from libcurl's callbacks. */
struct transfer {
    struct buf *body;
    unsigned attempts; /* times libcurl was about to send the request */
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static CURLcode library_ready;

static void library_start(void)
{
    library_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;

    buf_add(t->body, data, size * count);
    return buf_failed(t->body) ? 0 : size * count;
}

/* Runs when the connection stands and the request is about to leave. libcurl repeats a request by itself when a kept
 * connection dies before the first byte of the answer, although the server may have acted on it: refuse that. */
static int on_request(void *arg, char *primary_ip, char *local_ip, int primary_port, int local_port)
{
    struct transfer *t = arg;

    (void)primary_ip;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    return ++t->attempts == 1 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static CURL *handle_new(const struct http_client *client, const char *user_agent)
{
    CURL *h = curl_easy_init();

    if (!h)
        return NULL;
    if (curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_PROXY, "") != CURLE_OK || curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_MAXCONNECTS, 1L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_USERAGENT, user_agent) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, client->headers) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, on_request) != CURLE_OK) {
        curl_easy_cleanup(h);
        return NULL;
    }
    return h;
}

/* Expect is switched off: some servers never answer it and the request would wait a second for nothing. */
static bool headers_make(struct http_client *client)
{
    static const char *const lines[] = {"Content-Type: application/json; charset=utf-8", "Accept:", "Expect:"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct curl_slist *longer = curl_slist_append(client->headers, lines[i]);
        if (!longer)
            return false;
        client->headers = longer;
    }
    return true;
}

int http_client_new(struct http_client **out, const struct http_client_options *options, struct err *err)
{
    struct http_client *client = NULL;

    pthread_once(&library_once, library_start);
    if (library_ready != CURLE_OK)
        return err_set(err, ERR_FAILED, "could not start libcurl: %s", curl_easy_strerror(library_ready));
    client = calloc(1, sizeof(*client));
    if (!client)
        return err_set(err, ERR_FAILED, "could not make an HTTP client: out of memory");
    client->max_answer_bytes = options->max_answer_bytes;
    pthread_mutex_init(&client->lock, NULL);
    cond_init_monotonic(&client->freed);
    client->idle = calloc(options->connections, sizeof(CURL *));
    if (!client->idle || !headers_make(client))
        goto no_memory;
    for (; client->count < options->connections; client->count++) {
        CURL *h = handle_new(client, options->user_agent);
        if (!h)
            goto no_memory;
        client->idle[client->idle_count++] = h;
    }
    *out = client;
    return 0;

no_memory:
    http_client_free(client);
    return err_set(err, ERR_FAILED, "could not make an HTTP client of %u connections: out of memory",
                   options->connections);
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    for (unsigned i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    free(client->idle);
    curl_slist_free_all(client->headers);
    pthread_cond_destroy(&client->freed);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

void http_answer_release(struct http_answer *answer)
{
    buf_release(&answer->body);
    *answer = HTTP_ANSWER_INIT;
}

/* NULL: none came free before the deadline. */
static CURL *handle_take(struct http_client *client, int64_t deadline_us)
{
    CURL *h = NULL;

    pthread_mutex_lock(&client->lock);
    while (client->idle_count == 0 && cond_wait_until(&client->freed, &client->lock, deadline_us))
        ;
    if (client->idle_count > 0)
        h = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    return h;
}

static void handle_give_back(struct http_client *client, CURL *h)
{
    pthread_mutex_lock(&client->lock);
    client->idle[client->idle_count++] = h;
    pthread_mutex_unlock(&client->lock);
    pthread_cond_signal(&client->freed);
}

/* What libcurl said, as one of the outcomes the header promises. */
static int outcome(CURLcode code, const struct transfer *t, int64_t timeout_ms, struct err *err)
{
    if (code == CURLE_OK)
        return 0;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_TIMEOUT, "no answer within %lld ms", (long long)timeout_ms);
    if (code == CURLE_WRITE_ERROR && buf_failed(t->body))
        return err_set(err, ERR_FULL, "the answer is longer than allowed or memory ran out");
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_set(err, ERR_LOST, "the server closed a kept connection before it answered");
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return err_set(err, ERR_USAGE, "could not use the URL: %s", curl_easy_strerror(code));
    return err_set(err, ERR_LOST, "request failed: %s", curl_easy_strerror(code));
}

int http_client_post(struct http_client *client, const char *url, struct span body, int64_t timeout_ms,
                     struct http_answer *answer, struct err *err)
{
    const int64_t start_us = clock_mono_us(), deadline_us = start_us + timeout_ms * 1000;
    struct transfer transfer = {.body = &answer->body};
    long status = 0;
    CURLcode code;
    CURL *h = handle_take(client, deadline_us);
    int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
    int r;

    answer->status = 0;
    answer->sent = false;
    buf_reset(&answer->body);
    answer->body.max = client->max_answer_bytes;
    if (!h || left_ms <= 0) {
        r = err_set(err, ERR_TIMEOUT, "no connection came free within %lld ms", (long long)timeout_ms);
        goto out;
    }
    if ((code = curl_easy_setopt(h, CURLOPT_URL, url)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)left_ms)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.data)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_WRITEDATA, &transfer)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_PREREQDATA, &transfer)) == CURLE_OK)
        code = curl_easy_perform(h);
    answer->sent = transfer.attempts > 0;
    r = outcome(code, &transfer, timeout_ms, err);
    if (r == 0) {
        curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
        answer->status = (int)status;
    }
out:
    if (h)
        handle_give_back(client, h);
    answer->elapsed_us = clock_mono_us() - start_us;
    return r;
}
