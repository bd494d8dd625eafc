/* Webhook bodies -> struct message: every command, element type and presence, the samples of protocol.md, and what is
 * refused. */
#include "base/buf.h"
#include "base/utf8.h"
#include "wire/callback.h"
#include "wire/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(table)           (sizeof(table) / sizeof((table)[0]))
#define FFFD                   "\xEF\xBF\xBD"
#define NI_HAO                 "\xE4\xBD\xA0\xE5\xA5\xBD"
#define BEFORE                 "\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\""
#define BODY(rest)             "{" BEFORE "," rest "}"
#define ELEMENT(type, content) "{\"MsgType\":\"" type "\",\"MsgContent\":" content "}"
#define ONE(type, content)     BODY("\"MsgBody\":[" ELEMENT(type, content) "]")

static struct callback_parser *parser;

static int set_up(void **state)
{
    (void)state;
    parser = callback_parser_new();
    return parser ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    callback_parser_free(parser);
    return 0;
}

static struct message parse(const char *body)
{
    struct message m;
    struct err err = {0};

    if (callback_parse(parser, span_of(body), &m, &err) < 0)
        fail_msg("%s: %s", err.text, body);
    return m;
}

static void assert_span(struct span s, const char *text)
{
    if (!span_is(s, text))
        fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, s.data, text);
}

static void assert_text(struct optional_text t, const char *text)
{
    assert_int_equal(t.presence, GIVEN);
    assert_span(t.text, text);
}

static void assert_number(struct optional_number n, int64_t value)
{
    assert_int_equal(n.presence, GIVEN);
    assert_int_equal(n.value, value);
}

/* The pieces follow one another in the text, with one '\n' or nothing between two, and cover all of it. */
static void assert_pieces_stand_right(const struct message *m)
{
    size_t at = 0;

    for (size_t i = 0; i < m->piece_count; i++) {
        const struct text_piece *piece = &m->pieces[i];

        if (piece->start != at) {
            assert_int_equal(piece->start, at + 1);
            assert_int_equal(m->text.data[at], '\n');
        }
        assert_true(piece->len > 0);
        assert_true(piece->element < m->element_count);
        at = piece->start + piece->len;
    }
    assert_int_equal(at, m->text.len);
    assert_int_equal(utf8_valid_prefix(m->text.data, m->text.len), m->text.len);
    assert_null(m->text.len ? memchr(m->text.data, '\0', m->text.len) : NULL);
}

static void test_before_sample(void **state)
{
    struct message m =
        parse("{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"room-7\",\"Type\":\"Live\",\n"
              " \"From_Account\":\"viewer_19\",\"Operator_Account\":\"viewer_19\",\"Random\":3204417755,\n"
              " \"MsgId\":\"144115300000000001-1764000000-3204417755\",\n"
              " \"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"call me 555 0199\"}}],\n"
              " \"CloudCustomData\":\"{\\\"lvl\\\":3}\",\"EventTime\":1764000000123}\n");

    (void)state;
    assert_int_equal(m.command, COMMAND_BEFORE);
    assert_span(m.command_word, "Group.CallbackBeforeSendMsg");
    assert_text(m.group_id, "room-7");
    assert_text(m.type, "Live");
    assert_text(m.from_account, "viewer_19");
    assert_text(m.operator_account, "viewer_19");
    assert_text(m.msg_id, "144115300000000001-1764000000-3204417755");
    assert_text(m.cloud_custom_data, "{\"lvl\":3}");
    assert_number(m.random, 3204417755);
    assert_number(m.event_time_ms, 1764000000123);
    assert_int_equal(m.topic_id.presence, MISSING);
    assert_int_equal(m.msg_priority.presence, MISSING);
    assert_int_equal(m.msg_seq.presence, MISSING);
    assert_int_equal(m.online_only.presence, MISSING);
    assert_span(m.text, "call me 555 0199");
    assert_int_equal(m.piece_count, 1);
    assert_int_equal(m.pieces[0].source, TEXT_TEXT);
    assert_int_equal(m.element_count, 1);
    assert_int_equal(m.elements[0], ELEMENT_TEXT);
    assert_false(m.duplicate_keys);
}

static void test_after(void **state)
{
    struct message m = parse(
        "{\"CallbackCommand\":\"Group.CallbackAfterSendMsg\",\"EventTime\":\"1764000000123\",\"From_Account\":\"a\","
        "\"GroupAtInfo\":[{\"GroupAtAllFlag\":0,\"GroupAt_Account\":\"b\"}],\"GroupId\":\"@TGS#1\",\"MsgBody\":[{\"MsgContent\":"
        "{\"Text\":\"" NI_HAO "\"},\"MsgType\":\"TIMTextElem\"}],\"MsgPriority\":\"High\",\"MsgSeq\":4294967295,"
        "\"MsgTime\":1764000000,\"OnlineOnlyFlag\":0,\"Operator_Account\":\"\",\"Random\":\"12\",\"TopicId\":\"\","
        "\"Type\":\"AVChatRoom\"}");

    (void)state;
    assert_int_equal(m.command, COMMAND_AFTER);
    assert_number(m.event_time_ms, 1764000000123);
    assert_number(m.random, 12);
    assert_number(m.msg_seq, 4294967295);
    assert_number(m.msg_time_s, 1764000000);
    assert_number(m.online_only, 0);
    assert_text(m.operator_account, "");
    assert_text(m.topic_id, "");
    assert_text(m.msg_priority, "High");
    assert_text(m.group_id, "@TGS#1");
    assert_span(m.text, NI_HAO);
}

static void test_exception(void **state)
{
    struct message m =
        parse("{\"CallbackCommand\":\"Group.CallbackSendMsgException\",\"ErrorCode\":10023,\"ErrorInfo\":"
              "\"frequency\",\"MsgBody\":[" ELEMENT("TIMTextElem", "{\"Text\":\"x\"}") "]}");

    (void)state;
    assert_int_equal(m.command, COMMAND_EXCEPTION);
    assert_number(m.error_code, 10023);
    assert_text(m.error_info, "frequency");
    assert_span(m.text, "x");
}

static void test_recall(void **state)
{
    struct message m =
        parse("{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"Operator_Account\":\"admin\",\"Type\":"
              "\"Live\",\"GroupId\":\"room-7\",\"MsgSeqList\":[{\"MsgSeq\":130},{\"MsgSeq\":\"131\",\"MsgId\":"
              "\"1-2-3\"}],\"TopicId\":\"t\",\"EventTime\":1}");

    (void)state;
    assert_int_equal(m.command, COMMAND_RECALL);
    assert_text(m.operator_account, "admin");
    assert_text(m.topic_id, "t");
    assert_int_equal(m.recalled_count, 2);
    assert_int_equal(m.recalled_seqs[0], 130);
    assert_int_equal(m.recalled_seqs[1], 131);
    assert_int_equal(m.piece_count, 0);
    assert_int_equal(parse("{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\"}").recalled_count, 0);
}

/* Of a command that is only stored nothing is demanded. */
static void test_other(void **state)
{
    struct message m =
        parse("{\"CallbackCommand\":\"Live.CallbackAfterDestroyRoom\",\"RoomId\":\"r\",\"Operator_Account\":"
              "\"@TIM#SYSTEM\",\"EventTime\":1764000000,\"GroupId\":[1],\"From_Account\":{\"a\":1},"
              "\"MsgBody\":7,\"Type\":false}");

    (void)state;
    assert_int_equal(m.command, COMMAND_OTHER);
    assert_span(m.command_word, "Live.CallbackAfterDestroyRoom");
    assert_text(m.operator_account, "@TIM#SYSTEM");
    assert_number(m.event_time_ms, 1764000000);
    assert_int_equal(m.group_id.presence, MISSING);
    assert_int_equal(m.from_account.presence, MISSING);
    assert_int_equal(m.type.presence, MISSING);
    assert_int_equal(m.element_count, 0);
    assert_int_equal(m.text.len, 0);
}

static void test_commands(void **state)
{
    static const struct {
        const char *word, *name;
        enum command command;
    } cases[] = {
        {"Group.CallbackBeforeSendMsg", "before", COMMAND_BEFORE},
        {"Group.CallbackAfterSendMsg", "after", COMMAND_AFTER},
        {"Group.CallbackSendMsgException", "exception", COMMAND_EXCEPTION},
        {"Group.CallbackAfterRecallMsg", "recall", COMMAND_RECALL},
        {"C2C.CallbackBeforeSendMsg", "other", COMMAND_OTHER},
        {"group.callbackbeforesendmsg", "other", COMMAND_OTHER},
        {"Group.CallbackBeforeSendMsg ", "other", COMMAND_OTHER},
        {"", "other", COMMAND_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(command_of(span_of(cases[i].word)), cases[i].command);
        assert_string_equal(command_name(cases[i].command), cases[i].name);
    }
}

static void test_presence(void **state)
{
    (void)state;
    assert_int_equal(parse(BODY("\"a\":0")).cloud_custom_data.presence, MISSING);
    assert_int_equal(parse(BODY("\"CloudCustomData\":null")).cloud_custom_data.presence, IS_NULL);
    assert_text(parse(BODY("\"CloudCustomData\":\"\"")).cloud_custom_data, "");
    assert_text(parse(BODY("\"CloudCustomData\":\"null\"")).cloud_custom_data, "null");
    assert_int_equal(parse(BODY("\"MsgSeq\":null")).msg_seq.presence, IS_NULL);
    assert_int_equal(parse(BODY("\"From_Account\":null")).from_account.presence, IS_NULL);
    assert_number(parse(BODY("\"MsgSeq\":0")).msg_seq, 0);
    /* nothing of an earlier body is left */
    parse(ONE("TIMTextElem", "{\"Text\":\"earlier\"}"));
    assert_int_equal(parse(BODY("\"MsgBody\":null")).text.len, 0);
    assert_int_equal(parse(BODY("\"MsgBody\":[]")).element_count, 0);
    assert_int_equal(parse("{" BEFORE "}").piece_count, 0);
}

/* Ids beyond any number type are kept digit by digit; integers may be strings. */
static void test_numbers_and_ids(void **state)
{
    (void)state;
    assert_text(parse(BODY("\"From_Account\":144115300000000001")).from_account, "144115300000000001");
    assert_text(parse(BODY("\"From_Account\":18446744073709551616")).from_account, "18446744073709551616");
    assert_text(parse(BODY("\"GroupId\":123456789012345678901234567890")).group_id, "123456789012345678901234567890");
    assert_text(parse(BODY("\"Operator_Account\":-0")).operator_account, "-0");
    assert_text(parse(BODY("\"Gr\\u006fupId\":7,\"GroupId\":8.50")).group_id, "8.50");
    assert_number(parse(BODY("\"EventTime\":9007199254740993")).event_time_ms, 9007199254740993);
    assert_number(parse(BODY("\"MsgSeq\":9223372036854775807")).msg_seq, INT64_MAX);
    assert_number(parse(BODY("\"MsgSeq\":\"9223372036854775807\"")).msg_seq, INT64_MAX);
    assert_number(parse(BODY("\"MsgSeq\":-5")).msg_seq, -5);
    assert_number(parse(BODY("\"MsgSeq\":\"-5\"")).msg_seq, -5);
    assert_number(parse(BODY("\"Random\":\"007\"")).random, 7);
}

static void test_odd_strings(void **state)
{
    struct message m =
        parse(BODY("\"GroupId\":\"a\\u0000b\\u0000\",\"CloudCustomData\":\"\\u0000\",\"From_Account\":\"x\\ud800y\","
                   "\"MsgBody\":[" ELEMENT("TIMFaceElem", "{\"Index\":1,\"Data\":\"\\u0000\\u0001z\"}") "," ELEMENT(
                       "TIMTextElem", "{\"Text\":\"\\ud83d\\ude00\\ude00\"}") "]"));

    (void)state;
    assert_text(m.group_id, "a" FFFD "b" FFFD);
    assert_text(m.cloud_custom_data, FFFD);
    assert_text(m.from_account, "x" FFFD "y");
    assert_span(m.text, FFFD "\x01z\n\xF0\x9F\x98\x80" FFFD);
    assert_pieces_stand_right(&m);
}

/* json-c reads such a pair as U+FFFD: the lower half of U+1D800 and of U+2D800 looks like a surrogate. */
static void test_escaped_pairs(void **state)
{
    struct message m = parse(BODY("\"GroupId\":\"\\ud836\\udc00\",\"MsgBody\":[" ELEMENT(
        "TIMTextElem", "{\"Text\":\"a\\ud876\\udc00\\uD877\\uDFFFb\\ud83d\\ude00\"}") "]"));

    (void)state;
    assert_text(m.group_id, "\xF0\x9D\xA0\x80");
    assert_span(m.text, "a\xF0\xAD\xA0\x80\xF0\xAD\xBF\xBF"
                        "b\xF0\x9F\x98\x80");
    assert_pieces_stand_right(&m);
}

/* A long run of copies must not move the first one. */
static void test_copies_stay_where_they_are(void **state)
{
    struct buf body = BUF_INIT;
    struct message m;

    (void)state;
    buf_add_text(&body, "{" BEFORE ",\"GroupId\":\"\\u0000\",\"Type\":\"");
    for (int i = 0; i < 20000; i++)
        buf_add_text(&body, "\\u0000");
    buf_add_text(&body, "\",\"From_Account\":123456789012345678901234567890,\"MsgId\":\"\\u0000z\"}");
    m = parse(body.data);
    buf_release(&body);
    assert_text(m.group_id, FFFD);
    assert_int_equal(m.type.text.len, 60000);
    assert_text(m.from_account, "123456789012345678901234567890");
    assert_text(m.msg_id, FFFD "z");
}

static void test_element_types(void **state)
{
    static const struct {
        const char *body;
        enum element_type type;
        const char *text;
        size_t pieces;
        enum text_source sources[4];
    } cases[] = {
        {ONE("TIMTextElem", "{\"Text\":\"t\"}"), ELEMENT_TEXT, "t", 1, {TEXT_TEXT}},
        {ONE("TIMFaceElem", "{\"Index\":6,\"Data\":\"abc\\u0000\\u0001\"}"),
         ELEMENT_FACE,
         "abc" FFFD "\x01",
         1,
         {TEXT_FACE_DATA}},
        {ONE("TIMCustomElem", "{\"Sound\":\"s.mp3\",\"Ext\":\"e\",\"Desc\":\"d\",\"Data\":\"{\\\"k\\\":\\\"v\\\"}\"}"),
         ELEMENT_CUSTOM,
         "{\"k\":\"v\"}\nd\ne",
         3,
         {TEXT_CUSTOM_DATA, TEXT_CUSTOM_DESC, TEXT_CUSTOM_EXT}},
        {ONE("TIMCustomElem", "{\"Data\":\"x\",\"Desc\":\"\",\"Ext\":null}"),
         ELEMENT_CUSTOM,
         "x",
         1,
         {TEXT_CUSTOM_DATA}},
        {ONE("TIMLocationElem", "{\"Desc\":\"here\",\"Latitude\":29.34,\"Longitude\":116.77}"),
         ELEMENT_LOCATION,
         "here",
         1,
         {TEXT_LOCATION_DESC}},
        {ONE("TIMSoundElem", "{\"Url\":\"https://x/s\",\"UUID\":\"u\",\"Size\":1,\"Second\":2,\"Download_Flag\":2}"),
         ELEMENT_SOUND,
         "",
         0,
         {0}},
        {ONE("TIMImageElem", "{\"UUID\":\"u\",\"ImageFormat\":1,\"ImageInfoArray\":[{\"Type\":1,\"Size\":1,\"Width\":1,"
                             "\"Height\":1,\"URL\":\"https://x/i\"}]}"),
         ELEMENT_IMAGE,
         "",
         0,
         {0}},
        {ONE("TIMFileElem", "{\"Url\":\"https://x/f\",\"FileSize\":1,\"FileName\":\"f.pdf\",\"Download_Flag\":2}"),
         ELEMENT_FILE,
         "f.pdf",
         1,
         {TEXT_FILE_NAME}},
        {ONE("TIMVideoFileElem", "{\"VideoUrl\":\"https://x/v\",\"VideoSize\":1,\"ThumbUrl\":\"https://x/t\"}"),
         ELEMENT_VIDEO,
         "",
         0,
         {0}},
        {ONE("TIMRelayElem",
             "{\"Title\":\"T\",\"MsgNum\":2,\"CompatibleText\":\"C\",\"AbstractList\":[\"a\",\"\",\"b\"],"
             "\"JsonMsgKey\":\"k\"}"),
         ELEMENT_RELAY,
         "T\na\nb\nC",
         4,
         {TEXT_RELAY_TITLE, TEXT_RELAY_ABSTRACT, TEXT_RELAY_ABSTRACT, TEXT_RELAY_COMPATIBLE}},
        {ONE("TIMFutureElem", "{\"Text\":7}"), ELEMENT_UNKNOWN, "", 0, {0}},
        {ONE("TIMFutureElem", "\"any\""), ELEMENT_UNKNOWN, "", 0, {0}},
        {ONE("TIMTextElem", "null"), ELEMENT_TEXT, "", 0, {0}},
        {ONE("TIMTextElem", "{}"), ELEMENT_TEXT, "", 0, {0}},
        {BODY("\"MsgBody\":[{\"MsgType\":\"TIMTextElem\"}]"), ELEMENT_TEXT, "", 0, {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message m = parse(cases[i].body);

        assert_int_equal(m.element_count, 1);
        assert_int_equal(m.elements[0], cases[i].type);
        assert_span(m.text, cases[i].text);
        assert_int_equal(m.piece_count, cases[i].pieces);
        for (size_t k = 0; k < cases[i].pieces; k++)
            assert_int_equal(m.pieces[k].source, cases[i].sources[k]);
        assert_pieces_stand_right(&m);
    }
}

#define TEXT(t) ELEMENT("TIMTextElem", "{\"Text\":\"" t "\"}")
#define IMAGE   ELEMENT("TIMImageElem", "{\"UUID\":\"u\"}")
#define FACE(t) ELEMENT("TIMFaceElem", "{\"Data\":\"" t "\"}")

/* A word split over consecutive text elements is one word; anything between them parts it. */
static void test_text_runs(void **state)
{
    static const struct {
        const char *body, *text;
    } cases[] = {
        {BODY("\"MsgBody\":[" TEXT("wo") "," TEXT("rd") "]"), "word"},
        {BODY("\"MsgBody\":[" TEXT("wo") "," TEXT("") "," TEXT("rd") "]"), "word"},
        {BODY("\"MsgBody\":[" TEXT("a") "," IMAGE "," TEXT("b") "]"), "a\nb"},
        {BODY("\"MsgBody\":[" FACE("f") "," TEXT("a") "," TEXT("b") "," FACE("g") "," FACE("h") "]"), "f\nab\ng\nh"},
        {BODY("\"MsgBody\":[" FACE("f") "," TEXT("") "," TEXT("b") "]"), "f\nb"},
        {BODY("\"MsgBody\":[" ELEMENT("TIMCustomElem", "{\"Data\":\"d\"}") "," TEXT("t") "]"), "d\nt"},
        {BODY("\"MsgBody\":[" IMAGE "," TEXT("b") "]"), "b"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message m = parse(cases[i].body);

        assert_span(m.text, cases[i].text);
        assert_pieces_stand_right(&m);
    }
}

#define ITEM(body) "{\"From_Account\":\"a\",\"MsgSeq\":1,\"CloudCustomData\":\"no\",\"MsgBody\":[" body "]}"

static void test_relay_nests(void **state)
{
    struct message m = parse(BODY("\"MsgBody\":[" TEXT("top") "," ELEMENT(
        "TIMRelayElem",
        "{\"Title\":\"T\",\"MsgList\":[" ITEM(TEXT("wo") "," TEXT("rd")) "," ITEM(TEXT("next")) "," ITEM(ELEMENT(
            "TIMRelayElem",
            "{\"Title\":\"U\",\"MsgList\":[" ITEM(FACE("deep")) "]}")) ",{\"MsgBody\":null}]}") "," TEXT("end") "]"));
    static const enum text_source sources[] = {TEXT_TEXT,         TEXT_RELAY_TITLE,  TEXT_RELAY_NESTED,
                                               TEXT_RELAY_NESTED, TEXT_RELAY_NESTED, TEXT_RELAY_NESTED,
                                               TEXT_RELAY_NESTED, TEXT_TEXT};
    static const uint32_t elements[] = {0, 1, 1, 1, 1, 1, 1, 2};

    (void)state;
    assert_span(m.text, "top\nT\nword\nnext\nU\ndeep\nend");
    assert_int_equal(m.element_count, 3);
    assert_int_equal(m.piece_count, COUNT(sources));
    for (size_t i = 0; i < COUNT(sources); i++) {
        assert_int_equal(m.pieces[i].source, sources[i]);
        assert_int_equal(m.pieces[i].element, elements[i]);
    }
    assert_pieces_stand_right(&m);
}

/* As deep as the gate lets relays nest. */
static void test_relay_nests_deeply(void **state)
{
    struct buf body = BUF_INIT;
    struct message m;
    int levels = (GATE_MAX_DEPTH - 4) / 5;

    (void)state;
    buf_add_text(&body, "{" BEFORE ",\"MsgBody\":[");
    for (int i = 0; i < levels; i++)
        buf_add_text(&body, "{\"MsgType\":\"TIMRelayElem\",\"MsgContent\":{\"MsgList\":[{\"MsgBody\":[");
    buf_add_text(&body, "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"bottom\"}}");
    for (int i = 0; i < levels; i++)
        buf_add_text(&body, "]}]}}");
    buf_add_text(&body, "]}");
    m = parse(body.data);
    assert_span(m.text, "bottom");
    assert_int_equal(m.pieces[0].source, TEXT_RELAY_NESTED);
    buf_release(&body);
}

static void test_duplicate_keys(void **state)
{
    static const struct {
        const char *body;
        bool duplicate;
    } cases[] = {
        {BODY("\"GroupId\":\"a\",\"GroupId\":\"b\""), true},
        {BODY("\"GroupId\":\"a\",\"Group\\u0049d\":\"b\""), true},
        {BODY("\"GroupId\":\"b\",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgType\":\"TIMTextElem\"}]"), true},
        {BODY("\"GroupId\":\"b\",\"x\":{\"y\":[{\"z\":1},{\"z\":1,\"z\":2}]}"), true},
        {BODY("\"GroupId\":\"b\",\"x\":[{\"z\":1},{\"z\":1}]"), false},
        {BODY("\"GroupId\":\"b\""), false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message m = parse(cases[i].body);

        assert_int_equal(m.duplicate_keys, cases[i].duplicate);
        assert_text(m.group_id, "b");
    }
}

static void test_refuses(void **state)
{
    static const struct {
        const char *body, *what;
    } cases[] = {
        {"", "body: byte 0: "},
        {"[1,2", "body: byte 4: "},
        {"{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",}", "body: byte 49: "},
        {BODY("\"MsgBody\":[{\"MsgContent\":{\"Text\":\"\xC0\x80\"}}]"), "body: byte 83: overlong"},
        {"[]", "body: it is not an object"},
        {"null", "body: it is not an object"},
        {"7", "body: it is not an object"},
        {"{}", "body: CallbackCommand is missing"},
        {"{\"CallbackCommand\":7}", "body: CallbackCommand is not a string"},
        {"{\"CallbackCommand\":null}", "body: CallbackCommand is not a string"},
        {BODY("\"GroupId\":true"), "body: GroupId is not a string"},
        {BODY("\"GroupId\":[]"), "body: GroupId is not a string"},
        {BODY("\"Type\":1"), "body: Type is not a string"},
        {BODY("\"CloudCustomData\":{\"lvl\":3}"), "body: CloudCustomData is not a string"},
        {BODY("\"CloudCustomData\":3"), "body: CloudCustomData is not a string"},
        {BODY("\"Random\":1.5"), "body: Random is not an integer"},
        {BODY("\"Random\":1e3"), "body: Random is not an integer"},
        {BODY("\"Random\":\"\""), "body: Random is not an integer"},
        {BODY("\"Random\":\"12a\""), "body: Random is not an integer"},
        {BODY("\"Random\":\"1\\u00002\""), "body: Random is not an integer"},
        {BODY("\"Random\":true"), "body: Random is not an integer"},
        {BODY("\"EventTime\":9223372036854775808"), "body: EventTime is not an integer"},
        {BODY("\"EventTime\":-99999999999999999999"), "body: EventTime is not an integer"},
        {BODY("\"EventTime\":\"99999999999999999999\""), "body: EventTime is not an integer"},
        {BODY("\"MsgBody\":{}"), "body: MsgBody is not an array"},
        {BODY("\"MsgBody\":\"[]\""), "body: MsgBody is not an array"},
        {BODY("\"MsgBody\":[7]"), "body: MsgBody[0]: the element is not an object"},
        {BODY("\"MsgBody\":[" IMAGE ",{}]"), "body: MsgBody[1]: MsgType is not a string"},
        {BODY("\"MsgBody\":[{\"MsgType\":null}]"), "body: MsgBody[0]: MsgType is not a string"},
        {ONE("TIMTextElem", "\"text\""), "body: MsgBody[0]: MsgContent is not an object"},
        {ONE("TIMTextElem", "{\"Text\":7}"), "body: MsgBody[0]: Text is not a string"},
        {ONE("TIMCustomElem", "{\"Data\":{}}"), "body: MsgBody[0]: Data is not a string"},
        {ONE("TIMRelayElem", "{\"AbstractList\":\"a\"}"), "body: MsgBody[0]: AbstractList is not an array of strings"},
        {ONE("TIMRelayElem", "{\"AbstractList\":[{}]}"), "body: MsgBody[0]: AbstractList is not an array of strings"},
        {ONE("TIMRelayElem", "{\"MsgList\":{}}"), "body: MsgBody[0]: MsgList is not an array"},
        {ONE("TIMRelayElem", "{\"MsgList\":[1]}"), "body: MsgBody[0]: MsgList is not an array of objects"},
        {ONE("TIMRelayElem", "{\"MsgList\":[{\"MsgBody\":1}]}"), "body: MsgBody[0]: nested MsgBody is not an array"},
        {ONE("TIMRelayElem", "{\"MsgList\":[" ITEM(ELEMENT("TIMFileElem", "{\"FileName\":1}")) "]}"),
         "body: MsgBody[0]: nested FileName is not a string"},
        {"{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"MsgSeqList\":[{\"MsgSeq\":1},{}]}",
         "body: MsgSeqList[1]: MsgSeq is not an integer"},
        {"{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"MsgSeqList\":7}", "body: MsgSeqList is not an array"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message m = {.piece_count = 77};
        struct err err = {0};

        if (callback_parse(parser, span_of(cases[i].body), &m, &err) != ERR_INVALID ||
            strncmp(err.text, cases[i].what, strlen(cases[i].what)) != 0)
            fail_msg("\"%s\" does not begin with \"%s\": %s", err.text, cases[i].what, cases[i].body);
        assert_int_equal(m.piece_count, 77);
        assert_int_equal(callback_parse(parser, span_of(cases[i].body), &m, NULL), ERR_INVALID);
        /* and the parser goes on */
        assert_span(parse(ONE("TIMTextElem", "{\"Text\":\"fine\"}")).text, "fine");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_sample),
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_exception),
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_other),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_presence),
        cmocka_unit_test(test_numbers_and_ids),
        cmocka_unit_test(test_odd_strings),
        cmocka_unit_test(test_copies_stay_where_they_are),
        cmocka_unit_test(test_escaped_pairs),
        cmocka_unit_test(test_element_types),
        cmocka_unit_test(test_text_runs),
        cmocka_unit_test(test_relay_nests),
        cmocka_unit_test(test_relay_nests_deeply),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_refuses),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
