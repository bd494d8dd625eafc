#include "sim/webhook_form.h"

#include "base/json_write.h"
#include "wire/signature.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum member {
    MEMBER_COMMAND,
    MEMBER_CUSTOM_DATA,
    MEMBER_EVENT_TIME,
    MEMBER_FROM,
    MEMBER_GROUP,
    MEMBER_BODY,
    MEMBER_ID,
    MEMBER_SEQ,
    MEMBER_SEQ_LIST,
    MEMBER_TIME,
    MEMBER_OPERATOR,
    MEMBER_RANDOM,
    MEMBER_TYPE,
    MEMBER_COUNT
};

static const enum member alphabetical[MEMBER_COUNT] = {
    MEMBER_COMMAND, MEMBER_CUSTOM_DATA, MEMBER_EVENT_TIME, MEMBER_FROM,     MEMBER_GROUP,  MEMBER_BODY, MEMBER_ID,
    MEMBER_SEQ,     MEMBER_SEQ_LIST,    MEMBER_TIME,       MEMBER_OPERATOR, MEMBER_RANDOM, MEMBER_TYPE};

static const enum member documented[MEMBER_COUNT] = {
    MEMBER_COMMAND, MEMBER_GROUP,    MEMBER_TYPE, MEMBER_FROM, MEMBER_OPERATOR,    MEMBER_RANDOM,    MEMBER_SEQ,
    MEMBER_TIME,    MEMBER_SEQ_LIST, MEMBER_ID,   MEMBER_BODY, MEMBER_CUSTOM_DATA, MEMBER_EVENT_TIME};

static const struct {
    const char *word;
    unsigned members; /* bit 1 << member: the webhook has it */
} forms[] = {
#define BIT(member) (1u << (member))
#define ALL         (BIT(MEMBER_COUNT) - 1)
    [COMMAND_BEFORE] = {"Group.CallbackBeforeSendMsg",
                        ALL & ~BIT(MEMBER_SEQ) & ~BIT(MEMBER_TIME) & ~BIT(MEMBER_SEQ_LIST)},
    [COMMAND_AFTER] = {"Group.CallbackAfterSendMsg", ALL & ~BIT(MEMBER_SEQ_LIST)},
    [COMMAND_RECALL] = {"Group.CallbackAfterRecallMsg", BIT(MEMBER_COMMAND) | BIT(MEMBER_EVENT_TIME) |
                                                            BIT(MEMBER_GROUP) | BIT(MEMBER_SEQ_LIST) |
                                                            BIT(MEMBER_OPERATOR) | BIT(MEMBER_TYPE)},
#undef BIT
#undef ALL
};

const char *webhook_command_word(enum command command)
{
    assert(command == COMMAND_BEFORE || command == COMMAND_AFTER || command == COMMAND_RECALL);
    return forms[command].word;
}

static void query_add(struct buf *out, const char *name, const char *value)
{
    buf_add_text(out, name);
    buf_add_text(out, value);
}

void webhook_query(struct buf *out, const struct webhook_style *style, enum command command,
                   const struct group_message *message, const char *request_id, int64_t now_s)
{
    buf_add_text(out, "SdkAppid=");
    buf_add_u64(out, style->sdkappid);
    query_add(out, "&CallbackCommand=", webhook_command_word(command));
    query_add(out, "&contenttype=", "json");
    query_add(out, "&ClientIP=", message->client_ip);
    if (!(style->left_out & WEBHOOK_OPT_PLATFORM))
        query_add(out, "&OptPlatform=", message->opt_platform);
    if (request_id)
        query_add(out, "&RequestID=", request_id);
    if (style->token) {
        char time[24], sign[SIGNATURE_HEX + 1];
        snprintf(time, sizeof(time), "%" PRId64, now_s);
        signature_make(style->token, span_of(time), sign);
        query_add(out, "&Sign=", sign);
        query_add(out, "&RequestTime=", time);
    }
}

static void json_add_raw(struct buf *out, const char *key, struct span json)
{
    json_add_key(out, key);
    buf_add_span(out, json);
}

static void event_time_add(struct buf *out, const struct webhook_style *style, int64_t ms)
{
    json_add_key(out, "EventTime");
    if (style->string_event_time)
        buf_add_char(out, '"');
    buf_add_i64(out, ms);
    if (style->string_event_time)
        buf_add_char(out, '"');
}

static void seq_list_add(struct buf *out, const struct group_message *m)
{
    json_add_key(out, "MsgSeqList");
    buf_add_char(out, '[');
    for (size_t i = 0; i < m->recalled_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add_char(out, '{');
        json_add_member_u64(out, "MsgSeq", m->recalled[i]);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void member_add(struct buf *out, const struct webhook_style *style, enum command command, enum member member,
                       const struct group_message *m)
{
    switch (member) {
    case MEMBER_COMMAND:
        json_add_member_text(out, "CallbackCommand", webhook_command_word(command));
        break;
    case MEMBER_CUSTOM_DATA:
        if (m->cloud_custom_data.data)
            json_add_raw(out, "CloudCustomData", m->cloud_custom_data);
        break;
    case MEMBER_EVENT_TIME:
        if (!(style->left_out & WEBHOOK_EVENT_TIME))
            event_time_add(out, style, m->event_time_ms);
        break;
    case MEMBER_FROM:
        json_add_member_span(out, "From_Account", m->from_account);
        break;
    case MEMBER_GROUP:
        json_add_member_span(out, "GroupId", m->group_id);
        break;
    case MEMBER_BODY:
        json_add_raw(out, "MsgBody", m->msg_body);
        break;
    case MEMBER_ID:
        if (!(style->left_out & WEBHOOK_MSG_ID))
            json_add_member_span(out, "MsgId", m->msg_id);
        break;
    case MEMBER_SEQ:
        json_add_member_u64(out, "MsgSeq", m->msg_seq);
        break;
    case MEMBER_SEQ_LIST:
        seq_list_add(out, m);
        break;
    case MEMBER_TIME:
        json_add_member_i64(out, "MsgTime", m->msg_time_s);
        break;
    case MEMBER_OPERATOR:
        if (!(style->left_out & WEBHOOK_OPERATOR))
            json_add_member_span(out, "Operator_Account", m->operator_account);
        break;
    case MEMBER_RANDOM:
        json_add_member_u64(out, "Random", m->random);
        break;
    case MEMBER_TYPE:
        json_add_member_span(out, "Type", m->type);
        break;
    case MEMBER_COUNT:
        break;
    }
}

void webhook_body(struct buf *out, const struct webhook_style *style, enum command command,
                  const struct group_message *message)
{
    const enum member *order = style->documented_key_order ? documented : alphabetical;

    buf_add_char(out, '{');
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        if (forms[command].members & 1u << order[i])
            member_add(out, style, command, order[i], message);
    }
    buf_add_char(out, '}');
}
