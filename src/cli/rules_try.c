/* rules_try.c - judges what stands on standard input and prints the verdicts (design.md section 11). */
#include "base/json_write.h"
#include "base/utf8.h"
#include "cli/hit_text.h"
#include "cli/marked_text.h"
#include "cli/rules_pick.h"
#include "rules/ruleset_priv.h" /* judge_with: a text comes from nowhere, whatever the phase */
#include "wire/callback.h"

#include <time.h>

enum { TRY_MAX_LINE = 4 * 1024 * 1024 };

struct trial {
    const struct cli *cli;
    struct picked_rules rules;
    struct judge *judge;
    struct callback_parser *parser; /* NULL: lines are texts */
    bool when_given;
    enum command when;
    bool json, explain, reverse;
    /* where a text comes from; NULL: not said */
    const char *group, *sender, *type;
    bool from_nowhere; /* no option says where from: rules take part whatever their scope */
    struct circumstances circumstances;
    bool failed;
};

/* Output ---------------------------------------------------------------------------------------------------------- */

struct judged { /* one line */
    const struct message *message;
    struct judged_text fields;
    struct verdict verdict;
    int64_t ns;
};

static int explain(const struct trial *t, const struct judged *j, size_t hit, struct explanation *out, struct err *err)
{
    return explain_hit(out, t->rules.doc, &j->verdict.hits[hit], j->message, &t->circumstances, err);
}

static void add_explanations_json(struct trial *t, struct buf *out, const struct judged *j)
{
    struct explanation e;
    struct err err;

    json_add_key(out, "explanations");
    buf_add_char(out, '[');
    for (size_t i = 0; i < j->verdict.hit_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        if (explain(t, j, i, &e, &err) < 0)
            t->failed = true;
        hit_explanation_json(out, &e);
        explanation_release(&e);
    }
    buf_add_char(out, ']');
}

static void add_json(struct trial *t, struct buf *out, const struct judged *j)
{
    const struct verdict *v = &j->verdict;

    buf_add_char(out, '{');
    json_add_member_text(out, "verdict", action_name(v->action));
    json_add_member_span(out, "becomes", v->becomes);
    json_add_member_text(out, "decided_by", decided_by_name(v->decided_by));
    json_add_key(out, "hits");
    verdict_hits_json(out, v, j->fields.text, j->fields.custom_data);
    json_add_member_text(out, "rule", v->rule);
    json_add_key(out, "us");
    buf_addf(out, "%.1f", (double)j->ns / 1000);
    if (t->explain)
        add_explanations_json(t, out, j);
    buf_add_text(out, "}\n");
}

static void add_text(struct trial *t, struct buf *out, const struct judged *j)
{
    static const char indent[] = "         ", deeper[] = "           ";
    const struct verdict *v = &j->verdict;
    bool delivered = v->action < ACTION_REJECT;
    struct explanation e;
    struct err err;

    buf_addf(out, "%-8s ", action_name(v->action));
    shown_text_add(out, v->becomes.data && delivered ? v->becomes : j->fields.text);
    if (v->action == ACTION_REJECT) {
        buf_addf(out, "  (code %d", v->error_code);
        if (v->error_info.len > 0) {
            buf_add_text(out, ": ");
            shown_text_add(out, v->error_info);
        }
        buf_add_char(out, ')');
    }
    buf_add_char(out, '\n');
    if (v->becomes.data && !delivered) {
        buf_addf(out, "%ssent again as: ", indent);
        shown_text_add(out, v->becomes);
        buf_add_char(out, '\n');
    }
    if (v->hit_count > 0)
        hit_text_marked(out, indent, &j->fields, v, t->reverse);
    for (size_t i = 0; i < v->hit_count; i++) {
        hit_text_add(out, indent, &j->fields, &v->hits[i]);
        if (!t->explain || hit_is_measure(&v->hits[i]))
            continue;
        if (explain(t, j, i, &e, &err) < 0)
            t->failed = cli_fail(t->cli, "%s", err.text);
        hit_text_explain(out, deeper, &e);
        explanation_release(&e);
    }
    if (v->hits_cut)
        buf_addf(out, "%s(and more)\n", indent);
    buf_addf(out, "%s%s%s%s, %.1f us\n", indent, v->rule ? "by rule " : "by ",
             v->rule ? v->rule : decided_by_name(v->decided_by),
             v->rule && v->decided_by != DECIDED_RULE ? ", out of bounds" : "", (double)j->ns / 1000);
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

static struct optional_text option_text(const char *text)
{
    return (struct optional_text){text ? GIVEN : MISSING, span_of(text)};
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void judge_line(struct trial *t, struct span line, size_t number, struct buf *out)
{
    struct text_piece piece = {.source = TEXT_TEXT, .len = (uint32_t)line.len};
    enum element_type element = ELEMENT_TEXT;
    struct message message = {.command = t->when,
                              .group_id = option_text(t->group),
                              .from_account = option_text(t->sender),
                              .operator_account = option_text(t->sender),
                              .type = option_text(t->type),
                              .text = line,
                              .pieces = &piece,
                              .piece_count = 1,
                              .elements = &element,
                              .element_count = 1};
    struct judge_options options = {.any_scope = t->from_nowhere && !t->parser};
    struct judged judged = {.message = &message};
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
    judged.fields = judged_text_of(&message);
    judged.ns = now_ns();
    judge_with(t->judge, t->rules.set, &message, &t->circumstances, &options, &judged.verdict);
    judged.ns = now_ns() - judged.ns;
    (t->json ? add_json : add_text)(t, out, &judged);
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
    struct verdict ignored;
    bool too_long;

    /* The first message makes the scratch; its time would say nothing of the others'. */
    judge_text(t->judge, t->rules.set, SPAN("a"), &ignored);
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
    struct trial t = {.cli = cli};
    struct cli_files files = {0};
    bool callback = false;
    const char *when = NULL, *platform = NULL, *app = NULL;
    const struct cli_option options[] = {
        {"rules", CLI_FILES, &files, "FILE...", "judge by these files, without a database"},
        {"callback", CLI_FLAG, &callback, NULL, "each line is a whole webhook body"},
        {"when", CLI_TEXT, &when, "before|after", "as which webhook; a text is a Before one if left out"},
        {"group", CLI_TEXT, &t.group, "ID", "the room a text is sent to; see below"},
        {"type", CLI_TEXT, &t.type, "TYPE", "that room's type: Public, Live..."},
        {"sender", CLI_TEXT, &t.sender, "ID", "who sends a text"},
        {"platform", CLI_TEXT, &platform, "NAME", "with what: iOS, Android, Web..."},
        {"app", CLI_TEXT, &app, "SDKAPPID", "in which application"},
        {"explain", CLI_FLAG, &t.explain, NULL, "show the folding steps that made each hit match"},
        {"json", CLI_FLAG, &t.json, NULL, "one JSON object a line"},
        {0}};
    unsigned long long sdkappid = 0;

    if (!cli_options(cli, options))
        return cli->status;
    if (when && strcmp(when, "before") != 0 && strcmp(when, "after") != 0)
        return cli_usage(cli, "--when is before or after");
    if (app && (!span_to_u64(span_of(app), &sdkappid) || sdkappid == 0))
        return cli_usage(cli, "--app is a number, the SdkAppid");
    if (callback && (t.group || t.type || t.sender))
        return cli_usage(cli, "a webhook body says itself its room and sender; leave out --group, --type and --sender");
    t.when_given = when != NULL;
    t.when = when && strcmp(when, "after") == 0 ? COMMAND_AFTER : COMMAND_BEFORE;
    t.from_nowhere = !t.group && !t.type && !t.sender && !platform && !app;
    t.circumstances = (struct circumstances){.sdkappid = sdkappid, .platform = span_of(platform)};
    t.reverse = terminal_marks();
    if (!pick_rules(cli, &files, &t.rules))
        return CLI_FAILED;
    t.judge = judge_new();
    t.parser = callback ? callback_parser_new() : NULL;
    if (t.judge && (t.parser || !callback))
        try_lines(&t);
    else
        t.failed = cli_fail(cli, "out of memory");
    callback_parser_free(t.parser);
    judge_free(t.judge);
    picked_release(&t.rules);
    return t.failed ? CLI_FAILED : CLI_FINE;
}
