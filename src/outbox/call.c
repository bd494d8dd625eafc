#include "outbox/call.h"

#include "base/json_write.h"
#include "base/utf8.h"
#include "wire/rest.h"

#include <inttypes.h>

enum { BAN_REASON_MAX = 200 };

static const char *const row_action_names[ACTIONS] = {"send_text", "mute", "unmute", "ban", "unban", "recall"};

static const struct {
    const char *name, *path;
} commands[REST_COMMANDS] = {
    [REST_SEND_TEXT_MSG] = {"send_text_msg", "v4/live_engine_http_srv/send_text_msg"},
    [REST_SEND_GROUP_MSG] = {"send_group_msg", "v4/group_open_http_svc/send_group_msg"},
    [REST_MUTE_MEMBER] = {"mute_member", "v4/live_engine_http_srv/mute_member"},
    [REST_BAN_MEMBER] = {"ban_member", "v4/live_engine_http_srv/ban_member"},
    [REST_UNBAN_MEMBER] = {"unban_member", "v4/live_engine_http_srv/unban_member"},
    [REST_GROUP_MSG_RECALL] = {"group_msg_recall", "v4/group_open_http_svc/group_msg_recall"},
};

const char *row_action_name(enum row_action action)
{
    return row_action_names[action];
}

const char *rest_command_name(enum rest_command command)
{
    return commands[command].name;
}

const char *rest_command_path(enum rest_command command)
{
    return commands[command].path;
}

/* Bodies ---------------------------------------------------------------------------------------------------------- */

static int check_length(const struct row *row, size_t beside, struct err *err)
{
    return row->text.len + beside <= CALL_MESSAGE_MAX
               ? 0
               : err_set(err, ERR_INVALID, "text and data beside it are %zu bytes, the platform takes %d",
                         row->text.len + beside, CALL_MESSAGE_MAX);
}

/* The Live way; its webhooks fire again, and the marker tells them from a stranger's. */
static int write_send_text_msg(struct buf *out, const struct row *row, const struct caller *caller, struct err *err)
{
    struct marker marker = {.attempt = row->attempt, .at_s = caller->now_s};
    const struct marked marked = {.room = row->room,
                                  .sender = row->account,
                                  .text = row->text,
                                  .custom_data = {row->custom_data.data ? GIVEN : MISSING, row->custom_data}};
    struct buf extension = BUF_INIT;
    int r;

    memcpy(marker.id, row->id, sizeof(marker.id));
    r = marker_add(&extension, caller->marker_key, &marker, &marked, err);
    if (r == 0)
        r = check_length(row, extension.len, err);
    if (r == 0)
        rest_write_send_text_msg(out, &(struct send_text_msg){.room_id = row->room,
                                                              .sender_account = row->account,
                                                              .text_content = row->text,
                                                              .extension_info = {GIVEN, buf_span(&extension)}});
    buf_release(&extension);
    return r;
}

/* The Chat way: without webhooks, and the platform discards a second message of the same Random within five minutes. */
static int write_send_group_msg(struct buf *out, const struct row *row, struct err *err)
{
    const int r = check_length(row, row->custom_data.len, err);

    if (r < 0)
        return r;
    buf_add_char(out, '{');
    json_add_member_span(out, "GroupId", row->room);
    json_add_member_u64(out, "Random", row->random);
    json_add_member_span(out, "From_Account", row->account);
    json_add_key(out, "MsgBody");
    buf_add_text(out, "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{");
    json_add_member_span(out, "Text", row->text);
    buf_add_text(out, "}}]");
    if (row->custom_data.data)
        json_add_member_span(out, "CloudCustomData", row->custom_data);
    json_add_key(out, "ForbidCallbackControl");
    buf_add_text(out, "[\"ForbidBeforeSendMsgCallback\",\"ForbidAfterSendMsgCallback\"]}");
    return 0;
}

/* {"RoomId":..,"MemberList_Account":[..], without the closing brace. */
static void begin_member(struct buf *out, const struct row *row)
{
    buf_add_char(out, '{');
    json_add_member_span(out, "RoomId", row->room);
    json_add_key(out, "MemberList_Account");
    buf_add_char(out, '[');
    json_add_string(out, row->account);
    buf_add_char(out, ']');
}

static int write_mute(struct buf *out, const struct row *row, struct err *err)
{
    /* MuteTime 0 would unmute. */
    if (row->action == ACTION_MUTE && row->seconds <= 0)
        return err_set(err, ERR_INVALID, "a mute needs a duration");
    begin_member(out, row);
    json_add_member_i64(out, "MuteTime", row->action == ACTION_MUTE ? row->seconds : 0);
    buf_add_char(out, '}');
    return 0;
}

static int write_ban(struct buf *out, const struct row *row, struct err *err)
{
    if (row->seconds <= 0)
        return err_set(err, ERR_INVALID, "a ban needs a duration");
    begin_member(out, row);
    if (row->note.data)
        json_add_member_span(out, "Reason",
                             (struct span){row->note.data, utf8_cut(row->note.data, row->note.len, BAN_REASON_MAX)});
    json_add_member_i64(out, "Duration", row->seconds);
    buf_add_char(out, '}');
    return 0;
}

static int write_recall(struct buf *out, const struct row *row, struct err *err)
{
    if (row->msg_seq < 0)
        return err_set(err, ERR_INVALID, "a recall needs the MsgSeq of the message");
    buf_add_char(out, '{');
    json_add_member_span(out, "GroupId", row->room);
    json_add_key(out, "MsgSeqList");
    buf_addf(out, "[{\"MsgSeq\":%" PRId64 "}]", row->msg_seq);
    if (row->note.data)
        json_add_member_span(out, "Reason", row->note);
    buf_add_char(out, '}');
    return 0;
}

static int write_body(struct buf *out, const struct row *row, const struct caller *caller, struct err *err)
{
    switch (row->command) {
    case REST_SEND_TEXT_MSG:
        return write_send_text_msg(out, row, caller, err);
    case REST_SEND_GROUP_MSG:
        return write_send_group_msg(out, row, err);
    case REST_MUTE_MEMBER:
        return write_mute(out, row, err);
    case REST_BAN_MEMBER:
        return write_ban(out, row, err);
    case REST_UNBAN_MEMBER:
        begin_member(out, row);
        buf_add_char(out, '}');
        return 0;
    case REST_GROUP_MSG_RECALL:
        return write_recall(out, row, err);
    case REST_COMMANDS:
        break;
    }
    return err_set(err, ERR_INVALID, "there is no such command");
}

int call_make(struct buf *url, struct buf *body, const struct row *row, const struct caller *caller, struct err *err)
{
    int r = write_body(body, row, caller, err);

    if (r < 0)
        return r;
    /* Neither a UserSig nor an account name of the allowed characters needs escaping. */
    buf_addf(url, "%s/%s?sdkappid=%" PRIu64 "&identifier=%s&usersig=%s&random=%" PRIu32 "&contenttype=json",
             caller->url, rest_command_path(row->command), caller->sdkappid, caller->admin, caller->usersig,
             caller->random);
    return buf_failed(url) || buf_failed(body) ? err_set(err, ERR_FAILED, "could not make a call: out of memory") : 0;
}
