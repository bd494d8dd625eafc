/* event_row.h - one record of the spool -> one row of chatsluice.event in binary COPY form; private to store.
 *
 * An encoder belongs to one thread. The same record always gives the same row but for its salt, so a batch may be built
 * again. */
#ifndef CHATSLUICE_STORE_EVENT_ROW_H
#define CHATSLUICE_STORE_EVENT_ROW_H

#include "base/err.h"
#include "spool/spool.h"
#include "store/chain.h"
#include "store/copy_row.h"
#include "store/event_record.h"

/* In the order of the values in a row. What the chain covers stands together, so that one piece of the row is digested
 * and `COPY (SELECT ...) TO STDOUT (FORMAT binary)` gives the same bytes again. */
#define EVENT_OPEN                                                                                                     \
    "event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, command, command_word, group_type, "  \
    "topic_id, random, msg_seq, msg_time, platform, verdict, decided_by, rule, error_code, rule_revision, judge_us, "  \
    "follow_ups, fault, exception_code, exception_info, recalled_seqs, duplicate_keys, correction_id, marker"
/* What erasing a person takes away (migration 0007). */
#define EVENT_PERSONAL                                                                                                 \
    "from_account, operator_account, msg_id, client_ip, request_id, text, cloud_custom_data, hits, rewritten, "        \
    "rewritten_custom_data, raw"
/* cloud_custom_data_json follows from cloud_custom_data and is not digested. */
#define EVENT_COLUMNS EVENT_OPEN ", " EVENT_PERSONAL ", salt, cloud_custom_data_json"

enum { EVENT_OPEN_COUNT = 29, EVENT_PERSONAL_COUNT = 11, EVENT_COLUMN_COUNT = 42 };

struct event_encoder;

/* spool_id: UUID text. ERR_INVALID when it is none. */
int event_encoder_new(struct event_encoder **out, const char *spool_id, struct err *err);
void event_encoder_free(struct event_encoder *e); /* NULL is fine */
/* The spool's id as bytes; as long as the encoder. */
const uint8_t *event_encoder_spool(const struct event_encoder *e);

/* Adds the row to out and says which partition it belongs to. ERR_INVALID, with out as before, for a record that can
 * be no event; a body that cannot be read does make an event, with its fault. */
int event_encode(struct event_encoder *e, struct buf *out, const struct spool_record *record, int64_t *event_time_us,
                 struct err *err);
/* The record event_encode() has made a row of, its message read whether or not the record brought it. Valid until the
 * next call, and as long as the record's bytes. */
const struct event_record *event_encoded(const struct event_encoder *e);
/* The leaf of that row in the chain. */
const uint8_t *event_encoded_leaf(const struct event_encoder *e);

#endif
