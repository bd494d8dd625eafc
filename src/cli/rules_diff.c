#include "cli/cli.h"
#include "store/rule_diff.h"
#include "store/rule_revision.h"

static int show(const struct cli *cli, struct db *db, const uint64_t revisions[2], bool json)
{
    struct rule_document *documents[2] = {NULL, NULL};
    struct rule_diff diff = {0};
    struct buf out = BUF_INIT;
    struct err err;
    int r = 0;

    for (size_t i = 0; r == 0 && i < 2; i++)
        r = rule_revision_document(db, revisions[i], &documents[i], &err);
    if (r == 0)
        r = rule_diff_make(&diff, documents[0], documents[1], &err);
    int status = CLI_FAILED;
    if (r < 0) {
        cli_fail(cli, "%s", err.text);
    } else {
        if (json) {
            rule_diff_json(&diff, &out);
            buf_add_char(&out, '\n');
        } else {
            rule_diff_text(&diff, "", &out);
        }
        status = cli_print(cli, &out);
    }
    buf_release(&out);
    rule_diff_release(&diff);
    rule_document_free(documents[0]);
    rule_document_free(documents[1]);
    return status;
}

int cli_rules_diff(struct cli *cli)
{
    bool json = false;
    const struct cli_option options[] = {{"json", CLI_FLAG, &json, NULL, "one JSON object"}, {0}};
    uint64_t revisions[2];

    if (!cli_options(cli, options))
        return cli->status;
    if (cli->arguments.count != 2)
        return cli_usage(cli, "name two revisions");
    for (size_t i = 0; i < 2; i++)
        if (!cli_number(cli, "REVISION", cli->arguments.items[i], INT64_MAX, &revisions[i]))
            return cli->status;
    struct db *db = cli_database(cli);
    int status = db ? show(cli, db, revisions, json) : CLI_FAILED;
    db_close(db);
    return status;
}
