/* Going back, by hand and by itself; and that a revision, once published, stays what it is. */
#include "rules_fixture.h"

#include "store/rollback.h"

#include <pthread.h>

static void publish_word(struct db *db, const char *word)
{
    char text[128];

    snprintf(text, sizeof(text), "- rule: word\n  match: { regex: '%s' }\n  action: reject\n", word);
    import_text(db, text, true, "tester");
    publish(db, word);
}

static const char states[] = "SELECT string_agg(revision || coalesce('=' || restores, '') || ' ' || status ||"
                             " coalesce(' by ' || status_by || coalesce(' for ' || rolled_back_by, ''), '') ||"
                             " CASE WHEN in_force THEN ' *' ELSE '' END, ', ' ORDER BY revision)"
                             " FROM moderation.rule_history";

static struct rollback_result roll_back(struct db *db, uint64_t to, bool tables)
{
    const struct rollback_options options = {.to = to, .author = "alice", .note = "back", .tables = tables};
    struct rollback_result result = {0};
    struct faults faults = FAULTS_INIT;
    struct err err = {0};

    if (rule_rollback(db, &options, &result, &faults, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(faults.count, 0);
    faults_release(&faults);
    return result;
}

static int refuse_rollback(struct db *db, uint64_t to, const char *why)
{
    const struct rollback_options options = {.to = to, .author = "alice", .note = "back"};
    struct rollback_result result = {.revision = 77};
    struct faults faults = FAULTS_INIT;
    struct err err = {0};
    int r = rule_rollback(db, &options, &result, &faults, &err);

    assert_string_equal(err.text, why);
    assert_int_equal(result.revision, 77);
    faults_release(&faults);
    return r;
}

static void history_stays_a_line(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct rollback_result result;

    assert_int_equal(refuse_rollback(db, 0, "could not roll back: no revision is in force"), ERR_NOT_FOUND);
    publish_word(db, "one");
    assert_int_equal(refuse_rollback(db, 0, "could not roll back: there is no revision before 1 to go back to"),
                     ERR_NOT_FOUND);
    publish_word(db, "two");
    publish_word(db, "three");
    result = roll_back(db, 0, false);
    assert_int_equal(result.revision, 4);
    assert_int_equal(result.restored, 2);
    assert_int_equal(result.replaced, 3);
    assert_string_equal(query_text(db, states),
                        "1 published, 2 published, 3 rolled back by alice for 4, 4=2 published *");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule WHERE definition::text LIKE '%three%'"), 1);

    /* Once more goes one further back. */
    assert_int_equal(roll_back(db, 0, false).restored, 1);
    assert_string_equal(query_text(db, states),
                        "1 published, 2 rolled back by alice for 5, 3 rolled back by alice for 4,"
                        " 4=2 rolled back by alice for 5, 5=1 published *");

    /* And forward, by name, with the tables. */
    assert_int_equal(roll_back(db, 2, true).revision, 6);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule WHERE definition::text LIKE '%two%'"), 1);
    assert_string_equal(query_text(db, "SELECT author FROM chatsluice.rule"), "alice");

    /* A rollback that is withdrawn leaves what counted before it, not what was rolled back. */
    run_sql(db, "UPDATE chatsluice.rule_revision SET status = 'withdrawn' WHERE revision = 6");
    assert_int_equal(query_number(db, "SELECT revision FROM moderation.rule_history WHERE in_force"), 1);
    assert_int_equal(refuse_rollback(db, 9, "could not roll back: there is no rule revision 9"), ERR_NOT_FOUND);
    assert_int_equal(refuse_rollback(db, 1, "could not roll back: revision 1 in force says the same as 1"),
                     ERR_CONFLICT);
    db_close(db);
}

static void what_does_not_compile_is_not_restored(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    run_sql(db, "INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note)"
                " VALUES (1, '{\"rules\":[{\"rule\":\"new\",\"match\":{\"telepathy\":1},\"action\":\"mask\"}]}',"
                " repeat('0', 64), 1, 0, 'x', 'x'), (2, '{\"lists\":[],\"rules\":[{\"rule\":\"r\",\"match\":{\"terms\":"
                "\"nowhere\"},\"action\":\"mask\"}]}', repeat('1', 64), 1, 0, 'x', 'x');"
                " UPDATE chatsluice.rule_publication SET last_revision = 2");
    publish_word(db, "three");
    const struct rollback_options options = {.to = 1, .author = "alice", .note = "back"},
                                  other = {.to = 2, .author = "a"};
    struct rollback_result result;
    struct faults faults = FAULTS_INIT;
    struct err err = {0};
    assert_int_equal(rule_rollback(db, &options, &result, &faults, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "telepathy"));
    assert_int_equal(rule_rollback(db, &other, &result, &faults, &err), ERR_USAGE);
    assert_non_null(strstr(buf_text(&faults.text), "nowhere"));
    assert_int_equal(query_number(db, "SELECT revision FROM moderation.rule_history WHERE in_force"), 3);
    faults_release(&faults);
    db_close(db);
}

/* By itself ------------------------------------------------------------------------------------------------------- */

enum { MINUTE_MS = 60000 };

static int by_itself(struct db *db, uint64_t from, struct rollback_result *result)
{
    struct err err;

    return rule_rollback_automatic(db, from, "hit rate jumped", MINUTE_MS, result, &err);
}

struct instance {
    pthread_t thread;
    pthread_barrier_t *start;
    const char *url;
    uint64_t from;
    int result;
};

static void *instance_rolls_back(void *arg)
{
    struct instance *i = arg;
    struct rollback_result result;
    struct db *db = connect_to(i->url);

    pthread_barrier_wait(i->start);
    i->result = by_itself(db, i->from, &result);
    db_close(db);
    return NULL;
}

static void one_of_many_instances_does_it_once(void **state)
{
    enum { INSTANCES = 6 };
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct instance instances[INSTANCES];
    struct rollback_result result;
    pthread_barrier_t start;
    unsigned done = 0;

    publish_word(db, "one");
    publish_word(db, "two");
    pthread_barrier_init(&start, NULL, INSTANCES);
    for (size_t i = 0; i < INSTANCES; i++) {
        instances[i] = (struct instance){.start = &start, .url = url, .from = 2};
        assert_int_equal(pthread_create(&instances[i].thread, NULL, instance_rolls_back, &instances[i]), 0);
    }
    for (size_t i = 0; i < INSTANCES; i++) {
        pthread_join(instances[i].thread, NULL);
        assert_true(instances[i].result == 0 || instances[i].result == ERR_CONFLICT);
        done += instances[i].result == 0;
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(done, 1);
    assert_string_equal(query_text(db, states), "1 published, 2 rolled back by chatsluice for 3, 3=1 published *");
    assert_string_equal(query_text(db, "SELECT kind || ', ' || author || ', ' || note FROM chatsluice.rule_revision"
                                       " WHERE revision = 3"),
                        "automatic rollback, chatsluice, hit rate jumped");

    /* Never a rollback, never what is not in force, never what others have run for long. */
    assert_int_equal(by_itself(db, 3, &result), ERR_CONFLICT);
    assert_int_equal(by_itself(db, 2, &result), ERR_CONFLICT);
    roll_back(db, 2, false);
    assert_int_equal(by_itself(db, 4, &result), ERR_CONFLICT);
    publish_word(db, "five");
    run_sql(db, "SET session_replication_role = replica;"
                "UPDATE chatsluice.rule_revision SET published_at = now() - interval '3 minutes' WHERE revision = 5;"
                "SET session_replication_role = DEFAULT");
    assert_int_equal(by_itself(db, 5, &result), ERR_CONFLICT);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule_revision"), 5);
    db_close(db);
}

/* What went back by itself and is published once more is what a person wants, however much it hits. */
static void a_person_who_publishes_again_has_the_last_word(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct rollback_result result;

    publish_word(db, "one");
    publish_word(db, "two");
    assert_int_equal(by_itself(db, 2, &result), 0);
    publish(db, "two is meant"); /* the tables still say so */
    assert_int_equal(by_itself(db, 4, &result), ERR_CONFLICT);
    assert_string_equal(query_text(db, states), "1 published, 2 rolled back by chatsluice for 3, 3=1 published, 4 "
                                                "published *");
    publish_word(db, "three"); /* another matter */
    assert_int_equal(by_itself(db, 5, &result), 0);
    assert_int_equal(result.restored, 4);
    db_close(db);
}

/* With the rights that roles.sql names for rules.rollback_factor, and no other. */
static void an_instance_with_little_rights_goes_back(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct rollback_result result;
    struct err err = {0};

    publish_word(db, "one");
    publish_word(db, "two");
    run_sql(
        db,
        "DROP ROLE IF EXISTS chatsluice_test_instance; CREATE ROLE chatsluice_test_instance; "
        "GRANT USAGE ON SCHEMA chatsluice TO chatsluice_test_instance; "
        "GRANT SELECT, INSERT ON chatsluice.rule_revision TO chatsluice_test_instance; "
        "GRANT UPDATE (status, status_by, status_at, rolled_back_by) ON chatsluice.rule_revision TO "
        "chatsluice_test_instance; GRANT SELECT, UPDATE ON chatsluice.rule_publication TO chatsluice_test_instance; "
        "SET SESSION AUTHORIZATION chatsluice_test_instance");
    if (rule_rollback_automatic(db, 2, "hit rate jumped", MINUTE_MS, &result, &err) < 0)
        fail_msg("%s", err.text);
    run_sql(db, "RESET SESSION AUTHORIZATION; DROP OWNED BY chatsluice_test_instance; "
                "DROP ROLE chatsluice_test_instance");
    db_close(db);
}

/* Immutable ------------------------------------------------------------------------------------------------------- */

static void a_revision_stays_what_it_is(void **state)
{
    static const char *const tries[] = {
        "UPDATE chatsluice.rule_revision SET document = '{}'",
        "UPDATE chatsluice.rule_revision SET author = 'mallory'",
        "UPDATE chatsluice.rule_revision SET note = 'never mind', status = 'withdrawn'",
        "UPDATE chatsluice.rule_revision SET published_at = now()",
        "UPDATE chatsluice.rule_revision SET checksum = repeat('0', 64)",
        "UPDATE chatsluice.rule_revision SET overrides = '{}', gate = '{}'",
        "UPDATE chatsluice.rule_revision SET revision = 9",
        "DELETE FROM chatsluice.rule_revision",
        "TRUNCATE chatsluice.rule_revision",
    };
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    static const char row[] = "SELECT md5(r::text) FROM chatsluice.rule_revision AS r";
    char *before;

    publish_word(db, "one");
    before = strdup(query_text(db, row));
    for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
        struct err err = {0};
        assert_true(db_exec(db, tries[i], &err) < 0);
        assert_string_equal(err.sqlstate, "23001");
        assert_string_equal(query_text(db, row), before);
    }
    free(before);
    run_sql(db, "UPDATE chatsluice.rule_revision SET status = 'withdrawn'");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule_revision WHERE status = 'withdrawn'"
                                      " AND status_by = current_user AND status_at > now() - interval '1 minute'"),
                     1);
    run_sql(db, "UPDATE chatsluice.rule_revision SET status = 'published', status_by = 'bob'");
    assert_string_equal(query_text(db, "SELECT status_by FROM chatsluice.rule_revision"), "bob");
    db_close(db);
}

/* An edit by SQL leaves the name of who made it. */
static void edits_by_sql_have_authors(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    import_text(db, "- list: l\n  terms: [a, b]\n- rule: r\n  match: { terms: l }\n  action: flag\n", true, "importer");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule WHERE author = 'importer'"), 1);
    run_sql(db,
            "UPDATE chatsluice.rule SET mode = 'shadow'; UPDATE chatsluice.term_list SET boundary = 'any';"
            "UPDATE chatsluice.term SET term = 'c' WHERE term = 'b'; INSERT INTO chatsluice.term VALUES ('l', 'd')");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.rule WHERE author = current_user"), 1);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.term_list WHERE author = current_user"), 1);
    assert_string_equal(query_text(db, "SELECT string_agg(term || ':' || (author = current_user), ' ' ORDER BY term)"
                                       " FROM chatsluice.term"),
                        "a:false c:true d:true");
    run_sql(db, "UPDATE chatsluice.rule SET mode = 'off', author = 'carol'");
    assert_string_equal(query_text(db, "SELECT author FROM chatsluice.rule"), "carol");
    run_sql(db, "UPDATE chatsluice.rule SET mode = 'off', author = 'carol'"); /* nothing changes */
    assert_string_equal(query_text(db, "SELECT author FROM chatsluice.rule"), "carol");
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_stays_a_line),
        cmocka_unit_test(what_does_not_compile_is_not_restored),
        cmocka_unit_test(one_of_many_instances_does_it_once),
        cmocka_unit_test(a_person_who_publishes_again_has_the_last_word),
        cmocka_unit_test(an_instance_with_little_rights_goes_back),
        cmocka_unit_test(a_revision_stays_what_it_is),
        cmocka_unit_test(edits_by_sql_have_authors),
    };

    return cmocka_run_group_tests_name("store/rollback", tests, postgres_setup, postgres_teardown);
}
