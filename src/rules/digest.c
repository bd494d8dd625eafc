#include "rules/digest.h"

#include <openssl/evp.h>

bool digest_hex(struct span text, char out[DIGEST_HEX])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[32];

    out[0] = '\0';
    if (!EVP_Digest(text.data ? text.data : "", text.len, digest, NULL, EVP_sha256(), NULL))
        return false;
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[DIGEST_HEX - 1] = '\0';
    return true;
}
