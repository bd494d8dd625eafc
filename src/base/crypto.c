#include "base/crypto.h"

/* The plain SHA-256 functions are deprecated in favour of EVP, which looks the algorithm up under a lock and allocates:
 * ten times the cost of a short digest, and there is one on every request. These cannot fail. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <limits.h>

void crypto_sha256(const struct span *parts, size_t count, uint8_t out[SHA256_BYTES])
{
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    for (size_t i = 0; i < count; i++)
        SHA256_Update(&ctx, parts[i].data, parts[i].len);
    SHA256_Final(out, &ctx);
    OPENSSL_cleanse(&ctx, sizeof(ctx)); /* a part may be a secret */
}

void crypto_hex(const uint8_t digest[SHA256_BYTES], char out[SHA256_HEX])
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[SHA256_HEX - 1] = '\0';
}

void crypto_sha256_hex(const struct span *parts, size_t count, char out[SHA256_HEX])
{
    uint8_t digest[SHA256_BYTES];

    crypto_sha256(parts, count, digest);
    crypto_hex(digest, out);
}

bool crypto_hmac_sha256(struct span key, struct span text, uint8_t out[SHA256_BYTES])
{
    unsigned len = 0;

    return key.len <= INT_MAX &&
           HMAC(EVP_sha256(), key.data, (int)key.len, (const unsigned char *)text.data, text.len, out, &len) &&
           len == SHA256_BYTES;
}

/* RFC 2104: each pass begins with the key, padded to a block and changed. */
static void hmac_begin(SHA256_CTX *ctx, const uint8_t key[SHA256_CBLOCK], uint8_t change)
{
    uint8_t block[SHA256_CBLOCK];

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = key[i] ^ change;
    SHA256_Init(ctx);
    SHA256_Update(ctx, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}

void crypto_hmac_parts(struct span key, const struct span *parts, size_t count, uint8_t out[SHA256_BYTES])
{
    uint8_t padded[SHA256_CBLOCK] = {0}, inner[SHA256_BYTES];
    SHA256_CTX ctx;

    if (key.len > sizeof(padded))
        crypto_sha256(&key, 1, padded);
    else if (key.len > 0)
        memcpy(padded, key.data, key.len);
    hmac_begin(&ctx, padded, 0x36);
    for (size_t i = 0; i < count; i++)
        SHA256_Update(&ctx, parts[i].data, parts[i].len);
    SHA256_Final(inner, &ctx);
    hmac_begin(&ctx, padded, 0x5C);
    SHA256_Update(&ctx, inner, sizeof(inner));
    SHA256_Final(out, &ctx);
    OPENSSL_cleanse(&ctx, sizeof(ctx));
    OPENSSL_cleanse(padded, sizeof(padded));
}

bool crypto_random(void *out, size_t len)
{
    return len <= INT_MAX && RAND_bytes(out, (int)len) == 1;
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

size_t crypto_base64(char *out, const void *bytes, size_t len)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
}

int crypto_base64_decode(void *out, struct span text)
{
    int len = EVP_DecodeBlock(out, (const unsigned char *)text.data, (int)text.len);

    for (size_t i = 0; i < 2 && len > 0 && text.len > i && text.data[text.len - 1 - i] == '='; i++)
        len--;
    return len;
}

/* Signatures ------------------------------------------------------------------------------------------------------ */

/* A struct crypto_key is an EVP_PKEY of libcrypto under a name of ours. */
static EVP_PKEY *pkey(const struct crypto_key *key)
{
    return (EVP_PKEY *)(uintptr_t)key;
}

/* Takes key. */
static struct crypto_key *ed25519_only(EVP_PKEY *key)
{
    ERR_clear_error();
    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return (struct crypto_key *)(void *)key;
}

/* A key file has no password of its own, and nobody is there to be asked for one. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

struct crypto_key *crypto_key_private(struct span pem)
{
    BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    return ed25519_only(key);
}

struct crypto_key *crypto_key_public(struct span *pem)
{
    BIO *bio = pem->len <= INT_MAX ? BIO_new_mem_buf(pem->data, (int)pem->len) : NULL;
    struct crypto_key *key = NULL;
    EVP_PKEY *any = NULL;

    while (!key && bio && (any = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL)))
        key = ed25519_only(any);
    if (bio) {
        size_t left = (size_t)BIO_pending(bio);

        pem->data += pem->len - left;
        pem->len = left;
    }
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

void crypto_key_free(struct crypto_key *key)
{
    EVP_PKEY_free(pkey(key));
}

void crypto_key_id(const struct crypto_key *key, char out[CRYPTO_KEY_ID])
{
    uint8_t bytes[32] = {0};
    size_t len = sizeof(bytes);
    char hex[SHA256_HEX];

    EVP_PKEY_get_raw_public_key(pkey(key), bytes, &len);
    crypto_sha256_hex(&(struct span){(const char *)bytes, len}, 1, hex);
    memcpy(out, hex, CRYPTO_KEY_ID - 1);
    out[CRYPTO_KEY_ID - 1] = '\0';
}

bool crypto_key_add_public(struct buf *out, const struct crypto_key *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len;
    bool good = bio && PEM_write_bio_PUBKEY(bio, pkey(key)) == 1;

    if (good) {
        len = BIO_get_mem_data(bio, &text);
        buf_add(out, text, (size_t)len);
    }
    BIO_free(bio);
    return good && !buf_failed(out);
}

bool crypto_sign(const struct crypto_key *key, struct span text, uint8_t signature[SIGNATURE_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = SIGNATURE_BYTES;
    bool good = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey(key)) == 1 &&
                EVP_DigestSign(ctx, signature, &len, (const unsigned char *)text.data, text.len) == 1 &&
                len == SIGNATURE_BYTES;

    EVP_MD_CTX_free(ctx);
    return good;
}

bool crypto_signature_fits(const struct crypto_key *key, struct span text, const uint8_t signature[SIGNATURE_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey(key)) == 1 &&
                EVP_DigestVerify(ctx, signature, SIGNATURE_BYTES, (const unsigned char *)text.data, text.len) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}
