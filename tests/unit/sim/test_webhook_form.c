#include "sim/webhook_form.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LITERAL(text)                                                                                                  \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static const uint32_t recalled[] = {5, 4294967295};

static const struct group_message sample = {
    .group_id = LITERAL("room-7"),
    .type = LITERAL("Live"),
    .from_account = LITERAL("viewer_19"),
    .operator_account = LITERAL("viewer_19"),
    .msg_id = LITERAL("144115300000000001-1764000000-3204417755"),
    .msg_body = LITERAL("[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"hi\"}}]"),
    .cloud_custom_data = LITERAL("\"{\\\"lvl\\\":3}\""),
    .random = 3204417755,
    .event_time_ms = 1764000000123,
    .msg_seq = 812,
    .msg_time_s = 1764000000,
    .recalled = recalled,
    .recalled_count = 2,
    .client_ip = "203.0.113.7",
    .opt_platform = "Android",
};

static void bodies(void **state)
{
    static const struct {
        struct webhook_style style;
        enum command command;
        bool custom_data;
        const char *body;
    } cases[] = {
        {{0},
         COMMAND_BEFORE,
         true,
         "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"CloudCustomData\":\"{\\\"lvl\\\":3}\",\"EventTime\":"
         "1764000000123,\"From_Account\":\"viewer_19\",\"GroupId\":\"room-7\",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","
         "\"MsgContent\":{\"Text\":\"hi\"}}],\"MsgId\":\"144115300000000001-1764000000-3204417755\","
         "\"Operator_Account\":\"viewer_19\",\"Random\":3204417755,\"Type\":\"Live\"}"},
        {{.string_event_time = true},
         COMMAND_AFTER,
         false,
         "{\"CallbackCommand\":\"Group.CallbackAfterSendMsg\",\"EventTime\":\"1764000000123\",\"From_Account\":"
         "\"viewer_19\",\"GroupId\":\"room-7\",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":"
         "\"hi\"}}],\"MsgId\":\"144115300000000001-1764000000-3204417755\",\"MsgSeq\":812,\"MsgTime\":1764000000,"
         "\"Operator_Account\":\"viewer_19\",\"Random\":3204417755,\"Type\":\"Live\"}"},
        {{.documented_key_order = true},
         COMMAND_AFTER,
         true,
         "{\"CallbackCommand\":\"Group.CallbackAfterSendMsg\",\"GroupId\":\"room-7\",\"Type\":\"Live\",\"From_Account\":"
         "\"viewer_19\",\"Operator_Account\":\"viewer_19\",\"Random\":3204417755,\"MsgSeq\":812,\"MsgTime\":1764000000,"
         "\"MsgId\":\"144115300000000001-1764000000-3204417755\",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","
         "\"MsgContent\":{\"Text\":\"hi\"}}],\"CloudCustomData\":\"{\\\"lvl\\\":3}\",\"EventTime\":1764000000123}"},
        {{0},
         COMMAND_RECALL,
         true,
         "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"EventTime\":1764000000123,\"GroupId\":\"room-7\","
         "\"MsgSeqList\":[{\"MsgSeq\":5},{\"MsgSeq\":4294967295}],\"Operator_Account\":\"viewer_19\",\"Type\":"
         "\"Live\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct group_message message = sample;
        struct buf out = BUF_INIT;
        if (!cases[i].custom_data)
            message.cloud_custom_data = (struct span){0};
        webhook_body(&out, &cases[i].style, cases[i].command, &message);
        assert_string_equal(buf_text(&out), cases[i].body);
        buf_release(&out);
    }
}

static void queries(void **state)
{
    static const struct {
        struct webhook_style style;
        const char *request_id, *query;
    } cases[] = {
        {{.sdkappid = 1400000001},
         NULL,
         "SdkAppid=1400000001&CallbackCommand=Group.CallbackBeforeSendMsg&contenttype=json&ClientIP=203.0.113.7&"
         "OptPlatform=Android"},
        /* the vector of protocol.md section 2 */
        {{.sdkappid = 1, .token = "live-hook-token-01"},
         "9b1d",
         "SdkAppid=1&CallbackCommand=Group.CallbackBeforeSendMsg&contenttype=json&ClientIP=203.0.113.7&OptPlatform="
         "Android&RequestID=9b1d&Sign=04d09556384303c30c0f575027a0305656b967ef84042e56d37d6daff7b7513e&RequestTime="
         "1700000000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = BUF_INIT;
        webhook_query(&out, &cases[i].style, COMMAND_BEFORE, &sample, cases[i].request_id, 1700000000);
        assert_string_equal(buf_text(&out), cases[i].query);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),
        cmocka_unit_test(queries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
