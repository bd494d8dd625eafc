/* REST: the request of send_text_msg, answers of the Live and the Chat shape. */
#include "wire/rest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FFFD         "\xEF\xBF\xBD"

/* The sample of protocol.md section 9.1, and one that needs escapes. */
static void test_writes_requests(void **state)
{
    const struct send_text_msg sample = {
        SPAN("room-7"), SPAN("viewer_19"), SPAN("call me ***"), {GIVEN, SPAN("{\"mod\":{\"id\":\"01HZX\",\"v\":1}}")}};
    const struct send_text_msg plain = {SPAN("r"), SPAN("s"), SPAN("\"\\\n\xE4\xBD\xA0"), {MISSING, {NULL, 0}}};
    struct buf body = BUF_INIT;

    (void)state;
    rest_write_send_text_msg(&body, &sample);
    assert_string_equal(body.data,
                        "{\"RoomId\":\"room-7\",\"Sender_Account\":\"viewer_19\",\"TextContent\":\"call me ***\","
                        "\"ExtensionInfo\":\"{\\\"mod\\\":{\\\"id\\\":\\\"01HZX\\\",\\\"v\\\":1}}\"}");
    buf_reset(&body);
    rest_write_send_text_msg(&body, &plain);
    assert_string_equal(body.data, "{\"RoomId\":\"r\",\"Sender_Account\":\"s\",\"TextContent\":\"\\\"\\\\\\n"
                                   "\xE4\xBD\xA0\"}");
    buf_release(&body);
}

static void test_answers(void **state)
{
    static const struct {
        const char *body;
        struct rest_answer answer;
    } cases[] = {
        /* Live: protocol.md section 9.1 */
        {"{\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ActionStatus\":\"OK\",\"RequestId\":\"Id-0f3c5a7e9b1d42c68e07a4d3f6b9c210-O-Seq-912\","
         "\"Response\":{\"MsgTime\":1764000002,\"MsgSeq\":812,\"MsgDropReason\":\"\"}}",
         {0, "OK", "", "Id-0f3c5a7e9b1d42c68e07a4d3f6b9c210-O-Seq-912", 1764000002, 812, ""}},
        {"{\"ErrorCode\": 0,\"ErrorInfo\": \"\",\"ActionStatus\": \"OK\",\"RequestId\": \"Id-1\",\"Response\": "
         "{\"MsgTime\": 1750074420,\"MsgSeq\": 25,\"MsgDropReason\" : \"MsgFreqCtrl\"}}",
         {0, "OK", "", "Id-1", 1750074420, 25, "MsgFreqCtrl"}},
        /* Chat: at top level */
        {"{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"MsgTime\":\"1764000002\",\"MsgSeq\":4294967295}",
         {0, "OK", "", "", 1764000002, 4294967295, ""}},
        {"{\"ActionStatus\":\"FAIL\",\"ErrorCode\":100601,\"ErrorInfo\":\"muted\"}",
         {100601, "FAIL", "muted", "", 0, 0, ""}},
        {"{\"ErrorCode\":\"60008\",\"Response\":null,\"MsgDropReason\":null}", {60008, "", "", "", 0, 0, ""}},
        {"{\"ErrorCode\":-1,\"ErrorInfo\":\"a\\u0000b\",\"Response\":{},\"MsgSeq\":5}",
         {-1, "", "a" FFFD "b", "", 0, 0, ""}},
        {"{\"ErrorCode\":1,\"ActionStatus\":\"123456\xE4\xBD\xA0\"}", {1, "123456", "", "", 0, 0, ""}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rest_answer got;
        struct err err = {0};

        if (rest_read_answer(span_of(cases[i].body), &got, &err) < 0)
            fail_msg("%s: %s", cases[i].body, err.text);
        assert_int_equal(got.error_code, cases[i].answer.error_code);
        assert_string_equal(got.action_status, cases[i].answer.action_status);
        assert_string_equal(got.error_info, cases[i].answer.error_info);
        assert_string_equal(got.request_id, cases[i].answer.request_id);
        assert_int_equal(got.msg_time_s, cases[i].answer.msg_time_s);
        assert_int_equal(got.msg_seq, cases[i].answer.msg_seq);
        assert_string_equal(got.msg_drop_reason, cases[i].answer.msg_drop_reason);
    }
}

static void test_answers_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "<html>502</html>",
        "[]",
        "{}",
        "{\"ErrorCode\":null}",
        "{\"ErrorCode\":\"x\"}",
        "{\"ErrorCode\":0.5}",
        "{\"ErrorCode\":0,\"ErrorInfo\":7}",
        "{\"ErrorCode\":0,\"Response\":{\"MsgSeq\":\"x\"}}",
        "{\"ErrorCode\":0,\"Response\":{\"MsgTime\":[]}}",
        "{\"ErrorCode\":0,\"MsgDropReason\":{}}",
        "{\"ErrorCode\":0}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rest_answer got = {.error_code = 77};

        assert_int_equal(rest_read_answer(span_of(cases[i]), &got, NULL), ERR_INVALID);
        assert_int_equal(got.error_code, 77);
    }
}

static void test_writes_answers(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    rest_write_answer(&out, 0, "", "Id-1", SPAN("\"MsgTime\":1,\"MsgSeq\":2,\"MsgDropReason\":\"\""));
    assert_string_equal(out.data, "{\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ActionStatus\":\"OK\",\"RequestId\":\"Id-1\","
                                  "\"Response\":{\"MsgTime\":1,\"MsgSeq\":2,\"MsgDropReason\":\"\"}}");
    buf_reset(&out);
    rest_write_answer(&out, 100004, "no room \"x\"", "Id-2", SPAN(""));
    assert_string_equal(out.data, "{\"ErrorCode\":100004,\"ErrorInfo\":\"no room \\\"x\\\"\",\"ActionStatus\":\"FAIL\","
                                  "\"RequestId\":\"Id-2\"}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_requests),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_refused),
        cmocka_unit_test(test_writes_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
