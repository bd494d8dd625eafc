/* make_fold_data - writes fold_data.c (see fold_data.h): run when the program is built, never after.
 *
 *     make_fold_data /usr/share/unicode fold_data.c
 *
 * Sources: ICU for properties, names, decompositions, numeric values and the skeletons of confusables; the Unihan files
 * of Debian's unicode-data for variants, readings and numerals of Han characters. */
#include "rules/folding/fold_data.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>

#pragma GCC diagnostic ignored "-Wsign-conversion" /* ICU's own macros */

enum {
    MAX_MAPPINGS = 16384,
    MAX_EXPANSION = 36, /* UTF-16 units of a fold or a skeleton of one character */
    MAX_SYLLABLES = 1024,
    COMMON = 1, /* occurrences in the corpus behind kHanyuPinlu from which a character counts as in use */
};

static void die(const char *what)
{
    fprintf(stderr, "make_fold_data: %s\n", what);
    exit(1);
}

/* Names ------------------------------------------------------------------------------------------- */

static const char *name_of(UChar32 c)
{
    static char name[128];
    UErrorCode status = U_ZERO_ERROR;

    u_charName(c, U_UNICODE_CHAR_NAME, name, sizeof(name), &status);
    return U_SUCCESS(status) ? name : "";
}

/* The part of the name behind prefix, or NULL. */
static const char *after(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

/* "X", "X BAR" or "X WITH ...": the letter in lower case, else 0. */
static uint32_t letter_named(const char *rest, bool with)
{
    if (!rest || *rest < 'A' || *rest > 'Z')
        return 0;
    if (rest[1] && !(with && (strncmp(rest + 1, " WITH ", 6) == 0 || strcmp(rest + 1, " BAR") == 0)))
        return 0;
    return (uint32_t)(*rest - 'A' + 'a');
}

/* How NFKC casefold treats a character --------------------------------------------------------------- */

static const UNormalizer2 *casefold, *decompose;
static struct unicode_mapping mappings[MAX_MAPPINGS];
static size_t mapping_count;

static bool is_stable(UChar32 c)
{
    return !u_hasBinaryProperty(c, UCHAR_CHANGES_WHEN_NFKC_CASEFOLDED);
}

static unsigned fold_class(UChar32 c)
{
    struct unicode_mapping *m = &mappings[mapping_count];
    UErrorCode status = U_ZERO_ERROR;
    UChar units[2], folded[MAX_EXPANSION];
    int32_t count = 0, len, bytes = 0;

    if (U_IS_SURROGATE((uint32_t)c))
        return CHAR_PLAIN;
    /* U+FFFD is what U+0000 of the wire becomes (message.h): as invisible as that. */
    if (c == 0xFFFD || u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
        return CHAR_INVISIBLE;
    if (!unorm2_hasBoundaryBefore(casefold, c))
        return CHAR_JOINING;
    if (is_stable(c))
        return CHAR_PLAIN;
    U16_APPEND_UNSAFE(units, count, c);
    len = unorm2_normalize(casefold, units, count, folded, MAX_EXPANSION, &status);
    u_strToUTF8(m->text, sizeof(m->text), &bytes, folded, len, &status);
    if (U_FAILURE(status) || mapping_count + 1 == MAX_MAPPINGS)
        die("a character folds to more than expected");
    m->len = (uint8_t)bytes;
    return CHAR_MAPPED + (unsigned)mapping_count++;
}

/* Scripts that are written without spaces between words. Hangul is among them because Korean writes its particles onto
 * the word: a listed noun would hardly ever stand alone. */
static const UScriptCode unspaced_scripts[] = {
    USCRIPT_HAN,      USCRIPT_HIRAGANA, USCRIPT_KATAKANA, USCRIPT_BOPOMOFO,    USCRIPT_HANGUL,
    USCRIPT_THAI,     USCRIPT_LAO,      USCRIPT_KHMER,    USCRIPT_MYANMAR,     USCRIPT_TIBETAN,
    USCRIPT_YI,       USCRIPT_TAI_LE,   USCRIPT_LANNA,    USCRIPT_NEW_TAI_LUE, USCRIPT_TAI_VIET,
    USCRIPT_JAVANESE, USCRIPT_BALINESE, USCRIPT_NUSHU,    USCRIPT_TANGUT,
};

static bool is_unspaced(UChar32 c)
{
    UErrorCode status = U_ZERO_ERROR;
    UScriptCode script = uscript_getScript(c, &status);

    for (size_t i = 0; i < sizeof(unspaced_scripts) / sizeof(*unspaced_scripts); i++) {
        if (script == unspaced_scripts[i])
            return true;
        /* Marks shared by several scripts, such as the prolonged sound mark of Japanese. */
        if ((script == USCRIPT_COMMON || script == USCRIPT_INHERITED) && uscript_hasScript(c, unspaced_scripts[i]))
            return true;
    }
    return false;
}

/* A mark that accents may be made of: shared by scripts, and not what makes a kana another kana. */
static bool is_accent(UChar32 c)
{
    UErrorCode status = U_ZERO_ERROR;

    return ((uint32_t)U_GET_GC_MASK(c) & (U_GC_MN_MASK | U_GC_ME_MASK)) && c != 0x3099 && c != 0x309A &&
           uscript_getScript(c, &status) == USCRIPT_INHERITED;
}

static unsigned word_class(UChar32 c)
{
    uint32_t category = (uint32_t)U_GET_GC_MASK(c);
    unsigned class = 0;

    if (category & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK)) {
        class |= WORD_PART;
        if (category & (U_GC_MN_MASK | U_GC_ME_MASK))
            class |= WORD_MARK;
        if (is_unspaced(c))
            class |= WORD_UNSPACED;
    }
    if (category & U_GC_L_MASK)
        class |= WORD_LETTER;
    if (category & U_GC_N_MASK)
        class |= WORD_DIGIT;
    if (is_accent(c))
        class |= WORD_ACCENT;
    if ((category & U_GC_Z_MASK) || (category == U_GC_CC_MASK))
        class |= WORD_BLANK | WORD_NOISE;
    if (category & (U_GC_P_MASK | U_GC_S_MASK))
        class |= WORD_NOISE;
    if ((category & U_GC_P_MASK) &&
        ((category & (U_GC_PS_MASK | U_GC_PE_MASK | U_GC_PI_MASK | U_GC_PF_MASK)) || c == 0x2026 ||
         u_hasBinaryProperty(c, UCHAR_TERMINAL_PUNCTUATION) || u_hasBinaryProperty(c, UCHAR_QUOTATION_MARK) ||
         u_hasBinaryProperty(c, UCHAR_DASH)))
        class |= WORD_PAUSE;
    if ((category & U_GC_L_MASK) && u_hasBinaryProperty(c, UCHAR_UNIFIED_IDEOGRAPH))
        class |= WORD_HAN;
    return class;
}

static void write_unicode(void)
{
    printf("const uint16_t unicode_data_fold[UNICODE_LIMIT] = {");
    for (UChar32 c = 0; c < UNICODE_LIMIT; c++)
        printf("%s%u,", c % 32 ? "" : "\n", fold_class(c));
    printf("\n};\nconst uint16_t unicode_data_word[UNICODE_LIMIT] = {");
    for (UChar32 c = 0; c < UNICODE_LIMIT; c++)
        printf("%s%u,", c % 32 ? "" : "\n", word_class(c));
    printf("\n};\nconst struct unicode_mapping unicode_data_mappings[] = {\n");
    for (size_t i = 0; i < mapping_count; i++) {
        printf("{%u,\"", mappings[i].len);
        for (size_t k = 0; k < mappings[i].len; k++)
            printf("\\%03o", (unsigned char)mappings[i].text[k]);
        printf("\"},\n");
    }
    printf("};\n");
}

/* Pairs ------------------------------------------------------------------------------------------- */

static uint32_t table[UNICODE_LIMIT];

static void write_pairs(const char *name)
{
    printf("static const struct fold_pair %s[] = {", name);
    for (uint32_t c = 0, n = 0; c < UNICODE_LIMIT; c++)
        if (table[c])
            printf("%s{%u,%uu},", n++ % 8 ? "" : "\n", c, table[c]);
    printf("\n};\nconst struct fold_pairs fold_data_%s = {%s, sizeof(%s) / sizeof(*%s)};\n", name, name, name, name);
    memset(table, 0, sizeof(table));
}

static uint32_t two(unsigned first, unsigned second)
{
    return FOLD_PAIR_TWO | first | second << 7;
}

/* The one character that is left of c when its accents are taken off, or 0. */
static uint32_t without_accents(UChar32 c)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar units[MAX_EXPANSION];
    int32_t len = unorm2_getDecomposition(decompose, c, units, MAX_EXPANSION, &status);
    UChar32 base = 0, mark;

    if (U_FAILURE(status) || len <= 0)
        return 0;
    for (int32_t i = 0; i < len;) {
        U16_NEXT(units, i, len, mark);
        if (!base)
            base = mark;
        else if (!is_accent(mark))
            return 0;
    }
    return (uint32_t)base;
}

static void write_accents(void)
{
    for (UChar32 c = 0x80; c < UNICODE_LIMIT; c++) {
        const char *name;

        if (!u_isalpha(c) || !is_stable(c))
            continue;
        name = name_of(c);
        table[c] = letter_named(after(name, "LATIN SMALL LETTER "), true);
        if (!table[c])
            table[c] = letter_named(after(name, "LATIN SMALL LETTER DOTLESS "), true);
        if (!table[c])
            table[c] = letter_named(after(name, "LATIN SMALL LETTER BARRED "), true);
        if (strcmp(name, "LATIN SMALL LETTER AE") == 0)
            table[c] = two('a', 'e');
        if (strcmp(name, "LATIN SMALL LIGATURE OE") == 0)
            table[c] = two('o', 'e');
        if (!table[c])
            table[c] = without_accents(c);
    }
    write_pairs("accents");
}

static void write_letters(void)
{
    static const char *const dresses[] = {
        "CIRCLED LATIN CAPITAL LETTER ",
        "CIRCLED LATIN SMALL LETTER ",
        "SQUARED LATIN CAPITAL LETTER ",
        "NEGATIVE CIRCLED LATIN CAPITAL LETTER ",
        "NEGATIVE SQUARED LATIN CAPITAL LETTER ",
        "CROSSED NEGATIVE SQUARED LATIN CAPITAL LETTER ",
        "PARENTHESIZED LATIN CAPITAL LETTER ",
        "PARENTHESIZED LATIN SMALL LETTER ",
        "TORTOISE SHELL BRACKETED LATIN CAPITAL LETTER ",
        "CIRCLED ITALIC LATIN CAPITAL LETTER ",
        "REGIONAL INDICATOR SYMBOL LETTER ",
        "LATIN LETTER SMALL CAPITAL ",
        "LATIN SMALL LETTER TURNED ",
        "LATIN SMALL LETTER SIDEWAYS ",
        "LATIN SMALL LETTER REVERSED ",
        "LATIN SMALL LETTER SCRIPT ",
    };

    for (UChar32 c = 0x80; c < UNICODE_LIMIT; c++) {
        const char *name = name_of(c);

        for (size_t i = 0; i < sizeof(dresses) / sizeof(*dresses) && !table[c]; i++)
            table[c] = letter_named(after(name, dresses[i]), false);
    }
    write_pairs("letters");
}

/* Whether casefolding alone makes one ASCII character of c: then that is what it is, whatever else it looks like. */
static bool folds_to_ascii(UChar32 c)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar units[2], folded[MAX_EXPANSION];
    int32_t count = 0;

    U16_APPEND_UNSAFE(units, count, c);
    return unorm2_normalize(casefold, units, count, folded, MAX_EXPANSION, &status) == 1 && folded[0] < 128;
}

/* The skeleton of c without marks, when that is one character; else 0. */
static uint32_t skeleton_of(const USpoofChecker *checker, UChar32 c, bool keep_marks)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar units[2], skeleton[MAX_EXPANSION];
    int32_t count = 0, len;
    UChar32 base = 0, next;

    U16_APPEND_UNSAFE(units, count, c);
    len = uspoof_getSkeleton(checker, 0, units, count, skeleton, MAX_EXPANSION, &status);
    if (U_FAILURE(status))
        return 0;
    for (int32_t i = 0; i < len;) {
        U16_NEXT(skeleton, i, len, next);
        if (!base)
            base = next;
        else if (keep_marks || !is_accent(next))
            return 0;
    }
    return (uint32_t)base;
}

static void write_lookalikes(void)
{
    UErrorCode status = U_ZERO_ERROR;
    USpoofChecker *checker = uspoof_open(&status);
    char letter_of[128] = {0}; /* by skeleton */

    if (U_FAILURE(status))
        die("ICU has no confusables");
    for (char c = '0'; c <= 'z'; c++) { /* digits, then capitals, then small letters: the last one wins */
        uint32_t s = u_isalnum(c) ? skeleton_of(checker, c, true) : 0;

        if (s && s < 128)
            letter_of[s] = (char)u_tolower(c);
    }
    for (UChar32 c = 0x80; c < UNICODE_LIMIT; c++) {
        UChar32 upper = u_toupper(c);
        bool latin = uscript_getScript(c, &status) == USCRIPT_LATIN;
        uint32_t s;

        if (!((uint32_t)U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) || (u_isalpha(c) && is_unspaced(c)) ||
            folds_to_ascii(c))
            continue;
        s = skeleton_of(checker, c, latin);
        if (!(s < 128 && letter_of[s]) && upper != c)
            s = skeleton_of(checker, upper, latin);
        if (s < 128 && letter_of[s])
            table[c] = (uint32_t)letter_of[s];
    }
    /* ICU reads m as rn: then nothing that looks like m is one character. */
    for (UChar32 c = 0x80; c < UNICODE_LIMIT; c++) {
        UChar m[] = {'m'}, big_m[] = {'M'}, units[2];
        int32_t count = 0;
        UChar32 forms[] = {c, u_toupper(c)};

        if (table[c] || !((uint32_t)U_GET_GC_MASK(c) & U_GC_L_MASK) || is_unspaced(c) || folds_to_ascii(c))
            continue;
        for (int i = 0; i < 2 && !table[c]; i++) {
            count = 0;
            U16_APPEND_UNSAFE(units, count, forms[i]);
            if (uspoof_areConfusable(checker, units, count, m, 1, &status) ||
                uspoof_areConfusable(checker, units, count, big_m, 1, &status))
                table[c] = 'm';
        }
    }
    uspoof_close(checker);
    write_pairs("lookalikes");
}

/* Unihan ------------------------------------------------------------------------------------------- */

static const char *unicode_directory;

/* Calls each for the lines "U+XXXX field value" of a compressed Unihan file. */
static void unihan_lines(const char *file, void (*each)(uint32_t c, const char *field, char *value))
{
    char command[512], line[4096];
    FILE *in;

    snprintf(command, sizeof(command), "bzip2 -dc '%s/%s.txt.bz2'", unicode_directory, file);
    in = popen(command, "r");
    if (!in)
        die("could not run bzip2");
    while (fgets(line, sizeof(line), in)) {
        char *save, *code = strtok_r(line, "\t\n", &save), *field = strtok_r(NULL, "\t\n", &save),
                    *value = strtok_r(NULL, "\t\n", &save);
        uint32_t c = code && strncmp(code, "U+", 2) == 0 ? (uint32_t)strtoul(code + 2, NULL, 16) : 0;

        if (c && c < UNICODE_LIMIT && field && value)
            each(c, field, value);
    }
    if (pclose(in) != 0)
        die("could not read Unihan: are unicode-data and bzip2 installed?");
}

static void on_numeral(uint32_t c, const char *field, char *value)
{
    unsigned long n = strtoul(value, NULL, 10);

    (void)field;
    if (n <= 9)
        table[c] = (uint32_t)('0' + n);
}

static void write_numbers(void)
{
    for (UChar32 c = 0x80; c < UNICODE_LIMIT; c++) {
        uint32_t category = (uint32_t)U_GET_GC_MASK(c);
        double value = u_getNumericValue(c);
        unsigned n;

        if (!(category & U_GC_N_MASK) || value < 0 || value > 99)
            continue;
        n = (unsigned)value;
        if (value != (double)n)
            continue;
        table[c] = n < 10 ? '0' + n : two('0' + n / 10, '0' + n % 10);
    }
    unihan_lines("Unihan_NumericValues", on_numeral);
    write_pairs("numbers");
}

static uint32_t frequency[UNICODE_LIMIT]; /* of use, by kHanyuPinlu */
static uint16_t reading[UNICODE_LIMIT];   /* 1 + index in syllables */
static char syllables[MAX_SYLLABLES][FOLD_SYLLABLE];
static unsigned syllable_count;

/* "lǜ" becomes "lv". */
static void toneless(const char *value, char out[FOLD_SYLLABLE])
{
    UErrorCode status = U_ZERO_ERROR;
    UChar units[64], parts[64];
    int32_t len = 0, n = 0, count;

    memset(out, 0, FOLD_SYLLABLE);
    u_strFromUTF8(units, 64, &len, value, -1, &status);
    count = unorm2_normalize(decompose, units, len, parts, 64, &status);
    for (int32_t i = 0; i < count && U_SUCCESS(status); i++) {
        if (parts[i] == 0x308 && n && out[n - 1] == 'u')
            out[n - 1] = 'v';
        else if (parts[i] == 0x302 && n && out[n - 1] == 'e')
            continue; /* the interjection "eh" */
        else if (parts[i] >= 'a' && parts[i] <= 'z' && n + 1 < FOLD_SYLLABLE)
            out[n++] = (char)parts[i];
    }
}

static void on_reading(uint32_t c, const char *field, char *value)
{
    char syllable[FOLD_SYLLABLE], *save;
    unsigned i = 0;

    if (strcmp(field, "kHanyuPinlu") == 0)
        for (char *open = strchr(value, '('); open; open = strchr(open + 1, '('))
            frequency[c] += (uint32_t)strtoul(open + 1, NULL, 10);
    if (strcmp(field, "kMandarin") != 0)
        return;
    toneless(strtok_r(value, " ", &save), syllable);
    while (i < syllable_count && strcmp(syllables[i], syllable) != 0)
        i++;
    if (i == syllable_count) {
        if (syllable_count == MAX_SYLLABLES)
            die("too many syllables");
        memcpy(syllables[syllable_count++], syllable, FOLD_SYLLABLE);
    }
    if (*syllable)
        reading[c] = (uint16_t)(i + 1);
}

static void write_readings(void)
{
    for (uint32_t c = 0; c < UNICODE_LIMIT; c++)
        if (reading[c])
            table[c] = reading[c] - 1u;
    for (uint32_t c = 0; c < UNICODE_LIMIT; c++) /* a pair to 0 would not be written */
        if (reading[c] == 1)
            table[c] = syllable_count;
    memcpy(syllables[syllable_count], syllables[0], FOLD_SYLLABLE);
    printf("const char fold_data_syllables[][FOLD_SYLLABLE] = {");
    for (unsigned i = 0; i <= syllable_count; i++)
        printf("%s\"%s\",", i % 16 ? "" : "\n", syllables[i]);
    printf("\n};\n");
    write_pairs("readings");
}

/* Variants: characters that are written one for the other make a class; its most usual simplified member stands for
 * all. */
static uint32_t parent[UNICODE_LIMIT];
static bool is_simplified[UNICODE_LIMIT];

static uint32_t class_of(uint32_t c)
{
    while (parent[c] != c)
        c = parent[c] = parent[parent[c]];
    return c;
}

static bool is_better(uint32_t a, uint32_t b)
{
    if ((frequency[a] >= COMMON) != (frequency[b] >= COMMON))
        return frequency[a] >= COMMON;
    if (is_simplified[a] != is_simplified[b])
        return is_simplified[a];
    if (frequency[a] != frequency[b])
        return frequency[a] > frequency[b];
    return a < b;
}

static void join(uint32_t a, uint32_t b)
{
    a = class_of(a);
    b = class_of(b);
    if (a != b)
        parent[is_better(a, b) ? b : a] = is_better(a, b) ? a : b;
}

static void each_variant(uint32_t c, char *value, void (*each)(uint32_t c, uint32_t other))
{
    char *save;

    for (char *word = strtok_r(value, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        uint32_t other = strncmp(word, "U+", 2) == 0 ? (uint32_t)strtoul(word + 2, NULL, 16) : 0;

        if (other && other < UNICODE_LIMIT && other != c)
            each(c, other);
    }
}

static void mark_simplified(uint32_t c, uint32_t other)
{
    (void)c;
    is_simplified[other] = true;
}

static void join_rare(uint32_t c, uint32_t other)
{
    if (frequency[c] < COMMON || frequency[other] < COMMON)
        join(c, other);
}

static void on_simplified(uint32_t c, const char *field, char *value)
{
    if (strcmp(field, "kSimplifiedVariant") == 0)
        each_variant(c, value, mark_simplified);
}

static void on_variant(uint32_t c, const char *field, char *value)
{
    if (strcmp(field, "kSimplifiedVariant") == 0 || strcmp(field, "kTraditionalVariant") == 0 ||
        strcmp(field, "kZVariant") == 0)
        each_variant(c, value, join);
    else if (strcmp(field, "kSemanticVariant") == 0) /* two characters in use that mean the same are still two */
        each_variant(c, value, join_rare);
}

static void write_simplified(void)
{
    for (uint32_t c = 0; c < UNICODE_LIMIT; c++)
        parent[c] = c;
    unihan_lines("Unihan_Variants", on_simplified);
    unihan_lines("Unihan_Variants", on_variant);
    for (uint32_t c = 0; c < UNICODE_LIMIT; c++)
        table[c] = class_of(c) != c ? class_of(c) : 0;
    write_pairs("simplified");
}

int main(int argc, char **argv)
{
    UErrorCode status = U_ZERO_ERROR;

    if (argc != 3)
        die("usage: make_fold_data DIRECTORY FILE");
    if (!freopen(argv[2], "w", stdout))
        die("could not write the file");
    unicode_directory = argv[1];
    casefold = unorm2_getNFKCCasefoldInstance(&status);
    decompose = unorm2_getNFDInstance(&status);
    if (U_FAILURE(status))
        die("ICU has no data");
    printf("/* Written by make_fold_data; do not edit. */\n#include \"rules/folding/fold_data.h\"\n\n");
    write_unicode();
    write_accents();
    write_letters();
    write_lookalikes();
    write_numbers();
    unihan_lines("Unihan_Readings", on_reading);
    write_readings();
    write_simplified();
    return fflush(stdout) != 0;
}
