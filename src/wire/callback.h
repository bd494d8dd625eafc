/* callback.h - the bytes of a webhook body -> struct message. The one file over json-c.
 *
 * A parser belongs to one thread; it keeps its tokener and buffers between calls. */
#ifndef CHATSLUICE_WIRE_CALLBACK_H
#define CHATSLUICE_WIRE_CALLBACK_H

#include "base/err.h"
#include "wire/message.h"

struct callback_parser;

struct callback_parser *callback_parser_new(void); /* NULL: no memory */
void callback_parser_free(struct callback_parser *p);

/* Runs the gate, then json-c, then reads the message. ERR_INVALID with "body: byte N: what" when the gate or the shape
 * refuses it: not an object, CallbackCommand missing or no string, a known member of a wrong kind (numbers may come as
 * strings and the reverse, `protocol.md` section 10). For COMMAND_OTHER only CallbackCommand, EventTime, GroupId and
 * the account members are read, and kinds are not enforced: such a body is stored raw. *out is borrowed from p until
 * its next call. */
int callback_parse(struct callback_parser *p, struct span body, struct message *out, struct err *err);

#endif
