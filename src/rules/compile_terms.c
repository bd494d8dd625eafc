/* Terms and expressions, folded as their lists want it and put into one matcher for each folding. */
#include "rules/compile.h"

#include <stdlib.h>

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
        if (fold_text(&folded, list->folding.steps, list->terms[i]) < 0) {
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
static void compile_folding(struct compiler *c, uint32_t folding, const char *cache_directory)
{
    struct ruleset *set = c->set;
    struct set_folding *own = &set->foldings[folding];
    struct arena scratch = ARENA_INIT;
    struct folded_term *terms = NULL;
    struct pattern *patterns = NULL;
    struct pattern_ref *refs;
    size_t most = 0, count = 0, bad = 0;
    struct err err;
    int r;

    for (size_t i = 0; i < set->leaf_count; i++)
        if (set->leaves[i].folding == folding)
            most += c->origins[i].list ? c->origins[i].list->term_count : !set->leaves[i].detector;
    own->name = fold_name(own->spec.steps);
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

        if (leaf->folding != folding || leaf->detector)
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
    r = matcher_compile(&own->matcher, patterns, count, cache_directory, &bad, &err);
    own->patterns = refs;
    if (r == ERR_USAGE) {
        uint32_t leaf = refs[bad].leaf;

        faults_add(c->faults, c->origins[leaf].source, c->origins[leaf].place.line, c->origins[leaf].place.column,
                   "%s%s cannot be used: %s", set->leaves[leaf].list ? "a term of list " : "the expression",
                   set->leaves[leaf].list ? set->leaves[leaf].list : "", err.text);
    } else if (r < 0) {
        faults_add(c->faults, "rules", 0, 0, "%s", err.text);
    } else if (matcher_scratch_for(&set->scratch, own->matcher) < 0) {
        c->arena->failed = true;
    }
out:
    arena_release(&scratch);
    free(terms);
    free(patterns);
}

void compile_foldings(struct compiler *c, const char *cache_directory)
{
    size_t before = c->faults->count;

    for (uint32_t i = 0; i < c->set->folding_count && c->faults->count == before && !c->arena->failed; i++)
        compile_folding(c, i, cache_directory);
}
