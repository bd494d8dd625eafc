#include "rules/folding/folding.h"

#include "base/utf8.h"
#include "rules/folding/folding_table.h"
#include "rules/language/rule_names.h"

#include <stdlib.h>

enum {
    FOLDING_KEEP_BYTES = 1024 * 1024,
    ROOM_TO_SPARE = 16,
    REPLACED_STARTS = 4096, /* bits: where a replacement may begin, by a hash of its first two bytes */
};

/* Of the operator's tables: both in base form. Sorted by from. */
struct replacement {
    struct span from, to;
};

struct folding {
    unsigned steps;
    struct folding_table tables[FOLDING_READINGS]; /* one without entries says what the plain one says */
    struct replacement *replacements;
    size_t replacement_count, longest;
    struct buf replacement_text;
    uint64_t starts[REPLACED_STARTS / 64];
};

/* The operator's tables ------------------------------------------------------------------------------ */

static size_t start_bit(const char *text, size_t len)
{
    unsigned first = (unsigned char)text[0], second = len > 1 ? (unsigned char)text[1] : 0;

    return (first * 31 + second * 7) % REPLACED_STARTS;
}

static int by_from(const void *a, const void *b)
{
    const struct replacement *x = a, *y = b;
    int order = span_compare(x->from, y->from);

    /* Two tables with the same text on the left: the smaller right side counts, whatever their order. */
    return order ? order : span_compare(x->to, y->to);
}

static bool names_table(const struct fold_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->tables.count; i++)
        if (strcmp(spec->tables.items[i], name) == 0)
            return true;
    return false;
}

/* Adds the base form of text to f->replacement_text; the span holds the position until the buffer stays where it is. */
static bool keep_text(struct folding *f, struct folded *scratch, struct span text, struct span *out)
{
    if (fold_text(scratch, FOLD_BASE, text) < 0)
        return false;
    *out = (struct span){NULL, scratch->text.len};
    buf_add_span(&f->replacement_text, scratch->text);
    return !buf_failed(&f->replacement_text);
}

static bool take_tables(struct folding *f, const struct fold_spec *spec, const struct fold_table *const *tables,
                        size_t count)
{
    struct folded scratch = FOLDED_INIT;
    size_t most = 0, used = 0, at = 0;
    bool ok = true;

    for (size_t i = 0; i < count; i++)
        most += names_table(spec, tables[i]->name) ? tables[i]->entry_count : 0;
    if (!most)
        return true;
    f->replacements = calloc(most, sizeof(*f->replacements));
    ok = f->replacements != NULL;
    for (size_t i = 0; i < count && ok; i++) {
        for (size_t k = 0; names_table(spec, tables[i]->name) && k < tables[i]->entry_count && ok; k++) {
            struct replacement *r = &f->replacements[used++];

            ok = keep_text(f, &scratch, tables[i]->entries[k].from, &r->from) &&
                 keep_text(f, &scratch, tables[i]->entries[k].to, &r->to);
        }
    }
    folded_release(&scratch);
    for (size_t i = 0; i < used && ok; i++) {
        f->replacements[i].from.data = f->replacement_text.data + at;
        at += f->replacements[i].from.len;
        f->replacements[i].to.data = f->replacement_text.data + at;
        at += f->replacements[i].to.len;
    }
    if (!ok)
        return false;
    qsort(f->replacements, used, sizeof(*f->replacements), by_from);
    for (size_t i = 0; i < used; i++) {
        struct span from = f->replacements[i].from;
        size_t bit = from.len ? start_bit(from.data, from.len) : 0;

        if (!from.len || (f->replacement_count && span_equal(from, f->replacements[f->replacement_count - 1].from)))
            continue;
        f->starts[bit / 64] |= (uint64_t)1 << bit % 64;
        if (from.len == 1) /* the second byte may be any */
            for (unsigned second = 0; second < 256; second++) {
                bit = ((unsigned char)from.data[0] * 31u + second * 7) % REPLACED_STARTS;
                f->starts[bit / 64] |= (uint64_t)1 << bit % 64;
            }
        f->longest = from.len > f->longest ? from.len : f->longest;
        f->replacements[f->replacement_count++] = f->replacements[i];
    }
    return true;
}

/* The last replacement whose text is not greater than text, or NULL. */
static const struct replacement *replacement_below(const struct folding *f, struct span text)
{
    size_t low = 0, high = f->replacement_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (span_compare(f->replacements[middle].from, text) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &f->replacements[low - 1] : NULL;
}

/* The replacement for the longest text that begins at `text`, or NULL. All that begin there are not greater than the
 * text; when the greatest of those is none of them, no longer one than what it has in common with the text is. */
static const struct replacement *replacement_at(const struct folding *f, const char *text, size_t left)
{
    size_t bit = start_bit(text, left), len = left < f->longest ? left : f->longest;

    if (!(f->starts[bit / 64] >> bit % 64 & 1))
        return NULL;
    while (len) {
        const struct replacement *r = replacement_below(f, (struct span){text, len});
        size_t common = 0;

        while (r && common < r->from.len && common < len && r->from.data[common] == text[common])
            common++;
        if (!common || common == r->from.len)
            return common ? r : NULL;
        len = common;
    }
    return NULL;
}

/* Life ----------------------------------------------------------------------------------------------- */

/* The other readings, as far as they differ from the plain one. */
static bool build_readings(struct folding *f)
{
    bool reads = f->steps & (FOLD_PINYIN | FOLD_HOMOPHONES);
    const bool wanted[FOLDING_READINGS] = {
        [READING_TURNED] = f->tables[READING_PLAIN].turns,
        [READING_HIDDEN] = (f->steps & FOLD_CENSORED) && (f->steps & FOLD_SEPARATORS),
        [READING_WORDS] = reads && (f->steps & FOLD_NUMBERS),
    };

    for (int i = 0; i < FOLDING_READINGS; i++)
        if (wanted[i] && !folding_table_build(&f->tables[i], f->steps, (enum folding_reading)i))
            return false;
    return true;
}

struct folding *folding_new(const struct fold_spec *spec, const struct fold_table *const *tables, size_t table_count)
{
    struct folding *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->steps = spec->steps | FOLD_BASE;
    if (!folding_table_build(&f->tables[READING_PLAIN], f->steps, READING_PLAIN) || !build_readings(f) ||
        !take_tables(f, spec, tables, table_count)) {
        folding_free(f);
        return NULL;
    }
    return f;
}

void folding_free(struct folding *f)
{
    if (!f)
        return;
    for (int i = 0; i < FOLDING_READINGS; i++)
        folding_table_release(&f->tables[i]);
    free(f->replacements);
    buf_release(&f->replacement_text);
    free(f);
}

unsigned folding_steps(const struct folding *f)
{
    return f->steps;
}

bool folding_has_reading(const struct folding *f, enum folding_reading reading)
{
    return f->tables[reading].entries != NULL;
}

uint32_t folding_own(const struct folding *f, uint32_t han)
{
    uint32_t plain = f->steps & FOLD_SIMPLIFIED ? fold_pairs_find(&fold_data_simplified, han) : 0;

    return plain ? plain : han;
}

uint32_t folding_reading_of(const struct folding *f, uint32_t han)
{
    uint32_t syllable = fold_pairs_find(&fold_data_readings, han);

    return syllable ? syllable : fold_pairs_find(&fold_data_readings, folding_own(f, han));
}

const char *folding_syllable(uint32_t han)
{
    uint32_t syllable = fold_pairs_find(&fold_data_readings, han);

    return syllable ? fold_data_syllables[syllable] : NULL;
}

void units_release(struct units *units)
{
    buf_release(&units->out);
    free(units->items);
    *units = UNITS_INIT;
}

void units_trim(struct units *units)
{
    if (units->out.cap > FOLDING_KEEP_BYTES || units->cap * sizeof(*units->items) > FOLDING_KEEP_BYTES)
        units_release(units);
}

/* One pass over one text ------------------------------------------------------------------------------ */

struct pass {
    const struct folding *f;
    const struct folding_table *table;
    struct span text; /* the base text */
    struct units *out;
    const uint16_t *words;
    unsigned gap, gap_count; /* since the last unit */
    bool sign_turns,
        drawn_turns; /* a sign of another reading stood in this gap; the last unit is drawn like a letter */
    bool hides;      /* a hiding sign stood in this gap */
    bool was_letter; /* the last unit is one */
    bool failed;
};

/* Makes room for what `bytes` more bytes of text become. A byte becomes at most two characters of the folded text, and
 * as many units: a Han character has three, its syllable at most six. */
static bool make_room(struct pass *w, size_t bytes)
{
    struct units *u = w->out;
    size_t most = 2 * bytes + ROOM_TO_SPARE;

    if (!buf_reserve(&u->out, most)) {
        w->failed = true;
    } else if (u->cap - u->count < most) {
        size_t cap = u->count + most + u->cap / 2;
        struct unit *grown = realloc(u->items, cap * sizeof(*grown));

        if (grown) {
            u->items = grown;
            u->cap = cap;
        } else {
            w->failed = true;
        }
    }
    return !w->failed;
}

/* Adds a unit; key: its character in the folded text. There is room. */
static inline void put(struct pass *w, const char *key, size_t len, bool collapses, const struct unit *unit)
{
    struct units *u = w->out;
    struct unit *new = &u->items[u->count];
    size_t at = u->out.len;
    char *to = u->out.data;

    *new = *unit;
    new->gap = (uint8_t)w->gap;
    w->gap = w->gap_count = 0;
    if (collapses && u->count) {
        size_t last = new[-1].at;

        if (at - last == len && to[last] == key[0] && (len == 1 || memcmp(to + last, key, len) == 0)) {
            new->at = (uint32_t)last;
            u->count++;
            return;
        }
    }
    new->at = (uint32_t)at;
    for (size_t i = 0; i < len; i++)
        to[at + i] = key[i];
    u->out.len = at + len;
    u->count++;
}

/* More noise than a word may hold, or the end of what can be one: a blank that no term has. */
static void part(struct pass *w, size_t at)
{
    unsigned gap = w->gap;

    w->gap = 0;
    put(w, " ", 1, false,
        &(struct unit){.start = (uint32_t)at, .end = (uint32_t)at, .edges = UNIT_FIRST | UNIT_LAST, .times = 1});
    w->gap = gap;
}

static void put_gap(struct pass *w, uint32_t entry, enum entry_does does)
{
    static const uint8_t gaps[] = {
        [DOES_END] = GAP_MESSAGE, [DOES_BLANK] = GAP_BLANK, [DOES_PAUSE] = GAP_PAUSE, [DOES_SYMBOL] = GAP_SYMBOL};

    w->gap |= gaps[does];
    if (does != DOES_END)
        w->gap_count++;
    if (entry & ENTRY_TURNS) {
        w->sign_turns = true;
        w->out->turns = w->out->turns || (w->was_letter && w->gap_count == 1);
    }
    if (entry & ENTRY_HIDES) {
        w->hides = true;
        w->out->hides = w->out->hides || w->was_letter;
    }
    if (does == DOES_BLANK)
        w->was_letter = false;
}

/* Without separators, noise at the end of a message is kept as it stands; behind it, a term may go on. */
static void end_message(struct pass *w)
{
    struct units *u = w->out;

    while (u->count && u->items[u->count - 1].kind == UNIT_OTHER &&
           u->items[u->count - 1].start < u->items[u->count - 1].end) {
        const struct unit *last = &u->items[u->count - 1];
        size_t n = utf8_char_len(w->text.data + last->start, w->text.len - last->start);
        uint32_t c = n ? utf8_decode(w->text.data + last->start, n) : 0;

        if (c >= UNICODE_LIMIT || !(w->words[c] & WORD_NOISE))
            break;
        u->out.len = last->at;
        u->count--;
    }
    put_gap(w, 0, DOES_END);
}

/* Han characters that are drawn like letters are read as such only beside each other or a letter. */
static void note_turns(struct pass *w, uint32_t entry, enum unit_kind kind)
{
    bool drawn = (entry & ENTRY_TURNS) && kind == UNIT_HAN, letter = kind == UNIT_LETTER || kind == UNIT_DIGIT;

    if ((w->drawn_turns && (drawn || kind == UNIT_LETTER)) || (drawn && w->was_letter) || (letter && w->sign_turns))
        w->out->turns = true;
    w->drawn_turns = drawn;
    w->was_letter = letter || kind == UNIT_SIGN || kind == UNIT_HAN;
    if (w->hides && w->was_letter)
        w->out->hides = true;
    w->hides = w->sign_turns = false;
}

/* The same Han character once more: its units say how often it stands there. */
static bool again(struct pass *w, uint32_t c, size_t end)
{
    struct units *u = w->out;
    size_t i = u->count;

    if (u->each || !i || u->items[i - 1].kind != UNIT_HAN || u->items[i - 1].own != c)
        return false;
    do {
        struct unit *unit = &u->items[--i];

        unit->end = (uint32_t)end;
        unit->times = (uint8_t)(unit->times + (unit->times < UINT8_MAX));
    } while (i && !(u->items[i].edges & UNIT_FIRST));
    return true;
}

static void put_entry(struct pass *w, uint32_t c, uint32_t entry, const char *bytes, size_t len, size_t start,
                      size_t end)
{
    enum unit_kind kind = (enum unit_kind)(entry >> ENTRY_KIND_SHIFT & 7);
    uint32_t code = entry & ENTRY_CODE;
    bool collapses = entry & ENTRY_COLLAPSES;
    struct unit unit = {
        .start = (uint32_t)start,
        .end = (uint32_t)end,
        .kind = (uint8_t)kind,
        .edges = UNIT_FIRST | UNIT_LAST,
        .times = 1,
    };
    char key[4];

    if (w->gap_count > FOLDING_MAX_GAP)
        part(w, start);
    if ((entry & ENTRY_HIDES) && kind == UNIT_OTHER) { /* without separators it stands for itself */
        unit.edges |= UNIT_HIDES;
        w->out->hides = w->out->hides || w->was_letter;
        note_turns(w, entry, kind);
        w->hides = true;
    } else {
        note_turns(w, entry, kind);
    }
    if (c < UNICODE_LIMIT && (w->words[c] & WORD_UNSPACED))
        unit.edges |= UNIT_UNSPACED;
    if (kind == UNIT_HAN)
        unit.own = (entry & ENTRY_EXPANDS) || !code ? c : code;
    if (entry & ENTRY_EXPANDS) {
        const char *syllable = fold_data_syllables[code];

        if (collapses && !w->gap && again(w, c, end))
            return;
        for (size_t i = 0; syllable[i]; i++) {
            uint32_t same = folding_table_entry(w->table, (unsigned char)syllable[i]) & ENTRY_CODE;

            key[0] = same ? (char)same : syllable[i]; /* l and i are one key where they look alike */
            unit.edges =
                (uint8_t)((unit.edges & UNIT_UNSPACED) | (i ? 0 : UNIT_FIRST) | (syllable[i + 1] ? 0 : UNIT_LAST));
            put(w, key, 1, collapses, &unit);
        }
    } else if (entry & ENTRY_TWO) {
        char two[] = {(char)(code & 0x7F), (char)(code >> 7 & 0x7F)};

        unit.edges = UNIT_FIRST;
        put(w, &two[0], 1, collapses, &unit);
        unit.edges = UNIT_LAST;
        put(w, &two[1], 1, collapses, &unit);
    } else if (!code) {
        put(w, bytes, len, collapses, &unit);
    } else if (code < 0x80) {
        key[0] = (char)code;
        put(w, key, 1, collapses, &unit);
    } else {
        put(w, key, utf8_encode(code, key), collapses, &unit);
    }
}

/* One character, len bytes, that came from bytes start..end of the base text. */
static void put_character(struct pass *w, const char *bytes, size_t len, size_t start, size_t end, bool noise_too)
{
    uint32_t c = utf8_decode(bytes, len), entry = folding_table_entry(w->table, c);
    enum entry_does does = (enum entry_does)(entry >> ENTRY_DOES_SHIFT & 7);
    struct units *u = w->out;

    switch (does) {
    case DOES_VANISH:
        for (size_t i = u->count; i-- > 0 && !w->gap && u->items[i].end == start;)
            u->items[i].end = (uint32_t)end;
        return;
    case DOES_END:
        end_message(w);
        return;
    case DOES_BLANK:
    case DOES_PAUSE:
    case DOES_SYMBOL:
        put_gap(w, entry, does);
        return;
    case DOES_STAND:
    case DOES_PASS:
        break;
    }
    if (!noise_too && (w->gap & GAP_MESSAGE) && c < UNICODE_LIMIT && (w->words[c] & WORD_NOISE)) {
        w->gap |= GAP_BLANK;
        return; /* without separators: noise at the beginning of a message */
    }
    put_entry(w, c, entry, bytes, len, start, end);
}

/* A segment that came as a whole from one character or a run that combines: what its first character becomes of itself,
 * not by way of the base text (parenthesised letters, capital look-alikes). True when there is such a thing. */
static bool put_whole(struct pass *w, const struct folded *base, const struct fold_segment *s, size_t end,
                      struct span original)
{
    size_t n = utf8_char_len(original.data + s->original, original.len - s->original);
    uint32_t c = n ? utf8_decode(original.data + s->original, n) : 0;
    uint32_t entry = folding_table_entry(w->table, c);

    (void)base;
    if (!n || c < 0x80 || unicode_fold_class(unicode_tables(), c) < CHAR_MAPPED ||
        (entry >> ENTRY_DOES_SHIFT & 7) != DOES_STAND)
        return false;
    put_entry(w, c, entry, original.data + s->original, n, s->folded, end);
    return true;
}

/* Puts the replacement in place of the bytes start..end. */
static void put_replacement(struct pass *w, struct span to, size_t start, size_t end)
{
    if (!make_room(w, to.len + w->text.len - start))
        return;
    for (size_t i = 0; i < to.len;) {
        size_t n = utf8_char_len(to.data + i, to.len - i);

        if (!n)
            return;
        put_character(w, to.data + i, n, start, end, true);
        i += n;
    }
}

int folding_apply(const struct folding *f, enum folding_reading reading, const struct folded *base, struct units *units)
{
    struct pass w = {
        .f = f,
        .table = &f->tables[f->tables[reading].entries ? reading : READING_PLAIN],
        .text = base->text,
        .out = units,
        .words = unicode_tables()->word,
    };
    const char *text = base->text.data;
    size_t segment = 0, len = base->text.len;

    buf_reset(&units->out);
    units->count = 0;
    units->turns = units->hides = false;
    if (!make_room(&w, len))
        return ERR_FAILED;
    for (size_t at = 0; at < len && !w.failed;) {
        size_t n, segment_end;
        const struct replacement *r;

        while (segment + 1 < base->segment_count && base->segments[segment + 1].folded <= at)
            segment++;
        segment_end = segment + 1 < base->segment_count ? base->segments[segment + 1].folded : len;
        if (f->replacement_count && (r = replacement_at(f, text + at, len - at))) {
            put_replacement(&w, r->to, at, at + r->from.len);
            at += r->from.len;
            continue;
        }
        if (segment < base->segment_count && !base->segments[segment].exact && base->segments[segment].folded == at &&
            put_whole(&w, base, &base->segments[segment], segment_end, base->original)) {
            at = segment_end;
            continue;
        }
        n = (unsigned char)text[at] < 0x80 ? 1 : utf8_char_len(text + at, len - at);
        if (!n)
            return ERR_FAILED;
        put_character(&w, text + at, n, at, at + n, f->steps & FOLD_SEPARATORS);
        at += n;
    }
    buf_commit(&units->out, 0);
    units->text = buf_span(&units->out);
    return w.failed ? ERR_FAILED : 0;
}

int folding_apply_text(const struct folding *f, enum folding_reading reading, struct span text, struct folded *base,
                       struct units *units)
{
    int r = fold_text(base, FOLD_BASE, text);

    return r < 0 ? r : folding_apply(f, reading, base, units);
}

size_t units_at(const struct units *units, size_t at)
{
    size_t low = 0, high = units->count;

    while (low < high) { /* the first unit beyond at */
        size_t middle = low + (high - low) / 2;

        if (units->items[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    low = low ? low - 1 : 0;
    while (low && units->items[low - 1].at == units->items[low].at)
        low--;
    return low;
}

void fold_spec_name(const struct fold_spec *spec, struct buf *out)
{
    size_t before = out->len;

    for (size_t i = 0; i < fold_step_names.count; i++)
        if (spec->steps & (1u << i)) {
            buf_add_text(out, out->len > before ? "+" : "");
            buf_add_text(out, fold_step_names.names[i]);
        }
    for (size_t i = 0; i < spec->tables.count; i++) {
        buf_add_text(out, out->len > before ? "+@" : "@");
        buf_add_text(out, spec->tables.items[i]);
    }
    if (out->len == before)
        buf_add_text(out, "none");
}
