/* rules_evade.c - makes the evasions of a term, judges each, and says which get through and what would stop them. */
#include "base/json_write.h"
#include "cli/hit_text.h"
#include "cli/marked_text.h"
#include "cli/rules_pick.h"
#include "rules/tools/evade.h"
#include "rules/tools/probe.h"
#include "rules/language/rule_names.h"
#include "wire/callback.h"

#include <stdlib.h>

enum { MOST_DEFAULT = 50, SHOWN = 8 };

struct evading {
    const struct cli *cli;
    struct span term;
    struct picked_rules rules; /* doc NULL: a folding alone */
    struct ruleset *probe;     /* what judges, when it is not rules.set */
    const char *list;          /* of the term, NULL: unknown */
    struct fold_spec folding;  /* of that list */
    enum term_boundary boundary;
    struct judge *judge;
    struct callback_parser *parser;
    struct evasions *evasions;
    bool json, all;
    size_t caught, total;
    bool failed;
};

/* Judging --------------------------------------------------------------------------------------------------------- */

/* Whether something other than an allow rule found it. */
static bool is_found(const struct verdict *v)
{
    for (size_t i = 0; i < v->hit_count; i++) {
        const struct hit *hit = &v->hits[i];
        bool allows = hit->action == ACTION_ALLOW && !hit->scorecard;

        if (!allows && hit->state != HIT_ALLOWED && !hit_is_measure(hit))
            return true;
    }
    return v->action != ACTION_ALLOW;
}

static bool finds_text(struct evading *e, const struct ruleset *set, struct span text)
{
    struct verdict verdict;

    judge_text(e->judge, set, text, &verdict);
    return is_found(&verdict);
}

static bool finds_body(struct evading *e, const struct ruleset *set, const struct evade_variant *v)
{
    struct buf body = BUF_INIT;
    struct message message;
    struct err err;
    bool found = false;

    evade_body(v, &body);
    if (buf_failed(&body) || callback_parse(e->parser, buf_span(&body), &message, &err) < 0)
        e->failed = true;
    else
        found = finds_text(e, set, message.text);
    buf_release(&body);
    return found;
}

/* The second part, sent after the first. */
static bool finds_messages(struct evading *e, const struct ruleset *set, const struct evade_variant *v)
{
    struct span text = {v->text.data + v->cut, v->text.len - v->cut};
    struct text_piece piece = {.source = TEXT_TEXT, .len = (uint32_t)text.len};
    enum element_type element = ELEMENT_TEXT;
    const struct message message = {.command = COMMAND_BEFORE,
                                    .text = text,
                                    .pieces = &piece,
                                    .piece_count = 1,
                                    .elements = &element,
                                    .element_count = 1};
    struct buf earlier = BUF_INIT;
    struct circumstances circumstances = {0};
    struct verdict verdict = {0};

    buf_add(&earlier, v->text.data, v->cut);
    buf_add_char(&earlier, '\x1F');
    circumstances.earlier = buf_span(&earlier);
    judge_message(e->judge, set, &message, &circumstances, &verdict);
    buf_release(&earlier);
    return is_found(&verdict);
}

static bool finds(struct evading *e, const struct ruleset *set, const struct evade_variant *v)
{
    switch (v->form) {
    case EVADE_TEXT:
        return finds_text(e, set, v->text);
    case EVADE_ELEMENTS:
    case EVADE_ESCAPES:
        return finds_body(e, set, v);
    case EVADE_MESSAGES:
        return finds_messages(e, set, v);
    }
    return false;
}

/* Classes --------------------------------------------------------------------------------------------------------- */

struct outcome { /* of one class */
    const struct evade_class *class;
    const struct evade_variant *variants;
    bool *found; /* one for each */
    size_t total, caught;
    unsigned add; /* steps that would catch more, 0: none known */
    size_t caught_with;
};

static size_t caught_with(struct evading *e, const struct outcome *o, unsigned steps)
{
    struct fold_spec folding = {e->folding.steps | steps, e->folding.tables};
    struct ruleset *set = NULL;
    size_t caught = o->caught;
    struct err err;

    if (folding.steps == e->folding.steps || probe_term(&set, e->rules.doc, e->term, &folding, e->boundary, &err) < 0)
        return caught;
    for (size_t i = 0; i < o->total; i++)
        if (!o->found[i])
            caught += finds(e, set, &o->variants[i]);
    ruleset_unref(set);
    return caught;
}

static void consider(struct evading *e, struct outcome *o, unsigned steps)
{
    size_t caught = caught_with(e, o, steps);

    if (caught > o->caught_with) {
        o->caught_with = caught;
        o->add = steps & ~e->folding.steps;
    }
}

/* The least that catches most: what the class is undone by, else one step of all, else that with case and invisible,
 * which many steps stand on, else every step. */
static void find_remedy(struct evading *e, struct outcome *o)
{
    o->caught_with = o->caught;
    consider(e, o, o->class->folding);
    for (size_t bit = 0; bit < fold_step_names.count && o->caught_with == o->caught; bit++)
        consider(e, o, 1u << bit);
    if (o->caught_with < o->total)
        consider(e, o, o->class->folding | FOLD_BASE);
    if (o->caught_with < o->total)
        consider(e, o, FOLD_ALL);
}

static void add_variant(struct buf *out, const struct evade_variant *v)
{
    if (v->form != EVADE_ELEMENTS && v->form != EVADE_MESSAGES) {
        shown_text_add(out, v->text);
        return;
    }
    shown_text_add(out, (struct span){v->text.data, v->cut});
    buf_add_text(out, " + ");
    shown_text_add(out, (struct span){v->text.data + v->cut, v->text.len - v->cut});
}

static void add_steps(struct buf *out, unsigned steps, const char *quote)
{
    bool first = true;

    for (size_t bit = 0; bit < fold_step_names.count; bit++)
        if (steps & 1u << bit) {
            buf_addf(out, "%s%s%s%s", first ? "" : ",", quote, fold_step_names.names[bit], quote);
            first = false;
        }
}

static void class_text(const struct evading *e, struct buf *out, const struct outcome *o)
{
    size_t shown = 0;

    buf_addf(out, "%-12s %3zu/%-3zu  %s\n", o->class->name, o->caught, o->total, o->class->summary);
    for (size_t i = 0; i < o->total; i++) {
        if (o->found[i] && !e->all)
            continue;
        if (shown++ == SHOWN && !e->all) {
            buf_addf(out, "             ... and %zu more\n", o->total - o->caught - SHOWN);
            break;
        }
        buf_addf(out, "             %s", o->found[i] ? "caught       " : "got through  ");
        add_variant(out, &o->variants[i]);
        buf_add_char(out, '\n');
    }
    if (o->add != 0) {
        buf_add_text(out, "             add to its folding: ");
        add_steps(out, o->add, "");
        buf_addf(out, "; then %zu/%zu\n", o->caught_with, o->total);
    }
}

static void class_json(const struct evading *e, struct buf *out, const struct outcome *o)
{
    bool first = true;

    buf_add_char(out, '{');
    json_add_member_text(out, "class", o->class->name);
    json_add_member_text(out, "summary", o->class->summary);
    json_add_member_u64(out, "caught", o->caught);
    json_add_member_u64(out, "total", o->total);
    json_add_key(out, "missed");
    buf_add_char(out, '[');
    for (size_t i = 0; i < o->total; i++) {
        if (o->found[i] && !e->all)
            continue;
        buf_add_text(out, first ? "{" : ",{");
        first = false;
        json_add_member_span(out, "text", o->variants[i].text);
        if (o->variants[i].form == EVADE_ELEMENTS || o->variants[i].form == EVADE_MESSAGES)
            json_add_member_u64(out, "cut", o->variants[i].cut);
        if (e->all)
            json_add_member_bool(out, "caught", o->found[i]);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    json_add_key(out, "add");
    buf_add_char(out, '[');
    add_steps(out, o->add, "\"");
    buf_add_char(out, ']');
    json_add_member_u64(out, "caught_with", o->caught_with);
    buf_add_char(out, '}');
}

static void run_class(struct evading *e, struct buf *out, struct outcome *o)
{
    const struct ruleset *set = e->probe ? e->probe : e->rules.set;

    o->found = calloc(o->total + 1, sizeof(*o->found));
    if (!o->found) {
        e->failed = true;
        return;
    }
    for (size_t i = 0; i < o->total; i++) {
        o->found[i] = finds(e, set, &o->variants[i]);
        o->caught += o->found[i];
    }
    find_remedy(e, o);
    e->caught += o->caught;
    e->total += o->total;
    if (e->json && out->data[out->len - 1] == '}')
        buf_add_char(out, ',');
    (e->json ? class_json : class_text)(e, out, o);
    free(o->found);
}

static void run_classes(struct evading *e, struct buf *out)
{
    const struct evade_variant *variants;
    size_t count = evade_variants(e->evasions, &variants), at = 0;

    while (at < count && !e->failed) {
        struct outcome o = {.class = variants[at].class, .variants = variants + at};

        while (at < count && variants[at].class == o.class) {
            o.total++;
            at++;
        }
        run_class(e, out, &o);
    }
}

static int report(struct evading *e)
{
    struct buf out = BUF_INIT;
    bool found = finds_text(e, e->probe ? e->probe : e->rules.set, e->term);
    int status;

    if (e->json) {
        buf_add_char(&out, '{');
        json_add_member_span(&out, "term", e->term);
        json_add_member_text(&out, "list", e->list);
        json_add_key(&out, "folding");
        buf_add_char(&out, '[');
        add_steps(&out, e->folding.steps, "\"");
        buf_add_char(&out, ']');
        json_add_member_bool(&out, "found", found);
        json_add_key(&out, "classes");
        buf_add_char(&out, '[');
    } else {
        if (e->list)
            buf_addf(&out, "as a term of list %s, ", e->list);
        buf_add_text(&out, "folding: ");
        add_steps(&out, e->folding.steps, "");
        buf_addf(&out, "%s\n%s", e->folding.steps == FOLD_NONE ? "none" : "",
                 found ? "" : "the term itself, as it is, is not found by these rules; add it to a list first\n");
    }
    run_classes(e, &out);
    if (e->json) {
        buf_add_char(&out, ']');
        json_add_member_u64(&out, "caught", e->caught);
        json_add_member_u64(&out, "total", e->total);
        buf_add_text(&out, "}\n");
    } else {
        buf_addf(&out, "%-12s %3zu/%-3zu\n", "all", e->caught, e->total);
    }
    status = e->failed ? cli_fail(e->cli, "out of memory") : cli_print(e->cli, &out);
    buf_release(&out);
    return status;
}

/* What judges ------------------------------------------------------------------------------------------------------ */

/* "case,leet", "all", "none". False, and said why, when a word is no step. */
static bool read_folding(const struct cli *cli, const char *words, unsigned *steps)
{
    *steps = FOLD_NONE;
    for (const char *word = words; *word;) {
        size_t len = strcspn(word, ","), bit = 0;
        struct span name = {word, len};
        char text[32];

        while (bit < fold_step_names.count && !span_is(name, fold_step_names.names[bit]))
            bit++;
        if (bit < fold_step_names.count) {
            *steps |= 1u << bit;
        } else if (span_is(name, "all")) {
            *steps |= FOLD_ALL;
        } else if (!span_is(name, "none")) {
            const char *near;

            snprintf(text, sizeof(text), "%.*s", (int)len, word);
            near = faults_suggest(text, fold_step_names.names, fold_step_names.count);
            if (near)
                cli_usage(cli, "\"%s\" is no folding; did you mean \"%s\"?", text, near);
            else
                cli_usage(cli, "\"%s\" is no folding; it is all, none, or some of: %s", text, fold_step_names.all);
            return false;
        }
        word += len + (word[len] == ',');
    }
    return true;
}

/* The list of the rules in which the term stands, as far as a hit tells. */
static const struct term_list *list_of_term(struct evading *e)
{
    struct verdict verdict;

    judge_text(e->judge, e->rules.set, e->term, &verdict);
    for (size_t i = 0; i < verdict.hit_count; i++)
        if (verdict.hits[i].list && verdict.hits[i].state != HIT_ALLOW)
            return rule_document_find_list(e->rules.doc, verdict.hits[i].list);
    return NULL;
}

static int choose(struct evading *e, const struct cli_files *files, const char *list_name, const char *folding)
{
    const struct term_list *list;
    struct err err;

    e->folding.steps = FOLD_BASE;
    if (folding) {
        if (!read_folding(e->cli, folding, &e->folding.steps))
            return CLI_USAGE;
    } else if (!pick_rules(e->cli, files, &e->rules)) {
        return CLI_FAILED;
    } else {
        list = list_name ? rule_document_find_list(e->rules.doc, list_name) : list_of_term(e);
        if (list_name && !list)
            return cli_fail(e->cli, "there is no list \"%s\"", list_name);
        if (list) {
            e->list = list->name;
            e->folding = list->folding;
            e->boundary = list->boundary;
        }
    }
    if ((folding || list_name) && probe_term(&e->probe, e->rules.doc, e->term, &e->folding, e->boundary, &err) < 0)
        return cli_fail(e->cli, "%s", err.text);
    return CLI_FINE;
}

int cli_rules_evade(struct cli *cli)
{
    struct evading e = {.cli = cli};
    struct cli_files files = {0};
    const char *list = NULL, *folding = NULL, *most_text = NULL;
    bool strict = false;
    const struct cli_option options[] = {
        {"rules", CLI_FILES, &files, "FILE...", "judge by these files, else by the revision in force"},
        {"list", CLI_TEXT, &list, "NAME", "as if it were a term of this list, and nothing else were listed"},
        {"folding", CLI_TEXT, &folding, "STEP,...", "by this folding alone, without rules: all, none, or case,leet..."},
        {"most", CLI_TEXT, &most_text, "N", "at most so many variants of each class; 50 if left out"},
        {"all", CLI_FLAG, &e.all, NULL, "show those that are caught, too"},
        {"strict", CLI_FLAG, &strict, NULL, "status 1 when one gets through"},
        {"json", CLI_FLAG, &e.json, NULL, "one JSON object"},
        {0}};
    unsigned long long most = MOST_DEFAULT;
    struct err err;
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    if (cli->arguments.count != 1)
        return cli_usage(cli, "name one term");
    if (folding && (list || files.count > 0))
        return cli_usage(cli, "--folding stands for itself; leave out --rules and --list");
    if (most_text && (!span_to_u64(span_of(most_text), &most) || most == 0 || most > EVADE_MAX_VARIANTS))
        return cli_usage(cli, "--most is a number from 1 to %d", EVADE_MAX_VARIANTS);
    e.term = span_of(cli->arguments.items[0]);
    if (evade_make(&e.evasions, e.term, (size_t)most, &err) < 0)
        return err.code == ERR_USAGE ? cli_usage(cli, "%s", err.text) : cli_fail(cli, "%s", err.text);
    e.judge = judge_new();
    e.parser = callback_parser_new();
    status = e.judge && e.parser ? choose(&e, &files, list, folding) : cli_fail(cli, "out of memory");
    if (status == CLI_FINE)
        status = report(&e);
    if (status == CLI_FINE && strict && e.caught < e.total)
        status = CLI_FAILED;
    callback_parser_free(e.parser);
    judge_free(e.judge);
    ruleset_unref(e.probe);
    evade_free(e.evasions);
    picked_release(&e.rules);
    return status;
}
