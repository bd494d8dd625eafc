#include "spool/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 3720, appendix B.4, and the check value every catalogue of checksums gives. */
static void known_values(void **state)
{
    unsigned char bytes[32];
    const struct {
        int first, step;
        uint32_t crc;
    } rows[] = {{0, 0, 0x8a9136aa}, {0xff, 0, 0x62a8ab43}, {0, 1, 0x46dd794e}, {31, -1, 0x113fdb5c}};

    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        for (int i = 0; i < 32; i++)
            bytes[i] = (unsigned char)(rows[row].first + i * rows[row].step);
        assert_int_equal(crc32c(0, bytes, sizeof(bytes)), rows[row].crc);
        assert_int_equal(crc32c_portable(0, bytes, sizeof(bytes)), rows[row].crc);
    }
}

static void both_ways_agree_at_any_length_and_alignment(void **state)
{
    char bytes[300];

    (void)state;
    srandom(1);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)random();
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; len + from <= sizeof(bytes); len++)
            assert_int_equal(crc32c(7, bytes + from, len), crc32c_portable(7, bytes + from, len));
}

static void pieces_make_the_whole(void **state)
{
    const char *text = "a checksum may be taken in two pieces";
    size_t len = strlen(text);

    (void)state;
    for (size_t cut = 0; cut <= len; cut++)
        assert_int_equal(crc32c(crc32c(0, text, cut), text + cut, len - cut), crc32c(0, text, len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(both_ways_agree_at_any_length_and_alignment),
        cmocka_unit_test(pieces_make_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
