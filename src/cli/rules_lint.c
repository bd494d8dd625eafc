/* rules_lint.c - what is odd about rules that are right, sorted by importance (rules/lint.h). */
#include "base/json_write.h"
#include "cli/marked_text.h"
#include "cli/rules_pick.h"
#include "cli/times.h"
#include "rules/tools/lint.h"
#include "store/evidence.h"
#include "store/lexicon.h"
#include "store/rule_store.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SHOWN = 30 }; /* findings of one kind, and terms with their hits, that people are shown */

struct linting {
    const struct cli *cli;
    struct db *db; /* NULL: not needed */
    struct picked_rules rules;
    struct buf lexicon_text;
    struct span *harmless;
    struct db_result *traffic_rows;
    struct lint_hits *traffic;
    struct lint_options options;
    struct lint *lint;
    int64_t traffic_us; /* 0: none */
};

/* Input ----------------------------------------------------------------------------------------------------------- */

static bool read_tables(struct linting *l)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    struct err err;
    bool fine = doc != NULL;

    if (!doc)
        cli_fail(l->cli, "out of memory");
    else if (rule_store_export(l->db, doc, &faults, &err) < 0)
        fine = (cli_fail(l->cli, "%s", err.text), false);
    else
        fine = rule_document_check(doc, &faults) == 0 && ruleset_compile(&l->rules.set, doc, 0, NULL, &faults) == 0;
    cli_print_faults(&faults);
    faults_release(&faults);
    if (fine)
        l->rules.doc = doc;
    else
        rule_document_free(doc);
    return fine;
}

static bool read_lexicon(struct linting *l, const char *path)
{
    struct span rest = lexicon_embedded(), text;
    size_t cap = 0;
    struct err err;

    if (path) {
        if (lexicon_read(&l->lexicon_text, path, &err) < 0) {
            cli_fail(l->cli, "%s", err.text);
            return false;
        }
        rest = (struct span){buf_text(&l->lexicon_text), l->lexicon_text.len};
    }
    while (lexicon_next(&rest, &text)) {
        if (l->options.harmless_count == cap) {
            struct span *grown = realloc(l->harmless, (cap = cap ? cap * 2 : 4096) * sizeof(*grown));
            if (!grown) {
                cli_fail(l->cli, "out of memory");
                return false;
            }
            l->harmless = grown;
        }
        l->harmless[l->options.harmless_count++] = text;
    }
    l->options.harmless = l->harmless;
    return true;
}

static int by_list_and_term(const void *a, const void *b)
{
    const struct lint_hits *x = a, *y = b;
    size_t least = x->term.len < y->term.len ? x->term.len : y->term.len;
    int order = x->list && y->list ? strcmp(x->list, y->list) : (x->list != NULL) - (y->list != NULL);

    if (!order && least > 0)
        order = memcmp(x->term.data, y->term.data, least);
    return order ? order : (x->term.len > y->term.len) - (x->term.len < y->term.len);
}

/* A list of several rules has a row for each: the most hits are those of the term. */
static void merge_traffic(struct linting *l)
{
    size_t kept = 0, count = l->options.traffic_count;

    if (count > 0)
        qsort(l->traffic, count, sizeof(*l->traffic), by_list_and_term);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && by_list_and_term(&l->traffic[i], &l->traffic[kept - 1]) == 0) {
            if (l->traffic[i].hits > l->traffic[kept - 1].hits)
                l->traffic[kept - 1].hits = l->traffic[i].hits;
        } else {
            l->traffic[kept++] = l->traffic[i];
        }
    }
    l->options.traffic_count = kept;
}

static bool read_traffic(struct linting *l)
{
    struct err err;
    size_t rows;

    if (evidence_term_hits(l->db, &l->traffic_rows, l->traffic_us / 1000000, &err) < 0) {
        cli_fail(l->cli, "%s", err.text);
        return false;
    }
    rows = db_rows(l->traffic_rows);
    l->traffic = calloc(rows + 1, sizeof(*l->traffic));
    if (!l->traffic) {
        cli_fail(l->cli, "out of memory");
        return false;
    }
    for (size_t i = 0; i < rows; i++) {
        unsigned long long hits = 0;

        span_to_u64(db_value(l->traffic_rows, i, 3), &hits);
        /* libpq ends every value with a NUL. */
        l->traffic[i] =
            (struct lint_hits){db_is_null(l->traffic_rows, i, 1) ? NULL : db_value(l->traffic_rows, i, 1).data,
                               db_value(l->traffic_rows, i, 2), hits};
    }
    l->options.traffic = l->traffic;
    l->options.traffic_count = rows;
    l->options.has_traffic = true;
    merge_traffic(l);
    return true;
}

/* Output ---------------------------------------------------------------------------------------------------------- */

static void finding_text(const struct lint_finding *f, struct buf *out)
{
    struct buf words = BUF_INIT;

    buf_addf(out, "%-8s ", lint_weight_name(lint_weight(f->kind)));
    if (f->source && f->place.line > 0)
        buf_addf(out, "%s:%u:%u: ", f->source, f->place.line, f->place.column);
    lint_text(f, &words);
    shown_text_add(out, (struct span){buf_text(&words), words.len});
    buf_add_char(out, '\n');
    buf_release(&words);
}

static int by_hits(const void *a, const void *b)
{
    const struct lint_hits *x = a, *y = b;

    return x->hits != y->hits ? (x->hits < y->hits) - (x->hits > y->hits) : by_list_and_term(a, b);
}

/* The most hit ones; a copy is sorted, for lint_traffic_of() wants the order of names. */
static void term_hits_text(const struct linting *l, struct buf *out)
{
    size_t count = l->options.traffic_count;
    struct lint_hits *sorted = calloc(count + 1, sizeof(*sorted));

    if (!sorted) {
        out->failed = true;
        return;
    }
    if (count > 0)
        memcpy(sorted, l->traffic, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_hits);
    buf_addf(out, "\n%8s  what was hit in the traffic looked at\n", "hits");
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        buf_addf(out, "%8" PRIu64 "  %s%s", sorted[i].hits, sorted[i].list ? sorted[i].list : "",
                 sorted[i].list ? ": " : "");
        shown_text_add(out, sorted[i].term);
        buf_add_char(out, '\n');
    }
    if (count > SHOWN)
        buf_addf(out, "%8s  and %zu more\n", "", count - SHOWN);
    free(sorted);
}

static void print_text(const struct linting *l, struct buf *out)
{
    const struct lint_finding *findings;
    size_t count = lint_findings(l->lint, &findings), of_kind = 0;

    for (size_t i = 0; i < count; i++) {
        of_kind = i > 0 && findings[i].kind == findings[i - 1].kind ? of_kind + 1 : 1;
        if (of_kind <= SHOWN)
            finding_text(&findings[i], out);
        else if (i + 1 == count || findings[i + 1].kind != findings[i].kind)
            buf_addf(out, "%-8s and %zu more of this kind; --json has all\n",
                     lint_weight_name(lint_weight(findings[i].kind)), of_kind - SHOWN);
    }
    if (count == 0)
        buf_add_text(out, "nothing found\n");
    if (l->options.has_traffic)
        term_hits_text(l, out);
}

static void finding_json(const struct lint_finding *f, struct buf *out)
{
    struct buf words = BUF_INIT;

    lint_text(f, &words);
    buf_add_char(out, '{');
    json_add_member_text(out, "weight", lint_weight_name(lint_weight(f->kind)));
    json_add_member_text(out, "kind", lint_kind_name(f->kind));
    json_add_member_text(out, "rule", f->rule);
    json_add_member_text(out, "list", f->list);
    json_add_member_span(out, "term", f->term);
    json_add_member_text(out, "other_list", f->other_list);
    json_add_member_span(out, "other", f->other);
    if (f->of > 0) {
        json_add_member_u64(out, "hits", f->hits);
        json_add_member_u64(out, "of", f->of);
        json_add_member_bool(out, "by_folding", f->by_folding);
    }
    json_add_member_span(out, "words", (struct span){buf_text(&words), words.len});
    json_add_member_text(out, "source", f->source);
    json_add_member_u64(out, "line", f->place.line);
    json_add_member_u64(out, "column", f->place.column);
    buf_add_char(out, '}');
    buf_release(&words);
}

static void term_hits_json(const struct linting *l, struct buf *out)
{
    const struct term_list *const *lists;
    size_t count = rule_document_lists(l->rules.doc, &lists);
    bool first = true;

    json_add_key(out, "term_hits");
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < lists[i]->term_count; t++) {
            buf_add_text(out, first ? "{" : ",{");
            first = false;
            json_add_member_text(out, "list", lists[i]->name);
            json_add_member_span(out, "term", lists[i]->terms[t]);
            json_add_member_u64(out, "hits", lint_traffic_of(&l->options, lists[i]->name, lists[i]->terms[t]));
            buf_add_char(out, '}');
        }
    buf_add_char(out, ']');
}

static void print_json(const struct linting *l, struct buf *out)
{
    const struct lint_finding *findings;
    size_t count = lint_findings(l->lint, &findings);

    buf_add_text(out, "{");
    json_add_member_u64(out, "harmless_texts", l->options.harmless_count);
    json_add_key(out, "findings");
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        finding_json(&findings[i], out);
    }
    buf_add_char(out, ']');
    if (l->options.has_traffic)
        term_hits_json(l, out);
    buf_add_text(out, "}\n");
}

/* The whole ------------------------------------------------------------------------------------------------------- */

static int lint(struct linting *l, const char *lexicon, bool json, bool strict)
{
    const struct lint_finding *findings;
    struct buf out = BUF_INIT;
    struct err err;
    int status;

    if ((l->cli->arguments.count == 0 || l->traffic_us > 0) && !(l->db = cli_database(l->cli)))
        return CLI_FAILED;
    if (!(l->cli->arguments.count > 0 ? pick_files(l->cli, &l->cli->arguments, &l->rules) : read_tables(l)))
        return CLI_FAILED;
    if (!read_lexicon(l, lexicon) || (l->traffic_us > 0 && !read_traffic(l)))
        return CLI_FAILED;
    if (lint_run(&l->lint, l->rules.doc, l->rules.set, &l->options, &err) < 0)
        return cli_fail(l->cli, "%s", err.text);
    (json ? print_json : print_text)(l, &out);
    status = cli_print(l->cli, &out);
    buf_release(&out);
    return status == CLI_FINE && strict && lint_findings(l->lint, &findings) > 0 ? CLI_FAILED : status;
}

int cli_rules_lint(struct cli *cli)
{
    struct linting l = {.cli = cli};
    const char *lexicon = NULL, *traffic = NULL;
    bool json = false, strict = false;
    const struct cli_option options[] = {
        {"lexicon", CLI_TEXT, &lexicon, "FILE", "harmless texts, one a line, else the built-in ones"},
        {"traffic", CLI_TEXT, &traffic, "TIME", "count the hits of each term in the last 12h, 7d... of stored events"},
        {"strict", CLI_FLAG, &strict, NULL, "status 1 when anything is found"},
        {"json", CLI_FLAG, &json, NULL, "one JSON object"},
        {0}};
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    if (traffic && (!times_stretch(span_of(traffic), &l.traffic_us) || l.traffic_us == 0))
        return cli_usage(cli, "--traffic is a stretch of time: 12h, 7d");
    status = lint(&l, lexicon, json, strict);
    lint_free(l.lint);
    free(l.traffic);
    db_result_free(l.traffic_rows);
    free(l.harmless);
    buf_release(&l.lexicon_text);
    picked_release(&l.rules);
    db_close(l.db);
    return status;
}
