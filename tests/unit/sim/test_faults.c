/* Faults as they are seen from outside: REST calls by the service's own HTTP client, webhooks at a receiver. */
#include "sim/simulator.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "wire/callback.h"
#include "wire/gate.h"
#include "wire/rest.h"

#include "../http_client.h"
#include "responder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { MAX_ANSWER = 100000, TIMEOUT_MS = 15000 };

struct world {
    struct responder responder;
    struct simulator_options options;
    struct simulator *simulator;
    struct http_client *client;
    char webhook[64], rest[256];
    struct http_answer answer; /* to the last call */
    struct client control;
    struct client_reply reply; /* of the last control request */
};

static void world_open(struct world *w)
{
    static const char *const rooms[] = {"room-7"};

    memset(w, 0, sizeof(*w));
    w->control.fd = -1;
    assert_int_equal(responder_start(&w->responder), 0);
    snprintf(w->webhook, sizeof(w->webhook), "http://127.0.0.1:%u/im", http_server_port(w->responder.server));
    w->options = simulator_defaults();
    w->options.listen = "127.0.0.1:0";
    w->options.platform.fire.url = w->webhook;
    w->options.platform.fire.deadline_ms = 10000; /* a loaded machine is no failure */
    w->options.platform.seed = 7;
    w->options.room_ids = rooms;
    w->options.room_count = 1;
}

static void world_start(struct world *w)
{
    const struct http_client_options client = {.connections = 2, .max_answer_bytes = MAX_ANSWER, .user_agent = "test"};
    struct err err = {0};

    if (simulator_start(&w->simulator, &w->options, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(http_client_new(&w->client, &client, NULL), 0);
    snprintf(w->rest, sizeof(w->rest),
             "http://127.0.0.1:%u/v4/live_engine_http_srv/send_text_msg?sdkappid=1400000001&identifier=administrator&"
             "usersig=x&random=1&contenttype=json",
             simulator_port(w->simulator));
}

static void world_close(struct world *w)
{
    client_close(&w->control);
    client_reply_release(&w->reply);
    http_client_free(w->client);
    responder_hush(&w->responder, false, false);
    simulator_stop(w->simulator);
    responder_stop(&w->responder);
    http_answer_release(&w->answer);
}

/* A request under /sim/; its status, the body is in w->reply. */
static int control(struct world *w, const char *method, const char *path, const char *body)
{
    struct buf bytes = BUF_INIT;
    bool answered;

    if (w->control.fd < 0)
        w->control = client_open(simulator_port(w->simulator));
    buf_addf(&bytes, "%s %s HTTP/1.1\r\nHost: sim\r\nContent-Length: %zu\r\n\r\n%s", method, path, strlen(body), body);
    answered = client_send(&w->control, bytes.data, bytes.len) && client_read(&w->control, &w->reply);
    buf_release(&bytes);
    assert_true(answered);
    responder_meet(&w->responder);
    return w->reply.status;
}

/* Sets faults by their words, given as JSON strings. */
static void faults(struct world *w, const char *specs)
{
    char body[512];

    snprintf(body, sizeof(body), "{\"faults\":[%s]}", specs);
    if (control(w, "PUT", "/sim/faults", body) != 200)
        fail_msg("%s", buf_text(&w->reply.body));
}

static void has(const struct buf *text, const char *what)
{
    if (!strstr(buf_text(text), what))
        fail_msg("%s is not in %s", what, buf_text(text));
}

static void has_not(const struct buf *text, const char *what)
{
    if (strstr(buf_text(text), what))
        fail_msg("%s is in %s", what, buf_text(text));
}

/* How often the room saw a text. */
static unsigned seen(struct world *w, const char *text)
{
    unsigned n = 0;
    char member[64];

    assert_int_equal(control(w, "GET", "/sim/rooms/room-7/messages", ""), 200);
    snprintf(member, sizeof(member), "\"Text\":\"%s\"", text);
    for (const char *at = buf_text(&w->reply.body); (at = strstr(at, member)) != NULL; at++)
        n++;
    return n;
}

/* A call of send_text_msg; what http_client_post() says. */
static int call(struct world *w, const char *text)
{
    char body[256];

    snprintf(body, sizeof(body), "{\"RoomId\":\"room-7\",\"Sender_Account\":\"u\",\"TextContent\":\"%s\"}", text);
    return http_client_post(w->client, w->rest, span_of(body), TIMEOUT_MS, &w->answer, NULL);
}

/* The code of the last answer, -1 when it has none. */
static int64_t code(struct world *w, struct rest_answer *answer)
{
    struct rest_answer unused;

    answer = answer ? answer : &unused;
    return rest_read_answer(buf_span(&w->answer.body), answer, NULL) == 0 ? answer->error_code : -1;
}

/* A client sends; the simulator's account of it is in w->reply. */
static void client_says(struct world *w, const char *text)
{
    char body[256];

    snprintf(body, sizeof(body),
             "{\"From_Account\":\"u\",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"%s\"}}]}",
             text);
    assert_int_equal(control(w, "POST", "/sim/rooms/room-7/messages", body), 200);
}

/* REST ----------------------------------------------------------------------------------------------------------- */

static void rest_faults_reach_the_caller(void **state)
{
    static const struct {
        const char *spec;
        int outcome, status;
        int64_t code;
        unsigned delivered;
        const char *kind; /* as it is counted */
    } cases[] = {
        {"send_text_msg:code=100001", 0, 200, 100001, 0, "code"},
        {"rest:processed-code=60008", 0, 200, 60008, 1, "processed-code"},
        {"rest:http=502", 0, 502, -1, 0, "http"},
        {"rest:processed-http=502", 0, 502, -1, 1, "processed-http"},
        {"rest:reset", ERR_LOST, 0, -1, 0, "reset"},
        {"rest:processed-reset", ERR_LOST, 0, -1, 1, "processed-reset"},
        {"rest:garbage", 0, 200, -1, 1, "garbage"},
        {"rest:truncated", ERR_LOST, 0, -1, 1, "truncated"},
        {"rest:oversized=100001", ERR_FULL, 0, -1, 1, "oversized"},
        {"rest:oversized=100000", 0, 200, 0, 1, "oversized"},
        {"rest:delay=20", 0, 200, 0, 1, "delay"},
        {"rest:MsgFreqCtrl", 0, 200, 0, 0, "MsgFreqCtrl"},
        {"rest:reset:0", 0, 200, 0, 1, NULL},
    };
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char spec[64], text[16], counted[64];
        int r;
        snprintf(spec, sizeof(spec), "\"%s\"", cases[i].spec);
        snprintf(text, sizeof(text), "text %zu", i);
        assert_int_equal(control(&w, "DELETE", "/sim/stats", ""), 200);
        faults(&w, spec);
        r = call(&w, text);
        if (r != cases[i].outcome || w.answer.status != cases[i].status)
            fail_msg("%s: %d and status %d", spec, r, w.answer.status);
        if (r == 0 && code(&w, NULL) != cases[i].code)
            fail_msg("%s: code %lld in %s", spec, (long long)code(&w, NULL), buf_text(&w.answer.body));
        assert_true(w.answer.sent);
        if (seen(&w, text) != cases[i].delivered)
            fail_msg("%s: not delivered as it should", spec);
        assert_int_equal(control(&w, "GET", "/sim/stats", ""), 200);
        has(&w.reply.body, "\"send_text_msg\":{\"calls\":1,\"max_in_a_second\":1,");
        snprintf(counted, sizeof(counted), "\"answered\":{\"%lld\":1},\"without_code\":0}", (long long)cases[i].code);
        /* an answer that is too long is counted as none, as a caller's limit cannot be known here */
        has(&w.reply.body,
            cases[i].code < 0 || strstr(spec, "oversized") ? "\"answered\":{},\"without_code\":1}" : counted);
        snprintf(counted, sizeof(counted), "\"%s\":1", cases[i].kind ? cases[i].kind : "calls");
        has(&w.reply.body, counted);
    }
    world_close(&w);
}

static void a_reset_is_a_reset(void **state)
{
    static const char request[] = "POST /v4/live_engine_http_srv/send_text_msg HTTP/1.1\r\nHost: s\r\nContent-Length: "
                                  "2\r\n\r\n{}";
    struct client c;
    struct world w;
    char byte;

    (void)state;
    world_open(&w);
    world_start(&w);
    faults(&w, "\"rest:reset\"");
    c = client_open(simulator_port(w.simulator));
    assert_true(client_send_text(&c, request));
    assert_int_equal(recv(c.fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    client_close(&c);
    world_close(&w);
}

static void a_dropped_message_was_judged_but_has_no_after(void **state)
{
    struct rest_answer answer;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    faults(&w, "\"send_text_msg:MsgFreqCtrl\"");
    assert_int_equal(call(&w, "dropped"), 0);
    assert_int_equal(code(&w, &answer), 0);
    assert_string_equal(answer.msg_drop_reason, "MsgFreqCtrl");
    assert_int_equal(answer.msg_seq, 0);
    assert_int_equal(w.responder.before, 1);
    assert_int_equal(control(&w, "DELETE", "/sim/faults", ""), 200);
    assert_int_equal(call(&w, "kept"), 0);
    responder_wait_after(&w.responder, 1);
    has(&w.responder.after_body, "kept"); /* the queue keeps its order: one for the other would have come first */
    assert_int_equal(w.responder.after, 1);
    world_close(&w);
}

/* A call of any command, by its path. */
static int call_path(struct world *w, const char *path, const char *body)
{
    char url[256];

    snprintf(url, sizeof(url),
             "http://127.0.0.1:%u/v4/%s?sdkappid=1400000001&identifier=administrator&usersig=x&random=1&"
             "contenttype=json",
             simulator_port(w->simulator), path);
    return http_client_post(w->client, url, span_of(body), TIMEOUT_MS, &w->answer, NULL);
}

static void faults_keep_to_their_command(void **state)
{
    static const char mute[] = "{\"RoomId\":\"room-7\",\"MemberList_Account\":[\"u\"],\"MuteTime\":600}";
    static const char group[] =
        "{\"GroupId\":\"room-7\",\"From_Account\":\"v\",\"Random\":5,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","
        "\"MsgContent\":{\"Text\":\"group\"}}]}";
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    faults(&w, "\"mute_member:reset\",\"send_group_msg:MsgFreqCtrl\",\"send_group_msg:processed-code=60013\"");
    assert_int_equal(call_path(&w, "live_engine_http_srv/mute_member", mute), ERR_LOST);
    assert_int_equal(call(&w, "x"), 0);
    assert_int_equal(code(&w, NULL), 0); /* not muted, and no fault is meant for this command */
    assert_int_equal(seen(&w, "x"), 1);
    assert_int_equal(call_path(&w, "group_open_http_svc/send_group_msg", group), 0);
    assert_int_equal(code(&w, NULL), 60013);
    assert_null(strstr(buf_text(&w.answer.body), "MsgSeq")); /* nothing but the code is told */
    assert_int_equal(seen(&w, "group"), 0);

    faults(&w, "\"mute_member:processed-reset\",\"send_group_msg:processed-http=502\"");
    assert_int_equal(call_path(&w, "live_engine_http_srv/mute_member", mute), ERR_LOST);
    assert_int_equal(call(&w, "y"), 0);
    assert_int_equal(code(&w, NULL), 100601);
    for (int i = 0; i < 2; i++) { /* sent, then known by its Random */
        assert_int_equal(call_path(&w, "group_open_http_svc/send_group_msg", group), 0);
        assert_int_equal(w.answer.status, 502);
    }
    assert_int_equal(seen(&w, "group"), 1);
    assert_int_equal(control(&w, "GET", "/sim/stats", ""), 200);
    has(&w.reply.body, "\"mute_member\":{\"calls\":2,");
    has(&w.reply.body, "\"send_group_msg\":{\"calls\":3,");
    world_close(&w);
}

static void the_webhook_after_a_recall_can_be_lost(void **state)
{
    static const char recall[] = "{\"GroupId\":\"room-7\",\"MsgSeqList\":[{\"MsgSeq\":1}]}";
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    client_says(&w, "x");
    faults(&w, "\"recall:lost\"");
    assert_int_equal(call_path(&w, "group_open_http_svc/group_msg_recall", recall), 0);
    has(&w.answer.body, "\"RetCode\":0");
    assert_int_equal(call(&w, "last"), 0);
    responder_wait_after(&w.responder, 2);
    has(&w.responder.after_body, "last");
    assert_int_equal(control(&w, "GET", "/sim/stats", ""), 200);
    has(&w.reply.body, "\"lost\":1,");
    world_close(&w);
}

/* What each of 30 calls came to, one letter for each. */
static void outcomes(uint64_t seed, char out[31])
{
    static const char *const specs[] = {"rest:code=100001:0.2", "rest:processed-http=502:0.2", "rest:reset:0.2",
                                        "send_text_msg:garbage:0.4"};
    struct fault_spec read[4];
    struct world w;

    world_open(&w);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fault_spec_read(&read[i], specs[i], NULL), 0);
    w.options.faults = read;
    w.options.fault_count = 4;
    w.options.platform.seed = seed;
    world_start(&w);
    for (size_t i = 0; i < 30; i++) {
        const int r = call(&w, "x");
        if (r != 0)
            out[i] = 'r';
        else if (w.answer.status != 200)
            out[i] = '5';
        else
            out[i] = code(&w, NULL) == 0 ? '.' : code(&w, NULL) < 0 ? 'g' : 'c';
    }
    out[30] = '\0';
    world_close(&w);
}

static void the_seed_decides(void **state)
{
    char first[31], again[31], other[31];

    (void)state;
    outcomes(7, first);
    outcomes(7, again);
    outcomes(8, other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    for (const char *kind = "r5.gc"; *kind; kind++)
        if (!strchr(first, *kind))
            fail_msg("no %c in %s", *kind, first);
}

/* Faults as resources ---------------------------------------------------------------------------------------------- */

static void faults_are_set_and_shown(void **state)
{
    static const char *const bad[] = {
        "", "[]", "{}", "{\"faults\":\"rest:reset\"}", "{\"faults\":[5]}", "{\"faults\":[\"rest:reset\\u0000\"]}"};
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    assert_int_equal(control(&w, "GET", "/sim/faults", ""), 200);
    assert_string_equal(buf_text(&w.reply.body), "{\"seed\":7,\"faults\":[]}");
    faults(&w, "\"rest:code=100001\",\"before:lost:0\"");
    assert_int_equal(call(&w, "x"), 0);
    assert_int_equal(call(&w, "x"), 0);
    client_says(&w, "y");
    assert_int_equal(control(&w, "GET", "/sim/faults", ""), 200);
    assert_string_equal(buf_text(&w.reply.body),
                        "{\"seed\":7,\"faults\":[{\"fault\":\"rest:code=100001\",\"tried\":2,\"hits\":2},"
                        "{\"fault\":\"before:lost:0\",\"tried\":1,\"hits\":0}]}");
    assert_int_equal(control(&w, "PUT", "/sim/faults", "{\"faults\":[\"rest:reset\",\"rest:resett\"]}"), 400);
    has(&w.reply.body, "did you mean \\\"reset\\\"");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(control(&w, "PUT", "/sim/faults", bad[i]), 400);
        has(&w.reply.body, "the body must be");
    }
    assert_int_equal(call(&w, "x"), 0);
    assert_int_equal(code(&w, NULL), 100001); /* what was set stays when a change is refused */
    assert_int_equal(control(&w, "DELETE", "/sim/faults", ""), 200);
    assert_int_equal(call(&w, "x"), 0);
    assert_int_equal(code(&w, NULL), 0);
    world_close(&w);
}

static void calls_are_counted_also_when_refused(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    assert_int_equal(call(&w, "x"), 0);
    assert_int_equal(control(&w, "DELETE", "/sim/rooms/room-7", ""), 200);
    assert_int_equal(call(&w, "x"), 0);
    assert_int_equal(control(&w, "GET", "/v4/live_engine_http_srv/send_text_msg", ""), 200); /* 60002 */
    assert_int_equal(control(&w, "POST", "/v4/nothing", "{}"), 200);                         /* 60009 */
    assert_int_equal(control(&w, "GET", "/sim/stats", ""), 200);
    has(&w.reply.body, "\"send_text_msg\":{\"calls\":3,");
    has(&w.reply.body, "\"answered\":{\"0\":1,\"100004\":1,\"60002\":1},\"without_code\":0}");
    has(&w.reply.body, "\"unknown\":{\"calls\":1,\"max_in_a_second\":1,\"answered\":{\"60009\":1},\"without_code\":0}");
    has(&w.reply.body, "\"all\":{\"calls\":4,");
    assert_int_equal(control(&w, "DELETE", "/sim/stats", ""), 200);
    assert_int_equal(control(&w, "GET", "/sim/stats", ""), 200);
    has(&w.reply.body, "\"rest\":{\"all\":{\"calls\":0,");
    has(&w.reply.body, "\"delivered\":1,"); /* the platform's own counts go on */
    world_close(&w);
}

/* Webhooks ------------------------------------------------------------------------------------------------------- */

static void a_lost_before_is_decided_by_the_failure_policy(void **state)
{
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        struct world w;
        world_open(&w);
        w.options.platform.fail_closed = closed;
        world_start(&w);
        faults(&w, "\"before:lost\"");
        client_says(&w, "x");
        has(&w.reply.body, closed ? "\"ErrorCode\":10016" : "\"ErrorCode\":0");
        has(&w.reply.body, "\"verdict\":\"failed\"");
        has(&w.reply.body, "\"failure\":\"lost\"");
        assert_int_equal(w.responder.before, 0);
        assert_int_equal(seen(&w, "x"), !closed);
        assert_int_equal(control(&w, "GET", "/sim/stats", ""), 200);
        has(&w.reply.body, "\"before_failed\":1,");
        has(&w.reply.body, "\"lost\":1,");
        world_close(&w);
    }
}

static void a_lost_after_never_comes(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    faults(&w, "\"after:lost\"");
    client_says(&w, "one");
    has(&w.reply.body, "\"after_failure\":\"lost\"");
    assert_int_equal(call(&w, "two"), 0);
    faults(&w, "");
    assert_int_equal(call(&w, "three"), 0);
    responder_wait_after(&w.responder, 1);
    has(&w.responder.after_body, "three");
    assert_int_equal(seen(&w, "one") + seen(&w, "two"), 2);
    world_close(&w);
}

static void a_duplicate_is_the_same_twice(void **state)
{
    struct buf first = BUF_INIT;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    faults(&w, "\"after:duplicate=300\"");
    for (unsigned by_rest = 0; by_rest < 2; by_rest++) {
        if (by_rest)
            assert_int_equal(call(&w, "x"), 0);
        else
            client_says(&w, "x");
        responder_wait_after(&w.responder, by_rest * 2 + 1);
        responder_meet(&w.responder);
        buf_reset(&first);
        buf_add_span(&first, buf_span(&w.responder.after_body));
        responder_wait_after(&w.responder, by_rest * 2 + 2);
        assert_string_equal(buf_text(&first), buf_text(&w.responder.after_body));
        has(&first, "\"MsgSeq\"");
    }
    assert_int_equal(seen(&w, "x"), 2);
    buf_release(&first);
    world_close(&w);
}

static void a_late_after_is_overtaken(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    faults(&w, "\"after:delay=2000\"");
    client_says(&w, "one");
    has_not(&w.reply.body, "after_ms"); /* nobody waits for it */
    assert_int_equal(call(&w, "two"), 0);
    faults(&w, "");
    client_says(&w, "three");
    has(&w.responder.after_body, "three");
    responder_wait_after(&w.responder, 3);
    has_not(&w.responder.after_body, "three");
    world_close(&w);
}

static void fields_are_left_out_or_strings(void **state)
{
    static const struct {
        const char *spec;
        const char *gone, *there; /* of body, or query when they hold '=' */
    } cases[] = {
        {"\"webhooks:missing=MsgId\"", "\"MsgId\"", "\"EventTime\":1"},
        {"\"webhooks:missing=EventTime\"", "\"EventTime\"", "\"MsgId\""},
        {"\"webhooks:missing=Operator_Account\"", "\"Operator_Account\"", "\"From_Account\""},
        {"\"webhooks:missing=OptPlatform\"", "OptPlatform=", "ClientIP="},
        {"\"webhooks:string-event-time\"", "\"EventTime\":1", "\"EventTime\":\"1"},
        {"", "\"EventTime\":\"", "OptPlatform=Web"},
    };
    struct callback_parser *parser = callback_parser_new();
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct responder *r = &w.responder;
        struct message message;
        faults(&w, cases[i].spec);
        client_says(&w, "x");
        for (int after = 0; after < 2; after++) {
            const struct buf *body = after ? &r->after_body : &r->before_body;
            const struct buf *query = after ? &r->after_query : &r->before_query;
            has_not(strchr(cases[i].gone, '=') ? query : body, cases[i].gone);
            has(strchr(cases[i].there, '=') ? query : body, cases[i].there);
            assert_int_equal(callback_parse(parser, buf_span(body), &message, NULL), 0);
        }
    }
    callback_parser_free(parser);
    world_close(&w);
}

static void slow_webhooks_are_answered(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    w.options.platform.fire.style.token = "live-hook-token-01";
    world_start(&w);
    faults(&w, "\"webhooks:slow=5\"");
    client_says(&w, "x");
    has(&w.reply.body, "\"verdict\":\"allow\"");
    has(&w.reply.body, "\"after_status\":200");
    has(&w.responder.before_query, "&Sign=");
    responder_say(&w.responder, 200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":10121,\"ErrorInfo\":\"no\"}");
    client_says(&w, "y");
    has(&w.reply.body, "\"ErrorCode\":10121,\"ErrorInfo\":\"no\"");
    world_close(&w);
}

/* A receiver that takes what one recv() gives and says how many it needed; one webhook, answered allow. */
struct piecewise {
    int listener;
    unsigned port, pieces;
    struct buf request;
};

static void *piecewise_run(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n" RESPONDER_ALLOW; /* ends with the connection */
    struct piecewise *p = arg;
    const int fd = accept(p->listener, NULL, NULL);
    char some[4096];
    ssize_t n;

    while (!strstr(buf_text(&p->request), "\"Type\":\"Live\"}") && (n = recv(fd, some, sizeof(some), 0)) > 0) {
        buf_add(&p->request, some, (size_t)n);
        p->pieces++;
    }
    send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static void slow_webhooks_come_in_pieces(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    struct piecewise p = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct callback_parser *parser = callback_parser_new();
    struct message message;
    const char *body;
    pthread_t thread;
    struct world w;

    (void)state;
    assert_int_equal(bind(p.listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(p.listener, 4), 0);
    assert_int_equal(getsockname(p.listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(pthread_create(&thread, NULL, piecewise_run, &p), 0);
    world_open(&w);
    snprintf(w.webhook, sizeof(w.webhook), "http://127.0.0.1:%u/im", ntohs(address.sin_port));
    world_start(&w);
    faults(&w, "\"before:slow=50\",\"after:lost\"");
    client_says(&w, "x");
    pthread_join(thread, NULL);
    has(&w.reply.body, "\"verdict\":\"allow\"");
    assert_true(p.pieces > 2);
    assert_int_equal(strncmp(p.request.data, "POST /im?SdkAppid=1400000001&", 29), 0);
    body = strstr(p.request.data, "\r\n\r\n") + 4;
    assert_int_equal(callback_parse(parser, span_of(body), &message, NULL), 0);
    close(p.listener);
    buf_release(&p.request);
    callback_parser_free(parser);
    world_close(&w);
}

static void a_slow_webhook_has_the_deadline(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    w.options.platform.fire.deadline_ms = 200;
    world_start(&w);
    responder_hush(&w.responder, true, false);
    faults(&w, "\"before:slow=1\"");
    client_says(&w, "x");
    has(&w.reply.body, "\"failure\":\"timeout\"");
    faults(&w, "\"before:slow=1000\"");
    client_says(&w, "x");
    has(&w.reply.body, "\"failure\":\"timeout\"");
    world_close(&w);
}

/* A stop must not wait for sleepers, whose connections it would have to cut. */
static void stopping_wakes_who_sleeps(void **state)
{
    static const char request[] =
        "POST /v4/live_engine_http_srv/send_text_msg HTTP/1.1\r\nHost: s\r\nContent-Length: 2\r\n\r\n{}";
    struct client_reply reply = {0};
    struct client c;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    faults(&w, "\"rest:delay=60000\",\"after:delay=60000\"");
    client_says(&w, "x");
    c = client_open(simulator_port(w.simulator));
    assert_true(client_send_text(&c, request));
    do
        assert_int_equal(control(&w, "GET", "/sim/stats", ""), 200);
    while (!strstr(buf_text(&w.reply.body), "\"send_text_msg\":{\"calls\":1"));
    client_close(&w.control);
    simulator_stop(w.simulator);
    w.simulator = NULL;
    assert_true(client_read(&c, &reply)); /* the answer came, early */
    has(&reply.body, "60012");
    client_reply_release(&reply);
    client_close(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rest_faults_reach_the_caller),
        cmocka_unit_test(a_reset_is_a_reset),
        cmocka_unit_test(a_dropped_message_was_judged_but_has_no_after),
        cmocka_unit_test(faults_keep_to_their_command),
        cmocka_unit_test(the_webhook_after_a_recall_can_be_lost),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(faults_are_set_and_shown),
        cmocka_unit_test(calls_are_counted_also_when_refused),
        cmocka_unit_test(a_lost_before_is_decided_by_the_failure_policy),
        cmocka_unit_test(a_lost_after_never_comes),
        cmocka_unit_test(a_duplicate_is_the_same_twice),
        cmocka_unit_test(a_late_after_is_overtaken),
        cmocka_unit_test(fields_are_left_out_or_strings),
        cmocka_unit_test(slow_webhooks_are_answered),
        cmocka_unit_test(slow_webhooks_come_in_pieces),
        cmocka_unit_test(a_slow_webhook_has_the_deadline),
        cmocka_unit_test(stopping_wakes_who_sleeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
