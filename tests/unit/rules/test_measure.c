/* Conditions that hold for a message as a whole, and characters as they count. */
#include "rules_helpers.h"

#include "base/utf8.h"
#include "rules/characters.h"
#include "rules/measure.h"
#include "rules/folding/unicode.h"

static struct arena arena;
static struct measurer measurer;

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    arena = ARENA_INIT;
    measurer_release(&measurer);
    return 0;
}

/* Whether the condition holds for the message; *words tells what was measured. */
static bool holds(const struct condition *condition, const struct message *message,
                  const struct circumstances *circumstances, struct span *words)
{
    static uint64_t serial;
    struct measure measure;
    struct err err;
    bool first;

    if (measure_compile(&measure, condition, &arena, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(measurer_take_set(&measurer, ++serial, 1));
    measurer_begin(&measurer, message, message->text, circumstances);
    first = measurer_holds(&measurer, &measure, 0);
    assert_int_equal(first, measurer_holds(&measurer, &measure, 0));
    assert_int_equal(measurer_words(&measurer, 0).len, 0);
    if (first)
        measurer_count(&measurer, 0);
    *words = measurer_words(&measurer, 0);
    return first;
}

static void check(const struct condition *condition, const struct message *message, const char *wanted)
{
    struct span words;

    if (holds(condition, message, NULL, &words) != (wanted != NULL))
        print_error("\"%.*s\": wanted %s, got \"%.*s\"\n", (int)message->text.len, message->text.data,
                    wanted ? wanted : "not to hold", (int)words.len, words.data ? words.data : "");
    assert_span(words, wanted ? wanted : "");
}

static void check_text(const struct condition *condition, const char *text, const char *wanted)
{
    struct test_message t;

    message_init(&t, COMMAND_BEFORE);
    message_add(&t, TEXT_TEXT, text);
    check(condition, &t.message, wanted);
    buf_release(&t.text);
}

static void characters_are_counted(void **state)
{
    static const struct {
        const char *text;
        size_t length, lines, seen, emoji, capitals, digits, symbols;
    } rows[] = {
        {"", 0, 0, 0, 0, 0, 0, 0},
        {"abc", 3, 1, 3, 0, 0, 0, 0},
        {"Ab c!", 5, 1, 4, 0, 1, 0, 1},
        {"你好，世界", 5, 1, 5, 0, 0, 0, 1},
        {"a\nb\r\nc\rd", 7, 4, 4, 0, 0, 0, 0},
        {"e\u0301e\u0301", 2, 1, 2, 0, 0, 0, 0},
        {"a\u200B\u200B\u200Bb", 2, 1, 2, 0, 0, 0, 0},
        {"\u200B\u200B", 0, 1, 0, 0, 0, 0, 0},
        {"👍👍🏽", 2, 1, 2, 2, 0, 0, 0},
        {"👨‍👩‍👧‍👦", 1, 1, 1, 1, 0, 0, 0},
        {"🇩🇪🇫🇷🇺", 3, 1, 3, 3, 0, 0, 0},
        {"❤️❤", 2, 1, 2, 1, 0, 0, 1},
        {"1️⃣ 2 ３ ②", 7, 1, 4, 1, 0, 3, 0},
        {"한국어 각", 5, 1, 4, 0, 0, 0, 0},
        {"Ⓐ ǅ Я", 5, 1, 3, 0, 3, 0, 0},
        {"สวัสดี", 4, 1, 4, 0, 0, 0, 0},
        {"a\u2028b\xC2\x85", 4, 3, 2, 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct text_counts c = {0};

        text_counts_add(&c, span_of(rows[i].text));
        if (c.length != rows[i].length || c.lines != rows[i].lines || c.seen != rows[i].seen ||
            c.emoji != rows[i].emoji || c.capitals != rows[i].capitals || c.digits != rows[i].digits ||
            c.symbols != rows[i].symbols)
            fail_msg("\"%s\": length %zu lines %zu seen %zu emoji %zu capitals %zu digits %zu symbols %zu",
                     rows[i].text, c.length, c.lines, c.seen, c.emoji, c.capitals, c.digits, c.symbols);
    }
}

/* Clusters begin where ICU says, in texts made of everything that joins. */
static void clusters_are_icus(void **state)
{
    static const uint32_t parts[] = {'a',    '\r',    '\n',    ' ',    0x301,  0x200D, 0xFE0F, 0x1F468, 0x1F3FD,
                                     0x2764, 0x1F1E9, 0x1F1EA, 0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01,  0x600,
                                     0x903,  0x4F60,  0xE0020, 0x200B, 0x20E3, '1',    0x0E33};
    const struct character *table = characters();
    struct graphemes *g = graphemes_new();
    uint32_t random = 12345;

    (void)state;
    assert_non_null(table);
    assert_non_null(g);
    for (int round = 0; round < 20000; round++) {
        struct cluster_state cluster = {0};
        struct buf text = BUF_INIT;
        size_t n;

        for (int i = 0; i < 12; i++) {
            char utf8[4];

            random = random * 1664525 + 1013904223;
            buf_add(&text, utf8, utf8_encode(parts[(random >> 16) % (sizeof(parts) / sizeof(*parts))], utf8));
        }
        assert_true(graphemes_set(g, buf_span(&text)));
        for (size_t i = 0; i < text.len; i += n) {
            uint32_t code;

            n = utf8_char_len(text.data + i, text.len - i);
            code = utf8_decode(text.data + i, n);
            if (cluster_begins(&cluster, (enum cluster_kind)character_of(table, code)->cluster) !=
                (graphemes_start(g, i) == i))
                fail_msg("round %d: byte %zu of \"%s\"", round, i, text.data);
        }
        buf_release(&text);
    }
    graphemes_free(g);
}

static void length_and_lines(void **state)
{
    const struct condition more = {.kind = CONDITION_LENGTH, .bounds = {6, INT64_MAX}};
    const struct condition less = {.kind = CONDITION_LENGTH, .bounds = {INT64_MIN, 2}};
    const struct condition both = {.kind = CONDITION_LENGTH, .bounds = {3, 4}};
    const struct condition lines = {.kind = CONDITION_LINES, .bounds = {3, INT64_MAX}};
    struct test_message t;

    (void)state;
    check_text(&more, "12345", NULL);
    check_text(&more, "你好你好你好", "length 6 > 5");
    check_text(&more, "👨‍👩‍👧‍👦👨‍👩‍👧‍👦", NULL);
    check_text(&less, "ab", "length 2 < 3");
    check_text(&less, "abc", NULL);
    check_text(&both, "abc", "length 3 in 3..4");
    check_text(&lines, "a\nb", NULL);
    check_text(&lines, "a\nb\nc", "lines 3 > 2");

    message_init(&t, COMMAND_BEFORE);
    message_add(&t, TEXT_TEXT, "abc");
    message_add(&t, TEXT_TEXT, "def");
    message_add(&t, TEXT_CUSTOM_DATA, "{\"what\":\"only programs read\"}");
    check(&more, &t.message, "length 6 > 5");
    check(&lines, &t.message, NULL);
    message_add(&t, TEXT_CUSTOM_DESC, "shown");
    message_add(&t, TEXT_FILE_NAME, "shown.txt");
    check(&more, &t.message, "length 20 > 5");
    check(&lines, &t.message, "lines 3 > 2");
    buf_release(&t.text);
    message_init(&t, COMMAND_BEFORE);
    check(&less, &t.message, "length 0 < 3");
}

static void shares(void **state)
{
    static const char *const latin[] = {"Latin"}, *const east[] = {"Han", "Hira"};
    const struct condition emoji = {.kind = CONDITION_SHARE, .share = {.of = SHARE_EMOJI, .percent = 60, .least = 3}};
    const struct condition caps = {.kind = CONDITION_SHARE, .share = {.of = SHARE_CAPS, .percent = 70, .least = 8}};
    const struct condition digits = {.kind = CONDITION_SHARE,
                                     .share = {.of = SHARE_DIGITS, .percent = 100, .least = 1}};
    const struct condition symbols = {.kind = CONDITION_SHARE,
                                      .share = {.of = SHARE_SYMBOLS, .percent = 50, .least = 2}};
    const struct condition script = {.kind = CONDITION_SHARE,
                                     .share = {.of = SHARE_SCRIPT, .scripts = {latin, 1}, .percent = 80, .least = 4}};
    const struct condition han = {.kind = CONDITION_SHARE,
                                  .share = {.of = SHARE_SCRIPT, .scripts = {east, 2}, .percent = 100, .least = 1}};

    (void)state;
    check_text(&emoji, "😂 😂 😂 no", "emoji 60% of 5 >= 60%");
    check_text(&emoji, "😂😂 n", NULL);
    check_text(&emoji, "😂😂😂 nope", NULL);
    check_text(&emoji, "👨‍👩‍👧‍👦👨‍👩‍👧‍👦", NULL);
    check_text(&caps, "BUY NOW OK", "caps 100% of 8 >= 70%");
    check_text(&caps, "OK BYE", NULL);
    check_text(&caps, "Hello All You Friends", NULL);
    check_text(&digits, "12 34", "digits 100% of 4 >= 100%");
    check_text(&digits, "", NULL);
    check_text(&symbols, "a!!", "symbols 66% of 3 >= 50%");
    check_text(&script, "hola 世", "Latin 80% of 5 >= 80%");
    check_text(&script, "привет", NULL);
    check_text(&han, "漢字です", "Han 100% of 4 >= 100%");
}

static void types(void **state)
{
    static const enum element_type elements[] = {ELEMENT_TEXT, ELEMENT_IMAGE, ELEMENT_UNKNOWN};
    const struct message m = {.command = COMMAND_BEFORE, .elements = elements, .element_count = 3};
    const struct condition image = {.kind = CONDITION_TYPES, .types = 1U << ELEMENT_IMAGE};
    const struct condition unknown = {.kind = CONDITION_TYPES, .types = 1U << ELEMENT_UNKNOWN | 1U << ELEMENT_FILE};
    const struct condition file = {.kind = CONDITION_TYPES, .types = 1U << ELEMENT_FILE};

    (void)state;
    check(&image, &m, "type image");
    check(&unknown, &m, "type unknown");
    check(&file, &m, NULL);
}

static const char deep[] = "{\"mod\":{\"level\":8,\"tags\":[\"a\",\"vip-3\",true,null],\"n\":-2.5,\"s\":\"7\"},"
                           "\"in\":\"{\\\"ner\\\":\\\"{\\\\\\\"most\\\\\\\":\\\\\\\"\\\\u00e9\\\\\\\"}\\\"}\","
                           "\"a.b\":1,\"twice\":1,\"twice\":2}";

static void json_paths(void **state)
{
    static const char *const eight[] = {"7", "8"}, *const seven[] = {"7"}, *const globs[] = {"x*", "vip-?"},
                             *const truth[] = {"null", "true"}, *const accent[] = {"é"}, *const two[] = {"2"};
    static const struct {
        const char *path;
        enum json_test test;
        struct texts values;
        struct bounds within;
        const char *wanted;
    } rows[] = {
        {"mod", JSON_EXISTS, {NULL, 0}, {0, 0}, "json mod exists"},
        {"mod.level", JSON_EXISTS, {NULL, 0}, {0, 0}, "json mod.level exists"},
        {"mod.tags[3]", JSON_EXISTS, {NULL, 0}, {0, 0}, "json mod.tags[3] exists"},
        {"mod.tags[4]", JSON_EXISTS, {NULL, 0}, {0, 0}, NULL},
        {"mod.none", JSON_EXISTS, {NULL, 0}, {0, 0}, NULL},
        {"mod.level.deeper", JSON_EXISTS, {NULL, 0}, {0, 0}, NULL},
        {"[\"a.b\"]", JSON_EXISTS, {NULL, 0}, {0, 0}, "json [\"a.b\"] exists"},
        {"mod.level", JSON_IS_ONE_OF, {eight, 2}, {0, 0}, "json mod.level = 8"},
        {"mod.level", JSON_IS_ONE_OF, {seven, 1}, {0, 0}, NULL},
        {"mod.s", JSON_IS_ONE_OF, {seven, 1}, {0, 0}, "json mod.s = 7"},
        {"mod.tags", JSON_IS_ONE_OF, {seven, 1}, {0, 0}, NULL},
        {"mod.tags[2]", JSON_IS_ONE_OF, {truth, 2}, {0, 0}, "json mod.tags[2] = true"},
        {"mod.tags[1]", JSON_MATCHES_GLOB, {globs, 2}, {0, 0}, "json mod.tags[1] = vip-3"},
        {"mod.tags[0]", JSON_MATCHES_GLOB, {globs, 2}, {0, 0}, NULL},
        {"mod.level", JSON_WITHIN, {NULL, 0}, {8, INT64_MAX}, "json mod.level = 8"},
        {"mod.level", JSON_WITHIN, {NULL, 0}, {9, INT64_MAX}, NULL},
        {"mod.n", JSON_WITHIN, {NULL, 0}, {-3, -2}, "json mod.n = -2.5"},
        {"mod.n", JSON_WITHIN, {NULL, 0}, {-2, 0}, NULL},
        {"mod.s", JSON_WITHIN, {NULL, 0}, {7, 7}, NULL},
        {"in.ner.most", JSON_IS_ONE_OF, {accent, 1}, {0, 0}, "json in.ner.most = é"},
        {"twice", JSON_IS_ONE_OF, {two, 1}, {0, 0}, "json twice = 2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct condition condition = {
            .kind = CONDITION_JSON,
            .text = rows[i].path,
            .json = {JSON_IN_CLOUD_CUSTOM_DATA, rows[i].test, rows[i].values, rows[i].within},
        };
        struct message m = {.command = COMMAND_BEFORE, .cloud_custom_data = given(deep)};
        struct test_message t;

        check(&condition, &m, rows[i].wanted);
        m.cloud_custom_data = given("{\"mod\":");
        check(&condition, &m, NULL);
        m.cloud_custom_data = given(NULL);
        check(&condition, &m, NULL);

        condition.json.in = JSON_IN_CUSTOM_ELEMENT;
        message_init(&t, COMMAND_BEFORE);
        message_add(&t, TEXT_TEXT, deep);
        check(&condition, &t.message, NULL);
        message_add(&t, TEXT_CUSTOM_DATA, "not json");
        message_add(&t, TEXT_CUSTOM_DATA, deep);
        check(&condition, &t.message, rows[i].wanted);
        buf_release(&t.text);
    }
}

/* Data that is a JSON string as a whole, once and twice; too deep is not looked into. */
static void json_in_strings(void **state)
{
    struct buf texts[2] = {BUF_INIT, BUF_INIT};
    size_t now = 0;

    (void)state;
    buf_add_text(&texts[now], "{\"k\":1}");
    for (int depth = 0; depth <= MEASURE_MAX_NESTING + 1; depth++) {
        const struct condition condition = {.kind = CONDITION_JSON, .text = "k", .json = {.test = JSON_EXISTS}};
        struct message m = {.command = COMMAND_BEFORE, .cloud_custom_data = given(texts[now].data)};
        struct buf *next = &texts[!now];

        check(&condition, &m, depth <= MEASURE_MAX_NESTING ? "json k exists" : NULL);
        buf_reset(next);
        buf_add_char(next, '"');
        for (size_t i = 0; i < texts[now].len; i++) {
            if (strchr("\"\\", texts[now].data[i]))
                buf_add_char(next, '\\');
            buf_add_char(next, texts[now].data[i]);
        }
        buf_add_char(next, '"');
        now = !now;
    }
    buf_release(&texts[0]);
    buf_release(&texts[1]);
}

static void meters(void **state)
{
    const struct condition rate = {.kind = CONDITION_RATE, .rate = {COUNTED_SENDER_IN_ROOM, 10, 10000, 0}};
    const struct condition repeated = {.kind = CONDITION_REPEATED, .rate = {COUNTED_ROOM, 3, 1500, 0}};
    const struct message m = {.command = COMMAND_BEFORE};
    uint32_t count = 10;
    struct circumstances around = {.meters = &count};
    struct span words;

    (void)state;
    assert_false(holds(&rate, &m, &around, &words));
    count = 11;
    assert_true(holds(&rate, &m, &around, &words));
    assert_span(words, "rate 11 in 10s by sender_in_room");
    count = 2;
    assert_false(holds(&repeated, &m, &around, &words));
    count = 3;
    assert_true(holds(&repeated, &m, &around, &words));
    assert_span(words, "repeated 3 in 1500ms by room");
    around.meters = NULL;
    assert_false(holds(&repeated, &m, &around, &words));
    assert_false(holds(&rate, &m, NULL, &words));
}

static void impossible_ones_are_refused(void **state)
{
    static const char *const scripts[] = {"Klingon"};
    const struct condition script = {.kind = CONDITION_SHARE, .share = {.of = SHARE_SCRIPT, .scripts = {scripts, 1}}};
    const struct condition path = {.kind = CONDITION_JSON, .text = "a..b"};
    struct measure measure;
    struct err err;

    (void)state;
    assert_int_equal(measure_compile(&measure, &script, &arena, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "Klingon"));
    assert_int_equal(measure_compile(&measure, &path, &arena, &err), ERR_USAGE);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(characters_are_counted),
        TEST(clusters_are_icus),
        TEST(length_and_lines),
        TEST(shares),
        TEST(types),
        TEST(json_paths),
        TEST(json_in_strings),
        TEST(meters),
        TEST(impossible_ones_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
