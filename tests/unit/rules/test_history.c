/* What is remembered of senders and rooms: rates, repetitions, earlier words; bounds, other keys, other sets, threads.
 */
#include "rules_helpers.h"

#include "rules/history.h"
#include "rules/ruleset_priv.h"

#include <pthread.h>

enum { APP = 1400000001, THREADS = 4, EACH = 500 };

static struct history *history;
static struct history_facts facts;

static int make_history(void **state)
{
    (void)state;
    history = history_new(HISTORY_LEAST_BYTES);
    return history ? 0 : -1;
}

static int free_history(void **state)
{
    (void)state;
    history_free(history);
    history_facts_release(&facts);
    facts = (struct history_facts){0};
    return 0;
}

static struct message said(const char *sender, const char *room, const char *text)
{
    return (struct message){
        .command = COMMAND_BEFORE,
        .from_account = given(sender),
        .group_id = given(room),
        .text = span_of(text),
    };
}

#define METERS(...)                                                                                                    \
    ((const struct meter[]){__VA_ARGS__}), sizeof((const struct meter[]){__VA_ARGS__}) / sizeof(struct meter)

static struct ruleset set_with(const struct meter *meters, size_t count)
{
    return (struct ruleset){.meters = meters, .meter_count = count};
}

static uint32_t observe(const struct ruleset *set, const struct message *m, int64_t now_ms)
{
    history_observe(history, set, m, APP, now_ms, &facts);
    return facts.meters[0];
}

/* Each row is one message in the same history. */
static void rates_are_buckets_that_refill(void **state)
{
    static const struct {
        int64_t at_ms;
        const char *sender, *room;
        uint32_t counted[3]; /* by sender, by sender in room, by room */
    } rows[] = {
        {0, "ann", "r1", {1, 1, 1}},     {0, "ann", "r1", {2, 2, 2}},     {10, "ann", "r2", {3, 1, 1}},
        {10, "bob", "r1", {1, 1, 3}},    {20, "ann", "r1", {4, 3, 4}},    {1000, "ann", "r1", {4, 3, 4}},
        {1000, "ann", "r1", {5, 4, 5}},  {1000, "ann", "r1", {6, 5, 6}},  {1000, "ann", "r1", {7, 6, 7}},
        {1000, "ann", "r1", {8, 7, 8}},  {1000, "ann", "r1", {8, 8, 8}},  {1000, "ann", "r1", {8, 8, 8}},
        {5000, "ann", "r1", {5, 5, 5}},  {12000, "ann", "r1", {1, 1, 1}}, {12000, NULL, "r1", {0, 0, 2}},
        {12000, "ann", NULL, {2, 0, 0}}, {12000, "", "", {0, 0, 0}},
    };
    struct ruleset set =
        set_with(METERS({METER_RATE, {COUNTED_SENDER, 4, 4000, 0}}, {METER_RATE, {COUNTED_SENDER_IN_ROOM, 4, 4000, 0}},
                        {METER_RATE, {COUNTED_ROOM, 4, 4000, 0}}));

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct message m = said(rows[i].sender, rows[i].room, "hi");

        observe(&set, &m, 1000000 + rows[i].at_ms);
        for (size_t k = 0; k < 3; k++) {
            if (facts.meters[k] != rows[i].counted[k])
                print_error("message %zu, meter %zu: %u, wanted %u\n", i, k, facts.meters[k], rows[i].counted[k]);
            assert_int_equal(facts.meters[k], rows[i].counted[k]);
        }
    }
}

static void verdicts_tighten(void **state)
{
    struct ruleset set = set_with(METERS({METER_RATE, {COUNTED_SENDER, 5, 5000, 3}}));
    struct message m = said("ann", "r1", "hi");

    (void)state;
    assert_int_equal(observe(&set, &m, 0), 1);
    history_verdict(history, &set, &m, APP, 0, ACTION_MASK);
    assert_int_equal(observe(&set, &m, 0), 2);
    history_verdict(history, &set, &m, APP, 0, ACTION_REJECT);
    assert_int_equal(observe(&set, &m, 0), 6);
    history_verdict(history, &set, &m, APP, 0, ACTION_DISCARD);
    assert_int_equal(observe(&set, &m, 0), 10); /* twice the bucket is the most */
    assert_int_equal(observe(&set, &m, 10000), 1);
}

static void repetitions_know_the_text(void **state)
{
    static const struct {
        int64_t at_ms;
        const char *sender, *text;
        uint32_t by_sender, by_room;
    } rows[] = {
        {0, "ann", "buy gold", 1, 1},
        {10, "ann", "BUY   GOLD", 2, 2},
        {20, "ann", "buy\u200Bgold", 3, 3},
        {20, "ann", "ｂｕｙ　ｇｏｌｄ", 4, 4},
        {30, "bob", "buygold", 1, 5},
        {40, "ann", "buy goldfish", 1, 1},
        {50, "ann", "", 0, 0},
        {60, "ann", " \n ", 0, 0},
        {4000, "ann", "buy gold", 5, 6},
        {16500, "ann", "buy gold", 2, 2},
        {40000, "ann", "buy gold", 1, 1},
    };
    struct ruleset set = set_with(
        METERS({METER_REPEATED, {COUNTED_SENDER, 3, 16000, 0}}, {METER_REPEATED, {COUNTED_ROOM, 3, 16000, 0}}));

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct message m = said(rows[i].sender, "r1", rows[i].text);

        observe(&set, &m, 16000 + rows[i].at_ms);
        if (facts.meters[0] != rows[i].by_sender || facts.meters[1] != rows[i].by_room)
            print_error("message %zu: %u %u\n", i, facts.meters[0], facts.meters[1]);
        assert_int_equal(facts.meters[0], rows[i].by_sender);
        assert_int_equal(facts.meters[1], rows[i].by_room);
    }
}

static void applications_are_apart_and_after_counts_nothing(void **state)
{
    struct ruleset set = set_with(METERS({METER_RATE, {COUNTED_ROOM, 4, 4000, 0}}));
    struct message before = said("ann", "r1", "hi"), after = before;

    (void)state;
    after.command = COMMAND_AFTER;
    assert_int_equal(observe(&set, &after, 0), 0);
    assert_int_equal(observe(&set, &before, 0), 1);
    assert_int_equal(observe(&set, &after, 0), 1);
    assert_int_equal(observe(&set, &after, 0), 1);
    history_verdict(history, &set, &after, APP, 0, ACTION_REJECT);
    assert_int_equal(observe(&set, &before, 0), 2);
    history_observe(history, &set, &before, APP + 1, 0, &facts);
    assert_int_equal(facts.meters[0], 1);
    history_observe(history, NULL, &before, APP, 0, &facts);
    assert_int_equal(facts.meters[0], 0);
}

static void equal_meters_go_on_in_another_set(void **state)
{
    struct ruleset one = set_with(METERS({METER_RATE, {COUNTED_ROOM, 4, 4000, 0}}));
    struct ruleset two =
        set_with(METERS({METER_REPEATED, {COUNTED_ROOM, 4, 4000, 0}}, {METER_RATE, {COUNTED_ROOM, 5, 4000, 0}},
                        {METER_RATE, {COUNTED_ROOM, 4, 4000, 0}}));
    struct message m = said("ann", "r1", "hi");

    (void)state;
    observe(&one, &m, 0);
    observe(&one, &m, 0);
    observe(&two, &m, 0);
    assert_int_equal(facts.meters[0], 1);
    assert_int_equal(facts.meters[1], 1);
    assert_int_equal(facts.meters[2], 3);
}

static void earlier_words_are_whole_and_recent(void **state)
{
    struct set_folding folding = {.spec = {.steps = FOLD_BASE | FOLD_SPLIT}};
    struct ruleset set = {.foldings = &folding, .folding_count = 1};
    static const struct {
        int64_t at_ms;
        const char *sender, *room, *text;
        enum action action;
        const char *earlier;
    } rows[] = {
        {0, "ann", "r1", "ba", ACTION_ALLOW, ""},
        {1000, "ann", "r1", "d", ACTION_MASK, "ba\x1f"},
        {1000, "ann", "r2", "x", ACTION_ALLOW, ""},
        {1000, "bob", "r1", "y", ACTION_ALLOW, ""},
        {2000, "ann", "r1", "word", ACTION_REJECT,
         "ba\x1f"
         "d\x1f"},
        {3000, "ann", "r1", "", ACTION_ALLOW,
         "ba\x1f"
         "d\x1f"},
        {60500, "ann", "r1", "z", ACTION_ALLOW, "d\x1f"},
        {60600, "ann", "r1", "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
         ACTION_ALLOW, "d\x1fz\x1f"},
        {60700, "ann", "r1", "twelve bytes", ACTION_ALLOW,
         "d\x1fz\x1f"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567\x1f"},
        {60800, "ann", "r1",
         "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
         ACTION_ALLOW, "twelve bytes\x1f"},
        {60900, "ann", "r1", "end", ACTION_ALLOW, /* the end of what does not fit, whole characters */
         "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345\x1f"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct message m = said(rows[i].sender, rows[i].room, rows[i].text);

        observe(&set, &m, rows[i].at_ms);
        if (!span_is((struct span){facts.earlier, facts.earlier_len}, rows[i].earlier))
            fail_msg("message %zu finds \"%.*s\"", i, (int)facts.earlier_len, facts.earlier);
        history_verdict(history, &set, &m, APP, rows[i].at_ms, rows[i].action);
    }
    for (int i = 0; i < 100; i++) { /* more messages than are remembered */
        struct message m = said("eve", "r1", "e");

        observe(&set, &m, 100000);
        assert_int_equal(facts.earlier_len, 2 * (i < HISTORY_EARLIER_MESSAGES ? i : HISTORY_EARLIER_MESSAGES));
        history_verdict(history, &set, &m, APP, 100000, ACTION_ALLOW);
    }
}

/* However many senders there are, the memory stays, and one that is seen all the time is not forgotten for them. */
static void memory_is_bounded(void **state)
{
    struct ruleset set = set_with(METERS({METER_RATE, {COUNTED_SENDER, 1000, 3600000, 0}}));
    struct message regular = said("regular", "r1", "hi");
    uint32_t seen = 0;

    (void)state;
    for (uint32_t i = 0; i < 50000; i++) {
        char name[24];
        struct message m;

        snprintf(name, sizeof(name), "passer-%u", i);
        m = said(name, "r1", "hi");
        observe(&set, &m, 1000 + i / 100);
        if (i % 100 == 0)
            seen = observe(&set, &regular, 1000 + i / 100);
    }
    assert_int_equal(seen, 500);
}

static void *observe_much(void *arg)
{
    const struct ruleset *set = arg;
    struct history_facts own = {0};

    for (int i = 0; i < EACH; i++) {
        char name[24];
        struct message m;

        history_observe(
            history, set,
            &(struct message){
                .command = COMMAND_BEFORE, .group_id = given("r1"), .from_account = given("all"), .text = SPAN("same")},
            APP, 5000, &own);
        snprintf(name, sizeof(name), "sender-%d", i % 50);
        m = said(name, "r2", name);
        history_observe(history, set, &m, APP, 5000, &own);
        history_verdict(history, set, &m, APP, 5000, i % 2 ? ACTION_REJECT : ACTION_ALLOW);
    }
    history_facts_release(&own);
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    struct set_folding folding = {.spec = {.steps = FOLD_BASE | FOLD_SPLIT}};
    struct ruleset set = set_with(
        METERS({METER_RATE, {COUNTED_SENDER, 60000, 3600000, 2}}, {METER_REPEATED, {COUNTED_ROOM, 1000, 3600000, 0}}));
    struct message m = said("all", "r1", "same");
    pthread_t threads[THREADS];

    (void)state;
    set.foldings = &folding;
    set.folding_count = 1;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, observe_much, &set), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    observe(&set, &m, 5000);
    assert_int_equal(facts.meters[0], THREADS * EACH + 1);
    assert_int_equal(facts.meters[1], THREADS * EACH + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_history, free_history)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rates_are_buckets_that_refill),
        TEST(verdicts_tighten),
        TEST(repetitions_know_the_text),
        TEST(applications_are_apart_and_after_counts_nothing),
        TEST(equal_meters_go_on_in_another_set),
        TEST(earlier_words_are_whole_and_recent),
        TEST(memory_is_bounded),
        TEST(threads_lose_no_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
