/* The record, version 1, all integers little-endian:
 *
 *      0  u8   version = 1
 *      1  u8   command (enum command)
 *      2  u8   action (enum action)
 *      3  u8   decided_by (enum decided_by)
 *      4  i64  received_us
 *     12  u64  sdkappid
 *     20  u64  revision
 *     28  i32  error_code
 *     32  u32  judge_us
 *     36  u32  length of each of the nine texts in the order of texts[] below; 0xFFFFFFFF: absent
 *     72       the texts, one after another; the record ends with the last
 *
 * The numbers of the enums are part of the format: new values are added at their ends. */
#include "store/event_record.h"

#include <stddef.h>

enum { VERSION = 1, FIXED = 36, TEXTS = 9, HEAD = FIXED + 4 * TEXTS };

static const uint32_t absent = UINT32_MAX;

static const size_t texts[TEXTS] = {
    offsetof(struct event_record, client_ip),  offsetof(struct event_record, platform),
    offsetof(struct event_record, request_id), offsetof(struct event_record, fault),
    offsetof(struct event_record, rule),       offsetof(struct event_record, hits_json),
    offsetof(struct event_record, becomes),    offsetof(struct event_record, follow_ups_json),
    offsetof(struct event_record, body),
};

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
    for (size_t i = 0; i < TEXTS; i++) {
        memcpy(&text[i], (const char *)record + texts[i], sizeof(text[i]));
        put(head + FIXED + 4 * i, text[i].data ? (uint32_t)text[i].len : absent, 4);
    }
    buf_add(out, head, sizeof(head));
    for (size_t i = 0; i < TEXTS; i++)
        if (text[i].data)
            buf_add_span(out, text[i]);
}

int event_record_decode(struct span bytes, struct event_record *out, struct err *err)
{
    const unsigned char *head = (const unsigned char *)bytes.data;
    struct event_record record = {0};
    size_t at = HEAD;

    if (bytes.len < HEAD)
        return err_set(err, ERR_INVALID, "event record: %zu bytes are too few", bytes.len);
    if (head[0] != VERSION)
        return err_set(err, ERR_INVALID, "event record: version %u is not known, only %u", head[0], VERSION);
    if (head[1] > COMMAND_OTHER || head[2] >= ACTION_COUNT || head[3] > DECIDED_OVERLOAD)
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
    for (size_t i = 0; i < TEXTS; i++) {
        uint32_t len = (uint32_t)get(head + FIXED + 4 * i, 4);
        struct span text = {NULL, 0};

        if (len != absent) {
            if (len > bytes.len - at)
                return err_set(err, ERR_INVALID, "event record: text %zu ends behind the record", i);
            text = (struct span){bytes.data + at, len};
            at += len;
        }
        memcpy((char *)&record + texts[i], &text, sizeof(text));
    }
    if (!record.body.data)
        return err_set(err, ERR_INVALID, "event record: it has no body");
    if (at != bytes.len)
        return err_set(err, ERR_INVALID, "event record: %zu bytes too many", bytes.len - at);
    *out = record;
    return 0;
}
