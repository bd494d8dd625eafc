/* serve.c - the long-running process: start order, signals, stop order.
 *
 * Up:   configuration, spool (recovered), last good rules from disk, webhooks, operations; the database side last and
 *       beside, for nothing of the above may wait for it.
 * Down: /readyz red; the sender, while webhooks are still answered, for its calls under way fire some; webhooks drained
 *       (no reply is lost), what is spooled loaded for a bounded moment, database side, operations, spool. Whatever is
 *       not loaded then is in the spool at the next start. */
#include "cli/cli.h"

#include "base/http_server.h"
#include "base/incidents.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "cli/database_side.h"
#include "cli/privileges.h"
#include "serve/operations.h"
#include "serve/webhook.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DRAIN_MS = 5000, SPOOL_LOOK_S = 1, SPARE_DESCRIPTORS = 128 };

struct service {
    const char *config_path;
    struct config *config;   /* as at the start; what SIGHUP changes is copied by those who use it */
    struct config *reloaded; /* the last one taken over; NULL: none */
    char instance_id[UUID_STRING];
    struct spool *spool;
    struct ruleset_slot *slot;
    struct history *history;
    struct webhook *webhook;
    struct operations *operations;
    struct database_side *database; /* NULL: none configured */
};

/* Start ----------------------------------------------------------------------------------------------------------- */

static int name_instance(char out[UUID_STRING], struct err *err)
{
    uint8_t id[UUID_BYTES];

    if (!uuid_random(id))
        return err_set_errno(err, ERR_FAILED, "could not make an instance id");
    uuid_write(out, id);
    return 0;
}

/* Out of file descriptors a connection more is refused, but the spool and the database need some, too: so there must
 * be enough for every connection that is let in. */
static int raise_descriptor_limit(const struct config *config, struct err *err)
{
    rlim_t wanted =
        (rlim_t)(config->webhook.threads + config->operations.threads + 2 * HTTP_OWN_DESCRIPTORS + SPARE_DESCRIPTORS);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set_errno(err, ERR_FAILED, "could not read the limit of file descriptors");
    if (limit.rlim_cur >= wanted)
        return 0;
    rlim_t hard = limit.rlim_max;
    limit.rlim_cur = wanted;
    if (hard >= wanted && setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return 0;
    return err_set(err, ERR_FAILED,
                   "webhook.threads is %" PRIu64 ", for which %ju file descriptors are needed and %ju allowed; raise "
                   "LimitNOFILE (ulimit -n) or lower webhook.threads",
                   config->webhook.threads, (uintmax_t)wanted, (uintmax_t)hard);
}

static void load_last_good_rules(struct service *s)
{
    struct ruleset *set = NULL;
    struct err err;
    int r = ruleset_load(&set, s->config->rules.cache_directory, &err);

    if (r == 0) {
        ruleset_slot_put(s->slot, set);
        metric_set(METRIC_RULE_REVISION, (int64_t)ruleset_revision(set));
        log_info("last good rules in force", log_u64("revision", ruleset_revision(set)),
                 log_u64("rules", ruleset_rule_count(set)), log_u64("terms", ruleset_term_count(set)));
        ruleset_unref(set);
    } else if (r == ERR_NOT_FOUND) {
        log_warn("no rules on disk yet, every message is allowed until a revision is loaded");
    } else {
        log_error("last good rules cannot be used, every message is allowed until a revision is loaded",
                  log_str("why", err.text));
    }
}

static bool breaker_open(void *database, char *why, size_t size)
{
    return database_side_breaker_open(database, why, size);
}

static int start(struct service *s, struct err *err)
{
    const struct config *c = s->config;
    const struct spool_options spooling = {c->spool.directory, c->spool.max_bytes, c->spool.segment_bytes};

    if (raise_descriptor_limit(c, err) < 0 || name_instance(s->instance_id, err) < 0 ||
        spool_open(&s->spool, &spooling, err) < 0)
        return err->code;
    s->slot = ruleset_slot_new();
    s->history = history_new((size_t)c->rules.history_memory_bytes);
    if (!s->slot || !s->history)
        return err_set(err, ERR_FAILED, "out of memory");
    load_last_good_rules(s);
    if (webhook_start(&s->webhook, c, s->spool, s->slot, s->history, err) < 0 ||
        operations_start(&s->operations, c, s->spool, err) < 0)
        return err->code;
    if (!c->database.url) {
        log_warn("no database is configured, events stay in the spool");
        return 0;
    }
    if (database_side_start(&s->database, c, s->spool, s->slot, s->instance_id, err) < 0)
        return err->code;
    operations_watch_sender(s->operations, breaker_open, s->database);
    return 0;
}

/* "127.0.0.1:0" with the port really bound. */
static void address_text(char out[64], const char *listen, unsigned port)
{
    snprintf(out, 64, "%.*s:%u", (int)strcspn(listen, ":"), listen, port);
}

static void log_serving(const struct service *s)
{
    char listen[64], operations[64];

    address_text(listen, s->config->webhook.listen, webhook_port(s->webhook));
    address_text(operations, s->config->operations.listen, operations_port(s->operations));
    log_info("serving", log_str("listen", listen), log_str("path", s->config->webhook.path),
             log_str("operations", operations), log_u64("apps", s->config->app_count),
             log_bool("authentication", s->config->webhook.authentication), log_str("spool", spool_id(s->spool)),
             log_str("instance", s->instance_id), log_i64("pid", getpid()), log_str("version", CHATSLUICE_VERSION));
}

/* Running --------------------------------------------------------------------------------------------------------- */

static void log_faults(const char *phrase, const struct faults *faults)
{
    struct buf line = BUF_INIT;

    for (const char *c = buf_text(&faults->text); *c; c++) {
        if (*c != '\n')
            buf_add_char(&line, *c);
        else if (c[1])
            buf_add_text(&line, " | ");
    }
    log_error(phrase, log_u64("faults", faults->count), log_str("what", buf_text(&line)));
    buf_release(&line);
}

static void log_restart_needed(const struct config *running, const struct config *wanted)
{
    struct buf keys = BUF_INIT;

    config_restart_needed(running, wanted, &keys);
    for (size_t i = 0; i < keys.len; i++)
        if (keys.data[i] == '\n')
            keys.data[i] = i + 1 < keys.len ? ' ' : '\0';
    if (keys.len > 0)
        log_warn("these settings have changed and need a restart", log_str("keys", keys.data));
    buf_release(&keys);
}

static void reload(struct service *s)
{
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;
    struct err err;

    if (config_load(&config, s->config_path, &faults) < 0) {
        log_faults("configuration refused, the running one stays", &faults);
    } else if (!config->webhook.authentication && strcmp(config->webhook.listen, s->config->webhook.listen) != 0) {
        /* It was checked against the address in the file, but the running one may be open to the world. */
        log_error("configuration refused, the running one stays",
                  log_str("what", "webhook.authentication can be turned off together with another webhook.listen only "
                                  "by a restart"));
    } else if (webhook_reload(s->webhook, config, &err) < 0 || database_side_reload(s->database, config, &err) < 0) {
        log_error("configuration could not be taken over, the running one stays", log_str("why", err.text));
    } else {
        log_configure(config->log.format, config->log.level);
        log_restart_needed(s->config, config);
        log_info("configuration taken over", log_u64("apps", config->app_count));
        config_free(s->reloaded);
        s->reloaded = config;
        config = NULL;
    }
    database_side_look_for_rules(s->database);
    config_free(config);
    faults_release(&faults);
}

/* Looked at once a second: what is over sooner is no incident. */
static void note_spool(const struct spool_status *spool)
{
    char detail[INCIDENT_DETAIL];

    snprintf(detail, sizeof(detail), "%" PRIu64 " of %" PRIu64 " bytes", spool->used_bytes, spool->max_bytes);
    incident_set(INCIDENT_SPOOL_FILLING, 0, spool->alarm, detail);
    incident_set(INCIDENT_SPOOL_FULL, 0, spool->full, detail);
    incident_set(INCIDENT_SPOOL_STALLED, 0, spool->stalled_us > SPOOL_STALLED_US, NULL);
}

/* Until a signal says stop (CLI_FINE) or the spool has failed (CLI_FAILED). */
static int wait_for_end(struct service *s, const sigset_t *signals)
{
    const struct timespec look = {.tv_sec = SPOOL_LOOK_S};
    struct spool_status status;

    for (;;) {
        int signal_number = sigtimedwait(signals, NULL, &look);
        spool_get_status(s->spool, &status);
        note_spool(&status);
        if (status.failed) {
            log_error("the spool has failed, nothing can be made durable any more; ending");
            return CLI_FAILED;
        }
        if (signal_number == SIGHUP)
            reload(s);
        else if (signal_number > 0)
            return CLI_FINE;
    }
}

/* Stop ------------------------------------------------------------------------------------------------------------ */

static void end_at_once(int signal_number)
{
    (void)signal_number;
    _exit(CLI_FAILED);
}

/* From now on SIGTERM and SIGINT do not wait for anything; SIGHUP stays blocked. */
static void let_second_signal_end(void)
{
    const struct sigaction at_once = {.sa_handler = end_at_once};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaction(SIGTERM, &at_once, NULL);
    sigaction(SIGINT, &at_once, NULL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Of a service that was started wholly or in part. */
static void stop(struct service *s)
{
    if (s->operations)
        operations_draining(s->operations);
    database_side_stop_sending(s->database);
    webhook_stop(s->webhook);
    database_side_drain(s->database, DRAIN_MS);
    operations_watch_sender(s->operations, NULL, NULL);
    database_side_stop(s->database);
    operations_stop(s->operations);
    spool_close(s->spool);
    if (s->slot)
        ruleset_slot_free(s->slot);
    history_free(s->history);
}

int cli_serve(struct cli *cli)
{
    const struct cli_option options[] = {{0}};
    struct service service = {0};
    struct faults faults = FAULTS_INIT;
    sigset_t signals;
    struct err err;
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    service.config_path = cli_config_path(cli);
    config_load(&service.config, service.config_path, &faults);
    cli_print_faults(&faults);
    faults_release(&faults);
    if (!service.config)
        return CLI_FAILED;
    log_configure(service.config->log.format, service.config->log.level);
    privileges_warn_of_root();

    /* Blocked before any thread exists, so that only sigtimedwait() sees them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    if (start(&service, &err) == 0) {
        log_serving(&service);
        status = wait_for_end(&service, &signals);
        log_info("draining");
    } else {
        log_error("could not start", log_str("why", err.text));
        status = CLI_FAILED;
    }
    let_second_signal_end();
    stop(&service);
    log_info("stopped");
    config_free(service.reloaded);
    config_free(service.config);
    return status;
}
