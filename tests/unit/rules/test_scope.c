/* Which messages a rule looks at: scopes of six kinds, admins, and rooms that a rollout has reached. */
#include "rules_helpers.h"

#include "rules/scope.h"

struct scope_case {
    const char *scope; /* of a rule that rejects everything with an x */
    const char *group, *type, *sender, *operator_account, *platform;
    uint64_t app;
    bool holds;
};

static const struct scope_case cases[] = {
    {"groups: ['live-*']", "live-1", NULL, NULL, NULL, NULL, 0, true},
    {"groups: ['live-*']", "Live-1", NULL, NULL, NULL, NULL, 0, false},
    {"groups: ['live-*']", NULL, NULL, NULL, NULL, NULL, 0, false},
    {"groups: ['a', 'live-?']", "live-女", NULL, NULL, NULL, NULL, 0, true},
    {"groups: ['*'], except_groups: ['live-*']", "live-1", NULL, NULL, NULL, NULL, 0, false},
    {"except_groups: ['live-*']", NULL, NULL, NULL, NULL, NULL, 0, true},
    {"group_types: [Live]", NULL, "Live", NULL, NULL, NULL, 0, true},
    {"group_types: [Live]", NULL, "Public", NULL, NULL, NULL, 0, false},
    {"except_group_types: ['*Room']", NULL, "AVChatRoom", NULL, NULL, NULL, 0, false},
    {"senders: ['u*']", NULL, NULL, "u1", NULL, NULL, 0, true},
    {"senders: ['u*']", NULL, NULL, "v1", NULL, NULL, 0, false},
    {"except_senders: ['u*']", NULL, NULL, "u1", NULL, NULL, 0, false},
    {"operators: [bot]", NULL, NULL, "u1", "bot", NULL, 0, true},
    {"operators: [bot]", NULL, NULL, "bot", NULL, NULL, 0, false},
    {"except_operators: [bot]", NULL, NULL, "u1", "bot", NULL, 0, false},
    {"platforms: [iOS, Android]", NULL, NULL, NULL, NULL, "Android", 0, true},
    {"platforms: [iOS, Android]", NULL, NULL, NULL, NULL, "Web", 0, false},
    {"platforms: [iOS]", NULL, NULL, NULL, NULL, NULL, 0, false},
    {"except_platforms: [RESTAPI]", NULL, NULL, NULL, NULL, "RESTAPI", 0, false},
    {"except_platforms: [RESTAPI]", NULL, NULL, NULL, NULL, NULL, 0, true},
    {"apps: ['1400000001']", NULL, NULL, NULL, NULL, NULL, 1400000001, true},
    {"apps: ['14*']", NULL, NULL, NULL, NULL, NULL, 1400000001, true},
    {"apps: ['14?']", NULL, NULL, NULL, NULL, NULL, 1400000001, false},
    {"apps: ['*']", NULL, NULL, NULL, NULL, NULL, 0, false},
    {"except_apps: ['14*']", NULL, NULL, NULL, NULL, NULL, 1400000001, false},
    {"exempt_admins: true", NULL, NULL, "admin-7", NULL, NULL, 0, false},
    {"exempt_admins: true", NULL, NULL, "u1", "@TIM#SYSTEM", NULL, 0, false},
    {"exempt_admins: true", NULL, NULL, "u1", NULL, NULL, 0, true},
    {"exempt_admins: false", NULL, NULL, "admin-7", NULL, NULL, 0, true},
    {"groups: [a], senders: [b], exempt_admins: true", "a", NULL, "b", "c", NULL, 0, true},
    {"groups: [a], senders: [b], exempt_admins: true", "a", NULL, "c", "c", NULL, 0, false},
};

static void scopes_look_at_what_a_message_says(void **state)
{
    struct judge *judge = judge_new();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct scope_case *c = &cases[i];
        struct circumstances circumstances = {.sdkappid = c->app, .platform = span_of(c->platform)};
        struct test_message t;
        struct ruleset *set;
        struct verdict verdict;
        char yaml[512];

        snprintf(yaml, sizeof(yaml),
                 "- admins: ['admin-*', '@TIM#*']\n- rule: r\n  scope: {%s}\n  match: {regex: x}\n  action: reject\n",
                 c->scope);
        set = set_of(yaml);
        message_init(&t, COMMAND_BEFORE);
        message_add(&t, TEXT_TEXT, "x");
        t.message.group_id = given(c->group);
        t.message.type = given(c->type);
        t.message.from_account = given(c->sender);
        t.message.operator_account = given(c->operator_account);
        judge_message(judge, set, &t.message, &circumstances, &verdict);
        if ((verdict.action == ACTION_REJECT) != c->holds)
            print_error("case %zu: %s\n", i, c->scope);
        assert_int_equal(verdict.action, c->holds ? ACTION_REJECT : ACTION_ALLOW);
        buf_release(&t.text);
        ruleset_unref(set);
    }
    judge_free(judge);
}

/* An example runs in its rule's scope, whatever the scope asks for. */
static void examples_are_in_scope(void **state)
{
    struct ruleset *set = set_of("- admins: root\n"
                                 "- rule: r\n"
                                 "  rollout: 0\n"
                                 "  scope: { apps: ['14?0*'], groups: ['a*'], group_types: [Live], senders: ['?'],\n"
                                 "           operators: [o], platforms: [Web], exempt_admins: true }\n"
                                 "  match: { regex: x }\n"
                                 "  action: mask\n"
                                 "  examples: [ { text: x, verdict: mask, becomes: '*' } ]\n");

    (void)state;
    ruleset_unref(set);
}

/* What a rollout does in each room is a promise: these numbers may never change. */
static void buckets_are_stable(void **state)
{
    (void)state;
    assert_int_equal(rollout_bucket("contact", SPAN("room-1")), 35);
    assert_int_equal(rollout_bucket("contact", SPAN("room-2")), 65);
    assert_int_equal(rollout_bucket("links", SPAN("room-1")), 94);
}

static void buckets_are_even(void **state)
{
    unsigned counts[100] = {0}, same = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char room[32];
        unsigned a, b;

        snprintf(room, sizeof(room), "@TGS#live-%d", i);
        a = rollout_bucket("contact", span_of(room));
        b = rollout_bucket("links", span_of(room));
        assert_true(a < 100);
        counts[a]++;
        same += a == b;
    }
    for (size_t i = 0; i < 100; i++)
        assert_in_range(counts[i], 140, 260); /* 200 each, four standard deviations */
    assert_in_range(same, 140, 260);          /* two rules do not choose the same rooms */
}

static enum action judge_in_room(struct judge *judge, const struct ruleset *set, const char *room,
                                 enum hit_state *state)
{
    struct test_message t;
    struct verdict verdict;

    message_init(&t, COMMAND_BEFORE);
    message_add(&t, TEXT_TEXT, "x");
    t.message.group_id = given(room);
    judge_message(judge, set, &t.message, NULL, &verdict);
    assert_int_equal(verdict.hit_count, 1);
    *state = verdict.hits[0].state;
    buf_release(&t.text);
    return verdict.action;
}

static void a_rollout_is_enforced_where_it_has_come_to(void **state)
{
    static const unsigned steps[] = {0, 1, 25, 99, 100};
    struct judge *judge = judge_new();

    (void)state;
    for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
        enum hit_state hit;
        struct ruleset *set;
        char yaml[128];

        snprintf(yaml, sizeof(yaml), "- rule: contact\n  rollout: %u\n  match: {regex: x}\n  action: reject\n",
                 steps[s]);
        set = set_of(yaml);
        for (int i = 0; i < 300; i++) {
            char room[32];
            enum action action;
            bool reached;

            snprintf(room, sizeof(room), "room-%d", i);
            reached = rollout_bucket("contact", span_of(room)) < steps[s];
            action = judge_in_room(judge, set, room, &hit);
            assert_int_equal(action, reached ? ACTION_REJECT : ACTION_ALLOW);
            assert_int_equal(hit, reached ? HIT_COUNTED : HIT_SHADOW);
        }
        assert_int_equal(judge_in_room(judge, set, NULL, &hit), steps[s] == 100 ? ACTION_REJECT : ACTION_ALLOW);
        ruleset_unref(set);
    }
    judge_free(judge);
}

/* An allow rule that has not come to a room covers nothing there. */
static void a_rolled_out_allow_rule_covers_only_where_it_has_come_to(void **state)
{
    struct ruleset *set = set_of("- rule: allowed\n  rollout: 0\n  match: {regex: xx}\n  action: allow\n"
                                 "- rule: denied\n  match: {regex: x}\n  action: reject\n");
    struct judge *judge = judge_new();
    struct verdict verdict;

    (void)state;
    judge_text(judge, set, SPAN("xx"), &verdict);
    assert_int_equal(verdict.action, ACTION_REJECT);
    assert_int_equal(verdict.hits[0].state, HIT_SHADOW);
    judge_free(judge);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_look_at_what_a_message_says),
        cmocka_unit_test(examples_are_in_scope),
        cmocka_unit_test(buckets_are_stable),
        cmocka_unit_test(buckets_are_even),
        cmocka_unit_test(a_rollout_is_enforced_where_it_has_come_to),
        cmocka_unit_test(a_rolled_out_allow_rule_covers_only_where_it_has_come_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
