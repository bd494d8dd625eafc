#include "cli/cli.h"

#include "cli/privileges.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_CONFIG "/etc/chatsluice/chatsluice.yaml"
#define LOCAL_CONFIG  "config/chatsluice.yaml"

const struct cli_command cli_commands[] = {
    {"serve", NULL, "receive, judge, spool, load and correct: the one long-running process",
     "SIGHUP reads the configuration again and looks for new rules. SIGTERM and SIGINT answer what is under way, then\n"
     "end; a second one ends at once.",
     cli_serve},
    {"check", "[RULES.yaml...]", "read configuration and rule files and name every fault in them", NULL, cli_check},
    {"migrate", NULL, "bring the database to the schema of this version", NULL, cli_migrate},
    {"maintain", NULL, "do what the database needs behind the loading; for a timer",
     "As the owner of the tables, on a direct connection. It can be repeated and broken off at any time, and holds up no\n"
     "running service. Status 1 when something was not done.",
     cli_maintain},
    {"rules import", "FILE...", "put rule files into the database's tables",
     "Rules and lists of the files are added or replaced. Nothing changes for the rooms until `rules publish`.",
     cli_rules_import},
    {"rules export", "[FILE]", "write the database's tables as a rule file", NULL, cli_rules_export},
    {"rules list", NULL, "list the rules and term lists of the database, and the revision in force", NULL,
     cli_rules_list},
    {"rules publish", NULL, "make the tables' content the revision in force",
     "All of it is compiled and its examples are run first, lists that got lost refuse, harmless texts and the newest\n"
     "stored events are judged by it. Then it waits until every running instance has acknowledged.",
     cli_rules_publish},
    {"rules history", NULL, "list the published revisions: who, when, why, and which instances took them", NULL,
     cli_rules_history},
    {"rules diff", "REVISION REVISION", "what the second revision changes against the first", NULL, cli_rules_diff},
    {"rules rollback", "[REVISION]", "put an earlier revision in force again, as a new one",
     "Left out, REVISION is the newest before the one in force that says something else. The tables stay as they are,\n"
     "and the next `rules publish` publishes them, unless --tables sets them back too.",
     cli_rules_rollback},
    {"rules try", NULL, "judge texts from standard input, one a line",
     "By rule files, for which no database is needed, or else by the revision in force. A text comes from nowhere, and rules\n"
     "look at it whatever their scope, unless an option says where it comes from.",
     cli_rules_try},
    {"rules why", "[EVENT]", "show why a stored event was answered as it was",
     "It is judged again by the revision in force then, hit by hit with the steps that made it match, and by the revision in\n"
     "force now. How often the sender spoke is not stored: whether rates and repetitions held is taken from the record.\n"
     "Status 1 when judging it again says something else than was answered.",
     cli_rules_why},
    {"rules replay", NULL, "show what candidate rules would have answered differently",
     "Stored events are judged by the candidate and by the revision in force, or another: what would be newly blocked, newly\n"
     "let through or rewritten otherwise, by rule and room, with samples. Rates and repetitions do not hold in it.",
     cli_rules_replay},
    {"rules lint", "[FILE...]", "name what is odd about rules that are right",
     "Of rule files or else of the database's tables: rules that cannot hold, terms that hit harmless texts or that another\n"
     "term makes needless, lists nobody uses, and with --traffic terms that never hit.",
     cli_rules_lint},
    {"rules evade", "TERM", "make the usual evasions of a term and show which are caught",
     "By rule files, by one list's folding, by a folding alone, or else by the revision in force. For each class of evasion\n"
     "it shows what got through and which steps, added to the folding, would catch it.",
     cli_rules_evade},
    {"resend", NULL, "ask for a corrected or an approved message",
     "The text comes from a file or standard input. At most one correction of a message is under way: asking again for the\n"
     "same gives the same row. Status 1 when it was refused, or with --wait when it was not delivered.",
     cli_resend},
    {"outbox list", NULL, "list what is to be done through the REST API, and what came of it",
     "Left out, --state means all that are not final: held, queued, sending, waiting and uncertain.", cli_outbox_list},
    {"outbox settle", "ID delivered|again|drop", "decide about a row that nothing told the outcome of",
     "delivered: it is in the room. again: it is not, send it. drop: let it be.", cli_outbox_settle},
    {"outbox cancel", "ID", "take back what was not sent yet", NULL, cli_outbox_cancel},
    {"audit verify", NULL, "prove that no stored event was changed, removed or inserted",
     "Names what was, the first first, and ends with status 1. --from and --to speak of event times; left out, it is all.\n"
     "Checkpoints are checked with --public-key, or the key of audit.key. --checkpoints names a copy of the file\n"
     "`checkpoints` that was kept elsewhere: against it even a history that was rewritten whole is found out.",
     cli_audit_verify},
    {"audit export", NULL, "write events with their proof, for somebody without the database",
     "The bytes that were digested, the blocks up to the next checkpoint, its signature and the public key; a short script\n"
     "in the README checks them with openssl. They hold what people wrote: hand them on as such.",
     cli_audit_export},
    {"rollup rebuild", NULL, "count the rollups of some days anew from the stored events",
     "All days, in UTC, that --from and --to touch, one transaction each. Instances may go on loading and counting. A day of\n"
     "which no event is stored any more stays as it is.",
     cli_rollup_rebuild},
    {"report", NULL, "the figures of a period for auditors, frozen as of a moment",
     "As a page of HTML, CSV or JSON. The same question about the same moment gives the same bytes later, by the same version\n"
     "of the program. It needs the right to call moderation.report, and names offenders to who may call report_people.",
     cli_report},
    {"usersig", NULL, "make a UserSig with the configured secret_key, or take one apart", NULL, cli_usersig},
    {"spool status", NULL, "what the spool holds, read without its process or the database", NULL, cli_spool_status},
    {"spool verify", NULL, "read every record of the spool and name damage", NULL, cli_spool_verify},
    {"spool export", NULL, "print the records of the spool as JSON, one a line", NULL, cli_spool_export},
    {0},
};

static void print_version(void)
{
    puts("chatsluice " CHATSLUICE_VERSION);
}

/* Finding the command --------------------------------------------------------------------------------------------- */

static void print_commands(FILE *to)
{
    fputs("usage: chatsluice COMMAND [OPTION...]\n\n", to);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        fprintf(to, "  %-14s  %s\n", c->name, c->summary);
    fputs("\n  COMMAND --help  says more about one\n"
          "  --version       prints the version\n"
          "\nEvery command takes --config FILE; left out, it is " LOCAL_CONFIG " or else\n" SYSTEM_CONFIG ".\n",
          to);
}

/* The command whose name argv begins with, and the number of words it has. */
static const struct cli_command *find_command(int argc, char **argv, int *words)
{
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        size_t len = strcspn(c->name, " ");
        bool two = c->name[len] == ' ';
        if (strncmp(c->name, argv[0], len) == 0 && argv[0][len] == '\0' &&
            (!two || (argc > 1 && strcmp(c->name + len + 1, argv[1]) == 0))) {
            *words = two ? 2 : 1;
            return c;
        }
    }
    return NULL;
}

static int unknown_command(int argc, char **argv)
{
    const char *names[sizeof(cli_commands) / sizeof(*cli_commands)];
    size_t count = 0;
    char words[64];
    bool group = false;

    for (const struct cli_command *c = cli_commands; c->name; c++) {
        names[count++] = c->name;
        size_t len = strcspn(c->name, " ");
        group = group || (c->name[len] == ' ' && strlen(argv[0]) == len && strncmp(c->name, argv[0], len) == 0);
    }
    bool second = argc > 1 && argv[1][0] != '-';
    snprintf(words, sizeof(words), "%s%s%s", argv[0], group && second ? " " : "", group && second ? argv[1] : "");
    if (group && !second) {
        FILE *to = argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr;
        for (const struct cli_command *c = cli_commands; c->name; c++)
            if (strncmp(c->name, argv[0], strlen(argv[0])) == 0 && c->name[strlen(argv[0])] == ' ')
                fprintf(to, "  chatsluice %-14s  %s\n", c->name, c->summary);
        return to == stdout ? CLI_FINE : CLI_USAGE;
    }
    const char *near = faults_suggest(words, names, count);
    fprintf(stderr, "chatsluice: \"%s\" is no command", words);
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?\n", near);
    else
        fputs("; `chatsluice --help` lists them\n", stderr);
    return CLI_USAGE;
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    int words;

    if (argc < 2) {
        print_commands(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_commands(stdout);
        return CLI_FINE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return CLI_FINE;
    }
    cli.command = find_command(argc - 1, argv + 1, &words);
    if (!cli.command)
        return unknown_command(argc - 1, argv + 1);
    privileges_keep_memory_private();
    cli.argc = argc - 1 - words;
    cli.argv = argv + 1 + words;
    return cli.command->run(&cli);
}

/* Options --------------------------------------------------------------------------------------------------------- */

static void print_option(const char *name, const char *value, const char *help)
{
    char left[40];

    snprintf(left, sizeof(left), "--%s%s%s", name, value ? " " : "", value ? value : "");
    printf("  %-18s  %s\n", left, help);
}

static void print_help(const struct cli *cli, const struct cli_option *options)
{
    const struct cli_command *c = cli->command;

    printf("usage: chatsluice %s [OPTION...]%s%s\n\n%s\n", c->name, c->arguments ? " " : "",
           c->arguments ? c->arguments : "", c->summary);
    if (c->details)
        printf("%s\n", c->details);
    putchar('\n');
    for (const struct cli_option *o = options; o->name; o++)
        print_option(o->name, o->value, o->help);
    print_option("config", "FILE", "the configuration, else " LOCAL_CONFIG " or " SYSTEM_CONFIG);
    print_option("help", NULL, "this text");
    print_option("version", NULL, "the version of the program");
}

static const struct cli_option *find_option(const struct cli_option *options, const char *name, size_t len)
{
    for (const struct cli_option *o = options; o->name; o++)
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static int unknown_option(const struct cli *cli, const struct cli_option *options, const char *word, size_t len)
{
    const char *names[32] = {"config", "help"};
    size_t count = 2;
    char name[64];

    for (const struct cli_option *o = options; o->name && count < 32; o++)
        names[count++] = o->name;
    snprintf(name, sizeof(name), "%.*s", (int)len, word);
    const char *near = faults_suggest(name, names, count);
    if (near)
        return cli_usage(cli, "there is no option --%s; did you mean --%s?", name, near);
    return cli_usage(cli, "there is no option --%s", name);
}

static bool add_file(const struct cli *cli, struct cli_files *files, const char *name)
{
    if (files->count == CLI_MAX_FILES) {
        cli_usage(cli, "at most %d files are possible", CLI_MAX_FILES);
        return false;
    }
    files->items[files->count++] = name;
    return true;
}

/* The option at argv[*at], with its values; *at moves past them. */
static bool read_option(struct cli *cli, const struct cli_option *options, int *at)
{
    const struct cli_option config = {"config", CLI_TEXT, &cli->config_path, "FILE", ""};
    const char *word = cli->argv[(*at)++] + 2;
    size_t len = strcspn(word, "=");
    const char *value = word[len] == '=' ? word + len + 1 : NULL;
    const struct cli_option *o =
        len == 6 && strncmp(word, "config", 6) == 0 ? &config : find_option(options, word, len);

    cli->status = CLI_USAGE;
    if (!o)
        return unknown_option(cli, options, word, len), false;
    if (o->kind == CLI_FLAG) {
        if (value)
            return cli_usage(cli, "--%s takes no value", o->name), false;
        *(bool *)o->into = true;
        return true;
    }
    if (o->kind == CLI_NAMES)
        ((struct cli_files *)o->into)->given = true;
    if (!value && o->kind != CLI_NAMES && (*at == cli->argc || strncmp(cli->argv[*at], "--", 2) == 0))
        return cli_usage(cli, "--%s wants %s", o->name, o->value), false;
    if (!value && o->kind != CLI_NAMES)
        value = cli->argv[(*at)++];
    if (o->kind == CLI_TEXT) {
        *(const char **)o->into = value;
        return true;
    }
    if (value && !add_file(cli, o->into, value))
        return false;
    while (*at < cli->argc && strncmp(cli->argv[*at], "--", 2) != 0)
        if (!add_file(cli, o->into, cli->argv[(*at)++]))
            return false;
    return true;
}

bool cli_options(struct cli *cli, const struct cli_option *options)
{
    int at = 0;
    bool only_arguments = false;

    for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
        if (strcmp(cli->argv[i], "--help") == 0)
            print_help(cli, options);
        else if (strcmp(cli->argv[i], "--version") == 0)
            print_version();
        else
            continue;
        cli->status = CLI_FINE;
        return false;
    }
    while (at < cli->argc) {
        const char *word = cli->argv[at];
        if (!only_arguments && strcmp(word, "--") == 0) {
            only_arguments = true;
            at++;
        } else if (!only_arguments && strncmp(word, "--", 2) == 0) {
            if (!read_option(cli, options, &at))
                return false;
        } else {
            if (!add_file(cli, &cli->arguments, word))
                return cli->status = CLI_USAGE, false;
            at++;
        }
    }
    if (!cli->command->arguments && cli->arguments.count > 0) {
        cli->status = cli_usage(cli, "\"%s\" is one word too many", cli->arguments.items[0]);
        return false;
    }
    return true;
}

/* Conventions ----------------------------------------------------------------------------------------------------- */

static void complain(const struct cli *cli, const char *fmt, va_list args)
{
    fprintf(stderr, "chatsluice %s: ", cli->command->name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

int cli_fail(const struct cli *cli, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    complain(cli, fmt, args);
    va_end(args);
    return CLI_FAILED;
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    complain(cli, fmt, args);
    va_end(args);
    fprintf(stderr, "`chatsluice %s --help` says what is possible\n", cli->command->name);
    return CLI_USAGE;
}

bool cli_number(struct cli *cli, const char *what, const char *text, uint64_t max, uint64_t *out)
{
    unsigned long long number;

    if (!span_to_u64(span_of(text), &number) || number > max) {
        cli->status = cli_usage(cli, "%s: \"%.40s\" is no number from 0 to %llu", what, text, (unsigned long long)max);
        return false;
    }
    *out = number;
    return true;
}

bool cli_is_uuid(const char *text)
{
    return strlen(text) == 36 && strspn(text, "0123456789abcdefABCDEF-") == 36;
}

int cli_print(const struct cli *cli, const struct buf *out)
{
    if (buf_failed(out))
        return cli_fail(cli, "out of memory");
    if (fwrite(buf_text(out), 1, out->len, stdout) != out->len || fflush(stdout) != 0)
        return cli_fail(cli, "could not write to standard output");
    return CLI_FINE;
}

void cli_print_faults(const struct faults *faults)
{
    size_t count = faults->count + faults->warnings;

    fputs(buf_text(&faults->text), stderr);
    if (count > (size_t)FAULTS_KEPT)
        fprintf(stderr, "and %zu more\n", count - (size_t)FAULTS_KEPT);
}

const char *cli_config_path(const struct cli *cli)
{
    if (cli->config_path)
        return cli->config_path;
    if (access(LOCAL_CONFIG, F_OK) == 0)
        return LOCAL_CONFIG;
    return access(SYSTEM_CONFIG, F_OK) == 0 ? SYSTEM_CONFIG : NULL;
}

struct config *cli_config(const struct cli *cli)
{
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;

    config_load_for_tools(&config, cli_config_path(cli), &faults);
    cli_print_faults(&faults);
    faults_release(&faults);
    return config;
}

struct db *cli_open_database(const struct cli *cli, const struct config *config)
{
    struct db *db = NULL;
    struct err err;

    if (!config->database.url)
        cli_fail(cli, "no database is configured; set database.url or CHATSLUICE_DATABASE_URL");
    else if (db_open(&db, config->database.url, "chatsluice", config->database.connect_timeout_ms, &err) < 0)
        cli_fail(cli, "%s", err.text);
    return db;
}

struct db *cli_database(const struct cli *cli)
{
    struct config *config = cli_config(cli);
    struct db *db = config ? cli_open_database(cli, config) : NULL;

    config_free(config);
    return db;
}

struct rule_document *cli_read_rules(const struct cli_files *files, struct faults *faults)
{
    struct rule_document *doc = rule_document_new();
    bool bad = !doc;

    if (!doc)
        faults_add(faults, "rules", 0, 0, "out of memory");
    for (size_t i = 0; doc && i < files->count; i++)
        bad |= rule_document_read_file(doc, files->items[i], faults) < 0;
    /* Looking at the whole makes sense only when all of it could be read. */
    if (!bad)
        bad = rule_document_check(doc, faults) < 0;
    if (bad) {
        rule_document_free(doc);
        doc = NULL;
    }
    return doc;
}

const char *cli_author(const char *given)
{
    const struct passwd *user = given ? NULL : getpwuid(getuid());

    return given ? given : user ? user->pw_name : "unknown";
}
