/* json_read.h - JSON from outside as a tree: the gate first, then json-c. The one file over json-c.
 *
 * A reader belongs to one thread. Values are borrowed from it until its next json_read(). */
#ifndef CHATSLUICE_WIRE_JSON_READ_H
#define CHATSLUICE_WIRE_JSON_READ_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

enum json_kind {
    JSON_ABSENT, /* no such member or element */
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_INTEGER, /* written without point and exponent */
    JSON_REAL,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_object; /* json-c's */
struct json_value {
    enum json_kind kind;
    struct json_object *node;
};

struct json_reader;

struct json_reader *json_reader_new(void); /* NULL: no memory */
void json_reader_free(struct json_reader *r);

/* Reads one complete text (GATE_WIRE). ERR_INVALID with "byte N: what" when it is not one. */
int json_read(struct json_reader *r, struct span text, struct json_value *root, struct err *err);
/* Whether some object of the text read last had a key twice; the last one counted. */
bool json_read_repeated_keys(const struct json_reader *r);

struct json_value json_member(struct json_value object, const char *key); /* JSON_ABSENT of anything else, too */
size_t json_count(struct json_value array);                               /* 0 of anything else */
struct json_value json_item(struct json_value array, size_t index);

/* The bytes of a JSON_STRING: UTF-8 that may hold U+0000; unpaired surrogates have become U+FFFD. Empty of anything
 * else. */
struct span json_string(struct json_value v);
/* Adds those bytes with U+0000 as U+FFFD. */
void json_string_without_nul(struct buf *out, struct json_value v);
/* A JSON_INTEGER, or a JSON_STRING of decimal digits, perhaps after '-'; false when it is neither or does not fit. */
bool json_integer(struct json_value v, int64_t *out);
/* A JSON_BOOLEAN; false when it is none. */
bool json_boolean(struct json_value v, bool *out);

#endif
