/* The generator of evasions: what it promises of every variant, and members that must be among them. */
#include "rules/tools/evade.h"

#include "base/utf8.h"
#include "rules/folding/fold.h"
#include "rules_helpers.h"
#include "wire/callback.h"

static const char *const terms[] = {"idiot", "shut up", "f4f", "傻瓜", "加v信", "国强2000", "дурак", "a", "I"};

static struct evasions *made(const char *term, size_t most)
{
    struct evasions *e = NULL;
    struct err err = {0};

    if (evade_make(&e, span_of(term), most, &err) < 0)
        print_error("%s: %s\n", term, err.text);
    assert_non_null(e);
    return e;
}

static bool is_same(const struct evade_variant *a, const struct evade_variant *b)
{
    return a->class == b->class && a->form == b->form && a->cut == b->cut && span_equal(a->text, b->text);
}

static void promises_hold(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof(terms) / sizeof(*terms); t++) {
        struct evasions *e = made(terms[t], 40);
        const struct evade_variant *v;
        size_t count = evade_variants(e, &v), of_class = 0;

        for (size_t i = 0; i < count; i++) {
            of_class = i > 0 && v[i].class == v[i - 1].class ? of_class + 1 : 1;
            assert_true(of_class <= 40);
            assert_true(i == 0 || v[i].class >= v[i - 1].class);
            assert_int_equal(utf8_valid_prefix(v[i].text.data, v[i].text.len), v[i].text.len);
            assert_true(v[i].form != EVADE_TEXT || !span_is(v[i].text, terms[t]));
            for (size_t k = 0; k < i; k++)
                assert_false(is_same(&v[i], &v[k]));
        }
        evade_free(e);
    }
}

static void the_same_again(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof(terms) / sizeof(*terms); t++) {
        struct evasions *a = made(terms[t], 30), *b = made(terms[t], 30);
        const struct evade_variant *x, *y;
        size_t count = evade_variants(a, &x);

        assert_int_equal(evade_variants(b, &y), count);
        for (size_t i = 0; i < count; i++)
            assert_true(is_same(&x[i], &y[i]));
        evade_free(a);
        evade_free(b);
    }
}

static bool has(const struct evasions *e, const char *class, const char *text)
{
    const struct evade_variant *v;
    size_t count = evade_variants(e, &v);

    for (size_t i = 0; i < count; i++)
        if (strcmp(v[i].class->name, class) == 0 && span_is(v[i].text, text))
            return true;
    return false;
}

static void known_members(void **state)
{
    static const struct {
        const char *term, *class, *text;
    } rows[] = {
        {"idiot", "case", "IDIOT"},
        {"idiot", "case", "iDiOt"},
        {"idiot", "width", "ｉｄｉｏｔ"},
        {"idiot", "invisible", "i\u200Bd\u200Bi\u200Bo\u200Bt"},
        {"idiot", "invisible", "i\u00ADd\u00ADi\u00ADo\u00ADt"},
        {"idiot", "accents", "i\u0301d\u0301i\u0301o\u0301t\u0301"},
        {"o", "accents", "ø"},
        {"o", "accents", "ö"},
        {"idiot", "letters", "ⓘⓓⓘⓞⓣ"},
        {"idiot", "letters", "🅸🅳🅸🅾🆃"},
        {"idiot", "letters", "🇮🇩🇮🇴🇹"},
        {"r", "letters", "ʀ"},
        {"o", "lookalikes", "о"}, /* Cyrillic */
        {"o", "lookalikes", "ο"}, /* Greek */
        {"idiot", "leet", "1d107"},
        {"idiot", "leet", "id1ot"},
        {"f4f", "numbers", "f四f"},
        {"f4f", "numbers", "f④f"},
        {"f4f", "numbers", "f４f"},
        {"idiot", "separators", "i.d.i.o.t"},
        {"idiot", "separators", "i\nd\ni\no\nt"},
        {"傻瓜", "separators", "傻😀瓜"},
        {"shut up", "separators", "s-h-u-t u-p"},
        {"idiot", "repeats", "iiddiioott"},
        {"idiot", "repeats", "idiiot"},
        {"国强", "variants", "國強"},
        {"國強", "variants", "国强"},
        {"傻瓜", "pinyin", "shagua"},
        {"傻瓜", "pinyin", "shǎguā"},
        {"傻瓜", "pinyin", "sha瓜"},
        {"傻瓜", "initials", "sg"},
        {"傻瓜", "initials", "傻g"},
        {"瓜", "homophones", "刮"},
        {"idiot", "censored", "i*i*t"},
        {"darn", "censored", "d**n"},
        {"idiot", "censored", "id*ot"},
        {"傻瓜", "censored", "傻*"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct evasions *e = made(rows[i].term, 200);

        if (!has(e, rows[i].class, rows[i].text))
            print_error("%s of \"%s\" lacks \"%s\"\n", rows[i].class, rows[i].term, rows[i].text);
        assert_true(has(e, rows[i].class, rows[i].text));
        evade_free(e);
    }
}

/* What two classes are made of is what their folding undoes: the fold must give the term back, for every one. */
static void folding_gives_the_term_back(void **state)
{
    struct folded folded = FOLDED_INIT;
    size_t checked = 0;

    (void)state;
    for (size_t t = 0; t < sizeof(terms) / sizeof(*terms); t++) {
        struct evasions *e = made(terms[t], 100);
        struct buf term = BUF_INIT;
        const struct evade_variant *v;
        size_t count = evade_variants(e, &v);

        assert_int_equal(fold_text(&folded, FOLD_BASE, span_of(terms[t])), 0);
        buf_add_span(&term, folded.text);
        for (size_t i = 0; i < count; i++) {
            if (!(v[i].class->folding & FOLD_BASE))
                continue;
            assert_int_equal(fold_text(&folded, FOLD_BASE, v[i].text), 0);
            if (!span_equal(folded.text, buf_span(&term)))
                print_error("\"%.*s\" of \"%s\" folds to \"%.*s\"\n", (int)v[i].text.len, v[i].text.data, terms[t],
                            (int)folded.text.len, folded.text.data);
            assert_true(span_equal(folded.text, buf_span(&term)));
            checked++;
        }
        buf_release(&term);
        evade_free(e);
    }
    folded_release(&folded);
    assert_true(checked > 200);
}

static void bodies_carry_the_text(void **state)
{
    struct callback_parser *parser = callback_parser_new();
    struct buf body = BUF_INIT;
    size_t elements = 0, escapes = 0;

    (void)state;
    for (size_t t = 0; t < sizeof(terms) / sizeof(*terms); t++) {
        struct evasions *e = made(terms[t], 40);
        const struct evade_variant *v;
        size_t count = evade_variants(e, &v);

        for (size_t i = 0; i < count; i++) {
            struct message message;
            struct err err;

            if (v[i].form == EVADE_MESSAGES)
                continue;
            buf_reset(&body);
            evade_body(&v[i], &body);
            assert_int_equal(callback_parse(parser, buf_span(&body), &message, &err), 0);
            assert_true(span_equal(message.text, v[i].text));
            assert_int_equal(message.element_count, v[i].form == EVADE_ELEMENTS ? 2 : 1);
            elements += v[i].form == EVADE_ELEMENTS;
            if (v[i].form == EVADE_ESCAPES) {
                assert_non_null(strstr(buf_text(&body), "\\u"));
                escapes++;
            }
        }
        evade_free(e);
    }
    assert_int_equal(elements, 4 + 6 + 2 + 1 + 2 + 5 + 4);
    assert_int_equal(escapes, sizeof(terms) / sizeof(*terms));
    buf_release(&body);
    callback_parser_free(parser);
}

static void what_cannot_be_a_term(void **state)
{
    static const char *const wrong[] = {"", "\xFF",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct evasions *e = NULL;
        struct err err;

        assert_int_equal(evade_make(&e, span_of(wrong[i]), 10, &err), ERR_USAGE);
        assert_null(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_hold),         cmocka_unit_test(the_same_again),
        cmocka_unit_test(known_members),         cmocka_unit_test(folding_gives_the_term_back),
        cmocka_unit_test(bodies_carry_the_text), cmocka_unit_test(what_cannot_be_a_term),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
