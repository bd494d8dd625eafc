/* Rules by themselves: whether they can hold at all, and what they use. */
#include "rules/tools/lint_priv.h"

#include "rules/tools/explain.h"
#include "rules/language/rule_document_priv.h"
#include "rules/scope.h"

#include <stdlib.h>

/* Truth tables ------------------------------------------------------------------------------------------------------
 *
 * A condition is looked at as a formula over its different leaves: with up to twelve of them every assignment is tried.
 * Two leaves are the same when they are written alike. An assignment that asks for a length or a number of lines within
 * bounds that exclude each other cannot be. */

enum { MOST_LEAVES = 12 };

struct formula {
    const struct condition *leaves[MOST_LEAVES];
    struct buf written[MOST_LEAVES];
    size_t count;
    bool too_big, failed;
};

static void write_leaf(const struct condition *leaf, struct buf *out)
{
    const struct rule rule = {.name = "leaf",
                              .when = WHEN_BOTH,
                              .rollout = 100,
                              .match = leaf,
                              .action = ACTION_FLAG,
                              .mask = "*",
                              .reject_code = REPLY_REJECT};

    rule_write_json(&rule, out);
}

static void release_formula(struct formula *f)
{
    for (size_t i = 0; i < f->count; i++)
        buf_release(&f->written[i]);
}

/* The number of a leaf; f->count when it is new. */
static size_t number_of(const struct formula *f, struct span written)
{
    size_t i = 0;

    while (i < f->count && !span_equal(buf_span(&f->written[i]), written))
        i++;
    return i;
}

static void collect(struct formula *f, const struct condition *c)
{
    struct buf written = BUF_INIT;

    if (!condition_is_match(c->kind) && !condition_is_measure(c->kind)) {
        for (size_t i = 0; i < c->part_count; i++)
            collect(f, c->parts[i]);
        return;
    }
    write_leaf(c, &written);
    f->failed = f->failed || buf_failed(&written);
    if (number_of(f, buf_span(&written)) < f->count || f->too_big || f->failed) {
        buf_release(&written);
    } else if (f->count == MOST_LEAVES) {
        f->too_big = true;
        buf_release(&written);
    } else {
        f->leaves[f->count] = c;
        f->written[f->count++] = written;
    }
}

static bool holds(const struct formula *f, const struct condition *c, unsigned assignment)
{
    struct buf written = BUF_INIT;
    size_t number;

    switch (c->kind) {
    case CONDITION_NOT:
        return !holds(f, c->parts[0], assignment);
    case CONDITION_ANY:
        for (size_t i = 0; i < c->part_count; i++)
            if (holds(f, c->parts[i], assignment))
                return true;
        return false;
    case CONDITION_ALL:
        for (size_t i = 0; i < c->part_count; i++)
            if (!holds(f, c->parts[i], assignment))
                return false;
        return true;
    case CONDITION_TERMS:
    case CONDITION_REGEX:
    case CONDITION_LINKS:
    case CONDITION_CONTACT:
    case CONDITION_LENGTH:
    case CONDITION_LINES:
    case CONDITION_SHARE:
    case CONDITION_TYPES:
    case CONDITION_JSON:
    case CONDITION_REPEATED:
    case CONDITION_RATE:
        break;
    }
    write_leaf(c, &written);
    number = number_of(f, buf_span(&written));
    buf_release(&written);
    return number < f->count && (assignment & 1u << number);
}

static bool is_possible(const struct formula *f, unsigned assignment, enum condition_kind kind)
{
    struct bounds all = {INT64_MIN, INT64_MAX};

    for (size_t i = 0; i < f->count; i++) {
        const struct condition *c = f->leaves[i];

        if (c->kind != kind || !(assignment & 1u << i))
            continue;
        all.least = c->bounds.least > all.least ? c->bounds.least : all.least;
        all.most = c->bounds.most < all.most ? c->bounds.most : all.most;
    }
    return all.least <= all.most && all.most >= 0;
}

static void look_at_condition(struct lint *l, const struct rule *rule)
{
    struct formula f = {.count = 0};
    bool can_hold = false, can_fail = false;

    collect(&f, rule->match);
    for (unsigned a = 0; a < 1u << f.count && !f.too_big && !f.failed && !(can_hold && can_fail); a++) {
        if (!is_possible(&f, a, CONDITION_LENGTH) || !is_possible(&f, a, CONDITION_LINES))
            continue;
        if (holds(&f, rule->match, a))
            can_hold = true;
        else
            can_fail = true;
    }
    l->failed = l->failed || f.failed;
    if (!f.too_big && !f.failed && can_hold != can_fail) {
        struct lint_finding finding = lint_about_rule(l, can_fail ? LINT_NEVER_HOLDS : LINT_ALWAYS_HOLDS, rule);

        finding.why = "its condition contradicts itself";
        lint_add(l, &finding);
    }
    release_formula(&f);
}

/* Scopes ---------------------------------------------------------------------------------------------------------- */

/* Whether all that `narrow` matches is matched by `wide`: its wildcards are taken as characters, which `*` takes in. A
 * `?` of `wide` would take a `*` for one character, so such globs are left alone. */
static bool is_within(const char *narrow, const char *wide)
{
    if (strchr(wide, '?') && strchr(narrow, '*'))
        return false;
    return glob_matches(wide, span_of(narrow));
}

static bool all_within(struct texts only, struct texts except)
{
    for (size_t i = 0; i < only.count; i++) {
        size_t k = 0;

        while (k < except.count && !is_within(only.items[i], except.items[k]))
            k++;
        if (k == except.count)
            return false;
    }
    return only.count > 0;
}

static bool excepts_all(struct texts except)
{
    for (size_t i = 0; i < except.count; i++)
        if (strcmp(except.items[i], "*") == 0)
            return true;
    return false;
}

static void look_at_scope(struct lint *l, const struct rule *rule)
{
    struct lint_finding finding = lint_about_rule(l, LINT_NEVER_HOLDS, rule);

    for (size_t k = 0; k < SCOPE_KINDS && !finding.why; k++)
        if (excepts_all(rule->scope.except[k]) || all_within(rule->scope.only[k], rule->scope.except[k]))
            finding.why = "its scope excepts all that it names";
    if (!finding.why && rule->scope.exempt_admins &&
        all_within(rule->scope.only[SCOPE_SENDERS], rule_document_admins(l->doc)))
        finding.why = "its senders are all admins, whom it exempts";
    if (finding.why)
        lint_add(l, &finding);
}

/* Use ------------------------------------------------------------------------------------------------------------- */

static bool uses_list(const struct condition *c, const char *list)
{
    if (c->kind == CONDITION_TERMS)
        return strcmp(c->text, list) == 0;
    for (size_t i = 0; i < c->part_count; i++)
        if (uses_list(c->parts[i], list))
            return true;
    return false;
}

static void look_at_lists(struct lint *l)
{
    const struct term_list *const *lists;
    const struct rule *const *rules;
    size_t count = rule_document_lists(l->doc, &lists), rule_count = rule_document_rules(l->doc, &rules);

    for (size_t i = 0; i < count; i++) {
        bool used = false;

        for (size_t k = 0; k < rule_count && !used; k++)
            used = rules[k]->match && uses_list(rules[k]->match, lists[i]->name);
        if (!used) {
            struct lint_finding finding = lint_about_list(LINT_UNUSED_LIST, lists[i]);
            lint_add(l, &finding);
        }
    }
}

static bool names_table(const struct fold_spec *folding, const char *table)
{
    for (size_t i = 0; i < folding->tables.count; i++)
        if (strcmp(folding->tables.items[i], table) == 0)
            return true;
    return false;
}

static bool uses_table(const struct condition *c, const char *table)
{
    if (c->kind == CONDITION_REGEX && names_table(&c->folding, table))
        return true;
    for (size_t i = 0; i < c->part_count; i++)
        if (uses_table(c->parts[i], table))
            return true;
    return false;
}

static void look_at_tables(struct lint *l)
{
    const struct fold_table *const *tables;
    const struct term_list *const *lists;
    const struct rule *const *rules;
    size_t count = rule_document_tables(l->doc, &tables);
    size_t list_count = rule_document_lists(l->doc, &lists), rule_count = rule_document_rules(l->doc, &rules);

    for (size_t i = 0; i < count; i++) {
        bool used = false;

        for (size_t k = 0; k < list_count && !used; k++)
            used = names_table(&lists[k]->folding, tables[i]->name);
        for (size_t k = 0; k < rule_count && !used; k++)
            used = rules[k]->match && uses_table(rules[k]->match, tables[i]->name);
        if (!used)
            lint_add(l, &(struct lint_finding){.kind = LINT_UNUSED_TABLE,
                                               .other = span_of(tables[i]->name),
                                               .source = ((const struct table_entry *)tables[i])->source,
                                               .place = tables[i]->place});
    }
}

/* Allow rules ----------------------------------------------------------------------------------------------------- */

static void note_other_rule(struct lint *l, const struct verdict *v, void *arg)
{
    bool *found = arg;

    (void)l;
    for (size_t i = 0; i < v->hit_count; i++) {
        const struct hit *hit = &v->hits[i];
        bool allows = hit->action == ACTION_ALLOW && !hit->scorecard;

        *found = *found || (!allows && hit->start < hit->end);
    }
}

struct allowing { /* an allow rule being looked at */
    struct lint *lint;
    const struct rule *rule;
    size_t terms, of_use;
    size_t first_finding;
};

static void look_at_allow_list(const char *name, void *arg)
{
    struct allowing *a = arg;
    const struct term_list *list = rule_document_find_list(a->lint->doc, name);

    for (size_t i = 0; list && i < list->term_count; i++) {
        bool found = false;

        lint_judge(a->lint, list->terms[i], note_other_rule, &found);
        a->terms++;
        a->of_use += found;
        if (!found) {
            struct lint_finding finding = lint_about_list(LINT_ALLOW_TERM, list);
            finding.rule = a->rule->name;
            finding.term = list->terms[i];
            lint_add(a->lint, &finding);
        }
    }
}

static bool has_only_lists(const struct condition *c)
{
    if (c->kind != CONDITION_ANY)
        return c->kind == CONDITION_TERMS;
    for (size_t i = 0; i < c->part_count; i++)
        if (!has_only_lists(c->parts[i]))
            return false;
    return true;
}

/* Of a rule none of whose terms is of use one finding says all. */
static void look_at_allow_rule(struct lint *l, const struct rule *rule)
{
    struct allowing a = {.lint = l, .rule = rule, .first_finding = l->count};

    lint_each_list(rule->match, look_at_allow_list, &a);
    if (a.terms > 0 && a.of_use == 0 && has_only_lists(rule->match)) {
        struct lint_finding finding = lint_about_rule(l, LINT_ALLOWS_NOTHING, rule);
        l->count = a.first_finding;
        lint_add(l, &finding);
    }
}

void lint_rules(struct lint *l)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(l->doc, &rules);

    for (size_t i = 0; i < count; i++) {
        const struct rule *rule = rules[i];

        if (rule->mode == MODE_OFF || !rule->match)
            continue;
        look_at_condition(l, rule);
        look_at_scope(l, rule);
        if (rule->action == ACTION_ALLOW && !rule->scorecard)
            look_at_allow_rule(l, rule);
    }
    look_at_lists(l);
    look_at_tables(l);
}
