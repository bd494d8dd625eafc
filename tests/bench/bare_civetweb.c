/* bare_civetweb.c PORT THREADS - what the service is measured against: a civetweb handler that reads the whole body and
 * answers 60 bytes, in one write, with keep-alive and without Nagle's delay. Nothing is checked, judged or kept. */
#include <civetweb.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int answer(struct mg_connection *connection, void *arg)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n"
                                "Connection: keep-alive\r\n\r\n"
                                "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"0123456789\"}";
    char body[65536];

    (void)arg;
    while (mg_read(connection, body, sizeof(body)) > 0)
        ;
    mg_write(connection, reply, sizeof(reply) - 1);
    return 200;
}

int main(int argc, char **argv)
{
    char listen[64];
    const char *options[] = {"listening_ports",
                             listen,
                             "num_threads",
                             argc > 2 ? argv[2] : "",
                             "tcp_nodelay",
                             "1",
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             "60000",
                             "request_timeout_ms",
                             "60000",
                             NULL};
    const struct mg_callbacks callbacks = {0};
    struct mg_server_port port;
    struct mg_context *context;
    sigset_t stop;
    int signal_number;

    if (argc != 3) {
        fprintf(stderr, "usage: bare_civetweb PORT THREADS\n");
        return 2;
    }
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL); /* before the threads are made, which inherit it */

    snprintf(listen, sizeof(listen), "127.0.0.1:%s", argv[1]);
    mg_init_library(0);
    context = mg_start(&callbacks, NULL, options);
    if (!context || mg_get_server_ports(context, 1, &port) != 1) {
        fprintf(stderr, "bare_civetweb: could not listen on %s\n", listen);
        return 1;
    }
    mg_set_request_handler(context, "**", answer, NULL);
    printf("%d\n", port.port);
    fflush(stdout);
    sigwait(&stop, &signal_number);
    mg_stop(context);
    mg_exit_library();
    return 0;
}
