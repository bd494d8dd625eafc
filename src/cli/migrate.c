/* migrate.c - the schema, brought up to date by hand. */
#include "cli/cli.h"
#include "store/migrate.h"

static void print_applied(unsigned version, const char *name, void *arg)
{
    printf("%s %04u %s\n", (const char *)arg, version, name);
    fflush(stdout);
}

int cli_migrate(struct cli *cli)
{
    bool dry_run = false;
    const struct cli_option options[] = {{"dry-run", CLI_FLAG, &dry_run, NULL, "only say what would be done"}, {0}};
    char applied[] = "applied", missing[] = "missing";
    unsigned version = 0;
    struct err err;

    if (!cli_options(cli, options))
        return cli->status;
    struct db *db = cli_database(cli);
    if (!db)
        return CLI_FAILED;
    int r = migrate_run(db, dry_run, print_applied, dry_run ? missing : applied, &err);
    if (r == 0)
        r = migrate_database_version(db, &version, &err);
    db_close(db);
    if (r < 0)
        return cli_fail(cli, "%s", err.text);
    printf("the database is at version %u of %u\n", version, migrate_known_version());
    return CLI_FINE;
}
