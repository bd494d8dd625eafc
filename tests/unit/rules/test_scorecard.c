/* Rules that give points, and what their scorecard makes of them. */
#include "rules_helpers.h"

static const char card[] = "- scorecard: m-card\n"
                           "  at: { flag: 2, mask: 5, replace: 8, reject: 10, discard: 20 }\n"
                           "  mask: '#'\n"
                           "  replace: gone\n"
                           "  reject_code: 10150\n"
                           "  reject_text: enough\n"
                           "  then: [recall]\n"
                           "- rule: z-one\n  match: { regex: a }\n  score: { m-card: 2 }\n"
                           "- rule: b-three\n  match: { regex: b }\n  score: { m-card: 3 }\n"
                           "- rule: c-five\n  match: { regex: c }\n  score: { m-card: 5 }\n"
                           "- rule: d-ten\n  match: { regex: d }\n  score: { m-card: 10 }\n"
                           "- rule: e-less\n  match: { regex: e }\n  score: { m-card: -3 }\n"
                           "- rule: s-shadow\n  mode: shadow\n  match: { regex: s }\n  score: { m-card: 20 }\n"
                           "- rule: y-allow\n  match: { regex: 'x.x' }\n  action: allow\n"
                           "- rule: a-mask\n  match: { regex: m }\n  action: mask\n"
                           "- rule: n-reject\n  match: { regex: n }\n  action: reject\n";

struct score_case {
    const char *text;
    enum action action;
    const char *rule, *becomes;
};

static const struct score_case cases[] = {
    {"-", ACTION_ALLOW, NULL, NULL},
    {"a", ACTION_FLAG, "m-card", NULL},
    {"aaaa", ACTION_FLAG, "m-card", NULL}, /* points once, however many hits */
    {"b e", ACTION_ALLOW, NULL, NULL},
    {"a-b", ACTION_MASK, "m-card", "#-#"},
    {"c-e", ACTION_FLAG, "m-card", NULL},
    {"b-c", ACTION_REPLACE, "m-card", "gone"},
    {"d", ACTION_REJECT, "m-card", NULL},
    {"a b c d", ACTION_DISCARD, "m-card", NULL},
    {"a s", ACTION_FLAG, "m-card", NULL},        /* a shadow rule adds nothing */
    {"a xdx", ACTION_FLAG, "m-card", NULL},      /* nor does a covered hit */
    {"xdx d-", ACTION_REJECT, "m-card", NULL},   /* one that is not covered does */
    {"m a b", ACTION_MASK, "a-mask", "* # #"},   /* all masks are painted, each in its own character */
    {"m b", ACTION_MASK, "a-mask", "* b"},       /* 3 points only flag, and paint nothing */
    {"m b c", ACTION_REPLACE, "m-card", "gone"}, /* stronger */
    {"n d", ACTION_REJECT, "m-card", NULL},      /* equally strong: the smaller name */
    {"n b c", ACTION_REJECT, "n-reject", NULL},  /* the rule is stronger */
    {"n a b c d", ACTION_DISCARD, "m-card", NULL},
};

static void the_strongest_threshold_reached_applies(void **state)
{
    struct ruleset *set = set_of(card);
    struct judge *judge = judge_new();

    (void)state;
    assert_int_equal(ruleset_rule_count(set), 9);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct score_case *c = &cases[i];
        struct verdict v;

        judge_text(judge, set, span_of(c->text), &v);
        if (v.action != c->action || (v.rule == NULL) != (c->rule == NULL) || (c->rule && strcmp(v.rule, c->rule)))
            print_error("\"%s\": %s by %s\n", c->text, action_name(v.action), v.rule ? v.rule : "-");
        assert_int_equal(v.action, c->action);
        assert_string_equal(v.rule ? v.rule : "-", c->rule ? c->rule : "-");
        assert_int_equal(v.decided_by, c->rule ? DECIDED_RULE : DECIDED_DEFAULT);
        if (c->becomes)
            assert_span(v.becomes, c->becomes);
        else
            assert_null(v.becomes.data);
        if (v.rule && strcmp(v.rule, "m-card") == 0) {
            assert_int_equal(v.follow_up_count, 1);
            assert_string_equal(v.follow_ups[0], "recall");
            if (v.action == ACTION_REJECT) {
                assert_int_equal(v.error_code, 10150);
                assert_span(v.error_info, "enough");
            }
        }
    }
    judge_free(judge);
    ruleset_unref(set);
}

static void the_evidence_names_rules_and_points(void **state)
{
    struct ruleset *set = set_of(card);
    struct judge *judge = judge_new();
    struct buf json = BUF_INIT;
    struct verdict v;

    (void)state;
    judge_text(judge, set, SPAN("a b s xex"), &v);
    verdict_hits_json(&json, &v, SPAN("a b s xex"), (struct span){NULL, 0});
    assert_string_equal(
        buf_text(&json),
        "[{\"rule\":\"z-one\",\"list\":null,\"term\":\"a\",\"start\":0,\"end\":1,\"folding\":\"none\",\"field\":\"text\","
        "\"state\":\"counted\",\"action\":\"mask\",\"scorecard\":\"m-card\",\"points\":2,\"matched\":\"a\"},"
        "{\"rule\":\"b-three\",\"list\":null,\"term\":\"b\",\"start\":2,\"end\":3,\"folding\":\"none\",\"field\":\"text\","
        "\"state\":\"counted\",\"action\":\"mask\",\"scorecard\":\"m-card\",\"points\":3,\"matched\":\"b\"},"
        "{\"rule\":\"s-shadow\",\"list\":null,\"term\":\"s\",\"start\":4,\"end\":5,\"folding\":\"none\",\"field\":\"text\","
        "\"state\":\"shadow\",\"action\":\"mask\",\"scorecard\":\"m-card\",\"points\":20,\"matched\":\"s\"},"
        "{\"rule\":\"y-allow\",\"list\":null,\"term\":\"x.x\",\"start\":6,\"end\":9,\"folding\":\"none\",\"field\":\"text\","
        "\"state\":\"allow\",\"action\":\"allow\",\"matched\":\"xex\"},"
        "{\"rule\":\"e-less\",\"list\":null,\"term\":\"e\",\"start\":7,\"end\":8,\"folding\":\"none\",\"field\":\"text\","
        "\"state\":\"allowed\",\"action\":\"mask\",\"scorecard\":\"m-card\",\"points\":-3,\"matched\":\"e\"}]");
    buf_release(&json);
    judge_free(judge);
    ruleset_unref(set);
}

/* Points of one message do not stay for the next. */
static void points_do_not_add_up_over_messages(void **state)
{
    struct ruleset *set = set_of(card);
    struct judge *judge = judge_new();
    struct verdict v;

    (void)state;
    for (int i = 0; i < 20; i++) {
        judge_text(judge, set, SPAN("a"), &v);
        assert_int_equal(v.action, ACTION_FLAG);
    }
    judge_free(judge);
    ruleset_unref(set);
}

/* Scope, phase and measures decide whether a rule gives points, as whether it applies. */
static void points_come_from_rules_that_apply(void **state)
{
    struct ruleset *set = set_of("- scorecard: s\n  at: { reject: 3 }\n"
                                 "- rule: here\n  scope: { groups: [g] }\n  match: { regex: x }\n  score: { s: 2 }\n"
                                 "- rule: long\n  match: { length: { more_than: 3 } }\n  score: { s: 1 }\n"
                                 "- rule: after\n  when: after\n  match: { regex: x }\n  score: { s: 9 }\n");
    struct judge *judge = judge_new();
    static const struct {
        const char *text, *group;
        enum command command;
        enum action action;
    } messages[] = {
        {"x", "g", COMMAND_BEFORE, ACTION_ALLOW},    {"xxxx", "g", COMMAND_BEFORE, ACTION_REJECT},
        {"xxxx", "h", COMMAND_BEFORE, ACTION_ALLOW}, {"----", "g", COMMAND_BEFORE, ACTION_ALLOW},
        {"x", "h", COMMAND_AFTER, ACTION_REJECT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
        struct test_message t;
        struct verdict v;

        message_init(&t, messages[i].command);
        message_add(&t, TEXT_TEXT, messages[i].text);
        t.message.group_id = given(messages[i].group);
        judge_message(judge, set, &t.message, NULL, &v);
        assert_int_equal(v.action, messages[i].action);
        buf_release(&t.text);
    }
    judge_free(judge);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_strongest_threshold_reached_applies),
        cmocka_unit_test(the_evidence_names_rules_and_points),
        cmocka_unit_test(points_do_not_add_up_over_messages),
        cmocka_unit_test(points_come_from_rules_that_apply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
