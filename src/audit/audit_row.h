/* audit_row.h - one stored row of event as a binary COPY gives it, digested for the chain. Threads: any.
 *
 * A row, from the table or from an archive of it, is what
 *
 *     COPY (SELECT AUDIT_ROW_COLUMNS FROM ...) TO STDOUT (FORMAT binary)
 *
 * says of it: the number of columns in two bytes and as many images. Whoever keeps these bytes can prove the row later.
 */
#ifndef CHATSLUICE_AUDIT_AUDIT_ROW_H
#define CHATSLUICE_AUDIT_AUDIT_ROW_H

#include "store/event_row.h"

#define AUDIT_ROW_COLUMNS EVENT_COLUMNS ", personal_digest, erased_at"
enum { AUDIT_ROW_COLUMN_COUNT = EVENT_COLUMN_COUNT + 2 };

enum audit_json { AUDIT_JSON_FINE, AUDIT_JSON_WRONG, AUDIT_JSON_ASK };

struct audit_row { /* borrows from the bytes it was read from */
    uint8_t spool_id[UUID_BYTES], event_id[UUID_BYTES];
    uint64_t seq;
    int64_t event_time_us, received_us, erased_us;
    struct span group_id;
    bool erased;
    bool unchained; /* neither salt nor digest: loaded before there was a chain, or forged */
    bool odd;       /* what no loader and no erasing leaves: then leaf is of no use */
    uint8_t leaf[SHA256_BYTES];
    /* Whether cloud_custom_data_json is what follows from cloud_custom_data; AUDIT_JSON_ASK: only PostgreSQL can tell.
     */
    enum audit_json json;
    struct span custom_data, custom_json;
    /* To digest it as if it stood at another place. */
    struct span open;
    size_t seq_at; /* where in open the eight bytes of spool_seq are */
    uint8_t personal_digest[SHA256_BYTES];
};

/* Reads and digests one row. ERR_INVALID when the bytes are no such row. scratch is used as room to work in. */
int audit_row_read(struct audit_row *row, struct span bytes, struct buf *scratch, struct err *err);

/* The leaf the row would have with the number seq. */
void audit_row_leaf_at(const struct audit_row *row, uint64_t seq, struct buf *scratch, uint8_t leaf[SHA256_BYTES]);

#endif
