/* elements.h - MsgBody -> element types and the text a moderator must see (`protocol.md` section 7). Private to wire;
 * what the pieces mean and how they stand together is told in message.h. */
#ifndef CHATSLUICE_WIRE_ELEMENTS_H
#define CHATSLUICE_WIRE_ELEMENTS_H

#include "wire/json_read.h"
#include "wire/message.h"

struct elements {
    struct buf text;
    struct buf pieces; /* of struct text_piece */
    struct buf types;  /* of enum element_type */
};

void elements_release(struct elements *e);

/* Reads an array of elements; e's memory is used again. ERR_INVALID names the member that is of a wrong kind. */
int elements_read(struct elements *e, struct json_value msg_body, struct err *err);

/* The member of MsgContent a piece was read from, e.g. "Text"; NULL when it cannot be rewritten in place. */
const char *elements_rewritable_key(enum text_source source);

#endif
