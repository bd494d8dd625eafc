#include "store/rule_source.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/db_worker.h"
#include "store/incident_log.h"
#include "store/publication.h"
#include "store/rollback.h"
#include "store/rule_store.h"
#include "store/rule_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 5000, NOT_ALLOWED_MS = 60000, RETRY_FIRST_MS = 100, RETRY_MOST_MS = 5000, NUMBER_TEXT = 24 };

struct rule_source {
    /* fixed once started */
    struct ruleset_slot *slot;
    struct spool *spool;
    char *database_url, *instance_id, *cache_directory;
    int64_t poll_interval_ms, connect_timeout_ms;
    bool publish_requests;
    struct gate_options gate;

    struct db_worker worker;

    /* the thread's own */
    unsigned random;
    int64_t retry_ms;
    int64_t heartbeat_us;   /* when the next one is due */
    int64_t not_allowed_us; /* requests are not looked for before: the right to is missing; 0: it is not */
    uint64_t seen;          /* the revision last looked at, taken or refused; 0: none */
    char seen_checksum[RULESET_CHECKSUM];
    bool acknowledge; /* seen is still to be acknowledged, with this error (text "": none) */
    struct err refusal;
    struct rule_watch watch;
};

static struct rule_counts_seen counts_now(void)
{
    return (struct rule_counts_seen){
        .messages = (uint64_t)metric_value(METRIC_WEBHOOKS_BEFORE),
        .hit = (uint64_t)(metric_value(METRIC_VERDICTS_MASK) + metric_value(METRIC_VERDICTS_REPLACE) +
                          metric_value(METRIC_VERDICTS_REJECT) + metric_value(METRIC_VERDICTS_DISCARD))};
}

/* Taking a revision ----------------------------------------------------------------------------------------------- */

static void refuse(struct rule_source *s, const char *why)
{
    metric_count(METRIC_RULE_RELOAD_FAILURES);
    err_set(&s->refusal, ERR_USAGE, "%s", why);
    log_error("rule revision refused, the running one stays", log_u64("revision", s->seen),
              log_str("why", s->refusal.text));
}

static uint64_t running_revision(const struct rule_source *s)
{
    struct ruleset *set = ruleset_slot_get(s->slot);
    uint64_t revision = set ? ruleset_revision(set) : 0;

    ruleset_unref(set);
    return revision;
}

static void take(struct rule_source *s, struct ruleset *set, const struct rule_document *doc)
{
    uint64_t ran = running_revision(s);
    struct err err;

    ruleset_slot_put(s->slot, set);
    rule_watch_taken(&s->watch, s->seen, ran, counts_now(), clock_mono_us());
    metric_set(METRIC_RULE_REVISION, (int64_t)s->seen);
    metric_count(METRIC_RULE_RELOADS);
    s->refusal.text[0] = '\0';
    log_info("rule revision in force", log_u64("revision", s->seen), log_u64("rules", ruleset_rule_count(set)),
             log_u64("terms", ruleset_term_count(set)), log_str("checksum", ruleset_checksum(set)));
    if (ruleset_save(set, doc, s->cache_directory, &err) < 0)
        log_warn("could not save the rules for a start without the database", log_str("why", err.text));
}

/* Compiles the text of revision s->seen and takes it, or says why not. */
static void compile(struct rule_source *s, struct span document)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    struct ruleset *set = NULL;
    char source[64];

    snprintf(source, sizeof(source), "rule_revision %" PRIu64, s->seen);
    if (doc && rule_document_read_text(doc, source, document, &faults) == 0 && rule_document_check(doc, &faults) == 0)
        ruleset_compile(&set, doc, s->seen, s->cache_directory, &faults);
    if (set && strcmp(ruleset_checksum(set), s->seen_checksum) == 0)
        take(s, set, doc);
    else if (set)
        refuse(s, "the document does not have the checksum it was published with");
    else
        refuse(s, faults.count > 0 ? buf_text(&faults.text) : "out of memory");
    s->acknowledge = true;
    ruleset_unref(set);
    rule_document_free(doc);
    faults_release(&faults);
}

/* The set read from disk at the start may be the published one already. */
static bool is_running(struct rule_source *s, uint64_t revision, const char *checksum)
{
    struct ruleset *set = ruleset_slot_get(s->slot);
    bool same = set && ruleset_revision(set) == revision && strcmp(ruleset_checksum(set), checksum) == 0;

    ruleset_unref(set);
    return same;
}

static int look(struct rule_source *s, struct err *err)
{
    struct buf checksum = BUF_INIT, document = BUF_INIT;
    uint64_t revision = 0;
    int r = rule_store_current(s->worker.db, &revision, &checksum, NULL, err);

    if (r < 0 || revision == 0 || (revision == s->seen && strcmp(s->seen_checksum, buf_text(&checksum)) == 0))
        goto out;
    bool running = is_running(s, revision, buf_text(&checksum));
    if (!running && (r = rule_store_current(s->worker.db, &revision, &checksum, &document, err)) < 0)
        goto out;
    s->seen = revision;
    snprintf(s->seen_checksum, sizeof(s->seen_checksum), "%s", buf_text(&checksum));
    if (running) {
        s->acknowledge = true;
        s->refusal.text[0] = '\0';
    } else {
        compile(s, buf_span(&document));
    }
    s->heartbeat_us = 0; /* the row of this process names the new revision at once */
out:
    buf_release(&document);
    buf_release(&checksum);
    return r;
}

/* Going back by itself -------------------------------------------------------------------------------------------- */

static double percent(struct rule_counts_seen counts)
{
    return counts.messages > 0 ? 100.0 * (double)counts.hit / (double)counts.messages : 0;
}

static void note_of(char *out, size_t size, const struct rule_source *s, const struct rule_jump *jump)
{
    snprintf(out, size,
             "hit rate jumped under revision %" PRIu64 ": %.1f %% of %" PRIu64 " messages hit, %.1f %% of %" PRIu64
             " before; seen by instance %s",
             jump->revision, percent(jump->after), jump->after.messages, percent(jump->before), jump->before.messages,
             s->instance_id);
}

/* An error only when the database was not to be used: then it is tried again. */
static int watch(struct rule_source *s, struct err *err)
{
    struct rollback_result result;
    struct rule_jump jump;
    char note[256];

    if (!rule_watch_jumped(&s->watch, counts_now(), clock_mono_us(), &jump))
        return 0;
    note_of(note, sizeof(note), s, &jump);
    int r = rule_rollback_automatic(s->worker.db, jump.revision, note, s->watch.window_us / 1000, &result, err);
    if (r < 0 && (r == ERR_LOST || db_error_is_transient(err)))
        return r;
    rule_watch_end(&s->watch);
    if (r == 0) {
        metric_count(METRIC_RULE_ROLLBACKS);
        log_error("rule revision rolled back by itself", log_u64("revision", jump.revision),
                  log_u64("restored", result.restored), log_u64("as", result.revision), log_str("why", note));
        return look(s, err);
    }
    if (r == ERR_CONFLICT)
        log_warn("hit rate jumped, the revision is set aside already or must stay", log_u64("revision", jump.revision),
                 log_str("why", note));
    else
        log_error("hit rate jumped and the revision cannot be rolled back", log_u64("revision", jump.revision),
                  log_str("jump", note), log_str("why", err->text));
    return 0;
}

/* Publications asked for by SQL ------------------------------------------------------------------------------------ */

/* A missing right is told and looked for again after a minute; the rest of this thread's work goes on. */
static int carry_out_request(struct rule_source *s, struct err *err)
{
    bool found = false;

    if (!s->publish_requests || clock_mono_us() < s->not_allowed_us)
        return 0;
    int r = publication_carry_out(s->worker.db, s->instance_id, &s->gate, &found, err);
    if (r < 0 && strcmp(err->sqlstate, "42501") == 0) {
        if (s->not_allowed_us == 0)
            log_error("publications asked for by SQL cannot be carried out, see config/roles.sql",
                      log_str("why", err->text));
        s->not_allowed_us = clock_mono_us() + (int64_t)NOT_ALLOWED_MS * 1000;
        s->heartbeat_us = 0;
        return 0;
    }
    if (r == 0 && s->not_allowed_us != 0) {
        s->not_allowed_us = 0;
        s->heartbeat_us = 0;
    }
    return r == 0 && found ? look(s, err) : r;
}

/* This process in table instance ---------------------------------------------------------------------------------- */

static int heartbeat(struct rule_source *s, struct err *err)
{
    char host[256] = "", pid[NUMBER_TEXT], revision[NUMBER_TEXT], records[NUMBER_TEXT], oldest[NUMBER_TEXT];
    struct spool_status status = {0};
    struct ruleset *set = ruleset_slot_get(s->slot);
    const char *publishes = s->publish_requests && s->not_allowed_us == 0 ? "t" : "f";
    const char *params[] = {s->instance_id, host,    pid,    CHATSLUICE_VERSION, status.id,
                            revision,       records, oldest, publishes};

    if (s->spool)
        spool_get_status(s->spool, &status);
    gethostname(host, sizeof(host) - 1);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    snprintf(revision, sizeof(revision), "%" PRIu64, set ? ruleset_revision(set) : 0);
    snprintf(records, sizeof(records), "%" PRIu64, status.durable_seq - status.released_seq);
    snprintf(oldest, sizeof(oldest), "%" PRId64,
             status.oldest_us > 0 ? (clock_wall_us() - status.oldest_us) / 1000000 : 0);
    ruleset_unref(set);
    int r = db_query(s->worker.db, NULL,
                     "WITH killed AS (DELETE FROM chatsluice.instance WHERE seen_at < now() - interval '1 day')"
                     " INSERT INTO chatsluice.instance (instance_id, host, pid, version, spool_id, revision,"
                     " spool_records, spool_oldest_seconds, publishes)"
                     " VALUES ($1, $2, $3::integer, $4, $5, $6::bigint, $7::bigint, $8::bigint, $9::boolean)"
                     " ON CONFLICT (instance_id) DO UPDATE SET revision = excluded.revision,"
                     " spool_records = excluded.spool_records, spool_oldest_seconds = excluded.spool_oldest_seconds,"
                     " seen_at = now(), publishes = excluded.publishes",
                     9, params, err);
    return r < 0 ? err_prefix(err, "could not write table instance") : 0;
}

/* That these are refused, as by a database role that was not renewed, is no reason to stop following the rules. */
static int write_incidents(struct rule_source *s, struct err *err)
{
    int r = incident_log_write(s->worker.db, s->instance_id, err);

    if (r < 0 && db_alive(s->worker.db)) {
        log_warn("incidents cannot be written down", log_str("why", err->text));
        return 0;
    }
    return r;
}

static void remove_instance(struct rule_source *s)
{
    const char *params[] = {s->instance_id};

    if (s->worker.db && db_alive(s->worker.db))
        db_query(s->worker.db, NULL, "DELETE FROM chatsluice.instance WHERE instance_id = $1", 1, params, NULL);
}

/* The thread ------------------------------------------------------------------------------------------------------ */

static int connect_db(struct rule_source *s, struct err *err)
{
    struct db *db = NULL;
    int r = db_open(&db, s->database_url, "chatsluice rules", s->connect_timeout_ms, err);

    if (r == 0)
        db_worker_use(&s->worker, db);
    return r;
}

static int step(struct rule_source *s, struct err *err)
{
    int r = 0;

    if (s->worker.db && !db_alive(s->worker.db))
        db_worker_use(&s->worker, NULL);
    if (!s->worker.db)
        r = connect_db(s, err);
    if (r == 0)
        r = look(s, err);
    if (r == 0)
        r = watch(s, err);
    if (r == 0)
        r = carry_out_request(s, err);
    if (r == 0 && s->acknowledge) {
        r = rule_store_acknowledge(s->worker.db, s->seen, s->instance_id, s->refusal.text[0] ? s->refusal.text : NULL,
                                   err);
        s->acknowledge = r < 0 && !db_error_is_data(err); /* words PostgreSQL refuses will not get better */
    }
    if (r == 0 && clock_mono_us() >= s->heartbeat_us) {
        r = heartbeat(s, err);
        if (r == 0)
            r = write_incidents(s, err);
        s->heartbeat_us = clock_mono_us() + (int64_t)HEARTBEAT_MS * 1000;
    }
    return r;
}

static void *run(void *arg)
{
    struct rule_source *s = arg;
    int64_t wait_ms;
    struct err err;

    do {
        wait_ms = s->poll_interval_ms;
        if (step(s, &err) == 0) {
            s->retry_ms = RETRY_FIRST_MS;
        } else {
            log_warn("rule source cannot use the database, the running rules stay", log_str("why", err.text));
            wait_ms = s->retry_ms / 2 + rand_r(&s->random) % (s->retry_ms / 2 + 1);
            s->retry_ms = s->retry_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : s->retry_ms * 2;
        }
    } while (db_worker_pause(&s->worker, wait_ms));
    if (s->worker.db && db_alive(s->worker.db))
        write_incidents(s, &err);
    remove_instance(s);
    return NULL;
}

static void release(struct rule_source *s)
{
    db_worker_release(&s->worker);
    free(s->database_url);
    free(s->instance_id);
    free(s->cache_directory);
    free(s);
}

int rule_source_start(struct rule_source **out, const struct rule_source_options *options, struct err *err)
{
    struct rule_source *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(err, ERR_FAILED, "could not start the rule source: out of memory");
    db_worker_init(&s->worker);
    s->slot = options->slot;
    s->spool = options->spool;
    s->database_url = strdup(options->database_url);
    s->instance_id = strdup(options->instance_id);
    s->cache_directory = strdup(options->cache_directory);
    s->poll_interval_ms = options->poll_interval_ms;
    s->connect_timeout_ms = options->connect_timeout_ms;
    s->publish_requests = options->publish_requests;
    s->gate = options->gate;
    s->watch.factor = options->rollback_factor;
    s->watch.window_us = options->rollback_window_ms * 1000;
    s->watch.start = counts_now();
    s->retry_ms = RETRY_FIRST_MS;
    s->random = (unsigned)clock_mono_us();
    if (!s->database_url || !s->instance_id || !s->cache_directory) {
        release(s);
        return err_set(err, ERR_FAILED, "could not start the rule source: out of memory");
    }
    if (db_worker_start(&s->worker, run, s, err) < 0) {
        release(s);
        return err_prefix(err, "could not start the rule source");
    }
    *out = s;
    return 0;
}

void rule_source_poll_now(struct rule_source *s)
{
    db_worker_ask(&s->worker);
}

void rule_source_stop(struct rule_source *s)
{
    if (!s)
        return;
    db_worker_end(&s->worker);
    db_worker_join(&s->worker);
    release(s);
}
