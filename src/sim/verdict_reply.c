#include "sim/verdict_reply.h"

#include "wire/gate.h"
#include "wire/reply.h"

const char *verdict_form_name(enum verdict_form form)
{
    static const char *const names[VERDICT_FORMS] = {"none", "allow", "reject", "discard", "code", "rewrite", "failed"};

    return names[form];
}

static bool starts_with(struct span json, char c)
{
    return json.len > 0 && json.data[0] == c;
}

const char *msg_body_fault(struct span json)
{
    struct span element, type, content;
    size_t cursor = 0, count = 0, custom = 0;

    if (!starts_with(json, '['))
        return "MsgBody is not an array";
    for (; gate_next(json, &cursor, &element); count++) {
        if (!starts_with(element, '{'))
            return "an element of MsgBody is not an object";
        if (!gate_member(element, "MsgType", &type) || !starts_with(type, '"'))
            return "an element of MsgBody has no MsgType";
        if (!gate_member(element, "MsgContent", &content) || !starts_with(content, '{'))
            return "an element of MsgBody has no MsgContent";
        custom += span_is(type, "\"TIMCustomElem\"");
    }
    if (count == 0)
        return "MsgBody is empty";
    return custom > 1 ? "MsgBody has more than one TIMCustomElem" : NULL;
}

/* Reads what decides; NULL or the fault. */
static const char *read_members(struct span body, struct verdict_reply *out)
{
    struct gate_fault gate;
    struct span value;
    unsigned long long code;

    if (!gate_check(body, GATE_WIRE, &gate))
        return "the answer is not JSON";
    if (!gate_member(body, "ActionStatus", &value) || !span_is(value, "\"OK\""))
        return "ActionStatus is not OK";
    if (!gate_member(body, "ErrorCode", &value) || !span_to_u64(value, &code) || code > REPLY_CODE_MAX)
        return "ErrorCode is none of the documented ones";
    out->error_code = (int64_t)code;
    if (gate_member(body, "ErrorInfo", &out->error_info) && !starts_with(out->error_info, '"'))
        return "ErrorInfo is not a string";
    if (gate_member(body, "CloudCustomData", &out->cloud_custom_data) && !starts_with(out->cloud_custom_data, '"'))
        return "CloudCustomData is not a string";
    if (gate_member(body, "MsgBody", &out->msg_body))
        return msg_body_fault(out->msg_body);
    return NULL;
}

void verdict_reply_read(struct span body, size_t old_body_bytes, struct verdict_reply *out)
{
    bool rewrites;

    *out = (struct verdict_reply){.form = VERDICT_FAILED};
    out->fault = read_members(body, out);
    if (out->fault)
        return;
    rewrites = out->msg_body.data || out->cloud_custom_data.data;
    if (out->error_code == REPLY_ALLOW) {
        if (out->msg_body.len > REPLY_MAX_MESSAGE && out->msg_body.len > old_body_bytes)
            out->fault = "MsgBody is longer than 12 KB";
        else
            out->form = rewrites ? VERDICT_REWRITE : VERDICT_ALLOW;
    } else if (rewrites) {
        out->fault = "MsgBody or CloudCustomData beside an ErrorCode";
    } else if (out->error_code == REPLY_REJECT) {
        out->form = VERDICT_REJECT;
    } else if (out->error_code == REPLY_DISCARD) {
        out->form = VERDICT_DISCARD;
    } else if (out->error_code >= REPLY_CODE_MIN) {
        out->form = VERDICT_CODE;
    } else {
        out->fault = "ErrorCode is none of the documented ones";
    }
}
