/* What is sent: bodies as the platform's documents show them, the URL, and what cannot be sent. */
#include "outbox/call.h"

#include "wire/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint8_t key[MARKER_KEY];

static struct caller caller_of(void)
{
    marker_key(key, "the-secret-key");
    return (struct caller){.url = "https://adminapisgp.im.qcloud.com",
                           .sdkappid = 1400000001,
                           .admin = "administrator",
                           .usersig = "eJ-*_",
                           .marker_key = key,
                           .now_s = 1764000000,
                           .random = 4294967295u};
}

static struct row row_of(enum row_action action, enum rest_command command)
{
    return (struct row){.id = "0190a0b1-0000-4000-8000-000000000001",
                        .action = action,
                        .command = command,
                        .room = SPAN("room-7"),
                        .account = SPAN("viewer_19"),
                        .text = SPAN("call me \"***\""),
                        .seconds = 600,
                        .msg_seq = 812,
                        .random = 3204417755u,
                        .attempt = 2};
}

static void the_others(void **state)
{
    static const struct {
        enum row_action action;
        enum rest_command command;
        const char *path, *body;
    } cases[] = {
        {ACTION_SEND_TEXT, REST_SEND_GROUP_MSG, "v4/group_open_http_svc/send_group_msg",
         "{\"GroupId\":\"room-7\",\"Random\":3204417755,\"From_Account\":\"viewer_19\",\"MsgBody\":[{\"MsgType\":"
         "\"TIMTextElem\",\"MsgContent\":{\"Text\":\"call me \\\"***\\\"\"}}],\"CloudCustomData\":\"{\\\"lvl\\\":3}\","
         "\"ForbidCallbackControl\":[\"ForbidBeforeSendMsgCallback\",\"ForbidAfterSendMsgCallback\"]}"},
        {ACTION_MUTE, REST_MUTE_MEMBER, "v4/live_engine_http_srv/mute_member",
         "{\"RoomId\":\"room-7\",\"MemberList_Account\":[\"viewer_19\"],\"MuteTime\":600}"},
        {ACTION_UNMUTE, REST_MUTE_MEMBER, "v4/live_engine_http_srv/mute_member",
         "{\"RoomId\":\"room-7\",\"MemberList_Account\":[\"viewer_19\"],\"MuteTime\":0}"},
        {ACTION_BAN, REST_BAN_MEMBER, "v4/live_engine_http_srv/ban_member",
         "{\"RoomId\":\"room-7\",\"MemberList_Account\":[\"viewer_19\"],\"Reason\":\"spam\",\"Duration\":600}"},
        {ACTION_UNBAN, REST_UNBAN_MEMBER, "v4/live_engine_http_srv/unban_member",
         "{\"RoomId\":\"room-7\",\"MemberList_Account\":[\"viewer_19\"]}"},
        {ACTION_RECALL, REST_GROUP_MSG_RECALL, "v4/group_open_http_svc/group_msg_recall",
         "{\"GroupId\":\"room-7\",\"MsgSeqList\":[{\"MsgSeq\":812}],\"Reason\":\"spam\"}"},
    };
    const struct caller caller = caller_of();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct row row = row_of(cases[i].action, cases[i].command);
        struct buf url = BUF_INIT, body = BUF_INIT, wanted = BUF_INIT;
        row.custom_data = SPAN("{\"lvl\":3}");
        row.note = SPAN("spam");
        assert_int_equal(call_make(&url, &body, &row, &caller, NULL), 0);
        assert_string_equal(buf_text(&body), cases[i].body);
        buf_addf(&wanted,
                 "https://adminapisgp.im.qcloud.com/%s?sdkappid=1400000001&identifier=administrator&usersig=eJ-*_"
                 "&random=4294967295&contenttype=json",
                 cases[i].path);
        assert_string_equal(buf_text(&url), buf_text(&wanted));
        buf_release(&url);
        buf_release(&body);
        buf_release(&wanted);
    }
}

static void a_text_carries_its_marker(void **state)
{
    const struct caller caller = caller_of();
    struct row row = row_of(ACTION_SEND_TEXT, REST_SEND_TEXT_MSG);
    struct buf url = BUF_INIT, body = BUF_INIT, own_strings = BUF_INIT;
    struct json_reader *reader = json_reader_new();
    struct json_value sent;
    struct optional_text own;
    struct marker marker;
    struct marked marked;

    (void)state;
    row.custom_data = SPAN("{\"lvl\":3}");
    assert_int_equal(call_make(&url, &body, &row, &caller, NULL), 0);
    assert_int_equal(json_read(reader, buf_span(&body), &sent, NULL), 0);
    marked = (struct marked){json_string(json_member(sent, "RoomId")),
                             json_string(json_member(sent, "Sender_Account")),
                             json_string(json_member(sent, "TextContent")),
                             {GIVEN, json_string(json_member(sent, "ExtensionInfo"))}};
    assert_true(span_is(marked.room, "room-7"));
    assert_true(span_is(marked.sender, "viewer_19"));
    assert_true(span_is(marked.text, "call me \"***\""));
    assert_int_equal(marker_read(key, &marked, &marker, &own_strings, &own), MARKER_TRUE);
    assert_string_equal(marker.id, row.id);
    assert_int_equal(marker.attempt, 2);
    assert_int_equal(marker.at_s, 1764000000);
    assert_true(span_is(own.text, "{\"lvl\":3}"));
    buf_release(&url);
    buf_release(&body);
    json_reader_free(reader);
    buf_release(&own_strings);
}

static void what_cannot_be_sent(void **state)
{
    static char text[CALL_MESSAGE_MAX + 1];
    const struct caller caller = caller_of();
    struct row rows[] = {row_of(ACTION_SEND_TEXT, REST_SEND_TEXT_MSG), row_of(ACTION_SEND_TEXT, REST_SEND_GROUP_MSG),
                         row_of(ACTION_MUTE, REST_MUTE_MEMBER), row_of(ACTION_BAN, REST_BAN_MEMBER),
                         row_of(ACTION_RECALL, REST_GROUP_MSG_RECALL)};

    (void)state;
    memset(text, 'x', sizeof(text));
    rows[0].text = (struct span){text, CALL_MESSAGE_MAX - 10}; /* too long with the marker only */
    rows[1].text = (struct span){text, sizeof(text)};
    rows[2].seconds = 0; /* would unmute */
    rows[3].seconds = -1;
    rows[4].msg_seq = -1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf url = BUF_INIT, body = BUF_INIT;
        struct err err = {0};
        assert_int_equal(call_make(&url, &body, &rows[i], &caller, &err), ERR_INVALID);
        assert_string_not_equal(err.text, "");
        buf_release(&url);
        buf_release(&body);
    }
    rows[1].text.len = CALL_MESSAGE_MAX;
    struct buf url = BUF_INIT, body = BUF_INIT;
    assert_int_equal(call_make(&url, &body, &rows[1], &caller, NULL), 0);
    buf_release(&url);
    buf_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_others),
        cmocka_unit_test(a_text_carries_its_marker),
        cmocka_unit_test(what_cannot_be_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
