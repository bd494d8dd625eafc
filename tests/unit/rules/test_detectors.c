/* Names of hosts in one form, lists of domains, and detectors on texts that make no sense. The sense is in
 * tests/data/rules/links.txt and contact.txt. */
#include "rules_helpers.h"

#include "base/utf8.h"
#include "rules/detect/detector.h"

static void names_have_one_form(void **state)
{
    static const struct {
        const char *host, *name; /* NULL: can be none */
    } rows[] = {
        {"example.com", "example.com"},
        {"EXAMPLE.Com.", "example.com"},
        {"ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"},
        {"münchen.de", "xn--mnchen-3ya.de"},
        {"MU\u0308NCHEN.de", "xn--mnchen-3ya.de"},
        {"bücher.example", "xn--bcher-kva.example"},
        {"例子.中国", "xn--fsqu00a.xn--fiqs8s"},
        {"xn--fsqu00a.XN--FIQS8S", "xn--fsqu00a.xn--fiqs8s"},
        {"他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"}, /* of RFC 3492, as are the next two */
        {"почемужеонинеговорятпорусски", "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l"},
        {"3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"},
        {"a\u00ADb.com", "ab.com"},
        {"localhost", "localhost"},
        {"1.2.3.4", "1.2.3.4"},
        {"", NULL},
        {".", NULL},
        {"a..b", NULL},
        {".a", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com", NULL},
        {"ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää.com", NULL},
    };
    struct folded folded = FOLDED_INIT;
    struct buf many = BUF_INIT;
    char name[DOMAIN_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t len = domain_normalize(span_of(rows[i].host), &folded, name);

        if ((len > 0) != (rows[i].name != NULL) || (len && strcmp(name, rows[i].name) != 0))
            fail_msg("\"%s\" becomes \"%s\"", rows[i].host, len ? name : "");
        assert_int_equal(len, rows[i].name ? strlen(rows[i].name) : 0);
    }
    for (int i = 0; i < 127; i++)
        buf_add_text(&many, "a.");
    assert_int_equal(domain_normalize(buf_span(&many), &folded, name), 253);
    buf_add_text(&many, "a.");
    assert_int_equal(domain_normalize(buf_span(&many), &folded, name), 0);
    buf_release(&many);
    folded_release(&folded);
}

static void endings_are_public(void **state)
{
    static const struct {
        const char *name;
        bool registrable, word;
    } rows[] = {
        {"example.com", true, false},
        {"com", false, false},
        {"co.uk", false, false},
        {"a.co.uk", true, false},
        {"example.nosuchending", false, true},
        {"node.js", false, false},
        {"nice.live", true, true},
        {"so.so", true, true},
        {"xn--fsqu00a.xn--fiqs8s", true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (domain_is_registrable(rows[i].name) != rows[i].registrable ||
            domain_ending_is_word(rows[i].name) != rows[i].word)
            fail_msg("%s", rows[i].name);
    }
}

static void a_domain_stands_for_all_below_it(void **state)
{
    static const char *const domains[] = {"B.example", "a.b.example", "bücher.de", "com", "b.example", "..."};
    static const struct {
        const char *name;
        size_t written;
    } rows[] = {
        {"b.example", 0}, {"x.b.example", 0},      {"a.b.example", 1}, {"x.a.b.example", 1}, {"xb.example", 9},
        {"example", 9},   {"xn--bcher-kva.de", 2}, {"x.com", 3},       {"com", 3},           {"com.example", 9},
        {"", 9},
    };
    struct arena arena = ARENA_INIT;
    struct domain_set set;

    (void)state;
    domain_set_compile(&set, (struct texts){domains, 6}, &arena);
    assert_false(arena.failed);
    assert_int_equal(set.count, 4);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t found = domain_set_find(&set, rows[i].name);

        assert_int_equal(found == SIZE_MAX ? 9 : set.written[found], rows[i].written);
    }
    arena_release(&arena);
}

struct noise {
    struct span text;
    size_t finds, stop_after;
};

static bool on_noise(void *arg, uint32_t term, uint32_t start, uint32_t end)
{
    struct noise *n = arg;

    assert_true(term < 3);
    assert_true(start < end && end <= n->text.len);
    assert_int_equal(utf8_valid_prefix(n->text.data + start, end - start), end - start);
    return ++n->finds != n->stop_after;
}

/* Texts made of everything that means something to a detector: finds are whole characters of the text, whatever it is.
 */
static void noise_breaks_nothing(void **state)
{
    static const char *const parts[] = {
        "http",   "://",  "www",    ".",        "com",   "[.]", "(dot)", " dot ",       "。",     "点",   "@",
        "#",      " at ", "/",      "?",        ":",     "[",   "]",     "::1",         "\\",     "user", "例子",
        "中国",   "xn--", "-",      "_",        "1",     "38",  "00",    "13800138000", "一三八", "one ", "zero ",
        "oh",     "+",    "+44",    "(",        ")",     "０",  "①",     " ",           "  ",     "\n",   "vx",
        "微信",   "加v",  "qq",     "telegram", "t.me/", "id",  "号",    "abc_1",       "€",      "元",   "\u200B",
        "\u0301", "👍",    "\u20E3", "\x01",     "é",     ",",   "，",    "1️⃣",     "(021)",  "a",
    };
    static const char *const allowed[] = {"user.com"}, *const denied[] = {"www.com"};
    const struct condition conditions[] = {
        {.kind = CONDITION_LINKS},
        {.kind = CONDITION_LINKS, .links = {.allow = {allowed, 1}, .deny = {denied, 1}}},
        {.kind = CONDITION_CONTACT, .contacts = CONTACT_ANY},
    };
    struct detector_scratch scratch = {0};
    struct arena arena = ARENA_INIT;
    uint32_t random = 4711;
    size_t finds = 0;

    (void)state;
    for (size_t c = 0; c < sizeof(conditions) / sizeof(*conditions); c++) {
        struct detector detector;

        detector_compile(&detector, &conditions[c], &arena);
        assert_false(arena.failed);
        for (int round = 0; round < 20000; round++) {
            struct buf text = BUF_INIT;
            struct noise noise = {.stop_after = (size_t)round % 3};
            char *exact; /* of the very length, so that a step beyond shows */

            for (unsigned i = 0; i < 1 + (unsigned)round % 20; i++) {
                random = random * 1664525 + 1013904223;
                buf_add_text(&text, parts[(random >> 12) % (sizeof(parts) / sizeof(*parts))]);
            }
            exact = malloc(text.len);
            assert_non_null(exact);
            memcpy(exact, text.data, text.len);
            noise.text = (struct span){exact, text.len};
            assert_true(detector_read(&scratch, noise.text));
            assert_true(detector_run(&detector, &scratch, on_noise, &noise) ==
                        (noise.stop_after == 0 || noise.finds < noise.stop_after));
            finds += noise.finds;
            free(exact);
            buf_release(&text);
        }
        detector_scratch_trim(&scratch);
    }
    assert_true(finds > 1000);
    detector_scratch_release(&scratch);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_one_form),
        cmocka_unit_test(endings_are_public),
        cmocka_unit_test(a_domain_stands_for_all_below_it),
        cmocka_unit_test(noise_breaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
