/* control_api.h - chatsim's own paths under /sim/: the clients of the platform, who send without REST, and the hand of
 * a test that arranges rooms and looks at them.
 *
 *   POST   /sim/rooms/<id>/messages       a client sends; the answer says what the sender saw and what became of it
 *   GET    /sim/rooms/<id>/messages       what the room saw; ?after=<MsgSeq>&limit=<n>
 *   POST   /sim/rooms/<id>/recalls        a client recalls a message, its own or as the room's owner
 *   PUT    /sim/rooms/<id>                makes a room; body empty or {"Type":"Live"}
 *   DELETE /sim/rooms/<id>                dissolves it
 *   PUT    /sim/rooms/<id>/muted/<user>   for ever; DELETE ends it
 *   GET    /sim/stats                     counts; "rest" is call_log.h's, "faults" how often each kind hit
 *   DELETE /sim/stats                     "rest" and "faults" begin anew; the other counts are since the start
 *   GET    /sim/faults                    what is set, and how often each was tried and hit
 *   PUT    /sim/faults                    {"faults":["send_text_msg:code=100001:0.1",..]} in place of what was set; the
 *                                         words are those of fault_spec.h
 *   DELETE /sim/faults                    no faults any more
 *
 * A message is {"From_Account":"u","MsgBody":[..]} and, when wanted, CloudCustomData, Operator_Account, OptPlatform and
 * ClientIP; a recall is {"From_Account":"u","MsgSeq":5} with the last two. A client's message is measured, against 12
 * KB, as MsgBody and CloudCustomData were sent. What a client is told about a recall are the codes of
 * group_msg_recall's RetCode, and 10007 for a message of somebody else.
 * Here HTTP status says whether the request made sense. Threads: any. */
#ifndef CHATSLUICE_SIM_CONTROL_API_H
#define CHATSLUICE_SIM_CONTROL_API_H

#include "base/http_server.h"
#include "sim/call_log.h"
#include "sim/fault_plan.h"
#include "sim/platform.h"

struct control_api {
    struct platform *platform;
    struct rooms *rooms;
    struct fault_plan *faults;
    struct call_log *calls;
    bool strict_rooms; /* a client's message does not create the room it names */
};

void control_api_handle(const struct control_api *api, const struct http_request *request, struct span body,
                        struct http_reply *reply);

#endif
