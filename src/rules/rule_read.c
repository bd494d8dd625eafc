/* Reads rules as people write them into the model of rule.h. Every key has its reader in a table; a fault never stops
 * the reading, so that all of them are reported at once. */
#include "base/yaml.h"
#include "rules/fold.h"
#include "rules/matcher.h"
#include "rules/rule_document_priv.h"
#include "rules/rule_names.h"
#include "rules/unicode.h"

enum {
    RULE_FILE_MAX = 64 * 1024 * 1024,
    RULE_MAX_NAME = 64,
    RULE_MAX_TEXT = 4096, /* replace, note, the text of an example, a glob */
    RULE_MAX_MASK = 32,   /* bytes of one user-visible character */
};

struct reader {
    struct rule_document *doc;
    struct arena *arena;
    const char *source; /* owned by the document */
    struct faults *faults;
    struct folded folded; /* scratch, to see what a term folds to */
};

#define FAULT(r, node, ...) faults_add((r)->faults, (r)->source, (node)->line, (node)->column, __VA_ARGS__)

static struct place place_of(const struct yaml_node *node)
{
    return (struct place){node->line, node->column};
}

/* How a reader of one key is told where to put what it reads. */
typedef void (*key_reader)(struct reader *r, const struct yaml_node *value, void *into);

struct key {
    const char *name;
    key_reader read;
};

/* Reads each key of map by its reader; what names the thing the map describes. False when it is no map. */
static bool read_map(struct reader *r, const struct yaml_node *map, const char *what, const struct key *keys,
                     size_t count, void *into)
{
    const char *names[16];

    if (map->kind != YAML_MAP) {
        FAULT(r, map, "%s must be a map of keys and values", what);
        return false;
    }
    for (size_t k = 0; k < count; k++)
        names[k] = keys[k].name;
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *key = map->keys[i];
        size_t k = 0;

        while (k < count && !span_is(key->text, keys[k].name))
            k++;
        if (k < count) {
            keys[k].read(r, map->items[i], into);
        } else {
            const char *meant = faults_suggest(key->text.data, names, count);

            if (meant)
                FAULT(r, key, "%s has no key \"%.*s\"; did you mean \"%s\"?", what, (int)key->text.len, key->text.data,
                      meant);
            else
                FAULT(r, key, "%s has no key \"%.*s\"; remove it", what, (int)key->text.len, key->text.data);
        }
    }
    return true;
}

/* A text of 1..max bytes without control characters other than line feed and tab; NULL after a fault. */
static const char *read_text(struct reader *r, const struct yaml_node *node, const char *what, size_t max)
{
    if (node->kind != YAML_SCALAR) {
        FAULT(r, node, "%s must be a text", what);
        return NULL;
    }
    if (node->text.len == 0) {
        FAULT(r, node, "%s is empty; give a text or leave the key out", what);
        return NULL;
    }
    if (node->text.len > max) {
        FAULT(r, node, "%s has %zu bytes; at most %zu are possible", what, node->text.len, max);
        return NULL;
    }
    for (size_t i = 0; i < node->text.len; i++) {
        unsigned char c = (unsigned char)node->text.data[i];

        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
            FAULT(r, node, "%s holds the control character U+%04X; remove it", what, c);
            return NULL;
        }
    }
    return arena_span(r->arena, node->text).data;
}

static const char *read_name(struct reader *r, const struct yaml_node *node, const char *what)
{
    const char *name = read_text(r, node, what, RULE_MAX_NAME);

    if (name && strpbrk(name, " \t\n")) {
        FAULT(r, node, "%s \"%s\" holds a blank; use \"-\" instead", what, name);
        return NULL;
    }
    return name;
}

/* One word out of a list of names; returns its index, or -1 after a fault. */
static int read_word(struct reader *r, const struct yaml_node *node, const char *what, const struct name_list *names)
{
    const char *meant;

    if (node->kind != YAML_SCALAR) {
        FAULT(r, node, "%s must be one of: %s", what, names->all);
        return -1;
    }
    for (size_t i = 0; i < names->count; i++)
        if (span_is(node->text, names->names[i]))
            return (int)i;
    meant = faults_suggest(node->text.data, names->names, names->count);
    if (meant)
        FAULT(r, node, "%s cannot be \"%.*s\"; did you mean \"%s\"?", what, (int)node->text.len, node->text.data,
              meant);
    else
        FAULT(r, node, "%s cannot be \"%.*s\"; it is one of: %s", what, (int)node->text.len, node->text.data,
              names->all);
    return -1;
}

/* A list of texts; one text alone stands for a list of one. */
static void read_texts(struct reader *r, const struct yaml_node *node, const char *what, struct texts *out)
{
    const struct yaml_node *const one[] = {node};
    const struct yaml_node *const *items = one;
    size_t count = 1, kept = 0;
    const char **texts;

    if (node->kind == YAML_LIST) {
        items = (const struct yaml_node *const *)node->items;
        count = node->count;
    }
    texts = arena_array(r->arena, count, sizeof(*texts));
    for (size_t i = 0; i < count && texts; i++) {
        const char *text = read_text(r, items[i], what, RULE_MAX_TEXT);

        if (text)
            texts[kept++] = text;
    }
    *out = (struct texts){texts, kept};
}

static void read_folding(struct reader *r, const struct yaml_node *node, unsigned *folding)
{
    unsigned steps = FOLD_NONE;

    if (node->kind != YAML_LIST) {
        FAULT(r, node, "folding must be a list of: %s; [] for none", fold_step_names.all);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        int step = read_word(r, node->items[i], "folding", &fold_step_names);

        if (step >= 0)
            steps |= 1u << step;
    }
    *folding = steps;
}

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
        FAULT(r, node, "terms must be a list of texts");
        return;
    }
    if (node->count == 0) {
        FAULT(r, node, "list \"%s\" has no terms; add some or remove the list", list->name ? list->name : "?");
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
            FAULT(r, item, "term number %zu folds to nothing and would match everywhere; remove it", i + 1);
            continue;
        }
        terms[kept++] = arena_span(r->arena, item->text);
    }
    list->terms = terms;
    list->term_count = kept;
}

static const struct key list_keys[] = {
    {"list", list_name},
    {"folding", list_folding},
    {"boundary", list_boundary},
    {"terms", list_terms},
};

static void read_list(struct reader *r, const struct yaml_node *node)
{
    struct list_entry *entry = arena_alloc(r->arena, sizeof(*entry));
    struct list_reading reading = {entry ? &entry->list : NULL, NULL};

    if (!entry)
        return;
    entry->source = r->source;
    entry->list.place = place_of(node);
    entry->list.folding.steps = FOLD_BASE;
    if (!read_map(r, node, "a list", list_keys, sizeof(list_keys) / sizeof(*list_keys), &reading))
        return;
    if (!yaml_get(node, "list"))
        FAULT(r, node, "this list has no name; add list: NAME");
    if (reading.terms)
        read_terms(r, reading.terms, &entry->list);
    else
        FAULT(r, node, "list \"%s\" has no terms; add terms: [...]", entry->list.name ? entry->list.name : "?");
    if (entry->list.name)
        rule_document_keep_list(r->doc, entry);
}

/* Conditions -------------------------------------------------------------------------------------- */

static struct condition *read_condition(struct reader *r, const struct yaml_node *node);

struct condition_reading {
    struct condition *condition;
    const struct yaml_node *node; /* of the condition */
    unsigned kinds;               /* how many of terms, regex, any, all, not it has */
    const struct yaml_node *folding;
};

static void condition_terms(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition_reading *c = into;

    c->kinds++;
    c->condition->kind = CONDITION_TERMS;
    if (node->kind != YAML_SCALAR)
        FAULT(r, node, "terms must be the name of a list; put the words into an entry of their own, - list: NAME");
    else
        c->condition->text = read_name(r, node, "the name of the list");
}

static void condition_regex(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition_reading *c = into;
    const char *text = read_text(r, node, "the expression", MATCHER_MAX_EXPRESSION);
    struct err err;

    c->kinds++;
    c->condition->kind = CONDITION_REGEX;
    c->condition->text = text;
    if (text && matcher_check_expression(text, &err) < 0)
        FAULT(r, node, "the expression cannot be used: %s", err.text);
}

static void condition_folding(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition_reading *c = into;

    c->folding = node;
    read_folding(r, node, &c->condition->folding.steps);
}

static void read_parts(struct reader *r, const struct yaml_node *node, struct condition_reading *c,
                       enum condition_kind kind, const char *what)
{
    struct condition **parts;

    c->kinds++;
    c->condition->kind = kind;
    if (node->kind != YAML_LIST || node->count == 0) {
        FAULT(r, node, "%s must be a list of at least one condition", what);
        return;
    }
    parts = arena_array(r->arena, node->count, sizeof(*parts));
    for (size_t i = 0; i < node->count && parts; i++) {
        struct condition *part = read_condition(r, node->items[i]);

        if (part)
            parts[c->condition->part_count++] = part;
    }
    c->condition->parts = parts;
}

static void condition_any(struct reader *r, const struct yaml_node *node, void *into)
{
    read_parts(r, node, into, CONDITION_ANY, "any");
}

static void condition_all(struct reader *r, const struct yaml_node *node, void *into)
{
    read_parts(r, node, into, CONDITION_ALL, "all");
}

static void condition_not(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition_reading *c = into;
    struct condition **parts = arena_array(r->arena, 1, sizeof(*parts));

    c->kinds++;
    c->condition->kind = CONDITION_NOT;
    if (!parts)
        return;
    parts[0] = read_condition(r, node);
    c->condition->parts = parts;
    c->condition->part_count = parts[0] ? 1 : 0;
}

static const struct key condition_keys[] = {
    {"terms", condition_terms}, {"regex", condition_regex}, {"folding", condition_folding},
    {"any", condition_any},     {"all", condition_all},     {"not", condition_not},
};

/* NULL after a fault that leaves nothing to go on with. */
static struct condition *read_condition(struct reader *r, const struct yaml_node *node)
{
    struct condition_reading c = {.condition = arena_alloc(r->arena, sizeof(*c.condition)), .node = node};

    if (!c.condition)
        return NULL;
    c.condition->place = place_of(node);
    if (!read_map(r, node, "a condition", condition_keys, sizeof(condition_keys) / sizeof(*condition_keys), &c))
        return NULL;
    if (c.kinds != 1) {
        FAULT(r, node, "a condition is one of: terms, regex, any, all, not; put several into any or all");
        return NULL;
    }
    if (c.folding && c.condition->kind != CONDITION_REGEX)
        FAULT(r, c.folding, "folding belongs to a regex or to a list, not to this condition");
    return c.condition;
}

/* Rules ------------------------------------------------------------------------------------------- */

static void rule_name(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct rule *)into)->name = read_name(r, node, "the name of the rule");
}

static void rule_when(struct reader *r, const struct yaml_node *node, void *into)
{
    int when = read_word(r, node, "when", &when_names);

    if (when >= 0)
        ((struct rule *)into)->when = (enum rule_when)(when + WHEN_BEFORE);
}

static void rule_mode(struct reader *r, const struct yaml_node *node, void *into)
{
    int mode = read_word(r, node, "mode", &mode_names);

    if (mode >= 0)
        ((struct rule *)into)->mode = (enum rule_mode)mode;
}

static void scope_groups(struct reader *r, const struct yaml_node *node, void *into)
{
    read_texts(r, node, "a group of the scope", &((struct rule *)into)->scope.only[SCOPE_GROUPS]);
}

static void scope_except_groups(struct reader *r, const struct yaml_node *node, void *into)
{
    read_texts(r, node, "a group of the scope", &((struct rule *)into)->scope.except[SCOPE_GROUPS]);
}

static void scope_senders(struct reader *r, const struct yaml_node *node, void *into)
{
    read_texts(r, node, "a sender of the scope", &((struct rule *)into)->scope.only[SCOPE_SENDERS]);
}

static void scope_except_senders(struct reader *r, const struct yaml_node *node, void *into)
{
    read_texts(r, node, "a sender of the scope", &((struct rule *)into)->scope.except[SCOPE_SENDERS]);
}

static const struct key scope_keys[] = {
    {"groups", scope_groups},
    {"except_groups", scope_except_groups},
    {"senders", scope_senders},
    {"except_senders", scope_except_senders},
};

static void rule_scope(struct reader *r, const struct yaml_node *node, void *into)
{
    read_map(r, node, "a scope", scope_keys, sizeof(scope_keys) / sizeof(*scope_keys), into);
}

static void rule_match(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct rule *)into)->match = read_condition(r, node);
}

static void rule_action(struct reader *r, const struct yaml_node *node, void *into)
{
    int action = read_word(r, node, "action", &action_names_list);

    if (action >= 0)
        ((struct rule *)into)->action = (enum action)action;
}

static void rule_mask(struct reader *r, const struct yaml_node *node, void *into)
{
    const char *mask = read_text(r, node, "mask", RULE_MAX_MASK);
    struct graphemes *g;

    if (!mask)
        return;
    g = graphemes_new();
    if (!g || !graphemes_set(g, node->text))
        r->arena->failed = true;
    else if (graphemes_end(g, 0) != node->text.len || strpbrk(mask, "\n\t"))
        FAULT(r, node, "mask must be one character; it stands for each masked one");
    graphemes_free(g);
    ((struct rule *)into)->mask = mask;
}

static void rule_replace(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct rule *)into)->replace = read_text(r, node, "replace", RULE_MAX_TEXT);
}

static void rule_reject_code(struct reader *r, const struct yaml_node *node, void *into)
{
    unsigned long long code = 0;

    if (node->kind != YAML_SCALAR || !span_to_u64(node->text, &code) ||
        (code != REPLY_REJECT && (code < REPLY_CODE_MIN || code > REPLY_CODE_MAX)))
        FAULT(r, node, "reject_code must be %d, or %d to %d with a reject_text", REPLY_REJECT, REPLY_CODE_MIN,
              REPLY_CODE_MAX);
    else
        ((struct rule *)into)->reject_code = (int)code;
}

static void rule_reject_text(struct reader *r, const struct yaml_node *node, void *into)
{
    const char *text = read_text(r, node, "reject_text", REPLY_MAX_ERROR_INFO);

    if (text && strpbrk(text, "\n\t"))
        FAULT(r, node, "reject_text must be one line");
    ((struct rule *)into)->reject_text = text;
}

static void rule_note(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct rule *)into)->note = read_text(r, node, "note", RULE_MAX_TEXT);
}

/* "resend", "recall" or "mute" with a duration such as 30s, 10m, 2h, 1d. */
static bool is_follow_up(const char *text)
{
    const char *digits;
    size_t count;

    if (strcmp(text, "resend") == 0 || strcmp(text, "recall") == 0)
        return true;
    if (strncmp(text, "mute ", 5) != 0)
        return false;
    digits = text + 5;
    count = strspn(digits, "0123456789");
    return count > 0 && count < 9 && digits[count] && strchr("smhd", digits[count]) && !digits[count + 1];
}

static void rule_then(struct reader *r, const struct yaml_node *node, void *into)
{
    struct texts *then = &((struct rule *)into)->then;

    read_texts(r, node, "a follow-up", then);
    for (size_t i = 0; i < then->count; i++)
        if (!is_follow_up(then->items[i]))
            FAULT(r, node, "\"%s\" is no follow-up; use resend, recall, or mute with a duration: mute 10m",
                  then->items[i]);
}

/* Examples ---------------------------------------------------------------------------------------- */

static void example_text(struct reader *r, const struct yaml_node *node, void *into)
{
    if (node->kind != YAML_SCALAR || node->text.len > RULE_MAX_TEXT)
        FAULT(r, node, "the text of an example must be a text of at most %d bytes", RULE_MAX_TEXT);
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
        FAULT(r, node, "becomes must be a text");
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
    struct rule *rule = into;
    struct example *examples;

    if (node->kind != YAML_LIST) {
        FAULT(r, node, "examples must be a list");
        return;
    }
    examples = arena_array(r->arena, node->count, sizeof(*examples));
    for (size_t i = 0; i < node->count && examples; i++) {
        const struct yaml_node *item = node->items[i];
        struct example *example = &examples[rule->example_count];

        example->place = place_of(item);
        if (!read_map(r, item, "an example", example_keys, sizeof(example_keys) / sizeof(*example_keys), example))
            continue;
        if (!yaml_get(item, "text") || !yaml_get(item, "verdict"))
            FAULT(r, item, "an example needs a text and a verdict");
        else if (example->has_becomes && example->verdict != ACTION_MASK && example->verdict != ACTION_REPLACE)
            FAULT(r, item, "becomes is for the verdicts mask and replace; remove it");
        rule->example_count++;
    }
    rule->examples = examples;
}

static const struct key rule_keys[] = {
    {"rule", rule_name},
    {"when", rule_when},
    {"mode", rule_mode},
    {"scope", rule_scope},
    {"match", rule_match},
    {"action", rule_action},
    {"mask", rule_mask},
    {"replace", rule_replace},
    {"reject_code", rule_reject_code},
    {"reject_text", rule_reject_text},
    {"then", rule_then},
    {"note", rule_note},
    {"examples", rule_examples},
};

/* What belongs together in one rule. A mask or replacement that cannot be carried out becomes a rejection, so those
 * two may say with which code. */
static void check_rule(struct reader *r, const struct yaml_node *node, const struct rule *rule)
{
    const char *name = rule->name ? rule->name : "?";
    const struct yaml_node *key;
    bool can_reject = rule->action == ACTION_REJECT || rule->action == ACTION_MASK || rule->action == ACTION_REPLACE;

    if (!yaml_get(node, "rule"))
        FAULT(r, node, "this rule has no name; add rule: NAME");
    if (!yaml_get(node, "match"))
        FAULT(r, node, "rule \"%s\" has no match; add the condition under which it applies", name);
    if (!yaml_get(node, "action")) {
        FAULT(r, node, "rule \"%s\" has no action; add one of: %s", name, action_names_list.all);
        return;
    }
    key = yaml_get(node, "mask");
    if (key && rule->action != ACTION_MASK)
        FAULT(r, key, "mask is for rules with action: mask; remove it");
    key = yaml_get(node, "replace");
    if (key && rule->action != ACTION_REPLACE)
        FAULT(r, key, "replace is for rules with action: replace; remove it");
    if (!key && rule->action == ACTION_REPLACE)
        FAULT(r, node, "rule \"%s\" has no text to replace the message with; add replace: \"...\"", name);
    key = yaml_get(node, "reject_code");
    if (key && !can_reject)
        FAULT(r, key, "reject_code is for rules with action: reject, mask or replace; remove it");
    key = yaml_get(node, "reject_text");
    if (key && rule->reject_code < REPLY_CODE_MIN)
        FAULT(r, key, "the sender reads reject_text only with a code of its own; add reject_code: %d to %d",
              REPLY_CODE_MIN, REPLY_CODE_MAX);
}

static void read_rule(struct reader *r, const struct yaml_node *node)
{
    struct rule_entry *entry = arena_alloc(r->arena, sizeof(*entry));
    struct rule *rule = entry ? &entry->rule : NULL;

    if (!rule)
        return;
    entry->source = r->source;
    *rule = (struct rule){
        .when = WHEN_BOTH, .rollout = 100, .mask = "*", .reject_code = REPLY_REJECT, .place = place_of(node)};
    if (!read_map(r, node, "a rule", rule_keys, sizeof(rule_keys) / sizeof(*rule_keys), rule))
        return;
    check_rule(r, node, rule);
    if (rule->name)
        rule_document_keep_rule(r->doc, entry);
}

/* Documents --------------------------------------------------------------------------------------- */

static void document_lists(struct reader *r, const struct yaml_node *node, void *into)
{
    (void)into;
    if (node->kind != YAML_LIST)
        FAULT(r, node, "lists must be a list");
    else
        for (size_t i = 0; i < node->count; i++)
            read_list(r, node->items[i]);
}

static void document_rules(struct reader *r, const struct yaml_node *node, void *into)
{
    (void)into;
    if (node->kind != YAML_LIST)
        FAULT(r, node, "rules must be a list");
    else
        for (size_t i = 0; i < node->count; i++)
            read_rule(r, node->items[i]);
}

static const struct key document_keys[] = {
    {"lists", document_lists},
    {"rules", document_rules},
};

static void read_root(struct reader *r, const struct yaml_node *root)
{
    if (root->kind == YAML_MAP && (yaml_get(root, "rules") || yaml_get(root, "lists"))) {
        read_map(r, root, "a rule document", document_keys, sizeof(document_keys) / sizeof(*document_keys), NULL);
        return;
    }
    if (root->kind != YAML_LIST) {
        FAULT(r, root, "a rule file is a list of entries; begin each with \"- rule: NAME\" or \"- list: NAME\"");
        return;
    }
    for (size_t i = 0; i < root->count; i++) {
        const struct yaml_node *item = root->items[i];

        if (yaml_get(item, "rule"))
            read_rule(r, item);
        else if (yaml_get(item, "list"))
            read_list(r, item);
        else
            FAULT(r, item, "an entry begins with \"rule: NAME\" or \"list: NAME\"");
    }
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
