/* callback.h - the bytes of a webhook body -> struct message.
 *
 * A parser belongs to one thread; it keeps its JSON reader and buffers between calls. */
#ifndef CHATSLUICE_WIRE_CALLBACK_H
#define CHATSLUICE_WIRE_CALLBACK_H

#include "base/err.h"
#include "wire/message.h"

struct callback_parser;

struct callback_parser *callback_parser_new(void); /* NULL: no memory */
void callback_parser_free(struct callback_parser *p);

/* Runs the gate, then json-c, then reads the message. ERR_INVALID with "body: byte N: what" when the gate refuses it,
 * with "body: member is not what" when its shape is wrong: not an object, CallbackCommand missing or no string, a known
 * member of a wrong kind. Ids may be numbers (their digits are taken as written) and integers may be strings of
 * digits (`protocol.md` section 10); texts are strings and nothing else. For COMMAND_OTHER only CallbackCommand,
 * EventTime, GroupId and the account members are read, and kinds are not enforced (a wrong one counts as missing): such
 * a body is stored raw. *out is borrowed from p until its next call, and changed on success only. */
int callback_parse(struct callback_parser *p, struct span body, struct message *out, struct err *err);

#endif
