/* Terms against each other: every term is judged as a text by all lists at once. */
#include "rules/tools/lint_priv.h"

#include "rules/tools/explain.h"
#include "rules/tools/probe.h"

#include <stdlib.h>

/* That the text of one term is found by another, as a whole or in part. */
struct relation {
    const struct term_list *list, *other_list;
    struct span term, other;
    bool whole;
};

struct relations {
    struct lint *lint;
    struct relation *items;
    size_t count, cap;
};

static void add_relation(struct relations *r, const struct relation *relation)
{
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 256;
        struct relation *grown = realloc(r->items, cap * sizeof(*grown));

        if (!grown) {
            r->lint->failed = true;
            return;
        }
        r->items = grown;
        r->cap = cap;
    }
    r->items[r->count++] = *relation;
}

static int compare_terms(const struct term_list *list_a, struct span a, const struct term_list *list_b, struct span b)
{
    int order = strcmp(list_a->name, list_b->name);

    return order ? order : span_compare(a, b);
}

static int by_terms(const void *a, const void *b)
{
    const struct relation *x = a, *y = b;
    int order = compare_terms(x->list, x->term, y->list, y->term);

    if (!order)
        order = (int)y->whole - (int)x->whole;
    return order ? order : compare_terms(x->other_list, x->other, y->other_list, y->other);
}

/* Rules and lists -------------------------------------------------------------------------------------------------- */

struct wanted { /* whether both lists are among those that are enough for a rule */
    const char *names[2];
    bool seen[2];
};

static void look_for(const char *list, void *arg)
{
    struct wanted *w = arg;

    for (int i = 0; i < 2; i++)
        w->seen[i] = w->seen[i] || strcmp(list, w->names[i]) == 0;
}

/* The rule for which either list is enough; NULL: none. */
static const struct rule *common_rule(const struct lint *l, const struct term_list *a, const struct term_list *b)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(l->doc, &rules);

    for (size_t i = 0; i < count; i++) {
        struct wanted w = {.names = {a->name, b->name}};

        if (!rules[i]->match || rules[i]->mode == MODE_OFF)
            continue;
        lint_each_list(rules[i]->match, look_for, &w);
        if (w.seen[0] && w.seen[1])
            return rules[i];
    }
    return NULL;
}

static bool names_list(const struct condition *c, const char *list)
{
    if (c->kind == CONDITION_TERMS)
        return strcmp(c->text, list) == 0;
    for (size_t i = 0; i < c->part_count; i++)
        if (names_list(c->parts[i], list))
            return true;
    return false;
}

/* Whether every rule with the list allows: then a longer term covers more, and is of use beside a shorter one. */
static bool only_allows(const struct lint *l, const struct term_list *list)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(l->doc, &rules), users = 0;

    for (size_t i = 0; i < count; i++) {
        if (!rules[i]->match || !names_list(rules[i]->match, list->name))
            continue;
        if (rules[i]->action != ACTION_ALLOW)
            return false;
        users++;
    }
    return users > 0;
}

/* Relations ------------------------------------------------------------------------------------------------------- */

static void relate_term(struct relations *r, const struct ruleset *probe, const struct term_list *list,
                        struct span term)
{
    struct verdict verdict;

    judge_text(r->lint->judge, probe, term, &verdict);
    for (size_t i = 0; i < verdict.hit_count; i++) {
        const struct hit *hit = &verdict.hits[i];
        struct relation relation = {.list = list,
                                    .other_list = rule_document_find_list(r->lint->doc, hit->rule),
                                    .term = term,
                                    .other = hit->term,
                                    .whole = hit->start == 0 && hit->end == term.len};

        if (relation.other_list && (relation.other_list != list || !span_equal(term, hit->term)))
            add_relation(r, &relation);
    }
}

static bool is_mutual(const struct relations *r, const struct relation *relation)
{
    const struct relation back = {.list = relation->other_list,
                                  .other_list = relation->list,
                                  .term = relation->other,
                                  .other = relation->term,
                                  .whole = true};

    return bsearch(&back, r->items, r->count, sizeof(back), by_terms) != NULL;
}

/* One finding of a term at most in its list, and one across lists: that another finds it as a whole says more than that
 * it holds another. Of two terms that find each other the greater one is needless. */
static void report(struct relations *r)
{
    const struct relation *said = NULL, *said_across = NULL;

    for (size_t i = 0; i < r->count; i++) {
        const struct relation *now = &r->items[i];
        bool inside = now->list == now->other_list;
        const struct relation **last = inside ? &said : &said_across;
        const struct rule *rule = inside || !now->whole ? NULL : common_rule(r->lint, now->list, now->other_list);
        struct lint_finding f;

        if (*last && (*last)->list == now->list && span_equal((*last)->term, now->term))
            continue;
        if ((!inside && !rule) || (!now->whole && only_allows(r->lint, now->list)))
            continue;
        if (now->whole && compare_terms(now->list, now->term, now->other_list, now->other) < 0 && is_mutual(r, now))
            continue;
        f = lint_about_list(!inside ? LINT_DUPLICATE_ACROSS : now->whole ? LINT_DUPLICATE : LINT_COVERED, now->list);
        f.term = now->term;
        f.other = now->other;
        f.other_list = inside ? NULL : now->other_list->name;
        f.rule = rule ? rule->name : NULL;
        lint_add(r->lint, &f);
        *last = now;
    }
}

/* Whether the list finds the term under its own name; of terms that fold alike only one is counted. */
static bool has_other_name(const struct relations *r, const struct term_list *list, struct span term)
{
    size_t low = 0, high = r->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_terms(r->items[middle].list, r->items[middle].term, list, term) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < r->count && compare_terms(r->items[low].list, r->items[low].term, list, term) == 0; low++)
        if (r->items[low].whole && r->items[low].other_list == list)
            return true;
    return false;
}

static bool is_used(const struct lint *l, const struct term_list *list)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(l->doc, &rules);

    for (size_t i = 0; i < count; i++)
        if (rules[i]->match && rules[i]->mode != MODE_OFF && names_list(rules[i]->match, list->name))
            return true;
    return false;
}

static void report_never_hit(struct relations *r, const struct term_list *list)
{
    struct lint *l = r->lint;

    if (!l->options->has_traffic || !is_used(l, list))
        return;
    for (size_t i = 0; i < list->term_count; i++) {
        struct lint_finding f = lint_about_list(LINT_NEVER_HIT, list);

        f.term = list->terms[i];
        if (lint_traffic_of(l->options, list->name, f.term) == 0 && !has_other_name(r, list, f.term))
            lint_add(l, &f);
    }
}

static bool compile_probe(struct lint *l, struct ruleset **probe)
{
    const struct term_list *const *lists;
    size_t count = rule_document_lists(l->doc, &lists);
    struct probe p;

    probe_begin(&p, l->doc);
    for (size_t i = 0; i < count; i++)
        probe_add_list(&p, lists[i]->name, lists[i]);
    return probe_compile(probe, &p, &l->err) == 0;
}

void lint_terms(struct lint *l)
{
    const struct term_list *const *lists;
    size_t count = rule_document_lists(l->doc, &lists);
    struct relations r = {.lint = l};

    if (count == 0)
        return;
    if (!compile_probe(l, &l->probe)) {
        l->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < lists[i]->term_count; t++)
            relate_term(&r, l->probe, lists[i], lists[i]->terms[t]);
    if (r.count > 0)
        qsort(r.items, r.count, sizeof(*r.items), by_terms);
    report(&r);
    for (size_t i = 0; i < count; i++)
        report_never_hit(&r, lists[i]);
    free(r.items);
}
