#include "audit/checkpoint.h"
#include "audit/verify_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct line {
    struct checkpoint checkpoint;
    uint8_t digest[SHA256_BYTES];
    bool trusted; /* its signature was checked and fits */
    bool forged;
};

struct lines {
    struct line *items;
    size_t count, cap;
};

static const struct crypto_key *key_of(const struct audit_options *o, const char *id)
{
    for (size_t i = 0; i < o->key_count; i++) {
        char mine[CRYPTO_KEY_ID];

        crypto_key_id(o->keys[i], mine);
        if (strcmp(mine, id) == 0)
            return o->keys[i];
    }
    return NULL;
}

static void find_checkpoint(struct audit_report *report, enum audit_what what, const uint8_t spool_id[UUID_BYTES],
                            uint64_t number, uint64_t block, const char *words)
{
    struct audit_finding *f = audit_find(report, what, spool_id);

    if (!f)
        return;
    f->block = block;
    snprintf(f->detail, sizeof(f->detail), "checkpoint %" PRIu64 " %s", number, words);
}

/* One line of the table or a file; those of other spools are passed by. */
static int take_line(struct lines *all, const struct audit_options *o, const uint8_t spool_id[UUID_BYTES],
                     struct span text, bool in_file, struct audit_report *report, struct err *err)
{
    struct line line = {0};
    const struct crypto_key *key;

    if (!checkpoint_read(&line.checkpoint, text)) {
        if (!in_file)
            find_checkpoint(report, AUDIT_CHECKPOINT_FORGED, spool_id, 0, 0, "in the table cannot be read");
        return 0;
    }
    if (memcmp(line.checkpoint.spool_id, spool_id, UUID_BYTES) != 0)
        return 0;
    report->checkpoints++;
    checkpoint_digest(text, line.digest);
    for (size_t i = 0; i < all->count; i++) /* the same line from the other place */
        if (memcmp(all->items[i].digest, line.digest, SHA256_BYTES) == 0)
            return 0;
    if (o->key_count > 0) {
        key = key_of(o, line.checkpoint.key);
        line.trusted = key && crypto_signature_fits(key, (struct span){text.data, line.checkpoint.signed_len},
                                                    line.checkpoint.signature);
        report->checkpoints_checked += line.trusted;
        line.forged = !line.trusted;
        if (line.forged)
            find_checkpoint(report, AUDIT_CHECKPOINT_FORGED, spool_id, line.checkpoint.number, line.checkpoint.block,
                            key ? "has a signature that does not fit" : "is signed with a key that is not known");
    }
    if (all->count == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 256;
        struct line *items = realloc(all->items, cap * sizeof(*items));

        if (!items)
            return err_set(err, ERR_FAILED, "no memory");
        all->items = items;
        all->cap = cap;
    }
    all->items[all->count++] = line;
    return 0;
}

static int read_table(struct lines *all, struct db *db, const struct audit_options *o,
                      const uint8_t spool_id[UUID_BYTES], struct audit_report *report, struct err *err)
{
    char spool[UUID_STRING];
    const char *params[] = {spool};
    struct db_result *rows;
    int r;

    uuid_write(spool, spool_id);
    r = db_query(db, &rows,
                 "SELECT line, number, block, last_seq, encode(hash, 'hex') FROM chatsluice.checkpoint "
                 "WHERE spool_id = $1 ORDER BY number",
                 1, params, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < db_rows(rows) && r == 0; i++) {
        size_t before = all->count;
        unsigned long long number = 0, block = 0;

        r = take_line(all, o, spool_id, db_value(rows, i, 0), false, report, err);
        span_to_u64(db_value(rows, i, 1), &number);
        span_to_u64(db_value(rows, i, 2), &block);
        if (all->count > before &&
            (all->items[before].checkpoint.number != number || all->items[before].checkpoint.block != block))
            find_checkpoint(report, AUDIT_CHECKPOINT_FORGED, spool_id, number, block, "says otherwise in its line");
    }
    db_result_free(rows);
    return r;
}

static int read_file(struct lines *all, const struct audit_options *o, const uint8_t spool_id[UUID_BYTES],
                     struct audit_report *report, struct err *err)
{
    struct span rest = o->checkpoint_lines;
    int r = 0;

    while (rest.len > 0 && r == 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        struct span line = {rest.data, end ? (size_t)(end - rest.data) : rest.len};

        r = take_line(all, o, spool_id, line, true, report, err);
        rest.data += line.len + (end != NULL);
        rest.len -= line.len + (end != NULL);
    }
    return r;
}

static int by_number(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    return (x->checkpoint.number > y->checkpoint.number) - (x->checkpoint.number < y->checkpoint.number);
}

/* Each names the one before. */
static void check_order(const struct lines *all, const uint8_t spool_id[UUID_BYTES], struct audit_report *report)
{
    uint8_t none[SHA256_BYTES] = {0};

    for (size_t i = 0; i < all->count; i++) {
        const struct checkpoint *c = &all->items[i].checkpoint;
        const struct line *last = i > 0 ? &all->items[i - 1] : NULL;
        uint64_t before = last ? last->checkpoint.number : 0;

        if (all->items[i].forged || (last && last->forged))
            continue; /* has been told */
        if (c->number == before)
            find_checkpoint(report, AUDIT_CHECKPOINT_FORGED, spool_id, c->number, c->block, "is there in two forms");
        else if (c->number != before + 1)
            find_checkpoint(report, AUDIT_CHECKPOINT_MISSING, spool_id, before + 1, 0, "is not there, a later one is");
        else if (memcmp(c->previous, last ? last->digest : none, SHA256_BYTES) != 0)
            find_checkpoint(report, AUDIT_CHECKPOINT_FORGED, spool_id, before, 0, "is not the one that the next names");
    }
}

/* The erasures that were recorded when it was signed are still. */
static int check_erasures(struct db *db, const struct checkpoint *c, struct audit_report *report, struct err *err)
{
    char number[24], hash[SHA256_HEX];
    const char *params[] = {number, hash};
    struct db_result *rows;
    int r;

    if (c->erasures == 0)
        return 0;
    snprintf(number, sizeof(number), "%" PRIu64, c->erasures);
    crypto_hex(c->erasure_hash, hash);
    r = db_query(db, &rows, "SELECT FROM chatsluice.erasure WHERE number = $1 AND encode(hash, 'hex') = $2", 2, params,
                 err);
    if (r < 0)
        return r;
    if (db_rows(rows) != 1)
        find_checkpoint(report, AUDIT_CHAIN_CUT, c->spool_id, c->number, 0,
                        "names a record of an erasure that is not there");
    db_result_free(rows);
    return 0;
}

static int by_block(const void *a, const void *b)
{
    const struct signed_state *x = a, *y = b;

    return (x->block > y->block) - (x->block < y->block);
}

int signed_states_read(struct signed_states *out, struct db *db, const struct audit_options *o,
                       const uint8_t spool_id[UUID_BYTES], struct audit_report *report, struct err *err)
{
    struct lines all = {0};
    int r = read_table(&all, db, o, spool_id, report, err);

    *out = (struct signed_states){0};
    if (r == 0)
        r = read_file(&all, o, spool_id, report, err);
    if (r == 0 && all.count > 0) {
        qsort(all.items, all.count, sizeof(*all.items), by_number);
        check_order(&all, spool_id, report);
        out->items = calloc(all.count, sizeof(*out->items));
        if (!out->items)
            r = err_set(err, ERR_FAILED, "no memory");
    }
    for (size_t i = 0; i < all.count && r == 0; i++) {
        const struct checkpoint *c = &all.items[i].checkpoint;
        struct signed_state *s = &out->items[out->count];

        if (all.items[i].forged)
            continue;
        out->count++;
        *s = (struct signed_state){c->block, c->last_seq, c->number, {0}, all.items[i].trusted, false};
        memcpy(s->hash, c->hash, SHA256_BYTES);
    }
    for (size_t i = all.count; i-- > 0 && r == 0;)
        if (!all.items[i].forged) {
            r = check_erasures(db, &all.items[i].checkpoint, report, err);
            break; /* each record names the one before: the last is enough */
        }
    if (out->count > 0)
        qsort(out->items, out->count, sizeof(*out->items), by_block);
    free(all.items);
    return r;
}

void signed_states_release(struct signed_states *states)
{
    free(states->items);
    *states = (struct signed_states){0};
}

void signed_states_meet(struct signed_states *states, const struct chain_block *block, struct audit_report *report)
{
    size_t lo = 0, hi = states->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (states->items[mid].block < block->block)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < states->count && states->items[lo].block == block->block; lo++) {
        struct signed_state *s = &states->items[lo];
        struct audit_finding *f;

        s->met = true;
        if (memcmp(s->hash, block->hash, SHA256_BYTES) == 0 && s->last_seq == block->last_seq)
            continue;
        /* Signed, so it was another block then; without a key to tell, either may be the false one. */
        f = audit_find(report, s->trusted ? AUDIT_BLOCK_ALTERED : AUDIT_CHECKPOINT_FORGED, block->spool_id);
        if (!f)
            continue;
        f->block = block->block;
        f->seq = block->first_seq;
        snprintf(f->detail, sizeof(f->detail), "checkpoint %" PRIu64 " names another hash for this block%s", s->number,
                 s->trusted ? "" : "; no key was given to tell which is false");
    }
}

void signed_states_end(struct signed_states *states, const uint8_t spool_id[UUID_BYTES], uint64_t last_block,
                       struct audit_report *report)
{
    const struct signed_state *last = states->count > 0 ? &states->items[states->count - 1] : NULL;
    struct audit_finding *f;

    if (!last || last->block <= last_block)
        return;
    f = audit_find(report, AUDIT_CHAIN_CUT, spool_id);
    if (!f)
        return;
    f->block = last_block + 1;
    snprintf(f->detail, sizeof(f->detail),
             "the chain ends at block %" PRIu64 ", checkpoint %" PRIu64 " names block %" PRIu64 " with record %" PRIu64,
             last_block, last->number, last->block, last->last_seq);
}
