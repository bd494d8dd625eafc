#include "loader_fixture.h"

/* What stands in the table ---------------------------------------------------------------------------------------- */

static void every_column_is_filled(void **state)
{
    static const char body[] =
        "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"room-7\",\"Type\":\"Live\",\"TopicId\":\"\","
        "\"From_Account\":\"viewer_19\",\"Operator_Account\":\"admin\",\"Random\":3204417755,\"MsgId\":\"1-2-3\","
        "\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"call \\u0000 555\"}}],"
        "\"CloudCustomData\":\"{\\\"lvl\\\":3}\",\"EventTime\":\"1764000000123\"}";
    static const struct {
        const char *column, *value;
    } expected[] = {
        {"event_time AT TIME ZONE 'UTC'", "2025-11-24 16:00:00.123"},
        {"received_at AT TIME ZONE 'UTC'", "2025-11-24 16:00:00.5"},
        {"sdkappid", "1400000001"},
        {"spool_seq", "1"},
        {"group_id", "room-7"},
        {"command", "before"},
        {"command_word", "Group.CallbackBeforeSendMsg"},
        {"group_type", "Live"},
        {"topic_id IS NOT NULL AND topic_id = ''", "t"},
        {"from_account", "viewer_19"},
        {"operator_account", "admin"},
        {"msg_id", "1-2-3"},
        {"random", "3204417755"},
        {"msg_seq IS NULL AND msg_time IS NULL", "t"},
        {"client_ip", "2001:db8::1"},
        {"platform", "An\xEF\xBF\xBD"
                     "droid"},
        {"request_id IS NULL", "t"},
        {"text", "call \xEF\xBF\xBD 555"},
        {"cloud_custom_data", "{\"lvl\":3}"},
        {"cloud_custom_data_json->'lvl'", "3"},
        {"verdict", "mask"},
        {"decided_by", "rule"},
        {"rule", "phone"},
        {"error_code", "0"},
        {"hits->0->>'rule'", "phone"},
        {"rewritten", "call ***"},
        {"rule_revision", "12"},
        {"judge_us", "345"},
        {"follow_ups->>0", "resend"},
        {"fault IS NULL AND exception_code IS NULL AND recalled_seqs IS NULL", "t"},
        {"duplicate_keys", "f"},
        {"correction_id", "872cb24b-d851-473a-9a47-3b2cb9c5b3e2"},
        {"marker", "late"},
        {"rewritten_custom_data", "{\"lvl\":\"*\"}"},
    };
    struct event_record record = {
        .received_us = 1764000000500000,
        .sdkappid = 1400000001,
        .command = COMMAND_BEFORE,
        .client_ip = SPAN("2001:db8::1"),
        .platform = SPAN("An\xff"
                         "droid"),
        .action = ACTION_MASK,
        .decided_by = DECIDED_RULE,
        .revision = 12,
        .judge_us = 345,
        .rule = SPAN("phone"),
        .hits_json = SPAN("[{\"rule\":\"phone\"}]"),
        .becomes = SPAN("call ***"),
        .becomes_custom_data = SPAN("{\"lvl\":\"*\"}"),
        .follow_ups_json = SPAN("[\"resend\"]"),
        .correction_id = SPAN("872cb24b-d851-473a-9a47-3b2cb9c5b3e2"),
        .marker = MARKER_LATE,
        .body = SPAN(body),
    };
    struct bench b;

    bench_open(&b, *state);
    append_record(&b, &record);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, 1);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        char sql[256];

        snprintf(sql, sizeof(sql), "SELECT (%s)::text FROM chatsluice.event", expected[i].column);
        if (strcmp(query_text(b.db, sql), expected[i].value) != 0 &&
            !(strcmp(expected[i].value, "t") == 0 && strcmp(query_text(b.db, sql), "true") == 0) &&
            !(strcmp(expected[i].value, "f") == 0 && strcmp(query_text(b.db, sql), "false") == 0))
            fail_msg("%s is \"%s\", not \"%s\"", expected[i].column, query_text(b.db, sql), expected[i].value);
    }
    assert_string_equal(query_text(b.db, "SELECT convert_from(raw, 'UTF8') FROM chatsluice.event"), body);
    assert_string_equal(query_text(b.db, "SELECT spool_id FROM chatsluice.event"), spool_id(b.spool));
    bench_close(&b);
}

static void each_kind_of_webhook_has_its_row(void **state)
{
    static const struct {
        enum command command;
        const char *body;
        const char *query, *value;
    } cases[] = {
        {COMMAND_EXCEPTION,
         "{\"CallbackCommand\":\"Group.CallbackSendMsgException\",\"GroupId\":\"g\",\"ErrorCode\":10023,\"ErrorInfo\":\"too "
         "fast\"}",
         "concat_ws('|', command, exception_code, exception_info, verdict)", "exception|10023|too fast"},
        {COMMAND_RECALL,
         "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"GroupId\":\"g\",\"MsgSeqList\":[{\"MsgSeq\":4294967295},"
         "{\"MsgSeq\":\"7\"}]}",
         "concat_ws('|', command, recalled_seqs, verdict)", "recall|{4294967295,7}"},
        {COMMAND_RECALL, "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"GroupId\":\"g\",\"MsgSeqList\":[]}",
         "concat_ws('|', command, recalled_seqs)", "recall|{}"},
        {COMMAND_OTHER, "{\"CallbackCommand\":\"Live.CallbackAfterCreateRoom\",\"RoomId\":\"r\"}",
         "concat_ws('|', command, command_word, group_id = '')", "other|Live.CallbackAfterCreateRoom|t"},
        {COMMAND_BEFORE, "{\"CallbackCommand\":", "concat_ws('|', command, group_id = '', fault IS NOT NULL)",
         "before|t|t"},
        {COMMAND_BEFORE,
         "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"g\",\"GroupId\":\"h\",\"From_Account\":\"a\","
         "\"Random\":1,\"MsgBody\":[],\"CloudCustomData\":\"{\\\"a\\\":\\\"\\\\u0000\\\"}\"}",
         "concat_ws('|', group_id, duplicate_keys, cloud_custom_data, cloud_custom_data_json)",
         "h|t|{\"a\":\"\\u0000\"}"},
    };
    struct bench b;
    uint64_t last = 0;

    bench_open(&b, *state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        last = append_body(&b, cases[i].command, cases[i].body);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sql[256];

        snprintf(sql, sizeof(sql), "SELECT %s FROM chatsluice.event WHERE spool_seq = %zu", cases[i].query, i + 1);
        assert_string_equal(query_text(b.db, sql), cases[i].value);
        snprintf(sql, sizeof(sql), "SELECT convert_from(raw, 'UTF8') FROM chatsluice.event WHERE spool_seq = %zu",
                 i + 1);
        assert_string_equal(query_text(b.db, sql), cases[i].body);
    }
    bench_close(&b);
}

static void many_go_in_several_batches(void **state)
{
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    last = append_many(&b, 2345);
    b.loader = start_loader(&b, b.url, "one", 500);
    wait_for_position(b.loader, last);
    last = append_many(&b, 10);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event WHERE spool_seq <= 2345 "
                                        "AND text = 'text ' || spool_seq AND random = spool_seq"),
                     2345);
    assert_string_equal(query_text(b.db, "SELECT owner FROM chatsluice.spool_position"), "one");
    bench_close(&b);
}

/* Identity -------------------------------------------------------------------------------------------------------- */

static void only_a_repeated_after_collapses(void **state)
{
    struct bench b;
    uint64_t last;
    int64_t duplicates = metric_value(METRIC_LOADER_DUPLICATES);

    bench_open(&b, *state);
    /* in one batch */
    append_after(&b, "g", "a", 1, "hello", 10, 0);
    append_after(&b, "g", "a", 1, "hello", 10, 0);
    append_before(&b, "g", "a", 1, "hello", 0);
    append_before(&b, "g", "a", 1, "hello", 0);     /* two attempts are two events */
    append_after(&b, "h", "a", 1, "hello", 10, 0);  /* another room */
    append_after(&b, "g", "a", 1, "hello", 11, 0);  /* another message */
    append_after(&b, "g", "a", 1, "hello", 10, 99); /* a room made anew counts from the start */
    append_after(&b, "g", "a", 5, "hello", 0, 0);   /* no MsgSeq: sender, Random, MsgTime */
    append_after(&b, "g", "a", 5, "hello", 0, 0);
    last = append_after(&b, "g", "a", 6, "hello", 0, 0);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event"), 8);
    assert_int_equal(metric_value(METRIC_LOADER_DUPLICATES) - duplicates, 2);
    /* over batches, after a careful one and after a plain one */
    for (int i = 0; i < 4; i++) {
        append_many(&b, 20);
        if (i != 2)
            append_after(&b, "g", "a", 1, "hello", 10, 0);
        last = append_many(&b, 20);
        wait_for_position(b.loader, last);
    }
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event"), 8 + 160);
    assert_int_equal(metric_value(METRIC_LOADER_DUPLICATES) - duplicates, 5);
    bench_close(&b);
}

/* Time ------------------------------------------------------------------------------------------------------------ */

static void rows_are_in_the_partition_of_their_day(void **state)
{
    struct bench b;
    uint64_t last = 0;
    int64_t noon;

    bench_open(&b, *state);
    noon = b.now_us;
    for (int day = -40; day <= 3; day++) {
        b.now_us = noon + day * us_per_day;
        append_before(&b, "g", "a", (unsigned long)(day + 100), "x", 0);
        last = append_after(&b, "g", "a", (unsigned long)(day + 100), "x", (unsigned long)(day + 100), 1);
    }
    b.loader = start_loader(&b, b.url, "one", 1000);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event_default"), 0);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event WHERE tableoid::regclass::text <> "
                                        "'chatsluice.event_' || to_char(event_time AT TIME ZONE 'UTC', 'YYYYMMDD')"),
                     0);
    bench_close(&b);
}

static void absurd_times_are_not_believed(void **state)
{
    static const struct {
        int64_t off_s; /* EventTime or MsgTime, seconds from receipt */
        bool believed;
    } cases[] = {
        {0, true},           {-3600, true},      {86400, true},        {-10 * 86400, false},
        {30 * 86400, false}, {400000000, false}, {-1000000000, false},
    };
    static const char *const odd[] = {"0", "-5", "9223372036854775807", "\"1\"", "253402300800000"};
    struct bench b;
    uint64_t last = 0;

    bench_open(&b, *state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        append_before(&b, "g", "a", i, "x", cases[i].off_s);
        append_after(&b, "g", "a", i, "x", i + 1, cases[i].off_s);
        last = append_after(&b, "g", "a", i, "x", i + 1, cases[i].off_s); /* meets its twin even so */
    }
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        char body[256];

        snprintf(body, sizeof(body),
                 "{\"CallbackCommand\":\"Group.CallbackAfterSendMsg\",\"GroupId\":\"odd\",\"From_Account\":\"a\","
                 "\"MsgSeq\":%zu,\"MsgTime\":%s,\"MsgBody\":[]}",
                 i + 1, odd[i]);
        last = append_body(&b, COMMAND_AFTER, body);
    }
    b.loader = start_loader(&b, b.url, "one", 1000);
    wait_for_position(b.loader, last);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sql[512];

        snprintf(sql, sizeof(sql),
                 "SELECT string_agg(CASE WHEN event_time = received_at + interval '1 second' * %" PRId64 " THEN 'own' "
                 "WHEN event_time = received_at THEN 'receipt' WHEN event_time = date_trunc('day', received_at, 'UTC') "
                 "THEN 'day' ELSE event_time::text END, ',' ORDER BY command) "
                 "FROM chatsluice.event WHERE random = %zu AND group_id = 'g'",
                 cases[i].off_s, i);
        assert_string_equal(query_text(b.db, sql), cases[i].believed ? "own,own" : "day,receipt");
    }
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event WHERE group_id = 'odd' "
                                        "AND event_time = date_trunc('day', received_at, 'UTC')"),
                     5);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event_default"), 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_column_is_filled),
        cmocka_unit_test(each_kind_of_webhook_has_its_row),
        cmocka_unit_test(many_go_in_several_batches),
        cmocka_unit_test(only_a_repeated_after_collapses),
        cmocka_unit_test(rows_are_in_the_partition_of_their_day),
        cmocka_unit_test(absurd_times_are_not_believed),
    };

    return cmocka_run_group_tests_name("store/loader", tests, postgres_setup, postgres_teardown);
}
