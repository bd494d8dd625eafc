/* audit_verify.c - proof that no row was altered or removed. */
#include "audit/verify.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "cli/audit_keys.h"
#include "cli/cli.h"
#include "cli/times.h"

#include <inttypes.h>

enum { MOST_CHECKPOINT_BYTES = 1 << 30, SHOWN = 20 };

/* A room's name may hold anything. */
static void add_plain(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_add_char(out, (unsigned char)*text < ' ' || *text == 0x7F ? '?' : *text);
}

static void add_finding(struct buf *out, const struct audit_finding *f)
{
    buf_addf(out, "%s: spool %s", audit_what_name(f->what), f->spool_id);
    if (f->seq)
        buf_addf(out, " record %" PRIu64, f->seq);
    if (f->block)
        buf_addf(out, " block %" PRIu64, f->block);
    if (f->event_id[0])
        buf_addf(out, " event %s", f->event_id);
    if (f->room[0]) {
        buf_add_text(out, " room ");
        add_plain(out, f->room);
    }
    if (f->detail[0])
        buf_addf(out, ": %s", f->detail);
    buf_add_char(out, '\n');
}

static void add_text(struct buf *out, const struct audit_report *r, const struct audit_options *o)
{
    double seconds = (double)r->took_us / 1e6;

    for (size_t i = 0; i < r->finding_count && i < SHOWN; i++)
        add_finding(out, &r->findings[i]);
    if (r->finding_count > SHOWN)
        buf_addf(out, "and %zu more; --json tells them\n", r->finding_count - SHOWN);
    buf_addf(out,
             "%" PRIu64 " rows and %" PRIu64 " blocks of %" PRIu64 " spools in %.1f s, %.0f rows/s; %" PRIu64
             " erased, %" PRIu64 " duplicates left out, %" PRIu64 " parked\n",
             r->rows, r->blocks, r->spools, seconds, seconds > 0 ? (double)r->rows / seconds : 0, r->erased,
             r->duplicates, r->parked);
    if (r->unchained)
        buf_addf(out, "%" PRIu64 " rows were loaded before the chain began: nothing is proven of them\n", r->unchained);
    if (r->removed)
        buf_addf(out, "%" PRIu64 " rows are of days that retention removed (chatsluice.removed_day)\n", r->removed);
    if (r->lost_stretches)
        buf_addf(out, "%" PRIu64 " stretches of records were lost before they could be loaded, as was logged then\n",
                 r->lost_stretches);
    if (r->checkpoints == 0)
        buf_add_text(out, "no checkpoints: only what does not fit together was looked for\n");
    else if (o->key_count == 0)
        buf_addf(out, "%" PRIu64 " checkpoints, signatures not checked: no --public-key and no audit.key\n",
                 r->checkpoints);
    else
        buf_addf(out, "%" PRIu64 " checkpoints, %" PRIu64 " signatures fit\n", r->checkpoints, r->checkpoints_checked);
    buf_add_text(out,
                 audit_report_is_clean(r) ? "nothing was changed, removed or inserted\n" : "NOT as it was loaded\n");
}

static void add_json_finding(struct buf *out, const struct audit_finding *f)
{
    buf_add_char(out, '{');
    json_add_member_text(out, "what", audit_what_name(f->what));
    json_add_member_text(out, "spool_id", f->spool_id);
    json_add_member_u64(out, "seq", f->seq);
    json_add_member_u64(out, "block", f->block);
    json_add_member_text(out, "event_id", f->event_id[0] ? f->event_id : NULL);
    json_add_member_text(out, "room", f->room[0] ? f->room : NULL);
    json_add_member_text(out, "detail", f->detail);
    buf_add_char(out, '}');
}

static void add_json(struct buf *out, const struct audit_report *r)
{
    buf_add_char(out, '{');
    json_add_member_bool(out, "clean", audit_report_is_clean(r));
    json_add_member_u64(out, "rows", r->rows);
    json_add_member_u64(out, "blocks", r->blocks);
    json_add_member_u64(out, "spools", r->spools);
    json_add_member_u64(out, "erased", r->erased);
    json_add_member_u64(out, "unchained", r->unchained);
    json_add_member_u64(out, "removed", r->removed);
    json_add_member_u64(out, "duplicates", r->duplicates);
    json_add_member_u64(out, "parked", r->parked);
    json_add_member_u64(out, "lost_stretches", r->lost_stretches);
    json_add_member_u64(out, "checkpoints", r->checkpoints);
    json_add_member_u64(out, "checkpoints_checked", r->checkpoints_checked);
    json_add_member_i64(out, "took_us", r->took_us);
    json_add_key(out, "counts");
    buf_add_char(out, '{');
    for (unsigned i = 0; i < AUDIT_WHATS; i++)
        if (r->counts[i])
            json_add_member_u64(out, audit_what_name((enum audit_what)i), r->counts[i]);
    buf_add_char(out, '}');
    json_add_key(out, "findings");
    buf_add_char(out, '[');
    for (size_t i = 0; i < r->finding_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        add_json_finding(out, &r->findings[i]);
    }
    buf_add_text(out, "]}\n");
}

/* False when the words are wrong, and that was said. */
static bool read_period(struct cli *cli, const char *from, const char *to, struct audit_options *o)
{
    int64_t now_us = clock_wall_us();

    o->has_period = from || to;
    o->from_us = -62135596800000000; /* the year 1 */
    o->to_us = now_us + (int64_t)400 * 86400 * 1000000;
    if (from && !times_moment(span_of(from), now_us, &o->from_us))
        cli->status =
            cli_usage(cli, "--from: \"%.40s\" is no time; write 2026-11-24T10:30:00Z, 2026-11-24 or 2h", from);
    else if (to && !times_moment(span_of(to), now_us, &o->to_us))
        cli->status = cli_usage(cli, "--to: \"%.40s\" is no time; write 2026-11-24T10:30:00Z, 2026-11-24 or 2h", to);
    else
        return true;
    return false;
}

static int verify(struct cli *cli, struct audit_options *o, const struct config *config, const char *key_path,
                  const char *checkpoints, bool json)
{
    struct buf lines = BUF_INIT, out = BUF_INIT;
    struct audit_report report = {0};
    struct err err;
    int status, r;

    r = audit_keys_read(key_path, config, o->keys, AUDIT_MOST_KEYS, &o->key_count, &err);
    if (r == 0 && checkpoints)
        r = audit_file_read(checkpoints, MOST_CHECKPOINT_BYTES, &lines, &err);
    o->checkpoint_lines = buf_span(&lines);
    if (r == 0)
        r = audit_verify(o, &report, &err);
    if (r < 0) {
        status = cli_fail(cli, "%s", err.text);
    } else {
        if (json)
            add_json(&out, &report);
        else
            add_text(&out, &report, o);
        status = cli_print(cli, &out);
        if (status == CLI_FINE && !audit_report_is_clean(&report))
            status = CLI_FAILED;
    }
    for (size_t i = 0; i < o->key_count; i++)
        crypto_key_free(o->keys[i]);
    audit_report_release(&report);
    buf_release(&lines);
    buf_release(&out);
    return status;
}

int cli_audit_verify(struct cli *cli)
{
    const char *from = NULL, *to = NULL, *spool = NULL, *key = NULL, *checkpoints = NULL;
    bool json = false;
    const struct cli_option options[] = {
        {"from", CLI_TEXT, &from, "TIME", "events from this time on"},
        {"to", CLI_TEXT, &to, "TIME", "events before this time"},
        {"spool", CLI_TEXT, &spool, "ID", "only what came through this spool"},
        {"public-key", CLI_TEXT, &key, "FILE", "PEM of the keys that sign checkpoints"},
        {"checkpoints", CLI_TEXT, &checkpoints, "FILE", "checkpoints that were kept elsewhere"},
        {"json", CLI_FLAG, &json, NULL, "one JSON object"},
        {0}};
    struct audit_options o = {0};
    struct config *config;
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    if (!read_period(cli, from, to, &o))
        return cli->status;
    if (spool && !cli_is_uuid(spool))
        return cli_usage(cli, "--spool: \"%.40s\" is no spool's id", spool);
    config = cli_config(cli);
    if (!config)
        return CLI_FAILED;
    o.database_url = config->database.url;
    o.connect_timeout_ms = config->database.connect_timeout_ms;
    o.spool_id = spool;
    status = o.database_url ? verify(cli, &o, config, key, checkpoints, json)
                            : cli_fail(cli, "no database is configured: set database.url");
    config_free(config);
    return status;
}
