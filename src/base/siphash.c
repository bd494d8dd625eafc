/* After Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), in their notation. */
#include "base/siphash.h"

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(uint64_t v[4], unsigned count)
{
    while (count--) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void add_word(struct siphash *s, uint64_t word)
{
    s->v[3] ^= word;
    rounds(s->v, 2);
    s->v[0] ^= word;
}

void siphash_begin(struct siphash *s, const uint64_t key[2])
{
    *s = (struct siphash){.v = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                                key[1] ^ 0x7465646279746573}};
}

void siphash_add(struct siphash *s, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++) {
        s->tail |= (uint64_t)at[i] << (s->len % 8 * 8);
        if (++s->len % 8 == 0) {
            add_word(s, s->tail);
            s->tail = 0;
        }
    }
}

void siphash_add_u64(struct siphash *s, uint64_t n)
{
    unsigned char bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(n >> (i * 8));
    siphash_add(s, bytes, sizeof(bytes));
}

uint64_t siphash_end(struct siphash *s)
{
    add_word(s, s->tail | (uint64_t)s->len << 56);
    s->v[2] ^= 0xff;
    rounds(s->v, 4);
    return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}
