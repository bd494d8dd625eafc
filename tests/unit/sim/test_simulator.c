/* The simulated platform as a whole: verdicts, webhooks, clients and the one command of the owner's document. The other
 * commands of the REST API are test_rest.c's. */
#include "world.h"

#include "sim/limit.h"
#include "wire/callback.h"
#include "wire/gate.h"
#include "wire/signature.h"

#define SEND_TEXT "live_engine_http_srv/send_text_msg"

/* Webhooks ------------------------------------------------------------------------------------------------------ */

static void verdicts_reach_sender_and_room(void **state)
{
    static const struct {
        int status;
        const char *reply;
        const char *sender, *verdict, *room; /* what must be in the answer and in the list; room NULL: nothing new */
    } cases[] = {
        {200, RESPONDER_ALLOW, "\"ErrorCode\":0", "\"verdict\":\"allow\"", BODY("hi 你好")},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":1,\"ErrorInfo\":\"\"}", "\"ErrorCode\":10016",
         "\"verdict\":\"reject\"", NULL},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":2,\"ErrorInfo\":\"\"}", "\"ErrorCode\":0",
         "\"verdict\":\"discard\"", NULL},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":10100,\"ErrorInfo\":\"no \\\"phone\\\"\"}",
         "{\"ErrorCode\":10100,\"ErrorInfo\":\"no \\\"phone\\\"\"}", "\"verdict\":\"code\"", NULL},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":10200,\"ErrorInfo\":\"\"}", "\"ErrorCode\":10200",
         "\"verdict\":\"code\"", NULL},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"MsgBody\":" BODY("***") "}",
         "\"ErrorCode\":0", "\"verdict\":\"rewrite\"", BODY("***") ",\"CloudCustomData\":\"{\\\"lvl\\\":3}\""},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"CloudCustomData\":\"x\"}",
         "\"ErrorCode\":0", "\"verdict\":\"rewrite\"", BODY("hi 你好") ",\"CloudCustomData\":\"x\""},
        /* no valid verdict: delivered, as the platform fails open */
        {500, RESPONDER_ALLOW, "\"ErrorCode\":0", "\"failure\":\"status\"", BODY("hi 你好")},
        {200, "nonsense", "\"ErrorCode\":0", "\"failure\":\"the answer is not JSON\"", BODY("hi 你好")},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":10201,\"ErrorInfo\":\"\"}", "\"ErrorCode\":0",
         "\"verdict\":\"failed\"", BODY("hi 你好")},
        {200, "{\"ActionStatus\":\"FAIL\",\"ErrorCode\":1,\"ErrorInfo\":\"\"}", "\"ErrorCode\":0",
         "\"verdict\":\"failed\"", BODY("hi 你好")},
        {200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"MsgBody\":[]}", "\"ErrorCode\":0",
         "\"failure\":\"MsgBody is empty\"", BODY("hi 你好")},
    };
    struct world w;
    unsigned delivered = 0;

    (void)state;
    world_open(&w);
    world_start(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        responder_say(&w.responder, cases[i].status, cases[i].reply);
        assert_int_equal(ask(&w, "POST", "/sim/rooms/r1/messages", CLIENT("hi 你好")), 200);
        assert_has(&w.answer, cases[i].sender);
        assert_has(&w.answer, cases[i].verdict);
        assert_has(&w.answer, cases[i].room ? "\"delivered\":true" : "\"delivered\":false");
        delivered += cases[i].room != NULL;
        assert_int_equal(w.responder.before, i + 1);
        assert_int_equal(w.responder.after, delivered); /* fired only for what was delivered, before the answer */
        assert_int_equal(ask(&w, "GET", "/sim/rooms/r1/messages", ""), 200);
        assert_int_equal(count_of(&w.answer, "\"MsgSeq\""), delivered);
        if (cases[i].room) {
            char seq[32];
            assert_has(&w.answer, cases[i].room);
            snprintf(seq, sizeof(seq), "\"MsgSeq\":%u", delivered);
            assert_has(&w.responder.after_body, seq);
        }
    }
    world_close(&w);
}

/* Our own parser reads the webhooks, and the signature holds. */
static void webhooks_have_the_documented_form(void **state)
{
    struct callback_parser *parser = callback_parser_new();
    const char *const tokens[] = {world_token};
    struct buf sign = BUF_INIT, time = BUF_INIT, value = BUF_INIT;
    struct message m;
    struct world w;

    (void)state;
    world_open(&w);
    w.options.platform.fire.request_id = true;
    w.options.platform.fire.style.string_event_time = true;
    world_start(&w);
    assert_int_equal(ask(&w, "POST", "/sim/rooms/room%207/messages",
                         "{\"From_Account\":\"a\",\"Operator_Account\":\"b\",\"OptPlatform\":\"iOS\",\"ClientIP\":"
                         "\"203.0.113.7\",\"MsgBody\":" BODY("x") ",\"CloudCustomData\":\"\"}"),
                     200);
    assert_int_equal(http_query(buf_span(&w.responder.before_query), "Sign", &sign), 1);
    assert_int_equal(http_query(buf_span(&w.responder.before_query), "RequestTime", &time), 1);
    assert_int_equal(signature_check(tokens, 1, buf_span(&time), buf_span(&sign), clock_wall_us() / 1000000),
                     SIGNATURE_OK);
    assert_int_equal(http_query(buf_span(&w.responder.before_query), "RequestID", &value), 1);
    assert_int_equal(value.len, 36);
    assert_has(&w.responder.before_query, "SdkAppid=1400000001&CallbackCommand=Group.CallbackBeforeSendMsg&contenttype="
                                          "json&ClientIP=203.0.113.7&OptPlatform=iOS&RequestID=");
    assert_has(&w.responder.after_query, "&CallbackCommand=Group.CallbackAfterSendMsg&");
    assert_has(&w.responder.before_body, "\"EventTime\":\"");

    assert_int_equal(callback_parse(parser, buf_span(&w.responder.before_body), &m, NULL), 0);
    assert_int_equal(m.command, COMMAND_BEFORE);
    assert_true(span_is(m.group_id.text, "room 7"));
    assert_true(span_is(m.type.text, "Live"));
    assert_true(span_is(m.from_account.text, "a"));
    assert_true(span_is(m.operator_account.text, "b"));
    assert_int_equal(m.cloud_custom_data.presence, GIVEN);
    assert_int_equal(m.cloud_custom_data.text.len, 0);
    assert_int_equal(m.msg_id.presence, GIVEN);
    assert_int_equal(m.msg_seq.presence, MISSING);
    assert_int_equal(callback_parse(parser, buf_span(&w.responder.after_body), &m, NULL), 0);
    assert_int_equal(m.command, COMMAND_AFTER);
    assert_int_equal(m.msg_seq.value, 1);
    assert_int_equal(m.msg_time_s.presence, GIVEN);
    buf_release(&sign);
    buf_release(&time);
    buf_release(&value);
    callback_parser_free(parser);
    world_close(&w);
}

static void silence_is_decided_by_the_failure_policy(void **state)
{
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        struct world w;
        world_open(&w);
        w.options.platform.fail_closed = closed;
        w.options.platform.fire.deadline_ms = DEADLINE_MS;
        world_start(&w);
        responder_hush(&w.responder, true, false);
        assert_int_equal(ask(&w, "POST", "/sim/rooms/r1/messages", CLIENT("x")), 200);
        assert_has(&w.answer, "\"failure\":\"timeout\"");
        assert_has(&w.answer, closed ? "\"ErrorCode\":10016" : "\"ErrorCode\":0");
        assert_has(&w.answer, closed ? "\"delivered\":false" : "\"delivered\":true");
        assert_int_equal(w.responder.before, 1); /* never repeated */
        world_close(&w);
    }
}

static void a_receiver_that_is_not_there_fails_open(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    w.options.platform.fire.url = "http://127.0.0.1:1/im";
    world_start(&w);
    assert_int_equal(ask(&w, "POST", "/sim/rooms/r1/messages", CLIENT("x")), 200);
    assert_has(&w.answer, "\"failure\":\"connection\"");
    assert_has(&w.answer, "\"delivered\":true");
    world_close(&w);
}

static void after_is_repeated_when_switched_on(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    w.options.platform.fire.after_retry = true;
    w.options.platform.fire.deadline_ms = DEADLINE_MS;
    world_start(&w);
    responder_hush(&w.responder, false, true);
    assert_int_equal(ask(&w, "POST", "/sim/rooms/r1/messages", CLIENT("x")), 200);
    assert_has(&w.answer, "\"after_failure\":\"timeout\"");
    assert_has(&w.answer, "\"delivered\":true");
    assert_int_equal(w.responder.after, 1 + FIRE_AFTER_RETRIES);
    world_close(&w);
}

/* Clients ------------------------------------------------------------------------------------------------------- */

static void clients_are_told_what_is_wrong(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *has;
    } cases[] = {
        {"POST", "/sim/rooms/r1/messages", "", 400, "not JSON"},
        {"POST", "/sim/rooms/r1/messages", "[]", 400, "From_Account"},
        {"POST", "/sim/rooms/r1/messages", "{\"From_Account\":\"\",\"MsgBody\":" BODY("x") "}", 400, "From_Account"},
        {"POST", "/sim/rooms/r1/messages", "{\"From_Account\":\"a\"}", 400, "MsgBody is missing"},
        {"POST", "/sim/rooms/r1/messages", "{\"From_Account\":\"a\",\"MsgBody\":[]}", 400, "MsgBody is empty"},
        {"POST", "/sim/rooms/r1/messages", "{\"From_Account\":\"a\",\"MsgBody\":" BODY("x") ",\"CloudCustomData\":1}",
         400, "CloudCustomData"},
        {"POST", "/sim/rooms/r1/messages", "{\"From_Account\":\"a\",\"MsgBody\":" BODY("x") ",\"OptPlatform\":\"a&b\"}",
         400, "OptPlatform"},
        {"POST", "/sim/rooms/r1/messages", CLIENT("x"), 200, "\"ErrorCode\":10010"}, /* strict: never made */
        {"PUT", "/sim/rooms/r1", "{\"Type\":\"\"}", 400, "FAIL"},
        {"PUT", "/sim/rooms/r1", "", 200, "{}"},
        {"POST", "/sim/rooms/r1/messages", CLIENT("x"), 200, "\"ErrorCode\":0"},
        {"PUT", "/sim/rooms/r1/muted/viewer_19", "", 200, "{}"},
        {"POST", "/sim/rooms/r1/messages", CLIENT("x"), 200, "\"ErrorCode\":10017"},
        {"DELETE", "/sim/rooms/r1/muted/viewer_19", "", 200, "{}"},
        {"POST", "/sim/rooms/r1/messages", CLIENT("x"), 200, "\"MsgSeq\":2"},
        {"GET", "/sim/rooms/r1/messages?after=1&limit=5", "", 200, "\"Delivered\":2"},
        {"GET", "/sim/rooms/r1/messages?after=x", "", 400, "numbers"},
        {"DELETE", "/sim/rooms/r1", "", 200, "{}"},
        {"DELETE", "/sim/rooms/r1", "", 404, "no such room"},
        {"GET", "/sim/rooms/r1/messages", "", 404, "no such room"},
        {"PUT", "/sim/rooms/r1/muted/u", "", 404, "no such room"},
        {"GET", "/sim/stats", "", 200, "\"delivered\":2"},
        {"PATCH", "/sim/stats", "", 405, "method"},
        {"GET", "/sim/nothing", "", 404, "nothing"},
        {"GET", "/sim/rooms//messages", "", 404, "nothing"},
    };
    struct world w;

    (void)state;
    world_open(&w);
    w.options.strict_rooms = true;
    world_start(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int status = ask(&w, cases[i].method, cases[i].path, cases[i].body);
        if (status != cases[i].status)
            fail_msg("case %zu: status %d: %s", i, status, buf_text(&w.answer));
        assert_has(&w.answer, cases[i].has);
    }
    world_close(&w);
}

/* REST ---------------------------------------------------------------------------------------------------------- */

#define TEXT(room, sender, text)                                                                                       \
    "{\"RoomId\":\"" room "\",\"Sender_Account\":\"" sender "\",\"TextContent\":\"" text "\"}"

static void rest_messages_take_the_documented_form(void **state)
{
    struct rest_answer a;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    assert_int_equal(
        call(&w, SEND_TEXT,
             "{\"RoomId\":\"room-7\",\"Sender_Account\":\"user1\",\"TextContent\":\"msg\",\"ExtensionInfo\":"
             "\"{\\\"data\\\":1,\\\"value\\\":2}\"}",
             &a),
        0);
    assert_int_equal(a.msg_seq, 1);
    assert_true(a.msg_time_s > 1700000000);
    assert_string_equal(a.msg_drop_reason, "");
    assert_int_equal(strncmp(a.request_id, "Id-", 3), 0);
    assert_int_equal(strlen(a.request_id), strlen("Id-0f3c5a7e9b1d42c68e07a4d3f6b9c210-O-Seq-1"));
    responder_wait_after(&w.responder, 1);
    assert_has(&w.responder.before_query, "OptPlatform=RESTAPI");
    assert_has(&w.responder.before_body, "\"CloudCustomData\":\"{\\\"data\\\":1,\\\"value\\\":2}\"");
    assert_has(&w.responder.before_body, "[{\"MsgContent\":{\"Text\":\"msg\"},\"MsgType\":\"TIMTextElem\"}]");
    assert_has(&w.responder.before_body, "\"From_Account\":\"user1\"");
    assert_has(&w.responder.before_body, "\"Operator_Account\":\"administrator\"");
    assert_int_equal(call(&w, SEND_TEXT, TEXT("room-7", "user1", "again"), &a), 0);
    assert_int_equal(a.msg_seq, 2);
    assert_has_not(&w.responder.before_body, "CloudCustomData");
    assert_int_equal(ask(&w, "GET", "/sim/rooms/room-7/messages", ""), 200);
    assert_has(&w.answer, "\"Text\":\"again\"");
    world_close(&w);
}

static void rest_codes(void **state)
{
    static const struct {
        const char *body;
        int64_t code;
    } cases[] = {
        {"", 60003},
        {"{\"RoomId\":", 60003},
        {"{}", 100002},
        {"{\"RoomId\":\"room-7\",\"Sender_Account\":\"u\"}", 100002},
        {"{\"RoomId\":\"room-7\",\"Sender_Account\":\"u\",\"TextContent\":5}", 100002},
        {"{\"RoomId\":\"room-7\",\"Sender_Account\":5,\"TextContent\":\"x\"}", 60015},
        {"{\"RoomId\":\"room-7\",\"Sender_Account\":\"u\",\"TextContent\":\"x\",\"ExtensionInfo\":\"{oops\"}", 100002},
        {TEXT("nowhere", "u", "x"), 100004},
        {TEXT("group", "u", "x"), 100006},
        {TEXT("room-7", "loud", "x"), 100601},
        {TEXT("room-7", "quiet", "x"), 100601},
        {TEXT("room-7", "u", "x"), 0},
    };
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    assert_int_equal(ask(&w, "PUT", "/sim/rooms/group", "{\"Type\":\"AVChatRoom\"}"), 200);
    assert_int_equal(ask(&w, "PUT", "/sim/rooms/room-7/muted/quiet", ""), 200);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int64_t code = call(&w, SEND_TEXT, cases[i].body, NULL);
        if (code != cases[i].code)
            fail_msg("%s: code %lld, not %lld", cases[i].body, (long long)code, (long long)cases[i].code);
    }
    assert_int_equal(w.responder.before, 1); /* only for the one that passed */
    responder_say(&w.responder, 200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":1,\"ErrorInfo\":\"\"}");
    assert_int_equal(call(&w, SEND_TEXT, TEXT("room-7", "u", "x"), NULL), 10016);
    responder_say(&w.responder, 200,
                  "{\"ActionStatus\":\"OK\",\"ErrorCode\":10121,\"ErrorInfo\":\"not \\\"here\\\"\"}");
    assert_int_equal(call(&w, SEND_TEXT, TEXT("room-7", "u", "x"), NULL), 10121);
    assert_has(&w.answer, "not \\\"here\\\"");
    world_close(&w);
}

static void rest_refuses_a_wrong_query(void **state)
{
    static const struct {
        const char *method, *path, *query; /* %s: a good UserSig */
        int64_t code;
    } cases[] = {
        {"GET", "send_text_msg", "sdkappid=1400000001&identifier=administrator&usersig=%s&random=1&contenttype=json",
         60002},
        {"POST", "send_txt", "sdkappid=1400000001&identifier=administrator&usersig=%s&random=1&contenttype=json",
         60009},
        {"POST", "send_text_msg", "identifier=administrator&usersig=%s&random=1&contenttype=json", 60012},
        {"POST", "send_text_msg", "SdkAppid=1400000001&identifier=administrator&usersig=%s&random=1&contenttype=json",
         60012},
        {"POST", "send_text_msg", "sdkappid=12&identifier=administrator&usersig=%s&random=1&contenttype=json", 60006},
        {"POST", "send_text_msg", "sdkappid=1400000001&usersig=%s&random=1&contenttype=json", 60004},
        {"POST", "send_text_msg", "sdkappid=1400000001&identifier=administrator&usersig=&random=1&contenttype=json",
         70002},
        {"POST", "send_text_msg", "sdkappid=1400000001&identifier=administrator&usersig=abc&random=1&contenttype=json",
         70003},
        {"POST", "send_text_msg", "sdkappid=1400000001&identifier=mod&usersig=%s&random=1&contenttype=json", 70013},
        {"POST", "send_text_msg",
         "sdkappid=1400000001&identifier=administrator&usersig=%s&random=4294967296&contenttype=json", 60002},
        {"POST", "send_text_msg", "sdkappid=1400000001&identifier=administrator&usersig=%s&contenttype=json", 60002},
        {"POST", "send_text_msg", "sdkappid=1400000001&identifier=administrator&usersig=%s&random=1&contenttype=xml",
         60002},
        {"POST", "send_text_msg",
         "sdkappid=1400000001&identifier=administrator&usersig=%s&random=4294967295&contenttype=json", 0},
    };
    struct buf sig = BUF_INIT, target = BUF_INIT;
    struct rest_answer a;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    assert_int_equal(
        usersig_make(&sig, world_secret, "administrator", SDKAPPID, clock_wall_us() / 1000000, 86400, NULL), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *mark = strstr(cases[i].query, "%s");
        buf_reset(&target);
        buf_addf(&target, "/v4/live_engine_http_srv/%s?", cases[i].path);
        buf_add(&target, cases[i].query, mark ? (size_t)(mark - cases[i].query) : strlen(cases[i].query));
        if (mark) {
            buf_add_span(&target, buf_span(&sig));
            buf_add_text(&target, mark + 2);
        }
        assert_int_equal(ask(&w, cases[i].method, buf_text(&target), TEXT("room-7", "u", "x")), 200);
        assert_int_equal(rest_read_answer(buf_span(&w.answer), &a, NULL), 0);
        if (a.error_code != cases[i].code)
            fail_msg("case %zu: code %lld, not %lld", i, (long long)a.error_code, (long long)cases[i].code);
    }
    buf_release(&sig);
    buf_release(&target);
    world_close(&w);
}

static void rest_refuses_a_wrong_usersig(void **state)
{
    const int64_t now_s = clock_wall_us() / 1000000;
    const struct {
        const char *key, *identifier, *claimed;
        uint64_t app;
        int64_t time_s, expire_s, code;
    } cases[] = {
        {world_secret, "administrator", "administrator", SDKAPPID, now_s - 200, 100, 70001},
        {"another key", "administrator", "administrator", SDKAPPID, now_s, 100, 70009},
        {world_secret, "mod", "administrator", SDKAPPID, now_s, 100, 70013},
        {world_secret, "administrator", "administrator", SDKAPPID + 1, now_s, 100, 70014},
        {world_secret, "mod", "mod", SDKAPPID, now_s, 100, 60010},
        {world_secret, "administrator", "administrator", SDKAPPID, now_s, 100, 0},
    };
    struct rest_answer a;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf sig = BUF_INIT, target = BUF_INIT;
        assert_int_equal(usersig_make(&sig, cases[i].key, cases[i].identifier, cases[i].app, cases[i].time_s,
                                      cases[i].expire_s, NULL),
                         0);
        target_make(&target, SEND_TEXT, cases[i].claimed, buf_text(&sig));
        assert_int_equal(ask(&w, "POST", buf_text(&target), TEXT("room-7", "u", "x")), 200);
        assert_int_equal(rest_read_answer(buf_span(&w.answer), &a, NULL), 0);
        if (a.error_code != cases[i].code)
            fail_msg("case %zu: code %lld, not %lld", i, (long long)a.error_code, (long long)cases[i].code);
        buf_release(&sig);
        buf_release(&target);
    }
    world_close(&w);
}

static void twelve_kilobytes_and_no_more(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    for (size_t extra = 0; extra < 2; extra++) {
        struct buf body = BUF_INIT;
        buf_add_text(&body, "{\"RoomId\":\"room-7\",\"Sender_Account\":\"u\",\"TextContent\":\"");
        for (size_t i = 0; i < PLATFORM_MAX_MESSAGE + extra; i++)
            buf_add_char(&body, 'a');
        buf_add_text(&body, "\"}");
        assert_int_equal(call(&w, SEND_TEXT, buf_text(&body), NULL), extra ? 100603 : 0);
        buf_release(&body);
    }
    world_close(&w);
}

/* Sends to one room until one is dropped: 40 in a second at most, whatever the speed of this machine. */
static void forty_a_second_in_a_room(void **state)
{
    (void)state;
    for (int as_error = 0; as_error < 2; as_error++) {
        const int64_t start_us = clock_mono_us();
        struct rest_answer a = {0};
        struct world w;
        int sent = 0, within_s = 0;
        int64_t code = 0;

        world_open(&w);
        w.options.rest.frequency_error = as_error;
        world_start(&w);
        while (code == 0 && !*a.msg_drop_reason && sent < 150) {
            code = call(&w, SEND_TEXT, TEXT("room-7", "u", "x"), &a);
            sent++;
            within_s += clock_mono_us() - start_us < LIMIT_WINDOW_US;
        }
        if (within_s > ROOM_MESSAGES_A_SECOND) /* else the machine was too slow to reach the limit */
            assert_true(sent > ROOM_MESSAGES_A_SECOND && (as_error ? code == 100602 : *a.msg_drop_reason != '\0'));
        if (*a.msg_drop_reason) {
            assert_string_equal(a.msg_drop_reason, "MsgFreqCtrl");
            assert_int_equal(ask(&w, "GET", "/sim/rooms/room-7/messages", ""), 200);
            assert_int_equal(count_of(&w.answer, "\"MsgSeq\""), sent - 1);
            assert_int_equal(w.responder.before, sent); /* Before is fired, After is not */
            responder_wait_after(&w.responder, (unsigned)sent - 1);
            assert_int_equal(w.responder.after, sent - 1);
        }
        world_close(&w);
    }
}

static void two_hundred_calls_a_second(void **state)
{
    struct world w;
    int64_t code = 0, start_us;
    int sent = 0;

    (void)state;
    world_open(&w);
    world_start(&w);
    start_us = clock_mono_us();
    while (code != 60007 && clock_mono_us() - start_us < LIMIT_WINDOW_US) {
        code = call(&w, SEND_TEXT, TEXT("nowhere", "u", "x"), NULL); /* cheap: refused before any webhook */
        sent++;
        assert_true(code == 100004 || code == 60007);
    }
    assert_true(code == 60007 ? sent == 201 : sent <= 201);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_reach_sender_and_room),
        cmocka_unit_test(webhooks_have_the_documented_form),
        cmocka_unit_test(silence_is_decided_by_the_failure_policy),
        cmocka_unit_test(a_receiver_that_is_not_there_fails_open),
        cmocka_unit_test(after_is_repeated_when_switched_on),
        cmocka_unit_test(clients_are_told_what_is_wrong),
        cmocka_unit_test(rest_messages_take_the_documented_form),
        cmocka_unit_test(rest_codes),
        cmocka_unit_test(rest_refuses_a_wrong_query),
        cmocka_unit_test(rest_refuses_a_wrong_usersig),
        cmocka_unit_test(twelve_kilobytes_and_no_more),
        cmocka_unit_test(forty_a_second_in_a_room),
        cmocka_unit_test(two_hundred_calls_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
