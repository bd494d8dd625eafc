#include "rules/folding/folding_table.h"

#include <stdlib.h>

/* No standard says which sign people write for which letter, nor which Han characters are drawn like Latin ones: these
 * two tables, and these two only, are typed. */
static const struct {
    uint32_t sign;
    char letter;
    bool is_noise_too; /* between letters, where separators are dropped, it may be one of them */
} leet[] = {
    {'0', 'o', false},    {'1', 'i', false}, {'2', 'z', false},  {'3', 'e', false},  {'4', 'a', false},
    {'5', 's', false},    {'6', 'g', false}, {'7', 't', false},  {'8', 'b', false},  {'9', 'g', false},
    {'@', 'a', false},    {'$', 's', false}, {'!', 'i', true},   {'|', 'i', true},   {'+', 't', true},
    {'(', 'c', true},     {0xA1, 'i', true}, {0xA2, 'c', false}, {0xA3, 'l', false}, {0xA5, 'y', false},
    {0x20AC, 'e', false},
};

static const struct {
    uint32_t han;
    char letter;
} drawn_like[] = {
    {0x5342, 'a'}, {0x4E43, 'b'}, {0x531A, 'c'}, {0x5200, 'd'}, {0x4E47, 'e'}, {0x4E0B, 'f'},
    {0x5343, 'f'}, {0x5344, 'h'}, {0x5EFE, 'h'}, {0x5DE5, 'i'}, {0x4E28, 'i'}, {0x4E01, 'j'},
    {0x957F, 'k'}, {0x9577, 'k'}, {0x4E5A, 'l'}, {0x722A, 'm'}, {0x51E0, 'n'}, {0x5182, 'n'},
    {0x53E3, 'o'}, {0x3007, 'o'}, {0x5C38, 'p'}, {0x5369, 'p'}, {0x5C3A, 'r'}, {0x4E02, 's'},
    {0x4E05, 't'}, {0x51F5, 'u'}, {0x5C71, 'w'}, {0x4E42, 'x'}, {0x4E2B, 'y'}, {0x4E59, 'z'},
};

/* Goes through a list of pairs together with ascending characters. */
struct cursor {
    const struct fold_pairs *list; /* NULL: the folding has not this step */
    size_t next;
};

static uint32_t cursor_at(struct cursor *cursor, uint32_t c)
{
    if (!cursor->list)
        return 0;
    while (cursor->next < cursor->list->count && cursor->list->pairs[cursor->next].from < c)
        cursor->next++;
    return cursor->next < cursor->list->count && cursor->list->pairs[cursor->next].from == c
               ? cursor->list->pairs[cursor->next].to
               : 0;
}

uint32_t fold_pairs_find(const struct fold_pairs *list, uint32_t c)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->pairs[middle].from < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->pairs[low].from == c ? list->pairs[low].to : 0;
}

enum { LIST_ACCENTS, LIST_LETTERS, LIST_LOOKALIKES, LIST_NUMBERS, LIST_SIMPLIFIED, LIST_READINGS, LISTS };

struct composing {
    unsigned steps;
    enum folding_reading reading;
    const struct unicode_tables *unicode;
    struct cursor lists[LISTS];
};

/* What step `list` makes of x, which may be c itself. */
static uint32_t step(struct composing *w, int list, uint32_t c, uint32_t x)
{
    uint32_t own = cursor_at(&w->lists[list], c);

    if (x == c)
        return own;
    return w->lists[list].list ? fold_pairs_find(w->lists[list].list, x) : 0;
}

static bool reads(const struct composing *w)
{
    return w->steps & (FOLD_PINYIN | FOLD_HOMOPHONES);
}

static uint32_t entry_of(uint32_t code, enum unit_kind kind, enum entry_does does)
{
    return code | (uint32_t)kind << ENTRY_KIND_SHIFT | (uint32_t)does << ENTRY_DOES_SHIFT;
}

static bool is_hiding(uint32_t c)
{
    return c == '*' || c == '#' || c == '_' || c == 0xD7 || c == 0x2605 || c == 0x2606 || c == 0x2715 || c == 0x2716 ||
           c == 0x274C || c == 0x2B1B || c == 0x2B1C || c == 0x2B55 || (c >= 0x2580 && c <= 0x25FF);
}

static uint32_t noise_entry(const struct composing *w, uint32_t c, unsigned word)
{
    enum entry_does does = DOES_STAND;
    bool stands = w->reading == READING_HIDDEN && is_hiding(c);

    if ((w->steps & FOLD_SPLIT) && c == MESSAGE_END)
        return entry_of(0, UNIT_OTHER, DOES_END);
    if ((w->steps & FOLD_PINYIN) && (c == '\'' || c == 0x2019)) /* parts syllables: xi'an */
        does = DOES_PAUSE;
    if ((w->steps & FOLD_SEPARATORS) && !stands)
        does = word & WORD_BLANK ? DOES_BLANK : word & WORD_PAUSE ? DOES_PAUSE : DOES_SYMBOL;
    return entry_of(0, UNIT_OTHER, does);
}

/* The letter that ASCII character (or sign) x stands for, 0: none. *noise: it is taken for noise in this reading. */
static char sign_of(const struct composing *w, uint32_t x, bool *turns, bool *noise)
{
    char letter = 0;

    *turns = *noise = false;
    if (w->steps & (FOLD_LOOKALIKES | FOLD_LEET)) { /* one key, whoever draws it */
        if (x == 'l' || x == '1' || x == '|')
            letter = 'i';
        if (x == '0')
            letter = 'o';
    }
    for (size_t i = 0; i < sizeof(leet) / sizeof(*leet); i++) {
        if (leet[i].sign != x)
            continue;
        if (w->steps & FOLD_LEET)
            letter = leet[i].letter == 'l' ? 'i' : leet[i].letter;
        if (letter && leet[i].is_noise_too && (w->steps & FOLD_SEPARATORS)) {
            *turns = true;
            *noise = w->reading != READING_TURNED;
        }
    }
    return letter;
}

static char drawn_letter(const struct composing *w, uint32_t x)
{
    for (size_t i = 0; (w->steps & FOLD_LOOKALIKES) && i < sizeof(drawn_like) / sizeof(*drawn_like); i++)
        if (drawn_like[i].han == x)
            return drawn_like[i].letter == 'l' ? 'i' : drawn_like[i].letter;
    return 0;
}

static uint32_t han_entry(struct composing *w, uint32_t c, uint32_t number)
{
    uint32_t plain = step(w, LIST_SIMPLIFIED, c, c), entry, syllable;
    char letter = drawn_letter(w, c);
    bool turns, noise;

    if (number && w->reading != READING_WORDS) {
        char digit = sign_of(w, number, &turns, &noise);

        return entry_of(digit ? (uint32_t)digit : number, UNIT_DIGIT, DOES_STAND);
    }
    if (!letter && plain)
        letter = drawn_letter(w, plain);
    if (letter && (!reads(w) || w->reading == READING_TURNED))
        return entry_of((uint32_t)letter, UNIT_LETTER, DOES_STAND);
    entry = entry_of(plain, UNIT_HAN, DOES_STAND) | (letter ? ENTRY_TURNS : 0);
    if (!reads(w))
        return entry;
    syllable = step(w, LIST_READINGS, c, c);
    if (!syllable && plain)
        syllable = fold_pairs_find(&fold_data_readings, plain);
    return syllable ? (entry & ~ENTRY_CODE) | ENTRY_EXPANDS | syllable : entry;
}

/* What becomes of character c, of which the base text holds `c` itself. */
static uint32_t compose(struct composing *w, uint32_t c)
{
    unsigned word = w->unicode->word[c];
    uint32_t x = c, to, entry;
    enum unit_kind kind = word & WORD_LETTER ? UNIT_LETTER : word & WORD_DIGIT ? UNIT_DIGIT : UNIT_OTHER;
    bool turns, noise, alike;
    uint32_t number = step(w, LIST_NUMBERS, c, c);
    char letter;

    if (word & WORD_HAN || c == 0x3007) /* U+3007 is the Chinese zero */
        return han_entry(w, c, number);
    if ((word & WORD_ACCENT) && ((w->steps & FOLD_ACCENTS) || ((w->steps & FOLD_NUMBERS) && c == 0x20E3)))
        return entry_of(0, UNIT_OTHER, DOES_VANISH);
    if (c == 0xFC && reads(w)) /* u-umlaut: people without the key write v or u */
        return entry_of('u', UNIT_LETTER, DOES_STAND);
    if ((to = step(w, LIST_LETTERS, c, x))) {
        x = to;
        kind = UNIT_LETTER;
    }
    alike = (to = step(w, LIST_ACCENTS, c, x)) != 0;
    if (to & FOLD_PAIR_TWO)
        return entry_of(to & 0x3FFF, UNIT_LETTER, DOES_STAND) | ENTRY_TWO;
    if (alike)
        x = to;
    if (number & FOLD_PAIR_TWO)
        return entry_of(number & 0x3FFF, UNIT_DIGIT, DOES_STAND) | ENTRY_TWO;
    if (number) {
        x = number;
        kind = UNIT_DIGIT;
    }
    if ((to = step(w, LIST_LOOKALIKES, c, x)))
        x = to;
    letter = sign_of(w, x, &turns, &noise);
    if (letter && !noise) {
        if (kind == UNIT_OTHER)
            kind = UNIT_SIGN;
        x = (uint32_t)letter;
    }
    if (kind == UNIT_OTHER && (word & WORD_NOISE))
        return noise_entry(w, c, word) | (turns ? ENTRY_TURNS : 0);
    entry = entry_of(x == c ? 0 : x, kind, DOES_STAND);
    return entry;
}

static bool is_raw(struct composing *w, uint32_t c)
{
    return cursor_at(&w->lists[LIST_LETTERS], c) || cursor_at(&w->lists[LIST_LOOKALIKES], c) ||
           cursor_at(&w->lists[LIST_NUMBERS], c);
}

static uint32_t finished_entry(struct composing *w, uint32_t c)
{
    unsigned class = unicode_fold_class(w->unicode, c);
    uint32_t entry, kind, code;

    if (class >= CHAR_MAPPED && !is_raw(w, c))
        return entry_of(0, UNIT_OTHER, DOES_PASS);
    entry = compose(w, c);
    if ((w->steps & FOLD_CENSORED) && is_hiding(c))
        entry |= ENTRY_HIDES;
    kind = entry >> ENTRY_KIND_SHIFT & 7;
    code = entry & ENTRY_CODE ? entry & ENTRY_CODE : c;
    /* A digit that stands for a letter may be repeated as the letter may; a number never is. */
    if ((w->steps & FOLD_REPEATS) && (entry >> ENTRY_DOES_SHIFT & 7) == DOES_STAND &&
        (kind == UNIT_LETTER || kind == UNIT_HAN || kind == UNIT_SIGN ||
         (kind == UNIT_DIGIT && !(entry & ENTRY_TWO) && code >= 'a' && code <= 'z')))
        entry |= ENTRY_COLLAPSES;
    return entry;
}

bool folding_table_build(struct folding_table *t, unsigned steps, enum folding_reading reading)
{
    static const struct {
        unsigned steps;
        const struct fold_pairs *pairs;
    } lists[LISTS] = {
        [LIST_ACCENTS] = {FOLD_ACCENTS, &fold_data_accents},
        [LIST_LETTERS] = {FOLD_LETTERS, &fold_data_letters},
        [LIST_LOOKALIKES] = {FOLD_LOOKALIKES, &fold_data_lookalikes},
        [LIST_NUMBERS] = {FOLD_NUMBERS, &fold_data_numbers},
        [LIST_SIMPLIFIED] = {FOLD_SIMPLIFIED, &fold_data_simplified},
        [LIST_READINGS] = {FOLD_PINYIN | FOLD_HOMOPHONES, &fold_data_readings},
    };
    struct composing w = {.steps = steps, .reading = reading, .unicode = unicode_tables()};
    uint32_t *fitted;
    size_t used = 0;

    for (int i = 0; i < LISTS; i++)
        w.lists[i].list = steps & lists[i].steps ? lists[i].pairs : NULL;
    t->entries = malloc(FOLDING_PAGES * FOLDING_PAGE * sizeof(*t->entries));
    if (!t->entries)
        return false;
    for (uint32_t page = 0; page < FOLDING_PAGES; page++) {
        uint32_t *now = t->entries + used * FOLDING_PAGE;
        size_t same = used;

        for (uint32_t i = 0; i < FOLDING_PAGE; i++) {
            now[i] = finished_entry(&w, page * FOLDING_PAGE + i);
            t->turns = t->turns || (now[i] & ENTRY_TURNS);
        }
        /* Pages that say the same are mostly neighbours: a script, a plane without characters. */
        for (size_t back = 1; back <= 8 && back <= used && same == used; back++)
            if (memcmp(now, now - back * FOLDING_PAGE, FOLDING_PAGE * sizeof(*now)) == 0)
                same = used - back;
        t->pages[page] = (uint16_t)same;
        used += same == used;
    }
    fitted = realloc(t->entries, used * FOLDING_PAGE * sizeof(*fitted));
    if (fitted)
        t->entries = fitted;
    return true;
}

void folding_table_release(struct folding_table *t)
{
    free(t->entries);
    t->entries = NULL;
}
