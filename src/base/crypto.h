/* crypto.h - digests, their comparison, signatures and Base64. The one file over libcrypto. Threads: any. */
#ifndef CHATSLUICE_BASE_CRYPTO_H
#define CHATSLUICE_BASE_CRYPTO_H

#include "base/buf.h"

#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX = 65 /* with the NUL */ };

/* SHA-256 of the parts one after the other. Cannot fail, allocates nothing. */
void crypto_sha256(const struct span *parts, size_t count, uint8_t out[SHA256_BYTES]);
/* A digest as lower-case hex. */
void crypto_hex(const uint8_t digest[SHA256_BYTES], char out[SHA256_HEX]);
/* Both. */
void crypto_sha256_hex(const struct span *parts, size_t count, char out[SHA256_HEX]);

/* False when libcrypto cannot: no memory, or a key beyond what it takes. */
bool crypto_hmac_sha256(struct span key, struct span text, uint8_t out[SHA256_BYTES]);

/* The same of the parts one after the other. Cannot fail, allocates nothing: for what is checked on the reply path. */
void crypto_hmac_parts(struct span key, const struct span *parts, size_t count, uint8_t out[SHA256_BYTES]);

/* Unforeseeable bytes. False when libcrypto has none. */
bool crypto_random(void *out, size_t len);

/* Whether len bytes are equal, in a time that does not tell where they differ. */
bool crypto_equal(const void *a, const void *b, size_t len);

/* Standard Base64 with padding. Writes (len + 2) / 3 * 4 characters and a NUL; returns their number. */
size_t crypto_base64(char *out, const void *bytes, size_t len);
/* Back to bytes: text is a multiple of 4 characters and out has room for 3 bytes for each 4 of them. Returns the number
 * of bytes without those that stand for padding, or -1. Blanks around it are forgiven: who minds looks first. */
int crypto_base64_decode(void *out, struct span text);

/* Ed25519 (RFC 8032), keys as PEM: what `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write. */
struct crypto_key;
enum { SIGNATURE_BYTES = 64, CRYPTO_KEY_ID = 17 /* with the NUL */ };

/* NULL when pem holds none of that kind. A private key does for checking as well. */
struct crypto_key *crypto_key_private(struct span pem);
/* The next public key of pem, which moves behind it: a file may hold several. NULL: no more. */
struct crypto_key *crypto_key_public(struct span *pem);
void crypto_key_free(struct crypto_key *key); /* NULL is fine */
/* The first 16 hexadecimal digits of the SHA-256 of the 32 bytes of the public key: a name, not a secret. */
void crypto_key_id(const struct crypto_key *key, char out[CRYPTO_KEY_ID]);
/* Adds the public key as PEM. */
bool crypto_key_add_public(struct buf *out, const struct crypto_key *key);
bool crypto_sign(const struct crypto_key *key, struct span text, uint8_t signature[SIGNATURE_BYTES]);
bool crypto_signature_fits(const struct crypto_key *key, struct span text, const uint8_t signature[SIGNATURE_BYTES]);

#endif
