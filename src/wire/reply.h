/* reply.h - the answers of `protocol.md` section 3 as bytes. */
#ifndef CHATSLUICE_WIRE_REPLY_H
#define CHATSLUICE_WIRE_REPLY_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/message.h"

enum {
    REPLY_ALLOW = 0,
    REPLY_REJECT = 1,
    REPLY_DISCARD = 2,
    REPLY_CODE_MIN = 10100,
    REPLY_CODE_MAX = 10200,
    REPLY_MAX_ERROR_INFO = 256,
    REPLY_MAX_MESSAGE = 12 * 1024
};

/* The new text of one piece of message.text. */
struct text_rewrite {
    size_t piece; /* index in message.pieces; its source is not TEXT_RELAY_ABSTRACT or TEXT_RELAY_NESTED */
    struct span text;
};

/* {"ActionStatus":"OK","ErrorCode":code,"ErrorInfo":"..."}. code is 0, 1, 2 or 10100..10200; info is cut to 256 bytes
 * of valid UTF-8 without control characters. */
void reply_verdict(struct buf *out, int code, struct span info);

/* Allow, with MsgBody (when there are rewrites) and CloudCustomData (when not NULL) replaced. MsgBody is copied byte
 * for byte from body, except the strings of the rewritten pieces. body must have passed callback_parse() as *message;
 * rewrites come in ascending order of their pieces, each piece once. *out is as before the call unless 0 is returned:
 * ERR_FULL when the new MsgBody is longer than REPLY_MAX_MESSAGE and the old one was not; ERR_INVALID when a piece
 * cannot be rewritten, or when the body has a key twice (the copy that does not count would be delivered along): the
 * caller then rejects instead. */
int reply_rewrite(struct buf *out, struct span body, const struct message *message, const struct text_rewrite *rewrites,
                  size_t count, const struct span *cloud_custom_data, struct err *err);

#endif
