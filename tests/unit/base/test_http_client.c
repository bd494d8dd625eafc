/* The client against a server that does on each connection exactly what the case says. */
#include "base/http_client.h"

#include "base/clock.h"
#include "base/http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

/* Accepts connections one after the other; on each it reads a request and answers with the next script line. */
struct script {
    const char *const *answers; /* "": read the request, then close without a word; NULL ends the script */
    int listener;
    unsigned port;
    unsigned requests, connections;
    struct buf last;
    pthread_t thread;
};

/* One request with Content-Length; false: the client closed. */
static bool request_read(int fd, struct buf *into)
{
    size_t length;
    const char *end;

    buf_reset(into);
    for (;;) {
        char *space = buf_reserve(into, 65536);
        const ssize_t n = recv(fd, space, 65536, 0);
        if (n <= 0)
            return false;
        buf_commit(into, (size_t)n);
        end = strstr(into->data, "\r\n\r\n");
        if (!end)
            continue;
        length = strtoul(strstr(into->data, "Content-Length: ") + 16, NULL, 10);
        if (into->len >= (size_t)(end - into->data) + 4 + length)
            return true;
    }
}

static void *script_play(void *arg)
{
    struct script *s = arg;

    while (*s->answers) {
        const int fd = accept(s->listener, NULL, NULL);
        s->connections++;
        while (*s->answers && request_read(fd, &s->last)) {
            const char *answer = *s->answers++;
            s->requests++;
            if (!*answer)
                break;
            send(fd, answer, strlen(answer), MSG_NOSIGNAL);
        }
        close(fd);
    }
    return NULL;
}

static void script_start(struct script *s, const char *const *answers)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);

    *s = (struct script){.answers = answers};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, script_play, s), 0);
}

static void script_end(struct script *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
    buf_release(&s->last);
}

static struct http_client *client_new(void)
{
    const struct http_client_options options = {1, 100, "test/1", NULL};
    struct http_client *client;

    assert_int_equal(http_client_new(&client, &options, NULL), 0);
    return client;
}

static const char *url_of(const struct script *s, char url[64])
{
    snprintf(url, 64, "http://127.0.0.1:%u/im?Sign=secret", s->port);
    return url;
}

static void a_connection_is_kept_and_the_request_is_whole(void **state)
{
    static const char *const answers[] = {ANSWER, "HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nno!", ANSWER, NULL};
    struct http_client *client = client_new();
    struct http_answer answer = HTTP_ANSWER_INIT;
    struct script s;
    char url[64];

    (void)state;
    script_start(&s, answers);
    assert_int_equal(http_client_post(client, url_of(&s, url), SPAN("{\"a\":1}"), 5000, &answer, NULL), 0);
    assert_int_equal(answer.status, 200);
    assert_true(answer.sent);
    assert_string_equal(buf_text(&answer.body), "{}");
    assert_int_equal(http_client_post(client, url, SPAN("{}"), 5000, &answer, NULL), 0);
    assert_int_equal(answer.status, 503);
    assert_string_equal(buf_text(&answer.body), "no!");
    assert_int_equal(http_client_post(client, url, SPAN("{\"last\":\"\xe4\xb8\xa4\"}"), 5000, &answer, NULL), 0);
    http_client_free(client);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.connections, 1);
    assert_non_null(strstr(buf_text(&s.last), "POST /im?Sign=secret HTTP/1.1\r\n"));
    assert_non_null(strstr(buf_text(&s.last), "\r\nContent-Type: application/json; charset=utf-8\r\n"));
    assert_non_null(strstr(buf_text(&s.last), "\r\n\r\n{\"last\":\"\xe4\xb8\xa4\"}"));
    close(s.listener);
    buf_release(&s.last);
    http_answer_release(&answer);
}

/* The server takes the second request on the kept connection and closes: libcurl would repeat it on a new one. */
static void a_request_is_never_repeated(void **state)
{
    static const char *const answers[] = {ANSWER, "", ANSWER, NULL};
    struct http_client *client = client_new();
    struct http_answer answer = HTTP_ANSWER_INIT;
    struct script s;
    struct err err;
    char url[64];

    (void)state;
    script_start(&s, answers);
    assert_int_equal(http_client_post(client, url_of(&s, url), SPAN("{}"), 5000, &answer, NULL), 0);
    assert_int_equal(http_client_post(client, url, SPAN("{}"), 5000, &answer, &err), ERR_LOST);
    assert_true(answer.sent);
    assert_int_equal(answer.status, 0);
    assert_null(strstr(err.text, "secret"));
    assert_int_equal(http_client_post(client, url, SPAN("{}"), 5000, &answer, NULL), 0);
    script_end(&s);
    assert_int_equal(s.requests, 3);
    http_answer_release(&answer);
    http_client_free(client);
}

static void an_answer_is_bounded(void **state)
{
    static char answer_bytes[400];
    const char *const answers[] = {answer_bytes, NULL};
    struct http_client *client = client_new();
    struct http_answer answer = HTTP_ANSWER_INIT;
    struct script s;
    char url[64];

    (void)state;
    snprintf(answer_bytes, sizeof(answer_bytes), "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n%0200d", 0);
    script_start(&s, answers);
    assert_int_equal(http_client_post(client, url_of(&s, url), SPAN("{}"), 5000, &answer, NULL), ERR_FULL);
    script_end(&s);
    http_answer_release(&answer);
    http_client_free(client);
}

static void a_deadline_holds(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", ANSWER, NULL};
    struct http_client *client = client_new();
    struct http_answer answer = HTTP_ANSWER_INIT;
    struct script s;
    char url[64];

    (void)state;
    script_start(&s, answers);
    assert_int_equal(http_client_post(client, url_of(&s, url), SPAN("{}"), 100, &answer, NULL), ERR_TIMEOUT);
    assert_true(answer.sent);
    assert_int_equal(http_client_post(client, url, SPAN("{}"), 5000, &answer, NULL), 0);
    script_end(&s);
    http_answer_release(&answer);
    http_client_free(client);
}

static void what_cannot_be_sent_is_told_as_unsent(void **state)
{
    static const struct {
        const char *url;
        int result;
    } cases[] = {
        {"http://127.0.0.1:1/", ERR_LOST},
        {"ftp://127.0.0.1:1/", ERR_USAGE},
        {"http://", ERR_USAGE},
    };
    struct http_client *client = client_new();
    struct http_answer answer = HTTP_ANSWER_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(http_client_post(client, cases[i].url, SPAN("{}"), 5000, &answer, NULL), cases[i].result);
        assert_false(answer.sent);
    }
    http_answer_release(&answer);
    http_client_free(client);
}

/* Many at a time --------------------------------------------------------------------------------------------------- */

enum { MANY = 8 };

static struct http_calls *calls_new(unsigned connections, const char *ca_file)
{
    const struct http_client_options options = {connections, 100, "test/1", ca_file};
    struct http_calls *calls;

    assert_int_equal(http_calls_new(&calls, &options, NULL), 0);
    return calls;
}

/* The end of the one call under way. */
static struct http_end end_of(struct http_calls *calls)
{
    struct http_end end = {0};

    while (!http_calls_next(calls, &end)) {
        assert_true(http_calls_under_way(calls) > 0);
        http_calls_wait(calls, 1000);
    }
    return end;
}

static struct http_end call(struct http_calls *calls, const char *url, int64_t timeout_ms, int64_t send_before_us)
{
    assert_int_equal(http_calls_begin(calls,
                                      &(struct http_call){.url = url,
                                                          .body = SPAN("{\"a\":1}"),
                                                          .timeout_ms = timeout_ms,
                                                          .send_before_us = send_before_us},
                                      NULL),
                     0);
    return end_of(calls);
}

/* Answers nobody until MANY are there, then each with its own body. */
struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t all;
    unsigned there;
};

static void *body_new(void *arg)
{
    (void)arg;
    return calloc(1, sizeof(struct buf));
}

static void body_free(void *body)
{
    buf_release(body);
    free(body);
}

static void meet(const struct http_request *request, struct http_reply *reply, void *arg)
{
    struct meeting *m = arg;

    if (http_read_body(request, request->thread, reply) != HTTP_BODY_OK)
        return;
    pthread_mutex_lock(&m->lock);
    m->there++;
    pthread_cond_broadcast(&m->all);
    while (m->there < MANY)
        pthread_cond_wait(&m->all, &m->lock);
    pthread_mutex_unlock(&m->lock);
    buf_add_span(reply->body, buf_span(request->thread));
}

static void many_calls_are_under_way_at_once(void **state)
{
    struct meeting m = {.there = 0};
    const struct http_server_options options = {.listen = "127.0.0.1:0",
                                                .threads = MANY + 2,
                                                .max_body_bytes = 1000,
                                                .body_timeout_ms = 5000,
                                                .keep_alive_ms = 60000,
                                                .handler = meet,
                                                .thread_new = body_new,
                                                .thread_free = body_free,
                                                .arg = &m};
    struct http_calls *calls = calls_new(MANY, NULL);
    struct http_server *server;
    char url[64], bodies[MANY][16];
    struct err err;

    (void)state;
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.all, NULL);
    assert_int_equal(http_server_start(&server, &options, NULL), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", http_server_port(server));
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(bodies[i], sizeof(bodies[i]), "{\"n\":%u}", i);
        struct http_call one = {.url = url, .body = span_of(bodies[i]), .timeout_ms = 30000, .arg = bodies[i]};
        assert_int_equal(http_calls_begin(calls, &one, NULL), 0);
    }
    assert_int_equal(http_calls_under_way(calls), MANY);
    assert_int_equal(http_calls_begin(calls, &(struct http_call){.url = url, .timeout_ms = 1000}, &err), ERR_FULL);
    for (unsigned i = 0; i < MANY; i++) {
        const struct http_end end = end_of(calls);
        assert_int_equal(end.result, 0);
        assert_int_equal(end.answer->status, 200);
        assert_true(end.answer->sent);
        assert_string_equal(buf_text(&end.answer->body), end.arg);
    }
    assert_int_equal(http_calls_under_way(calls), 0);
    /* Nothing of one that is given up stays behind. */
    assert_int_equal(http_calls_begin(calls, &(struct http_call){.url = url, .timeout_ms = 1000}, NULL), 0);
    http_calls_free(calls);
    http_server_stop(server, 5000);
    pthread_cond_destroy(&m.all);
    pthread_mutex_destroy(&m.lock);
}

static void a_call_is_never_repeated(void **state)
{
    static const char *const answers[] = {ANSWER, "", ANSWER, NULL};
    struct http_calls *calls = calls_new(2, NULL);
    struct http_end end;
    struct script s;
    char url[64];

    (void)state;
    script_start(&s, answers);
    end = call(calls, url_of(&s, url), 5000, 0);
    assert_int_equal(end.result, 0);
    assert_string_equal(buf_text(&end.answer->body), "{}");
    end = call(calls, url, 5000, 0); /* on the kept connection, which the server closes without an answer */
    assert_int_equal(end.result, ERR_LOST);
    assert_true(end.answer->sent);
    assert_null(strstr(end.err.text, "secret"));
    end = call(calls, url, 5000, 0);
    assert_int_equal(end.result, 0);
    script_end(&s);
    assert_int_equal(s.requests, 3);
    http_calls_free(calls);
}

static void a_call_keeps_its_bounds(void **state)
{
    static char long_answer[400];
    const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", long_answer, ANSWER, NULL};
    struct http_calls *calls = calls_new(1, NULL);
    struct http_end end;
    struct script s;
    char url[64];

    (void)state;
    snprintf(long_answer, sizeof(long_answer), "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n%0200d", 0);
    script_start(&s, answers);
    end = call(calls, url_of(&s, url), 100, 0);
    assert_int_equal(end.result, ERR_TIMEOUT);
    assert_true(end.answer->sent);
    end = call(calls, url, 5000, 0);
    assert_int_equal(end.result, ERR_FULL);
    /* Too late to be sent: not a byte reaches the server. */
    end = call(calls, url, 5000, clock_mono_us() - 1);
    assert_int_equal(end.result, ERR_TIMEOUT);
    assert_false(end.answer->sent);
    end = call(calls, url, 5000, clock_mono_us() + 60 * 1000000LL);
    assert_int_equal(end.result, 0);
    assert_true(end.answer->sent);
    script_end(&s);
    assert_int_equal(s.requests, 3);
    end = call(calls, "http://127.0.0.1:1/", 5000, 0);
    assert_int_equal(end.result, ERR_LOST);
    assert_false(end.answer->sent);
    http_calls_free(calls);
}

static void *wake_soon(void *calls)
{
    http_calls_wake(calls);
    return NULL;
}

/* Without the wake this test would not end before its own deadline. */
static void a_wait_can_be_ended_from_another_thread(void **state)
{
    struct http_calls *calls = calls_new(1, NULL);
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, calls), 0);
    http_calls_wait(calls, 1000 * 1000);
    pthread_join(thread, NULL);
    http_calls_free(calls);
}

/* TLS -------------------------------------------------------------------------------------------------------------- */

/* A server with a certificate for 127.0.0.1 alone; prints its port, answers POST until it is killed. */
static const char tls_server[] =
    "import http.server, ssl, sys\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    protocol_version = 'HTTP/1.1'\n"
    "    def do_POST(self):\n"
    "        self.rfile.read(int(self.headers['Content-Length']))\n"
    "        self.send_response(200); self.send_header('Content-Length', '2'); self.end_headers()\n"
    "        self.wfile.write(b'{}')\n"
    "    def log_message(self, *a): pass\n"
    "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(sys.argv[1] + '/good.pem', sys.argv[1] + '/good.key')\n"
    "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\n"
    "s.socket = c.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)\n"
    "print(s.server_port, flush=True)\n"
    "s.serve_forever()\n";

static void make_certificate(const char *directory, const char *name)
{
    char line[512];

    snprintf(line, sizeof(line),
             "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=%s -addext subjectAltName=IP:127.0.0.1 "
             "-keyout %s/%s.key -out %s/%s.pem 2>/dev/null",
             name, directory, name, directory, name);
    assert_int_equal(system(line), 0);
}

static void tls_is_verified(void **state)
{
    static const struct {
        const char *ca, *host;
        int result;
    } cases[] = {
        {"good.pem", "127.0.0.1", 0},
        {"other.pem", "127.0.0.1", ERR_LOST}, /* another authority */
        {"good.pem", "localhost", ERR_LOST},  /* another name */
        {NULL, "127.0.0.1", ERR_LOST},        /* the system's authorities do not know it */
    };
    char directory[] = "/tmp/chatsluice-tls-XXXXXX", line[64], path[64], url[64], command[64];
    int out[2];
    unsigned port;
    pid_t pid;

    (void)state;
    assert_non_null(mkdtemp(directory));
    make_certificate(directory, "good");
    make_certificate(directory, "other");
    assert_int_equal(pipe(out), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        execlp("python3", "python3", "-c", tls_server, directory, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *from = fdopen(out[0], "r");
    assert_non_null(from);
    assert_non_null(fgets(line, sizeof(line), from));
    port = (unsigned)strtoul(line, NULL, 10);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, cases[i].ca ? cases[i].ca : "");
        snprintf(url, sizeof(url), "https://%s:%u/v4?usersig=secret", cases[i].host, port);
        struct http_calls *calls = calls_new(1, cases[i].ca ? path : NULL);
        const struct http_end end = call(calls, url, 10000, 0);
        assert_int_equal(end.result, cases[i].result);
        assert_int_equal(end.answer->sent, cases[i].result == 0);
        if (end.result < 0)
            assert_null(strstr(end.err.text, "secret"));
        http_calls_free(calls);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    fclose(from);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept_and_the_request_is_whole),
        cmocka_unit_test(a_request_is_never_repeated),
        cmocka_unit_test(an_answer_is_bounded),
        cmocka_unit_test(a_deadline_holds),
        cmocka_unit_test(what_cannot_be_sent_is_told_as_unsent),
        cmocka_unit_test(many_calls_are_under_way_at_once),
        cmocka_unit_test(a_call_is_never_repeated),
        cmocka_unit_test(a_call_keeps_its_bounds),
        cmocka_unit_test(a_wait_can_be_ended_from_another_thread),
        cmocka_unit_test(tls_is_verified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
