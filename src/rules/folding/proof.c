#include "rules/folding/proof.h"

#include "rules/folding/word_edge.h"

enum { MAX_TRIES = 4 /* where a match may begin, and end, within runs that span a gap */ };

static bool reads(const struct folding *f)
{
    return folding_steps(f) & (FOLD_PINYIN | FOLD_HOMOPHONES);
}

/* Terms ----------------------------------------------------------------------------------------------- */

static bool starts_run(const struct units *u, size_t i)
{
    return i == 0 || u->items[i].at != u->items[i - 1].at;
}

bool term_proof_make(const struct folding *f, const struct units *units, enum term_boundary boundary, unsigned flags,
                     struct arena *arena, struct term_proof *out)
{
    struct term_run *runs;
    struct term_syllable *syllables;
    size_t run_count = 0, syllable_count = 0;

    for (size_t i = 0; i < units->count; i++) {
        run_count += starts_run(units, i);
        syllable_count += reads(f) && units->items[i].kind == UNIT_HAN && (units->items[i].edges & UNIT_FIRST);
    }
    runs = arena_array(arena, run_count, sizeof(*runs));
    syllables = arena_array(arena, syllable_count, sizeof(*syllables));
    if (!runs || (syllable_count && !syllables) || run_count > UINT16_MAX)
        return false;
    *out = (struct term_proof){
        .runs = runs,
        .syllables = syllables,
        .run_count = (uint16_t)run_count,
        .syllable_count = (uint16_t)syllable_count,
        .boundary = (uint8_t)boundary,
        .flags = (uint8_t)flags,
    };
    for (size_t i = 0, run = 0, syllable = 0; i < units->count; i++) {
        const struct unit *u = &units->items[i];
        struct term_run *r;

        run += i && starts_run(units, i);
        r = &runs[run];
        r->count = (uint8_t)(r->count + u->times < UINT8_MAX ? r->count + u->times : UINT8_MAX);
        if (u->kind == UNIT_LETTER || u->kind == UNIT_SIGN)
            r->flags |= RUN_LETTER;
        if (u->kind == UNIT_DIGIT)
            r->flags |= RUN_DIGIT;
        if (u->gap)
            r->flags |= RUN_OWN_GAP;
        out->kinds |= r->flags & (RUN_LETTER | RUN_DIGIT);
        out->has_han = out->has_han || u->kind == UNIT_HAN;
        if (u->kind != UNIT_HAN || !reads(f))
            continue;
        if (u->edges & UNIT_FIRST) {
            syllables[syllable] = (struct term_syllable){folding_own(f, u->own), (uint16_t)run, (uint16_t)run};
            r->flags |= RUN_OWN_GAP;
        }
        if (u->edges & UNIT_LAST) {
            syllables[syllable].last = (uint16_t)run;
            syllable++;
            /* What follows a syllable may stand apart from it as well as another syllable may. */
            if (run + 1 < run_count)
                runs[run + 1].flags |= RUN_OWN_GAP;
        }
    }
    return true;
}

/* One candidate, its exact units fixed ------------------------------------------------------------------ */

struct candidate {
    const struct folding *f;
    const struct term_proof *term;
    struct span text; /* the base text */
    const struct units *units;
    size_t first, last; /* units; last exclusive */
};

static unsigned class_of(const struct candidate *c, size_t i)
{
    const struct unit *u = &c->units->items[i];
    unsigned class = word_class_after(c->text, u->start);

    return u->kind == UNIT_OTHER ? class : class | WORD_PART;
}

/* Initials are few: what stands for them must be letters. */
static bool is_all_letters(const struct candidate *c)
{
    for (size_t i = c->first; i < c->last; i++)
        if (c->units->items[i].kind != UNIT_LETTER && c->term->kinds == RUN_LETTER)
            return false;
    return true;
}

static bool is_latin(const struct candidate *c)
{
    for (size_t i = c->first; i < c->last; i++)
        if (c->units->items[i].kind == UNIT_HAN)
            return false;
    return true;
}

static bool stands_alone(const struct candidate *c, enum term_boundary boundary)
{
    const struct unit *first = &c->units->items[c->first], *last = &c->units->items[c->last - 1];

    return !word_goes_on(boundary, word_class_before(c->text, first->start), class_of(c, c->first)) &&
           !word_goes_on(boundary, class_of(c, c->last - 1), word_class_after(c->text, last->end));
}

/* How many units before, or after, the candidate stand alone as its own do, each parted from the next by the same kind
 * of gap: the word it is spelled in goes on there. */
static size_t spelled_on(const struct candidate *c, bool blanks)
{
    const struct unit *items = c->units->items;
    size_t count = 0;

    for (size_t i = c->first; i && count < 2; i--, count++) {
        const struct unit *u = &items[i - 1];

        if (!items[i].gap || ((items[i].gap & GAP_BLANK) != 0) != blanks || (u->kind != UNIT_LETTER) ||
            (u->edges & UNIT_UNSPACED) || (i > 1 && !u->gap))
            break;
    }
    for (size_t i = c->last; i < c->units->count && count < 2; i++, count++) {
        const struct unit *u = &items[i];

        if (!u->gap || ((u->gap & GAP_BLANK) != 0) != blanks || u->kind != UNIT_LETTER || (u->edges & UNIT_UNSPACED) ||
            (i + 1 < c->units->count && !items[i + 1].gap))
            break;
    }
    return count;
}

/* The s of "it's", "Mac's": a letter behind an apostrophe ends a word and begins none. */
static bool begins_as_suffix(const struct candidate *c)
{
    static const char *const apostrophes[] = {"'", "\xE2\x80\x99"};
    size_t start = c->units->items[c->first].start;

    if (c->last - c->first < 2 || !c->units->items[c->first + 1].gap)
        return false;
    for (size_t i = 0; i < sizeof(apostrophes) / sizeof(*apostrophes); i++) {
        size_t len = strlen(apostrophes[i]);

        if (start > len && memcmp(c->text.data + start - len, apostrophes[i], len) == 0)
            return word_class_before(c->text, start - len) & WORD_PART;
    }
    return false;
}

static bool proves_edges(const struct candidate *c)
{
    enum term_boundary boundary = (enum term_boundary)c->term->boundary;
    const struct unit *items = c->units->items;
    bool word = (c->term->flags & TERM_INITIALS) || (c->term->syllable_count && is_latin(c));
    unsigned gaps = 0;
    bool spelled = c->last - c->first > 1;

    if (!(items[c->first].edges & UNIT_FIRST) || !(items[c->last - 1].edges & UNIT_LAST))
        return false;
    if ((c->term->flags & TERM_INITIALS) && !is_all_letters(c))
        return false;
    if (boundary == BOUNDARY_ANY && word)
        boundary = BOUNDARY_SCRIPT;
    if (boundary == BOUNDARY_ANY)
        return true;
    if (!stands_alone(c, boundary) || begins_as_suffix(c))
        return false;
    for (size_t i = c->first + 1; i < c->last && spelled; i++) {
        gaps |= items[i].gap;
        spelled = items[i].gap && !(items[i].edges & UNIT_UNSPACED);
    }
    return !spelled || spelled_on(c, gaps & GAP_BLANK) < (gaps & GAP_BLANK ? 2 : 1);
}

/* repeats, leet: run for run. */
static bool proves_runs(const struct candidate *c)
{
    const struct unit *items = c->units->items;
    bool letter = false, digit = false;
    size_t run = 0;

    for (size_t i = c->first; i < c->last; run++) {
        const struct term_run *r;
        size_t count = 0;
        uint32_t at = items[i].at;
        char key = c->units->text.data[at];

        if (run == c->term->run_count)
            return false;
        r = &c->term->runs[run];
        for (; i < c->last && items[i].at == at; i++) {
            count += items[i].times;
            letter = letter || items[i].kind == UNIT_LETTER || items[i].kind == UNIT_HAN;
            digit = digit || items[i].kind == UNIT_DIGIT;
            if (!(r->flags & RUN_LETTER) && (r->flags & RUN_DIGIT) && items[i].kind != UNIT_DIGIT && key != 'o' &&
                key != 'i')
                return false;
        }
        if (r->flags & RUN_DIGIT ? count != r->count : count < r->count)
            return false;
    }
    if (run != c->term->run_count)
        return false;
    if ((c->term->kinds & RUN_LETTER) && !letter)
        return false;
    return !(c->term->kinds == RUN_DIGIT && !c->term->has_han && !digit);
}

/* A gap that parts words unless one of them is a single letter. */
static bool is_strict(unsigned gap)
{
    return (gap & GAP_BLANK) && !(gap & (GAP_SYMBOL | GAP_MESSAGE));
}

static bool proves_gaps(const struct candidate *c)
{
    const struct unit *items = c->units->items;
    size_t run = 0, chunk = 1; /* runs since the last gap */
    bool single_wanted = false;

    for (size_t i = c->first + 1; i < c->last; i++) {
        bool new_run = items[i].at != items[i - 1].at;

        run += new_run;
        if (!items[i].gap) {
            chunk += new_run;
            continue;
        }
        if (single_wanted && chunk > 1)
            return false;
        single_wanted = is_strict(items[i].gap) && chunk > 1 && !(c->term->runs[run].flags & RUN_OWN_GAP) &&
                        !(items[i].edges & items[i - 1].edges & UNIT_UNSPACED);
        chunk = 1;
    }
    return !(single_wanted && chunk > 1);
}

/* Each Han character of the message is one syllable of the term. */
static bool proves_readings(const struct candidate *c)
{
    const struct unit *items = c->units->items;
    const struct term_proof *term = c->term;
    unsigned steps = folding_steps(c->f);
    bool only_own = !(steps & FOLD_HOMOPHONES) || term->syllable_count < 2;
    bool letters = (steps & FOLD_PINYIN) && term->syllable_count > 1;
    size_t run = 0, syllable = 0, seen = 0, begin = 0;

    for (size_t i = c->first; i < c->last; i++) {
        run += i > c->first && items[i].at != items[i - 1].at;
        if (items[i].kind != UNIT_HAN)
            continue;
        if (items[i].edges & UNIT_FIRST)
            begin = run;
        if (!(items[i].edges & UNIT_LAST))
            continue;
        while (syllable < term->syllable_count && term->syllables[syllable].first < begin)
            syllable++;
        if (syllable == term->syllable_count || term->syllables[syllable].first != begin ||
            term->syllables[syllable].last != run)
            return false;
        if (only_own && folding_own(c->f, items[i].own) != term->syllables[syllable].own)
            return false;
        seen++;
        syllable++;
    }
    return letters || seen >= term->syllable_count;
}

static bool is_noise(const struct candidate *c, size_t i)
{
    const struct unit *u = &c->units->items[i];

    return u->kind == UNIT_OTHER && (word_class_after(c->text, u->start) & WORD_NOISE);
}

static bool proves_messages(const struct candidate *c)
{
    const struct unit *items = c->units->items;
    bool spans = false;
    size_t first = c->first, last = c->last;

    for (size_t i = c->first + 1; i < c->last; i++) {
        if (!(items[i].gap & GAP_MESSAGE))
            continue;
        if (items[i].edges & items[i - 1].edges & UNIT_UNSPACED)
            return true;
        spans = true;
    }
    if (!spans)
        return true;
    while (first && !(items[first].gap & GAP_MESSAGE) && is_noise(c, first - 1))
        first--;
    while (last < c->units->count && !(items[last].gap & GAP_MESSAGE) && is_noise(c, last))
        last++;
    return (first == 0 || (items[first].gap & GAP_MESSAGE)) &&
           (last == c->units->count || (items[last].gap & GAP_MESSAGE));
}

static bool proves_all(const struct candidate *c)
{
    return proves_edges(c) && proves_runs(c) && proves_gaps(c) && (!reads(c->f) || proves_readings(c)) &&
           proves_messages(c);
}

/* Candidates ------------------------------------------------------------------------------------------- */

/* A run at the edge of a match may belong to two words: over a gap, as in "this shit", or because two characters that
 * are read meet in the same letter, as those of xin and ni do. The match may begin, and end, where they part. */
static bool parts(const struct unit *items, size_t i)
{
    return items[i].gap ||
           ((items[i].edges & UNIT_FIRST) && (items[i].kind == UNIT_HAN || items[i - 1].kind == UNIT_HAN));
}

bool proof_holds(const struct folding *f, const struct term_proof *term, const struct folded *base,
                 const struct units *units, size_t start, size_t end, size_t *first, size_t *last)
{
    const struct unit *items = units->items;
    struct candidate c = {.f = f, .term = term, .text = base->text, .units = units};
    size_t begin = units_at(units, start), tail = units_at(units, end - 1), stop = tail;

    if (items[begin].at != start)
        return false;
    while (stop < units->count && items[stop].at == items[tail].at)
        stop++;
    if (stop < units->count ? items[stop].at != end : units->text.len != end)
        return false;
    for (size_t tries = 0, from = begin; tries < MAX_TRIES && from < stop; tries++) {
        for (size_t more = 0, to = stop; more < MAX_TRIES && to > tail; more++) {
            c.first = from;
            c.last = to;
            if (from < to && proves_all(&c)) {
                *first = from;
                *last = to;
                return true;
            }
            do
                to--;
            while (to > tail && !parts(items, to));
            if (to == tail)
                break;
        }
        do
            from++;
        while (from < stop && items[from].at == items[begin].at && !parts(items, from));
        if (from == stop || items[from].at != items[begin].at)
            break;
    }
    return false;
}
