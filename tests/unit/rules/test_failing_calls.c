/* Every request for memory of a verdict fails once. Then the verdict says that it could not be made (the configured
 * fallback is answered), or it is the right one, at most without the corrected text; and the next one is right. */
#include "../failing_calls.h"
#include "rules_helpers.h"

enum { MOST_REQUESTS = 1000 };

static const char rules[] =
    "- rule: mask\n  action: mask\n  match: { terms: words }\n"
    "- rule: numbers\n  action: reject\n  then: [resend]\n  match: { regex: '555 \\d{4}' }\n"
    "- rule: gone\n  action: replace\n  replace: '[gone]'\n  match: { regex: 'zzz' }\n"
    "- rule: fine\n  action: allow\n  match: { regex: 'idiot proof' }\n"
    "- rule: long\n  score: { spam: 3 }\n  match: { all: [ { length: { at_least: 1 } }, { not: { lines: { at_least: 9 } } } ] }\n"
    "- scorecard: spam\n  at: { flag: 2, reject: 50 }\n"
    "- list: words\n  folding: [all]\n  terms: [idiot, 笨蛋]\n";

static const struct {
    const char *text, *custom_data;
    enum action action;
    const char *becomes; /* NULL: nothing */
} cases[] = {
    {"good evening", NULL, ACTION_FLAG, NULL},
    {"you 1d1ot and 笨 蛋, idiot proof", "{\"say\":\"idiot\"}", ACTION_MASK, "you ***** and ***, idiot proof"},
    {"zzz idiot", NULL, ACTION_REPLACE, "[gone]"},
    {"call 555 1234", NULL, ACTION_REJECT, "call ********"},
    {"not \xFF\xFE UTF-8, idiot", NULL, ACTION_MASK, "not ?? UTF-8, *****"},
};

static void judge_case(struct judge *j, const struct ruleset *set, size_t n, struct verdict *v)
{
    struct text_piece piece = {.source = TEXT_TEXT, .len = (uint32_t)strlen(cases[n].text)};
    enum element_type element = ELEMENT_TEXT;
    struct message message = {
        .command = COMMAND_BEFORE,
        .text = span_of(cases[n].text),
        .pieces = &piece,
        .piece_count = 1,
        .elements = &element,
        .element_count = 1,
        .cloud_custom_data = given(cases[n].custom_data),
    };

    judge_message(j, set, &message, NULL, v);
}

static bool is_right(const struct verdict *v, size_t n)
{
    return v->decided_by == DECIDED_RULE && v->action == cases[n].action &&
           (cases[n].becomes ? v->becomes.data && span_is(v->becomes, cases[n].becomes) : !v->becomes.data);
}

/* The number of requests the case makes. */
static long fail_each_request(const struct ruleset *set, size_t n)
{
    for (long number = 1; number < MOST_REQUESTS; number++) {
        struct judge *j = judge_new();
        struct verdict v;
        bool hit;

        assert_non_null(j);
        fail_call(number, FAILING_MEMORY);
        judge_case(j, set, n, &v);
        hit = fail_no_more();
        if (v.decided_by == DECIDED_OVERLOAD)
            assert_true(v.action == ACTION_ALLOW && v.hit_count == 0 && v.rewrite_count == 0 && v.revision == 7);
        else
            assert_true(is_right(&v, n) || (hit && v.action == ACTION_REJECT && !v.becomes.data));
        judge_case(j, set, n, &v);
        if (!is_right(&v, n))
            fail_msg("\"%s\" after request %ld: %.*s", cases[n].text, number, (int)v.becomes.len, v.becomes.data);
        judge_free(j);
        if (!hit)
            return number - 1;
    }
    fail();
    return 0;
}

static void test_each_request_for_memory_fails(void **state)
{
    struct ruleset *set = set_of(rules);

    (void)state;
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++)
        assert_true(fail_each_request(set, n) > 5);
    ruleset_unref(set);
}

static void test_no_judge_without_memory(void **state)
{
    (void)state;
    fail_call(1, FAILING_MEMORY);
    assert_null(judge_new());
    assert_true(fail_no_more());
    judge_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_request_for_memory_fails),
        cmocka_unit_test(test_no_judge_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
