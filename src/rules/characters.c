#include "rules/characters.h"

#include "base/utf8.h"

#include <pthread.h>
#include <stdlib.h>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf16.h>

const struct character character_beyond_tag = {.kind = CHARACTER_INVISIBLE, .cluster = CLUSTER_EXTEND};
const struct character character_beyond = {.kind = 0};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct character *table;
static bool table_ready;
static const UNormalizer2 *casefold;

static uint8_t kind_of(UChar32 c, int8_t type)
{
    uint32_t mask = U_MASK(type);
    unsigned kind = 0;

    if (c == '\n' || c == '\r' || c == 0x0B || c == 0x0C || c == 0x85 || c == 0x2028 || c == 0x2029)
        kind |= CHARACTER_LINE_END | CHARACTER_BLANK;
    else if (type == U_CONTROL_CHAR && c != '\t')
        kind |= CHARACTER_INVISIBLE;
    if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
        kind |= CHARACTER_INVISIBLE;
    if (u_isUWhiteSpace(c) || c == 0x2800)
        kind |= CHARACTER_BLANK;
    if (type == U_TITLECASE_LETTER || u_isUUppercase(c))
        kind |= CHARACTER_CAPITAL;
    if (mask & U_GC_N_MASK)
        kind |= CHARACTER_DIGIT;
    if (mask & (U_GC_P_MASK | U_GC_S_MASK))
        kind |= CHARACTER_SYMBOL;
    if (u_hasBinaryProperty(c, UCHAR_EMOJI_PRESENTATION))
        kind |= CHARACTER_EMOJI;
    else if (u_hasBinaryProperty(c, UCHAR_EMOJI))
        kind |= CHARACTER_MAYBE_EMOJI;
    return (uint8_t)kind;
}

static uint8_t cluster_of(UChar32 c)
{
    static const uint8_t kinds[U_GCB_COUNT] = {
        [U_GCB_OTHER] = CLUSTER_OTHER,
        [U_GCB_CONTROL] = CLUSTER_CONTROL,
        [U_GCB_CR] = CLUSTER_CR,
        [U_GCB_EXTEND] = CLUSTER_EXTEND,
        [U_GCB_L] = CLUSTER_L,
        [U_GCB_LF] = CLUSTER_LF,
        [U_GCB_LV] = CLUSTER_LV,
        [U_GCB_LVT] = CLUSTER_LVT,
        [U_GCB_T] = CLUSTER_T,
        [U_GCB_V] = CLUSTER_V,
        [U_GCB_SPACING_MARK] = CLUSTER_SPACING_MARK,
        [U_GCB_PREPEND] = CLUSTER_PREPEND,
        [U_GCB_REGIONAL_INDICATOR] = CLUSTER_REGIONAL,
        [U_GCB_ZWJ] = CLUSTER_ZWJ,
    };
    int gcb = u_getIntPropertyValue(c, UCHAR_GRAPHEME_CLUSTER_BREAK);

    if (gcb == U_GCB_OTHER && u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC))
        return CLUSTER_PICTOGRAPH;
    return gcb >= 0 && gcb < U_GCB_COUNT ? kinds[gcb] : CLUSTER_OTHER;
}

/* Letters in boxes and circles that Unicode does not decompose, as they are drawn. */
static uint32_t boxed_letter(UChar32 c)
{
    static const UChar32 first[] = {0x1F150, 0x1F170, 0x1F1E6}; /* negative circled, negative squared, flags */

    for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
        if (c >= first[i] && c < first[i] + 26)
            return (uint32_t)('a' + (c - first[i]));
    return 0;
}

static uint32_t plain_of(UChar32 c, int8_t type)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar from[2], to[24];
    int32_t from_len = 0, to_len;
    double value;

    if (type == U_DECIMAL_DIGIT_NUMBER || type == U_OTHER_NUMBER) {
        value = u_getNumericValue(c);
        for (int digit = 0; digit <= 9; digit++)
            if (value >= digit && value <= digit) /* a whole number, not a half */
                return (uint32_t)('0' + digit);
    }
    if (boxed_letter(c))
        return boxed_letter(c);
    U16_APPEND_UNSAFE(from, from_len, c);
    to_len = unorm2_normalize(casefold, from, from_len, to, 24, &status);
    if (U_FAILURE(status) || to_len == 0)
        return (uint32_t)c;
    if (to_len == 3 && to[0] == '(' && to[2] == ')')
        return to[1]; /* a letter in parentheses */
    if (to_len == 1)
        return to[0];
    return to_len == 2 && U16_IS_LEAD(to[0]) ? (uint32_t)U16_GET_SUPPLEMENTARY(to[0], to[1]) : (uint32_t)c;
}

/* Of one range of characters of the same category. */
static UBool add_range(const void *context, UChar32 start, UChar32 limit, UCharCategory type)
{
    (void)context;
    if ((type == U_UNASSIGNED || type == U_PRIVATE_USE_CHAR || type == U_SURROGATE) && limit - start > 4096)
        return start < CHARACTERS_LIMIT; /* pages nobody needs stay out of memory */
    for (UChar32 c = start; c < limit && c < CHARACTERS_LIMIT; c++) {
        UErrorCode status = U_ZERO_ERROR;
        int script = type == U_SURROGATE ? USCRIPT_UNKNOWN : uscript_getScript(c, &status);

        table[c].script = (uint16_t)(script > 0 ? script : 0);
        if (type == U_OTHER_LETTER && script == USCRIPT_HAN && !u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE))
            continue; /* two thirds of all characters have nothing else to say */
        table[c].kind = kind_of(c, (int8_t)type);
        table[c].cluster = cluster_of(c);
        table[c].plain = type == U_SURROGATE ? 0 : plain_of(c, (int8_t)type);
        if (table[c].plain == (uint32_t)c)
            table[c].plain = 0;
    }
    return limit < CHARACTERS_LIMIT;
}

static void build(void)
{
    UErrorCode status = U_ZERO_ERROR;

    casefold = unorm2_getNFKCCasefoldInstance(&status);
    table = calloc(CHARACTERS_LIMIT, sizeof(*table));
    if (U_FAILURE(status) || !table)
        return;
    u_enumCharTypes(add_range, NULL);
    table_ready = true;
}

const struct character *characters(void)
{
    pthread_once(&once, build);
    return table_ready ? table : NULL;
}

int character_script(const char *name)
{
    return u_getPropertyValueEnum(UCHAR_SCRIPT, name);
}

static bool hangul_joins(enum cluster_kind last, enum cluster_kind next)
{
    if (last == CLUSTER_L)
        return next == CLUSTER_L || next == CLUSTER_V || next == CLUSTER_LV || next == CLUSTER_LVT;
    if (last == CLUSTER_LV || last == CLUSTER_V)
        return next == CLUSTER_V || next == CLUSTER_T;
    return (last == CLUSTER_LVT || last == CLUSTER_T) && next == CLUSTER_T;
}

static bool is_control(enum cluster_kind kind)
{
    return kind == CLUSTER_CR || kind == CLUSTER_LF || kind == CLUSTER_CONTROL;
}

static bool joins(const struct cluster_state *s, enum cluster_kind next)
{
    if (s->last == CLUSTER_CR && next == CLUSTER_LF)
        return true;
    if (is_control(s->last) || is_control(next))
        return false;
    if (next == CLUSTER_EXTEND || next == CLUSTER_ZWJ || next == CLUSTER_SPACING_MARK || s->last == CLUSTER_PREPEND)
        return true;
    if (next == CLUSTER_PICTOGRAPH)
        return s->joins_pictograph;
    if (next == CLUSTER_REGIONAL)
        return s->last == CLUSTER_REGIONAL && s->odd_regional;
    return hangul_joins(s->last, next);
}

bool cluster_begins(struct cluster_state *s, enum cluster_kind next)
{
    bool begins = !s->any || !joins(s, next);

    s->joins_pictograph = s->in_pictograph && next == CLUSTER_ZWJ;
    s->in_pictograph = next == CLUSTER_PICTOGRAPH || (s->in_pictograph && next == CLUSTER_EXTEND);
    s->odd_regional = next == CLUSTER_REGIONAL && (begins || !s->odd_regional);
    s->last = next;
    s->any = true;
    return begins;
}
