/* Any bytes as a webhook body: the gate, its locators, json-c behind it and the parser. What the gate lets through
 * json-c takes, and both read the same values; what the parser gives is text, inside of its bounds, and the same twice.
 * On bytes the gate refuses the locators may say anything, but read nothing outside. */
#include "fuzz.h"

#include "../unit/wire/json_alike.h"
#include "wire/callback.h"

static void check_gate(struct span body, bool *wire)
{
    struct gate_fault fault = {.offset = SIZE_MAX}, jsonb_fault = {.offset = SIZE_MAX};
    struct gate_counts counts;
    bool jsonb = gate_check(body, GATE_JSONB, &jsonb_fault);

    *wire = gate_count(body, GATE_WIRE, &counts, &fault);
    MUST(*wire == gate_check(body, GATE_WIRE, &fault));
    MUST(!jsonb || *wire);
    MUST(*wire || (fault.offset <= body.len && fault.what));
    MUST(jsonb || (jsonb_fault.offset <= body.len && jsonb_fault.what));
    MUST(!*wire || is_utf8(body));
}

static void walk(struct span value, unsigned depth)
{
    struct span key, inner, found;
    struct buf text = BUF_INIT;
    size_t cursor = 0, steps = 0;

    for (; gate_next(value, &cursor, &inner) && steps < 64; steps++)
        if (depth < 4)
            walk(inner, depth + 1);
    for (cursor = 0, steps = 0; gate_next_member(value, &cursor, &key, &inner) && steps < 64; steps++) {
        gate_string_is(key, "CallbackCommand");
        if (depth < 4)
            walk(inner, depth + 1);
    }
    gate_member(value, "MsgBody", &found);
    gate_element(value, 3, &found);
    gate_string(value, &text);
    MUST(text.len <= value.len * 3);
    buf_release(&text);
}

static void check_text(struct optional_text t)
{
    if (t.presence == GIVEN)
        MUST(is_utf8(t.text) && (t.text.len == 0 || !memchr(t.text.data, 0, t.text.len)));
    else
        MUST(t.text.len == 0);
}

static void check_message(const struct message *m)
{
    uint32_t end = 0;

    MUST(is_utf8(m->text) && (m->text.len == 0 || !memchr(m->text.data, 0, m->text.len)));
    check_text(m->group_id);
    check_text(m->from_account);
    check_text(m->operator_account);
    check_text(m->cloud_custom_data);
    check_text(m->type);
    check_text(m->topic_id);
    check_text(m->msg_id);
    check_text(m->error_info);
    for (size_t i = 0; i < m->piece_count; i++) {
        const struct text_piece *p = &m->pieces[i];

        MUST(p->element < m->element_count && p->start >= end && p->start + p->len <= m->text.len);
        MUST(is_utf8((struct span){m->text.data + p->start, p->len}));
        end = p->start + p->len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct callback_parser *parser;
    static struct json_reader *reader;
    struct span body = {(const char *)data, size};
    struct buf first = BUF_INIT;
    struct json_value root;
    struct message message;
    struct err err;
    bool wire;

    if (!parser) {
        parser = callback_parser_new();
        reader = json_reader_new();
    }
    MUST(parser && reader);
    check_gate(body, &wire);
    walk(body, 0);
    if (wire) {
        MUST(json_read(reader, body, &root, &err) == 0);
        MUST(json_alike(json_trimmed(body), root));
    }
    if (callback_parse(parser, body, &message, &err) == 0) {
        MUST(wire);
        check_message(&message);
        buf_add_span(&first, message.text);
        callback_parse(parser, SPAN("{\"CallbackCommand\":\"Other\",\"GroupId\":\"@TGS#1\"}"), &message, &err);
        MUST(callback_parse(parser, body, &message, &err) == 0 && span_equal(message.text, buf_span(&first)));
    }
    buf_release(&first);
    return 0;
}
