#include "rules/tools/evade_letters.h"

#include "base/utf8.h"

#include <stdlib.h>

#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utrans.h>

enum {
    LAST_LOOKED_AT = 0x323AF, /* of the last block of Chinese characters */
    LAST_INVISIBLE = 0xE0FFF,
    UNITS = 32, /* UTF-16: more than what one character becomes in any of the ways below */
};

struct pair { /* form can stand for key */
    uint32_t key, form;
};

struct pairs {
    struct pair *items;
    uint32_t *forms; /* of items, in their order */
    size_t count, cap;
};

struct evade_letters {
    struct pairs kinds[LETTER_KINDS];
    UTransliterator *reading, *plain, *to_traditional, *to_simplified;
    bool failed;
};

/* Consecutive alphabets, by the place of their A: ICU knows no relation between most of these and the letter. */
static const uint32_t alphabets[] = {
    0x249C,  /* parenthesised */
    0x24B6,  /* circled capitals */
    0x24D0,  /* circled */
    0x1F110, /* parenthesised capitals */
    0x1F130, /* squared */
    0x1F150, /* negative circled */
    0x1F170, /* negative squared */
    0x1F1E6, /* regional indicators */
};

bool evade_is_letter(uint32_t c)
{
    return u_isalpha((UChar32)c);
}

bool evade_is_han(uint32_t c)
{
    UErrorCode status = U_ZERO_ERROR;

    return uscript_getScript((UChar32)c, &status) == USCRIPT_HAN;
}

bool evade_is_small_capital(uint32_t c)
{
    return (c >= 0x250 && c < 0x2B0) || (c >= 0x1D00 && c < 0x1D30) || (c >= 0xA730 && c < 0xA800);
}

uint32_t evade_letter_upper(uint32_t c)
{
    return (uint32_t)u_toupper((UChar32)c);
}

static void add(struct evade_letters *l, enum letter_kind kind, uint32_t key, uint32_t form)
{
    struct pairs *p = &l->kinds[kind];

    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 1024;
        struct pair *grown = realloc(p->items, cap * sizeof(*grown));

        if (!grown) {
            l->failed = true;
            return;
        }
        p->items = grown;
        p->cap = cap;
    }
    p->items[p->count++] = (struct pair){key, form};
}

/* The character at *at, which moves past it. ICU's macros for this mix signs. */
static uint32_t next_character(const UChar *text, int32_t len, int32_t *at)
{
    uint32_t lead = text[(*at)++];

    if (lead < 0xD800 || lead >= 0xDC00 || *at == len)
        return lead;
    return 0x10000 + ((lead - 0xD800) << 10) + (text[(*at)++] - 0xDC00u);
}

/* The only character of a text; 0 when it has none or several. */
static uint32_t only_character(const UChar *text, int32_t len)
{
    int32_t at = 0;
    uint32_t c = len > 0 ? next_character(text, len, &at) : 0;

    return at == len ? c : 0;
}

static int32_t units_of(uint32_t c, UChar *out)
{
    int32_t len = 0;

    U16_APPEND_UNSAFE(out, len, c);
    return len;
}

static bool is_enclosed(uint32_t c)
{
    return (c >= 0x2460 && c < 0x2500) || (c >= 0x1F100 && c < 0x1F200);
}

static void look_at_compatible(struct evade_letters *l, const UNormalizer2 *casefold, uint32_t c)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar from[2], to[UNITS];
    uint32_t key;

    if (!u_hasBinaryProperty((UChar32)c, UCHAR_CHANGES_WHEN_NFKC_CASEFOLDED) || is_enclosed(c))
        return;
    key = only_character(to, unorm2_normalize(casefold, from, units_of(c, from), to, UNITS, &status));
    /* The capital of a letter is no other form of it but the same with case. */
    if (U_SUCCESS(status) && key != 0 && evade_letter_upper(key) != c)
        add(l, LETTER_COMPATIBLE, key, c);
}

static bool has_name_part(uint32_t c, const char *part)
{
    UErrorCode status = U_ZERO_ERROR;
    char name[128];

    u_charName((UChar32)c, U_UNICODE_CHAR_NAME, name, sizeof(name), &status);
    return U_SUCCESS(status) && strstr(name, part) != NULL;
}

/* A letter with a stroke has no decomposition; its plain letter is the last word but one of its name:
 * LATIN SMALL LETTER O WITH STROKE. */
static uint32_t letter_in_name(uint32_t c, const char *before, const char *after)
{
    UErrorCode status = U_ZERO_ERROR;
    char name[128];
    size_t len = strlen(before);

    u_charName((UChar32)c, U_UNICODE_CHAR_NAME, name, sizeof(name), &status);
    if (U_FAILURE(status) || strncmp(name, before, len) != 0 || name[len] < 'A' || name[len] > 'Z' ||
        strcmp(name + len + 1, after) != 0)
        return 0;
    return (uint32_t)(name[len] - 'A' + 'a');
}

static void look_at_accented(struct evade_letters *l, const UNormalizer2 *decompose, uint32_t c)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar units[UNITS];
    int32_t len = unorm2_getDecomposition(decompose, (UChar32)c, units, UNITS, &status), at = 0;
    uint32_t base = 0;

    if (U_FAILURE(status) || len < 0) {
        base = c >= 0x80 && c < 0x2C80 ? letter_in_name(c, "LATIN SMALL LETTER ", " WITH STROKE") : 0;
    } else if (len > 1 && u_tolower((UChar32)c) == (UChar32)c) {
        base = next_character(units, len, &at);
        while (at < len && base != 0)
            if (u_charType((UChar32)next_character(units, len, &at)) != U_NON_SPACING_MARK)
                base = 0;
    }
    if (base != 0 && evade_is_letter(base))
        add(l, LETTER_ACCENTED, base, c);
}

static void look_at_small_capitals(struct evade_letters *l, uint32_t c)
{
    uint32_t letter;

    if (!evade_is_small_capital(c))
        return;
    letter = letter_in_name(c, "LATIN LETTER SMALL CAPITAL ", "");
    if (letter != 0)
        add(l, LETTER_ENCLOSED, letter, c);
}

static void look_at_digits(struct evade_letters *l, uint32_t c)
{
    double value = u_getNumericValue((UChar32)c);

    if (c < 0x80 || !(value >= 0 && value <= 9) || value != (double)(int)value)
        return;
    /* Those that people read as digits: decimal digits, circled and raised ones, the plain Chinese numerals. */
    if (u_charType((UChar32)c) != U_DECIMAL_DIGIT_NUMBER && u_charDigitValue((UChar32)c) < 0 &&
        u_getIntPropertyValue((UChar32)c, UCHAR_NUMERIC_TYPE) != U_NT_DIGIT &&
        !(c >= 0x4E00 && c < 0xA000 && has_name_part(c, "CJK UNIFIED")))
        return;
    add(l, LETTER_DIGIT, (uint32_t)('0' + (int)value), c);
}

static void look_at_confusables(struct evade_letters *l, USpoofChecker *spoof, const UNormalizer2 *casefold, uint32_t c)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar from[2], to[UNITS], folded[UNITS];
    int32_t len = units_of(c, from);
    uint32_t key = only_character(to, uspoof_getSkeleton(spoof, 0, from, len, to, UNITS, &status)), plain;

    if (U_FAILURE(status) || key == 0 || key == c || !u_isalpha((UChar32)key))
        return;
    plain = only_character(folded, unorm2_normalize(casefold, from, len, folded, UNITS, &status));
    /* What case and width undo by themselves is no evasion by look. */
    if (U_FAILURE(status) || plain == key || plain == (uint32_t)u_tolower((UChar32)key) || plain < 0x80)
        return;
    add(l, LETTER_CONFUSABLE, (uint32_t)u_tolower((UChar32)key), c);
}

/* What a transliterator makes of one character; the length, 0 when it fails. */
static int32_t transliterate(UTransliterator *t, uint32_t c, UChar *out)
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t len = units_of(c, out), limit = len;

    utrans_transUChars(t, out, &len, UNITS, 0, &limit, &status);
    return U_SUCCESS(status) ? len : 0;
}

static void look_at_variants(struct evade_letters *l, uint32_t c)
{
    UChar units[UNITS];
    uint32_t other = only_character(units, transliterate(l->to_traditional, c, units));

    if (other != 0 && other != c) {
        add(l, LETTER_VARIANT, c, other);
        add(l, LETTER_VARIANT, other, c);
    }
    other = only_character(units, transliterate(l->to_simplified, c, units));
    if (other != 0 && other != c) {
        add(l, LETTER_VARIANT, c, other);
        add(l, LETTER_VARIANT, other, c);
    }
}

static void look_at_all(struct evade_letters *l)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *casefold = unorm2_getNFKCCasefoldInstance(&status);
    const UNormalizer2 *decompose = unorm2_getNFDInstance(&status);
    USpoofChecker *spoof = uspoof_open(&status);

    if (U_FAILURE(status))
        l->failed = true;
    for (uint32_t c = 0x80; c <= LAST_LOOKED_AT && !l->failed; c++) {
        if (!u_isdefined((UChar32)c) || U_IS_SURROGATE(c) || u_charType((UChar32)c) == U_PRIVATE_USE_CHAR)
            continue;
        look_at_compatible(l, casefold, c);
        look_at_digits(l, c);
        if (!u_isalpha((UChar32)c))
            continue;
        look_at_accented(l, decompose, c);
        look_at_small_capitals(l, c);
        if (c < 0xAC00 || c >= 0xD7B0) /* Hangul syllables look like nothing else */
            look_at_confusables(l, spoof, casefold, c);
        if (c >= 0x3400 && c < 0xA000)
            look_at_variants(l, c);
    }
    for (uint32_t a = 0; a < sizeof(alphabets) / sizeof(*alphabets); a++)
        for (uint32_t i = 0; i < 26; i++)
            add(l, LETTER_ENCLOSED, 'a' + i, alphabets[a] + i);
    for (uint32_t c = 0x80; c <= LAST_INVISIBLE; c++)
        if (u_hasBinaryProperty((UChar32)c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) && u_isdefined((UChar32)c) &&
            !u_hasBinaryProperty((UChar32)(c - 1), UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
            add(l, LETTER_INVISIBLE, 0, c);
    uspoof_close(spoof);
}

/* Homophones ------------------------------------------------------------------------------------------------------ */

struct usual { /* one of the usual characters, and how it is read */
    char reading[8];
    uint32_t c;
};

static int by_reading(const void *a, const void *b)
{
    const struct usual *x = a, *y = b;
    int order = strcmp(x->reading, y->reading);

    return order ? order : (x->c > y->c) - (x->c < y->c);
}

/* The 3,755 characters of GB 2312's first level are those in everyday use. */
static size_t usual_characters(struct evade_letters *l, struct usual *out)
{
    UErrorCode status = U_ZERO_ERROR;
    UConverter *gb = ucnv_open("GB2312", &status);
    size_t count = 0;

    for (int row = 0xB0; row <= 0xD7 && U_SUCCESS(status); row++)
        for (int cell = 0xA1; cell <= 0xFE; cell++) {
            const char bytes[2] = {(char)row, (char)cell};
            UErrorCode unmapped = U_ZERO_ERROR;
            struct buf reading = BUF_INIT;
            UChar units[4];
            uint32_t c = only_character(units, ucnv_toUChars(gb, units, 4, bytes, 2, &unmapped));

            if (U_SUCCESS(unmapped) && evade_is_han(c) && evade_letter_reading(l, c, false, &reading) &&
                reading.len < sizeof(out->reading)) {
                out[count].c = c;
                memcpy(out[count++].reading, buf_text(&reading), reading.len + 1);
            }
            buf_release(&reading);
        }
    if (U_FAILURE(status))
        l->failed = true;
    ucnv_close(gb);
    return count;
}

static void find_homophones(struct evade_letters *l)
{
    enum { MOST = (0xD7 - 0xB0 + 1) * 94 };
    struct usual *usual = calloc(MOST, sizeof(*usual));
    size_t count = usual ? usual_characters(l, usual) : 0;

    if (!usual)
        l->failed = true;
    else
        qsort(usual, count, sizeof(*usual), by_reading);
    for (size_t i = 0; i < count; i++)
        for (size_t k = i; k-- > 0 && strcmp(usual[k].reading, usual[i].reading) == 0;) {
            add(l, LETTER_HOMOPHONE, usual[i].c, usual[k].c);
            add(l, LETTER_HOMOPHONE, usual[k].c, usual[i].c);
        }
    free(usual);
}

bool evade_letter_reading(struct evade_letters *l, uint32_t c, bool tone, struct buf *out)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar units[UNITS];
    char utf8[UNITS * 3 + 1];
    int32_t len = transliterate(l->reading, c, units), limit = len, bytes = 0;

    if (!evade_is_han(c) || len == 0 || only_character(units, len) == c)
        return false;
    if (!tone)
        utrans_transUChars(l->plain, units, &len, UNITS, 0, &limit, &status);
    u_strToUTF8(utf8, sizeof(utf8), &bytes, units, len, &status);
    if (U_FAILURE(status))
        return false;
    buf_add(out, utf8, (size_t)bytes);
    return true;
}

/* The whole ------------------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = (x->key > y->key) - (x->key < y->key);

    return order ? order : (x->form > y->form) - (x->form < y->form);
}

static void sort_pairs(struct evade_letters *l, struct pairs *p)
{
    size_t kept = 0;

    if (p->count > 0)
        qsort(p->items, p->count, sizeof(*p->items), by_key);
    for (size_t i = 0; i < p->count; i++)
        if (kept == 0 || by_key(&p->items[i], &p->items[kept - 1]) != 0)
            p->items[kept++] = p->items[i];
    p->count = kept;
    p->forms = calloc(kept + 1, sizeof(*p->forms));
    if (!p->forms)
        l->failed = true;
    for (size_t i = 0; i < kept && p->forms; i++)
        p->forms[i] = p->items[i].form;
}

static UTransliterator *open_transliterator(struct evade_letters *l, const char *id)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar units[64];
    UTransliterator *t;

    u_charsToUChars(id, units, (int32_t)strlen(id) + 1);
    t = utrans_openU(units, -1, UTRANS_FORWARD, NULL, 0, NULL, &status);
    if (U_FAILURE(status))
        l->failed = true;
    return t;
}

int evade_letters_new(struct evade_letters **out, struct err *err)
{
    struct evade_letters *l = calloc(1, sizeof(*l));

    if (!l)
        return err_set(err, ERR_FAILED, "out of memory");
    l->reading = open_transliterator(l, "Han-Latin");
    l->plain = open_transliterator(l, "NFD; [:Mn:] Remove; NFC");
    l->to_traditional = open_transliterator(l, "Hans-Hant");
    l->to_simplified = open_transliterator(l, "Hant-Hans");
    if (!l->failed)
        look_at_all(l);
    if (!l->failed)
        find_homophones(l);
    for (size_t k = 0; k < LETTER_KINDS; k++)
        sort_pairs(l, &l->kinds[k]);
    if (l->failed) {
        evade_letters_free(l);
        return err_set(err, ERR_FAILED, "ICU cannot give the data for evasions, or memory ran out");
    }
    *out = l;
    return 0;
}

void evade_letters_free(struct evade_letters *l)
{
    if (!l)
        return;
    for (size_t k = 0; k < LETTER_KINDS; k++) {
        free(l->kinds[k].items);
        free(l->kinds[k].forms);
    }
    utrans_close(l->reading);
    utrans_close(l->plain);
    utrans_close(l->to_traditional);
    utrans_close(l->to_simplified);
    free(l);
}

size_t evade_letter_forms(const struct evade_letters *l, enum letter_kind kind, uint32_t c, const uint32_t **forms)
{
    const struct pairs *p = &l->kinds[kind];
    size_t low = 0, high = p->count, count = 0;

    if (kind == LETTER_INVISIBLE)
        c = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (p->items[middle].key < c)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + count < p->count && p->items[low + count].key == c)
        count++;
    *forms = p->forms + low;
    return count;
}
