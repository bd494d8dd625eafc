/* Faults in words, whom they hit, and the counting of calls: everything that needs no socket. */
#include "sim/call_log.h"
#include "sim/fault_plan.h"
#include "sim/webhook_form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void good_specs(void **state)
{
    static const struct {
        const char *text;
        enum fault_where where;
        enum fault_kind kind;
        int64_t value;
        double probability;
    } cases[] = {
        {"send_text_msg:code=100001:0.1", WHERE_COMMAND, FAULT_CODE, 100001, 0.1},
        {"rest:code=1", WHERE_REST, FAULT_CODE, 1, 1},
        {"rest:processed-code=60008:.5", WHERE_REST, FAULT_PROCESSED_CODE, 60008, 0.5},
        {"rest:http=502:1", WHERE_REST, FAULT_HTTP, 502, 1},
        {"rest:processed-http=599:1.0", WHERE_REST, FAULT_PROCESSED_HTTP, 599, 1},
        {"rest:reset:0", WHERE_REST, FAULT_RESET, 0, 0},
        {"send_text_msg:processed-reset", WHERE_COMMAND, FAULT_PROCESSED_RESET, 0, 1},
        {"rest:garbage", WHERE_REST, FAULT_GARBAGE, 0, 1},
        {"rest:truncated", WHERE_REST, FAULT_TRUNCATED, 0, 1},
        {"rest:oversized=67108864", WHERE_REST, FAULT_OVERSIZED, 67108864, 1},
        {"rest:delay=60000", WHERE_REST, FAULT_REST_DELAY, 60000, 1},
        {"rest:MsgFreqCtrl", WHERE_REST, FAULT_FREQUENCY, 0, 1},
        {"send_text_msg:MsgFreqCtrl", WHERE_COMMAND, FAULT_FREQUENCY, 0, 1},
        {"before:lost", WHERE_BEFORE, FAULT_LOST, 0, 1},
        {"after:delay=1", WHERE_AFTER, FAULT_WEBHOOK_DELAY, 1, 1},
        {"webhooks:reorder=500:0.25", WHERE_WEBHOOKS, FAULT_REORDER, 500, 0.25},
        {"webhooks:slow=20", WHERE_WEBHOOKS, FAULT_SLOW, 20, 1},
        {"before:missing=OptPlatform", WHERE_BEFORE, FAULT_MISSING, WEBHOOK_OPT_PLATFORM, 1},
        {"before:missing=MsgId", WHERE_BEFORE, FAULT_MISSING, WEBHOOK_MSG_ID, 1},
        {"after:missing=EventTime", WHERE_AFTER, FAULT_MISSING, WEBHOOK_EVENT_TIME, 1},
        {"after:missing=Operator_Account", WHERE_AFTER, FAULT_MISSING, WEBHOOK_OPERATOR, 1},
        {"webhooks:string-event-time", WHERE_WEBHOOKS, FAULT_STRING_EVENT_TIME, 0, 1},
        {"after:duplicate", WHERE_AFTER, FAULT_DUPLICATE, 0, 1},
        {"recall:lost", WHERE_RECALL, FAULT_LOST, 0, 1},
        {"recall:duplicate=5", WHERE_RECALL, FAULT_DUPLICATE, 5, 1},
        {"after:duplicate=200:0.5", WHERE_AFTER, FAULT_DUPLICATE, 200, 0.5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault_spec spec;
        struct err err = {0};
        if (fault_spec_read(&spec, cases[i].text, &err) != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        if (spec.where != cases[i].where || spec.kind != cases[i].kind || spec.value != cases[i].value ||
            spec.probability < cases[i].probability || spec.probability > cases[i].probability ||
            strcmp(spec.text, cases[i].text) != 0)
            fail_msg("%s was read as something else", cases[i].text);
    }
}

static void bad_specs(void **state)
{
    static const struct {
        const char *text, *words; /* which the error must hold */
    } cases[] = {
        {"", "WHERE:KIND"},
        {"rest", "WHERE:KIND"},
        {":reset", "WHERE:KIND"},
        {"rest:", "WHERE:KIND"},
        {"send_txt_msg:reset", "did you mean \"send_text_msg\""},
        {"everything:reset", "rest, before, after, recall, webhooks, send_text_msg"},
        {"REST:reset", "is unknown"},
        {"rest:rest", "did you mean \"reset\""},
        {"rest:lost", "for REST commands"},
        {"before:reset", "for webhooks"},
        {"rest:code", "as in code=100001"},
        {"rest:code=", "from 1 to 2147483647"},
        {"rest:code=0", "from 1 to 2147483647"},
        {"rest:code=-1", "from 1 to 2147483647"},
        {"rest:code=2147483648", "from 1 to 2147483647"},
        {"rest:http=200", "from 400 to 599"},
        {"rest:processed-http=600", "from 400 to 599"},
        {"rest:reset=1", "takes no value"},
        {"rest:delay=60001", "from 1 to 60000"},
        {"rest:oversized=67108865", "from 1 to 67108864"},
        {"before:slow=0", "from 1 to 1000"},
        {"before:missing", "as in missing=MsgId"},
        {"before:missing=MsgID", "did you mean \"MsgId\""},
        {"before:missing=GroupId", "Operator_Account"},
        {"before:duplicate", "after:duplicate"},
        {"webhooks:duplicate", "after:duplicate"},
        {"after:duplicate=x", "from 0 to 60000"},
        {"rest:reset:", "from 0 to 1"},
        {"rest:reset:1.1", "from 0 to 1"},
        {"rest:reset:-0.1", "from 0 to 1"},
        {"rest:reset:nan", "from 0 to 1"},
        {"rest:reset:0.1.2", "from 0 to 1"},
        {"rest:reset:.", "from 0 to 1"},
        {"rest:reset:10%", "from 0 to 1"},
        {"rest:reset:0.1:0.2", "from 0 to 1"},
        {"rest:reset:0.1 ", "from 0 to 1"},
    };
    char longest[FAULT_SPEC_MAX + 2];
    struct fault_spec spec = {.text = "untouched"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err = (struct err){0};
        if (fault_spec_read(&spec, cases[i].text, &err) != ERR_USAGE)
            fail_msg("\"%s\" was taken", cases[i].text);
        if (!strstr(err.text, cases[i].words))
            fail_msg("\"%s\": %s does not say %s", cases[i].text, err.text, cases[i].words);
    }
    snprintf(longest, sizeof(longest), "rest:reset:0.%0*d", FAULT_SPEC_MAX + 1 - 13, 1);
    assert_int_equal(strlen(longest), FAULT_SPEC_MAX + 1);
    assert_int_equal(fault_spec_read(&spec, longest, &err), ERR_USAGE);
    longest[FAULT_SPEC_MAX] = '\0';
    assert_string_equal(spec.text, "untouched");
    assert_int_equal(fault_spec_read(&spec, longest, &err), 0);
}

/* Decisions ------------------------------------------------------------------------------------------------------ */

enum { DRAWS = 4000 };

static struct fault_plan *plan_of(uint64_t seed, const char *const *texts, size_t count)
{
    struct fault_plan *plan = fault_plan_new(seed, "http://127.0.0.1/");
    struct fault_spec specs[FAULTS_MAX];

    assert_non_null(plan);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(fault_spec_read(&specs[i], texts[i], NULL), 0);
    assert_int_equal(fault_plan_set(plan, specs, count, NULL), 0);
    return plan;
}

static void same_seed_same_faults(void **state)
{
    static const char *const texts[] = {"rest:code=100001:0.2", "send_text_msg:reset:0.1", "after:lost:0.3",
                                        "after:reorder=1000"};
    struct fault_plan *one = plan_of(7, texts, 4), *two = plan_of(7, texts, 4), *other = plan_of(8, texts, 4);
    unsigned codes = 0, resets = 0, lost = 0, differ = 0, delays_differ = 0;
    struct rest_faults rest[DRAWS];
    struct webhook_faults after[DRAWS];

    (void)state;
    /* one: call and webhook by turns; two: all calls, then all webhooks. The order must not matter. */
    for (size_t i = 0; i < DRAWS; i++) {
        rest[i] = fault_plan_rest(one, 0);
        after[i] = fault_plan_webhook(one, COMMAND_AFTER);
    }
    for (size_t i = 0; i < DRAWS; i++) {
        const struct rest_faults again = fault_plan_rest(two, 0), else_seed = fault_plan_rest(other, 0);
        assert_int_equal(again.spoils, rest[i].spoils);
        differ += else_seed.spoils != rest[i].spoils;
        codes += rest[i].spoils == FAULT_CODE;
        resets += rest[i].spoils == FAULT_RESET;
    }
    for (size_t i = 0; i < DRAWS; i++) {
        const struct webhook_faults again = fault_plan_webhook(two, COMMAND_AFTER);
        assert_int_equal(again.lost, after[i].lost);
        assert_int_equal(again.delay_ms, after[i].delay_ms);
        assert_in_range(after[i].delay_ms, 0, 1000);
        delays_differ += i > 0 && after[i].delay_ms != after[i - 1].delay_ms;
        lost += after[i].lost;
    }
    /* The seeds are fixed, so these are no matter of luck: 0.2, 0.1 of the other 0.8, and 0.3. */
    assert_in_range(codes, DRAWS / 5 - 100, DRAWS / 5 + 100);
    assert_in_range(resets, DRAWS * 2 / 25 - 100, DRAWS * 2 / 25 + 100);
    assert_in_range(lost, DRAWS * 3 / 10 - 100, DRAWS * 3 / 10 + 100);
    assert_true(differ > DRAWS / 5 && delays_differ > DRAWS / 2);
    fault_plan_free(one);
    fault_plan_free(two);
    fault_plan_free(other);
}

static void setting_begins_anew(void **state)
{
    static const char *const texts[] = {"rest:reset:0.5"};
    struct fault_plan *plan = plan_of(7, texts, 1);
    struct fault_spec spec;
    bool first[64];

    (void)state;
    for (size_t i = 0; i < 64; i++)
        first[i] = fault_plan_rest(plan, 0).spoils == FAULT_RESET;
    assert_int_equal(fault_spec_read(&spec, texts[0], NULL), 0);
    assert_int_equal(fault_plan_set(plan, &spec, 1, NULL), 0);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(fault_plan_rest(plan, 0).spoils == FAULT_RESET, first[i]);
    assert_int_equal(fault_plan_set(plan, NULL, 0, NULL), 0);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(fault_plan_rest(plan, 0).spoils, FAULT_KINDS);
    fault_plan_free(plan);
}

static void the_first_spoils_and_the_rest_adds_up(void **state)
{
    static const char *const texts[] = {"rest:code=100001:0", "rest:processed-code=60008", "rest:reset",
                                        "rest:delay=5",       "send_text_msg:delay=7",     "rest:MsgFreqCtrl"};
    static const char *const webhooks[] = {"webhooks:missing=MsgId",  "before:missing=EventTime", "after:lost",
                                           "webhooks:delay=10",       "before:delay=1",           "before:slow=3",
                                           "after:string-event-time", "after:duplicate=9"};
    struct fault_plan *plan = plan_of(7, texts, 6);
    struct webhook_faults hit;
    const struct rest_faults rest = fault_plan_rest(plan, 0);

    (void)state;
    assert_int_equal(rest.spoils, FAULT_PROCESSED_CODE);
    assert_int_equal(rest.value, 60008);
    assert_int_equal(rest.delay_ms, 12);
    assert_true(rest.over_limit);
    assert_int_equal(fault_plan_rest(plan, FAULT_COMMANDS_MAX).spoils, FAULT_KINDS); /* a path that is no command */
    assert_int_equal(fault_plan_rest(NULL, 0).spoils, FAULT_KINDS);
    fault_plan_free(plan);

    plan = plan_of(7, webhooks, 8);
    hit = fault_plan_webhook(plan, COMMAND_BEFORE);
    assert_int_equal(hit.left_out, WEBHOOK_MSG_ID | WEBHOOK_EVENT_TIME);
    assert_int_equal(hit.delay_ms, 11);
    assert_int_equal(hit.slow_ms, 3);
    assert_false(hit.lost || hit.duplicate || hit.string_event_time);
    hit = fault_plan_webhook(plan, COMMAND_AFTER);
    assert_int_equal(hit.left_out, WEBHOOK_MSG_ID);
    assert_int_equal(hit.delay_ms, 10);
    assert_int_equal(hit.slow_ms, 0);
    assert_true(hit.lost && hit.duplicate && hit.string_event_time);
    assert_int_equal(hit.duplicate_ms, 9);
    hit = fault_plan_webhook(plan, COMMAND_RECALL);
    assert_int_equal(hit.left_out, WEBHOOK_MSG_ID);
    assert_int_equal(hit.delay_ms, 10);
    assert_false(hit.lost || hit.duplicate || hit.string_event_time);
    fault_plan_free(plan);
}

static void plans_refuse_what_cannot_be(void **state)
{
    struct fault_plan *plan = fault_plan_new(7, "https://127.0.0.1/");
    struct fault_spec specs[FAULTS_MAX + 1];
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i <= FAULTS_MAX; i++)
        assert_int_equal(fault_spec_read(&specs[i], "before:lost", NULL), 0);
    assert_int_equal(fault_plan_set(plan, specs, FAULTS_MAX + 1, &err), ERR_USAGE);
    assert_int_equal(fault_plan_set(plan, specs, FAULTS_MAX, NULL), 0);
    assert_int_equal(fault_spec_read(&specs[1], "before:slow=5", NULL), 0);
    assert_int_equal(fault_plan_set(plan, specs, 2, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "before:slow=5"));
    assert_true(fault_plan_webhook(plan, COMMAND_BEFORE).lost); /* those that were there stay */
    fault_plan_free(plan);
}

/* The log -------------------------------------------------------------------------------------------------------- */

static void log_has(struct call_log *log, const char *what)
{
    struct buf shown = BUF_INIT;

    call_log_show(log, &shown);
    if (!strstr(buf_text(&shown), what))
        fail_msg("%s is not in %s", what, buf_text(&shown));
    buf_release(&shown);
}

static void rolling_seconds(void **state)
{
    static const struct {
        int64_t times_us[8]; /* 0: no more */
        const char *most;
    } cases[] = {
        {{1}, "\"calls\":1,\"max_in_a_second\":1,"},
        {{1, 1, 1, 1}, "\"calls\":4,\"max_in_a_second\":4,"},
        {{1, 1000000}, "\"calls\":2,\"max_in_a_second\":2,"},
        {{1, 1000001}, "\"calls\":2,\"max_in_a_second\":1,"},
        /* no second of the clock holds more than two of these */
        {{500000, 999999, 1000000, 1499999}, "\"calls\":4,\"max_in_a_second\":4,"},
        {{500000, 999999, 1000000, 1500000}, "\"calls\":4,\"max_in_a_second\":3,"},
        {{1, 2, 3, 5000000, 5000001, 9000000}, "\"calls\":6,\"max_in_a_second\":3,"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct call_log *log = call_log_new();
        for (size_t t = 0; t < 8 && cases[i].times_us[t]; t++)
            call_log_arrived_at(log, 0, cases[i].times_us[t]);
        log_has(log, cases[i].most);
        call_log_free(log);
    }
}

/* Against counting by hand, over a ring that has to grow while it is turned. */
static void rolling_second_of_many(void **state)
{
    enum { CALLS = 3000 };
    static int64_t times[CALLS];
    struct call_log *log = call_log_new();
    uint64_t random = 1;
    size_t most = 0;
    char expected[96];

    (void)state;
    for (size_t i = 0; i < CALLS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        times[i] = (i > 0 ? times[i - 1] : 0) + (int64_t)(random >> 33) % (i < 1000 ? 20000 : 1500);
        call_log_arrived_at(log, 0, times[i]);
    }
    for (size_t i = 0; i < CALLS; i++) {
        size_t within = 0;
        for (size_t j = i; j < CALLS && times[j] - times[i] < 1000000; j++)
            within++;
        most = within > most ? within : most;
    }
    snprintf(expected, sizeof(expected), "\"all\":{\"calls\":%d,\"max_in_a_second\":%zu,", CALLS, most);
    log_has(log, expected);
    call_log_free(log);
}

static void a_log_is_bounded_and_reset(void **state)
{
    struct call_log *log = call_log_new();

    (void)state;
    for (int i = 0; i < CALL_LOG_RING + 10; i++)
        call_log_arrived_at(log, FAULT_COMMANDS_MAX, 1);
    log_has(log, "{\"unknown\":{\"calls\":16394,\"max_in_a_second\":16384,");
    for (int code = 0; code < CALL_LOG_CODES + 3; code++)
        call_log_answered(log, 0, code % 2 ? code : -code);
    log_has(log, "\"answered\":{\"0\":1,\"1\":1,\"-2\":1,");
    log_has(log, ",\"other\":3}");
    call_log_spoiled(log, 0);
    log_has(log, "\"without_code\":1}}");
    call_log_reset(log);
    log_has(log, "{\"all\":{\"calls\":0,\"max_in_a_second\":0,\"answered\":{},\"without_code\":0}}");
    call_log_arrived_at(log, 0, 2);
    log_has(log, "{\"send_text_msg\":{\"calls\":1,\"max_in_a_second\":1,");
    call_log_free(log);
    call_log_free(NULL);
    call_log_arrived(NULL, 0);
    call_log_answered(NULL, 0, 0);
    call_log_spoiled(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_specs),
        cmocka_unit_test(bad_specs),
        cmocka_unit_test(same_seed_same_faults),
        cmocka_unit_test(setting_begins_anew),
        cmocka_unit_test(the_first_spoils_and_the_rest_adds_up),
        cmocka_unit_test(plans_refuse_what_cannot_be),
        cmocka_unit_test(rolling_seconds),
        cmocka_unit_test(rolling_second_of_many),
        cmocka_unit_test(a_log_is_bounded_and_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
