#include "audit/export.h"

#include "audit/audit_row.h"
#include "audit/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096, SQL = 8192, BLOCK_COLUMNS = CHAIN_HEADER_COLUMN_COUNT + 4 };

struct exported { /* one event that is to be found in a block */
    uint64_t seq;
    uint8_t leaf[SHA256_BYTES];
    bool found;
};

struct exporter {
    const struct export_options *options;
    struct db *db;
    char spool[UUID_STRING];
    char folder[PATH];
    struct exported *events; /* by seq */
    size_t count, cap;
    struct buf places;  /* events.txt */
    struct buf numbers; /* blocks.txt */
    struct checkpoint checkpoint;
};

static int write_file(const struct exporter *x, const char *name, struct span bytes, struct err *err)
{
    char path[PATH + 128];
    int fd, r = 0;

    snprintf(path, sizeof(path), "%s/%s", x->folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not make \"%.256s\"", path);
    while (bytes.len > 0 && r == 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = err_set_errno(err, ERR_FAILED, "could not write \"%.256s\"", path);
        } else {
            bytes.data += n;
            bytes.len -= (size_t)n;
        }
    }
    if (close(fd) < 0 && r == 0)
        r = err_set_errno(err, ERR_FAILED, "could not write \"%.256s\"", path);
    return r;
}

static int write_numbered(const struct exporter *x, const char *folder, uint64_t number, const char *kind,
                          struct span bytes, struct err *err)
{
    char name[64];

    snprintf(name, sizeof(name), "%s/%" PRIu64 ".%s", folder, number, kind);
    return write_file(x, name, bytes, err);
}

static int make_folder(const char *path, const char *below, struct err *err)
{
    char whole[PATH + 64];

    snprintf(whole, sizeof(whole), "%s%s", path, below);
    return mkdir(whole, 0750) < 0 ? err_set_errno(err, ERR_FAILED, "could not make \"%.256s\"", whole) : 0;
}

/* Events ---------------------------------------------------------------------------------------------------------- */

/* The condition of the options; what comes from outside is quoted by PostgreSQL. */
static int condition(const struct exporter *x, char *out, size_t size, struct err *err)
{
    const char *params[] = {x->options->room, x->options->event_id};
    struct db_result *rows;
    int r = db_query(x->db, &rows, "SELECT quote_literal($1), quote_literal($2)", 2, params, err);

    if (r < 0)
        return r;
    snprintf(out, size,
             "event_time >= timestamptz '1970-01-01 00:00:00+00' + %" PRId64
             " * interval '1 microsecond' AND event_time < "
             "timestamptz '1970-01-01 00:00:00+00' + %" PRId64 " * interval '1 microsecond'%s%s%s%s",
             x->options->from_us, x->options->to_us, x->options->room ? " AND group_id = " : "",
             db_value(rows, 0, 0).data, x->options->event_id ? " AND event_id = " : "", db_value(rows, 0, 1).data);
    db_result_free(rows);
    return 0;
}

static int write_event(struct exporter *x, const struct audit_row *row, struct span bytes, struct err *err)
{
    struct span v[AUDIT_ROW_COLUMN_COUNT], personal, raw, salt;
    int r;

    if (!copy_read_row(bytes, v, AUDIT_ROW_COLUMN_COUNT))
        return err_set(err, ERR_INVALID, "these bytes are no row of chatsluice.event");
    raw = v[EVENT_OPEN_COUNT + EVENT_PERSONAL_COUNT - 1];
    salt = v[EVENT_OPEN_COUNT + EVENT_PERSONAL_COUNT];
    personal.data = row->open.data + row->open.len;
    personal.len = (size_t)(raw.data + raw.len - personal.data);
    r = write_numbered(x, "events", row->seq, "open", row->open, err);
    if (r == 0 && row->erased)
        return write_numbered(x, "events", row->seq, "digest",
                              (struct span){(const char *)row->personal_digest, SHA256_BYTES}, err);
    if (r == 0)
        r = write_numbered(x, "events", row->seq, "personal", personal, err);
    if (r == 0)
        r = write_numbered(x, "events", row->seq, "salt", salt, err);
    return r < 0 ? r : write_numbered(x, "events", row->seq, "raw", raw, err);
}

static int take_event(struct exporter *x, struct span bytes, struct buf *scratch, struct err *err)
{
    struct audit_row row;
    int r = audit_row_read(&row, bytes, scratch, err);

    if (r < 0)
        return r;
    if (row.unchained || row.odd)
        return err_set(err, ERR_CONFLICT, "record %" PRIu64 " of spool %s has no leaf that could prove it", row.seq,
                       x->spool);
    if (x->count == EXPORT_MOST_EVENTS)
        return err_set(err, ERR_FULL, "these are more than %d events: name a shorter time", EXPORT_MOST_EVENTS);
    if (x->count == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 64;
        struct exported *events = realloc(x->events, cap * sizeof(*events));

        if (!events)
            return err_set(err, ERR_FAILED, "no memory");
        x->events = events;
        x->cap = cap;
    }
    x->events[x->count] = (struct exported){.seq = row.seq};
    memcpy(x->events[x->count++].leaf, row.leaf, SHA256_BYTES);
    return write_event(x, &row, bytes, err);
}

static int export_events(struct exporter *x, const char *where, struct err *err)
{
    struct buf scratch = BUF_INIT;
    struct span row;
    char sql[SQL];
    int r;

    snprintf(sql, sizeof(sql),
             "COPY (SELECT " AUDIT_ROW_COLUMNS
             " FROM chatsluice.event WHERE spool_id = '%s' AND %s ORDER BY spool_seq) "
             "TO STDOUT (FORMAT binary)",
             x->spool, where);
    r = db_copy_out_begin(x->db, sql, err);
    while (r == 0 && (r = db_copy_out_next(x->db, &row, err)) == 1)
        r = take_event(x, row, &scratch, err);
    buf_release(&scratch);
    return r;
}

/* Blocks ---------------------------------------------------------------------------------------------------------- */

/* Whether events are in the block, and where. */
static bool find_places(struct exporter *x, uint64_t block, uint64_t first_seq, struct span leaves)
{
    uint64_t seq = first_seq;
    bool any = false;
    size_t next = 0;

    for (size_t at = 0; at + CHAIN_ENTRY_BYTES <= leaves.len; at += CHAIN_ENTRY_BYTES, seq++) {
        struct chain_entry e;

        if (!chain_read_entry(leaves.data + at, &e))
            return any;
        if (e.kind == CHAIN_DAMAGED || e.kind == CHAIN_MISSING)
            seq = e.to;
        while (next < x->count && x->events[next].seq < seq)
            next++;
        if (next == x->count || x->events[next].seq != seq || e.kind != CHAIN_EVENT ||
            memcmp(x->events[next].leaf, e.leaf, SHA256_BYTES) != 0)
            continue;
        x->events[next].found = any = true;
        buf_addf(&x->places, "%" PRIu64 " %" PRIu64 " %zu\n", seq, block, at / CHAIN_ENTRY_BYTES);
    }
    return any;
}

/* v: CHAIN_HEADER_COLUMNS, leaves, leaves_digest, previous_hash, hash. */
static int take_block(struct exporter *x, struct span row, const struct span *v, struct err *err)
{
    struct span header = {row.data + 2, (size_t)(v[9].data - 4 - row.data) - 2};
    uint64_t number = copy_read_number(v[1]);
    int r = 0;

    if (x->numbers.len == 0)
        r = write_file(x, "first.previous", v[11], err);
    buf_addf(&x->numbers, "%" PRIu64 "\n", number);
    if (r == 0)
        r = write_numbered(x, "blocks", number, "header", header, err);
    if (r == 0)
        r = write_numbered(x, "blocks", number, "digest", v[10], err);
    if (r == 0 && find_places(x, number, copy_read_number(v[2]), v[9]))
        r = write_numbered(x, "blocks", number, "leaves", v[9], err);
    return r;
}

static int export_blocks(struct exporter *x, struct err *err)
{
    struct span row, v[BLOCK_COLUMNS];
    char sql[SQL];
    int r;

    snprintf(
        sql, sizeof(sql),
        "COPY (SELECT " CHAIN_HEADER_COLUMNS ", leaves, leaves_digest, previous_hash, hash FROM chatsluice.chain_block "
        "WHERE spool_id = '%s' AND block >= (SELECT min(block) FROM chatsluice.chain_block WHERE spool_id = '%s' AND "
        "%" PRIu64 " BETWEEN first_seq AND last_seq) AND block <= %" PRIu64
        " ORDER BY block) TO STDOUT (FORMAT binary)",
        x->spool, x->spool, x->events[0].seq, x->checkpoint.block);
    r = db_copy_out_begin(x->db, sql, err);
    while (r == 0 && (r = db_copy_out_next(x->db, &row, err)) == 1)
        r = copy_read_row(row, v, BLOCK_COLUMNS) && v[9].data
                ? take_block(x, row, v, err)
                : err_set(err, ERR_FAILED, "these bytes are no row of chatsluice.chain_block");
    for (size_t i = 0; i < x->count && r == 0; i++)
        if (!x->events[i].found)
            r = err_set(err, ERR_CONFLICT, "record %" PRIu64 " of spool %s is not what was loaded: run audit verify",
                        x->events[i].seq, x->spool);
    return r;
}

/* The first that covers all of the events. */
static int export_checkpoint(struct exporter *x, struct err *err)
{
    char seq[24], id[CRYPTO_KEY_ID];
    const char *params[] = {x->spool, seq};
    struct buf pem = BUF_INIT;
    struct db_result *rows;
    struct span line;
    int r;

    snprintf(seq, sizeof(seq), "%" PRIu64, x->events[x->count - 1].seq);
    r = db_query(x->db, &rows,
                 "SELECT line FROM chatsluice.checkpoint WHERE spool_id = $1 AND block >= (SELECT max(block) FROM "
                 "chatsluice.chain_block WHERE spool_id = $1 AND $2 BETWEEN first_seq AND last_seq) "
                 "ORDER BY number LIMIT 1",
                 2, params, err);
    if (r < 0)
        return r;
    line = db_rows(rows) ? db_value(rows, 0, 0) : SPAN("");
    if (!checkpoint_read(&x->checkpoint, line))
        r = err_set(err, ERR_CONFLICT, "no checkpoint covers record %s of spool %s yet", seq, x->spool);
    if (r == 0)
        r = write_file(x, "checkpoint.txt", (struct span){line.data, x->checkpoint.signed_len}, err);
    if (r == 0)
        r = write_file(x, "checkpoint.sig", (struct span){(const char *)x->checkpoint.signature, SIGNATURE_BYTES}, err);
    for (size_t i = 0; i < x->options->key_count && r == 0 && pem.len == 0; i++) {
        crypto_key_id(x->options->keys[i], id);
        if (strcmp(id, x->checkpoint.key) == 0 && !crypto_key_add_public(&pem, x->options->keys[i]))
            r = err_set(err, ERR_FAILED, "no memory");
    }
    if (r == 0 && pem.len == 0)
        r = err_set(err, ERR_USAGE, "the key %.16s of the checkpoint is not among those given", x->checkpoint.key);
    if (r == 0)
        r = write_file(x, "public.pem", buf_span(&pem), err);
    buf_release(&pem);
    db_result_free(rows);
    return r;
}

static int export_spool(struct exporter *x, const char *where, struct err *err)
{
    int r;

    snprintf(x->folder, sizeof(x->folder), "%s/%s", x->options->directory, x->spool);
    x->count = 0;
    buf_reset(&x->places);
    buf_reset(&x->numbers);
    r = make_folder(x->folder, "", err);
    if (r == 0)
        r = make_folder(x->folder, "/events", err);
    if (r == 0)
        r = make_folder(x->folder, "/blocks", err);
    if (r == 0)
        r = export_events(x, where, err);
    if (r == 0)
        r = export_checkpoint(x, err);
    if (r == 0)
        r = export_blocks(x, err);
    if (r == 0 && (buf_failed(&x->places) || buf_failed(&x->numbers)))
        r = err_set(err, ERR_FAILED, "no memory");
    if (r == 0)
        r = write_file(x, "events.txt", buf_span(&x->places), err);
    return r < 0 ? r : write_file(x, "blocks.txt", buf_span(&x->numbers), err);
}

int audit_export(struct db *db, const struct export_options *options, uint64_t *events, struct err *err)
{
    struct exporter x = {.options = options, .db = db};
    struct db_result *spools = NULL;
    char where[SQL / 2], sql[SQL];
    int r = db_begin(db, "ISOLATION LEVEL REPEATABLE READ READ ONLY", err);

    *events = 0;
    if (r == 0)
        r = condition(&x, where, sizeof(where), err);
    if (r < 0)
        return r;
    snprintf(sql, sizeof(sql), "SELECT DISTINCT spool_id FROM chatsluice.event WHERE %s", where);
    r = db_query(db, &spools, sql, 0, NULL, err);
    if (r == 0 && db_rows(spools) == 0)
        r = err_set(err, ERR_NOT_FOUND, "there are no such events");
    if (r == 0)
        r = make_folder(options->directory, "", err);
    for (size_t i = 0; r == 0 && i < db_rows(spools); i++) {
        snprintf(x.spool, sizeof(x.spool), "%s", db_value(spools, i, 0).data);
        r = export_spool(&x, where, err);
        *events += x.count;
    }
    db_result_free(spools);
    free(x.events);
    buf_release(&x.places);
    buf_release(&x.numbers);
    return r;
}
