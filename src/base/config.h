/* config.h - the configuration: one YAML file, every key also as CHATSLUICE_<SECTION>_<KEY> in the environment, which
 * wins. What keys there are, with type, default, range, help and whether SIGHUP may change them, is the table
 * config_settings[] in config_settings.c; config/chatsluice.yaml is what `check --defaults` prints from it.
 *
 * Units in values: durations "500ms" "2s" "10m" "1h"; sizes "64KiB" "8GiB" (powers of 1024) or plain bytes.
 * A secret key `x` can be given as `x_file`, the path of a file that holds it; a final newline is dropped. An empty
 * environment variable counts as not set. */
#ifndef CHATSLUICE_BASE_CONFIG_H
#define CHATSLUICE_BASE_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/faults.h"
#include "base/log.h"

enum { CONFIG_MAX_APPS = 32 };

/* What is answered when no rule could decide. */
enum fallback { FALLBACK_ALLOW, FALLBACK_REJECT, FALLBACK_DISCARD };

struct config_app { /* one entry of `apps`; in the environment CHATSLUICE_APPS_1_SDKAPPID and so on, from 1 */
    uint64_t sdkappid;
    char *token;          /* secret; NULL when not given */
    char *previous_token; /* secret; accepted beside token while the operator rotates it */
    char *admin;          /* the administrator account of REST calls; NULL: "administrator" */
    char *secret_key; /* secret; UserSigs and markers are made with it. NULL: nothing is sent for this application */
    char *rest_api;   /* china, singapore, usa, jakarta, or a URL; not NULL when there is a secret_key */
};

/* How a corrected text goes back into the room (`protocol.md` section 9). */
enum transport { TRANSPORT_SEND_TEXT_MSG, TRANSPORT_SEND_GROUP_MSG };

struct config {
    struct {
        char *listen; /* host:port */
        char *path;
        uint64_t threads; /* one per connection, see dependencies: civetweb */
        uint64_t max_body_bytes;
        int64_t body_timeout_ms; /* from the request's head to its last byte */
        int64_t deadline_ms;
        int64_t keep_alive_ms;
        bool authentication;              /* false only together with a loopback listen address */
        enum fallback fallback_verdict;   /* no verdict by the deadline, or overload */
        enum fallback unreadable_verdict; /* a Before webhook whose body is not what it must be */
    } webhook;
    struct {
        char *listen;
        uint64_t threads;
    } operations;
    struct config_app apps[CONFIG_MAX_APPS];
    size_t app_count;
    struct {
        char *directory;
        uint64_t max_bytes;
        uint64_t segment_bytes;
    } spool;
    struct {
        char *url; /* libpq connection string or URL; may hold a password: secret. NULL: none configured */
        uint64_t batch_rows;
        int64_t connect_timeout_ms;
        uint64_t partition_days_ahead;
        bool migrate; /* at start; else wait for `chatsluice migrate` */
    } database;
    struct {
        char *cache_directory; /* last good set; default: beside the spool */
        int64_t poll_interval_ms;
        uint64_t history_memory_bytes;
        uint64_t max_shrink_percent, max_benign_per_mille, canary_events, max_changed_percent; /* of publishing */
        uint64_t rollback_factor;                                                              /* 0: off */
        int64_t rollback_window_ms;
        bool publish_requests; /* carry out publications asked for by SQL */
    } rules;
    struct {
        enum transport transport;
        uint64_t connections;
        int64_t timeout_ms; /* of one call */
        int64_t poll_interval_ms;
        int64_t time_to_live_ms;   /* of what rules ask for */
        int64_t confirm_within_ms; /* how long an unknown outcome waits for the After webhook */
        bool retry_unconfirmed;    /* then send again; else a person decides */
        uint64_t attempts;
        uint64_t room_per_minute;
        uint64_t calls_a_second; /* of each REST command, over all instances */
        char *ca_file;           /* NULL: the system's authorities */
    } outbox;
    struct {
        char *key;       /* secret: PEM of an Ed25519 private key; NULL: checkpoints are not signed */
        char *directory; /* of the file checkpoints; NULL: the spool's */
        int64_t checkpoint_interval_ms;
    } audit;
    struct {
        enum log_format format;
        enum log_level level;
    } log;
};

/* Reads path (NULL: defaults and environment only), then the environment, then checks what belongs together. On
 * success gives *out, to be freed with config_free(). Otherwise ERR_USAGE and every fault in *faults. Warnings are
 * added in both cases. */
int config_load(struct config **out, const char *path, struct faults *faults);
/* The same for commands that need the database or the spool alone: applications and tokens may be missing. */
int config_load_for_tools(struct config **out, const char *path, struct faults *faults);
void config_free(struct config *c); /* NULL is fine; wipes secrets */

/* Names in *changed (one key a line) the keys whose new value needs a restart; used by SIGHUP. */
void config_restart_needed(const struct config *running, const struct config *wanted, struct buf *changed);

/* The value of a key that is a text, by its full name ("database.url"); NULL when it is not set. Borrowed. False when
 * there is no such key. */
bool config_text(const struct config *c, const char *name, const char **value);

/* The whole table as commented YAML with the defaults. */
void config_print_defaults(struct buf *out);

#endif
