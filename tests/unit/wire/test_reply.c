/* Replies: the verdict forms, and rewriting that leaves every other byte of MsgBody alone. */
#include "wire/callback.h"
#include "wire/gate.h"
#include "wire/reply.h"
#include "mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FFFD         "\xEF\xBF\xBD"
#define HEAD         "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\""
#define IN(body)     "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\"," body "}"

static void test_verdicts(void **state)
{
    static const struct {
        int code;
        struct span info;
        const char *reply;
    } cases[] = {
        {REPLY_ALLOW, SPAN(""), "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}"},
        {REPLY_REJECT, SPAN(""), "{\"ActionStatus\":\"OK\",\"ErrorCode\":1,\"ErrorInfo\":\"\"}"},
        {REPLY_DISCARD, SPAN(""), "{\"ActionStatus\":\"OK\",\"ErrorCode\":2,\"ErrorInfo\":\"\"}"},
        {10121, SPAN("phone numbers are not allowed"),
         "{\"ActionStatus\":\"OK\",\"ErrorCode\":10121,\"ErrorInfo\":\"phone numbers are not allowed\"}"},
        {REPLY_CODE_MAX,
         SPAN("a\nb\x01\x7F\xC2\x85\xE2\x80\xA8"
              "c\"\\"),
         "{\"ActionStatus\":\"OK\",\"ErrorCode\":10200,\"ErrorInfo\":\"a b    c\\\"\\\\\"}"},
        {REPLY_CODE_MIN, SPAN("\xE4\xBD\xA0\xFF!\xE4\xBD"),
         "{\"ActionStatus\":\"OK\",\"ErrorCode\":10100,\"ErrorInfo\":\"\xE4\xBD\xA0" FFFD "!" FFFD FFFD "\"}"},
    };
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_reset(&out);
        reply_verdict(&out, cases[i].code, cases[i].info);
        assert_string_equal(out.data, cases[i].reply);
    }
    buf_release(&out);
}

static void test_info_is_cut_at_a_character(void **state)
{
    struct buf info = BUF_INIT, out = BUF_INIT;
    struct span reply, value;
    struct gate_fault fault;

    (void)state;
    buf_add_text(&info, "x");
    for (int i = 0; i < 200; i++)
        buf_add_text(&info, "\xE4\xBD\xA0");
    reply_verdict(&out, 10100, buf_span(&info));
    reply = buf_span(&out);
    assert_true(gate_check(reply, GATE_JSONB, &fault));
    assert_true(gate_member(reply, "ErrorInfo", &value));
    assert_int_equal(value.len, 2 + 1 + 3 * 85);
    assert_memory_equal(value.data + 1, info.data, 1 + 3 * 85);
    buf_release(&info);
    buf_release(&out);
}

static struct callback_parser *parser;

static int set_up(void **state)
{
    (void)state;
    parser = callback_parser_new();
    return parser ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    callback_parser_free(parser);
    return 0;
}

static const struct rewrite_case {
    const char *body;
    struct {
        size_t piece;
        const char *text;
    } rewrites[4];
    size_t count;
    const char *custom; /* NULL: leave it */
    const char *reply;
} rewrite_cases[] = {
    /* the sample of protocol.md section 3 */
    {IN("\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"call me 555 0199\"}}],\"CloudCustomData\":\"{\\\"lvl\\\":3}\""),
     {{0, "call me ***"}},
     1,
     "{\"lvl\":3}",
     HEAD
     ",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"call me ***\"}}],\"CloudCustomData\":\"{\\\"lvl\\\":3}\"}"},
    /* only CloudCustomData; it may be made empty */
    {IN("\"MsgBody\":[]"), {{0, NULL}}, 0, "", HEAD ",\"CloudCustomData\":\"\"}"},
    {IN("\"MsgBody\":[]"), {{0, NULL}}, 0, NULL, HEAD "}"},
    /* blanks, escapes, unknown members, odd strings and number forms around it stay */
    {IN("\"Msg\\u0042ody\" : [ { \"MsgContent\" : { \"x\":1.50e+2 , \"T\\u0065xt\" : \"b\\u0061d\" , \"y\":\"\\ud800\\u0000\\/\" } ,\n"
        "  \"New\":[1 ,2] ,\"MsgType\":\"TIM\\u0054extElem\" } ,{\"MsgType\":\"TIMFutureElem\",\"MsgContent\":{\"Text\":\"bad\"}} ] "),
     {{0, "good"}},
     1,
     NULL,
     HEAD
     ",\"MsgBody\":[ { \"MsgContent\" : { \"x\":1.50e+2 , \"T\\u0065xt\" : \"good\" , \"y\":\"\\ud800\\u0000\\/\" } ,\n"
     "  \"New\":[1 ,2] ,\"MsgType\":\"TIM\\u0054extElem\" } ,{\"MsgType\":\"TIMFutureElem\",\"MsgContent\":{\"Text\":\"bad\"}} ]}"},
    /* consecutive pieces, each with its own text; the one between them untouched */
    {IN("\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"a\"}},{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"b\"}},"
        "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"c\"}}]"),
     {{0, "1"}, {2, ""}},
     2,
     NULL,
     HEAD
     ",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"1\"}},{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"b\"}},"
     "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"\"}}]}"},
    /* several texts of one element, in another order in the body than in the message's text */
    {IN("\"MsgBody\":[{\"MsgType\":\"TIMCustomElem\",\"MsgContent\":{\"Ext\":\"e\",\"Desc\":\"d\",\"Sound\":\"s\",\"Data\":\"{\\\"k\\\":1}\"}}]"),
     {{0, "D\"\\\n\xE4\xBD\xA0"}, {1, "2"}, {2, "3"}},
     3,
     NULL,
     HEAD
     ",\"MsgBody\":[{\"MsgType\":\"TIMCustomElem\",\"MsgContent\":{\"Ext\":\"3\",\"Desc\":\"2\",\"Sound\":\"s\",\"Data\":\"D\\\"\\\\\\n\xE4\xBD\xA0\"}}]}"},
    /* elements without text count, too */
    {IN("\"MsgBody\":[{\"MsgType\":\"TIMImageElem\",\"MsgContent\":{\"Text\":\"t\"}},{\"MsgType\":\"TIMFaceElem\",\"MsgContent\":{\"Data\":\"f\"}},"
        "{\"MsgType\":\"TIMFileElem\",\"MsgContent\":{\"FileName\":\"n\"}},{\"MsgType\":\"TIMLocationElem\",\"MsgContent\":{\"Desc\":\"l\"}}]"),
     {{0, "F"}, {1, "N"}, {2, "L"}},
     3,
     NULL,
     HEAD
     ",\"MsgBody\":[{\"MsgType\":\"TIMImageElem\",\"MsgContent\":{\"Text\":\"t\"}},{\"MsgType\":\"TIMFaceElem\",\"MsgContent\":{\"Data\":\"F\"}},"
     "{\"MsgType\":\"TIMFileElem\",\"MsgContent\":{\"FileName\":\"N\"}},{\"MsgType\":\"TIMLocationElem\",\"MsgContent\":{\"Desc\":\"L\"}}]}"},
    /* a relay's own texts */
    {IN("\"MsgBody\":[{\"MsgType\":\"TIMRelayElem\",\"MsgContent\":{\"Title\":\"t\",\"CompatibleText\":\"c\",\"MsgList\":[]}}]"),
     {{0, "T"}, {1, "C"}},
     2,
     NULL,
     HEAD
     ",\"MsgBody\":[{\"MsgType\":\"TIMRelayElem\",\"MsgContent\":{\"Title\":\"T\",\"CompatibleText\":\"C\",\"MsgList\":[]}}]}"},
};

static int rewrite(struct buf *out, const struct rewrite_case *c, struct err *err)
{
    struct text_rewrite rewrites[4];
    struct span custom = span_of(c->custom);
    struct message m;

    assert_int_equal(callback_parse(parser, span_of(c->body), &m, err), 0);
    for (size_t i = 0; i < c->count; i++)
        rewrites[i] = (struct text_rewrite){c->rewrites[i].piece, span_of(c->rewrites[i].text)};
    return reply_rewrite(out, span_of(c->body), &m, rewrites, c->count, c->custom ? &custom : NULL, err);
}

static void test_rewrites(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(rewrite_cases); i++) {
        struct gate_fault fault;
        struct err err = {0};

        buf_reset(&out);
        if (rewrite(&out, &rewrite_cases[i], &err) < 0)
            fail_msg("case %zu: %s", i, err.text);
        assert_string_equal(out.data, rewrite_cases[i].reply);
        assert_true(gate_check(buf_span(&out), GATE_WIRE, &fault));
    }
    buf_release(&out);
}

static void test_refuses_to_rewrite(void **state)
{
    static const struct rewrite_case cases[] = {
        {IN("\"MsgBody\":[{\"MsgType\":\"TIMRelayElem\",\"MsgContent\":{\"AbstractList\":[\"a\"]}}]"),
         {{0, "x"}},
         1,
         NULL,
         "relay"},
        {IN("\"MsgBody\":[{\"MsgType\":\"TIMRelayElem\",\"MsgContent\":{\"MsgList\":[{\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","
            "\"MsgContent\":{\"Text\":\"x\"}}]}]}}]"),
         {{0, "x"}},
         1,
         "custom",
         "relay"},
        {IN("\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"bad\",\"Text\":\"ok\"}}]"),
         {{0, "x"}},
         1,
         NULL,
         "twice"},
        {IN("\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"a\"}}]"),
         {{1, "x"}},
         1,
         NULL,
         "out of order"},
        {IN("\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"a\"}}]"),
         {{0, "x"}, {0, "y"}},
         2,
         NULL,
         "out of order"},
        {IN("\"MsgBody\":[]"), {{0, "x"}}, 1, NULL, "out of order"},
    };
    struct buf out = BUF_INIT;

    (void)state;
    buf_add_text(&out, "before");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err = {0};

        assert_int_equal(rewrite(&out, &cases[i], &err), ERR_INVALID);
        assert_non_null(strstr(err.text, cases[i].reply));
        assert_string_equal(out.data, "before");
    }
    buf_release(&out);
}

/* The wrong body for a message is noticed, not read past. */
static void test_refuses_another_body(void **state)
{
    static const char body[] = IN("\"MsgBody\":[{\"MsgType\":\"TIMFaceElem\",\"MsgContent\":{\"Data\":\"f\"}},"
                                  "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"a\"}}]");
    static const char *const others[] = {"{}",
                                         "[]",
                                         "{\"MsgBody\":[]}",
                                         "{\"MsgBody\":7}",
                                         "{\"MsgBody\":[1,2]}",
                                         "{\"MsgBody\":[{\"MsgContent\":1},{\"MsgContent\":{}}]}"};
    const struct text_rewrite rewrite_text = {1, SPAN("x")};
    struct buf out = BUF_INIT;
    struct message m;

    (void)state;
    assert_int_equal(callback_parse(parser, SPAN(body), &m, NULL), 0);
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_int_equal(reply_rewrite(&out, span_of(others[i]), &m, &rewrite_text, 1, NULL, NULL), ERR_INVALID);
        assert_int_equal(out.len, 0);
    }
    buf_release(&out);
}

static void test_twelve_kib(void **state)
{
    struct buf body = BUF_INIT, text = BUF_INIT, out = BUF_INIT;
    size_t frame = strlen("[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"\"}}]");
    struct text_rewrite rewrites[1] = {{0, {NULL, 0}}};
    struct message m;
    struct err err = {0};

    (void)state;
    memset(buf_reserve(&text, REPLY_MAX_MESSAGE + 1), 'x', REPLY_MAX_MESSAGE + 1);
    buf_commit(&text, REPLY_MAX_MESSAGE + 1);
    buf_add_text(&body, IN("\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"a\"}}]"));
    assert_int_equal(callback_parse(parser, buf_span(&body), &m, NULL), 0);
    rewrites[0].text = (struct span){text.data, REPLY_MAX_MESSAGE - frame};
    assert_int_equal(reply_rewrite(&out, buf_span(&body), &m, rewrites, 1, NULL, &err), 0);
    buf_reset(&out);
    buf_add_text(&out, "before");
    rewrites[0].text.len++;
    assert_int_equal(reply_rewrite(&out, buf_span(&body), &m, rewrites, 1, NULL, &err), ERR_FULL);
    assert_string_equal(out.data, "before");

    /* what was too long before may stay so */
    buf_reset(&body);
    buf_addf(&body, IN("\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"%s\"}}]"), text.data);
    assert_int_equal(callback_parse(parser, buf_span(&body), &m, NULL), 0);
    assert_int_equal(reply_rewrite(&out, buf_span(&body), &m, rewrites, 1, NULL, &err), 0);

    /* a reply buffer with a ceiling is left as it was */
    buf_release(&out);
    buf_init(&out, 1000);
    buf_add_text(&out, "before");
    assert_int_equal(reply_rewrite(&out, buf_span(&body), &m, rewrites, 1, NULL, &err), ERR_FAILED);
    assert_string_equal(out.data, "before");
    buf_release(&body);
    buf_release(&text);
    buf_release(&out);
}

/* The body a reply stands for: a Before webhook with the reply's MsgBody. */
static void body_of_reply(struct buf *body, struct span reply)
{
    struct span msg_body;

    assert_true(gate_member(reply, "MsgBody", &msg_body));
    buf_reset(body);
    buf_addf(body, IN("\"MsgBody\":%.*s"), (int)msg_body.len, msg_body.data);
}

/* Gives every piece of the body that can be rewritten a text of its own; false when there is nothing to do. */
static bool rewrite_all(struct span body, struct buf *reply)
{
    enum { MOST = 16 };
    char texts[MOST][32];
    struct text_rewrite rewrites[MOST];
    size_t count = 0;
    struct message m;
    struct err err = {0};

    if (callback_parse(parser, body, &m, NULL) < 0 || m.duplicate_keys || m.piece_count > MOST)
        return false;
    for (size_t i = 0; i < m.piece_count; i++) {
        if (m.pieces[i].source == TEXT_RELAY_ABSTRACT || m.pieces[i].source == TEXT_RELAY_NESTED)
            continue;
        snprintf(texts[count], sizeof(texts[count]), "new \"%zu\"", i);
        rewrites[count] = (struct text_rewrite){i, span_of(texts[count])};
        count++;
    }
    buf_reset(reply);
    if (count > 0 && reply_rewrite(reply, body, &m, rewrites, count, NULL, &err) < 0)
        fail_msg("%s: %.*s", err.text, (int)body.len, body.data);
    return count > 0;
}

static void assert_rewritten(struct span body, const enum element_type *types, size_t type_count)
{
    struct message m;
    struct err err = {0};

    if (callback_parse(parser, body, &m, &err) < 0)
        fail_msg("%s: %.*s", err.text, (int)body.len, body.data);
    assert_int_equal(m.element_count, type_count);
    for (size_t i = 0; i < type_count; i++)
        assert_int_equal(m.elements[i], types[i]);
    for (size_t i = 0; i < m.piece_count; i++) {
        char text[32];

        if (m.pieces[i].source == TEXT_RELAY_ABSTRACT || m.pieces[i].source == TEXT_RELAY_NESTED)
            continue;
        snprintf(text, sizeof(text), "new \"%zu\"", i);
        assert_int_equal(m.pieces[i].len, strlen(text));
        assert_memory_equal(m.text.data + m.pieces[i].start, text, strlen(text));
    }
}

/* Whatever is read can be rewritten, and what comes out is read again with the new texts and nothing else changed. */
static void test_rewrites_whatever_is_read(void **state)
{
    struct buf body = BUF_INIT, reply = BUF_INIT, again = BUF_INIT;
    uint64_t seed = 7;
    size_t rewritten = 0;

    (void)state;
    for (size_t round = 0; round < 50000; round++) {
        struct message m;
        enum element_type types[64];
        size_t type_count;

        buf_reset(&body);
        buf_add_text(&body, rewrite_cases[round % COUNT(rewrite_cases)].body);
        mutate(&body, &seed);
        if (!rewrite_all(buf_span(&body), &reply))
            continue;
        rewritten++;
        assert_int_equal(callback_parse(parser, buf_span(&body), &m, NULL), 0);
        type_count = m.element_count;
        assert_true(type_count <= COUNT(types));
        memcpy(types, m.elements, type_count * sizeof(types[0]));
        body_of_reply(&again, buf_span(&reply));
        assert_rewritten(buf_span(&again), types, type_count);
    }
    assert_true(rewritten > 2000);
    buf_release(&body);
    buf_release(&reply);
    buf_release(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_info_is_cut_at_a_character),
        cmocka_unit_test(test_rewrites),
        cmocka_unit_test(test_refuses_to_rewrite),
        cmocka_unit_test(test_refuses_another_body),
        cmocka_unit_test(test_twelve_kib),
        cmocka_unit_test(test_rewrites_whatever_is_read),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
