/* The HTTP server with more clients, slower clients or fewer descriptors than it was made for. */
#include "../http_client.h"

#include "base/clock.h"
#include "base/http_server.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#define GOOD "POST /good HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"

static atomic_uint refused;

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

static void answer(const struct http_request *request, struct http_reply *reply, void *arg)
{
    (void)arg;
    if (http_read_body(request, request->thread, reply) == HTTP_BODY_OK)
        buf_add_text(reply->body, "{}");
}

static void count_refusal(int status, enum http_body why, void *arg)
{
    (void)arg;
    if (status == 503 && why == HTTP_BODY_NEVER_READ)
        atomic_fetch_add(&refused, 1);
}

static struct http_server_options options_for_test(void)
{
    return (struct http_server_options){
        .listen = "127.0.0.1:0",
        .threads = 8,
        .max_body_bytes = 1024,
        .body_timeout_ms = 10000,
        .keep_alive_ms = 60000,
        .handler = answer,
        .thread_new = thread_new,
        .thread_free = thread_free,
        .refused = count_refusal,
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

static void expect_answer_on(struct client *c)
{
    struct client_reply reply = {0};

    assert_true(client_send_text(c, GOOD));
    assert_true(client_read(c, &reply));
    assert_int_equal(reply.status, 200);
    client_reply_release(&reply);
}

static void expect_answer(unsigned port)
{
    struct client c = client_open(port);

    expect_answer_on(&c);
    client_close(&c);
}

/* Refused until the server has noticed that there is room again. */
static void expect_answer_in_the_end(unsigned port)
{
    struct client_reply reply = {0};
    bool served = false;

    for (unsigned rounds = 0; !served; rounds++) {
        struct client c = client_open(port);

        served = client_send_text(&c, GOOD) && client_read(&c, &reply) && reply.status == 200;
        client_close(&c);
        assert_true(rounds < 1000);
        clock_sleep_ms(10);
    }
    client_reply_release(&reply);
}

static void hold_both_threads(const char *saying)
{
    struct http_server_options options = options_for_test();
    struct http_server *server;
    struct client held[2];

    options.threads = 2;
    server = start_with(&options);
    for (size_t i = 0; i < 2; i++) {
        held[i] = client_open(http_server_port(server));
        assert_true(client_send_text(&held[i], saying));
    }
    for (unsigned rounds = 0; http_server_connections(server) < 2 && rounds < 10000; rounds++)
        clock_sleep_ms(1);
    for (size_t i = 0; i < 2; i++)
        expect_answer(http_server_port(server));
    http_server_stop(server, 5000);
    for (size_t i = 0; i < 2; i++)
        client_close(&held[i]);
}

/* Two connections that never said anything, or no whole head, hold both threads: they give way. */
static void ends_quiet_connections_when_others_wait(void **state)
{
    (void)state;
    hold_both_threads("");
    hold_both_threads("POST /half HTTP/1.1\r\nHost: t\r\n");
}

/* Sends one byte more. False once the server has ended the connection. */
static bool drip(struct client *c)
{
    char end[16] = "";
    ssize_t n;

    if (c->fd < 0)
        return false;
    client_send_text(c, "x");
    n = recv(c->fd, end, sizeof(end) - 1, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n > 0)
        assert_memory_equal(end, "HTTP/1.1 400 ", 13); /* the reply is lost where a byte met a closed socket */
    client_close(c);
    return false;
}

/* Nobody waits. A client may connect, and say nothing for as long as an idle one may; a head that drips, the first of a
 * connection or another, has two seconds and no more. */
static void keeps_the_idle_and_ends_the_slow(void **state)
{
    static const char head[] = "POST /drip HTTP/1.1\r\nX-Drip: ";
    struct http_server_options options = options_for_test();
    struct http_server *server = start_with(&options);
    struct client silent = client_open(http_server_port(server)), idle = client_open(http_server_port(server)),
                  first = client_open(http_server_port(server)), next = client_open(http_server_port(server));
    unsigned drips = 0;

    (void)state;
    expect_answer_on(&idle);
    expect_answer_on(&next);
    assert_true(client_send_text(&first, head));
    assert_true(client_send_text(&next, head));
    while (drip(&first) | drip(&next)) {
        assert_true(drips++ < 400);
        clock_sleep_ms(50);
    }
    assert_true(drips > 4);
    expect_answer_on(&silent);
    expect_answer_on(&idle);
    client_close(&silent);
    client_close(&idle);
    http_server_stop(server, 5000);
}

/* With every thread and every place in the waiting room taken, whoever comes is told so and not left to wait. */
static void refuses_connections_that_find_no_place(void **state)
{
    enum { PLACES = 2 + HTTP_WAITING_ROOM + 1, TOO_MANY = 40 }; /* one more is in the hands of civetweb's accept loop */
    struct http_server_options options = options_for_test();
    struct client clients[PLACES + TOO_MANY];
    struct http_server *server;
    unsigned told = 0, before = atomic_load(&refused);

    (void)state;
    options.threads = 2;
    server = start_with(&options);
    for (size_t i = 0; i < PLACES + TOO_MANY; i++) {
        clients[i] = client_open(http_server_port(server));
        assert_true(clients[i].fd >= 0);
        /* Each sends a head that waits for its body, so that none counts as quiet while it waits. */
        client_send_text(&clients[i], "POST /wait HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n");
    }
    for (size_t i = PLACES; i < PLACES + TOO_MANY; i++) {
        struct client_reply reply = {0};

        /* Places come free as the machine is slow and the others become quiet: some may have found one after all. */
        if (client_read(&clients[i], &reply) && reply.status == 503) {
            assert_true(reply.close);
            assert_true(client_at_end(&clients[i]));
            told++;
        }
        client_reply_release(&reply);
    }
    assert_true(told > 0);
    for (unsigned rounds = 0; atomic_load(&refused) < before + told && rounds < 10000; rounds++)
        clock_sleep_ms(1); /* counted when they have been told */
    assert_true(atomic_load(&refused) >= before + told);
    for (size_t i = 0; i < PLACES + TOO_MANY; i++)
        client_close(&clients[i]);
    expect_answer_in_the_end(http_server_port(server));
    http_server_stop(server, 5000);
}

/* A client that sends requests and takes no reply loses its connection, and its thread is free for others. */
static void ends_who_takes_no_reply(void **state)
{
    static const char request[] = "GET /a-path-that-makes-the-reply-longer HTTP/1.1\r\nHost: t\r\n\r\n";
    struct http_server_options options = options_for_test();
    struct http_server *server;
    struct client c;

    (void)state;
    options.threads = 1;
    options.body_timeout_ms = 200;
    server = start_with(&options);
    c = client_open(http_server_port(server));
    for (unsigned i = 0; i < 2000000 && client_send(&c, request, sizeof(request) - 1); i++)
        continue;
    expect_answer(http_server_port(server));
    client_close(&c);
    http_server_stop(server, 5000);
}

static int64_t cpu_ms(pid_t pid)
{
    char path[64], line[1024] = "";
    unsigned long user = 0, system = 0;
    FILE *stat;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    stat = fopen(path, "r");
    assert_non_null(stat);
    assert_non_null(fgets(line, sizeof(line), stat));
    fclose(stat);
    assert_int_equal(
        sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
    return (int64_t)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

/* Another process serves until its parent closes the pipe. */
static pid_t serve_in_child(unsigned *port, int *until)
{
    struct http_server_options options = options_for_test();
    int tell[2], end[2];
    pid_t child;

    options.threads = 64; /* no crowd, so that an idle connection is kept */
    assert_int_equal(pipe(tell), 0);
    assert_int_equal(pipe(end), 0);
    child = fork();
    if (child == 0) {
        struct http_server *server;
        char byte;

        for (int fd = 3; fd < 1024; fd++) /* whatever is inherited: none must be free below those in use */
            if (fd != tell[1] && fd != end[0])
                close(fd);
        server = start_with(&options);
        *port = http_server_port(server);
        if (write(tell[1], port, sizeof(*port)) != (ssize_t)sizeof(*port) || read(end[0], &byte, 1) != 0)
            _exit(1);
        http_server_stop(server, 5000);
        _exit(0);
    }
    close(tell[1]);
    close(end[0]);
    assert_int_equal(read(tell[0], port, sizeof(*port)), sizeof(*port));
    close(tell[0]);
    *until = end[1];
    return child;
}

static rlim_t descriptors_of(pid_t pid)
{
    char path[64];
    struct dirent *entry;
    rlim_t highest = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if ((rlim_t)atoi(entry->d_name) > highest)
            highest = (rlim_t)atoi(entry->d_name);
    closedir(dir);
    return highest + 1;
}

/* With no descriptor left to accept with, civetweb's accept loop would spin and clients would hang. */
static void survives_a_shortage_of_descriptors(void **state)
{
    const struct rlimit enough = {.rlim_cur = 4096, .rlim_max = 4096};
    struct client kept, more[30];
    struct client_reply reply = {0};
    unsigned port = 0, told = 0;
    int until, status;
    pid_t child = serve_in_child(&port, &until);

    (void)state;
    kept = client_open(port);
    expect_answer_on(&kept);
    const struct rlimit none = {.rlim_cur = descriptors_of(child), .rlim_max = 4096};
    assert_int_equal(prlimit(child, RLIMIT_NOFILE, &none, NULL), 0);
    for (size_t i = 0; i < 30; i++) {
        more[i] = client_open(port);
        client_send_text(&more[i], GOOD);
    }
    for (size_t i = 0; i < 30; i++) {
        if (client_read(&more[i], &reply)) { /* the last free descriptors may have gone to the first of them */
            assert_true(reply.status == 503 || reply.status == 200);
            told += reply.status == 503;
        }
        client_close(&more[i]);
        more[i] = client_open(port);
    }
    assert_true(told > 0);
    int64_t cpu_before_ms = cpu_ms(child);
    clock_sleep_ms(1000);
    assert_true(cpu_ms(child) - cpu_before_ms < 500); /* a spinning loop takes all of the second */
    expect_answer_on(&kept);

    assert_int_equal(prlimit(child, RLIMIT_NOFILE, &enough, NULL), 0);
    for (size_t i = 0; i < 30; i++)
        client_close(&more[i]);
    expect_answer_in_the_end(port);
    client_reply_release(&reply);
    client_close(&kept);
    close(until);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_quiet_connections_when_others_wait), cmocka_unit_test(keeps_the_idle_and_ends_the_slow),
        cmocka_unit_test(refuses_connections_that_find_no_place),  cmocka_unit_test(ends_who_takes_no_reply),
        cmocka_unit_test(survives_a_shortage_of_descriptors),
    };

    return cmocka_run_group_tests_name("http_crowd", tests, NULL, NULL);
}
