#include "audit/audit_row.h"

#include "store/jsonb_text.h"
#include "wire/gate.h"

/* Places in a row: those of EVENT_OPEN first. */
enum {
    AT_EVENT_TIME = 0,
    AT_RECEIVED = 1,
    AT_SEQ = 3,
    AT_EVENT_ID = 4,
    AT_SPOOL_ID = 5,
    AT_GROUP_ID = 6,
    AT_FROM_ACCOUNT = EVENT_OPEN_COUNT,
    AT_CUSTOM_DATA = EVENT_OPEN_COUNT + 6,
    AT_RAW = EVENT_OPEN_COUNT + EVENT_PERSONAL_COUNT - 1,
    AT_SALT,
    AT_CUSTOM_JSON,
    AT_PERSONAL_DIGEST,
    AT_ERASED_AT,
};

static bool is_erased(const struct span *v)
{
    static const char erased[] = "erased-";

    for (size_t i = AT_FROM_ACCOUNT + 1; i < AT_RAW; i++)
        if (v[i].data)
            return false;
    return v[AT_RAW].data && v[AT_RAW].len == 0 && !v[AT_SALT].data && !v[AT_CUSTOM_JSON].data &&
           v[AT_ERASED_AT].data &&
           (!v[AT_FROM_ACCOUNT].data || (v[AT_FROM_ACCOUNT].len > sizeof(erased) &&
                                         memcmp(v[AT_FROM_ACCOUNT].data, erased, sizeof(erased) - 1) == 0));
}

static enum audit_json check_json(struct span data, struct span json, struct buf *scratch)
{
    struct gate_fault ignored;
    bool wanted = data.data && gate_check(data, GATE_JSONB, &ignored);

    if (wanted != (json.data != NULL))
        return AUDIT_JSON_WRONG;
    if (!wanted)
        return AUDIT_JSON_FINE;
    buf_reset(scratch);
    if (jsonb_text(scratch, data) && json.len == scratch->len + 1 &&
        memcmp(json.data + 1, scratch->data, scratch->len) == 0)
        return AUDIT_JSON_FINE;
    return AUDIT_JSON_ASK;
}

int audit_row_read(struct audit_row *row, struct span bytes, struct buf *scratch, struct err *err)
{
    struct span v[AUDIT_ROW_COLUMN_COUNT], personal;
    const char *personal_at, *personal_end;

    *row = (struct audit_row){0};
    if (!copy_read_row(bytes, v, AUDIT_ROW_COLUMN_COUNT) || v[AT_EVENT_TIME].len != 8 || v[AT_RECEIVED].len != 8 ||
        v[AT_SEQ].len != 8 || v[AT_EVENT_ID].len != UUID_BYTES || v[AT_SPOOL_ID].len != UUID_BYTES || !v[AT_RAW].data ||
        !v[AT_GROUP_ID].data)
        return err_set(err, ERR_INVALID, "these bytes are no row of chatsluice.event");
    memcpy(row->spool_id, v[AT_SPOOL_ID].data, UUID_BYTES);
    memcpy(row->event_id, v[AT_EVENT_ID].data, UUID_BYTES);
    row->seq = copy_read_number(v[AT_SEQ]);
    row->event_time_us = copy_read_time(v[AT_EVENT_TIME]);
    row->received_us = copy_read_time(v[AT_RECEIVED]);
    row->group_id = v[AT_GROUP_ID];
    row->unchained = !v[AT_SALT].data && !v[AT_PERSONAL_DIGEST].data;
    row->erased = v[AT_PERSONAL_DIGEST].data != NULL;

    /* The first personal column may be null, so its place is counted from what is known to be there. */
    personal_end = v[AT_RAW].data + v[AT_RAW].len;
    personal_at = v[AT_RAW].data - 4;
    for (size_t i = AT_FROM_ACCOUNT; i < AT_RAW; i++)
        personal_at -= 4 + v[i].len;
    personal = (struct span){personal_at, (size_t)(personal_end - personal_at)};
    row->open = (struct span){bytes.data + 2, (size_t)(personal_at - bytes.data) - 2};
    row->seq_at = (size_t)(v[AT_SEQ].data - row->open.data);

    if (row->erased) {
        row->odd = v[AT_PERSONAL_DIGEST].len != SHA256_BYTES || !is_erased(v);
        row->erased_us = v[AT_ERASED_AT].data ? copy_read_time(v[AT_ERASED_AT]) : 0;
        if (!row->odd)
            memcpy(row->personal_digest, v[AT_PERSONAL_DIGEST].data, SHA256_BYTES);
    } else {
        row->odd = v[AT_ERASED_AT].data || (v[AT_SALT].data && v[AT_SALT].len != CHAIN_SALT_BYTES);
        if (!row->odd && v[AT_SALT].data)
            chain_personal_digest((const uint8_t *)v[AT_SALT].data, personal, row->personal_digest);
    }
    chain_event_leaf(row->open, row->personal_digest, row->leaf);
    row->custom_data = v[AT_CUSTOM_DATA];
    row->custom_json = v[AT_CUSTOM_JSON];
    row->json = check_json(row->custom_data, row->custom_json, scratch);
    return 0;
}

void audit_row_leaf_at(const struct audit_row *row, uint64_t seq, struct buf *scratch, uint8_t leaf[SHA256_BYTES])
{
    buf_reset(scratch);
    buf_add_span(scratch, row->open);
    memset(leaf, 0, SHA256_BYTES);
    if (buf_failed(scratch))
        return;
    for (size_t i = 8; i-- > 0; seq >>= 8)
        scratch->data[row->seq_at + i] = (char)seq;
    chain_event_leaf(buf_span(scratch), row->personal_digest, leaf);
}
