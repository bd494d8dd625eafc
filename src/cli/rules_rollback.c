#include "base/json_write.h"
#include "cli/cli.h"
#include "cli/rules_await.h"
#include "store/rollback.h"

#include <inttypes.h>

struct words {
    const char *note, *author, *wait;
    uint64_t to, wait_s;
    bool tables, json;
};

static bool read_words(struct cli *cli, struct words *w)
{
    const struct cli_option options[] = {
        {"note", CLI_TEXT, &w->note, "TEXT", "why, for those who look back; wanted"},
        {"author", CLI_TEXT, &w->author, "NAME", "who rolls back, else the user who runs this"},
        {"tables", CLI_FLAG, &w->tables, NULL, "set the tables back as well, removing what the revision has not"},
        {"wait", CLI_TEXT, &w->wait, "SECONDS", "for the instances to acknowledge, else 5; 0: do not wait"},
        {"json", CLI_FLAG, &w->json, NULL, "one JSON object"},
        {0}};

    w->wait_s = AWAIT_DEFAULT_S;
    if (!cli_options(cli, options))
        return false;
    if (!w->note || !*w->note)
        cli->status = cli_usage(cli, "--note TEXT is wanted: say why");
    else if (cli->arguments.count > 1)
        cli->status = cli_usage(cli, "\"%s\" is one word too many", cli->arguments.items[1]);
    else
        return (cli->arguments.count == 0 || cli_number(cli, "REVISION", cli->arguments.items[0], INT64_MAX, &w->to)) &&
               (!w->wait || cli_number(cli, "--wait", w->wait, AWAIT_MOST_S, &w->wait_s));
    return false;
}

static void add_text(struct buf *out, const struct words *w, const struct rollback_result *result,
                     const struct awaited *instances)
{
    buf_addf(out, "revision %" PRIu64 " is in force, with the rules of %" PRIu64 " in place of those of %" PRIu64 "\n",
             result->revision, result->restored, result->replaced);
    buf_add_text(out, w->tables
                          ? "the tables are set back too\n"
                          : "the tables stay as they are: the next `rules publish` publishes what stands in them\n");
    buf_add_span(out, buf_span(&instances->text));
}

static void add_json(struct buf *out, const struct words *w, const struct rollback_result *result,
                     const struct awaited *instances)
{
    buf_add_char(out, '{');
    json_add_member_u64(out, "revision", result->revision);
    json_add_member_u64(out, "restored", result->restored);
    json_add_member_u64(out, "replaced", result->replaced);
    json_add_member_bool(out, "tables", w->tables);
    json_add_key(out, "instances");
    buf_add_text(out, instances->json.len > 0 ? buf_text(&instances->json) : "null");
    buf_add_text(out, "}\n");
}

/* The note says which revision, so that the history reads by itself. */
static void note_of(struct buf *out, const struct words *w)
{
    if (w->to > 0)
        buf_addf(out, "back to revision %" PRIu64 ": ", w->to);
    else
        buf_add_text(out, "back to the revision before: ");
    buf_add_text(out, w->note);
}

static int roll_back(struct cli *cli, const struct words *w, struct db *db)
{
    struct buf note = BUF_INIT, out = BUF_INIT;
    struct rollback_result result;
    struct awaited instances = {0};
    struct faults faults = FAULTS_INIT;
    struct err err;

    note_of(&note, w);
    const struct rollback_options options = {
        .to = w->to, .author = cli_author(w->author), .note = buf_text(&note), .tables = w->tables};
    int r = rule_rollback(db, &options, &result, &faults, &err);
    cli_print_faults(&faults);
    faults_release(&faults);
    buf_release(&note);
    if (r < 0)
        return cli_fail(cli, "%s", err.text);
    if (w->wait_s > 0 && rules_await(db, result.revision, (int64_t)w->wait_s * 1000, &instances, &err) < 0)
        cli_fail(cli, "%s", err.text); /* it is in force all the same */
    (w->json ? add_json : add_text)(&out, w, &result, &instances);
    int status = cli_print(cli, &out);
    if (instances.refused > 0)
        status = cli_fail(cli, "%zu of the running instances refused the revision and keep the one before",
                          instances.refused);
    buf_release(&out);
    awaited_release(&instances);
    return status;
}

int cli_rules_rollback(struct cli *cli)
{
    struct words words = {0};

    if (!read_words(cli, &words))
        return cli->status;
    struct db *db = cli_database(cli);
    int status = db ? roll_back(cli, &words, db) : CLI_FAILED;
    db_close(db);
    return status;
}
