#include "test_program.h"

#include "store/event_record.h"

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
    .follow_ups_json = {"[\"resend\"]", 10},
    .body = {"{\"a\":\"\0\"}", 9},
};

static const struct event_record bare = {
    .received_us = -1,
    .sdkappid = UINT64_MAX,
    .command = COMMAND_OTHER,
    .action = ACTION_DISCARD,
    .decided_by = DECIDED_OVERLOAD,
    .error_code = -2147483647,
    .revision = UINT64_MAX,
    .judge_us = UINT32_MAX,
    .fault = {"byte 3", 6},
    .body = {"", 0},
};

static void assert_text(struct span a, struct span b)
{
    assert_int_equal(a.data == NULL, b.data == NULL);
    assert_true(span_equal(a, b));
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
    assert_text(a->follow_ups_json, b->follow_ups_json);
    assert_text(a->body, b->body);
}

static void what_was_encoded_is_decoded(void **state)
{
    const struct event_record *const cases[] = {&full, &bare};

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

    (void)state;
    event_record_encode(&bytes, &full);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(decode_exactly(bytes.data, len, &out), ERR_INVALID);
    buf_add_char(&bytes, 'x');
    assert_int_equal(decode_exactly(bytes.data, bytes.len, &out), ERR_INVALID);
    buf_release(&bytes);
}

static void every_byte_may_be_wrong(void **state)
{
    struct buf bytes = BUF_INIT;
    struct event_record out;
    size_t refused = 0;

    (void)state;
    event_record_encode(&bytes, &full);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(every_byte_may_be_wrong),
    };

    return cmocka_run_group_tests_name("store/event_record", tests, NULL, NULL);
}
