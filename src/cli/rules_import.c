#include "cli/cli.h"
#include "store/rule_store.h"

int cli_rules_import(struct cli *cli)
{
    bool prune = false;
    const char *author = NULL;
    const struct cli_option options[] = {
        {"prune", CLI_FLAG, &prune, NULL, "remove rules and lists that the files do not name"},
        {"author", CLI_TEXT, &author, "NAME", "who changes them, else the user who runs this"},
        {0}};
    struct faults faults = FAULTS_INIT;
    const struct rule *const *rules;
    const struct term_list *const *lists;
    struct err err;

    if (!cli_options(cli, options))
        return cli->status;
    if (cli->arguments.count == 0)
        return cli_usage(cli, "name the rule files to import");
    struct rule_document *doc = cli_read_rules(&cli->arguments, &faults);
    cli_print_faults(&faults);
    faults_release(&faults);
    if (!doc)
        return CLI_FAILED;

    struct db *db = cli_database(cli);
    int status = CLI_FAILED;
    if (db && rule_store_import(db, doc, prune, cli_author(author), &err) < 0)
        cli_fail(cli, "%s", err.text);
    else if (db)
        status = CLI_FINE;
    if (status == CLI_FINE)
        printf("imported %zu rules and %zu term lists; `chatsluice rules publish` puts them in force\n",
               rule_document_rules(doc, &rules), rule_document_lists(doc, &lists));
    db_close(db);
    rule_document_free(doc);
    return status;
}
