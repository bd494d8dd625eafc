/* Buffers, spans, UTF-8, JSON writing and error texts: what everything else is made of. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json_write.h"
#include "base/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_buf_grows_and_ends_with_nul(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        buf_addf(&b, "%d,", i);
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    buf_reset(&b);
    buf_add_i64(&b, INT64_MIN);
    buf_add_char(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    assert_string_equal(buf_text(&b), "-9223372036854775808 18446744073709551615");
    buf_release(&b);
    assert_string_equal(buf_text(&b), "");
}

static void test_buf_ceiling_is_sticky(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    buf_add_text(&b, "12345");
    buf_add_text(&b, "678901");
    assert_true(buf_failed(&b));
    buf_add_text(&b, "x");
    assert_string_equal(buf_text(&b), "12345");
    buf_reset(&b);
    buf_add_text(&b, "1234567890");
    assert_false(buf_failed(&b));
    buf_release(&b);
}

static void test_span_numbers(void **state)
{
    static const struct {
        const char *text;
        bool good;
        unsigned long long value;
    } cases[] = {{"0", true, 0},
                 {"00012", true, 12},
                 {"18446744073709551615", true, 18446744073709551615ull},
                 {"18446744073709551616", false, 0},
                 {"", false, 0},
                 {"+1", false, 0},
                 {"-1", false, 0},
                 {"1 ", false, 0},
                 {"1x", false, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned long long value = 77;

        assert_int_equal(span_to_u64(span_of(cases[i].text), &value), cases[i].good);
        assert_int_equal(value, cases[i].good ? cases[i].value : 77);
    }
}

static void test_utf8_edges(void **state)
{
    static const struct {
        const char *text;
        size_t len, valid;
    } cases[] = {
        {"", 0, 0},
        {"plain ascii, longer than eight", 30, 30},
        {"\xC2\x80\xDF\xBF", 4, 4},
        {"\xC0\x80", 2, 0},                       /* overlong NUL */
        {"\xC1\xBF", 2, 0},                       /* overlong */
        {"\xE0\xA0\x80", 3, 3},                   /* U+0800 */
        {"\xE0\x9F\xBF", 3, 0},                   /* overlong */
        {"\xED\x9F\xBF", 3, 3},                   /* U+D7FF */
        {"\xED\xA0\x80", 3, 0},                   /* surrogate */
        {"\xEF\xBF\xBF", 3, 3},                   /* U+FFFF */
        {"\xF0\x90\x80\x80", 4, 4},               /* U+10000 */
        {"\xF0\x8F\xBF\xBF", 4, 0},               /* overlong */
        {"\xF4\x8F\xBF\xBF", 4, 4},               /* U+10FFFF */
        {"\xF4\x90\x80\x80", 4, 0},               /* above */
        {"\xF5\x80\x80\x80", 4, 0},               /* never a first byte */
        {"\xFF", 1, 0},                           /* never a byte */
        {"12345678\xE4\xBD\xA0\xE5\xA5", 13, 11}, /* cut in the second character */
        {"\x80", 1, 0},                           /* continuation alone */
        {"a\0b", 3, 3},                           /* U+0000 is valid here */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(utf8_valid_prefix(cases[i].text, cases[i].len), cases[i].valid);
}

static void test_utf8_round_trip(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char bytes[4];
        size_t len;

        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        len = utf8_encode(code, bytes);
        assert_int_equal(utf8_char_len(bytes, len), len);
        assert_int_equal(utf8_decode(bytes, len), code);
        assert_int_equal(utf8_char_len(bytes, len - 1), 0);
    }
    assert_int_equal(utf8_cut("ab\xE4\xBD\xA0", 5, 4), 2);
    assert_int_equal(utf8_cut("ab\xE4\xBD\xA0", 5, 5), 5);
}

static void test_json_strings(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    json_add_string(&b, (struct span){"a\"\\\n\r\t\x01\x7F\0 \xE4\xBD\xA0 \xED\xA0\x80 \xFF", 19});
    assert_string_equal(buf_text(&b), "\"a\\\"\\\\\\n\\r\\t\\u0001\\u007f\\u0000 \xE4\xBD\xA0 "
                                      "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD\"");
    buf_reset(&b);
    buf_add_char(&b, '{');
    json_add_member_text(&b, "a", "x");
    json_add_member_text(&b, "b", NULL);
    json_add_member_i64(&b, "c", -5);
    json_add_member_bool(&b, "d", true);
    buf_add_char(&b, '}');
    assert_string_equal(buf_text(&b), "{\"a\":\"x\",\"b\":null,\"c\":-5,\"d\":true}");
    buf_release(&b);
}

static void test_err_texts(void **state)
{
    struct err err;
    char long_text[2000];

    (void)state;
    errno = ENOSPC;
    assert_int_equal(err_set_errno(&err, ERR_FULL, "could not write \"%s\"", "a"), ERR_FULL);
    assert_string_equal(err.text, "could not write \"a\": No space left on device");
    assert_int_equal(err_prefix(&err, "spool %d", 7), ERR_FULL);
    assert_string_equal(err.text, "spool 7: could not write \"a\": No space left on device");
    assert_int_equal(err_set(NULL, ERR_USAGE, "nobody listens"), ERR_USAGE);

    memset(long_text, 'x', sizeof(long_text));
    for (size_t i = 0; i + 3 < sizeof(long_text); i += 3)
        memcpy(long_text + i, "\xE4\xBD\xA0", 3);
    long_text[sizeof(long_text) - 1] = '\0';
    err_set(&err, ERR_FAILED, "x%s", long_text);
    assert_true(strlen(err.text) < sizeof(err.text));
    assert_int_equal(utf8_valid_prefix(err.text, strlen(err.text)), strlen(err.text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_grows_and_ends_with_nul),
        cmocka_unit_test(test_buf_ceiling_is_sticky),
        cmocka_unit_test(test_span_numbers),
        cmocka_unit_test(test_utf8_edges),
        cmocka_unit_test(test_utf8_round_trip),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_err_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
