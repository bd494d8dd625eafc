/* rest_fault.h - what is put around one call of the REST API: it is counted as it arrives, its faults are decided,
 * and after the answer has been written that is spoiled as they want it. Threads: any. */
#ifndef CHATSLUICE_SIM_REST_FAULT_H
#define CHATSLUICE_SIM_REST_FAULT_H

#include "base/http_server.h"
#include "sim/call_log.h"
#include "sim/fault_plan.h"

struct rest_fault {
    struct fault_plan *plan;
    struct call_log *log;
    size_t command;
    struct rest_faults faults;
};

/* First thing of a call. plan and log may be NULL. */
struct rest_fault rest_fault_begin(struct fault_plan *plan, struct call_log *log, struct span path);

/* False: the command must not be carried out. */
bool rest_fault_carries_out(const struct rest_fault *fault);
/* The code the call is to be answered with instead of its own; 0: there is none. */
int64_t rest_fault_code(const struct rest_fault *fault);

/* Last thing: code is what the answer in reply says. May sleep. */
void rest_fault_end(const struct rest_fault *fault, int64_t code, struct http_reply *reply);

#endif
