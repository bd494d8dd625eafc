/* The life of the loader thread:
 *
 *     connect ──▶ adopt position ──▶ wait for records ──▶ load a batch ──▶ release ──┐
 *        ▲                                  ▲──────────────────────────────────────┘
 *        └── back off (100 ms .. 2 s) ◀── any failure: the connection is closed, everything is read anew
 *
 * A batch is one transaction: lock and compare the position, rows, parked records, block of the chain, new position,
 * COMMIT. The plain way is a COPY straight into event, fed while the server works. It cannot take a duplicate, a
 * refused row, or a row whose partition is still to be made; then the same rows go the careful way (batch_merge). As
 * duplicates come in swarms, the batch after one with duplicates goes the careful way at once.
 *
 * Nothing depends on this process's memory: position and rows commit together, and what became of a COMMIT whose
 * answer was lost is read from the position. A crash at any point means the batch is loaded again or was loaded. */
#include "store/loader.h"

#include "base/clock.h"
#include "base/incidents.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/db_worker.h"
#include "store/loader_batch.h"
#include "store/loader_chain.h"
#include "store/migrate.h"
#include "store/partitions.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 2000,
    /* A part batch waits this long for more: a trickle costs twenty commits a second, not one for each record, and the
     * work comes in portions too small to hold up those who answer webhooks. */
    GATHER_MS = 50,
    IDLE_MS = 1000,
    CHECK_MS = 5000, /* how often an idle connection is tried, so that chatsluice_database_up tells the truth */
    NUMBER = 24,
};

/* What was logged last; a state is logged when it begins. */
enum loader_state { STATE_NEW, STATE_LOADING, STATE_AWAY, STATE_SCHEMA, STATE_FAILING };

struct loader {
    struct spool *spool; /* these are fixed once started */
    char *database_url;
    char *instance_id;
    int64_t connect_timeout_ms;
    void (*on_follow_ups)(void *arg);
    void *arg;
    _Atomic uint64_t position;

    struct db_worker worker;
    struct follow_up_terms terms; /* under the worker's lock */

    enum loader_state state; /* the rest belongs to the loader thread */
    unsigned seed;
    unsigned retry_ms;
    int64_t checked_us; /* when the connection was last known to work */
    struct spool_reader *reader;
    struct event_encoder *encoder;
    struct batch batch;
    struct chain_head head; /* as begin() found it, moved by store_block() */
    struct partitions partitions;
    bool adopted;          /* position is known from the database */
    bool careful;          /* the next batch goes the careful way at once */
    uint64_t in_doubt_seq; /* last_seq of a batch whose COMMIT got no answer; 0: none */
    struct batch_tally in_doubt;
};

/* Logs the change of state; a state that lasts is logged once. */
static void enter_state(struct loader *l, enum loader_state state, const struct err *why)
{
    bool changed = l->state != state;

    l->state = state;
    metric_set(METRIC_DATABASE_UP, state == STATE_LOADING);
    incident_set(INCIDENT_DATABASE_AWAY, 0, state != STATE_LOADING, why ? why->text : NULL);
    if (!changed)
        return;
    if (state == STATE_LOADING)
        log_info("loading into the database", log_u64("position", atomic_load(&l->position)));
    else if (state == STATE_AWAY)
        log_warn("database away, the spool keeps the events", log_str("reason", why->text));
    else
        log_error(state == STATE_SCHEMA ? "database schema does not fit, the spool keeps the events"
                                        : "loading fails, the spool keeps the events",
                  log_str("reason", why->text));
}

static void disconnect(struct loader *l)
{
    db_worker_use(&l->worker, NULL);
    spool_reader_close(l->reader);
    l->reader = NULL;
}

/* Sleeps before the next try: doubled each time, with jitter so that instances do not come back in step. */
static void back_off(struct loader *l)
{
    unsigned ms = l->retry_ms / 2 + (unsigned)rand_r(&l->seed) % (l->retry_ms / 2 + 1);

    db_worker_pause(&l->worker, ms);
    l->retry_ms = l->retry_ms * 2 < RETRY_MAX_MS ? l->retry_ms * 2 : RETRY_MAX_MS;
}

/* Position -------------------------------------------------------------------------------------------------------- */

static const char *number_text(char out[NUMBER], uint64_t n)
{
    snprintf(out, NUMBER, "%" PRIu64, n);
    return out;
}

/* The spool's row, made if it is not there, at the end of the chain should that be there; *seq and, for the log, its
 * owner. */
static int read_position(struct loader *l, uint64_t *seq, struct buf *owner, struct err *err)
{
    const char *params[] = {spool_id(l->spool), l->instance_id};
    struct db_result *result;
    int r = db_query(
        l->worker.db, NULL,
        "INSERT INTO chatsluice.spool_position (spool_id, seq, owner, chain_block, chain_hash, went_back_from) "
        "SELECT n.id, 0, $2, coalesce(b.block, 0), coalesce(b.hash, decode(repeat('00', 32), 'hex')), "
        "b.last_seq "
        "FROM (SELECT $1::uuid AS id) AS n LEFT JOIN chatsluice.chain_block AS b ON b.spool_id = n.id "
        "ORDER BY b.block DESC LIMIT 1 ON CONFLICT (spool_id) DO NOTHING",
        2, params, err);

    if (r == 0)
        r = db_query(l->worker.db, &result, "SELECT seq, owner FROM chatsluice.spool_position WHERE spool_id = $1", 1,
                     params, err);
    if (r < 0)
        return err_prefix(err, "could not read the position of the spool");
    if (db_rows(result) == 1) {
        *seq = db_u64(result, 0, 0);
        buf_add_span(owner, db_value(result, 0, 1));
    } else {
        r = err_set(err, ERR_FAILED, "somebody removed the position of the spool while it was read");
    }
    db_result_free(result);
    return r;
}

/* What compare-and-set came to: the fence between loaders. Takes result. */
static int moved(struct db_result *result, uint64_t from, struct err *err)
{
    int r = 0;

    if (db_affected(result) != 1)
        r = err_set(err, ERR_CONFLICT, "the position of the spool is no longer %" PRIu64, from);
    db_result_free(result);
    return r;
}

/* To the end of the batch, with the head of the chain. */
static int move_position(struct loader *l, struct err *err)
{
    uint64_t from = atomic_load(&l->position);
    char from_text[NUMBER], to_text[NUMBER], block[NUMBER], hash[SHA256_HEX];
    const char *params[] = {
        spool_id(l->spool), number_text(from_text, from),      number_text(to_text, l->batch.last_seq),
        l->instance_id,     number_text(block, l->head.block), hash};
    struct db_result *result;
    int r;

    crypto_hex(l->head.hash, hash);
    r = db_query(l->worker.db, &result,
                 "UPDATE chatsluice.spool_position SET seq = $3, owner = $4, updated_at = now(), chain_block = $5, "
                 "chain_hash = decode($6, 'hex'), went_back_from = NULL WHERE spool_id = $1 AND seq = $2",
                 6, params, err);
    return r < 0 ? r : moved(result, from, err);
}

/* The same, backwards. The row it leaves tells those who go by the positions of spools (rollup_pass) that numbers they
 * have passed are given out again. */
static int rewind_position(struct loader *l, uint64_t from, uint64_t to, struct err *err)
{
    char from_text[NUMBER], to_text[NUMBER];
    const char *params[] = {spool_id(l->spool), number_text(from_text, from), number_text(to_text, to), l->instance_id};
    struct db_result *result;
    int r =
        db_query(l->worker.db, &result,
                 "WITH moved AS (UPDATE chatsluice.spool_position SET seq = $3, owner = $4, updated_at = now(), "
                 "went_back_from = greatest(went_back_from, $2) WHERE spool_id = $1 AND seq = $2 RETURNING spool_id) "
                 "INSERT INTO chatsluice.spool_rewind (spool_id, number, from_seq, to_seq, owner) "
                 "SELECT spool_id, 1 + (SELECT coalesce(max(number), 0) FROM chatsluice.spool_rewind "
                 "WHERE spool_id = $1), $2, $3, $4 FROM moved",
                 4, params, err);

    return r < 0 ? r : moved(result, from, err);
}

/* Of a batch that is committed. */
static void account_for(struct loader *l, const struct batch_tally *tally)
{
    metric_add(METRIC_LOADER_ROWS, tally->rows);
    metric_add(METRIC_LOADER_DUPLICATES, tally->duplicates);
    metric_add(METRIC_LOADER_DEAD_LETTERS, tally->parked);
    metric_add(METRIC_FOLLOW_UPS_WRITTEN, tally->follow_ups);
    metric_add(METRIC_FOLLOW_UPS_REFUSED, tally->follow_ups_refused);
    if (tally->follow_ups > 0 && l->on_follow_ups)
        l->on_follow_ups(l->arg);
}

/* Takes over what the database says, whoever moved it, and reads the spool from there. */
static int adopt_position(struct loader *l, struct err *err)
{
    uint64_t known = atomic_load(&l->position), found = 0, most;
    struct buf owner = BUF_INIT;
    struct spool_status status;
    bool ours;
    int r = read_position(l, &found, &owner, err);

    if (r < 0)
        goto out;
    ours = span_is(buf_span(&owner), l->instance_id);
    spool_get_status(l->spool,
                     &status); /* after the position: another loader's may still grow, ours is not behind it */
    if (l->in_doubt_seq > 0) {
        if (found == l->in_doubt_seq)
            account_for(l, &l->in_doubt);
        log_info("commit without an answer settled", log_bool("committed", found == l->in_doubt_seq),
                 log_u64("position", found));
    } else if (l->adopted && found != known && ours) {
        /* Its server process was still at it when the position was read after the connection had broken. */
        log_info("commit without an answer came late", log_u64("position", found));
    } else if (l->adopted && found != known) {
        log_error("somebody else moved the position of this spool", log_u64("expected", known), log_u64("found", found),
                  log_str("owner", buf_text(&owner)));
    }
    most = !l->adopted ? status.opened_seq : ours ? status.durable_seq : known;
    if (found > most) {
        /* The spool was restored from an older copy, or its disk lost what it had confirmed: numbers the database has
         * seen are given out again, and may have been since it was opened. Or another process loads a copy of this
         * spool, and both go on giving out numbers: what it loaded under ours need not be what is here. Going back
         * loads all there is; what is already in the table collides with itself and stays out. */
        log_error("database is ahead of this spool, its records are loaded again", log_u64("database", found),
                  log_u64("spool", status.durable_seq), log_u64("from", status.released_seq));
        r = rewind_position(l, found, status.released_seq, err);
        if (r < 0)
            goto out;
        found = status.released_seq;
        l->careful = true;
    }
    spool_reader_close(l->reader);
    l->reader = NULL;
    r = spool_reader_open(&l->reader, l->spool, found + 1, err);
    if (r < 0)
        goto out;
    l->in_doubt_seq = 0;
    l->adopted = true;
    atomic_store(&l->position, found);
    spool_release(l->spool, found);
out:
    buf_release(&owner);
    return r;
}

/* Connecting ------------------------------------------------------------------------------------------------------ */

/* ERR_CONFLICT: not the schema of this program. */
static int check_schema(struct loader *l, struct err *err)
{
    unsigned version, wanted = migrate_known_version();
    int r = migrate_database_version(l->worker.db, &version, err);

    if (r == 0 && version < wanted)
        r = err_set(err, ERR_CONFLICT, "schema version %u found, %u needed: run chatsluice migrate", version, wanted);
    else if (r == 0 && version > wanted)
        r = err_set(err, ERR_CONFLICT, "schema version %u found, this program knows %u: run the newer program", version,
                    wanted);
    return r;
}

static int connect_database(struct loader *l)
{
    struct err err;
    struct db *db;
    int r = db_open(&db, l->database_url, "chatsluice loader", l->connect_timeout_ms, &err);

    if (r < 0) {
        enter_state(l, r == ERR_LOST ? STATE_AWAY : STATE_FAILING, &err);
        return r;
    }
    db_worker_use(&l->worker, db);

    r = check_schema(l, &err);
    if (r == ERR_CONFLICT) {
        enter_state(l, STATE_SCHEMA, &err);
        return r;
    }
    partitions_reset(&l->partitions);
    if (r == 0)
        r = partitions_make_ahead(&l->partitions, l->worker.db, clock_wall_us(), &err);
    if (r == 0)
        r = adopt_position(l, &err);
    if (r < 0) {
        enter_state(l, db_error_is_transient(&err) ? STATE_AWAY : STATE_FAILING, &err);
        return r;
    }
    l->checked_us = clock_mono_us();
    enter_state(l, STATE_LOADING, NULL);
    return 0;
}

/* One batch ------------------------------------------------------------------------------------------------------- */

static int begin(struct loader *l, struct err *err)
{
    /* The row lock makes a second loader wait here instead of doing the work in vain. Rows must be on the server's disk
     * before the spool lets go of them, whatever the database's default says. */
    static const char lock_position[] =
        "SELECT seq, set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
        "ELSE current_setting('synchronous_commit') END, true), chain_block, encode(chain_hash, 'hex'), went_back_from "
        "FROM chatsluice.spool_position WHERE spool_id = $1 FOR UPDATE";
    const char *params[] = {spool_id(l->spool)};
    uint64_t position = atomic_load(&l->position);
    struct db_result *result;
    int r = db_exec(l->worker.db, "BEGIN ISOLATION LEVEL READ COMMITTED", err);

    if (r == 0)
        r = db_query(l->worker.db, &result, lock_position, 1, params, err);
    if (r < 0)
        return r;
    if (db_rows(result) != 1 || db_u64(result, 0, 0) != position)
        r = err_set(err, ERR_CONFLICT, "the position of the spool is no longer %" PRIu64, position);
    else
        r = chain_head_read(&l->head, result, 2, err);
    db_result_free(result);
    return r;
}

static int commit(struct loader *l, const struct batch_tally *tally, struct err *err)
{
    int r = 0;

    if (l->batch.count > 0)
        r = chain_store_block(&l->head, &l->batch, l->worker.db, err);
    if (r == 0)
        r = move_position(l, err);
    if (r < 0)
        return r;
    r = db_exec(l->worker.db, "COMMIT", err);
    if (r == ERR_LOST) {
        l->in_doubt_seq = l->batch.last_seq;
        l->in_doubt = *tally;
    }
    return r;
}

/* What was neither loaded nor kept: somebody removed segments, or took an older database. */
static void note_gone(const struct spool_record *record, uint64_t loaded)
{
    const uint64_t from = record->gone_from > loaded ? record->gone_from : loaded + 1;

    if (record->gone_to >= from)
        log_error("records are neither in this database nor in the spool any more", log_u64("from", from),
                  log_u64("to", record->gone_to));
}

/* Reads records into the batch until it is full, nothing is waiting, or a row's partition is not settled (*unsettled_us
 * is its time, else INT64_MIN). streaming: inside a COPY that takes the rows as they come. */
static int fill(struct loader *l, bool streaming, int64_t *unsettled_us, struct err *err)
{
    struct batch *b = &l->batch;
    int r = 0;

    *unsettled_us = INT64_MIN;
    while (r == 0 && !batch_full(b) && *unsettled_us == INT64_MIN) {
        struct spool_record record = {0};
        int64_t time_us;
        int got = spool_reader_next(l->reader, &record, err);

        if (got == 0)
            break;
        if (got == ERR_INVALID && record.seq > b->last_seq) {
            log_error("damaged stretch of the spool skipped", log_u64("to", record.seq), log_str("reason", err->text));
            batch_add_stretch(b, CHAIN_DAMAGED, record.seq);
            continue;
        }
        if (got < 0)
            return got;
        if (record.seq <= b->last_seq)
            continue;
        note_gone(&record, b->last_seq);
        if (record.seq > b->last_seq + 1)
            batch_add_stretch(b, CHAIN_MISSING, record.seq - 1);
        r = batch_add(b, l->encoder, &record, &time_us, err);
        if (r == 0 && !partitions_settled(&l->partitions, time_us))
            *unsettled_us = time_us;
        else if (r == 0 && streaming)
            r = batch_send(b, l->worker.db, false, err);
    }
    return r;
}

/* After the rows of the batch. each: a refused one is left out. */
static int store_follow_ups(struct loader *l, bool each, struct batch_tally *tally, struct err *err)
{
    const struct follow_ups *f = &l->batch.follow_ups;
    struct follow_up_terms terms;
    int r;

    if (f->count == 0)
        return 0;
    pthread_mutex_lock(&l->worker.lock);
    terms = (struct follow_up_terms){strdup(l->terms.rest_apps), l->terms.time_to_live_ms};
    pthread_mutex_unlock(&l->worker.lock);
    if (!terms.rest_apps)
        return err_set(err, ERR_FAILED, "could not write follow-ups: no memory");
    if (each)
        r = follow_ups_store_each(f, l->worker.db, spool_id(l->spool), &terms, &tally->follow_ups,
                                  &tally->follow_ups_refused, err);
    else
        r = follow_ups_store(f, l->worker.db, spool_id(l->spool), &terms, &tally->follow_ups, err);
    free(terms.rest_apps);
    return r;
}

/* The plain way. *retry: the rows are good, but must go the careful way; the transaction is undone. */
static int load_plainly(struct loader *l, struct batch_tally *tally, int64_t *unsettled_us, bool *retry,
                        struct err *err)
{
    int r = begin(l, err);

    if (r == 0)
        r = db_copy_begin(l->worker.db, BATCH_COPY_SQL, err);
    if (r < 0)
        return r;
    r = fill(l, true, unsettled_us, err);
    if (r < 0 || *unsettled_us != INT64_MIN) {
        struct err ignored;

        db_copy_end(l->worker.db, false, &ignored);
        *retry = r == 0;
        return r == 0 ? db_exec(l->worker.db, "ROLLBACK", err) : r;
    }
    r = batch_send(&l->batch, l->worker.db, true, err);
    if (r == 0)
        r = db_copy_end(l->worker.db, true, err);
    if (r < 0 && r != ERR_LOST && db_error_is_data(err)) {
        *retry = true;
        return db_exec(l->worker.db, "ROLLBACK", err);
    }
    tally->rows = l->batch.count - l->batch.unreadable - l->batch.stretches;
    if (r == 0)
        r = batch_park_unreadable(&l->batch, l->worker.db, l->spool, tally, err);
    if (r < 0)
        return r;
    r = store_follow_ups(l, false, tally, err);
    if (r < 0 && db_alive(l->worker.db) && !db_error_is_transient(err)) {
        *retry = true;
        return db_exec(l->worker.db, "ROLLBACK", err);
    }
    return r < 0 ? r : commit(l, tally, err);
}

/* The careful way: partitions first, then the complete batch with whatever is in it. */
static int load_carefully(struct loader *l, struct batch_tally *tally, int64_t unsettled_us, struct err *err)
{
    int r = 0;

    do {
        if (unsettled_us != INT64_MIN)
            r = partitions_make(&l->partitions, l->worker.db, unsettled_us, err);
        if (r == 0)
            r = fill(l, false, &unsettled_us, err);
    } while (r == 0 && unsettled_us != INT64_MIN);
    if (r == 0)
        r = begin(l, err);
    if (r == 0)
        r = batch_merge(&l->batch, l->worker.db, l->spool, tally, err);
    if (r == 0)
        r = batch_park_unreadable(&l->batch, l->worker.db, l->spool, tally, err);
    if (r == 0)
        r = store_follow_ups(l, true, tally, err);
    return r < 0 ? r : commit(l, tally, err);
}

static int load_batch(struct loader *l, struct err *err)
{
    struct batch_tally tally = {0};
    int64_t unsettled_us = INT64_MIN;
    bool careful = l->careful;
    int r = 0;

    batch_reset(&l->batch, atomic_load(&l->position));
    if (!careful)
        r = load_plainly(l, &tally, &unsettled_us, &careful, err);
    if (r == 0 && careful) {
        tally = (struct batch_tally){0};
        r = load_carefully(l, &tally, unsettled_us, err);
        l->careful = r == 0 && tally.duplicates > 0;
    }
    if (r < 0)
        return r;
    atomic_store(&l->position, l->batch.last_seq);
    spool_release(l->spool, l->batch.last_seq);
    account_for(l, &tally);
    return 0;
}

/* The thread ------------------------------------------------------------------------------------------------------ */

/* Waits until a batch is worth loading. True: load now. */
static bool wait_for_records(struct loader *l)
{
    uint64_t position = atomic_load(&l->position);
    struct spool_status status;

    spool_wait(l->spool, position + 1, IDLE_MS);
    spool_get_status(l->spool, &status);
    if (status.durable_seq <= position)
        return false;
    if (status.durable_seq - position < l->batch.max_rows)
        spool_wait(l->spool, position + l->batch.max_rows, GATHER_MS);
    return true;
}

/* Between batches: partitions of a new day, and a sign of life from an idle connection. */
static int keep_up(struct loader *l, struct err *err)
{
    int64_t now_us = clock_mono_us();
    int r = partitions_make_ahead(&l->partitions, l->worker.db, clock_wall_us(), err);

    if (r == 0 && now_us - l->checked_us >= CHECK_MS * 1000) {
        r = db_exec(l->worker.db, "SELECT 1", err);
        l->checked_us = now_us;
    }
    return r;
}

static int load_next(struct loader *l)
{
    struct err err = {0};
    bool waiting = wait_for_records(l);
    int r = 0;

    if (db_worker_stopping(&l->worker))
        return 0;
    r = keep_up(l, &err);
    if (r == 0 && waiting) {
        r = load_batch(l, &err);
        if (r == 0) {
            l->checked_us = clock_mono_us();
            l->retry_ms = RETRY_MIN_MS;
        }
    }
    if (r == ERR_CONFLICT) {
        r = db_exec(l->worker.db, "ROLLBACK", &err);
        if (r == 0)
            r = adopt_position(l, &err);
    }
    if (r < 0) {
        metric_count(METRIC_LOADER_FAILURES);
        enter_state(l, db_error_is_transient(&err) ? STATE_AWAY : STATE_FAILING, &err);
    }
    return r;
}

static void *loader_main(void *arg)
{
    struct loader *l = arg;

    while (!db_worker_stopping(&l->worker)) {
        int r = l->worker.db ? load_next(l) : connect_database(l);

        if (r < 0) {
            disconnect(l);
            back_off(l);
        }
    }
    disconnect(l);
    metric_set(METRIC_DATABASE_UP, 0);
    return NULL;
}

static void loader_free(struct loader *l)
{
    batch_release(&l->batch);
    event_encoder_free(l->encoder);
    db_worker_release(&l->worker);
    free(l->database_url);
    free(l->instance_id);
    free(l->terms.rest_apps);
    free(l);
}

int loader_start(struct loader **out, const struct loader_options *options, struct err *err)
{
    struct loader *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return err_set(err, ERR_FAILED, "could not start the loader: no memory");
    db_worker_init(&l->worker);
    l->spool = options->spool;
    l->database_url = strdup(options->database_url);
    l->instance_id = strdup(options->instance_id);
    l->connect_timeout_ms = options->connect_timeout_ms;
    l->partitions.days_ahead = options->partition_days_ahead;
    l->on_follow_ups = options->on_follow_ups;
    l->arg = options->arg;
    l->retry_ms = RETRY_MIN_MS;
    l->seed = (unsigned)clock_mono_us();
    r = l->database_url && l->instance_id ? 0 : err_set(err, ERR_FAILED, "no memory");
    if (r == 0)
        r = follow_up_terms_set(&l->terms, options->apps, options->app_count, options->time_to_live_ms, err);
    if (r == 0)
        r = event_encoder_new(&l->encoder, spool_id(l->spool), err);
    if (r == 0)
        r = batch_init(&l->batch, event_encoder_spool(l->encoder), options->batch_rows ? options->batch_rows : 1, err);
    if (r == 0)
        r = db_worker_start(&l->worker, loader_main, l, err);
    if (r < 0) {
        loader_free(l);
        return err_prefix(err, "could not start the loader");
    }
    *out = l;
    return 0;
}

void loader_stop(struct loader *l)
{
    if (!l)
        return;
    db_worker_end(&l->worker);
    spool_wake(l->spool);
    db_worker_join(&l->worker);
    loader_free(l);
}

int loader_reload(struct loader *l, const struct config_app *apps, size_t app_count, int64_t time_to_live_ms,
                  struct err *err)
{
    int r;

    if (!l)
        return 0;
    pthread_mutex_lock(&l->worker.lock);
    r = follow_up_terms_set(&l->terms, apps, app_count, time_to_live_ms, err);
    pthread_mutex_unlock(&l->worker.lock);
    return r;
}

uint64_t loader_position(struct loader *l)
{
    return atomic_load(&l->position);
}
