/* Any bytes as our answer to a Before webhook, read as the platform reads it; and as the words of an answer we write,
 * which the platform must understand as what we meant. The first byte chooses the code. */
#include "fuzz.h"

#include "sim/verdict_reply.h"
#include "wire/reply.h"

static void check_read(struct span body)
{
    struct verdict_reply reply;
    struct gate_fault fault;

    verdict_reply_read(body, 100, &reply);
    MUST((reply.form == VERDICT_FAILED) == (reply.fault != NULL));
    MUST(reply.form != VERDICT_NONE && reply.form < VERDICT_FORMS && verdict_form_name(reply.form));
    if (reply.form == VERDICT_FAILED)
        return;
    MUST(gate_check(body, GATE_WIRE, &fault));
    MUST((reply.form == VERDICT_REWRITE) == (reply.msg_body.data || reply.cloud_custom_data.data));
    MUST(!reply.msg_body.data || gate_check(reply.msg_body, GATE_WIRE, &fault));
    MUST(!reply.cloud_custom_data.data || gate_check(reply.cloud_custom_data, GATE_WIRE, &fault));
    MUST(reply.msg_body.len <= REPLY_MAX_MESSAGE);
}

static void check_written(unsigned choice, struct span info)
{
    static const struct {
        int code;
        enum verdict_form form;
    } codes[] = {{REPLY_ALLOW, VERDICT_ALLOW},
                 {REPLY_REJECT, VERDICT_REJECT},
                 {REPLY_DISCARD, VERDICT_DISCARD},
                 {REPLY_CODE_MIN, VERDICT_CODE},
                 {REPLY_CODE_MAX, VERDICT_CODE}};
    size_t n = choice % (sizeof(codes) / sizeof(codes[0]));
    struct buf out = BUF_INIT, said = BUF_INIT;
    struct verdict_reply reply;

    reply_verdict(&out, codes[n].code, info);
    verdict_reply_read(buf_span(&out), 0, &reply);
    MUST(reply.form == codes[n].form && reply.error_code == codes[n].code);
    MUST(gate_string(reply.error_info, &said) && said.len <= REPLY_MAX_ERROR_INFO && is_utf8(buf_span(&said)));
    for (size_t i = 0; i < said.len; i++)
        MUST((unsigned char)said.data[i] >= ' ');
    buf_release(&out);
    buf_release(&said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    check_read((struct span){(const char *)data + 1, size - 1});
    check_written(data[0], (struct span){(const char *)data + 1, size - 1});
    return 0;
}
