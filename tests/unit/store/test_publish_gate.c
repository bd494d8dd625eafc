/* The gate step by step, and that what it says is stored with the revision. */
#include "rules_fixture.h"

#include "store/lexicon.h"

static const char rules[] = "- list: words\n  terms: [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9]\n"
                            "- rule: r0\n  match: { terms: words }\n  action: reject\n"
                            "- rule: r1\n  match: { regex: 'apple' }\n  action: reject\n"
                            "- rule: r2\n  match: { regex: 'pear' }\n  action: mask\n"
                            "- rule: r3\n  match: { regex: 'plum' }\n  action: flag\n"
                            "- rule: r4\n  match: { regex: 'fig' }\n  action: flag\n"
                            "- rule: s0\n  mode: shadow\n  match: { regex: 'lime' }\n  action: flag\n";

/* Publishes with these options; what it says is compared piece by piece. */
static int ask(struct db *db, struct gate_options gate, struct gate_report *report, uint64_t *revision)
{
    const struct publish_options options = {.author = "tester", .note = "test", .gate = gate};
    struct err err = {0};
    int r;

    gate_report_init(report);
    *revision = 0;
    r = rule_publish(db, &options, revision, report, &err);
    if (r < 0 && r != ERR_USAGE && r != ERR_CONFLICT)
        fail_msg("%s", err.text);
    return r;
}

static const char restore_tables[] = "DELETE FROM chatsluice.rule; DELETE FROM chatsluice.term_list";

static const struct {
    const char *sql; /* done to the tables */
    unsigned max_shrink;
    const char *allow_list; /* "" for all of it, NULL for nothing */
    enum gate_outcome outcome;
    const char *says, *overrides; /* part of the faults, "" for none; the overrides */
} shrinking[] = {
    {"DELETE FROM chatsluice.term WHERE term IN ('t0', 't1')", 20, NULL, GATE_PASSED, "", ""},
    {"DELETE FROM chatsluice.term WHERE term IN ('t0', 't1', 't2')", 20, NULL, GATE_REFUSED,
     "shrink: list \"words\" has lost 3 of the 10 terms in force (30.0 %, at most 20 % may go); bring them back, or say "
     "--allow-shrink words\n",
     ""},
    {"DELETE FROM chatsluice.term WHERE term IN ('t0', 't1', 't2')", 30, NULL, GATE_PASSED, "", ""},
    {"DELETE FROM chatsluice.term WHERE term IN ('t0', 't1', 't2')", 20, "words", GATE_OVERRIDDEN, "",
     "[\"shrink:words\"]"},
    {"DELETE FROM chatsluice.term WHERE term IN ('t0', 't1', 't2')", 20, "", GATE_OVERRIDDEN, "", "[\"shrink:words\"]"},
    {"DELETE FROM chatsluice.term WHERE term IN ('t0', 't1', 't2')", 20, "others", GATE_REFUSED, "--allow-shrink words",
     ""},
    /* As many terms as before, but other ones. */
    {"UPDATE chatsluice.term SET term = 'x' || term WHERE term > 't4'", 20, NULL, GATE_REFUSED, "has lost 5 of the 10",
     ""},
    /* The list is gone, and with it the rule that used it. */
    {"DELETE FROM chatsluice.rule WHERE name = 'r0'; DELETE FROM chatsluice.term_list", 20, NULL, GATE_REFUSED,
     "list \"words\" with 10 terms is in force and now gone; bring it back, or say --allow-shrink words\n", ""},
    /* One of five rules is within the share, two are not, whether gone or no longer enforced. A shadow rule may go. */
    {"DELETE FROM chatsluice.rule WHERE name IN ('r4', 's0')", 20, NULL, GATE_PASSED, "", ""},
    {"DELETE FROM chatsluice.rule WHERE name = 'r4'; UPDATE chatsluice.rule SET mode = 'off' WHERE name = 'r3'", 20,
     NULL, GATE_REFUSED,
     "shrink: 2 of the 5 rules enforced now are gone or not enforced any more (at most 20 % may): r3, r4; bring them "
     "back, or say --allow-shrink\n",
     ""},
    {"DELETE FROM chatsluice.rule WHERE name IN ('r3', 'r4')", 20, "words", GATE_REFUSED, "2 of the 5 rules", ""},
    {"DELETE FROM chatsluice.rule WHERE name IN ('r3', 'r4')", 20, "", GATE_OVERRIDDEN, "", "[\"shrink\"]"},
};

static void what_got_lost_is_refused(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    for (size_t i = 0; i < sizeof(shrinking) / sizeof(*shrinking); i++) {
        const char *list = shrinking[i].allow_list;
        struct gate_options gate = {.max_shrink_percent = shrinking[i].max_shrink};
        struct gate_report report;
        uint64_t revision, in_force;
        run_sql(db, restore_tables);
        import_text(db, rules, true, "tester");
        ask(db, (struct gate_options){.allow_shrink = true}, &report, &in_force); /* all of it, if it is not */
        gate_report_release(&report);
        run_sql(db, shrinking[i].sql);
        gate.allow_shrink = list && !*list;
        gate.allow_shrink_lists = &list;
        gate.allow_shrink_count = list && *list ? 1 : 0;
        int r = ask(db, gate, &report, &revision);
        assert_int_equal(report.steps[GATE_SHRINK].outcome, shrinking[i].outcome);
        assert_int_equal(r, shrinking[i].outcome == GATE_REFUSED ? ERR_USAGE : 0);
        assert_int_equal(revision, shrinking[i].outcome == GATE_REFUSED ? 0 : in_force + 1);
        if (!strstr(buf_text(&report.faults.text), shrinking[i].says) ||
            (!*shrinking[i].says && report.faults.count > 0))
            fail_msg("case %zu says: %s", i, buf_text(&report.faults.text));
        assert_string_equal(buf_text(&report.overrides), shrinking[i].overrides);
        assert_string_equal(query_text(db, "SELECT replace(to_jsonb(overrides)::text, '[]', '') FROM"
                                           " chatsluice.rule_revision ORDER BY revision DESC LIMIT 1"),
                            revision ? shrinking[i].overrides : "");
        gate_report_release(&report);
    }
    db_close(db);
}

/* All that is wrong is said at once, also when the rules do not even compile. */
static void faults_of_all_steps_come_together(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct gate_report report;
    uint64_t revision;

    import_text(db, rules, true, "tester");
    publish(db, "all of it");
    run_sql(db, "DELETE FROM chatsluice.term WHERE term < 't5';"
                "UPDATE chatsluice.rule SET definition = definition ||"
                " '{\"examples\": [{\"text\": \"a pear\", \"verdict\": \"allow\"}]}' WHERE name = 'r2'");
    assert_int_equal(ask(db, (struct gate_options){.max_shrink_percent = 20}, &report, &revision), ERR_USAGE);
    assert_int_equal(report.steps[GATE_COMPILE].outcome, GATE_REFUSED);
    assert_int_equal(report.steps[GATE_SHRINK].outcome, GATE_REFUSED);
    assert_int_equal(report.steps[GATE_LEXICON].outcome, GATE_SKIPPED);
    assert_int_equal(report.steps[GATE_CANARY].outcome, GATE_SKIPPED);
    assert_int_equal(report.faults.count, 2);
    assert_non_null(strstr(buf_text(&report.faults.text), "an example of rule \"r2\" fails"));
    assert_non_null(strstr(buf_text(&report.faults.text), "has lost 5 of the 10"));
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule_revision"), 1);
    gate_report_release(&report);
    db_close(db);
}

/* The lexicon ----------------------------------------------------------------------------------------------------- */

static void the_lexicon_is_read_line_by_line(void **state)
{
    struct span rest = SPAN("# a comment\n\none\r\ntwo words\n#\nthree"), text;
    const char *const wanted[] = {"one", "two words", "three"};
    char path[] = "/tmp/chatsluice-lexicon-XXXXXX";
    struct buf out = BUF_INIT;
    struct err err;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(lexicon_next(&rest, &text));
        assert_true(span_is(text, wanted[i]));
    }
    assert_false(lexicon_next(&rest, &text));

    rest = lexicon_embedded();
    while (lexicon_next(&rest, &text)) {
        assert_true(text.len > 0);
        count++;
    }
    assert_true(count >= 50);

    assert_int_equal(lexicon_read(&out, "/nonexistent", &err), ERR_FAILED);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "fine\n\xff\n", 7), 7);
    assert_int_equal(lexicon_read(&out, path, &err), ERR_INVALID);
    assert_int_equal(ftruncate(fd, 5), 0);
    buf_reset(&out);
    assert_int_equal(lexicon_read(&out, path, &err), 0);
    assert_string_equal(buf_text(&out), "fine\n");
    assert_int_equal(ftruncate(fd, LEXICON_MAX_BYTES + 1), 0);
    assert_int_equal(lexicon_read(&out, path, &err), ERR_INVALID);
    close(fd);
    unlink(path);
    buf_release(&out);
}

static void a_term_that_hits_harmless_texts_is_named(void **state)
{
    static const char lexicon[] = "an apple a day\napple pie\napple\nplum jam\nlime\nt3\nwater\nbread\nsalt\nmilk\n";
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct gate_options gate = {.lexicon = SPAN(lexicon), .max_benign_per_mille = 100};
    struct gate_report report;
    uint64_t revision;

    import_text(db, rules, true, "tester");
    assert_int_equal(ask(db, gate, &report, &revision), 0);
    assert_int_equal(report.steps[GATE_LEXICON].outcome, GATE_WARNED);
    assert_int_equal(report.faults.count, 0);
    assert_int_equal(report.faults.warnings, 1);
    assert_string_equal(
        buf_text(&report.faults.text),
        "lexicon: warning: expression \"apple\" of rule \"r1\" hits 3 of 10 harmless texts (at most 100 in "
        "1000 may be hit), for example \"an apple a day\"\n");
    assert_int_equal(query_number(db, "SELECT gate->'lexicon'->'terms'->0->'hits' FROM chatsluice.rule_revision"), 3);
    gate_report_release(&report);

    /* Strict, and less forgiving: a shadow rule still does not count. */
    gate.max_benign_per_mille = 0;
    gate.strict = true;
    run_sql(db, "UPDATE chatsluice.rule SET definition = definition || '{\"note\": \"changed\"}' WHERE name = 'r1'");
    assert_int_equal(ask(db, gate, &report, &revision), ERR_USAGE);
    assert_int_equal(report.steps[GATE_LEXICON].outcome, GATE_REFUSED);
    assert_int_equal(report.faults.count, 3);
    assert_non_null(strstr(buf_text(&report.faults.text), "list \"words\", term \"t3\" of rule \"r0\" hits 1 of 10"));
    assert_null(strstr(buf_text(&report.faults.text), "lime"));
    gate_report_release(&report);

    /* What an allow rule covers does not count. */
    import_text(db, "- rule: fruit\n  match: { regex: 'apple|plum|t3' }\n  action: allow\n", false, "tester");
    assert_int_equal(ask(db, gate, &report, &revision), 0);
    assert_int_equal(report.steps[GATE_LEXICON].outcome, GATE_PASSED);
    gate_report_release(&report);
    db_close(db);
}

/* The canary ------------------------------------------------------------------------------------------------------ */

static void too_many_changed_answers_are_refused(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct gate_options gate = {.canary_events = 1000, .max_changed_percent = 5, .max_shrink_percent = 20};
    struct gate_report report;
    uint64_t revision;

    store_messages(db, "room", 95, 0, "good day");
    store_messages(db, "room", 3, 100, "a melon");
    store_messages(db, "room", 2, 200, "an apple");
    store_messages(db, "ancient", 500, 9 * 86400, "a melon");
    import_text(db, rules, true, "tester");
    assert_int_equal(ask(db, gate, &report, &revision), 0);
    assert_int_equal(report.steps[GATE_CANARY].outcome, GATE_SKIPPED); /* nothing is in force */
    gate_report_release(&report);

    import_text(db, "- rule: r1\n  match: { regex: 'melon' }\n  action: reject\n", false, "tester");
    assert_int_equal(ask(db, gate, &report, &revision), 0); /* exactly 5 % */
    assert_int_equal(report.steps[GATE_CANARY].outcome, GATE_PASSED);
    assert_string_equal(buf_text(&report.steps[GATE_CANARY].summary),
                        "5 of 100 events answered differently (5.00 %): 3 newly blocked, 2 newly passed, 0 rewritten "
                        "otherwise, 0 other");
    assert_string_equal(query_text(db, "SELECT canary_changed || ' of ' || canary_judged FROM moderation.rule_history"
                                       " WHERE in_force"),
                        "5 of 100");
    gate_report_release(&report);

    import_text(db, "- rule: r3\n  match: { regex: 'good|melon' }\n  action: reject\n", false, "tester");
    gate.max_changed_percent = 94;
    assert_int_equal(ask(db, gate, &report, &revision), ERR_USAGE);
    assert_int_equal(report.steps[GATE_CANARY].outcome, GATE_REFUSED);
    assert_string_equal(
        buf_text(&report.faults.text),
        "canary: 95 of the 100 newest events would be answered differently (95.00 %, at most 94 % may), by "
        "rule: r3 95; if that is meant, say --allow-changes\n");
    gate_report_release(&report);

    /* Only the newest are asked; and whoever means it may. */
    gate.canary_events = 10;
    gate.allow_changes = true;
    assert_int_equal(ask(db, gate, &report, &revision), 0);
    assert_int_equal(report.steps[GATE_CANARY].outcome, GATE_OVERRIDDEN);
    assert_int_equal(report.canary_judged, 10);
    assert_string_equal(query_text(db, "SELECT overrides || (gate->'canary'->'rules'->0->>'rule')::text FROM"
                                       " moderation.rule_history WHERE in_force"),
                        "{changes,r3}");
    assert_int_equal(query_number(db, "SELECT count(*) FROM moderation.rule_history h JOIN chatsluice.event e ON"
                                      " e.event_id = (h.gate->'canary'->'rules'->0->>'example_event')::uuid"
                                      " WHERE in_force"),
                     1);
    gate_report_release(&report);
    db_close(db);
}

static void a_dry_run_publishes_nothing(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    const struct publish_options options = {.author = "tester", .note = NULL, .dry_run = true};
    struct gate_report report;
    struct err err = {0};
    uint64_t revision = 9;

    import_text(db, rules, true, "tester");
    gate_report_init(&report);
    assert_int_equal(rule_publish(db, &options, &revision, &report, &err), 0);
    assert_int_equal(revision, 0);
    assert_int_equal(report.steps[GATE_COMPILE].outcome, GATE_PASSED);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule_revision"), 0);
    assert_int_equal(query_number(db, "SELECT last_revision FROM chatsluice.rule_publication"), 0);
    gate_report_release(&report);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_got_lost_is_refused),
        cmocka_unit_test(faults_of_all_steps_come_together),
        cmocka_unit_test(the_lexicon_is_read_line_by_line),
        cmocka_unit_test(a_term_that_hits_harmless_texts_is_named),
        cmocka_unit_test(too_many_changed_answers_are_refused),
        cmocka_unit_test(a_dry_run_publishes_nothing),
    };

    return cmocka_run_group_tests_name("store/publish_gate", tests, postgres_setup, postgres_teardown);
}
