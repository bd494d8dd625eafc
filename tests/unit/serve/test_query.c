#include "serve/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void reads_what_the_platform_sends(void **state)
{
    static const struct {
        const char *text;
        enum query_name name;
        unsigned count;
        const char *value;
    } cases[] = {
        {"SdkAppid=1400000001&CallbackCommand=X", QUERY_SDKAPPID, 1, "1400000001"},
        {"SdkAppId=1400000001&WebhookCommand=X", QUERY_SDKAPPID, 1, "1400000001"},
        {"sdkappid=1&SDKAPPID=2", QUERY_SDKAPPID, 2, "2"},
        {"SdkAppid=1&WebhookCommand=Group.X", QUERY_COMMAND, 1, "Group.X"},
        {"callbackcommand=A&WebhookCommand=B", QUERY_COMMAND, 2, "B"},
        {"ClientIP=2001%3adb8%3A%3A1", QUERY_CLIENT_IP, 1, "2001:db8::1"},
        {"OptPlatform=", QUERY_PLATFORM, 1, ""},
        {"OptPlatform", QUERY_PLATFORM, 1, ""},
        {"Sign=a=b&RequestTime=17", QUERY_SIGN, 1, "a=b"},
        {"xSign=1&Signx=2&=3&&", QUERY_SIGN, 0, NULL},
        {"", QUERY_SIGN, 0, NULL},
        {"RequestTime=%31%zz%4", QUERY_REQUEST_TIME, 1, "1%zz%4"},
    };
    struct query q = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        query_read(&q, span_of(cases[i].text));
        assert_int_equal(q.count[cases[i].name], cases[i].count);
        if (cases[i].value)
            assert_true(span_is(q.value[cases[i].name], cases[i].value));
        else
            assert_null(q.value[cases[i].name].data);
    }
    query_release(&q);
}

static void gives_only_text_that_can_be_stored(void **state)
{
    static const struct {
        const char *text;
        bool given;
    } cases[] = {
        {"RequestID=0123456789", true},
        {"RequestID=01234567890", false},
        {"RequestID=", true},
        {"RequestID=%e4%bd%a0", true},
        {"RequestID=%ff", false},
        {"RequestID=%00", false},
        {"RequestID=a%0ab", false},
        {"RequestID=a%7fb", false},
        {"RequestID=%c0%80", false},
        {"RequestID=%ed%a0%80", false},
        {"Other=1", false},
    };
    struct query q = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        query_read(&q, span_of(cases[i].text));
        assert_int_equal(query_text(&q, QUERY_REQUEST_ID, 10).data != NULL, cases[i].given);
    }
    query_release(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_platform_sends),
        cmocka_unit_test(gives_only_text_that_can_be_stored),
    };

    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
