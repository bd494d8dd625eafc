/* Judging allocates nothing once warm: every allocation of this program is counted. */
#include "rules_helpers.h"

#include "rules/history.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0 /* the sanitizer has an allocator of its own */
#else
#define COUNTS 1
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t bytes);

static size_t allocations;

void *malloc(size_t bytes)
{
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t bytes)
{
    allocations++;
    return __libc_realloc(old, bytes);
}
#endif

static const char *const texts[] = {
    "大家好 welcome to the show tonight! 今天的直播真的很精彩，谢谢主播 see you at 8pm :) 加油 go go!",
    "you are an 1d!0t and i d i o t and id*ot and 笨*",
    "ｈｅｌｌｏ　ｅｖｅｒｙｏｎｅ e\u0301e\u0300 ⒤⒟⒤⒪⒯ ﬁne 㐀",
    "{\"say\":\"\\u0069diot \\n\"}",
    "k****** k*o #i 山*水",
    "see www.bücher.de/x, evil[.]com, http://例子.中国/ or 2001.04.01; call 138 0013 8000, vx abc_123, joe at evil dot com",
    "{\"say\":\"{\\\"deep\\\":[1,2,\\\"three\\\"]}\"}",
};

static void judging_allocates_nothing(void **state)
{
    struct ruleset *set =
        set_of("- rule: r\n  match: { any: [ {terms: some}, {terms: all}, {regex: '\\d{4}'} ] }\n  action: flag\n"
               "- rule: c\n  match: { any: [ {links: {deny: [bücher.de]}}, {contact: any}, {length: {more_than: 99}},\n"
               "    {share: {of: emoji, percent: 9}}, {lines: {more_than: 3}}, {types: [image]},\n"
               "    {json: {in: cloud_custom_data, path: 'say.deep[2]', one_of: [three]}},\n"
               "    {rate: {times: 3, within: 9s, by: room}}, {repeated: {times: 3, within: 9s, by: sender}} ] }\n"
               "  action: flag\n"
               "- rule: corrected\n  action: reject\n  then: [resend]\n  match: {regex: '1d!0t|idiot'}\n"
               "- list: some\n  terms: [idiot, 笨蛋]\n"
               "- list: all\n  folding: [all]\n  terms: [idiot, 笨蛋, kalosi]\n");
    struct judge *j = judge_new();
    struct history *history = history_new(HISTORY_LEAST_BYTES);
    struct history_facts facts = {0};
    size_t hits = 0, corrected = 0;

    (void)state;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
            struct circumstances around = {.earlier = SPAN("i\037d i\037")};
            struct test_message t;
            struct verdict v;
#if COUNTS
            size_t before;
#endif

            message_init(&t, COMMAND_BEFORE);
            message_add(&t, TEXT_TEXT, texts[i]);
            t.message.cloud_custom_data = given(texts[i]);
            t.message.group_id = given("r1");
            t.message.from_account = given("ann");
#if COUNTS
            before = allocations;
#endif
            history_observe(history, set, &t.message, 1, round, &facts);
            around.meters = facts.meters;
            judge_message(j, set, &t.message, &around, &v);
            history_verdict(history, set, &t.message, 1, round, v.action);
#if COUNTS
            if (round > 1)
                assert_int_equal(allocations - before, 0);
#endif
            hits += v.hit_count;
            corrected += v.action == ACTION_REJECT && v.becomes.data;
            buf_release(&t.text);
        }
    }
    assert_true(hits > 0);
    assert_true(corrected > 0);
#if COUNTS
    assert_true(allocations > 0);
#endif
    history_facts_release(&facts);
    history_free(history);
    judge_free(j);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judging_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
