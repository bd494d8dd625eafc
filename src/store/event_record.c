/* The record, version 2, all integers little-endian:
 *
 *      0  u8   version = 2
 *      1  u8   command (enum command)
 *      2  u8   action (enum action)
 *      3  u8   decided_by (enum decided_by)
 *      4  i64  received_us
 *     12  u64  sdkappid
 *     20  u64  revision
 *     28  i32  error_code
 *     32  u32  judge_us
 *     36  u8   marker (enum marker_use)
 *     37  u32  length of each of the eleven texts in the order of texts[] below; 0xFFFFFFFF: absent
 *     81       the texts, one after another
 *              the parsed message, or nothing; the record ends with it
 *
 * Version 1, which an upgrade may find in the spool, has no marker, and only the first nine texts: their lengths stand
 * at 36 and they begin at 72.
 *
 * The parsed message:
 *
 *      0  u8   1 if some object had a key twice, else 0
 *      1  u32  number of elements
 *      5  u8   presence (enum presence), i64 value of each of the numbers in the order of numbers[] below
 *     41  u32  length of command_word and of text
 *     49  u32  length of each of the optional texts in the order of optional_texts[] below; 0xFFFFFFFF: missing,
 *              0xFFFFFFFE: null
 *     77       command_word, text, the optional texts
 *
 * The numbers of the enums are part of the format: new values are added at their ends. */
#include "store/event_record.h"

#include <stddef.h>

enum {
    VERSION = 2,
    MARKER = 36,
    FIXED = 37,
    TEXTS = 11,
    HEAD = FIXED + 4 * TEXTS,
    FIXED_1 = 36, /* of version 1 */
    TEXTS_1 = 9,
    NUMBERS = 4,
    OPTIONAL_TEXTS = 7,
    MESSAGE_NUMBERS = 5,
    MESSAGE_TEXTS = MESSAGE_NUMBERS + 9 * NUMBERS,
    MESSAGE_HEAD = MESSAGE_TEXTS + 4 * (2 + OPTIONAL_TEXTS),
};

static const uint32_t absent = UINT32_MAX, null = UINT32_MAX - 1;

static const size_t texts[TEXTS] = {
    offsetof(struct event_record, client_ip),     offsetof(struct event_record, platform),
    offsetof(struct event_record, request_id),    offsetof(struct event_record, fault),
    offsetof(struct event_record, rule),          offsetof(struct event_record, hits_json),
    offsetof(struct event_record, becomes),       offsetof(struct event_record, follow_ups_json),
    offsetof(struct event_record, body),          offsetof(struct event_record, becomes_custom_data),
    offsetof(struct event_record, correction_id),
};

static const size_t numbers[NUMBERS] = {
    offsetof(struct message, random),
    offsetof(struct message, msg_seq),
    offsetof(struct message, msg_time_s),
    offsetof(struct message, event_time_ms),
};

static const size_t optional_texts[OPTIONAL_TEXTS] = {
    offsetof(struct message, group_id),          offsetof(struct message, type),
    offsetof(struct message, topic_id),          offsetof(struct message, from_account),
    offsetof(struct message, operator_account),  offsetof(struct message, msg_id),
    offsetof(struct message, cloud_custom_data),
};

static bool keeps_message(enum command command)
{
    return command == COMMAND_BEFORE || command == COMMAND_AFTER;
}

static void put(unsigned char *p, uint64_t n, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (unsigned char)(n >> (8 * i));
}

static uint64_t get(const unsigned char *p, unsigned bytes)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < bytes; i++)
        n |= (uint64_t)p[i] << (8 * i);
    return n;
}

static void encode_message(struct buf *out, const struct message *m)
{
    unsigned char head[MESSAGE_HEAD];
    struct optional_text text[OPTIONAL_TEXTS];

    head[0] = m->duplicate_keys;
    put(head + 1, m->element_count, 4);
    for (size_t i = 0; i < NUMBERS; i++) {
        struct optional_number number;

        memcpy(&number, (const char *)m + numbers[i], sizeof(number));
        head[MESSAGE_NUMBERS + 9 * i] = (unsigned char)number.presence;
        put(head + MESSAGE_NUMBERS + 9 * i + 1, (uint64_t)number.value, 8);
    }
    put(head + MESSAGE_TEXTS, m->command_word.len, 4);
    put(head + MESSAGE_TEXTS + 4, m->text.len, 4);
    for (size_t i = 0; i < OPTIONAL_TEXTS; i++) {
        memcpy(&text[i], (const char *)m + optional_texts[i], sizeof(text[i]));
        put(head + MESSAGE_TEXTS + 8 + 4 * i,
            text[i].presence == GIVEN     ? text[i].text.len
            : text[i].presence == IS_NULL ? null
                                          : absent,
            4);
    }
    buf_add(out, head, sizeof(head));
    buf_add_span(out, m->command_word);
    buf_add_span(out, m->text);
    for (size_t i = 0; i < OPTIONAL_TEXTS; i++)
        if (text[i].presence == GIVEN)
            buf_add_span(out, text[i].text);
}

void event_record_encode(struct buf *out, const struct event_record *record)
{
    unsigned char head[HEAD];
    struct span text[TEXTS];

    head[0] = VERSION;
    head[1] = (unsigned char)record->command;
    head[2] = (unsigned char)record->action;
    head[3] = (unsigned char)record->decided_by;
    put(head + 4, (uint64_t)record->received_us, 8);
    put(head + 12, record->sdkappid, 8);
    put(head + 20, record->revision, 8);
    put(head + 28, (uint32_t)record->error_code, 4);
    put(head + 32, record->judge_us, 4);
    head[MARKER] = (unsigned char)record->marker;
    for (size_t i = 0; i < TEXTS; i++) {
        memcpy(&text[i], (const char *)record + texts[i], sizeof(text[i]));
        put(head + FIXED + 4 * i, text[i].data ? (uint32_t)text[i].len : absent, 4);
    }
    buf_add(out, head, sizeof(head));
    for (size_t i = 0; i < TEXTS; i++)
        if (text[i].data)
            buf_add_span(out, text[i]);
    if (record->parsed && keeps_message(record->command))
        encode_message(out, &record->message);
}

/* Cuts len bytes off the front of *rest; false when there are fewer. */
static bool take(struct span *rest, uint32_t len, struct span *out)
{
    if (len > rest->len)
        return false;
    *out = (struct span){rest->data, len};
    rest->data += len;
    rest->len -= len;
    return true;
}

static bool decode_message(struct span bytes, struct message *m)
{
    const unsigned char *head = (const unsigned char *)bytes.data;
    struct span rest;

    if (bytes.len < MESSAGE_HEAD || head[0] > 1)
        return false;
    rest = (struct span){bytes.data + MESSAGE_HEAD, bytes.len - MESSAGE_HEAD};
    m->duplicate_keys = head[0];
    m->element_count = (size_t)get(head + 1, 4);
    for (size_t i = 0; i < NUMBERS; i++) {
        const unsigned char *p = head + MESSAGE_NUMBERS + 9 * i;
        struct optional_number number = {(enum presence)p[0], (int64_t)get(p + 1, 8)};

        if (p[0] > GIVEN)
            return false;
        memcpy((char *)m + numbers[i], &number, sizeof(number));
    }
    if (!take(&rest, (uint32_t)get(head + MESSAGE_TEXTS, 4), &m->command_word) ||
        !take(&rest, (uint32_t)get(head + MESSAGE_TEXTS + 4, 4), &m->text))
        return false;
    for (size_t i = 0; i < OPTIONAL_TEXTS; i++) {
        uint32_t len = (uint32_t)get(head + MESSAGE_TEXTS + 8 + 4 * i, 4);
        struct optional_text text = {len == absent ? MISSING : len == null ? IS_NULL : GIVEN, {NULL, 0}};

        if (text.presence == GIVEN && !take(&rest, len, &text.text))
            return false;
        memcpy((char *)m + optional_texts[i], &text, sizeof(text));
    }
    return rest.len == 0;
}

int event_record_decode(struct span bytes, struct event_record *out, struct err *err)
{
    const unsigned char *head = (const unsigned char *)bytes.data;
    struct event_record record = {0};
    struct span rest;
    bool first = bytes.len > 0 && head[0] == 1; /* version */
    size_t fixed = first ? FIXED_1 : FIXED, text_count = first ? TEXTS_1 : TEXTS, head_len = fixed + 4 * text_count;

    if (bytes.len > 0 && !first && head[0] != VERSION)
        return err_set(err, ERR_INVALID, "event record: version %u is not known, only 1 and %d", head[0], VERSION);
    if (bytes.len < head_len)
        return err_set(err, ERR_INVALID, "event record: %zu bytes are too few", bytes.len);
    if (head[1] > COMMAND_OTHER || head[2] >= ACTION_COUNT || head[3] > DECIDED_CORRECTION)
        return err_set(err, ERR_INVALID, "event record: command %u, action %u, decided by %u: not known", head[1],
                       head[2], head[3]);
    record.command = (enum command)head[1];
    record.action = (enum action)head[2];
    record.decided_by = (enum decided_by)head[3];
    record.received_us = (int64_t)get(head + 4, 8);
    record.sdkappid = get(head + 12, 8);
    record.revision = get(head + 20, 8);
    record.error_code = (int)(int32_t)(uint32_t)get(head + 28, 4);
    record.judge_us = (uint32_t)get(head + 32, 4);
    if (!first && head[MARKER] >= MARKER_USES)
        return err_set(err, ERR_INVALID, "event record: marker %u is not known", head[MARKER]);
    record.marker = first ? MARKER_ABSENT : (enum marker_use)head[MARKER];
    rest = (struct span){bytes.data + head_len, bytes.len - head_len};
    for (size_t i = 0; i < text_count; i++) {
        uint32_t len = (uint32_t)get(head + fixed + 4 * i, 4);
        struct span text = {NULL, 0};

        if (len != absent && !take(&rest, len, &text))
            return err_set(err, ERR_INVALID, "event record: text %zu ends behind the record", i);
        memcpy((char *)&record + texts[i], &text, sizeof(text));
    }
    if (!record.body.data)
        return err_set(err, ERR_INVALID, "event record: it has no body");
    record.message.command = record.command;
    record.parsed = rest.len > 0;
    if (record.parsed && (!keeps_message(record.command) || !decode_message(rest, &record.message)))
        return err_set(err, ERR_INVALID, "event record: %zu bytes behind the body are no parsed message", rest.len);
    *out = record;
    return 0;
}
