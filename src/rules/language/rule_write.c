/* Writes the model of rule.h: canonical JSON, whose bytes name a rule set, and YAML for people. */
#include "rules/language/rule_writer.h"

#include <stdlib.h>

/* Rules and scorecards ---------------------------------------------------------------------------- */

static void describe_examples(struct writer *w, const struct rule *rule)
{
    if (!rule->example_count)
        return;
    write_key(w, "examples");
    open_list(w);
    for (size_t i = 0; i < rule->example_count; i++) {
        const struct example *e = &rule->examples[i];
        struct writer item = open_item(w, i);

        write_member(&item, "text", e->text);
        write_member(&item, "verdict", span_of(action_name(e->verdict)));
        if (e->has_becomes)
            write_member(&item, "becomes", e->becomes);
        close_map(&item);
    }
    close_list(w);
}

/* The keys that rules and scorecards share. Only where there is something to mask can the mask be another. */
static void describe_effect(struct writer *w, const char *mask, const char *replace, int reject_code,
                            const char *reject_text, struct texts then, const char *note)
{
    if (strcmp(mask, "*") != 0)
        write_member(w, "mask", span_of(mask));
    if (replace)
        write_member(w, "replace", span_of(replace));
    if (reject_code != REPLY_REJECT)
        write_number(w, "reject_code", reject_code);
    if (reject_text)
        write_member(w, "reject_text", span_of(reject_text));
    write_some(w, "then", then);
    if (note)
        write_member(w, "note", span_of(note));
}

static void describe_rule(struct writer *w, const struct rule *rule)
{
    write_member(w, "rule", span_of(rule->name));
    if (rule->when != WHEN_BOTH)
        write_member(w, "when", span_of(when_names.names[rule->when - WHEN_BEFORE]));
    if (rule->mode != MODE_ENFORCE)
        write_member(w, "mode", span_of(mode_names.names[rule->mode]));
    if (rule->rollout != 100)
        write_number(w, "rollout", rule->rollout);
    describe_scope(w, &rule->scope);
    if (rule->match) {
        struct writer match;

        write_key(w, "match");
        match = open_map(w);
        describe_condition(&match, rule->match);
        close_map(&match);
    }
    if (rule->scorecard) {
        struct writer score;

        write_key(w, "score");
        score = open_map(w);
        write_text_key(&score, span_of(rule->scorecard));
        buf_add_i64(w->out, rule->points);
        close_map(&score);
    } else {
        write_member(w, "action", span_of(action_name(rule->action)));
    }
    describe_effect(w, rule->mask, rule->replace, rule->reject_code, rule->reject_text, rule->then, rule->note);
    describe_examples(w, rule);
}

static void describe_scorecard(struct writer *w, const struct scorecard *card)
{
    struct writer at;

    write_member(w, "scorecard", span_of(card->name));
    write_key(w, "at");
    at = open_map(w);
    for (size_t a = 0; a < ACTION_COUNT; a++)
        if (card->thresholds[a].given)
            write_number(&at, action_name((enum action)a), card->thresholds[a].points);
    close_map(&at);
    describe_effect(w, card->mask, card->replace, card->reject_code, card->reject_text, card->then, card->note);
}

/* Lists and tables -------------------------------------------------------------------------------- */

static int by_span(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return span_compare(*x, *y);
}

/* Sorted, each once. */
static void describe_terms(struct writer *w, const struct term_list *list)
{
    struct span *sorted = calloc(list->term_count + 1, sizeof(*sorted));
    size_t written = 0;

    if (!sorted) {
        w->out->failed = true;
        return;
    }
    if (list->term_count)
        memcpy(sorted, list->terms, list->term_count * sizeof(*sorted));
    qsort(sorted, list->term_count, sizeof(*sorted), by_span);
    write_key(w, "terms");
    open_list(w);
    for (size_t i = 0; i < list->term_count; i++) {
        if (i && span_equal(sorted[i], sorted[i - 1]))
            continue;
        open_text_item(w, written++);
        write_text(w, sorted[i]);
    }
    close_list(w);
    free(sorted);
}

static void describe_list(struct writer *w, const struct term_list *list, bool with_terms)
{
    write_member(w, "list", span_of(list->name));
    write_fold_spec(w, &list->folding, FOLD_BASE);
    if (list->boundary != BOUNDARY_SCRIPT)
        write_member(w, "boundary", span_of(boundary_names.names[list->boundary]));
    if (with_terms)
        describe_terms(w, list);
}

static void describe_table(struct writer *w, const struct fold_table *table)
{
    struct writer map;

    write_member(w, "table", span_of(table->name));
    write_key(w, "map");
    map = open_map(w);
    for (size_t i = 0; i < table->entry_count; i++) {
        write_text_key(&map, table->entries[i].from);
        write_text(&map, table->entries[i].to);
    }
    close_map(&map);
}

/* Single entries as JSON -------------------------------------------------------------------------- */

void rule_write_json(const struct rule *rule, struct buf *out)
{
    struct writer top = {.out = out}, w = open_map(&top);

    describe_rule(&w, rule);
    close_map(&w);
}

void scorecard_write_json(const struct scorecard *card, struct buf *out)
{
    struct writer top = {.out = out}, w = open_map(&top);

    describe_scorecard(&w, card);
    close_map(&w);
}

void term_list_write_json(const struct term_list *list, bool with_terms, struct buf *out)
{
    struct writer top = {.out = out}, w = open_map(&top);

    describe_list(&w, list, with_terms);
    close_map(&w);
}

void fold_table_write_json(const struct fold_table *table, struct buf *out)
{
    struct writer top = {.out = out}, w = open_map(&top);

    describe_table(&w, table);
    close_map(&w);
}

/* Documents --------------------------------------------------------------------------------------- */

/* The kinds of named entries. To a document they are all pointers to something that begins with its name. */
enum entry_kind { ENTRY_LIST, ENTRY_RULE, ENTRY_SCORECARD, ENTRY_TABLE, ENTRY_KINDS };

struct sorted_entry {
    const char *name;
    union {
        const struct rule *rule;
        const struct term_list *list;
        const struct fold_table *table;
        const struct scorecard *scorecard;
    };
};

struct sorted_entries {
    struct sorted_entry *items;
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sorted_entry *)a)->name, ((const struct sorted_entry *)b)->name);
}

/* The document's entries of a kind, by name. Without memory none, and *out failed. */
static struct sorted_entries sort_entries(const struct rule_document *doc, enum entry_kind kind, struct buf *out)
{
    const struct rule *const *rules;
    const struct term_list *const *lists;
    const struct fold_table *const *tables;
    const struct scorecard *const *cards;
    const size_t counts[ENTRY_KINDS] = {
        [ENTRY_LIST] = rule_document_lists(doc, &lists),
        [ENTRY_RULE] = rule_document_rules(doc, &rules),
        [ENTRY_SCORECARD] = rule_document_scorecards(doc, &cards),
        [ENTRY_TABLE] = rule_document_tables(doc, &tables),
    };
    struct sorted_entries s = {calloc(counts[kind] + 1, sizeof(*s.items)), counts[kind]};

    if (!s.items) {
        out->failed = true;
        return (struct sorted_entries){NULL, 0};
    }
    for (size_t i = 0; i < s.count; i++)
        switch (kind) {
        case ENTRY_LIST:
            s.items[i] = (struct sorted_entry){.name = lists[i]->name, .list = lists[i]};
            break;
        case ENTRY_RULE:
            s.items[i] = (struct sorted_entry){.name = rules[i]->name, .rule = rules[i]};
            break;
        case ENTRY_SCORECARD:
            s.items[i] = (struct sorted_entry){.name = cards[i]->name, .scorecard = cards[i]};
            break;
        case ENTRY_TABLE:
            s.items[i] = (struct sorted_entry){.name = tables[i]->name, .table = tables[i]};
            break;
        case ENTRY_KINDS:
            break;
        }
    qsort(s.items, s.count, sizeof(*s.items), by_name);
    return s;
}

static void describe_entry(struct writer *w, enum entry_kind kind, const struct sorted_entry *entry)
{
    switch (kind) {
    case ENTRY_LIST:
        describe_list(w, entry->list, true);
        break;
    case ENTRY_RULE:
        describe_rule(w, entry->rule);
        break;
    case ENTRY_SCORECARD:
        describe_scorecard(w, entry->scorecard);
        break;
    case ENTRY_TABLE:
        describe_table(w, entry->table);
        break;
    case ENTRY_KINDS:
        break;
    }
}

static void write_json_entries(const struct rule_document *doc, enum entry_kind kind, const char *key, struct writer *w)
{
    struct sorted_entries s = sort_entries(doc, kind, w->out);

    /* lists and rules stand in every document, also in one that has none */
    if (s.count || kind == ENTRY_LIST || kind == ENTRY_RULE) {
        write_key(w, key);
        open_list(w);
        for (size_t i = 0; i < s.count; i++) {
            struct writer item = open_item(w, i);

            describe_entry(&item, kind, &s.items[i]);
            close_map(&item);
        }
        close_list(w);
    }
    free(s.items);
}

void rule_document_write_json(const struct rule_document *doc, struct buf *out)
{
    struct writer top = {.out = out}, w = open_map(&top);

    write_some(&w, "admins", rule_document_admins(doc));
    write_json_entries(doc, ENTRY_LIST, "lists", &w);
    write_json_entries(doc, ENTRY_RULE, "rules", &w);
    write_json_entries(doc, ENTRY_SCORECARD, "scorecards", &w);
    write_json_entries(doc, ENTRY_TABLE, "tables", &w);
    close_map(&w);
}

/* The first line of an entry of a YAML file. */
static struct writer open_entry(struct buf *out)
{
    buf_add_text(out, "- ");
    return (struct writer){.out = out, .yaml = true, .indent = 2, .first = true, .inline_first = true};
}

/* What others name comes before those. */
void rule_document_write_yaml(const struct rule_document *doc, struct buf *out)
{
    static const enum entry_kind order[] = {ENTRY_TABLE, ENTRY_LIST, ENTRY_SCORECARD, ENTRY_RULE};
    struct texts admins = rule_document_admins(doc);

    if (admins.count) {
        struct writer w = open_entry(out);

        write_some(&w, "admins", admins);
        buf_add_char(out, '\n');
    }
    for (size_t k = 0; k < sizeof(order) / sizeof(*order); k++) {
        struct sorted_entries s = sort_entries(doc, order[k], out);

        for (size_t i = 0; i < s.count; i++) {
            struct writer w = open_entry(out);

            describe_entry(&w, order[k], &s.items[i]);
            buf_add_char(out, '\n');
        }
        free(s.items);
    }
}
