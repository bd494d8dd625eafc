#include "audit/verify_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_COMPARED = 512, NUMBER = 24 };

/* Rows of event e in the period which no block of the period speaks of. `old` is true of those from before the chain of
 * their spool, or the migration that brought chains. */
#define UNCOVERED                                                                                                            \
    "WITH c AS (SELECT spool_id, range_agg(int8range(first_seq, last_seq, '[]')) AS seqs "                                   \
    "FROM chatsluice.chain_block WHERE $1::bigint IS NULL OR (from_time < " MOMENT("$2") " AND to_time >= " MOMENT(          \
        "$1") ") GROUP BY spool_id), "                                                                                       \
              "f AS (SELECT p.spool_id, b.first_seq, b.loaded_at FROM chatsluice.spool_position p CROSS JOIN LATERAL ("      \
              "SELECT first_seq, loaded_at FROM chatsluice.chain_block n WHERE n.spool_id = p.spool_id "                     \
              "ORDER BY block LIMIT 1) b), "                                                                                 \
              "u AS (SELECT e.spool_id, e.spool_seq, e.event_id, e.group_id, e.salt IS NULL AND e.personal_digest IS NULL "  \
              "AND e.spool_seq > 0 AND coalesce(e.spool_seq < f.first_seq, true) AND e.received_at < coalesce(f.loaded_at, " \
              "(SELECT applied_at FROM chatsluice.schema_version WHERE version = 7)) AS old "                                \
              "FROM chatsluice.event e LEFT JOIN c USING (spool_id) LEFT JOIN f USING (spool_id) "                           \
              "WHERE NOT coalesce(c.seqs @> e.spool_seq, false) AND ($1::bigint IS NULL OR (e.event_time >= " MOMENT(        \
                  "$1") " AND e.event_time < " MOMENT("$2") ")) AND ($3::uuid IS NULL OR e.spool_id = $3)) "
#define MOMENT(us) "timestamptz '1970-01-01 00:00:00+00' + " us "::bigint * interval '1 microsecond'"

static bool same_spool(const uint8_t a[UUID_BYTES], const uint8_t b[UUID_BYTES])
{
    return memcmp(a, b, UUID_BYTES) == 0;
}

static struct audit_finding *find_row(struct audit_report *report, enum audit_what what, const struct suspect *s)
{
    struct audit_finding *f = audit_find(report, what, s->row.spool_id);

    if (!f)
        return NULL;
    f->seq = s->row.seq;
    uuid_write(f->event_id, s->row.event_id);
    snprintf(f->room, sizeof(f->room), "%s", s->room);
    return f;
}

/* Numbers given out twice --------------------------------------------------------------------------------------- */

/* Whether some block has that leaf at that number: then the row is of another block than the one it was compared with,
 * which happens when the loader went back. */
static bool has_leaf(const struct db_result *blocks, const struct suspect *s)
{
    for (size_t i = 0; i < db_rows(blocks); i++) {
        struct span leaf = db_value(blocks, i, 0);
        char hex[SHA256_HEX];

        crypto_hex(s->row.leaf, hex);
        if (!s->row.odd && span_is(leaf, hex))
            return true;
    }
    return false;
}

static int settle_overlaps(struct db *db, struct row_tally *t, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < t->suspect_count && r == 0; i++) {
        struct suspect *s = &t->suspects[i];
        char spool[UUID_STRING], seq[NUMBER];
        const char *params[] = {spool, seq};
        struct db_result *rows;

        uuid_write(spool, s->row.spool_id);
        snprintf(seq, sizeof(seq), "%" PRIu64, s->row.seq);
        /* Blocks without stretches: entries are then counted from the first number. The others are few and small. */
        r = db_query(db, &rows,
                     "SELECT encode(substr(e.leaf, 6, 32), 'hex') FROM chatsluice.chain_block b CROSS JOIN LATERAL "
                     "(SELECT substr(b.leaves, 37 * i + 1, 37) AS leaf "
                     "FROM generate_series(CASE WHEN octet_length(b.leaves) / 37 = b.last_seq - b.first_seq + 1 "
                     "THEN $2 - b.first_seq ELSE 0 END, CASE WHEN octet_length(b.leaves) / 37 = b.last_seq - "
                     "b.first_seq + 1 THEN $2 - b.first_seq ELSE octet_length(b.leaves) / 37 - 1 END) AS g (n), "
                     "LATERAL (SELECT n::integer AS i) AS k) AS e "
                     "WHERE b.spool_id = $1 AND $2 BETWEEN b.first_seq AND b.last_seq AND get_byte(e.leaf, 0) = 101",
                     2, params, err);
        if (r < 0)
            return r;
        s->settled = !s->json && !s->unrecorded && has_leaf(rows, s);
        db_result_free(rows);
    }
    return r;
}

static int went_back(struct db *db, bool *yes, struct err *err)
{
    struct db_result *rows;
    int r = db_query(db, &rows, "SELECT EXISTS (SELECT FROM chatsluice.chain_block WHERE went_back_from IS NOT NULL)",
                     0, NULL, err);

    if (r == 0) {
        *yes = span_is(db_value(rows, 0, 0), "t");
        db_result_free(rows);
    }
    return r;
}

/* Rows and leaves that do not meet ------------------------------------------------------------------------------ */

/* PostgreSQL's own word on whether the json column follows from the text. */
static int settle_json(struct audit_report *report, struct db *db, struct suspect *s, struct err *err)
{
    char spool[UUID_STRING], seq[NUMBER], event[UUID_STRING];
    const char *params[] = {spool, seq, event};
    struct audit_finding *f;
    struct db_result *rows = NULL;
    struct err refused = {0};
    bool fine = false;
    int r = 0;

    s->settled = true;
    uuid_write(spool, s->row.spool_id);
    uuid_write(event, s->row.event_id);
    snprintf(seq, sizeof(seq), "%" PRIu64, s->row.seq);
    if (s->row.json == AUDIT_JSON_ASK) {
        r = db_exec(db, "SAVEPOINT json", err);
        if (r < 0)
            return r;
        if (db_query(db, &rows,
                     "SELECT cloud_custom_data::jsonb = cloud_custom_data_json FROM chatsluice.event "
                     "WHERE spool_id = $1 AND spool_seq = $2 AND event_id = $3",
                     3, params, &refused) == 0)
            fine = db_rows(rows) == 1 && span_is(db_value(rows, 0, 0), "t");
        db_result_free(rows);
        r = db_exec(db, "ROLLBACK TO SAVEPOINT json", err);
    }
    if (r == 0 && !fine && (f = find_row(report, AUDIT_CHANGED, s)))
        snprintf(f->detail, sizeof(f->detail), "cloud_custom_data_json does not follow from cloud_custom_data");
    return r;
}

static void settle_unrecorded(struct audit_report *report, struct suspect *s)
{
    struct audit_finding *f = find_row(report, AUDIT_CHANGED, s);

    s->settled = true;
    if (f)
        snprintf(f->detail, sizeof(f->detail), "it was erased, and nothing is recorded of that");
}

/* Each record of an erasure names the one before. */
static int judge_erasures(struct audit_report *report, struct db *db, struct err *err)
{
    static const uint8_t no_spool[UUID_BYTES];
    struct db_result *rows;
    int r = db_query(
        db, &rows,
        "SELECT number FROM (SELECT e.number, e.hash = chatsluice.erasure_hash(e, lag(e.hash) OVER w) AND "
        "e.number = row_number() OVER w AS fits FROM chatsluice.erasure e WINDOW w AS (ORDER BY e.number)) AS c "
        "WHERE NOT fits ORDER BY number LIMIT 1",
        0, NULL, err);

    if (r < 0)
        return r;
    if (db_rows(rows) == 1) {
        struct audit_finding *f = audit_find(report, AUDIT_BLOCK_ALTERED, no_spool);

        if (f)
            snprintf(f->detail, sizeof(f->detail), "record %s of the erasures, or the one before it",
                     db_value(rows, 0, 0).data);
    }
    db_result_free(rows);
    return 0;
}

static void settle_swaps(struct audit_report *report, struct row_tally *t)
{
    struct buf scratch = BUF_INIT;

    for (size_t i = 0; i < t->absent_count && i < MOST_COMPARED; i++) {
        struct absent *a = &t->absents[i];

        for (size_t k = 0; k < t->suspect_count && k < MOST_COMPARED && !a->settled; k++) {
            struct suspect *s = &t->suspects[k];
            uint8_t leaf[SHA256_BYTES];
            struct audit_finding *f;

            if (s->settled || s->row.odd || !same_spool(s->row.spool_id, a->spool_id) || s->row.seq == a->expected.seq)
                continue;
            audit_row_leaf_at(&s->row, a->expected.seq, &scratch, leaf);
            if (memcmp(leaf, a->expected.leaf, SHA256_BYTES) != 0)
                continue;
            a->settled = s->settled = true;
            f = find_row(report, AUDIT_SWAPPED, s);
            if (f) {
                f->seq = a->expected.seq;
                f->block = a->expected.block;
                snprintf(f->detail, sizeof(f->detail), "its spool_seq is now %" PRIu64, s->row.seq);
            }
        }
    }
    buf_release(&scratch);
}

/* Suspects in the order of their numbers, so that the one at a number is found. */
static int by_seq(const void *x, const void *y)
{
    const struct suspect *a = x, *b = y;

    return (a->row.seq > b->row.seq) - (a->row.seq < b->row.seq);
}

static struct suspect *suspect_at(struct row_tally *t, const struct absent *a)
{
    size_t lo = 0, hi = t->suspect_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (t->suspects[mid].row.seq < a->expected.seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < t->suspect_count && t->suspects[lo].row.seq == a->expected.seq; lo++)
        if (!t->suspects[lo].settled && same_spool(t->suspects[lo].row.spool_id, a->spool_id))
            return &t->suspects[lo];
    return NULL;
}

static void judge_absents(struct audit_report *report, struct row_tally *t)
{
    for (size_t i = 0; i < t->absent_count; i++) {
        struct absent *a = &t->absents[i];
        struct suspect *s = a->settled ? NULL : suspect_at(t, a);
        struct audit_finding *f;

        if (a->settled)
            continue;
        if (s) {
            s->settled = true;
            f = find_row(report, AUDIT_CHANGED, s);
            if (f && s->row.erased)
                snprintf(f->detail, sizeof(f->detail), "it was erased, and what is left does not fit");
        } else {
            f = audit_find(report, AUDIT_MISSING, a->spool_id);
        }
        if (!f)
            continue;
        f->seq = a->expected.seq;
        f->block = a->expected.block;
    }
}

static void judge_suspects(struct audit_report *report, const struct row_tally *t)
{
    for (size_t i = 0; i < t->suspect_count; i++)
        if (!t->suspects[i].settled)
            find_row(report, AUDIT_INSERTED, &t->suspects[i]);
}

/* Rows no stretch had in it ------------------------------------------------------------------------------------- */

static int judge_uncovered(struct audit_report *report, const struct audit_options *o, struct db *db, struct err *err)
{
    char from[NUMBER], to[NUMBER];
    const char *params[] = {o->has_period ? from : NULL, o->has_period ? to : NULL, o->spool_id};
    unsigned long long old = 0, others = 0;
    struct db_result *rows;
    int r;

    snprintf(from, sizeof(from), "%" PRId64, o->from_us);
    snprintf(to, sizeof(to), "%" PRId64, o->to_us);
    r = db_query(db, &rows, UNCOVERED "SELECT count(*) FILTER (WHERE old), count(*) FILTER (WHERE NOT old) FROM u", 3,
                 params, err);
    if (r < 0)
        return r;
    span_to_u64(db_value(rows, 0, 0), &old);
    span_to_u64(db_value(rows, 0, 1), &others);
    db_result_free(rows);
    report->unchained += old;
    report->rows += old;
    if (others == 0)
        return 0;
    r = db_query(db, &rows,
                 UNCOVERED "SELECT spool_id, spool_seq, event_id, left(group_id, 60) FROM u WHERE NOT old "
                           "ORDER BY spool_id, spool_seq LIMIT 1000",
                 3, params, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < db_rows(rows); i++) {
        uint8_t id[UUID_BYTES] = {0};
        struct audit_finding *f;
        unsigned long long seq = 0;

        uuid_read(db_value(rows, i, 0), id);
        f = audit_find(report, AUDIT_INSERTED, id);
        if (!f)
            continue;
        span_to_u64(db_value(rows, i, 1), &seq);
        f->seq = seq;
        snprintf(f->event_id, sizeof(f->event_id), "%s", db_value(rows, i, 2).data);
        snprintf(f->room, sizeof(f->room), "%s", db_value(rows, i, 3).data);
        snprintf(f->detail, sizeof(f->detail), "no block speaks of this number");
    }
    report->counts[AUDIT_INSERTED] += others - db_rows(rows);
    db_result_free(rows);
    return 0;
}

int audit_judge(struct audit_report *report, const struct audit_options *options, struct db *db, struct row_tally *t,
                struct err *err)
{
    bool overlaps = false;
    int r = 0;

    report->rows = t->rows;
    report->erased = t->erased;
    report->unchained = t->unchained;
    report->removed = t->removed;
    if (t->suspect_count > 0)
        r = went_back(db, &overlaps, err);
    if (r == 0 && overlaps)
        r = settle_overlaps(db, t, err);
    for (size_t i = 0; i < t->suspect_count && r == 0; i++) {
        if (t->suspects[i].json)
            r = settle_json(report, db, &t->suspects[i], err);
        else if (t->suspects[i].unrecorded)
            settle_unrecorded(report, &t->suspects[i]);
    }
    if (r == 0)
        r = judge_erasures(report, db, err);
    if (r < 0)
        return r;
    if (t->suspect_count > 1)
        qsort(t->suspects, t->suspect_count, sizeof(*t->suspects), by_seq);
    settle_swaps(report, t);
    judge_absents(report, t);
    judge_suspects(report, t);
    report->counts[AUDIT_MISSING] += t->more_absents;
    report->counts[AUDIT_INSERTED] += t->more_suspects;
    return judge_uncovered(report, options, db, err);
}
