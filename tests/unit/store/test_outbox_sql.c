#include "outbox_fixture.h"

#include <pthread.h>

#define PAST   "now() - interval '1 second'"
#define SENT   "attempts = 1, first_sent_at = now(), sent_at = now(), sending_by = 'one', transport = 'send_text_msg'"
#define LEASED SENT ", sending_until = now() + interval '1 minute'"
#define LAPSED SENT ", sending_until = " PAST

/* The moves -------------------------------------------------------------------------------------------------------- */

struct swept {
    const char *name, *action, *state, *set;
    const char *sightings; /* 'b': Before with the marker, 'r' the same rejected, 'a': After with it, 'c': After
                              without, of the same Random, 'x': of another */
    bool retry;
    const char *becomes;
};

static const struct swept swept[] = {
    {"lapsed", "send_text", "sending", LAPSED, "", false, "waiting"},
    {"lapsed-mute", "mute", "sending", LAPSED, "", false, "queued"},
    {"lapsed-group", "send_text", "sending", LAPSED "|transport = 'send_group_msg'", "", false, "queued"},
    {"lapsed-group-old", "send_text", "sending",
     LAPSED "|transport = 'send_group_msg', first_sent_at = now() - interval '4 minutes'", "", false, "waiting"},
    {"leased", "send_text", "sending", LEASED, "a", false, "sending"}, /* its answer comes yet */
    {"seen-waiting", "send_text", "waiting", SENT ", wait_until = now() + interval '1 minute'", "a", false, "done"},
    {"seen-paired", "send_text", "waiting", SENT ", wait_until = now() + interval '1 minute'", "bc", false, "done"},
    {"seen-late", "send_text", "waiting", SENT ", wait_until = " PAST, "bc", false, "done"},
    {"seen-uncertain", "send_text", "uncertain", SENT, "a", false, "done"},
    {"seen-queued", "send_text", "queued", SENT, "a", false, "done"},
    {"unsent", "send_text", "queued", "", "a", false, "queued"},
    {"not-paired", "send_text", "waiting", SENT ", wait_until = now() + interval '1 minute'", "bx", false, "waiting"},
    {"unmarked", "send_text", "waiting", SENT ", wait_until = now() + interval '1 minute'", "cx", false, "waiting"},
    {"refused-waiting", "send_text", "waiting", SENT ", wait_until = now() + interval '1 minute'", "r", false,
     "failed"},
    {"refused-uncertain", "send_text", "uncertain", SENT, "r", false, "failed"},
    {"refused-once", "send_text", "waiting", SENT ", wait_until = now() + interval '1 minute'", "rb", false, "waiting"},
    {"nothing", "send_text", "waiting", SENT ", wait_until = " PAST, "", false, "uncertain"},
    {"nothing-retry", "send_text", "waiting", SENT ", wait_until = " PAST, "", true, "queued"},
    {"nothing-but-before", "send_text", "waiting", SENT ", wait_until = " PAST, "b", true, "uncertain"},
    {"nothing-tired", "send_text", "waiting", SENT "|attempts = 3, wait_until = " PAST, "", true, "uncertain"},
    {"nothing-expired", "send_text", "waiting", SENT ", expires_at = " PAST ", wait_until = " PAST, "", true,
     "uncertain"},
    {"nothing-taken", "send_text", "waiting", SENT ", error_code = 0, answered_at = now(), wait_until = " PAST, "",
     true, "done"},
    {"waits", "send_text", "waiting", SENT ", wait_until = now() + interval '1 minute'", "", true, "waiting"},
    {"old-queued", "mute", "queued", "expires_at = " PAST, "", false, "expired"},
    {"old-unclear", "send_text", "queued", "in_doubt = true, expires_at = " PAST, "", false, "uncertain"},
    {"old-muted", "mute", "queued", "in_doubt = true, expires_at = " PAST, "", false, "expired"},
    {"old-held", "send_text", "held", "expires_at = " PAST, "", false, "expired"},
    {"held", "send_text", "held", "msg_seq = 5, event_time = now()", "", false, "held"},
};

static void the_sweep_moves_what_it_should(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    for (int retry = 0; retry < 2; retry++) {
        watch_changes(db);
        for (size_t i = 0; i < sizeof(swept) / sizeof(*swept); i++) {
            const struct swept *c = &swept[i];

            if (c->retry != retry)
                continue;
            put_row(db, c->name, c->action, c->state, c->set);
            for (const char *s = c->sightings; *s; s++)
                put_sighting(db, c->name, strchr("br", *s) ? "before" : "after", strchr("bra", *s), *s == 'x' ? 8 : 9,
                             *s == 'b'   ? "allow"
                             : *s == 'r' ? "reject"
                                         : "");
        }
        sweep(db, retry ? "true" : "false");
        for (size_t i = 0; i < sizeof(swept) / sizeof(*swept); i++) {
            if (swept[i].retry != retry)
                continue;
            print_message("%s\n", swept[i].name);
            assert_string_equal(state_of(db, swept[i].name), swept[i].becomes);
        }
        assert_int_equal(sweep(db, retry ? "true" : "false"), 0); /* and nothing is left to do */
        run_sql(db, "DROP TRIGGER note_change ON chatsluice.outbox; DROP FUNCTION note_change; DROP TABLE change;"
                    "DELETE FROM chatsluice.outbox; DELETE FROM chatsluice.outbox_sighting");
    }
    db_close(db);
}

/* The platform takes a message that a webhook makes it discard; an instance with another key takes our marker for
 * forged. */
static void what_our_own_answer_kept_from_the_room_is_not_done(void **state)
{
    static const char *const cases[][3] = {
        {"forged", "discard", "failed"}, {"forged", "allow", "done"}, {"copied", "discard", "done"}};
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    run_sql(db, "SELECT chatsluice.ensure_partitions(current_date - 1, current_date)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char room[16];

        snprintf(room, sizeof(room), "room-%zu", i);
        put_row(db, room, "send_text", "waiting", SENT ", error_code = 0, wait_until = " PAST);
        run_sqlf(
            db,
            "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, "
            "group_id, command, duplicate_keys, raw, from_account, text, platform, marker, verdict) SELECT sent_at, "
            "sent_at, 1, %zu, gen_random_uuid(), gen_random_uuid(), room_id, 'before', false, '', account, text, "
            "'RESTAPI', '%s', '%s' FROM chatsluice.outbox WHERE room_id = '%s'",
            i, cases[i][0], cases[i][1], room);
    }
    sweep(db, "true");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char room[16];

        snprintf(room, sizeof(room), "room-%zu", i);
        assert_string_equal(state_of(db, room), cases[i][2]);
    }
    db_close(db);
}

/* What waits for the recall of its original. */
static void recalls_release(void **state)
{
    static const char *const recall_rows[][3] = {
        /* states of recalls of that message, "-": none; what becomes */
        {"done", "-", "queued"}, {"failed", "done", "queued"},    {"failed", "-", "cancelled"},
        {"queued", "-", "held"}, {"sending", "expired", "held"},  {"expired", "cancelled", "cancelled"},
        {"-", "-", "held"},      {"cancelled", "-", "cancelled"},
    };
    char url[600], name[32];
    struct db *db = new_migrated_database(*state, url);

    for (size_t i = 0; i < sizeof(recall_rows) / sizeof(*recall_rows); i++) {
        snprintf(name, sizeof(name), "room-%zu", i);
        put_row(db, name, "send_text", "held", "msg_seq = 5, event_time = now()");
        for (int r = 0; r < 2; r++)
            if (*recall_rows[i][r] != '-')
                run_sqlf(
                    db,
                    "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, msg_seq, cause, "
                    "asked_by, asked_at, state, reason, expires_at, random) VALUES ('%s', gen_random_uuid(), 1, "
                    "'recall', '', 5, 'rule', 'r', now(), '%s', '-', now() + interval '1 hour', 7)",
                    name, recall_rows[i][r]);
    }
    /* somebody else recalled it */
    put_row(db, "theirs", "send_text", "held", "msg_seq = 5, event_time = now()");
    run_sql(db,
            "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, "
            "command, recalled_seqs, duplicate_keys, raw) VALUES (now(), now(), 1, 1, gen_random_uuid(), "
            "gen_random_uuid(), 'theirs', 'recall', '{4,5}', false, '')");
    sweep(db, "false");
    for (size_t i = 0; i < sizeof(recall_rows) / sizeof(*recall_rows); i++) {
        char sql[128];

        snprintf(sql, sizeof(sql),
                 "SELECT state FROM chatsluice.outbox WHERE room_id = 'room-%zu' AND action = 'send_text'", i);
        print_message("%zu\n", i);
        assert_string_equal(query_text(db, sql), recall_rows[i][2]);
    }
    assert_string_equal(state_of(db, "theirs"), "queued");
    db_close(db);
}

/* Each event on each state: it moves as the table says, or stays. */
static void answers_move_by_the_table(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    run_sql(
        db,
        "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, note, cause, asked_by, "
        "asked_at, state, reason, expires_at, attempts, random) SELECT s.state || ' ' || e.event, "
        "gen_random_uuid(), 1, 'send_text', 'ann', 'x', e.event, 'rule', 'r', now(), s.state, '-', now() + interval "
        "'1 hour', 1, 7 FROM chatsluice.outbox_state s, (SELECT DISTINCT event FROM chatsluice.outbox_move UNION "
        "SELECT 'nonsense') e");
    run_sql(db,
            "SELECT chatsluice.outbox_answered((SELECT jsonb_agg(jsonb_build_object('room', room_id, 'id', outbox_id, "
            "'attempt', 1, 'event', note, 'wait_ms', 5000, 'code', 3)) FROM chatsluice.outbox))");
    assert_string_equal(
        query_text(db,
                   "SELECT string_agg(o.room_id || ' ' || o.state, ', ') FROM chatsluice.outbox o LEFT JOIN "
                   "chatsluice.outbox_move m ON m.event = o.note AND m.from_state = split_part(o.room_id, ' ', 1) AND "
                   "m.from_state IN ('sending', 'waiting') WHERE o.state <> coalesce(m.to_state, "
                   "split_part(o.room_id, ' ', 1)) OR (m.to_state IS NOT NULL AND o.reason <> m.reason) "
                   "OR (o.state = 'waiting' AND o.reason <> '-') <> (o.wait_until IS NOT NULL)"),
        "");
    assert_true(query_number(db, "SELECT count(*) FROM chatsluice.outbox WHERE reason <> '-'") >= 20);
    db_close(db);
}

/* Between them claims, answers, sweeps and people reach every move there is, and make no other. */
static void every_move_is_reached_and_no_other(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    static const char *const people[][5] = {
        {"held", "cancel", "", "cancel-held", ""},
        {"queued", "cancel", "", "cancel-queued", ""},
        {"queued", "cancel", "", "cancel-unclear", "in_doubt = true"},
        {"uncertain", "settle", ", 'drop'", "drop", ""},
        {"uncertain", "settle", ", 'delivered'", "delivered", ""},
        {"uncertain", "settle", ", 'send again'", "again", ""},
    };

    watch_changes(db);
    for (size_t i = 0; i < sizeof(swept) / sizeof(*swept); i++) {
        put_row(db, swept[i].name, swept[i].action, swept[i].state, swept[i].set);
        for (const char *s = swept[i].sightings; *s; s++)
            put_sighting(db, swept[i].name, strchr("br", *s) ? "before" : "after", strchr("bra", *s), *s == 'x' ? 8 : 9,
                         *s == 'b'   ? "allow"
                         : *s == 'r' ? "reject"
                                     : "");
    }
    run_sql(db,
            "INSERT INTO chatsluice.outbox SELECT (jsonb_populate_record(o, jsonb_build_object('outbox_id', "
            "gen_random_uuid(), 'state', 'waiting', 'room_id', 'retried'))).* FROM chatsluice.outbox o WHERE room_id = "
            "'nothing-retry'");
    put_row(db, "released", "send_text", "held", "msg_seq = 5, event_time = now()");
    put_row(db, "given up", "send_text", "held", "msg_seq = 5, event_time = now()");
    run_sql(db, "INSERT INTO chatsluice.outbox SELECT (jsonb_populate_record(o, jsonb_build_object('outbox_id', "
                "gen_random_uuid(), 'state', CASE room_id WHEN 'released' THEN 'done' ELSE 'failed' END, 'action', "
                "'recall'))).* FROM chatsluice.outbox o WHERE room_id IN ('released', 'given up')");
    run_sql(db, "SELECT chatsluice.outbox_sweep('20 seconds', false, 3)");
    put_row(db, "again-retry", "send_text", "waiting", SENT ", wait_until = " PAST);
    run_sql(db, "SELECT chatsluice.outbox_sweep('20 seconds', true, 3)");
    for (size_t i = 0; i < sizeof(people) / sizeof(*people); i++) {
        put_row(db, people[i][3], "send_text", people[i][0], people[i][4]);
        run_sqlf(db, "SELECT moderation.%s(chatsluice.outbox_digest('%s')%s)", people[i][1], people[i][3],
                 people[i][2]);
    }
    put_row(db, "claimed", "mute", "queued", "");
    run_sql(db, "SELECT chatsluice.outbox_claim('one', 1, 'mute', NULL, false, 10, '10 seconds', 5)");
    put_row(db, "gone", "send_text", "sending", LEASED);
    put_row(db, "gone-too", "send_text", "queued", "room_id = 'gone'");
    put_row(db, "gone-unclear", "send_text", "queued", "in_doubt = true, room_id = 'gone'");
    run_sql(db,
            "SELECT chatsluice.outbox_answered(jsonb_build_array(jsonb_build_object('room', 'gone', 'id', "
            "chatsluice.outbox_digest('gone'), 'attempt', 1, 'event', 'refused', 'code', 100004, 'room_gone', true)))");
    run_sql(
        db,
        "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, note, cause, asked_by, "
        "asked_at, state, reason, expires_at, attempts, random) SELECT 'm ' || m.from_state || m.event, "
        "gen_random_uuid(), 1, 'send_text', 'ann', 'x', m.event, 'rule', 'r', now(), m.from_state, '-', now() + "
        "interval '1 hour', 1, 7 FROM chatsluice.outbox_move m WHERE m.from_state IN ('sending', 'waiting') AND "
        "m.event NOT LIKE 'seen%' AND m.event NOT LIKE 'lapsed%'");
    run_sql(db,
            "SELECT chatsluice.outbox_answered((SELECT jsonb_agg(jsonb_build_object('room', room_id, 'id', outbox_id, "
            "'attempt', 1, 'event', note)) FROM chatsluice.outbox WHERE room_id LIKE 'm %'))");

    assert_string_equal(query_text(db,
                                   "SELECT string_agg(from_state || ' ' || event, ', ') FROM chatsluice.outbox_move m "
                                   "WHERE NOT EXISTS (SELECT FROM change c WHERE c.from_state = m.from_state AND "
                                   "c.to_state = m.to_state AND c.reason = m.reason)"),
                        "");
    assert_string_equal(query_text(db,
                                   "SELECT string_agg(concat_ws(' ', room, from_state, to_state, reason), ', ') FROM "
                                   "change c WHERE reason <> '-' AND NOT EXISTS (SELECT FROM chatsluice.outbox_move m "
                                   "WHERE c.from_state = m.from_state AND c.to_state = m.to_state AND c.reason = "
                                   "m.reason)"),
                        "");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.outbox_move m JOIN chatsluice.outbox_state s ON "
                                      "s.state = m.from_state WHERE s.final"),
                     0);
    db_close(db);
}

/* Claims ---------------------------------------------------------------------------------------------------------- */

/* Texts by both transports, and mutes; up to `most` of each. */
static long claimed(struct db *db, const char *instance, int most, int per_room)
{
    char sql[512];

    snprintf(
        sql, sizeof(sql),
        "SELECT (SELECT count(*) FROM chatsluice.outbox_claim('%s', 1, 'send_text', 'send_text_msg', true, %d, '10 "
        "seconds', %d)) + (SELECT count(*) FROM chatsluice.outbox_claim('%s', 1, 'send_text', 'send_group_msg', false, "
        "%d, '10 seconds', %d)) + (SELECT count(*) FROM chatsluice.outbox_claim('%s', 1, 'mute', NULL, false, %d, '10 "
        "seconds', %d))",
        instance, most, per_room, instance, most, per_room, instance, most, per_room);
    return query_number(db, sql);
}

static void put_many(struct db *db, const char *room, const char *action, int n)
{
    run_sqlf(
        db,
        "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, asked_at, "
        "state, reason, expires_at, due_at, random) SELECT '%s', gen_random_uuid(), 1, '%s', 'ann', 'x', 'rule', 'r', "
        "now(), 'queued', '-', now() + interval '1 hour', now() - i * interval '1 ms', 7 FROM generate_series(1, %d) i",
        room, action, n);
}

static void claims_take_what_may_be_sent(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_row(db, "ready", "send_text", "queued", "");
    put_row(db, "not due", "send_text", "queued", "due_at = now() + interval '1 minute'");
    put_row(db, "too old", "send_text", "queued", "expires_at = " PAST);
    put_row(db, "another app", "send_text", "queued", "sdkappid = 2");
    put_row(db, "another action", "recall", "queued", "");
    put_row(db, "sending", "send_text", "sending", LEASED);
    put_row(db, "retried", "send_text", "queued",
            "attempts = 2, transport = 'send_group_msg', first_sent_at = now() - interval '2 hours'");
    assert_int_equal(claimed(db, "one", 100, 10), 2);
    assert_int_equal(claimed(db, "one", 100, 10), 0);
    assert_string_equal(
        query_text(db, "SELECT string_agg(concat_ws(' ', room_id, attempts, sending_by, transport, "
                       "first_sent_at > now() - interval '1 hour', sending_until > now()), ', ' ORDER BY room_id) FROM "
                       "chatsluice.outbox WHERE state = 'sending' AND room_id <> 'sending'"),
        "ready 1 one send_text_msg t t, retried 3 one send_group_msg f t");
    db_close(db);
}

/* A muted sender's correction would be refused. */
static void a_mute_waits_for_the_correction_a_while(void **state)
{
    static const char mute_due[] =
        "SELECT count(*) FROM chatsluice.outbox_due('{1}') WHERE action = 'mute'"; /* as outbox_claim sees it */
    static const char *const waits_for[] = {"held", "queued", "sending"};
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_row(db, "mute", "mute", "queued", "room_id = 'r', event_id = chatsluice.outbox_digest('e')");
    put_row(db, "text", "send_text", "held", "room_id = 'r', event_id = chatsluice.outbox_digest('e')");
    for (size_t i = 0; i < sizeof(waits_for) / sizeof(*waits_for); i++) {
        run_sqlf(
            db,
            "UPDATE chatsluice.outbox SET state = '%s', due_at = now() + interval '1 hour', sending_until = now() + "
            "interval '1 hour' WHERE action = 'send_text'",
            waits_for[i]);
        assert_int_equal(query_number(db, mute_due), 0);
        assert_int_equal(claimed(db, "one", 100, 10), 0);
    }
    run_sql(db, "UPDATE chatsluice.outbox SET created_at = now() - interval '11 seconds' WHERE action = 'mute'");
    assert_int_equal(query_number(db, mute_due), 1);
    run_sql(db, "UPDATE chatsluice.outbox SET created_at = now() WHERE action = 'mute'");
    run_sql(db, "UPDATE chatsluice.outbox SET state = 'done' WHERE action = 'send_text'");
    assert_int_equal(query_number(db, mute_due), 1);
    assert_int_equal(claimed(db, "one", 100, 10), 1);
    db_close(db);
}

/* A mute that is repeated after its end was done would be the last word. */
static void what_is_undone_waits_for_what_was_done(void **state)
{
    static const char unmute_due[] = "SELECT count(*) FROM chatsluice.outbox_due('{1}') WHERE action = 'unmute'";
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    put_row(db, "mute", "mute", "queued",
            "room_id = 'r', created_at = now() - interval '1 minute', due_at = now() + interval '1 hour'");
    put_row(db, "unmute", "unmute", "queued", "room_id = 'r'");
    put_row(db, "unban", "unban", "queued", "room_id = 'r'");
    put_row(db, "elsewhere", "unmute", "queued", "due_at = now() + interval '1 hour'");
    assert_int_equal(query_number(db, unmute_due), 0);
    run_sql(db,
            "UPDATE chatsluice.outbox SET state = 'sending', sending_until = now() + interval '1 hour' WHERE action = "
            "'mute'");
    assert_int_equal(query_number(db, unmute_due), 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.outbox_due('{1}') WHERE action = 'unban'"), 1);
    run_sql(db, "UPDATE chatsluice.outbox SET state = 'done' WHERE action = 'mute'");
    assert_int_equal(query_number(db, unmute_due), 1);
    db_close(db);
}

/* Runs a case, and once more when a minute, and with it the budget, ended in the middle of it. */
static void within_a_minute(struct db *db, void (*run)(struct db *db, const char *url), const char *url)
{
    static const char minute[] = "SELECT date_trunc('minute', now())";
    char before[64];

    for (int tries = 0; tries < 3; tries++) {
        snprintf(before, sizeof(before), "%s", query_text(db, minute));
        run_sql(db, "TRUNCATE chatsluice.outbox, chatsluice.room_budget");
        run(db, url);
        if (strcmp(before, query_text(db, minute)) == 0)
            return;
    }
    fail_msg("three minutes ended");
}

static long first_claims, second_claims, third_claims, sent_to_busy;

static void claim_for_two(struct db *db, const char *url)
{
    (void)url;
    put_many(db, "busy", "send_text", 50);
    put_many(db, "busy", "mute", 5); /* not messages */
    put_many(db, "calm", "send_text", 3);
    first_claims = claimed(db, "one", 20, 8);
    second_claims = claimed(db, "two", 100, 8);
    third_claims = claimed(db, "one", 100, 8);
    sent_to_busy =
        query_number(db, "SELECT count(*) FROM chatsluice.outbox WHERE state = 'sending' AND room_id = 'busy' "
                         "AND action = 'send_text'");
}

static void a_room_gets_no_more_than_its_budget(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    within_a_minute(db, claim_for_two, url);
    assert_int_equal(first_claims + second_claims, 8 + 5 + 3);
    assert_int_equal(third_claims, 0);
    assert_int_equal(sent_to_busy, 8);
    run_sql(db, "UPDATE chatsluice.room_budget SET minute = minute - interval '5 minutes'");
    assert_int_equal(claimed(db, "one", 100, 8), 8);
    db_close(db);
}

struct claimer {
    const char *url;
    const char *name;
    long total;
};

static void *claim_all(void *arg)
{
    struct claimer *c = arg;
    struct db *db = connect_to(c->url);

    for (int i = 0; i < 60; i++)
        c->total += claimed(db, c->name, 7, 40);
    db_close(db);
    return NULL;
}

static void claim_at_once(struct db *db, const char *url)
{
    struct claimer claimers[] = {{url, "one", 0}, {url, "two", 0}, {url, "three", 0}};
    pthread_t threads[3];

    put_many(db, "busy", "send_text", 300);
    put_many(db, "mutes", "mute", 300);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, claim_all, &claimers[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    first_claims = claimers[0].total + claimers[1].total + claimers[2].total;
}

static void claims_at_once_share_rows_and_budget(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    run_sql(db,
            "SELECT chatsluice.lease_calls(1, 'send_text_msg', 'one', 0, 200, '1 minute')"); /* as every sender does */
    within_a_minute(db, claim_at_once, url);
    assert_int_equal(first_claims, 340);
    assert_int_equal(
        query_number(db, "SELECT count(*) FROM chatsluice.outbox WHERE state = 'sending' AND attempts = 1"), 340);
    db_close(db);
}

/* Answers --------------------------------------------------------------------------------------------------------- */

static void answers_of_an_earlier_attempt_change_nothing(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    static const char answer[] =
        "SELECT chatsluice.outbox_answered(jsonb_build_array(jsonb_build_object('room', 'r', 'id', "
        "chatsluice.outbox_digest('r'), 'attempt', %d, 'event', '%s', 'code', %d, 'info', 'words', 'request', 'Id-1', "
        "'http', 200, 'drop', '%s', 'seq', %d, 'time_s', 1764000000, 'due_ms', 60000)))";
    char sql[512];

    put_row(db, "r", "send_text", "sending", LEASED "|attempts = 2");
    snprintf(sql, sizeof(sql), answer, 1, "accepted", 0, "", 9);
    assert_int_equal(query_number(db, sql), 0);
    snprintf(sql, sizeof(sql), answer, 3, "accepted", 0, "", 9);
    assert_int_equal(query_number(db, sql), 0);
    assert_string_equal(state_of(db, "r"), "sending");
    snprintf(sql, sizeof(sql), answer, 2, "dropped", 0, "MsgFreqCtrl", 0);
    assert_int_equal(query_number(db, sql), 1);
    assert_string_equal(query_text(db, "SELECT concat_ws(' ', state, drop_reason, error_code, error_info, request_id, "
                                       "http_status, due_at > now() + interval '50 seconds', sent_msg_seq) FROM "
                                       "chatsluice.outbox"),
                        "queued MsgFreqCtrl 0 words Id-1 200 t");
    run_sql(db, "UPDATE chatsluice.outbox SET due_at = now()");
    assert_int_equal(claimed(db, "two", 1, 9), 1);
    snprintf(sql, sizeof(sql), answer, 2, "refused", 80001, "", 0);
    assert_int_equal(query_number(db, sql), 0);
    snprintf(sql, sizeof(sql), answer, 3, "accepted", 0, "", 9);
    assert_int_equal(query_number(db, sql), 1);
    assert_string_equal(query_text(db,
                                   "SELECT concat_ws(' ', state, drop_reason, sent_msg_seq, delivered_at IS NOT NULL, "
                                   "answered_at IS NOT NULL) FROM chatsluice.outbox"),
                        "done 9 t t");
    snprintf(sql, sizeof(sql), answer, 3, "refused", 1, "", 0);
    assert_int_equal(query_number(db, sql), 0);
    db_close(db);
}

/* Its After webhook, before or after the answer. */
static void a_row_that_is_done_is_tied_to_its_webhook(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    static const char tied[] = "SELECT string_agg(room_id, ' ' ORDER BY room_id) FROM chatsluice.outbox o JOIN "
                               "chatsluice.outbox_sighting a USING (room_id) WHERE a.command = 'after' AND "
                               "o.delivered_event_id = a.event_id AND o.delivered_event_time = a.event_time";

    put_row(db, "first", "send_text", "done", SENT ", delivered_at = now()");
    put_sighting(db, "first", "before", true, 9, "allow");
    put_sighting(db, "first", "after", false, 9, "");
    put_row(db, "other", "send_text", "done", SENT ", delivered_at = now()");
    put_sighting(db, "other", "before", true, 9, "allow");
    put_sighting(db, "other", "after", false, 8, "");
    sweep(db, "false");
    assert_string_equal(query_text(db, tied), "first");

    put_row(db, "then", "send_text", "done", SENT ", delivered_at = now() - interval '1 minute'");
    run_sql(db, "SELECT chatsluice.outbox_sighted(jsonb_build_array(jsonb_build_object('room_id', 'then', 'event_id', "
                "gen_random_uuid(), 'outbox_id', chatsluice.outbox_digest('then'), 'command', 'before', 'event_time', "
                "now(), 'account', 'ann', 'random', 4, 'verdict', 'allow')))");
    run_sql(db,
            "SELECT chatsluice.outbox_sighted(jsonb_build_array(jsonb_build_object('room_id', 'then', 'event_id', "
            "gen_random_uuid(), 'command', 'after', 'event_time', now(), 'account', 'ann', 'random', 4, 'msg_seq', 3), "
            "jsonb_build_object('room_id', 'nothing sent', 'event_id', gen_random_uuid(), 'command', 'after', "
            "'event_time', now(), 'account', 'ann', 'random', 4)))");
    assert_string_equal(query_text(db, tied), "first then");
    assert_int_equal(query_number(db, "SELECT count(*) FROM chatsluice.outbox_sighting WHERE room_id = 'nothing sent'"),
                     0);
    db_close(db);
}

/* The rate -------------------------------------------------------------------------------------------------------- */

enum { INSTANCES = 3, MOST = 200 };

struct instance {
    long uses;   /* at most so many calls of the last second are its own */
    bool leased; /* has a lease that runs */
};

static long lease(struct db *db, int i, long own)
{
    char sql[160];

    snprintf(sql, sizeof(sql), "SELECT chatsluice.lease_calls(1, 'send_text_msg', 'i%d', %ld, %d, '1 minute')", i, own,
             MOST);
    return query_number(db, sql);
}

/* The lease of one that is not heard of runs out, and so does the second in which its calls count. */
static void let_die(struct db *db, struct instance *all, int i)
{
    run_sqlf(db, "UPDATE chatsluice.send_lease SET expires_at = now() - interval '2 seconds' WHERE instance_id = 'i%d'",
             i);
    all[i] = (struct instance){0, false};
}

static void check_sum(const struct instance *all)
{
    long sum = 0;

    for (int i = 0; i < INSTANCES; i++)
        sum += all[i].uses;
    if (sum > MOST)
        fail_msg("%ld permits of %d are in use", sum, MOST);
}

static void renew(struct db *db, struct instance *all, int i)
{
    long share = lease(db, i, all[i].uses);

    if (share > all[i].uses)
        all[i].uses = share;
    check_sum(all);
    all[i].uses = share; /* a second later */
    all[i].leased = true;
}

static void permits_never_add_up_to_more_than_the_rate(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct instance all[INSTANCES] = {{0, false}};
    unsigned seed = 7;

    renew(db, all, 0);
    assert_int_equal(all[0].uses, MOST); /* alone it has everything */
    renew(db, all, 1);
    assert_int_equal(all[1].uses, 0); /* who joins gets what the others have let go */
    for (int i = 0; i < 2; i++) {
        renew(db, all, 0);
        renew(db, all, 1);
    }
    assert_int_equal(all[0].uses, MOST / 2);
    assert_int_equal(all[1].uses, MOST / 2);
    for (int step = 0; step < 600; step++) {
        int i = rand_r(&seed) % INSTANCES;

        if (rand_r(&seed) % 8 == 0)
            let_die(db, all, i);
        else
            renew(db, all, i);
    }
    let_die(db, all, 1);
    for (int round = 0; round < 4; round++) {
        renew(db, all, 0);
        renew(db, all, 2);
    }
    assert_int_equal(all[0].uses, MOST / 2); /* the permits of the dead one are shared */
    assert_int_equal(all[2].uses, MOST / 2);
    db_close(db);
}

/* Cut off for long, it believes in permits that others use by now. */
static void a_late_comer_holds_nothing(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    struct instance all[INSTANCES] = {{0, false}};

    renew(db, all, 0);
    let_die(db, all, 0);
    renew(db, all, 1);
    assert_int_equal(all[1].uses, MOST);
    assert_int_equal(lease(db, 0, MOST), 0);
    assert_int_equal(query_number(db, "SELECT sum(permits) FROM chatsluice.send_lease"), MOST);
    db_close(db);
}

static void too_fast_slows_down_and_it_climbs_back(void **state)
{
    char url[600];
    struct db *db = new_migrated_database(*state, url);
    static const char slow[] = "SELECT chatsluice.slow_calls(1, 'send_text_msg')";
    static const char later[] = "UPDATE chatsluice.send_budget SET slowed_at = slowed_at - interval '3 seconds', "
                                "raised_at = raised_at - interval '3 seconds'";
    long rate, before = 0, steps = 0;

    assert_int_equal(lease(db, 0, 0), MOST);
    run_sql(db, slow);
    run_sql(db, slow); /* those of the same second are one */
    assert_int_equal(query_number(db, "SELECT calls_a_second FROM chatsluice.send_budget"), 140);
    assert_int_equal(lease(db, 0, MOST), 140);
    for (int i = 0; i < 20; i++) {
        run_sql(db, later);
        run_sql(db, slow);
    }
    assert_int_equal(query_number(db, "SELECT calls_a_second FROM chatsluice.send_budget"), 5);
    assert_int_equal(lease(db, 0, 140), 5); /* and does not climb at once */
    for (rate = 5; rate < MOST && steps < 100; steps++) {
        run_sql(db, later);
        before = rate;
        rate = lease(db, 0, rate);
        assert_true(rate > before);
    }
    assert_int_equal(rate, MOST);
    assert_true(steps > 10);
    run_sql(db, "UPDATE chatsluice.send_budget SET calls_a_second = 3, slowed_at = NULL");
    run_sql(db, slow);
    assert_int_equal(query_number(db, "SELECT calls_a_second FROM chatsluice.send_budget"), 3);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sweep_moves_what_it_should),
        cmocka_unit_test(what_our_own_answer_kept_from_the_room_is_not_done),
        cmocka_unit_test(recalls_release),
        cmocka_unit_test(answers_move_by_the_table),
        cmocka_unit_test(every_move_is_reached_and_no_other),
        cmocka_unit_test(claims_take_what_may_be_sent),
        cmocka_unit_test(a_mute_waits_for_the_correction_a_while),
        cmocka_unit_test(what_is_undone_waits_for_what_was_done),
        cmocka_unit_test(a_room_gets_no_more_than_its_budget),
        cmocka_unit_test(claims_at_once_share_rows_and_budget),
        cmocka_unit_test(answers_of_an_earlier_attempt_change_nothing),
        cmocka_unit_test(a_row_that_is_done_is_tied_to_its_webhook),
        cmocka_unit_test(permits_never_add_up_to_more_than_the_rate),
        cmocka_unit_test(a_late_comer_holds_nothing),
        cmocka_unit_test(too_fast_slows_down_and_it_climbs_back),
    };

    return cmocka_run_group_tests_name("store/outbox_sql", tests, postgres_setup, postgres_teardown);
}
