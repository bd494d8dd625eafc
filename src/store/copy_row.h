/* copy_row.h - PostgreSQL's binary COPY format, written into a buffer; private to store.
 *
 * A stream is copy_header, then for each row copy_row_begin(number of columns) and that many values in the order of the
 * columns, then copy_trailer. Failures are those of the buffer. Text becomes what PostgreSQL takes: every byte that is
 * not part of valid UTF-8, and U+0000, is written as U+FFFD. */
#ifndef CHATSLUICE_STORE_COPY_ROW_H
#define CHATSLUICE_STORE_COPY_ROW_H

#include "base/buf.h"
#include "base/uuid.h"

void copy_header(struct buf *b);
void copy_trailer(struct buf *b);
void copy_row_begin(struct buf *b, unsigned columns);

void copy_null(struct buf *b);
void copy_bool(struct buf *b, bool yes);
void copy_i32(struct buf *b, int32_t n);
void copy_i64(struct buf *b, int64_t n);
void copy_timestamptz(struct buf *b, int64_t us); /* since 1970, within COPY_TIME_MIN_US..COPY_TIME_MAX_US */
void copy_uuid(struct buf *b, const uint8_t uuid[UUID_BYTES]);
void copy_bytea(struct buf *b, struct span bytes);
void copy_text(struct buf *b, struct span text);  /* data NULL: null */
void copy_jsonb(struct buf *b, struct span json); /* data NULL: null */
void copy_i64_array(struct buf *b, const int64_t *items, size_t count);

/* Reading what COPY ... TO gives: values of one row, data NULL for null, which borrow from bytes. False when the bytes
 * are no row of count columns. */
bool copy_read_row(struct span bytes, struct span *values, size_t count);
uint64_t copy_read_number(struct span value); /* of up to eight bytes */
int64_t copy_read_time(struct span value);    /* since 1970 */

/* Years 1 to 9999: well inside what the type holds and what people's tools print. */
#define COPY_TIME_MIN_US (-62135596800000000LL)
#define COPY_TIME_MAX_US (253402300799999999LL)

#endif
