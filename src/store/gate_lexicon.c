/* gate_lexicon.c - every text of the lexicon is judged by the candidate, as a Before message that every rule looks at.
 * A term or expression of an enforced rule that hits more than its share would punish innocent words, and is named with
 * one of the texts it hits: they are ours, nobody has sent them. */
#include "base/json_write.h"
#include "rules/judge.h"
#include "store/lexicon.h"
#include "store/publish_gate_priv.h"

#include <stdlib.h>

enum { SHOWN = 50 }; /* terms in faults and details; the rest is counted */

/* That a term of a rule has hit a text. Names are borrowed from the set. */
struct benign_hit {
    const char *rule, *list;
    struct span term, text;
};

struct benign_hits {
    struct benign_hit *items;
    size_t count, cap;
};

static int compare_names(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_term(const void *a, const void *b)
{
    const struct benign_hit *x = a, *y = b;
    int order = compare_names(x->rule, y->rule);

    if (order == 0)
        order = compare_names(x->list, y->list);
    return order != 0 ? order : span_compare(x->term, y->term);
}

/* Of one term also by the place in the lexicon, so that the example shown is always the same. */
static int by_term_and_text(const void *a, const void *b)
{
    const struct benign_hit *x = a, *y = b;
    int order = by_term(a, b);

    return order != 0 ? order : (x->text.data > y->text.data) - (x->text.data < y->text.data);
}

static bool note(struct benign_hits *hits, const struct hit *hit, struct span text)
{
    if (hits->count == hits->cap) {
        size_t wanted = hits->cap ? hits->cap * 2 : 256;
        struct benign_hit *grown = realloc(hits->items, wanted * sizeof(*grown));
        if (!grown)
            return false;
        hits->items = grown;
        hits->cap = wanted;
    }
    hits->items[hits->count++] = (struct benign_hit){hit->rule, hit->list, hit->term, text};
    return true;
}

/* The hits of one text. A shadow rule's do not count, nor what an allow rule covers. */
static bool judge_one(struct judge *judge, const struct ruleset *set, struct span text, struct benign_hits *hits)
{
    struct verdict verdict;

    judge_text(judge, set, text, &verdict);
    for (size_t i = 0; i < verdict.hit_count; i++)
        if (verdict.hits[i].state == HIT_COUNTED && !note(hits, &verdict.hits[i], text))
            return false;
    return true;
}

static bool judge_all(const struct ruleset *set, struct span rest, struct benign_hits *hits, size_t *texts)
{
    struct judge *judge = judge_new();
    struct span text;
    bool fine = judge != NULL;

    while (fine && lexicon_next(&rest, &text)) {
        fine = judge_one(judge, set, text, hits);
        ++*texts;
    }
    judge_free(judge);
    return fine;
}

static void complain(struct gate_report *report, const struct gate_options *options, const struct benign_hit *hit,
                     size_t count, size_t texts)
{
    void (*say)(struct faults *, const char *, unsigned, unsigned, const char *, ...) =
        options->strict ? faults_add : faults_warn;
    struct span text = {hit->text.data, hit->text.len < 200 ? hit->text.len : 200};
    struct span term = {hit->term.data, hit->term.len < 100 ? hit->term.len : 100};

    say(&report->faults, "lexicon", 0, 0,
        "%s%s%s \"%.*s\" of rule \"%s\" hits %zu of %zu harmless texts (at most %u in 1000 may be hit), for example "
        "\"%.*s\"",
        hit->list ? "list \"" : "expression", hit->list ? hit->list : "", hit->list ? "\", term" : "", (int)term.len,
        term.data, hit->rule, count, texts, (unsigned)options->max_benign_per_mille, (int)text.len, text.data);
}

static void detail(struct buf *out, const struct benign_hit *hit, size_t count, bool first)
{
    buf_add_text(out, first ? "{" : ",{");
    json_add_member_text(out, "rule", hit->rule);
    json_add_member_text(out, "list", hit->list);
    json_add_member_span(out, "term", hit->term);
    json_add_member_u64(out, "hits", count);
    json_add_member_span(out, "example", hit->text);
    buf_add_char(out, '}');
}

/* How many texts the term of items[0] hits; *items is how many entries that took. */
static size_t count_texts(const struct benign_hit *items, size_t most, size_t *entries)
{
    size_t texts = 0, n = 0;

    for (; n < most && by_term(&items[0], &items[n]) == 0; n++)
        texts += n == 0 || items[n].text.data != items[n - 1].text.data;
    *entries = n;
    return texts;
}

int gate_lexicon(struct gate_report *report, const struct gate_options *options, const struct gate_sets *sets,
                 struct err *err)
{
    struct gate_step *step = &report->steps[GATE_LEXICON];
    struct benign_hits hits = {0};
    size_t texts = 0, found = 0, entries;

    if (!options->lexicon.data) {
        gate_skip(report, GATE_LEXICON, "there is no lexicon");
        return 0;
    }
    if (!judge_all(sets->candidate_set, options->lexicon, &hits, &texts)) {
        free(hits.items);
        return err_set(err, ERR_FAILED, "could not judge the lexicon: out of memory");
    }
    if (hits.count > 0)
        qsort(hits.items, hits.count, sizeof(*hits.items), by_term_and_text);
    buf_reset(&step->summary);
    buf_reset(&step->details);
    json_add_member_u64(&step->details, "texts", texts);
    json_add_key(&step->details, "terms");
    buf_add_char(&step->details, '[');
    for (size_t i = 0; i < hits.count; i += entries) {
        size_t count = count_texts(&hits.items[i], hits.count - i, &entries);
        if (!gate_exceeds(count, texts, options->max_benign_per_mille, 1000))
            continue;
        if (found < SHOWN) {
            complain(report, options, &hits.items[i], count, texts);
            detail(&step->details, &hits.items[i], count, found == 0);
        }
        found++;
    }
    buf_add_char(&step->details, ']');
    json_add_member_u64(&step->details, "found", found);
    buf_addf(&step->summary, "%zu harmless texts, %zu term%s hit%s too many of them", texts, found,
             found == 1 ? "" : "s", found == 1 ? "s" : "");
    step->outcome = found == 0 ? GATE_PASSED : options->strict ? GATE_REFUSED : GATE_WARNED;
    free(hits.items);
    return 0;
}
