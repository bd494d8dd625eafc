#include "loader_fixture.h"

#include "store/jsonb_text.h"

/* jsonb_text ------------------------------------------------------------------------------------------------------ */

/* Each as PostgreSQL itself writes it. */
static void json_is_written_as_postgresql_does(void **state)
{
    static const char *const cases[] = {
        "[]",
        " { } ",
        "[1,2 , 3]",
        "{\"rule\":\"phone\",\"list\":null,\"term\":\"x\",\"start\":5,\"end\":16}",
        "{\"b\":1,\"a\":2,\"aa\":3,\"b\":[true,false,null],\"\":\"e\",\"\xC3\xA9\":1,\"zz\":{\"y\":{},\"x\":[{}]}}",
        "{\"a\":1,\"a\":2,\"a\":3,\"c\":1,\"a\":4}",
        "\"plain \\u00e9 \\ud83d\\ude00 \\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u0001 \\u001f \\u007f \xE5\x8A\xA0\xE6\xB2\xB9\"",
        "{\"\\u0062\":1,\"b\":2,\"\\\"\":3,\"\\n\":4}",
        "0",
        "-0",
        "-0.00",
        "0e5",
        "0.000e2",
        "0e-3",
        "-1.50",
        "100",
        "1e2",
        "1.5e1",
        "1.50e1",
        "-12.345e2",
        "12345e-3",
        "1E-7",
        "0.05e1",
        "0.05e3",
        "18446744073709551616",
        "0.1e-3",
        "10.0e0",
        "\"\"",
        "true",
    };
    char url[600];
    struct db *db = new_migrated_database(*state, url);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *params[] = {cases[i]};
        struct buf text = BUF_INIT;
        struct db_result *result;
        struct err err = {0};

        if (db_query(db, &result, "SELECT $1::jsonb::text", 1, params, &err) < 0)
            fail_msg("%s: %s", cases[i], err.text);
        if (!jsonb_text(&text, span_of(cases[i])))
            fail_msg("%s is taken for no JSON", cases[i]);
        if (!span_is(db_value(result, 0, 0), buf_text(&text)))
            fail_msg("%s: \"%s\", PostgreSQL says \"%s\"", cases[i], buf_text(&text), db_value(result, 0, 0).data);
        db_result_free(result);
        buf_release(&text);
    }
    db_close(db);
}

static void what_is_no_json_is_told(void **state)
{
    static const char *const cases[] = {
        "",         "[",     "]",       "[1,]",      "{\"a\"}",     "{\"a\":}",           "{\"a\":1,}",
        "{a:1}",    "\"",    "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"",        "\"\\u0000\"",
        "\"a\nb\"", "01",    "-",       "tru",       "1 2",         "\"\\ud800\\u0041\"", "1e99999",
        "[1] x",    "nullx",
    };
    struct buf deep = BUF_INIT, written = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = BUF_INIT;

        buf_add_text(&text, "before");
        if (jsonb_text(&text, span_of(cases[i])))
            fail_msg("\"%s\" is taken for JSON", cases[i]);
        assert_string_equal(buf_text(&text), "before");
        buf_release(&text);
    }
    for (int i = 0; i < 100000; i++)
        buf_add_char(&deep, '[');
    assert_false(jsonb_text(&written, buf_span(&deep)));
    buf_release(&written);
    buf_release(&deep);
}

/* The chain of what a loader loads, digested once more by PostgreSQL itself --------------------------------------- */

static const char digest_functions[] =
    "CREATE FUNCTION public.image(value bytea) RETURNS bytea LANGUAGE sql AS "
    "$$ SELECT coalesce(int4send(octet_length(value)) || value, int4send(-1)) $$;"
    "CREATE FUNCTION public.leaf(e chatsluice.event) RETURNS bytea LANGUAGE sql AS $$ SELECT sha256("
    "'chatsluice event 1\n'::bytea || image(timestamptz_send(e.event_time)) || image(timestamptz_send(e.received_at)) || "
    "image(int8send(e.sdkappid)) || image(int8send(e.spool_seq)) || image(uuid_send(e.event_id)) || "
    "image(uuid_send(e.spool_id)) || image(textsend(e.group_id)) || image(textsend(e.command)) || "
    "image(textsend(e.command_word)) || image(textsend(e.group_type)) || image(textsend(e.topic_id)) || "
    "image(int8send(e.random)) || image(int8send(e.msg_seq)) || image(timestamptz_send(e.msg_time)) || "
    "image(textsend(e.platform)) || image(textsend(e.verdict)) || image(textsend(e.decided_by)) || "
    "image(textsend(e.rule)) || image(int4send(e.error_code)) || image(int8send(e.rule_revision)) || "
    "image(int8send(e.judge_us)) || image(jsonb_send(e.follow_ups)) || image(textsend(e.fault)) || "
    "image(int8send(e.exception_code)) || image(textsend(e.exception_info)) || image(array_send(e.recalled_seqs)) || "
    "image(boolsend(e.duplicate_keys)) || image(uuid_send(e.correction_id)) || image(textsend(e.marker)) || "
    "sha256(e.salt || image(textsend(e.from_account)) || image(textsend(e.operator_account)) || "
    "image(textsend(e.msg_id)) || image(textsend(e.client_ip)) || image(textsend(e.request_id)) || "
    "image(textsend(e.text)) || image(textsend(e.cloud_custom_data)) || image(jsonb_send(e.hits)) || "
    "image(textsend(e.rewritten)) || image(textsend(e.rewritten_custom_data)) || image(byteasend(e.raw)))) $$;"
    "CREATE FUNCTION public.parked(d chatsluice.dead_letter) RETURNS bytea LANGUAGE sql AS $$ SELECT sha256("
    "'chatsluice parked 1\n'::bytea || image(uuid_send(d.spool_id)) || image(int8send(d.spool_seq)) || "
    "sha256(d.salt || image(byteasend(d.record)))) $$;"
    "CREATE FUNCTION public.block_hash(b chatsluice.chain_block) RETURNS bytea LANGUAGE sql AS $$ SELECT sha256("
    "'chatsluice block 1\n'::bytea || b.previous_hash || image(uuid_send(b.spool_id)) || image(int8send(b.block)) || "
    "image(int8send(b.first_seq)) || image(int8send(b.last_seq)) || image(int4send(b.events)) || "
    "image(timestamptz_send(b.from_time)) || image(timestamptz_send(b.to_time)) || image(int8send(b.went_back_from)) || "
    "image(timestamptz_send(b.loaded_at)) || sha256(b.leaves)) $$;"
    /* One row an entry; seq is wrong behind a stretch, which these tests do not need. */
    "CREATE VIEW public.entry AS SELECT b.spool_id, b.block, b.first_seq + i AS seq, "
    "chr(get_byte(b.leaves, i * 37)) AS kind, substr(b.leaves, i * 37 + 6, 32) AS leaf "
    "FROM chatsluice.chain_block b, generate_series(0, octet_length(b.leaves) / 37 - 1) AS i;";

/* Blocks name each other from the first to the head beside the position, and say what is true of their rows. */
static void assert_chain_holds(struct bench *b)
{
    assert_int_equal(query_number(b->db, "SELECT count(*) FROM chatsluice.chain_block b WHERE hash <> block_hash(b) OR "
                                         "leaves_digest <> sha256(leaves)"),
                     0);
    assert_int_equal(query_number(b->db,
                                  "SELECT count(*) FROM (SELECT previous_hash <> lag(hash, 1, decode(repeat('00',"
                                  " 32), 'hex')) OVER w OR block <> row_number() OVER w AS wrong "
                                  "FROM chatsluice.chain_block WINDOW w AS (ORDER BY block)) t WHERE wrong"),
                     0);
    assert_int_equal(query_number(b->db,
                                  "SELECT count(*) FROM chatsluice.spool_position p JOIN chatsluice.chain_block b "
                                  "ON b.spool_id = p.spool_id AND b.block = p.chain_block AND b.hash = p.chain_hash "
                                  "AND b.last_seq = p.seq"),
                     1);
    assert_int_equal(query_number(b->db,
                                  "SELECT count(*) FROM (SELECT leaf(e) AS leaf, spool_seq AS seq FROM "
                                  "chatsluice.event e) e FULL JOIN (SELECT seq, leaf FROM entry WHERE kind = 'e') c "
                                  "USING (seq, leaf) WHERE e.leaf IS NULL OR c.leaf IS NULL"),
                     0);
    assert_int_equal(query_number(b->db,
                                  "SELECT count(*) FROM (SELECT parked(d) AS leaf, spool_seq AS seq FROM "
                                  "chatsluice.dead_letter d) d FULL JOIN (SELECT seq, leaf FROM entry WHERE kind = "
                                  "'p') c USING (seq, leaf) WHERE d.leaf IS NULL OR c.leaf IS NULL"),
                     0);
}

static void append_rich(struct bench *b)
{
    struct event_record record = {
        .received_us = b->now_us,
        .sdkappid = 1400000001,
        .command = COMMAND_BEFORE,
        .client_ip = SPAN("2001:db8::1"),
        .platform = SPAN("An\xff"
                         "droid"),
        .request_id = SPAN("r-1"),
        .action = ACTION_MASK,
        .decided_by = DECIDED_RULE,
        .revision = 12,
        .judge_us = 345,
        .rule = SPAN("phone"),
        .hits_json = SPAN("[{\"rule\":\"phone\",\"list\":null,\"term\":\"5\\u007f\\u00e9\",\"start\":5,\"end\":16}]"),
        .becomes = SPAN("call ***"),
        .becomes_custom_data = SPAN("{\"lvl\":\"*\"}"),
        .follow_ups_json = SPAN("[\"resend\",\"mute 10m\"]"),
        .correction_id = SPAN("872cb24b-d851-473a-9a47-3b2cb9c5b3e2"),
        .marker = MARKER_LATE,
        .body =
            SPAN("{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"room-7\",\"From_Account\":\"a\","
                 "\"Operator_Account\":\"o\",\"Random\":3204417755,\"MsgId\":\"1-2-3\",\"MsgBody\":[{\"MsgType\":"
                 "\"TIMTextElem\",\"MsgContent\":{\"Text\":\"call \\u0000 555\"}}],"
                 "\"CloudCustomData\":\"{\\\"lvl\\\":3}\"}"),
    };

    append_record(b, &record);
}

static void every_row_has_its_leaf(void **state)
{
    struct event_record poison = {.sdkappid = 1, .command = COMMAND_BEFORE, .body = SPAN("{}"), .hits_json = SPAN("[")};
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    run_sql(b.db, digest_functions);
    poison.received_us = b.now_us;
    append_rich(&b);
    append_many(&b, 230);
    append_body(
        &b, COMMAND_RECALL,
        "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"GroupId\":\"g\",\"MsgSeqList\":[{\"MsgSeq\":7}]}");
    append_body(&b, COMMAND_RECALL, "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"MsgSeqList\":[]}");
    append_body(&b, COMMAND_BEFORE, "{\"CallbackCommand\":");
    append_after(&b, "g", "a", 1, "x", 10, 0);
    append_after(&b, "g", "a", 1, "x", 10, 0);
    append_record(&b, &poison);
    append_bytes(&b, SPAN("no record"));
    last = append_after(&b, "g", "a", 1, "x", 10, 0);
    b.loader = start_loader(&b, b.url, "one", 50);
    wait_for_position(b.loader, last);
    append_after(&b, "g", "a", 1, "x", 10, 0);
    last = append_many(&b, 120);
    wait_for_position(b.loader, last);
    assert_chain_holds(&b);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM entry WHERE kind = 'd'"), 3);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM entry WHERE kind = 'p'"), 2);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM entry"), last);
    bench_close(&b);
}

/* The database knows more than the spool: what is loaded again is a duplicate, and the block says what happened. */
static void going_back_goes_on_with_the_chain(void **state)
{
    struct bench b;
    uint64_t last;

    bench_open(&b, *state);
    run_sql(b.db, digest_functions);
    last = append_many(&b, 100);
    append_bytes(&b, SPAN("no record"));
    b.loader = start_loader(&b, b.url, "one", 30);
    wait_for_position(b.loader, last + 1);
    loader_stop(b.loader);
    b.loader = NULL;
    run_sql(b.db, "UPDATE chatsluice.spool_position SET seq = 5000, owner = 'another'");
    last = append_many(&b, 100);
    b.loader = start_loader(&b, b.url, "one", 30);
    wait_for_position(b.loader, last);
    assert_chain_holds(&b);
    assert_int_equal(query_number(b.db, "SELECT count(*) FROM chatsluice.chain_block WHERE went_back_from = 5000"), 1);
    /* The position is lost: the chain is not. */
    loader_stop(b.loader);
    b.loader = NULL;
    run_sql(b.db, "DELETE FROM chatsluice.spool_position");
    b.loader = start_loader(&b, b.url, "one", 1000);
    wait_for_position(b.loader, last);
    assert_chain_holds(&b);
    assert_int_equal(
        query_number(b.db, "SELECT went_back_from FROM chatsluice.chain_block ORDER BY block DESC LIMIT 1"), last);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_written_as_postgresql_does),
        cmocka_unit_test(what_is_no_json_is_told),
        cmocka_unit_test(every_row_has_its_leaf),
        cmocka_unit_test(going_back_goes_on_with_the_chain),
    };

    return cmocka_run_group_tests_name("store/chain", tests, postgres_setup, postgres_teardown);
}
