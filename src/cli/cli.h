/* cli.h - what the subcommands share: the command table, options, and the conventions of all of them.
 *
 * Results go to standard output, everything else to standard error. Exit status: 0 fine, 1 failed, 2 wrong usage. A
 * command's function declares its options, calls cli_options() and goes on when that says so:
 *
 *     const char *note = NULL;
 *     const struct cli_option options[] = {{"note", CLI_TEXT, &note, "TEXT", "why"}, {0}};
 *     if (!cli_options(cli, options))
 *         return cli->status; */
#ifndef CHATSLUICE_CLI_CLI_H
#define CHATSLUICE_CLI_CLI_H

#include "base/config.h"
#include "rules/ruleset.h"
#include "store/db.h"

#include <stdio.h>

enum cli_status { CLI_FINE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum { CLI_MAX_FILES = 256 };

/* File names given to an option that takes several, or as arguments. */
struct cli_files {
    const char *items[CLI_MAX_FILES];
    size_t count;
    bool given; /* the option was there, perhaps without names */
};

enum cli_kind {
    CLI_FLAG,  /* bool */
    CLI_TEXT,  /* const char * */
    CLI_FILES, /* struct cli_files: all that follow up to the next option */
    CLI_NAMES, /* the same, but none need follow */
};

struct cli_option {
    const char *name; /* without "--"; NULL ends the list */
    enum cli_kind kind;
    void *into;
    const char *value; /* what the help calls the value, NULL for a flag */
    const char *help;
};

struct cli {
    const struct cli_command *command;
    int argc; /* words after the command's name */
    char **argv;
    const char *config_path;    /* --config, which every command takes */
    struct cli_files arguments; /* words that are no options */
    int status;                 /* when cli_options() says false: what to exit with */
};

struct cli_command {
    const char *name;      /* "rules publish" */
    const char *arguments; /* "FILE...", NULL: takes none */
    const char *summary;   /* one line */
    const char *details;   /* more for --help, NULL: nothing */
    int (*run)(struct cli *cli);
};

extern const struct cli_command cli_commands[]; /* ended by name NULL */

int cli_main(int argc, char **argv);

int cli_serve(struct cli *cli);
int cli_check(struct cli *cli);
int cli_migrate(struct cli *cli);
int cli_maintain(struct cli *cli);
int cli_rules_import(struct cli *cli);
int cli_rules_export(struct cli *cli);
int cli_rules_list(struct cli *cli);
int cli_rules_publish(struct cli *cli);
int cli_rules_history(struct cli *cli);
int cli_rules_diff(struct cli *cli);
int cli_rules_rollback(struct cli *cli);
int cli_rules_try(struct cli *cli);
int cli_rules_why(struct cli *cli);
int cli_rules_replay(struct cli *cli);
int cli_rules_evade(struct cli *cli);
int cli_rules_lint(struct cli *cli);
int cli_resend(struct cli *cli);
int cli_outbox_list(struct cli *cli);
int cli_outbox_settle(struct cli *cli);
int cli_outbox_cancel(struct cli *cli);
int cli_audit_verify(struct cli *cli);
int cli_audit_export(struct cli *cli);
int cli_rollup_rebuild(struct cli *cli);
int cli_report(struct cli *cli);
int cli_usersig(struct cli *cli);
int cli_spool_status(struct cli *cli);
int cli_spool_verify(struct cli *cli);
int cli_spool_export(struct cli *cli);

/* Reads the options of the command into where they point. False when there is nothing more to do: help was asked for
 * and printed, or the words are wrong and that was said. */
bool cli_options(struct cli *cli, const struct cli_option *options);

/* Reads the value of an option, or an argument, as a number up to max; false, and said so, when it is none. */
bool cli_number(struct cli *cli, const char *what, const char *text, uint64_t max, uint64_t *out);

/* Whether text has the form of a UUID; whether it is one the database says. */
bool cli_is_uuid(const char *text);

/* "chatsluice COMMAND: words" on standard error; returns the status. */
int cli_fail(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int cli_usage(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints out to standard output; CLI_FAILED when that or the buffer failed. */
int cli_print(const struct cli *cli, const struct buf *out);

/* --config, else config/chatsluice.yaml, else /etc/chatsluice/chatsluice.yaml, else NULL: the environment alone. */
const char *cli_config_path(const struct cli *cli);
/* NULL when the configuration is wrong; faults and warnings have then been printed. Applications may be missing. */
struct config *cli_config(const struct cli *cli);
/* Opens the configured database; NULL, and said why, when that cannot be done. */
struct db *cli_database(const struct cli *cli);
struct db *cli_open_database(const struct cli *cli, const struct config *config);

/* Reads and checks rule files into a document; faults go to *faults. NULL when there were any. */
struct rule_document *cli_read_rules(const struct cli_files *files, struct faults *faults);
void cli_print_faults(const struct faults *faults);
/* --author, else the name of the user who runs the command. */
const char *cli_author(const char *given);

#endif
