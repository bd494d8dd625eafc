/* Terms and expressions, folded as their lists want it and put into one matcher for each folding. */
#include "rules/compile.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <stdlib.h>

enum {
    TRY_OTHERS_S = 3,             /* looking for further expressions that vectorscan refuses */
    MAX_FOLDINGS_WITH_UNITS = 16, /* each costs its table and one more pass over a text */
};

/* One of the shapes in which a term is looked for. */
struct shape {
    struct span folded;
    struct term_proof proof; /* of a folding with units */
    struct symbols symbols;  /* of a term that may be censored */
    uint32_t leaf, term;
};

struct shapes {
    struct compiler *c;
    const struct set_folding *own;
    struct arena scratch; /* the folded texts */
    struct folded folded;
    struct units units;
    struct shape *items;
    size_t count, cap;
};

static bool same_bytes(const void *a, size_t a_count, const void *b, size_t b_count, size_t size)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * size) == 0);
}

/* Whether two shapes find the same. */
static bool finds_the_same(const struct shape *x, const struct shape *y)
{
    const struct term_proof *p = &x->proof, *q = &y->proof;

    return span_equal(x->folded, y->folded) && p->flags == q->flags &&
           same_bytes(p->runs, p->run_count, q->runs, q->run_count, sizeof(*p->runs)) &&
           same_bytes(p->syllables, p->syllable_count, q->syllables, q->syllable_count, sizeof(*p->syllables));
}

static uint64_t hash_more(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ p[i]) * 1099511628211u; /* FNV-1a */
    return hash;
}

/* Of all that finds_the_same() looks at: a list of thousands of homophones has few folded texts. */
static size_t hash_of(const struct shape *x)
{
    const struct term_proof *p = &x->proof;
    uint64_t hash = hash_more(14695981039346656037u, x->folded.data, x->folded.len);

    hash = hash_more(hash, p->runs, p->run_count * sizeof(*p->runs));
    hash = hash_more(hash, p->syllables, p->syllable_count * sizeof(*p->syllables));
    return (size_t)(hash ^ hash >> 32);
}

/* Whether each folded text is greater than the one before: then none is there twice. */
static bool are_ascending(const struct shape *items, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (span_compare(items[i - 1].folded, items[i].folded) >= 0)
            return false;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return span_compare(*x, *y);
}

/* Sorts what is mostly in order already: a document that comes from the database or from disk is. */
static void sort_terms(struct span *terms, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (by_bytes(&terms[i - 1], &terms[i]) > 0) {
            qsort(terms, count, sizeof(*terms), by_bytes);
            return;
        }
}

static struct shape *new_shape(struct shapes *s, struct span folded, uint32_t leaf, uint32_t term)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 256;
        struct shape *grown = realloc(s->items, cap * sizeof(*grown));

        if (!grown) {
            s->c->arena->failed = true;
            return NULL;
        }
        s->items = grown;
        s->cap = cap;
    }
    s->items[s->count] = (struct shape){.folded = arena_span(&s->scratch, folded), .leaf = leaf, .term = term};
    return &s->items[s->count++];
}

/* Keeps what stands in s->units as a shape of the term; text: NULL, or what the matcher looks for in its place. */
static void keep_units(struct shapes *s, struct span text, uint32_t leaf, uint32_t term, unsigned flags)
{
    enum term_boundary boundary = s->c->origins[leaf].list->boundary;
    struct shape *shape = new_shape(s, text, leaf, term);

    if (shape && !term_proof_make(s->own->folding, &s->units, boundary, flags, s->c->arena, &shape->proof))
        s->c->arena->failed = true;
}

/* The initials of a term. False: it has not two Han characters. */
static bool initials_of(struct span text, struct buf *out)
{
    size_t han = 0;

    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_char_len(text.data + i, text.len - i);
        const char *syllable = n ? folding_syllable(utf8_decode(text.data + i, n)) : NULL;

        if (!n)
            return false;
        if (syllable) {
            buf_add_char(out, *syllable);
            han++;
        } else {
            buf_add(out, text.data + i, n);
        }
        i += n;
    }
    return han >= 2 && !buf_failed(out);
}

/* Two letters alone would be found wherever they are a word ("by", and "lf" is "if" where l and i are one), so they
 * must hold no vowel. */
static bool can_be_initials(struct span folded)
{
    if (folded.len > 2)
        return true;
    for (size_t i = 0; i < folded.len; i++)
        if (strchr("aeiouy", folded.data[i]))
            return false;
    return folded.len == 2;
}

static bool fold_units(struct shapes *s, enum folding_reading reading, struct span text, bool each)
{
    s->units.each = each;
    if (folding_apply_text(s->own->folding, reading, text, &s->folded, &s->units) == 0)
        return true;
    s->c->arena->failed = true;
    return false;
}

/* lü is also written lu: the same term with u for each v of its syllables. */
static void keep_umlauts(struct shapes *s, uint32_t leaf, uint32_t term)
{
    struct buf text = BUF_INIT;
    bool any = false;

    buf_add_span(&text, s->units.text);
    for (size_t i = 0; i < s->units.count && !buf_failed(&text); i++) {
        const struct unit *u = &s->units.items[i];

        if (u->kind == UNIT_HAN && text.data[u->at] == 'v') {
            text.data[u->at] = 'u';
            any = true;
        }
    }
    if (any)
        keep_units(s, buf_span(&text), leaf, term, 0);
    buf_release(&text);
}

static void keep_initials(struct shapes *s, struct span text, uint32_t leaf, uint32_t term)
{
    struct buf initials = BUF_INIT;

    if (fold_text(&s->folded, FOLD_BASE, text) == 0 && initials_of(s->folded.text, &initials) &&
        fold_units(s, READING_PLAIN, buf_span(&initials), false) && can_be_initials(s->units.text))
        keep_units(s, s->units.text, leaf, term, TERM_INITIALS);
    buf_release(&initials);
}

/* All shapes of a term in a folding with units. False: it folds to nothing. */
static bool shape_term(struct shapes *s, struct span text, uint32_t leaf, uint32_t term)
{
    unsigned steps = folding_steps(s->own->folding);
    bool twice = false, digits = false;

    if (!fold_units(s, READING_PLAIN, text, false))
        return true;
    if (s->units.text.len == 0)
        return false;
    for (size_t i = 0; i < s->units.count; i++) {
        twice = twice || s->units.items[i].times > 1;
        digits = digits || s->units.items[i].kind == UNIT_DIGIT;
    }
    keep_units(s, s->units.text, leaf, term, 0);
    if ((steps & FOLD_CENSORED) && !s->c->arena->failed)
        s->items[s->count - 1].symbols = censored_symbols(s->own->folding, &s->units, s->c->arena);
    if (steps & FOLD_PINYIN)
        keep_umlauts(s, leaf, term);
    if (twice && fold_units(s, READING_PLAIN, text, true))
        keep_units(s, s->units.text, leaf, term, 0);
    /* A numeral is a digit wherever it stands in a message, but its reading may stand there too. */
    if (digits && folding_has_reading(s->own->folding, READING_WORDS) && fold_units(s, READING_WORDS, text, false))
        keep_units(s, s->units.text, leaf, term, 0);
    if (steps & FOLD_INITIALS)
        keep_initials(s, text, leaf, term);
    return true;
}

static void shape_terms(struct shapes *s, uint32_t leaf, const struct span *terms, size_t count)
{
    struct compiler *c = s->c;
    const struct leaf_origin *origin = &c->origins[leaf];
    const struct term_list *list = origin->list;

    for (uint32_t i = 0; i < count && !c->arena->failed; i++) {
        if (s->own->folding) {
            if (!shape_term(s, terms[i], leaf, i))
                faults_add(c->faults, origin->source, list->place.line, list->place.column,
                           "the term \"%.*s\" of list \"%s\" folds to nothing and would match everywhere; remove it",
                           (int)terms[i].len, terms[i].data, list->name);
        } else if (fold_text(&s->folded, list->folding.steps, terms[i]) < 0) {
            c->arena->failed = true;
        } else if (s->folded.text.len) { /* else a fault since the document was read */
            new_shape(s, s->folded.text, leaf, i);
        }
    }
}

/* How many terms of a list are looked for in some shape. */
static size_t count_terms(struct shapes *s, size_t first, size_t most)
{
    bool *seen = calloc(most + 1, sizeof(*seen));
    size_t count = 0;

    if (!seen) {
        s->c->arena->failed = true;
        return 0;
    }
    for (size_t i = first; i < s->count; i++) {
        count += !seen[s->items[i].term];
        seen[s->items[i].term] = true;
    }
    free(seen);
    return count;
}

/* Of shapes that find the same the first one stays. */
static void drop_doubles(struct shapes *s, size_t first)
{
    size_t count = s->count - first, cap = 64, unique = first;
    uint32_t *seen; /* 1 + index of a shape, by hash */

    if (are_ascending(s->items + first, count))
        return;
    while (cap < 2 * count)
        cap *= 2;
    seen = calloc(cap, sizeof(*seen));
    if (!seen) {
        s->c->arena->failed = true;
        return;
    }
    for (size_t i = first; i < s->count; i++) {
        size_t place = hash_of(&s->items[i]) & (cap - 1);

        while (seen[place] && !finds_the_same(&s->items[i], &s->items[seen[place] - 1]))
            place = (place + 1) & (cap - 1);
        if (seen[place])
            continue;
        s->items[unique] = s->items[i];
        seen[place] = (uint32_t)++unique;
    }
    free(seen);
    s->count = unique;
}

/* The terms of a list in all their shapes, each shape once (of terms that fold alike the smallest stands for all), so
 * that neither the order of the list nor repetitions in it show anywhere. */
static void fold_terms(struct shapes *s, uint32_t leaf)
{
    struct compiler *c = s->c;
    const struct term_list *list = c->origins[leaf].list;
    size_t first = s->count;
    struct span *terms = arena_array(c->arena, list->term_count, sizeof(*terms));

    for (size_t i = 0; i < list->term_count && terms; i++)
        terms[i] = arena_span(c->arena, list->terms[i]);
    if (c->arena->failed)
        return;
    sort_terms(terms, list->term_count);
    shape_terms(s, leaf, terms, list->term_count);
    if (s->scratch.failed)
        c->arena->failed = true;
    if (c->arena->failed)
        return;
    drop_doubles(s, first);
    c->set->leaves[leaf].terms = terms;
    c->set->term_count += count_terms(s, first, list->term_count);
}

/* All leaves of a folding: their terms in shapes, then each expression. */
static void gather_shapes(struct shapes *s, uint32_t folding)
{
    const struct ruleset *set = s->c->set;

    for (uint32_t i = 0; i < set->leaf_count && !s->c->arena->failed; i++) {
        if (set->leaves[i].folding != folding || set->leaves[i].detector)
            continue;
        if (set->leaves[i].expression)
            new_shape(s, span_of(set->leaves[i].expression), i, 0);
        else
            fold_terms(s, i);
    }
}

static bool make_patterns(struct compiler *c, const struct shapes *s, struct set_folding *own, struct pattern *patterns)
{
    struct pattern_ref *refs = arena_array(c->arena, s->count, sizeof(*refs));
    struct term_proof *proofs = own->folding ? arena_array(c->arena, s->count, sizeof(*proofs)) : NULL;

    if (!patterns || !refs || (own->folding && !proofs))
        return false;
    for (size_t i = 0; i < s->count; i++) {
        const struct shape *shape = &s->items[i];
        const struct term_list *list = c->origins[shape->leaf].list;

        /* With units the proof looks at boundaries. */
        patterns[i] = (struct pattern){shape->folded.data, shape->folded.len, !list,
                                       list && !own->folding ? list->boundary : BOUNDARY_ANY};
        refs[i] = (struct pattern_ref){shape->leaf, shape->term};
        if (proofs)
            proofs[i] = shape->proof;
    }
    own->patterns = refs;
    own->proofs = proofs;
    return true;
}

/* The terms of a folding that may be censored. */
static bool make_censored(struct compiler *c, const struct shapes *s, struct set_folding *own)
{
    struct censored *censored = &own->censored;
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++)
        count += s->items[i].symbols.count > 0;
    censored->terms = arena_array(c->arena, count, sizeof(*censored->terms));
    if (!censored->terms)
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].symbols.count)
            censored->terms[censored->count++] =
                (struct censored_term){s->items[i].symbols, (uint32_t)i, s->items[i].proof.boundary};
    censored_sort(censored);
    return true;
}

static void refuse_leaf(struct compiler *c, size_t leaf, const struct err *err)
{
    const struct leaf_origin *origin = &c->origins[leaf];
    const char *list = c->set->leaves[leaf].list;

    faults_add(c->faults, origin->source, origin->place.line, origin->place.column, "%s%s cannot be used: %s",
               list ? "a term of list " : "the expression", list ? list : "", err->text);
}

/* vectorscan names the first pattern it refuses; whoever reads the faults wants all of them. */
static void refuse_others(struct compiler *c, size_t refused)
{
    int64_t until_us = clock_mono_us() + (int64_t)TRY_OTHERS_S * 1000000;
    struct err err;

    for (size_t i = 0; i < c->set->leaf_count && clock_mono_us() < until_us; i++)
        if (i != refused && c->set->leaves[i].expression &&
            matcher_try_expression(c->set->leaves[i].expression, &err) < 0)
            refuse_leaf(c, i, &err);
}

static void compile_matcher(struct compiler *c, struct set_folding *own, const struct pattern *patterns, size_t count,
                            const char *cache_directory)
{
    size_t bad = 0;
    struct err err;
    int r = matcher_compile(&own->matcher, patterns, count, cache_directory, &bad, &err);

    if (r == ERR_USAGE) {
        refuse_leaf(c, own->patterns[bad].leaf, &err);
        refuse_others(c, own->patterns[bad].leaf);
    } else if (r < 0) {
        faults_add(c->faults, "rules", 0, 0, "%s", err.text);
    } else if (matcher_scratch_for(&c->set->scratch, own->matcher) < 0) {
        c->arena->failed = true;
    }
}

/* Each expression is bounded when it is read; all of them together are bounded here. */
static void bound_expressions(struct compiler *c)
{
    unsigned long long sum = 0;
    struct err err;

    for (size_t i = 0; i < c->set->leaf_count; i++) {
        if (!c->set->leaves[i].expression)
            continue;
        sum += matcher_weight(c->set->leaves[i].expression);
        if (sum <= MATCHER_MAX_ALL_WEIGHTS)
            continue;
        err_set(&err, ERR_USAGE,
                "with it the repeats, repeated groups and properties of all expressions weigh more than %d together; "
                "use + or smaller repeats",
                MATCHER_MAX_ALL_WEIGHTS);
        refuse_leaf(c, i, &err);
        refuse_others(c, i);
        return;
    }
}

static const char *name_of(struct compiler *c, const struct fold_spec *spec)
{
    struct buf name = BUF_INIT;
    const char *kept;

    fold_spec_name(spec, &name);
    if (buf_failed(&name))
        c->arena->failed = true;
    kept = arena_text(c->arena, buf_text(&name));
    buf_release(&name);
    return kept;
}

/* One matcher of all leaves of one folding. */
static void compile_folding(struct compiler *c, uint32_t folding, const char *cache_directory)
{
    struct set_folding *own = &c->set->foldings[folding];
    struct shapes s = {.c = c, .own = own};
    struct pattern *patterns = NULL;
    const struct fold_table *const *tables;
    size_t table_count = rule_document_tables(c->doc, &tables), faults = c->faults->count;

    own->name = name_of(c, &own->spec);
    if (fold_spec_has_units(&own->spec)) {
        own->folding = folding_new(&own->spec, tables, table_count);
        if (!own->folding)
            c->arena->failed = true;
    }
    gather_shapes(&s, folding);
    if (c->arena->failed || !s.count || c->faults->count != faults)
        goto out;
    patterns = calloc(s.count, sizeof(*patterns));
    if (make_patterns(c, &s, own, patterns) && (!(own->spec.steps & FOLD_CENSORED) || make_censored(c, &s, own)))
        compile_matcher(c, own, patterns, s.count, cache_directory);
    else
        c->arena->failed = true;
out:
    arena_release(&s.scratch);
    folded_release(&s.folded);
    units_release(&s.units);
    free(s.items);
    free(patterns);
}

void compile_foldings(struct compiler *c, const char *cache_directory)
{
    size_t before = c->faults->count, with_units = 0;

    for (size_t i = 0; i < c->set->folding_count; i++)
        with_units += fold_spec_has_units(&c->set->foldings[i].spec);
    if (with_units > MAX_FOLDINGS_WITH_UNITS)
        faults_add(c->faults, "rules", 0, 0,
                   "the lists and expressions ask for %zu different foldings beyond case and invisible; at most %d are "
                   "possible: give lists the same folding where you can",
                   with_units, MAX_FOLDINGS_WITH_UNITS);
    bound_expressions(c);
    for (uint32_t i = 0; i < c->set->folding_count && c->faults->count == before && !c->arena->failed; i++)
        compile_folding(c, i, cache_directory);
}
