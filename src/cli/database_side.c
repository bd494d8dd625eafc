#include "cli/database_side.h"

#include "audit/signer.h"
#include "base/clock.h"
#include "base/incidents.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/wait.h"
#include "outbox/outbox.h"
#include "store/lexicon.h"
#include "store/loader.h"
#include "store/migrate.h"
#include "store/rollup.h"
#include "store/rule_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    RETRY_FIRST_MS = 100,
    RETRY_MOST_MS = 5000,
    DRAIN_LOOK_MS = 10,
    STOP_GRACE_MS = 3000, /* for a migration that runs, or waits for another instance's, when stop comes */
};

struct database_side {
    const struct config *config; /* these four are fixed once started */
    struct spool *spool;
    struct ruleset_slot *slot;
    const char *instance_id;
    pthread_t thread;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool stopping;
    struct db *preparing;  /* the thread's connection while it prepares the schema, for database_side_stop to cancel */
    struct loader *loader; /* NULL until the schema is there */
    struct rule_source *rule_source;
    struct rollup *rollup;
    struct outbox *outbox;
    struct signer *signer; /* NULL as well when no key is configured */
    bool signing;
    bool sending_over;             /* the sender was stopped and is not started any more */
    const struct config *reloaded; /* of the last reload; NULL: none */
};

/* In the loader's thread, after it has written outbox rows. */
static void wake_sender(void *arg)
{
    struct database_side *s = arg;

    pthread_mutex_lock(&s->lock);
    outbox_wake(s->outbox);
    pthread_mutex_unlock(&s->lock);
}

static void log_applied(unsigned version, const char *name, void *arg)
{
    (void)arg;
    log_info("migration applied", log_u64("version", version), log_str("name", name));
}

/* db: what is being used from now on, NULL: nothing any more. False when the side is to stop. */
static bool use_for_preparing(struct database_side *s, struct db *db)
{
    bool go_on;

    pthread_mutex_lock(&s->lock);
    s->preparing = db;
    go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

/* Brings the schema to our version, or waits for somebody else to do it. */
static int prepare_schema(struct database_side *s, struct err *err)
{
    const struct config *config = s->config;
    struct db *db = NULL;
    unsigned version = 0;
    int r = db_open(&db, config->database.url, "chatsluice start", config->database.connect_timeout_ms, err);

    if (r == 0 && !use_for_preparing(s, db))
        r = err_set(err, ERR_FAILED, "the service is stopping");
    if (r == 0 && config->database.migrate) {
        r = migrate_run(db, false, log_applied, NULL, err);
    } else if (r == 0) {
        r = migrate_database_version(db, &version, err);
        if (r == 0 && version != migrate_known_version())
            r = err_set(
                err, ERR_CONFLICT,
                "the database is at version %u, this service wants %u; run `chatsluice migrate` of this version",
                version, migrate_known_version());
    }
    use_for_preparing(s, NULL);
    db_close(db);
    return r;
}

static int hand_on(struct database_side *s, const struct config *config, struct err *err)
{
    int r = loader_reload(s->loader, config->apps, config->app_count, config->outbox.time_to_live_ms, err);

    return r < 0 ? r : outbox_reload(s->outbox, config, err);
}

/* As `chatsluice rules publish` asks it, with one thread: requests and loading have the rest. */
static struct gate_options gate_of(const struct config *c)
{
    return (struct gate_options){.max_shrink_percent = c->rules.max_shrink_percent,
                                 .max_benign_per_mille = c->rules.max_benign_per_mille,
                                 .max_changed_percent = c->rules.max_changed_percent,
                                 .canary_events = c->rules.canary_events,
                                 .canary_threads = 1,
                                 .lexicon = lexicon_embedded()};
}

static int start_workers(struct database_side *s, struct err *err)
{
    const struct config *c = s->config;
    const struct loader_options loading = {.spool = s->spool,
                                           .database_url = c->database.url,
                                           .instance_id = s->instance_id,
                                           .batch_rows = c->database.batch_rows,
                                           .connect_timeout_ms = c->database.connect_timeout_ms,
                                           .partition_days_ahead = (unsigned)c->database.partition_days_ahead,
                                           .apps = c->apps,
                                           .app_count = c->app_count,
                                           .time_to_live_ms = c->outbox.time_to_live_ms,
                                           .on_follow_ups = wake_sender,
                                           .arg = s};
    const struct rule_source_options rules = {.slot = s->slot,
                                              .spool = s->spool,
                                              .database_url = c->database.url,
                                              .instance_id = s->instance_id,
                                              .cache_directory = c->rules.cache_directory,
                                              .poll_interval_ms = c->rules.poll_interval_ms,
                                              .connect_timeout_ms = c->database.connect_timeout_ms,
                                              .rollback_factor = c->rules.rollback_factor,
                                              .rollback_window_ms = c->rules.rollback_window_ms,
                                              .publish_requests = c->rules.publish_requests,
                                              .gate = gate_of(c)};
    int r = 0;

    pthread_mutex_lock(&s->lock);
    if (!s->loader)
        r = loader_start(&s->loader, &loading, err);
    if (r == 0 && !s->rule_source)
        r = rule_source_start(&s->rule_source, &rules, err);
    if (r == 0 && !s->rollup)
        r = rollup_start(&s->rollup, c->database.url, c->database.connect_timeout_ms, err);
    if (r == 0 && !s->outbox && !s->sending_over)
        r = outbox_start(&s->outbox, c, s->instance_id, err);
    if (r == 0 && !s->signing) {
        r = signer_start(&s->signer, c, spool_id(s->spool), s->instance_id, err);
        s->signing = r == 0;
    }
    if (r == 0 && s->reloaded)
        r = hand_on(s, s->reloaded, err);
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* False when the side is to stop. */
static bool pause_for(struct database_side *s, int64_t ms)
{
    int64_t until_us = clock_mono_us() + ms * 1000;
    bool go_on;

    pthread_mutex_lock(&s->lock);
    while (!s->stopping && cond_wait_until(&s->wake, &s->lock, until_us))
        continue;
    go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct database_side *s = arg;
    int64_t wait_ms = RETRY_FIRST_MS;
    struct err err;

    while (prepare_schema(s, &err) < 0 || start_workers(s, &err) < 0) {
        log_warn("database not ready, events stay in the spool", log_str("why", err.text));
        incident_set(INCIDENT_DATABASE_AWAY, 0, true, err.text); /* the loader sees the end of it */
        if (!pause_for(s, wait_ms))
            break;
        wait_ms = wait_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : wait_ms * 2;
    }
    return NULL;
}

static void release(struct database_side *s)
{
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int database_side_start(struct database_side **out, const struct config *config, struct spool *spool,
                        struct ruleset_slot *slot, const char *instance_id, struct err *err)
{
    struct database_side *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(err, ERR_FAILED, "could not start the database side: out of memory");
    s->config = config;
    s->spool = spool;
    s->slot = slot;
    s->instance_id = instance_id;
    pthread_mutex_init(&s->lock, NULL);
    cond_init_monotonic(&s->wake);
    errno = pthread_create(&s->thread, NULL, run, s);
    if (errno != 0) {
        err_set_errno(err, ERR_FAILED, "could not start the database side");
        release(s);
        return ERR_FAILED;
    }
    *out = s;
    return 0;
}

void database_side_look_for_rules(struct database_side *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    if (s->rule_source)
        rule_source_poll_now(s->rule_source);
    pthread_mutex_unlock(&s->lock);
}

int database_side_reload(struct database_side *s, const struct config *config, struct err *err)
{
    int r;

    if (!s)
        return 0;
    pthread_mutex_lock(&s->lock);
    r = hand_on(s, config, err);
    if (r == 0)
        s->reloaded = config;
    pthread_mutex_unlock(&s->lock);
    return r;
}

bool database_side_breaker_open(struct database_side *s, char *why, size_t size)
{
    bool open;

    if (!s)
        return outbox_breaker_open(NULL, why, size);
    pthread_mutex_lock(&s->lock);
    open = outbox_breaker_open(s->outbox, why, size);
    pthread_mutex_unlock(&s->lock);
    return open;
}

void database_side_stop_sending(struct database_side *s)
{
    struct outbox *outbox;

    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    outbox = s->outbox;
    s->outbox = NULL;
    s->sending_over = true;
    pthread_mutex_unlock(&s->lock);
    outbox_stop(outbox); /* takes as long as its calls: without the lock, the loader goes on */
}

void database_side_drain(struct database_side *s, int64_t timeout_ms)
{
    int64_t deadline_us = clock_mono_us() + timeout_ms * 1000;
    struct spool_status status;

    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    struct loader *loader = s->loader;
    pthread_mutex_unlock(&s->lock);
    spool_get_status(s->spool, &status);
    while (loader && metric_value(METRIC_DATABASE_UP) == 1 && loader_position(loader) < status.durable_seq &&
           clock_mono_us() < deadline_us)
        clock_sleep_ms(DRAIN_LOOK_MS);
}

void database_side_stop(struct database_side *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (!thread_join_within(s->thread, STOP_GRACE_MS)) {
        pthread_mutex_lock(&s->lock);
        if (s->preparing)
            db_cancel(s->preparing);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    database_side_stop_sending(s);
    rollup_stop(s->rollup);
    rule_source_stop(s->rule_source);
    loader_stop(s->loader);
    signer_stop(s->signer); /* what the loader stored last is signed, too */
    release(s);
}
