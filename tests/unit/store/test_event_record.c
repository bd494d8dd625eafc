#include "test_program.h"

#include "store/event_record.h"
#include "store/event_row.h"
#include "wire/callback.h"

#include <stdlib.h>

static const struct event_record full = {
    .received_us = 1764000000123456,
    .sdkappid = 1400000001,
    .command = COMMAND_BEFORE,
    .client_ip = {"203.0.113.7", 11},
    .platform = {"Android", 7},
    .request_id = {"", 0},
    .action = ACTION_MASK,
    .decided_by = DECIDED_RULE,
    .error_code = 0,
    .revision = 42,
    .judge_us = 1234,
    .rule = {"phone-numbers", 13},
    .hits_json = {"[{}]", 4},
    .becomes = {"call ***", 8},
    .becomes_custom_data = {"{\"a\":\"***\"}", 11},
    .follow_ups_json = {"[\"resend\"]", 10},
    .correction_id = {"872cb24b-d851-473a-9a47-3b2cb9c5b3e2", 36},
    .marker = MARKER_WRONG,
    .body = {"{\"a\":\"\0\"}", 9},
};

static const struct event_record bare = {
    .received_us = -1,
    .sdkappid = UINT64_MAX,
    .command = COMMAND_OTHER,
    .action = ACTION_DISCARD,
    .decided_by = DECIDED_CORRECTION,
    .error_code = -2147483647,
    .revision = UINT64_MAX,
    .judge_us = UINT32_MAX,
    .fault = {"byte 3", 6},
    .body = {"", 0},
};

static const struct event_record with_message = {
    .received_us = 1,
    .command = COMMAND_AFTER,
    .body = {"{}", 2},
    .parsed = true,
    .message =
        {
            .command = COMMAND_AFTER,
            .command_word = {"Group.CallbackAfterSendMsg", 26},
            .group_id = {GIVEN, {"room-7", 6}},
            .type = {GIVEN, {"", 0}},
            .topic_id = {IS_NULL, {NULL, 0}},
            .from_account = {GIVEN, {"viewer_19", 9}},
            .msg_id = {MISSING, {NULL, 0}},
            .cloud_custom_data = {GIVEN, {"{\"lvl\":3}", 9}},
            .random = {GIVEN, 3204417755},
            .msg_seq = {IS_NULL, 0},
            .msg_time_s = {GIVEN, -1},
            .event_time_ms = {GIVEN, 1764000000123},
            .text = {"hi", 2},
            .element_count = 3,
            .duplicate_keys = true,
        },
};

static void assert_text(struct span a, struct span b)
{
    assert_int_equal(a.data == NULL, b.data == NULL);
    assert_true(span_equal(a, b));
}

static void assert_optional_text(const struct optional_text *a, const struct optional_text *b)
{
    assert_int_equal(a->presence, b->presence);
    assert_true(span_equal(a->text, b->text));
}

static void assert_number(const struct optional_number *a, const struct optional_number *b)
{
    assert_int_equal(a->presence, b->presence);
    assert_int_equal(a->value, b->value);
}

static void assert_same_message(const struct message *a, const struct message *b)
{
    assert_int_equal(a->command, b->command);
    assert_true(span_equal(a->command_word, b->command_word));
    assert_true(span_equal(a->text, b->text));
    assert_optional_text(&a->group_id, &b->group_id);
    assert_optional_text(&a->type, &b->type);
    assert_optional_text(&a->topic_id, &b->topic_id);
    assert_optional_text(&a->from_account, &b->from_account);
    assert_optional_text(&a->operator_account, &b->operator_account);
    assert_optional_text(&a->msg_id, &b->msg_id);
    assert_optional_text(&a->cloud_custom_data, &b->cloud_custom_data);
    assert_number(&a->random, &b->random);
    assert_number(&a->msg_seq, &b->msg_seq);
    assert_number(&a->msg_time_s, &b->msg_time_s);
    assert_number(&a->event_time_ms, &b->event_time_ms);
    assert_int_equal(a->element_count, b->element_count);
    assert_int_equal(a->duplicate_keys, b->duplicate_keys);
}

static void assert_same(const struct event_record *a, const struct event_record *b)
{
    assert_int_equal(a->received_us, b->received_us);
    assert_int_equal(a->sdkappid, b->sdkappid);
    assert_int_equal(a->command, b->command);
    assert_int_equal(a->action, b->action);
    assert_int_equal(a->decided_by, b->decided_by);
    assert_int_equal(a->error_code, b->error_code);
    assert_int_equal(a->revision, b->revision);
    assert_int_equal(a->judge_us, b->judge_us);
    assert_text(a->client_ip, b->client_ip);
    assert_text(a->platform, b->platform);
    assert_text(a->request_id, b->request_id);
    assert_text(a->fault, b->fault);
    assert_text(a->rule, b->rule);
    assert_text(a->hits_json, b->hits_json);
    assert_text(a->becomes, b->becomes);
    assert_text(a->becomes_custom_data, b->becomes_custom_data);
    assert_text(a->follow_ups_json, b->follow_ups_json);
    assert_text(a->correction_id, b->correction_id);
    assert_int_equal(a->marker, b->marker);
    assert_text(a->body, b->body);
    assert_int_equal(a->parsed, b->parsed);
    if (a->parsed)
        assert_same_message(&a->message, &b->message);
}

static void what_was_encoded_is_decoded(void **state)
{
    const struct event_record *const cases[] = {&full, &bare, &with_message};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf bytes = BUF_INIT;
        struct event_record out;
        struct err err = {0};

        event_record_encode(&bytes, cases[i]);
        assert_false(buf_failed(&bytes));
        assert_int_equal(event_record_decode(buf_span(&bytes), &out, &err), 0);
        assert_same(&out, cases[i]);
        buf_release(&bytes);
    }
}

/* A record as the last release wrote it: its spool is loaded after the upgrade. */
static void version_1_is_decoded(void **state)
{
    static const char head[] = "\x01\x01\x02\x00"                 /* version, after, mask, by a rule */
                               "\x40\x42\x0f\x00\x00\x00\x00\x00" /* received_us 1000000 */
                               "\x07\x00\x00\x00\x00\x00\x00\x00" /* sdkappid */
                               "\x2a\x00\x00\x00\x00\x00\x00\x00" /* revision */
                               "\x00\x00\x00\x00"                 /* error_code */
                               "\xd2\x04\x00\x00"                 /* judge_us */
                               "\xff\xff\xff\xff"                 /* client_ip */
                               "\x03\x00\x00\x00"                 /* platform */
                               "\xff\xff\xff\xff"                 /* request_id */
                               "\xff\xff\xff\xff"                 /* fault */
                               "\x05\x00\x00\x00"                 /* rule */
                               "\x02\x00\x00\x00"                 /* hits */
                               "\x03\x00\x00\x00"                 /* becomes */
                               "\x0a\x00\x00\x00"                 /* follow_ups */
                               "\x02\x00\x00\x00"                 /* body */
                               "iOSwords[]***[\"resend\"]{}";
    struct event_record out;
    struct buf bytes = BUF_INIT, message = BUF_INIT;
    struct err err = {0};
    size_t without_message = sizeof(head) - 1;

    (void)state;
    buf_add(&bytes, head, without_message);
    for (int with = 0; with < 2; with++) { /* the parsed message is written as before */
        assert_int_equal(event_record_decode(buf_span(&bytes), &out, &err), 0);
        assert_int_equal(out.command, COMMAND_AFTER);
        assert_int_equal(out.action, ACTION_MASK);
        assert_int_equal(out.decided_by, DECIDED_RULE);
        assert_int_equal(out.received_us, 1000000);
        assert_int_equal(out.sdkappid, 7);
        assert_int_equal(out.revision, 42);
        assert_int_equal(out.judge_us, 1234);
        assert_null(out.client_ip.data);
        assert_true(span_is(out.platform, "iOS"));
        assert_true(span_is(out.rule, "words"));
        assert_true(span_is(out.hits_json, "[]"));
        assert_true(span_is(out.becomes, "***"));
        assert_true(span_is(out.follow_ups_json, "[\"resend\"]"));
        assert_true(span_is(out.body, "{}"));
        assert_null(out.becomes_custom_data.data);
        assert_null(out.correction_id.data);
        assert_int_equal(out.marker, MARKER_ABSENT);
        assert_int_equal(out.parsed, with);
        if (with)
            assert_same_message(&out.message, &with_message.message);
        else {
            event_record_encode(&message, &with_message);
            buf_add(&bytes, message.data + 81 + 2, message.len - 81 - 2);
        }
    }
    for (size_t len = 0; len < bytes.len; len++)
        if (len != without_message)
            assert_int_equal(event_record_decode((struct span){bytes.data, len}, &out, &err), ERR_INVALID);
    bytes.data[0] = 3;
    assert_int_equal(event_record_decode(buf_span(&bytes), &out, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "version 3"));
    buf_release(&bytes);
    buf_release(&message);
}

/* Copies to the heap without a byte to spare, so that the address sanitizer sees any read behind the end. */
static int decode_exactly(const char *bytes, size_t len, struct event_record *out)
{
    char *copy = malloc(len ? len : 1);
    struct err err = {0};
    int r;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    r = event_record_decode((struct span){copy, len}, out, &err);
    if (r < 0) {
        assert_int_equal(r, ERR_INVALID);
        assert_int_not_equal(err.text[0], 0);
    } else { /* every byte it points to is there */
        unsigned sum = 0;

        for (size_t i = 0; i < out->body.len; i++)
            sum += (unsigned char)out->body.data[i];
        for (size_t i = 0; i < out->rule.len; i++)
            sum += (unsigned char)out->rule.data[i];
        assert_true(sum < UINT32_MAX);
    }
    free(copy);
    return r;
}

static void every_other_length_is_refused(void **state)
{
    struct buf bytes = BUF_INIT;
    struct event_record out;
    size_t without_message = 81 + 2;

    (void)state;
    event_record_encode(&bytes, &with_message);
    for (size_t len = 0; len < bytes.len; len++)
        if (len != without_message)
            assert_int_equal(decode_exactly(bytes.data, len, &out), ERR_INVALID);
    buf_reset(&bytes);
    event_record_encode(&bytes, &full);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(decode_exactly(bytes.data, len, &out), ERR_INVALID);
    buf_add_char(&bytes, 'x');
    assert_int_equal(decode_exactly(bytes.data, bytes.len, &out), ERR_INVALID);
    buf_release(&bytes);
}

static void every_byte_may_be_wrong(void **state)
{
    const struct event_record *const cases[] = {&full, &with_message};

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct buf bytes = BUF_INIT;
        struct event_record out;
        size_t refused = 0;

        event_record_encode(&bytes, cases[c]);
        for (size_t i = 0; i < bytes.len; i++) {
            char was = bytes.data[i];

            for (int value = 0; value < 256; value++) {
                bytes.data[i] = (char)value;
                refused += decode_exactly(bytes.data, bytes.len, &out) < 0;
            }
            bytes.data[i] = was;
        }
        assert_true(refused > 36 * 200); /* all of the lengths and most of the enums */
        buf_release(&bytes);
    }
}

/* Whether the webhook thread or the loader parsed the body makes no difference to the row. */
/* The one column that is new each time stands behind the others that are digested. */
static void blank_salt(struct buf *row)
{
    size_t at = 2;

    for (int i = 0; i < EVENT_OPEN_COUNT + EVENT_PERSONAL_COUNT; i++) {
        int32_t len = (int32_t)((uint32_t)(uint8_t)row->data[at] << 24 | (uint32_t)(uint8_t)row->data[at + 1] << 16 |
                                (uint32_t)(uint8_t)row->data[at + 2] << 8 | (uint8_t)row->data[at + 3]);

        at += 4 + (len > 0 ? (size_t)len : 0);
    }
    assert_memory_equal(row->data + at, "\0\0\0\x10", 4);
    memset(row->data + at + 4, 0, CHAIN_SALT_BYTES);
}

static void a_parsed_record_gives_the_same_row(void **state)
{
    static const struct {
        enum command command;
        const char *body;
    } cases[] = {
        {COMMAND_BEFORE,
         "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"g\",\"Type\":\"Live\",\"TopicId\":null,"
         "\"From_Account\":\"a\",\"Operator_Account\":\"\",\"Random\":1,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","
         "\"MsgContent\":{\"Text\":\"h\\u0000i\"}}],\"CloudCustomData\":\"[1]\",\"EventTime\":\"1764000000123\"}"},
        {COMMAND_AFTER,
         "{\"CallbackCommand\":\"Group.CallbackAfterSendMsg\",\"GroupId\":\"g\",\"GroupId\":\"h\",\"MsgSeq\":7,"
         "\"MsgTime\":1764000000,\"MsgBody\":[]}"},
        {COMMAND_RECALL,
         "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"GroupId\":\"g\",\"MsgSeqList\":[{\"MsgSeq\":1}]}"},
    };
    struct callback_parser *parser = callback_parser_new();
    struct event_encoder *encoder = NULL;
    struct err err = {0};

    (void)state;
    assert_non_null(parser);
    assert_int_equal(event_encoder_new(&encoder, "872cb24b-d851-473a-9a47-3b2cb9c5b3e2", &err), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf rows[2] = {BUF_INIT, BUF_INIT};

        for (int parsed = 0; parsed < 2; parsed++) {
            struct event_record record = {
                .received_us = 1764000000500000,
                .command = cases[i].command,
                .body = span_of(cases[i].body),
                .parsed = parsed,
            };
            struct spool_record spooled = {.seq = 1};
            struct buf bytes = BUF_INIT;
            int64_t time_us;

            assert_int_equal(callback_parse(parser, record.body, &record.message, &err), 0);
            event_record_encode(&bytes, &record);
            spooled.data = buf_span(&bytes);
            assert_int_equal(event_encode(encoder, &rows[parsed], &spooled, &time_us, &err), 0);
            blank_salt(&rows[parsed]);
            buf_release(&bytes);
        }
        assert_true(rows[0].len > 100);
        assert_true(span_equal(buf_span(&rows[0]), buf_span(&rows[1])));
        buf_release(&rows[0]);
        buf_release(&rows[1]);
    }
    event_encoder_free(encoder);
    callback_parser_free(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded),        cmocka_unit_test(version_1_is_decoded),
        cmocka_unit_test(every_other_length_is_refused),      cmocka_unit_test(every_byte_may_be_wrong),
        cmocka_unit_test(a_parsed_record_gives_the_same_row),
    };

    return cmocka_run_group_tests_name("store/event_record", tests, NULL, NULL);
}
