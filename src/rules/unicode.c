#include "rules/unicode.h"

#include "base/utf8.h"

#include <pthread.h>
#include <stdlib.h>

#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utext.h>

enum {
    UNICODE_MAPPINGS = 16384, /* Unicode 15 has about 10,500 characters that NFKC casefold changes */
    UNICODE_EXPANSION = 18,   /* UTF-16 units one character can become: U+FDFA */
    UNICODE_RUN_UNITS = UNICODE_RUN * 2,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct unicode_tables tables;
static bool tables_ready;
static const UNormalizer2 *casefold;

/* Scripts that are written without spaces between words. Hangul is among them because Korean writes its particles onto
 * the word: a listed noun would hardly ever stand alone. */
static const UScriptCode unspaced_scripts[] = {
    USCRIPT_HAN,      USCRIPT_HIRAGANA, USCRIPT_KATAKANA, USCRIPT_BOPOMOFO,    USCRIPT_HANGUL,
    USCRIPT_THAI,     USCRIPT_LAO,      USCRIPT_KHMER,    USCRIPT_MYANMAR,     USCRIPT_TIBETAN,
    USCRIPT_YI,       USCRIPT_TAI_LE,   USCRIPT_LANNA,    USCRIPT_NEW_TAI_LUE, USCRIPT_TAI_VIET,
    USCRIPT_JAVANESE, USCRIPT_BALINESE, USCRIPT_NUSHU,    USCRIPT_TANGUT,
};

static uint8_t word_class(UChar32 c)
{
    UErrorCode status = U_ZERO_ERROR;
    UScriptCode script;
    uint8_t class = WORD_PART;

    if (!((uint32_t)U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK)))
        return 0;
    if ((uint32_t)U_GET_GC_MASK(c) & (U_GC_MN_MASK | U_GC_ME_MASK))
        class |= WORD_MARK;
    script = uscript_getScript(c, &status);
    for (size_t i = 0; i < sizeof(unspaced_scripts) / sizeof(*unspaced_scripts); i++) {
        if (script == unspaced_scripts[i])
            return class | WORD_UNSPACED;
        /* Marks shared by several scripts, such as the prolonged sound mark of Japanese. */
        if ((script == USCRIPT_COMMON || script == USCRIPT_INHERITED) && uscript_hasScript(c, unspaced_scripts[i]))
            return class | WORD_UNSPACED;
    }
    return class;
}

/* The fold class of c; a new mapping is put into tables.mappings[*used]. Negative when ICU fails. */
static int fold_class(UChar32 c, size_t *used)
{
    char utf8[4];
    struct buf mapped = BUF_INIT;
    struct unicode_mapping *m = &tables.mappings[*used];
    size_t len;
    int class = -1;

    if (U_IS_SURROGATE((uint32_t)c))
        return CHAR_PLAIN;
    if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
        return CHAR_INVISIBLE;
    if (!unorm2_hasBoundaryBefore(casefold, c))
        return CHAR_JOINING;
    if (!u_hasBinaryProperty(c, UCHAR_CHANGES_WHEN_NFKC_CASEFOLDED))
        return CHAR_PLAIN;
    len = utf8_encode((uint32_t)c, utf8);
    if (*used < UNICODE_MAPPINGS && unicode_casefold((struct span){utf8, len}, &mapped) &&
        mapped.len <= sizeof(m->text)) {
        memcpy(m->text, buf_text(&mapped), mapped.len);
        m->len = (uint8_t)mapped.len;
        class = (int)(CHAR_MAPPED + (*used)++);
    }
    buf_release(&mapped);
    return class;
}

static void build_tables(void)
{
    UErrorCode status = U_ZERO_ERROR;
    struct unicode_mapping *fitted;
    size_t used = 0;

    casefold = unorm2_getNFKCCasefoldInstance(&status);
    tables.mappings = calloc(UNICODE_MAPPINGS, sizeof(*tables.mappings));
    if (U_FAILURE(status) || !tables.mappings)
        return;
    for (UChar32 c = 0; c < UNICODE_LIMIT; c++) {
        int class = fold_class(c, &used);
        uint8_t word = word_class(c);

        if (class < 0)
            return;
        /* Untouched pages of the big, mostly plain planes stay out of memory. */
        if (class)
            tables.fold[c] = (uint16_t) class;
        if (word)
            tables.word[c] = word;
    }
    fitted = realloc(tables.mappings, used * sizeof(*fitted));
    if (fitted)
        tables.mappings = fitted;
    tables_ready = true;
}

const struct unicode_tables *unicode_tables(void)
{
    pthread_once(&once, build_tables);
    return tables_ready ? &tables : NULL;
}

const char *unicode_script_name(const char *written)
{
    int32_t script = u_getPropertyValueEnum(UCHAR_SCRIPT, written);

    return script == UCHAR_INVALID_CODE ? NULL : u_getPropertyValueName(UCHAR_SCRIPT, script, U_LONG_PROPERTY_NAME);
}

bool unicode_casefold(struct span run, struct buf *out)
{
    UChar units[UNICODE_RUN_UNITS], folded[UNICODE_RUN_UNITS * UNICODE_EXPANSION];
    UErrorCode status = U_ZERO_ERROR;
    int32_t unit_count = 0, folded_count, written = 0;
    char *place;

    u_strFromUTF8(units, UNICODE_RUN_UNITS, &unit_count, run.data, (int32_t)run.len, &status);
    folded_count =
        unorm2_normalize(casefold, units, unit_count, folded, UNICODE_RUN_UNITS * UNICODE_EXPANSION, &status);
    if (U_FAILURE(status))
        return false;
    place = buf_reserve(out, (size_t)folded_count * 3 + 1);
    if (!place)
        return false;
    u_strToUTF8(place, folded_count * 3 + 1, &written, folded, folded_count, &status);
    if (U_FAILURE(status))
        return false;
    buf_commit(out, (size_t)written);
    return true;
}

struct graphemes {
    UBreakIterator *breaks;
    UText text;
    size_t len;
};

struct graphemes *graphemes_new(void)
{
    UErrorCode status = U_ZERO_ERROR;
    struct graphemes *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->text = (UText)UTEXT_INITIALIZER;
    g->breaks = ubrk_open(UBRK_CHARACTER, "en", NULL, 0, &status);
    if (U_FAILURE(status)) {
        graphemes_free(g);
        return NULL;
    }
    return g;
}

void graphemes_free(struct graphemes *g)
{
    if (!g)
        return;
    ubrk_close(g->breaks);
    utext_close(&g->text);
    free(g);
}

bool graphemes_set(struct graphemes *g, struct span text)
{
    UErrorCode status = U_ZERO_ERROR;

    g->len = text.len;
    utext_openUTF8(&g->text, text.data ? text.data : "", (int64_t)text.len, &status);
    ubrk_setUText(g->breaks, &g->text, &status);
    return U_SUCCESS(status);
}

size_t graphemes_start(struct graphemes *g, size_t at)
{
    int32_t start;

    if (ubrk_isBoundary(g->breaks, (int32_t)at))
        return at;
    start = ubrk_preceding(g->breaks, (int32_t)at);
    return start == UBRK_DONE ? 0 : (size_t)start;
}

size_t graphemes_end(struct graphemes *g, size_t at)
{
    int32_t end = ubrk_following(g->breaks, (int32_t)at);

    return end == UBRK_DONE ? g->len : (size_t)end;
}
