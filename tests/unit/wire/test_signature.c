/* Sign and RequestTime: the vectors of protocol.md section 2, the window, two tokens. */
#include "wire/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define PUBLISHED    "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
#define OURS         "04d09556384303c30c0f575027a0305656b967ef84042e56d37d6daff7b7513e"

static void test_vectors(void **state)
{
    char sign[SIGNATURE_HEX + 1];

    (void)state;
    signature_make("xxxxyyyy", SPAN("1669872112"), sign);
    assert_string_equal(sign, PUBLISHED);
    signature_make("live-hook-token-01", SPAN("1700000000"), sign);
    assert_string_equal(sign, OURS);
    /* an older English page prints the first digest beside this token: a typo */
    signature_make("xxxyyy", SPAN("1669872112"), sign);
    assert_memory_equal(sign, "e78a8547", 8);
}

static void test_check(void **state)
{
    static const char *const tokens[] = {NULL, "new-token", "live-hook-token-01"};
    static const struct {
        const char *time, *sign;
        int64_t now_s;
        enum signature_result result;
    } cases[] = {
        {"1700000000", OURS, 1700000000, SIGNATURE_OK},
        {"1700000000", OURS, 1700000060, SIGNATURE_OK},
        {"1700000000", OURS, 1699999940, SIGNATURE_OK},
        {"1700000000", OURS, 1700000061, SIGNATURE_STALE},
        {"1700000000", OURS, 1699999939, SIGNATURE_STALE},
        {"1700000000", OURS, INT64_MIN, SIGNATURE_STALE},
        {"1700000000", OURS, INT64_MAX, SIGNATURE_STALE},
        {"1700000000", "04D09556384303C30C0F575027A0305656B967EF84042E56D37D6DAFF7B7513E", 1700000000, SIGNATURE_OK},
        {"1700000001", OURS, 1700000000, SIGNATURE_WRONG},
        {"01700000000", OURS, 1700000000, SIGNATURE_WRONG}, /* the characters are signed, not the number */
        {"1669872112", PUBLISHED, 1669872112, SIGNATURE_WRONG},
        {"1669872112", PUBLISHED, 1700000000, SIGNATURE_WRONG},
        {"1700000000", "14d09556384303c30c0f575027a0305656b967ef84042e56d37d6daff7b7513e", 1700000000, SIGNATURE_WRONG},
        {"1700000000", "", 1700000000, SIGNATURE_MALFORMED},
        {"1700000000", "04d09556", 1700000000, SIGNATURE_MALFORMED},
        {"1700000000", OURS "0", 1700000000, SIGNATURE_MALFORMED},
        {"1700000000", "g4d09556384303c30c0f575027a0305656b967ef84042e56d37d6daff7b7513e", 1700000000,
         SIGNATURE_MALFORMED},
        {"", OURS, 1700000000, SIGNATURE_MALFORMED},
        {"+1700000000", OURS, 1700000000, SIGNATURE_MALFORMED},
        {"-1700000000", OURS, 1700000000, SIGNATURE_MALFORMED},
        {"1700000000 ", OURS, 1700000000, SIGNATURE_MALFORMED},
        {"1700000000.0", OURS, 1700000000, SIGNATURE_MALFORMED},
        {"99999999999999999999", OURS, 1700000000, SIGNATURE_MALFORMED},
        {"9999999999999999999", OURS, 1700000000, SIGNATURE_MALFORMED},
        {"00000000000000000000000001700000000", OURS, 1700000000, SIGNATURE_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum signature_result r =
            signature_check(tokens, COUNT(tokens), span_of(cases[i].time), span_of(cases[i].sign), cases[i].now_s);

        if (r != cases[i].result)
            fail_msg("case %zu: %s", i, signature_result_text(r));
    }
}

static void test_without_a_token_nothing_is_good(void **state)
{
    static const char *const none[] = {NULL, NULL};

    (void)state;
    assert_int_equal(signature_check(none, 2, SPAN("1700000000"), SPAN(OURS), 1700000000), SIGNATURE_WRONG);
    assert_int_equal(signature_check(NULL, 0, SPAN("1700000000"), SPAN(OURS), 1700000000), SIGNATURE_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_without_a_token_nothing_is_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
