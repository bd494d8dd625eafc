#include "rules/language/rule_document_priv.h"

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
    free(doc->tables);
    free(doc->scorecards);
    free(doc->admins);
    free(doc);
}

size_t rule_document_rules(const struct rule_document *doc, const struct rule *const **rules)
{
    *rules = doc->rules;
    return doc->rule_count;
}

void rule_document_trust(struct rule_document *doc)
{
    doc->trusted = true;
}

size_t rule_document_lists(const struct rule_document *doc, const struct term_list *const **lists)
{
    *lists = doc->lists;
    return doc->list_count;
}

size_t rule_document_tables(const struct rule_document *doc, const struct fold_table *const **tables)
{
    *tables = doc->tables;
    return doc->table_count;
}

size_t rule_document_scorecards(const struct rule_document *doc, const struct scorecard *const **scorecards)
{
    *scorecards = doc->scorecards;
    return doc->scorecard_count;
}

struct texts rule_document_admins(const struct rule_document *doc)
{
    return (struct texts){doc->admins, doc->admin_count};
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

/* Keeping ----------------------------------------------------------------------------------------- */

/* The array of pointers with room for one more, or NULL and a failed arena. */
static void *grown(struct rule_document *doc, void *items, size_t count, size_t *cap)
{
    size_t wanted = *cap ? *cap * 2 : 32;
    void *moved;

    if (count < *cap)
        return items;
    moved = realloc(items, wanted * sizeof(void *));
    if (moved)
        *cap = wanted;
    else
        doc->arena.failed = true;
    return moved;
}

void rule_document_keep_rule(struct rule_document *doc, const struct rule_entry *entry)
{
    const struct rule **rules = grown(doc, doc->rules, doc->rule_count, &doc->rule_cap);

    if (!rules)
        return;
    doc->rules = rules;
    doc->rules[doc->rule_count++] = &entry->rule;
}

void rule_document_keep_list(struct rule_document *doc, const struct list_entry *entry)
{
    const struct term_list **lists = grown(doc, doc->lists, doc->list_count, &doc->list_cap);

    if (!lists)
        return;
    doc->lists = lists;
    doc->lists[doc->list_count++] = &entry->list;
}

void rule_document_keep_table(struct rule_document *doc, const struct table_entry *entry)
{
    const struct fold_table **tables = grown(doc, doc->tables, doc->table_count, &doc->table_cap);

    if (!tables)
        return;
    doc->tables = tables;
    doc->tables[doc->table_count++] = &entry->table;
}

void rule_document_keep_scorecard(struct rule_document *doc, const struct scorecard_entry *entry)
{
    const struct scorecard **cards = grown(doc, doc->scorecards, doc->scorecard_count, &doc->scorecard_cap);

    if (!cards)
        return;
    doc->scorecards = cards;
    doc->scorecards[doc->scorecard_count++] = &entry->card;
}

void rule_document_keep_admin(struct rule_document *doc, const char *glob)
{
    const char **admins = grown(doc, doc->admins, doc->admin_count, &doc->admin_cap);
    size_t at = doc->admin_count;

    if (!admins)
        return;
    doc->admins = admins;
    while (at && strcmp(admins[at - 1], glob) > 0)
        at--;
    if (at && strcmp(admins[at - 1], glob) == 0)
        return;
    memmove(&admins[at + 1], &admins[at], (doc->admin_count - at) * sizeof(*admins));
    admins[at] = glob;
    doc->admin_count++;
}

/* Checking the whole ------------------------------------------------------------------------------ */

/* What other entries refer to by name. */
struct named {
    const char *kind, *name, *source;
    struct place place;
    bool used;
};

struct names {
    const char *kind;
    struct named *items; /* by name, then place */
    size_t count;
};

struct checker {
    const struct rule_document *doc;
    struct faults *faults;
    struct names lists, tables, deciders; /* deciders: rules and scorecards, which share one name space */
    const char *source, *kind, *name;     /* of the entry being looked at */
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (!order)
        order = strcmp(x->source, y->source);
    if (!order)
        order = (x->place.line > y->place.line) - (x->place.line < y->place.line);
    return order ? order : (x->place.column > y->place.column) - (x->place.column < y->place.column);
}

static void add_name(struct names *names, const char *kind, const char *name, const char *source, struct place place)
{
    names->items[names->count++] = (struct named){kind, name, source, place, false};
}

/* False when memory ran out. */
static bool collect_names(struct checker *c)
{
    const struct rule_document *doc = c->doc;

    c->lists = (struct names){"list", calloc(doc->list_count + 1, sizeof(struct named)), 0};
    c->tables = (struct names){"table", calloc(doc->table_count + 1, sizeof(struct named)), 0};
    c->deciders =
        (struct names){"scorecard", calloc(doc->rule_count + doc->scorecard_count + 1, sizeof(struct named)), 0};
    if (!c->lists.items || !c->tables.items || !c->deciders.items)
        return false;
    for (size_t i = 0; i < doc->list_count; i++)
        add_name(&c->lists, "list", doc->lists[i]->name, ((const struct list_entry *)doc->lists[i])->source,
                 doc->lists[i]->place);
    for (size_t i = 0; i < doc->table_count; i++)
        add_name(&c->tables, "table", doc->tables[i]->name, ((const struct table_entry *)doc->tables[i])->source,
                 doc->tables[i]->place);
    for (size_t i = 0; i < doc->rule_count; i++)
        add_name(&c->deciders, "rule", doc->rules[i]->name, rule_document_source(doc, doc->rules[i]),
                 doc->rules[i]->place);
    for (size_t i = 0; i < doc->scorecard_count; i++)
        add_name(&c->deciders, "scorecard", doc->scorecards[i]->name,
                 ((const struct scorecard_entry *)doc->scorecards[i])->source, doc->scorecards[i]->place);
    qsort(c->lists.items, c->lists.count, sizeof(struct named), by_name);
    qsort(c->tables.items, c->tables.count, sizeof(struct named), by_name);
    qsort(c->deciders.items, c->deciders.count, sizeof(struct named), by_name);
    return true;
}

static void release_names(struct checker *c)
{
    free(c->lists.items);
    free(c->tables.items);
    free(c->deciders.items);
}

static void check_duplicates(struct checker *c, const struct names *names)
{
    for (size_t i = 1; i < names->count; i++) {
        const struct named *a = &names->items[i - 1], *b = &names->items[i];

        if (strcmp(a->name, b->name) == 0)
            faults_add(c->faults, b->source, b->place.line, b->place.column,
                       "there is another %s \"%s\" at %s:%u:%u; rename one of them", a->kind, b->name, a->source,
                       a->place.line, a->place.column);
    }
}

/* Marks what is called name, of the kind of names, as used. NULL when there is none. */
static struct named *find_name(const struct names *names, const char *name)
{
    size_t low = 0, high = names->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(names->items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < names->count && strcmp(names->items[low].name, name) == 0; low++)
        if (strcmp(names->items[low].kind, names->kind) == 0) {
            names->items[low].used = true;
            return &names->items[low];
        }
    return NULL;
}

static void check_use(struct checker *c, const struct names *names, const char *name, struct place at)
{
    const char **known, *meant = NULL;
    size_t count = 0;

    if (find_name(names, name))
        return;
    known = calloc(names->count + 1, sizeof(*known));
    for (size_t i = 0; i < names->count && known; i++)
        if (strcmp(names->items[i].kind, names->kind) == 0)
            known[count++] = names->items[i].name;
    if (known)
        meant = faults_suggest(name, known, count);
    if (meant)
        faults_add(c->faults, c->source, at.line, at.column, "there is no %s \"%s\"; did you mean \"%s\"?", names->kind,
                   name, meant);
    else
        faults_add(c->faults, c->source, at.line, at.column,
                   "there is no %s \"%s\"; add it as an entry of its own, - %s: %s (%s \"%s\")", names->kind, name,
                   names->kind, name, c->kind, c->name);
    free(known);
}

static void check_tables(struct checker *c, const struct fold_spec *folding, struct place at)
{
    for (size_t i = 0; i < folding->tables.count; i++)
        check_use(c, &c->tables, folding->tables.items[i], at);
}

static void check_condition(struct checker *c, const struct condition *condition)
{
    if (condition->kind == CONDITION_TERMS && condition->text)
        check_use(c, &c->lists, condition->text, condition->place);
    check_tables(c, &condition->folding, condition->place);
    for (size_t i = 0; i < condition->part_count; i++)
        check_condition(c, condition->parts[i]);
}

static void check_references(struct checker *c)
{
    const struct rule_document *doc = c->doc;

    for (size_t i = 0; i < doc->list_count; i++) {
        c->source = ((const struct list_entry *)doc->lists[i])->source;
        c->kind = "list";
        c->name = doc->lists[i]->name;
        check_tables(c, &doc->lists[i]->folding, doc->lists[i]->place);
    }
    for (size_t i = 0; i < doc->rule_count; i++) {
        const struct rule *rule = doc->rules[i];

        c->source = rule_document_source(doc, rule);
        c->kind = "rule";
        c->name = rule->name;
        if (rule->scorecard)
            check_use(c, &c->deciders, rule->scorecard, rule->place);
        if (rule->match)
            check_condition(c, rule->match);
    }
}

static bool check_begin(struct checker *c, const struct rule_document *doc, struct faults *faults)
{
    *c = (struct checker){.doc = doc, .faults = faults};
    if (collect_names(c))
        return true;
    faults_add(faults, "rules", 0, 0, "out of memory");
    release_names(c);
    return false;
}

int rule_document_check(const struct rule_document *doc, struct faults *faults)
{
    size_t before = faults->count;
    struct checker c;

    if (check_begin(&c, doc, faults)) {
        check_duplicates(&c, &c.lists);
        check_duplicates(&c, &c.tables);
        check_duplicates(&c, &c.deciders);
        check_references(&c);
        release_names(&c);
    }
    return faults->count == before ? 0 : ERR_USAGE;
}

static void warn_unused(const struct checker *c, const struct names *names, const char *user)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct named *n = &names->items[i];

        if (!n->used && strcmp(n->kind, names->kind) == 0)
            faults_warn(c->faults, n->source, n->place.line, n->place.column, "no %s names %s \"%s\"", user, n->kind,
                        n->name);
    }
}

void rule_document_warn_unused(const struct rule_document *doc, struct faults *faults)
{
    struct faults again = FAULTS_INIT; /* what is missing was said by rule_document_check() */
    struct checker c;

    if (!check_begin(&c, doc, &again)) {
        faults_release(&again);
        return;
    }
    check_references(&c);
    c.faults = faults;
    warn_unused(&c, &c.lists, "rule");
    warn_unused(&c, &c.tables, "list and no expression");
    warn_unused(&c, &c.deciders, "rule");
    faults_release(&again);
    release_names(&c);
}
