/* The law of allow and deny, as law: random sets of rules judged by the judge and by a reading of the law so simple
 * that it can be checked by eye; and again with everything that has no meaning shuffled. */
#include "rules_helpers.h"

enum { LISTS = 4, TERMS = 3, RULES = 6, LETTERS = 3, TEXT_MAX = 14, ROUNDS = 600, TEXTS = 12 };

struct random_rule {
    int action; /* enum action */
    int shape;  /* 0: one list, 1: any of two, 2: all of two, 3: all of one and not the other */
    int a, b;   /* lists */
    bool shadow;
};

struct random_set {
    char terms[LISTS][TERMS][8];
    struct random_rule rules[RULES];
};

static uint64_t seed = 88172645463325252u;

static unsigned roll(unsigned sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 20) % sides;
}

static void random_word(char *out, unsigned max)
{
    unsigned len = 1 + roll(max);

    for (unsigned i = 0; i < len; i++)
        out[i] = (char)('a' + roll(LETTERS));
    out[len] = '\0';
}

static void shuffle(int *order, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int j = (int)roll((unsigned)i + 1), kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}

static void write_rule(struct buf *yaml, const struct random_rule *r, int name)
{
    bool swapped = roll(2) && r->shape != 3;
    int a = swapped ? r->b : r->a, b = swapped ? r->a : r->b;

    buf_addf(yaml, "- rule: r%d\n  action: %s\n", name, action_name((enum action)r->action));
    if (r->shadow)
        buf_add_text(yaml, "  mode: shadow\n");
    if (r->action == ACTION_REPLACE)
        buf_addf(yaml, "  replace: text of r%d\n", name);
    if (r->action == ACTION_MASK)
        buf_addf(yaml, "  mask: '%d'\n", name);
    if (r->shape == 0)
        buf_addf(yaml, "  match: {terms: l%d}\n", r->a);
    else
        buf_addf(yaml, "  match: {%s: [{terms: l%d}, %s{terms: l%d}%s]}\n", r->shape == 1 ? "any" : "all", a,
                 r->shape == 3 ? "{not: " : "", b, r->shape == 3 ? "}" : "");
}

/* The set with its lists, terms, rules and parts in some order. */
static struct ruleset *compile_shuffled(const struct random_set *s)
{
    struct buf yaml = BUF_INIT;
    int entries[LISTS + RULES], terms[TERMS];
    struct ruleset *set;

    for (int i = 0; i < LISTS + RULES; i++)
        entries[i] = i;
    shuffle(entries, LISTS + RULES);
    for (int e = 0; e < LISTS + RULES; e++) {
        if (entries[e] >= LISTS) {
            write_rule(&yaml, &s->rules[entries[e] - LISTS], entries[e] - LISTS);
            continue;
        }
        for (int i = 0; i < TERMS; i++)
            terms[i] = i;
        shuffle(terms, TERMS);
        buf_addf(&yaml, "- list: l%d\n  boundary: any\n  terms: [", entries[e]);
        for (int i = 0; i < TERMS; i++)
            buf_addf(&yaml, "%s%s", i ? ", " : "", s->terms[entries[e]][terms[i]]);
        buf_add_text(&yaml, "]\n");
    }
    set = set_of(buf_text(&yaml));
    buf_release(&yaml);
    return set;
}

/* The law read literally ---------------------------------------------------------------------------- */

struct reading {
    const struct random_set *set;
    const char *text;
    size_t len;
    bool allowed[TEXT_MAX + 1][TEXT_MAX + 1]; /* some allow hit is exactly this range */
};

static bool survives(const struct reading *r, size_t start, size_t end)
{
    for (size_t s = 0; s <= start; s++)
        for (size_t e = end; e <= r->len; e++)
            if (r->allowed[s][e])
                return false;
    return true;
}

/* Calls visit for each occurrence of the list's terms, those that survive only if asked. Returns how many. */
static int occurrences(struct reading *r, int list, bool surviving, void (*visit)(struct reading *, size_t, size_t))
{
    int found = 0;

    for (int t = 0; t < TERMS; t++) {
        const char *term = r->set->terms[list][t];

        for (const char *at = r->text; (at = strstr(at, term)); at++) {
            size_t start = (size_t)(at - r->text), end = start + strlen(term);

            if (surviving && !survives(r, start, end))
                continue;
            found++;
            if (visit)
                visit(r, start, end);
        }
    }
    return found;
}

static void mark_allowed(struct reading *r, size_t start, size_t end)
{
    r->allowed[start][end] = true;
}

static bool rule_holds(struct reading *r, const struct random_rule *rule, bool surviving)
{
    bool a = occurrences(r, rule->a, surviving, NULL) > 0, b = occurrences(r, rule->b, surviving, NULL) > 0;

    switch (rule->shape) {
    case 0:
        return a;
    case 1:
        return a || b;
    case 2:
        return a && b;
    default:
        return a && !b;
    }
}

/* Which rule decides, -1 for none. */
static int decide(struct reading *r)
{
    int deciding = -1;

    for (int i = 0; i < RULES; i++) {
        const struct random_rule *rule = &r->set->rules[i];

        if (rule->action != ACTION_ALLOW || rule->shadow || !rule_holds(r, rule, false))
            continue;
        occurrences(r, rule->a, false, mark_allowed);
        if (rule->shape == 1 || rule->shape == 2)
            occurrences(r, rule->b, false, mark_allowed);
    }
    for (int i = 0; i < RULES; i++) {
        const struct random_rule *rule = &r->set->rules[i];

        if (!rule->shadow && rule_holds(r, rule, rule->action != ACTION_ALLOW) &&
            (deciding < 0 || rule->action > r->set->rules[deciding].action))
            deciding = i;
    }
    return deciding;
}

static char *mask_target;
static char mask_digit;

static void mask_range(struct reading *r, size_t start, size_t end)
{
    (void)r;
    for (size_t i = start; i < end; i++)
        mask_target[i] = mask_digit;
}

/* What the text becomes by all mask rules; the smallest name paints last. */
static void mask_all(struct reading *r, char *out)
{
    memcpy(out, r->text, r->len + 1);
    mask_target = out;
    for (int i = RULES - 1; i >= 0; i--) {
        const struct random_rule *rule = &r->set->rules[i];

        if (rule->action != ACTION_MASK || rule->shadow || !rule_holds(r, rule, true))
            continue;
        mask_digit = (char)('0' + i);
        occurrences(r, rule->a, true, mask_range);
        if (rule->shape == 1 || rule->shape == 2)
            occurrences(r, rule->b, true, mask_range);
    }
}

static void check_against_reading(const struct random_set *s, const char *text, const struct verdict *v)
{
    struct reading r = {.set = s, .text = text, .len = strlen(text)};
    int deciding = decide(&r);
    char name[32] = "-", becomes[TEXT_MAX + 1];

    if (deciding >= 0)
        snprintf(name, sizeof(name), "r%d", deciding);
    assert_string_equal(v->rule ? v->rule : "-", name);
    assert_int_equal(v->action, deciding >= 0 ? s->rules[deciding].action : ACTION_ALLOW);
    if (v->action == ACTION_MASK) {
        mask_all(&r, becomes);
        assert_span(v->becomes, becomes);
    } else if (v->action == ACTION_REPLACE) {
        snprintf(name, sizeof(name), "text of r%d", deciding);
        assert_span(v->becomes, name);
    }
}

static void print_set(const struct random_set *s, const char *text)
{
    struct buf yaml = BUF_INIT;

    for (int i = 0; i < LISTS; i++)
        print_error("l%d: %s %s %s\n", i, s->terms[i][0], s->terms[i][1], s->terms[i][2]);
    for (int i = 0; i < RULES; i++)
        write_rule(&yaml, &s->rules[i], i);
    print_error("%stext: %s\n", buf_text(&yaml), text);
    buf_release(&yaml);
}

static void describe(struct buf *out, const struct verdict *v, struct span text)
{
    buf_reset(out);
    buf_addf(out, "%s %s %d %.*s ", action_name(v->action), v->rule ? v->rule : "-", v->error_code, (int)v->becomes.len,
             v->becomes.data ? v->becomes.data : "");
    verdict_hits_json(out, v, text, (struct span){NULL, 0});
}

static void verdicts_follow_the_law_in_any_order(void **state)
{
    struct judge *judge = judge_new(), *other_judge = judge_new();
    struct buf one = BUF_INIT, other = BUF_INIT;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct random_set s;
        struct ruleset *set, *shuffled;

        for (int l = 0; l < LISTS; l++)
            for (int t = 0; t < TERMS; t++)
                random_word(s.terms[l][t], 4);
        for (int i = 0; i < RULES; i++)
            s.rules[i] = (struct random_rule){(int)roll(ACTION_COUNT), (int)roll(4), (int)roll(LISTS), (int)roll(LISTS),
                                              roll(8) == 0};
        set = compile_shuffled(&s);
        shuffled = compile_shuffled(&s);
        for (int i = 0; i < TEXTS; i++) {
            char text[TEXT_MAX + 1];
            struct verdict v, w;

            random_word(text, TEXT_MAX);
            judge_text(judge, set, span_of(text), &v);
            judge_text(other_judge, shuffled, span_of(text), &w);
            describe(&one, &v, span_of(text));
            describe(&other, &w, span_of(text));
            if (strcmp(buf_text(&one), buf_text(&other)) != 0)
                print_set(&s, text);
            assert_string_equal(buf_text(&one), buf_text(&other));
            check_against_reading(&s, text, &v);
        }
        ruleset_unref(set);
        ruleset_unref(shuffled);
    }
    judge_free(judge);
    judge_free(other_judge);
    buf_release(&one);
    buf_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts_follow_the_law_in_any_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
