/* audit_export.c - events with their proof, for a third party. */
#include "audit/export.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "cli/audit_keys.h"
#include "cli/cli.h"
#include "cli/times.h"

#include <inttypes.h>

static int export_with_keys(struct cli *cli, struct export_options *o, const struct config *config,
                            const char *key_path)
{
    struct crypto_key *keys[AUDIT_MOST_KEYS];
    struct db *db = cli_open_database(cli, config);
    uint64_t events = 0;
    struct err err;
    int status = CLI_FINE, r;

    if (!db)
        return CLI_FAILED;
    r = audit_keys_read(key_path, config, keys, AUDIT_MOST_KEYS, &o->key_count, &err);
    o->keys = keys;
    if (r == 0 && o->key_count == 0)
        r = err_set(&err, ERR_USAGE, "name the key that signs checkpoints: --public-key, or audit.key");
    if (r == 0)
        r = audit_export(db, o, &events, &err);
    if (r < 0)
        status = cli_fail(cli, "%s", err.text);
    else
        printf("%" PRIu64 " events in %s; the README tells how to check them\n", events, o->directory);
    for (size_t i = 0; i < o->key_count; i++)
        crypto_key_free(keys[i]);
    db_close(db);
    return status;
}

int cli_audit_export(struct cli *cli)
{
    const char *from = NULL, *to = NULL, *key = NULL;
    int64_t now_us = clock_wall_us();
    struct export_options o = {.from_us = -62135596800000000, .to_us = now_us + (int64_t)400 * 86400 * 1000000};
    const struct cli_option options[] = {
        {"from", CLI_TEXT, &from, "TIME", "events from this time on"},
        {"to", CLI_TEXT, &to, "TIME", "events before this time"},
        {"room", CLI_TEXT, &o.room, "ID", "of this room"},
        {"event", CLI_TEXT, &o.event_id, "ID", "this one"},
        {"to-directory", CLI_TEXT, &o.directory, "DIRECTORY", "where to write, made by this"},
        {"public-key", CLI_TEXT, &key, "FILE", "PEM of the keys that sign checkpoints"},
        {0}};
    struct config *config;
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    if (!o.directory || (!o.room && !o.event_id))
        return cli_usage(cli, "name --to-directory, and --room or --event");
    if (o.event_id && !cli_is_uuid(o.event_id))
        return cli_usage(cli, "--event: \"%.40s\" is no event's id", o.event_id);
    if ((from && !times_moment(span_of(from), now_us, &o.from_us)) ||
        (to && !times_moment(span_of(to), now_us, &o.to_us)))
        return cli_usage(cli, "--from and --to take 2026-11-24T10:30:00Z, 2026-11-24 or 2h");
    config = cli_config(cli);
    if (!config)
        return CLI_FAILED;
    status = export_with_keys(cli, &o, config, key);
    config_free(config);
    return status;
}
