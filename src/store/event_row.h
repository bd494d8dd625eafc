/* event_row.h - one record of the spool -> one row of chatsluice.event in binary COPY form; private to store.
 *
 * An encoder belongs to one thread. The same record always gives the same row, so a batch may be built again. */
#ifndef CHATSLUICE_STORE_EVENT_ROW_H
#define CHATSLUICE_STORE_EVENT_ROW_H

#include "base/err.h"
#include "spool/spool.h"
#include "store/copy_row.h"
#include "store/event_record.h"

/* In the order of the values in a row. */
#define EVENT_COLUMNS                                                                                                  \
    "event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, command, command_word, group_type, "  \
    "topic_id, from_account, operator_account, msg_id, random, msg_seq, msg_time, client_ip, platform, request_id, "   \
    "text, cloud_custom_data, cloud_custom_data_json, verdict, decided_by, rule, error_code, hits, rewritten, "        \
    "rule_revision, judge_us, follow_ups, fault, exception_code, exception_info, recalled_seqs, duplicate_keys, "      \
    "correction_id, marker, rewritten_custom_data, raw"

enum { EVENT_COLUMN_COUNT = 41 };

struct event_encoder;

/* spool_id: UUID text. ERR_INVALID when it is none. */
int event_encoder_new(struct event_encoder **out, const char *spool_id, struct err *err);
void event_encoder_free(struct event_encoder *e); /* NULL is fine */

/* Adds the row to out and says which partition it belongs to. ERR_INVALID, with out as before, for a record that can
 * be no event; a body that cannot be read does make an event, with its fault. */
int event_encode(struct event_encoder *e, struct buf *out, const struct spool_record *record, int64_t *event_time_us,
                 struct err *err);
/* The record event_encode() has made a row of, its message read whether or not the record brought it. Valid until the
 * next call, and as long as the record's bytes. */
const struct event_record *event_encoded(const struct event_encoder *e);

#endif
