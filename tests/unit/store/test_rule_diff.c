/* What one document changes against another. */
#include "rules_fixture.h"

#include "store/rule_diff.h"

static const char base[] = "- list: a\n  terms: [one, two, three]\n"
                           "- list: b\n  terms: [four]\n"
                           "- rule: x\n  match: { terms: a }\n  action: mask\n"
                           "- rule: y\n  match: { terms: b }\n  action: flag\n  mode: shadow\n";

static const struct {
    const char *after, *text;
} cases[] = {
    {base, ""},
    /* Order and defaults written out mean nothing. */
    {"- rule: y\n  mode: shadow\n  action: flag\n  match: { terms: b }\n"
     "- list: b\n  terms: [four]\n  boundary: script\n"
     "- list: a\n  folding: [invisible, case]\n  terms: [three, one, two]\n"
     "- rule: x\n  mode: enforce\n  match: { terms: a }\n  action: mask\n  mask: '*'\n",
     ""},
    {"- list: a\n  terms: [one, two, three, five, six]\n"
     "- list: b\n  terms: [four]\n"
     "- rule: x\n  match: { terms: a }\n  action: mask\n"
     "- rule: y\n  match: { terms: b }\n  action: flag\n  mode: shadow\n",
     "list a changed, terms +2 -0\n"},
    {"- list: a\n  boundary: any\n  terms: [one, five]\n"
     "- list: b\n  boundary: any\n  terms: [four]\n"
     "- list: c\n  terms: [seven, eight]\n"
     "- rule: x\n  match: { terms: a }\n  action: reject\n"
     "- rule: z\n  match: { terms: b }\n  action: flag\n",
     "rule x changed\nrule y removed\nrule z added\n"
     "list a changed, terms +1 -2\nlist b changed, terms +0 -0\nlist c added, terms +2 -0\n"},
    {"- rule: x\n  match: { regex: q }\n  action: mask\n",
     "rule x changed\nrule y removed\nlist a removed, terms +0 -3\nlist b removed, terms +0 -1\n"},
};

static void changes_are_named(void **state)
{
    struct rule_document *before = document_of(base);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rule_document *after = document_of(cases[i].after);
        struct buf text = BUF_INIT;
        struct rule_diff diff;
        struct err err;
        assert_int_equal(rule_diff_make(&diff, before, after, &err), 0);
        rule_diff_text(&diff, "", &text);
        assert_string_equal(buf_text(&text), cases[i].text);
        rule_diff_release(&diff);
        buf_release(&text);
        rule_document_free(after);
    }
    rule_document_free(before);
}

static void scorecards_tables_and_admins_count_too(void **state)
{
    struct rule_document *before = document_of("- admins: [a, b]\n- scorecard: gone\n  at: { flag: 3 }\n"
                                               "- scorecard: same\n  at: { flag: 3 }\n"
                                               "- table: slang\n  map: { a: b }\n"
                                               "- rule: r\n  match: { regex: x }\n  action: flag\n"),
                         *after = document_of("- admins: [a]\n- scorecard: same\n  at: { flag: 3 }\n"
                                              "- scorecard: more\n  at: { flag: 3 }\n"
                                              "- table: slang\n  map: { a: c }\n"
                                              "- rule: r\n  match: { regex: x }\n  action: flag\n");
    struct buf text = BUF_INIT;
    struct rule_diff diff;
    struct err err;

    (void)state;
    assert_int_equal(rule_diff_make(&diff, before, after, &err), 0);
    rule_diff_text(&diff, "", &text);
    assert_string_equal(buf_text(&text), "scorecard gone removed\nscorecard more added\ntable slang changed\n"
                                         "admins changed\n");
    rule_diff_release(&diff);
    buf_release(&text);
    rule_document_free(before);
    rule_document_free(after);
}

static void everything_is_new_against_nothing(void **state)
{
    struct rule_document *after = document_of(base);
    struct buf json = BUF_INIT;
    struct rule_diff diff;
    struct err err;

    (void)state;
    assert_int_equal(rule_diff_make(&diff, NULL, after, &err), 0);
    rule_diff_json(&diff, &json);
    assert_string_equal(buf_text(&json),
                        "{\"rules\":[{\"rule\":\"x\",\"change\":\"added\"},{\"rule\":\"y\",\"change\":\"added\"}],"
                        "\"lists\":[{\"list\":\"a\",\"change\":\"added\",\"terms_added\":3,\"terms_removed\":0},"
                        "{\"list\":\"b\",\"change\":\"added\",\"terms_added\":1,\"terms_removed\":0}],\"others\":[],"
                        "\"terms_added\":4,\"terms_removed\":0}");
    assert_true(diff.rules[0].is_enforced && !diff.rules[0].was_enforced);
    assert_false(diff.rules[1].is_enforced);
    rule_diff_release(&diff);
    buf_release(&json);
    rule_document_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_named),
        cmocka_unit_test(scorecards_tables_and_admins_count_too),
        cmocka_unit_test(everything_is_new_against_nothing),
    };

    return cmocka_run_group_tests_name("store/rule_diff", tests, NULL, NULL);
}
