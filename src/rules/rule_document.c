#include "rules/rule_document_priv.h"

#include <stdlib.h>

struct rule_document *rule_document_new(void)
{
    return calloc(1, sizeof(struct rule_document));
}

void rule_document_free(struct rule_document *doc)
{
    if (!doc)
        return;
    arena_release(&doc->arena);
    free(doc->rules);
    free(doc->lists);
    free(doc);
}

size_t rule_document_rules(const struct rule_document *doc, const struct rule *const **rules)
{
    *rules = doc->rules;
    return doc->rule_count;
}

size_t rule_document_lists(const struct rule_document *doc, const struct term_list *const **lists)
{
    *lists = doc->lists;
    return doc->list_count;
}

bool fold_spec_equal(const struct fold_spec *a, const struct fold_spec *b)
{
    if (a->steps != b->steps || a->tables.count != b->tables.count)
        return false;
    for (size_t i = 0; i < a->tables.count; i++)
        if (strcmp(a->tables.items[i], b->tables.items[i]) != 0)
            return false;
    return true;
}

const char *rule_document_source(const struct rule_document *doc, const struct rule *rule)
{
    (void)doc;
    return ((const struct rule_entry *)rule)->source;
}

static const char *list_source(const struct term_list *list)
{
    return ((const struct list_entry *)list)->source;
}

/* The array of pointers with room for one more, or NULL. */
static void *grown(void *items, size_t count, size_t *cap)
{
    size_t wanted = *cap ? *cap * 2 : 32;
    void *moved;

    if (count < *cap)
        return items;
    moved = realloc(items, wanted * sizeof(void *));
    if (moved)
        *cap = wanted;
    return moved;
}

void rule_document_keep_rule(struct rule_document *doc, const struct rule_entry *entry)
{
    const struct rule **rules = grown(doc->rules, doc->rule_count, &doc->rule_cap);

    if (!rules) {
        doc->arena.failed = true;
        return;
    }
    doc->rules = rules;
    doc->rules[doc->rule_count++] = &entry->rule;
}

void rule_document_keep_list(struct rule_document *doc, const struct list_entry *entry)
{
    const struct term_list **lists = grown(doc->lists, doc->list_count, &doc->list_cap);

    if (!lists) {
        doc->arena.failed = true;
        return;
    }
    doc->lists = lists;
    doc->lists[doc->list_count++] = &entry->list;
}

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

static bool has_list(const struct term_list *const *sorted, size_t count, const char *name)
{
    const struct term_list key = {.name = name}, *wanted = &key;

    return count && bsearch(&wanted, sorted, count, sizeof(struct term_list *), by_list_name);
}

/* Reports lists of a condition that do not exist. */
static void check_condition(const char *source, const struct condition *c, const struct term_list *const *lists,
                            size_t list_count, struct faults *faults)
{
    if (c->kind == CONDITION_TERMS && c->text && !has_list(lists, list_count, c->text)) {
        const char **names = calloc(list_count + 1, sizeof(*names));
        const char *meant = NULL;

        for (size_t i = 0; i < list_count && names; i++)
            names[i] = lists[i]->name;
        if (names)
            meant = faults_suggest(c->text, names, list_count);
        faults_add(faults, source, c->place.line, c->place.column, "there is no list \"%s\"; %s%s%s", c->text,
                   meant ? "did you mean \"" : "add it as an entry of its own, - list: ", meant ? meant : c->text,
                   meant ? "\"?" : "");
        free(names);
    }
    for (size_t i = 0; i < c->part_count; i++)
        check_condition(source, c->parts[i], lists, list_count, faults);
}

static void duplicate(struct faults *faults, const char *what, const char *name, const char *source_a, struct place a,
                      const char *source_b, struct place b)
{
    bool a_is_later =
        strcmp(source_a, source_b) > 0 ||
        (strcmp(source_a, source_b) == 0 && (a.line > b.line || (a.line == b.line && a.column > b.column)));
    const char *later = a_is_later ? source_a : source_b, *earlier = a_is_later ? source_b : source_a;
    struct place at = a_is_later ? a : b, other = a_is_later ? b : a;

    faults_add(faults, later, at.line, at.column, "there is another %s \"%s\" at %s:%u:%u; rename one of them", what,
               name, earlier, other.line, other.column);
}

int rule_document_check(const struct rule_document *doc, struct faults *faults)
{
    size_t before = faults->count;
    const struct rule **rules = calloc(doc->rule_count + 1, sizeof(*rules));
    const struct term_list **lists = calloc(doc->list_count + 1, sizeof(*lists));

    if (!rules || !lists) {
        faults_add(faults, "rules", 0, 0, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < doc->rule_count; i++)
        rules[i] = doc->rules[i];
    for (size_t i = 0; i < doc->list_count; i++)
        lists[i] = doc->lists[i];
    qsort(rules, doc->rule_count, sizeof(*rules), by_rule_name);
    qsort(lists, doc->list_count, sizeof(*lists), by_list_name);
    for (size_t i = 1; i < doc->list_count; i++)
        if (strcmp(lists[i - 1]->name, lists[i]->name) == 0)
            duplicate(faults, "list", lists[i]->name, list_source(lists[i - 1]), lists[i - 1]->place,
                      list_source(lists[i]), lists[i]->place);
    for (size_t i = 1; i < doc->rule_count; i++)
        if (strcmp(rules[i - 1]->name, rules[i]->name) == 0)
            duplicate(faults, "rule", rules[i]->name, rule_document_source(doc, rules[i - 1]), rules[i - 1]->place,
                      rule_document_source(doc, rules[i]), rules[i]->place);
    for (size_t i = 0; i < doc->rule_count; i++)
        if (doc->rules[i]->match)
            check_condition(rule_document_source(doc, doc->rules[i]), doc->rules[i]->match, lists, doc->list_count,
                            faults);
out:
    free(rules);
    free(lists);
    return faults->count == before ? 0 : ERR_USAGE;
}
