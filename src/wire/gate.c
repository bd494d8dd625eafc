#include "wire/gate.h"

#include "base/hex.h"
#include "base/utf8.h"

#include <endian.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The value of the four hexadecimal digits at at, or -1 when there are no four. */
static int hex4(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high_surrogate(int code)
{
    return code >= 0xD800 && code <= 0xDBFF;
}

static bool is_low_surrogate(int code)
{
    return code >= 0xDC00 && code <= 0xDFFF;
}

/* The low surrogate of the escape that follows the six bytes of a high one at at, or -1. */
static int paired_with(const char *at, const char *end)
{
    int low;

    if (end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return -1;
    low = hex4(at + 8, end);
    return is_low_surrogate(low) ? low : -1;
}

/* Checking -------------------------------------------------------------------------------------------------------- */

/* What the grammar wants next. */
enum step { STEP_VALUE, STEP_KEY, STEP_AFTER_VALUE, STEP_DONE, STEP_FAULT };

struct gate {
    const char *at, *start, *end;
    enum gate_use use;
    unsigned depth;
    size_t tokens;
    struct gate_counts counts;
    struct gate_fault *fault;
    bool in_object[GATE_MAX_DEPTH]; /* what each open bracket is; only the first depth of them are set */
};

static bool refuse(struct gate *g, const char *at, const char *what)
{
    g->fault->offset = (size_t)(at - g->start);
    g->fault->what = what;
    return false;
}

static enum step fault(struct gate *g, const char *what)
{
    refuse(g, g->at, what);
    return STEP_FAULT;
}

static inline void skip_space(struct gate *g)
{
    while (g->at < g->end && is_space(*g->at))
        g->at++;
}

/* The first byte that needs a look inside a string: '"', '\\', a control character or anything that is not ASCII.
 * Eight bytes at a time: each term below sets the high bit of the bytes it looks for. A borrow can set it for a byte
 * that is harmless, but only above one that is not, and the lowest one is what we take. */
static const char *skip_plain(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101u;

    while (end - at >= 8) {
        uint64_t word, special;

        memcpy(&word, at, 8);
        word = le64toh(word);
        special =
            (word | (word - ' ' * ones) | ((word ^ '"' * ones) - ones) | ((word ^ '\\' * ones) - ones)) & 0x80 * ones;
        if (special)
            return at + __builtin_ctzll(special) / 8;
        at += 8;
    }
    while (at < end && (unsigned char)*at >= ' ' && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* \uXXXX; at is its backslash. */
static bool take_unicode_escape(struct gate *g, bool in_key)
{
    bool strict = in_key || g->use == GATE_JSONB;
    int code = hex4(g->at + 2, g->end);

    if (code < 0) {
        const char *wrong = g->at + 2;
        while (wrong < g->end && hex_digit(*wrong) >= 0)
            wrong++;
        return refuse(g, wrong, "\\u without four hexadecimal digits");
    }
    if (code == 0 && strict)
        return refuse(g, g->at, in_key ? "\\u0000 in a key" : "\\u0000");
    if (is_high_surrogate(code) && paired_with(g->at, g->end) >= 0) {
        g->at += 12;
        g->counts.pairs++;
        return true;
    }
    if ((is_high_surrogate(code) || is_low_surrogate(code)) && strict)
        return refuse(g, g->at, in_key ? "unpaired surrogate escape in a key" : "unpaired surrogate escape");
    g->at += 6;
    return true;
}

static bool take_escape(struct gate *g, bool in_key)
{
    if (g->end - g->at < 2)
        return refuse(g, g->end, "the text ends inside a string");
    switch (g->at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        g->at += 2;
        return true;
    case 'u':
        return take_unicode_escape(g, in_key);
    default:
        return refuse(g, g->at + 1, "unknown escape");
    }
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* A run of characters that are not ASCII. Most are Chinese: three bytes, good with these first bytes whatever follows.
 */
static bool take_wide(struct gate *g)
{
    do {
        size_t left = (size_t)(g->end - g->at), len;

        if (left >= 3 && (unsigned char)*g->at >= 0xE1 && (unsigned char)*g->at <= 0xEC && is_continuation(g->at[1]) &&
            is_continuation(g->at[2]))
            len = 3;
        else
            len = utf8_char_len(g->at, left);
        if (len == 0)
            return refuse(g, g->at, "overlong, truncated or forbidden UTF-8");
        g->at += len;
    } while (g->at < g->end && (unsigned char)*g->at >= 0x80);
    return true;
}

/* A string; at is its opening quote. */
static bool take_string(struct gate *g, bool in_key)
{
    g->at++;
    for (;;) {
        g->at = skip_plain(g->at, g->end);
        if (g->at == g->end)
            return refuse(g, g->at, "the text ends inside a string");
        if (*g->at == '"') {
            g->at++;
            return true;
        }
        if (*g->at == '\\') {
            if (!take_escape(g, in_key))
                return false;
        } else if ((unsigned char)*g->at < ' ') {
            return refuse(g, g->at, "control character in a string");
        } else if (!take_wide(g)) {
            return false;
        }
    }
}

/* At least one digit; false when there is none. */
static bool take_digits(struct gate *g)
{
    const char *first = g->at;

    while (g->at < g->end && is_digit(*g->at))
        g->at++;
    return g->at > first;
}

static bool take_exponent(struct gate *g)
{
    const char *digits;
    int exponent = 0;

    g->at++;
    if (g->at < g->end && (*g->at == '+' || *g->at == '-'))
        g->at++;
    digits = g->at;
    if (!take_digits(g))
        return refuse(g, g->at, "a number's exponent has no digit");
    for (const char *c = digits; c < g->at && exponent <= GATE_MAX_EXPONENT; c++)
        exponent = exponent * 10 + (*c - '0');
    if (exponent > GATE_MAX_EXPONENT)
        return refuse(g, digits, "a number's exponent is beyond 400");
    return true;
}

static bool take_number(struct gate *g)
{
    const char *start = g->at;

    if (*g->at == '-')
        g->at++;
    if (g->at < g->end && *g->at == '0') {
        g->at++;
        if (g->at < g->end && is_digit(*g->at))
            return refuse(g, g->at, "a number begins with 0");
    } else if (!take_digits(g)) {
        return refuse(g, g->at, "a number has no digit");
    }
    if (g->at < g->end && *g->at == '.') {
        g->at++;
        if (!take_digits(g))
            return refuse(g, g->at, "a number has no digit after its point");
    }
    if (g->at < g->end && (*g->at == 'e' || *g->at == 'E') && !take_exponent(g))
        return false;
    if (g->at - start > GATE_MAX_NUMBER)
        return refuse(g, start, "a number is longer than 64 characters");
    return true;
}

static bool take_literal(struct gate *g, const char *literal)
{
    for (; *literal; literal++, g->at++)
        if (g->at == g->end || *g->at != *literal)
            return refuse(g, g->at, "neither true, false nor null");
    return true;
}

/* An opening bracket; at is behind it. */
static enum step open_bracket(struct gate *g, bool object)
{
    if (g->depth == GATE_MAX_DEPTH) {
        g->at--;
        return fault(g, "nested deeper than 128");
    }
    g->in_object[g->depth++] = object;
    skip_space(g);
    if (g->at < g->end && *g->at == (object ? '}' : ']')) {
        g->at++;
        g->depth--;
        return STEP_AFTER_VALUE;
    }
    return object ? STEP_KEY : STEP_VALUE;
}

static enum step step_value(struct gate *g)
{
    bool good;

    skip_space(g);
    if (g->at == g->end)
        return fault(g, g->start == g->end ? "empty" : "the text ends where a value must stand");
    if (++g->tokens > GATE_MAX_TOKENS)
        return fault(g, "more than 200000 keys and values");
    switch (*g->at) {
    case '{':
        g->at++;
        return open_bracket(g, true);
    case '[':
        g->at++;
        return open_bracket(g, false);
    case '"':
        good = take_string(g, false);
        break;
    case 't':
        good = take_literal(g, "true");
        break;
    case 'f':
        good = take_literal(g, "false");
        break;
    case 'n':
        good = take_literal(g, "null");
        break;
    default:
        if (*g->at != '-' && !is_digit(*g->at))
            return fault(g, "no value begins like this");
        good = take_number(g);
        break;
    }
    return good ? STEP_AFTER_VALUE : STEP_FAULT;
}

static enum step step_key(struct gate *g)
{
    skip_space(g);
    if (g->at == g->end || *g->at != '"')
        return fault(g, "a key in double quotes must stand here");
    if (++g->tokens > GATE_MAX_TOKENS)
        return fault(g, "more than 200000 keys and values");
    g->counts.members++;
    if (!take_string(g, true))
        return STEP_FAULT;
    skip_space(g);
    if (g->at == g->end || *g->at != ':')
        return fault(g, "':' must stand here");
    g->at++;
    return STEP_VALUE;
}

static enum step step_after_value(struct gate *g)
{
    bool object;

    skip_space(g);
    if (g->depth == 0)
        return g->at == g->end ? STEP_DONE : fault(g, "something follows the value");
    object = g->in_object[g->depth - 1];
    if (g->at < g->end && *g->at == ',') {
        g->at++;
        return object ? STEP_KEY : STEP_VALUE;
    }
    if (g->at < g->end && *g->at == (object ? '}' : ']')) {
        g->at++;
        g->depth--;
        return STEP_AFTER_VALUE;
    }
    return fault(g, object ? "',' or '}' must stand here" : "',' or ']' must stand here");
}

bool gate_count(struct span json, enum gate_use use, struct gate_counts *counts, struct gate_fault *fault_out)
{
    struct gate g; /* not set as a whole: in_object is filled as brackets open */
    enum step step = STEP_VALUE;

    g.at = g.start = json.data;
    g.end = json.data ? json.data + json.len : NULL;
    g.use = use;
    g.depth = 0;
    g.tokens = 0;
    g.counts = (struct gate_counts){0};
    g.fault = fault_out;
    if (json.len > GATE_MAX_BYTES)
        step = fault(&g, "longer than 16 MiB");
    for (;;) {
        switch (step) {
        case STEP_VALUE:
            step = step_value(&g);
            break;
        case STEP_KEY:
            step = step_key(&g);
            break;
        case STEP_AFTER_VALUE:
            step = step_after_value(&g);
            break;
        case STEP_DONE:
            *counts = g.counts;
            return true;
        case STEP_FAULT:
            return false;
        }
    }
}

bool gate_check(struct span json, enum gate_use use, struct gate_fault *fault_out)
{
    struct gate_counts counts;

    return gate_count(json, use, &counts, fault_out);
}

/* Locating: on checked text, so only brackets, quotes and backslashes matter --------------------------------------- */

static const char *pass_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* Behind the string that begins at at. */
static const char *pass_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"')
            return at + 1;
        if (*at == '\\' && at + 1 < end)
            at++;
    }
    return end;
}

/* Behind the value that begins at at. */
static const char *pass_value(const char *at, const char *end)
{
    size_t depth = 0;

    if (at < end && *at != '"' && *at != '{' && *at != '[') {
        while (at < end && *at != ',' && *at != ']' && *at != '}' && !is_space(*at))
            at++;
        return at;
    }
    while (at < end) {
        if (*at == '"') {
            at = pass_string(at, end);
        } else {
            if (*at == '{' || *at == '[')
                depth++;
            else if (*at == '}' || *at == ']')
                depth--;
            at++;
        }
        if (depth == 0)
            break;
    }
    return at;
}

/* One character of a string literal, decoded; moves *at behind it. */
static size_t decode_one(const char **at, const char *end, char out[4])
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t"; /* each letter and what it stands for */
    int code, low;

    if (**at != '\\' || end - *at < 2) {
        out[0] = *(*at)++;
        return 1;
    }
    if ((*at)[1] != 'u') {
        out[0] = '?';
        for (const char *e = escapes; *e; e += 2)
            if (*e == (*at)[1])
                out[0] = e[1];
        *at += 2;
        return 1;
    }
    code = hex4(*at + 2, end);
    low = is_high_surrogate(code) ? paired_with(*at, end) : -1;
    if (low >= 0) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        *at += 6;
    }
    *at = end - *at < 6 ? end : *at + 6;
    return utf8_encode(code < 0 || is_high_surrogate(code) || is_low_surrogate(code) ? 0xFFFD : (uint32_t)code, out);
}

bool gate_string_is(struct span literal, const char *text)
{
    size_t text_len = strlen(text);
    const char *at = literal.data + 1, *end = literal.data + literal.len - 1;

    if (literal.len < 2)
        return false;
    if (!memchr(at, '\\', (size_t)(end - at)))
        return span_equal((struct span){at, (size_t)(end - at)}, (struct span){text, text_len});
    while (at < end) {
        char decoded[4];
        size_t len = decode_one(&at, end, decoded);
        if (len > text_len || memcmp(decoded, text, len) != 0)
            return false;
        text += len;
        text_len -= len;
    }
    return text_len == 0;
}

bool gate_next_member(struct span object, size_t *cursor, struct span *key, struct span *value)
{
    const char *end = object.data + object.len;
    const char *at = pass_space(object.data + *cursor, end), *start;

    /* the cursor stands before the opening bracket or before what follows a value */
    if (at == end || *at != (*cursor == 0 ? '{' : ','))
        return false;
    start = pass_space(at + 1, end);
    if (start == end || *start != '"')
        return false;
    at = pass_string(start, end);
    *key = (struct span){start, (size_t)(at - start)};
    at = pass_space(at, end);
    if (at < end)
        at++; /* the colon */
    start = pass_space(at, end);
    at = pass_value(start, end);
    *value = (struct span){start, (size_t)(at - start)};
    *cursor = (size_t)(at - object.data);
    return true;
}

bool gate_member(struct span object, const char *key, struct span *value)
{
    struct span name, member;
    size_t cursor = 0;
    bool found = false;

    while (gate_next_member(object, &cursor, &name, &member)) {
        if (gate_string_is(name, key)) {
            *value = member;
            found = true;
        }
    }
    return found;
}

bool gate_next(struct span array, size_t *cursor, struct span *value)
{
    const char *end = array.data + array.len;
    const char *at = pass_space(array.data + *cursor, end), *start;

    /* the cursor stands before the opening bracket or before what follows an element */
    if (at == end || *at != (*cursor == 0 ? '[' : ','))
        return false;
    start = pass_space(at + 1, end);
    if (start == end || *start == ']')
        return false;
    at = pass_value(start, end);
    *value = (struct span){start, (size_t)(at - start)};
    *cursor = (size_t)(at - array.data);
    return true;
}

bool gate_element(struct span array, size_t index, struct span *value)
{
    size_t cursor = 0;
    struct span element;

    while (gate_next(array, &cursor, &element)) {
        if (index-- == 0) {
            *value = element;
            return true;
        }
    }
    return false;
}

bool gate_string(struct span literal, struct buf *out)
{
    const char *at = literal.data + 1, *end = literal.data + literal.len - 1;

    if (literal.len < 2 || *literal.data != '"')
        return false;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        char text[4];

        if (escape != at) {
            buf_add(out, at, (size_t)((escape ? escape : end) - at));
            at = escape ? escape : end;
            continue;
        }
        buf_add(out, text, decode_one(&at, end, text));
    }
    return true;
}

void gate_unescape_pairs(struct span json, struct buf *out)
{
    const char *at = json.data, *plain = at, *end = at + json.len;

    while (at < end && (at = memchr(at, '\\', (size_t)(end - at)))) {
        char text[4];

        if (end - at < 2 || at[1] != 'u' || !is_high_surrogate(hex4(at + 2, end)) || paired_with(at, end) < 0) {
            at += 2;
            continue;
        }
        buf_add(out, plain, (size_t)(at - plain));
        buf_add(out, text, decode_one(&at, end, text));
        plain = at;
    }
    buf_add(out, plain, (size_t)(end - plain));
}
