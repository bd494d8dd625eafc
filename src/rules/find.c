#include "rules/find.h"

#include "rules/judge.h"
#include "rules/sort.h"

#include <stdlib.h>

enum { FIND_KEEP_MATCHES = 16 * 1024 }; /* memory for more is given back after the message that needed it */

bool finder_take_set(struct finder *f, const struct ruleset *set)
{
    if (f->serial == set->serial)
        return true;
    matcher_scratch_free(f->scratch);
    free(f->leaves);
    f->scratch = NULL;
    f->serial = 0;
    f->leaves = calloc(set->leaf_count + 1, sizeof(*f->leaves));
    if (set->scratch)
        f->scratch = matcher_scratch_clone(set->scratch);
    if (!f->leaves || (set->scratch && !f->scratch))
        return false;
    f->serial = set->serial;
    return true;
}

void finder_release(struct finder *f)
{
    matcher_scratch_free(f->scratch);
    for (size_t i = 0; i < FOLD_COMBINATIONS; i++)
        folded_release(&f->folded[i]);
    units_release(&f->units);
    detector_scratch_release(&f->detecting);
    free(f->leaves);
    free(f->matches);
    *f = (struct finder){0};
}

void finder_reset(struct finder *f, const struct ruleset *set)
{
    if (f->match_count)
        memset(f->leaves, 0, set->leaf_count * sizeof(*f->leaves));
    if (f->match_cap > FIND_KEEP_MATCHES) {
        free(f->matches);
        f->matches = NULL;
        f->match_cap = 0;
    }
    f->match_count = 0;
    f->failed = f->too_many = false;
    for (size_t i = 0; i < FOLD_COMBINATIONS; i++)
        folded_trim(&f->folded[i]);
    units_trim(&f->units);
    detector_scratch_trim(&f->detecting);
}

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

/* One scan: of one folding, in one field. */
struct finding {
    struct finder *f;
    const struct ruleset *set;
    const struct set_folding *folding;
    const struct folded *base;
    uint32_t field;
};

static bool add_match(struct finding *now, struct match m)
{
    struct finder *f = now->f;
    struct leaf_found *leaf = &f->leaves[m.leaf];

    if (now->set->leaves[m.leaf].merges && leaf->last) {
        /* vectorscan tells every end of an expression; most are taken together here, the rest by merge_matches(). */
        struct match *last = &f->matches[leaf->last - 1];

        if (last->field == m.field && m.start < last->end && last->start < m.end) {
            last->start = m.start < last->start ? m.start : last->start;
            last->end = m.end > last->end ? m.end : last->end;
            return true;
        }
    }
    if (f->match_count == JUDGE_MAX_MATCHES)
        return false;
    if (f->match_count == f->match_cap) {
        size_t cap = f->match_cap ? f->match_cap * 2 : 256;
        struct match *grown = realloc(f->matches, cap * sizeof(*grown));

        if (!grown) {
            f->failed = true;
            return false;
        }
        f->matches = grown;
        f->match_cap = cap;
    }
    f->matches[f->match_count++] = m;
    leaf->last = (uint32_t)f->match_count;
    return true;
}

/* A match in the base text itself. */
static bool on_match(void *arg, uint32_t pattern, size_t start, size_t end)
{
    struct finding *now = arg;
    struct pattern_ref ref = now->folding->patterns[pattern];
    struct match m = {.leaf = ref.leaf, .term = ref.term, .field = now->field};

    folded_range(now->base, start, end, &m.start, &m.end);
    return add_match(now, m);
}

/* A match in the folded text of a folding with units: of a term only a candidate. */
static bool on_candidate(void *arg, uint32_t pattern, size_t start, size_t end)
{
    struct finding *now = arg;
    const struct set_folding *folding = now->folding;
    const struct units *units = &now->f->units;
    struct pattern_ref ref = folding->patterns[pattern];
    struct match m = {.leaf = ref.leaf, .term = ref.term, .field = now->field};
    size_t first, last;

    if (folding->proofs[pattern].run_count) {
        if (!proof_holds(folding->folding, &folding->proofs[pattern], now->base, units, start, end, &first, &last))
            return true;
    } else {
        first = units_at(units, start);
        last = units_at(units, end - 1);
        while (last < units->count && units->items[last].at < end)
            last++;
    }
    folded_range(now->base, units->items[first].start, units->items[last - 1].end, &m.start, &m.end);
    return add_match(now, m);
}

/* The base text of the field for these steps, made when no folding needed it before; NULL when memory ran out. */
static const struct folded *base_text(struct finder *f, unsigned steps, struct span text)
{
    unsigned i = steps & FOLD_BASE;

    if (!f->is_folded[i] && fold_text(&f->folded[i], i, text) < 0)
        return NULL;
    f->is_folded[i] = true;
    return &f->folded[i];
}

static int scan_units(struct finding *now)
{
    struct finder *f = now->f;
    int r = 0;

    for (int reading = 0; reading < FOLDING_READINGS && r == 0; reading++) {
        if (reading == READING_TURNED && !f->units.turns)
            break;
        r = folding_apply(now->folding->folding, (enum folding_reading)reading, now->base, &f->units);
        if (r == 0)
            r = matcher_scan(now->folding->matcher, f->scratch, f->units.text, on_candidate, now);
    }
    return r;
}

static void find_in(struct finder *f, const struct ruleset *set, enum judged_field field, struct span text)
{
    memset(f->is_folded, 0, sizeof(f->is_folded));
    for (size_t i = 0; i < set->folding_count && text.len && !f->failed; i++) {
        const struct set_folding *folding = &set->foldings[i];
        struct finding finding = {f, set, folding, NULL, field};
        int r = ERR_FAILED;

        if (!folding->matcher) /* of detectors alone */
            continue;
        finding.base = base_text(f, folding->folding ? (unsigned)FOLD_BASE : folding->spec.steps, text);
        if (finding.base && folding->folding)
            r = scan_units(&finding);
        else if (finding.base)
            r = matcher_scan(folding->matcher, f->scratch, finding.base->text, on_match, &finding);
        if (r == ERR_FULL)
            f->too_many = true;
        else if (r < 0)
            f->failed = true;
    }
}

struct detecting {
    struct finding finding;
    uint32_t leaf;
};

static bool on_detected(void *arg, uint32_t term, uint32_t start, uint32_t end)
{
    struct detecting *now = arg;

    return add_match(&now->finding, (struct match){now->leaf, term, now->finding.field, start, end, false});
}

/* Leaves that find by themselves, in the original text. */
static void detect_in(struct finder *f, const struct ruleset *set, enum judged_field field, struct span text)
{
    for (uint32_t i = 0; i < set->leaf_count && set->has_detectors && text.len && !f->failed; i++) {
        struct detecting now = {{f, set, NULL, NULL, field}, i};
        int r = set->leaves[i].detector
                    ? detector_run(set->leaves[i].detector, &f->detecting, text, on_detected, &now)
                    : 0;

        if (r == ERR_FULL)
            f->too_many = true;
        else if (r < 0)
            f->failed = true;
    }
}

static int by_leaf(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    int order = compare_u32(x->leaf, y->leaf);

    if (!order)
        order = compare_u32(x->field, y->field);
    if (!order)
        order = compare_u32(x->start, y->start);
    if (!order)
        order = compare_u32(x->end, y->end);
    return order ? order : compare_u32(x->term, y->term);
}

/* Sorts the matches by leaf, takes together what is one match and tells each leaf which are its own. */
static void merge_matches(struct finder *f, const struct ruleset *set)
{
    size_t kept = 0;

    sort_in_place(f->matches, f->match_count, sizeof(*f->matches), by_leaf);
    for (size_t i = 0; i < f->match_count; i++) {
        struct match m = f->matches[i], *last = kept ? &f->matches[kept - 1] : NULL;

        if (last && last->leaf == m.leaf && last->field == m.field) {
            if (set->leaves[m.leaf].merges && m.start < last->end) {
                last->end = m.end > last->end ? m.end : last->end;
                continue;
            }
            /* "ff" made of one ligature: two folded matches, one original character. */
            if (last->start == m.start && last->end == m.end && last->term == m.term)
                continue;
        }
        if (!f->leaves[m.leaf].count)
            f->leaves[m.leaf].first = (uint32_t)kept;
        f->leaves[m.leaf].count++;
        f->matches[kept++] = m;
    }
    f->match_count = kept;
}

void finder_run(struct finder *f, const struct ruleset *set, const struct circumstances *circumstances,
                const struct span fields[FIND_FIELDS])
{
    (void)circumstances;
    for (size_t i = 0; i < FIND_FIELDS; i++)
        find_in(f, set, (enum judged_field)i, fields[i]);
    for (size_t i = 0; i < FIND_FIELDS; i++)
        detect_in(f, set, (enum judged_field)i, fields[i]);
    if (!f->failed)
        merge_matches(f, set);
}
