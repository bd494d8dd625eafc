#include "rules/folding/unicode.h"

#include "rules/folding/fold_data.h"

#include <pthread.h>
#include <stdlib.h>

#include <unicode/ubrk.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utext.h>

enum {
    UNICODE_EXPANSION = 18, /* UTF-16 units one character can become: U+FDFA */
    UNICODE_RUN_UNITS = UNICODE_RUN * 2,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const UNormalizer2 *casefold; /* NULL: ICU has no data */

static void open_casefold(void)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *opened = unorm2_getNFKCCasefoldInstance(&status);

    if (U_SUCCESS(status))
        casefold = opened;
}

const struct unicode_tables *unicode_tables(void)
{
    static const struct unicode_tables tables = {unicode_data_fold, unicode_data_word, unicode_data_mappings};

    return &tables;
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

    pthread_once(&once, open_casefold);
    if (!casefold)
        return false;
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
