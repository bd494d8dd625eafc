/* Each row is a document and all that is to be found in it, in order of importance. */
#include "rules/tools/lint.h"

#include "rules_helpers.h"

struct wanted {
    enum lint_kind kind;
    const char *rule, *list, *term, *other;
};

struct row {
    const char *story, *yaml;
    struct wanted wanted[8]; /* ended by an empty row */
};

#define WORDS "- list: words\n  terms: [wechat, 傻瓜]\n"
#define RULE  "- rule: r\n  match: { terms: words }\n  action: mask\n"

static const struct row rows[] = {
    {"nothing is odd", WORDS RULE, {{0}}},
    {"terms that fold alike",
     "- list: words\n  terms: [wechat, WeChat, \"ＷＥＣＨＡＴ\", other]\n" RULE,
     {{LINT_DUPLICATE, NULL, "words", "wechat", "WeChat"}, {LINT_DUPLICATE, NULL, "words", "ＷＥＣＨＡＴ", "WeChat"}}},
    {"terms are told apart without the folding",
     "- list: words\n  folding: []\n  terms: [wechat, WeChat]\n" RULE,
     {{0}}},
    {"a term that holds another",
     "- list: words\n  terms: [傻瓜, 大傻瓜蛋, shut, shut up, shutter]\n" RULE,
     {{LINT_COVERED, NULL, "words", "shut up", "shut"}, {LINT_COVERED, NULL, "words", "大傻瓜蛋", "傻瓜"}}},
    {"with any boundary a word within a word counts",
     "- list: words\n  boundary: any\n  terms: [shut, shutter]\n" RULE,
     {{LINT_COVERED, NULL, "words", "shutter", "shut"}}},
    {"longer terms of an allow rule cover more",
     WORDS RULE
     "- list: fine\n  terms: [傻瓜相机, 大傻瓜相机]\n- rule: ok\n  match: { terms: fine }\n  action: allow\n",
     {{0}}},
    {"the same term in two lists of one rule",
     WORDS "- list: more\n  folding: []\n  terms: [wechat, WECHAT]\n"
           "- rule: r\n  match: { any: [ {terms: words}, {terms: more} ] }\n  action: mask\n",
     {{LINT_DUPLICATE_ACROSS, "r", "more", "WECHAT", "wechat"},
      {LINT_DUPLICATE_ACROSS, "r", "words", "wechat", "wechat"}}},
    {"two lists that are wanted together",
     WORDS "- list: more\n  terms: [wechat]\n"
           "- rule: r\n  match: { all: [ {terms: words}, {terms: more} ] }\n  action: mask\n",
     {{0}}},
    {"a list nobody uses", WORDS RULE "- list: idle\n  terms: [x]\n", {{LINT_UNUSED_LIST, NULL, "idle", NULL, NULL}}},
    {"a list and not the same list",
     WORDS "- rule: r\n  match: { all: [ {terms: words}, {not: {terms: words}} ] }\n  action: mask\n",
     {{LINT_NEVER_HOLDS, "r", NULL, NULL, NULL}}},
    {"deeper down",
     WORDS
     "- rule: r\n  match: { all: [ {any: [{terms: words}, {regex: abc}]}, {not: {terms: words}}, {not: {any: [{regex: abc}, "
     "{regex: d}]}} ] }\n  action: mask\n",
     {{LINT_NEVER_HOLDS, "r", NULL, NULL, NULL}}},
    {"an expression in another folding is another",
     "- rule: r\n  match: { all: [ {regex: abc}, {not: {regex: abc, folding: [case]}} ] }\n  action: mask\n",
     {{0}}},
    {"what always holds",
     WORDS "- rule: r\n  match: { any: [ {terms: words}, {not: {terms: words}} ] }\n  action: flag\n",
     {{LINT_ALWAYS_HOLDS, "r", NULL, NULL, NULL}, {LINT_HITS_MOST, "r", NULL, NULL, "good evening"}}},
    {"a scope that excepts itself",
     WORDS
     "- rule: r\n  scope: { groups: [live-1, \"live-2*\"], except_groups: [\"live-*\"] }\n  match: { terms: words }\n"
     "  action: mask\n",
     {{LINT_NEVER_HOLDS, "r", NULL, NULL, NULL}}},
    {"a scope that excepts some",
     WORDS "- rule: r\n  scope: { groups: [\"live-*\"], except_groups: [\"live-?\", \"live-1*\"] }\n"
           "  match: { terms: words }\n  action: mask\n",
     {{0}}},
    {"a scope of admins that exempts them",
     "- admins: [\"boss-*\"]\n" WORDS "- rule: r\n  scope: { senders: [boss-1], exempt_admins: true }\n"
     "  match: { terms: words }\n  action: mask\n",
     {{LINT_NEVER_HOLDS, "r", NULL, NULL, NULL}}},
    {"lengths that exclude each other",
     "- rule: r\n  match: { all: [ {length: {more_than: 50}}, {length: {less_than: 20}} ] }\n  action: flag\n",
     {{LINT_NEVER_HOLDS, "r", NULL, NULL, NULL}}},
    {"lengths that do not",
     "- rule: r\n  match: { all: [ {length: {more_than: 50}}, {length: {less_than: 80}} ] }\n  action: flag\n",
     {{0}}},
    {"a table no folding uses",
     WORDS RULE "- table: slang\n  map: { a: b }\n",
     {{LINT_UNUSED_TABLE, NULL, NULL, NULL, "slang"}}},
    {"an allow rule that covers nothing",
     WORDS RULE "- list: fine\n  terms: [camera]\n- rule: ok\n  match: { terms: fine }\n  action: allow\n",
     {{LINT_ALLOWS_NOTHING, "ok", NULL, NULL, NULL}}},
    {"a term of an allow rule that covers nothing",
     WORDS RULE "- list: fine\n  terms: [camera, 傻瓜相机]\n- rule: ok\n  match: { terms: fine }\n  action: allow\n",
     {{LINT_ALLOW_TERM, "ok", "fine", "camera", NULL}}},
    {"an allow rule of After webhooks",
     "- list: words\n  terms: [wechat]\n- rule: r\n  when: after\n  match: { terms: words }\n  action: flag\n"
     "- list: fine\n  terms: [wechat pay]\n- rule: ok\n  when: after\n  match: { terms: fine }\n  action: allow\n",
     {{0}}},
    {"harmless words",
     "- list: words\n  boundary: any\n  terms: [ass, hello]\n" RULE,
     {{LINT_HITS_HARMLESS, "r", "words", "ass", "first class"}}},
    {"harmless words of a shadow rule",
     "- list: words\n  boundary: any\n  terms: [ass]\n- rule: r\n  mode: shadow\n  match: { terms: words }\n  action: mask\n",
     {{LINT_HITS_HARMLESS, "r", "words", "ass", "first class"}}},
    {"harmless words that are let through",
     "- list: words\n  boundary: any\n  terms: [ass]\n" RULE
     "- list: fine\n  terms: [first class, a bass]\n- rule: ok\n  match: { terms: fine }\n  action: allow\n",
     {{0}}},
    {"points that reach no threshold, and points that do",
     "- list: words\n  boundary: any\n  terms: [ass]\n- list: more\n  boundary: any\n  terms: [evening]\n"
     "- rule: low\n  match: { terms: words }\n  score: { spam: 1 }\n"
     "- rule: high\n  match: { terms: more }\n  score: { spam: 5 }\n- scorecard: spam\n  at: { reject: 5 }\n",
     {{LINT_HITS_HARMLESS, "high", "more", "evening", "good evening"}}},
    {"an allow rule for what gives points",
     "- list: words\n  boundary: any\n  terms: [ass]\n- rule: low\n  match: { terms: words }\n  score: { spam: 1 }\n"
     "- scorecard: spam\n  at: { reject: 5 }\n- list: fine\n  terms: [class]\n- rule: ok\n"
     "  match: { terms: fine }\n  action: allow\n",
     {{0}}},
    {"an expression that takes everything",
     "- rule: r\n  match: { regex: '[a-z]+' }\n  action: mask\n",
     {{LINT_HITS_MOST, "r", NULL, "[a-z]+", "good evening"}, {LINT_HITS_ONE_CHAR, "r", NULL, "[a-z]+", "a"}}},
    {"an expression that takes a single character",
     "- rule: r\n  match: { regex: '[0-9]' }\n  action: mask\n",
     {{LINT_HITS_ONE_CHAR, "r", NULL, "[0-9]", "1"}}},
    {"a rule that is off is let be",
     WORDS "- rule: r\n  mode: off\n  match: { all: [ {terms: words}, {not: {terms: words}} ] }\n  action: mask\n",
     {{0}}},
};

static const struct span harmless[] = {SPAN("good evening"), SPAN("first class"), SPAN("a bass guitar"),
                                       SPAN("two of us"), SPAN("晚上好")};

static struct lint *linted(const char *yaml, struct lint_options options, struct rule_document **doc,
                           struct ruleset **set)
{
    struct lint *l = NULL;
    struct err err = {0};

    *doc = document_of(yaml);
    *set = set_of(yaml);
    if (lint_run(&l, *doc, *set, &options, &err) < 0)
        print_error("%s\n", err.text);
    assert_non_null(l);
    return l;
}

static bool is_text(struct span got, const char *wanted)
{
    return wanted ? got.data && span_is(got, wanted) : !got.data;
}

static bool is_name(const char *got, const char *wanted)
{
    return got && wanted ? strcmp(got, wanted) == 0 : got == wanted;
}

static void assert_findings(const struct lint *l, const struct wanted *wanted, const char *story)
{
    const struct lint_finding *f;
    size_t count = lint_findings(l, &f), i = 0;
    struct buf words = BUF_INIT;

    for (; wanted[i].rule || wanted[i].list || wanted[i].other; i++) {
        bool right = i < count && f[i].kind == wanted[i].kind && is_name(f[i].rule, wanted[i].rule) &&
                     is_name(f[i].list, wanted[i].list) && is_text(f[i].term, wanted[i].term) &&
                     is_text(f[i].other, wanted[i].other);

        if (!right) {
            for (size_t k = 0; k < count; k++) {
                lint_text(&f[k], &words);
                buf_add_char(&words, '\n');
            }
            print_error("%s: finding %zu of these is wrong:\n%s", story, i, buf_text(&words));
        }
        assert_true(right);
    }
    for (size_t k = i; k < count; k++) {
        lint_text(&f[k], &words);
        print_error("%s: not wanted: %s\n", story, buf_text(&words));
    }
    assert_int_equal(count, i);
    buf_release(&words);
}

static void documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct lint_options options = {.harmless = harmless, .harmless_count = sizeof(harmless) / sizeof(*harmless)};
        struct rule_document *doc;
        struct ruleset *set;
        struct lint *l = linted(rows[i].yaml, options, &doc, &set);

        assert_findings(l, rows[i].wanted, rows[i].story);
        lint_free(l);
        ruleset_unref(set);
        rule_document_free(doc);
    }
}

/* Of terms that fold alike the one that stands for them is counted; the others are no terms that never hit. */
static void traffic(void **state)
{
    static const char yaml[] = "- list: words\n  terms: [hit, Twice, twice, never]\n- list: idle\n  terms: [x]\n" RULE;
    static const struct lint_hits hits[] = {
        {NULL, SPAN("abc"), 4}, {"words", SPAN("Twice"), 2}, {"words", SPAN("hit"), 7}};
    static const struct wanted wanted[] = {{LINT_UNUSED_LIST, NULL, "idle", NULL, NULL},
                                           {LINT_DUPLICATE, NULL, "words", "twice", "Twice"},
                                           {LINT_NEVER_HIT, NULL, "words", "never", NULL},
                                           {0}};
    struct lint_options options = {.traffic = hits, .traffic_count = 3, .has_traffic = true};
    struct rule_document *doc;
    struct ruleset *set;
    struct lint *l = linted(yaml, options, &doc, &set);

    (void)state;
    assert_findings(l, wanted, "traffic");
    assert_int_equal(lint_traffic_of(&options, "words", SPAN("hit")), 7);
    assert_int_equal(lint_traffic_of(&options, "words", SPAN("abc")), 0);
    assert_int_equal(lint_traffic_of(&options, NULL, SPAN("abc")), 4);
    lint_free(l);
    ruleset_unref(set);
    rule_document_free(doc);
}

/* How many harmless texts, and of how many. */
static void harmless_numbers(void **state)
{
    static const char yaml[] = "- list: words\n  boundary: any\n  terms: [ss]\n" RULE;
    struct lint_options options = {.harmless = harmless, .harmless_count = 5};
    const struct lint_finding *f;
    struct rule_document *doc;
    struct ruleset *set;
    struct lint *l = linted(yaml, options, &doc, &set);

    (void)state;
    assert_int_equal(lint_findings(l, &f), 1);
    assert_int_equal(f[0].kind, LINT_HITS_HARMLESS);
    assert_int_equal(f[0].hits, 2);
    assert_int_equal(f[0].of, 5);
    assert_false(f[0].by_folding);
    lint_free(l);
    ruleset_unref(set);
    rule_document_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents),
        cmocka_unit_test(traffic),
        cmocka_unit_test(harmless_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
