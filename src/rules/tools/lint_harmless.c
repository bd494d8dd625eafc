/* What harmless texts are hit by: the words of a lexicon, and single characters. */
#include "rules/tools/lint_priv.h"

#include "rules/tools/explain.h"
#include "rules/folding/fold.h"

#include <stdlib.h>

/* That a text was hit; by the rule alone when it holds without a hit. */
struct harm {
    const char *rule, *list;
    struct span term, text;
    struct span matched;
    size_t number; /* of the text */
};

struct harms {
    struct harm *items;
    size_t count, cap;
    struct span text; /* being judged */
    size_t number;
};

static void add_harm(struct lint *l, struct harms *h, const struct harm *harm)
{
    if (h->count == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 256;
        struct harm *grown = realloc(h->items, cap * sizeof(*grown));

        if (!grown) {
            l->failed = true;
            return;
        }
        h->items = grown;
        h->cap = cap;
    }
    h->items[h->count++] = *harm;
}

/* Shadow rules count: they are there to be judged by their hits. Points that reach no threshold do no harm. */
static void note_harm(struct lint *l, const struct verdict *v, void *arg)
{
    struct harms *h = arg;
    size_t noted = 0;

    for (size_t i = 0; i < v->hit_count; i++) {
        const struct hit *hit = &v->hits[i];
        struct harm harm = {hit->rule, hit->list, hit->term, h->text, {NULL, 0}, h->number};

        if ((hit->state != HIT_COUNTED && hit->state != HIT_SHADOW) || hit->field != FIELD_TEXT ||
            hit->action == ACTION_ALLOW)
            continue;
        if (hit->start < hit->end && hit->end <= h->text.len)
            harm.matched = (struct span){h->text.data + hit->start, hit->end - hit->start};
        else
            harm.term = (struct span){NULL, 0}; /* a measure of the message as a whole: its rule is to blame */
        add_harm(l, h, &harm);
        noted++;
    }
    if (noted == 0 && v->rule && v->action != ACTION_ALLOW)
        add_harm(l, h, &(struct harm){v->rule, NULL, {NULL, 0}, h->text, {NULL, 0}, h->number});
}

static int compare_names(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_source(const void *a, const void *b)
{
    const struct harm *x = a, *y = b;
    int order = strcmp(x->rule, y->rule);

    if (!order)
        order = compare_names(x->list, y->list);
    return order ? order : span_compare(x->term, y->term);
}

static int by_source_and_text(const void *a, const void *b)
{
    const struct harm *x = a, *y = b;
    int order = by_source(a, b);

    return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* Whether the base folding alone would not have found the term in what matched. */
static bool made_equal(struct lint *l, const struct harm *harm)
{
    struct folded a = FOLDED_INIT, b = FOLDED_INIT;
    bool differ = false;

    if (!harm->list || !harm->matched.data)
        return false;
    if (fold_text(&a, FOLD_BASE, harm->term) < 0 || fold_text(&b, FOLD_BASE, harm->matched) < 0)
        l->failed = true;
    else
        differ = !span_equal(a.text, b.text);
    folded_release(&a);
    folded_release(&b);
    return differ;
}

/* items[0..n) are all harms of one term, expression or rule. */
static void report(struct lint *l, const struct harm *items, size_t n, bool one_char)
{
    const struct rule *rule = rule_document_find_rule(l->doc, items[0].rule);
    struct lint_finding f = {.rule = items[0].rule, .source = "rules"};
    uint64_t texts = 0;

    for (size_t i = 0; i < n; i++)
        texts += i == 0 || items[i].number != items[i - 1].number;
    if (rule)
        f = lint_about_rule(l, LINT_HITS_HARMLESS, rule);
    if (one_char)
        f.kind = LINT_HITS_ONE_CHAR;
    else if (texts * 2 > l->options->harmless_count && l->options->harmless_count > 1)
        f.kind = LINT_HITS_MOST;
    else
        f.kind = LINT_HITS_HARMLESS;
    f.list = items[0].list;
    f.term = items[0].term;
    f.other = items[0].text;
    f.hits = texts;
    f.of = l->options->harmless_count;
    f.by_folding = made_equal(l, &items[0]);
    lint_add(l, &f);
}

/* Of single characters expressions alone are worth a word: a term of one character is what its author wanted. */
static void report_all(struct lint *l, struct harms *h, bool one_char)
{
    size_t n;

    if (h->count > 0)
        qsort(h->items, h->count, sizeof(*h->items), by_source_and_text);
    for (size_t i = 0; i < h->count; i += n) {
        n = 1;
        while (i + n < h->count && by_source(&h->items[i], &h->items[i + n]) == 0)
            n++;
        if (!one_char || (!h->items[i].list && h->items[i].term.data))
            report(l, &h->items[i], n, one_char);
    }
    h->count = 0;
}

void lint_harmless(struct lint *l)
{
    static const struct span single[] = {SPAN("a"), SPAN("e"), SPAN("1"),  SPAN("?"),
                                         SPAN("."), SPAN(" "), SPAN("的"), SPAN("。")};
    struct harms h = {.items = NULL};

    for (size_t i = 0; i < l->options->harmless_count; i++) {
        h.text = l->options->harmless[i];
        h.number = i;
        lint_judge(l, h.text, note_harm, &h);
    }
    report_all(l, &h, false);
    for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++) {
        h.text = single[i];
        h.number = i;
        lint_judge(l, h.text, note_harm, &h);
    }
    report_all(l, &h, true);
    free(h.items);
}
