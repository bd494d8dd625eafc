/* One snapshot for all connections. Spool by spool: what was signed is read, the blocks are walked in order and each is
 * digested again, the leaves go by stretches to those who compare rows (verify_rows.c). What they found odd is judged
 * in the end, when all of it is known: a row at another's place is a swap, not a row too many and one too few. */
#include "audit/verify.h"

#include "audit/checkpoint.h"
#include "audit/verify_priv.h"
#include "base/clock.h"
#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { STRETCH_RECORDS = 1 << 18, BLOCK_COLUMNS = CHAIN_HEADER_COLUMN_COUNT + 4, NUMBER = 24, SQL = 1024 };

struct parked { /* a record that was put into dead_letter */
    uint64_t seq, block;
    uint8_t leaf[SHA256_BYTES];
    bool found;
};

struct audit {
    const struct audit_options *options;
    struct audit_report *report;
    struct db *db;
    struct row_check *check;
    char snapshot[64];
    /* Of the spool at hand. */
    uint8_t spool_id[UUID_BYTES];
    char spool[UUID_STRING];
    struct signed_states states;
    uint64_t first_block, last_block; /* of those to be walked; 0: none */
    bool to_the_end;
    uint64_t chain_first_seq;
    int64_t chain_began_us;
    struct stretch stretch;
    struct parked *parked;
    size_t parked_count, parked_cap;
    uint8_t hash[SHA256_BYTES]; /* of the block before */
    uint64_t block;             /* its number */
};

static const char *const what_names[AUDIT_WHATS] = {"changed",           "missing",           "inserted",
                                                    "order swapped",     "block altered",     "chain cut",
                                                    "checkpoint forged", "checkpoint missing"};

const char *audit_what_name(enum audit_what what)
{
    return what_names[what];
}

struct audit_finding *audit_find(struct audit_report *report, enum audit_what what, const uint8_t spool_id[UUID_BYTES])
{
    struct audit_finding *f;

    report->counts[what]++;
    if (report->finding_count == AUDIT_MOST_FINDINGS)
        return NULL;
    f = &report->findings[report->finding_count++];
    *f = (struct audit_finding){.what = what};
    uuid_write(f->spool_id, spool_id);
    return f;
}

bool audit_report_is_clean(const struct audit_report *report)
{
    for (size_t i = 0; i < AUDIT_WHATS; i++)
        if (report->counts[i] > 0)
            return false;
    return true;
}

void audit_report_release(struct audit_report *report)
{
    free(report->findings);
    *report = (struct audit_report){0};
}

/* One spool ------------------------------------------------------------------------------------------------------- */

/* Blocks of the period, widened to what was signed before and after it. */
static int choose_blocks(struct audit *a, struct err *err)
{
    char from[NUMBER], to[NUMBER];
    const char *params[] = {a->spool, from, to};
    struct db_result *rows;
    int r;

    snprintf(from, sizeof(from), "%" PRId64, a->options->from_us);
    snprintf(to, sizeof(to), "%" PRId64, a->options->to_us);
    r = a->options->has_period
            ? db_query(a->db, &rows,
                       "SELECT min(block), max(block) FROM chatsluice.chain_block WHERE spool_id = $1 AND from_time < "
                       "timestamptz '1970-01-01 00:00:00+00' + $3::bigint * interval '1 microsecond' AND to_time >= "
                       "timestamptz '1970-01-01 00:00:00+00' + $2::bigint * interval '1 microsecond'",
                       3, params, err)
            : db_query(a->db, &rows, "SELECT min(block), max(block) FROM chatsluice.chain_block WHERE spool_id = $1", 1,
                       params, err);
    if (r < 0)
        return r;
    a->first_block = db_u64(rows, 0, 0);
    a->last_block = db_u64(rows, 0, 1);
    db_result_free(rows);
    a->to_the_end = !a->options->has_period;
    if (!a->options->has_period) {
        a->first_block = 1;
    } else if (a->first_block > 0) {
        uint64_t start = 1, end = 0;

        for (size_t i = 0; i < a->states.count; i++) {
            if (a->states.items[i].block <= a->first_block)
                start = a->states.items[i].block;
            if (end == 0 && a->states.items[i].block >= a->last_block)
                end = a->states.items[i].block;
        }
        a->first_block = start;
        a->to_the_end = end == 0;
        a->last_block = end;
    }
    return 0;
}

/* Where the chain of the spool begins. */
static int read_beginning(struct audit *a, struct err *err)
{
    const char *params[] = {a->spool};
    struct db_result *rows;
    int r = db_query(a->db, &rows,
                     "SELECT first_seq, (extract(epoch FROM loaded_at) * 1000000)::bigint FROM chatsluice.chain_block "
                     "WHERE spool_id = $1 ORDER BY block LIMIT 1",
                     1, params, err);

    if (r < 0)
        return r;
    a->chain_first_seq = db_rows(rows) ? db_u64(rows, 0, 0) : 0;
    a->chain_began_us = db_rows(rows) ? (int64_t)db_u64(rows, 0, 1) : INT64_MAX;
    db_result_free(rows);
    return 0;
}

static int put_stretch(struct audit *a, struct err *err)
{
    int r = 0;

    if (a->stretch.last_seq > 0) {
        memcpy(a->stretch.spool_id, a->spool_id, UUID_BYTES);
        r = row_check_put(a->check, &a->stretch, a->chain_first_seq, a->chain_began_us, err);
    }
    if (r == 0) {
        free(a->stretch.items);
        a->stretch = (struct stretch){0};
    }
    return r;
}

static int add_expected(struct audit *a, uint64_t seq, const struct chain_block *b, const struct chain_entry *e,
                        struct err *err)
{
    struct stretch *s = &a->stretch;

    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 4096;
        struct expected *items = realloc(s->items, cap * sizeof(*items));

        if (!items)
            return err_set(err, ERR_FAILED, "no memory");
        s->items = items;
        s->cap = cap;
    }
    s->items[s->count] = (struct expected){.seq = seq, .block = b->block, .day = e->day};
    memcpy(s->items[s->count++].leaf, e->leaf, SHA256_BYTES);
    return 0;
}

static int add_parked(struct audit *a, uint64_t seq, const struct chain_block *b, const struct chain_entry *e,
                      struct err *err)
{
    if (a->parked_count == a->parked_cap) {
        size_t cap = a->parked_cap ? 2 * a->parked_cap : 64;
        struct parked *items = realloc(a->parked, cap * sizeof(*items));

        if (!items)
            return err_set(err, ERR_FAILED, "no memory");
        a->parked = items;
        a->parked_cap = cap;
    }
    a->parked[a->parked_count] = (struct parked){.seq = seq, .block = b->block};
    memcpy(a->parked[a->parked_count++].leaf, e->leaf, SHA256_BYTES);
    return 0;
}

static void find_block(struct audit *a, enum audit_what what, const struct chain_block *b, const char *detail)
{
    struct audit_finding *f = audit_find(a->report, what, a->spool_id);

    if (!f)
        return;
    f->block = b->block;
    f->seq = b->first_seq;
    snprintf(f->detail, sizeof(f->detail), "%s", detail);
}

/* The entries of one block. *sound: they say what the header says. */
static int take_entries(struct audit *a, const struct chain_block *b, struct span leaves, bool *sound, struct err *err)
{
    uint64_t seq = b->first_seq, events = 0;
    int r = 0;

    *sound = leaves.len % CHAIN_ENTRY_BYTES == 0;
    if (a->stretch.last_seq > 0 && (b->first_seq != a->stretch.last_seq + 1 || a->stretch.count >= STRETCH_RECORDS))
        r = put_stretch(a, err);
    if (a->stretch.last_seq == 0)
        a->stretch.first_seq = b->first_seq;
    for (size_t at = 0; at + CHAIN_ENTRY_BYTES <= leaves.len && r == 0 && *sound; at += CHAIN_ENTRY_BYTES) {
        struct chain_entry e;

        *sound = chain_read_entry(leaves.data + at, &e) && seq <= b->last_seq;
        if (!*sound)
            break;
        if (e.kind == CHAIN_EVENT)
            r = add_expected(a, seq, b, &e, err);
        else if (e.kind == CHAIN_PARKED)
            r = add_parked(a, seq, b, &e, err);
        events += e.kind == CHAIN_EVENT;
        a->report->duplicates += e.kind == CHAIN_DUPLICATE;
        a->report->parked += e.kind == CHAIN_PARKED;
        if (e.kind == CHAIN_DAMAGED || e.kind == CHAIN_MISSING) {
            a->report->lost_stretches++;
            *sound = e.to >= seq && e.to <= b->last_seq;
            seq = e.to;
        }
        seq++;
    }
    a->stretch.last_seq = b->last_seq;
    *sound = *sound && seq == b->last_seq + 1 && events == b->events;
    return r;
}

static bool read_block(const struct audit *a, const struct span *v, struct chain_block *b)
{
    *b = (struct chain_block){
        .block = copy_read_number(v[1]),
        .first_seq = copy_read_number(v[2]),
        .last_seq = copy_read_number(v[3]),
        .events = (uint32_t)copy_read_number(v[4]),
        .from_us = v[5].data ? copy_read_time(v[5]) : 0,
        .to_us = v[6].data ? copy_read_time(v[6]) : 0,
        .went_back_from = copy_read_number(v[7]),
        .loaded_us = copy_read_time(v[8]),
    };
    memcpy(b->spool_id, a->spool_id, UUID_BYTES);
    if (v[10].len != SHA256_BYTES || v[11].len != SHA256_BYTES || v[12].len != SHA256_BYTES)
        return false;
    memcpy(b->leaves_digest, v[10].data, SHA256_BYTES);
    memcpy(b->previous_hash, v[11].data, SHA256_BYTES);
    memcpy(b->hash, v[12].data, SHA256_BYTES);
    return true;
}

static bool touches_period(const struct audit_options *o, const struct chain_block *b)
{
    return !o->has_period || (b->events > 0 && b->from_us < o->to_us && b->to_us >= o->from_us);
}

/* v: CHAIN_HEADER_COLUMNS, leaves, leaves_digest, previous_hash, hash. */
static int take_block(struct audit *a, struct span row, const struct span *v, struct err *err)
{
    uint8_t digest[SHA256_BYTES], hash[SHA256_BYTES];
    struct chain_block b;
    struct span header = {row.data + 2, (size_t)(v[9].data - 4 - row.data) - 2};
    bool sound = true;
    int r = 0;

    if (!read_block(a, v, &b)) {
        find_block(a, AUDIT_BLOCK_ALTERED, &b, "one of its digests has the wrong length");
        a->block = b.block;
        return 0;
    }
    crypto_sha256(&v[9], 1, digest);
    chain_block_hash(header, b.previous_hash, b.leaves_digest, hash);
    if (a->block > 0 && b.block != a->block + 1) {
        char words[100];

        snprintf(words, sizeof(words), "it follows block %" PRIu64 ": those in between are missing", a->block);
        find_block(a, AUDIT_CHAIN_CUT, &b, words);
    } else if (a->block == 0 && b.block != a->first_block) {
        find_block(a, AUDIT_CHAIN_CUT, &b, "the blocks before it are missing");
    } else if ((a->block > 0 || b.block == 1) && memcmp(b.previous_hash, a->hash, SHA256_BYTES) != 0) {
        find_block(a, AUDIT_BLOCK_ALTERED, &b, "it does not name the block before it");
    }
    if (memcmp(digest, b.leaves_digest, SHA256_BYTES) != 0)
        find_block(a, AUDIT_BLOCK_ALTERED, &b, "its leaves do not fit their digest");
    else if (memcmp(hash, b.hash, SHA256_BYTES) != 0)
        find_block(a, AUDIT_BLOCK_ALTERED, &b, "it does not fit its hash");
    signed_states_meet(&a->states, &b, a->report);
    if (touches_period(a->options, &b))
        r = take_entries(a, &b, v[9], &sound, err);
    if (!sound)
        find_block(a, AUDIT_BLOCK_ALTERED, &b, "its leaves are not what its header says");
    a->report->blocks++;
    a->block = b.block;
    memcpy(a->hash, b.hash, SHA256_BYTES);
    return r;
}

static int walk_blocks(struct audit *a, struct db *db, struct err *err)
{
    char sql[SQL], last[NUMBER] = "9223372036854775807";
    struct span row, v[BLOCK_COLUMNS];
    int r;

    if (!a->to_the_end)
        snprintf(last, sizeof(last), "%" PRIu64, a->last_block);
    snprintf(sql, sizeof(sql),
             "COPY (SELECT " CHAIN_HEADER_COLUMNS ", leaves, leaves_digest, previous_hash, hash "
             "FROM chatsluice.chain_block WHERE spool_id = '%s' AND block BETWEEN %" PRIu64 " AND %s ORDER BY block) "
             "TO STDOUT (FORMAT binary)",
             a->spool, a->first_block, last);
    a->block = 0;
    memset(a->hash, 0, SHA256_BYTES);
    r = db_copy_out_begin(db, sql, err);
    if (r < 0)
        return r;
    while ((r = db_copy_out_next(db, &row, err)) == 1) {
        if (!copy_read_row(row, v, BLOCK_COLUMNS) || !v[9].data)
            return err_set(err, ERR_FAILED, "these bytes are no row of chatsluice.chain_block");
        r = take_block(a, row, v, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : put_stretch(a, err);
}

/* The head beside the position, and what was signed, know of no block that is not there. */
static int check_end(struct audit *a, struct err *err)
{
    const char *params[] = {a->spool};
    struct db_result *rows;
    uint8_t head[SHA256_BYTES];
    int r;

    if (!a->to_the_end)
        return 0;
    signed_states_end(&a->states, a->spool_id, a->block, a->report);
    r = db_query(a->db, &rows,
                 "SELECT chain_block, encode(chain_hash, 'hex') FROM chatsluice.spool_position WHERE spool_id = $1", 1,
                 params, err);
    if (r < 0)
        return r;
    if (db_rows(rows) == 1 &&
        (db_u64(rows, 0, 0) != a->block || !hex_decode(db_value(rows, 0, 1), head, SHA256_BYTES) ||
         memcmp(head, a->hash, SHA256_BYTES) != 0)) {
        struct audit_finding *f = audit_find(a->report, AUDIT_CHAIN_CUT, a->spool_id);

        if (f) {
            f->block = a->block;
            snprintf(f->detail, sizeof(f->detail),
                     "the chain ends at block %" PRIu64 ", the position of the spool names block %" PRIu64 "%s",
                     a->block, db_u64(rows, 0, 0), db_u64(rows, 0, 0) == a->block ? " with another hash" : "");
        }
    }
    db_result_free(rows);
    return 0;
}

/* Parked records -------------------------------------------------------------------------------------------------- */

static void parked_row_leaf(const struct span *v, uint8_t leaf[SHA256_BYTES])
{
    uint8_t digest[SHA256_BYTES] = {0};
    struct span open = {v[0].data - 4, (size_t)(v[1].data + v[1].len - v[0].data) + 4};

    if (v[4].len == SHA256_BYTES)
        memcpy(digest, v[4].data, SHA256_BYTES);
    else if (v[3].len == CHAIN_SALT_BYTES)
        chain_personal_digest((const uint8_t *)v[3].data, (struct span){v[2].data - 4, v[2].len + 4}, digest);
    chain_parked_leaf(open, digest, leaf);
}

/* v: spool_id, spool_seq, record, salt, personal_digest. */
static void take_parked_row(struct audit *a, const struct span *v)
{
    uint64_t seq = copy_read_number(v[1]);
    uint8_t leaf[SHA256_BYTES];
    struct audit_finding *f;
    bool known = false;

    if (!v[3].data && !v[4].data && seq < a->chain_first_seq)
        return;
    parked_row_leaf(v, leaf);
    for (size_t i = 0; i < a->parked_count; i++) {
        struct parked *p = &a->parked[i];

        known = known || p->seq == seq;
        if (p->seq == seq && !p->found && memcmp(p->leaf, leaf, SHA256_BYTES) == 0) {
            p->found = true;
            return;
        }
    }
    if (!known && a->options->has_period)
        return;
    f = audit_find(a->report, known ? AUDIT_CHANGED : AUDIT_INSERTED, a->spool_id);
    if (f) {
        f->seq = seq;
        snprintf(f->detail, sizeof(f->detail), "a parked record, in dead_letter");
    }
    for (size_t i = 0; i < a->parked_count; i++)
        if (a->parked[i].seq == seq)
            a->parked[i].found = true; /* told */
}

static int check_parked(struct audit *a, struct err *err)
{
    char sql[SQL];
    struct span row, v[5];
    int r;

    snprintf(sql, sizeof(sql),
             "COPY (SELECT spool_id, spool_seq, record, salt, personal_digest FROM chatsluice.dead_letter "
             "WHERE spool_id = '%s') TO STDOUT (FORMAT binary)",
             a->spool);
    r = db_copy_out_begin(a->db, sql, err);
    if (r < 0)
        return r;
    while ((r = db_copy_out_next(a->db, &row, err)) == 1) {
        if (!copy_read_row(row, v, 5))
            return err_set(err, ERR_FAILED, "these bytes are no row of chatsluice.dead_letter");
        take_parked_row(a, v);
    }
    for (size_t i = 0; i < a->parked_count && r == 0; i++) {
        struct audit_finding *f = a->parked[i].found ? NULL : audit_find(a->report, AUDIT_MISSING, a->spool_id);

        if (!f)
            continue;
        f->seq = a->parked[i].seq;
        f->block = a->parked[i].block;
        snprintf(f->detail, sizeof(f->detail), "a parked record, of dead_letter");
    }
    return r;
}

static int audit_spool(struct audit *a, struct db *blocks, struct span id, struct err *err)
{
    int r = 0;

    if (!uuid_read(id, a->spool_id))
        return err_set(err, ERR_USAGE, "a spool is named by its UUID");
    uuid_write(a->spool, a->spool_id);
    a->parked_count = 0;
    a->report->spools++;
    r = signed_states_read(&a->states, a->db, a->options, a->spool_id, a->report, err);
    if (r == 0)
        r = read_beginning(a, err);
    if (r == 0)
        r = choose_blocks(a, err);
    if (r == 0 && a->first_block > 0) {
        r = walk_blocks(a, blocks, err);
        if (r == 0)
            r = check_end(a, err);
        if (r == 0)
            r = check_parked(a, err);
    }
    signed_states_release(&a->states);
    return r;
}

/* All spools ------------------------------------------------------------------------------------------------------ */

/* Those of the auditor's files as well: their chain may be gone altogether. */
static int list_spools(struct audit *a, struct db_result **rows, struct err *err)
{
    struct span rest = a->options->checkpoint_lines;
    struct buf array = BUF_INIT;
    int r;

    buf_add_char(&array, '{');
    if (a->options->spool_id)
        buf_add_text(&array, a->options->spool_id);
    while (rest.len > 0 && !a->options->spool_id) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        struct checkpoint c;
        char id[UUID_STRING];

        if (checkpoint_read(&c, (struct span){rest.data, len})) {
            uuid_write(id, c.spool_id);
            buf_addf(&array, "%s%s", array.len > 1 ? "," : "", id);
        }
        rest.data += len + (end != NULL);
        rest.len -= len + (end != NULL);
    }
    buf_add_char(&array, '}');
    const char *params[] = {buf_text(&array)};
    r = db_query(a->db, rows,
                 a->options->spool_id
                     ? "SELECT unnest($1::uuid[])"
                     : "WITH RECURSIVE s (spool_id) AS ("
                       "(SELECT spool_id FROM chatsluice.chain_block ORDER BY spool_id LIMIT 1) UNION ALL "
                       "SELECT (SELECT b.spool_id FROM chatsluice.chain_block b WHERE b.spool_id > s.spool_id "
                       "ORDER BY b.spool_id LIMIT 1) FROM s WHERE s.spool_id IS NOT NULL) "
                       "SELECT spool_id FROM s WHERE spool_id IS NOT NULL UNION "
                       "SELECT spool_id FROM chatsluice.spool_position UNION "
                       "SELECT spool_id FROM chatsluice.checkpoint UNION SELECT unnest($1::uuid[]) ORDER BY 1",
                 1, params, err);
    buf_release(&array);
    return r;
}

static int begin_snapshot(struct audit *a, struct db **blocks, struct err *err)
{
    struct db_result *rows;
    char sql[128];
    int r = db_open(&a->db, a->options->database_url, "chatsluice audit", a->options->connect_timeout_ms, err);

    /* New rows stand in no block range before they are summarised, and would be read for every stretch. Only the owner
     * may do that; without it the audit is slower, not wrong. */
    if (r == 0)
        db_exec(
            a->db,
            "SELECT brin_summarize_new_values(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "JOIN pg_am m ON m.oid = c.relam AND m.amname = 'brin' JOIN pg_inherits h ON h.inhrelid = i.indrelid "
            "WHERE c.relkind = 'i' AND h.inhparent = 'chatsluice.event'::regclass",
            NULL);
    if (r == 0)
        r = db_exec(a->db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    if (r == 0)
        r = db_query(a->db, &rows, "SELECT pg_export_snapshot()", 0, NULL, err);
    if (r < 0)
        return r;
    snprintf(a->snapshot, sizeof(a->snapshot), "%s", db_value(rows, 0, 0).data);
    db_result_free(rows);
    r = db_open(blocks, a->options->database_url, "chatsluice audit", a->options->connect_timeout_ms, err);
    if (r == 0)
        r = db_exec(*blocks, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    snprintf(sql, sizeof(sql), "SET TRANSACTION SNAPSHOT '%s'", a->snapshot);
    if (r == 0)
        r = db_exec(*blocks, sql, err);
    return r;
}

static int by_place(const void *x, const void *y)
{
    const struct audit_finding *a = x, *b = y;
    int order = strcmp(a->spool_id, b->spool_id);

    if (order != 0)
        return order;
    if (a->seq != b->seq)
        return a->seq == 0 ? 1 : b->seq == 0 ? -1 : a->seq < b->seq ? -1 : 1;
    return (a->block > b->block) - (a->block < b->block);
}

int audit_verify(const struct audit_options *options, struct audit_report *out, struct err *err)
{
    struct audit a = {.options = options, .report = out};
    int64_t start_us = clock_mono_us();
    struct db_result *spools = NULL;
    struct row_tally *tally = NULL;
    struct db *blocks = NULL;
    int r;

    *out = (struct audit_report){.findings = calloc(AUDIT_MOST_FINDINGS, sizeof(*out->findings))};
    if (!out->findings)
        return err_set(err, ERR_FAILED, "no memory");
    r = begin_snapshot(&a, &blocks, err);
    if (r == 0)
        r = row_check_open(&a.check, options, a.snapshot, err);
    if (r == 0)
        r = list_spools(&a, &spools, err);
    for (size_t i = 0; r == 0 && i < db_rows(spools); i++)
        r = audit_spool(&a, blocks, db_value(spools, i, 0), err);
    if (r == 0)
        r = row_check_finish(a.check, &tally, err);
    if (r == 0)
        r = audit_judge(out, options, a.db, tally, err);
    if (r == 0)
        qsort(out->findings, out->finding_count, sizeof(*out->findings), by_place);
    db_result_free(spools);
    row_check_close(a.check);
    free(a.stretch.items);
    free(a.parked);
    db_close(blocks);
    db_close(a.db);
    out->took_us = clock_mono_us() - start_us;
    if (r < 0)
        audit_report_release(out);
    return r;
}
