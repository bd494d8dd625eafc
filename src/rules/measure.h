/* measure.h - conditions that hold or do not hold for a message as a whole: length, lines, share, types, json, repeated
 * and rate (rule.h). Private to the judge.
 *
 * Length, lines and shares count what a reader sees: every piece of the message's text but what only programs read (the
 * Data and Ext of custom elements, the Data of faces). A visible character is a grapheme cluster, so an emoji sequence
 * is one; one that has only invisible characters counts nowhere, and blanks count for the length alone. A message
 * without text has length 0 and no line.
 *
 * json: a value that is a string holding JSON is looked into, MEASURE_MAX_NESTING deep, as senders wrap it. Text that
 * is not JSON as the gate sees it (wire/gate.h) has no paths.
 *
 * A measure is worked out at most once a message, when first asked for; nothing is allocated once warm. */
#ifndef CHATSLUICE_RULES_MEASURE_H
#define CHATSLUICE_RULES_MEASURE_H

#include "rules/arena.h"
#include "rules/judge.h"

enum {
    MEASURE_WORDS = 80, /* bytes that say what was measured */
    MEASURE_MAX_NESTING = 3,
    MEASURE_SCRIPTS = 256, /* more than ICU knows */
};

struct measure_step { /* a member, or an element of an array */
    const char *key;  /* NULL: an element */
    size_t index;
};

struct measure { /* a compiled condition; its texts belong to the set */
    enum condition_kind kind;
    struct bounds bounds;
    struct share_condition share;
    const uint16_t *scripts;
    unsigned types;
    struct json_condition json;
    const char *path;
    const struct measure_step *steps;
    size_t step_count;
    struct rate_condition rate;
    size_t meter; /* of the set: where circumstances have the count */
};

/* ERR_USAGE with the reason when the condition cannot be: a bad JSON path, an unknown script. Everything is copied into
 * a; memory that runs out shows there. Leaves meter to the caller. */
int measure_compile(struct measure *out, const struct condition *condition, struct arena *a, struct err *err);

struct text_counts {
    size_t length, lines;
    size_t seen; /* visible and not blank */
    size_t emoji, capitals, digits, symbols;
    uint32_t scripts[MEASURE_SCRIPTS];
};

/* Adds what a text has. First with a zeroed counts; what stood before does not join with it. */
void text_counts_add(struct text_counts *counts, struct span text);

/* One thread's scratch. */
struct measured {
    uint32_t epoch; /* of the message it was worked out for */
    bool holds, counted;
    uint8_t words_len;
    char words[MEASURE_WORDS];
};

struct measurer {
    uint64_t serial; /* of the set it is made fit for */
    struct measured *measured;
    uint32_t epoch;
    const struct message *message;
    const struct circumstances *circumstances; /* NULL: nothing is known */
    struct span text;
    struct text_counts counts;
    bool has_counts;
    struct json_source { /* looked at once a message */
        bool known, good;
        struct span text;
        size_t piece; /* of custom elements */
    } sources[2];     /* by enum json_where */
    struct buf inner[2];
};

/* False when memory ran out. Nothing to do as long as the set stays the same. */
bool measurer_take_set(struct measurer *m, uint64_t serial, size_t measure_count);
/* text: message->text as valid UTF-8, of the same length. Borrows all until the next begin. */
void measurer_begin(struct measurer *m, const struct message *message, struct span text,
                    const struct circumstances *circumstances);
/* index: of the measure in its set. */
bool measurer_holds(struct measurer *m, const struct measure *measure, size_t index);
/* Marks a measure that holds as one of those that made its rule hold. */
void measurer_count(struct measurer *m, size_t index);
/* What was measured, in short words ("length 612 > 500"), of a measure that was marked in this message; else empty.
 * Borrowed until the next begin. */
struct span measurer_words(const struct measurer *m, size_t index);
void measurer_release(struct measurer *m);

#endif
