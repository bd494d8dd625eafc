#include "wire/signature.h"

/* The plain SHA-256 functions are deprecated in favour of EVP, which looks the algorithm up under a lock and allocates:
 * ten times the cost of this digest, on every request. They cannot fail. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

void signature_make(const char *token, struct span request_time, char out[SIGNATURE_HEX + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, token, strlen(token));
    SHA256_Update(&ctx, request_time.data, request_time.len);
    SHA256_Final(digest, &ctx);
    OPENSSL_cleanse(&ctx, sizeof(ctx));
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[SIGNATURE_HEX] = '\0';
}

/* Sign as sent -> lower case; false when it is not 64 hexadecimal digits. */
static bool read_sign(struct span sign, char out[SIGNATURE_HEX])
{
    if (sign.len != SIGNATURE_HEX)
        return false;
    for (size_t i = 0; i < SIGNATURE_HEX; i++) {
        char c = sign.data[i];

        if (c >= 'A' && c <= 'F')
            c = (char)(c - 'A' + 'a');
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        out[i] = c;
    }
    return true;
}

enum signature_result signature_check(const char *const *tokens, size_t count, struct span request_time,
                                      struct span sign, int64_t now_s)
{
    char given[SIGNATURE_HEX], made[SIGNATURE_HEX + 1];
    unsigned long long time_s;
    int64_t difference;
    bool match = false;

    if (request_time.len > SIGNATURE_MAX_TIME || !span_to_u64(request_time, &time_s) || time_s > INT64_MAX ||
        !read_sign(sign, given))
        return SIGNATURE_MALFORMED;
    for (size_t i = 0; i < count; i++) {
        if (!tokens[i])
            continue;
        signature_make(tokens[i], request_time, made);
        if (CRYPTO_memcmp(made, given, SIGNATURE_HEX) == 0)
            match = true;
    }
    if (!match)
        return SIGNATURE_WRONG;
    if (__builtin_sub_overflow(now_s, (int64_t)time_s, &difference) || difference > SIGNATURE_WINDOW_S ||
        difference < -SIGNATURE_WINDOW_S)
        return SIGNATURE_STALE;
    return SIGNATURE_OK;
}

const char *signature_result_text(enum signature_result r)
{
    switch (r) {
    case SIGNATURE_OK:
        return "good";
    case SIGNATURE_MALFORMED:
        return "bad RequestTime or Sign";
    case SIGNATURE_STALE:
        return "clock differs by more than 60 s";
    case SIGNATURE_WRONG:
        return "Sign was made with another token";
    }
    return "unknown";
}
