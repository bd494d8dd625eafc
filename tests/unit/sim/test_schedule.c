/* When requests are due, and how many may happen in a second: time is a number here, never a clock. */
#include "sim/limit.h"
#include "sim/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_fixed_rate_has_due_times_from_the_start(void **state)
{
    const struct schedule s = {.rate = 1000, .start_us = 5000000, .seconds_us = 2000000};

    (void)state;
    assert_int_equal(schedule_due_us(&s, 0, 99), 5000000);
    assert_int_equal(schedule_due_us(&s, 1, 99), 5001000);
    assert_int_equal(schedule_due_us(&s, 1999, 99), 6999000);
    /* the time asked does not matter: a stalled server changes nothing */
    assert_true(schedule_has(&s, 1999, 900000000));
    assert_false(schedule_has(&s, 2000, 5000000));
}

static void a_rate_is_kept_over_a_long_run(void **state)
{
    const struct schedule s = {.rate = 7777, .start_us = 0, .seconds_us = (int64_t)3600 * 1000000};

    (void)state;
    assert_int_equal(schedule_due_us(&s, (uint64_t)7777 * 3600, 0), (int64_t)3600 * 1000000);
    assert_true(schedule_has(&s, (uint64_t)7777 * 3600 - 1, 0));
    assert_false(schedule_has(&s, (uint64_t)7777 * 3600, 0));
}

static void flat_out_ends_by_time_or_count(void **state)
{
    const struct schedule timed = {.start_us = 100, .seconds_us = 50};
    const struct schedule counted = {.start_us = 100, .count = 3};

    (void)state;
    assert_int_equal(schedule_due_us(&timed, 12345, 149), 149);
    assert_true(schedule_has(&timed, 12345, 149));
    assert_false(schedule_has(&timed, 0, 150));
    assert_true(schedule_has(&counted, 2, 1000000));
    assert_false(schedule_has(&counted, 3, 100));
}

static void after_webhooks_are_spread_evenly(void **state)
{
    static const double shares[] = {0, 0.1, 0.25, 1.0 / 3, 0.5, 0.9, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        for (uint64_t n = 0; n < 5000; n++) {
            const uint64_t step = schedule_afters(shares[i], n + 1) - schedule_afters(shares[i], n);
            assert_true(step <= 1);
        }
        assert_true((double)schedule_afters(shares[i], 5000) >= 5000 * shares[i] - 1);
        assert_true((double)schedule_afters(shares[i], 5000) <= 5000 * shares[i] + 1);
    }
}

static void no_second_holds_more_than_the_limit(void **state)
{
    struct rolling_limit limit;
    int64_t taken[1000], now_us = 0;
    size_t count = 0;

    (void)state;
    rolling_limit_init(&limit, 40);
    for (unsigned i = 0; i < 5000 && count < 1000; i++) {
        now_us += (i * 7919u) % 30000; /* bursts and pauses */
        if (rolling_limit_take(&limit, now_us))
            taken[count++] = now_us;
    }
    assert_true(count > 200);
    for (size_t i = 40; i < count; i++)
        assert_true(taken[i] - taken[i - 40] >= LIMIT_WINDOW_US);
}

static void a_limit_gives_all_it_has_and_recovers(void **state)
{
    struct rolling_limit limit;

    (void)state;
    rolling_limit_init(&limit, LIMIT_MAX);
    for (unsigned i = 0; i < LIMIT_MAX; i++)
        assert_true(rolling_limit_take(&limit, 500));
    assert_false(rolling_limit_take(&limit, 500));
    assert_false(rolling_limit_take(&limit, 500 + LIMIT_WINDOW_US - 1));
    for (unsigned i = 0; i < LIMIT_MAX; i++)
        assert_true(rolling_limit_take(&limit, 500 + LIMIT_WINDOW_US));
    assert_false(rolling_limit_take(&limit, 500 + LIMIT_WINDOW_US));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fixed_rate_has_due_times_from_the_start),
        cmocka_unit_test(a_rate_is_kept_over_a_long_run),
        cmocka_unit_test(flat_out_ends_by_time_or_count),
        cmocka_unit_test(after_webhooks_are_spread_evenly),
        cmocka_unit_test(no_second_holds_more_than_the_limit),
        cmocka_unit_test(a_limit_gives_all_it_has_and_recovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
