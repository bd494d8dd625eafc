#include "wire/callback.h"

#include "wire/elements.h"
#include "wire/gate.h"
#include "wire/json_read.h"

#include <stddef.h>
#include <stdlib.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct callback_parser {
    struct json_reader *reader;
    struct elements elements;
    struct buf copies;   /* texts that cannot be borrowed from the reader; never grows while a body is read */
    struct buf recalled; /* of int64_t */
};

/* The members of each command (`protocol.md` sections 3 to 5). */
enum {
    BEFORE = 1 << COMMAND_BEFORE,
    AFTER = 1 << COMMAND_AFTER,
    EXCEPTION = 1 << COMMAND_EXCEPTION,
    RECALL = 1 << COMMAND_RECALL,
    OTHER = 1 << COMMAND_OTHER
};
enum { SENT = BEFORE | AFTER | EXCEPTION, KNOWN = SENT | RECALL, ALL = KNOWN | OTHER };

static const struct text_member {
    const char *key;
    size_t offset;
    unsigned commands;
    enum { TEXT, ID } form; /* an id may be written as a number */
} text_members[] = {
    {"GroupId", offsetof(struct message, group_id), ALL, ID},
    {"Type", offsetof(struct message, type), KNOWN, TEXT},
    {"TopicId", offsetof(struct message, topic_id), KNOWN, ID},
    {"From_Account", offsetof(struct message, from_account), SENT | OTHER, ID},
    {"Operator_Account", offsetof(struct message, operator_account), ALL, ID},
    {"MsgId", offsetof(struct message, msg_id), SENT, ID},
    {"MsgPriority", offsetof(struct message, msg_priority), SENT, TEXT},
    {"CloudCustomData", offsetof(struct message, cloud_custom_data), SENT, TEXT},
    {"ErrorInfo", offsetof(struct message, error_info), EXCEPTION, TEXT},
};

static const struct number_member {
    const char *key;
    size_t offset;
    unsigned commands;
} number_members[] = {
    {"EventTime", offsetof(struct message, event_time_ms), ALL},
    {"Random", offsetof(struct message, random), SENT},
    {"MsgSeq", offsetof(struct message, msg_seq), SENT},
    {"MsgTime", offsetof(struct message, msg_time_s), SENT},
    {"OnlineOnlyFlag", offsetof(struct message, online_only), SENT},
    {"ErrorCode", offsetof(struct message, error_code), EXCEPTION},
};

struct callback_parser *callback_parser_new(void)
{
    struct callback_parser *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->reader = json_reader_new();
    if (!p->reader) {
        free(p);
        return NULL;
    }
    return p;
}

void callback_parser_free(struct callback_parser *p)
{
    if (!p)
        return;
    json_reader_free(p->reader);
    elements_release(&p->elements);
    buf_release(&p->copies);
    buf_release(&p->recalled);
    free(p);
}

/* One body being read. */
struct reading {
    struct callback_parser *p;
    struct span body;
    struct json_value root;
    struct message *out;
    struct err *err;
};

/* Where to put a text that has to be copied. Each copy is shorter than what the body holds for it, so room for one body
 * is room for all copies, and what was copied first stays where it is. */
static bool copies_begin(struct reading *rd, size_t *from)
{
    struct buf *copies = &rd->p->copies;

    if (copies->len == 0)
        buf_reserve(copies, rd->body.len);
    *from = copies->len;
    return !buf_failed(copies);
}

static struct span copied(const struct reading *rd, size_t from)
{
    return (struct span){rd->p->copies.data + from, rd->p->copies.len - from};
}

static int no_memory(const struct reading *rd)
{
    return err_set(rd->err, ERR_FAILED, "out of memory");
}

static int text_of_string(struct reading *rd, struct json_value v, struct span *text)
{
    struct span plain = json_string(v);
    size_t from;

    if (plain.len > 0 && memchr(plain.data, '\0', plain.len)) {
        if (!copies_begin(rd, &from))
            return no_memory(rd);
        json_string_without_nul(&rd->p->copies, v);
        plain = copied(rd, from);
    }
    *text = plain;
    return 0;
}

/* The digits as they stand in the body: ids go beyond what any number type holds exactly. */
static int text_of_number(struct reading *rd, const char *key, struct span *text)
{
    struct span digits = {"", 0};
    size_t from;

    if (!copies_begin(rd, &from))
        return no_memory(rd);
    gate_member(rd->body, key, &digits);
    buf_add_span(&rd->p->copies, digits);
    *text = copied(rd, from);
    return 0;
}

static int read_text(struct reading *rd, const struct text_member *member)
{
    struct optional_text *to = (struct optional_text *)(void *)((char *)rd->out + member->offset);
    struct json_value v = json_member(rd->root, member->key);
    int r = 0;

    *to = (struct optional_text){.presence = GIVEN, .text = {"", 0}};
    if (v.kind == JSON_STRING) {
        r = text_of_string(rd, v, &to->text);
    } else if ((v.kind == JSON_INTEGER || v.kind == JSON_REAL) && member->form == ID) {
        r = text_of_number(rd, member->key, &to->text);
    } else {
        to->presence = v.kind == JSON_NULL ? IS_NULL : MISSING;
        if (v.kind != JSON_NULL && v.kind != JSON_ABSENT && rd->out->command != COMMAND_OTHER)
            r = err_set(rd->err, ERR_INVALID, "%s is not a string", member->key);
    }
    return r;
}

static int read_number(struct reading *rd, const struct number_member *member)
{
    struct optional_number *to = (struct optional_number *)(void *)((char *)rd->out + member->offset);
    struct json_value v = json_member(rd->root, member->key);

    *to = (struct optional_number){.presence = GIVEN};
    if (json_integer(v, &to->value))
        return 0;
    to->presence = v.kind == JSON_NULL ? IS_NULL : MISSING;
    if (v.kind == JSON_NULL || v.kind == JSON_ABSENT || rd->out->command == COMMAND_OTHER)
        return 0;
    return err_set(rd->err, ERR_INVALID, "%s is not an integer of 64 bits", member->key);
}

static int read_msg_body(struct reading *rd)
{
    struct elements *e = &rd->p->elements;
    struct message *m = rd->out;
    int r = elements_read(e, json_member(rd->root, "MsgBody"), rd->err);

    if (r < 0)
        return r;
    m->text = (struct span){buf_text(&e->text), e->text.len};
    m->pieces = (const struct text_piece *)(const void *)e->pieces.data;
    m->piece_count = e->pieces.len / sizeof(struct text_piece);
    m->elements = (const enum element_type *)(const void *)e->types.data;
    m->element_count = e->types.len / sizeof(enum element_type);
    return 0;
}

static int read_recalled(struct reading *rd)
{
    struct buf *seqs = &rd->p->recalled;
    struct json_value list = json_member(rd->root, "MsgSeqList");

    buf_reset(seqs);
    if (list.kind != JSON_ARRAY && list.kind != JSON_ABSENT && list.kind != JSON_NULL)
        return err_set(rd->err, ERR_INVALID, "MsgSeqList is not an array");
    for (size_t i = 0; i < json_count(list); i++) {
        int64_t seq;

        if (!json_integer(json_member(json_item(list, i), "MsgSeq"), &seq))
            return err_set(rd->err, ERR_INVALID, "MsgSeqList[%zu]: MsgSeq is not an integer of 64 bits", i);
        buf_add(seqs, &seq, sizeof(seq));
    }
    if (buf_failed(seqs))
        return no_memory(rd);
    rd->out->recalled_seqs = (const int64_t *)(const void *)seqs->data;
    rd->out->recalled_count = seqs->len / sizeof(int64_t);
    return 0;
}

static int read_command(struct reading *rd)
{
    struct json_value word = json_member(rd->root, "CallbackCommand");

    if (rd->root.kind != JSON_OBJECT)
        return err_set(rd->err, ERR_INVALID, "it is not an object");
    if (word.kind == JSON_ABSENT)
        return err_set(rd->err, ERR_INVALID, "CallbackCommand is missing");
    if (word.kind != JSON_STRING)
        return err_set(rd->err, ERR_INVALID, "CallbackCommand is not a string");
    rd->out->command = command_of(json_string(word));
    return text_of_string(rd, word, &rd->out->command_word);
}

static int read_message(struct reading *rd)
{
    int r = read_command(rd);
    unsigned command;

    if (r < 0)
        return r;
    command = 1u << rd->out->command;
    for (size_t i = 0; i < COUNT(text_members) && r == 0; i++)
        if (text_members[i].commands & command)
            r = read_text(rd, &text_members[i]);
    for (size_t i = 0; i < COUNT(number_members) && r == 0; i++)
        if (number_members[i].commands & command)
            r = read_number(rd, &number_members[i]);
    if (r == 0 && command & SENT)
        r = read_msg_body(rd);
    if (r == 0 && command & RECALL)
        r = read_recalled(rd);
    return r;
}

int callback_parse(struct callback_parser *p, struct span body, struct message *out, struct err *err)
{
    struct message message = {.text = {"", 0}};
    struct reading rd = {.p = p, .body = body, .out = &message, .err = err};
    int r;

    buf_reset(&p->copies);
    r = json_read(p->reader, body, &rd.root, err);
    if (r == 0)
        r = read_message(&rd);
    if (r < 0) {
        err_prefix(err, "body");
        return r;
    }
    message.duplicate_keys = json_read_repeated_keys(p->reader);
    *out = message;
    return 0;
}
