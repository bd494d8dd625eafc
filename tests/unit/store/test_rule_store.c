/* Rules in PostgreSQL: import, editing in SQL, export, publishing, and the thread that takes published revisions. */
#include "rules_fixture.h"

#include "base/clock.h"
#include "rules/judge.h"
#include "store/rule_source.h"

#include <pthread.h>

static const char rules_text[] = "- list: words\n"
                                 "  folding: [case]\n"
                                 "  terms: [wechat, \"加微信\", 'it''s \"quoted\" \\']\n"
                                 "- list: plain\n"
                                 "  folding: []\n"
                                 "  boundary: any\n"
                                 "  terms: [x]\n"
                                 "- rule: contact\n"
                                 "  mode: shadow\n"
                                 "  match: { any: [ {terms: words}, {terms: plain}, {regex: '\\b1[3-9]\\d{9}\\b'} ] }\n"
                                 "  action: mask\n"
                                 "- rule: rude\n"
                                 "  match: { regex: 'damn' }\n"
                                 "  action: reject\n"
                                 "  reject_code: 10121\n"
                                 "  reject_text: \"please don't\"\n"
                                 "  examples: [ { text: 'damn it', verdict: reject } ]\n";

/* What only the whole language has. */
static const char language_text[] =
    "- admins: ['admin-*', root]\n"
    "- table: slang\n  map: { '4u': 'for you', '弓虫': '强', x: '' }\n"
    "- list: all\n  folding: [all]\n  tables: [slang]\n  terms: [x1]\n"
    "- scorecard: spam\n  at: { mask: 3, reject: 7 }\n  mask: '#'\n  reject_code: 10100\n  note: n\n"
    "- rule: points\n  rollout: 25\n  scope: { group_types: [Live], exempt_admins: true }\n"
    "  match: { all: [ {terms: all}, {length: {more_than: 3}}, {not: {rate: {times: 3, within: 10s, by: room}}} ] }\n"
    "  score: { spam: -2 }\n"
    "- rule: json\n  match: { json: { in: cloud_custom_data, path: 'a[0]', one_of: [7, x] } }\n  action: flag\n";

static void test_the_whole_language_round_trips(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct rule_document *in = document_of(language_text), *out = rule_document_new();
    struct buf before = BUF_INIT, after = BUF_INIT;
    struct faults faults = FAULTS_INIT;
    struct err err = {0};

    import_text(db, language_text, false, "first");
    import_text(db, language_text, true, "second"); /* changes nothing, so that nothing gets a new author */
    assert_string_equal(query_text(db, "SELECT string_agg(DISTINCT author, ' ') FROM (SELECT author FROM"
                                       " chatsluice.rule UNION ALL SELECT author FROM chatsluice.term_list UNION ALL"
                                       " SELECT author FROM chatsluice.term UNION ALL SELECT author FROM"
                                       " chatsluice.scorecard UNION ALL SELECT author FROM chatsluice.fold_table"
                                       " UNION ALL SELECT author FROM chatsluice.rule_admin) AS all_authors"),
                        "first");
    assert_int_equal(rule_store_export(db, out, &faults, &err), 0);
    rule_document_write_json(in, &before);
    rule_document_write_json(out, &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
    import_text(db, "- rule: only\n  match: { regex: 'x' }\n  action: flag\n", true, "third");
    assert_int_equal(query_number(db, "SELECT (SELECT count(*) FROM chatsluice.scorecard) + (SELECT count(*) FROM"
                                      " chatsluice.fold_table) + (SELECT count(*) FROM chatsluice.rule_admin)"),
                     0);
    buf_release(&before);
    buf_release(&after);
    rule_document_free(in);
    rule_document_free(out);
    db_close(db);
}

static const char *exported_terms(struct db *db, struct buf *out)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;
    const struct term_list *const *lists;
    struct err err = {0};

    assert_int_equal(rule_store_export(db, doc, &faults, &err), 0);
    assert_int_equal(rule_document_lists(doc, &lists), 1);
    buf_reset(out);
    for (size_t i = 0; i < lists[0]->term_count; i++) {
        buf_add_span(out, lists[0]->terms[i]);
        buf_add_char(out, ' ');
    }
    rule_document_free(doc);
    return buf_text(out);
}

/* A term whose time is over is left out; a file that names it brings it back. */
static void test_terms_expire(void **state)
{
    static const char text[] = "- list: words\n  terms: [a, b, c]\n";
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct buf terms = BUF_INIT;

    import_text(db, text, false, "first");
    run_sql(db, "UPDATE chatsluice.term SET expires_at = now() - interval '1 second' WHERE term = 'a'");
    run_sql(db, "UPDATE chatsluice.term SET expires_at = now() + interval '1 hour' WHERE term = 'b'");
    assert_string_equal(exported_terms(db, &terms), "b c ");
    import_text(db, text, false, "second");
    assert_string_equal(exported_terms(db, &terms), "a b c ");
    assert_string_equal(query_text(db, "SELECT string_agg(term || '=' || author, ' ' ORDER BY term) FROM"
                                       " chatsluice.term WHERE expires_at IS NULL"),
                        "a=second c=first");
    buf_release(&terms);
    db_close(db);
}

static void test_import_and_export_round_trip(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct rule_document *in = document_of(rules_text), *out = rule_document_new();
    struct buf before = BUF_INIT, after = BUF_INIT;
    struct faults faults = FAULTS_INIT;
    struct err err = {0};

    assert_int_equal(rule_store_import(db, in, false, "tester", &err), 0);
    assert_int_equal(rule_store_export(db, out, &faults, &err), 0);
    rule_document_write_json(in, &before);
    rule_document_write_json(out, &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
    buf_release(&before);
    buf_release(&after);
    rule_document_free(in);
    rule_document_free(out);
    db_close(db);
}

/* What an import does not change keeps its author; what the files no longer hold goes, rules and lists only by prune.
 */
static void test_import_changes_what_differs(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    import_text(db, rules_text, false, "first");
    import_text(db,
                "- list: words\n  folding: [case]\n  terms: [wechat, whatsapp]\n"
                "- rule: rude\n  match: { regex: 'darn' }\n  action: reject\n",
                false, "second");
    assert_string_equal(query_text(db, "SELECT string_agg(term || '=' || author, ' ' ORDER BY term) FROM"
                                       " chatsluice.term WHERE list = 'words'"),
                        "wechat=first whatsapp=second");
    assert_string_equal(query_text(db, "SELECT author FROM chatsluice.term_list WHERE name = 'words'"), "first");
    assert_string_equal(query_text(db, "SELECT string_agg(name || '=' || author, ' ' ORDER BY name) FROM"
                                       " chatsluice.rule"),
                        "contact=first rude=second");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.term_list"), 2);
    import_text(db, "- rule: only\n  match: { regex: 'x' }\n  action: flag\n", true, "third");
    assert_string_equal(query_text(db, "SELECT string_agg(name, ' ') FROM chatsluice.rule"), "only");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.term_list"), 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.term"), 0);
    db_close(db);
}

/* A term that stands twice in a list is one. */
static void test_import_of_a_repeated_term(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    import_text(db, "- list: words\n  terms: [apple, pear, apple]\n", false, "tester");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.term"), 2);
    db_close(db);
}

/* A list of many thousand terms must not take minutes. */
static void test_import_of_a_long_list(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct buf text = BUF_INIT;

    buf_add_text(&text, "- list: long\n  terms:\n");
    for (int i = 0; i < 30000; i++)
        buf_addf(&text, "    - term%d\n", i);
    import_text(db, buf_text(&text), false, "tester");
    import_text(db, buf_text(&text), false, "tester");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.term"), 30000);
    buf_release(&text);
    db_close(db);
}

static void test_publish(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct buf checksum = BUF_INIT, document = BUF_INIT, wanted = BUF_INIT;
    struct rule_document *doc = document_of(rules_text);
    struct gate_report report;
    struct err err = {0};
    uint64_t revision = 99;

    gate_report_init(&report);
    assert_int_equal(rule_store_current(db, &revision, &checksum, &document, &err), 0);
    assert_int_equal(revision, 0);
    import_text(db, rules_text, false, "tester");
    assert_int_equal(publish(db, "the first"), 1);
    assert_int_equal(rule_store_current(db, &revision, &checksum, &document, &err), 0);
    assert_int_equal(revision, 1);
    assert_int_equal(checksum.len, 64);
    rule_document_write_json(doc, &wanted);
    assert_string_equal(buf_text(&document), buf_text(&wanted));
    assert_string_equal(query_text(db, "SELECT author || ', ' || note || ', ' || rules || ', ' || terms || ', ' ||"
                                       " status FROM chatsluice.rule_revision"),
                        "tester, the first, 2, 4, published");

    /* Nothing has changed. */
    revision = 0;
    assert_int_equal(try_publish(db, "again", &revision, &report, &err), ERR_CONFLICT);
    assert_int_equal(revision, 1);
    assert_string_equal(err.text, "could not publish: nothing has changed since revision 1");

    /* Edited in SQL. */
    run_sql(db, "UPDATE chatsluice.rule SET mode = 'off' WHERE name = 'contact';"
                "INSERT INTO chatsluice.term (list, term) VALUES ('words', 'telegram')");
    assert_int_equal(publish(db, "edited"), 2);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule_revision WHERE revision = 2 AND document"
                                      " LIKE '%\"mode\":\"off\"%' AND document LIKE '%telegram%'"),
                     1);

    /* Withdrawn: the one before it is in force again, and numbers are not used twice. */
    run_sql(db, "UPDATE chatsluice.rule_revision SET status = 'withdrawn' WHERE revision = 2");
    assert_int_equal(rule_store_current(db, &revision, &checksum, NULL, &err), 0);
    assert_int_equal(revision, 1);
    assert_int_equal(publish(db, "once more"), 3);
    gate_report_release(&report);
    buf_release(&checksum);
    buf_release(&document);
    buf_release(&wanted);
    rule_document_free(doc);
    db_close(db);
}

static const struct {
    const char *sql, *fault; /* how the fault begins */
} refusals[] = {
    {"DELETE FROM chatsluice.rule", "table rule: there is no rule to publish; import some first\n"},
    {"UPDATE chatsluice.rule SET definition = jsonb_set(definition, '{examples,0,text}', '\"nice\"')"
     " WHERE name = 'rude'",
     "table rule \"rude\":1:"},
    {"UPDATE chatsluice.rule SET definition = definition || '{\"acton\": \"mask\"}' WHERE name = 'rude'",
     "table rule \"rude\":1:"},
    {"UPDATE chatsluice.rule SET definition = '{}' WHERE name = 'contact'", "table rule \"contact\":1:"},
    {"UPDATE chatsluice.rule SET definition = definition || '{\"match\": {\"regex\": \"(\"}}' WHERE name = 'contact'",
     "table rule \"contact\":1:"},
    {"DELETE FROM chatsluice.term_list WHERE name = 'words'", "table rule \"contact\":1:"},
    {"UPDATE chatsluice.term_list SET folding = '{upside-down}' WHERE name = 'words'", "table term_list \"words\":1:"},
};

static void test_publish_refuses(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    import_text(db, rules_text, false, "tester");
    publish(db, "good");
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        struct gate_report report;
        struct err err = {0};
        uint64_t revision = 7;
        gate_report_init(&report);
        import_text(db, rules_text, true, "tester");
        run_sql(db, refusals[i].sql);
        assert_int_equal(try_publish(db, "bad", &revision, &report, &err), ERR_USAGE);
        assert_int_equal(revision, 7);
        assert_true(report.faults.count > 0);
        report.faults.text.data[strlen(refusals[i].fault)] = '\0';
        assert_string_equal(buf_text(&report.faults.text), refusals[i].fault);
        gate_report_release(&report);
        run_sql(db, "DELETE FROM chatsluice.term_list WHERE name = 'words'"); /* the connection is fine again */
    }
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule_revision"), 1);
    db_close(db);
}

/* Two publishers at once ------------------------------------------------------------------------------------------ */

struct publisher {
    pthread_t thread;
    pthread_barrier_t *start;
    const char *url;
    int result;
    uint64_t revision;
};

static void *publish_at_once(void *arg)
{
    struct publisher *p = arg;
    struct db *db = connect_to(p->url);
    struct gate_report report;
    struct err err = {0};

    gate_report_init(&report);
    pthread_barrier_wait(p->start);
    p->result = try_publish(db, "race", &p->revision, &report, &err);
    gate_report_release(&report);
    db_close(db);
    return NULL;
}

static void test_two_publishers_at_once(void **state)
{
    enum { ROUNDS = 10, PUBLISHERS = 4 };
    char url[600], sql[160];
    struct db *db = new_migrated_database(*state, url);
    struct publisher publishers[PUBLISHERS];
    pthread_barrier_t start;

    import_text(db, rules_text, false, "tester");
    pthread_barrier_init(&start, NULL, PUBLISHERS);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        unsigned published = 0;
        snprintf(sql, sizeof(sql), "INSERT INTO chatsluice.term (list, term) VALUES ('words', 'round%u')", round);
        run_sql(db, sql);
        for (size_t i = 0; i < PUBLISHERS; i++) {
            publishers[i] = (struct publisher){.start = &start, .url = url};
            assert_int_equal(pthread_create(&publishers[i].thread, NULL, publish_at_once, &publishers[i]), 0);
        }
        for (size_t i = 0; i < PUBLISHERS; i++) {
            pthread_join(publishers[i].thread, NULL);
            assert_true(publishers[i].result == 0 || publishers[i].result == ERR_CONFLICT);
            assert_int_equal(publishers[i].revision, round);
            published += publishers[i].result == 0;
        }
        assert_int_equal(published, 1);
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule_revision"), ROUNDS);
    db_close(db);
}

/* The rule source ------------------------------------------------------------------------------------------------- */

/* Polls until the query gives the text; fails when that takes longer than a test may. */
static void wait_for(struct db *db, const char *sql, const char *wanted)
{
    int64_t give_up_us = clock_mono_us() + 60 * 1000000LL;

    while (strcmp(query_text(db, sql), wanted) != 0) {
        if (clock_mono_us() > give_up_us)
            fail_msg("%s gives \"%s\", not \"%s\"", sql, query_text(db, sql), wanted);
        clock_sleep_ms(5);
    }
}

static const char acknowledged[] = "SELECT string_agg(revision || ':' || CASE WHEN error IS NULL THEN 'fine' ELSE 'no'"
                                   " END, ' ' ORDER BY revision) FROM chatsluice.rule_ack WHERE instance_id = 'here'";

static struct rule_source *start_source(const char *url, struct ruleset_slot *slot, const char *cache)
{
    const struct rule_source_options options = {.slot = slot,
                                                .database_url = url,
                                                .instance_id = "here",
                                                .cache_directory = cache,
                                                .poll_interval_ms = 20,
                                                .connect_timeout_ms = 5000};
    struct rule_source *source = NULL;
    struct err err = {0};

    if (rule_source_start(&source, &options, &err) < 0)
        fail_msg("%s", err.text);
    return source;
}

static uint64_t running_revision(struct ruleset_slot *slot)
{
    struct ruleset *set = ruleset_slot_get(slot);
    uint64_t revision = set ? ruleset_revision(set) : 0;

    ruleset_unref(set);
    return revision;
}

static void test_source_takes_what_is_published(void **state)
{
    char url[600], cache[] = "/tmp/chatsluice-rules-XXXXXX", command[64];
    struct db *db = new_migrated_database(*state, url);
    struct ruleset_slot *slot = ruleset_slot_new();
    struct ruleset *cached = NULL;
    struct err err = {0};

    assert_non_null(mkdtemp(cache));
    struct rule_source *source = start_source(url, slot, cache);
    wait_for(db, "SELECT revision || ' ' || version FROM chatsluice.instance WHERE instance_id = 'here'",
             "0 " CHATSLUICE_VERSION);
    import_text(db, rules_text, false, "tester");
    publish(db, "one");
    wait_for(db, acknowledged, "1:fine");
    assert_int_equal(running_revision(slot), 1);
    wait_for(db, "SELECT revision::text FROM chatsluice.instance WHERE instance_id = 'here'", "1");

    /* One that this program cannot compile leaves the running set; it is looked at once. */
    run_sql(db, "INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note)"
                " VALUES (2, '{\"rules\":[{\"rule\":\"new\",\"match\":{\"telepathy\":1},\"action\":\"mask\"}]}',"
                " repeat('0', 64), 1, 0, 'x', 'x'); UPDATE chatsluice.rule_publication SET last_revision = 2");
    wait_for(db, acknowledged, "1:fine 2:no");
    assert_int_equal(running_revision(slot), 1);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule_ack WHERE revision = 2 AND error LIKE"
                                      " 'rule_revision 2:1:%telepathy%'"),
                     1);

    /* A document that is not the one that was published is not taken either. */
    run_sql(db, "INSERT INTO chatsluice.rule_revision SELECT 3, document, repeat('0', 64), rules, terms, author, note"
                " FROM chatsluice.rule_revision WHERE revision = 1;"
                "UPDATE chatsluice.rule_publication SET last_revision = 3");
    wait_for(db, acknowledged, "1:fine 2:no 3:no");
    assert_int_equal(running_revision(slot), 1);

    run_sql(db, "UPDATE chatsluice.rule SET mode = 'off' WHERE name = 'contact'");
    assert_int_equal(publish(db, "four"), 4);
    wait_for(db, acknowledged, "1:fine 2:no 3:no 4:fine");
    assert_int_equal(running_revision(slot), 4);

    /* Back to an earlier one. */
    run_sql(db, "DELETE FROM chatsluice.rule_ack;"
                "UPDATE chatsluice.rule_revision SET status = 'withdrawn' WHERE revision > 1");
    wait_for(db, acknowledged, "1:fine");
    assert_int_equal(running_revision(slot), 1);

    rule_source_stop(source);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.instance"), 0);
    if (ruleset_load(&cached, cache, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(ruleset_revision(cached), 1);
    ruleset_unref(cached);
    ruleset_slot_free(slot);
    snprintf(command, sizeof(command), "rm -rf %s", cache);
    assert_int_equal(system(command), 0);
    db_close(db);
}

/* The set read from disk is the published one: it is acknowledged, not replaced. */
static void test_source_keeps_the_set_from_disk(void **state)
{
    char url[600], cache[] = "/tmp/chatsluice-rules-XXXXXX", command[64];
    struct db *db = new_migrated_database(*state, url);
    struct ruleset_slot *slot = ruleset_slot_new();
    struct rule_document *doc = document_of(rules_text);
    struct faults faults = FAULTS_INIT;
    struct ruleset *set = NULL;

    assert_non_null(mkdtemp(cache));
    import_text(db, rules_text, false, "tester");
    publish(db, "one");
    assert_int_equal(ruleset_compile(&set, doc, 1, NULL, &faults), 0);
    ruleset_slot_put(slot, set);
    struct rule_source *source = start_source(url, slot, cache);
    wait_for(db, acknowledged, "1:fine");
    struct ruleset *running = ruleset_slot_get(slot);
    assert_ptr_equal(running, set);
    ruleset_unref(running);
    rule_source_stop(source);
    ruleset_unref(set);
    ruleset_slot_free(slot);
    rule_document_free(doc);
    snprintf(command, sizeof(command), "rm -rf %s", cache);
    assert_int_equal(system(command), 0);
    db_close(db);
}

/* Its connection is cut: the running set stays, and the next revision is taken all the same. */
static void test_source_survives_a_lost_connection(void **state)
{
    char url[600], cache[] = "/tmp/chatsluice-rules-XXXXXX", command[64];
    struct db *db = new_migrated_database(*state, url);
    struct ruleset_slot *slot = ruleset_slot_new();

    assert_non_null(mkdtemp(cache));
    import_text(db, rules_text, false, "tester");
    publish(db, "one");
    struct rule_source *source = start_source(url, slot, cache);
    wait_for(db, acknowledged, "1:fine");
    run_sql(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'chatsluice rules' AND datname = current_database()");
    run_sql(db, "UPDATE chatsluice.rule SET mode = 'off' WHERE name = 'contact'");
    publish(db, "two");
    rule_source_poll_now(source);
    wait_for(db, acknowledged, "1:fine 2:fine");
    assert_int_equal(running_revision(slot), 2);
    rule_source_stop(source);
    ruleset_slot_free(slot);
    snprintf(command, sizeof(command), "rm -rf %s", cache);
    assert_int_equal(system(command), 0);
    db_close(db);
}

/* Stopping does not wait for a database that is not there. */
static void test_source_stops_without_a_database(void **state)
{
    struct ruleset_slot *slot = ruleset_slot_new();
    struct rule_source *source = start_source("host=/nonexistent", slot, "/nonexistent");

    (void)state;
    rule_source_stop(source);
    rule_source_stop(NULL);
    ruleset_slot_free(slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import_and_export_round_trip),
        cmocka_unit_test(test_the_whole_language_round_trips),
        cmocka_unit_test(test_terms_expire),
        cmocka_unit_test(test_import_changes_what_differs),
        cmocka_unit_test(test_import_of_a_repeated_term),
        cmocka_unit_test(test_import_of_a_long_list),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_publish_refuses),
        cmocka_unit_test(test_two_publishers_at_once),
        cmocka_unit_test(test_source_takes_what_is_published),
        cmocka_unit_test(test_source_keeps_the_set_from_disk),
        cmocka_unit_test(test_source_survives_a_lost_connection),
        cmocka_unit_test(test_source_stops_without_a_database),
    };

    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
