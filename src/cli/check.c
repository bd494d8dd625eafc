/* check.c - configuration and rules are read as serve and publish would, and every fault is named. */
#include "cli/cli.h"

static void check_rules(const struct cli *cli, struct faults *faults)
{
    size_t before = faults->count;
    struct rule_document *doc = cli_read_rules(&cli->arguments, faults);
    struct ruleset *set = NULL;

    if (doc && ruleset_compile(&set, doc, 0, NULL, faults) == 0)
        printf("rules: fine, %zu rules, %zu terms\n", ruleset_rule_count(set), ruleset_term_count(set));
    else if (faults->count == before)
        faults_add(faults, "rules", 0, 0, "they could not be compiled");
    if (doc)
        rule_document_warn_unused(doc, faults);
    ruleset_unref(set);
    rule_document_free(doc);
}

static int print_defaults(const struct cli *cli)
{
    struct buf out = BUF_INIT;

    config_print_defaults(&out);
    int status = cli_print(cli, &out);
    buf_release(&out);
    return status;
}

/* An empty line when it is not set. */
static int print_value(const struct cli *cli, const char *key)
{
    struct config *config = cli_config(cli);
    const char *value;
    int status = CLI_FINE;

    if (!config)
        return CLI_FAILED;
    if (config_text(config, key, &value))
        puts(value ? value : "");
    else
        status = cli_fail(cli, "there is no key \"%s\" that is a text", key);
    config_free(config);
    return status;
}

int cli_check(struct cli *cli)
{
    bool defaults = false;
    const char *key = NULL;
    const struct cli_option options[] = {
        {"defaults", CLI_FLAG, &defaults, NULL, "print every key with its default instead"},
        {"get", CLI_TEXT, &key, "KEY", "print the value of one key that is a text, like database.url, instead"},
        {0}};
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;

    if (!cli_options(cli, options))
        return cli->status;
    if (defaults)
        return print_defaults(cli);
    if (key)
        return print_value(cli, key);

    const char *path = cli_config_path(cli);
    /* Whoever asks about rules alone need not have an application yet. */
    if ((cli->arguments.count > 0 ? config_load_for_tools : config_load)(&config, path, &faults) == 0)
        printf("%s: fine\n", path ? path : "environment");
    if (cli->arguments.count > 0)
        check_rules(cli, &faults);
    cli_print_faults(&faults);
    if (faults.count > 0)
        cli_fail(cli, "%zu fault%s", faults.count, faults.count == 1 ? "" : "s");
    int status = faults.count > 0 ? CLI_FAILED : CLI_FINE;
    config_free(config);
    faults_release(&faults);
    return status;
}
