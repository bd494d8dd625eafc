#include "wire/signature.h"

#include "base/crypto.h"

void signature_make(const char *token, struct span request_time, char out[SIGNATURE_HEX + 1])
{
    const struct span parts[] = {span_of(token), request_time};

    crypto_sha256_hex(parts, 2, out);
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
        if (crypto_equal(made, given, SIGNATURE_HEX))
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
