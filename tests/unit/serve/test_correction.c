/* Our own corrections come back as webhooks: let through once, by their marker; whatever else has one is a message as
 * any other. And what events keep of a message that is to be corrected. */
#include "service.h"

#include "base/json_write.h"
#include "wire/marker.h"

#include <pthread.h>

#define BEFORE "Group.CallbackBeforeSendMsg"
#define AFTER  "Group.CallbackAfterSendMsg"
#define ID     "872cb24b-d851-473a-9a47-3b2cb9c5b3e2"
#define TEXT   "so bad"

static char secret[] = "the secret key of the application", other_secret[] = "another";

/* What the marker must save our own text from. */
static const char rules[] = "- rule: bad\n"
                            "  match: { regex: 'bad' }\n"
                            "  action: reject\n"
                            "  then: [resend, \"mute 10m\"]\n"
                            "- rule: often\n"
                            "  match: { rate: { times: 2, within: 3600s, by: sender_in_room } }\n"
                            "  scope: { senders: [counted] }\n"
                            "  action: discard\n"
                            "- rule: ugly\n"
                            "  match: { regex: 'ugly' }\n"
                            "  action: mask\n"
                            "  mask: '#'\n"
                            "  then: [resend]\n"
                            "- rule: foul\n"
                            "  match: { regex: 'foul' }\n"
                            "  action: discard\n"
                            "  replace: gone\n"
                            "  then: [resend]\n"
                            "- rule: plain\n"
                            "  match: { regex: 'plain' }\n"
                            "  action: reject\n";

/* One webhook. */
struct sent {
    const char *command, *platform; /* platform NULL: not named */
    uint64_t app;
    const char *sender, *text;
    const char *elements;         /* of MsgBody; NULL: one text element */
    struct optional_text carried; /* CloudCustomData */
};

static struct service service;
static struct client_reply reply;
static struct event_record record;
static struct buf record_bytes, marked_data;

static int start(void **state)
{
    struct config config = service_config();

    (void)state;
    config.apps[0].secret_key = secret;
    service_start(&service, &config, rules);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    service_stop(&service);
    client_reply_release(&reply);
    buf_release(&record_bytes);
    buf_release(&marked_data);
    return 0;
}

static int64_t now_s(void)
{
    return clock_wall_us() / 1000000;
}

static void write_body(struct buf *out, const struct sent *sent)
{
    buf_add_char(out, '{');
    json_add_member_text(out, "CallbackCommand", sent->command);
    json_add_member_text(out, "GroupId", "room-7");
    json_add_member_text(out, "From_Account", sent->sender);
    json_add_member_u64(out, "MsgSeq", 812);
    json_add_key(out, "MsgBody");
    if (sent->elements) {
        buf_add_text(out, sent->elements);
    } else {
        buf_add_text(out, "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{");
        json_add_member_text(out, "Text", sent->text);
        buf_add_text(out, "}}]");
    }
    if (sent->carried.presence == GIVEN)
        json_add_member_span(out, "CloudCustomData", sent->carried.text);
    if (sent->carried.presence == IS_NULL)
        json_add_member_span(out, "CloudCustomData", (struct span){NULL, 0});
    buf_add_char(out, '}');
}

/* From any thread: the answer to a webhook. */
static void ask(const struct sent *sent, struct client_reply *answer)
{
    const char *token = sent->app == SERVICE_APP ? service_token : service_second_token;
    struct client c = client_open(service.port);
    struct buf body = BUF_INIT, query = BUF_INIT;
    char time[24], sign[SIGNATURE_HEX + 1];

    write_body(&body, sent);
    snprintf(time, sizeof(time), "%" PRId64, now_s());
    signature_make(token, span_of(time), sign);
    buf_addf(&query, "SdkAppid=%" PRIu64 "&Sign=%s&RequestTime=%s", sent->app, sign, time);
    if (sent->platform)
        buf_addf(&query, "&OptPlatform=%s", sent->platform);
    service_send(&c, query.data, buf_span(&body));
    assert_true(client_read(&c, answer));
    assert_int_equal(answer->status, 200);
    buf_release(&body);
    buf_release(&query);
    client_close(&c);
}

/* The same, and its record. */
static void send_webhook(const struct sent *sent)
{
    ask(sent, &reply);
    assert_true(service_next_record(&service, &record, &record_bytes));
}

static struct sent from_sender(const char *text)
{
    return (struct sent){
        .command = BEFORE, .platform = "Android", .app = SERVICE_APP, .sender = "viewer_19", .text = text};
}

/* The webhook of a call of ours: CloudCustomData is in marked_data. */
static struct sent corrected(uint32_t attempt, int64_t at_s, struct optional_text own)
{
    struct sent sent = from_sender(TEXT);
    struct marker marker = {.id = ID, .attempt = attempt, .at_s = at_s};
    const struct marked marked = {SPAN("room-7"), SPAN("viewer_19"), SPAN(TEXT), own};
    uint8_t key[MARKER_KEY];
    struct err err;

    marker_key(key, secret);
    buf_reset(&marked_data);
    assert_int_equal(marker_add(&marked_data, key, &marker, &marked, &err), 0);
    sent.platform = "RESTAPI";
    sent.carried = (struct optional_text){GIVEN, buf_span(&marked_data)};
    return sent;
}

static void expect_accepted(const struct sent *sent, const char *own)
{
    struct buf wanted = BUF_INIT;

    send_webhook(sent);
    buf_add_text(&wanted, "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"");
    json_add_member_text(&wanted, "CloudCustomData", own);
    buf_add_char(&wanted, '}');
    assert_string_equal(buf_text(&reply.body), wanted.data);
    assert_int_equal(record.action, ACTION_ALLOW);
    assert_int_equal(record.decided_by, DECIDED_CORRECTION);
    assert_int_equal(record.marker, MARKER_ACCEPTED);
    assert_true(span_is(record.correction_id, ID));
    assert_int_equal(record.revision, 7);
    assert_null(record.rule.data);
    assert_null(record.hits_json.data);
    assert_null(record.follow_ups_json.data);
    assert_null(record.becomes.data);
    assert_true(span_equal(record.message.cloud_custom_data.text, sent->carried.text)); /* as it came */
    buf_release(&wanted);
}

/* Judged as any other message: rejected for its text. */
static void expect_judged(const struct sent *sent, enum marker_use use, bool has_follow_ups, bool has_id)
{
    send_webhook(sent);
    assert_non_null(strstr(buf_text(&reply.body), strcmp(sent->command, BEFORE) == 0 ? "\"ErrorCode\":1," : "0,"));
    assert_int_equal(record.action, ACTION_REJECT);
    assert_int_equal(record.decided_by, DECIDED_RULE);
    assert_true(span_is(record.rule, "bad"));
    assert_int_equal(record.marker, use);
    assert_int_equal(record.follow_ups_json.data != NULL, has_follow_ups);
    assert_int_equal(record.correction_id.data != NULL, has_id);
    if (has_id)
        assert_true(span_is(record.correction_id, ID));
    if (!has_follow_ups)
        assert_null(record.becomes.data); /* nothing will be sent */
}

static const struct optional_text lvl = {GIVEN, {"{\"lvl\":3}", 9}};

static void a_correction_is_let_through_without_its_marker(void **state)
{
    static const struct {
        struct optional_text own;
        const char *shown;
    } cases[] = {
        {{MISSING, {NULL, 0}}, ""},
        {{IS_NULL, {NULL, 0}}, ""},
        {{GIVEN, {"", 0}}, ""},
        {{GIVEN, {"words \"and\" \n", 13}}, "words \"and\" \n"},
        {{GIVEN, {"{ \"lvl\": 3 }", 12}}, "{ \"lvl\": 3 }"},
    };
    int64_t accepted = metric_value(METRIC_MARKERS_ACCEPTED), allowed = metric_value(METRIC_VERDICTS_ALLOW);

    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        struct sent sent = corrected(i, now_s(), cases[i].own);

        expect_accepted(&sent, cases[i].shown);
    }
    assert_int_equal(metric_value(METRIC_MARKERS_ACCEPTED), accepted + 5);
    assert_int_equal(metric_value(METRIC_VERDICTS_ALLOW), allowed + 5);
}

static void only_rest_calls_bring_corrections(void **state)
{
    static const char *const rest[] = {"RESTAPI", "restapi", "Unknown", "Unkown", "", NULL};
    static const char *const clients[] = {"Android", "iOS",   "IOS",  "Web", "Windows",
                                          "Mac",     "macOS", "iPad", "New", "%00"};
    int64_t copied = metric_value(METRIC_MARKERS_COPIED);

    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        struct sent sent = corrected(100, now_s(), lvl);

        sent.platform = clients[i];
        expect_judged(&sent, MARKER_COPIED, false, false);
    }
    assert_int_equal(metric_value(METRIC_MARKERS_COPIED), copied + 10);
    for (uint32_t i = 0; i < 6; i++) { /* the first has not been used up by the copies */
        struct sent sent = corrected(100 + i, now_s(), lvl);

        sent.platform = rest[i];
        expect_accepted(&sent, "{\"lvl\":3}");
    }
}

static void a_marker_is_worth_one_message(void **state)
{
    struct sent sent = corrected(1, now_s(), lvl);
    int64_t used = metric_value(METRIC_MARKERS_USED);

    (void)state;
    expect_accepted(&sent, "{\"lvl\":3}");
    expect_judged(&sent, MARKER_USED, false, true);
    expect_judged(&sent, MARKER_USED, false, true);
    assert_int_equal(metric_value(METRIC_MARKERS_USED), used + 2);
    sent = corrected(1, now_s() - 1, lvl); /* another time is no other marker */
    expect_judged(&sent, MARKER_USED, false, true);
    sent = corrected(2, now_s(), lvl); /* another attempt is */
    expect_accepted(&sent, "{\"lvl\":3}");
}

static void a_marker_is_worth_a_minute(void **state)
{
    const int64_t off[] = {-MARKER_LIFE_S - 5, MARKER_LIFE_S + 5, -100000};
    int64_t late = metric_value(METRIC_MARKERS_LATE);
    struct sent sent;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sent = corrected(1, now_s() + off[i], lvl);
        expect_judged(&sent, MARKER_LATE, false, true);
    }
    assert_int_equal(metric_value(METRIC_MARKERS_LATE), late + 3);
    sent = corrected(1, now_s() - MARKER_LIFE_S + 10, lvl); /* the late ones did not use it up */
    expect_accepted(&sent, "{\"lvl\":3}");
    sent = corrected(2, now_s() + MARKER_LIFE_S - 10, lvl);
    expect_accepted(&sent, "{\"lvl\":3}");
}

static void what_is_not_ours_is_a_message_as_any_other(void **state)
{
    int64_t forged = metric_value(METRIC_MARKERS_FORGED);
    struct sent sent = corrected(1, now_s(), lvl);

    (void)state;
    sent.text = "so bad!"; /* not the text it was made for */
    expect_judged(&sent, MARKER_WRONG, true, false);
    sent = corrected(1, now_s(), lvl);
    sent.sender = "viewer_20";
    expect_judged(&sent, MARKER_WRONG, true, false);
    sent = corrected(1, now_s(), lvl);
    sent.elements = "[{\"MsgType\":\"TIMCustomElem\",\"MsgContent\":{\"Data\":\"" TEXT "\"}}]";
    expect_judged(&sent, MARKER_WRONG, true, false);
    sent = corrected(1, now_s(), lvl);
    sent.elements = "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"" TEXT "\"}},"
                    "{\"MsgType\":\"TIMSoundElem\",\"MsgContent\":{}}]";
    expect_judged(&sent, MARKER_WRONG, true, false);
    sent = from_sender(TEXT);
    sent.carried = (struct optional_text){GIVEN, SPAN("{\"chatsluice\":true}")};
    expect_judged(&sent, MARKER_WRONG, true, false);
    sent.carried = lvl;
    expect_judged(&sent, MARKER_ABSENT, true, false);
    assert_int_equal(metric_value(METRIC_MARKERS_FORGED), forged + 5);
}

static void an_application_without_a_key_has_no_markers(void **state)
{
    struct sent sent = corrected(1, now_s(), lvl);

    (void)state;
    sent.app = SERVICE_SECOND_APP;
    expect_judged(&sent, MARKER_ABSENT, true, false);
}

static void another_key_is_taken_over(void **state)
{
    struct sent sent;
    struct err err;

    (void)state;
    service.config.apps[0].secret_key = other_secret;
    assert_int_equal(webhook_reload(service.webhook, &service.config, &err), 0);
    sent = corrected(1, now_s(), lvl);
    expect_judged(&sent, MARKER_WRONG, true, false);
    service.config.apps[0].secret_key = NULL;
    assert_int_equal(webhook_reload(service.webhook, &service.config, &err), 0);
    expect_judged(&sent, MARKER_ABSENT, true, false);
}

static void after_webhooks_show_what_arrived(void **state)
{
    static const int64_t off[] = {0, 0, -1000, 1000}; /* also twice, and late */
    struct sent sent;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        sent = corrected(1, now_s() + off[i], lvl);
        sent.command = AFTER;
        send_webhook(&sent);
        assert_string_equal(buf_text(&reply.body), "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}");
        assert_int_equal(record.command, COMMAND_AFTER);
        assert_int_equal(record.action, ACTION_ALLOW);
        assert_int_equal(record.decided_by, DECIDED_CORRECTION);
        assert_int_equal(record.marker, MARKER_ACCEPTED);
        assert_true(span_is(record.correction_id, ID));
        assert_null(record.follow_ups_json.data);
    }
    sent.platform = "iOS";
    expect_judged(&sent, MARKER_COPIED, false, false);
    sent.text = "so bad too";
    expect_judged(&sent, MARKER_WRONG, true, false);
    sent = corrected(1, now_s(), lvl); /* none of them has used it up */
    expect_accepted(&sent, "{\"lvl\":3}");
}

/* Two of the sender's own an hour: our corrections under their name are not among them. */
static void corrections_do_not_count_as_the_sender_s(void **state)
{
    static const enum action wanted[] = {ACTION_ALLOW, ACTION_ALLOW, ACTION_DISCARD};
    const struct marked marked = {SPAN("room-7"), SPAN("counted"), SPAN("hello"), {MISSING, {NULL, 0}}};
    struct marker marker = {.id = ID, .at_s = now_s()};
    struct sent sent = from_sender("hello");
    uint8_t key[MARKER_KEY];
    struct err err;

    (void)state;
    sent.sender = "counted";
    marker_key(key, secret);
    for (size_t i = 0; i < 3; i++) {
        sent.platform = "Android";
        sent.carried = (struct optional_text){MISSING, {NULL, 0}};
        send_webhook(&sent);
        assert_int_equal(record.action, wanted[i]);
        for (size_t k = 0; k < 4; k++) {
            marker.attempt++;
            buf_reset(&marked_data);
            assert_int_equal(marker_add(&marked_data, key, &marker, &marked, &err), 0);
            sent.platform = "RESTAPI";
            sent.carried = (struct optional_text){GIVEN, buf_span(&marked_data)};
            expect_accepted(&sent, "");
        }
    }
}

/* What events keep of messages that are to be sent again -------------------------------------------------------------
 */

static void expect_recorded(const struct sent *sent, enum action action, const char *becomes, const char *custom_data)
{
    send_webhook(sent);
    assert_int_equal(record.action, action);
    assert_int_equal(record.becomes.data != NULL, becomes != NULL);
    if (becomes)
        assert_true(span_is(record.becomes, becomes));
    assert_int_equal(record.becomes_custom_data.data != NULL, custom_data != NULL);
    if (custom_data)
        assert_true(span_is(record.becomes_custom_data, custom_data));
}

static void corrected_texts_are_recorded(void **state)
{
    static const struct {
        const char *text, *custom_data;
        enum action action;
        const char *reply; /* to the Before */
        const char *before, *before_data, *after, *after_data;
    } cases[] = {
        {"so bad, ugly", "x", ACTION_REJECT, "\"ErrorCode\":1,\"ErrorInfo\":\"\"}", "so ***, ####", NULL,
         "so ***, ####", NULL},
        {"hello", "bad data", ACTION_REJECT, "\"ErrorCode\":1,\"ErrorInfo\":\"\"}", "hello", "*** data", "hello",
         "*** data"},
        {"foul", NULL, ACTION_DISCARD, "\"ErrorCode\":2,\"ErrorInfo\":\"\"}", "gone", NULL, "gone", NULL},
        {"plain ugly", NULL, ACTION_REJECT, "\"ErrorCode\":1,\"ErrorInfo\":\"\"}", NULL, NULL, NULL, NULL},
        {"ugly", "ugly", ACTION_MASK, "\"Text\":\"####\"}}],\"CloudCustomData\":\"####\"}", "####", "####", "####",
         "####"},
        {"hello", NULL, ACTION_ALLOW, "\"ErrorCode\":0,\"ErrorInfo\":\"\"}", NULL, NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sent sent = from_sender(cases[i].text);

        sent.carried = (struct optional_text){cases[i].custom_data ? GIVEN : MISSING, span_of(cases[i].custom_data)};
        expect_recorded(&sent, cases[i].action, cases[i].before, cases[i].before_data);
        assert_non_null(strstr(buf_text(&reply.body), cases[i].reply));
        sent.command = AFTER;
        expect_recorded(&sent, cases[i].action, cases[i].after, cases[i].after_data);
        assert_string_equal(buf_text(&reply.body), "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}");
    }
}

/* A verdict that came too late for the reply is what the resend carries out, unless the reply let the message pass. */
static void a_late_verdict_is_recorded_for_the_resend(void **state)
{
    static const struct {
        enum fallback fallback;
        enum action action;
        const char *becomes;
    } cases[] = {
        {FALLBACK_DISCARD, ACTION_DISCARD, "so ####"},
        {FALLBACK_REJECT, ACTION_REJECT, "so ####"},
        {FALLBACK_ALLOW, ACTION_ALLOW, NULL},
    };
    struct sent sent = from_sender("so ugly");
    struct err err;

    (void)state;
    service.config.webhook.deadline_ms = 0;
    for (size_t i = 0; i < 3; i++) {
        service.config.webhook.fallback_verdict = cases[i].fallback;
        assert_int_equal(webhook_reload(service.webhook, &service.config, &err), 0);
        ask(&sent, &reply);
        spool_wait(service.spool, service.read_seq + 1, 20000); /* the record follows */
        assert_true(service_next_record(&service, &record, &record_bytes));
        assert_int_equal(record.decided_by, DECIDED_DEADLINE);
        assert_int_equal(record.action, cases[i].action);
        assert_true(span_is(record.follow_ups_json, "[\"resend\"]"));
        assert_int_equal(record.becomes.data != NULL, cases[i].becomes != NULL);
        if (cases[i].becomes)
            assert_true(span_is(record.becomes, cases[i].becomes));
    }
}

struct racer {
    pthread_t thread;
    const struct sent *sent;
    bool accepted;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct client_reply answer = {0};

    ask(racer->sent, &answer);
    racer->accepted = strstr(buf_text(&answer.body), "\"ErrorCode\":0,") != NULL;
    client_reply_release(&answer);
    return NULL;
}

static void of_many_at_once_one_is_accepted(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 20; round++) {
        struct sent sent = corrected(round, now_s(), lvl);
        struct racer racers[8];
        unsigned accepted = 0;

        for (size_t i = 0; i < 8; i++) {
            racers[i] = (struct racer){.sent = &sent};
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        }
        for (size_t i = 0; i < 8; i++) {
            pthread_join(racers[i].thread, NULL);
            accepted += racers[i].accepted;
        }
        assert_int_equal(accepted, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_correction_is_let_through_without_its_marker, start, stop),
        cmocka_unit_test_setup_teardown(only_rest_calls_bring_corrections, start, stop),
        cmocka_unit_test_setup_teardown(a_marker_is_worth_one_message, start, stop),
        cmocka_unit_test_setup_teardown(a_marker_is_worth_a_minute, start, stop),
        cmocka_unit_test_setup_teardown(what_is_not_ours_is_a_message_as_any_other, start, stop),
        cmocka_unit_test_setup_teardown(an_application_without_a_key_has_no_markers, start, stop),
        cmocka_unit_test_setup_teardown(another_key_is_taken_over, start, stop),
        cmocka_unit_test_setup_teardown(after_webhooks_show_what_arrived, start, stop),
        cmocka_unit_test_setup_teardown(corrections_do_not_count_as_the_sender_s, start, stop),
        cmocka_unit_test_setup_teardown(corrected_texts_are_recorded, start, stop),
        cmocka_unit_test_setup_teardown(a_late_verdict_is_recorded_for_the_resend, start, stop),
        cmocka_unit_test_setup_teardown(of_many_at_once_one_is_accepted, start, stop),
    };

    return cmocka_run_group_tests_name("correction", tests, NULL, NULL);
}
