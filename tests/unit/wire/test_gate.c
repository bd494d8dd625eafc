/* The gate: what it lets through, where it stops, and that json-c reads whatever it lets through. */
#include "base/buf.h"
#include "base/utf8.h"
#include "wire/gate.h"
#include "wire/json_read.h"
#include "mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Good for both uses. */
static const char *const accepted[] = {
    /* scalars */
    "null",
    "true",
    "false",
    "0",
    "-0",
    "7",
    "-12",
    "10.25",
    "0.1",
    "-0.0",
    "1e5",
    "1E5",
    "1e+5",
    "2e-05",
    "1.5e0",
    "1e400",
    "1e-400",
    "123456789012345678901234567890",
    "\"\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{\"a\":{}}",
    "[1,2,3]",
    "[null,true,false,0,\"\",[],{}]",
    "{\"a\":1,\"b\":[2]}",
    "{\"\":0}",
    "{\"a\":1,\"a\":2}",
    " \t\r\n[ 1 , 2 ] \t\r\n",
    "{ \"a\" : 1 , \"b\" : 2 }",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\\u00e9\\u4F60\"",
    "\"\\ud83d\\ude00\"",
    "\"\\uD800\\uDC00\"",
    "\"\\udbff\\udfff\"",
    "\"\\u0001\\u001f\"",
    "\"\\uFFFE\\uFFFF\"",
    "\"\x7f\"",
    "\"\xC2\x80\"",
    "\"\xDF\xBF\"",
    "\"\xE0\xA0\x80\"",
    "\"\xED\x9F\xBF\"",
    "\"\xEE\x80\x80\"",
    "\"\xEF\xBF\xBF\"",
    "\"\xF0\x90\x80\x80\"",
    "\"\xF4\x8F\xBF\xBF\"",
    "{\"\xE4\xBD\xA0\":\"\xE5\xA5\xBD\"}",
    "\"a/*not a comment*/\"",
    "\"\xE2\x80\xA8\"",
    "{\"\\u0041\":1}",
    "\"12345678\"",
    "\"1234567\\\\\"",
    "\"12345678\\\"\""};

/* Good on the wire, not in jsonb; what is the fault there. */
static const struct wire_only {
    const char *text;
    size_t offset;
} wire_only[] = {
    {"\"\\u0000\"", 1},          {"{\"a\":\"x\\u0000\"}", 7},
    {"\"\\ud800\"", 1},          {"\"\\udc00\"", 1},
    {"\"\\ud83d x\"", 1},        {"\"\\ud83d\\n\"", 1},
    {"\"\\ud83d\\ud83d\"", 1},   {"\"\\ude00\\ud83d\"", 1},
    {"\"ab\\ud83d\\u0041\"", 3}, {"[\"\\ud800\\ud83d\\ude00\"]", 2},
};

static const struct refused {
    struct span text;
    size_t offset;
} refused[] = {
    /* not one complete value */
    {SPAN(""), 0},
    {SPAN("   "), 3},
    {SPAN("[1"), 2},
    {SPAN("[1,"), 3},
    {SPAN("["), 1},
    {SPAN("{"), 1},
    {SPAN("{\"a\""), 4},
    {SPAN("{\"a\":"), 5},
    {SPAN("{\"a\":1"), 6},
    {SPAN("{\"a\":1,"), 7},
    {SPAN("\"abc"), 4},
    {SPAN("\"abc\\"), 5},
    {SPAN("\"12345678"), 9},
    {SPAN("tru"), 3},
    {SPAN("nul"), 3},
    {SPAN("-"), 1},
    {SPAN("1."), 2},
    {SPAN("1e"), 2},
    {SPAN("1e-"), 3},
    {SPAN("\"\\u"), 3},
    {SPAN("\"\\u00"), 5},
    /* more than one */
    {SPAN("1 2"), 2},
    {SPAN("{}{}"), 2},
    {SPAN("{} x"), 3},
    {SPAN("[]]"), 2},
    {SPAN("[],"), 2},
    {SPAN("\"\"\""), 2},
    {SPAN("null\0"), 4},
    {SPAN("{}\0"), 2},
    {SPAN("{}//"), 2},
    {SPAN("truee"), 4},
    /* commas, colons, brackets */
    {SPAN("[1,]"), 3},
    {SPAN("[,1]"), 1},
    {SPAN("[1,,2]"), 3},
    {SPAN("[1 2]"), 3},
    {SPAN("[1:2]"), 2},
    {SPAN("[1}"), 2},
    {SPAN("{\"a\":1]"), 6},
    {SPAN("{\"a\":1,}"), 7},
    {SPAN("{,}"), 1},
    {SPAN("{\"a\" 1}"), 5},
    {SPAN("{\"a\",1}"), 4},
    {SPAN("{\"a\"::1}"), 5},
    {SPAN("{\"a\":1 \"b\":2}"), 7},
    {SPAN("{\"a\":}"), 5},
    {SPAN("]"), 0},
    {SPAN("}"), 0},
    {SPAN(","), 0},
    {SPAN(":"), 0},
    /* keys */
    {SPAN("{a:1}"), 1},
    {SPAN("{'a':1}"), 1},
    {SPAN("{1:1}"), 1},
    {SPAN("{null:1}"), 1},
    {SPAN("{[]:1}"), 1},
    {SPAN("{\"\\u0000\":1}"), 2},
    {SPAN("{\"MsgBody\\u0000x\":1}"), 9},
    {SPAN("{\"\\ud800\":1}"), 2},
    {SPAN("{\"a\\udc00b\":1}"), 3},
    /* comments and what some parsers allow */
    {SPAN("/**/1"), 0},
    {SPAN("// x\n1"), 0},
    {SPAN("{\"a\":1 // x\n}"), 7},
    {SPAN("'a'"), 0},
    {SPAN("NaN"), 0},
    {SPAN("nan"), 1},
    {SPAN("[Infinity]"), 1},
    {SPAN("-Infinity"), 1},
    {SPAN("True"), 0},
    {SPAN("undefined"), 0},
    {SPAN("nUll"), 1},
    {SPAN("\xEF\xBB\xBF{}"), 0},
    {SPAN("\x0C[]"), 0},
    {SPAN("\xC2\xA0[]"), 0},
    {SPAN("[\x0B]"), 1},
    /* numbers */
    {SPAN("01"), 1},
    {SPAN("-01"), 2},
    {SPAN("00"), 1},
    {SPAN("+1"), 0},
    {SPAN(".5"), 0},
    {SPAN("-.5"), 1},
    {SPAN("1.e5"), 2},
    {SPAN("[1.]"), 3},
    {SPAN("[1.5.5]"), 4},
    {SPAN("1e+"), 3},
    {SPAN("1e1.5"), 3},
    {SPAN("1e1e1"), 3},
    {SPAN("--1"), 1},
    {SPAN("1-1"), 1},
    {SPAN("0x10"), 1},
    {SPAN("1_000"), 1},
    {SPAN("1e401"), 2},
    {SPAN("1e-401"), 3},
    {SPAN("1e200000"), 2},
    {SPAN("1e99999999999999999999999"), 2},
    {SPAN("[12345678901234567890123456789012345678901234567890123456789012345]"), 1},
    {SPAN("\xEF\xBC\x91"), 0},
    /* strings */
    {SPAN("\"\n\""), 1},
    {SPAN("\"a\tb\""), 2},
    {SPAN("\"\x1f\""), 1},
    {SPAN("\"a\0b\""), 2},
    {SPAN("\"12345678\n\""), 9},
    {SPAN("\"\\x41\""), 2},
    {SPAN("\"\\'\""), 2},
    {SPAN("\"\\a\""), 2},
    {SPAN("\"\\U0041\""), 2},
    {SPAN("\"\\\n\""), 2},
    {SPAN("\"\\u004\""), 6},
    {SPAN("\"\\u00G1\""), 5},
    {SPAN("\"\\u 041\""), 3},
    {SPAN("\"\\u-041\""), 3},
    {SPAN("\"\\u0041\\u12\""), 11},
    /* UTF-8: lonely, overlong, surrogate, above U+10FFFF, truncated */
    {SPAN("\"\x80\""), 1},
    {SPAN("\"ab\xBF\""), 3},
    {SPAN("\"\xC0\x80\""), 1},
    {SPAN("\"\xC1\xBF\""), 1},
    {SPAN("\"\xE0\x80\x80\""), 1},
    {SPAN("\"\xE0\x9F\xBF\""), 1},
    {SPAN("\"\xED\xA0\x80\""), 1},
    {SPAN("\"\xED\xBF\xBF\""), 1},
    {SPAN("\"\xF0\x8F\xBF\xBF\""), 1},
    {SPAN("\"\xF4\x90\x80\x80\""), 1},
    {SPAN("\"\xF5\x80\x80\x80\""), 1},
    {SPAN("\"\xFF\""), 1},
    {SPAN("\"\xFE\xFE\""), 1},
    {SPAN("\"\xE4\xBD\""), 1},
    {SPAN("\"\xE4\xBD\xA0\xE5\xA5"), 4},
    {SPAN("\"\xF0\x9F\x98\""), 1},
    {SPAN("{\"\xC0\x80\":1}"), 2},
    {SPAN("\xE4\xBD\xA0"), 0},
};

static void check(struct span text, enum gate_use use, bool good, size_t offset)
{
    /* exactly as long as the text, so that the address build sees any byte read behind it */
    char *exact = malloc(text.len ? text.len : 1);
    struct gate_fault fault = {0, NULL};
    bool passed;

    assert_non_null(exact);
    memcpy(exact, text.data, text.len);
    passed = gate_check((struct span){exact, text.len}, use, &fault);
    if (passed != good || (!good && fault.offset != offset))
        fail_msg("%.*s: %s at %zu (%s), not at %zu", (int)text.len, text.data, passed ? "passed" : "refused",
                 fault.offset, fault.what ? fault.what : "", offset);
    if (!good)
        assert_non_null(fault.what);
    free(exact);
}

static void test_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        check(span_of(accepted[i]), GATE_WIRE, true, 0);
        check(span_of(accepted[i]), GATE_JSONB, true, 0);
    }
}

static void test_accepts_on_the_wire_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wire_only); i++) {
        check(span_of(wire_only[i].text), GATE_WIRE, true, 0);
        check(span_of(wire_only[i].text), GATE_JSONB, false, wire_only[i].offset);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        check(refused[i].text, GATE_WIRE, false, refused[i].offset);
        check(refused[i].text, GATE_JSONB, false, refused[i].offset);
    }
}

/* Every proper prefix of a complete object ends too soon, and the fault is at its end or at a cut character. */
static void test_refuses_every_prefix(void **state)
{
    static const char whole[] =
        "{\"a\":[1.5e3,true,null,{\"\\u4f60\":\"\\ud83d\\ude00 \xE4\xBD\xA0 text\"}],\"b\":\"\"}";
    struct gate_fault fault;

    (void)state;
    assert_true(gate_check(SPAN(whole), GATE_JSONB, &fault));
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        assert_false(gate_check((struct span){whole, len}, GATE_WIRE, &fault));
        assert_in_range(fault.offset, len < 3 ? 0 : len - 3, len);
    }
}

static struct span repeated(struct buf *b, const char *open, const char *inside, const char *close, size_t count)
{
    buf_reset(b);
    for (size_t i = 0; i < count; i++)
        buf_add_text(b, open);
    buf_add_text(b, inside);
    for (size_t i = 0; i < count; i++)
        buf_add_text(b, close);
    return buf_span(b);
}

static void test_limits(void **state)
{
    struct buf b = BUF_INIT;
    struct span text;
    struct gate_fault fault;

    (void)state;
    check(repeated(&b, "[", "", "]", GATE_MAX_DEPTH), GATE_JSONB, true, 0);
    check(repeated(&b, "[", "", "]", GATE_MAX_DEPTH + 1), GATE_WIRE, false, GATE_MAX_DEPTH);
    check(repeated(&b, "{\"a\":", "1", "}", GATE_MAX_DEPTH), GATE_JSONB, true, 0);
    check(repeated(&b, "{\"a\":", "{}", "}", GATE_MAX_DEPTH), GATE_WIRE, false, GATE_MAX_DEPTH * 5);
    check(repeated(&b, "[", "", "", 100000), GATE_WIRE, false, GATE_MAX_DEPTH); /* no stack to run out of */

    /* the array itself, then its elements */
    text = repeated(&b, "[0", "", "", 1);
    for (size_t i = 0; i < GATE_MAX_TOKENS - 2; i++)
        buf_add_text(&b, ",0");
    text = buf_span(&b);
    buf_add_char(&b, ']');
    check(buf_span(&b), GATE_WIRE, true, 0);
    b.len = text.len;
    buf_add_text(&b, ",0]");
    check(buf_span(&b), GATE_WIRE, false, text.len + 1);

    text = repeated(&b, "1", "", "", GATE_MAX_NUMBER);
    check(text, GATE_JSONB, true, 0);
    buf_add_char(&b, '1');
    check(buf_span(&b), GATE_WIRE, false, 0);

    buf_reset(&b);
    memset(buf_reserve(&b, GATE_MAX_BYTES + 1), ' ', GATE_MAX_BYTES + 1);
    buf_commit(&b, GATE_MAX_BYTES + 1);
    b.data[0] = '1';
    assert_true(gate_check((struct span){b.data, GATE_MAX_BYTES}, GATE_WIRE, &fault));
    assert_false(gate_check(buf_span(&b), GATE_WIRE, &fault));
    buf_release(&b);
}

static void test_counts_members(void **state)
{
    static const struct {
        const char *text;
        size_t members;
    } cases[] = {{"[]", 0},
                 {"{}", 0},
                 {"{\"a\":1}", 1},
                 {"{\"a\":1,\"a\":2}", 2},
                 {"[{\"a\":{\"b\":[{\"c\":0}]}},{\"d\":1}]", 4}};
    struct gate_fault fault;
    struct gate_counts counts;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(gate_count(span_of(cases[i].text), GATE_WIRE, &counts, &fault));
        assert_int_equal(counts.members, cases[i].members);
    }
}

static void test_unescapes_pairs(void **state)
{
    static const struct {
        const char *text, *unescaped;
        size_t pairs;
    } cases[] = {{"{\"a\":\"b\\n\\u4f60\\\\\"}", "{\"a\":\"b\\n\\u4f60\\\\\"}", 0},
                 {"\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\"", 1},
                 {"[\"\\uD836\\uDC00x\\udbff\\udfff\"]", "[\"\xF0\x9D\xA0\x80x\xF4\x8F\xBF\xBF\"]", 2},
                 {"{\"\\ud83d\\ude00\":\"\\ud800\\udc00\"}", "{\"\xF0\x9F\x98\x80\":\"\xF0\x90\x80\x80\"}", 2},
                 /* a backslash, then letters */
                 {"\"\\\\ud83d\\ude00\"", "\"\\\\ud83d\\ude00\"", 0},
                 /* alone, the wrong way round, and one of them too many */
                 {"\"\\ud83d\"", "\"\\ud83d\"", 0},
                 {"\"\\ude00\\ud83d\"", "\"\\ude00\\ud83d\"", 0},
                 {"\"\\ud83d\\ud83d\\ude00\\ude00\"", "\"\\ud83d\xF0\x9F\x98\x80\\ude00\"", 1}};
    struct gate_fault fault;
    struct gate_counts counts;
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_reset(&out);
        assert_true(gate_count(span_of(cases[i].text), GATE_WIRE, &counts, &fault));
        assert_int_equal(counts.pairs, cases[i].pairs);
        gate_unescape_pairs(span_of(cases[i].text), &out);
        assert_string_equal(buf_text(&out), cases[i].unescaped);
    }
    buf_release(&out);
}

static void test_member(void **state)
{
    static const struct {
        const char *object, *key, *value; /* NULL: absent */
    } cases[] = {
        {"{\"a\":1}", "a", "1"},
        {" { \"a\" : -1.5e3 } ", "a", "-1.5e3"},
        {"{\"a\":1,\"b\":[{\"a\":2}],\"c\":\"}\\\"]\"}", "b", "[{\"a\":2}]"},
        {"{\"a\":1,\"b\":[{\"a\":2}],\"c\":\"}\\\"]\"}", "c", "\"}\\\"]\""},
        {"{\"a\":{\"b\":1}}", "b", NULL},
        {"{\"a\":1,\"b\":2,\"a\":3}", "a", "3"},
        {"{\"a\":1,\"\\u0061\":3}", "a", "3"},
        {"{\"Msg\\u0042ody\":[]}", "MsgBody", "[]"},
        {"{\"\\u4f60\\ud83d\\ude00\":true}", "\xE4\xBD\xA0\xF0\x9F\x98\x80", "true"},
        {"{\"a\\/b\\n\\\"\":null}", "a/b\n\"", "null"},
        {"{\"a\\\\\":1,\"b\":2}", "b", "2"},
        {"{\"ab\":1}", "a", NULL},
        {"{\"a\":1}", "ab", NULL},
        {"{\"\\u0061b\":1}", "a", NULL},
        {"{\"\":1}", "", "1"},
        {"{}", "a", NULL},
        {"[]", "a", NULL},
        {"\"a\"", "a", NULL},
        {"", "a", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span value = {NULL, 0};
        bool found = gate_member(span_of(cases[i].object), cases[i].key, &value);

        if (found != (cases[i].value != NULL) || (found && !span_is(value, cases[i].value)))
            fail_msg("%s of %s: %.*s", cases[i].key, cases[i].object, (int)value.len, value.data ? value.data : "");
    }
}

static void test_elements(void **state)
{
    const struct span array = SPAN(" [ 1 , \"a,]\" , [2,[3]] ,{\"x\":[]} ] ");
    static const char *const values[] = {"1", "\"a,]\"", "[2,[3]]", "{\"x\":[]}"};
    struct span value = SPAN("untouched");
    size_t cursor = 0, count = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        assert_true(gate_element(array, i, &value));
        assert_true(span_is(value, values[i]));
    }
    value = SPAN("untouched");
    assert_false(gate_element(array, COUNT(values), &value));
    assert_false(gate_element(SPAN("[]"), 0, &value));
    assert_false(gate_element(SPAN("[ ]"), 0, &value));
    assert_false(gate_element(SPAN("{\"a\":1}"), 0, &value));
    assert_false(gate_element(SPAN(""), 0, &value));
    assert_true(span_is(value, "untouched"));
    while (gate_next(array, &cursor, &value))
        assert_true(span_is(value, values[count++]));
    assert_int_equal(count, COUNT(values));
}

static const char *const seeds[] = {
    "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"Random\":3204417755,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\","
    "\"MsgContent\":{\"Text\":\"call \\u4f60\\ud83d\\ude00 \xE4\xBD\xA0\xE5\xA5\xBD\"}}],\"CloudCustomData\":\"{\\\"lvl\\\":3}\"}",
    "[0,-0,1.5,-2.5e10,1e-400,123456789012345678901234567890,true,false,null,\"\\u0000\\ud800\",{},[],[[{\"a\":{}}]]]",
    "{\"a\":{\"b\":[1,2,{\"c\":\"\\\\\\/\\b\\f\\n\\r\\t\\\"\"}],\"\xF0\x9F\x98\x80\":\"\xF0\x9F\x98\x80\"},\"a\":1e5}"};
static void expect_inside(struct span whole, struct span part)
{
    assert_true(part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void locate_everything(struct span text, unsigned depth)
{
    struct span key, value = text;
    struct buf said = BUF_INIT;
    size_t cursor = 0;

    while (depth < 4 && gate_next(text, &cursor, &value)) {
        expect_inside(text, value);
        locate_everything(value, depth + 1);
    }
    for (cursor = 0; depth < 4 && gate_next_member(text, &cursor, &key, &value);) {
        expect_inside(text, key);
        expect_inside(text, value);
        gate_string_is(key, "MsgBody");
        locate_everything(value, depth + 1);
    }
    value = text;
    gate_member(text, "MsgBody", &value);
    expect_inside(text, value);
    gate_element(text, 1, &value);
    expect_inside(text, value);
    gate_string(text, &said);
    assert_true(said.len <= text.len);
    buf_reset(&said);
    gate_unescape_pairs(text, &said);
    assert_true(said.len <= text.len);
    buf_release(&said);
}

/* What the gate refuses they may take for anything, but they read nothing behind it: each piece has a block of memory
 * of its own, as long as it is. */
static void test_locators_stay_inside_of_no_json(void **state)
{
    const char *const texts[] = {seeds[0], seeds[1], seeds[2], "[1,{\"a\" : [\"\\uD836\\udc00\\\"\" , }",
                                 "{\"a\" \"b\" \"c\\"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        size_t len = strlen(texts[i]);

        for (size_t from = 0; from < len; from += from < 8 ? 1 : 7) {
            for (size_t end = from + 1; end <= len; end++) {
                char *piece = malloc(end - from);

                assert_non_null(piece);
                memcpy(piece, texts[i] + from, end - from);
                locate_everything((struct span){piece, end - from}, 0);
                free(piece);
            }
        }
    }
}

/* Every string json-c found is UTF-8, however deep it stands. */
static void check_strings(struct json_value v, struct span text)
{
    if (v.kind == JSON_STRING && utf8_valid_prefix(json_string(v).data, json_string(v).len) != json_string(v).len)
        fail_msg("json-c made invalid UTF-8 of %.*s", (int)text.len, text.data);
    for (size_t i = 0; i < json_count(v); i++)
        check_strings(json_item(v, i), text);
}

static void test_json_c_reads_what_the_gate_accepts(void **state)
{
    struct json_reader *reader = json_reader_new();
    struct buf b = BUF_INIT;
    uint64_t seed = 20240607;
    size_t passed = 0;

    (void)state;
    assert_non_null(reader);
    for (size_t i = 0; i < COUNT(accepted); i++) {
        struct json_value root;
        struct err err = {0};

        if (json_read(reader, span_of(accepted[i]), &root, &err) < 0)
            fail_msg("json-c: %s: %s", err.text, accepted[i]);
    }
    for (size_t round = 0; round < 100000; round++) {
        struct gate_fault fault;
        struct json_value root;
        struct err err = {0};

        buf_reset(&b);
        buf_add_text(&b, seeds[round % COUNT(seeds)]);
        mutate(&b, &seed);
        if (!gate_check(buf_span(&b), GATE_WIRE, &fault))
            continue;
        passed++;
        if (json_read(reader, buf_span(&b), &root, &err) < 0)
            fail_msg("json-c: %s: %.*s", err.text, (int)b.len, b.data);
        check_strings(root, buf_span(&b));
    }
    assert_in_range(passed, 5000, 95000); /* the mutations are neither all harmless nor all fatal */
    buf_release(&b);
    json_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_accepts_on_the_wire_only),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_refuses_every_prefix),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_counts_members),
        cmocka_unit_test(test_unescapes_pairs),
        cmocka_unit_test(test_member),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_locators_stay_inside_of_no_json),
        cmocka_unit_test(test_json_c_reads_what_the_gate_accepts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
