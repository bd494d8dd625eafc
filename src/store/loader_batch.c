#include "store/loader_batch.h"

#include "base/log.h"
#include "store/event_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MAX_BYTES = 8 << 20,      /* of encoded rows; keeps memory flat when bodies are large */
    WORTH_SENDING = 32 << 10, /* large enough to be few calls, small enough that the server starts early */
    KEEP_CAPACITY = 24 << 20, /* one record may be larger than all the others: its memory is given back */
};

int batch_init(struct batch *b, const uint8_t spool_id[UUID_BYTES], size_t max_rows, struct err *err)
{
    /* One more: a record may bring the stretch before it. */
    *b = (struct batch){.max_rows = max_rows, .items = calloc(max_rows + 1, sizeof(*b->items))};
    if (!b->items)
        return err_set(err, ERR_FAILED, "could not make a batch of %zu rows: no memory", max_rows);
    memcpy(b->spool_id, spool_id, UUID_BYTES);
    return follow_ups_init(&b->follow_ups, max_rows, err);
}

void batch_release(struct batch *b)
{
    free(b->items);
    b->items = NULL;
    buf_release(&b->rows);
    follow_ups_release(&b->follow_ups);
}

void batch_reset(struct batch *b, uint64_t position)
{
    if (b->rows.cap > KEEP_CAPACITY)
        buf_release(&b->rows);
    buf_reset(&b->rows);
    follow_ups_reset(&b->follow_ups);
    b->count = 0;
    b->unreadable = 0;
    b->stretches = 0;
    b->sent = 0;
    b->first_seq = position + 1;
    b->last_seq = position;
}

bool batch_full(const struct batch *b)
{
    return b->count >= b->max_rows || b->rows.len >= MAX_BYTES;
}

int batch_add(struct batch *b, struct event_encoder *e, const struct spool_record *record, int64_t *event_time_us,
              struct err *err)
{
    struct batch_row row = {.seq = record->seq, .start = b->rows.len, .kind = CHAIN_EVENT};
    int r = event_encode(e, &b->rows, record, event_time_us, err);

    if (r < 0 && r != ERR_INVALID)
        return r;
    if (r == ERR_INVALID) {
        *event_time_us = record->appended_us;
        b->unreadable++;
        row.kind = CHAIN_PARKED;
    } else {
        memcpy(row.leaf, event_encoded_leaf(e), SHA256_BYTES);
    }
    row.end = b->rows.len;
    row.event_time_us = *event_time_us;
    b->items[b->count++] = row;
    b->last_seq = record->seq;
    return r == ERR_INVALID ? 0 : follow_ups_note(&b->follow_ups, event_encoded(e), record->seq, *event_time_us, err);
}

void batch_add_stretch(struct batch *b, enum chain_kind kind, uint64_t to)
{
    b->items[b->count++] = (struct batch_row){.seq = to, .start = b->rows.len, .end = b->rows.len, .kind = kind};
    b->stretches++;
    b->last_seq = to;
}

static bool is_readable(const struct batch_row *row)
{
    return row->end > row->start;
}

/* Header or trailer of a COPY. Half of one the server would take for bad data, and rows would be parked for it. */
static int put_frame(struct db *db, void (*write)(struct buf *out), struct err *err)
{
    struct buf frame = BUF_INIT;
    int r;

    write(&frame);
    r = buf_failed(&frame) ? err_set(err, ERR_FAILED, "could not send a batch: no memory")
                           : db_copy_put(db, buf_span(&frame), err);
    buf_release(&frame);
    return r;
}

int batch_send(struct batch *b, struct db *db, bool last, struct err *err)
{
    int r = 0;

    if (!last && b->rows.len - b->sent < WORTH_SENDING)
        return 0;
    if (b->sent == 0)
        r = put_frame(db, copy_header, err);
    if (r == 0)
        r = db_copy_put(db, (struct span){b->rows.data + b->sent, b->rows.len - b->sent}, err);
    b->sent = b->rows.len;
    if (r == 0 && last)
        r = put_frame(db, copy_trailer, err);
    return r;
}

/* Parking --------------------------------------------------------------------------------------------------------- */

static void add_hex(struct buf *out, struct span bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];

        buf_add_char(out, digits[c >> 4]);
        buf_add_char(out, digits[c & 15]);
    }
}

/* The leaf of a parked record, with a new salt. */
static int parked_leaf(const struct batch *b, const struct spool_record *record, uint8_t salt[CHAIN_SALT_BYTES],
                       uint8_t leaf[SHA256_BYTES], struct err *err)
{
    struct buf open = BUF_INIT, personal = BUF_INIT;
    uint8_t digest[SHA256_BYTES];
    int r = 0;

    copy_uuid(&open, b->spool_id);
    copy_i64(&open, (int64_t)record->seq);
    copy_bytea(&personal, record->data);
    if (buf_failed(&open) || buf_failed(&personal) || !crypto_random(salt, CHAIN_SALT_BYTES)) {
        r = err_set(err, ERR_FAILED, "could not park record %" PRIu64 ": no memory or no random bytes", record->seq);
    } else {
        chain_personal_digest(salt, buf_span(&personal), digest);
        chain_parked_leaf(buf_span(&open), digest, leaf);
    }
    buf_release(&open);
    buf_release(&personal);
    return r;
}

static int insert_parked(const struct batch *b, struct db *db, const struct spool *sp,
                         const struct spool_record *record, const struct err *why, struct batch_row *row,
                         struct err *err)
{
    struct buf hex = BUF_INIT, salt_hex = BUF_INIT;
    uint8_t salt[CHAIN_SALT_BYTES];
    struct db_result *result = NULL;
    char number[24];
    int r = parked_leaf(b, record, salt, row->leaf, err);

    buf_add_text(&hex, "\\x");
    add_hex(&hex, record->data);
    buf_add_text(&salt_hex, "\\x");
    add_hex(&salt_hex, (struct span){(const char *)salt, sizeof(salt)});
    if (r == 0 && (buf_failed(&hex) || buf_failed(&salt_hex)))
        r = err_set(err, ERR_FAILED, "could not park record %" PRIu64 ": no memory", record->seq);
    snprintf(number, sizeof(number), "%" PRIu64, record->seq);
    const char *params[] = {
        spool_id(sp), number, buf_text(&hex), why->sqlstate[0] ? why->sqlstate : NULL, why->text, buf_text(&salt_hex)};
    if (r == 0)
        r = db_query(
            db, &result,
            "INSERT INTO chatsluice.dead_letter (dead_letter_id, spool_id, spool_seq, record, sqlstate, error, "
            "salt) "
            "SELECT substr(encode(sha256(convert_to($1 || ':' || $2 || ':', 'UTF8') || $3::bytea), 'hex'), 1, 32)"
            "::uuid, $1::uuid, $2::bigint, $3::bytea, $4, $5, $6::bytea ON CONFLICT (dead_letter_id) DO NOTHING",
            6, params, err);
    if (r == 0)
        row->kind = db_affected(result) == 1 ? CHAIN_PARKED : CHAIN_DUPLICATE;
    db_result_free(result);
    buf_release(&hex);
    buf_release(&salt_hex);
    return r;
}

/* Puts one record, read once more from the spool, into dead_letter with the reason. The id is a digest of place and
 * content: parking the same record again changes nothing. */
static int park(const struct batch *b, struct db *db, struct spool *sp, struct batch_row *row, const struct err *why,
                struct err *err)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    int r = spool_reader_open(&reader, sp, row->seq, err);

    if (r == 0)
        r = spool_reader_next(reader, &record, err);
    if (r == 0 || (r > 0 && record.seq != row->seq))
        r = err_set(err, ERR_FAILED, "could not read record %" PRIu64 " of the spool again", row->seq);
    else if (r > 0)
        r = insert_parked(b, db, sp, &record, why, row, err);
    if (r == 0)
        log_error("record parked in dead_letter", log_u64("seq", row->seq), log_str("reason", why->text));
    spool_reader_close(reader);
    return r;
}

/* Why the record can be no event; asked again because a batch keeps no words. */
static int unreadable_reason(struct spool *sp, uint64_t seq, struct err *why, struct err *err)
{
    struct event_encoder *encoder = NULL;
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct buf row = BUF_INIT;
    int64_t time_us;
    int r = event_encoder_new(&encoder, spool_id(sp), err);

    if (r == 0)
        r = spool_reader_open(&reader, sp, seq, err);
    if (r == 0)
        r = spool_reader_next(reader, &record, err);
    if (r >= 0) {
        err_set(why, ERR_INVALID, "the record could not be read");
        if (r == 1 && record.seq == seq)
            event_encode(encoder, &row, &record, &time_us, why);
        r = 0;
    }
    buf_release(&row);
    spool_reader_close(reader);
    event_encoder_free(encoder);
    return r;
}

int batch_park_unreadable(struct batch *b, struct db *db, struct spool *sp, struct batch_tally *tally, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < b->count && r == 0 && b->unreadable > 0; i++) {
        struct err why = {0};

        if (is_readable(&b->items[i]) || chain_is_stretch(b->items[i].kind))
            continue;
        r = unreadable_reason(sp, b->items[i].seq, &why, err);
        if (r == 0)
            r = park(b, db, sp, &b->items[i], &why, err);
        tally->parked++;
    }
    return r;
}

/* Merging --------------------------------------------------------------------------------------------------------- */

static int compare_seq(const void *a, const void *b)
{
    uint64_t x = ((const struct batch_row *)a)->seq, y = ((const struct batch_row *)b)->seq;

    return (x > y) - (x < y);
}

struct merge {
    struct batch *batch;
    struct db *db;
    struct spool *spool;
    struct batch_tally *tally;
};

/* Says of each row lo to hi-1 whether it was inserted: result holds the numbers of those that were. */
static int note_inserted(struct batch *b, size_t lo, size_t hi, const struct db_result *result, struct err *err)
{
    for (size_t i = lo; i < hi; i++)
        if (is_readable(&b->items[i]))
            b->items[i].kind = CHAIN_DUPLICATE;
    for (size_t i = 0; i < db_rows(result); i++) {
        struct batch_row key = {0}, *row = NULL;
        unsigned long long seq;

        if (span_to_u64(db_value(result, i, 0), &seq)) {
            key.seq = seq;
            row = bsearch(&key, b->items + lo, hi - lo, sizeof(key), compare_seq);
        }
        if (!row)
            return err_set(err, ERR_FAILED, "the server tells of a row that was not sent");
        row->kind = CHAIN_EVENT;
    }
    return 0;
}

/* Rows lo to hi-1 through the temporary table into event; *inserted tells how many were new. */
static int merge_rows(struct merge *m, size_t lo, size_t hi, uint64_t *inserted, struct err *err)
{
    struct batch *b = m->batch;
    struct span rows = {b->rows.data + b->items[lo].start, b->items[hi - 1].end - b->items[lo].start};
    struct db_result *result = NULL;
    int r = db_copy_begin(m->db, "COPY pg_temp.event_batch (" EVENT_COLUMNS ") FROM STDIN (FORMAT binary)", err);

    if (r < 0)
        return r;
    r = put_frame(m->db, copy_header, err);
    if (r == 0)
        r = db_copy_put(m->db, rows, err);
    if (r == 0)
        r = put_frame(m->db, copy_trailer, err);
    if (r == 0)
        r = db_copy_end(m->db, true, err);
    if (r == 0)
        r = db_query(m->db, &result,
                     "INSERT INTO chatsluice.event (" EVENT_COLUMNS ") SELECT " EVENT_COLUMNS
                     " FROM pg_temp.event_batch ON CONFLICT (group_id, event_time, event_id) DO NOTHING "
                     "RETURNING spool_seq",
                     0, NULL, err);
    if (r == 0) {
        *inserted = db_rows(result);
        r = note_inserted(b, lo, hi, result, err);
    }
    if (r == 0)
        r = db_exec(m->db, "TRUNCATE pg_temp.event_batch", err);
    db_result_free(result);
    return r;
}

/* Halves the range until what PostgreSQL refuses stands alone: a poison record among n costs log2(n) tries more. */
static int merge_range(struct merge *m, size_t lo, size_t hi, struct err *err)
{
    size_t readable = 0;
    uint64_t inserted = 0;
    struct err why = {0};
    int r;

    for (size_t i = lo; i < hi; i++)
        readable += is_readable(&m->batch->items[i]);
    if (readable == 0)
        return 0;
    r = db_exec(m->db, "SAVEPOINT part", err);
    if (r < 0)
        return r;
    r = merge_rows(m, lo, hi, &inserted, &why);
    if (r == 0) {
        m->tally->rows += inserted;
        m->tally->duplicates += readable - inserted;
        return db_exec(m->db, "RELEASE SAVEPOINT part", err);
    }
    if (r == ERR_LOST || !db_error_is_data(&why)) {
        *err = why;
        return r;
    }
    r = db_exec(m->db, "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part", err);
    if (r == 0 && hi - lo == 1) {
        m->tally->parked++;
        return park(m->batch, m->db, m->spool, &m->batch->items[lo], &why, err);
    }
    if (r == 0)
        r = merge_range(m, lo, lo + (hi - lo) / 2, err);
    if (r == 0)
        r = merge_range(m, lo + (hi - lo) / 2, hi, err);
    return r;
}

int batch_merge(struct batch *b, struct db *db, struct spool *sp, struct batch_tally *tally, struct err *err)
{
    struct merge m = {b, db, sp, tally};
    int r;

    if (b->count == 0)
        return 0;
    r = db_exec(db, "CREATE TEMPORARY TABLE event_batch (LIKE chatsluice.event) ON COMMIT DROP", err);
    return r < 0 ? r : merge_range(&m, 0, b->count, err);
}
