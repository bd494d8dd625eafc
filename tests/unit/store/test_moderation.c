#include "outbox_fixture.h"

#include <pthread.h>

/* An event by its name: its id is a digest of that. message: several webhooks of the same number are one message. */
static void put_event(struct db *db, const char *name, const char *command, const char *verdict, int message,
                      const char *elements)
{
    run_sqlf(
        db,
        "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, "
        "command, from_account, random, msg_seq, text, cloud_custom_data, verdict, rule, duplicate_keys, raw) VALUES "
        "(now(), now(), 1400000001, 1, chatsluice.outbox_digest('%s'), gen_random_uuid(), 'room', '%s', 'ann', %d, "
        "CASE '%s' WHEN 'after' THEN %d END, 'so bad', '{\"lvl\":3}', nullif('%s', ''), 'r', false, "
        "convert_to('{\"MsgBody\":[%s]}', 'UTF8'))",
        name, command, message, command, 1000 + message, verdict, elements);
}

#define TEXT "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"so bad\"}}"
#define FACE "{\"MsgType\":\"TIMFaceElem\",\"MsgContent\":{\"Index\":1}}"

/* What a call of a function of schema moderation gives: "" and the id, or the error. */
static const char *call(struct db *db, const char *sql)
{
    static char text[1024];
    struct db_result *rows = NULL;
    struct err err = {0};

    if (db_query(db, &rows, sql, 0, NULL, &err) < 0)
        snprintf(text, sizeof(text), "%s", err.text);
    else
        snprintf(text, sizeof(text), "%s", db_value(rows, 0, 0).data);
    db_result_free(rows);
    return text;
}

__attribute__((format(printf, 2, 3))) static const char *callf(struct db *db, const char *fmt, ...)
{
    char sql[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(sql, sizeof(sql), fmt, args);
    va_end(args);
    return call(db, sql);
}

static void assert_refused(const char *answer, const char *words)
{
    if (!strstr(answer, "ERROR") || !strstr(answer, words))
        fail_msg("\"%s\" is not refused with \"%s\"", answer, words);
}

static void assert_id(const char *answer)
{
    if (strlen(answer) != 36)
        fail_msg("%s", answer);
}

/* What can be asked ----------------------------------------------------------------------------------------------- */

static void what_cannot_be_is_refused_clearly(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"approve(gen_random_uuid())", "there is no event"},
        {"approve(chatsluice.outbox_digest('stopped'), room => 'elsewhere')", "in room elsewhere"},
        {"approve(chatsluice.outbox_digest('passed'))", "was not stopped, its verdict was allow"},
        {"approve(chatsluice.outbox_digest('delivered'))", "was delivered at"},
        {"approve(chatsluice.outbox_digest('delivered after'))", "was delivered at"},
        {"approve(chatsluice.outbox_digest('picture'))", "not made of text elements alone"},
        {"resend(chatsluice.outbox_digest('picture'), 'x')", "not made of text elements alone"},
        {"resend(chatsluice.outbox_digest('recall'), 'x')", "is no message"},
        {"resend(chatsluice.outbox_digest('stopped'), '')", "there is no text to send"},
        {"resend(chatsluice.outbox_digest('stopped'), NULL)", "there is no text to send"},
        {"resend(chatsluice.outbox_digest('stopped'), repeat('x', 12200))", "at most 12288 can be sent"},
        {"recall(chatsluice.outbox_digest('stopped'))", "not known to have been delivered"},
        {"mute('room', 'bob', '0')", "a duration of 00:00:00 is not possible"},
        {"mute('room', 'bob', '-1 hour')", "is not possible"},
        {"mute('room', 'bob', '200 years')", "is not possible"},
        {"mute('room', 'bob', NULL)", "a duration of nothing is not possible"},
        {"mute('room', '', '1 hour')", "name a room and an account"},
        {"mute('nowhere', 'bob', '1 hour')", "the application of room nowhere is not known"},
        {"ban('room', 'bob', '1 hour', note => repeat('x', 201))", "longer than 200 bytes"},
        {"cancel(gen_random_uuid())", "there is no outbox row"},
        {"settle(gen_random_uuid(), 'drop')", "there is no outbox row"},
        {"settle(gen_random_uuid(), 'perhaps')", "perhaps settles nothing"},
    };
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_event(db, "stopped", "before", "reject", 1, TEXT);
    put_event(db, "passed", "before", "allow", 2, TEXT);
    put_event(db, "delivered", "before", "reject", 3, TEXT); /* tried again, and got through */
    put_event(db, "delivered after", "after", "", 3, TEXT);
    put_event(db, "picture", "before", "reject", 4, TEXT "," FACE);
    put_event(db, "recall", "recall", "", 5, "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_refused(callf(db, "SELECT moderation.%s", cases[i].sql), cases[i].words);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.outbox"), 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.moderator_action"), 0);
    db_close(db);
}

static void what_is_asked_is_written_down(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_event(db, "stopped", "before", "discard", 1, TEXT "," TEXT);
    put_event(db, "sent", "before", "allow", 2, TEXT);
    put_event(db, "sent after", "after", "", 2, TEXT);
    assert_id(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('stopped'), 'it was fine')"));
    assert_id(call(db, "SELECT moderation.resend(chatsluice.outbox_digest('sent'), 'better', 'rude')"));
    assert_id(call(db, "SELECT moderation.mute_sender(chatsluice.outbox_digest('stopped'), '10 minutes')"));
    assert_id(call(db, "SELECT moderation.mute('room', 'bob', '1 day', 'spam')"));
    assert_id(call(db, "SELECT moderation.unmute('room', 'bob')"));
    assert_id(call(db, "SELECT moderation.ban('new', 'bob', '1 hour', note => 'bye', app => 7)"));
    assert_id(call(db, "SELECT moderation.unban('new', 'bob', app => 7)"));
    assert_id(call(db, "SELECT moderation.ban_sender(chatsluice.outbox_digest('sent after'), '1 hour')"));
    assert_id(call(db, "SELECT moderation.recall(chatsluice.outbox_digest('sent'), note => 'no')"));
    assert_string_equal(
        query_text(db, "SELECT string_agg(concat_ws(':', action, state, sdkappid, account, text, custom_data, seconds, "
                       "msg_seq, note), '|' ORDER BY action, account, msg_seq, note, text) FROM chatsluice.outbox"),
        "ban:queued:1400000001:ann:3600|ban:queued:7:bob:3600:bye|mute:queued:1400000001:ann:600|mute:queued:1400000001:bob:"
        "86400|recall:queued:1400000001::1002:no|recall:queued:1400000001::1002|send_text:held:1400000001:ann:better:{\"lvl\""
        ":3}:1002|send_text:queued:1400000001:ann:so bad:{\"lvl\":3}|unban:queued:7:bob|unmute:queued:1400000001:bob");
    assert_string_equal(
        query_text(db, "SELECT string_agg(concat_ws(':', action, account, detail, why), '|' ORDER BY at, action) "
                       "FROM moderation.action WHERE who = session_user AND state IS NOT NULL"),
        "approve:it was fine|recall:rude|resend:rude|mute_sender:ann:00:10:00|mute:bob:1 day:spam|unmute:bob|"
        "ban:bob:01:00:00|unban:bob|ban_sender:ann:01:00:00|recall");
    assert_int_equal(query_number(db,
                                  "SELECT count(*) FROM chatsluice.outbox WHERE asked_by = session_user AND cause = "
                                  "'person' AND expires_at = asked_at + interval '10 minutes'"),
                     10);
    db_close(db);
}

/* Once ------------------------------------------------------------------------------------------------------------ */

static void a_message_has_one_correction_at_a_time(void **state)
{
    static const char approve[] = "SELECT moderation.approve(chatsluice.outbox_digest('m'))";
    static const char reword[] = "SELECT moderation.resend(chatsluice.outbox_digest('m'), 'else')";
    static const char *const open_states[] = {"held", "queued", "sending", "waiting", "uncertain"};
    char url[600], first[64];
    struct db *db = new_migrated_database(*state, url);

    put_event(db, "m", "before", "reject", 1, TEXT);
    put_event(db, "m again", "before", "discard", 1, TEXT); /* the client tried again: the same message */
    snprintf(first, sizeof(first), "%s", call(db, approve));
    assert_id(first);
    for (size_t i = 0; i < sizeof(open_states) / sizeof(*open_states); i++) {
        run_sqlf(db, "UPDATE chatsluice.outbox SET state = '%s'", open_states[i]);
        assert_string_equal(call(db, approve), first);
        assert_string_equal(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('m again'))"), first);
        assert_refused(call(db, reword), first);
        assert_refused(call(db, reword), open_states[i]);
    }
    run_sql(db, "UPDATE chatsluice.outbox SET state = 'done'");
    assert_refused(call(db, approve), "was corrected at");
    assert_refused(call(db, reword), "was corrected at");
    assert_refused(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('m'), again => NULL)"),
                   "was corrected at");
    assert_id(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('m'), again => true)"));
    assert_refused(call(db, "SELECT moderation.resend(chatsluice.outbox_digest('m'), 'else', again => true)"),
                   "queued");
    run_sql(db, "UPDATE chatsluice.outbox SET state = 'failed'");
    assert_id(call(db, approve)); /* what came to nothing may be tried again, as another row */
    assert_string_not_equal(call(db, approve), first);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.outbox"), 3);

    /* A rule's correction is one, too. */
    put_event(db, "n", "before", "reject", 2, TEXT);
    run_sql(
        db,
        "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, asked_at, "
        "state, reason, expires_at, random, event_id) VALUES ('room', gen_random_uuid(), 1, 'send_text', 'ann', "
        "'***', 'rule', 'r', now(), 'waiting', '-', now(), 1, chatsluice.outbox_digest('n'))");
    assert_refused(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('n'))"), "waiting");
    db_close(db);
}

struct asker {
    const char *url, *sql;
    int made;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    struct db *db = connect_to(a->url);

    for (int i = 0; i < 30; i++) {
        struct db_result *rows = NULL;
        char sql[256];
        struct err err = {0};

        snprintf(sql, sizeof(sql), "SELECT moderation.%s(chatsluice.outbox_digest('m%d')%s)",
                 *a->sql ? "resend" : "approve", i, a->sql);
        a->made += db_query(db, &rows, sql, 0, NULL, &err) == 0;
        db_result_free(rows);
    }
    db_close(db);
    return NULL;
}

static void people_who_decide_at_once_make_one_row(void **state)
{
    char url[600], name[16];
    struct db *db = new_migrated_database(*state, url);
    struct asker askers[] = {{url, "", 0}, {url, "", 0}, {url, ", 'else'", 0}};
    pthread_t threads[3];

    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        put_event(db, name, "before", "reject", i, TEXT);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.outbox"), 30);
    assert_int_equal(query_number(db, "SELECT count(DISTINCT event_id) FROM chatsluice.outbox"), 30);
    /* Who asks for the same gets the same row, who asks for something else is refused. */
    assert_int_equal(askers[0].made + askers[1].made + askers[2].made,
                     30 + query_number(db, "SELECT count(*) FROM chatsluice.outbox WHERE text = 'so bad'"));
    db_close(db);
}

static void settling_again_gives_new_time(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_row(db, "late", "send_text", "uncertain",
            "expires_at = now() - interval '1 hour', due_at = now() + interval '1 day'");
    assert_id(call(db, "SELECT moderation.settle(chatsluice.outbox_digest('late'), 'send again', 'nobody saw it')"));
    assert_string_equal(query_text(db, "SELECT concat_ws(' ', state, expires_at > now(), due_at <= now(), reason) FROM "
                                       "chatsluice.outbox"),
                        "queued t t a person wants it sent again: nobody saw it");
    assert_refused(call(db, "SELECT moderation.settle(chatsluice.outbox_digest('late'), 'drop')"), "nothing to settle");
    assert_string_equal(query_text(db, "SELECT concat_ws(' ', action, detail, why) FROM moderation.action"),
                        "settle send again nobody saw it");
    db_close(db);
}

static void one_snapshot_for_all_is_refused(void **state)
{
    static const char *const levels[] = {"REPEATABLE READ", "SERIALIZABLE"};
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_event(db, "m", "before", "reject", 1, TEXT);
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        run_sqlf(db, "BEGIN ISOLATION LEVEL %s", levels[i]);
        assert_refused(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('m'))"),
                       "cannot be asked for in a");
        run_sql(db, "ROLLBACK");
    }
    run_sql(db, "BEGIN ISOLATION LEVEL READ COMMITTED");
    assert_id(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('m'))"));
    run_sql(db, "COMMIT");
    db_close(db);
}

/* A call without an answer may have said it: to call it off is no word that it was not said. */
static void what_may_have_been_said_is_not_cancelled(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_event(db, "m", "before", "reject", 1, TEXT);
    assert_id(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('m'))"));
    run_sql(db, "UPDATE chatsluice.outbox SET attempts = 1, in_doubt = true");
    assert_id(call(db, "SELECT moderation.cancel(outbox_id, 'no') FROM chatsluice.outbox"));
    assert_string_equal(query_text(db, "SELECT concat_ws(', ', state, reason) FROM chatsluice.outbox"),
                        "uncertain, cancelled by a person, and an earlier call may have done it: no");
    assert_refused(call(db, "SELECT moderation.resend(chatsluice.outbox_digest('m'), 'else')"), "is uncertain");
    assert_id(call(db, "SELECT moderation.settle(outbox_id, 'drop') FROM chatsluice.outbox"));
    assert_id(call(db, "SELECT moderation.resend(chatsluice.outbox_digest('m'), 'else')"));

    put_row(db, "harmless", "mute", "queued", "in_doubt = true");
    assert_id(call(db, "SELECT moderation.cancel(chatsluice.outbox_digest('harmless'))"));
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.outbox WHERE state = 'cancelled'"), 2);
    db_close(db);
}

/* Rights and cost ------------------------------------------------------------------------------------------------- */

static void nobody_may_before_it_is_granted(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_event(db, "m", "before", "reject", 1, TEXT);
    run_sql(db, "DROP ROLE IF EXISTS chatsluice_test_moderator; CREATE ROLE chatsluice_test_moderator; "
                "GRANT USAGE ON SCHEMA moderation, chatsluice TO chatsluice_test_moderator; "
                "SET SESSION AUTHORIZATION chatsluice_test_moderator");
    assert_refused(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('m'))"), "permission denied");
    run_sql(db,
            "RESET SESSION AUTHORIZATION; GRANT EXECUTE ON FUNCTION moderation.approve TO chatsluice_test_moderator; "
            "SET SESSION AUTHORIZATION chatsluice_test_moderator");
    assert_id(call(db, "SELECT moderation.approve(chatsluice.outbox_digest('m'))"));
    assert_refused(call(db, "SELECT count(*) FROM chatsluice.outbox"), "permission denied");
    run_sql(db, "RESET SESSION AUTHORIZATION");
    assert_string_equal(query_text(db, "SELECT who FROM moderation.action"), "chatsluice_test_moderator");
    run_sql(db, "DROP OWNED BY chatsluice_test_moderator; DROP ROLE chatsluice_test_moderator");
    db_close(db);
}

static void the_view_of_a_room_uses_indexes(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    static const char plan[] =
        "CREATE FUNCTION plan(sql text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE line text; whole text := ''; BEGIN FOR "
        "line IN EXECUTE 'EXPLAIN ' || sql LOOP whole := whole || line || E'\\n'; END LOOP; RETURN whole; END $$";
    static const char *const conditions[] = {
        "room_id = 'room-7' AND asked_at > now() - interval '5 minutes'",
        "room_id = 'room-7' AND original_event_id = gen_random_uuid()",
        "outbox_id = '00000000-0000-8000-8000-000000000000'",
    };
    char sql[512];

    run_sql(db, plan);
    run_sql(db, "SELECT chatsluice.ensure_partitions(current_date, current_date)");
    run_sql(
        db,
        "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, "
        "command, duplicate_keys, raw) SELECT now(), now(), 1, i, md5(i::text)::uuid, gen_random_uuid(), 'room-' || i "
        "% 100, 'before', false, '' FROM generate_series(1, 20000) i");
    run_sql(
        db,
        "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, asked_at, "
        "state, reason, expires_at, random, event_id, event_time) SELECT group_id, event_id, 1, 'send_text', 'ann', "
        "'x', 'rule', 'r', now() - spool_seq * interval '1 second', 'done', '-', now(), 1, event_id, event_time FROM "
        "chatsluice.event");
    run_sql(db, "ANALYZE chatsluice.event, chatsluice.outbox");
    for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
        const char *found;

        snprintf(sql, sizeof(sql), "SELECT plan($q$SELECT * FROM moderation.correction WHERE %s$q$)", conditions[i]);
        found = query_text(db, sql);
        if (strstr(found, "Seq Scan on outbox o") || strstr(found, "Seq Scan on event_2"))
            fail_msg("%s:\n%s", conditions[i], found);
    }
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused_clearly),
        cmocka_unit_test(what_is_asked_is_written_down),
        cmocka_unit_test(a_message_has_one_correction_at_a_time),
        cmocka_unit_test(people_who_decide_at_once_make_one_row),
        cmocka_unit_test(one_snapshot_for_all_is_refused),
        cmocka_unit_test(settling_again_gives_new_time),
        cmocka_unit_test(what_may_have_been_said_is_not_cancelled),
        cmocka_unit_test(nobody_may_before_it_is_granted),
        cmocka_unit_test(the_view_of_a_room_uses_indexes),
    };

    return cmocka_run_group_tests_name("store/moderation", tests, postgres_setup, postgres_teardown);
}
