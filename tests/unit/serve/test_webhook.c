/* The webhook side with everything real but PostgreSQL: who is admitted, what each command is answered and what is
 * recorded, what happens when the spool cannot take it, reload under load. */
#include "service.h"

#include <pthread.h>
#include <stdatomic.h>

#define BEFORE "Group.CallbackBeforeSendMsg"
#define AFTER  "Group.CallbackAfterSendMsg"

#define MESSAGE(command, text)                                                                                         \
    "{\"CallbackCommand\":\"" command "\",\"GroupId\":\"room-7\",\"Type\":\"Live\",\"From_Account\":\"viewer_19\","    \
    "\"Operator_Account\":\"viewer_19\",\"Random\":3204417755,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","              \
    "\"MsgContent\":{\"Text\":\"" text "\"}}],\"MsgSeq\":812,\"EventTime\":1764000000123}"

static const char rules[] = "- list: words\n"
                            "  terms: [maskme, hideme, codeme, dropme, stopme, swapme, noteme]\n"
                            "- rule: mask\n"
                            "  match: { regex: 'maskme' }\n"
                            "  action: mask\n"
                            "- rule: reject\n"
                            "  match: { regex: 'stopme' }\n"
                            "  action: reject\n"
                            "- rule: code\n"
                            "  match: { regex: 'codeme' }\n"
                            "  action: reject\n"
                            "  reject_code: 10121\n"
                            "  reject_text: not here\n"
                            "- rule: discard\n"
                            "  match: { regex: 'dropme' }\n"
                            "  action: discard\n"
                            "- rule: replace\n"
                            "  match: { regex: 'swapme' }\n"
                            "  action: replace\n"
                            "  replace: gone\n"
                            "- rule: flag\n"
                            "  match: { regex: 'noteme' }\n"
                            "  action: flag\n"
                            "  then: [\"mute 10m\"]\n";

static int start(void **state)
{
    static struct service service;
    struct config config = service_config();

    service_start(&service, &config, rules);
    *state = &service;
    return 0;
}

static int stop(void **state)
{
    service_stop(*state);
    return 0;
}

static void expect_error(const struct client_reply *reply, int status, const char *words)
{
    char code[32];

    snprintf(code, sizeof(code), "\"ErrorCode\":%d,", status);
    assert_int_equal(reply->status, status);
    assert_non_null(strstr(buf_text(&reply->body), "\"ActionStatus\":\"FAIL\""));
    assert_non_null(strstr(buf_text(&reply->body), code));
    if (!strstr(buf_text(&reply->body), words))
        fail_msg("\"%s\" is not in %s", words, buf_text(&reply->body));
}

/* Admission ------------------------------------------------------------------------------------------------------- */

static void ask_raw(struct service *s, const char *method, const char *target, const char *body,
                    struct client_reply *reply)
{
    struct client c = client_open(s->port);
    struct buf request = BUF_INIT;

    buf_addf(&request, "%s %s HTTP/1.1\r\nHost: t\r\nContent-Length: %zu\r\n\r\n%s", method, target, strlen(body),
             body);
    client_send(&c, request.data, request.len);
    assert_true(client_read_reply(&c, reply, strcmp(method, "HEAD") == 0));
    buf_release(&request);
    client_close(&c);
}

static void admits_only_post_on_its_path(void **state)
{
    struct client_reply reply = {0};

    ask_raw(*state, "GET", SERVICE_PATH, "", &reply);
    expect_error(&reply, 405, "POST");
    assert_non_null(client_header(&reply, "Allow"));
    ask_raw(*state, "GET", "/elsewhere", "", &reply);
    expect_error(&reply, 405, "POST");
    ask_raw(*state, "POST", "/elsewhere", "{}", &reply);
    expect_error(&reply, 404, "path");
    ask_raw(*state, "POST", SERVICE_PATH "/", "{}", &reply);
    expect_error(&reply, 404, "path");
    ask_raw(*state, "POST", SERVICE_PATH "/../webhook", "{}", &reply);
    expect_error(&reply, 404, "path");
    client_reply_release(&reply);
}

/* Replaces "$SIGN:token:offset$" by Sign and RequestTime made with token at now + offset. */
static void expand_signature(struct buf *out, const char *template)
{
    const char *mark = strstr(template, "$SIGN:");
    char token[64], time[24], sign[SIGNATURE_HEX + 1];
    int offset = 0;

    buf_reset(out);
    if (!mark) {
        buf_add_text(out, template);
        return;
    }
    assert_int_equal(sscanf(mark, "$SIGN:%63[^:]:%d$", token, &offset), 2);
    snprintf(time, sizeof(time), "%" PRId64, clock_wall_us() / 1000000 + offset);
    signature_make(token, span_of(time), sign);
    if (offset == 1) { /* upper case */
        for (char *c = sign; *c; c++)
            *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
    }
    buf_add(out, template, (size_t)(mark - template));
    buf_addf(out, "Sign=%s&RequestTime=%s", sign, time);
    buf_add_text(out, strchr(mark + 1, '$') + 1);
}

static void admits_signed_webhooks_of_its_applications(void **state)
{
    static const struct {
        const char *query;
        const char *refused; /* NULL: admitted */
    } cases[] = {
        {"SdkAppid=1400000001&$SIGN:live-hook-token-01:0$", NULL},
        {"sdkAPPid=1400000001&$SIGN:live-hook-token-01:0$", NULL},
        {"$SIGN:live-hook-token-01:0$&SdkAppid=1400000001", NULL},
        {"SdkAppid=1400000001&$SIGN:live-hook-token-01:1$", NULL}, /* upper-case hexadecimal */
        {"SdkAppid=1400000001&$SIGN:the-one-before:0$", NULL},
        {"SdkAppid=1400000001&$SIGN:live-hook-token-01:-50$", NULL},
        {"SdkAppid=1400000001&$SIGN:live-hook-token-01:50$", NULL},
        {"SdkAppid=1400000002&$SIGN:token-of-the-second:0$", NULL},
        {"SdkAppid=1400000001&$SIGN:live-hook-token-01:-70$", "60 s"},
        {"SdkAppid=1400000001&$SIGN:live-hook-token-01:70$", "60 s"},
        {"SdkAppid=1400000001&$SIGN:wrong:0$", "another token"},
        {"SdkAppid=1400000002&$SIGN:live-hook-token-01:0$", "another token"},
        {"SdkAppid=1400000001", "exactly one Sign"},
        {"SdkAppid=1400000001&Sign=&RequestTime=", "bad RequestTime or Sign"},
        {"SdkAppid=1400000001&Sign=zz&RequestTime=1", "bad RequestTime or Sign"},
        {"SdkAppid=1400000001&Sign=1&$SIGN:live-hook-token-01:0$", "exactly one Sign"},
        {"SdkAppid=1400000001&$SIGN:live-hook-token-01:0$&sign=1", "exactly one Sign"},
        {"SdkAppid=1400000001&$SIGN:live-hook-token-01:0$&RequestTime=1", "exactly one Sign"},
        {"SdkAppid=1400000003&$SIGN:live-hook-token-01:0$", "SdkAppid"},
        {"SdkAppid=&$SIGN:live-hook-token-01:0$", "SdkAppid"},
        {"SdkAppid=+1400000001&$SIGN:live-hook-token-01:0$", "SdkAppid"},
        {"SdkAppid=1400000001&SdkAppId=1400000001&$SIGN:live-hook-token-01:0$", "SdkAppid"},
        {"$SIGN:live-hook-token-01:0$", "SdkAppid"},
        {"", "SdkAppid"},
    };
    struct service *s = *state;
    struct client_reply reply = {0};
    struct buf target = BUF_INIT, query = BUF_INIT;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expand_signature(&query, cases[i].query);
        buf_reset(&target);
        buf_addf(&target, SERVICE_PATH "?%s", buf_text(&query));
        ask_raw(s, "POST", target.data, MESSAGE(BEFORE, "hello"), &reply);
        if (cases[i].refused)
            expect_error(&reply, 403, cases[i].refused);
        else if (reply.status != 200)
            fail_msg("case %zu: %s", i, buf_text(&reply.body));
    }
    client_reply_release(&reply);
    buf_release(&target);
    buf_release(&query);
}

static void admits_unsigned_webhooks_when_told_to(void **state)
{
    struct config config = service_config();
    struct client_reply reply = {0};
    struct service s;

    (void)state;
    config.webhook.authentication = false;
    service_start(&s, &config, NULL);
    ask_raw(&s, "POST", SERVICE_PATH "?SdkAppid=1400000001", MESSAGE(BEFORE, "hello"), &reply);
    assert_int_equal(reply.status, 200);
    ask_raw(&s, "POST", SERVICE_PATH "?SdkAppid=1", MESSAGE(BEFORE, "hello"), &reply);
    expect_error(&reply, 403, "SdkAppid");
    client_reply_release(&reply);
    service_stop(&s);
}

/* Answers and records ---------------------------------------------------------------------------------------------- */

static void gives_every_form_of_verdict(void **state)
{
    static const struct {
        const char *body, *reply;
        enum action action;
        int code;
        const char *rule, *becomes;
    } cases[] = {
        {MESSAGE(BEFORE, "hello"), "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}", ACTION_ALLOW, 0,
         NULL, NULL},
        {MESSAGE(BEFORE, "noteme"), "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}", ACTION_FLAG, 0,
         "flag", NULL},
        {MESSAGE(BEFORE, "stopme"), "{\"ActionStatus\":\"OK\",\"ErrorCode\":1,\"ErrorInfo\":\"\"}", ACTION_REJECT, 1,
         "reject", NULL},
        {MESSAGE(BEFORE, "codeme"), "{\"ActionStatus\":\"OK\",\"ErrorCode\":10121,\"ErrorInfo\":\"not here\"}",
         ACTION_REJECT, 10121, "code", NULL},
        {MESSAGE(BEFORE, "dropme"), "{\"ActionStatus\":\"OK\",\"ErrorCode\":2,\"ErrorInfo\":\"\"}", ACTION_DISCARD, 2,
         "discard", NULL},
        {MESSAGE(BEFORE, "a maskme b"),
         "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","
         "\"MsgContent\":{\"Text\":\"a ****** b\"}}]}",
         ACTION_MASK, 0, "mask", "a ****** b"},
        {MESSAGE(BEFORE, "a swapme b"),
         "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","
         "\"MsgContent\":{\"Text\":\"gone\"}}]}",
         ACTION_REPLACE, 0, "replace", "gone"},
    };
    struct service *s = *state;
    struct client_reply reply = {0};
    struct event_record record;
    struct buf bytes = BUF_INIT;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        service_ask(s, BEFORE, span_of(cases[i].body), &reply);
        assert_int_equal(reply.status, 200);
        assert_string_equal(buf_text(&reply.body), cases[i].reply);
        assert_false(reply.close);
        assert_int_equal(strncmp(client_header(&reply, "Content-Type"), HTTP_JSON, strlen(HTTP_JSON)), 0);

        assert_true(service_next_record(s, &record, &bytes));
        assert_int_equal(record.command, COMMAND_BEFORE);
        assert_int_equal(record.sdkappid, SERVICE_APP);
        assert_int_equal(record.action, cases[i].action);
        assert_int_equal(record.decided_by, cases[i].rule ? DECIDED_RULE : DECIDED_DEFAULT);
        assert_int_equal(record.error_code, cases[i].code);
        assert_int_equal(record.revision, 7);
        assert_true(span_is(record.body, cases[i].body));
        assert_true(span_is(record.client_ip, "203.0.113.7"));
        assert_true(span_is(record.platform, "Android"));
        assert_true(span_is(record.request_id, "r-1"));
        assert_null(record.fault.data);
        assert_true(record.received_us > 0 && record.received_us <= clock_wall_us());
        assert_int_equal(record.rule.data != NULL, cases[i].rule != NULL);
        if (cases[i].rule)
            assert_true(span_is(record.rule, cases[i].rule));
        assert_int_equal(record.hits_json.data != NULL, cases[i].rule != NULL);
        assert_int_equal(record.becomes.data != NULL, cases[i].becomes != NULL);
        if (cases[i].becomes)
            assert_true(span_is(record.becomes, cases[i].becomes));
        assert_int_equal(record.follow_ups_json.data != NULL, cases[i].action == ACTION_FLAG);
        if (record.follow_ups_json.data)
            assert_true(span_is(record.follow_ups_json, "[\"mute 10m\"]"));
    }
    client_reply_release(&reply);
    buf_release(&bytes);
}

static void acknowledges_every_other_command(void **state)
{
    static const struct {
        const char *command, *body;
        enum command dispatched;
        enum action action;
    } cases[] = {
        {AFTER, MESSAGE(AFTER, "stopme"), COMMAND_AFTER, ACTION_REJECT},
        {AFTER, MESSAGE(AFTER, "hello"), COMMAND_AFTER, ACTION_ALLOW},
        {"Group.CallbackSendMsgException", MESSAGE("Group.CallbackSendMsgException", "stopme"), COMMAND_EXCEPTION,
         ACTION_ALLOW},
        {"Group.CallbackAfterRecallMsg",
         "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"GroupId\":\"room-7\",\"MsgSeqList\":[{\"MsgSeq\":1}]}",
         COMMAND_RECALL, ACTION_ALLOW},
        {"Live.CallbackAfterCreateRoom", "{\"CallbackCommand\":\"Live.CallbackAfterCreateRoom\",\"RoomId\":\"r\"}",
         COMMAND_OTHER, ACTION_ALLOW},
        /* The body decides (protocol.md section 1). */
        {"Live.CallbackMemberStateChanged", "{\"CallbackCommand\":\"Live.CallbackAfterMemberStateChanged\"}",
         COMMAND_OTHER, ACTION_ALLOW},
        {BEFORE, MESSAGE(AFTER, "hello"), COMMAND_AFTER, ACTION_ALLOW},
        {NULL, MESSAGE(AFTER, "hello"), COMMAND_AFTER, ACTION_ALLOW},
    };
    struct service *s = *state;
    struct client_reply reply = {0};
    struct event_record record;
    struct buf bytes = BUF_INIT;
    int64_t mismatches = metric_value(METRIC_COMMAND_MISMATCH);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        service_ask(s, cases[i].command, span_of(cases[i].body), &reply);
        assert_int_equal(reply.status, 200);
        assert_string_equal(buf_text(&reply.body), "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}");
        assert_true(service_next_record(s, &record, &bytes));
        assert_int_equal(record.command, cases[i].dispatched);
        assert_int_equal(record.action, cases[i].action);
        assert_true(span_is(record.body, cases[i].body));
    }
    assert_int_equal(metric_value(METRIC_COMMAND_MISMATCH), mismatches + 2);
    client_reply_release(&reply);
    buf_release(&bytes);
}

static void keeps_and_answers_unreadable_bodies(void **state)
{
    static const struct {
        const char *command;
        enum fallback configured;
        int status;
        const char *reply;
        enum action action;
        enum command recorded;
    } cases[] = {
        {BEFORE, FALLBACK_REJECT, 200, "\"ErrorCode\":1,\"ErrorInfo\":\"body: byte ", ACTION_REJECT, COMMAND_BEFORE},
        {NULL, FALLBACK_REJECT, 200, "\"ErrorCode\":1,\"ErrorInfo\":\"body: byte ", ACTION_REJECT, COMMAND_BEFORE},
        {BEFORE, FALLBACK_ALLOW, 200, "\"ErrorCode\":0,\"ErrorInfo\":\"\"", ACTION_ALLOW, COMMAND_BEFORE},
        {BEFORE, FALLBACK_DISCARD, 200, "\"ErrorCode\":2,\"ErrorInfo\":\"\"", ACTION_DISCARD, COMMAND_BEFORE},
        {AFTER, FALLBACK_REJECT, 400, "body: byte ", ACTION_REJECT, COMMAND_AFTER},
        {"Live.CallbackAfterCreateRoom", FALLBACK_REJECT, 400, "body: byte ", ACTION_REJECT, COMMAND_OTHER},
    };
    static const char body[] = "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"\xff\"}";
    struct service *s = *state;
    struct client_reply reply = {0};
    struct event_record record;
    struct buf bytes = BUF_INIT;
    struct err err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s->config.webhook.unreadable_verdict = cases[i].configured;
        assert_int_equal(webhook_reload(s->webhook, &s->config, &err), 0);
        service_ask(s, cases[i].command, span_of(body), &reply);
        assert_int_equal(reply.status, cases[i].status);
        if (!strstr(buf_text(&reply.body), cases[i].reply))
            fail_msg("case %zu: %s", i, buf_text(&reply.body));
        assert_true(service_next_record(s, &record, &bytes));
        assert_int_equal(record.command, cases[i].recorded);
        assert_int_equal(record.action, cases[i].action);
        assert_true(span_is(record.body, body));
        assert_int_equal(strncmp(record.fault.data, "body: byte ", strlen("body: byte ")), 0);
    }
    client_reply_release(&reply);
    buf_release(&bytes);
}

/* An empty body is a body: on a thread that has read none yet, too, its record can be read back. */
static void keeps_empty_bodies(void **state)
{
    struct service *s = *state;
    struct client_reply reply = {0};
    struct event_record record;
    struct buf bytes = BUF_INIT;

    service_ask(s, BEFORE, SPAN(""), &reply);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(buf_text(&reply.body), "\"ErrorCode\":1,"));
    assert_true(service_next_record(s, &record, &bytes));
    assert_int_equal(record.body.len, 0);
    assert_true(record.fault.len > 0);
    client_reply_release(&reply);
    buf_release(&bytes);
}

/* A text made to match more often than the judge looks at is rejected, whatever the fallback says: there is a verdict.
 */
static void rejects_what_matches_too_often(void **state)
{
    struct service *s = *state;
    struct client_reply reply = {0};
    struct buf body = BUF_INIT;

    service_rules(s,
                  "- list: w\n  boundary: any\n  terms: [a, aa, aaa, aaaa, aaaaa]\n"
                  "- rule: flag\n  action: flag\n  match: {terms: w}\n",
                  1);
    buf_add_text(&body, "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"r\",\"From_Account\":\"u\","
                        "\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"");
    for (int i = 0; i < 12000; i++)
        buf_add_char(&body, 'a');
    buf_add_text(&body, "\"}}]}");
    service_ask(s, BEFORE, buf_span(&body), &reply);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(buf_text(&reply.body), "\"ErrorCode\":1,"));
    client_reply_release(&reply);
    buf_release(&body);
}

/* A verdict that cannot be carried out in the message is a rejection: nothing slips through. */
static void rejects_what_it_cannot_rewrite(void **state)
{
    static const char body[] =
        "{\"CallbackCommand\":\"" BEFORE "\",\"GroupId\":\"r\",\"From_Account\":\"u\",\"MsgBody\":[{\"MsgType\":"
        "\"TIMRelayElem\",\"MsgContent\":{\"Title\":\"t\",\"AbstractList\":[\"maskme\"],\"CompatibleText\":\"c\"}}]}";
    struct service *s = *state;
    struct client_reply reply = {0};
    struct event_record record;
    struct buf bytes = BUF_INIT;

    service_ask(s, BEFORE, span_of(body), &reply);
    assert_string_equal(buf_text(&reply.body), "{\"ActionStatus\":\"OK\",\"ErrorCode\":1,\"ErrorInfo\":\"\"}");
    assert_true(service_next_record(s, &record, &bytes));
    assert_int_equal(record.action, ACTION_REJECT);
    assert_null(record.becomes.data);
    client_reply_release(&reply);
    buf_release(&bytes);
}

/* When the spool cannot ---------------------------------------------------------------------------------------------
 */

static void answers_without_a_spool_as_promised(void **state)
{
    struct config config = service_config();
    struct client_reply reply = {0};
    struct spool_status status;
    struct service s;
    int64_t not_recorded, refused;
    unsigned recorded = 0;

    (void)state;
    config.spool.max_bytes = 256 * 1024;
    config.spool.segment_bytes = 64 * 1024;
    service_start(&s, &config, rules);
    do { /* until it is full */
        service_ask(&s, AFTER, span_of(MESSAGE(AFTER, "hello")), &reply);
        recorded += reply.status == 200;
        spool_get_status(s.spool, &status);
    } while (reply.status == 200 && recorded < 10000);
    expect_error(&reply, 503, "durable");
    assert_true(status.full);
    assert_true(recorded > 0);

    not_recorded = metric_value(METRIC_NOT_RECORDED);
    refused = metric_value(METRIC_REFUSED_SPOOL);
    service_ask(&s, BEFORE, span_of(MESSAGE(BEFORE, "codeme")), &reply);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body.data, "10121"));
    assert_int_equal(metric_value(METRIC_NOT_RECORDED), not_recorded + 1);
    service_ask(&s, "Live.CallbackAfterCreateRoom",
                span_of(MESSAGE("Live.CallbackAfterCreateRoom", "longer than before")), &reply);
    expect_error(&reply, 503, "durable");
    assert_int_equal(metric_value(METRIC_REFUSED_SPOOL), refused + 1);
    client_reply_release(&reply);
    service_stop(&s);
}

static void falls_back_when_its_own_deadline_has_passed(void **state)
{
    struct service *s = *state;
    struct client_reply reply = {0};
    struct event_record record;
    struct buf bytes = BUF_INIT;
    struct err err;

    service_ask(s, BEFORE, span_of(MESSAGE(BEFORE, "hello")), &reply);
    assert_true(service_next_record(s, &record, &bytes));

    s->config.webhook.deadline_ms = 0; /* passed before anything could be done */
    s->config.webhook.fallback_verdict = FALLBACK_DISCARD;
    assert_int_equal(webhook_reload(s->webhook, &s->config, &err), 0);
    service_ask(s, BEFORE, span_of(MESSAGE(BEFORE, "stopme")), &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(buf_text(&reply.body), "{\"ActionStatus\":\"OK\",\"ErrorCode\":2,\"ErrorInfo\":\"\"}");
    spool_wait(s->spool, s->read_seq + 1, 20000); /* the record was accepted and follows */
    assert_true(service_next_record(s, &record, &bytes));
    assert_int_equal(record.decided_by, DECIDED_DEADLINE);
    assert_int_equal(record.action, ACTION_DISCARD);
    assert_non_null(record.hits_json.data);
    client_reply_release(&reply);
    buf_release(&bytes);
}

/* Reload under load -------------------------------------------------------------------------------------------------
 */

struct load {
    pthread_t thread;
    struct service *service;
    char *const *tokens; /* one of them is accepted at any time */
    unsigned answered, refused, lost;
};

static atomic_bool load_stopping;

static void *load_run(void *arg)
{
    struct load *load = arg;
    struct client_reply reply = {0};
    struct buf query = BUF_INIT;
    struct client c = client_open(load->service->port);

    while (!atomic_load(&load_stopping)) {
        service_query(&query, SERVICE_APP, BEFORE, load->tokens[load->answered % 2], clock_wall_us() / 1000000);
        service_send(&c, query.data, span_of(MESSAGE(BEFORE, "maskme")));
        if (!client_read(&c, &reply)) {
            load->lost++;
            break;
        }
        load->refused += reply.status != 200;
        load->answered++;
    }
    client_reply_release(&reply);
    buf_release(&query);
    client_close(&c);
    return NULL;
}

static void reloads_tokens_and_rules_under_load(void **state)
{
    static char old_token[] = "old-token", new_token[] = "new-token", third_token[] = "third-token";
    static char *const during[] = {old_token, new_token};
    struct service *s = *state;
    struct load loads[4];
    struct client_reply reply = {0};
    struct buf query = BUF_INIT;
    struct client c;
    struct err err;

    atomic_store(&load_stopping, false);
    s->config.apps[0].token = new_token;
    s->config.apps[0].previous_token = old_token;
    assert_int_equal(webhook_reload(s->webhook, &s->config, &err), 0);
    for (size_t i = 0; i < 4; i++) {
        loads[i] = (struct load){.service = s, .tokens = during};
        pthread_create(&loads[i].thread, NULL, load_run, &loads[i]);
    }
    for (unsigned i = 0; i < 200; i++) { /* both tokens stay good whichever comes first */
        s->config.apps[0].token = i % 2 ? new_token : old_token;
        s->config.apps[0].previous_token = i % 2 ? old_token : new_token;
        assert_int_equal(webhook_reload(s->webhook, &s->config, &err), 0);
        if (i % 20 == 0)
            service_rules(s, rules, 100 + i);
    }
    atomic_store(&load_stopping, true);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(loads[i].thread, NULL);
        assert_int_equal(loads[i].refused, 0);
        assert_int_equal(loads[i].lost, 0);
    }

    s->config.apps[0].token = third_token;
    s->config.apps[0].previous_token = NULL;
    assert_int_equal(webhook_reload(s->webhook, &s->config, &err), 0);
    for (size_t i = 0; i < 2; i++) { /* the old ones are worth nothing now */
        c = client_open(s->port);
        service_query(&query, SERVICE_APP, BEFORE, during[i], clock_wall_us() / 1000000);
        service_send(&c, query.data, span_of(MESSAGE(BEFORE, "hello")));
        assert_true(client_read(&c, &reply));
        expect_error(&reply, 403, "another token");
        client_close(&c);
    }
    client_reply_release(&reply);
    buf_release(&query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(admits_only_post_on_its_path, start, stop),
        cmocka_unit_test_setup_teardown(admits_signed_webhooks_of_its_applications, start, stop),
        cmocka_unit_test(admits_unsigned_webhooks_when_told_to),
        cmocka_unit_test_setup_teardown(gives_every_form_of_verdict, start, stop),
        cmocka_unit_test_setup_teardown(acknowledges_every_other_command, start, stop),
        cmocka_unit_test_setup_teardown(keeps_and_answers_unreadable_bodies, start, stop),
        cmocka_unit_test_setup_teardown(keeps_empty_bodies, start, stop),
        cmocka_unit_test_setup_teardown(rejects_what_matches_too_often, start, stop),
        cmocka_unit_test_setup_teardown(rejects_what_it_cannot_rewrite, start, stop),
        cmocka_unit_test(answers_without_a_spool_as_promised),
        cmocka_unit_test_setup_teardown(falls_back_when_its_own_deadline_has_passed, start, stop),
        cmocka_unit_test_setup_teardown(reloads_tokens_and_rules_under_load, start, stop),
    };

    return cmocka_run_group_tests_name("webhook", tests, NULL, NULL);
}
