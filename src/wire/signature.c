#include "wire/signature.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

void signature_make(const char *token, struct span request_time, char out[SIGNATURE_HEX + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char text[SIGNATURE_MAX_TOKEN + SIGNATURE_MAX_TIME], digest[SHA256_DIGEST_LENGTH];
    size_t token_len = strlen(token);

    out[0] = '\0';
    if (token_len > SIGNATURE_MAX_TOKEN || request_time.len > SIGNATURE_MAX_TIME)
        return;
    memcpy(text, token, token_len);
    if (request_time.len > 0)
        memcpy(text + token_len, request_time.data, request_time.len);
    SHA256(text, token_len + request_time.len, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[SIGNATURE_HEX] = '\0';
    OPENSSL_cleanse(text, sizeof(text));
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
        if (made[0] && CRYPTO_memcmp(made, given, SIGNATURE_HEX) == 0)
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
