/* rules_try.c - judges what stands on standard input and prints the verdicts (design.md section 11). */
#include "base/json_write.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "rules/judge.h"
#include "store/rule_store.h"
#include "wire/callback.h"

#include <inttypes.h>
#include <string.h>

enum { TRY_MAX_LINE = 4 * 1024 * 1024 };

struct trial {
    const struct cli *cli;
    struct ruleset *set;
    struct judge *judge;
    struct callback_parser *parser; /* NULL: lines are texts */
    bool when_given;
    enum command when;
    bool json;
    bool failed;
};

/* The rule set ---------------------------------------------------------------------------------------------------- */

static struct ruleset *set_of_files(const struct cli_files *files, struct faults *faults)
{
    struct rule_document *doc = cli_read_rules(files, faults);
    struct ruleset *set = NULL;

    if (doc)
        ruleset_compile(&set, doc, 0, NULL, faults);
    rule_document_free(doc);
    return set;
}

static struct ruleset *set_in_force(const struct cli *cli, struct faults *faults)
{
    struct buf checksum = BUF_INIT, text = BUF_INIT;
    struct rule_document *doc = NULL;
    struct ruleset *set = NULL;
    uint64_t revision = 0;
    struct err err;
    struct db *db = cli_database(cli);

    if (!db)
        return NULL;
    if (rule_store_current(db, &revision, &checksum, &text, &err) < 0)
        cli_fail(cli, "%s", err.text);
    else if (revision == 0)
        cli_fail(cli, "no rules are in force: publish some, or name files with --rules");
    else if (!(doc = rule_document_new()))
        cli_fail(cli, "out of memory");
    else if (rule_document_read_text(doc, "rule_revision", buf_span(&text), faults) == 0 &&
             rule_document_check(doc, faults) == 0)
        ruleset_compile(&set, doc, revision, NULL, faults);
    rule_document_free(doc);
    buf_release(&text);
    buf_release(&checksum);
    db_close(db);
    return set;
}

/* Output ---------------------------------------------------------------------------------------------------------- */

static struct span given(struct optional_text text)
{
    return text.presence == GIVEN ? text.text : (struct span){NULL, 0};
}

static void add_json(struct buf *out, const struct message *message, const struct verdict *v)
{
    buf_add_char(out, '{');
    json_add_member_text(out, "verdict", action_name(v->action));
    json_add_member_span(out, "becomes", v->becomes);
    json_add_member_text(out, "decided_by", decided_by_name(v->decided_by));
    json_add_key(out, "hits");
    verdict_hits_json(out, v, message->text, given(message->cloud_custom_data));
    buf_add_text(out, "}\n");
}

static void add_text(struct buf *out, const struct message *message, const struct verdict *v)
{
    static const char *const states[] = {[HIT_COUNTED] = "",
                                         [HIT_ALLOWED] = ", covered by an allow hit",
                                         [HIT_SHADOW] = ", only recorded: shadow",
                                         [HIT_ALLOW] = ", allows"};

    buf_addf(out, "%-8s ", action_name(v->action));
    buf_add_span(out, v->becomes.data ? v->becomes : message->text);
    if (v->action == ACTION_REJECT)
        buf_addf(out, "  (code %d%s%.*s)", v->error_code, v->error_info.len > 0 ? ": " : "", (int)v->error_info.len,
                 v->error_info.len > 0 ? v->error_info.data : "");
    buf_add_char(out, '\n');
    for (size_t i = 0; i < v->hit_count; i++) {
        const struct hit *hit = &v->hits[i];
        struct span field = hit->field == FIELD_TEXT ? message->text : given(message->cloud_custom_data);
        buf_addf(out, "         %s%s%s: bytes %" PRIu32 "-%" PRIu32 "%s \"", hit->rule, hit->list ? ", list " : "",
                 hit->list ? hit->list : "", hit->start, hit->end,
                 hit->field == FIELD_TEXT ? "" : " of CloudCustomData");
        if (hit->start <= hit->end && hit->end <= field.len)
            buf_add(out, field.data + hit->start, hit->end - hit->start);
        buf_addf(out, "\"%s\n", states[hit->state]);
    }
}

static void add_error(struct trial *t, struct buf *out, size_t line, const char *words)
{
    t->failed = true;
    if (!t->json) {
        cli_fail(t->cli, "line %zu: %s", line, words);
        return;
    }
    buf_add_char(out, '{');
    json_add_member_text(out, "error", words);
    buf_add_text(out, "}\n");
}

/* Input ----------------------------------------------------------------------------------------------------------- */

static void judge_line(struct trial *t, struct span line, size_t number, struct buf *out)
{
    struct text_piece piece = {.source = TEXT_TEXT, .len = (uint32_t)line.len};
    enum element_type element = ELEMENT_TEXT;
    struct message message = {
        .command = t->when, .text = line, .pieces = &piece, .piece_count = 1, .elements = &element, .element_count = 1};
    struct verdict verdict;
    struct err err;

    if (t->parser) {
        if (callback_parse(t->parser, line, &message, &err) < 0) {
            add_error(t, out, number, err.text);
            return;
        }
        if (t->when_given)
            message.command = t->when;
    } else if (utf8_valid_prefix(line.data, line.len) != line.len) {
        add_error(t, out, number, "the text is not valid UTF-8");
        return;
    }
    judge_message(t->judge, t->set, &message, NULL, &verdict);
    (t->json ? add_json : add_text)(out, &message, &verdict);
}

/* One line without its line feed. False at the end of the input. */
static bool read_line(struct buf *line, bool *too_long)
{
    int c = getc_unlocked(stdin);

    buf_reset(line);
    if (c == EOF)
        return false;
    for (; c != EOF && c != '\n'; c = getc_unlocked(stdin))
        buf_add_char(line, (char)c);
    *too_long = buf_failed(line);
    return true;
}

static void try_lines(struct trial *t)
{
    struct buf line, out = BUF_INIT;
    bool too_long;

    buf_init(&line, TRY_MAX_LINE);
    for (size_t number = 1; read_line(&line, &too_long); number++) {
        buf_reset(&out);
        if (too_long)
            add_error(t, &out, number, "the line is too long");
        else
            judge_line(t, (struct span){buf_text(&line), line.len}, number, &out);
        if (cli_print(t->cli, &out) != CLI_FINE) {
            t->failed = true;
            break;
        }
    }
    buf_release(&line);
    buf_release(&out);
}

int cli_rules_try(struct cli *cli)
{
    struct cli_files files = {0};
    bool json = false, callback = false;
    const char *when = NULL;
    const struct cli_option options[] = {
        {"rules", CLI_FILES, &files, "FILE...", "judge by these files, without a database"},
        {"callback", CLI_FLAG, &callback, NULL, "each line is a whole webhook body"},
        {"when", CLI_TEXT, &when, "before|after", "as which webhook; a text is a Before one if left out"},
        {"json", CLI_FLAG, &json, NULL, "one JSON object a line"},
        {0}};
    struct faults faults = FAULTS_INIT;
    struct trial t = {.cli = cli};

    if (!cli_options(cli, options))
        return cli->status;
    if (when && strcmp(when, "before") != 0 && strcmp(when, "after") != 0)
        return cli_usage(cli, "--when is before or after");
    t.when_given = when != NULL;
    t.when = when && strcmp(when, "after") == 0 ? COMMAND_AFTER : COMMAND_BEFORE;
    t.json = json;
    t.set = files.count > 0 ? set_of_files(&files, &faults) : set_in_force(cli, &faults);
    cli_print_faults(&faults);
    faults_release(&faults);
    if (!t.set)
        return CLI_FAILED;
    t.judge = judge_new();
    t.parser = callback ? callback_parser_new() : NULL;
    if (t.judge && (t.parser || !callback))
        try_lines(&t);
    else
        t.failed = cli_fail(cli, "out of memory");
    callback_parser_free(t.parser);
    judge_free(t.judge);
    ruleset_unref(t.set);
    return t.failed ? CLI_FAILED : CLI_FINE;
}
