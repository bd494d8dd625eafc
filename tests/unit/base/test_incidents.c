/* What this process lives through, until it is written down. The list is the process's own: each test leaves it empty.
 */
#include "base/incidents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct incident taken[INCIDENTS_KEPT];

static void settle_all(void)
{
    size_t count = incidents_take(taken);

    for (size_t i = 0; i < count; i++)
        incidents_settle(&taken[i]);
}

static void what_goes_on_is_taken_again_and_what_is_over_once(void **state)
{
    (void)state;
    incident_set(INCIDENT_DATABASE_AWAY, 0, true, "no route");
    incident_set(INCIDENT_DATABASE_AWAY, 0, true, "another word for the same");
    assert_int_equal(incidents_take(taken), 1);
    assert_string_equal(taken[0].detail, "no route");
    assert_true(taken[0].began_us > 0);
    assert_int_equal(taken[0].ended_us, 0);
    incidents_settle(&taken[0]);
    assert_int_equal(incidents_take(taken), 1);

    incident_set(INCIDENT_DATABASE_AWAY, 0, false, NULL);
    incident_set(INCIDENT_DATABASE_AWAY, 0, false, NULL);
    assert_int_equal(incidents_take(taken), 1);
    assert_true(taken[0].ended_us >= taken[0].began_us);
    incidents_settle(&taken[0]);
    assert_int_equal(incidents_take(taken), 0);
    incident_set(INCIDENT_DATABASE_AWAY, 0, false, NULL); /* nothing that would be over */
    assert_int_equal(incidents_take(taken), 0);
}

static void an_end_between_writing_and_settling_is_not_lost(void **state)
{
    (void)state;
    incident_set(INCIDENT_SPOOL_FULL, 0, true, NULL);
    assert_int_equal(incidents_take(taken), 1);
    incident_set(INCIDENT_SPOOL_FULL, 0, false, NULL);
    incidents_settle(&taken[0]); /* as it was */
    assert_int_equal(incidents_take(taken), 1);
    assert_int_not_equal(taken[0].ended_us, 0);
    settle_all();
    assert_int_equal(incidents_take(taken), 0);
}

static void subjects_and_kinds_are_apart(void **state)
{
    (void)state;
    incident_set(INCIDENT_BREAKER_OPEN, 1400000001, true, "a");
    incident_set(INCIDENT_BREAKER_OPEN, 1400000002, true, "b");
    incident_set(INCIDENT_SPOOL_STALLED, 0, true, NULL);
    incident_set(INCIDENT_BREAKER_OPEN, 1400000001, false, NULL);
    assert_int_equal(incidents_take(taken), 3);
    settle_all();
    assert_int_equal(incidents_take(taken), 2);
    incident_set(INCIDENT_BREAKER_OPEN, 1400000002, false, NULL);
    incident_set(INCIDENT_SPOOL_STALLED, 0, false, NULL);
    settle_all();
    assert_int_equal(incidents_take(taken), 0);
}

static void details_and_numbers_are_bounded(void **state)
{
    char words[3 * INCIDENT_DETAIL + 1];

    (void)state;
    for (size_t i = 0; i < INCIDENT_DETAIL; i++)
        memcpy(words + 3 * i, "\xE4\xB8\xAD", 3); /* 中 */
    words[sizeof(words) - 1] = '\0';
    for (uint64_t subject = 1; subject <= INCIDENTS_KEPT + 5; subject++)
        incident_set(INCIDENT_BREAKER_OPEN, subject, true, words);
    assert_int_equal(incidents_take(taken), INCIDENTS_KEPT);
    assert_int_equal(strlen(taken[0].detail), (INCIDENT_DETAIL - 1) / 3 * 3);
    for (uint64_t subject = 1; subject <= INCIDENTS_KEPT + 5; subject++)
        incident_set(INCIDENT_BREAKER_OPEN, subject, false, NULL);
    settle_all();
    assert_int_equal(incidents_take(taken), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_on_is_taken_again_and_what_is_over_once),
        cmocka_unit_test(an_end_between_writing_and_settling_is_not_lost),
        cmocka_unit_test(subjects_and_kinds_are_apart),
        cmocka_unit_test(details_and_numbers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
