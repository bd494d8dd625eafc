#include "sim/rest_fault.h"

struct rest_fault rest_fault_begin(struct fault_plan *plan, struct call_log *log, struct span path)
{
    const size_t command = fault_command_of(path);

    call_log_arrived(log, command);
    return (struct rest_fault){plan, log, command, fault_plan_rest(plan, command)};
}

bool rest_fault_carries_out(const struct rest_fault *fault)
{
    const enum fault_kind spoils = fault->faults.spoils;

    return spoils != FAULT_CODE && spoils != FAULT_HTTP && spoils != FAULT_RESET;
}

int64_t rest_fault_code(const struct rest_fault *fault)
{
    const enum fault_kind spoils = fault->faults.spoils;

    return spoils == FAULT_CODE || spoils == FAULT_PROCESSED_CODE ? fault->faults.value : 0;
}

/* What a proxy in front of the platform would say. */
static void answer_as_proxy(struct http_reply *reply, int status)
{
    reply->status = status;
    reply->content_type = "text/html";
    buf_reset(reply->body);
    buf_add_text(reply->body, "<html><head><title>");
    buf_add_i64(reply->body, status);
    buf_add_text(reply->body, "</title></head><body>chatsim was told to break this call</body></html>\r\n");
}

/* The answer stays whole JSON; it is only too long to be read. */
static void lengthen(struct buf *body, int64_t bytes)
{
    const size_t missing = (uint64_t)bytes > body->len ? (size_t)bytes - body->len : 0;
    char *blanks = buf_reserve(body, missing);

    if (blanks) {
        memset(blanks, ' ', missing);
        buf_commit(body, missing);
    }
}

/* False: a caller can still read the code. */
static bool spoil(const struct rest_faults *faults, struct http_reply *reply)
{
    switch (faults->spoils) {
    case FAULT_HTTP:
    case FAULT_PROCESSED_HTTP:
        answer_as_proxy(reply, (int)faults->value);
        return true;
    case FAULT_RESET:
    case FAULT_PROCESSED_RESET:
        reply->abort = true;
        return true;
    case FAULT_GARBAGE:
        buf_reset(reply->body);
        buf_add_text(reply->body, "{\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ActionStatus\":OK}}\x01\xff");
        return true;
    case FAULT_TRUNCATED:
        reply->cut_short = reply->body->len - reply->body->len / 2;
        return true;
    case FAULT_OVERSIZED:
        lengthen(reply->body, faults->value);
        return true;
    case FAULT_CODE:
    case FAULT_PROCESSED_CODE:
    case FAULT_REST_DELAY:
    case FAULT_FREQUENCY:
    case FAULT_LOST:
    case FAULT_WEBHOOK_DELAY:
    case FAULT_REORDER:
    case FAULT_SLOW:
    case FAULT_MISSING:
    case FAULT_STRING_EVENT_TIME:
    case FAULT_DUPLICATE:
    case FAULT_KINDS:
        break;
    }
    return false;
}

void rest_fault_end(const struct rest_fault *fault, int64_t code, struct http_reply *reply)
{
    if (spoil(&fault->faults, reply))
        call_log_spoiled(fault->log, fault->command);
    else
        call_log_answered(fault->log, fault->command, code);
    fault_plan_sleep(fault->plan, fault->faults.delay_ms);
}
