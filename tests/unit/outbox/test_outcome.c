/* What every end of a call means for its row: every code of the platform's documents, what HTTP does, what cannot be
 * read; and what that comes to with what is known of the row. */
#include "outbox/outcome.h"

#include "outbox/backoff.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* Of a first attempt at a send_text_msg, three tries allowed. */
static const struct {
    int64_t code;
    enum handling handling;
    const char *event;
} codes[] = {
    {60002, HANDLE_REFUSED, "refused"},    {60003, HANDLE_REFUSED, "refused"},
    {60004, HANDLE_REFUSED, "refused"},    {60005, HANDLE_REFUSED, "refused"},
    {60006, HANDLE_STOP, "stopped"},       {60007, HANDLE_SLOW, "busy"},
    {60008, HANDLE_UNKNOWN, "no_answer"},  {60009, HANDLE_REFUSED, "refused"},
    {60010, HANDLE_REFUSED, "refused"},    {60011, HANDLE_SLOW, "busy"},
    {60012, HANDLE_STOP, "stopped"},       {60013, HANDLE_UNKNOWN, "no_answer"},
    {60014, HANDLE_UNKNOWN, "no_answer"},  {60015, HANDLE_REFUSED, "refused"},
    {60016, HANDLE_STOP, "stopped"},       {60017, HANDLE_STOP, "stopped"},
    {60018, HANDLE_SLOW, "busy"},          {60019, HANDLE_SLOW, "busy"},
    {60020, HANDLE_STOP, "stopped"},       {60021, HANDLE_STOP, "stopped"},
    {70001, HANDLE_RENEW, "renewed"},      {70002, HANDLE_STOP, "stopped"},
    {70003, HANDLE_STOP, "stopped"},       {70005, HANDLE_STOP, "stopped"},
    {70009, HANDLE_STOP, "stopped"},       {70013, HANDLE_STOP, "stopped"},
    {70014, HANDLE_STOP, "stopped"},       {70016, HANDLE_STOP, "stopped"},
    {70020, HANDLE_STOP, "stopped"},       {70050, HANDLE_PAUSE, "stopped"},
    {70051, HANDLE_REFUSED, "refused"},    {70107, HANDLE_REFUSED, "refused"},
    {100001, HANDLE_RETRY, "busy"},        {100002, HANDLE_REFUSED, "refused"},
    {100004, HANDLE_ROOM_GONE, "refused"}, {100006, HANDLE_REFUSED, "refused"},
    {100601, HANDLE_REFUSED, "refused"},   {100602, HANDLE_ROOM_BUSY, "busy"},
    {100603, HANDLE_REFUSED, "refused"},   {10002, HANDLE_RETRY, "busy"},
    {10004, HANDLE_REFUSED, "refused"},    {10007, HANDLE_REFUSED, "refused"},
    {10010, HANDLE_ROOM_GONE, "refused"},  {10015, HANDLE_REFUSED, "refused"},
    {10016, HANDLE_REFUSED, "refused"},    {10017, HANDLE_REFUSED, "refused"},
    {10023, HANDLE_ROOM_BUSY, "busy"},     {80001, HANDLE_REFUSED, "refused"},
    {80002, HANDLE_REFUSED, "refused"},    {1, HANDLE_REFUSED, "refused"},
    {-7, HANDLE_REFUSED, "refused"},       {99999999999, HANDLE_REFUSED, "refused"},
};

static const struct settling first_of_three = {
    .now_us = 1000, .most_tries = 3, .confirm_ms = 20000, .breaker_ms = 5000, .random = 12345};

static struct row text_row(enum rest_command command)
{
    return (struct row){.action = ACTION_SEND_TEXT, .command = command, .attempt = 1, .tries = 1};
}

static void read_body(struct outcome *out, enum row_action action, const char *body)
{
    outcome_read(out, action, &(struct call_end){.sent = true, .http_status = 200, .body = span_of(body), .why = ""});
}

static void every_documented_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        const struct row row = text_row(REST_SEND_TEXT_MSG);
        struct settled settled;
        struct outcome outcome;
        char body[256];

        snprintf(body, sizeof(body),
                 "{\"ActionStatus\":\"FAIL\",\"ErrorCode\":%" PRId64
                 ",\"ErrorInfo\":\"no\",\"RequestId\":\"Id-0f-O-Seq-9\"}",
                 codes[i].code);
        read_body(&outcome, ACTION_SEND_TEXT, body);
        assert_true(outcome.answered);
        assert_int_equal(outcome.answer.error_code, codes[i].code);
        assert_string_equal(outcome.answer.request_id, "Id-0f-O-Seq-9");
        assert_int_equal(outcome.handling, codes[i].handling);
        outcome_settle(&settled, &outcome, &row, &first_of_three);
        assert_string_equal(settled.event, codes[i].event);
        assert_int_equal(settled.room_gone, codes[i].handling == HANDLE_ROOM_GONE);
        assert_int_equal(settled.room_ms > 0, codes[i].handling == HANDLE_ROOM_BUSY);
        assert_int_equal(settled.wait_ms, strcmp(settled.event, "no_answer") == 0 ? 20000 : 0);
        if (strcmp(settled.event, "busy") == 0)
            assert_true(settled.due_ms > 0);
        if (strcmp(settled.event, "stopped") == 0)
            assert_int_equal(settled.due_ms, 5000);
    }
}

static const struct {
    enum row_action action;
    const char *body;
    enum handling handling;
} answers[] = {
    {ACTION_SEND_TEXT, "{\"ErrorCode\":0,\"Response\":{\"MsgSeq\":812,\"MsgTime\":17,\"MsgDropReason\":\"\"}}",
     HANDLE_DONE},
    {ACTION_SEND_TEXT, "{\"ErrorCode\":0,\"MsgSeq\":812,\"MsgTime\":17}", HANDLE_DONE}, /* the shape of Chat */
    {ACTION_SEND_TEXT, "{\"ErrorCode\":0,\"Response\":{\"MsgSeq\":0}}", HANDLE_UNCONFIRMED},
    {ACTION_SEND_TEXT, "{\"ErrorCode\":0}", HANDLE_UNCONFIRMED},
    {ACTION_SEND_TEXT, "{\"ErrorCode\":0,\"Response\":{\"MsgSeq\":7,\"MsgDropReason\":\"MsgFreqCtrl\"}}",
     HANDLE_DROPPED},
    {ACTION_SEND_TEXT, "{\"ErrorCode\":0,\"Response\":{\"MsgDropReason\":\"another\"}}", HANDLE_DROPPED},
    {ACTION_SEND_TEXT, "{\"ErrorInfo\":\"\"}", HANDLE_UNKNOWN},
    {ACTION_SEND_TEXT, "{\"ErrorCode\":\"none\"}", HANDLE_UNKNOWN},
    {ACTION_SEND_TEXT, "[0]", HANDLE_UNKNOWN},
    {ACTION_SEND_TEXT, "", HANDLE_UNKNOWN},
    {ACTION_SEND_TEXT, "<html>", HANDLE_UNKNOWN},
    {ACTION_MUTE, "{\"ErrorCode\":0}", HANDLE_DONE},
    {ACTION_BAN, "{\"ErrorCode\":100004}", HANDLE_ROOM_GONE},
    {ACTION_RECALL, "{\"ErrorCode\":0,\"RecallRetList\":[{\"MsgSeq\":3,\"RetCode\":0}]}", HANDLE_DONE},
    {ACTION_RECALL, "{\"ErrorCode\":0}", HANDLE_DONE},
    {ACTION_RECALL, "{\"ErrorCode\":0,\"RecallRetList\":[{\"MsgSeq\":3,\"RetCode\":10030}]}", HANDLE_REFUSED},
    {ACTION_RECALL, "{\"ErrorCode\":0,\"RecallRetList\":[{\"MsgSeq\":3,\"RetCode\":10031}]}", HANDLE_REFUSED},
    {ACTION_RECALL, "{\"ErrorCode\":0,\"RecallRetList\":[{\"MsgSeq\":3,\"RetCode\":10032}]}", HANDLE_REFUSED},
    {ACTION_RECALL, "{\"ErrorCode\":0,\"RecallRetList\":[{\"MsgSeq\":3,\"RetCode\":10033}]}", HANDLE_REFUSED},
    {ACTION_RECALL, "{\"ErrorCode\":0,\"RecallRetList\":[{\"MsgSeq\":3}]}", HANDLE_UNKNOWN},
};

static void every_form_of_an_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct outcome outcome;
        read_body(&outcome, answers[i].action, answers[i].body);
        if (outcome.handling != answers[i].handling)
            fail_msg("%s: %d instead of %d", answers[i].body, (int)outcome.handling, (int)answers[i].handling);
    }
}

static void what_http_says(void **state)
{
    static const struct {
        struct call_end end;
        enum handling handling;
    } cases[] = {
        {{.result = ERR_LOST, .why = "request failed", .sent = false}, HANDLE_NOT_SENT},
        {{.result = ERR_TIMEOUT, .why = "no connection", .sent = false}, HANDLE_NOT_SENT},
        {{.result = ERR_USAGE, .why = "the URL", .sent = false}, HANDLE_NOT_SENT},
        {{.result = ERR_LOST, .why = "request failed", .sent = true}, HANDLE_UNKNOWN},
        {{.result = ERR_TIMEOUT, .why = "no answer", .sent = true}, HANDLE_UNKNOWN},
        {{.result = ERR_FULL, .why = "too long", .sent = true}, HANDLE_UNKNOWN},
        {{.sent = true, .http_status = 502, .body = {"{\"ErrorCode\":0}", 15}}, HANDLE_UNKNOWN},
        {{.sent = true, .http_status = 404, .body = {"", 0}}, HANDLE_UNKNOWN},
        {{.sent = true, .http_status = 302, .body = {"", 0}}, HANDLE_UNKNOWN},
        {{.sent = true, .http_status = 500, .body = {"{\"ErrorCode\":100002}", 20}}, HANDLE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome;
        outcome_read(&outcome, ACTION_SEND_TEXT, &cases[i].end);
        assert_int_equal(outcome.handling, cases[i].handling);
        assert_false(outcome.answered);
        assert_int_equal(outcome.http_status, cases[i].end.http_status);
        assert_string_not_equal(outcome.reason, "");
    }
}

/* After an unknown outcome, and others that depend on what the row is and has been through. */
static void what_it_comes_to_for_a_row(void **state)
{
    enum { MINUTE_US = 60 * 1000 * 1000 };
    static const struct {
        enum row_action action;
        enum rest_command command;
        unsigned tries;
        bool in_doubt;
        int64_t age_us;
        enum handling handling;
        const char *event;
    } cases[] = {
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 1, false, 0, HANDLE_UNKNOWN, "no_answer"},
        {ACTION_SEND_TEXT, REST_SEND_GROUP_MSG, 1, false, 0, HANDLE_UNKNOWN, "repeat"},
        {ACTION_SEND_TEXT, REST_SEND_GROUP_MSG, 1, false, 4LL * MINUTE_US - 1, HANDLE_UNKNOWN, "repeat"},
        {ACTION_SEND_TEXT, REST_SEND_GROUP_MSG, 1, false, 4LL * MINUTE_US, HANDLE_UNKNOWN, "no_answer"},
        {ACTION_SEND_TEXT, REST_SEND_GROUP_MSG, 3, true, 0, HANDLE_UNKNOWN, "no_answer"},
        {ACTION_MUTE, REST_MUTE_MEMBER, 1, false, 0, HANDLE_UNKNOWN, "repeat"},
        {ACTION_MUTE, REST_MUTE_MEMBER, 2, true, 60LL * MINUTE_US, HANDLE_UNKNOWN, "repeat"},
        {ACTION_MUTE, REST_MUTE_MEMBER, 3, true, 0, HANDLE_UNKNOWN, "exhausted"},
        {ACTION_RECALL, REST_GROUP_MSG_RECALL, 1, false, 0, HANDLE_UNKNOWN, "repeat"},
        {ACTION_UNBAN, REST_UNBAN_MEMBER, 1, true, 0, HANDLE_REFUSED, "refused"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 2, false, 0, HANDLE_RETRY, "busy"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 3, false, 0, HANDLE_RETRY, "exhausted"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 3, false, 0, HANDLE_ROOM_BUSY, "exhausted"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 3, false, 0, HANDLE_DROPPED, "exhausted"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 2, false, 0, HANDLE_DROPPED, "dropped"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 99, false, 0, HANDLE_NOT_SENT, "not_sent"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 99, false, 0, HANDLE_STOP, "stopped"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 1, false, 0, HANDLE_UNCONFIRMED, "unconfirmed"},
        /* Refused now, but an earlier call may have done it. */
        {ACTION_SEND_TEXT, REST_SEND_GROUP_MSG, 2, true, 0, HANDLE_REFUSED, "no_answer"},
        {ACTION_SEND_TEXT, REST_SEND_GROUP_MSG, 2, true, 0, HANDLE_ROOM_GONE, "no_answer"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 3, true, 0, HANDLE_RETRY, "no_answer"},
        {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG, 2, true, 0, HANDLE_DONE, "accepted"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = {.handling = cases[i].handling, .reason = "x"};
        struct settling settling = first_of_three;
        struct settled settled;
        const struct row row = {.action = cases[i].action,
                                .command = cases[i].command,
                                .attempt = cases[i].tries,
                                .tries = cases[i].tries,
                                .in_doubt = cases[i].in_doubt,
                                .first_sent_us = 1000};

        settling.now_us = 1000 + cases[i].age_us;
        outcome_settle(&settled, &outcome, &row, &settling);
        if (strcmp(settled.event, cases[i].event) != 0)
            fail_msg("case %zu: %s instead of %s", i, settled.event, cases[i].event);
        assert_int_equal(row_is_too_late(&row, settling.now_us),
                         row.in_doubt && row.command == REST_SEND_GROUP_MSG && cases[i].age_us >= 4LL * MINUTE_US);
    }
}

static void waits_grow_and_spread(void **state)
{
    (void)state;
    assert_int_equal(backoff_ms(1, 500, 30000, 0), 1);
    assert_int_equal(backoff_ms(1, 500, 30000, 499), 500);
    assert_int_equal(backoff_ms(2, 500, 30000, 999), 1000);
    assert_int_equal(backoff_ms(3, 500, 30000, 1999), 2000);
    assert_int_equal(backoff_ms(100, 500, 30000, 29999), 30000);
    for (uint32_t random = 0; random < 5000; random++)
        assert_in_range(backoff_ms(4, 500, 30000, random * 2654435761u), 1, 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_documented_code), cmocka_unit_test(every_form_of_an_answer),
        cmocka_unit_test(what_http_says),        cmocka_unit_test(what_it_comes_to_for_a_row),
        cmocka_unit_test(waits_grow_and_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
