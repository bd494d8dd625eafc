#include "base/config_settings.h"

#include "base/utf8.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB       ((int64_t)1024)
#define MIB       (1024 * KIB)
#define GIB       (1024 * MIB)
#define SECOND_MS ((int64_t)1000)
#define HOUR_MS   (3600 * SECOND_MS)

static const char *const fallback_choices[] = {"allow", "reject", "discard", NULL};
static const char *const transport_choices[] = {"send_text_msg", "send_group_msg", NULL};
static const char *const format_choices[] = {"logfmt", "json", NULL};
static const char *const level_choices[] = {"debug", "info", "warn", "error", NULL};

_Static_assert(sizeof(enum fallback) == sizeof(unsigned) && sizeof(enum transport) == sizeof(unsigned) &&
                   sizeof(enum log_format) == sizeof(unsigned) && sizeof(enum log_level) == sizeof(unsigned),
               "SETTING_CHOICE stores an unsigned");

#define AT(member) offsetof(struct config, member)

/* Bounds worth a word: a webhook must be answered within 2 s (`protocol.md` section 1); a record of the spool ends
 * at 4 MiB and holds the body beside its verdict; civetweb needs a thread for each connection (`dependencies.md`,
 * civetweb). */
const struct config_setting config_settings[CONFIG_SETTINGS] = {
    {.section = "webhook",
     .key = "listen",
     .type = SETTING_LISTEN,
     .offset = AT(webhook.listen),
     .initial = "127.0.0.1:8080",
     .help = "IPv4 address and port for the platform's webhooks, plain HTTP: TLS ends at the proxy in front.\n"
             "Port 0 takes a free one; the log line \"serving\" names it."},
    {.section = "webhook",
     .key = "path",
     .type = SETTING_URL_PATH,
     .offset = AT(webhook.path),
     .initial = "/webhook",
     .min = 1,
     .max = 512,
     .help = "The path of the URL configured in the Chat console."},
    {.section = "webhook",
     .key = "threads",
     .type = SETTING_NUMBER,
     .offset = AT(webhook.threads),
     .initial = "128",
     .min = 1,
     .max = 4096,
     .help = "One for each open connection, idle ones included: at least as many as the platform or proxy opens."},
    {.section = "webhook",
     .key = "max_body",
     .type = SETTING_SIZE,
     .offset = AT(webhook.max_body_bytes),
     .initial = "1MiB",
     .min = 16 * KIB,
     .max = 1 * MIB,
     .help = "Longer bodies are refused with 413. A real one stays below 256KiB."},
    {.section = "webhook",
     .key = "body_timeout",
     .type = SETTING_DURATION,
     .offset = AT(webhook.body_timeout_ms),
     .initial = "1s",
     .min = 10,
     .max = 1999,
     .help = "From the head of a request to the last byte of its body. Shorter than deadline."},
    {.section = "webhook",
     .key = "deadline",
     .type = SETTING_DURATION,
     .offset = AT(webhook.deadline_ms),
     .initial = "1500ms",
     .min = 10,
     .max = 1999,
     .reloadable = true,
     .help = "The answer leaves by then, whatever the disk does. The platform itself waits 2s."},
    {.section = "webhook",
     .key = "keep_alive",
     .type = SETTING_DURATION,
     .offset = AT(webhook.keep_alive_ms),
     .initial = "75s",
     .min = 1 * SECOND_MS,
     .max = HOUR_MS,
     .help = "How long an idle connection stays open; at least a minute for the platform, longer than the proxy's."},
    {.section = "webhook",
     .key = "authentication",
     .type = SETTING_SWITCH,
     .offset = AT(webhook.authentication),
     .initial = "on",
     .reloadable = true,
     .help = "Check Sign and RequestTime of every webhook. off only with a loopback address in listen."},
    {.section = "webhook",
     .key = "fallback_verdict",
     .type = SETTING_CHOICE,
     .offset = AT(webhook.fallback_verdict),
     .initial = "allow",
     .choices = fallback_choices,
     .reloadable = true,
     .help = "allow, reject or discard: the answer when there is no verdict by the deadline."},
    {.section = "webhook",
     .key = "unreadable_verdict",
     .type = SETTING_CHOICE,
     .offset = AT(webhook.unreadable_verdict),
     .initial = "reject",
     .choices = fallback_choices,
     .reloadable = true,
     .help = "The answer to a Before webhook whose body is not what it must be. A status other than 200 would let the\n"
             "message through."},

    {.section = "operations",
     .key = "listen",
     .type = SETTING_LISTEN,
     .offset = AT(operations.listen),
     .initial = "127.0.0.1:8081",
     .help = "IPv4 address and port of /healthz, /readyz, /metrics and /version."},
    {.section = "operations",
     .key = "threads",
     .type = SETTING_NUMBER,
     .offset = AT(operations.threads),
     .initial = "4",
     .min = 1,
     .max = 64,
     .help = "One for each open connection."},

    {.section = "spool",
     .key = "directory",
     .type = SETTING_TEXT,
     .offset = AT(spool.directory),
     .initial = "/var/lib/chatsluice/spool",
     .min = 1,
     .max = 3000,
     .help = "Every accepted webhook is on this disk before it is answered. One process, one directory."},
    {.section = "spool",
     .key = "max_bytes",
     .type = SETTING_SIZE,
     .offset = AT(spool.max_bytes),
     .initial = "8GiB",
     .min = 1 * MIB,
     .max = 1024 * 1024 * GIB,
     .help = "What may wait here for the database. Alarm at 70 %; at 100 % After webhooks are refused and Before\n"
             "webhooks are answered without being recorded."},
    {.section = "spool",
     .key = "segment_bytes",
     .type = SETTING_SIZE,
     .offset = AT(spool.segment_bytes),
     .initial = "32MiB",
     .min = 64 * KIB,
     .max = 1 * GIB,
     .help = "The size of one file of the spool: at least three times webhook.max_body and 512KiB, at most half of\n"
             "max_bytes."},

    {.section = "database",
     .key = "url",
     .type = SETTING_TEXT,
     .offset = AT(database.url),
     .secret = true,
     .min = 1,
     .max = 4096,
     .example = "postgresql://chatsluice@db1,db2/chatsluice?target_session_attrs=read-write",
     .help =
         "PostgreSQL 15 or later: a libpq URL or connection string, several hosts allowed. Without one events stay\n"
         "in the spool and rules come from rules.cache_directory."},
    {.section = "database",
     .key = "batch_rows",
     .type = SETTING_NUMBER,
     .offset = AT(database.batch_rows),
     .initial = "1000",
     .min = 1,
     .max = 10000,
     .help = "Events written in one transaction, at most."},
    {.section = "database",
     .key = "connect_timeout",
     .type = SETTING_DURATION,
     .offset = AT(database.connect_timeout_ms),
     .initial = "5s",
     .min = 100,
     .max = 60 * SECOND_MS,
     .help = "For one attempt to connect."},
    {.section = "database",
     .key = "partition_days_ahead",
     .type = SETTING_NUMBER,
     .offset = AT(database.partition_days_ahead),
     .initial = "7",
     .min = 1,
     .max = 60,
     .help = "Daily partitions of events are made this long before they are needed."},
    {.section = "database",
     .key = "migrate",
     .type = SETTING_SWITCH,
     .offset = AT(database.migrate),
     .initial = "on",
     .help = "Bring the schema up to date at start. off: wait until `chatsluice migrate` has done it, for a service\n"
             "that may not alter tables."},

    {.section = "rules",
     .key = "cache_directory",
     .type = SETTING_TEXT,
     .offset = AT(rules.cache_directory),
     .min = 1,
     .max = 3000,
     .example = "/var/lib/chatsluice/spool/rules",
     .help = "The last good rule set, for a start without the database. Left out: rules/ in spool.directory."},
    {.section = "rules",
     .key = "poll_interval",
     .type = SETTING_DURATION,
     .offset = AT(rules.poll_interval_ms),
     .initial = "500ms",
     .min = 50,
     .max = 60 * SECOND_MS,
     .help = "How often the database is asked for a newly published revision."},
    {.section = "rules",
     .key = "history_memory",
     .type = SETTING_SIZE,
     .offset = AT(rules.history_memory_bytes),
     .initial = "16MiB",
     .min = 1 * MIB,
     .max = 16 * GIB,
     .help =
         "For what rates, repetitions and words split over messages remember of senders and rooms; when it is full,\n"
         "what was unused longest is forgotten. 16MiB hold some 170,000 rates, 140,000 texts, 15,000 senders' words."},
    {.section = "rules",
     .key = "max_shrink",
     .type = SETTING_NUMBER,
     .offset = AT(rules.max_shrink_percent),
     .initial = "20",
     .min = 0,
     .max = 100,
     .help = "Percent. `rules publish` refuses a term list that has lost more of its terms against the revision in\n"
             "force, and a set that has lost more of its enforced rules, unless told --allow-shrink."},
    {.section = "rules",
     .key = "max_benign_hits",
     .type = SETTING_NUMBER,
     .offset = AT(rules.max_benign_per_mille),
     .initial = "2",
     .min = 0,
     .max = 1000,
     .help = "Per mille of the benign lexicon. `rules publish` warns of a term or expression that hits more of it."},
    {.section = "rules",
     .key = "canary_events",
     .type = SETTING_NUMBER,
     .offset = AT(rules.canary_events),
     .initial = "1000",
     .min = 0,
     .max = 1000000,
     .help = "So many of the newest stored events, of seven days at most, are judged by the set in force and by the\n"
             "new one before it is published. 0: none."},
    {.section = "rules",
     .key = "max_changed",
     .type = SETTING_NUMBER,
     .offset = AT(rules.max_changed_percent),
     .initial = "5",
     .min = 0,
     .max = 100,
     .help = "Percent of those events. `rules publish` refuses a set that answers more of them differently, unless\n"
             "told --allow-changes."},
    {.section = "rules",
     .key = "rollback_factor",
     .type = SETTING_NUMBER,
     .offset = AT(rules.rollback_factor),
     .initial = "0",
     .min = 0,
     .max = 1000,
     .help =
         "An instance whose rules act on this many times more of its Before messages than under the revision before,\n"
         "and on two percent of all more, within rollback_window rolls a new revision back by itself. 0: off."},
    {.section = "rules",
     .key = "rollback_window",
     .type = SETTING_DURATION,
     .offset = AT(rules.rollback_window_ms),
     .initial = "60s",
     .min = 1 * SECOND_MS,
     .max = HOUR_MS,
     .help = "How long after taking a revision an instance watches for that; 200 messages are needed on both sides."},
    {.section = "rules",
     .key = "publish_requests",
     .type = SETTING_SWITCH,
     .offset = AT(rules.publish_requests),
     .initial = "off",
     .help =
         "Carry out what is asked for with moderation.publish and moderation.rollback. The database role needs the\n"
         "rights at the end of roles.sql for it."},

    {.section = "outbox",
     .key = "transport",
     .type = SETTING_CHOICE,
     .offset = AT(outbox.transport),
     .initial = "send_text_msg",
     .choices = transport_choices,
     .help = "The REST command that carries corrected messages. send_group_msg fires no webhooks for them and can\n"
             "repeat a call without doubling it, but is a command of Chat, not of Live."},
    {.section = "outbox",
     .key = "connections",
     .type = SETTING_NUMBER,
     .offset = AT(outbox.connections),
     .initial = "32",
     .min = 1,
     .max = 200,
     .help = "Kept open to the REST API; so many calls are under way at the same time."},
    {.section = "outbox",
     .key = "timeout",
     .type = SETTING_DURATION,
     .offset = AT(outbox.timeout_ms),
     .initial = "5s",
     .min = 100,
     .max = 60 * SECOND_MS,
     .help = "Of one call. The platform gives up after 3s by itself: stay above that."},
    {.section = "outbox",
     .key = "poll_interval",
     .type = SETTING_DURATION,
     .offset = AT(outbox.poll_interval_ms),
     .initial = "200ms",
     .min = 10,
     .max = 60 * SECOND_MS,
     .help =
         "How often the database is asked for what others have put there; what this instance loads goes out at once."},
    {.section = "outbox",
     .key = "time_to_live",
     .type = SETTING_DURATION,
     .offset = AT(outbox.time_to_live_ms),
     .initial = "2m",
     .min = 1 * SECOND_MS,
     .max = 24 * HOUR_MS,
     .reloadable = true,
     .help = "What a rule asks for and could not be sent by then is dropped: nobody wants a correction an hour late."},
    {.section = "outbox",
     .key = "confirm_within",
     .type = SETTING_DURATION,
     .offset = AT(outbox.confirm_within_ms),
     .initial = "20s",
     .min = 1 * SECOND_MS,
     .max = HOUR_MS,
     .help = "After a call without an answer, how long the After webhook of its message is waited for."},
    {.section = "outbox",
     .key = "retry_unconfirmed",
     .type = SETTING_SWITCH,
     .offset = AT(outbox.retry_unconfirmed),
     .initial = "off",
     .help = "What stayed unconfirmed: on sends it again, at the risk of saying it twice; off leaves it to a person."},
    {.section = "outbox",
     .key = "attempts",
     .type = SETTING_NUMBER,
     .offset = AT(outbox.attempts),
     .initial = "8",
     .min = 1,
     .max = 100,
     .help = "Calls for one message at most."},
    {.section = "outbox",
     .key = "room_per_minute",
     .type = SETTING_NUMBER,
     .offset = AT(outbox.room_per_minute),
     .initial = "300",
     .min = 1,
     .max = 2400,
     .help = "Corrected messages a room gets in a minute at most, over all instances."},
    {.section = "outbox",
     .key = "calls_a_second",
     .type = SETTING_NUMBER,
     .offset = AT(outbox.calls_a_second),
     .initial = "200",
     .min = 1,
     .max = 200,
     .help = "Calls of each REST command in any second at most, over all instances. The platform allows 200."},
    {.section = "outbox",
     .key = "ca_file",
     .type = SETTING_TEXT,
     .offset = AT(outbox.ca_file),
     .min = 1,
     .max = 3000,
     .example = "/etc/chatsluice/ca.pem",
     .help = "Certificate authorities the REST API's certificate is verified against. Left out: the system's."},

    {.section = "audit",
     .key = "key",
     .type = SETTING_TEXT,
     .offset = AT(audit.key),
     .min = 1,
     .max = 4096,
     .secret = true,
     .example = "/etc/chatsluice/audit.pem",
     .help =
         "Signs checkpoints of what is stored: the file `openssl genpkey -algorithm ed25519` writes. Without it none are\n"
         "signed, and whoever may write to the database can rewrite history whole."},
    {.section = "audit",
     .key = "checkpoint_interval",
     .type = SETTING_DURATION,
     .offset = AT(audit.checkpoint_interval_ms),
     .initial = "1m",
     .min = 100,
     .max = 24 * HOUR_MS,
     .help = "How often a checkpoint is signed while events are being stored."},
    {.section = "audit",
     .key = "directory",
     .type = SETTING_TEXT,
     .offset = AT(audit.directory),
     .min = 1,
     .max = 3000,
     .example = "/var/lib/chatsluice/audit",
     .help = "Where the file \"checkpoints\" is added to. Left out, the spool's directory."},

    {.section = "log",
     .key = "format",
     .type = SETTING_CHOICE,
     .offset = AT(log.format),
     .initial = "logfmt",
     .choices = format_choices,
     .reloadable = true,
     .help = "logfmt or json; one line an event, on standard error."},
    {.section = "log",
     .key = "level",
     .type = SETTING_CHOICE,
     .offset = AT(log.level),
     .initial = "info",
     .choices = level_choices,
     .reloadable = true,
     .help = "debug, info, warn or error."},
};

const struct config_setting config_app_settings[CONFIG_APP_SETTINGS] = {
    {.section = "apps",
     .key = "sdkappid",
     .type = SETTING_NUMBER,
     .offset = offsetof(struct config_app, sdkappid),
     .min = 1,
     .max = (1LL << 53) - 1,
     .reloadable = true,
     .example = "1400000001",
     .help = "The application's id; webhooks of others are refused."},
    {.section = "apps",
     .key = "token",
     .type = SETTING_TEXT,
     .offset = offsetof(struct config_app, token),
     .min = 1,
     .max = 1024,
     .reloadable = true,
     .secret = true,
     .example = "/etc/chatsluice/token",
     .help = "The token typed into the console's webhook authentication."},
    {.section = "apps",
     .key = "previous_token",
     .type = SETTING_TEXT,
     .offset = offsetof(struct config_app, previous_token),
     .min = 1,
     .max = 1024,
     .reloadable = true,
     .secret = true,
     .example = "/etc/chatsluice/previous-token",
     .help = "Accepted beside token while it is being replaced."},
    {.section = "apps",
     .key = "admin",
     .type = SETTING_TEXT,
     .offset = offsetof(struct config_app, admin),
     .min = 1,
     .max = 32,
     .reloadable = true,
     .example = "administrator",
     .help = "The administrator account that REST calls are made as."},
    {.section = "apps",
     .key = "secret_key",
     .type = SETTING_TEXT,
     .offset = offsetof(struct config_app, secret_key),
     .min = 1,
     .max = 1024,
     .reloadable = true,
     .secret = true,
     .example = "/etc/chatsluice/secret-key",
     .help = "The application's secret key. With it corrections, mutes and recalls are sent; without it nothing is."},
    {.section = "apps",
     .key = "rest_api",
     .type = SETTING_TEXT,
     .offset = offsetof(struct config_app, rest_api),
     .min = 1,
     .max = 512,
     .reloadable = true,
     .example = "singapore",
     .help = "Where: china, singapore, usa or jakarta, or the https:// URL of another host, without a path."},
};

/* One value ------------------------------------------------------------------------------------------------------- */

static void *setting_at(const struct config_setting *s, const void *base)
{
    return (char *)(uintptr_t)base + s->offset;
}

bool setting_is_text(const struct config_setting *s)
{
    return s->type == SETTING_TEXT || s->type == SETTING_LISTEN || s->type == SETTING_URL_PATH;
}

char **setting_text(const struct config_setting *s, const void *base)
{
    assert(setting_is_text(s));
    return setting_at(s, base);
}

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit no_unit[] = {{"", 1}, {NULL, 0}};
static const struct unit duration_units[] = {
    {"h", HOUR_MS}, {"m", 60 * SECOND_MS}, {"s", SECOND_MS}, {"ms", 1}, {NULL, 0}};
static const struct unit size_units[] = {{"GiB", GIB}, {"MiB", MIB}, {"KiB", KIB}, {"", 1}, {NULL, 0}};

static const struct unit *units_of(const struct config_setting *s)
{
    return s->type == SETTING_DURATION ? duration_units : s->type == SETTING_SIZE ? size_units : no_unit;
}

/* n in the largest unit that divides it: "1500ms", "8GiB". */
static const char *amount_text(const struct unit *units, int64_t n, char out[32])
{
    while (units[1].name && n % units->factor != 0)
        units++;
    snprintf(out, 32, "%" PRId64 "%s", n / units->factor, units->name);
    return out;
}

/* What stands in an application's entry may be a secret that was put beside the wrong key: it is not repeated. */
static bool is_beside_secrets(const struct config_setting *s)
{
    return strcmp(s->section, "apps") == 0;
}

static int amount_parse(const struct config_setting *s, const char *text, int64_t *out, struct err *err)
{
    static const char *const wanted[] = {
        [SETTING_NUMBER] = "a number; write digits",
        [SETTING_SIZE] = "a size; write for example 65536, 64KiB, 32MiB or 8GiB",
        [SETTING_DURATION] = "a duration; write for example 500ms, 2s, 10m or 1h",
    };
    const struct unit *units = units_of(s);
    size_t digits = strspn(text, "0123456789");
    unsigned long long n = 0;
    char least[32], most[32];

    if (digits > 0 && s->type == SETTING_DURATION && text[digits] == '\0')
        return err_set(err, ERR_USAGE, "\"%s\" has no unit; write for example %sms or %ss", text, text, text);
    const struct unit *unit = units;
    while (unit->name && strcmp(unit->name, text + digits) != 0)
        unit++;
    if ((digits == 0 || !unit->name) && is_beside_secrets(s))
        return err_set(err, ERR_USAGE, "it is not %s", wanted[s->type]);
    if (digits == 0 || !unit->name)
        return err_set(err, ERR_USAGE, "\"%.*s\" is not %s", (int)utf8_cut(text, strlen(text), 64), text,
                       wanted[s->type]);
    if (!span_to_u64((struct span){text, digits}, &n) || n > (unsigned long long)(s->max / unit->factor) ||
        (int64_t)n * unit->factor < s->min)
        return err_set(err, ERR_USAGE, "%.64s is out of range; it must be %s to %s", is_beside_secrets(s) ? "it" : text,
                       amount_text(units, s->min, least), amount_text(units, s->max, most));
    *out = (int64_t)n * unit->factor;
    return 0;
}

static int switch_parse(const char *text, bool *out, struct err *err)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "\"%.64s\" is neither on nor off", text);
}

static int choice_parse(const struct config_setting *s, const char *text, unsigned *out, struct err *err)
{
    struct buf list = BUF_INIT;
    unsigned n = 0;

    for (; s->choices[n]; n++) {
        if (strcmp(text, s->choices[n]) == 0) {
            *out = n;
            buf_release(&list);
            return 0;
        }
        buf_addf(&list, "%s%s", n == 0 ? "" : s->choices[n + 1] ? ", " : " or ", s->choices[n]);
    }
    const char *near = faults_suggest(text, s->choices, n);
    int r = err_set(err, ERR_USAGE, "\"%.*s\" is not known; it must be %s%s%s%s", (int)utf8_cut(text, strlen(text), 64),
                    text, buf_text(&list), near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    buf_release(&list);
    return r;
}

static int listen_check(const char *text, struct err *err)
{
    char host[INET_ADDRSTRLEN];
    struct in_addr address;
    unsigned long long port;
    const char *colon = strrchr(text, ':');
    size_t host_len = colon ? (size_t)(colon - text) : 0;
    size_t len = strlen(text);

    /* civetweb takes "443s" and "80r": the first opens TLS, which crashes it here, the second redirects to TLS. */
    if (colon && len > 0 && (text[len - 1] == 's' || text[len - 1] == 'r'))
        return err_set(err, ERR_USAGE,
                       "\"%.64s\" asks for TLS, which is not spoken here; write the port in digits alone and end TLS "
                       "at the proxy in front",
                       text);
    if (!colon || host_len == 0 || host_len >= sizeof(host))
        goto bad;
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    if (inet_pton(AF_INET, host, &address) != 1 || !span_to_u64(span_of(colon + 1), &port) || port > 65535)
        goto bad;
    return 0;
bad:
    return err_set(err, ERR_USAGE, "\"%.*s\" is not an IPv4 address and port; write for example 127.0.0.1:8080",
                   (int)utf8_cut(text, len, 64), text);
}

static int url_path_check(const char *text, struct err *err)
{
    if (text[0] != '/')
        return err_set(err, ERR_USAGE, "\"%.*s\" does not begin with \"/\"", (int)utf8_cut(text, strlen(text), 64),
                       text);
    /* What the Chat console refuses in a URL, and what would arrive in another form than written. */
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("!$&?#%", *c))
            return err_set(err, ERR_USAGE,
                           "it has a character that does not fit: use letters, digits, \"/\", \"-\", "
                           "\"_\", \".\" and \"~\"");
    return 0;
}

static int text_set(const struct config_setting *s, char **at, const char *text, struct err *err)
{
    size_t len = strlen(text);

    if (s->type == SETTING_LISTEN && listen_check(text, err) < 0)
        return ERR_USAGE;
    if (s->type == SETTING_URL_PATH && url_path_check(text, err) < 0)
        return ERR_USAGE;
    if (s->max > 0 && len > (size_t)s->max)
        return err_set(err, ERR_USAGE, "it is %zu bytes long; at most %" PRId64 " are possible", len, s->max);
    if (len == 0)
        return err_set(err, ERR_USAGE, "it is empty");
    char *copy = strdup(text);
    if (!copy)
        return err_set(err, ERR_FAILED, "out of memory");
    if (*at && s->secret)
        explicit_bzero(*at, strlen(*at));
    free(*at);
    *at = copy;
    return 0;
}

int setting_set(const struct config_setting *s, void *base, const char *text, struct err *err)
{
    int64_t amount = 0;
    unsigned choice = 0;
    bool on = false;
    int r;

    switch (s->type) {
    case SETTING_TEXT:
    case SETTING_LISTEN:
    case SETTING_URL_PATH:
        return text_set(s, setting_text(s, base), text, err);
    case SETTING_NUMBER:
    case SETTING_SIZE:
        if ((r = amount_parse(s, text, &amount, err)) == 0)
            *(uint64_t *)setting_at(s, base) = (uint64_t)amount;
        return r;
    case SETTING_DURATION:
        if ((r = amount_parse(s, text, &amount, err)) == 0)
            *(int64_t *)setting_at(s, base) = amount;
        return r;
    case SETTING_SWITCH:
        if ((r = switch_parse(text, &on, err)) == 0)
            *(bool *)setting_at(s, base) = on;
        return r;
    case SETTING_CHOICE:
        if ((r = choice_parse(s, text, &choice, err)) == 0)
            memcpy(setting_at(s, base), &choice, sizeof(choice));
        return r;
    }
    return err_set(err, ERR_FAILED, "the setting has no type");
}

bool setting_equal(const struct config_setting *s, const void *a, const void *b)
{
    switch (s->type) {
    case SETTING_TEXT:
    case SETTING_LISTEN:
    case SETTING_URL_PATH: {
        const char *left = *setting_text(s, a), *right = *setting_text(s, b);
        return left && right ? strcmp(left, right) == 0 : left == right;
    }
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_DURATION:
        return memcmp(setting_at(s, a), setting_at(s, b), sizeof(int64_t)) == 0;
    case SETTING_SWITCH:
        return *(bool *)setting_at(s, a) == *(bool *)setting_at(s, b);
    case SETTING_CHOICE:
        return memcmp(setting_at(s, a), setting_at(s, b), sizeof(unsigned)) == 0;
    }
    return false;
}

void setting_release(const struct config_setting *s, void *base)
{
    if (!setting_is_text(s))
        return;
    char **text = setting_text(s, base);
    if (*text && s->secret)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

/* The table as a file --------------------------------------------------------------------------------------------- */

static void print_help(struct buf *out, const char *indent, const char *help)
{
    while (*help) {
        size_t len = strcspn(help, "\n");
        buf_addf(out, "%s# %.*s\n", indent, (int)len, help);
        help += len + (help[len] == '\n');
    }
}

static void print_apps(struct buf *out)
{
    buf_add_text(
        out, "\n# The Chat applications whose webhooks come here, at least one, in place of []; in the environment\n"
             "# CHATSLUICE_APPS_1_SDKAPPID, CHATSLUICE_APPS_1_TOKEN and so on, counted from 1.\n"
             "apps: []  # (reload)\n");
    for (size_t i = 0; i < CONFIG_APP_SETTINGS; i++) {
        const struct config_setting *s = &config_app_settings[i];
        print_help(out, "  ", s->help);
        buf_addf(out, "  # %s %s%s: %s\n", i == 0 ? "-" : " ", s->key, s->secret ? "_file" : "", s->example);
    }
}

void config_print_defaults(struct buf *out)
{
    const char *section = "";

    buf_add_text(out,
                 "# Chatsluice: every key with its default, as printed by `chatsluice check --defaults`.\n"
                 "#\n"
                 "# Each is also an environment variable, which wins: webhook.listen is CHATSLUICE_WEBHOOK_LISTEN.\n"
                 "# Durations: 500ms 2s 10m 1h. Sizes: 65536 64KiB 32MiB 8GiB. A secret key can be given as KEY_file,\n"
                 "# the path of a file that holds it. (reload): changed by SIGHUP; the others need a restart.\n");
    for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
        const struct config_setting *s = &config_settings[i];
        if (strcmp(section, s->section) != 0) {
            if (strcmp(section, "webhook") == 0)
                print_apps(out);
            section = s->section;
            buf_addf(out, "\n%s:\n", section);
        }
        print_help(out, "  ", s->help);
        if (s->initial)
            buf_addf(out, "  %s: %s%s\n", s->key, s->initial, s->reloadable ? "  # (reload)" : "");
        else
            buf_addf(out, "  # %s%s: %s\n", s->key, s->secret && s->example[0] == '/' ? "_file" : "", s->example);
    }
}
