/* A webhook body on its whole way: parsed, judged, answered. The answer is JSON, whatever came. The first byte chooses
 * the rule set, the rest is the body. */
#include "fuzz.h"

#include "wire/callback.h"

static void answer(const struct message *message, struct span body, const struct verdict *v)
{
    struct buf reply = BUF_INIT;
    struct gate_fault fault;
    struct err err;

    if (v->error_code == REPLY_ALLOW && (v->rewrite_count > 0 || v->cloud_custom_data)) {
        if (reply_rewrite(&reply, body, message, v->rewrites, v->rewrite_count, v->cloud_custom_data, &err) < 0)
            reply_verdict(&reply, REPLY_REJECT, SPAN(""));
    } else {
        reply_verdict(&reply, v->error_code, v->error_info);
    }
    MUST(gate_check(buf_span(&reply), GATE_WIRE, &fault));
    buf_reset(&reply);
    verdict_hits_json(&reply, v, message->text, message->cloud_custom_data.text);
    MUST(gate_check(buf_span(&reply), GATE_JSONB, &fault));
    buf_release(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct judge *judge;
    static struct callback_parser *parser;
    struct span body;
    struct message message;
    struct verdict v;
    struct err err;

    if (size < 1)
        return 0;
    if (!judge) {
        judge = judge_new();
        parser = callback_parser_new();
    }
    MUST(judge && parser);
    body = (struct span){(const char *)data + 1, size - 1};
    if (callback_parse(parser, body, &message, &err) < 0)
        return 0;
    MUST(is_utf8(message.text));
    judge_message(judge, fuzz_set_number(data[0]), &message, NULL, &v);
    answer(&message, body, &v);
    return 0;
}
