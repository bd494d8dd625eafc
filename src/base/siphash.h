/* siphash.h - SipHash-2-4: a fast keyed hash of 64 bits whose values nobody can aim at without the key. Not for proofs
 * of who wrote something: crypto.h has HMAC. Threads: any. */
#ifndef CHATSLUICE_BASE_SIPHASH_H
#define CHATSLUICE_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash {
    uint64_t v[4];
    uint64_t tail; /* the bytes that do not fill a word yet */
    size_t len;
};

void siphash_begin(struct siphash *s, const uint64_t key[2]);
void siphash_add(struct siphash *s, const void *bytes, size_t len);
void siphash_add_u64(struct siphash *s, uint64_t n);
uint64_t siphash_end(struct siphash *s);

#endif
