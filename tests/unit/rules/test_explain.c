/* Which steps a hit took, and what they made of the text: a row names the list's folding, a text with one hit, and the
 * stages that are to be shown. */
#include "rules/tools/explain.h"

#include "rules_helpers.h"

struct row {
    const char *folding, *terms, *text;
    const char *stages; /* "step=text|step=text"; NULL: not found */
};

static const struct row rows[] = {
    {"[]", "[darn]", "oh darn it", ""},
    {"[case, invisible]", "[darn]", "oh darn it", ""},
    {"[case, invisible]", "[darn]", "oh DARN it", "case=oh darn it"},
    {"[case, invisible]", "[darn]", "oh d\u200Barn it", "invisible=oh darn it"},
    {"[case, invisible]", "[darn]", "oh D\u200Barn it", "case=oh d\u200Barn it|invisible=oh darn it"},
    {"[all]", "[darn]", "oh darn it", ""},
    {"[all]", "[darn]", "oh d4rn it", "leet=oh darn it"},
    {"[all]", "[wechat]", "ｗеchat", "case=wеchat|lookalikes=wechat"},
    {"[all]", "[赌场]", "賭場", "simplified=赌场"},
    /* two steps that only together find it */
    {"[all]", "[wechat]", "w.e.c.h.4.t", "leet=w.e.c.h.a.t|separators=wechat"},
};

static struct rule_document *document(const struct row *row)
{
    char yaml[512];

    snprintf(yaml, sizeof(yaml),
             "- list: words\n  folding: %s\n  terms: %s\n- rule: r\n  match: { terms: words }\n"
             "  action: mask\n- rule: x\n  match: { regex: 'd[a-c]rk', folding: [case] }\n  action: flag\n",
             row->folding, row->terms);
    return document_of(yaml);
}

static struct ruleset *compiled(const struct rule_document *doc)
{
    struct faults faults = FAULTS_INIT;
    struct ruleset *set = NULL;

    ruleset_compile(&set, doc, 0, NULL, &faults);
    assert_non_null(set);
    faults_release(&faults);
    return set;
}

static void assert_stages(const struct explanation *e, const char *wanted, const char *text)
{
    struct buf got = BUF_INIT;

    for (size_t i = 0; i < e->stage_count; i++)
        buf_addf(&got, "%s%s=%s", i > 0 ? "|" : "", e->stages[i].step, buf_text(&e->stages[i].text));
    if (strcmp(buf_text(&got), wanted) != 0)
        print_error("\"%s\": got %s, wanted %s\n", text, buf_text(&got), wanted);
    assert_string_equal(buf_text(&got), wanted);
    buf_release(&got);
}

static void explain_text(const struct rule_document *doc, const char *text, const char *stages)
{
    struct ruleset *set = compiled(doc);
    struct judge *judge = judge_new();
    struct test_message m;
    struct explanation e;
    struct verdict verdict;
    struct err err;

    message_init(&m, COMMAND_BEFORE);
    message_add(&m, TEXT_TEXT, text);
    judge_message(judge, set, &m.message, NULL, &verdict);
    assert_int_equal(verdict.hit_count, 1);
    assert_int_equal(explain_hit(&e, doc, &verdict.hits[0], &m.message, NULL, &err), 0);
    assert_true(e.found);
    assert_span(e.plain, text);
    assert_stages(&e, stages, text);
    explanation_release(&e);
    buf_release(&m.text);
    judge_free(judge);
    ruleset_unref(set);
}

static void steps_of_terms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rule_document *doc = document(&rows[i]);

        explain_text(doc, rows[i].text, rows[i].stages);
        rule_document_free(doc);
    }
}

static void steps_of_expressions(void **state)
{
    struct rule_document *doc = document(&rows[0]);

    (void)state;
    explain_text(doc, "dark", "");
    explain_text(doc, "DARK", "case=dark");
    rule_document_free(doc);
}

/* The operator's tables, JSON escapes, and a sign that is read as a letter in one place and as noise in another. */
static void other_stages(void **state)
{
    static const struct {
        const char *text, *stages;
    } also[] = {
        {"弓虫人", "tables=强人"},
        {"cas\\u0069no", "escapes=casino"},
        {"c@s!no", "leet=casino"},
        {"c!a!s!i!n!o", "separators=casino"},
    };
    struct rule_document *doc =
        document_of("- table: slang\n  map: { \"弓虫\": \"强\" }\n- list: words\n  folding: [all]\n  tables: [slang]\n"
                    "  terms: [强人, casino]\n- rule: r\n  match: { terms: words }\n  action: mask\n");

    (void)state;
    for (size_t i = 0; i < sizeof(also) / sizeof(*also); i++)
        explain_text(doc, also[i].text, also[i].stages);
    rule_document_free(doc);
}

static void detected(void **state)
{
    struct rule_document *doc = document_of("- rule: c\n  match: { contact: any }\n  action: mask\n");
    static const struct hit hit = {.rule = "c", .term = SPAN("phone"), .start = 5, .end = 16};
    struct test_message m;
    struct explanation e;
    struct err err;

    (void)state;
    message_init(&m, COMMAND_BEFORE);
    message_add(&m, TEXT_TEXT, "call 13800138000");
    assert_int_equal(explain_hit(&e, doc, &hit, &m.message, NULL, &err), 0);
    assert_true(e.found && e.detected);
    assert_int_equal(e.stage_count, 0);
    explanation_release(&e);
    buf_release(&m.text);
    rule_document_free(doc);
}

/* A hit of rules other than the document's, one of a measure, and one outside of the text. */
static void what_is_not_found(void **state)
{
    static const struct hit hits[] = {
        {.rule = "r", .list = "nowhere", .term = SPAN("darn"), .start = 0, .end = 4},
        {.rule = "r", .list = "words", .term = SPAN("other"), .start = 0, .end = 4},
        {.rule = "r", .list = "words", .term = SPAN("darn"), .start = 1, .end = 4},
        {.rule = "x", .term = SPAN("length 4 > 3"), .start = 0, .end = 0},
        {.rule = "r", .list = "words", .term = SPAN("darn"), .start = 0, .end = 400},
    };
    struct rule_document *doc = document(&rows[0]);
    struct test_message m;

    (void)state;
    message_init(&m, COMMAND_BEFORE);
    message_add(&m, TEXT_TEXT, "darn");
    for (size_t i = 0; i < sizeof(hits) / sizeof(*hits); i++) {
        struct explanation e;
        struct err err;

        assert_int_equal(explain_hit(&e, doc, &hits[i], &m.message, NULL, &err), 0);
        assert_false(e.found);
        assert_int_equal(e.stage_count, 0);
        explanation_release(&e);
    }
    buf_release(&m.text);
    rule_document_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_terms), cmocka_unit_test(steps_of_expressions), cmocka_unit_test(other_stages),
        cmocka_unit_test(detected),       cmocka_unit_test(what_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
