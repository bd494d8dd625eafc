#include "store/loader_chain.h"

#include "base/clock.h"
#include "base/hex.h"

enum { BLOCK_COLUMN_COUNT = CHAIN_HEADER_COLUMN_COUNT + 4 };

static const char copy_block[] = "COPY chatsluice.chain_block (" CHAIN_HEADER_COLUMNS
                                 ", leaves, leaves_digest, previous_hash, hash) FROM STDIN (FORMAT binary)";

int chain_head_read(struct chain_head *head, const struct db_result *row, unsigned first_column, struct err *err)
{
    struct span hex = db_value(row, 0, first_column + 1);
    unsigned long long block = 0, went_back_from = 0;

    if (!span_to_u64(db_value(row, 0, first_column), &block) || !hex_decode(hex, head->hash, SHA256_BYTES))
        return err_set(err, ERR_FAILED, "the head of the chain of this spool cannot be read");
    span_to_u64(db_value(row, 0, first_column + 2), &went_back_from);
    head->block = block;
    head->went_back_from = went_back_from;
    return 0;
}

static void note_time(struct chain_block *block, int64_t us)
{
    if (block->events == 0 || us < block->from_us)
        block->from_us = us;
    if (block->events == 0 || us > block->to_us)
        block->to_us = us;
    block->events++;
}

static void add_entries(struct buf *leaves, struct chain_block *block, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct batch_row *row = &batch->items[i];
        struct chain_entry entry = {.kind = row->kind, .to = row->seq};

        if (row->kind == CHAIN_EVENT) {
            entry.day = chain_day(row->event_time_us);
            note_time(block, row->event_time_us);
        }
        if (row->kind == CHAIN_EVENT || row->kind == CHAIN_PARKED)
            memcpy(entry.leaf, row->leaf, SHA256_BYTES);
        chain_add_entry(leaves, &entry);
    }
}

static void write_row(struct buf *row, struct chain_block *block, struct span leaves)
{
    struct span header;
    size_t header_at;

    copy_header(row);
    copy_row_begin(row, BLOCK_COLUMN_COUNT);
    header_at = row->len;
    chain_add_header(row, block);
    if (buf_failed(row))
        return;
    header = (struct span){row->data + header_at, row->len - header_at};
    crypto_sha256(&leaves, 1, block->leaves_digest);
    chain_block_hash(header, block->previous_hash, block->leaves_digest, block->hash);
    copy_bytea(row, leaves);
    copy_bytea(row, (struct span){(const char *)block->leaves_digest, SHA256_BYTES});
    copy_bytea(row, (struct span){(const char *)block->previous_hash, SHA256_BYTES});
    copy_bytea(row, (struct span){(const char *)block->hash, SHA256_BYTES});
    copy_trailer(row);
}

int chain_store_block(struct chain_head *head, const struct batch *batch, struct db *db, struct err *err)
{
    struct chain_block block = {
        .block = head->block + 1,
        .first_seq = batch->first_seq,
        .last_seq = batch->last_seq,
        .went_back_from = head->went_back_from,
        .loaded_us = clock_wall_us(),
    };
    struct buf leaves = BUF_INIT, row = BUF_INIT;
    int r = 0;

    memcpy(block.spool_id, batch->spool_id, UUID_BYTES);
    memcpy(block.previous_hash, head->hash, SHA256_BYTES);
    add_entries(&leaves, &block, batch);
    if (!buf_failed(&leaves))
        write_row(&row, &block, buf_span(&leaves));
    if (buf_failed(&leaves) || buf_failed(&row))
        r = err_set(err, ERR_FAILED, "could not write a block of the chain: no memory");
    if (r == 0)
        r = db_copy_begin(db, copy_block, err);
    if (r == 0)
        r = db_copy_put(db, buf_span(&row), err);
    if (r == 0)
        r = db_copy_end(db, true, err);
    if (r == 0) {
        head->block = block.block;
        head->went_back_from = 0;
        memcpy(head->hash, block.hash, SHA256_BYTES);
    }
    buf_release(&leaves);
    buf_release(&row);
    return r;
}
