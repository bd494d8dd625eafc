/* When the hit rate counts as jumped. */
#include "test_program.h"

#include "store/rule_watch.h"

#include <string.h>

static const int64_t second_us = 1000000;

static void a_jump_is_a_factor_and_two_points(void **state)
{
    static const struct {
        uint64_t factor;
        struct rule_counts_seen before, after; /* under each revision */
        bool jumped;
    } cases[] = {
        {3, {1000, 50}, {1000, 200}, true},  /* 5 % -> 20 % */
        {3, {1000, 50}, {1000, 150}, false}, /* exactly the factor */
        {3, {1000, 50}, {1000, 151}, true},
        {3, {100000, 100}, {1000, 20}, false}, /* 0.1 % -> 2 %: 1.9 points */
        {3, {100000, 100}, {1000, 21}, true},
        {3, {1000, 0}, {1000, 19}, false},
        {3, {1000, 0}, {1000, 20}, true},
        {3, {199, 0}, {1000, 500}, false}, /* too few */
        {3, {200, 0}, {199, 199}, false},
        {3, {200, 0}, {200, 200}, true},
        {0, {1000, 0}, {1000, 1000}, false}, /* off */
        {3, {1000, 200}, {1000, 50}, false}, /* down */
        {1, {1000, 100}, {1000, 120}, true},
        {1, {1000, 100}, {1000, 119}, false},
        {2, {1000000000, 10000000}, {1000000000, 40000000}, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rule_counts_seen start = {5000, 77}, now = start;
        struct rule_watch w = {.factor = cases[i].factor, .window_us = 60 * second_us, .start = start};
        struct rule_jump jump;
        now.messages += cases[i].before.messages;
        now.hit += cases[i].before.hit;
        rule_watch_taken(&w, 8, 7, now, 0);
        now.messages += cases[i].after.messages;
        now.hit += cases[i].after.hit;
        if (rule_watch_jumped(&w, now, 60 * second_us, &jump) != cases[i].jumped)
            fail_msg("case %zu", i);
        if (!cases[i].jumped)
            continue;
        assert_int_equal(jump.revision, 8);
        assert_memory_equal(&jump.before, &cases[i].before, sizeof(jump.before));
        assert_memory_equal(&jump.after, &cases[i].after, sizeof(jump.after));
    }
}

static void only_within_the_window_and_against_rules(void **state)
{
    struct rule_watch w = {.factor = 2, .window_us = 60 * second_us};
    const struct rule_counts_seen taken = {1000, 0}, now = {2000, 900};
    struct rule_jump jump;

    (void)state;
    rule_watch_taken(&w, 8, 7, taken, 0);
    assert_false(rule_watch_jumped(&w, now, 60 * second_us + 1, &jump));
    assert_false(rule_watch_jumped(&w, now, 1, &jump)); /* over is over */

    /* There were no rules before: nothing to compare with. */
    w = (struct rule_watch){.factor = 2, .window_us = 60 * second_us};
    rule_watch_taken(&w, 1, 0, taken, 0);
    assert_false(rule_watch_jumped(&w, now, 1, &jump));

    /* The next revision is compared with this one. */
    rule_watch_taken(&w, 2, 1, now, 2);
    assert_false(rule_watch_jumped(&w, (struct rule_counts_seen){3000, 2000}, 3, &jump)); /* 90 % -> 100 % */
    rule_watch_taken(&w, 3, 2, (struct rule_counts_seen){4000, 1000}, 4);
    assert_true(rule_watch_jumped(&w, (struct rule_counts_seen){5000, 2000}, 5, &jump)); /* 5 % -> 100 % */
    assert_int_equal(jump.revision, 3);
    assert_int_equal(jump.before.messages, 2000);
    rule_watch_end(&w);
    assert_false(rule_watch_jumped(&w, (struct rule_counts_seen){5000, 2000}, 5, &jump));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jump_is_a_factor_and_two_points),
        cmocka_unit_test(only_within_the_window_and_against_rules),
    };

    return cmocka_run_group_tests_name("store/rule_watch", tests, NULL, NULL);
}
