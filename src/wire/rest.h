/* rest.h - requests and answers of the Live REST API (`protocol.md` sections 8 and 9): send_text_msg and its envelope.
 * The service writes requests and reads answers, chatsim writes answers. */
#ifndef CHATSLUICE_WIRE_REST_H
#define CHATSLUICE_WIRE_REST_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/message.h"

/* v4/live_engine_http_srv/send_text_msg */
struct send_text_msg {
    struct span room_id, sender_account, text_content;
    struct optional_text extension_info; /* must itself be JSON text */
};

void rest_write_send_text_msg(struct buf *out, const struct send_text_msg *request);

/* Answers: Live results sit under "Response", Chat results at top level; both are read. */
struct rest_answer {
    int64_t error_code;
    char action_status[8];
    char error_info[512];
    char request_id[96];
    int64_t msg_time_s, msg_seq; /* 0 when absent */
    char msg_drop_reason[32];    /* "" : delivered */
};

/* ERR_INVALID when it is not an object with ErrorCode, or a member is of a wrong kind. Texts are cut to their size. */
int rest_read_answer(struct span body, struct rest_answer *out, struct err *err);

/* The Live form. response_members is the inside of the object under "Response", e.g. "\"MsgTime\":1,\"MsgSeq\":2";
 * when it is empty there is no "Response". */
void rest_write_answer(struct buf *out, int64_t error_code, const char *error_info, const char *request_id,
                       struct span response_members);

#endif
