/* Which markers were used: each once, for long enough, from many threads, and never more than there is room for. */
#include "serve/marker_memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { A_SECOND = 200, THREADS = 4, SHARED = 20000 };

static struct marker number(unsigned n)
{
    struct marker m = {.attempt = 1};

    snprintf(m.id, sizeof(m.id), "%08x-0000-8000-8000-000000000000", n);
    return m;
}

static void each_is_used_once(void **state)
{
    struct marker_memory *m = marker_memory_new();
    struct marker one = number(1), again = number(1), other = number(2);

    (void)state;
    assert_non_null(m);
    assert_true(marker_memory_use(m, &one, 1000));
    assert_false(marker_memory_use(m, &one, 1000));
    assert_true(marker_memory_use(m, &other, 1000));
    again.attempt = 2; /* another call for the same row */
    assert_true(marker_memory_use(m, &again, 1000));
    assert_false(marker_memory_use(m, &again, 1001));
    one.at_s = 77; /* nothing that a true marker could differ in alone */
    assert_false(marker_memory_use(m, &one, 1001));
    assert_false(marker_memory_use(m, &one, 1000 + 2 * MARKER_LIFE_S + 1)); /* as long as it can be in time, and more */
    assert_true(marker_memory_use(m, &one, 1001 + MARKER_MEMORY_S));
    marker_memory_free(m);
    marker_memory_free(NULL);
}

/* At five times the rate, for an hour: all are new when they come, and none of the last minutes is forgotten. */
static void the_rate_fits(void **state)
{
    struct marker_memory *m = marker_memory_new();
    const unsigned a_second = 5 * A_SECOND, seconds = 3600;

    (void)state;
    assert_non_null(m);
    for (unsigned s = 0; s < seconds; s++)
        for (unsigned i = 0; i < a_second; i++) {
            struct marker new = number(s * a_second + i);

            if (s < 10 || s > seconds - 10 || i < A_SECOND) /* all of them would take a while */
                assert_true(marker_memory_use(m, &new, s));
        }
    for (unsigned s = seconds - MARKER_MEMORY_S; s < seconds; s++)
        for (unsigned i = 0; i < A_SECOND; i++) {
            struct marker old = number(s * a_second + i);

            assert_false(marker_memory_use(m, &old, seconds - 1));
        }
    marker_memory_free(m);
}

/* What does not fit counts as used; what is in it stays. */
static void it_is_bounded(void **state)
{
    struct marker_memory *m = marker_memory_new();
    const unsigned cells = MARKER_MEMORY_WAYS * MARKER_MEMORY_ROWS;
    unsigned used = 0;

    (void)state;
    assert_non_null(m);
    for (unsigned i = 0; i < 3 * cells; i++) {
        struct marker new = number(i);

        used += marker_memory_use(m, &new, 5);
    }
    assert_true(used > cells * 9 / 10 && used <= cells);
    for (unsigned i = 0; i < 3 * cells; i++) {
        struct marker old = number(i);

        used += marker_memory_use(m, &old, 5);
    }
    assert_true(used <= cells);
    marker_memory_free(m);
}

struct sharing {
    struct marker_memory *memory;
    atomic_uint used;
};

static void *use_all(void *arg)
{
    struct sharing *s = arg;

    for (unsigned i = 0; i < SHARED; i++) {
        struct marker new = number(i);

        atomic_fetch_add(&s->used, marker_memory_use(s->memory, &new, 1));
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    struct sharing s = {.memory = marker_memory_new()};
    pthread_t threads[THREADS];

    (void)state;
    assert_non_null(s.memory);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_all, &s), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&s.used), SHARED);
    marker_memory_free(s.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_used_once),
        cmocka_unit_test(the_rate_fits),
        cmocka_unit_test(it_is_bounded),
        cmocka_unit_test(threads_share_it),
    };

    return cmocka_run_group_tests_name("marker_memory", tests, NULL, NULL);
}
