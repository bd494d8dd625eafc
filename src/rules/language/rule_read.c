/* Reads rule files and the documents of revisions: the entries, and of them the rules. */
#include "rules/language/rule_reader.h"
#include "rules/matcher.h"

enum {
    RULE_FILE_MAX = 64 * 1024 * 1024,
    MAX_SCORE = 1000000,
};

/* Rules ------------------------------------------------------------------------------------------- */

struct rule_reading {
    struct rule *rule;
    struct effect effect;
};

static struct rule *rule_of(void *into)
{
    return ((struct rule_reading *)into)->rule;
}

static void rule_name(struct reader *r, const struct yaml_node *node, void *into)
{
    rule_of(into)->name = read_name(r, node, "the name of the rule");
}

static void rule_when(struct reader *r, const struct yaml_node *node, void *into)
{
    int when = read_word(r, node, "when", &when_names);

    if (when >= 0)
        rule_of(into)->when = (enum rule_when)(when + WHEN_BEFORE);
}

static void rule_mode(struct reader *r, const struct yaml_node *node, void *into)
{
    int mode = read_word(r, node, "mode", &mode_names);

    if (mode >= 0)
        rule_of(into)->mode = (enum rule_mode)mode;
}

static void rule_rollout(struct reader *r, const struct yaml_node *node, void *into)
{
    int64_t percent;

    if (read_number(r, node, "rollout", 0, 100, &percent))
        rule_of(into)->rollout = (unsigned)percent;
}

static void rule_scope(struct reader *r, const struct yaml_node *node, void *into)
{
    read_scope(r, node, &rule_of(into)->scope);
}

static void rule_match(struct reader *r, const struct yaml_node *node, void *into)
{
    rule_of(into)->match = read_condition(r, node);
}

static void rule_action(struct reader *r, const struct yaml_node *node, void *into)
{
    int action = read_word(r, node, "action", &action_names_list);

    if (action >= 0)
        rule_of(into)->action = (enum action)action;
}

/* A scorecard and points for it: { spam: 3 }. */
static void rule_score(struct reader *r, const struct yaml_node *node, void *into)
{
    struct rule *rule = rule_of(into);
    int64_t points = 0;

    if (node->kind != YAML_MAP || node->count != 1) {
        reader_fault(r, node, "score must be one scorecard and points for it: { spam: 3 }");
        return;
    }
    rule->scorecard = read_name(r, node->keys[0], "the name of the scorecard");
    if (!read_number(r, node->items[0], "points", -MAX_SCORE, MAX_SCORE, &points))
        return;
    if (!points)
        reader_fault(r, node->items[0], "0 points change nothing; give some, or less than none to take some away");
    rule->points = (int)points;
}

#define RULE_READER(key)                                                                                               \
    static void rule_##key(struct reader *r, const struct yaml_node *node, void *into)                                 \
    {                                                                                                                  \
        effect_##key(r, node, &((struct rule_reading *)into)->effect);                                                 \
    }

RULE_READER(mask)
RULE_READER(replace)
RULE_READER(reject_code)
RULE_READER(reject_text)
RULE_READER(then)
RULE_READER(note)

/* Examples ---------------------------------------------------------------------------------------- */

static void example_text(struct reader *r, const struct yaml_node *node, void *into)
{
    if (node->kind != YAML_SCALAR || node->text.len > RULE_MAX_TEXT)
        reader_fault(r, node, "the text of an example must be a text of at most %d bytes", RULE_MAX_TEXT);
    else
        ((struct example *)into)->text = arena_span(r->arena, node->text);
}

static void example_verdict(struct reader *r, const struct yaml_node *node, void *into)
{
    int action = read_word(r, node, "verdict", &action_names_list);

    if (action >= 0)
        ((struct example *)into)->verdict = (enum action)action;
}

static void example_becomes(struct reader *r, const struct yaml_node *node, void *into)
{
    struct example *example = into;

    if (node->kind != YAML_SCALAR) {
        reader_fault(r, node, "becomes must be a text");
        return;
    }
    example->has_becomes = true;
    example->becomes = arena_span(r->arena, node->text);
}

static const struct key example_keys[] = {
    {"text", example_text},
    {"verdict", example_verdict},
    {"becomes", example_becomes},
};

static void rule_examples(struct reader *r, const struct yaml_node *node, void *into)
{
    struct rule *rule = rule_of(into);
    struct example *examples;

    if (node->kind != YAML_LIST) {
        reader_fault(r, node, "examples must be a list");
        return;
    }
    examples = arena_array(r->arena, node->count, sizeof(*examples));
    for (size_t i = 0; i < node->count && examples; i++) {
        const struct yaml_node *item = node->items[i];
        struct example *example = &examples[rule->example_count];

        example->place = place_of(item);
        if (!read_map(r, item, "an example", KEYS(example_keys), example))
            continue;
        if (!yaml_get(item, "text") || !yaml_get(item, "verdict"))
            reader_fault(r, item, "an example needs a text and a verdict");
        else if (example->has_becomes && example->verdict < ACTION_MASK)
            reader_fault(
                r, item,
                "becomes is for the verdicts mask and replace, and with then: [resend] for reject and discard; "
                "remove it");
        rule->example_count++;
    }
    rule->examples = examples;
}

static const struct key rule_keys[] = {
    {"rule", rule_name},
    {"when", rule_when},
    {"mode", rule_mode},
    {"rollout", rule_rollout},
    {"scope", rule_scope},
    {"match", rule_match},
    {"action", rule_action},
    {"score", rule_score},
    {"mask", rule_mask},
    {"replace", rule_replace},
    {"reject_code", rule_reject_code},
    {"reject_text", rule_reject_text},
    {"then", rule_then},
    {"note", rule_note},
    {"examples", rule_examples},
};

/* A rule that scores says nothing of what becomes of the message: that is the scorecard's matter. */
static void check_scoring(struct reader *r, const struct yaml_node *node)
{
    static const char *const keys[] = {"mask", "replace", "reject_code", "reject_text", "then"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const struct yaml_node *key = yaml_get(node, keys[i]);

        if (key)
            reader_fault(r, key, "a rule with a score leaves %s to its scorecard; write it there", keys[i]);
    }
}

/* What belongs together in one rule. */
static void check_rule(struct reader *r, const struct yaml_node *node, const struct rule_reading *reading)
{
    const char *name = reading->rule->name ? reading->rule->name : "?";
    const struct yaml_node *action = yaml_get(node, "action"), *score = yaml_get(node, "score");

    if (!yaml_get(node, "rule"))
        reader_fault(r, node, "this rule has no name; add rule: NAME");
    if (!yaml_get(node, "match"))
        reader_fault(r, node, "rule \"%s\" has no match; add the condition under which it applies", name);
    if (action && score)
        reader_fault(r, score, "a rule has an action or a score, not both; remove one");
    else if (score)
        check_scoring(r, node);
    else if (action)
        effect_check(r, node, &reading->effect, 1u << reading->rule->action, "rules with action:");
    else
        reader_fault(r, node, "rule \"%s\" has no action; add one of: %s, or score: { SCORECARD: points }", name,
                     action_names_list.all);
}

void read_rule(struct reader *r, const struct yaml_node *node)
{
    struct rule_entry *entry = arena_alloc(r->arena, sizeof(*entry));
    struct rule *rule = entry ? &entry->rule : NULL;
    struct rule_reading reading = {rule, EFFECT_DEFAULT};
    const struct effect *e = &reading.effect;

    if (!rule)
        return;
    entry->source = r->source;
    *rule = (struct rule){.when = WHEN_BOTH, .rollout = 100, .place = place_of(node)};
    if (!read_map(r, node, "a rule", KEYS(rule_keys), &reading))
        return;
    check_rule(r, node, &reading);
    rule->mask = e->mask;
    rule->replace = e->replace;
    rule->reject_text = e->reject_text;
    rule->note = e->note;
    rule->reject_code = e->reject_code;
    rule->then = e->then;
    if (rule->scorecard)
        rule->action = ACTION_FLAG;
    if (rule->name)
        rule_document_keep_rule(r->doc, entry);
}

/* Documents --------------------------------------------------------------------------------------- */

static const struct entry_kind {
    const char *name;
    void (*read)(struct reader *r, const struct yaml_node *node);
} entry_kinds[] = {
    {"rule", read_rule},
    {"list", read_list},
    {"table", read_table},
    {"scorecard", read_scorecard},
};

/* Faults inside of an entry name it. */
static void read_entry(struct reader *r, const struct yaml_node *node, const struct entry_kind *kind)
{
    const struct yaml_node *name = yaml_get(node, kind->name);

    r->kind = kind->name;
    r->name =
        name && name->kind == YAML_SCALAR && name->text.len && name->text.len <= RULE_MAX_NAME ? name->text.data : NULL;
    kind->read(r, node);
    r->name = NULL;
}

static void read_entries(struct reader *r, const struct yaml_node *node, const char *what, const char *kind)
{
    size_t k = 0;

    while (strcmp(entry_kinds[k].name, kind) != 0)
        k++;
    if (node->kind != YAML_LIST)
        reader_fault(r, node, "%s must be a list", what);
    else
        for (size_t i = 0; i < node->count; i++)
            read_entry(r, node->items[i], &entry_kinds[k]);
}

static void document_admins(struct reader *r, const struct yaml_node *node, void *into)
{
    (void)into;
    read_admins(r, node);
}

static void document_lists(struct reader *r, const struct yaml_node *node, void *into)
{
    (void)into;
    read_entries(r, node, "lists", "list");
}

static void document_rules(struct reader *r, const struct yaml_node *node, void *into)
{
    (void)into;
    read_entries(r, node, "rules", "rule");
}

static void document_scorecards(struct reader *r, const struct yaml_node *node, void *into)
{
    (void)into;
    read_entries(r, node, "scorecards", "scorecard");
}

static void document_tables(struct reader *r, const struct yaml_node *node, void *into)
{
    (void)into;
    read_entries(r, node, "tables", "table");
}

static const struct key document_keys[] = {
    {"admins", document_admins},         {"lists", document_lists},   {"rules", document_rules},
    {"scorecards", document_scorecards}, {"tables", document_tables},
};

static const struct key admins_keys[] = {
    {"admins", document_admins},
};

/* An entry of no kind: a key that is nearly one of a kind, or what kinds there are. */
static void refuse_item(struct reader *r, const struct yaml_node *item)
{
    const char *names[sizeof(entry_kinds) / sizeof(*entry_kinds) + 1] = {"admins"};
    const size_t count = sizeof(names) / sizeof(*names);

    for (size_t k = 1; k < count; k++)
        names[k] = entry_kinds[k - 1].name;
    for (size_t i = 0; item->kind == YAML_MAP && i < item->count; i++) {
        const char *meant = faults_suggest(item->keys[i]->text.data, names, count);

        if (meant) {
            reader_fault(r, item->keys[i], "there is no entry \"%.*s\"; did you mean \"%s\"?",
                         (int)item->keys[i]->text.len, item->keys[i]->text.data, meant);
            return;
        }
    }
    reader_fault(r, item,
                 "an entry begins with \"rule: NAME\", \"list: NAME\", \"table: NAME\", \"scorecard: NAME\" or "
                 "\"admins: [..]\"");
}

static void read_item(struct reader *r, const struct yaml_node *item)
{
    if (yaml_get(item, "admins")) {
        read_map(r, item, "an entry of admins", KEYS(admins_keys), NULL);
        return;
    }
    for (size_t k = 0; k < sizeof(entry_kinds) / sizeof(*entry_kinds); k++)
        if (yaml_get(item, entry_kinds[k].name)) {
            read_entry(r, item, &entry_kinds[k]);
            return;
        }
    refuse_item(r, item);
}

static bool is_document(const struct yaml_node *root)
{
    for (size_t k = 0; k < sizeof(document_keys) / sizeof(*document_keys); k++)
        if (yaml_get(root, document_keys[k].name))
            return true;
    return false;
}

static void read_root(struct reader *r, const struct yaml_node *root)
{
    if (is_document(root)) {
        read_map(r, root, "a rule document", KEYS(document_keys), NULL);
        return;
    }
    if (root->kind != YAML_LIST) {
        reader_fault(r, root, "a rule file is a list of entries; begin each with \"- rule: NAME\" or \"- list: NAME\"");
        return;
    }
    for (size_t i = 0; i < root->count; i++)
        read_item(r, root->items[i]);
}

/* Rules with faults are not compiled, so an expression that is too large would show only when they are mended. */
static void try_expressions(struct reader *r)
{
    struct err err;

    for (size_t i = 0; i < r->expression_count; i++)
        if (matcher_try_expression(r->expressions[i]->text.data, &err) < 0)
            reader_fault(r, r->expressions[i], "the expression cannot be used: %s", err.text);
}

static int read_tree(struct rule_document *doc, struct yaml_tree *tree, struct faults *faults)
{
    struct reader r = {
        .doc = doc,
        .arena = &doc->arena,
        .source = arena_text(&doc->arena, yaml_tree_source(tree)),
        .faults = faults,
    };
    size_t before = faults->count;

    if (r.source && yaml_tree_root(tree))
        read_root(&r, yaml_tree_root(tree));
    if (faults->count != before)
        try_expressions(&r);
    if (doc->arena.failed)
        faults_add(faults, yaml_tree_source(tree), 0, 0, "out of memory");
    folded_release(&r.folded);
    yaml_tree_free(tree);
    return faults->count == before ? 0 : ERR_USAGE;
}

/* The YAML reader's words already begin with file, line and column. */
static int yaml_fault(struct faults *faults, const struct err *err)
{
    faults->count++;
    buf_addf(&faults->text, "%s\n", err->text);
    return ERR_USAGE;
}

int rule_document_read_file(struct rule_document *doc, const char *path, struct faults *faults)
{
    struct yaml_tree *tree = NULL;
    struct err err;

    if (yaml_tree_read(&tree, path, RULE_FILE_MAX, &err) < 0)
        return yaml_fault(faults, &err);
    return read_tree(doc, tree, faults);
}

int rule_document_read_text(struct rule_document *doc, const char *source, struct span text, struct faults *faults)
{
    struct yaml_tree *tree = NULL;
    struct err err;

    if (yaml_tree_parse(&tree, source, text, &err) < 0)
        return yaml_fault(faults, &err);
    return read_tree(doc, tree, faults);
}
