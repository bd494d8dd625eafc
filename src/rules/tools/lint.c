#include "rules/tools/lint_priv.h"

#include "rules/language/rule_document_priv.h"
#include "rules/ruleset_priv.h"

#include <stdlib.h>

static const struct {
    const char *name;
    enum lint_weight weight;
} kinds[LINT_KINDS] = {
    [LINT_NEVER_HOLDS] = {"never_holds", LINT_FAULT},
    [LINT_ALWAYS_HOLDS] = {"always_holds", LINT_FAULT},
    [LINT_HITS_MOST] = {"hits_most", LINT_FAULT},
    [LINT_HITS_HARMLESS] = {"hits_harmless", LINT_WARNING},
    [LINT_HITS_ONE_CHAR] = {"hits_one_character", LINT_WARNING},
    [LINT_ALLOWS_NOTHING] = {"allows_nothing", LINT_WARNING},
    [LINT_UNUSED_LIST] = {"unused_list", LINT_WARNING},
    [LINT_UNUSED_TABLE] = {"unused_table", LINT_WARNING},
    [LINT_DUPLICATE] = {"duplicate", LINT_NOTE},
    [LINT_DUPLICATE_ACROSS] = {"duplicate_across_lists", LINT_NOTE},
    [LINT_COVERED] = {"covered", LINT_NOTE},
    [LINT_ALLOW_TERM] = {"allow_term_without_use", LINT_NOTE},
    [LINT_NEVER_HIT] = {"never_hit", LINT_NOTE},
};

const char *lint_kind_name(enum lint_kind kind)
{
    return kinds[kind].name;
}

enum lint_weight lint_weight(enum lint_kind kind)
{
    return kinds[kind].weight;
}

const char *lint_weight_name(enum lint_weight weight)
{
    switch (weight) {
    case LINT_FAULT:
        return "fault";
    case LINT_WARNING:
        return "warning";
    case LINT_NOTE:
        return "note";
    }
    return "note";
}

/* Findings -------------------------------------------------------------------------------------------------------- */

void lint_add(struct lint *l, const struct lint_finding *finding)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct lint_finding *grown = realloc(l->findings, cap * sizeof(*grown));

        if (!grown) {
            l->failed = true;
            return;
        }
        l->findings = grown;
        l->cap = cap;
    }
    l->findings[l->count++] = *finding;
}

struct lint_finding lint_about_rule(const struct lint *l, enum lint_kind kind, const struct rule *rule)
{
    return (struct lint_finding){
        .kind = kind, .rule = rule->name, .source = rule_document_source(l->doc, rule), .place = rule->place};
}

struct lint_finding lint_about_list(enum lint_kind kind, const struct term_list *list)
{
    return (struct lint_finding){
        .kind = kind, .list = list->name, .source = ((const struct list_entry *)list)->source, .place = list->place};
}

static int compare_names(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_importance(const void *a, const void *b)
{
    const struct lint_finding *x = a, *y = b;
    int order = (int)x->kind - (int)y->kind;

    if (!order)
        order = (y->hits > x->hits) - (y->hits < x->hits);
    if (!order)
        order = compare_names(x->rule, y->rule);
    if (!order)
        order = compare_names(x->list, y->list);
    if (!order)
        order = span_compare(x->term, y->term);
    return order ? order : span_compare(x->other, y->other);
}

/* Judging --------------------------------------------------------------------------------------------------------- */

static void judge_as(struct lint *l, enum command command, struct span text,
                     void (*found)(struct lint *l, const struct verdict *v, void *arg), void *arg)
{
    struct text_piece piece = {.source = TEXT_TEXT, .len = (uint32_t)text.len};
    enum element_type element = ELEMENT_TEXT;
    const struct message message = {
        .command = command, .text = text, .pieces = &piece, .piece_count = 1, .elements = &element, .element_count = 1};
    struct verdict verdict;

    judge_with(l->judge, l->set, &message, NULL, &(struct judge_options){.any_scope = true}, &verdict);
    found(l, &verdict, arg);
}

void lint_judge(struct lint *l, struct span text, void (*found)(struct lint *l, const struct verdict *v, void *arg),
                void *arg)
{
    judge_as(l, COMMAND_BEFORE, text, found, arg);
    if (l->any_after)
        judge_as(l, COMMAND_AFTER, text, found, arg);
}

void lint_each_list(const struct condition *c, void (*with)(const char *list, void *arg), void *arg)
{
    if (c->kind == CONDITION_TERMS)
        with(c->text, arg);
    for (size_t i = 0; c->kind == CONDITION_ANY && i < c->part_count; i++)
        lint_each_list(c->parts[i], with, arg);
}

uint64_t lint_traffic_of(const struct lint_options *options, const char *list, struct span term)
{
    size_t low = 0, high = options->traffic_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct lint_hits *h = &options->traffic[middle];
        int order = compare_names(h->list, list);

        order = order ? order : span_compare(h->term, term);
        if (order == 0)
            return h->hits;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* The whole ------------------------------------------------------------------------------------------------------- */

int lint_run(struct lint **out, const struct rule_document *doc, const struct ruleset *set,
             const struct lint_options *options, struct err *err)
{
    struct lint *l = calloc(1, sizeof(*l));
    const struct rule *const *rules;
    size_t count = rule_document_rules(doc, &rules);

    if (!l)
        return err_set(err, ERR_FAILED, "out of memory");
    *l = (struct lint){.doc = doc, .set = set, .options = options, .judge = judge_new()};
    for (size_t i = 0; i < count; i++)
        l->any_after = l->any_after || rules[i]->when == WHEN_AFTER;
    if (l->judge) {
        lint_rules(l);
        lint_terms(l);
        lint_harmless(l);
    }
    if (!l->judge || l->failed) {
        err_set(err, ERR_FAILED, "could not look at the rules: %s", l->err.text[0] ? l->err.text : "out of memory");
        lint_free(l);
        return ERR_FAILED;
    }
    if (l->count > 0)
        qsort(l->findings, l->count, sizeof(*l->findings), by_importance);
    *out = l;
    return 0;
}

void lint_free(struct lint *l)
{
    if (!l)
        return;
    judge_free(l->judge);
    ruleset_unref(l->probe);
    free(l->findings);
    free(l);
}

size_t lint_findings(const struct lint *l, const struct lint_finding **findings)
{
    *findings = l->findings;
    return l->count;
}

/* Words ----------------------------------------------------------------------------------------------------------- */

static void add_quoted(struct buf *out, struct span text)
{
    buf_addf(out, "\"%.*s\"", (int)text.len, text.len > 0 ? text.data : "");
}

static void add_hitter(const struct lint_finding *f, struct buf *out)
{
    buf_addf(out, "rule %s: ", f->rule);
    if (f->list)
        buf_addf(out, "term ");
    else
        buf_addf(out, f->term.data ? "expression " : "it");
    if (f->term.data)
        add_quoted(out, f->term);
    if (f->list)
        buf_addf(out, " of list %s", f->list);
}

void lint_text(const struct lint_finding *f, struct buf *out)
{
    switch (f->kind) {
    case LINT_NEVER_HOLDS:
        buf_addf(out, "rule %s can never hold: %s", f->rule, f->why);
        return;
    case LINT_ALWAYS_HOLDS:
        buf_addf(out, "rule %s holds for every message in its scope", f->rule);
        return;
    case LINT_HITS_MOST:
    case LINT_HITS_HARMLESS:
        add_hitter(f, out);
        buf_addf(out, " takes %llu of %llu harmless texts%s, for example ", (unsigned long long)f->hits,
                 (unsigned long long)f->of, f->by_folding ? " because of the folding" : "");
        add_quoted(out, f->other);
        return;
    case LINT_HITS_ONE_CHAR:
        add_hitter(f, out);
        buf_add_text(out, " matches a text of one character: ");
        add_quoted(out, f->other);
        return;
    case LINT_ALLOWS_NOTHING:
        buf_addf(out, "allow rule %s lets nothing through: no other rule finds anything in its terms", f->rule);
        return;
    case LINT_UNUSED_LIST:
        buf_addf(out, "no rule uses list %s", f->list);
        return;
    case LINT_UNUSED_TABLE:
        buf_add_text(out, "no folding uses table ");
        buf_add_span(out, f->other);
        return;
    case LINT_DUPLICATE:
    case LINT_DUPLICATE_ACROSS:
    case LINT_COVERED:
        buf_addf(out, "list %s: term ", f->list);
        add_quoted(out, f->term);
        buf_add_text(out, f->kind == LINT_COVERED ? " holds the term " : " is found already by ");
        add_quoted(out, f->other);
        if (f->kind == LINT_DUPLICATE_ACROSS)
            buf_addf(out, " of list %s, which rule %s has too", f->other_list, f->rule);
        else if (f->kind == LINT_COVERED)
            buf_add_text(out, ", which finds it already");
        return;
    case LINT_ALLOW_TERM:
        buf_addf(out, "list %s: term ", f->list);
        add_quoted(out, f->term);
        buf_addf(out, " of allow rule %s holds nothing that another rule finds", f->rule);
        return;
    case LINT_NEVER_HIT:
        buf_addf(out, "list %s: term ", f->list);
        add_quoted(out, f->term);
        buf_add_text(out, " has hit nothing in the traffic looked at");
        return;
    case LINT_KINDS:
        return;
    }
}
