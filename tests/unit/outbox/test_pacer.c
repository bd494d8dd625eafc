/* The rate: pacers under a simulated clock, with arrivals at a simulated platform whatever the delays; breaker and
 * signatures, which live by the same clock. */
#include "outbox/breaker.h"
#include "outbox/pacer.h"
#include "outbox/signatures.h"
#include "wire/usersig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CALLS_MOST = 100000, STEP_US = 500, INSTANCES = 3 };

/* chatsluice.lease_calls, as far as the pacers are concerned: what each may be using. */
struct leases {
    unsigned rate;
    unsigned permits[INSTANCES];
    int64_t until_us[INSTANCES];
};

static unsigned lease_calls(struct leases *l, unsigned me, unsigned own, int64_t now_us, int64_t lease_us)
{
    unsigned others = 0, sharers = 1, share, held = l->permits[me];

    for (unsigned i = 0; i < INSTANCES; i++) {
        if (i == me)
            continue;
        if (l->until_us[i] + 1000000 < now_us)
            l->permits[i] = 0;
        else
            sharers += l->until_us[i] >= now_us;
        others += l->permits[i];
    }
    share = l->rate / sharers;
    if (share > (l->rate > others ? l->rate - others : 0))
        share = l->rate > others ? l->rate - others : 0;
    if (own > held)
        own = held;
    l->permits[me] = own > share ? own : share;
    l->until_us[me] = now_us + lease_us;
    return share;
}

/* A call under way: it arrives somewhere between its beginning and its answer. */
struct flight {
    unsigned instance;
    int64_t answer_us;
};

struct world {
    struct leases leases;
    struct pacer pacers[INSTANCES];
    int64_t renew_us[INSTANCES];
    bool alive[INSTANCES];
    struct flight flights[INSTANCES * PACER_MOST];
    unsigned flying;
    int64_t arrivals[CALLS_MOST];
    size_t calls;
    int64_t delay_most_us;
    unsigned seed;
};

static int64_t below(struct world *w, int64_t bound)
{
    return bound > 0 ? (int64_t)((uint64_t)rand_r(&w->seed) * 32768u + (uint64_t)rand_r(&w->seed)) % bound : 0;
}

static void land(struct world *w, int64_t now_us)
{
    for (unsigned i = 0; i < w->flying;) {
        struct flight *f = &w->flights[i];
        if (f->answer_us > now_us) {
            i++;
            continue;
        }
        pacer_end(&w->pacers[f->instance], now_us, true);
        *f = w->flights[--w->flying];
    }
}

static void step(struct world *w, unsigned i, int64_t now_us)
{
    struct pacer *p = &w->pacers[i];

    if (now_us >= w->renew_us[i]) {
        const unsigned own = pacer_own(p, now_us);
        const unsigned share = lease_calls(&w->leases, i, own, now_us + below(w, 20000), 3000000);
        pacer_lease(p, share, now_us + 2500000);
        w->renew_us[i] = now_us + (share < own || share == 0 ? 100000 : 500000);
    }
    while (pacer_free(p, now_us) > 0 && w->calls < CALLS_MOST) {
        const int64_t there_us = below(w, w->delay_most_us), back_us = below(w, w->delay_most_us);
        pacer_begin(p, now_us);
        w->arrivals[w->calls++] = now_us + there_us;
        w->flights[w->flying++] = (struct flight){i, now_us + there_us + back_us};
    }
}

static int by_time(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static unsigned most_in_a_second(struct world *w)
{
    unsigned most = 0;
    size_t first = 0;

    qsort(w->arrivals, w->calls, sizeof(w->arrivals[0]), by_time);
    for (size_t i = 0; i < w->calls; i++) {
        while (w->arrivals[i] - w->arrivals[first] >= 1000000)
            first++;
        if (i - first + 1 > most)
            most = (unsigned)(i - first + 1);
    }
    return most;
}

static struct world *world_new(unsigned rate, int64_t delay_most_us, unsigned seed)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->leases.rate = rate;
    w->delay_most_us = delay_most_us;
    w->seed = seed;
    return w;
}

static void never_more_than_the_rate_whatever_the_delays(void **state)
{
    static const int64_t delays_us[] = {0, 1000, 50000, 400000, 3000000};

    (void)state;
    for (size_t d = 0; d < sizeof(delays_us) / sizeof(delays_us[0]); d++) {
        struct world *w = world_new(200, delays_us[d], 7 + (unsigned)d);
        for (int64_t now_us = 0; now_us < 30 * 1000000LL; now_us += STEP_US) {
            land(w, now_us);
            step(w, 0, now_us);
        }
        assert_in_range(most_in_a_second(w), 1, 200);
        free(w);
    }
}

/* With small delays little of the rate is lost: a permit rests a second and the time of its call. */
static void nearly_the_whole_rate_is_used(void **state)
{
    struct world *w = world_new(200, 10000, 3);
    const int64_t seconds = 30;

    (void)state;
    for (int64_t now_us = 0; now_us < seconds * 1000000; now_us += STEP_US) {
        land(w, now_us);
        step(w, 0, now_us);
    }
    assert_true(w->calls >= 190 * (size_t)seconds);
    free(w);
}

/* Instances come, die without a word and come back; those alive share the rate and never exceed it together. */
static void instances_share_the_rate(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        struct world *w = world_new(200, 100000, seed);
        for (int64_t now_us = 0; now_us < 60 * 1000000LL; now_us += STEP_US) {
            land(w, now_us);
            for (unsigned i = 0; i < INSTANCES; i++) {
                if (below(w, 4000000 / STEP_US) == 0)
                    w->alive[i] = !w->alive[i];
                if (w->alive[i])
                    step(w, i, now_us);
            }
        }
        assert_in_range(most_in_a_second(w), 100, 200);
        free(w);
    }
}

static void a_lease_that_ran_out_is_not_used(void **state)
{
    struct pacer p = {0};

    (void)state;
    assert_int_equal(pacer_free(&p, 0), 0);
    pacer_lease(&p, 5, 1000);
    assert_int_equal(pacer_free(&p, 999), 5);
    assert_int_equal(pacer_free(&p, 1000), 0);
    assert_int_equal(pacer_own(&p, 999), 5);
    pacer_begin(&p, 999);
    assert_int_equal(pacer_own(&p, 1000), 1);
    pacer_end(&p, 1100, true);
    assert_int_equal(pacer_busy(&p, 1100 + PACER_REST_US - 1), 1);
    assert_int_equal(pacer_busy(&p, 1100 + PACER_REST_US), 0);
    pacer_lease(&p, 1, 10000000);
    assert_int_equal(pacer_free(&p, 1101), 0);
    assert_int_equal(pacer_free(&p, 1100 + PACER_REST_US), 1);
    pacer_begin(&p, 1100 + PACER_REST_US);
    pacer_end(&p, 1200 + PACER_REST_US, false); /* nothing was sent: no rest */
    assert_int_equal(pacer_free(&p, 1200 + PACER_REST_US), 1);
}

static void a_breaker_opens_tries_and_closes(void **state)
{
    struct breaker b = BREAKER_INIT;

    (void)state;
    assert_int_equal(breaker_admits(&b, 0), UINT_MAX);
    assert_false(breaker_pass(&b));
    assert_true(breaker_trip(&b, 0, 60020, 0));
    assert_false(breaker_trip(&b, 1000, 60020, 0)); /* calls that were under way change nothing */
    assert_false(breaker_pass(&b));
    assert_int_equal(b.code, 60020);
    assert_int_equal(breaker_wait_ms(&b, 0), BREAKER_FIRST_MS);
    assert_int_equal(breaker_admits(&b, BREAKER_FIRST_MS * 1000LL - 1), 0);
    assert_int_equal(breaker_admits(&b, BREAKER_FIRST_MS * 1000LL), 1);
    breaker_begin(&b);
    assert_int_equal(breaker_admits(&b, BREAKER_FIRST_MS * 1000LL), 0); /* one at a time */
    assert_false(breaker_trip(&b, 5000000, 60020, 0)); /* refused again: not said again, waits longer */
    assert_int_equal(breaker_wait_ms(&b, 5000000), 2 * BREAKER_FIRST_MS);
    assert_int_equal(breaker_admits(&b, 15000000), 1);
    breaker_begin(&b);
    breaker_unsure(&b, 16000000);
    assert_int_equal(breaker_wait_ms(&b, 16000000), 2 * BREAKER_FIRST_MS);
    breaker_begin(&b);
    assert_true(breaker_pass(&b));
    assert_int_equal(breaker_admits(&b, 16000000), UINT_MAX);
    assert_true(breaker_trip(&b, 0, 70050, 61000));
    assert_int_equal(breaker_wait_ms(&b, 0), 61000);
    for (unsigned i = 0; i < 20; i++) {
        breaker_begin(&b);
        breaker_trip(&b, 0, 70005, 0);
    }
    assert_int_equal(breaker_wait_ms(&b, 0), BREAKER_MOST_MS);
}

static void a_signature_is_kept_and_renewed(void **state)
{
    enum { NOW = 1764000000 };
    struct signature s = {0};
    const char *text;
    char first[1024];

    (void)state;
    assert_int_equal(signature_get(&s, "key", "administrator", 1400000001, NOW, &text, NULL), 0);
    assert_int_equal(usersig_check(span_of(text), "key", "administrator", 1400000001, NOW + SIGNATURE_LIFE_S),
                     USERSIG_OK);
    snprintf(first, sizeof(first), "%s", text);
    assert_int_equal(signature_get(&s, "key", "administrator", 1400000001, NOW + SIGNATURE_RENEW_S, &text, NULL), 0);
    assert_string_equal(text, first);
    assert_int_equal(s.number, 1);
    /* Long before it expires, and after the clock was set back. */
    assert_int_equal(signature_get(&s, "key", "administrator", 1400000001, NOW + SIGNATURE_RENEW_S + 1, &text, NULL),
                     0);
    assert_int_equal(s.number, 2);
    assert_int_equal(signature_get(&s, "key", "administrator", 1400000001, NOW, &text, NULL), 0);
    assert_int_equal(s.number, 3);
    /* Said to have expired: a new one, once. Answers to calls with the old one say nothing new. */
    assert_true(signature_expired(&s, 3));
    assert_true(signature_expired(&s, 3));
    assert_int_equal(signature_get(&s, "key", "administrator", 1400000001, NOW + 5, &text, NULL), 0);
    assert_int_equal(s.number, 4);
    assert_true(signature_expired(&s, 3));
    assert_false(signature_expired(&s, 4));
    assert_int_equal(signature_get(&s, "key", "administrator", 1400000001, NOW + 6, &text, NULL), 0);
    signature_worked(&s, 5);
    assert_true(signature_expired(&s, 5));
    signature_forget(&s);
    assert_int_equal(signature_get(&s, "key", "no good name", 1400000001, NOW, &text, NULL), ERR_USAGE);
    signature_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_than_the_rate_whatever_the_delays),
        cmocka_unit_test(nearly_the_whole_rate_is_used),
        cmocka_unit_test(instances_share_the_rate),
        cmocka_unit_test(a_lease_that_ran_out_is_not_used),
        cmocka_unit_test(a_breaker_opens_tries_and_closes),
        cmocka_unit_test(a_signature_is_kept_and_renewed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
