#include "loader_fixture.h"

#include "base/json_write.h"

#include <stdatomic.h>

/* What events come to --------------------------------------------------------------------------------------------- */

static char secret[] = "k";
static struct config_app with_access[] = {{.sdkappid = 1400000001, .secret_key = secret}, {.sdkappid = 1400000002}};

struct asked {
    enum command command;
    enum action action;
    const char *follow_ups, *becomes; /* NULL: none */
    const char *text, *custom_data;   /* of the message; custom_data NULL: none */
    const char *elements;             /* NULL: text alone */
    const char *platform;
    const char *from;
    uint64_t sdkappid; /* 0: the one with access */
    long msg_seq;      /* 0: none */
    const char *rows;  /* "action:account:text:custom_data:seconds:msg_seq:state:reason", ordered, separated by '|' */
};

static uint64_t append_asked(struct bench *b, const struct asked *a, const char *room, unsigned long random)
{
    struct buf body = BUF_INIT;
    struct event_record record = {
        .received_us = b->now_us,
        .sdkappid = a->sdkappid ? a->sdkappid : 1400000001,
        .command = a->command,
        .platform = span_of(a->platform ? a->platform : "Android"),
        .action = a->action,
        .rule = SPAN("r"),
        .becomes = span_of(a->becomes),
        .follow_ups_json = span_of(a->follow_ups),
    };
    uint64_t seq;

    buf_add_char(&body, '{');
    json_add_member_text(&body, "CallbackCommand",
                         a->command == COMMAND_AFTER ? "Group.CallbackAfterSendMsg" : "Group.CallbackBeforeSendMsg");
    json_add_member_text(&body, "GroupId", room);
    if (!a->from || *a->from)
        json_add_member_text(&body, "From_Account", a->from ? a->from : "ann");
    json_add_member_u64(&body, "Random", random);
    if (a->msg_seq)
        json_add_member_i64(&body, "MsgSeq", a->msg_seq);
    if (a->custom_data)
        json_add_member_text(&body, "CloudCustomData", a->custom_data);
    json_add_member_i64(&body, "EventTime", b->now_us / 1000);
    json_add_key(&body, "MsgBody");
    if (a->elements) {
        buf_add_text(&body, a->elements);
    } else {
        buf_add_text(&body, "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":");
        json_add_string(&body, span_of(a->text));
        buf_add_text(&body, "}}]");
    }
    buf_add_char(&body, '}');
    record.body = buf_span(&body);
    seq = append_record(b, &record);
    buf_release(&body);
    return seq;
}

static const char *rows_of(struct bench *b, const char *room)
{
    char sql[512];

    snprintf(sql, sizeof(sql),
             "SELECT string_agg(concat_ws(':', action, account, coalesce(text, '-'), coalesce(custom_data, '-'), "
             "coalesce(seconds::text, '-'), coalesce(msg_seq::text, '-'), state, reason), '|' ORDER BY action) "
             "FROM chatsluice.outbox WHERE room_id = '%s'",
             room);
    return query_text(b->db, sql);
}

static void events_become_rows(void **state)
{
    static char long_text[12100];
    static const struct asked cases[] = {
        /* mute: whatever came of the message */
        {COMMAND_BEFORE, ACTION_ALLOW, "[\"mute 10m\"]", .text = "x",
         .rows = "mute:ann:-:-:600:-:queued:a rule asks for it"},
        {COMMAND_AFTER, ACTION_FLAG, "[\"mute 30s\"]", .text = "x", .msg_seq = 4,
         .rows = "mute:ann:-:-:30:-:queued:a rule asks for it"},
        {COMMAND_BEFORE, ACTION_ALLOW, "[\"mute 99999999d\"]", .text = "x",
         .rows = "mute:ann:-:-:4294967295:-:queued:a rule asks for it"},
        {COMMAND_BEFORE, ACTION_ALLOW, "[\"mute 2h\",\"mute 1d\"]", .text = "x", /* one of a kind: the first */
         .rows = "mute:ann:-:-:7200:-:queued:a rule asks for it"},
        {COMMAND_BEFORE, ACTION_ALLOW, "[\"mute 1m\"]", .text = "x", .from = "",
         .rows = "mute::-:-:60:-:cancelled:its webhook names no sender"},
        /* recall: of what was delivered */
        {COMMAND_BEFORE, ACTION_REJECT, "[\"recall\"]", .text = "x", .rows = ""},
        {COMMAND_AFTER, ACTION_ALLOW, "[\"recall\"]", .text = "x", .msg_seq = 7,
         .rows = "recall::-:-:-:7:queued:a rule asks for it"},
        {COMMAND_AFTER, ACTION_ALLOW, "[\"recall\"]", .text = "x",
         .rows = "recall::-:-:-:-:cancelled:its webhook names no message that could be recalled"},
        /* resend: of what was stopped, or once the original is recalled */
        {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\"]", "a ***", "a bad",
         .rows = "send_text:ann:a ***:-:-:-:queued:a rule asks for it"},
        {COMMAND_BEFORE, ACTION_DISCARD, "[\"resend\"]", "a ***", "a bad", "{\"lvl\":3}",
         .rows = "send_text:ann:a ***:{\"lvl\":3}:-:-:queued:a rule asks for it"},
        {COMMAND_BEFORE, ACTION_MASK, "[\"resend\"]", "a ***", "a bad", .rows = ""},
        {COMMAND_BEFORE, ACTION_ALLOW, "[\"resend\"]", "a ***", "a bad", .rows = ""},
        {COMMAND_AFTER, ACTION_FLAG, "[\"recall\",\"resend\"]", "a ***", "a bad", .msg_seq = 9,
         .rows = "recall::-:-:-:9:queued:a rule asks for it|send_text:ann:a ***:-:-:9:held:a rule asks for it"},
        {COMMAND_AFTER, ACTION_FLAG, "[\"resend\"]", "a ***", "a bad",
         .rows = "send_text:ann:a ***:-:-:-:cancelled:its webhook names no message that could be recalled"},
        {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\"]", NULL, "a bad",
         .rows = "send_text:ann:a bad:-:-:-:cancelled:there is no corrected text"},
        {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\"]", "a bad", "a bad",
         .rows = "send_text:ann:a bad:-:-:-:cancelled:the corrected text is the original"},
        {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\"]", "", "a bad",
         .rows = "send_text:ann::-:-:-:cancelled:nothing is left of the text"},
        {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\"]", "***",
         .elements = "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"bad\"}},"
                     "{\"MsgType\":\"TIMFaceElem\",\"MsgContent\":{\"Index\":1,\"Data\":\"x\"}}]",
         .rows = "send_text:ann:***:-:-:-:cancelled:the message is not made of text elements alone"},
        {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\"]", "***",
         .elements =
             "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"ba\"}},"
             "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"d \\u0000 \\ud83d \\\\u0000 \\ud83d\\ude00\"}}]",
         .rows = "send_text:ann:***:-:-:-:queued:a rule asks for it"},
        /* whose application has no REST access */
        {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\",\"mute 1m\"]", "***", "bad", .sdkappid = 1400000002,
         .rows = "mute:ann:-:-:60:-:cancelled:no REST access is configured for this application|"
                 "send_text:ann:***:-:-:-:cancelled:no REST access is configured for this application"},
        /* nothing, and nothing that is known */
        {COMMAND_BEFORE, ACTION_REJECT, NULL, "***", "bad", .rows = ""},
        {COMMAND_BEFORE, ACTION_REJECT, "[\"dance\",\"mute\",\"mute x\",\"resend \"]", "***", "bad", .rows = ""},
        {COMMAND_BEFORE, ACTION_REJECT, "[]", "***", "bad", .rows = ""},
        {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\"]", long_text, "bad",
         .rows = "long:cancelled:the corrected message is longer than 12 KB"},
    };
    struct bench b;
    uint64_t last = 0;

    memset(long_text, 'x', sizeof(long_text) - 1);
    bench_open(&b, *state);
    b.apps = with_access;
    b.app_count = 2;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char room[32];

        snprintf(room, sizeof(room), "case-%zu", i);
        last = append_asked(&b, &cases[i], room, i + 1);
    }
    b.loader = start_loader(&b, b.url, "one", 1000);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char room[32];

        snprintf(room, sizeof(room), "case-%zu", i);
        print_message("case %zu\n", i);
        if (strncmp(cases[i].rows, "long:", 5) == 0)
            assert_string_equal(strstr(rows_of(&b, room), "cancelled:"), cases[i].rows + 5);
        else
            assert_string_equal(rows_of(&b, room), cases[i].rows);
    }
    assert_int_equal(query_number(b.db,
                                  "SELECT count(*) FROM chatsluice.outbox o JOIN chatsluice.event e ON "
                                  "e.group_id = o.room_id AND e.event_time = o.event_time AND e.event_id = "
                                  "o.event_id WHERE o.asked_at = e.received_at AND o.asked_by = 'r' AND o.cause = "
                                  "'rule' AND o.expires_at = o.asked_at + interval '2 minutes' AND o.random "
                                  "BETWEEN 0 AND 4294967295"),
                     query_number(b.db, "SELECT count(*) FROM chatsluice.outbox"));
    bench_close(&b);
}

/* Once ------------------------------------------------------------------------------------------------------------ */

static const struct asked corrected = {COMMAND_BEFORE, ACTION_REJECT, "[\"resend\",\"mute 1m\"]",
                                       "***",          "bad",         .rows = NULL};
static const struct asked recalled = {COMMAND_AFTER, ACTION_FLAG, "[\"recall\",\"resend\",\"mute 1m\"]",
                                      "***",         "bad",       .msg_seq = 5};

/* The careful way, which an After that comes twice forces, writes what the plain way does. */
static void a_repeated_after_asks_once(void **state)
{
    struct bench b;
    uint64_t last;
    int64_t written = metric_value(METRIC_FOLLOW_UPS_WRITTEN);

    bench_open(&b, *state);
    b.apps = with_access;
    b.app_count = 1;
    append_asked(&b, &corrected, "g", 1);
    append_asked(&b, &recalled, "g", 2);
    append_asked(&b, &recalled, "g", 2);
    last = append_asked(&b, &corrected, "g", 3);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    last = append_asked(&b, &recalled, "g", 2); /* and once more in a batch of its own */
    wait_for_position(b.loader, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event"), 3);
    assert_string_equal(query_text(b.db, "SELECT string_agg(action || n, ' ' ORDER BY action) FROM (SELECT action, "
                                         "count(*) n FROM chatsluice.outbox GROUP BY 1) t"),
                        "mute3 recall1 send_text3");
    loader_stop(b.loader);
    b.loader = NULL;
    assert_int_equal(metric_value(METRIC_FOLLOW_UPS_WRITTEN) - written, 7);
    bench_close(&b);
}

static void loading_again_asks_once(void **state)
{
    struct bench b;
    uint64_t last = 0;

    bench_open(&b, *state);
    b.apps = with_access;
    b.app_count = 1;
    for (unsigned long i = 1; i <= 50; i++)
        last = append_asked(&b, &corrected, "g", i);
    b.loader = start_loader(&b, b.url, "one", 20);
    wait_for_position(b.loader, last);
    loader_stop(b.loader);
    run_sql(b.db, "CREATE TABLE before AS SELECT * FROM chatsluice.outbox");
    run_sql(b.db, "UPDATE chatsluice.outbox SET state = 'done'"); /* and what has happened since stays */
    spool_close(b.spool);
    open_spool(&b);
    run_sql(b.db, "UPDATE chatsluice.spool_position SET seq = 0");
    b.loader = start_loader(&b, b.url, "one", 7);
    wait_for_position(b.loader, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.outbox WHERE state = 'done'"), 100);
    assert_int_equal(query_number(b.db,
                                  "SELECT count(*) FROM chatsluice.outbox NATURAL JOIN (SELECT room_id, outbox_id, "
                                  "random, expires_at FROM before) t"),
                     100);
    bench_close(&b);
}

static void count_call(void *arg)
{
    (void)arg;
    static atomic_int calls;

    metric_set(METRIC_IN_FLIGHT, atomic_fetch_add(&calls, 1) + 1);
}

/* Called after the COMMIT, and only for batches that wrote something. */
static void the_sender_is_told(void **state)
{
    struct bench b;
    uint64_t last;
    int64_t calls;

    bench_open(&b, *state);
    b.apps = with_access;
    b.app_count = 1;
    b.on_follow_ups = count_call;
    append_before(&b, "g", "ann", 1, "hi", 0);
    last = append_after(&b, "g", "ann", 1, "hi", 1, 0);
    metric_set(METRIC_IN_FLIGHT, 0);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    last = append_before(&b, "g", "ann", 2, "hi", 0);
    wait_for_position(b.loader, last);
    assert_int_equal(metric_value(METRIC_IN_FLIGHT), 0);
    last = append_asked(&b, &corrected, "g", 3);
    for (calls = 0; metric_value(METRIC_IN_FLIGHT) == 0 && calls < 30000; calls++)
        clock_sleep_ms(1);
    assert_int_equal(metric_value(METRIC_IN_FLIGHT), 1);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.outbox"), 2);
    wait_for_position(b.loader, last);
    bench_close(&b);
}

static void applications_can_change(void **state)
{
    struct bench b;
    uint64_t last;
    struct err err = {0};

    bench_open(&b, *state);
    last = append_asked(&b, &corrected, "one", 1);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    assert_int_equal(loader_reload(b.loader, with_access, 2, 60000, &err), 0);
    last = append_asked(&b, &corrected, "two", 2);
    wait_for_position(b.loader, last);
    assert_int_equal(loader_reload(b.loader, with_access + 1, 1, 60000, &err), 0);
    last = append_asked(&b, &corrected, "three", 3);
    wait_for_position(b.loader, last);
    assert_int_equal(loader_reload(NULL, NULL, 0, 0, &err), 0);
    assert_string_equal(query_text(b.db, "SELECT string_agg(concat_ws(' ', room_id, state, expires_at - asked_at), ',' "
                                         "ORDER BY room_id) FROM chatsluice.outbox WHERE action = 'mute'"),
                        "one cancelled 00:02:00,three cancelled 00:01:00,two queued 00:01:00");
    bench_close(&b);
}

/* Refused --------------------------------------------------------------------------------------------------------- */

static void refused_follow_ups_never_stop_the_events(void **state)
{
    struct bench b;
    struct asked poison = corrected;
    uint64_t last = 0;
    int64_t refused = metric_value(METRIC_FOLLOW_UPS_REFUSED);

    poison.becomes = "poison";
    bench_open(&b, *state);
    b.apps = with_access;
    b.app_count = 1;
    run_sql(b.db, "ALTER TABLE chatsluice.outbox ADD CONSTRAINT poison CHECK (text <> 'poison')");
    for (unsigned long i = 1; i <= 40; i++)
        last = append_asked(&b, i == 1 || i == 17 || i == 40 ? &poison : &corrected, "g", i);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    assert_exactly_once(&b, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.event"), 40);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.outbox"), 2 * 37);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.dead_letter"), 0);

    run_sql(b.db, "ALTER FUNCTION chatsluice.outbox_enqueue RENAME TO gone"); /* a fault of any other kind neither */
    last = append_asked(&b, &corrected, "g", 41);
    wait_for_position(b.loader, last);
    loader_stop(b.loader);
    b.loader = NULL;
    assert_int_equal(metric_value(METRIC_FOLLOW_UPS_REFUSED) - refused, 4);
    bench_close(&b);
}

/* A record PostgreSQL refuses is parked: what it asked for is not done either. */
static void a_parked_event_asks_for_nothing(void **state)
{
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    b.apps = with_access;
    b.app_count = 1;
    run_sql(b.db, "ALTER TABLE chatsluice.event ADD CONSTRAINT poison CHECK (rewritten <> 'poison')");
    struct asked poison = corrected;
    poison.becomes = "poison";
    append_asked(&b, &poison, "bad", 1);
    last = append_asked(&b, &corrected, "good", 2);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.dead_letter"), 1);
    assert_string_equal(query_text(b.db, "SELECT string_agg(DISTINCT room_id, ',') FROM chatsluice.outbox"), "good");
    bench_close(&b);
}

/* Our own messages ------------------------------------------------------------------------------------------------ */

/* An After webhook from the REST API, without marker, is a sighting only where something was sent; and a rule that it
 * breaks asks for nothing when it says what a correction said. */
static void an_echo_asks_for_nothing(void **state)
{
    struct bench b;
    struct asked own = {COMMAND_AFTER,         ACTION_FLAG, "[\"recall\",\"resend\",\"mute 1m\"]", "a ****", "a ***",
                        .platform = "RESTAPI", .msg_seq = 3};
    uint64_t last;

    bench_open(&b, *state);
    b.apps = with_access;
    b.app_count = 1;
    last = append_asked(
        &b, &(struct asked){COMMAND_BEFORE, ACTION_REJECT, "[\"resend\"]", "a ***", "a bad", .rows = NULL}, "g", 1);
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    run_sql(b.db,
            "UPDATE chatsluice.outbox SET sent_at = to_timestamp((SELECT extract(epoch FROM max(received_at)) FROM "
            "chatsluice.event)), state = 'waiting', attempts = 1");
    append_asked(&b, &own, "g", 2);
    append_asked(&b, &own, "other", 2); /* nothing was sent there */
    own.platform = "";                  /* it may be ours */
    own.msg_seq = 5;
    append_asked(&b, &own, "g", 4);
    own.platform = "iOS";
    own.msg_seq = 4;
    last = append_asked(&b, &own, "g", 3); /* not from the REST API: an ordinary message with these words */
    wait_for_position(b.loader, last);
    assert_string_equal(query_text(b.db,
                                   "SELECT string_agg(concat_ws(' ', room_id, msg_seq, action, state), ', ' ORDER BY "
                                   "room_id, state, action, msg_seq) FROM chatsluice.outbox WHERE event_id IN (SELECT "
                                   "event_id FROM chatsluice.event WHERE command = 'after')"),
                        "g mute cancelled, g mute cancelled, g 3 recall cancelled, g 5 recall cancelled, "
                        "g 3 send_text cancelled, g 5 send_text cancelled, "
                        "g 4 send_text held, g mute queued, g 4 recall queued, "
                        "other 3 send_text held, other mute queued, other 3 recall queued");
    assert_int_equal(
        query_number(b.db, "SELECT count(*) FROM chatsluice.outbox WHERE reason = 'an echo of a correction'"), 6);
    bench_close(&b);
}

struct own {
    enum command command;
    const char *platform;
    enum marker_use marker; /* MARKER_ABSENT: no marker */
    bool follow_ups;
    const char *seen; /* "" when it is no sighting */
};

/* Which webhooks are sightings, and that a message with a true marker asks for nothing. */
static void own_messages_become_sightings(void **state)
{
    static const struct own cases[] = {
        {COMMAND_BEFORE, "RESTAPI", MARKER_ACCEPTED, false, "before marked allow 1"},
        {COMMAND_BEFORE, "", MARKER_LATE, true, "before marked allow 2"},
        {COMMAND_BEFORE, "RESTAPI", MARKER_USED, true, "before marked allow 3"},
        {COMMAND_BEFORE, "iOS", MARKER_COPIED, true, ""},
        {COMMAND_BEFORE, "RESTAPI", MARKER_ABSENT, false, ""},
        {COMMAND_AFTER, "RESTAPI", MARKER_ACCEPTED, true, "after marked allow 6"},
        {COMMAND_AFTER, "restapi", MARKER_ABSENT, false, "after unmarked allow 7"},
        {COMMAND_AFTER, "Android", MARKER_ABSENT, false, ""},
        {COMMAND_AFTER, "iOS", MARKER_COPIED, true, ""},
        {COMMAND_AFTER, "", MARKER_ABSENT, false, "after unmarked allow 10"},
    };
    static const char outbox_id[] = "11111111-1111-8111-8111-111111111111";
    struct bench b;
    uint64_t last = 0;

    bench_open(&b, *state);
    b.apps = with_access;
    b.app_count = 1;
    run_sql(b.db,
            "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, "
            "asked_at, state, reason, expires_at, random, sent_at, attempts) VALUES ('g', "
            "'11111111-1111-8111-8111-111111111111', 1400000001, 'send_text', 'ann', 'x', 'rule', 'r', now(), "
            "'waiting', '-', now() + interval '1 hour', 7, now(), 1)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char body[512];
        struct event_record record = {
            .received_us = b.now_us,
            .sdkappid = 1400000001,
            .command = cases[i].command,
            .platform = span_of(cases[i].platform),
            .rule = SPAN("r"),
            .becomes = SPAN("other"),
            .follow_ups_json =
                cases[i].follow_ups ? SPAN("[\"mute 1m\",\"resend\",\"recall\"]") : (struct span){NULL, 0},
            .correction_id = cases[i].marker != MARKER_ABSENT ? span_of(outbox_id) : (struct span){NULL, 0},
            .marker = cases[i].marker,
        };

        snprintf(body, sizeof(body),
                 "{\"CallbackCommand\":\"%s\",\"GroupId\":\"g\",\"From_Account\":\"ann\",\"Random\":%zu,\"MsgSeq\":%zu,"
                 "\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"words\"}}]}",
                 cases[i].command == COMMAND_AFTER ? "Group.CallbackAfterSendMsg" : "Group.CallbackBeforeSendMsg",
                 i + 1, i + 1);
        record.body = span_of(body);
        last = append_record(&b, &record);
    }
    b.loader = start_loader(&b, b.url, "one", 100);
    wait_for_position(b.loader, last);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char sql[512];

        snprintf(
            sql, sizeof(sql),
            "SELECT concat_ws(' ', command, CASE WHEN outbox_id IS NULL THEN 'unmarked' ELSE 'marked' END, verdict, "
            "random) FROM chatsluice.outbox_sighting WHERE random = %zu AND account = 'ann' AND room_id = 'g'",
            i + 1);
        print_message("case %zu\n", i);
        assert_string_equal(query_text(b.db, sql), cases[i].seen);
    }
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.outbox"), 1);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.outbox_sighting"), 6);
    /* Of the first Before and the After without a marker only one with the same Random tells of the row. */
    run_sql(b.db, "DELETE FROM chatsluice.outbox_sighting WHERE command = 'after' AND outbox_id IS NOT NULL");
    assert_int_equal(query_number(b.db, "SELECT chatsluice.outbox_sweep('20 seconds', false, 3)"), 0);
    run_sql(b.db, "UPDATE chatsluice.outbox_sighting SET random = 1 WHERE command = 'after'");
    assert_int_equal(query_number(b.db, "SELECT chatsluice.outbox_sweep('20 seconds', false, 3)"), 1);
    assert_string_equal(query_text(b.db, "SELECT concat_ws(' ', state, delivered_text) FROM moderation.correction"),
                        "done words");
    assert_string_equal(query_text(b.db,
                                   "SELECT string_agg(part || n, ' ' ORDER BY part) FROM (SELECT part, count(*) n FROM "
                                   "moderation.corrected_event WHERE room_id = 'g' GROUP BY 1) t"),
                        "after2 before3");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_become_rows),
        cmocka_unit_test(a_repeated_after_asks_once),
        cmocka_unit_test(loading_again_asks_once),
        cmocka_unit_test(the_sender_is_told),
        cmocka_unit_test(applications_can_change),
        cmocka_unit_test(refused_follow_ups_never_stop_the_events),
        cmocka_unit_test(a_parked_event_asks_for_nothing),
        cmocka_unit_test(an_echo_asks_for_nothing),
        cmocka_unit_test(own_messages_become_sightings),
    };

    return cmocka_run_group_tests_name("store/follow_up", tests, postgres_setup, postgres_teardown);
}
