/* The vectors of the paper's appendix. */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void vectors_of_the_paper(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } rows[] = {{0, 0x726fdb47dd0e0e31},
                {1, 0x74f839c593dc67fd},
                {7, 0xab0200f58b01d137},
                {8, 0x93f5f5799a932462},
                {15, 0xa129ca6149be45e5}};
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    unsigned char bytes[16];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct siphash s;

        siphash_begin(&s, key);
        siphash_add(&s, bytes, rows[i].len / 2);
        siphash_add(&s, bytes + rows[i].len / 2, rows[i].len - rows[i].len / 2);
        assert_int_equal(siphash_end(&s), rows[i].hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_of_the_paper)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
