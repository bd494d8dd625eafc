#include "rules/ruleset_priv.h"

#include "base/crypto.h"
#include "rules/judge.h"
#include "rules/stored_file.h"

#include <malloc.h>
#include <stdlib.h>

#define LAST_GOOD "rules-last-good"

static atomic_uint_fast64_t next_serial = 1; /* names sets within this process, so that scratch can tell them apart */

/* Compiling ---------------------------------------------------------------------------------------- */

struct leaf_origin {              /* where a leaf came from */
    const struct term_list *list; /* NULL: an expression */
    const char *source;           /* of the first condition that names it, for faults */
    struct place place;
};

struct compiler {
    struct ruleset *set;
    struct arena *arena;
    const struct rule_document *doc;
    struct faults *faults;
    const struct term_list *const *lists;
    size_t list_count;
    struct leaf *leaves;
    struct leaf_origin *origins; /* one for each leaf */
    size_t leaf_count, leaf_cap, origin_cap;
    /* of the rule being compiled */
    const char *source;
    uint32_t *slots;
    size_t slot_count, slot_cap;
};

static const struct term_list *find_list(const struct compiler *c, const char *name)
{
    for (size_t i = 0; i < c->list_count; i++)
        if (strcmp(c->lists[i]->name, name) == 0)
            return c->lists[i];
    return NULL;
}

/* The array with room for one more, or the same array and a failed arena. */
static void *room(struct compiler *c, void *items, size_t count, size_t *cap, size_t size)
{
    size_t wanted = *cap ? *cap * 2 : 32;
    void *grown;

    if (count < *cap)
        return items;
    grown = realloc(items, wanted * size);
    if (!grown) {
        c->arena->failed = true;
        return items;
    }
    *cap = wanted;
    return grown;
}

/* The leaf of a condition, made when no condition named it before. False after a fault or without memory. */
static bool leaf_of(struct compiler *c, const struct condition *condition, uint32_t *out)
{
    bool is_list = condition->kind == CONDITION_TERMS;
    const struct term_list *list = is_list ? find_list(c, condition->text) : NULL;
    struct leaf *leaf;

    if (is_list && !list) {
        faults_add(c->faults, c->source, condition->place.line, condition->place.column, "there is no list \"%s\"",
                   condition->text);
        return false;
    }
    for (size_t i = 0; i < c->leaf_count; i++) {
        leaf = &c->leaves[i];
        if (is_list ? c->origins[i].list == list
                    : leaf->expression && leaf->folding == condition->folding &&
                          strcmp(leaf->expression, condition->text) == 0) {
            *out = (uint32_t)i;
            return true;
        }
    }
    c->leaves = room(c, c->leaves, c->leaf_count, &c->leaf_cap, sizeof(*c->leaves));
    c->origins = room(c, c->origins, c->leaf_count, &c->origin_cap, sizeof(*c->origins));
    if (c->arena->failed)
        return false;
    c->leaves[c->leaf_count] = (struct leaf){
        .list = is_list ? arena_text(c->arena, list->name) : NULL,
        .expression = is_list ? NULL : arena_text(c->arena, condition->text),
        .folding = is_list ? list->folding : condition->folding,
        .merges = !is_list,
    };
    c->origins[c->leaf_count] = (struct leaf_origin){list, c->source, condition->place};
    *out = (uint32_t)c->leaf_count++;
    return true;
}

static uint32_t slot_of(struct compiler *c, uint32_t leaf)
{
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i] == leaf)
            return (uint32_t)i;
    c->slots = room(c, c->slots, c->slot_count, &c->slot_cap, sizeof(*c->slots));
    if (c->arena->failed)
        return 0;
    c->slots[c->slot_count] = leaf;
    return (uint32_t)c->slot_count++;
}

static void compile_condition(struct compiler *c, const struct condition *condition, struct node *out)
{
    struct node *parts;
    uint32_t leaf;

    *out = (struct node){.kind = condition->kind};
    if (condition->kind == CONDITION_TERMS || condition->kind == CONDITION_REGEX) {
        if (leaf_of(c, condition, &leaf))
            out->slot = slot_of(c, leaf);
        return;
    }
    parts = arena_array(c->arena, condition->part_count, sizeof(*parts));
    for (size_t i = 0; i < condition->part_count && parts; i++)
        compile_condition(c, condition->parts[i], &parts[i]);
    out->parts = parts;
    out->part_count = parts ? condition->part_count : 0;
}

static bool holds_without_match(const struct node *n)
{
    switch (n->kind) {
    case CONDITION_TERMS:
    case CONDITION_REGEX:
        return false;
    case CONDITION_NOT:
        return !holds_without_match(&n->parts[0]);
    case CONDITION_ANY:
        for (size_t i = 0; i < n->part_count; i++)
            if (holds_without_match(&n->parts[i]))
                return true;
        return false;
    case CONDITION_ALL:
        for (size_t i = 0; i < n->part_count; i++)
            if (!holds_without_match(&n->parts[i]))
                return false;
        return true;
    }
    return false;
}

static struct texts copy_texts(struct arena *a, struct texts texts)
{
    const char **items = arena_array(a, texts.count, sizeof(*items));

    for (size_t i = 0; i < texts.count && items; i++)
        items[i] = arena_text(a, texts.items[i]);
    return (struct texts){items, items ? texts.count : 0};
}

static void compile_rule(struct compiler *c, const struct rule *rule, struct compiled_rule *out)
{
    struct arena *a = c->arena;
    uint32_t *leaves;

    c->slot_count = 0;
    c->source = rule_document_source(c->doc, rule);
    *out = (struct compiled_rule){
        .name = arena_text(a, rule->name),
        .when = rule->when,
        .mode = rule->mode,
        .action = rule->action,
        .groups = copy_texts(a, rule->groups),
        .except_groups = copy_texts(a, rule->except_groups),
        .senders = copy_texts(a, rule->senders),
        .except_senders = copy_texts(a, rule->except_senders),
        .mask = arena_text(a, rule->mask),
        .mask_len = strlen(rule->mask),
        .replace = arena_text(a, rule->replace),
        .reject_text = arena_text(a, rule->reject_text),
        .reject_code = rule->reject_code,
        .then = copy_texts(a, rule->then),
    };
    compile_condition(c, rule->match, &out->match);
    out->holds_without_match = holds_without_match(&out->match);
    leaves = arena_array(a, c->slot_count, sizeof(*leaves));
    if (leaves && c->slot_count)
        memcpy(leaves, c->slots, c->slot_count * sizeof(*leaves));
    out->leaves = leaves;
    out->leaf_count = leaves ? c->slot_count : 0;
    out->first_slot = c->set->slot_count;
    c->set->slot_count += out->leaf_count;
    c->set->any_holds_without_match = c->set->any_holds_without_match || out->holds_without_match;
}

static int by_rule_name(const void *a, const void *b)
{
    const struct rule *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static void compile_rules(struct compiler *c)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(c->doc, &rules), used = 0;
    const struct rule **sorted = calloc(count + 1, sizeof(*sorted));
    struct compiled_rule *compiled;

    for (size_t i = 0; i < count && sorted; i++)
        if (rules[i]->mode != MODE_OFF && rules[i]->match)
            sorted[used++] = rules[i];
    compiled = arena_array(c->arena, used, sizeof(*compiled));
    if (!sorted || !compiled) {
        c->arena->failed = true;
        goto out;
    }
    if (used > RULESET_MAX_RULES) {
        faults_add(c->faults, "rules", 0, 0, "%zu rules are not off; at most %d are possible", used, RULESET_MAX_RULES);
        goto out;
    }
    qsort(sorted, used, sizeof(*sorted), by_rule_name);
    for (size_t i = 0; i < used && !c->arena->failed; i++)
        compile_rule(c, sorted[i], &compiled[i]);
    c->set->rules = compiled;
    c->set->rule_count = used;
out:
    free(sorted);
}

/* Tells each leaf which rules have it. */
static void link_leaves(struct compiler *c)
{
    struct ruleset *set = c->set;
    struct leaf *leaves = arena_array(c->arena, c->leaf_count, sizeof(*leaves));

    if (!leaves)
        return;
    if (c->leaf_count)
        memcpy(leaves, c->leaves, c->leaf_count * sizeof(*leaves));
    for (size_t i = 0; i < set->rule_count; i++)
        for (size_t s = 0; s < set->rules[i].leaf_count; s++)
            leaves[set->rules[i].leaves[s]].rule_count++;
    for (size_t i = 0; i < c->leaf_count; i++) {
        leaves[i].rules = arena_array(c->arena, leaves[i].rule_count, sizeof(uint32_t));
        leaves[i].rule_count = 0;
    }
    for (size_t i = 0; i < set->rule_count && !c->arena->failed; i++)
        for (size_t s = 0; s < set->rules[i].leaf_count; s++) {
            struct leaf *leaf = &leaves[set->rules[i].leaves[s]];

            leaf->rules[leaf->rule_count++] = (uint32_t)i;
        }
    set->leaves = leaves;
    set->leaf_count = c->leaf_count;
}

struct folded_term {
    struct span folded, written;
    uint32_t leaf, term;
};

static int compare_spans(struct span a, struct span b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_folded(const void *a, const void *b)
{
    const struct folded_term *x = a, *y = b;
    int order = compare_spans(x->folded, y->folded);

    return order ? order : compare_spans(x->written, y->written);
}

/* The terms of a list, folded, each folded form once (of terms that fold alike the smallest stands for all), so that
 * neither the order of the list nor repetitions in it show anywhere. Returns how many. */
static size_t fold_terms(struct compiler *c, uint32_t leaf, struct arena *scratch, struct folded_term *out)
{
    const struct term_list *list = c->origins[leaf].list;
    struct folded folded = FOLDED_INIT;
    struct span *terms;
    size_t kept = 0, unique = 0;

    for (size_t i = 0; i < list->term_count; i++) {
        if (fold_text(&folded, list->folding, list->terms[i]) < 0) {
            c->arena->failed = true;
            break;
        }
        if (folded.text.len == 0)
            continue; /* a fault since the document was read */
        out[kept++] = (struct folded_term){arena_span(scratch, folded.text), list->terms[i], leaf, 0};
    }
    folded_release(&folded);
    if (scratch->failed)
        c->arena->failed = true;
    if (c->arena->failed)
        return 0;
    qsort(out, kept, sizeof(*out), by_folded);
    terms = arena_array(c->arena, kept, sizeof(*terms));
    for (size_t i = 0; i < kept && terms; i++) {
        if (unique && span_equal(out[i].folded, out[unique - 1].folded))
            continue;
        terms[unique] = arena_span(c->arena, out[i].written);
        out[unique] = out[i];
        out[unique].term = (uint32_t)unique;
        unique++;
    }
    c->set->leaves[leaf].terms = terms;
    return unique;
}

/* One matcher of all leaves of one folding. */
static void compile_folding(struct compiler *c, unsigned folding, const char *cache_directory)
{
    struct ruleset *set = c->set;
    struct arena scratch = ARENA_INIT;
    struct folded_term *terms = NULL;
    struct pattern *patterns = NULL;
    struct pattern_ref *refs;
    size_t most = 0, count = 0, bad = 0;
    struct err err;
    int r;

    for (size_t i = 0; i < set->leaf_count; i++)
        if (set->leaves[i].folding == folding)
            most += c->origins[i].list ? c->origins[i].list->term_count : 1;
    if (!most)
        return;
    terms = calloc(most, sizeof(*terms));
    patterns = calloc(most, sizeof(*patterns));
    refs = arena_array(c->arena, most, sizeof(*refs));
    if (!terms || !patterns || !refs) {
        c->arena->failed = true;
        goto out;
    }
    for (size_t i = 0; i < set->leaf_count && !c->arena->failed; i++) {
        const struct leaf *leaf = &set->leaves[i];
        size_t n;

        if (leaf->folding != folding)
            continue;
        if (leaf->expression) {
            patterns[count] = (struct pattern){leaf->expression, strlen(leaf->expression), true, BOUNDARY_ANY};
            refs[count++] = (struct pattern_ref){(uint32_t)i, 0};
            continue;
        }
        n = fold_terms(c, (uint32_t)i, &scratch, terms);
        for (size_t t = 0; t < n; t++) {
            patterns[count] =
                (struct pattern){terms[t].folded.data, terms[t].folded.len, false, c->origins[i].list->boundary};
            refs[count++] = (struct pattern_ref){(uint32_t)i, terms[t].term};
        }
        set->term_count += n;
    }
    if (c->arena->failed || !count)
        goto out;
    r = matcher_compile(&set->foldings[folding].matcher, patterns, count, cache_directory, &bad, &err);
    set->foldings[folding].patterns = refs;
    if (r == ERR_USAGE) {
        uint32_t leaf = refs[bad].leaf;

        faults_add(c->faults, c->origins[leaf].source, c->origins[leaf].place.line, c->origins[leaf].place.column,
                   "%s%s cannot be used: %s", set->leaves[leaf].list ? "a term of list " : "the expression",
                   set->leaves[leaf].list ? set->leaves[leaf].list : "", err.text);
    } else if (r < 0) {
        faults_add(c->faults, "rules", 0, 0, "%s", err.text);
    } else if (matcher_scratch_for(&set->scratch, set->foldings[folding].matcher) < 0) {
        c->arena->failed = true;
    }
out:
    arena_release(&scratch);
    free(terms);
    free(patterns);
}

/* Examples ----------------------------------------------------------------------------------------- */

/* An id that the first glob matches. */
static struct optional_text id_in_scope(struct buf *out, struct texts globs)
{
    buf_reset(out);
    if (!globs.count)
        return (struct optional_text){MISSING, {NULL, 0}};
    for (const char *g = globs.items[0]; *g; g++)
        if (*g != '*')
            buf_add_char(out, *g == '?' ? 'x' : *g);
    return (struct optional_text){GIVEN, buf_span(out)};
}

static void run_example(struct compiler *c, struct judge *j, const struct rule *rule, const struct example *example)
{
    struct buf group = BUF_INIT, sender = BUF_INIT;
    struct text_piece piece = {TEXT_TEXT, 0, 0, (uint32_t)example->text.len};
    enum element_type element = ELEMENT_TEXT;
    struct message message = {
        .command = rule->when == WHEN_AFTER ? COMMAND_AFTER : COMMAND_BEFORE,
        .group_id = id_in_scope(&group, rule->groups),
        .from_account = id_in_scope(&sender, rule->senders),
        .text = example->text,
        .pieces = &piece,
        .piece_count = 1,
        .elements = &element,
        .element_count = 1,
    };
    struct judge_options options = {.enforced = rule->name};
    const char *source = rule_document_source(c->doc, rule);
    struct place at = example->place;
    struct verdict got;

    judge_with(j, c->set, &message, &options, &got);
    if (got.decided_by == DECIDED_OVERLOAD)
        faults_add(c->faults, source, at.line, at.column, "an example of rule \"%s\" could not be run: out of memory",
                   rule->name);
    else if (got.action != example->verdict)
        faults_add(
            c->faults, source, at.line, at.column,
            "an example of rule \"%s\" fails: expected verdict %s, got %s%s%s%s; correct the rule or the example",
            rule->name, action_name(example->verdict), action_name(got.action), got.rule ? " by rule \"" : "",
            got.rule ? got.rule : "", got.rule ? "\"" : "");
    else if (example->has_becomes && !span_equal(got.becomes, example->becomes))
        faults_add(c->faults, source, at.line, at.column,
                   "an example of rule \"%s\" fails: expected it to become \"%.*s\", got \"%.*s\"; correct the rule or "
                   "the example",
                   rule->name, (int)example->becomes.len, example->becomes.data, (int)got.becomes.len,
                   got.becomes.data ? got.becomes.data : "");
    buf_release(&group);
    buf_release(&sender);
}

static void run_examples(struct compiler *c)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(c->doc, &rules);
    struct judge *j = judge_new();

    if (!j)
        c->arena->failed = true;
    for (size_t i = 0; i < count && j; i++)
        for (size_t e = 0; e < rules[i]->example_count && rules[i]->mode != MODE_OFF; e++)
            run_example(c, j, rules[i], &rules[i]->examples[e]);
    judge_free(j);
}

/* The set ------------------------------------------------------------------------------------------ */

static bool name_by_content(struct ruleset *set, const struct rule_document *doc)
{
    struct buf json = BUF_INIT;
    bool ok;

    rule_document_write_json(doc, &json);
    ok = !buf_failed(&json);
    if (ok)
        crypto_sha256_hex(&(struct span){json.data, json.len}, 1, set->checksum);
    buf_release(&json);
    return ok;
}

int ruleset_compile(struct ruleset **out, const struct rule_document *doc, uint64_t revision,
                    const char *cache_directory, struct faults *faults)
{
    size_t before = faults->count;
    struct ruleset *set = calloc(1, sizeof(*set));
    struct compiler c = {.set = set, .doc = doc, .faults = faults};

    if (!set) {
        faults_add(faults, "rules", 0, 0, "out of memory");
        return ERR_FAILED;
    }
    c.arena = &set->arena;
    atomic_init(&set->references, 1);
    set->serial = atomic_fetch_add(&next_serial, 1);
    set->revision = revision;
    c.list_count = rule_document_lists(doc, &c.lists);

    compile_rules(&c);
    if (faults->count == before && !c.arena->failed)
        link_leaves(&c);
    for (unsigned folding = 0; folding < FOLD_COMBINATIONS; folding++)
        if (faults->count == before && !c.arena->failed)
            compile_folding(&c, folding, cache_directory);
    if (!name_by_content(set, doc))
        c.arena->failed = true;
    if (faults->count == before && !c.arena->failed)
        run_examples(&c);
    if (c.arena->failed)
        faults_add(faults, "rules", 0, 0, "out of memory");

    free(c.leaves);
    free(c.origins);
    free(c.slots);
    malloc_trim(0); /* compiling 10,000 terms passes through 100 MB that the process does not need again */
    if (faults->count != before) {
        ruleset_unref(set);
        return ERR_USAGE;
    }
    *out = set;
    return 0;
}

struct ruleset *ruleset_ref(struct ruleset *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void ruleset_unref(struct ruleset *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned folding = 0; folding < FOLD_COMBINATIONS; folding++)
        matcher_free(set->foldings[folding].matcher);
    matcher_scratch_free(set->scratch);
    arena_release(&set->arena);
    free(set);
}

uint64_t ruleset_revision(const struct ruleset *set)
{
    return set->revision;
}

const char *ruleset_checksum(const struct ruleset *set)
{
    return set->checksum;
}

size_t ruleset_rule_count(const struct ruleset *set)
{
    return set->rule_count;
}

size_t ruleset_term_count(const struct ruleset *set)
{
    return set->term_count;
}

/* The last good set on disk ------------------------------------------------------------------------ */

int ruleset_save(const struct ruleset *set, const struct rule_document *doc, const char *directory, struct err *err)
{
    struct buf json = BUF_INIT;
    int r;

    rule_document_write_json(doc, &json);
    if (buf_failed(&json))
        r = err_set(err, ERR_FAILED, "could not save rule revision %llu: out of memory",
                    (unsigned long long)set->revision);
    else
        r = stored_file_write(directory, LAST_GOOD, set->revision, buf_span(&json), err);
    buf_release(&json);
    return r;
}

int ruleset_load(struct ruleset **out, const char *directory, struct err *err)
{
    struct buf json = BUF_INIT;
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    uint64_t revision = 0;
    int r;

    r = doc ? stored_file_read(directory, LAST_GOOD, &revision, &json, err)
            : err_set(err, ERR_FAILED, "could not load the last good rules: out of memory");
    if (r < 0)
        goto out;
    r = rule_document_read_text(doc, LAST_GOOD, buf_span(&json), &faults);
    if (r == 0)
        r = rule_document_check(doc, &faults);
    if (r == 0)
        r = ruleset_compile(out, doc, revision, directory, &faults);
    if (r < 0)
        err_set(err, r, "could not use the last good rules in \"%s\": %.500s", directory, buf_text(&faults.text));
out:
    rule_document_free(doc);
    buf_release(&json);
    faults_release(&faults);
    return r;
}
