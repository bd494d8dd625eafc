#include "rules/explain.h"

#include "base/utf8.h"
#include "rules/fold.h"
#include "rules/probe.h"
#include "rules/rule_names.h"

enum {
    AROUND = 24, /* bytes of the field shown on either side of a hit */
};

const struct term_list *rule_document_find_list(const struct rule_document *doc, const char *name)
{
    const struct term_list *const *lists;
    size_t count = rule_document_lists(doc, &lists);

    for (size_t i = 0; i < count; i++)
        if (strcmp(lists[i]->name, name) == 0)
            return lists[i];
    return NULL;
}

const struct rule *rule_document_find_rule(const struct rule_document *doc, const char *name)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(doc, &rules);

    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i]->name, name) == 0)
            return rules[i];
    return NULL;
}

static const struct condition *find_expression(const struct condition *c, struct span expression)
{
    const struct condition *found = NULL;

    if (c->kind == CONDITION_REGEX && span_is(expression, c->text))
        return c;
    for (size_t i = 0; i < c->part_count && !found; i++)
        found = find_expression(c->parts[i], expression);
    return found;
}

const struct condition *rule_find_expression(const struct rule *rule, struct span expression)
{
    return rule->match ? find_expression(rule->match, expression) : NULL;
}

/* What the hit is a match of, and the folding it was compared in. */
struct origin {
    const struct rule_document *doc;
    const struct term_list *list; /* or */
    const struct condition *expression;
    struct span term;
    struct fold_spec folding;
};

static bool find_origin(struct origin *o, const struct rule_document *doc, const struct hit *hit)
{
    const struct rule *rule;

    *o = (struct origin){.doc = doc, .term = hit->term};
    if (hit->list) {
        o->list = rule_document_find_list(doc, hit->list);
        if (o->list)
            o->folding = o->list->folding;
        return o->list != NULL;
    }
    rule = rule_document_find_rule(doc, hit->rule);
    o->expression = rule ? rule_find_expression(rule, hit->term) : NULL;
    if (o->expression)
        o->folding = o->expression->folding;
    return o->expression != NULL;
}

static int compile(struct ruleset **out, const struct origin *o, const struct fold_spec *folding, struct err *err)
{
    struct probe p;

    if (o->list)
        return probe_term(out, o->doc, o->term, folding, o->list->boundary, err);
    probe_begin(&p, o->doc);
    probe_add_expression(&p, "probe", o->expression->text, folding);
    return probe_compile(out, &p, err);
}

struct search {
    struct origin origin;
    struct judge *judge;
    const struct message *message;
    const struct circumstances *circumstances;
    uint32_t start, end;
};

/* Whether the term or expression is found at the same place in this folding. A folding in which it cannot be compiled
 * does not find it. */
static bool found_with(struct search *s, const struct fold_spec *folding)
{
    struct ruleset *set = NULL;
    struct verdict verdict;
    bool found = false;
    struct err err;

    if (compile(&set, &s->origin, folding, &err) < 0)
        return false;
    judge_message(s->judge, set, s->message, s->circumstances, &verdict);
    for (size_t i = 0; i < verdict.hit_count && !found; i++)
        found = verdict.hits[i].start == s->start && verdict.hits[i].end == s->end;
    ruleset_unref(set);
    return found;
}

/* Leaves out of *folding what the hit does not need. */
static void reduce(struct search *s, struct fold_spec *folding)
{
    struct fold_spec fewer = *folding;

    for (size_t bit = fold_step_names.count; bit-- > 0;) {
        fewer = *folding;
        fewer.steps &= ~(1u << bit);
        if (fewer.steps != folding->steps && found_with(s, &fewer))
            *folding = fewer;
    }
    fewer = *folding;
    fewer.tables = (struct texts){NULL, 0};
    if (folding->tables.count > 0 && found_with(s, &fewer))
        *folding = fewer;
}

/* The hit with a few characters on either side. */
static struct span surroundings(struct span field, uint32_t start, uint32_t end)
{
    size_t from = start > AROUND ? start - AROUND : 0, to = end + AROUND < field.len ? end + AROUND : field.len;

    while (from < start && ((unsigned char)field.data[from] & 0xC0) == 0x80)
        from++;
    to = utf8_cut(field.data, field.len, to);
    return (struct span){field.data + from, to - from};
}

/* The surroundings after each step of *needed in turn, all earlier ones included. */
static int fold_stages(struct explanation *out, const struct fold_spec *needed)
{
    struct folded folded = FOLDED_INIT;
    unsigned steps = FOLD_NONE;
    int r = 0;

    for (size_t bit = 0; bit < fold_step_names.count && r == 0; bit++) {
        struct explain_stage *stage = &out->stages[out->stage_count];

        if (!(needed->steps & 1u << bit))
            continue;
        steps |= 1u << bit;
        stage->step = fold_step_names.names[bit];
        out->stage_count++;
        r = fold_text(&folded, steps, out->plain);
        buf_add_span(&stage->text, folded.text);
        if (buf_failed(&stage->text))
            r = ERR_FAILED;
    }
    folded_release(&folded);
    return r;
}

int explain_hit(struct explanation *out, const struct rule_document *doc, const struct hit *hit, struct span field,
                const struct circumstances *circumstances, struct err *err)
{
    struct text_piece piece = {.source = TEXT_TEXT, .len = (uint32_t)field.len};
    enum element_type element = ELEMENT_TEXT;
    const struct message message = {.command = COMMAND_BEFORE,
                                    .text = field,
                                    .pieces = &piece,
                                    .piece_count = 1,
                                    .elements = &element,
                                    .element_count = 1};
    struct search search = {.message = &message, .circumstances = circumstances, .start = hit->start, .end = hit->end};
    struct fold_spec needed;
    int r = 0;

    *out = (struct explanation){0};
    if (hit->start > hit->end || hit->end > field.len || !find_origin(&search.origin, doc, hit))
        return 0;
    search.judge = judge_new();
    if (!search.judge)
        return err_set(err, ERR_FAILED, "out of memory");
    needed = search.origin.folding;
    if (found_with(&search, &needed)) {
        out->found = true;
        reduce(&search, &needed);
        out->plain = surroundings(field, hit->start, hit->end);
        r = fold_stages(out, &needed);
    }
    judge_free(search.judge);
    return r < 0 ? err_set(err, ERR_FAILED, "out of memory") : 0;
}

void explanation_release(struct explanation *e)
{
    for (size_t i = 0; i < e->stage_count; i++)
        buf_release(&e->stages[i].text);
    *e = (struct explanation){0};
}
