/* Any bytes as a UserSig: what can be read has fields in their bounds, and is good only if it is what we would sign.
 *
 * Input: a byte of choices, then the signature as it stands in a URL; or, with bit 0 set, the JSON inside of it, which
 * is packed here, with bit 1 as a stored stream as the vendor's Go library does. */
#include "fuzz.h"

#include "base/crypto.h"
#include "wire/usersig.h"

#include <zlib.h>

enum { PACK = 1, STORED = 2, LONGEST = 8192 };

static const char secret[] = "a secret of the fuzz target";

static size_t pack(const uint8_t *json, size_t size, bool stored, char out[LONGEST * 2])
{
    Bytef packed[LONGEST];
    uLongf len = sizeof(packed);

    MUST(compress2(packed, &len, json, size, stored ? 0 : 6) == Z_OK);
    len = crypto_base64(out, packed, len);
    for (size_t i = 0; i < len; i++)
        out[i] = out[i] == '+' ? '*' : out[i] == '/' ? '-' : out[i] == '=' ? '_' : out[i];
    return len;
}

static void check_fields(const struct usersig *sig)
{
    size_t len = strlen(sig->identifier);

    MUST(len >= 1 && len <= 32 &&
         strspn(sig->identifier, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789_-") == len);
    MUST(sig->time_s >= 0 && sig->expire_s >= 0 && strlen(sig->sig) == 44);
}

/* Only we can have made what is good, and what we make of the same fields is. */
static void check_against_ours(struct span text, const struct usersig *given)
{
    int64_t now_s = given->time_s;
    enum usersig_result r = usersig_check(text, secret, given->identifier, given->sdkappid, now_s);
    struct buf made = BUF_INIT;
    struct usersig ours;
    bool can_be_made = given->expire_s > 0 && given->sdkappid <= INT64_MAX;

    MUST(r == USERSIG_OK || r == USERSIG_WRONG_KEY || (r == USERSIG_MALFORMED && given->has_userbuf));
    MUST(usersig_check(text, secret, "someone-else", given->sdkappid, now_s) != USERSIG_OK ||
         strcmp(given->identifier, "someone-else") == 0);
    MUST(usersig_check(text, secret, given->identifier, given->sdkappid + 1, now_s) != USERSIG_OK);
    MUST(usersig_check(text, "another secret", given->identifier, given->sdkappid, now_s) != USERSIG_OK);
    if (!can_be_made)
        return;
    MUST(usersig_make(&made, secret, given->identifier, given->sdkappid, given->time_s, given->expire_s, NULL) == 0);
    MUST(usersig_decode(buf_span(&made), &ours, NULL) == 0);
    MUST(strcmp(ours.identifier, given->identifier) == 0 && ours.sdkappid == given->sdkappid &&
         ours.time_s == given->time_s && ours.expire_s == given->expire_s && !ours.has_userbuf);
    MUST(usersig_check(buf_span(&made), secret, given->identifier, given->sdkappid, now_s) == USERSIG_OK);
    MUST((r == USERSIG_OK) == (strcmp(ours.sig, given->sig) == 0 && !given->has_userbuf));
    buf_release(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char packed[LONGEST * 2];
    struct span text;
    struct usersig sig;
    struct err err;

    if (size < 1 || size > LONGEST - 1024)
        return 0;
    text = (struct span){(const char *)data + 1, size - 1};
    if (data[0] & PACK)
        text = (struct span){packed, pack(data + 1, size - 1, data[0] & STORED, packed)};
    if (usersig_decode(text, &sig, &err) == 0) {
        check_fields(&sig);
        check_against_ours(text, &sig);
    } else {
        MUST(err.code == ERR_INVALID && is_utf8(span_of(err.text)));
        MUST(usersig_check(text, secret, "administrator", 1400000001, 0) == USERSIG_MALFORMED);
    }
    return 0;
}
