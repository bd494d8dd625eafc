/* Times as people write them, and strangers' texts as they are shown. */
#include "cli/marked_text.h"
#include "cli/times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const int64_t second_us = 1000000, now_us = 1764000000LL * 1000000; /* 2025-11-24T16:00:00Z */

static void moments(void **state)
{
    static const struct {
        const char *text;
        int64_t s, us; /* s 0: is no time */
    } rows[] = {
        {"now", 1764000000, 0},
        {"90s", 1764000000 - 90, 0},
        {"15m", 1764000000 - 900, 0},
        {"2h", 1764000000 - 7200, 0},
        {"7d", 1764000000 - 7 * 86400, 0},
        {"1w", 1764000000 - 7 * 86400, 0},
        {"2025-11-24T16:00:00Z", 1764000000, 0},
        {"2025-11-24t16:00:00z", 1764000000, 0},
        {"2025-11-24 16:00:00Z", 1764000000, 0},
        {"2025-11-25T00:00:00+08:00", 1764000000, 0},
        {"2025-11-24T11:30:00-04:30", 1764000000, 0},
        {"2025-11-24T16:00:00.25Z", 1764000000, 250000},
        {"2025-11-24T16:00:00.1234567Z", 1764000000, 123456},
        {"2025-11-24", 1764000000 - 16 * 3600, 0},
        {"2024-02-29", 1709164800, 0},
        {"", 0, 0},
        {"h", 0, 0},
        {"2", 0, 0},
        {"-2h", 0, 0},
        {"2y", 0, 0},
        {"99999999999999999999d", 0, 0},
        {"40000d", 0, 0},
        {"yesterday", 0, 0},
        {"2025-13-01", 0, 0},
        {"2025-00-01", 0, 0},
        {"2025-02-29", 0, 0},
        {"2025-06-31", 0, 0},
        {"2025-11-00", 0, 0},
        {"2025-11-24T", 0, 0},
        {"2025-11-24T16:00Z", 0, 0},
        {"2025-11-24T24:00:00Z", 0, 0},
        {"2025-11-24T16:60:00Z", 0, 0},
        {"2025-11-24T16:00:00", 0, 0},
        {"2025-11-24T16:00:00.Z", 0, 0},
        {"2025-11-24T16:00:00+0800", 0, 0},
        {"2025-11-24T16:00:00+25:00", 0, 0},
        {"2025-11-24T16:00:00Zz", 0, 0},
        {"2025-11-24x", 0, 0},
        {"25-11-24", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int64_t us = -1;
        bool is_time = times_moment(span_of(rows[i].text), now_us, &us);

        if (is_time != (rows[i].s != 0) || (is_time && us != rows[i].s * second_us + rows[i].us))
            print_error("\"%s\" gives %lld\n", rows[i].text, (long long)us);
        assert_int_equal(is_time, rows[i].s != 0);
        if (is_time)
            assert_int_equal(us, rows[i].s * second_us + rows[i].us);
    }
}

static void times_are_written(void **state)
{
    char text[TIMES_TEXT];

    (void)state;
    assert_string_equal(times_text(now_us, text), "2025-11-24T16:00:00Z");
    assert_string_equal(times_text(0, text), "1970-01-01T00:00:00Z");
}

static void marks(void **state)
{
    static const struct {
        const char *text;
        struct text_mark marks[3];
        size_t count;
        const char *shown, *reverse;
    } rows[] = {
        {"plain", {{0, 0}}, 0, "  plain\n", "  plain\n"},
        {"oh darn it", {{3, 7}}, 1, "  oh darn it\n     ^^^^\n", "  oh \x1b[7mdarn\x1b[0m it\n"},
        {"darn", {{0, 4}}, 1, "  darn\n  ^^^^\n", "  \x1b[7mdarn\x1b[0m\n"},
        /* wide characters take two columns, marks drawn on a letter none */
        {"你好坏蛋", {{6, 12}}, 1, "  你好坏蛋\n      ^^^^\n", "  你好\x1b[7m坏蛋\x1b[0m\n"},
        {"ｆｕ x", {{0, 3}, {7, 8}}, 2, "  ｆｕ x\n  ^^   ^\n", "  \x1b[7mｆ\x1b[0mｕ \x1b[7mx\x1b[0m\n"},
        {"e\u0301x", {{3, 4}}, 1, "  e\u0301x\n   ^\n", "  e\u0301\x1b[7mx\x1b[0m\n"},
        /* overlapping, and one inside the other */
        {"abcdef", {{1, 4}, {2, 5}, {3, 4}}, 3, "  abcdef\n   ^^^^\n", "  a\x1b[7mbcde\x1b[0mf\n"},
        /* what cannot be seen, and what a terminal would obey */
        {"a\u200Bb", {{0, 5}}, 1, "  a\\u{200B}b\n  ^^^^^^^^^^\n", "  \x1b[7ma\\u{200B}b\x1b[0m\n"},
        {"\x1b[31m\n\t\r\x7f",
         {{0, 1}},
         1,
         "  \\u{1B}[31m\\n\\t\\r\\u{7F}\n  ^^^^^^\n",
         "  \x1b[7m\\u{1B}\x1b[0m[31m\\n\\t\\r\\u{7F}\n"},
        {"\xc2\x85\u202Ex", {{0, 0}}, 0, "  \\u{85}\\u{202E}x\n", "  \\u{85}\\u{202E}x\n"},
        {"x\xff", {{1, 2}}, 1, "  x\\x{FF}\n   ^^^^^^\n", "  x\x1b[7m\\x{FF}\x1b[0m\n"},
        /* what belongs to an emoji stays with it; between letters it is an evasion */
        {"❤\uFE0F👩\u200D👩 a\u200Db", {{0, 0}}, 0, "  ❤\uFE0F👩\u200D👩 a\\u{200D}b\n", "  ❤\uFE0F👩\u200D👩 a\\u{200D}b\n"},
        {"", {{0, 0}}, 0, "  \n", "  \n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct buf out = BUF_INIT;

        marked_text_add(&out, "  ", span_of(rows[i].text), rows[i].marks, rows[i].count, false);
        assert_string_equal(buf_text(&out), rows[i].shown);
        buf_reset(&out);
        marked_text_add(&out, "  ", span_of(rows[i].text), rows[i].marks, rows[i].count, true);
        assert_string_equal(buf_text(&out), rows[i].reverse);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
