/* chain.h - the form of the chain that shows whether stored events were changed, removed or added: leaves, blocks and
 * how they are digested. Private to store and audit; the bytes are told at the top of chain.c. Threads: any.
 *
 * Every batch of the loader is a block, with a leaf for each record of the spool it brings, and names the block before
 * it by its digest. So whoever knows the digest of the last block knows that everything before it is as it was loaded.
 */
#ifndef CHATSLUICE_STORE_CHAIN_H
#define CHATSLUICE_STORE_CHAIN_H

#include "base/buf.h"
#include "base/crypto.h"
#include "base/uuid.h"

#include <stdint.h>

enum { CHAIN_SALT_BYTES = 16, CHAIN_ENTRY_BYTES = 1 + 4 + SHA256_BYTES };

/* What became of one record, or of a stretch of them. */
enum chain_kind {
    CHAIN_EVENT = 'e',     /* a row of event */
    CHAIN_DUPLICATE = 'd', /* its row was there already: a repeated delivery, or the record itself, loaded again */
    CHAIN_PARKED = 'p',    /* a row of dead_letter */
    CHAIN_DAMAGED = 'x',   /* a stretch the spool could not read */
    CHAIN_MISSING = 'm',   /* a stretch that was neither in the database nor in the spool any more */
};

/* Whether it stands for a stretch of numbers and not for one record. */
bool chain_is_stretch(enum chain_kind kind);

struct chain_entry {
    enum chain_kind kind;
    int32_t day;                /* of an event its event_time's, in UTC, from 2000-01-01 = 0: its partition */
    uint8_t leaf[SHA256_BYTES]; /* of an event or a parked record; zeros of a duplicate */
    uint64_t to;                /* of a stretch: its last sequence number */
};

struct chain_block {
    uint8_t spool_id[UUID_BYTES];
    uint64_t block;               /* from 1, without gaps */
    uint64_t first_seq, last_seq; /* of the spool, all in between included */
    uint32_t events;              /* entries of that kind */
    int64_t from_us, to_us;       /* event times of those; undefined when events is 0 */
    uint64_t went_back_from;      /* the position before the loader went back to first_seq - 1; 0: it did not */
    int64_t loaded_us;            /* by the clock of the instance */
    uint8_t previous_hash[SHA256_BYTES], hash[SHA256_BYTES], leaves_digest[SHA256_BYTES];
};

/* personal: the images of the personal columns, one after the other. */
void chain_personal_digest(const uint8_t salt[CHAIN_SALT_BYTES], struct span personal, uint8_t out[SHA256_BYTES]);
void chain_event_leaf(struct span open, const uint8_t personal_digest[SHA256_BYTES], uint8_t out[SHA256_BYTES]);
/* Of a parked record; open: spool_id and spool_seq. */
void chain_parked_leaf(struct span open, const uint8_t personal_digest[SHA256_BYTES], uint8_t out[SHA256_BYTES]);

int32_t chain_day(int64_t event_time_us);
void chain_add_entry(struct buf *leaves, const struct chain_entry *entry);
/* Reads CHAIN_ENTRY_BYTES bytes. False when they are no entry. */
bool chain_read_entry(const char *bytes, struct chain_entry *entry);

/* Adds the header as it is digested: images of the columns CHAIN_HEADER_COLUMNS. */
#define CHAIN_HEADER_COLUMNS                                                                                           \
    "spool_id, block, first_seq, last_seq, events, from_time, to_time, went_back_from, loaded_at"
enum { CHAIN_HEADER_COLUMN_COUNT = 9 };
void chain_add_header(struct buf *out, const struct chain_block *block);
void chain_block_hash(struct span header, const uint8_t previous[SHA256_BYTES],
                      const uint8_t leaves_digest[SHA256_BYTES], uint8_t out[SHA256_BYTES]);

#endif
