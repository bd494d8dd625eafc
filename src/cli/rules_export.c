#include "cli/cli.h"
#include "store/rule_store.h"

#include <errno.h>
#include <string.h>

static int write_file(const struct cli *cli, const char *path, const struct buf *out)
{
    FILE *file = fopen(path, "we");
    bool bad = !file || fwrite(buf_text(out), 1, out->len, file) != out->len;

    if (file && fclose(file) != 0)
        bad = true;
    return bad ? cli_fail(cli, "could not write \"%s\": %s", path, strerror(errno)) : CLI_FINE;
}

int cli_rules_export(struct cli *cli)
{
    bool json = false, yaml = false;
    const struct cli_option options[] = {{"yaml", CLI_FLAG, &yaml, NULL, "as a rule file, which is the default"},
                                         {"json", CLI_FLAG, &json, NULL, "as the JSON document of a revision"},
                                         {0}};
    struct faults faults = FAULTS_INIT;
    struct buf out = BUF_INIT;
    struct err err;

    if (!cli_options(cli, options))
        return cli->status;
    if (json && yaml)
        return cli_usage(cli, "--json and --yaml exclude each other");
    if (cli->arguments.count > 1)
        return cli_usage(cli, "\"%s\" is one word too many", cli->arguments.items[1]);

    struct db *db = cli_database(cli);
    struct rule_document *doc = db ? rule_document_new() : NULL;
    int status = CLI_FAILED;
    if (doc && rule_store_export(db, doc, &faults, &err) < 0) {
        cli_print_faults(&faults);
        cli_fail(cli, "%s", err.text);
    } else if (doc) {
        if (json) {
            rule_document_write_json(doc, &out);
            buf_add_char(&out, '\n');
        } else {
            rule_document_write_yaml(doc, &out);
        }
        status = cli->arguments.count == 0 || buf_failed(&out) ? cli_print(cli, &out)
                                                               : write_file(cli, cli->arguments.items[0], &out);
    }
    buf_release(&out);
    faults_release(&faults);
    rule_document_free(doc);
    db_close(db);
    return status;
}
