/* The HTTP server with real sockets: framing as the table of traps wants it, deadlines, and stopping without loss. */
#include "../http_client.h"

#include "base/clock.h"
#include "base/http_server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { MAX_BODY = 64 * 1024, THREADS = 8 };

static atomic_uint handled, refused, opened, closed;

static void *thread_new(void *arg)
{
    (void)arg;
    return calloc(1, sizeof(struct buf));
}

static void thread_free(void *thread)
{
    buf_release(thread);
    free(thread);
}

/* Answers "METHOD path length-of-body"; leaves the body of /unread alone, aborts at /abort, ends 3 bytes early at /cut
 * and long before its beginning at /cut-all. */
static void echo(const struct http_request *request, struct http_reply *reply, void *arg)
{
    struct buf *body = request->thread;

    (void)arg;
    buf_reset(body);
    if (!span_is(request->path, "/unread") && http_read_body(request, body, reply) != HTTP_BODY_OK)
        return;
    atomic_fetch_add(&handled, 1);
    reply->content_type = "text/plain";
    buf_add_span(reply->body, request->method);
    buf_add_char(reply->body, ' ');
    buf_add_span(reply->body, request->path);
    buf_add_char(reply->body, ' ');
    buf_add_u64(reply->body, body->len);
    reply->abort = span_is(request->path, "/abort");
    if (span_is(request->path, "/cut"))
        reply->cut_short = 3;
    else if (span_is(request->path, "/cut-all"))
        reply->cut_short = SIZE_MAX;
}

static void count_refusal(int status, enum http_body why, void *arg)
{
    (void)status;
    (void)why;
    (void)arg;
    atomic_fetch_add(&refused, 1);
}

static void count_connection(int change, void *arg)
{
    (void)arg;
    atomic_fetch_add(change > 0 ? &opened : &closed, 1);
}

static struct http_server_options options_for_test(void)
{
    return (struct http_server_options){
        .listen = "127.0.0.1:0",
        .threads = THREADS,
        .max_body_bytes = MAX_BODY,
        .body_timeout_ms = 10000,
        .keep_alive_ms = 60000,
        .handler = echo,
        .thread_new = thread_new,
        .thread_free = thread_free,
        .refused = count_refusal,
        .connection = count_connection,
    };
}

static struct http_server *start_with(const struct http_server_options *options)
{
    struct http_server *server = NULL;
    struct err err = {0};

    if (http_server_start(&server, options, &err) != 0)
        fail_msg("%s", err.text);
    return server;
}

static int start(void **state)
{
    struct http_server_options options = options_for_test();

    *state = start_with(&options);
    return 0;
}

static int stop(void **state)
{
    http_server_stop(*state, 5000);
    return 0;
}

static void expect(struct client *c, int status, const char *body, bool closes)
{
    struct client_reply reply = {0};

    assert_true(client_read(c, &reply));
    assert_string_equal(buf_text(&reply.body), body);
    assert_int_equal(reply.status, status);
    assert_int_equal(reply.close, closes);
    client_reply_release(&reply);
    if (closes)
        assert_true(client_at_end(c));
}

static void expect_good(unsigned port)
{
    struct client c = client_open(port);

    assert_true(client_send_text(&c, "POST /good HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"));
    expect(&c, 200, "POST /good 3", false);
    client_close(&c);
}

static void keeps_connections(void **state)
{
    static const struct {
        const char *request, *body;
        bool closes;
    } cases[] = {
        {"GET /a HTTP/1.1\r\nHost: t\r\n\r\n", "GET /a 0", false},
        {"GET /a%20b?x=%20 HTTP/1.1\r\nHost:t\r\n\r\n", "GET /a b 0", false},
        {"PUT /a HTTP/1.1\r\nHost: t\r\nContent-Length:  2 \r\n\r\nab", "PUT /a 2", false},
        {"POST /a HTTP/1.1\r\nHost: t\r\nConnection: Keep-Alive\r\n\r\n", "POST /a 0", false},
        {"POST /a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "POST /a 0", true},
        {"POST /a HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "POST /a 0", true},
        {"POST /a HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "POST /a 0", true},
        {"POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", "POST /a 1", true},
        {"POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "POST /a 1", false},
        {"GET /a HTTP/1.0\r\n\r\n", "GET /a 0", true},
        {"OPTIONS /a HTTP/1.1\r\nHost: t\r\nOrigin: x\r\nAccess-Control-Request-Method: GET\r\n\r\n", "OPTIONS /a 0",
         false},
        {"POST /unread HTTP/1.1\r\nHost: t\r\n\r\n", "POST /unread 0", false},
        {"POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nab", "POST /unread 0", true},
        {"POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab", "POST /unread 0", true},
        {"POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n1\r\nf\r\n0\r\n\r\n",
         "POST /c 6", false},
        {"POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "POST /c 0", false},
    };
    unsigned port = http_server_port(*state);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client c = client_open(port);

        assert_true(client_send_text(&c, cases[i].request));
        expect(&c, 200, cases[i].body, cases[i].closes);
        if (!cases[i].closes) {
            assert_true(client_send_text(&c, cases[i].request));
            expect(&c, 200, cases[i].body, false);
        }
        client_close(&c);
    }
}

static void answers_head_without_a_body(void **state)
{
    struct client c = client_open(http_server_port(*state));
    struct client_reply reply = {0};

    assert_true(client_send_text(&c, "HEAD /h HTTP/1.1\r\nHost: t\r\n\r\nGET /g HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(client_read_reply(&c, &reply, true));
    assert_int_equal(reply.status, 200);
    assert_int_equal(atoi(client_header(&reply, "Content-Length")), strlen("HEAD /h 0"));
    expect(&c, 200, "GET /g 0", false);
    client_reply_release(&reply);
    client_close(&c);
}

static void answers_pipelined_requests_in_order(void **state)
{
    struct client c = client_open(http_server_port(*state));

    assert_true(client_send_text(&c,
                                 "POST /1 HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx"
                                 "GET /2 HTTP/1.1\r\nHost: t\r\n\r\n"
                                 "POST /3 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n0\r\n\r\n"
                                 "POST /4 HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nxxxx"
                                 "GET /5 HTTP/1.1\r\nHost: t\r\n\r\n"));
    expect(&c, 200, "POST /1 1", false);
    expect(&c, 200, "GET /2 0", false);
    expect(&c, 200, "POST /3 2", false);
    expect(&c, 200, "POST /4 4", false);
    expect(&c, 200, "GET /5 0", false);
    client_close(&c);
}

static void answers_expect_before_the_body(void **state)
{
    struct client c = client_open(http_server_port(*state));
    struct client_reply reply = {0};

    assert_true(
        client_send_text(&c, "POST /e HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_true(client_read(&c, &reply));
    assert_int_equal(reply.status, 100);
    assert_true(client_send_text(&c, "ab"));
    expect(&c, 200, "POST /e 2", false);

    /* Too large: refused without asking for it. */
    assert_true(
        client_send_text(&c, "POST /e HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"));
    assert_true(client_read(&c, &reply));
    assert_int_equal(reply.status, 413);
    assert_true(reply.close);
    client_reply_release(&reply);
    client_close(&c);
}

static void breaks_off_where_told(void **state)
{
    static const struct {
        const char *request, *rest; /* what came behind the head; NULL: the connection was reset */
    } cases[] = {
        {"GET /cut HTTP/1.1\r\nHost: h\r\n\r\n", "GET /cu"},
        {"POST /cut HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", "POST /cu"},
        {"GET /cut-all HTTP/1.1\r\nHost: h\r\n\r\n", ""},
        {"GET /abort HTTP/1.1\r\nHost: h\r\n\r\n", NULL},
        {"POST /abort HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client c = client_open(http_server_port(*state));
        const char *rest;
        char byte;
        int failed;
        assert_true(client_send_text(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")); /* on a kept connection */
        expect(&c, 200, "GET / 0", false);
        assert_true(client_send_text(&c, cases[i].request));
        while (client_fill(&c))
            ;
        failed = errno;
        rest = strstr(buf_text(&c.in), "\r\n\r\n");
        if (cases[i].rest) {
            assert_non_null(rest);
            assert_string_equal(rest + 4, cases[i].rest);
            assert_int_equal(recv(c.fd, &byte, 1, 0), 0); /* an orderly end */
        } else {
            assert_int_equal(c.in.len, 0);
            assert_int_equal(failed, ECONNRESET);
        }
        client_close(&c);
    }
    expect_good(http_server_port(*state));
}

/* Everything that must be refused: nothing behind it may be taken for a request, and the handler never sees it. */
#define HEAD      "POST /bad HTTP/1.1\r\nHost: t\r\n"
#define SMUGGLED  "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
#define EIGHT(x)  x x x x x x x x
#define HEADERS62 EIGHT(EIGHT("a: b\r\n")) /* with Host: 65 */

static const struct {
    const char *request;
    int status;
    const char *fault;
} framing_cases[] = {
    {HEAD "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "repeated Content-Length"},
    {HEAD "Content-Length: 4\r\ncontent-length: 5\r\n\r\nabcd" SMUGGLED, 400, "repeated Content-Length"},
    {HEAD "Content-Length: 4, 4\r\n\r\nabcd" SMUGGLED, 400, "Content-Length is not a number"},
    {HEAD "Content-Length: +4\r\n\r\nabcd" SMUGGLED, 400, "Content-Length is not a number"},
    {HEAD "Content-Length: -4\r\n\r\nabcd" SMUGGLED, 400, "Content-Length is not a number"},
    {HEAD "Content-Length: 4zz\r\n\r\nabcd" SMUGGLED, 400, "Content-Length is not a number"},
    {HEAD "Content-Length: 0x4\r\n\r\nabcd" SMUGGLED, 400, "Content-Length is not a number"},
    {HEAD "Content-Length: 4 4\r\n\r\nabcd" SMUGGLED, 400, "Content-Length is not a number"},
    {HEAD "Content-Length:\r\n\r\nabcd" SMUGGLED, 400, "Content-Length is not a number"},
    {HEAD "Content-Length: 18446744073709551620\r\n\r\nabcd" SMUGGLED, 400, "Content-Length is not a number"},
    {HEAD "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400,
     "both Content-Length and Transfer-Encoding"},
    {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SMUGGLED, 400,
     "both Content-Length and Transfer-Encoding"},
    {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400, "malformed"},
    {HEAD "Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "other than chunked"},
    {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400,
     "repeated Transfer-Encoding"},
    {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED, 400, "chunked"},
    {HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400, "malformed"},
    {"POST /bad HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400, "HTTP/1.0"},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\n\r\n" SMUGGLED, 400, "chunked body"},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" SMUGGLED, 400, "chunked body"},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n" SMUGGLED, 400, "chunked body"},
    {HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na\r\n0\r\n\r\n" SMUGGLED, 400, "chunked body"},
    {HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n" SMUGGLED, 400, "chunked body"},
    {HEAD HEADERS62 "Content-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "more than 63 headers"},
    {HEAD "Content-Length : 4\r\n\r\nabcd" SMUGGLED, 400, "blank before the colon"},
    {HEAD "X :\r\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "blank before the colon"},
    {HEAD "X: folded\r\n  line\r\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "header line"},
    {HEAD ": nameless\r\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "header line"},
    {HEAD "\rContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "header line"},
    {HEAD "\xc3\xa9: x\r\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "header line"},
    {HEAD "no colon\r\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "malformed"},
    {HEAD "Content-Length: 4\n\r\nabcd" SMUGGLED, 400, "CR LF"},
    {HEAD "Content-Length: 4\n\nabcd" SMUGGLED, 400, "header line"},
    {HEAD "X: a\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "CR LF"},
    {HEAD "X: a\rContent-Length: 4\r\n\r\nabcd" SMUGGLED, 400, "malformed"},
    {HEAD "X: a\tb\r\n\r\n" SMUGGLED, 400, "malformed"},
    {"POST /bad HTTP/1.1\nHost: t\r\n\r\n" SMUGGLED, 400, "CR LF"},
    {"POST /bad HTTP/1.1\r\n Host: t\r\n\r\n" SMUGGLED, 400, "CR LF"},
    {"\r\n\r\n" HEAD "\r\n" SMUGGLED, 400, "blank lines"},
    {"\r\n" HEAD "\r\n" SMUGGLED, 400, "blank lines"},
    {"\r\n\r\n", 400, "malformed"},
    {"POST /bad HTTP/1.1\r\n\r\n" SMUGGLED, 400, "exactly one Host"},
    {HEAD "Host: other\r\n\r\n" SMUGGLED, 400, "exactly one Host"},
    {HEAD "Expect: 200-ok\r\nContent-Length: 4\r\n\r\nabcd" SMUGGLED, 417, "Expect"},
    {"POST /b%zzd HTTP/1.1\r\nHost: t\r\n\r\n" SMUGGLED, 400, "escape"},
    {"POST /bad%00 HTTP/1.1\r\nHost: t\r\n\r\n" SMUGGLED, 400, "escape"},
    {"POST /bad%2 HTTP/1.1\r\nHost: t\r\n\r\n" SMUGGLED, 400, "escape"},
    {"POST * HTTP/1.1\r\nHost: t\r\n\r\n" SMUGGLED, 400, "target"},
    {"POST http://example.org/bad HTTP/1.1\r\nHost: example.org\r\n\r\n" SMUGGLED, 400, "target"},
    {"POST bad HTTP/1.1\r\nHost: t\r\n\r\n" SMUGGLED, 400, "malformed"},
    {"BREW /bad HTTP/1.1\r\nHost: t\r\n\r\n" SMUGGLED, 400, "malformed"},
    {"POST /bad HTTP/2.0\r\nHost: t\r\n\r\n" SMUGGLED, 505, "HTTP/1.0 and HTTP/1.1"},
    {"POST /bad HTTP/1.2\r\nHost: t\r\n\r\n" SMUGGLED, 505, "HTTP/1.0 and HTTP/1.1"},
    {"POST /bad\r\n\r\n" SMUGGLED, 400, "malformed"},
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed"},
    {HEAD "Content-Length: 65537\r\n\r\nabcd" SMUGGLED, 413, "larger"},
};

static void refuses_every_odd_framing(void **state)
{
    unsigned port = http_server_port(*state);

    for (size_t i = 0; i < sizeof(framing_cases) / sizeof(framing_cases[0]); i++) {
        struct client c = client_open(port);
        struct client_reply reply = {0};
        unsigned handled_before = atomic_load(&handled), refused_before = atomic_load(&refused);

        client_send_text(&c, framing_cases[i].request);
        shutdown(c.fd, SHUT_WR); /* nothing more will come: what waits for more is refused now, too */
        if (!client_read(&c, &reply))
            fail_msg("case %zu: no reply to %s", i, framing_cases[i].request);
        if (reply.status != framing_cases[i].status || !strstr(buf_text(&reply.body), framing_cases[i].fault))
            fail_msg("case %zu: %d %s to %s", i, reply.status, buf_text(&reply.body), framing_cases[i].request);
        assert_int_equal(strncmp(buf_text(&reply.body), "{\"ActionStatus\":\"FAIL\",\"ErrorCode\":", 34), 0);
        assert_true(reply.close);
        assert_true(client_at_end(&c));
        assert_int_equal(atomic_load(&handled), handled_before);
        assert_int_equal(atomic_load(&refused), refused_before + 1);
        client_reply_release(&reply);
        client_close(&c);
        expect_good(port);
    }
}

static void takes_heads_up_to_16_kib(void **state)
{
    unsigned port = http_server_port(*state);

    for (size_t fill = HTTP_MAX_HEAD - 200; fill < HTTP_MAX_HEAD + 100; fill += 7) {
        struct client c = client_open(port);
        struct client_reply reply = {0};
        struct buf request = BUF_INIT;
        size_t padding;

        buf_add_text(&request, "GET /a HTTP/1.1\r\nHost: t\r\nX: ");
        padding = fill - request.len - 4;
        memset(buf_reserve(&request, padding), 'x', padding);
        buf_commit(&request, padding);
        buf_add_text(&request, "\r\n\r\n");
        assert_int_equal(request.len, fill);
        client_send(&c, request.data, request.len);
        assert_true(client_read(&c, &reply));
        if (fill <= HTTP_MAX_HEAD)
            assert_int_equal(reply.status, 200);
        else
            assert_int_equal(reply.status, 400);
        buf_release(&request);
        client_reply_release(&reply);
        client_close(&c);
    }
    expect_good(port);
}

/* civetweb ends the head at the first blank line but then skips blanks to find the request, beyond what it received if
 * need be: into what is left in the thread's buffer of an earlier, pipelined request, signature and all. */
static void never_replays_an_earlier_request(void **state)
{
    static const char first[] =
        "GET /first HTTP/1.1\r\nHost: t\r\nX: longer than the request behind this one is\r\n\r\n";
    static const char secret[] = "GET /secret HTTP/1.1\r\nHost: t\r\n\r\n";
    struct http_server_options options = options_for_test();
    struct http_server *server;
    struct client victim, thief;
    struct buf bytes = BUF_INIT;

    (void)state;
    options.threads = 1;
    server = start_with(&options);
    victim = client_open(http_server_port(server));
    buf_add_text(&bytes, first);
    buf_add_text(&bytes, secret);
    assert_true(client_send(&victim, bytes.data, bytes.len));
    expect(&victim, 200, "GET /first 0", false);
    expect(&victim, 200, "GET /secret 0", false);
    client_close(&victim);

    buf_reset(&bytes);
    buf_add_text(&bytes, "\r\n\r\n");
    while (bytes.len < strlen(first))
        buf_add_char(&bytes, ' ');
    thief = client_open(http_server_port(server));
    assert_true(client_send(&thief, bytes.data, bytes.len));
    expect(&thief, 400,
           "{\"ActionStatus\":\"FAIL\",\"ErrorCode\":400,\"ErrorInfo\":\"blank lines before the request\"}", true);
    client_close(&thief);
    buf_release(&bytes);
    http_server_stop(server, 5000);
}

struct drip {
    const struct client *client;
    atomic_bool done;
};

static void *drip_run(void *arg)
{
    struct drip *drip = arg;

    while (!atomic_load(&drip->done) && client_send(drip->client, "x", 1))
        clock_sleep_ms(5);
    return NULL;
}

static void gives_a_body_until_its_deadline(void **state)
{
    struct http_server_options options = options_for_test();
    struct http_server *server;
    struct client_reply reply = {0};
    struct client c;

    (void)state;
    options.body_timeout_ms = 200;
    server = start_with(&options);

    /* Short: the client is gone. */
    c = client_open(http_server_port(server));
    assert_true(client_send_text(&c, HEAD "Content-Length: 10\r\n\r\nabc"));
    shutdown(c.fd, SHUT_WR);
    assert_true(client_read(&c, &reply));
    assert_int_equal(reply.status, 400);
    assert_non_null(strstr(reply.body.data, "shorter than its Content-Length"));
    client_close(&c);

    /* Stalled, with and without a first byte, with both framings. */
    static const char *const stalled[] = {
        HEAD "Content-Length: 10\r\n\r\n",
        HEAD "Content-Length: 10\r\n\r\nabc",
        HEAD "Transfer-Encoding: chunked\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc",
    };
    for (size_t i = 0; i < sizeof(stalled) / sizeof(stalled[0]); i++) {
        c = client_open(http_server_port(server));
        assert_true(client_send_text(&c, stalled[i]));
        assert_true(client_read(&c, &reply));
        assert_int_equal(reply.status, 408);
        assert_true(reply.close);
        assert_true(client_at_end(&c));
        client_close(&c);
    }

    /* Dripping: every byte is in time, the body never is. */
    static const char *const dripping[] = {
        HEAD "Content-Length: 60000\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nffff\r\n",
    };
    for (size_t i = 0; i < sizeof(dripping) / sizeof(dripping[0]); i++) {
        struct drip drip = {.client = &c};
        pthread_t thread;

        c = client_open(http_server_port(server));
        assert_true(client_send_text(&c, dripping[i]));
        pthread_create(&thread, NULL, drip_run, &drip);
        assert_true(client_read(&c, &reply));
        assert_int_equal(reply.status, 408);
        atomic_store(&drip.done, true);
        pthread_join(thread, NULL);
        client_close(&c);
    }
    expect_good(http_server_port(server));
    client_reply_release(&reply);
    http_server_stop(server, 5000);
}

static void bounds_the_body(void **state)
{
    unsigned port = http_server_port(*state);
    static const int lengths[] = {MAX_BODY - 1, MAX_BODY, MAX_BODY + 1};
    static char filler[MAX_BODY + 1];

    memset(filler, 'x', sizeof(filler));
    for (int chunked = 0; chunked < 2; chunked++) {
        for (size_t i = 0; i < 3; i++) {
            struct client c = client_open(port);
            struct client_reply reply = {0};
            char head[128];

            if (chunked)
                snprintf(head, sizeof(head), HEAD "Transfer-Encoding: chunked\r\n\r\n%x\r\n", lengths[i]);
            else
                snprintf(head, sizeof(head), HEAD "Content-Length: %d\r\n\r\n", lengths[i]);
            client_send_text(&c, head);
            client_send(&c, filler, (size_t)lengths[i]);
            if (chunked)
                client_send_text(&c, "\r\n0\r\n\r\n");
            assert_true(client_read(&c, &reply));
            assert_int_equal(reply.status, lengths[i] > MAX_BODY ? 413 : 200);
            assert_int_equal(reply.close, lengths[i] > MAX_BODY);
            client_reply_release(&reply);
            client_close(&c);
        }
    }
    expect_good(port);
}

/* Stopping -------------------------------------------------------------------------------------------------------- */

struct load {
    pthread_t thread;
    unsigned port;
    bool answered_last; /* the last request sent had its reply, and that said close */
};

static atomic_uint loads_connected;

static void *load_run(void *arg)
{
    struct load *load = arg;
    struct client c = client_open(load->port);
    struct client_reply reply = {0};
    bool open = c.fd >= 0;

    atomic_fetch_add(&loads_connected, 1);
    while (open && client_send_text(&c, "POST /load HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nabcd")) {
        load->answered_last = client_read(&c, &reply) && reply.status == 200;
        open = load->answered_last && !reply.close;
    }
    load->answered_last = load->answered_last && reply.close;
    client_reply_release(&reply);
    client_close(&c);
    return NULL;
}

static void stops_without_losing_a_reply(void **state)
{
    struct http_server_options options = options_for_test();
    struct load loads[2 * THREADS]; /* half of them wait for a thread until the others are told to close */
    struct http_server *server;
    struct client idle, silent;
    unsigned port;

    (void)state;
    options.threads = THREADS + 2;
    server = start_with(&options);
    port = http_server_port(server);
    atomic_store(&loads_connected, 0);

    idle = client_open(port);
    assert_true(client_send_text(&idle, "GET /idle HTTP/1.1\r\nHost: t\r\n\r\n"));
    expect(&idle, 200, "GET /idle 0", false);
    silent = client_open(port);

    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        loads[i] = (struct load){.port = port};
        pthread_create(&loads[i].thread, NULL, load_run, &loads[i]);
    }
    while (atomic_load(&loads_connected) < 2 * THREADS)
        clock_sleep_ms(1);
    http_server_stop(server, 20000);
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        pthread_join(loads[i].thread, NULL);
        assert_true(loads[i].answered_last);
    }
    assert_true(client_at_end(&idle));
    assert_true(client_at_end(&silent));
    client_close(&idle);
    client_close(&silent);
    idle = client_open(port);
    assert_int_equal(idle.fd, -1);
    assert_int_equal(atomic_load(&opened), atomic_load(&closed));
}

/* Two busy connections hold both threads; whoever comes later is answered nevertheless. */
static void makes_room_for_more_connections_than_threads(void **state)
{
    struct http_server_options options = options_for_test();
    struct load loads[2];
    struct http_server *server;
    unsigned rounds = 0;

    (void)state;
    options.threads = 2;
    server = start_with(&options);
    atomic_store(&loads_connected, 0);
    for (size_t i = 0; i < 2; i++) {
        loads[i] = (struct load){.port = http_server_port(server)};
        pthread_create(&loads[i].thread, NULL, load_run, &loads[i]);
    }
    while (http_server_connections(server) < 2 && rounds++ < 10000)
        clock_sleep_ms(1);
    expect_good(http_server_port(server)); /* one of the two has been told to close */
    http_server_stop(server, 20000);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(loads[i].thread, NULL);
        assert_true(loads[i].answered_last);
    }
}

static void refuses_addresses_it_must_not_take(void **state)
{
    static const char *const bad[] = {"",
                                      "443s",
                                      "127.0.0.1:443s",
                                      "127.0.0.1:443r",
                                      "80",
                                      ":80",
                                      "localhost:80",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:",
                                      "127.0.0.1:-1",
                                      "[::1]:80",
                                      "127.0.0.1:80,127.0.0.1:443s",
                                      "127.0.0.1:0x50",
                                      "127.0.0.1: 80",
                                      "127.1:80",
                                      "x127.0.0.1:80"};
    struct http_server_options options = options_for_test();
    struct http_server *server = NULL;
    struct err err = {0};
    char taken[32];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        options.listen = bad[i];
        assert_int_equal(http_server_start(&server, &options, &err), ERR_USAGE);
        assert_null(server);
        assert_non_null(strstr(err.text, bad[i]));
    }
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", http_server_port(*state));
    options.listen = taken;
    assert_int_equal(http_server_start(&server, &options, &err), ERR_FAILED);
    assert_non_null(strstr(err.text, taken));
    http_server_stop(NULL, 0);
}

static void *thread_new_fails(void *arg)
{
    (void)arg;
    return NULL;
}

static void answers_503_on_a_thread_without_memory(void **state)
{
    struct http_server_options options = options_for_test();
    struct http_server *server;
    struct client_reply reply = {0};
    struct client c;

    (void)state;
    options.thread_new = thread_new_fails;
    server = start_with(&options);
    c = client_open(http_server_port(server));
    assert_true(client_send_text(&c, "GET / HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(client_read(&c, &reply));
    assert_int_equal(reply.status, 503);
    client_reply_release(&reply);
    client_close(&c);
    http_server_stop(server, 5000);
}

static void reads_query_parameters(void **state)
{
    static const struct {
        const char *query, *name;
        unsigned count;
        const char *value;
    } cases[] = {
        {"SdkAppid=14&x=1", "sdkappid", 1, "14"},
        {"x=1&SdkAppId=14", "SdkAppid", 1, "14"},
        {"a=1&A=2&a=3", "a", 3, "3"},
        {"a=%41%2fb%20+c", "a", 1, "A/b +c"},
        {"a=%zz%4", "a", 1, "%zz%4"},
        {"a", "a", 1, ""},
        {"a=", "a", 1, ""},
        {"a==b", "a", 1, "=b"},
        {"&&ab=1&", "a", 0, ""},
        {"ab=1&ba=2", "a", 0, ""},
        {"", "a", 0, ""},
    };
    struct buf value = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(http_query(span_of(cases[i].query), cases[i].name, &value), cases[i].count);
        assert_string_equal(buf_text(&value), cases[i].value);
    }
    buf_release(&value);
}

/* One send a reply --------------------------------------------------------------------------------------------------
 * The server runs in a process of its own under strace, which lists its writing system calls. */

static int serve_for_strace(void)
{
    struct http_server_options options = options_for_test();
    struct http_server *server;
    struct err err;
    char byte;

    if (http_server_start(&server, &options, &err) != 0)
        return 1;
    printf("%u\n", http_server_port(server));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    http_server_stop(server, 5000);
    return 0;
}

static void sends_a_reply_in_one_system_call(void **state)
{
    enum { REPLIES = 20 };
    char self[512] = {0}, log[] = "/tmp/chatsluice-strace-XXXXXX", line[1024];
    struct client_reply reply = {0};
    struct client c;
    unsigned port = 0, sends = 0;
    int in[2], out[2], status;
    FILE *from;
    pid_t pid;

    (void)state;
    if (system("strace -o /dev/null true 2>/dev/null") != 0) {
        print_message("strace cannot be used here\n");
        skip();
    }
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    close(mkstemp(log));
    assert_int_equal(pipe(in) | pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[0]);
        close(in[1]);
        close(out[0]);
        close(out[1]);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* it needs ptrace for itself */
        execlp("strace", "strace", "-f", "-o", log, "-e", "trace=sendto,sendmsg,sendmmsg,writev,pwritev,sendfile", self,
               "--serve-for-strace", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    from = fdopen(out[0], "r");
    assert_non_null(fgets(line, sizeof(line), from));
    port = (unsigned)atoi(line);

    c = client_open(port);
    for (int i = 0; i < REPLIES; i++) {
        assert_true(client_send_text(&c, "POST /one HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"));
        assert_true(client_read(&c, &reply));
        assert_int_equal(reply.status, 200);
    }
    client_close(&c);
    close(in[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    fclose(from);

    from = fopen(log, "r");
    assert_non_null(from);
    while (fgets(line, sizeof(line), from))
        sends += strchr(line, '(') && !strstr(line, "resumed");
    fclose(from);
    unlink(log);
    assert_int_equal(sends, REPLIES);
    client_reply_release(&reply);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_connections, start, stop),
        cmocka_unit_test_setup_teardown(answers_head_without_a_body, start, stop),
        cmocka_unit_test_setup_teardown(answers_pipelined_requests_in_order, start, stop),
        cmocka_unit_test_setup_teardown(answers_expect_before_the_body, start, stop),
        cmocka_unit_test_setup_teardown(breaks_off_where_told, start, stop),
        cmocka_unit_test_setup_teardown(refuses_every_odd_framing, start, stop),
        cmocka_unit_test_setup_teardown(takes_heads_up_to_16_kib, start, stop),
        cmocka_unit_test(never_replays_an_earlier_request),
        cmocka_unit_test(gives_a_body_until_its_deadline),
        cmocka_unit_test_setup_teardown(bounds_the_body, start, stop),
        cmocka_unit_test(stops_without_losing_a_reply),
        cmocka_unit_test(makes_room_for_more_connections_than_threads),
        cmocka_unit_test_setup_teardown(refuses_addresses_it_must_not_take, start, stop),
        cmocka_unit_test(answers_503_on_a_thread_without_memory),
        cmocka_unit_test(reads_query_parameters),
        cmocka_unit_test(sends_a_reply_in_one_system_call),
    };

    if (argc > 1 && strcmp(argv[1], "--serve-for-strace") == 0)
        return serve_for_strace();
    return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
