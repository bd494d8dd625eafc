/* Rules and their conditions, compiled: each leaf (a term list, an expression) once, however many rules name it. */
#include "rules/compile.h"

#include "rules/detect/detector.h"
#include "rules/history.h"
#include "rules/measure.h"

#include <stdlib.h>

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

static struct texts copy_texts(struct arena *a, struct texts texts)
{
    const char **items = arena_array(a, texts.count, sizeof(*items));

    for (size_t i = 0; i < texts.count && items; i++)
        items[i] = arena_text(a, texts.items[i]);
    return (struct texts){items, items ? texts.count : 0};
}

/* The index of the folding, made when no leaf asked for it before. */
static uint32_t folding_of(struct compiler *c, const struct fold_spec *spec)
{
    struct ruleset *set = c->set;
    struct set_folding *grown;

    for (size_t i = 0; i < set->folding_count; i++)
        if (fold_spec_equal(&set->foldings[i].spec, spec))
            return (uint32_t)i;
    grown = realloc(set->foldings, (set->folding_count + 1) * sizeof(*grown));
    if (!grown) {
        c->arena->failed = true;
        return 0;
    }
    set->foldings = grown;
    set->foldings[set->folding_count] = (struct set_folding){
        .spec = {spec->steps, copy_texts(c->arena, spec->tables)},
    };
    return (uint32_t)set->folding_count++;
}

static bool texts_equal(struct texts a, struct texts b)
{
    for (size_t i = 0; i < a.count && a.count == b.count; i++)
        if (strcmp(a.items[i], b.items[i]) != 0)
            return false;
    return a.count == b.count;
}

static bool same_detector(const struct condition *a, const struct condition *b)
{
    if (!a || a->kind != b->kind)
        return false;
    return a->kind == CONDITION_CONTACT
               ? a->contacts == b->contacts
               : texts_equal(a->links.allow, b->links.allow) && texts_equal(a->links.deny, b->links.deny);
}

/* Links or contact data, made when no condition asked for the same before. */
static bool detector_leaf_of(struct compiler *c, const struct condition *condition, uint32_t *out)
{
    static const struct fold_spec unfolded = {FOLD_NONE, {NULL, 0}};
    struct detector *detector;

    for (size_t i = 0; i < c->leaf_count; i++) {
        if (same_detector(c->origins[i].detected, condition)) {
            *out = (uint32_t)i;
            return true;
        }
    }
    c->leaves = room(c, c->leaves, c->leaf_count, &c->leaf_cap, sizeof(*c->leaves));
    c->origins = room(c, c->origins, c->leaf_count, &c->origin_cap, sizeof(*c->origins));
    detector = arena_alloc(c->arena, sizeof(*detector));
    if (!detector || c->arena->failed)
        return false;
    detector_compile(detector, condition, c->arena);
    c->leaves[c->leaf_count] = (struct leaf){
        .detector = detector,
        .folding = folding_of(c, &unfolded),
        .terms = detector->terms,
    };
    c->origins[c->leaf_count] =
        (struct leaf_origin){.detected = condition, .source = c->source, .place = condition->place};
    c->set->has_detectors = true;
    *out = (uint32_t)c->leaf_count++;
    return true;
}

/* The leaf of a condition, made when no condition named it before. False after a fault or without memory. */
static bool leaf_of(struct compiler *c, const struct condition *condition, uint32_t *out)
{
    bool is_list = condition->kind == CONDITION_TERMS;
    const struct term_list *list = is_list ? find_list(c, condition->text) : NULL;
    struct leaf *leaf;

    if (condition->kind == CONDITION_LINKS || condition->kind == CONDITION_CONTACT)
        return detector_leaf_of(c, condition, out);
    if (is_list && !list) {
        faults_add(c->faults, c->source, condition->place.line, condition->place.column, "there is no list \"%s\"",
                   condition->text);
        return false;
    }
    for (size_t i = 0; i < c->leaf_count; i++) {
        leaf = &c->leaves[i];
        if (is_list ? c->origins[i].list == list
                    : leaf->expression && leaf->folding == folding_of(c, &condition->folding) &&
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
        .folding = folding_of(c, is_list ? &list->folding : &condition->folding),
        .merges = !is_list,
    };
    c->origins[c->leaf_count] = (struct leaf_origin){list, NULL, c->source, condition->place};
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

static enum node_kind node_kind_of(enum condition_kind kind)
{
    if (kind == CONDITION_ANY)
        return NODE_ANY;
    if (kind == CONDITION_ALL)
        return NODE_ALL;
    if (kind == CONDITION_NOT)
        return NODE_NOT;
    return condition_is_measure(kind) ? NODE_MEASURE : NODE_LEAF;
}

static bool rate_equal(const struct rate_condition *a, const struct rate_condition *b)
{
    return a->of == b->of && a->times == b->times && a->within_ms == b->within_ms && a->tighten == b->tighten;
}

/* The meter that counts for a condition, made when no condition needed it before. */
static size_t meter_of(struct compiler *c, const struct condition *condition)
{
    struct meter wanted = {condition->kind == CONDITION_RATE ? METER_RATE : METER_REPEATED, condition->rate};

    if (wanted.kind == METER_REPEATED)
        wanted.rate.tighten = 0;
    for (size_t i = 0; i < c->meter_count; i++)
        if (c->meters[i].kind == wanted.kind && rate_equal(&c->meters[i].rate, &wanted.rate))
            return i;
    if (c->meter_count == HISTORY_MAX_METERS) {
        faults_add(c->faults, c->source, condition->place.line, condition->place.column,
                   "there are more than %d different rates and repetitions in all rules; give some of them the same "
                   "times, within and by",
                   HISTORY_MAX_METERS);
        return 0;
    }
    c->meters = room(c, c->meters, c->meter_count, &c->meter_cap, sizeof(*c->meters));
    if (c->arena->failed)
        return 0;
    c->meters[c->meter_count] = wanted;
    return c->meter_count++;
}

static uint32_t measure_of(struct compiler *c, const struct condition *condition)
{
    struct measure *measure;
    struct err err;

    c->measures = room(c, c->measures, c->measure_count, &c->measure_cap, sizeof(*c->measures));
    if (c->arena->failed)
        return 0;
    measure = &c->measures[c->measure_count];
    if (measure_compile(measure, condition, c->arena, &err) < 0)
        faults_add(c->faults, c->source, condition->place.line, condition->place.column, "%s", err.text);
    if (condition->kind == CONDITION_RATE || condition->kind == CONDITION_REPEATED)
        measure->meter = meter_of(c, condition);
    return (uint32_t)c->measure_count++;
}

static void compile_condition(struct compiler *c, const struct condition *condition, struct node *out)
{
    struct node *parts;
    uint32_t leaf;

    *out = (struct node){.kind = node_kind_of(condition->kind)};
    if (condition_is_match(condition->kind)) {
        if (leaf_of(c, condition, &leaf))
            out->slot = slot_of(c, leaf);
        return;
    }
    if (condition_is_measure(condition->kind)) {
        out->measure = measure_of(c, condition);
        return;
    }
    parts = arena_array(c->arena, condition->part_count, sizeof(*parts));
    for (size_t i = 0; i < condition->part_count && parts; i++)
        compile_condition(c, condition->parts[i], &parts[i]);
    out->parts = parts;
    out->part_count = parts ? condition->part_count : 0;
}

/* What a condition can be in a message in which no leaf has a match. */
struct outcome {
    bool can_hold, can_fail;
};

static struct outcome without_match(const struct node *n)
{
    struct outcome all = {true, false}, any = {false, true}, part;

    if (n->kind == NODE_LEAF)
        return (struct outcome){false, true};
    if (n->kind == NODE_MEASURE)
        return (struct outcome){true, true};
    for (size_t i = 0; i < n->part_count; i++) {
        part = without_match(&n->parts[i]);
        if (n->kind == NODE_NOT)
            return (struct outcome){part.can_fail, part.can_hold};
        all = (struct outcome){all.can_hold && part.can_hold, all.can_fail || part.can_fail};
        any = (struct outcome){any.can_hold || part.can_hold, any.can_fail && part.can_fail};
    }
    return n->kind == NODE_ALL ? all : any;
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
        .rollout = rule->rollout,
        .points = rule->points,
        .mask = arena_text(a, rule->mask),
        .mask_len = strlen(rule->mask),
        .replace = arena_text(a, rule->replace),
        .reject_text = arena_text(a, rule->reject_text),
        .reject_code = rule->reject_code,
        .then = copy_texts(a, rule->then),
        .first_measure = c->measure_count,
    };
    for (size_t k = 0; k < SCOPE_KINDS; k++) {
        out->scope.only[k] = copy_texts(a, rule->scope.only[k]);
        out->scope.except[k] = copy_texts(a, rule->scope.except[k]);
    }
    out->scope.exempt_admins = rule->scope.exempt_admins;
    compile_condition(c, rule->match, &out->match);
    out->measure_count = c->measure_count - out->first_measure;
    out->holds_without_match = without_match(&out->match).can_hold;
    leaves = arena_array(a, c->slot_count, sizeof(*leaves));
    if (leaves && c->slot_count)
        memcpy(leaves, c->slots, c->slot_count * sizeof(*leaves));
    out->leaves = leaves;
    out->leaf_count = leaves ? c->slot_count : 0;
    out->first_slot = c->set->slot_count;
    c->set->slot_count += out->leaf_count;
    c->set->any_holds_without_match = c->set->any_holds_without_match || out->holds_without_match;
}

/* Scorecards ------------------------------------------------------------------------------------- */

static void compile_scorecard(struct compiler *c, const struct scorecard *card, struct compiled_rule *out)
{
    struct arena *a = c->arena;
    struct threshold *thresholds = arena_array(a, ACTION_COUNT, sizeof(*thresholds));

    if (thresholds)
        memcpy(thresholds, card->thresholds, sizeof(card->thresholds));
    *out = (struct compiled_rule){
        .name = arena_text(a, card->name),
        .when = WHEN_BOTH,
        .mode = MODE_ENFORCE,
        .action = ACTION_FLAG,
        .rollout = 100,
        .thresholds = thresholds,
        .mask = arena_text(a, card->mask),
        .mask_len = strlen(card->mask),
        .replace = arena_text(a, card->replace),
        .reject_text = arena_text(a, card->reject_text),
        .reject_code = card->reject_code,
        .then = copy_texts(a, card->then),
        .match = {.kind = NODE_ANY}, /* of nothing: no match makes it hold */
        .first_slot = c->set->slot_count,
    };
}

/* What can decide: a rule, or, with rule NULL, a scorecard. */
struct decider {
    const char *name;
    const struct rule *rule;
    const struct scorecard *card;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct decider *)a)->name, ((const struct decider *)b)->name);
}

/* The scorecards and the rules that are not off, by name. NULL without memory. */
static struct decider *sort_deciders(const struct compiler *c, size_t *count)
{
    const struct rule *const *rules;
    const struct scorecard *const *cards;
    size_t rule_count = rule_document_rules(c->doc, &rules), card_count = rule_document_scorecards(c->doc, &cards);
    struct decider *sorted = calloc(rule_count + card_count + 1, sizeof(*sorted));

    *count = 0;
    if (!sorted)
        return NULL;
    for (size_t i = 0; i < rule_count; i++)
        if (rules[i]->mode != MODE_OFF && rules[i]->match)
            sorted[(*count)++] = (struct decider){rules[i]->name, rules[i], NULL};
    for (size_t i = 0; i < card_count; i++)
        sorted[(*count)++] = (struct decider){cards[i]->name, NULL, cards[i]};
    qsort(sorted, *count, sizeof(*sorted), by_name);
    return sorted;
}

/* The index of a rule's scorecard; its own after a fault. */
static uint32_t find_scorecard(struct compiler *c, const struct decider *sorted, size_t count, size_t own)
{
    const struct rule *rule = sorted[own].rule;
    const struct decider key = {.name = rule->scorecard};
    const struct decider *found = bsearch(&key, sorted, count, sizeof(*sorted), by_name);

    if (found && found->card)
        return (uint32_t)(found - sorted);
    faults_add(c->faults, rule_document_source(c->doc, rule), rule->place.line, rule->place.column,
               "there is no scorecard \"%s\" (rule \"%s\")", rule->scorecard, rule->name);
    return (uint32_t)own;
}

static void compile_each(struct compiler *c, const struct decider *sorted, size_t count, struct compiled_rule *out)
{
    uint32_t *cards = arena_array(c->arena, count, sizeof(*cards)), card_count = 0;

    for (size_t i = 0; i < count && !c->arena->failed; i++) {
        if (sorted[i].rule) {
            compile_rule(c, sorted[i].rule, &out[i]);
            out[i].acts_as = sorted[i].rule->scorecard ? find_scorecard(c, sorted, count, i) : (uint32_t)i;
        } else {
            compile_scorecard(c, sorted[i].card, &out[i]);
            out[i].acts_as = (uint32_t)i;
            out[i].card = card_count;
            cards[card_count++] = (uint32_t)i;
        }
    }
    c->set->rules = out;
    c->set->rule_count = count;
    c->set->scorecards = cards;
    c->set->scorecard_count = card_count;
}

static void compile_deciders(struct compiler *c)
{
    size_t count;
    struct decider *sorted = sort_deciders(c, &count);
    struct compiled_rule *compiled = arena_array(c->arena, count, sizeof(*compiled));

    if (!sorted || !compiled)
        c->arena->failed = true;
    else if (count > RULESET_MAX_RULES)
        faults_add(c->faults, "rules", 0, 0, "%zu rules and scorecards are not off; at most %d are possible", count,
                   RULESET_MAX_RULES);
    else
        compile_each(c, sorted, count, compiled);
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

/* A copy of what was gathered that lives as long as the set. */
static void *keep(struct compiler *c, const void *items, size_t count, size_t size)
{
    void *kept = arena_array(c->arena, count, size);

    if (kept && count)
        memcpy(kept, items, count * size);
    return kept;
}

static void keep_measures(struct compiler *c)
{
    c->set->measures = keep(c, c->measures, c->measure_count, sizeof(*c->measures));
    c->set->measure_count = c->measure_count;
    c->set->meters = keep(c, c->meters, c->meter_count, sizeof(*c->meters));
    c->set->meter_count = c->meter_count;
}

void compile_rules(struct compiler *c)
{
    size_t before = c->faults->count;

    compile_deciders(c);
    c->set->admins = copy_texts(c->arena, rule_document_admins(c->doc));
    if (c->faults->count == before && !c->arena->failed) {
        link_leaves(c);
        keep_measures(c);
    }
}
