/* Folding against ICU itself, and the way back to the original bytes. */
#include "base/utf8.h"
#include "rules/folding/fold.h"
#include "rules/folding/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

enum { FOLD_BOTH = FOLD_CASE | FOLD_INVISIBLE };

/* ICU's own NFKC_Casefold of the whole text. */
static void icu_fold(struct span text, struct buf *out)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *n = unorm2_getNFKCCasefoldInstance(&status);
    int32_t units = 0, folded = 0, bytes = 0, cap = (int32_t)text.len * 20 + 64;
    UChar *a = malloc((text.len + 1) * sizeof(UChar)), *b = malloc((size_t)cap * sizeof(UChar));
    char *to;

    buf_reset(out);
    u_strFromUTF8(a, (int32_t)text.len + 1, &units, text.data, (int32_t)text.len, &status);
    folded = unorm2_normalize(n, a, units, b, cap, &status);
    to = buf_reserve(out, (size_t)folded * 3 + 1);
    u_strToUTF8(to, folded * 3 + 1, &bytes, b, folded, &status);
    assert_true(U_SUCCESS(status));
    buf_commit(out, (size_t)bytes);
    free(a);
    free(b);
}

static bool starts_character(struct span text, size_t at)
{
    return at == text.len || ((unsigned char)text.data[at] & 0xC0) != 0x80;
}

/* The map is monotonic, keeps to whole characters of the original, and gives back everything but what was dropped. */
static void check_map(const struct folded *f, struct span text)
{
    uint32_t before_start = 0, before_end = 0;

    for (size_t at = 0; at < f->text.len;) {
        size_t n = utf8_char_len(f->text.data + at, f->text.len - at);
        uint32_t start, end;

        assert_true(n > 0);
        folded_range(f, at, at + n, &start, &end);
        assert_true(start < end && end <= text.len);
        assert_true(start >= before_start && end >= before_end);
        assert_true(starts_character(text, start) && starts_character(text, end));
        for (size_t i = before_end; i < start;) { /* between two: only invisible characters */
            size_t gap = utf8_char_len(text.data + i, text.len - i);

            assert_true(unicode_fold_class(unicode_tables(), utf8_decode(text.data + i, gap)) == CHAR_INVISIBLE);
            i += gap;
        }
        before_start = start;
        before_end = end;
        at += n;
    }
}

static void check_fold(struct folded *f, struct span text)
{
    struct buf wanted = BUF_INIT;

    assert_int_equal(fold_text(f, FOLD_BOTH, text), 0);
    icu_fold(text, &wanted);
    if (!span_equal(f->text, buf_span(&wanted))) {
        print_error("folding of");
        for (size_t i = 0; i < text.len; i++)
            print_error(" %02x", (unsigned char)text.data[i]);
        print_error("\n");
        fail();
    }
    check_map(f, text);
    buf_release(&wanted);
}

/* Every code point alone, and between two letters that a mark could combine with. */
static void every_character_folds_as_icu_says(void **state)
{
    struct folded f = FOLDED_INIT;

    (void)state;
    for (uint32_t c = 1; c <= 0x10FFFF; c++) {
        char text[8] = {'e'};
        size_t n;

        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        if (c >= 0x50000 && c < 0xE0000) /* nothing is there */
            continue;
        if (c == 0xFFFD) /* stands for U+0000 of the wire: dropped, which ICU does not do */
            continue;
        n = utf8_encode(c, text + 1);
        text[n + 1] = 'e';
        check_fold(&f, (struct span){text + 1, n});
        check_fold(&f, (struct span){text, n + 2});
    }
    folded_release(&f);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A character out of the places where folding is difficult. */
static uint32_t odd_character(uint64_t *seed)
{
    static const struct {
        uint32_t from, to;
    } places[] = {
        {'A', 'z'},         {0xC0, 0x17F},      {0x300, 0x34F},     {0x370, 0x3FF},     {0x400, 0x45F},
        {0x5B0, 0x5EA},     {0x610, 0x65F},     {0x900, 0x97F},     {0xE30, 0xE4F},     {0x1100, 0x11FF},
        {0x1E00, 0x1EFF},   {0x200B, 0x200F},   {0x2060, 0x2064},   {0x2100, 0x218F},   {0x3040, 0x30FF},
        {0x3300, 0x33FF},   {0x4E00, 0x4E20},   {0xAC00, 0xAC40},   {0xF900, 0xFAFF},   {0xFB00, 0xFDFF},
        {0xFE00, 0xFE0F},   {0xFF00, 0xFFEF},   {0x1D100, 0x1D7FF}, {0x1F1E6, 0x1F1FF}, {0x1F600, 0x1F64F},
        {0x2F800, 0x2FA1F}, {0xE0000, 0xE007F}, {0x180B, 0x180F},   {0xAD, 0xAD},       {0x115F, 0x1160},
    };
    size_t p = next_random(seed) % (sizeof(places) / sizeof(*places));

    return places[p].from + (uint32_t)(next_random(seed) % (places[p].to - places[p].from + 1));
}

static void random_texts_fold_as_icu_says(void **state)
{
    struct folded f = FOLDED_INIT;
    uint64_t seed = 20241123;

    (void)state;
    for (int round = 0; round < 40000; round++) {
        struct buf text = BUF_INIT;
        size_t length = 1 + next_random(&seed) % 24;

        for (size_t i = 0; i < length; i++) {
            char utf8[4];
            uint32_t c = next_random(&seed) % 4 ? odd_character(&seed) : 'a' + (uint32_t)(next_random(&seed) % 26);

            buf_add(&text, utf8, utf8_encode(c, utf8));
        }
        check_fold(&f, buf_span(&text));
        buf_release(&text);
    }
    folded_release(&f);
}

struct range_case {
    unsigned folding;
    const char *text, *folded;
    size_t start, end;                     /* in the folded text */
    uint32_t original_start, original_end; /* wanted */
};

static void ranges_lead_back(void **state)
{
    static const struct range_case cases[] = {
        {FOLD_NONE, "AbC", "AbC", 1, 2, 1, 2},
        {FOLD_CASE, "AbC", "abc", 1, 3, 1, 3},
        {FOLD_BOTH, "a\u200Bb", "ab", 0, 1, 0, 1},
        {FOLD_BOTH, "a\u200Bb", "ab", 0, 2, 0, 5},
        {FOLD_BOTH, "a\u200Bb", "ab", 1, 2, 4, 5},
        {FOLD_BOTH, "\u200B\u200Bab\u200B", "ab", 0, 2, 6, 8},
        {FOLD_CASE, "A\u200BB", "a\u200Bb", 0, 5, 0, 5},
        {FOLD_INVISIBLE, "A\u200BB", "AB", 0, 2, 0, 5},
        {FOLD_BOTH, "xe\u0301y", "x\u00E9y", 1, 3, 1, 4},
        {FOLD_BOTH, "xe\u0301y", "x\u00E9y", 3, 4, 4, 5},
        {FOLD_BOTH, "xe\u200B\u0301\u200By", "x\u00E9y", 1, 3, 1, 7},
        {FOLD_CASE, "e\u200B\u0301", "e\u200B\u0301", 0, 1, 0, 1},
        {FOLD_BOTH, "\uFB01x", "fix", 0, 1, 0, 3},
        {FOLD_BOTH, "\uFB01x", "fix", 1, 3, 0, 4},
        {FOLD_BOTH, "\uFF21\uFF22", "ab", 1, 2, 3, 6},
        {FOLD_BOTH, "\u1112\u1161\u11ABx", "\uD55Cx", 0, 3, 0, 9},
        {FOLD_BOTH, "\u7B28\u200D\u86CB", "\u7B28\u86CB", 0, 6, 0, 9},
        {FOLD_BOTH, "", "", 0, 0, 0, 0},
    };
    struct folded f = FOLDED_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct range_case *c = &cases[i];
        uint32_t start = 0, end = 0;

        assert_int_equal(fold_text(&f, c->folding, span_of(c->text)), 0);
        assert_int_equal(f.text.len, strlen(c->folded));
        assert_memory_equal(f.text.data ? f.text.data : "", c->folded, f.text.len);
        if (c->end)
            folded_range(&f, c->start, c->end, &start, &end);
        if (start != c->original_start || end != c->original_end)
            print_error("case %zu: %u..%u\n", i, start, end);
        assert_int_equal(start, c->original_start);
        assert_int_equal(end, c->original_end);
    }
    folded_release(&f);
}

/* A letter under 100,000 marks is no writing; it must cost no more than any other text of its length. */
static void a_tower_of_marks_is_cut(void **state)
{
    struct folded f = FOLDED_INIT;
    struct buf text = BUF_INIT;

    (void)state;
    buf_add_char(&text, 'a');
    for (int i = 0; i < 50000; i++)
        buf_add_text(&text, i % 2 ? "\u0301" : "\u0323");
    assert_int_equal(fold_text(&f, FOLD_BOTH, buf_span(&text)), 0);
    assert_true(f.text.len > 0 && f.text.len <= text.len);
    check_map(&f, buf_span(&text));
    folded_trim(&f);
    folded_release(&f);
    buf_release(&text);
}

static void words_know_their_script(void **state)
{
    static const struct {
        uint32_t c;
        unsigned class;
    } cases[] = {
        {'a', WORD_PART},
        {'7', WORD_PART},
        {'_', 0},
        {' ', 0},
        {0x0434, WORD_PART},
        {0x05D0, WORD_PART},
        {0x0627, WORD_PART},
        {0x0301, WORD_PART | WORD_MARK},
        {0x7B28, WORD_PART | WORD_UNSPACED},
        {0x3070, WORD_PART | WORD_UNSPACED},
        {0x30FC, WORD_PART | WORD_UNSPACED},
        {0xBC14, WORD_PART | WORD_UNSPACED},
        {0x0E07, WORD_PART | WORD_UNSPACED},
        {0x3002, 0},
        {0x1F600, 0},
        {0x10FFFF, 0},
    };
    const struct unicode_tables *t = unicode_tables();

    (void)state;
    assert_non_null(t);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(unicode_word_class(t, cases[i].c) & (WORD_PART | WORD_UNSPACED | WORD_MARK), cases[i].class);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_folds_as_icu_says),
        cmocka_unit_test(random_texts_fold_as_icu_says),
        cmocka_unit_test(ranges_lead_back),
        cmocka_unit_test(a_tower_of_marks_is_cut),
        cmocka_unit_test(words_know_their_script),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
