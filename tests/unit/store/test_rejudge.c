/* Stored events judged again: which are read, that each is judged once by both sets, and how verdicts are compared. */
#include "rules_fixture.h"

#include "base/clock.h"
#include "store/rejudge.h"

static const char old_rules[] = "- rule: word\n  match: { regex: 'apple' }\n  action: reject\n"
                                "- rule: tone\n  match: { regex: 'pear' }\n  action: mask\n";
static const char new_rules[] = "- rule: word\n  match: { regex: 'cherry' }\n  action: reject\n"
                                "- rule: tone\n  match: { regex: 'pear' }\n  action: mask\n  mask: '#'\n";

struct seen {
    uint64_t events, unreadable, blocked_before, blocked_after, changes[REJUDGE_CHANGES];
    uint64_t told, stop_after;
    int64_t oldest_us;
    char last_group[64];
};

static void see(const struct rejudged *event, void *arg)
{
    struct seen *s = arg;

    s->events++;
    snprintf(s->last_group, sizeof(s->last_group), "%.*s", (int)event->group_id.len, event->group_id.data);
    if (s->oldest_us == 0 || event->event_time_us < s->oldest_us)
        s->oldest_us = event->event_time_us;
    assert_int_equal(event->sdkappid, 1400000001);
    assert_true(span_is(event->platform, "Android"));
    assert_true(span_is(event->verdict, "allow"));
    if (!event->message) {
        s->unreadable++;
        return;
    }
    assert_true(span_equal(event->message->group_id.text, event->group_id));
    s->blocked_before += event->before.action == ACTION_REJECT;
    s->blocked_after += event->after.action == ACTION_REJECT;
    s->changes[rejudge_compare(&event->before, &event->after)]++;
}

static bool tell(uint64_t judged, void *arg)
{
    struct seen *s = arg;

    s->told = judged;
    return s->stop_after == 0 || judged < s->stop_after;
}

static struct seen rejudge(struct db *db, struct rejudge_events events, unsigned threads)
{
    struct ruleset *before = set_of(old_rules, 1), *after = set_of(new_rules, 2);
    struct seen seen = {0};
    struct err err = {0};
    const struct rejudge_options options = {
        .before = before, .after = after, .threads = threads, .judged = see, .progress = tell, .arg = &seen};

    if (events.to_us == 0)
        events.to_us = clock_wall_us() + 1000000;
    run_sql(db, "BEGIN");
    if (rejudge_run(db, &events, &options, &err) < 0)
        fail_msg("%s", err.text);
    run_sql(db, "COMMIT");
    ruleset_unref(before);
    ruleset_unref(after);
    assert_int_equal(seen.told, seen.events);
    return seen;
}

static void each_event_is_judged_once_by_both(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    run_sql(db, "SELECT chatsluice.ensure_partitions(current_date - 2, current_date + 1)");
    store_messages(db, "a", 700, 0, "an apple");
    store_messages(db, "b", 300, 0, "a cherry");
    store_messages(db, "c", 200, 90000, "a pear");
    store_messages(db, "c", 100, 90300, "nothing");
    run_sql(db, "UPDATE chatsluice.event SET raw = '\\x7b' WHERE group_id = 'b' AND spool_seq < 10");
    /* Corrections of our own were let through unread; no rule had a part in it. */
    store_messages(db, "ours", 50, 0, "an apple");
    run_sql(db, "UPDATE chatsluice.event SET decided_by = 'correction', marker = 'accepted' WHERE group_id = 'ours'");
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        struct seen seen = rejudge(db, (struct rejudge_events){0}, threads);
        assert_int_equal(seen.events, 1300);
        assert_int_equal(seen.unreadable, 10);
        assert_int_equal(seen.blocked_before, 700);
        assert_int_equal(seen.blocked_after, 290);
        assert_int_equal(seen.changes[REJUDGE_NEWLY_PASSED], 700);
        assert_int_equal(seen.changes[REJUDGE_NEWLY_BLOCKED], 290);
        assert_int_equal(seen.changes[REJUDGE_REWRITE_CHANGED], 200);
        assert_int_equal(seen.changes[REJUDGE_SAME], 100);
        assert_int_equal(seen.changes[REJUDGE_OTHER], 0);
    }
    db_close(db);
}

static void what_is_asked_for_is_read(void **state)
{
    static const char *const rooms[] = {"b", "it's"}, *const nowhere[] = {"x"};
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    int64_t now_us = clock_wall_us();
    struct seen seen;

    run_sql(db, "SELECT chatsluice.ensure_partitions(current_date - 1, current_date + 1)");
    store_messages(db, "a", 100, 10, "an apple");
    store_messages(db, "b", 100, 200, "a cherry");
    store_messages(db, "it''s", 5, 5000, "a cherry");
    store_messages(db, "old", 50, 100000, "a pear"); /* in the default partition */
    run_sql(db, "UPDATE chatsluice.event SET command = 'recall' WHERE group_id = 'a' AND spool_seq = 0");

    /* By room, by time. */
    assert_int_equal(rejudge(db, (struct rejudge_events){.groups = rooms, .group_count = 2}, 2).events, 105);
    assert_int_equal(rejudge(db, (struct rejudge_events){.groups = nowhere, .group_count = 1}, 2).events, 0);
    seen = rejudge(db, (struct rejudge_events){.from_us = now_us - 150 * 1000000LL}, 2);
    assert_int_equal(seen.events, 99);
    assert_string_equal(seen.last_group, "a");
    assert_int_equal(rejudge(db, (struct rejudge_events){.to_us = now_us - 90000 * 1000000LL}, 2).events, 50);

    /* The newest, whatever room they are of, and however far back they lie. */
    for (uint64_t newest = 1; newest <= 99; newest += 14) {
        seen = rejudge(db, (struct rejudge_events){.newest = newest}, 2);
        assert_int_equal(seen.events, newest);
        assert_int_equal(seen.changes[REJUDGE_NEWLY_PASSED], newest);
        assert_true(seen.oldest_us > now_us - (int64_t)(12 + newest) * 1000000);
    }
    assert_int_equal(rejudge(db, (struct rejudge_events){.newest = 150}, 2).changes[REJUDGE_NEWLY_BLOCKED], 51);
    seen = rejudge(db, (struct rejudge_events){.newest = 230}, 2);
    assert_int_equal(seen.events, 230);
    assert_int_equal(seen.changes[REJUDGE_REWRITE_CHANGED], 26);
    assert_int_equal(rejudge(db, (struct rejudge_events){.newest = 1000}, 2).events, 254);
    seen = rejudge(db, (struct rejudge_events){.newest = 7, .groups = rooms, .group_count = 2}, 2);
    assert_int_equal(seen.events, 7);
    assert_string_equal(seen.last_group, "b");
    seen = rejudge(db, (struct rejudge_events){.newest = 1000, .from_us = now_us - 6000 * 1000000LL}, 2);
    assert_int_equal(seen.events, 204);
    db_close(db);
}

/* The newest events are found through the primary key, not by reading whole partitions. */
static void the_newest_are_found_by_the_key(void **state)
{
    char url[600], group[32];
    struct db *db = new_migrated_database(*state, url);
    long rows;

    run_sql(db, "SELECT chatsluice.ensure_partitions(current_date - 1, current_date + 1)");
    for (unsigned room = 0; room < 40; room++) {
        snprintf(group, sizeof(group), "room-%02u", room);
        store_messages(db, group, 500, 30 * room, "a pear");
    }
    run_sql(db, "ANALYZE chatsluice.event");
    static const char read_so_far[] = "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'event%'";
    run_sql(db, "SELECT pg_stat_force_next_flush()");
    rows = query_number(db, read_so_far);
    assert_int_equal(rejudge(db, (struct rejudge_events){.newest = 100}, 1).events, 100);
    run_sql(db, "SELECT pg_stat_force_next_flush()");
    assert_int_equal(query_number(db, read_so_far), rows);
    db_close(db);
}

static void it_can_be_stopped_and_says_what_fails(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct ruleset *set = set_of(old_rules, 1);
    struct seen seen = {.stop_after = 1};
    const struct rejudge_events all = {.to_us = clock_wall_us() + 1000000};
    struct rejudge_options options = {.after = set, .threads = 2, .judged = see, .progress = tell, .arg = &seen};
    struct err err = {0};

    store_messages(db, "a", 100, 0, "an apple");
    run_sql(db, "ALTER TABLE chatsluice.event RENAME TO event_elsewhere");
    run_sql(db, "BEGIN");
    assert_true(rejudge_run(db, &all, &options, &err) < 0);
    assert_non_null(strstr(err.text, "could not judge stored events"));
    run_sql(db, "ROLLBACK");
    run_sql(db, "ALTER TABLE chatsluice.event_elsewhere RENAME TO event");

    /* One set alone: the other allows. */
    options.progress = NULL;
    run_sql(db, "BEGIN");
    assert_int_equal(rejudge_run(db, &all, &options, &err), 0);
    run_sql(db, "COMMIT");
    assert_int_equal(seen.changes[REJUDGE_NEWLY_BLOCKED], 100);
    ruleset_unref(set);
    db_close(db);
}

/* How the answer differs, by the rules on either side. */
static void changes_are_told_by_what_is_answered(void **state)
{
    static const struct {
        const char *before, *after; /* action and more of a rule that matches; NULL: no rule */
        enum rejudge_change change;
    } cases[] = {
        {NULL, NULL, REJUDGE_SAME},
        {NULL, "action: flag", REJUDGE_OTHER},
        {NULL, "action: mask", REJUDGE_REWRITE_CHANGED},
        {NULL, "action: reject", REJUDGE_NEWLY_BLOCKED},
        {"action: mask", "action: discard", REJUDGE_NEWLY_BLOCKED},
        {"action: reject", "action: flag", REJUDGE_NEWLY_PASSED},
        {"action: discard", NULL, REJUDGE_NEWLY_PASSED},
        {"action: reject", "action: discard", REJUDGE_OTHER},
        {"action: reject", "action: reject\n  reject_code: 10121\n  reject_text: no", REJUDGE_OTHER},
        {"action: reject\n  reject_code: 10121\n  reject_text: no",
         "action: reject\n  reject_code: 10121\n  reject_text: never", REJUDGE_OTHER},
        {"action: reject", "action: reject\n  note: because", REJUDGE_SAME},
        {"action: mask", "action: mask", REJUDGE_SAME},
        {"action: mask", "action: mask\n  mask: '#'", REJUDGE_REWRITE_CHANGED},
        {"action: mask", "action: replace\n  replace: 'x'", REJUDGE_REWRITE_CHANGED},
        {"action: replace\n  replace: 'x'", "action: replace\n  replace: 'y'", REJUDGE_REWRITE_CHANGED},
        {"action: flag", "action: flag\n  mode: shadow", REJUDGE_OTHER},
        {NULL, "action: reject\n  mode: shadow", REJUDGE_SAME},
    };
    struct judge *judges[2] = {judge_new(), judge_new()};
    struct verdict verdicts[2];
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct ruleset *sets[2];
        for (size_t side = 0; side < 2; side++) {
            const char *rest = side == 0 ? cases[i].before : cases[i].after;
            snprintf(text, sizeof(text), "- rule: r\n  match: { regex: '%s' }\n  %s\n", rest ? "pear" : "melon",
                     rest ? rest : "action: reject");
            sets[side] = set_of(text, side + 1);
            judge_text(judges[side], sets[side], SPAN("a pear"), &verdicts[side]);
        }
        if (rejudge_compare(&verdicts[0], &verdicts[1]) != cases[i].change)
            fail_msg("case %zu is %s", i, rejudge_change_name(rejudge_compare(&verdicts[0], &verdicts[1])));
        ruleset_unref(sets[0]);
        ruleset_unref(sets[1]);
    }
    judge_free(judges[0]);
    judge_free(judges[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_is_judged_once_by_both),    cmocka_unit_test(what_is_asked_for_is_read),
        cmocka_unit_test(the_newest_are_found_by_the_key),      cmocka_unit_test(it_can_be_stopped_and_says_what_fails),
        cmocka_unit_test(changes_are_told_by_what_is_answered),
    };

    return cmocka_run_group_tests_name("store/rejudge", tests, postgres_setup, postgres_teardown);
}
