/* Reads lists, tables and admins. */
#include "rules/matcher.h"
#include "rules/language/rule_reader.h"

#include <stdlib.h>

enum {
    TABLE_MAX_TEXT = 128, /* of either side of a table; as a quoted key it stays far below YAML's limit */
    TABLE_MAX_ENTRIES = 100000,
};

/* Lists ------------------------------------------------------------------------------------------- */

struct list_reading {
    struct term_list *list;
    const struct yaml_node *terms;
};

static void list_name(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct list_reading *)into)->list->name = read_name(r, node, "the name of the list");
}

static void list_folding(struct reader *r, const struct yaml_node *node, void *into)
{
    read_folding(r, node, &((struct list_reading *)into)->list->folding.steps);
}

static void list_tables(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct list_reading *)into)->list->folding.tables = read_table_names(r, node);
}

static void list_boundary(struct reader *r, const struct yaml_node *node, void *into)
{
    int boundary = read_word(r, node, "boundary", &boundary_names);

    if (boundary >= 0)
        ((struct list_reading *)into)->list->boundary = (enum term_boundary)boundary;
}

static void list_terms(struct reader *r, const struct yaml_node *node, void *into)
{
    (void)r;
    ((struct list_reading *)into)->terms = node; /* read last, when the folding is known */
}

static bool only_blanks(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\n", text.data[i]))
            return false;
    return true;
}

static void read_terms(struct reader *r, const struct yaml_node *node, struct term_list *list)
{
    struct span *terms = NULL;
    size_t kept = 0;

    if (node->kind != YAML_LIST) {
        reader_fault(r, node, "terms must be a list of texts");
        return;
    }
    if (node->count == 0) {
        reader_fault(r, node, "list \"%s\" has no terms; add some or remove the list", list->name ? list->name : "?");
        return;
    }
    terms = arena_array(r->arena, node->count, sizeof(*terms));
    for (size_t i = 0; i < node->count && terms; i++) {
        const struct yaml_node *item = node->items[i];

        if (!read_text(r, item, "a term", MATCHER_MAX_TERM))
            continue;
        if (fold_text(&r->folded, list->folding.steps, item->text) < 0) {
            r->arena->failed = true;
            return;
        }
        if (only_blanks(r->folded.text)) {
            reader_fault(r, item, "term number %zu folds to nothing and would match everywhere; remove it", i + 1);
            continue;
        }
        terms[kept++] = arena_span(r->arena, item->text);
    }
    list->terms = terms;
    list->term_count = kept;
}

static const struct key list_keys[] = {
    {"list", list_name},         {"folding", list_folding}, {"tables", list_tables},
    {"boundary", list_boundary}, {"terms", list_terms},
};

void read_list(struct reader *r, const struct yaml_node *node)
{
    struct list_entry *entry = arena_alloc(r->arena, sizeof(*entry));
    struct list_reading reading = {entry ? &entry->list : NULL, NULL};

    if (!entry)
        return;
    entry->source = r->source;
    entry->list.place = place_of(node);
    entry->list.folding.steps = FOLD_BASE;
    if (!read_map(r, node, "a list", KEYS(list_keys), &reading))
        return;
    if (!yaml_get(node, "list"))
        reader_fault(r, node, "this list has no name; add list: NAME");
    if (reading.terms)
        read_terms(r, reading.terms, &entry->list);
    else
        reader_fault(r, node, "list \"%s\" has no terms; add terms: [...]", entry->list.name ? entry->list.name : "?");
    if (entry->list.name)
        rule_document_keep_list(r->doc, entry);
}

/* Tables ------------------------------------------------------------------------------------------ */

static void table_name(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct fold_table *)into)->name = read_name(r, node, "the name of the table");
}

static int by_from(const void *a, const void *b)
{
    const struct fold_entry *x = a, *y = b;

    return span_compare(x->from, y->from);
}

/* What a text becomes may be nothing; what becomes something may not. */
static bool read_entry(struct reader *r, const struct yaml_node *from, const struct yaml_node *to,
                       struct fold_entry *out)
{
    if (!read_text(r, from, "the left side of a table's entry", TABLE_MAX_TEXT))
        return false;
    if (to->kind != YAML_SCALAR || to->text.len) {
        if (!read_text(r, to, "the right side of a table's entry", TABLE_MAX_TEXT))
            return false;
    }
    if (span_equal(from->text, to->text)) {
        reader_fault(r, from, "\"%s\" becomes itself; remove it", from->text.data);
        return false;
    }
    *out = (struct fold_entry){arena_span(r->arena, from->text), arena_span(r->arena, to->text)};
    return true;
}

static void table_map(struct reader *r, const struct yaml_node *node, void *into)
{
    struct fold_table *table = into;
    struct fold_entry *entries;

    if (node->kind != YAML_MAP || node->count == 0 || node->count > TABLE_MAX_ENTRIES) {
        reader_fault(r, node, "map must be a map of 1 to %d texts and what they become: { \"4u\": \"for you\" }",
                     TABLE_MAX_ENTRIES);
        return;
    }
    entries = arena_array(r->arena, node->count, sizeof(*entries));
    for (size_t i = 0; i < node->count && entries; i++)
        table->entry_count += read_entry(r, node->keys[i], node->items[i], &entries[table->entry_count]);
    if (table->entry_count)
        qsort(entries, table->entry_count, sizeof(*entries), by_from);
    table->entries = entries;
}

static const struct key table_keys[] = {
    {"table", table_name},
    {"map", table_map},
};

void read_table(struct reader *r, const struct yaml_node *node)
{
    struct table_entry *entry = arena_alloc(r->arena, sizeof(*entry));

    if (!entry)
        return;
    entry->source = r->source;
    entry->table.place = place_of(node);
    if (!read_map(r, node, "a table", KEYS(table_keys), &entry->table))
        return;
    if (!yaml_get(node, "map"))
        reader_fault(r, node, "table \"%s\" has no map; add map: { FROM: TO }",
                     entry->table.name ? entry->table.name : "?");
    if (entry->table.name)
        rule_document_keep_table(r->doc, entry);
}

/* Admins ------------------------------------------------------------------------------------------ */

void read_admins(struct reader *r, const struct yaml_node *globs)
{
    struct texts admins = read_sorted(r, globs, "an account of the admins", read_line);

    for (size_t i = 0; i < admins.count; i++)
        rule_document_keep_admin(r->doc, admins.items[i]);
}
