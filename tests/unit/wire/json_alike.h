/* json_alike.h - whether the gate's locators and json-c read the same from a text that passed the gate. */
#ifndef CHATSLUICE_TESTS_JSON_ALIKE_H
#define CHATSLUICE_TESTS_JSON_ALIKE_H

#include "wire/gate.h"
#include "wire/json_read.h"

#include <stdio.h>
#include <stdlib.h>

/* The value without the white space around it. */
static inline struct span json_trimmed(struct span text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]))
        text = (struct span){text.data + 1, text.len - 1};
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]))
        text.len--;
    return text;
}

static inline bool json_alike(struct span text, struct json_value v);

static inline bool json_strings_alike(struct span text, struct json_value v)
{
    struct buf said = BUF_INIT;
    bool same = gate_string(text, &said) && span_equal(buf_span(&said), json_string(v));

    buf_release(&said);
    return same;
}

static inline bool json_arrays_alike(struct span text, struct json_value v)
{
    struct span element;
    size_t cursor = 0, count = 0;

    for (; gate_next(text, &cursor, &element); count++)
        if (!json_alike(element, json_item(v, count)))
            return false;
    return count == json_count(v);
}

/* Of a key that stands twice both must take the last. */
static inline bool json_objects_alike(struct span text, struct json_value v)
{
    struct span key, member, last;
    struct buf name = BUF_INIT;
    size_t cursor = 0;
    bool same = true;

    while (same && gate_next_member(text, &cursor, &key, &member)) {
        buf_reset(&name);
        same = gate_string(key, &name) && gate_member(text, buf_text(&name), &last);
        if (same && last.data == member.data)
            same = json_alike(member, json_member(v, buf_text(&name)));
    }
    buf_release(&name);
    return same;
}

static inline bool json_integers_alike(struct span text, struct json_value v)
{
    char digits[GATE_MAX_NUMBER + 1];
    int64_t n;

    if (!json_integer(v, &n)) /* beyond 64 bits */
        return true;
    snprintf(digits, sizeof(digits), "%.*s", (int)text.len, text.data);
    return strtoll(digits, NULL, 10) == n;
}

/* text has no space around it and passed the gate. */
static inline bool json_alike(struct span text, struct json_value v)
{
    switch (v.kind) {
    case JSON_ABSENT:
        return false;
    case JSON_NULL:
        return span_is(text, "null");
    case JSON_BOOLEAN:
        return span_is(text, "true") || span_is(text, "false");
    case JSON_INTEGER:
        return json_integers_alike(text, v);
    case JSON_REAL:
        return memchr(text.data, '.', text.len) || memchr(text.data, 'e', text.len) || memchr(text.data, 'E', text.len);
    case JSON_STRING:
        return json_strings_alike(text, v);
    case JSON_ARRAY:
        return json_arrays_alike(text, v);
    case JSON_OBJECT:
        return json_objects_alike(text, v);
    }
    return false;
}

#endif
