/* outbox.c - what is to be done through the REST API, for those without psql: list, settle, cancel. */
#include "cli/cli.h"
#include "cli/outbox_row.h"

#include <string.h>

enum { LIST_MOST = 10000 };

static int print_rows(const struct cli *cli, struct db_result *rows, bool json)
{
    struct buf out = BUF_INIT;
    int status;

    for (size_t i = 0; i < db_rows(rows); i++) {
        struct outbox_row row;

        outbox_row_at(&row, rows, i);
        (json ? outbox_row_json : outbox_row_text)(&out, &row);
    }
    status = cli_print(cli, &out);
    buf_release(&out);
    return status;
}

int cli_outbox_list(struct cli *cli)
{
    static const char *const states[] = {"held", "queued", "sending", "waiting",  "uncertain",
                                         "done", "failed", "expired", "cancelled"};
    const char *state = NULL, *group = NULL, *limit = "100";
    struct db_result *rows = NULL;
    bool json = false, known = false;
    uint64_t number;
    const struct cli_option options[] = {
        {"state", CLI_TEXT, &state, "STATE", "only these; left out, all that are not final"},
        {"group", CLI_TEXT, &group, "ID", "only of this room"},
        {"limit", CLI_TEXT, &limit, "N", "at most so many, the newest; left out, 100"},
        {"json", CLI_FLAG, &json, NULL, "one JSON object a line"},
        {0}};
    struct err err;
    struct db *db;
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    for (size_t i = 0; state && i < sizeof(states) / sizeof(*states); i++)
        known = known || strcmp(state, states[i]) == 0;
    if (state && !known)
        return cli_usage(cli,
                         "\"%.20s\" is no state; use held, queued, sending, waiting, uncertain, done, failed, "
                         "expired or cancelled",
                         state);
    if (!cli_number(cli, "--limit", limit, LIST_MOST, &number))
        return cli->status;
    db = cli_database(cli);
    if (!db)
        return CLI_FAILED;
    status = outbox_rows_list(&rows, db, state, group, limit, &err) < 0 ? cli_fail(cli, "%s", err.text)
                                                                        : print_rows(cli, rows, json);
    db_result_free(rows);
    db_close(db);
    return status;
}

/* Changes one row and shows it. decision NULL: cancels. */
static int change(struct cli *cli, const char *decision, const char *why, const char *author, bool json)
{
    const char *id = cli->arguments.items[0];
    const char *params[] = {cli_author(author), id, decision, why};
    struct outbox_row row;
    struct err err;
    struct db *db = cli_database(cli);
    int status, r;

    if (!db)
        return CLI_FAILED;
    r = decision
            ? db_query(db, NULL, "SELECT chatsluice.ask_settle($1, $2::uuid, $3, NULL, interval '10 minutes', $4)", 4,
                       params, &err)
            : db_query(db, NULL, "SELECT chatsluice.ask_move($1, $2::uuid, 'cancel', NULL, NULL, 'cancel', NULL, $3)",
                       3, (const char *[]){params[0], id, why}, &err);
    if (r == 0)
        r = outbox_row_find(&row, db, id, &err);
    if (r < 0) {
        status = cli_fail(cli, "%s", err.text);
    } else {
        status = print_rows(cli, row.rows, json);
        outbox_row_release(&row);
    }
    db_close(db);
    return status;
}

int cli_outbox_settle(struct cli *cli)
{
    static const char *const words[][2] = {{"delivered", "delivered"}, {"again", "send again"}, {"drop", "drop"}};
    const char *why = NULL, *author = NULL, *decision = NULL;
    bool json = false;
    const struct cli_option options[] = {{"why", CLI_TEXT, &why, "TEXT", "the reason, for the record"},
                                         {"author", CLI_TEXT, &author, "NAME", "who; left out, the user who runs this"},
                                         {"json", CLI_FLAG, &json, NULL, "one JSON object"},
                                         {0}};

    if (!cli_options(cli, options))
        return cli->status;
    for (size_t i = 0; cli->arguments.count == 2 && i < sizeof(words) / sizeof(*words); i++)
        if (strcmp(cli->arguments.items[1], words[i][0]) == 0)
            decision = words[i][1];
    if (!decision || !cli_is_uuid(cli->arguments.items[0]))
        return cli_usage(cli, "name the row's id and what became of it: delivered, again or drop");
    return change(cli, decision, why, author, json);
}

int cli_outbox_cancel(struct cli *cli)
{
    const char *why = NULL, *author = NULL;
    bool json = false;
    const struct cli_option options[] = {{"why", CLI_TEXT, &why, "TEXT", "the reason, for the record"},
                                         {"author", CLI_TEXT, &author, "NAME", "who; left out, the user who runs this"},
                                         {"json", CLI_FLAG, &json, NULL, "one JSON object"},
                                         {0}};

    if (!cli_options(cli, options))
        return cli->status;
    if (cli->arguments.count != 1 || !cli_is_uuid(cli->arguments.items[0]))
        return cli_usage(cli, "name the row's id");
    return change(cli, NULL, why, author, json);
}
