#include "wire/usersig.h"

#include "base/crypto.h"
#include "base/json_write.h"
#include "wire/json_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <zlib.h>

enum {
    MAX_JSON = 4096,                          /* inflated */
    MAX_ZLIB = MAX_JSON + 64,                 /* a stored stream is a little longer than what it holds */
    MAX_TEXT = (MAX_ZLIB + 2) / 3 * 4,        /* the same in Base64 */
    DIGEST_TEXT = (SHA256_BYTES + 2) / 3 * 4, /* of HMAC-SHA256, in Base64 */
};

static bool is_identifier(struct span s)
{
    if (s.len < 1 || s.len > 32)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

/* TLS.sig: the digest over identifier, application and times, in Base64. False when OpenSSL cannot. */
static bool sign_fields(const char *secret, const char *identifier, uint64_t sdkappid, int64_t time_s, int64_t expire_s,
                        char out[DIGEST_TEXT + 1])
{
    char text[256];
    uint8_t digest[SHA256_BYTES];
    int len = snprintf(text, sizeof(text),
                       "TLS.identifier:%s\nTLS.sdkappid:%" PRIu64 "\nTLS.time:%" PRId64 "\nTLS.expire:%" PRId64 "\n",
                       identifier, sdkappid, time_s, expire_s);

    if (len < 0 || (size_t)len >= sizeof(text) ||
        !crypto_hmac_sha256(span_of(secret), (struct span){text, (size_t)len}, digest))
        return false;
    crypto_base64(out, digest, sizeof(digest));
    return true;
}

/* Base64 with the three characters that need no escape in a URL. */
static void to_url_base64(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] == '+' ? '*' : text[i] == '/' ? '-' : text[i] == '=' ? '_' : text[i];
}

static void add_fields(struct buf *json, const char *identifier, uint64_t sdkappid, int64_t time_s, int64_t expire_s,
                       const char *sig)
{
    buf_add_char(json, '{');
    json_add_member_text(json, "TLS.ver", "2.0");
    json_add_member_text(json, "TLS.identifier", identifier);
    json_add_member_u64(json, "TLS.sdkappid", sdkappid);
    json_add_member_i64(json, "TLS.expire", expire_s);
    json_add_member_i64(json, "TLS.time", time_s);
    json_add_member_text(json, "TLS.sig", sig);
    buf_add_char(json, '}');
}

static int add_compressed(struct buf *out, struct span json, struct err *err)
{
    unsigned char packed[MAX_ZLIB];
    uLongf packed_len = sizeof(packed);
    char *to;

    if (compress(packed, &packed_len, (const Bytef *)json.data, json.len) != Z_OK)
        return err_set(err, ERR_FAILED, "could not compress a UserSig");
    to = buf_reserve(out, (packed_len + 2) / 3 * 4 + 1); /* and a NUL */
    if (to) {
        size_t len = crypto_base64(to, packed, packed_len);
        to_url_base64(to, len);
        buf_commit(out, len);
    }
    return buf_failed(out) ? err_set(err, ERR_FAILED, "no room for a UserSig") : 0;
}

int usersig_make(struct buf *out, const char *secret, const char *identifier, uint64_t sdkappid, int64_t time_s,
                 int64_t expire_s, struct err *err)
{
    struct buf json = BUF_INIT;
    char sig[DIGEST_TEXT + 1];
    int r;

    if (!is_identifier(span_of(identifier)))
        return err_set(err, ERR_USAGE, "a UserSig's identifier is 1 to 32 letters, digits, '_' and '-'");
    if (time_s < 0 || expire_s <= 0)
        return err_set(err, ERR_USAGE, "a UserSig's time and lifetime are positive");
    if (!sign_fields(secret, identifier, sdkappid, time_s, expire_s, sig))
        return err_set(err, ERR_FAILED, "could not compute the digest of a UserSig");
    add_fields(&json, identifier, sdkappid, time_s, expire_s, sig);
    r = buf_failed(&json) ? err_set(err, ERR_FAILED, "out of memory") : add_compressed(out, buf_span(&json), err);
    buf_release(&json);
    return r;
}

/* URL Base64 -> bytes; their number, or -1. The decoder forgives blanks and misplaced padding, we do not. */
static int from_url_base64(struct span text, unsigned char out[MAX_ZLIB + 3])
{
    char plain[MAX_TEXT];
    size_t padding = 0;

    if (text.len == 0 || text.len > MAX_TEXT || text.len % 4 != 0)
        return -1;
    while (padding < 2 && text.data[text.len - 1 - padding] == '_')
        padding++;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!letter && c != '*' && c != '-' && i < text.len - padding)
            return -1;
        plain[i] = c == '*' ? '+' : c == '-' ? '/' : c == '_' ? '=' : c;
    }
    return crypto_base64_decode(out, (struct span){plain, text.len});
}

/* One whole zlib stream -> its text; its length, or -1 when it is broken, longer than MAX_JSON or followed by more. */
static int inflate_all(unsigned char *packed, int packed_len, char out[MAX_JSON])
{
    z_stream stream = {
        .next_in = packed, .avail_in = (uInt)packed_len, .next_out = (Bytef *)out, .avail_out = MAX_JSON};
    bool whole;

    if (inflateInit(&stream) != Z_OK)
        return -1;
    whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0;
    inflateEnd(&stream);
    return whole ? (int)stream.total_out : -1;
}

static int unreadable(struct err *err, const char *field)
{
    return err_set(err, ERR_INVALID, "UserSig: %s is missing or not what it must be", field);
}

static int read_fields(struct json_value root, struct usersig *out, struct err *err)
{
    struct span identifier = json_string(json_member(root, "TLS.identifier"));
    struct span sig = json_string(json_member(root, "TLS.sig"));
    int64_t sdkappid;

    if (!span_is(json_string(json_member(root, "TLS.ver")), "2.0"))
        return unreadable(err, "TLS.ver");
    if (!is_identifier(identifier))
        return unreadable(err, "TLS.identifier");
    if (!json_integer(json_member(root, "TLS.sdkappid"), &sdkappid) || sdkappid < 0)
        return unreadable(err, "TLS.sdkappid");
    if (!json_integer(json_member(root, "TLS.time"), &out->time_s) || out->time_s < 0)
        return unreadable(err, "TLS.time");
    if (!json_integer(json_member(root, "TLS.expire"), &out->expire_s) || out->expire_s < 0)
        return unreadable(err, "TLS.expire");
    if (sig.len != DIGEST_TEXT || memchr(sig.data, '\0', sig.len))
        return unreadable(err, "TLS.sig");
    out->sdkappid = (uint64_t)sdkappid;
    out->has_userbuf = json_member(root, "TLS.userbuf").kind != JSON_ABSENT;
    memcpy(out->identifier, identifier.data, identifier.len);
    memcpy(out->sig, sig.data, sig.len);
    return 0;
}

int usersig_decode(struct span text, struct usersig *out, struct err *err)
{
    unsigned char packed[MAX_ZLIB + 3];
    char json[MAX_JSON];
    struct usersig fields = {.has_userbuf = false};
    struct json_reader *reader;
    struct json_value root;
    int len = from_url_base64(text, packed), r;

    if (len < 0)
        return err_set(err, ERR_INVALID, "UserSig: it is not Base64 with '*', '-' and '_'");
    len = inflate_all(packed, len, json);
    if (len < 0)
        return err_set(err, ERR_INVALID, "UserSig: it is not one zlib stream of at most 4 KiB");
    reader = json_reader_new();
    if (!reader)
        return err_set(err, ERR_FAILED, "out of memory");
    r = json_read(reader, (struct span){json, (size_t)len}, &root, err);
    if (r < 0)
        err_prefix(err, "UserSig");
    else
        r = read_fields(root, &fields, err);
    json_reader_free(reader);
    if (r == 0)
        *out = fields;
    return r;
}

enum usersig_result usersig_check(struct span text, const char *secret, const char *identifier, uint64_t sdkappid,
                                  int64_t now_s)
{
    struct usersig given;
    char sig[DIGEST_TEXT + 1];
    int64_t last_s;

    if (usersig_decode(text, &given, NULL) < 0 || given.has_userbuf)
        return USERSIG_MALFORMED;
    if (given.sdkappid != sdkappid)
        return USERSIG_WRONG_APP;
    if (strcmp(given.identifier, identifier) != 0)
        return USERSIG_WRONG_USER;
    if (!__builtin_add_overflow(given.time_s, given.expire_s, &last_s) && now_s > last_s)
        return USERSIG_EXPIRED;
    if (!sign_fields(secret, given.identifier, given.sdkappid, given.time_s, given.expire_s, sig) ||
        !crypto_equal(sig, given.sig, DIGEST_TEXT))
        return USERSIG_WRONG_KEY;
    return USERSIG_OK;
}
