/* The commands of the REST API and their answers, over real sockets. send_text_msg on its own, with what the URL must
 * say, is test_simulator.c's. */
#include "world.h"

#include "wire/callback.h"
#include "wire/signature.h"

#include <ctype.h>

#define LIVE   "live_engine_http_srv/"
#define CHAT   "group_open_http_svc/"
#define CONFIG "live_config/"

#define ACCEPT             "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}"
#define REJECT             "{\"ActionStatus\":\"OK\",\"ErrorCode\":1,\"ErrorInfo\":\"\"}"
#define TEXT_ELEMENT(text) "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"" text "\"}}"
#define GROUP_MSG(random, members)                                                                                     \
    "{\"GroupId\":\"room-7\",\"Random\":" #random ",\"MsgBody\":[" TEXT_ELEMENT("x") "]" members "}"

/* What follows the RequestId in the answer: times, ten digits that begin with a 1, become T. */
static const char *tail_of(const struct buf *answer, struct buf *out)
{
    const char *at = strstr(buf_text(answer), "\"RequestId\":\"Id-");

    if (!at)
        fail_msg("no RequestId in %s", buf_text(answer));
    at = strchr(at + strlen("\"RequestId\":\""), '"') + 1;
    buf_reset(out);
    while (*at) {
        const size_t digits = strspn(at, "0123456789");
        if (digits == 10 && *at == '1')
            buf_add_char(out, 'T');
        else
            buf_add(out, at, digits ? digits : 1);
        at += digits ? digits : 1;
    }
    return buf_text(out);
}

struct step {
    const char *command, *body;
    int64_t code;
    const char *tail; /* NULL: not looked at */
};

/* Calls one after the other. */
static void take_steps(struct world *w, const struct step *steps, size_t count)
{
    struct buf tail = BUF_INIT;

    for (size_t i = 0; i < count; i++) {
        const int64_t code = call(w, steps[i].command, steps[i].body, NULL);
        if (code != steps[i].code)
            fail_msg("step %zu: %s %s: code %lld: %s", i, steps[i].command, steps[i].body, (long long)code,
                     buf_text(&w->answer));
        if (code != 0)
            assert_has_not(&w->answer, "\"ErrorInfo\":\"\"");
        if (code != 0 || steps[i].tail) /* no result beside an error */
            assert_string_equal(tail_of(&w->answer, &tail), code ? "}" : steps[i].tail);
    }
    buf_release(&tail);
}

#define TAKE_STEPS(w, steps) take_steps(w, steps, sizeof(steps) / sizeof(steps[0]))

static void furnish(struct world *w)
{
    assert_int_equal(ask(w, "PUT", "/sim/rooms/group", "{\"Type\":\"AVChatRoom\"}"), 200);
}

/* Parameters ------------------------------------------------------------------------------------------------------- */

#define R7              "\"RoomId\":\"room-7\""
#define BAN(members)    "{" R7 ",\"MemberList_Account\":" members ",\"Duration\":60}"
#define MUTE(members)   "{" R7 ",\"MemberList_Account\":" members ",\"MuteTime\":60}"
#define FORBID(members) "{\"GroupId\":\"room-7\",\"Members_Account\":" members ",\"ShutUpTime\":60}"
#define TWENTY                                                                                                         \
    "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\","   \
    "\"18\",\"19\",\"20\""
#define FIFTY           "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
#define RECALL(members) "{\"GroupId\":\"room-7\",\"MsgSeqList\":" members "}"
#define SEQ(n)          "{\"MsgSeq\":" #n "}"

static void parameters_are_checked(void **state)
{
    static const struct step steps[] = {
        {LIVE "send_custom_msg", "[]", 100002, NULL},
        {LIVE "send_custom_msg", "{" R7 ",\"Data\":\"x\"}", 100002, NULL},
        {LIVE "send_custom_msg", "{" R7 ",\"BusinessId\":\"b\"}", 100002, NULL},
        {LIVE "send_custom_msg", "{" R7 ",\"BusinessId\":\"b\",\"Data\":{}}", 100002, NULL},
        {LIVE "send_custom_msg", "{" R7 ",\"BusinessId\":\"b\",\"Data\":1.5}", 100002, NULL},
        {LIVE "send_custom_msg", "{" R7 ",\"BusinessId\":\"b\",\"Data\":\"x\",\"Sender_Account\":7}", 60015, NULL},
        {LIVE "send_custom_msg", "{\"RoomId\":\"no\",\"BusinessId\":\"b\",\"Data\":\"x\"}", 100004, NULL},
        {LIVE "send_custom_msg", "{\"RoomId\":\"group\",\"BusinessId\":\"b\",\"Data\":\"x\"}", 100006, NULL},
        {LIVE "send_custom_msg", "{" R7 ",\"Sender_Account\":\"loud\",\"BusinessId\":\"b\",\"Data\":\"x\"}", 100601,
         NULL},

        {LIVE "mute_member", "{" R7 ",\"MuteTime\":60}", 100002, NULL},
        {LIVE "mute_member", MUTE("[]"), 100002, NULL},
        {LIVE "mute_member", MUTE("[\"\"]"), 100002, NULL},
        {LIVE "mute_member", MUTE("[5]"), 60015, NULL},
        {LIVE "mute_member", MUTE("\"a\""), 100002, NULL},
        {LIVE "mute_member", MUTE("[" TWENTY ",\"21\"]"), 100002, NULL},
        {LIVE "mute_member", MUTE("[\"" FIFTY FIFTY "1234567890123456789012345678\"]"), 0, "}"},
        {LIVE "mute_member", MUTE("[\"" FIFTY FIFTY "12345678901234567890123456789\"]"), 100002, NULL},
        {LIVE "mute_member", "{" R7 ",\"MemberList_Account\":[\"a\"]}", 100002, NULL},
        {LIVE "mute_member", "{" R7 ",\"MemberList_Account\":[\"a\"],\"MuteTime\":\"60\"}", 100002, NULL},
        {LIVE "mute_member", "{" R7 ",\"MemberList_Account\":[\"a\"],\"MuteTime\":-1}", 100002, NULL},
        {LIVE "mute_member", "{" R7 ",\"MemberList_Account\":[\"a\"],\"MuteTime\":4294967296}", 100002, NULL},
        {LIVE "mute_member", "{\"RoomId\":\"no\",\"MemberList_Account\":[\"a\"],\"MuteTime\":1}", 100004, NULL},
        {LIVE "mute_member", "{\"RoomId\":\"group\",\"MemberList_Account\":[\"a\"],\"MuteTime\":1}", 100006, NULL},
        {LIVE "mute_member", MUTE("[" TWENTY "]"), 0, "}"},
        {LIVE "get_muted_member_list", "{}", 100002, NULL},
        {LIVE "get_muted_member_list", "{\"RoomId\":\"no\"}", 100004, NULL},
        {LIVE "get_muted_member_list", "{\"RoomId\":\"group\"}", 100006, NULL},

        {LIVE "ban_member", BAN("[" TWENTY ",\"21\"]"), 100002, NULL},
        {LIVE "ban_member", BAN("[" TWENTY "]"), 0, "}"},
        {LIVE "ban_member", "{" R7 ",\"MemberList_Account\":[\"a\"]}", 100002, NULL},
        {LIVE "ban_member", "{" R7 ",\"MemberList_Account\":[\"a\"],\"Duration\":0}", 100002, NULL},
        {LIVE "ban_member",
         "{" R7 ",\"MemberList_Account\":[\"a\"],\"Duration\":1,\"Reason\":\"" FIFTY FIFTY FIFTY FIFTY "\"}", 0, "}"},
        {LIVE "ban_member",
         "{" R7 ",\"MemberList_Account\":[\"a\"],\"Duration\":1,\"Reason\":\"" FIFTY FIFTY FIFTY FIFTY "+\"}", 100002,
         NULL},
        {LIVE "ban_member", "{\"RoomId\":\"no\",\"MemberList_Account\":[\"a\"],\"Duration\":1}", 100004, NULL},
        {LIVE "ban_member", "{\"RoomId\":\"group\",\"MemberList_Account\":[\"a\"],\"Duration\":1}", 100006, NULL},
        {LIVE "unban_member", "{" R7 "}", 100002, NULL},
        {LIVE "unban_member", "{\"RoomId\":\"no\",\"MemberList_Account\":[\"a\"]}", 100004, NULL},
        {LIVE "get_banned_member_list", "{" R7 ",\"Limit\":101}", 100002, NULL},
        {LIVE "get_banned_member_list", "{" R7 ",\"Limit\":0}", 100002, NULL},
        {LIVE "get_banned_member_list", "{" R7 ",\"Offset\":-1}", 100002, NULL},
        {LIVE "get_banned_member_list", "{\"RoomId\":\"no\"}", 100004, NULL},

        {LIVE "create_room", "{}", 100002, NULL},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"n\"}}", 100002, NULL},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"n\",\"RoomType\":\"Public\"}}", 100002, NULL},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"" FIFTY "\",\"RoomType\":\"Live\"}}", 100002, NULL},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"n\",\"RoomType\":\"Live\",\"Owner_Account\":1}}", 60015,
         NULL},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"n\",\"RoomType\":\"Live\",\"IsMessageDisabled\":1}}", 100002,
         NULL},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"n\",\"RoomType\":\"Live\",\"Category\":[1,2,3,4]}}", 100002,
         NULL},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"n\",\"RoomType\":\"Live\",\"Category\":[\"1\"]}}", 100002,
         NULL},
        {LIVE "create_room",
         "{\"RoomInfo\":{\"RoomId\":\"n\",\"RoomType\":\"Live\",\"RoomName\":\"" FIFTY FIFTY "+\"}}", 100002, NULL},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"room-7\",\"RoomType\":\"Live\"}}", 100003, NULL},
        {LIVE "get_room_info", "{\"RoomId\":\"n\"}", 100004, NULL},
        {LIVE "get_room_info", "{\"RoomId\":\"group\"}", 100006, NULL},
        {LIVE "update_room_info", "{" R7 "}", 100002, NULL},
        {LIVE "update_room_info", "{\"RoomInfo\":{\"RoomId\":\"n\",\"IsMessageDisabled\":true}}", 100004, NULL},
        {LIVE "update_room_info", "{\"RoomInfo\":{\"RoomId\":\"group\",\"IsMessageDisabled\":true}}", 100006, NULL},
        {LIVE "destroy_room", "{\"RoomId\":\"n\"}", 100004, NULL},
        {LIVE "destroy_room", "{\"RoomId\":\"group\"}", 100006, NULL},

        {CHAT "forbid_send_msg", FORBID("[]"), 10004, NULL},
        {CHAT "forbid_send_msg", FORBID("[" TWENTY ",\"21\"]"), 0, "}"},
        {CHAT "forbid_send_msg", "{\"GroupId\":\"room-7\",\"Members_Account\":[\"a\"]}", 10004, NULL},
        {CHAT "forbid_send_msg", "{\"GroupId\":\"no\",\"Members_Account\":[\"a\"],\"ShutUpTime\":1}", 10010, NULL},
        {CHAT "forbid_send_msg", "{\"GroupId\":\"group\",\"Members_Account\":[\"a\"],\"ShutUpTime\":1}", 0, "}"},

        {CHAT "group_msg_recall", "{\"GroupId\":\"room-7\"}", 10004, NULL},
        {CHAT "group_msg_recall", RECALL("[]"), 10004, NULL},
        {CHAT "group_msg_recall", RECALL("[5]"), 10004, NULL},
        {CHAT "group_msg_recall", RECALL("[{\"MsgSeq\":\"5\"}]"), 10004, NULL},
        {CHAT "group_msg_recall",
         RECALL("[" SEQ(1) "," SEQ(1) "," SEQ(1) "," SEQ(1) "," SEQ(1) "," SEQ(1) "," SEQ(1) "," SEQ(1) "," SEQ(
             1) "," SEQ(1) "," SEQ(1) "]"),
         10004, NULL},
        {CHAT "group_msg_recall", "{\"GroupId\":\"no\",\"MsgSeqList\":[" SEQ(1) "]}", 10010, NULL},

        {CHAT "send_group_msg", "[]", 10004, NULL},
        {CHAT "send_group_msg", "{}", 10004, NULL},
        {CHAT "send_group_msg", "{\"GroupId\":\"room-7\",\"MsgBody\":[" TEXT_ELEMENT("x") "]}", 10004, NULL},
        {CHAT "send_group_msg", GROUP_MSG(4294967296, ""), 10004, NULL},
        {CHAT "send_group_msg", GROUP_MSG("1", ""), 10004, NULL},
        {CHAT "send_group_msg", "{\"GroupId\":\"room-7\",\"Random\":1}", 10004, NULL},
        {CHAT "send_group_msg", "{\"GroupId\":\"room-7\",\"Random\":1,\"MsgBody\":[]}", 10004, NULL},
        {CHAT "send_group_msg",
         "{\"GroupId\":\"room-7\",\"Random\":1,\"MsgBody\":[{\"MsgType\":\"TIMCustomElem\",\"MsgContent\":{\"Data\":"
         "\"1\"}},{\"MsgType\":\"TIMCustomElem\",\"MsgContent\":{\"Data\":\"2\"}}]}",
         10004, NULL},
        {CHAT "send_group_msg", GROUP_MSG(1, ",\"CloudCustomData\":{}"), 10004, NULL},
        {CHAT "send_group_msg", GROUP_MSG(1, ",\"From_Account\":1"), 60015, NULL},
        {CHAT "send_group_msg", GROUP_MSG(1, ",\"MsgPriority\":\"Urgent\""), 10004, NULL},
        {CHAT "send_group_msg", GROUP_MSG(1, ",\"OnlineOnlyFlag\":2"), 10004, NULL},
        {CHAT "send_group_msg", GROUP_MSG(1, ",\"ForbidCallbackControl\":[\"ForbidBefore\"]"), 10004, NULL},
        {CHAT "send_group_msg", GROUP_MSG(1, ",\"SendMsgControl\":\"NoMsgCheck\""), 10004, NULL},
        {CHAT "send_group_msg", GROUP_MSG(1, ",\"From_Account\":\"loud\""), 10017, NULL},
        {CHAT "send_group_msg", GROUP_MSG(1, ",\"From_Account\":\"1\""), 10007, NULL}, /* banned above, muted, too */
        {CHAT "send_group_msg", "{\"GroupId\":\"no\",\"Random\":1,\"MsgBody\":[" TEXT_ELEMENT("x") "]}", 10010, NULL},
        {CHAT "send_group_msg",
         "{\"GroupId\":\"" FIFTY FIFTY
         "12345678901234567890123456789\",\"Random\":1,\"MsgBody\":[" TEXT_ELEMENT("x") "]}",
         10015, NULL},
        {CHAT "send_group_msg", "{oops", 60003, NULL},
        {CHAT "send_group", "{}", 60009, NULL},
    };
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    furnish(&w);
    TAKE_STEPS(&w, steps);
    assert_int_equal(w.responder.before + w.responder.after, 0); /* none of it was a message */
    world_close(&w);
}

/* Members and rooms ------------------------------------------------------------------------------------------------ */

static void sanctions_are_listed_and_silence(void **state)
{
    static const struct step steps[] = {
        {LIVE "get_muted_member_list", "{" R7 "}", 0, ",\"Response\":{\"MutedAccountList\":[]}}"},
        {LIVE "mute_member", MUTE("[\"a\",\"b\"]"), 0, "}"},
        {CHAT "forbid_send_msg", "{\"GroupId\":\"room-7\",\"Members_Account\":[\"c\"],\"ShutUpTime\":4294967295}", 0,
         "}"},
        {LIVE "get_muted_member_list", "{" R7 "}", 0,
         ",\"Response\":{\"MutedAccountList\":[{\"Member_Account\":\"a\",\"MutedUntil\":T},{\"Member_Account\":\"b\","
         "\"MutedUntil\":T},{\"Member_Account\":\"c\",\"MutedUntil\":4294967295}]}}"},
        {LIVE "send_text_msg", "{" R7 ",\"Sender_Account\":\"b\",\"TextContent\":\"x\"}", 100601, NULL},
        {LIVE "mute_member", "{" R7 ",\"MemberList_Account\":[\"b\",\"nobody\"],\"MuteTime\":0}", 0, "}"},
        {CHAT "forbid_send_msg", "{\"GroupId\":\"room-7\",\"Members_Account\":[\"c\"],\"ShutUpTime\":0}", 0, "}"},
        {LIVE "get_muted_member_list", "{" R7 "}", 0,
         ",\"Response\":{\"MutedAccountList\":[{\"Member_Account\":\"a\",\"MutedUntil\":T}]}}"},
        {LIVE "send_text_msg", "{" R7 ",\"Sender_Account\":\"b\",\"TextContent\":\"x\"}", 0, NULL},

        {LIVE "get_banned_member_list", "{" R7 ",\"Offset\":0,\"Limit\":100}", 0,
         ",\"Response\":{\"BannedAccountList\":[],\"NextOffset\":0}}"},
        {LIVE "ban_member", BAN("[\"d\",\"e\",\"f\"]"), 0, "}"},
        {LIVE "get_banned_member_list", "{" R7 ",\"Offset\":0,\"Limit\":2}", 0,
         ",\"Response\":{\"BannedAccountList\":[{\"Member_Account\":\"d\",\"BannedUntil\":T},{\"Member_Account\":\"e\","
         "\"BannedUntil\":T}],\"NextOffset\":2}}"},
        {LIVE "get_banned_member_list", "{" R7 ",\"Offset\":2,\"Limit\":2}", 0,
         ",\"Response\":{\"BannedAccountList\":[{\"Member_Account\":\"f\",\"BannedUntil\":T}],\"NextOffset\":0}}"},
        {LIVE "send_text_msg", "{" R7 ",\"Sender_Account\":\"d\",\"TextContent\":\"x\"}", 100601, NULL},
        {LIVE "send_custom_msg", "{" R7 ",\"Sender_Account\":\"d\",\"BusinessId\":\"b\",\"Data\":1}", 100601, NULL},
        {LIVE "unban_member", "{" R7 ",\"MemberList_Account\":[\"d\",\"e\",\"f\"]}", 0, "}"},
        {LIVE "get_banned_member_list", "{" R7 "}", 0, ",\"Response\":{\"BannedAccountList\":[],\"NextOffset\":0}}"},
        {LIVE "send_text_msg", "{" R7 ",\"Sender_Account\":\"d\",\"TextContent\":\"x\"}", 0, NULL},
    };
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    TAKE_STEPS(&w, steps);
    assert_int_equal(call(&w, LIVE "ban_member", BAN("[\"viewer_19\"]"), NULL), 0);
    assert_int_equal(ask(&w, "POST", "/sim/rooms/room-7/messages", CLIENT("x")), 200);
    assert_has(&w.answer, "\"ErrorCode\":10007");
    assert_has(&w.answer, "\"delivered\":false");
    world_close(&w);
}

/* A mute or ban of one second: sending fails until it succeeds. */
static void sanctions_end_by_themselves(void **state)
{
    static const char *const commands[][2] = {
        {LIVE "mute_member", "{" R7 ",\"MemberList_Account\":[\"a\"],\"MuteTime\":1}"},
        {LIVE "ban_member", "{" R7 ",\"MemberList_Account\":[\"a\"],\"Duration\":1}"},
        {CHAT "forbid_send_msg", "{\"GroupId\":\"room-7\",\"Members_Account\":[\"a\"],\"ShutUpTime\":1}"},
    };
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        int64_t code;
        assert_int_equal(call(&w, commands[i][0], commands[i][1], NULL), 0);
        for (int tries = 0;; tries++) {
            code = call(&w, LIVE "send_text_msg", "{" R7 ",\"Sender_Account\":\"a\",\"TextContent\":\"x\"}", NULL);
            if (code == 0)
                break;
            assert_int_equal(code, 100601);
            assert_true(tries < 1000);
            clock_sleep_ms(50);
        }
    }
    world_close(&w);
}

static void rooms_are_made_changed_and_destroyed(void **state)
{
    static const struct step steps[] = {
        {LIVE "create_room",
         "{\"RoomInfo\":{\"RoomId\":\"live-1\",\"RoomType\":\"Live\",\"RoomName\":\"名\",\"Owner_Account\":\"host\","
         "\"MaxMemberCount\":400,\"CoverURL\":\"http://c/1\",\"IsMessageDisabled\":true,\"Category\":[1,2,3],"
         "\"IsPublicVisible\":false,\"IsSeatEnabled\":true,\"TakeSeatMode\":\"ApplyToTake\",\"MaxSeatCount\":8,"
         "\"ActivityStatus\":1}}",
         0, "}"},
        {LIVE "get_room_info", "{\"RoomId\":\"live-1\"}", 0,
         ",\"Response\":{\"RoomInfo\":{\"RoomId\":\"live-1\",\"RoomName\":\"名\",\"RoomType\":\"Live\","
         "\"Owner_Account\":\"host\",\"CreateTime\":T,\"IsSeatEnabled\":true,\"TakeSeatMode\":\"ApplyToTake\","
         "\"MaxSeatCount\":8,\"MaxMemberCount\":400,\"IsMessageDisabled\":true,\"CoverURL\":\"http://c/1\","
         "\"Category\":[1,2,3],\"ActivityStatus\":1,\"ViewCount\":0,\"IsPublicVisible\":false}}}"},
        {LIVE "send_text_msg", "{\"RoomId\":\"live-1\",\"Sender_Account\":\"u\",\"TextContent\":\"x\"}", 100601, NULL},
        {LIVE "send_text_msg", "{\"RoomId\":\"live-1\",\"Sender_Account\":\"host\",\"TextContent\":\"x\"}", 0, NULL},
        {LIVE "update_room_info",
         "{\"RoomInfo\":{\"RoomId\":\"live-1\",\"IsMessageDisabled\":false,\"Category\":[],\"Owner_Account\":\"u\"}}",
         0, "}"},
        {LIVE "send_text_msg", "{\"RoomId\":\"live-1\",\"Sender_Account\":\"u\",\"TextContent\":\"x\"}", 0, NULL},
        {LIVE "get_room_info", "{\"RoomId\":\"live-1\"}", 0,
         ",\"Response\":{\"RoomInfo\":{\"RoomId\":\"live-1\",\"RoomName\":\"名\",\"RoomType\":\"Live\","
         "\"Owner_Account\":\"host\",\"CreateTime\":T,\"IsSeatEnabled\":true,\"TakeSeatMode\":\"ApplyToTake\","
         "\"MaxSeatCount\":8,\"MaxMemberCount\":400,\"IsMessageDisabled\":false,\"CoverURL\":\"http://c/1\","
         "\"Category\":[],\"ActivityStatus\":1,\"ViewCount\":0,\"IsPublicVisible\":false}}}"},
        {LIVE "create_room", "{\"RoomInfo\":{\"RoomId\":\"live-2\",\"RoomType\":\"Live\"}}", 0, "}"},
        {LIVE "get_room_info", "{\"RoomId\":\"live-2\"}", 0,
         ",\"Response\":{\"RoomInfo\":{\"RoomId\":\"live-2\",\"RoomName\":\"live-2\",\"RoomType\":\"Live\","
         "\"Owner_Account\":\"administrator\",\"CreateTime\":T,\"IsSeatEnabled\":false,\"TakeSeatMode\":\"FreeToTake\","
         "\"MaxSeatCount\":0,\"MaxMemberCount\":0,\"IsMessageDisabled\":false,\"CoverURL\":\"\",\"Category\":[],"
         "\"ActivityStatus\":0,\"ViewCount\":0,\"IsPublicVisible\":true}}}"},
        {LIVE "destroy_room", "{\"RoomId\":\"live-1\"}", 0, "}"},
        {LIVE "destroy_room", "{\"RoomId\":\"live-1\"}", 100004, NULL},
        {LIVE "send_text_msg", "{\"RoomId\":\"live-1\",\"Sender_Account\":\"u\",\"TextContent\":\"x\"}", 100004, NULL},
        {LIVE "get_room_info", "{\"RoomId\":\"live-1\"}", 100004, NULL},
    };
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    TAKE_STEPS(&w, steps);
    world_close(&w);
}

/* Messages --------------------------------------------------------------------------------------------------------- */

static void custom_messages_take_the_documented_form(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    assert_int_equal(call(&w, LIVE "send_custom_msg",
                          "{" R7 ",\"Sender_Account\":\"u\",\"BusinessId\":\"gift\",\"Data\":\"{\\\"n\\\":1}\"}", NULL),
                     0);
    assert_has(&w.answer, "\"Response\":{\"MsgTime\":");
    assert_has(&w.responder.before_query, "OptPlatform=RESTAPI");
    assert_has(&w.responder.before_body,
               "\"MsgBody\":[{\"MsgContent\":{\"Data\":\"{\\\"BusinessId\\\":\\\"gift\\\",\\\"Data\\\":\\\"{\\\\\\\"n"
               "\\\\\\\":1}\\\"}\"},\"MsgType\":\"TIMCustomElem\"}]");
    assert_has(&w.responder.before_body, "\"From_Account\":\"u\"");
    assert_has_not(&w.responder.before_body, "CloudCustomData");
    assert_int_equal(call(&w, LIVE "send_custom_msg", "{" R7 ",\"BusinessId\":\"gift\",\"Data\":12}", NULL), 0);
    assert_has(&w.responder.before_body, "{\\\"BusinessId\\\":\\\"gift\\\",\\\"Data\\\":12}");
    assert_has(&w.responder.before_body, "\"From_Account\":\"administrator\"");
    responder_say(&w.responder, 200, REJECT);
    assert_int_equal(call(&w, LIVE "send_custom_msg", "{" R7 ",\"BusinessId\":\"gift\",\"Data\":12}", NULL), 10016);
    world_close(&w);
}

static void group_messages_pass_as_given(void **state)
{
    static const char body[] =
        "[ {\"MsgContent\":{\"Text\":\"\\u4f60\"}, \"MsgType\":\"TIMTextElem\"},"
        "{\"MsgType\":\"TIMCustomElem\",\"MsgContent\":{\"Data\":\"d\",\"Ext\":\"\"},\"new\":1.50} ]";
    struct buf request = BUF_INIT, tail = BUF_INIT;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    buf_addf(&request,
             "{\"GroupId\":\"room-7\",\"From_Account\":\"u\",\"Random\":3204417755,\"MsgBody\":%s,\"CloudCustomData\":"
             "\"\\/\",\"MsgPriority\":\"High\",\"OnlineOnlyFlag\":0,\"GroupAtInfo\":[],\"OfflinePushInfo\":{}}",
             body);
    assert_int_equal(call(&w, CHAT "send_group_msg", buf_text(&request), NULL), 0);
    assert_string_equal(tail_of(&w.answer, &tail), ",\"MsgTime\":T,\"MsgSeq\":1,\"MsgDropReason\":\"\"}");
    responder_wait_after(&w.responder, 1);
    for (int after = 0; after < 2; after++) {
        const struct buf *query = after ? &w.responder.after_query : &w.responder.before_query;
        const struct buf *webhook = after ? &w.responder.after_body : &w.responder.before_body;
        assert_has(query, "OptPlatform=RESTAPI");
        assert_has(webhook, body);
        assert_has(webhook, "\"CloudCustomData\":\"\\/\"");
        assert_has(webhook, "\"Random\":3204417755");
        assert_has(webhook, "\"From_Account\":\"u\"");
        assert_has(webhook, "\"Operator_Account\":\"administrator\"");
    }
    assert_int_equal(ask(&w, "GET", "/sim/rooms/room-7/messages", ""), 200);
    assert_has(&w.answer, body);
    assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(2, ""), NULL), 0);
    assert_has(&w.responder.before_body, "\"From_Account\":\"administrator\"");
    buf_release(&request);
    buf_release(&tail);
    world_close(&w);
}

/* Each word is for its own webhook, and for this command alone. */
static void webhooks_are_forbidden_by_word(void **state)
{
    static const struct {
        const char *body;
        unsigned before, after;
    } cases[] = {
        {GROUP_MSG(1, ",\"ForbidCallbackControl\":[\"ForbidBeforeSendMsgCallback\"]"), 0, 1},
        {GROUP_MSG(2, ",\"ForbidCallbackControl\":[\"ForbidAfterSendMsgCallback\"]"), 1, 0},
        {GROUP_MSG(3, ",\"ForbidCallbackControl\":[\"ForbidAfterSendMsgCallback\",\"ForbidBeforeSendMsgCallback\"]"), 0,
         0},
        {GROUP_MSG(4, ",\"ForbidCallbackControl\":[]"), 1, 1},
    };
    unsigned before = 0, after = 0;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(call(&w, CHAT "send_group_msg", cases[i].body, NULL), 0);
        before += cases[i].before;
        after += cases[i].after;
        responder_wait_after(&w.responder, after);
        assert_int_equal(w.responder.before, before);
    }
    assert_int_equal(call(&w, LIVE "send_text_msg",
                          "{" R7 ",\"Sender_Account\":\"u\",\"TextContent\":\"x\",\"ForbidCallbackControl\":["
                          "\"ForbidAfterSendMsgCallback\",\"ForbidBeforeSendMsgCallback\"]}",
                          NULL),
                     0);
    responder_wait_after(&w.responder, after + 1);
    assert_int_equal(w.responder.before, before + 1);
    assert_int_equal(ask(&w, "GET", "/sim/stats", ""), 200); /* nothing is on its way that was not waited for */
    assert_has(&w.answer, "\"delivered\":5");
    assert_int_equal(w.responder.after, after + 1);
    world_close(&w);
}

static void a_repeated_random_is_discarded(void **state)
{
    (void)state;
    for (int zero = 0; zero < 2; zero++) {
        struct rest_answer first, again;
        struct world w;

        world_open(&w);
        w.options.rest.duplicate_zero = zero;
        world_start(&w);
        furnish(&w);
        assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(7, ""), &first), 0);
        assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(7, ",\"From_Account\":\"u\""), &again), 0);
        assert_int_equal(again.msg_seq, zero ? 0 : first.msg_seq);
        assert_int_equal(first.msg_seq, 1);
        if (!zero)
            assert_int_equal(again.msg_time_s, first.msg_time_s);
        assert_string_equal(again.msg_drop_reason, "");
        assert_int_equal(call(&w, CHAT "send_group_msg",
                              "{\"GroupId\":\"group\",\"Random\":7,\"MsgBody\":[" TEXT_ELEMENT("x") "]}", &again),
                         0); /* in another group */
        assert_int_equal(again.msg_seq, 1);
        assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(8, ""), &again), 0);
        assert_int_equal(again.msg_seq, 2);
        responder_wait_after(&w.responder, 3);
        assert_int_equal(w.responder.before, 3);
        assert_int_equal(ask(&w, "GET", "/sim/rooms/room-7/messages", ""), 200);
        assert_has(&w.answer, "\"Delivered\":2");
        world_close(&w);
    }
}

/* A call that put no message into the room does not use up its Random; one whose message was discarded does. */
static void a_random_without_message_may_try_again(void **state)
{
    struct rest_answer a;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    responder_say(&w.responder, 200, REJECT);
    assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(7, ""), NULL), 10016);
    responder_say(&w.responder, 200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":10121,\"ErrorInfo\":\"not here\"}");
    assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(7, ""), NULL), 10121);
    assert_has(&w.answer, "not here");
    responder_say(&w.responder, 200, "{\"ActionStatus\":\"OK\",\"ErrorCode\":2,\"ErrorInfo\":\"\"}");
    assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(8, ""), &a), 0);
    assert_int_equal(a.msg_seq, 0);
    responder_say(&w.responder, 200, ACCEPT);
    assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(8, ""), &a), 0);
    assert_int_equal(a.msg_seq, 0);
    assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(7, ""), &a), 0);
    assert_int_equal(a.msg_seq, 1);
    assert_int_equal(w.responder.before, 4);
    world_close(&w);
}

/* Sends group messages, each with its own Random, until the room takes no more in this second; false: too slow. */
static bool fill_second(struct world *w, uint32_t *random, int64_t *code, struct rest_answer *a)
{
    const int64_t start_us = clock_mono_us();

    for (int sent = 0; sent < 150; sent++) {
        char body[256];
        snprintf(body, sizeof(body),
                 "{\"GroupId\":\"room-7\",\"Random\":%u,\"MsgBody\":[" TEXT_ELEMENT(
                     "x") "],\"ForbidCallbackControl\":[\"ForbidBeforeSendMsgCallback\",\"ForbidAfterSendMsgCallback"
                          "\"]}",
                 ++*random);
        *code = call(w, CHAT "send_group_msg", body, a);
        if (*code != 0 || *a->msg_drop_reason)
            return true;
    }
    assert_true(clock_mono_us() - start_us > 1000000);
    return false;
}

static void too_many_in_a_room(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) { /* as documented, with numbers, as an error */
        struct rest_answer a = {0};
        uint32_t random = 0;
        struct world w;
        int64_t code;
        char body[256];

        world_open(&w);
        w.options.rooms.number_dropped = kind == 1;
        w.options.rest.frequency_error = kind == 2;
        world_start(&w);
        if (fill_second(&w, &random, &code, &a)) {
            assert_int_equal(code, kind == 2 ? 10023 : 0);
            if (kind < 2) {
                assert_string_equal(a.msg_drop_reason, "MsgFreqCtrl");
                assert_int_equal(a.msg_seq, kind == 1 ? random : 0);
            }
            assert_int_equal(ask(&w, "GET", "/sim/rooms/room-7/messages", ""), 200);
            assert_int_equal(count_of(&w.answer, "\"MsgSeq\""), random - 1);
            /* the same Random gets in when there is room */
            snprintf(body, sizeof(body), "{\"GroupId\":\"room-7\",\"Random\":%u,\"MsgBody\":[" TEXT_ELEMENT("x") "]}",
                     random);
            for (int tries = 0;; tries++) {
                code = call(&w, CHAT "send_group_msg", body, &a);
                if (code == 0 && !*a.msg_drop_reason)
                    break;
                assert_true(tries < 1000);
                clock_sleep_ms(50);
            }
            assert_true(a.msg_seq >= random);
        }
        world_close(&w);
    }
}

static void length_and_moderation(void **state)
{
    struct buf body = BUF_INIT;
    struct world w;

    (void)state;
    world_open(&w);
    w.options.platform.blocked_text = "casino";
    w.options.rest.reject_code = 100699;
    world_start(&w);
    for (size_t extra = 0; extra < 2; extra++) {
        const size_t around = strlen("[" TEXT_ELEMENT("") "]");
        buf_reset(&body);
        buf_addf(&body,
                 "{\"GroupId\":\"room-7\",\"Random\":%zu,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{"
                 "\"Text\":\"",
                 extra);
        for (size_t i = 0; i < PLATFORM_MAX_MESSAGE - around + extra; i++)
            buf_add_char(&body, 'a');
        buf_add_text(&body, "\"}}]}");
        assert_int_equal(call(&w, CHAT "send_group_msg", buf_text(&body), NULL), extra ? 80002 : 0);
    }
#define CASINO(members) "{\"GroupId\":\"room-7\",\"Random\":9,\"MsgBody\":[" TEXT_ELEMENT("a casino") "]" members "}"
    assert_int_equal(call(&w, CHAT "send_group_msg", CASINO(""), NULL), 80001);
    assert_int_equal(call(&w, CHAT "send_group_msg", CASINO(",\"SendMsgControl\":[\"NoUnread\"]"), NULL), 80001);
    assert_int_equal(call(&w, CHAT "send_group_msg", CASINO(",\"SendMsgControl\":[\"NoMsgCheck\"]"), NULL), 0);
    assert_int_equal(
        call(&w, LIVE "send_text_msg", "{" R7 ",\"Sender_Account\":\"u\",\"TextContent\":\"casino\"}", NULL), 80001);
    responder_say(&w.responder, 200, REJECT);
    assert_int_equal(call(&w, CHAT "send_group_msg", GROUP_MSG(10, ""), NULL), 100699);
    assert_int_equal(call(&w, LIVE "send_text_msg", "{" R7 ",\"Sender_Account\":\"u\",\"TextContent\":\"x\"}", NULL),
                     100699);
    buf_release(&body);
    world_close(&w);
}

/* Recall ----------------------------------------------------------------------------------------------------------- */

static void send_some(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(ask(w, "POST", "/sim/rooms/room-7/messages", CLIENT("x")), 200);
}

/* A webhook counts as fired once chatsim has its answer, which is after the responder had the request. */
static void await_stats(struct world *w, const char *no_more)
{
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(ask(w, "GET", "/sim/stats", ""), 200);
        if (!strstr(buf_text(&w->answer), no_more))
            return;
        clock_sleep_ms(10);
    }
}

static void administrators_recall(void **state)
{
    struct callback_parser *parser = callback_parser_new();
    struct buf tail = BUF_INIT;
    struct message m;
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    send_some(&w, 3);
    assert_int_equal(
        call(&w, CHAT "group_msg_recall",
             "{\"GroupId\":\"room-7\",\"MsgSeqList\":[" SEQ(1) "," SEQ(9) "," SEQ(3) "," SEQ(1) "],\"Reason\":\"why\"}",
             NULL),
        0);
    assert_string_equal(tail_of(&w.answer, &tail),
                        ",\"RecallRetList\":[{\"MsgSeq\":1,\"RetCode\":0},{\"MsgSeq\":9,\"RetCode\":10030},{\"MsgSeq\":"
                        "3,\"RetCode\":0},{\"MsgSeq\":1,\"RetCode\":10032}]}");
    responder_wait_after(&w.responder, 4);
    assert_has(&w.responder.after_query, "CallbackCommand=Group.CallbackAfterRecallMsg&");
    assert_has(&w.responder.after_query, "OptPlatform=RESTAPI");
    assert_int_equal(callback_parse(parser, buf_span(&w.responder.after_body), &m, NULL), 0);
    assert_int_equal(m.command, COMMAND_RECALL);
    assert_true(span_is(m.group_id.text, "room-7"));
    assert_true(span_is(m.type.text, "Live"));
    assert_true(span_is(m.operator_account.text, "administrator"));
    assert_int_equal(m.event_time_ms.presence, GIVEN);
    assert_int_equal(m.from_account.presence, MISSING);
    assert_int_equal(m.recalled_count, 2);
    assert_int_equal(m.recalled_seqs[0], 1);
    assert_int_equal(m.recalled_seqs[1], 3);
    assert_int_equal(ask(&w, "GET", "/sim/rooms/room-7/messages", ""), 200);
    assert_int_equal(count_of(&w.answer, "\"Recalled\":true"), 2);
    assert_int_equal(count_of(&w.answer, "\"MsgSeq\""), 3);
    /* nothing recalled, nothing fired */
    assert_int_equal(call(&w, CHAT "group_msg_recall", RECALL("[" SEQ(1) "]"), NULL), 0);
    await_stats(&w, "\"recall_fired\":0");
    assert_has(&w.answer, "\"recall_fired\":1,\"recall_failed\":0");
    assert_has(&w.answer, "\"messages_recalled\":2");
    assert_has(&w.answer, "\"after_fired\":3");
    assert_int_equal(ask(&w, "PUT", "/sim/rooms/room-7", "{\"Type\":\"BChatRoom\"}"), 200);
    assert_int_equal(call(&w, CHAT "group_msg_recall", RECALL("[" SEQ(2) "]"), NULL), 0);
    assert_has(&w.answer, "{\"MsgSeq\":2,\"RetCode\":10033}");
    buf_release(&tail);
    callback_parser_free(parser);
    world_close(&w);
}

#define TAKE_BACK(who, seq) "{\"From_Account\":\"" who "\",\"MsgSeq\":" #seq ",\"OptPlatform\":\"iOS\"}"

static void clients_recall(void **state)
{
    static const struct {
        const char *path, *body;
        int status;
        const char *has;
    } cases[] = {
        {"room-7", "{}", 400, "From_Account"},
        {"room-7", "x", 400, "JSON"},
        {"room-7", "{\"From_Account\":\"viewer_19\"}", 400, "MsgSeq"},
        {"room-7", "{\"From_Account\":\"viewer_19\",\"MsgSeq\":-1}", 400, "MsgSeq"},
        {"room-7", "{\"From_Account\":\"viewer_19\",\"MsgSeq\":1,\"OptPlatform\":\"a&b\"}", 400, "OptPlatform"},
        {"nowhere", TAKE_BACK("viewer_19", 1), 404, "no such room"},
        {"room-7", TAKE_BACK("viewer_20", 1), 200, "{\"sender\":{\"ErrorCode\":10007,"},
        {"room-7", TAKE_BACK("viewer_19", 2), 200, "{\"sender\":{\"ErrorCode\":10030,"},
        {"room-7", TAKE_BACK("viewer_19", 1), 200,
         "{\"sender\":{\"ErrorCode\":0,\"ErrorInfo\":\"\"},\"recalled\":true,\"webhook\":{\"recall_ms\":"},
        {"room-7", TAKE_BACK("viewer_19", 1), 200, "{\"sender\":{\"ErrorCode\":10032,"},
    };
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    send_some(&w, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char target[64];
        snprintf(target, sizeof(target), "/sim/rooms/%s/recalls", cases[i].path);
        assert_int_equal(ask(&w, "POST", target, cases[i].body), cases[i].status);
        assert_has(&w.answer, cases[i].has);
    }
    assert_int_equal(w.responder.after, 2); /* fired before the answer */
    assert_has(&w.responder.after_query, "OptPlatform=iOS");
    assert_has(&w.responder.after_body, "\"MsgSeqList\":[{\"MsgSeq\":1}],\"Operator_Account\":\"viewer_19\"");
    world_close(&w);
}

static void messages_grow_too_old(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    w.options.platform.recall_s = 0;
    world_start(&w);
    send_some(&w, 1);
    assert_int_equal(call(&w, CHAT "group_msg_recall", RECALL("[" SEQ(1) "]"), NULL), 0);
    assert_has(&w.answer, "{\"MsgSeq\":1,\"RetCode\":10031}");
    assert_int_equal(ask(&w, "POST", "/sim/rooms/room-7/recalls", TAKE_BACK("viewer_19", 1)), 200);
    assert_has(&w.answer, "\"ErrorCode\":10031");
    assert_has(&w.answer, "\"recalled\":false,\"webhook\":{}");
    world_close(&w);
}

/* Configuration ---------------------------------------------------------------------------------------------------- */

#define CALLBACK(url) "{\"Url\":\"" url "\",\"CallbackCommandList\":[\"Live.CallbackAfterDestroyRoom\"]}"

static void callbacks_are_configured(void **state)
{
    static const struct step steps[] = {
        {CONFIG "get_callback", "{}", 100302, NULL},
        {CONFIG "set_callback", "{}", 100002, NULL},
        {CONFIG "set_callback", "{\"Url\":\"http://h/x\"}", 100002, NULL},
        {CONFIG "set_callback", "{\"Url\":\"http://h/x\",\"CallbackCommandList\":[]}", 100002, NULL},
        {CONFIG "set_callback", "{\"Url\":\"http://h/x\",\"CallbackCommandList\":[1]}", 100002, NULL},
        {CONFIG "set_callback", CALLBACK("ftp://h/x"), 100002, NULL},
        {CONFIG "set_callback", CALLBACK("http://"), 100002, NULL},
        {CONFIG "set_callback", CALLBACK("http://h/x?y"), 100002, NULL},
        {CONFIG "set_callback", CALLBACK("http://h/ x"), 100002, NULL},
        {CONFIG "get_callback", "{}", 100302, NULL},
        {CONFIG "set_callback", CALLBACK("http://h/x"), 0, "}"},
        {CONFIG "get_callback", "{}", 0,
         ",\"Response\":{\"Url\":\"http://h/x\",\"CallbackCommandList\":[\"Live.CallbackAfterDestroyRoom\"]}}"},
        {CONFIG "get_callback_token", "{}", 100302, NULL},
    };
    static const struct step replaces[] = {
        {CONFIG "set_callback", CALLBACK("https://h/y"), 0, "}"},
        {CONFIG "get_callback", "{}", 0,
         ",\"Response\":{\"Url\":\"https://h/y\",\"CallbackCommandList\":[\"Live.CallbackAfterDestroyRoom\"]}}"},
    };
    static const struct step once[] = {
        {CONFIG "set_callback", CALLBACK("https://h/y"), 100300, NULL},
        {CONFIG "get_callback", "{}", 0,
         ",\"Response\":{\"Url\":\"http://h/x\",\"CallbackCommandList\":[\"Live.CallbackAfterDestroyRoom\"]}}"},
    };

    (void)state;
    for (int callback_once = 0; callback_once < 2; callback_once++) {
        struct world w;
        world_open(&w);
        w.options.rest.callback_once = callback_once;
        world_start(&w);
        TAKE_STEPS(&w, steps);
        if (callback_once)
            TAKE_STEPS(&w, once);
        else
            TAKE_STEPS(&w, replaces);
        world_close(&w);
    }
}

/* The token a webhook sent now is signed with; NULL: not signed. */
static void assert_signed_with(struct world *w, const char *token)
{
    struct buf sign = BUF_INIT, time = BUF_INIT;

    assert_int_equal(ask(w, "POST", "/sim/rooms/room-7/messages", CLIENT("x")), 200);
    for (int after = 0; after < 2; after++) {
        const struct span query = buf_span(after ? &w->responder.after_query : &w->responder.before_query);
        assert_int_equal(http_query(query, "Sign", &sign), token ? 1 : 0);
        assert_int_equal(http_query(query, "RequestTime", &time), token ? 1 : 0);
        if (token)
            assert_int_equal(signature_check(&token, 1, buf_span(&time), buf_span(&sign), clock_wall_us() / 1000000),
                             SIGNATURE_OK);
    }
    buf_release(&sign);
    buf_release(&time);
}

static void tokens_sign_from_then_on(void **state)
{
    static const struct step refused[] = {
        {CONFIG "get_callback_token", "{}", 100302, NULL},
        {CONFIG "set_callback_token", "{\"Token\":\"xxxxyyyy\"}", 100002, NULL},
        {CONFIG "set_callback_token", "{\"IsTokenEnable\":true}", 100002, NULL},
        {CONFIG "set_callback_token", "{\"Token\":\"\",\"IsTokenEnable\":true}", 100002, NULL},
        {CONFIG "set_callback_token", "{\"Token\":\"x\",\"IsTokenEnable\":\"true\"}", 100002, NULL},
        {CONFIG "set_callback_token",
         "{\"Token\":\"" FIFTY FIFTY "12345678901234567890123456789\",\"IsTokenEnable\":true}", 100002, NULL},
        {CONFIG "get_callback_token", "{}", 100302, NULL},
    };
    static const struct {
        const char *body, *tail, *token;
    } cases[] = {
        {"{\"Token\":\"xxxxyyyy\",\"IsTokenEnable\":true}", "\"Token\":\"xxxxyyyy\",\"IsTokenEnable\":true",
         "xxxxyyyy"},
        {"{\"Token\":\"next\"}", "\"Token\":\"next\",\"IsTokenEnable\":true", "next"},
        {"{\"IsTokenEnable\":false}", "\"Token\":\"next\",\"IsTokenEnable\":false", NULL},
        {"{}", "\"Token\":\"next\",\"IsTokenEnable\":false", NULL},
        {"{\"IsTokenEnable\":true}", "\"Token\":\"next\",\"IsTokenEnable\":true", "next"},
    };
    struct world w;

    (void)state;
    world_open(&w);
    world_start(&w);
    TAKE_STEPS(&w, refused);
    assert_signed_with(&w, world_token); /* as chatsim was started */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(call(&w, CONFIG "set_callback_token", cases[i].body, NULL), 0);
        assert_int_equal(call(&w, CONFIG "get_callback_token", "{}", NULL), 0);
        assert_has(&w.answer, cases[i].tail);
        assert_signed_with(&w, cases[i].token);
    }
    world_close(&w);
}

/* Limits ----------------------------------------------------------------------------------------------------------- */

static void each_command_has_its_own_limit(void **state)
{
    const int64_t start_us = clock_mono_us();
    int64_t code = 0, last_us = start_us;
    struct world w;
    int sent = 0;

    (void)state;
    world_open(&w);
    world_start(&w);
    for (; sent < 2000 && code == 0; sent++) {
        code = call(&w, CONFIG "get_callback_token", "{}", NULL);
        code = code == 100302 ? 0 : code;
        last_us = clock_mono_us();
    }
    if (code == 0) /* a machine that makes no 200 calls a second */
        assert_true(last_us - start_us > 5000000);
    else
        assert_int_equal(code, 60007);
    assert_int_equal(call(&w, LIVE "get_muted_member_list", "{" R7 "}", NULL), 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_checked),
        cmocka_unit_test(sanctions_are_listed_and_silence),
        cmocka_unit_test(sanctions_end_by_themselves),
        cmocka_unit_test(rooms_are_made_changed_and_destroyed),
        cmocka_unit_test(custom_messages_take_the_documented_form),
        cmocka_unit_test(group_messages_pass_as_given),
        cmocka_unit_test(webhooks_are_forbidden_by_word),
        cmocka_unit_test(a_repeated_random_is_discarded),
        cmocka_unit_test(a_random_without_message_may_try_again),
        cmocka_unit_test(too_many_in_a_room),
        cmocka_unit_test(length_and_moderation),
        cmocka_unit_test(administrators_recall),
        cmocka_unit_test(clients_recall),
        cmocka_unit_test(messages_grow_too_old),
        cmocka_unit_test(callbacks_are_configured),
        cmocka_unit_test(tokens_sign_from_then_on),
        cmocka_unit_test(each_command_has_its_own_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
