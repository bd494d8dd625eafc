/* world.h - the simulated platform as a whole for tests, over real sockets: REST callers and clients on one side, a
 * webhook receiver on the other. Requests are written byte by byte, so that methods, paths and queries are exactly what
 * the case says. */
#ifndef CHATSLUICE_TESTS_SIM_WORLD_H
#define CHATSLUICE_TESTS_SIM_WORLD_H

#include "base/clock.h"
#include "sim/simulator.h"
#include "wire/rest.h"
#include "wire/usersig.h"

#include "responder.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char world_secret[] = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
static const char world_token[] = "live-hook-token-01";
enum { SDKAPPID = 1400000001, DEADLINE_MS = 300 };

struct world {
    struct responder responder;
    struct simulator_options options;
    struct simulator *simulator;
    char webhook[64];
    struct buf answer; /* body of the last answer */
    int fd;            /* kept connection to the simulator */
};

static inline void world_open(struct world *w)
{
    static const char *const rooms[] = {"room-7"}, *const muted[] = {"loud"};

    memset(w, 0, sizeof(*w));
    w->fd = -1;
    assert_int_equal(responder_start(&w->responder), 0);
    snprintf(w->webhook, sizeof(w->webhook), "http://127.0.0.1:%u/im", http_server_port(w->responder.server));
    w->options = simulator_defaults();
    w->options.listen = "127.0.0.1:0";
    w->options.platform.fire.url = w->webhook;
    w->options.platform.fire.style.token = world_token;
    w->options.platform.fire.deadline_ms = 10000; /* a loaded machine is no failure */
    w->options.platform.seed = 7;
    w->options.rest.secret = world_secret;
    w->options.room_ids = rooms;
    w->options.room_count = 1;
    w->options.muted = muted;
    w->options.muted_count = 1;
}

static inline void world_start(struct world *w)
{
    struct err err = {0};

    if (simulator_start(&w->simulator, &w->options, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void world_close(struct world *w)
{
    if (w->fd >= 0)
        close(w->fd);
    responder_hush(&w->responder, false, false);
    simulator_stop(w->simulator);
    responder_stop(&w->responder);
    buf_release(&w->answer);
}

/* HTTP ---------------------------------------------------------------------------------------------------------- */

static inline void world_connect(struct world *w)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)simulator_port(w->simulator))};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(w->fd >= 0);
    assert_int_equal(connect(w->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

/* Sends a request on the kept connection; returns the status, the body is in w->answer. */
static inline int ask(struct world *w, const char *method, const char *target, const char *body)
{
    struct buf bytes = BUF_INIT;
    size_t head = 0, length = 0;
    int status = 0;

    if (w->fd < 0)
        world_connect(w);
    buf_addf(&bytes, "%s %s HTTP/1.1\r\nHost: sim\r\nContent-Length: %zu\r\n\r\n", method, target, strlen(body));
    buf_add_text(&bytes, body);
    for (size_t at = 0; at < bytes.len;) {
        const ssize_t n = send(w->fd, bytes.data + at, bytes.len - at, MSG_NOSIGNAL);
        assert_true(n > 0);
        at += (size_t)n;
    }
    buf_reset(&bytes);
    while (head == 0 || bytes.len < head + length) {
        char *space = buf_reserve(&bytes, 65536);
        const ssize_t n = recv(w->fd, space, 65536, 0);
        const char *end;
        assert_true(n > 0);
        buf_commit(&bytes, (size_t)n);
        if (head == 0 && (end = strstr(bytes.data, "\r\n\r\n")) != NULL) {
            head = (size_t)(end - bytes.data) + 4;
            length = strtoul(strstr(bytes.data, "Content-Length: ") + 16, NULL, 10);
        }
    }
    status = atoi(bytes.data + 9);
    if (memmem(bytes.data, head, "close", 5)) {
        close(w->fd);
        w->fd = -1;
    }
    buf_reset(&w->answer);
    buf_add(&w->answer, bytes.data + head, length);
    buf_release(&bytes);
    responder_meet(&w->responder);
    return status;
}

static inline void target_make(struct buf *out, const char *command, const char *identifier, const char *usersig)
{
    buf_reset(out);
    buf_addf(out, "/v4/%s?sdkappid=%d&identifier=%s&usersig=%s&random=99&contenttype=json", command, SDKAPPID,
             identifier, usersig);
}

static inline const char *good_target(struct buf *out, const char *command)
{
    struct buf sig = BUF_INIT;

    assert_int_equal(
        usersig_make(&sig, world_secret, "administrator", SDKAPPID, clock_wall_us() / 1000000, 86400, NULL), 0);
    target_make(out, command, "administrator", buf_text(&sig));
    buf_release(&sig);
    return buf_text(out);
}

/* A REST call as it should be, to "<service>/<command>"; the code of the answer, HTTP status always 200. */
static inline int64_t call(struct world *w, const char *command, const char *body, struct rest_answer *answer)
{
    struct buf target = BUF_INIT;
    struct rest_answer unused;

    assert_int_equal(ask(w, "POST", good_target(&target, command), body), 200);
    buf_release(&target);
    answer = answer ? answer : &unused;
    assert_int_equal(rest_read_answer(buf_span(&w->answer), answer, NULL), 0);
    assert_string_equal(answer->action_status, answer->error_code == 0 ? "OK" : "FAIL");
    return answer->error_code;
}

static inline void assert_has(const struct buf *text, const char *what)
{
    if (!strstr(buf_text(text), what))
        fail_msg("\"%s\" is not in %s", what, buf_text(text));
}

static inline void assert_has_not(const struct buf *text, const char *what)
{
    if (strstr(buf_text(text), what))
        fail_msg("\"%s\" is in %s", what, buf_text(text));
}

static inline unsigned count_of(const struct buf *text, const char *what)
{
    unsigned n = 0;

    for (const char *at = buf_text(text); (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

#define BODY(text) "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"" text "\"}}]"
#define CLIENT(text)                                                                                                   \
    "{\"From_Account\":\"viewer_19\",\"MsgBody\":" BODY(text) ",\"CloudCustomData\":\"{\\\"lvl\\\":3}\"}"

#endif
