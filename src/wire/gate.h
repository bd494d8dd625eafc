/* gate.h - the strict byte gate in front of json-c: decides whether bytes are one complete JSON text that json-c and
 * PostgreSQL will read alike. UTF-8 as PostgreSQL sees it, RFC 8259 grammar to the letter, bounded size, depth, tokens
 * and numbers. Pure, no allocation, one pass. See `dependencies.md`, "json-c 0.16 against PostgreSQL 15". */
#ifndef CHATSLUICE_WIRE_GATE_H
#define CHATSLUICE_WIRE_GATE_H

#include "base/buf.h"

enum {
    GATE_MAX_BYTES = 16 * 1024 * 1024, /* offsets fit an int everywhere behind the gate; callers bound bodies lower */
    GATE_MAX_DEPTH = 128,
    GATE_MAX_TOKENS = 200000, /* keys and values */
    GATE_MAX_NUMBER = 64,     /* characters */
    GATE_MAX_EXPONENT = 400   /* above or below zero */
};

enum gate_use {
    GATE_WIRE,  /* a webhook body: \u0000 and lone surrogate escapes in values are legal (not in keys) */
    GATE_JSONB, /* what PostgreSQL's jsonb takes: refuses both as well */
};

struct gate_fault {
    size_t offset;    /* of the first byte that is wrong; the length of the text when it ends too soon */
    const char *what; /* static text, e.g. "overlong or truncated UTF-8" */
};

/* True when json is one complete text fit for that use; else *fault says where and what. */
bool gate_check(struct span json, enum gate_use use, struct gate_fault *fault);

struct gate_counts {
    size_t members; /* of all objects together, repeated keys counted each time */
    size_t pairs;   /* escapes of two surrogates that stand for one character */
};

/* The same, and fills *counts. */
bool gate_count(struct span json, enum gate_use use, struct gate_counts *counts, struct gate_fault *fault);

/* Adds a text that passed gate_check() to out, with the character itself where two surrogates are escaped: it says the
 * same, for a reader that cannot read all of them. */
void gate_unescape_pairs(struct span json, struct buf *out);

/* Locating values in a text that passed gate_check(), by their bytes; used to rewrite without touching the rest.
 * A value's span includes quotes or brackets. On any other text the answers mean nothing, but nothing is read outside
 * of the span. */

/* The value of key, whether the key is written plainly or with escapes. Of repeated keys the last counts, as for
 * json-c. False if absent or object is no object. */
bool gate_member(struct span object, const char *key, struct span *value);
/* Walks the members of an object as they stand, repeated keys too: *cursor is 0 at first; false at the end. key is the
 * literal with its quotes. */
bool gate_next_member(struct span object, size_t *cursor, struct span *key, struct span *value);
/* Whether a string literal (with its quotes) says text, written plainly or with escapes. */
bool gate_string_is(struct span literal, const char *text);
/* Element number index of an array. */
bool gate_element(struct span array, size_t index, struct span *value);
/* Walks an array: *cursor is 0 at first; false at the end. */
bool gate_next(struct span array, size_t *cursor, struct span *value);
/* What a string literal (with its quotes) says, added to out; a lone surrogate becomes U+FFFD. False if it is none. */
bool gate_string(struct span literal, struct buf *out);

#endif
