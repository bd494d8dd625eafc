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
        {"against", "reject:delivered against the verdict:hi"},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_and_after_are_one_row),
    };

    return cmocka_run_group_tests_name("store/message_view", tests, postgres_setup, postgres_teardown);
}
