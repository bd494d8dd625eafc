/* loader_batch.h - rows of consecutive records and the ways they get into chatsluice.event; private to store.
 *
 * Life: batch_init -> (batch_reset -> batch_add... -> either batch_send... inside a COPY into event, or
 * batch_merge -> batch_park_unreadable)... -> batch_release. The encoded rows stay, so a batch that failed one way is
 * written another way without being read again. */
#ifndef CHATSLUICE_STORE_LOADER_BATCH_H
#define CHATSLUICE_STORE_LOADER_BATCH_H

#include "spool/spool.h"
#include "store/db.h"
#include "store/event_row.h"
#include "store/follow_up.h"

struct batch_row {     /* a record, or a stretch that is none */
    uint64_t seq;      /* of a stretch the last one */
    size_t start, end; /* in rows; equal: the record can be no event and is to be parked, or this is a stretch */
    enum chain_kind kind;
    int64_t event_time_us;
    uint8_t leaf[SHA256_BYTES];
};

struct batch {
    uint8_t spool_id[UUID_BYTES];
    size_t max_rows;
    struct batch_row *items;
    size_t count;
    size_t unreadable, stretches; /* of count */
    struct buf rows;
    size_t sent;                  /* bytes of rows handed to the COPY */
    uint64_t first_seq, last_seq; /* the spool is at first_seq - 1 before this batch is in, then at last_seq */
    struct follow_ups follow_ups;
};

struct batch_tally {
    uint64_t rows, duplicates, parked;
    uint64_t follow_ups, follow_ups_refused; /* rows of outbox and outbox_sighting; events whose rows were refused */
};

int batch_init(struct batch *b, const uint8_t spool_id[UUID_BYTES], size_t max_rows, struct err *err);
void batch_release(struct batch *b);
void batch_reset(struct batch *b, uint64_t position);
bool batch_full(const struct batch *b);

/* Encodes and adds one record; a record that can be no event is kept as a place to be parked, *event_time_us is then
 * its time of appending. */
int batch_add(struct batch *b, struct event_encoder *e, const struct spool_record *record, int64_t *event_time_us,
              struct err *err);

/* Adds the records from behind the last one to `to`, which there are none of to load. */
void batch_add_stretch(struct batch *b, enum chain_kind kind, uint64_t to);

#define BATCH_COPY_SQL "COPY chatsluice.event (" EVENT_COLUMNS ") FROM STDIN (FORMAT binary)"

/* Inside a COPY: sends what was added since, when it is worth a send or this is the last. */
int batch_send(struct batch *b, struct db *db, bool last, struct err *err);

/* Inside a transaction, instead of the COPY: takes any duplicate and parks any record that PostgreSQL refuses. */
int batch_merge(struct batch *b, struct db *db, struct spool *sp, struct batch_tally *tally, struct err *err);

/* Inside a transaction: parks the records that can be no event. */
int batch_park_unreadable(struct batch *b, struct db *db, struct spool *sp, struct batch_tally *tally, struct err *err);

#endif
