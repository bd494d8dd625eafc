/* rules_publish.c - the gate, the publication, and the wait for the instances; as text or as one JSON object. */
#include "base/json_write.h"
#include "cli/cli.h"
#include "cli/rules_await.h"
#include "store/lexicon.h"
#include "store/publish.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct words { /* of the command line */
    const char *note, *author, *lexicon, *canary, *wait;
    struct cli_files allow_shrink;
    bool allow_changes, strict, dry_run, json;
    uint64_t wait_s;
};

struct outcome {
    int result; /* of rule_publish */
    uint64_t revision;
    struct gate_report report;
    bool awaited;
    struct awaited instances;
    struct err err;
};

/* Options --------------------------------------------------------------------------------------------------------- */

static bool read_words(struct cli *cli, struct words *w)
{
    const struct cli_option options[] = {
        {"note", CLI_TEXT, &w->note, "TEXT", "why, for those who look back; wanted"},
        {"author", CLI_TEXT, &w->author, "NAME", "who publishes, else the user who runs this"},
        {"dry-run", CLI_FLAG, &w->dry_run, NULL, "do all of it, but publish nothing"},
        {"allow-shrink", CLI_NAMES, &w->allow_shrink, "[LIST...]", "let these lists, or all and the rules, get lost"},
        {"allow-changes", CLI_FLAG, &w->allow_changes, NULL, "let stored events be answered differently"},
        {"strict", CLI_FLAG, &w->strict, NULL, "refuse where there would be a warning"},
        {"lexicon", CLI_TEXT, &w->lexicon, "FILE", "harmless texts, one a line, else the built-in ones"},
        {"canary", CLI_TEXT, &w->canary, "N", "events to judge, else rules.canary_events; 0: none"},
        {"wait", CLI_TEXT, &w->wait, "SECONDS", "for the instances to acknowledge, else 5; 0: do not wait"},
        {"json", CLI_FLAG, &w->json, NULL, "one JSON object"},
        {0}};

    w->wait_s = AWAIT_DEFAULT_S;
    if (!cli_options(cli, options))
        return false;
    if (!w->dry_run && (!w->note || !*w->note)) {
        cli->status = cli_usage(cli, "--note TEXT is wanted: say why");
        return false;
    }
    return !w->wait || cli_number(cli, "--wait", w->wait, AWAIT_MOST_S, &w->wait_s);
}

static void show_progress(uint64_t judged, uint64_t of, void *arg)
{
    (void)arg;
    fprintf(stderr, "\rcanary: %" PRIu64 " of %" PRIu64 " events%s", judged, of, judged >= of ? "\n" : "");
}

static bool read_gate_options(struct cli *cli, const struct words *w, const struct config *config, struct buf *lexicon,
                              struct gate_options *gate)
{
    struct err err;

    *gate = (struct gate_options){.max_shrink_percent = config->rules.max_shrink_percent,
                                  .max_benign_per_mille = config->rules.max_benign_per_mille,
                                  .max_changed_percent = config->rules.max_changed_percent,
                                  .canary_events = config->rules.canary_events,
                                  .allow_shrink = w->allow_shrink.given && w->allow_shrink.count == 0,
                                  .allow_shrink_lists = w->allow_shrink.items,
                                  .allow_shrink_count = w->allow_shrink.count,
                                  .allow_changes = w->allow_changes,
                                  .strict = w->strict,
                                  .lexicon = lexicon_embedded()};
    if (isatty(STDERR_FILENO))
        gate->progress = show_progress;
    if (w->canary && !cli_number(cli, "--canary", w->canary, 1000000, &gate->canary_events))
        return false;
    if (w->lexicon && lexicon_read(lexicon, w->lexicon, &err) < 0) {
        cli->status = cli_fail(cli, "%s", err.text);
        return false;
    }
    if (w->lexicon)
        gate->lexicon = (struct span){buf_text(lexicon), lexicon->len};
    return true;
}

/* Telling --------------------------------------------------------------------------------------------------------- */

static void add_steps(struct buf *out, const struct gate_report *report)
{
    for (enum gate_step_id id = GATE_COMPILE; id < GATE_STEPS; id++) {
        const struct gate_step *step = &report->steps[id];
        buf_addf(out, "%-8s %-10s  %s\n", gate_step_name(id), gate_outcome_name(step->outcome),
                 buf_text(&step->summary));
    }
}

static void add_text(struct buf *out, const struct words *w, const struct outcome *o)
{
    /* Publishing the same again is fine: what was asked for is so. */
    if (o->result == ERR_CONFLICT && o->revision > 0) {
        buf_addf(out, "nothing has changed: revision %" PRIu64 " stays in force\n", o->revision);
        return;
    }
    if (o->result < 0 && o->result != ERR_USAGE)
        return;
    add_steps(out, &o->report);
    if (o->result < 0)
        return;
    if (w->dry_run) {
        buf_add_text(out, "nothing was published: a dry run\n");
        return;
    }
    buf_addf(out, "published revision %" PRIu64 "\n", o->revision);
    if (o->awaited && o->instances.text.len == 0)
        buf_add_text(out, "no instance is running\n");
    buf_add_span(out, buf_span(&o->instances.text));
}

/* The lines of the faults as a JSON array. */
static void add_faults(struct buf *out, const struct faults *faults)
{
    struct span rest = buf_span(&faults->text);
    const char *comma = "";

    json_add_key(out, "faults");
    buf_add_char(out, '[');
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        buf_add_text(out, comma);
        json_add_string(out, (struct span){rest.data, len});
        comma = ",";
        rest.data += len + (end != NULL);
        rest.len -= len + (end != NULL);
    }
    buf_add_char(out, ']');
}

static void add_json(struct buf *out, const struct words *w, const struct outcome *o)
{
    bool unchanged = o->result == ERR_CONFLICT && o->revision > 0;

    buf_add_char(out, '{');
    json_add_member_bool(out, "published", o->result == 0 && !w->dry_run);
    json_add_key(out, "revision");
    if (o->revision > 0)
        buf_add_u64(out, o->revision);
    else
        buf_add_text(out, "null");
    json_add_member_bool(out, "unchanged", unchanged);
    json_add_member_bool(out, "refused", o->result == ERR_USAGE);
    json_add_member_bool(out, "dry_run", w->dry_run);
    json_add_member_text(out, "error", o->result < 0 && !unchanged ? o->err.text : NULL);
    json_add_key(out, "steps");
    gate_report_json(&o->report, out);
    json_add_key(out, "overrides");
    buf_add_text(out, o->report.overrides.len > 0 ? buf_text(&o->report.overrides) : "[]");
    add_faults(out, &o->report.faults);
    json_add_key(out, "instances");
    buf_add_text(out, o->awaited ? buf_text(&o->instances.json) : "null");
    buf_add_text(out, "}\n");
}

static int tell(struct cli *cli, const struct words *w, const struct outcome *o)
{
    bool unchanged = o->result == ERR_CONFLICT && o->revision > 0;
    struct buf out = BUF_INIT;

    (w->json ? add_json : add_text)(&out, w, o);
    if (!w->json)
        cli_print_faults(&o->report.faults);
    int status = cli_print(cli, &out);
    buf_release(&out);
    if (o->result < 0 && !unchanged)
        return cli_fail(cli, "%s", o->err.text);
    if (o->awaited && o->instances.refused > 0)
        return cli_fail(cli, "%zu of the running instances refused the revision and keep the one before",
                        o->instances.refused);
    return status;
}

/* The command ----------------------------------------------------------------------------------------------------- */

static int publish(struct cli *cli, const struct words *w, const struct gate_options *gate, struct db *db)
{
    const struct publish_options options = {
        .author = cli_author(w->author), .note = w->note, .gate = *gate, .dry_run = w->dry_run};
    struct outcome o = {0};

    gate_report_init(&o.report);
    o.result = rule_publish(db, &options, &o.revision, &o.report, &o.err);
    if (o.result == 0 && !w->dry_run && w->wait_s > 0) {
        struct err err;
        o.awaited = rules_await(db, o.revision, (int64_t)w->wait_s * 1000, &o.instances, &err) == 0;
        if (!o.awaited)
            cli_fail(cli, "%s", err.text); /* it is published all the same */
    }
    int status = tell(cli, w, &o);
    awaited_release(&o.instances);
    gate_report_release(&o.report);
    return status;
}

int cli_rules_publish(struct cli *cli)
{
    struct words words = {0};
    struct gate_options gate;
    struct buf lexicon = BUF_INIT;

    if (!read_words(cli, &words))
        return cli->status;
    struct config *config = cli_config(cli);
    int status = CLI_FAILED;
    if (config && !read_gate_options(cli, &words, config, &lexicon, &gate)) {
        status = cli->status;
    } else if (config) {
        struct db *db = cli_open_database(cli, config);
        if (db)
            status = publish(cli, &words, &gate, db);
        db_close(db);
    }
    buf_release(&lexicon);
    config_free(config);
    return status;
}
