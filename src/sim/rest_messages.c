/* rest_messages.c - messages of the REST API: three ways to send one, and the recall. */
#include "sim/rest_call.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "wire/gate.h"
#include "wire/rest.h"

/* Answers ---------------------------------------------------------------------------------------------------------- */

/* How platform_send's outcome is told to a caller, by service; SEND_CODE brings its own, SEND_REJECTED has an option.
 */
static const struct {
    int64_t code[2];
    const char *info;
} told[SEND_RESULTS] = {
    [SEND_OK] = {{0, 0}, ""},
    [SEND_NO_ROOM] = {{100004, 10010}, "the room does not exist or has been dissolved"},
    [SEND_NOT_LIVE] = {{100006, 10004}, "the room is not a live room"},
    [SEND_MUTED] = {{100601, 10017}, "the sender is muted"},
    [SEND_BANNED] = {{100601, 10007}, "the sender is banned from the room"},
    [SEND_BLOCKED] = {{80001, 80001}, "the message was blocked by the platform's own moderation"},
    [SEND_TOO_LONG] = {{100603, 80002}, "the message is longer than 12 KB"},
    [SEND_REJECTED] = {{10016, 10016}, "the app backend refused the message through a webhook"},
    [SEND_CODE] = {{0, 0}, ""},
    [SEND_INTERNAL] = {{100001, 10002}, "internal error, please try again"},
};

static void message_result(struct rest_call *call, int64_t time_s, uint32_t seq, const char *drop_reason)
{
    json_add_member_i64(&call->result, "MsgTime", time_s);
    json_add_member_u64(&call->result, "MsgSeq", seq);
    json_add_member_text(&call->result, "MsgDropReason", drop_reason);
}

static void message_answer(struct rest_call *call, const struct delivery *delivery)
{
    const struct rest_api_options *options = call->options;
    struct rest_answer webhook;

    rest_fail(call, told[delivery->result].code[call->service], told[delivery->result].info);
    if (delivery->result == SEND_REJECTED) {
        call->code = options->reject_code;
    } else if (delivery->result == SEND_CODE) {
        rest_fail(call, delivery->error_code, "");
        if (rest_read_answer(buf_span(&delivery->answer.body), &webhook, NULL) == 0)
            rest_fail(call, delivery->error_code, webhook.error_info);
    } else if (delivery->over_limit && options->frequency_error) {
        rest_fail(call, call->service == REST_LIVE ? 100602 : 10023, "too many messages in the room, try again later");
    }
    if (call->code == 0)
        message_result(call, delivery->msg_time_s, delivery->msg_seq, delivery->over_limit ? "MsgFreqCtrl" : "");
}

/* What all REST messages have in common. */
static struct outgoing message_new(const struct rest_call *call)
{
    return (struct outgoing){
        .operator_account = span_of(call->options->admin),
        .client_ip = call->request->remote_address,
        .opt_platform = "RESTAPI",
        .live_only = call->service == REST_LIVE,
        .over_limit = call->over_limit,
        .after_later = true,
    };
}

/* The Live engine's messages --------------------------------------------------------------------------------------- */

/* Sends a message of one element. */
static void send_element(struct rest_call *call, struct outgoing *message, const struct buf *msg_body,
                         const struct buf *custom_data)
{
    struct delivery delivery;

    if (buf_failed(msg_body) || buf_failed(custom_data)) {
        rest_internal(call);
        return;
    }
    message->msg_body = buf_span(msg_body);
    message->cloud_custom_data = buf_span(custom_data);
    platform_send(call->platform, message, &delivery);
    message_answer(call, &delivery);
    delivery_release(&delivery);
}

void rest_send_text_msg(struct rest_call *call)
{
    struct buf msg_body = BUF_INIT, custom_data = BUF_INIT;
    struct outgoing message = message_new(call);
    struct span text, extension;
    struct gate_fault fault;

    if (!rest_room_id(call, call->root, &message.room_id) ||
        !rest_account(call, call->root, "Sender_Account", REST_NEEDED, &message.from_account) ||
        !rest_text(call, call->root, "TextContent", REST_NEEDED, SIZE_MAX, &text) ||
        !rest_text(call, call->root, "ExtensionInfo", REST_OPTIONAL, SIZE_MAX, &extension))
        return;
    if (extension.data && !gate_check(extension, GATE_WIRE, &fault)) {
        rest_invalid(call, "ExtensionInfo is not JSON text: byte %zu: %s", fault.offset, fault.what);
        return;
    }
    message.content_bytes = text.len + extension.len;
    buf_add_text(&msg_body, "[{\"MsgContent\":{\"Text\":");
    json_add_string(&msg_body, text);
    buf_add_text(&msg_body, "},\"MsgType\":\"TIMTextElem\"}]");
    if (extension.data)
        json_add_string(&custom_data, extension);
    send_element(call, &message, &msg_body, &custom_data);
    buf_release(&msg_body);
    buf_release(&custom_data);
}

/* "Data" of the request, a string or, as an older page has it, an integer: its JSON, as sent. */
static bool custom_data_read(struct rest_call *call, struct span *out)
{
    const enum json_kind kind = json_member(call->root, "Data").kind;

    if ((kind != JSON_STRING && kind != JSON_INTEGER) || !gate_member(call->body, "Data", out))
        return rest_invalid(call, "Data is neither a string nor an integer");
    return true;
}

void rest_send_custom_msg(struct rest_call *call)
{
    struct buf text = BUF_INIT, msg_body = BUF_INIT, none = BUF_INIT;
    struct outgoing message = message_new(call);
    struct span business_id, data;

    if (!rest_room_id(call, call->root, &message.room_id) ||
        !rest_account(call, call->root, "Sender_Account", REST_OPTIONAL, &message.from_account) ||
        !rest_text(call, call->root, "BusinessId", REST_NEEDED, SIZE_MAX, &business_id) ||
        !custom_data_read(call, &data))
        return;
    if (!message.from_account.data)
        message.from_account = span_of(call->options->admin);
    buf_add_char(&text, '{');
    json_add_member_span(&text, "BusinessId", business_id);
    json_add_key(&text, "Data");
    buf_add_span(&text, data);
    buf_add_char(&text, '}');
    buf_add_text(&msg_body, "[{\"MsgContent\":{\"Data\":");
    json_add_string(&msg_body, buf_span(&text));
    buf_add_text(&msg_body, "},\"MsgType\":\"TIMCustomElem\"}]");
    message.content_bytes = text.len;
    if (buf_failed(&text))
        rest_internal(call);
    else
        send_element(call, &message, &msg_body, &none);
    buf_release(&text);
    buf_release(&msg_body);
}

/* send_group_msg --------------------------------------------------------------------------------------------------- */

/* The JSON of MsgBody and CloudCustomData, exactly as the caller wrote it. */
static bool group_content_read(struct rest_call *call, struct outgoing *message)
{
    const enum json_kind custom = json_member(call->root, "CloudCustomData").kind;
    const char *fault;

    if (!gate_member(call->body, "MsgBody", &message->msg_body))
        return rest_invalid(call, "MsgBody is missing");
    if ((fault = msg_body_fault(message->msg_body)) != NULL)
        return rest_invalid(call, "%s", fault);
    if (custom != JSON_ABSENT && custom != JSON_NULL && custom != JSON_STRING)
        return rest_invalid(call, "CloudCustomData is not a string");
    if (custom == JSON_STRING)
        gate_member(call->body, "CloudCustomData", &message->cloud_custom_data);
    message->content_bytes = message->msg_body.len + message->cloud_custom_data.len;
    return true;
}

static bool group_control_read(struct rest_call *call, struct outgoing *message)
{
    const struct rest_word forbid[] = {{"ForbidBeforeSendMsgCallback", &message->no_before},
                                       {"ForbidAfterSendMsgCallback", &message->no_after}};
    const struct rest_word control[] = {{"NoMsgCheck", &message->unmoderated},
                                        {"NoUnread", NULL},
                                        {"NoLastMsg", NULL},
                                        {"WithMuteNotifications", NULL}};
    static const struct rest_word priority[] = {{"High", NULL}, {"Normal", NULL}, {"Low", NULL}, {"Lowest", NULL}};
    const struct json_value named = json_member(call->root, "MsgPriority");
    int64_t online_only;
    bool known = named.kind == JSON_ABSENT;

    if (!rest_words(call, "ForbidCallbackControl", forbid, sizeof(forbid) / sizeof(forbid[0])) ||
        !rest_words(call, "SendMsgControl", control, sizeof(control) / sizeof(control[0])) ||
        !rest_number(call, call->root, "OnlineOnlyFlag", REST_OPTIONAL, 0, 1, &online_only))
        return false;
    for (size_t i = 0; i < sizeof(priority) / sizeof(priority[0]); i++)
        known = known || span_is(json_string(named), priority[i].word);
    return known || rest_invalid(call, "MsgPriority is none of the documented ones");
}

static bool group_message_read(struct rest_call *call, struct outgoing *message)
{
    int64_t random = 0;

    if (!rest_account(call, call->root, "From_Account", REST_OPTIONAL, &message->from_account) ||
        !rest_number(call, call->root, "Random", REST_NEEDED, 0, UINT32_MAX, &random) ||
        !group_content_read(call, message) || !group_control_read(call, message))
        return false;
    if (!message->from_account.data)
        message->from_account = span_of(call->options->admin);
    message->random_given = true;
    message->random = (uint32_t)random;
    return rest_room(call, &message->room_id);
}

void rest_send_group_msg(struct rest_call *call)
{
    struct outgoing message = message_new(call);
    struct dedupe_entry earlier;
    struct delivery delivery;

    if (!group_message_read(call, &message))
        return;
    switch (rooms_random_claim(call->rooms, message.room_id, message.random, clock_mono_us(), &earlier)) {
    case ROOM_OK:
        break;
    case ROOM_THERE: /* discarded; the caller sees what became of the first */
        if (call->options->duplicate_zero)
            message_result(call, clock_wall_us() / 1000000, 0, "");
        else
            message_result(call, earlier.msg_time_s ? earlier.msg_time_s : clock_wall_us() / 1000000, earlier.msg_seq,
                           "");
        return;
    case ROOM_MISSING:
        rest_no_room(call);
        return;
    case ROOM_TOO_MANY:
    case ROOM_INVALID:
        rest_internal(call);
        return;
    }
    platform_send(call->platform, &message, &delivery);
    message_answer(call, &delivery);
    if (delivery.result == SEND_OK && !delivery.over_limit)
        rooms_random_settle(call->rooms, message.room_id, message.random, delivery.msg_seq, delivery.msg_time_s);
    else
        rooms_random_give_back(call->rooms, message.room_id, message.random);
    delivery_release(&delivery);
}

/* group_msg_recall ------------------------------------------------------------------------------------------------- */

static const int recall_codes[RECALL_RESULTS] = {
    [RECALL_OK] = 0,        [RECALL_UNKNOWN] = 10030,     [RECALL_TOO_LATE] = 10031,
    [RECALL_AGAIN] = 10032, [RECALL_NOT_ALLOWED] = 10033, [RECALL_NOT_HERE] = 10033,
};

static bool seqs_read(struct rest_call *call, struct recall *recall)
{
    const struct json_value list = json_member(call->root, "MsgSeqList");

    recall->count = json_count(list);
    if (recall->count == 0 || recall->count > PLATFORM_RECALL_MAX)
        return rest_invalid(call, "MsgSeqList is not an array of 1 to %d messages", PLATFORM_RECALL_MAX);
    for (size_t i = 0; i < recall->count; i++) {
        int64_t seq = 0;
        if (!rest_number(call, json_item(list, i), "MsgSeq", REST_NEEDED, 0, UINT32_MAX, &seq))
            return false;
        recall->seqs[i] = (uint32_t)seq;
    }
    return true;
}

void rest_group_msg_recall(struct rest_call *call)
{
    struct recall recall = {
        .operator_account = span_of(call->options->admin),
        .after_later = true,
        .client_ip = call->request->remote_address,
        .opt_platform = "RESTAPI",
    };
    enum recall_result results[PLATFORM_RECALL_MAX];
    struct fired fired;
    struct span reason;

    if (!seqs_read(call, &recall) || !rest_text(call, call->root, "Reason", REST_OPTIONAL, SIZE_MAX, &reason) ||
        !rest_room(call, &recall.room_id))
        return;
    if (!platform_recall(call->platform, &recall, results, &fired)) {
        rest_no_room(call); /* dissolved since */
        return;
    }
    json_add_key(&call->result, "RecallRetList");
    buf_add_char(&call->result, '[');
    for (size_t i = 0; i < recall.count; i++) {
        if (i > 0)
            buf_add_char(&call->result, ',');
        buf_add_char(&call->result, '{');
        json_add_member_u64(&call->result, "MsgSeq", recall.seqs[i]);
        json_add_member_i64(&call->result, "RetCode", recall_codes[results[i]]);
        buf_add_char(&call->result, '}');
    }
    buf_add_char(&call->result, ']');
}
