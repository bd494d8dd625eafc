/* webhook_form.h - what the platform's group message webhooks look like on the wire: the query of `protocol.md` section
 * 1 with the signature of section 2, and the bodies of sections 3 and 4 and, for a recall, 5. Used to fire webhooks and
 * to make load. */
#ifndef CHATSLUICE_SIM_WEBHOOK_FORM_H
#define CHATSLUICE_SIM_WEBHOOK_FORM_H

#include "base/buf.h"
#include "wire/message.h"

/* What the platform is known, or must be expected, to leave out at times; bits. */
enum webhook_part {
    WEBHOOK_MSG_ID = 1,
    WEBHOOK_EVENT_TIME = 2,
    WEBHOOK_OPERATOR = 4,
    WEBHOOK_OPT_PLATFORM = 8, /* of the query */
};

/* The variations seen in documents and captures. */
struct webhook_style {
    uint64_t sdkappid;
    const char *token;         /* NULL: neither Sign nor RequestTime */
    bool string_event_time;    /* "EventTime":"1764000000123", as the English pages print it */
    bool documented_key_order; /* members as the documents list them; otherwise alphabetical, as captured */
    unsigned left_out;         /* bits of enum webhook_part */
};

/* A group message on its way. For COMMAND_RECALL: those recalled, and of the rest only what that webhook has. */
struct group_message {
    struct span group_id, type, from_account, operator_account, msg_id;
    struct span msg_body;          /* JSON, copied verbatim */
    struct span cloud_custom_data; /* JSON, copied verbatim; data NULL: missing */
    uint32_t random;
    int64_t event_time_ms;
    uint32_t msg_seq; /* these two in After webhooks only */
    int64_t msg_time_s;
    const uint32_t *recalled; /* numbers, COMMAND_RECALL only */
    size_t recalled_count;
    const char *client_ip, *opt_platform; /* in the query; letters, digits, '.', ':', '-' and '_' only */
};

/* command is COMMAND_BEFORE, COMMAND_AFTER or COMMAND_RECALL, here and below. */
const char *webhook_command_word(enum command command);

/* Adds the query without '?'. request_id: NULL or the value of RequestID. */
void webhook_query(struct buf *out, const struct webhook_style *style, enum command command,
                   const struct group_message *message, const char *request_id, int64_t now_s);
void webhook_body(struct buf *out, const struct webhook_style *style, enum command command,
                  const struct group_message *message);

#endif
