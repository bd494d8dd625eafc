#include "cli/cli.h"
#include "store/rule_store.h"

#include <inttypes.h>

int cli_rules_publish(struct cli *cli)
{
    const char *note = NULL, *author = NULL;
    const struct cli_option options[] = {
        {"note", CLI_TEXT, &note, "TEXT", "why, for those who look back; wanted"},
        {"author", CLI_TEXT, &author, "NAME", "who publishes, else the user who runs this"},
        {0}};
    struct faults faults = FAULTS_INIT;
    uint64_t revision = 0;
    struct err err;

    if (!cli_options(cli, options))
        return cli->status;
    if (!note || !*note)
        return cli_usage(cli, "--note TEXT is wanted: say why");
    struct db *db = cli_database(cli);
    if (!db)
        return CLI_FAILED;
    int r = rule_store_publish(db, cli_author(author), note, &revision, &faults, &err);
    db_close(db);
    cli_print_faults(&faults);
    faults_release(&faults);
    /* Publishing the same again is fine: what was asked for is so. */
    if (r == ERR_CONFLICT && revision > 0) {
        printf("nothing has changed: revision %" PRIu64 " stays in force\n", revision);
        return CLI_FINE;
    }
    if (r < 0)
        return cli_fail(cli, "%s", err.text);
    printf("published revision %" PRIu64 "\n", revision);
    return CLI_FINE;
}
