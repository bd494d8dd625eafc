/* rest_api.h - the platform's REST API under /v4/ (`protocol.md` sections 8 and 9): checks of the query and of the
 * UserSig, the commands, and the envelope with its codes. HTTP status is always 200; the outcome is in the body.
 *
 * Undocumented choices: the query is checked before the body and in the order sdkappid, identifier, usersig, random,
 * contenttype; a call too many is told 60007 (60011 would be the limit of the whole application); random or contenttype
 * of a wrong form is 60002; a Sender_Account that is no string 60015; a refusal by the Before webhook 10016, as for
 * Chat's send_group_msg; length is that of TextContent and ExtensionInfo together.
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
    bool frequency_error;      /* a message over the room's limit is answered 100602, not success with MsgDropReason */
    struct fault_plan *faults; /* borrowed as well, as the next; NULL: none */
    struct call_log *calls;    /* NULL: not kept */
};

struct rest_api *rest_api_new(const struct rest_api_options *options, struct platform *platform); /* NULL: no memory */
void rest_api_free(struct rest_api *api);                                                         /* NULL is fine */

/* strings is scratch memory of the calling thread. */
void rest_api_handle(struct rest_api *api, const struct http_request *request, struct span body, struct buf *strings,
                     struct http_reply *reply);

/* The path of a command; NULL past the last one. */
const char *rest_api_command(size_t index);

#endif
