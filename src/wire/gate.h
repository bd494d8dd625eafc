/* gate.h - the strict byte gate in front of json-c: decides whether bytes are one complete JSON text that json-c and
 * PostgreSQL will read alike. UTF-8 as PostgreSQL sees it, RFC 8259 grammar to the letter, bounded depth, tokens and
 * numbers. Pure, no allocation, one pass. See shared dependencies, "json-c 0.16 against PostgreSQL 15". */
#ifndef CHATSLUICE_WIRE_GATE_H
#define CHATSLUICE_WIRE_GATE_H

#include "base/span.h"

enum { GATE_MAX_DEPTH = 128, GATE_MAX_TOKENS = 200000, GATE_MAX_NUMBER = 64, GATE_MAX_EXPONENT = 400 };

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

/* Locating values in a text that passed gate_check(), by their bytes; used to rewrite without touching the rest.
 * The span includes quotes or brackets. Of repeated keys the last counts, as for json-c. False if absent. */
bool gate_member(struct span object, const char *key, struct span *value);
/* Element number index of an array. */
bool gate_element(struct span array, size_t index, struct span *value);

#endif
