/* rest_api.h - the platform's REST API under /v4/ (`protocol.md` sections 6, 8 and 9): checks of the query and of the
 * UserSig, the commands, and the envelope with its codes. HTTP status is always 200; the outcome is in the body.
 *
 * Undocumented choices:
 *   - the query is checked before the body and in the order sdkappid, identifier, usersig, random, contenttype; a
 *     call too many is told 60007 (60011 would be the limit of the whole application) and each command has its own
 *     200 a second; random or contenttype of a wrong form is 60002; an account that is no string 60015; both families
 *     of commands give a RequestId;
 *   - a number or a boolean written as a string is a wrong parameter: 100002 (Live) or 10004 (Chat). So are a word
 *     nobody documents in ForbidCallbackControl or SendMsgControl, a MsgPriority of that kind, more accounts in
 *     mute_member than ban_member takes (20), and an account of more than 128 bytes. Parameters are looked at before
 *     the room;
 *   - every Live command on a room that is not of type Live is 100006;
 *   - a refusal by the Before webhook is reject_code: 10016 unless told otherwise, as for Chat's send_group_msg;
 *   - a banned sender is 100601 in the Live commands, which know no other code for a sender who may not, and 10007 in
 *     Chat's; the platform's own moderation (blocked_text) is 80001 in both; a GroupId longer than any group's is
 *     10015;
 *   - length is that of TextContent and ExtensionInfo, of the custom element's Data, or of MsgBody and
 *     CloudCustomData as sent;
 *   - send_group_msg: a Random seen in the group within five minutes is answered as success, with MsgTime and MsgSeq
 *     of the first message (duplicate_zero: MsgSeq 0), no webhook is fired and nothing delivered; MsgSeq is 0 while
 *     the first call is still under way or when its message was discarded by verdict. A call that failed, or whose
 *     message was dropped for frequency, does not count: the same Random may try again. A room made anew remembers no
 *     Random. 10023 is what frequency_error gives here; From_Account absent is the administrator;
 *   - Operator_Account of every message and recall is the administrator; Sender_Account absent in send_custom_msg
 *     too;
 *   - sanctions: a time of 4294967295 s is for ever, in the lists as well; an empty list of accounts is a wrong
 *     parameter; ban_member needs a Duration of at least 1; Offset and Limit may be left out (0 and 100); muting by
 *     forbid_send_msg and by mute_member is the same thing; lists are in the order in which members came on them;
 *   - group_msg_recall: 10032 is recalled before, 10033 a group type without recall (BChatRoom). A recalled message
 *     stays in /sim/rooms/<id>/messages, with "Recalled":true;
 *   - create_room: 100003 when there is a room of that name (seen in code that calls it); it and destroy_room have no
 *     Response. update_room_info takes all members of create_room but RoomType and Owner_Account, which change
 *     nothing;
 *   - live_config: what set_callback stores is given back by get_callback, and that is all, because chatsim fires
 *     none of the Live engine's webhooks; a second set_callback replaces the first (callback_once: 100300);
 *     get_callback with nothing set is 100302, as for the token. A token once set here takes the place of the one
 *     chatsim was started with, which get_callback_token does not show; without IsTokenEnable webhooks are not signed
 *     at all.
 * Threads: any. */
#ifndef CHATSLUICE_SIM_REST_API_H
#define CHATSLUICE_SIM_REST_API_H

#include "base/http_server.h"
#include "sim/call_log.h"
#include "sim/fault_plan.h"
#include "sim/platform.h"

struct rest_api;

struct rest_api_options {
    uint64_t sdkappid;
    const char *admin;         /* the one administrator account; texts are borrowed until rest_api_free */
    const char *secret;        /* NULL: a UserSig must be there but is not verified */
    int64_t reject_code;       /* what a refusal by the Before webhook is answered with */
    bool frequency_error;      /* a message over the room's limit is answered 100602 or 10023, not as success with
                                  MsgDropReason */
    bool duplicate_zero;       /* a repeated Random is answered with MsgSeq 0 */
    bool callback_once;        /* set_callback does not replace what was set before */
    struct fault_plan *faults; /* borrowed as well, as the next; NULL: none */
    struct call_log *calls;    /* NULL: not kept */
};

/* Borrows platform and rooms until rest_api_free. NULL: no memory. */
struct rest_api *rest_api_new(const struct rest_api_options *options, struct platform *platform, struct rooms *rooms);
void rest_api_free(struct rest_api *api); /* NULL is fine */

/* strings is scratch memory of the calling thread. */
void rest_api_handle(struct rest_api *api, const struct http_request *request, struct span body, struct buf *strings,
                     struct http_reply *reply);

/* The path of a command; NULL past the last one. */
const char *rest_api_command(size_t index);

#endif
