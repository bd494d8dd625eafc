/* loader_chain.h - the head of a spool's chain and the block of a batch; private to store.
 *
 * Both belong to the transaction of the batch: the head is read with the lock on the position and moves with it. */
#ifndef CHATSLUICE_STORE_LOADER_CHAIN_H
#define CHATSLUICE_STORE_LOADER_CHAIN_H

#include "store/loader_batch.h"

struct chain_head {
    uint64_t block; /* 0: the chain is yet to begin */
    uint8_t hash[SHA256_BYTES];
    uint64_t went_back_from; /* for the next block to say; 0: nothing */
};

/* From the columns chain_block, chain_hash and went_back_from of spool_position, the hash as hex, which stand from
 * first_column on. */
int chain_head_read(struct chain_head *head, const struct db_result *row, unsigned first_column, struct err *err);

/* Inside a transaction: writes the block of a batch that has at least one item, and moves *head to it. */
int chain_store_block(struct chain_head *head, const struct batch *batch, struct db *db, struct err *err);

#endif
