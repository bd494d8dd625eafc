/* json_write.h - valid JSON, written straight into a buffer. Reading JSON is wire/'s matter. */
#ifndef CHATSLUICE_BASE_JSON_WRITE_H
#define CHATSLUICE_BASE_JSON_WRITE_H

#include "base/buf.h"

/* Adds text as a JSON string with its quotes. Valid UTF-8 is written raw; control characters, '"' and '\\' are
 * escaped; each byte that is not part of valid UTF-8 becomes U+FFFD, so the output is valid whatever came in. */
void json_add_string(struct buf *b, struct span text);

/* Adds `"key":`, preceded by ',' unless the buffer's last byte is '{', '[' or ':' or it is empty. */
void json_add_key(struct buf *b, const char *key);

/* key plus value, with the comma where one is needed. A NULL or data==NULL text is written as null. */
void json_add_member_text(struct buf *b, const char *key, const char *text);
void json_add_member_span(struct buf *b, const char *key, struct span text);
void json_add_member_i64(struct buf *b, const char *key, int64_t n);
void json_add_member_u64(struct buf *b, const char *key, uint64_t n);
void json_add_member_bool(struct buf *b, const char *key, bool yes);

#endif
