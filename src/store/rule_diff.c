#include "store/rule_diff.h"

#include "base/json_write.h"

#include <stdlib.h>

const char *change_name(enum change c)
{
    switch (c) {
    case CHANGE_NONE:
        return "unchanged";
    case CHANGE_ADDED:
        return "added";
    case CHANGE_REMOVED:
        return "removed";
    case CHANGE_CHANGED:
        return "changed";
    }
    return "unchanged";
}

/* Sorted copies --------------------------------------------------------------------------------------------------- */

static int by_rule_name(const void *a, const void *b)
{
    const struct rule *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int by_list_name(const void *a, const void *b)
{
    const struct term_list *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int by_bytes(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    size_t shorter = x->len < y->len ? x->len : y->len;
    int order = shorter > 0 ? memcmp(x->data, y->data, shorter) : 0;

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The terms of a list in order, each once; NULL without memory. */
static struct span *sorted_terms(const struct term_list *list, size_t *count)
{
    size_t n = list ? list->term_count : 0, unique = 0;
    struct span *terms = calloc(n + 1, sizeof(*terms));

    if (!terms)
        return NULL;
    if (n > 0)
        memcpy(terms, list->terms, n * sizeof(*terms));
    qsort(terms, n, sizeof(*terms), by_bytes);
    for (size_t i = 0; i < n; i++)
        if (unique == 0 || by_bytes(&terms[unique - 1], &terms[i]) != 0)
            terms[unique++] = terms[i];
    *count = unique;
    return terms;
}

struct sorted_document {
    const struct rule **rules;
    const struct term_list **lists;
    size_t rule_count, list_count;
};

static void sorted_release(struct sorted_document *s)
{
    free(s->rules);
    free(s->lists);
}

static bool sorted_make(struct sorted_document *s, const struct rule_document *doc)
{
    const struct rule *const *rules = NULL;
    const struct term_list *const *lists = NULL;

    *s = (struct sorted_document){0};
    s->rule_count = doc ? rule_document_rules(doc, &rules) : 0;
    s->list_count = doc ? rule_document_lists(doc, &lists) : 0;
    s->rules = calloc(s->rule_count + 1, sizeof(const struct rule *));
    s->lists = calloc(s->list_count + 1, sizeof(const struct term_list *));
    if (!s->rules || !s->lists)
        return false;
    for (size_t i = 0; i < s->rule_count; i++)
        s->rules[i] = rules[i];
    for (size_t i = 0; i < s->list_count; i++)
        s->lists[i] = lists[i];
    qsort(s->rules, s->rule_count, sizeof(const struct rule *), by_rule_name);
    qsort(s->lists, s->list_count, sizeof(const struct term_list *), by_list_name);
    return true;
}

/* Comparing ------------------------------------------------------------------------------------------------------- */

static bool same_text(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(buf_text(a), buf_text(b), a->len) == 0;
}

struct comparer {
    struct rule_diff *diff;
    struct buf before, after; /* canonical JSON of the two sides */
    bool failed;
};

static void compare_rules(struct comparer *c, const struct rule *before, const struct rule *after)
{
    struct rule_change *change = &c->diff->rules[c->diff->rule_count++];

    *change = (struct rule_change){.name = before ? before->name : after->name,
                                   .change = !before ? CHANGE_ADDED : CHANGE_REMOVED,
                                   .was_enforced = before && before->mode == MODE_ENFORCE,
                                   .is_enforced = after && after->mode == MODE_ENFORCE};
    if (!before || !after)
        return;
    buf_reset(&c->before);
    buf_reset(&c->after);
    rule_write_json(before, &c->before);
    rule_write_json(after, &c->after);
    c->failed = c->failed || buf_failed(&c->before) || buf_failed(&c->after);
    change->change = same_text(&c->before, &c->after) ? CHANGE_NONE : CHANGE_CHANGED;
}

static void compare_terms(struct comparer *c, const struct term_list *before, const struct term_list *after,
                          struct list_change *change)
{
    size_t b = 0, a = 0, common = 0;
    struct span *old_terms = sorted_terms(before, &change->terms_before);
    struct span *new_terms = sorted_terms(after, &change->terms_after);

    c->failed = c->failed || !old_terms || !new_terms;
    while (!c->failed && b < change->terms_before && a < change->terms_after) {
        int order = by_bytes(&old_terms[b], &new_terms[a]);
        common += order == 0;
        b += order <= 0;
        a += order >= 0;
    }
    change->terms_removed = change->terms_before - common;
    change->terms_added = change->terms_after - common;
    c->diff->terms_removed += change->terms_removed;
    c->diff->terms_added += change->terms_added;
    free(old_terms);
    free(new_terms);
}

static void compare_lists(struct comparer *c, const struct term_list *before, const struct term_list *after)
{
    struct list_change *change = &c->diff->lists[c->diff->list_count++];

    *change = (struct list_change){.name = before ? before->name : after->name,
                                   .change = !before ? CHANGE_ADDED : CHANGE_REMOVED};
    compare_terms(c, before, after, change);
    if (!before || !after)
        return;
    buf_reset(&c->before);
    buf_reset(&c->after);
    term_list_write_json(before, false, &c->before);
    term_list_write_json(after, false, &c->after);
    c->failed = c->failed || buf_failed(&c->before) || buf_failed(&c->after);
    change->change = change->terms_added == 0 && change->terms_removed == 0 && same_text(&c->before, &c->after)
                         ? CHANGE_NONE
                         : CHANGE_CHANGED;
}

/* Scorecards, tables, admins: few, so that each is looked for among all. */

static const char *const other_names[] = {
    [OTHER_SCORECARD] = "scorecard", [OTHER_TABLE] = "table", [OTHER_ADMINS] = "admins"};

static size_t other_count(const struct rule_document *doc, enum other_kind kind)
{
    const struct scorecard *const *cards;
    const struct fold_table *const *tables;

    if (!doc)
        return 0;
    switch (kind) {
    case OTHER_SCORECARD:
        return rule_document_scorecards(doc, &cards);
    case OTHER_TABLE:
        return rule_document_tables(doc, &tables);
    case OTHER_ADMINS:
        return rule_document_admins(doc).count > 0;
    }
    return 0;
}

/* The name of number i, and what it says as JSON. */
static const char *other_at(const struct rule_document *doc, enum other_kind kind, size_t i, struct buf *json)
{
    const struct scorecard *const *cards;
    const struct fold_table *const *tables;
    struct texts admins;

    buf_reset(json);
    switch (kind) {
    case OTHER_SCORECARD:
        rule_document_scorecards(doc, &cards);
        scorecard_write_json(cards[i], json);
        return cards[i]->name;
    case OTHER_TABLE:
        rule_document_tables(doc, &tables);
        fold_table_write_json(tables[i], json);
        return tables[i]->name;
    case OTHER_ADMINS:
        admins = rule_document_admins(doc);
        for (size_t a = 0; a < admins.count; a++)
            json_add_string(json, span_of(admins.items[a]));
        return "";
    }
    return "";
}

static bool find_other(const struct rule_document *doc, enum other_kind kind, const char *name, struct buf *json)
{
    for (size_t i = 0; i < other_count(doc, kind); i++)
        if (strcmp(other_at(doc, kind, i, json), name) == 0)
            return true;
    return false;
}

static void note_other(struct comparer *c, enum other_kind kind, const char *name, enum change change)
{
    c->failed = c->failed || buf_failed(&c->before) || buf_failed(&c->after);
    c->diff->others[c->diff->other_count++] = (struct other_change){kind, name, change};
}

static void compare_others(struct comparer *c, enum other_kind kind, const struct rule_document *before,
                           const struct rule_document *after)
{
    for (size_t i = 0; i < other_count(before, kind); i++) {
        const char *name = other_at(before, kind, i, &c->before);
        if (!find_other(after, kind, name, &c->after))
            note_other(c, kind, name, CHANGE_REMOVED);
        else if (!same_text(&c->before, &c->after))
            note_other(c, kind, name, CHANGE_CHANGED);
    }
    for (size_t i = 0; i < other_count(after, kind); i++) {
        const char *name = other_at(after, kind, i, &c->after);
        if (!find_other(before, kind, name, &c->before))
            note_other(c, kind, name, CHANGE_ADDED);
    }
}

static bool compare_all_others(struct comparer *c, const struct rule_document *before,
                               const struct rule_document *after)
{
    size_t most = 0;

    for (enum other_kind kind = OTHER_SCORECARD; kind <= OTHER_ADMINS; kind++)
        most += other_count(before, kind) + other_count(after, kind);
    c->diff->others = calloc(most + 1, sizeof(*c->diff->others));
    for (enum other_kind kind = OTHER_SCORECARD; c->diff->others && kind <= OTHER_ADMINS; kind++)
        compare_others(c, kind, before, after);
    return c->diff->others != NULL;
}

/* Below zero: only the first side has the next name; above: only the second. */
static int next_side(const char *before, const char *after)
{
    return !before ? 1 : !after ? -1 : strcmp(before, after);
}

static void walk(struct comparer *c, const struct sorted_document *before, const struct sorted_document *after)
{
    size_t b = 0, a = 0;

    while (b < before->rule_count || a < after->rule_count) {
        const struct rule *x = b < before->rule_count ? before->rules[b] : NULL;
        const struct rule *y = a < after->rule_count ? after->rules[a] : NULL;
        int side = next_side(x ? x->name : NULL, y ? y->name : NULL);
        compare_rules(c, side <= 0 ? x : NULL, side >= 0 ? y : NULL);
        b += side <= 0;
        a += side >= 0;
    }
    b = a = 0;
    while (b < before->list_count || a < after->list_count) {
        const struct term_list *x = b < before->list_count ? before->lists[b] : NULL;
        const struct term_list *y = a < after->list_count ? after->lists[a] : NULL;
        int side = next_side(x ? x->name : NULL, y ? y->name : NULL);
        compare_lists(c, side <= 0 ? x : NULL, side >= 0 ? y : NULL);
        b += side <= 0;
        a += side >= 0;
    }
}

int rule_diff_make(struct rule_diff *out, const struct rule_document *before, const struct rule_document *after,
                   struct err *err)
{
    struct sorted_document old_side, new_side;
    bool sorted = sorted_make(&old_side, before);
    struct comparer c = {.diff = out, .before = BUF_INIT, .after = BUF_INIT};

    *out = (struct rule_diff){0};
    sorted = sorted_make(&new_side, after) && sorted;
    if (sorted) {
        out->rules = calloc(old_side.rule_count + new_side.rule_count + 1, sizeof(*out->rules));
        out->lists = calloc(old_side.list_count + new_side.list_count + 1, sizeof(*out->lists));
    }
    if (out->rules && out->lists && compare_all_others(&c, before, after))
        walk(&c, &old_side, &new_side);
    else
        c.failed = true;
    buf_release(&c.before);
    buf_release(&c.after);
    sorted_release(&old_side);
    sorted_release(&new_side);
    if (!c.failed)
        return 0;
    rule_diff_release(out);
    return err_set(err, ERR_FAILED, "could not compare the rules: out of memory");
}

void rule_diff_release(struct rule_diff *diff)
{
    free(diff->rules);
    free(diff->lists);
    free(diff->others);
    *diff = (struct rule_diff){0};
}

/* Showing --------------------------------------------------------------------------------------------------------- */

void rule_diff_json(const struct rule_diff *diff, struct buf *out)
{
    const char *comma = "";

    buf_add_text(out, "{\"rules\":[");
    for (size_t i = 0; i < diff->rule_count; i++) {
        if (diff->rules[i].change == CHANGE_NONE)
            continue;
        buf_addf(out, "%s{", comma);
        json_add_member_text(out, "rule", diff->rules[i].name);
        json_add_member_text(out, "change", change_name(diff->rules[i].change));
        buf_add_char(out, '}');
        comma = ",";
    }
    buf_add_text(out, "],\"lists\":[");
    comma = "";
    for (size_t i = 0; i < diff->list_count; i++) {
        const struct list_change *list = &diff->lists[i];
        if (list->change == CHANGE_NONE)
            continue;
        buf_addf(out, "%s{", comma);
        json_add_member_text(out, "list", list->name);
        json_add_member_text(out, "change", change_name(list->change));
        json_add_member_u64(out, "terms_added", list->terms_added);
        json_add_member_u64(out, "terms_removed", list->terms_removed);
        buf_add_char(out, '}');
        comma = ",";
    }
    buf_add_text(out, "],\"others\":[");
    for (size_t i = 0; i < diff->other_count; i++) {
        buf_add_text(out, i == 0 ? "{" : ",{");
        json_add_member_text(out, "kind", other_names[diff->others[i].kind]);
        json_add_member_text(out, "name", diff->others[i].name);
        json_add_member_text(out, "change", change_name(diff->others[i].change));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    json_add_member_u64(out, "terms_added", diff->terms_added);
    json_add_member_u64(out, "terms_removed", diff->terms_removed);
    buf_add_char(out, '}');
}

void rule_diff_text(const struct rule_diff *diff, const char *indent, struct buf *out)
{
    for (size_t i = 0; i < diff->rule_count; i++)
        if (diff->rules[i].change != CHANGE_NONE)
            buf_addf(out, "%srule %s %s\n", indent, diff->rules[i].name, change_name(diff->rules[i].change));
    for (size_t i = 0; i < diff->list_count; i++) {
        const struct list_change *list = &diff->lists[i];
        if (list->change != CHANGE_NONE)
            buf_addf(out, "%slist %s %s, terms +%zu -%zu\n", indent, list->name, change_name(list->change),
                     list->terms_added, list->terms_removed);
    }
    for (size_t i = 0; i < diff->other_count; i++)
        buf_addf(out, "%s%s%s%s %s\n", indent, other_names[diff->others[i].kind], diff->others[i].name[0] ? " " : "",
                 diff->others[i].name, change_name(diff->others[i].change));
}
