#include "rules/folding/censored.h"

#include "base/utf8.h"
#include "rules/matcher.h"
#include "rules/folding/word_edge.h"

#include <stdlib.h>

enum {
    CENSORED_KEEP = 16 * 1024, /* symbols; memory for more is given back */
    CENSORED_REACH = 64,       /* symbols from the start of a match to its first sign */
};

#define KEY_READING 0x800000u /* the key is a reading, not a character */

/* Symbols ---------------------------------------------------------------------------------------------- */

static bool is_read(const struct folding *f, const struct unit *u)
{
    return u->kind == UNIT_HAN && (folding_steps(f) & (FOLD_PINYIN | FOLD_HOMOPHONES));
}

static uint32_t key_of(const struct folding *f, const struct units *units, size_t i)
{
    const struct unit *u = &units->items[i];
    const char *text = units->text.data + u->at;
    size_t n;

    if (is_read(f, u)) {
        uint32_t reading = folding_steps(f) & FOLD_HOMOPHONES ? folding_reading_of(f, u->own) : 0;

        return reading ? reading | KEY_READING : folding_own(f, u->own);
    }
    n = utf8_char_len(text, units->text.len - u->at);
    return n ? utf8_decode(text, n) : 0;
}

/* Whether unit i is one of those that follow the first of a Han character that is read. */
static bool goes_on(const struct folding *f, const struct unit *u)
{
    return is_read(f, u) && !(u->edges & UNIT_FIRST);
}

struct symbols censored_symbols(const struct folding *f, const struct units *units, struct arena *arena)
{
    struct symbols s = {NULL, 0};
    size_t count = 0, han = 0, read = 0;

    for (size_t i = 0; i < units->count; i++) {
        const struct unit *u = &units->items[i];

        if (goes_on(f, u))
            continue;
        count += is_read(f, u) ? u->times : 1;
        han += u->kind == UNIT_HAN;
        read += is_read(f, u);
    }
    /* One Han character alone is never matched by its reading (proof.h). */
    if (count < 2 || (!han && count < 3) || read == 1 || count > MATCHER_MAX_TERM)
        return s;
    s.items = arena_array(arena, count, sizeof(*s.items));
    for (size_t i = 0; i < units->count && s.items; i++) {
        const struct unit *u = &units->items[i];
        uint32_t flags = (u->gap ? SYMBOL_OWN_GAP : 0u) | (u->kind == UNIT_HAN ? SYMBOL_HAN : 0u) |
                         (u->kind == UNIT_LETTER ? SYMBOL_LETTER : 0u);

        for (unsigned t = 0; !goes_on(f, u) && t < (is_read(f, u) ? u->times : 1u); t++)
            s.items[s.count++] = (struct symbol){key_of(f, units, i), flags};
    }
    return s;
}

static int by_symbols(const void *a, const void *b)
{
    const struct censored_term *x = a, *y = b;

    for (size_t i = 0; i < x->symbols.count && i < y->symbols.count; i++) {
        uint32_t left = x->symbols.items[i].key, right = y->symbols.items[i].key;

        if (left != right)
            return left < right ? -1 : 1;
    }
    if (x->symbols.count != y->symbols.count)
        return x->symbols.count < y->symbols.count ? -1 : 1;
    return (x->pattern > y->pattern) - (x->pattern < y->pattern);
}

void censored_sort(struct censored *c)
{
    qsort(c->terms, c->count, sizeof(*c->terms), by_symbols);
    for (size_t i = 0; i < c->count; i++)
        c->inside_words = c->inside_words || c->terms[i].boundary == BOUNDARY_ANY;
}

/* The walk --------------------------------------------------------------------------------------------- */

struct walk {
    const struct censored *c;
    const struct folding *f;
    struct span text; /* the base text */
    const struct units *units;
    const struct symbol *items; /* of the text */
    size_t count, start;
    bool separators, repeats;
    size_t steps;
    bool (*found)(void *arg, uint32_t pattern, size_t first, size_t last);
    void *arg;
    bool stopped;
    uint32_t path[MATCHER_MAX_TERM]; /* by character of the term: the symbol of the text it was found at */
};

static const struct unit *unit_of(const struct walk *w, size_t symbol)
{
    return &w->units->items[w->items[symbol].unit];
}

static bool is_hidden(const struct walk *w, size_t symbol)
{
    return unit_of(w, symbol)->edges & UNIT_HIDES;
}

/* The first unit behind the symbol's own. */
static size_t end_of(const struct walk *w, size_t symbol)
{
    return symbol + 1 < w->count ? w->items[symbol + 1].unit : w->units->count;
}

/* The first of terms low..high whose character number depth is not below key. */
static size_t lower_bound(const struct walk *w, size_t low, size_t high, size_t depth, uint32_t key)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        w->c->terms[middle].symbols.items[depth].key < key ? (low = middle + 1) : (high = middle);
    }
    return low;
}

/* Whether a symbol only stretches the one before it. */
static bool stretches(const struct walk *w, size_t at)
{
    return w->repeats && at > w->start && at < w->count && !is_hidden(w, at) && !is_hidden(w, at - 1) &&
           w->items[at].key == w->items[at - 1].key && unit_of(w, at)->kind != UNIT_DIGIT;
}

static unsigned class_of(const struct walk *w, size_t symbol)
{
    return word_class_after(w->text, unit_of(w, symbol)->start) | WORD_PART;
}

static bool stands_alone(const struct walk *w, const struct censored_term *t, size_t last)
{
    enum term_boundary boundary = (enum term_boundary)t->boundary;
    unsigned before = word_class_before(w->text, unit_of(w, w->start)->start);
    unsigned after = word_class_after(w->text, w->units->items[end_of(w, last) - 1].end);
    unsigned end = class_of(w, last);

    /* A hidden Han character is one of a script without spaces. */
    if (is_hidden(w, last) && (t->symbols.items[t->symbols.count - 1].unit & SYMBOL_HAN))
        end |= WORD_UNSPACED;
    return !word_goes_on(boundary, before, class_of(w, w->start)) && !word_goes_on(boundary, end, after);
}

/* Signs at the end of a match: all of their run, no multiplication, not one of a pair around a word. */
static bool may_end_hidden(const struct walk *w, size_t last)
{
    size_t next = last + 1;

    if (!is_hidden(w, last))
        return true;
    if (next < w->count && !unit_of(w, next)->gap && (is_hidden(w, next) || unit_of(w, next)->kind == UNIT_DIGIT))
        return false;
    return !(w->start && is_hidden(w, w->start - 1) && !unit_of(w, w->start)->gap);
}

/* As in proof.h: blanks part words unless one of them is a single letter. */
static bool proves_gaps(const struct walk *w, const struct censored_term *t)
{
    size_t chunk = 1;
    bool single_wanted = false;

    for (size_t i = 1; i < t->symbols.count; i++) {
        const struct unit *u = unit_of(w, w->path[i]), *before = unit_of(w, w->path[i] - 1);

        if (!u->gap) {
            chunk++;
            continue;
        }
        if (single_wanted && chunk > 1)
            return false;
        single_wanted = (u->gap & GAP_BLANK) && !(u->gap & (GAP_SYMBOL | GAP_MESSAGE)) && chunk > 1 &&
                        !(t->symbols.items[i].unit & SYMBOL_OWN_GAP) && !(u->edges & before->edges & UNIT_UNSPACED);
        chunk = 1;
    }
    return !(single_wanted && chunk > 1);
}

/* "T_T" is a face. */
static bool is_underscore(const struct walk *w, size_t symbol)
{
    return w->text.data[unit_of(w, symbol)->start] == '_';
}

/* The term whose characters have all been found, the last one (or what stretches it) at symbol `last`. */
static void prove(struct walk *w, const struct censored_term *t, size_t last, size_t hidden)
{
    size_t count = t->symbols.count, letters = 0, wanted = 0;
    bool han = false;

    if (!hidden || hidden * 2 > count)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct unit *u = unit_of(w, w->path[i]);

        han = han || (t->symbols.items[i].unit & SYMBOL_HAN);
        wanted += (t->symbols.items[i].unit & SYMBOL_LETTER) != 0;
        letters += u->kind == UNIT_LETTER || u->kind == UNIT_HAN;
    }
    if ((!han && (count - hidden < 2 || (count == 3 && is_underscore(w, w->path[1])))) || (wanted && !letters))
        return;
    if (!may_end_hidden(w, last) || !stands_alone(w, t, last) || !proves_gaps(w, t))
        return;
    w->stopped = !w->found(w->arg, t->pattern, w->items[w->start].unit, end_of(w, last));
}

/* Terms low..high have their first `depth` characters found, the last of them at symbol at - 1. */
static void go_on(struct walk *w, size_t low, size_t high, size_t depth, size_t at, size_t hidden)
{
    size_t last = at - 1; /* of the match */

    for (; !w->stopped; at++) {
        if (++w->steps > CENSORED_MAX_STEPS)
            w->stopped = true;
        while (low < high && w->c->terms[low].symbols.count == depth && !stretches(w, at) && !w->stopped) {
            prove(w, &w->c->terms[low], last, hidden);
            low++;
        }
        if (w->stopped || low == high || at == w->count)
            return;
        if (is_hidden(w, at)) {
            /* Terms that end here have been proved above, or cannot be stretched by a sign. */
            for (size_t i = low, next; i < high && !w->stopped; i = next) {
                uint32_t key;

                next = i + 1;
                if (w->c->terms[i].symbols.count == depth)
                    continue;
                key = w->c->terms[i].symbols.items[depth].key;
                next = lower_bound(w, i, high, depth, key + 1);
                w->path[depth] = (uint32_t)at;
                go_on(w, i, next, depth + 1, at + 1, hidden + 1);
            }
            if (!w->separators)
                return; /* else it may be noise: the next symbol */
            continue;
        }
        while (low < high && w->c->terms[low].symbols.count == depth && !stretches(w, at))
            low++;
        if (low < high) {
            size_t from = low, to;

            while (from < high && w->c->terms[from].symbols.count == depth)
                from++;
            from = lower_bound(w, from, high, depth, w->items[at].key);
            to = lower_bound(w, from, high, depth, w->items[at].key + 1);
            w->path[depth] = (uint32_t)at;
            if (from < to)
                go_on(w, from, to, depth + 1, at + 1, hidden);
        }
        if (!stretches(w, at))
            return;
        last = at;
    }
}

/* Whether a match may begin here, for terms that are words. */
static bool may_begin(const struct walk *w, size_t at)
{
    const struct unit *u = unit_of(w, at), *before = at ? unit_of(w, at - 1) : NULL;

    if (u->kind == UNIT_OTHER)
        return false;
    return w->c->inside_words || !before || u->gap || before->kind == UNIT_OTHER ||
           ((u->edges | before->edges) & UNIT_UNSPACED);
}

static int read_symbols(const struct folding *f, const struct units *units, struct censored_scratch *s)
{
    if (s->cap < units->count) {
        size_t cap = units->count * 2;
        struct symbol *grown = realloc(s->items, cap * sizeof(*grown));

        if (!grown)
            return ERR_FAILED;
        s->items = grown;
        s->cap = cap;
    }
    s->count = 0;
    for (size_t i = 0; i < units->count; i++)
        if (!goes_on(f, &units->items[i]))
            s->items[s->count++] = (struct symbol){key_of(f, units, i), (uint32_t)i};
    return 0;
}

int censored_find(const struct censored *c, const struct folding *f, const struct folded *base,
                  const struct units *units, struct censored_scratch *scratch,
                  bool (*found)(void *arg, uint32_t pattern, size_t first, size_t last), void *arg)
{
    struct walk w;
    size_t sign = 0; /* the next one */

    if (!c->count)
        return 0;
    if (read_symbols(f, units, scratch) < 0)
        return ERR_FAILED;
    w.c = c;
    w.f = f;
    w.text = base->text;
    w.units = units;
    w.items = scratch->items;
    w.count = scratch->count;
    w.separators = folding_steps(f) & FOLD_SEPARATORS;
    w.repeats = folding_steps(f) & FOLD_REPEATS;
    w.steps = 0;
    w.found = found;
    w.arg = arg;
    w.stopped = false;
    for (w.start = 0; w.start < w.count && !w.stopped; w.start++) {
        size_t from, to;

        while (sign < w.count && (sign < w.start || !is_hidden(&w, sign)))
            sign++;
        if (sign == w.count)
            break;
        if (sign - w.start > CENSORED_REACH || !may_begin(&w, w.start))
            continue;
        w.steps++;
        from = lower_bound(&w, 0, c->count, 0, w.items[w.start].key);
        to = lower_bound(&w, from, c->count, 0, w.items[w.start].key + 1);
        w.path[0] = (uint32_t)w.start;
        if (from < to)
            go_on(&w, from, to, 1, w.start + 1, 0);
    }
    return w.stopped ? ERR_FULL : 0;
}

void censored_scratch_release(struct censored_scratch *scratch)
{
    free(scratch->items);
    *scratch = (struct censored_scratch){0};
}

void censored_scratch_trim(struct censored_scratch *scratch)
{
    if (scratch->cap > CENSORED_KEEP)
        censored_scratch_release(scratch);
}
