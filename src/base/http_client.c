#include "base/http_client.h"

#include "base/clock.h"
#include "base/wait.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    /* Idle longer than this a connection is not used again: the platform's idle policy is unknown, and a request that
     * meets a closing one has an unknown outcome. */
    CONNECTION_IDLE_S = 50,
};

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
    unsigned attempts;      /* times libcurl was about to send the request */
    int64_t send_before_us; /* 0: whenever */
    bool too_late;          /* it was not sent for that reason */
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
    if (t->send_before_us > 0 && clock_mono_us() > t->send_before_us) {
        t->too_late = true;
        return CURL_PREREQFUNC_ABORT;
    }
    return ++t->attempts == 1 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* Authorities given in a file replace the system's: curl knows those as a file and a directory. */
static bool authorities_set(CURL *h, const char *ca_file)
{
    return !ca_file || (curl_easy_setopt(h, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
                        curl_easy_setopt(h, CURLOPT_CAPATH, NULL) == CURLE_OK);
}

static CURL *handle_new(const struct curl_slist *headers, const struct http_client_options *options)
{
    CURL *h = curl_easy_init();

    if (!h)
        return NULL;
    if (curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_PROXY, "") != CURLE_OK || curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_MAXCONNECTS, 1L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK ||
        !authorities_set(h, options->ca_file) ||
        curl_easy_setopt(h, CURLOPT_USERAGENT, options->user_agent) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK ||
        curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, on_request) != CURLE_OK) {
        curl_easy_cleanup(h);
        return NULL;
    }
    return h;
}

/* Expect is switched off: some servers never answer it and the request would wait a second for nothing. */
static bool headers_make(struct curl_slist **headers)
{
    static const char *const lines[] = {"Content-Type: application/json; charset=utf-8", "Accept:", "Expect:"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct curl_slist *longer = curl_slist_append(*headers, lines[i]);
        if (!longer)
            return false;
        *headers = longer;
    }
    return true;
}

static int library_check(struct err *err)
{
    pthread_once(&library_once, library_start);
    return library_ready == CURLE_OK
               ? 0
               : err_set(err, ERR_FAILED, "could not start libcurl: %s", curl_easy_strerror(library_ready));
}

/* Everything of one request that differs from the next. */
static CURLcode request_set(CURL *h, struct transfer *transfer, const char *url, struct span body, int64_t timeout_ms)
{
    CURLcode code;

    if ((code = curl_easy_setopt(h, CURLOPT_URL, url)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)timeout_ms)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.data)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len)) == CURLE_OK &&
        (code = curl_easy_setopt(h, CURLOPT_WRITEDATA, transfer)) == CURLE_OK)
        code = curl_easy_setopt(h, CURLOPT_PREREQDATA, transfer);
    return code;
}

static void answer_clear(struct http_answer *answer, size_t max_bytes)
{
    answer->status = 0;
    answer->sent = false;
    buf_reset(&answer->body);
    answer->body.max = max_bytes;
}

/* What libcurl said, as one of the outcomes the header promises. */
static int outcome(CURLcode code, const struct transfer *t, int64_t timeout_ms, struct err *err)
{
    if (code == CURLE_OK)
        return 0;
    if (t->too_late)
        return err_set(err, ERR_TIMEOUT, "no connection stood in time");
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

/* Fills answer from a transfer that is over. */
static int answer_fill(struct http_answer *answer, CURL *h, CURLcode code, const struct transfer *t, int64_t timeout_ms,
                       struct err *err)
{
    long status = 0;
    int r = outcome(code, t, timeout_ms, err);

    answer->sent = t->attempts > 0;
    if (r == 0) {
        curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
        answer->status = (int)status;
    }
    return r;
}

void http_answer_release(struct http_answer *answer)
{
    buf_release(&answer->body);
    *answer = HTTP_ANSWER_INIT;
}

/* Waiting for the answer ------------------------------------------------------------------------------------------ */

int http_client_new(struct http_client **out, const struct http_client_options *options, struct err *err)
{
    struct http_client *client = NULL;

    if (library_check(err) < 0)
        return ERR_FAILED;
    client = calloc(1, sizeof(*client));
    if (!client)
        return err_set(err, ERR_FAILED, "could not make an HTTP client: out of memory");
    client->max_answer_bytes = options->max_answer_bytes;
    pthread_mutex_init(&client->lock, NULL);
    cond_init_monotonic(&client->freed);
    client->idle = calloc(options->connections, sizeof(CURL *));
    if (!client->idle || !headers_make(&client->headers))
        goto no_memory;
    for (; client->count < options->connections; client->count++) {
        CURL *h = handle_new(client->headers, options);
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

int http_client_post(struct http_client *client, const char *url, struct span body, int64_t timeout_ms,
                     struct http_answer *answer, struct err *err)
{
    const int64_t start_us = clock_mono_us(), deadline_us = start_us + timeout_ms * 1000;
    struct transfer transfer = {.body = &answer->body};
    CURLcode code;
    CURL *h = handle_take(client, deadline_us);
    int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
    int r;

    answer_clear(answer, client->max_answer_bytes);
    if (!h || left_ms <= 0) {
        r = err_set(err, ERR_TIMEOUT, "no connection came free within %lld ms", (long long)timeout_ms);
        goto out;
    }
    code = request_set(h, &transfer, url, body, left_ms);
    if (code == CURLE_OK)
        code = curl_easy_perform(h);
    r = answer_fill(answer, h, code, &transfer, timeout_ms, err);
out:
    if (h)
        handle_give_back(client, h);
    answer->elapsed_us = clock_mono_us() - start_us;
    return r;
}

/* Many at a time --------------------------------------------------------------------------------------------------
 *
 * The connections belong to the multi handle; a slot is one call and lends its easy handle to it while it is under way.
 */

struct slot {
    CURL *handle;
    struct transfer transfer;
    struct http_answer answer;
    struct buf body;
    void *arg;
    int64_t start_us, timeout_ms;
};

struct http_calls {
    CURLM *multi;
    struct curl_slist *headers;
    size_t max_answer_bytes;
    struct slot *slots;
    struct slot **idle; /* a stack */
    unsigned count, idle_count;
};

static bool multi_make(struct http_calls *calls, const struct http_client_options *options)
{
    calls->multi = curl_multi_init();
    return calls->multi && curl_multi_setopt(calls->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_setopt(calls->multi, CURLMOPT_MAXCONNECTS, (long)options->connections) == CURLM_OK &&
           curl_multi_setopt(calls->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)options->connections) == CURLM_OK;
}

int http_calls_new(struct http_calls **out, const struct http_client_options *options, struct err *err)
{
    struct http_calls *calls;

    if (library_check(err) < 0)
        return ERR_FAILED;
    calls = calloc(1, sizeof(*calls));
    if (!calls)
        return err_set(err, ERR_FAILED, "could not make an HTTP client: out of memory");
    calls->max_answer_bytes = options->max_answer_bytes;
    calls->slots = calloc(options->connections, sizeof(*calls->slots));
    calls->idle = calloc(options->connections, sizeof(*calls->idle));
    if (!calls->slots || !calls->idle || !headers_make(&calls->headers) || !multi_make(calls, options))
        goto no_memory;
    for (; calls->count < options->connections; calls->count++) {
        struct slot *slot = &calls->slots[calls->count];
        slot->handle = handle_new(calls->headers, options);
        if (!slot->handle || curl_easy_setopt(slot->handle, CURLOPT_PRIVATE, slot) != CURLE_OK) {
            curl_easy_cleanup(slot->handle);
            goto no_memory;
        }
        calls->idle[calls->idle_count++] = slot;
    }
    *out = calls;
    return 0;

no_memory:
    http_calls_free(calls);
    return err_set(err, ERR_FAILED, "could not make an HTTP client of %u connections: out of memory",
                   options->connections);
}

void http_calls_free(struct http_calls *calls)
{
    if (!calls)
        return;
    for (unsigned i = 0; i < calls->count; i++) {
        struct slot *slot = &calls->slots[i];
        curl_multi_remove_handle(calls->multi, slot->handle); /* of one that is not in it: nothing happens */
        curl_easy_cleanup(slot->handle);
        http_answer_release(&slot->answer);
        buf_release(&slot->body);
    }
    if (calls->multi)
        curl_multi_cleanup(calls->multi);
    free(calls->slots);
    free(calls->idle);
    curl_slist_free_all(calls->headers);
    free(calls);
}

unsigned http_calls_under_way(const struct http_calls *calls)
{
    return calls->count - calls->idle_count;
}

int http_calls_begin(struct http_calls *calls, const struct http_call *call, struct err *err)
{
    struct slot *slot;
    CURLcode code;

    if (calls->idle_count == 0)
        return err_set(err, ERR_FULL, "all %u connections are busy", calls->count);
    slot = calls->idle[calls->idle_count - 1];
    slot->transfer = (struct transfer){.body = &slot->answer.body, .send_before_us = call->send_before_us};
    slot->arg = call->arg;
    slot->start_us = clock_mono_us();
    slot->timeout_ms = call->timeout_ms;
    answer_clear(&slot->answer, calls->max_answer_bytes);
    buf_reset(&slot->body);
    buf_add_span(&slot->body, call->body);
    if (buf_failed(&slot->body))
        return err_set(err, ERR_FAILED, "could not begin a call: out of memory");
    code = request_set(slot->handle, &slot->transfer, call->url, (struct span){buf_text(&slot->body), slot->body.len},
                       call->timeout_ms);
    if (code != CURLE_OK)
        return outcome(code, &slot->transfer, call->timeout_ms, err);
    if (curl_multi_add_handle(calls->multi, slot->handle) != CURLM_OK)
        return err_set(err, ERR_FAILED, "could not begin a call");
    calls->idle_count--;
    return 0;
}

void http_calls_wait(struct http_calls *calls, int64_t timeout_ms)
{
    int running = 0;

    curl_multi_perform(calls->multi, &running);
    if ((unsigned)running < http_calls_under_way(calls))
        return; /* some have ended */
    curl_multi_poll(calls->multi, NULL, 0, (int)timeout_ms, NULL);
    curl_multi_perform(calls->multi, &running);
}

bool http_calls_next(struct http_calls *calls, struct http_end *out)
{
    struct slot *slot = NULL;
    CURLcode code;
    CURLMsg *message;
    int left;

    do
        message = curl_multi_info_read(calls->multi, &left);
    while (message && message->msg != CURLMSG_DONE);
    if (!message)
        return false;
    code = message->data.result; /* message does not outlive the removal */
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
    out->arg = slot->arg;
    out->result = answer_fill(&slot->answer, slot->handle, code, &slot->transfer, slot->timeout_ms, &out->err);
    out->answer = &slot->answer;
    slot->answer.elapsed_us = clock_mono_us() - slot->start_us;
    curl_multi_remove_handle(calls->multi, slot->handle);
    calls->idle[calls->idle_count++] = slot;
    return true;
}

void http_calls_wake(struct http_calls *calls)
{
    curl_multi_wakeup(calls->multi);
}
