/* Threads that end, and threads that do not. */
#include "base/clock.h"
#include "base/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

static void *end_when_told(void *told)
{
    while (!atomic_load((atomic_bool *)told))
        clock_sleep_ms(1);
    return NULL;
}

static void a_thread_is_joined_when_it_has_ended_and_not_before(void **state)
{
    atomic_bool told = false;
    pthread_t thread;
    int64_t start_us = clock_mono_us();

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, end_when_told, &told), 0);
    assert_false(thread_join_within(thread, 30));
    assert_true(clock_mono_us() - start_us >= 30000);
    assert_false(thread_join_within(thread, 0));
    atomic_store(&told, true);
    assert_true(thread_join_within(thread, 60000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thread_is_joined_when_it_has_ended_and_not_before)};

    return cmocka_run_group_tests_name("base/wait", tests, NULL, NULL);
}
