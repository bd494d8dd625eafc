#include "audit/checkpoint.h"

#include "base/hex.h"

#include <inttypes.h>

static const char tag[] = "chatsluice-checkpoint 1";

/* The word behind " name=", up to the next blank. */
static bool take_word(struct span *line, const char *name, struct span *word)
{
    size_t len = strlen(name);
    const char *blank;

    if (line->len < len + 2 || line->data[0] != ' ' || memcmp(line->data + 1, name, len) != 0 ||
        line->data[len + 1] != '=')
        return false;
    line->data += len + 2;
    line->len -= len + 2;
    blank = memchr(line->data, ' ', line->len);
    *word = (struct span){line->data, blank ? (size_t)(blank - line->data) : line->len};
    line->data += word->len;
    line->len -= word->len;
    return word->len > 0;
}

static bool take_number(struct span *line, const char *name, uint64_t *out)
{
    unsigned long long n;
    struct span word;

    if (!take_word(line, name, &word) || !span_to_u64(word, &n))
        return false;
    *out = n;
    return true;
}

static bool take_digest(struct span *line, const char *name, uint8_t out[SHA256_BYTES])
{
    struct span word;

    return take_word(line, name, &word) && hex_decode(word, out, SHA256_BYTES);
}

static bool take_text(struct span *line, const char *name, char out[CHECKPOINT_WORD])
{
    struct span word;

    if (!take_word(line, name, &word) || word.len >= CHECKPOINT_WORD)
        return false;
    memcpy(out, word.data, word.len);
    out[word.len] = '\0';
    return true;
}

static bool take_erasures(struct span *line, struct checkpoint *c)
{
    struct span word, count;
    unsigned long long n;
    const char *colon;

    if (!take_word(line, "erasures", &word) || !(colon = memchr(word.data, ':', word.len)))
        return false;
    count = (struct span){word.data, (size_t)(colon - word.data)};
    word.data += count.len + 1;
    word.len -= count.len + 1;
    if (!span_to_u64(count, &n) || !hex_decode(word, c->erasure_hash, SHA256_BYTES))
        return false;
    c->erasures = n;
    return true;
}

static bool take_signature(struct span *line, uint8_t out[SIGNATURE_BYTES])
{
    enum { BASE64 = (SIGNATURE_BYTES + 2) / 3 * 4 };
    uint8_t bytes[BASE64 / 4 * 3];
    struct span word;

    if (!take_word(line, "signature", &word) || word.len != BASE64 ||
        crypto_base64_decode(bytes, word) != SIGNATURE_BYTES)
        return false;
    memcpy(out, bytes, SIGNATURE_BYTES);
    return true;
}

bool checkpoint_read(struct checkpoint *out, struct span line)
{
    struct checkpoint c = {0};
    struct span rest = line, word;

    if (line.len > CHECKPOINT_MAX_LINE || line.len < sizeof(tag) || memcmp(line.data, tag, sizeof(tag) - 1) != 0)
        return false;
    rest.data += sizeof(tag) - 1;
    rest.len -= sizeof(tag) - 1;
    if (!take_word(&rest, "spool", &word) || !uuid_read(word, c.spool_id) || !take_number(&rest, "number", &c.number) ||
        !take_number(&rest, "block", &c.block) || !take_number(&rest, "last_seq", &c.last_seq) ||
        !take_digest(&rest, "hash", c.hash) || !take_text(&rest, "at", c.at) ||
        !take_text(&rest, "instance", c.instance) || !take_erasures(&rest, &c) ||
        !take_digest(&rest, "previous", c.previous) || !take_text(&rest, "key", c.key))
        return false;
    c.signed_len = line.len - rest.len;
    if (!take_signature(&rest, c.signature) || rest.len > 0)
        return false;
    *out = c;
    return true;
}

static void keep_plain(char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-";

    for (; *text; text++)
        if (!strchr(plain, *text))
            *text = '_';
}

int checkpoint_write(struct checkpoint *c, const struct crypto_key *key, struct buf *line, struct err *err)
{
    char spool[UUID_STRING], hash[SHA256_HEX], erasure[SHA256_HEX], previous[SHA256_HEX];
    char base64[(SIGNATURE_BYTES + 2) / 3 * 4 + 1];

    uuid_write(spool, c->spool_id);
    crypto_hex(c->hash, hash);
    crypto_hex(c->erasure_hash, erasure);
    crypto_hex(c->previous, previous);
    crypto_key_id(key, c->key);
    keep_plain(c->instance);
    buf_addf(line,
             "%s spool=%s number=%" PRIu64 " block=%" PRIu64 " last_seq=%" PRIu64
             " hash=%s at=%s instance=%s erasures=%" PRIu64 ":%s previous=%s key=%s",
             tag, spool, c->number, c->block, c->last_seq, hash, c->at, c->instance[0] ? c->instance : "-", c->erasures,
             erasure, previous, c->key);
    c->signed_len = line->len;
    if (buf_failed(line) || !crypto_sign(key, buf_span(line), c->signature))
        return err_set(err, ERR_FAILED, "could not sign a checkpoint");
    crypto_base64(base64, c->signature, SIGNATURE_BYTES);
    buf_addf(line, " signature=%s", base64);
    return buf_failed(line) ? err_set(err, ERR_FAILED, "could not write a checkpoint: no memory") : 0;
}

void checkpoint_digest(struct span line, uint8_t out[SHA256_BYTES])
{
    crypto_sha256(&line, 1, out);
}
