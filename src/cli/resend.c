/* resend.c - a corrected or approved message, asked for on the command line: `moderation.resend` and
 * `moderation.approve` for those without psql. The text comes from a file or standard input, never from argv, which
 * everybody on the machine can read. */
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/outbox_row.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { TEXT_MAX = 12 << 10, WAIT_MAX_S = 86400 };

struct resending {
    const struct cli *cli;
    const char *event, *group, *text_file, *why, *author;
    uint64_t wait_s;
    bool original, again, keep_original, json, waits;
    struct buf text;
};

/* Reads all of it, without the line feed it ends with; false, and said so, when it cannot be sent. */
static bool read_text(struct resending *r)
{
    bool standard = strcmp(r->text_file, "-") == 0;
    FILE *file = standard ? stdin : fopen(r->text_file, "rb");
    char part[4096];
    size_t got;
    bool failed;

    if (!file)
        return cli_fail(r->cli, "could not open %s: %s", r->text_file, strerror(errno)), false;
    while (r->text.len <= TEXT_MAX && (got = fread(part, 1, sizeof(part), file)) > 0)
        buf_add(&r->text, part, got);
    failed = ferror(file) != 0;
    if (!standard)
        fclose(file);
    if (failed || buf_failed(&r->text))
        return cli_fail(r->cli, "could not read the text"), false;
    if (r->text.len > 0 && r->text.data[r->text.len - 1] == '\n')
        r->text.data[--r->text.len] = '\0';
    if (r->text.len == 0 || r->text.len > TEXT_MAX)
        return cli_fail(r->cli, r->text.len == 0 ? "there is no text" : "the text is longer than 12 KB"), false;
    if (utf8_valid_prefix(r->text.data, r->text.len) < r->text.len || memchr(r->text.data, '\0', r->text.len))
        return cli_fail(r->cli, "the text is not UTF-8, or has a zero byte in it"), false;
    return true;
}

static int enqueue(struct resending *r, struct db *db, char id[OUTBOX_ID], struct err *err)
{
    const char *params[] = {cli_author(r->author),
                            r->event,
                            r->original ? NULL : buf_text(&r->text),
                            r->group,
                            r->keep_original ? "false" : "true",
                            r->again ? "true" : "false",
                            r->original ? "approve" : "resend",
                            r->why};
    struct db_result *rows = NULL;
    int result = db_query(db, &rows,
                          "SELECT chatsluice.ask_send($1, 'command', $2::uuid, $3, $4, $5::boolean, $6::boolean, "
                          "interval '10 minutes', $7, $8)",
                          8, params, err);

    if (result == 0)
        snprintf(id, OUTBOX_ID, "%s", db_value(rows, 0, 0).data);
    db_result_free(rows);
    return result;
}

static int report(const struct resending *r, const struct outbox_row *row)
{
    struct buf out = BUF_INIT;
    int status;

    if (r->json)
        outbox_row_json(&out, row);
    else
        outbox_row_text(&out, row);
    status = cli_print(r->cli, &out);
    buf_release(&out);
    return status;
}

/* Looks after the row until it is final or uncertain, or the time is over. */
static int look_after(const struct resending *r, struct db *db, const char *id)
{
    int64_t until_us = clock_mono_us() + (int64_t)r->wait_s * 1000000;
    struct outbox_row row;
    bool over = !r->waits;
    int status;

    for (;;) {
        struct err err;

        if (outbox_row_find(&row, db, id, &err) < 0)
            return cli_fail(r->cli, "%s", err.text);
        if (over || row.final || span_is(row.state, "uncertain"))
            break;
        outbox_row_release(&row);
        over = clock_mono_us() >= until_us;
        if (!over)
            clock_sleep_ms(100);
    }
    status = report(r, &row);
    if (status == CLI_FINE && (r->waits || row.final) && !span_is(row.state, "done"))
        status = row.final || span_is(row.state, "uncertain")
                     ? CLI_FAILED
                     : cli_fail(r->cli, "not done within %" PRIu64 " s; it goes on", r->wait_s);
    outbox_row_release(&row);
    return status;
}

static int resend(struct resending *r)
{
    char id[OUTBOX_ID];
    struct err err;
    struct db *db = r->original || read_text(r) ? cli_database(r->cli) : NULL;
    int status;

    if (!db)
        return CLI_FAILED;
    if (enqueue(r, db, id, &err) < 0)
        status = cli_fail(r->cli, "%s", err.text);
    else
        status = look_after(r, db, id);
    db_close(db);
    return status;
}

int cli_resend(struct cli *cli)
{
    struct resending r = {.cli = cli};
    const char *wait = NULL;
    const struct cli_option options[] = {
        {"event", CLI_TEXT, &r.event, "ID", "the message, by the event_id of its Before or After webhook"},
        {"group", CLI_TEXT, &r.group, "ID", "the room: only makes finding it faster"},
        {"text-file", CLI_TEXT, &r.text_file, "FILE", "what to say instead; - reads standard input"},
        {"original", CLI_FLAG, &r.original, NULL, "say what it said: for a message that was rejected or discarded"},
        {"no-recall", CLI_FLAG, &r.keep_original, NULL, "of a message that was delivered: do not recall it first"},
        {"again", CLI_FLAG, &r.again, NULL, "although a correction of it was delivered already"},
        {"why", CLI_TEXT, &r.why, "TEXT", "the reason, for the record"},
        {"author", CLI_TEXT, &r.author, "NAME", "who asks; left out, the user who runs this"},
        {"wait", CLI_TEXT, &wait, "SECONDS", "wait for the outcome; status 0 only when it was delivered"},
        {"json", CLI_FLAG, &r.json, NULL, "one JSON object"},
        {0}};
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    if (!r.event || !cli_is_uuid(r.event))
        return cli_usage(cli, "--event wants the id of an event, a UUID");
    if (r.original == (r.text_file != NULL))
        return cli_usage(cli, "say either --original or --text-file");
    r.waits = wait != NULL;
    if (wait && !cli_number(cli, "--wait", wait, WAIT_MAX_S, &r.wait_s))
        return cli->status;
    status = resend(&r);
    buf_release(&r.text);
    return status;
}
