#include "loader_fixture.h"

/* What moderators see of one message, by the webhooks that came for it. */
static void before_and_after_are_one_row(void **state)
{
    static const struct {
        const char *group, *rows; /* verdict:outcome:delivered_text, by time */
    } expected[] = {
        {"delivered", "allow:delivered:hi"},
        {"late", "allow:delivered:hi"},
        {"skewed", "allow:delivered:hi"},
        {"blocked", "reject:blocked:"},
        {"against", "reject:rejected but delivered:hi"},
        {"dropped", "allow:not confirmed:"},
        {"unasked", ":delivered unasked:hi"},
        {"retried", "allow:not confirmed:,allow:delivered:hi"},
        {"other-sender", "allow:not confirmed:,:delivered unasked:hi"},
        {"far", "allow:not confirmed:,:delivered unasked:hi"},
        {"twice", "allow:delivered:one,allow:delivered:two"},
    };
    struct event_record rejected = {.sdkappid = 1400000001, .command = COMMAND_BEFORE, .action = ACTION_REJECT};
    char body[512];
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    append_before(&b, "delivered", "a", 1, "hi", 0);
    append_after(&b, "delivered", "a", 1, "hi", 1, 0);
    append_before(&b, "late", "a", 1, "hi", 0);
    append_after(&b, "late", "a", 1, "hi", 1, 30);
    append_before(&b, "skewed", "a", 1, "hi", 0);
    append_after(&b, "skewed", "a", 1, "hi", 1, -3);
    for (int i = 0; i < 2; i++) {
        snprintf(body, sizeof(body),
                 "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"%s\",\"From_Account\":\"a\","
                 "\"Random\":1,\"MsgBody\":[]}",
                 i ? "against" : "blocked");
        rejected.received_us = b.now_us;
        rejected.body = span_of(body);
        append_record(&b, &rejected);
    }
    append_after(&b, "against", "a", 1, "hi", 1, 0);
    append_before(&b, "dropped", "a", 1, "hi", 0);
    append_after(&b, "unasked", "a", 1, "hi", 1, 0);
    append_before(&b, "retried", "a", 1, "hi", 0);
    append_before(&b, "retried", "a", 1, "hi", 4);
    append_after(&b, "retried", "a", 1, "hi", 1, 5);
    append_before(&b, "other-sender", "a", 1, "hi", 0);
    append_after(&b, "other-sender", "b", 1, "hi", 1, 1);
    append_before(&b, "far", "a", 1, "hi", 0);
    append_after(&b, "far", "a", 1, "hi", 1, 900);
    append_before(&b, "twice", "a", 1, "one", 0);
    append_after(&b, "twice", "a", 1, "one", 1, 0);
    append_before(&b, "twice", "a", 2, "two", 1);
    last = append_after(&b, "twice", "a", 2, "two", 2, 1);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        char sql[512];

        snprintf(
            sql, sizeof(sql),
            "SELECT string_agg(coalesce(verdict, '') || ':' || outcome || ':' || coalesce(delivered_text, ''), ',' "
            "ORDER BY sent_at) FROM moderation.message WHERE group_id = '%s'",
            expected[i].group);
        assert_string_equal(query_text(b.db, sql), expected[i].rows);
    }
    bench_close(&b);
}

/* A Before webhook of sender a with Random 1 that got this answer after so many microseconds. */
static void append_judged(struct bench *b, const char *group, enum action action, const char *becomes,
                          uint32_t judge_us)
{
    char body[512];
    struct event_record record = {.sdkappid = 1400000001,
                                  .received_us = b->now_us,
                                  .command = COMMAND_BEFORE,
                                  .action = action,
                                  .decided_by = DECIDED_RULE,
                                  .rule = SPAN("shop"),
                                  .judge_us = judge_us};

    snprintf(body, sizeof(body),
             "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"%s\",\"From_Account\":\"a\","
             "\"Random\":1,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"buy\"}}]}",
             group);
    record.body = span_of(body);
    if (becomes)
        record.becomes = span_of(becomes);
    append_record(b, &record);
}

static void append_exception(struct bench *b, const char *group, unsigned long random)
{
    char body[512];

    snprintf(body, sizeof(body),
             "{\"CallbackCommand\":\"Group.CallbackSendMsgException\",\"GroupId\":\"%s\",\"From_Account\":\"a\","
             "\"Random\":%lu,\"MsgBody\":[],\"ErrorCode\":10023,\"ErrorInfo\":\"too often\"}",
             group, random);
    append_body(b, COMMAND_EXCEPTION, body);
}

static uint64_t append_recall(struct bench *b, const char *group, unsigned long msg_seq, int64_t event_s)
{
    char body[512];

    snprintf(body, sizeof(body),
             "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"GroupId\":\"%s\",\"MsgSeqList\":[{\"MsgSeq\":7},"
             "{\"MsgSeq\":%lu}],\"EventTime\":%" PRId64 "}",
             group, msg_seq, b->now_us / 1000 + event_s * 1000);
    return append_body(b, COMMAND_RECALL, body);
}

/* An outbox row about the Before or After webhook of a room, as it ended. */
static void add_outbox(struct bench *b, const char *group, const char *command, const char *action, const char *state)
{
    char sql[1024];

    snprintf(
        sql, sizeof(sql),
        "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, event_id,"
        " event_time, asked_at, state, reason, expires_at, random, delivered_at, created_at)"
        " SELECT group_id, gen_random_uuid(), sdkappid, '%s', 'a', 'b*y', 'rule', 'shop', event_id, event_time,"
        " event_time, '%s', 'test', event_time, 1, event_time + interval '9 seconds',"
        " now() + (SELECT count(*) FROM chatsluice.outbox) * interval '1 second'"
        " FROM chatsluice.event WHERE group_id = '%s' AND command = '%s'",
        action, state, group, command);
    run_sql(b->db, sql);
}

/* The ledger: one outcome a message, and what speaks for it. */
static void the_ledger_says_what_became_of_each(void **state)
{
    static const struct {
        const char *group, *rows; /* outcome:delivered_as:late:exception_code:recall after s:correction, by time */
    } expected[] = {
        {"rewritten", "delivered rewritten:rewritten:false:::"},
        {"untouched", "delivered rewritten:original:false:::"},
        {"leak", "rejected but delivered::false:::"},
        {"late-leak", "rejected but delivered::true:::"},
        {"late", "answered too late::true:::"},
        {"late-gone", "answered too late::true:::"},
        {"just-in-time", "delivered::false:::"},
        {"dropped", "dropped by the platform::false:10023::"},
        {"dropped-unasked", "dropped by the platform::false:10023::"},
        {"blocked", "blocked::false:10023::"},
        {"corrected", "corrected::false:::done"},
        {"tried", "blocked::false:::failed"},
        {"recalled", "delivered::false::20:"},
        {"recalled-by-us", "delivered::false::9:"},
        {"recalled-other", "delivered::false:::"},
        {"twice", "delivered::false:::,delivered unasked::false:::"},
    };
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    append_judged(&b, "rewritten", ACTION_MASK, "b*y", 900);
    append_after(&b, "rewritten", "a", 1, "b*y", 1, 0);
    append_judged(&b, "untouched", ACTION_REPLACE, "b*y", 900);
    append_after(&b, "untouched", "a", 1, "buy", 1, 0);
    append_judged(&b, "leak", ACTION_DISCARD, NULL, 900);
    append_after(&b, "leak", "a", 1, "buy", 1, 0);
    append_judged(&b, "late-leak", ACTION_REJECT, NULL, 2000000);
    append_after(&b, "late-leak", "a", 1, "buy", 1, 0);
    append_judged(&b, "late", ACTION_ALLOW, NULL, 2000000);
    append_after(&b, "late", "a", 1, "buy", 1, 0);
    append_judged(&b, "late-gone", ACTION_REJECT, NULL, 2500000);
    append_judged(&b, "just-in-time", ACTION_FLAG, NULL, 1999999);
    append_after(&b, "just-in-time", "a", 1, "buy", 1, 0);
    append_judged(&b, "dropped", ACTION_ALLOW, NULL, 900);
    append_exception(&b, "dropped", 1);
    append_exception(&b, "dropped-unasked", 1);
    append_judged(&b, "blocked", ACTION_REJECT, NULL, 900);
    append_exception(&b, "blocked", 1);
    append_judged(&b, "corrected", ACTION_DISCARD, "b*y", 900);
    append_judged(&b, "tried", ACTION_DISCARD, "b*y", 900);
    for (size_t i = 0; i < 3; i++) {
        static const char *const groups[] = {"recalled", "recalled-by-us", "recalled-other"};

        append_judged(&b, groups[i], ACTION_ALLOW, NULL, 900);
        append_after(&b, groups[i], "a", 1, "buy", 1, 0);
    }
    append_recall(&b, "recalled", 1, 20);
    append_recall(&b, "recalled", 1, 30);
    append_recall(&b, "recalled-other", 2, 20);
    append_judged(&b, "twice", ACTION_ALLOW, NULL, 900);
    append_after(&b, "twice", "a", 1, "buy", 1, 0);
    last = append_after(&b, "twice", "a", 1, "buy", 2, 1);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    add_outbox(&b, "corrected", "before", "send_text", "done");
    add_outbox(&b, "corrected", "before", "send_text", "failed");
    add_outbox(&b, "tried", "before", "send_text", "expired");
    add_outbox(&b, "tried", "before", "send_text", "failed");
    add_outbox(&b, "recalled-by-us", "after", "recall", "done");
    add_outbox(&b, "recalled-other", "after", "recall", "failed");
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        char sql[768];

        snprintf(
            sql, sizeof(sql),
            "SELECT string_agg(concat_ws(':', outcome, coalesce(delivered_as, ''), answered_late::text,"
            " coalesce(exception_code::text, ''), coalesce((extract(epoch FROM recalled_at - sent_at)::int)::text, ''),"
            " coalesce(correction_state, '')), ',' ORDER BY sent_at, outcome)"
            " FROM moderation.delivery WHERE room_id = '%s'",
            expected[i].group);
        assert_string_equal(query_text(b.db, sql), expected[i].rows);
    }
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM moderation.delivery"), 17);
    assert_string_equal(
        query_text(b.db, "SELECT concat_ws('|', text, rewritten, corrected_text, exception_info, correction_state)"
                         " FROM moderation.message WHERE group_id = 'corrected'"),
        "buy|b*y|b*y|done");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_and_after_are_one_row),
        cmocka_unit_test(the_ledger_says_what_became_of_each),
    };

    return cmocka_run_group_tests_name("store/message_view", tests, postgres_setup, postgres_teardown);
}
