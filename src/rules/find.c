#include "rules/find.h"

#include "rules/judge.h"
#include "rules/sort.h"

#include <stdlib.h>

enum { /* memory for more is given back after the message that needed it */
       FIND_KEEP_MATCHES = 16 * 1024,
       FIND_KEEP_JOINED = 64 * 1024,
};

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
    unescaped_release(&f->plain);
    folded_release(&f->joined_folded);
    buf_release(&f->joined);
    units_release(&f->units);
    censored_scratch_release(&f->censored);
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
    f->match_count = f->candidates = 0;
    f->failed = f->too_many = false;
    for (size_t i = 0; i < FOLD_COMBINATIONS; i++)
        folded_trim(&f->folded[i]);
    unescaped_trim(&f->plain);
    folded_trim(&f->joined_folded);
    if (f->joined.cap > FIND_KEEP_JOINED)
        buf_release(&f->joined);
    units_trim(&f->units);
    censored_scratch_trim(&f->censored);
    detector_scratch_trim(&f->detecting);
}

/* One scan: of one folding, in one field. */
struct finding {
    struct finder *f;
    const struct ruleset *set;
    const struct set_folding *folding;
    const struct folded *base;
    uint32_t field;
    uint32_t earlier; /* bytes of the base's original that are earlier messages; 0: it is the field */
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

/* Where bytes start..end of the base text are in the field. False: not in it. */
static bool place_match(const struct finding *now, size_t start, size_t end, struct match *m)
{
    folded_range(now->base, start, end, &m->start, &m->end);
    if (now->earlier) { /* begins before and ends in the field, or is found elsewhere */
        if (m->start >= now->earlier || m->end <= now->earlier)
            return false;
        m->start = 0;
        m->end -= now->earlier;
        unescaped_range(&now->f->plain, &m->start, &m->end);
        m->start = 0;
        return true;
    }
    if (!now->base->identical) /* folding "none" sees what was sent */
        unescaped_range(&now->f->plain, &m->start, &m->end);
    return true;
}

/* A match in the base text itself. */
static bool on_match(void *arg, uint32_t pattern, size_t start, size_t end)
{
    struct finding *now = arg;
    struct pattern_ref ref = now->folding->patterns[pattern];
    struct match m = {.leaf = ref.leaf, .term = ref.term, .field = now->field};

    return place_match(now, start, end, &m) ? add_match(now, m) : true;
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

    if (now->f->candidates++ == FIND_MAX_CANDIDATES)
        return false;
    if (folding->proofs[pattern].run_count) {
        if (!proof_holds(folding->folding, &folding->proofs[pattern], now->base, units, start, end, &first, &last))
            return true;
    } else {
        first = units_at(units, start);
        last = units_at(units, end - 1);
        while (last < units->count && units->items[last].at < end)
            last++;
    }
    return place_match(now, units->items[first].start, units->items[last - 1].end, &m) ? add_match(now, m) : true;
}

/* The base text of the field for these steps, made when no folding needed it before; NULL when memory ran out. */
static const struct folded *base_text(struct finder *f, unsigned steps, struct span text)
{
    unsigned i = steps & FOLD_BASE;

    if (!f->is_folded[i] && fold_text(&f->folded[i], i, i == FOLD_NONE ? text : f->plain.text) < 0)
        return NULL;
    f->is_folded[i] = true;
    return &f->folded[i];
}

/* A censored term, already proved. */
static bool on_censored(void *arg, uint32_t pattern, size_t first, size_t last)
{
    struct finding *now = arg;
    const struct unit *items = now->f->units.items;
    struct pattern_ref ref = now->folding->patterns[pattern];
    struct match m = {.leaf = ref.leaf, .term = ref.term, .field = now->field};

    return place_match(now, items[first].start, items[last - 1].end, &m) ? add_match(now, m) : true;
}

static int scan_reading(struct finding *now, enum folding_reading reading)
{
    struct finder *f = now->f;
    int r = folding_apply(now->folding->folding, reading, now->base, &f->units);

    if (r == 0 && reading == READING_HIDDEN)
        return censored_find(&now->folding->censored, now->folding->folding, now->base, &f->units, &f->censored,
                             on_censored, now);
    return r < 0 ? r : matcher_scan(now->folding->matcher, f->scratch, f->units.text, on_candidate, now);
}

static int scan_units(struct finding *now)
{
    int r = scan_reading(now, READING_PLAIN);
    bool turns = now->f->units.turns, hides = now->f->units.hides && now->folding->censored.count;

    if (r == 0 && turns)
        r = scan_reading(now, READING_TURNED);
    if (r == 0 && hides)
        r = scan_reading(now, READING_HIDDEN);
    return r;
}

/* Words that began in the sender's messages before: the base text of all of them and the field. */
static const struct folded *joined_text(struct finder *f, struct span earlier)
{
    if (!f->is_joined) {
        buf_reset(&f->joined);
        buf_add_span(&f->joined, earlier);
        buf_add_span(&f->joined, f->plain.text);
        if (buf_failed(&f->joined) || fold_text(&f->joined_folded, FOLD_BASE, buf_span(&f->joined)) < 0)
            return NULL;
        f->is_joined = true;
    }
    return &f->joined_folded;
}

static int scan_joined(struct finding *now, struct span earlier)
{
    now->base = joined_text(now->f, earlier);
    now->earlier = (uint32_t)earlier.len;
    return now->base ? scan_units(now) : ERR_FAILED;
}

/* All that one folding finds in the field. */
static int scan_folding(struct finding *now, struct span text, struct span earlier)
{
    const struct set_folding *folding = now->folding;
    int r;

    now->base = base_text(now->f, folding->folding ? (unsigned)FOLD_BASE : folding->spec.steps, text);
    if (!now->base)
        return ERR_FAILED;
    if (!folding->folding)
        return matcher_scan(folding->matcher, now->f->scratch, now->base->text, on_match, now);
    r = scan_units(now);
    if (r == 0 && earlier.len && (folding->spec.steps & FOLD_SPLIT))
        r = scan_joined(now, earlier);
    return r;
}

struct detecting {
    struct finding finding;
    uint32_t leaf;
};

static bool on_detected(void *arg, uint32_t term, uint32_t start, uint32_t end)
{
    struct detecting *now = arg;

    unescaped_range(&now->finding.f->plain, &start, &end);
    return add_match(&now->finding, (struct match){now->leaf, term, now->finding.field, start, end, false});
}

/* Leaves that find by themselves: links and contact data, in the text as its reader sees it. */
static void detect_in(struct finder *f, const struct ruleset *set, enum judged_field field)
{
    if (!set->has_detectors || f->failed)
        return;
    if (!detector_read(&f->detecting, f->plain.text))
        f->failed = true;
    for (uint32_t i = 0; i < set->leaf_count && !f->failed; i++) {
        struct detecting now = {{f, set, NULL, NULL, field, 0}, i};
        const struct detector *detector = set->leaves[i].detector;

        if (detector && !detector_run(detector, &f->detecting, on_detected, &now) && !f->failed)
            f->too_many = true;
    }
}

static void find_in(struct finder *f, const struct ruleset *set, enum judged_field field, struct span text,
                    struct span earlier)
{
    if (!text.len)
        return;
    f->is_joined = false;
    memset(f->is_folded, 0, sizeof(f->is_folded));
    if (!unescape(&f->plain, text))
        f->failed = true;
    for (size_t i = 0; i < set->folding_count && !f->failed; i++) {
        struct finding finding = {f, set, &set->foldings[i], NULL, field, 0};
        int r = finding.folding->matcher ? scan_folding(&finding, text, earlier) : 0; /* NULL: of detectors alone */

        if (r == ERR_FULL)
            f->too_many = true;
        else if (r < 0)
            f->failed = true;
    }
    detect_in(f, set, field);
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
    struct span earlier = circumstances ? circumstances->earlier : (struct span){NULL, 0};

    for (size_t i = 0; i < FIND_FIELDS; i++)
        find_in(f, set, (enum judged_field)i, fields[i], i == FIELD_TEXT ? earlier : (struct span){NULL, 0});
    if (!f->failed)
        merge_matches(f, set);
}
