/* Workers, each with a connection in the same snapshot: a stretch is one COPY of the rows with its numbers, digested
 * and compared as they come. Rows come in the order of the table, which is nearly that of the spool. */
#include "audit/verify_priv.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 2 };

struct worker {
    struct row_check *check;
    pthread_t thread;
    bool started;
    struct db *db;
    struct buf scratch;
    size_t hint;
    uint64_t rows, erased, unchained, removed;
};

struct row_check {
    const struct audit_options *options;
    struct worker workers[WORKERS];
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    bool has_work, done;
    struct stretch work;
    uint64_t chain_first_seq;
    int64_t chain_began_us;
    unsigned busy;
    int r;
    struct err err;
    struct row_tally tally;
    int32_t *removed_days; /* fixed once opened; in order */
    size_t removed_count;
    int64_t *erasures_us; /* the same */
    size_t erasure_count;
};

/* The place of the number, or NULL. The one after the last is the likeliest. */
static struct expected *find_expected(struct worker *w, const struct stretch *s, uint64_t seq)
{
    size_t lo = 0, hi = s->count;

    if (w->hint < s->count && s->items[w->hint].seq == seq)
        return &s->items[w->hint];
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->items[mid].seq < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->count && s->items[lo].seq == seq ? &s->items[lo] : NULL;
}

/* Room for one more of items, which are size bytes each; NULL: at most MOST_KEPT are kept, or no memory. */
static void *one_more(void **items, size_t *count, size_t *cap, size_t size)
{
    if (*count == *cap && *cap < MOST_KEPT) {
        size_t more = *cap ? 2 * *cap : 64;
        void *larger = realloc(*items, more * size);

        if (larger) {
            *items = larger;
            *cap = more;
        }
    }
    return *count < *cap ? (char *)*items + size * (*count)++ : NULL;
}

/* its_leaf: that is there, it is something else about the row. */
static void suspect(struct row_check *c, const struct audit_row *row, bool its_leaf)
{
    struct row_tally *t = &c->tally;
    struct suspect *s;

    pthread_mutex_lock(&c->lock);
    s = one_more((void **)&t->suspects, &t->suspect_count, &t->suspect_cap, sizeof(*s));
    if (!s) {
        t->more_suspects++;
    } else {
        *s = (struct suspect){.row = *row, .json = its_leaf && !row->erased, .unrecorded = its_leaf && row->erased};
        snprintf(s->room, sizeof(s->room), "%.*s", (int)(row->group_id.len < 255 ? row->group_id.len : 255),
                 row->group_id.data);
        buf_add_span(&s->open, row->open);
        s->row.open = buf_span(&s->open);
        s->row.group_id = s->row.custom_data = s->row.custom_json = (struct span){NULL, 0};
    }
    pthread_mutex_unlock(&c->lock);
}

static bool is_recorded(const struct row_check *c, int64_t erased_us)
{
    for (size_t i = 0; i < c->erasure_count; i++)
        if (c->erasures_us[i] == erased_us)
            return true;
    return false;
}

static void check_row(struct worker *w, const struct stretch *s, uint64_t chain_first_seq, int64_t chain_began_us,
                      const struct audit_row *row)
{
    struct expected *e = find_expected(w, s, row->seq);

    w->rows++;
    if (e)
        w->hint = (size_t)(e - s->items) + 1;
    if (e && !e->found && !row->odd && crypto_equal(e->leaf, row->leaf, SHA256_BYTES)) {
        e->found = true;
        w->erased += row->erased;
        if (row->json != AUDIT_JSON_FINE || (row->erased && !is_recorded(w->check, row->erased_us)))
            suspect(w->check, row, true);
    } else if (!e && row->unchained && row->seq > 0 && row->seq < chain_first_seq &&
               row->received_us < chain_began_us) {
        w->unchained++;
    } else {
        suspect(w->check, row, false);
    }
}

static int by_day(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static void note_absents(struct worker *w, const struct stretch *s)
{
    struct row_check *c = w->check;
    struct row_tally *t = &c->tally;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < s->count; i++) {
        struct absent *a;

        if (s->items[i].found)
            continue;
        if (c->removed_count > 0 &&
            bsearch(&s->items[i].day, c->removed_days, c->removed_count, sizeof(*c->removed_days), by_day)) {
            w->removed++;
            continue;
        }
        a = one_more((void **)&t->absents, &t->absent_count, &t->absent_cap, sizeof(*a));
        if (!a) {
            t->more_absents++;
            continue;
        }
        *a = (struct absent){.expected = s->items[i]};
        memcpy(a->spool_id, s->spool_id, UUID_BYTES);
    }
    pthread_mutex_unlock(&c->lock);
}

static int check_stretch(struct worker *w, const struct stretch *s, uint64_t chain_first_seq, int64_t chain_began_us,
                         struct err *err)
{
    char sql[1600], spool[UUID_STRING];
    struct span bytes;
    int r;

    uuid_write(spool, s->spool_id);
    snprintf(sql, sizeof(sql),
             "COPY (SELECT " AUDIT_ROW_COLUMNS
             " FROM chatsluice.event WHERE spool_id = '%s' AND spool_seq BETWEEN %" PRIu64 " AND %" PRIu64
             ") TO STDOUT (FORMAT binary)",
             spool, s->first_seq, s->last_seq);
    w->hint = 0;
    r = db_copy_out_begin(w->db, sql, err);
    if (r < 0)
        return r;
    while ((r = db_copy_out_next(w->db, &bytes, err)) == 1) {
        struct audit_row row;

        r = audit_row_read(&row, bytes, &w->scratch, err);
        if (r < 0)
            return r;
        check_row(w, s, chain_first_seq, chain_began_us, &row);
    }
    if (r == 0)
        note_absents(w, s);
    return r;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct row_check *c = w->check;

    pthread_mutex_lock(&c->lock);
    for (;;) {
        struct stretch s;
        uint64_t first_seq;
        int64_t began_us;
        struct err err = {0};
        int r;

        while (!c->has_work && !c->done)
            pthread_cond_wait(&c->changed, &c->lock);
        if (!c->has_work)
            break;
        s = c->work;
        first_seq = c->chain_first_seq;
        began_us = c->chain_began_us;
        c->has_work = false;
        c->busy++;
        r = c->r;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);

        if (r == 0)
            r = check_stretch(w, &s, first_seq, began_us, &err);
        free(s.items);

        pthread_mutex_lock(&c->lock);
        if (r < 0 && c->r == 0) {
            c->r = r;
            c->err = err;
        }
        c->busy--;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static int open_worker(struct worker *w, const char *snapshot, struct err *err)
{
    char sql[256];
    int r = db_open(&w->db, w->check->options->database_url, "chatsluice audit", w->check->options->connect_timeout_ms,
                    err);

    if (r == 0)
        r = db_exec(w->db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    snprintf(sql, sizeof(sql), "SET TRANSACTION SNAPSHOT '%s'", snapshot);
    if (r == 0)
        r = db_exec(w->db, sql, err);
    if (r == 0 && pthread_create(&w->thread, NULL, worker_main, w) != 0)
        r = err_set(err, ERR_FAILED, "no thread");
    w->started = r == 0;
    return r;
}

static int read_removed_days(struct row_check *c, struct db *db, struct err *err)
{
    struct db_result *rows;
    int r =
        db_query(db, &rows, "SELECT day - date '2000-01-01' FROM chatsluice.removed_day ORDER BY day", 0, NULL, err);

    if (r < 0)
        return r;
    c->removed_days = calloc(db_rows(rows) + 1, sizeof(*c->removed_days));
    for (size_t i = 0; c->removed_days && i < db_rows(rows); i++)
        c->removed_days[c->removed_count++] = (int32_t)strtol(db_value(rows, i, 0).data, NULL, 10);
    db_result_free(rows);
    return c->removed_days ? 0 : err_set(err, ERR_FAILED, "no memory");
}

static int read_erasures(struct row_check *c, struct db *db, struct err *err)
{
    struct db_result *rows;
    int r =
        db_query(db, &rows, "SELECT (extract(epoch FROM at) * 1000000)::bigint FROM chatsluice.erasure", 0, NULL, err);

    if (r < 0)
        return r;
    c->erasures_us = calloc(db_rows(rows) + 1, sizeof(*c->erasures_us));
    for (size_t i = 0; c->erasures_us && i < db_rows(rows); i++)
        c->erasures_us[c->erasure_count++] = strtoll(db_value(rows, i, 0).data, NULL, 10);
    db_result_free(rows);
    return c->erasures_us ? 0 : err_set(err, ERR_FAILED, "no memory");
}

int row_check_open(struct row_check **out, const struct audit_options *options, const char *snapshot, struct err *err)
{
    struct row_check *c = calloc(1, sizeof(*c));
    int r = 0;

    if (!c)
        return err_set(err, ERR_FAILED, "no memory");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->options = options;
    for (size_t i = 0; i < WORKERS && r == 0; i++) {
        c->workers[i].check = c;
        r = open_worker(&c->workers[i], snapshot, err);
    }
    if (r == 0) /* nobody has work yet, so the connection is free */
        r = read_removed_days(c, c->workers[0].db, err);
    if (r == 0)
        r = read_erasures(c, c->workers[0].db, err);
    if (r < 0)
        row_check_close(c);
    else
        *out = c;
    return r;
}

int row_check_put(struct row_check *c, struct stretch *stretch, uint64_t chain_first_seq, int64_t chain_began_us,
                  struct err *err)
{
    int r;

    pthread_mutex_lock(&c->lock);
    while (c->has_work && c->r == 0)
        pthread_cond_wait(&c->changed, &c->lock);
    r = c->r;
    if (r < 0) {
        *err = c->err;
    } else {
        c->work = *stretch;
        c->chain_first_seq = chain_first_seq;
        c->chain_began_us = chain_began_us;
        c->has_work = true;
        stretch->items = NULL;
        stretch->count = stretch->cap = 0;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

static void stop_workers(struct row_check *c)
{
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < WORKERS; i++) {
        if (c->workers[i].started)
            pthread_join(c->workers[i].thread, NULL);
        c->workers[i].started = false;
    }
}

int row_check_finish(struct row_check *c, struct row_tally **tally, struct err *err)
{
    stop_workers(c);
    for (size_t i = 0; i < WORKERS; i++) {
        c->tally.rows += c->workers[i].rows;
        c->tally.erased += c->workers[i].erased;
        c->tally.unchained += c->workers[i].unchained;
        c->tally.removed += c->workers[i].removed;
    }
    *tally = &c->tally;
    if (c->r < 0)
        *err = c->err;
    return c->r;
}

void row_check_close(struct row_check *c)
{
    if (!c)
        return;
    stop_workers(c);
    for (size_t i = 0; i < WORKERS; i++) {
        db_close(c->workers[i].db);
        buf_release(&c->workers[i].scratch);
    }
    for (size_t i = 0; i < c->tally.suspect_count; i++)
        buf_release(&c->tally.suspects[i].open);
    free(c->tally.suspects);
    free(c->tally.absents);
    free(c->removed_days);
    free(c->erasures_us);
    if (c->has_work)
        free(c->work.items);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
