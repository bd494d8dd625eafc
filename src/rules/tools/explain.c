#include "rules/tools/explain.h"

#include "base/utf8.h"
#include "rules/folding/escapes.h"
#include "rules/folding/folding.h"
#include "rules/tools/probe.h"
#include "rules/language/rule_names.h"

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

static bool detects(const struct condition *c)
{
    if (c->kind == CONDITION_LINKS || c->kind == CONDITION_CONTACT)
        return true;
    for (size_t i = 0; i < c->part_count; i++)
        if (detects(c->parts[i]))
            return true;
    return false;
}

/* What the hit is a match of, and the folding it was compared in. */
struct origin {
    const struct rule_document *doc;
    const struct term_list *list; /* or */
    const struct condition *expression;
    bool detected;
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
    o->detected = rule && !o->expression && rule->match && detects(rule->match);
    return o->expression || o->detected;
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
    const struct hit *hit;
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
        found = verdict.hits[i].field == s->hit->field && verdict.hits[i].start == s->hit->start &&
                verdict.hits[i].end == s->hit->end;
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

/* What a folding of more than the base makes of a text. */
static int apply(const struct origin *o, const struct fold_spec *spec, enum folding_reading reading, struct span text,
                 struct buf *out)
{
    const struct fold_table *const *tables;
    size_t count = rule_document_tables(o->doc, &tables);
    struct folding *folding = folding_new(spec, tables, count);
    struct folded base = FOLDED_INIT;
    struct units units = UNITS_INIT;
    int r = folding ? folding_apply_text(folding, reading, text, &base, &units) : ERR_FAILED;

    if (r == 0)
        buf_add_span(out, units.text);
    units_release(&units);
    folded_release(&base);
    folding_free(folding);
    return r;
}

/* The surroundings in the folding of spec. */
static int fold(const struct origin *o, const struct fold_spec *spec, enum folding_reading reading, struct span text,
                struct buf *out)
{
    struct folded folded = FOLDED_INIT;
    int r;

    if (fold_spec_has_units(spec))
        return apply(o, spec, reading, text, out);
    r = fold_text(&folded, spec->steps, text);
    buf_add_span(out, folded.text);
    folded_release(&folded);
    return r;
}

static bool holds_text(struct span text, struct span part)
{
    return part.len > 0 && memmem(text.data, text.len, part.data, part.len) != NULL;
}

/* In which reading of signs the term is found (folding.h); the plain one when that says nothing: for an expression, or
 * a term that is found by its reading. */
static enum folding_reading reading_of(const struct origin *o, const struct fold_spec *spec, struct span text)
{
    enum folding_reading found = READING_PLAIN;
    struct buf term = BUF_INIT, folded = BUF_INIT;
    bool looking = o->list && fold_spec_has_units(spec) && fold(o, spec, READING_PLAIN, o->term, &term) == 0;

    for (int reading = READING_PLAIN; reading < FOLDING_READINGS && looking; reading++) {
        buf_reset(&folded);
        if (fold(o, spec, (enum folding_reading)reading, text, &folded) == 0 &&
            holds_text(buf_span(&folded), buf_span(&term))) {
            found = (enum folding_reading)reading;
            looking = false;
        }
    }
    buf_release(&term);
    buf_release(&folded);
    return found;
}

static int add_stage(struct explanation *out, const struct origin *o, const char *step, const struct fold_spec *spec,
                     enum folding_reading reading, bool always)
{
    struct explain_stage *stage = &out->stages[out->stage_count];
    struct span before = out->stage_count > 0 ? buf_span(&stage[-1].text) : out->plain;
    int r = fold(o, spec, reading, buf_span(&out->unescaped), &stage->text);

    if (r < 0 || buf_failed(&stage->text) || (!always && span_equal(before, buf_span(&stage->text)))) {
        r = r < 0 || buf_failed(&stage->text) ? ERR_FAILED : 0;
        buf_release(&stage->text);
        return r;
    }
    stage->step = step;
    out->stage_count++;
    return r;
}

/* The surroundings after each step of *needed in turn, all earlier ones included. All further steps work on what case
 * and invisible leave, asked for or not: these are shown when they change something. The operator's tables come next.
 */
static int fold_stages(struct explanation *out, const struct origin *o, const struct fold_spec *needed)
{
    enum folding_reading reading = reading_of(o, needed, buf_span(&out->unescaped));
    struct fold_spec now = {FOLD_NONE, {NULL, 0}};
    bool more = fold_spec_has_units(needed);
    int r = 0;

    for (size_t bit = 0; bit < fold_step_names.count && r == 0; bit++) {
        bool asked = needed->steps & 1u << bit, base = FOLD_BASE & 1u << bit;

        if (!base && now.tables.count == 0 && needed->tables.count > 0) {
            now.tables = needed->tables;
            r = add_stage(out, o, "tables", &now, reading, false);
        }
        if (!asked && !(base && more))
            continue;
        now.steps |= 1u << bit;
        if (r == 0)
            r = add_stage(out, o, fold_step_names.names[bit], &now, reading, asked);
    }
    return r;
}

/* What the reader sees in place of JSON escapes, which the judge resolves before anything else. */
static int show_unescaped(struct explanation *out)
{
    struct unescaped plain = {.count = 0};
    struct explain_stage *stage = &out->stages[0];
    bool fine = unescape(&plain, out->plain);

    if (fine)
        buf_add_span(&out->unescaped, plain.text);
    if (fine && !span_equal(plain.text, out->plain)) {
        stage->step = "escapes";
        buf_add_span(&stage->text, plain.text);
        out->stage_count = 1;
    }
    unescaped_release(&plain);
    return fine && !buf_failed(&out->unescaped) && !buf_failed(&stage->text) ? 0 : ERR_FAILED;
}

int explain_hit(struct explanation *out, const struct rule_document *doc, const struct hit *hit,
                const struct message *message, const struct circumstances *circumstances, struct err *err)
{
    struct span field = hit->field == FIELD_TEXT ? message->text : message->cloud_custom_data.text;
    struct search search = {.message = message, .circumstances = circumstances, .hit = hit};
    struct fold_spec needed;
    int r = 0;

    *out = (struct explanation){0};
    if (hit->start >= hit->end || hit->end > field.len || !find_origin(&search.origin, doc, hit))
        return 0;
    if (search.origin.detected) {
        out->found = out->detected = true;
        out->plain = surroundings(field, hit->start, hit->end);
        return 0;
    }
    search.judge = judge_new();
    if (!search.judge)
        return err_set(err, ERR_FAILED, "out of memory");
    needed = search.origin.folding;
    if (found_with(&search, &needed)) {
        out->found = true;
        reduce(&search, &needed);
        out->plain = surroundings(field, hit->start, hit->end);
        r = show_unescaped(out);
        if (r == 0)
            r = fold_stages(out, &search.origin, &needed);
    }
    judge_free(search.judge);
    return r < 0 ? err_set(err, ERR_FAILED, "out of memory") : 0;
}

void explanation_release(struct explanation *e)
{
    for (size_t i = 0; i < e->stage_count; i++)
        buf_release(&e->stages[i].text);
    buf_release(&e->unescaped);
    *e = (struct explanation){0};
}
