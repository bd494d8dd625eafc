/* HMAC over parts: a vector of RFC 4231, and the same as libcrypto's own for keys of every length around a block. */
#include "base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_published_vector(void **state)
{
    static const uint8_t wanted[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                     0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                     0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    const struct span parts[] = {SPAN("what do ya want "), SPAN(""), {NULL, 0}, SPAN("for nothing?")};
    uint8_t mac[SHA256_BYTES];

    (void)state;
    crypto_hmac_parts(SPAN("Jefe"), parts, sizeof(parts) / sizeof(parts[0]), mac);
    assert_memory_equal(mac, wanted, sizeof(wanted));
}

static void keys_of_every_length(void **state)
{
    char key[200];
    uint8_t ours[SHA256_BYTES], theirs[SHA256_BYTES];
    const struct span text = SPAN("some text");

    (void)state;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (char)(i * 7 + 1);
    for (size_t len = 1; len <= sizeof(key); len++) {
        crypto_hmac_parts((struct span){key, len}, &text, 1, ours);
        assert_true(crypto_hmac_sha256((struct span){key, len}, text, theirs));
        assert_memory_equal(ours, theirs, sizeof(ours));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_published_vector),
        cmocka_unit_test(keys_of_every_length),
    };

    return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
