/* Conditions for a message as a whole, within rules: combined with matches, reported, never painted; and leaves that
 * find by reading. */
#include "rules_helpers.h"

#include "rules/history.h"

static struct judge *judge;

static int make_judge(void **state)
{
    (void)state;
    judge = judge_new();
    return judge ? 0 : -1;
}

static int free_judge(void **state)
{
    (void)state;
    judge_free(judge);
    return 0;
}

static void check(const struct ruleset *set, const char *text, enum action action, const char *becomes,
                  const char *hits)
{
    struct buf json = BUF_INIT;
    struct verdict v;

    judge_text(judge, set, span_of(text), &v);
    buf_add_char(&json, ' ');
    for (size_t i = 0; i < v.hit_count; i++)
        buf_addf(&json, "%s:%.*s[%u,%u)%d ", v.hits[i].rule, (int)v.hits[i].term.len, v.hits[i].term.data,
                 v.hits[i].start, v.hits[i].end, (int)v.hits[i].state);
    if (v.action != action || strcmp(buf_text(&json), hits) != 0)
        fail_msg("\"%s\": %s, hits \"%s\", wanted \"%s\"", text, action_name(v.action), buf_text(&json), hits);
    if (becomes)
        assert_span(v.becomes, becomes);
    else
        assert_null(v.becomes.data);
    buf_release(&json);
}

static void measures_join_matches(void **state)
{
    struct ruleset *set = set_of("- rule: a-long-digits\n  action: mask\n"
                                 "  match: { all: [ { length: { more_than: 10 } }, { regex: '\\d+' } ] }\n"
                                 "- rule: b-either\n  action: flag\n"
                                 "  match: { any: [ { lines: { at_least: 3 } }, { regex: 'flag' } ] }\n"
                                 "- rule: c-not\n  action: reject\n"
                                 "  match: { all: [ { regex: 'no' }, { not: { length: { more_than: 5 } } } ] }\n");

    (void)state;
    check(set, "12", ACTION_ALLOW, NULL, " a-long-digits:\\d+[0,2)4 ");
    check(set, "what a long 12", ACTION_MASK, "what a long **",
          " a-long-digits:length 14 > 10[0,0)0 a-long-digits:\\d+[12,14)0 ");
    check(set, "what a long text", ACTION_ALLOW, NULL, " ");
    check(set, "a\nb\nc", ACTION_FLAG, NULL, " b-either:lines 3 > 2[0,0)0 ");
    check(set, "flag", ACTION_FLAG, NULL, " b-either:flag[0,4)0 ");
    check(set, "no", ACTION_REJECT, NULL, " c-not:no[0,2)0 ");
    check(set, "no no no", ACTION_ALLOW, NULL, " c-not:no[0,2)4 c-not:no[3,5)4 c-not:no[6,8)4 ");
    ruleset_unref(set);
}

/* A hit without a range is neither covered nor painted, whatever rules stand beside it. */
static void measures_have_no_place(void **state)
{
    struct ruleset *set =
        set_of("- rule: allow-all\n  action: allow\n  match: { regex: '.+' }\n"
               "- rule: allow-measure\n  action: allow\n  match: { length: { at_least: 1 } }\n"
               "- rule: mask\n  action: mask\n  match: { length: { at_least: 3 } }\n"
               "- rule: shadow\n  mode: shadow\n  action: discard\n  match: { length: { at_least: 3 } }\n");

    (void)state;
    check(set, "ab", ACTION_ALLOW, NULL, " allow-all:.+[0,2)3 allow-measure:length 2 > 0[0,0)3 ");
    check(set, "abc", ACTION_MASK, "abc", /* nothing to paint */
          " allow-all:.+[0,3)3 allow-measure:length 3 > 0[0,0)3 mask:length 3 > 2[0,0)0 shadow:length 3 > 2[0,0)2 ");
    ruleset_unref(set);
}

static void a_measure_replaces_the_whole(void **state)
{
    struct ruleset *set =
        set_of("- rule: r\n  action: replace\n  replace: too long\n  match: { length: { at_least: 3 } }\n");

    (void)state;
    check(set, "abc", ACTION_REPLACE, "too long", " r:length 3 > 2[0,0)0 ");
    ruleset_unref(set);
}

static void meters_come_from_circumstances(void **state)
{
    struct ruleset *set =
        set_of("- rule: a\n  action: flag\n  match: { rate: { times: 2, within: 10s, by: room } }\n"
               "- rule: b\n  action: reject\n  match: { repeated: { times: 3, within: 60s, by: sender } }\n"
               "- rule: c\n  action: mask\n  match: { rate: { times: 2, within: 10s, by: room } }\n");
    const struct meter *meters;
    uint32_t counts[2] = {2, 2};
    const struct circumstances around = {.meters = counts};
    struct test_message t;
    struct verdict v;

    (void)state;
    message_init(&t, COMMAND_BEFORE);
    message_add(&t, TEXT_TEXT, "hi");
    assert_int_equal(ruleset_meters(set, &meters), 2);
    assert_int_equal(meters[0].kind, METER_RATE);
    assert_int_equal(meters[1].kind, METER_REPEATED);
    judge_message(judge, set, &t.message, &around, &v);
    assert_int_equal(v.action, ACTION_ALLOW);
    counts[0] = 3;
    judge_message(judge, set, &t.message, &around, &v);
    assert_int_equal(v.action, ACTION_MASK);
    assert_int_equal(v.hit_count, 2);
    assert_span(v.hits[0].term, "rate 3 in 10s by room");
    counts[1] = 3;
    judge_message(judge, set, &t.message, &around, &v);
    assert_int_equal(v.action, ACTION_REJECT);
    judge_message(judge, set, &t.message, NULL, &v);
    assert_int_equal(v.action, ACTION_ALLOW);
    buf_release(&t.text);
    ruleset_unref(set);
}

static void too_many_meters_are_refused(void **state)
{
    struct buf yaml = BUF_INIT;
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc;
    struct ruleset *set = NULL;

    (void)state;
    for (int i = 0; i <= HISTORY_MAX_METERS; i++)
        buf_addf(&yaml, "- rule: r%d\n  action: flag\n  match: { rate: { times: %d, within: 10s, by: sender } }\n", i,
                 i + 1);
    doc = document_of(buf_text(&yaml));
    assert_int_equal(ruleset_compile(&set, doc, 1, NULL, &faults), ERR_USAGE);
    assert_non_null(strstr(buf_text(&faults.text), "more than 16 different rates"));
    faults_release(&faults);
    rule_document_free(doc);
    buf_release(&yaml);
}

/* What is found in JSON is masked there; finds of one leaf serve several rules; allow rules cover. */
static void detectors_are_leaves(void **state)
{
    struct ruleset *set = set_of("- rule: contact\n  action: mask\n  match: { contact: [phone, messenger] }\n"
                                 "- rule: deny\n  action: reject\n  match: { links: { deny: [evil.com, bücher.de] } }\n"
                                 "- rule: link\n  action: mask\n  match: { links: any }\n"
                                 "- rule: ours\n  action: allow\n  match: { regex: 'https://shop.example/\\S*' }\n");
    struct message m = {.command = COMMAND_BEFORE,
                        .cloud_custom_data = given("{\"a\":\"13800138000\",\"b\":\"https:\\/\\/other.net\\/x\"}")};
    struct verdict v;

    (void)state;
    check(set, "vx: abc_123, 13800138000", ACTION_MASK, "**: *******, ***********",
          " contact:messenger[0,2)0 contact:messenger[4,11)0 contact:phone[13,24)0 ");
    check(set, "www.EVIL.com", ACTION_REJECT, NULL, " deny:evil.com[0,12)0 link:link[0,12)0 ");
    check(set, "http://BÜCHER.de", ACTION_REJECT, NULL, " deny:bücher.de[0,17)0 link:link[0,17)0 ");
    check(set, "https://shop.example/a", ACTION_ALLOW, NULL,
          " link:link[0,22)1 ours:https://shop.example/\\S*[0,22)3 ");
    judge_message(judge, set, &m, NULL, &v);
    assert_int_equal(v.action, ACTION_MASK);
    assert_non_null(v.cloud_custom_data);
    assert_span(*v.cloud_custom_data, "{\"a\":\"***********\",\"b\":\"**********************\"}");
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_join_matches),        cmocka_unit_test(measures_have_no_place),
        cmocka_unit_test(a_measure_replaces_the_whole), cmocka_unit_test(meters_come_from_circumstances),
        cmocka_unit_test(too_many_meters_are_refused),  cmocka_unit_test(detectors_are_leaves),
    };

    return cmocka_run_group_tests(tests, make_judge, free_judge);
}
