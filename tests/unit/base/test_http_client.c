/* The client against a server that does on each connection exactly what the case says. */
#include "base/http_client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept_and_the_request_is_whole),
        cmocka_unit_test(a_request_is_never_repeated),
        cmocka_unit_test(an_answer_is_bounded),
        cmocka_unit_test(a_deadline_holds),
        cmocka_unit_test(what_cannot_be_sent_is_told_as_unsent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
