/* checkpoint.h - a signed state of a spool's chain, one line of text. Threads: any.
 *
 *     chatsluice-checkpoint 1 spool=UUID number=N block=N last_seq=N hash=HEX at=TIME instance=ID erasures=N:HEX
 *         previous=HEX key=HEX signature=BASE64
 *
 * on one line with single blanks. number counts the checkpoints of the spool from 1; hash is that of the block,
 * everything up to last_seq is covered; erasures is the number of erasures recorded and the hash of the last record;
 * previous is the SHA-256 of the line of the checkpoint before, without its newline, of the first 64 zeros; key is
 * crypto_key_id(). Signed (Ed25519) is the text before " signature=". */
#ifndef CHATSLUICE_AUDIT_CHECKPOINT_H
#define CHATSLUICE_AUDIT_CHECKPOINT_H

#include "base/crypto.h"
#include "base/err.h"
#include "base/uuid.h"

enum { CHECKPOINT_MAX_LINE = 1024, CHECKPOINT_WORD = 128 };

struct checkpoint {
    uint8_t spool_id[UUID_BYTES];
    uint64_t number, block, last_seq, erasures;
    uint8_t hash[SHA256_BYTES], erasure_hash[SHA256_BYTES], previous[SHA256_BYTES];
    char at[CHECKPOINT_WORD], instance[CHECKPOINT_WORD], key[CHECKPOINT_WORD];
    uint8_t signature[SIGNATURE_BYTES];
    size_t signed_len; /* of the line */
};

/* False when the line, without newline, is none. */
bool checkpoint_read(struct checkpoint *out, struct span line);
/* Writes and signs the line of everything but key and signature, which are filled in. at: without blanks; other bytes
 * of instance than letters, digits and ".:_-" become '_'. */
int checkpoint_write(struct checkpoint *checkpoint, const struct crypto_key *key, struct buf *line, struct err *err);
void checkpoint_digest(struct span line, uint8_t out[SHA256_BYTES]);

#endif
