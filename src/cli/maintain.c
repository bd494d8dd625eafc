/* maintain.c - what the database needs done behind the loading; for a timer, as the owner of the tables. */
#include "base/json_write.h"
#include "cli/cli.h"
#include "cli/times.h"
#include "store/maintain.h"

#include <string.h>

struct telling {
    const struct cli *cli;
    bool json;
    int status;
};

static void told(const char *step, const char *what, const char *outcome, bool failed, void *arg)
{
    struct telling *telling = arg;
    struct buf out = BUF_INIT;

    if (telling->json) {
        buf_add_char(&out, '{');
        json_add_member_text(&out, "step", step);
        json_add_member_text(&out, "what", what);
        json_add_member_text(&out, "outcome", outcome);
        json_add_member_bool(&out, "failed", failed);
        buf_add_text(&out, "}\n");
    } else {
        buf_add_text(&out, step);
        buf_add_char(&out, ' ');
        buf_add_text(&out, what);
        buf_add_text(&out, failed ? " FAILED: " : ": ");
        buf_add_text(&out, outcome);
        buf_add_char(&out, '\n');
    }
    if (cli_print(telling->cli, &out) != CLI_FINE)
        telling->status = CLI_FAILED;
    buf_release(&out);
}

static bool is_step(const char *name)
{
    for (size_t i = 0; maintain_step_name(i); i++)
        if (strcmp(name, maintain_step_name(i)) == 0)
            return true;
    return false;
}

static int print_steps(const struct cli *cli)
{
    struct buf out = BUF_INIT;
    int status;

    for (size_t i = 0; maintain_step_name(i); i++)
        buf_addf(&out, "%-12s  %s\n", maintain_step_name(i), maintain_step_purpose(i));
    status = cli_print(cli, &out);
    buf_release(&out);
    return status;
}

int cli_maintain(struct cli *cli)
{
    struct telling telling = {.cli = cli, .status = CLI_FINE};
    struct maintain_options how = {.told = told, .arg = &telling};
    const char *at_most = NULL;
    bool list = false;
    const struct cli_option options[] = {
        {"dry-run", CLI_FLAG, &how.dry_run, NULL, "only say what would be done"},
        {"step", CLI_TEXT, &how.only_step, "NAME", "only this one; --steps lists them"},
        {"steps", CLI_FLAG, &list, NULL, "list the steps"},
        {"at-most", CLI_TEXT, &at_most, "DURATION", "begin nothing new after that, such as 2h"},
        {"json", CLI_FLAG, &telling.json, NULL, "one JSON object a line"},
        {0}};
    struct err err;
    struct db *db;

    if (!cli_options(cli, options))
        return cli->status;
    if (list)
        return print_steps(cli);
    if (how.only_step && !is_step(how.only_step))
        return cli_usage(cli, "\"%.40s\" is no step; --steps lists them", how.only_step);
    if (at_most && (!times_stretch(span_of(at_most), &how.at_most_us) || how.at_most_us == 0))
        return cli_usage(cli, "--at-most: \"%.40s\" is no duration such as 90s, 15m or 2h", at_most);
    db = cli_database(cli);
    if (!db)
        return CLI_FAILED;
    if (maintain_run(db, &how, &err) < 0)
        telling.status = cli_fail(cli, "%s", err.text);
    db_close(db);
    return telling.status;
}
