#include "sim/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct latency *latency_new(void)
{
    struct latency *l = calloc(1, sizeof(*l));

    assert_non_null(l);
    return l;
}

static void small_values_are_exact(void **state)
{
    struct latency *l = latency_new();

    (void)state;
    assert_int_equal(latency_at(l, 0.5), 0);
    for (int us = 1; us <= 1000; us++)
        latency_add(l, us);
    assert_int_equal(latency_at(l, 0.0), 1);
    assert_int_equal(latency_at(l, 0.5), 500);
    assert_int_equal(latency_at(l, 0.9), 900);
    assert_int_equal(latency_at(l, 0.999), 999);
    assert_int_equal(latency_at(l, 1.0), 1000);
    latency_add(l, -5); /* a clock that went back counts as nothing */
    assert_int_equal(latency_at(l, 0.0), 0);
    free(l);
}

static void every_value_is_within_a_thousandth(void **state)
{
    struct latency *l = latency_new();

    (void)state;
    for (int64_t us = 1; us < (int64_t)1 << 33; us = us * 21 / 20 + 1) {
        *l = (struct latency){0};
        latency_add(l, us);
        latency_add(l, INT64_MAX / 2); /* so that max does not cut the slot's top */
        const int64_t shown = latency_at(l, 0.5);
        if (shown < us || shown - us > us / 1000)
            fail_msg("%lld is shown as %lld", (long long)us, (long long)shown);
    }
    free(l);
}

static void the_largest_is_kept_whatever_it_is(void **state)
{
    struct latency *l = latency_new();

    (void)state;
    latency_add(l, 3);
    latency_add(l, INT64_MAX);
    assert_int_equal(latency_at(l, 0.5), 3);
    assert_int_equal(l->max_us, INT64_MAX);
    free(l);
}

static void merging_is_adding(void **state)
{
    struct latency *a = latency_new(), *b = latency_new();

    (void)state;
    for (int i = 0; i < 90; i++)
        latency_add(a, 10);
    for (int i = 0; i < 10; i++)
        latency_add(b, 5000000);
    latency_merge(a, b);
    assert_int_equal(a->count, 100);
    assert_int_equal(latency_at(a, 0.9), 10);
    assert_true(latency_at(a, 0.91) >= 4995000 && latency_at(a, 0.91) <= 5000000);
    assert_int_equal(latency_at(a, 1.0), 5000000);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(every_value_is_within_a_thousandth),
        cmocka_unit_test(the_largest_is_kept_whatever_it_is),
        cmocka_unit_test(merging_is_adding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
