/* json_texts.h - byte strings and JSON texts, good, bad and nearly good, the same on every run and machine: what the
 * gate is held against other readers with. */
#ifndef CHATSLUICE_TESTS_JSON_TEXTS_H
#define CHATSLUICE_TESTS_JSON_TEXTS_H

#include "mutate.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static uint64_t texts_seed = 20240607;

static inline size_t below(size_t n)
{
    return next_random(&texts_seed) % n;
}

/* Byte strings ------------------------------------------------------------------------------------------------------
 */

/* The edges of every rule of UTF-8, good and bad. */
static const char *const sequences[] = {
    "\x01", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xE4\xBD\xA0", "\xED\x9F\xBF", "\xEE\x80\x80",
    "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF",
    /* lonely, overlong, surrogate, too high, truncated */
    "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
    "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFE",
    "\xFF", "\xC2", "\xE4\xBD", "\xF0\x9F\x98", "\xF4\x8F"};
enum { GOOD_SEQUENCES = 13 };

/* Mostly good characters, so that about half of the strings are good as a whole; one byte in a few is random. */
static inline void random_bytes(struct buf *b)
{
    size_t count = below(24), risk = below(2) ? 12 : 0;

    buf_reset(b);
    for (size_t i = 0; i < count; i++) {
        if (risk && below(risk) == 0)
            buf_add_text(b, sequences[below(COUNT(sequences))]);
        else if (risk && below(risk) == 0)
            buf_add_char(b, (char)(1 + below(255)));
        else
            buf_add_text(b, sequences[below(GOOD_SEQUENCES)]);
    }
    if (risk && b->len > 0 && below(4) == 0)
        b->len -= 1; /* cut the last character */
}

/* JSON-ish texts ----------------------------------------------------------------------------------------------------
 */

static const char *const string_parts[] = {
    "a", "text", " ", "/", "\xE4\xBD\xA0", "\xF0\x9F\x98\x80", "\x7F", "\\n", "\\\"", "\\\\", "\\/", "\\b", "\\u4f60",
    "\\u00e9", "\\ud83d\\ude00", "\\uDBFF\\uDFFF", "\\ud837\\ude00", "\\uFFFF", "\\u0001",
    /* bad ones */
    "\\u0000", "\\ud83d", "\\ude00", "\\ud83d\\u0041", "\\ude00\\ud83d", "\\x", "\\u12", "\\u12g4", "\n", "\t", "\x01",
    "\x1F", "\\", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE4\xBD", "\x80"};
enum { GOOD_STRING_PARTS = 19 };

static const char *const scalars[] = {
    "0", "-0", "7", "-12", "1.5", "-0.25", "1e5", "1E+5", "2e-05", "1e400", "1e-400", "18446744073709551616", "true",
    "false", "null", "123456789012345678901234567890.123456789012345678901234567890",
    /* bad ones, and beyond our limits */
    "01", "-01", "+1", "1.", ".5", "1e", "1e+", "-", "NaN", "Infinity", "tru", "True", "nul", "0x1", "1_0", "'a'", "//",
    "1e401", "1e-401", "1e5000", "1e200000", "12345678901234567890123456789012345678901234567890123456789012345",
    "\xEF\xBB\xBF"};
enum { GOOD_SCALARS = 16 };

static const char *const spaces[] = {"",   "",         "",     " ", "\n", "\t", "\r\n", /* bad ones */ "\f",
                                     "\v", "\xC2\xA0", "/**/", ",", "]"};
enum { GOOD_SPACES = 7 };

/* One of the first `good` entries; of all when the one-in-risk chance comes up (0: never). */
static inline void add_part(struct buf *b, const char *const *parts, size_t count, size_t good, size_t risk)
{
    buf_add_text(b, parts[below(risk && below(risk) == 0 ? count : good)]);
}

static inline void add_random_string(struct buf *b, size_t risk)
{
    size_t parts = below(5);

    buf_add_char(b, '"');
    for (size_t i = 0; i < parts; i++)
        add_part(b, string_parts, COUNT(string_parts), GOOD_STRING_PARTS, risk);
    buf_add_char(b, '"');
}

static inline void add_random_value(struct buf *b, size_t depth, size_t risk)
{
    size_t kind = below(depth ? 5 : 3), items = below(4);
    bool object = kind == 3;

    add_part(b, spaces, COUNT(spaces), GOOD_SPACES, risk);
    if (kind == 0) {
        add_part(b, scalars, COUNT(scalars), GOOD_SCALARS, risk);
    } else if (kind < 3) {
        add_random_string(b, risk);
    } else {
        buf_add_char(b, object ? '{' : '[');
        for (size_t i = 0; i < items; i++) {
            if (i > 0)
                buf_add_char(b, ',');
            if (object) {
                if (risk && below(risk) == 0)
                    buf_add_text(b, "'key'");
                else
                    add_random_string(b, risk);
                buf_add_char(b, ':');
            }
            add_random_value(b, depth - 1, risk);
        }
        buf_add_char(b, object ? '}' : ']');
    }
    add_part(b, spaces, COUNT(spaces), GOOD_SPACES, risk);
}

static inline void random_json(struct buf *b)
{
    size_t risk = below(3) ? 8 + below(24) : 0, deep = below(40) ? 0 : 100 + below(40);

    buf_reset(b);
    for (size_t i = 0; i < deep; i++)
        buf_add_char(b, '[');
    add_random_value(b, 4, risk);
    for (size_t i = 0; i < deep; i++)
        buf_add_char(b, ']');
    if (risk && b->len > 0 && below(6) == 0)
        b->len = below(b->len); /* the text ends too soon */
    else if (risk && below(6) == 0 && b->len > 0)
        b->data[below(b->len)] = (char)(1 + below(255));
}

/* Mutated webhooks ----------------------------------------------------------------------------------------------------
 */

static const char *const webhook_bodies[] = {
    "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"CloudCustomData\":\"{\\\"lvl\\\":3}\",\"EventTime\":"
    "1764000000123,\"From_Account\":\"viewer_19\",\"GroupId\":\"room-7\",\"MsgBody\":[{\"MsgContent\":{\"Text\":\"hello "
    "\xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80\"},\"MsgType\":\"TIMTextElem\"}],\"Random\":4294967295,\"Type\":\"Live\"}",
    "{\"CallbackCommand\":\"Group.CallbackAfterSendMsg\",\"MsgBody\":[{\"MsgType\":\"TIMLocationElem\",\"MsgContent\":"
    "{\"Desc\":\"\\u4f60\\ud83d\\ude00\",\"Latitude\":29.340656774469956,\"Longitude\":-1.16774974e+2}},{\"MsgType\":"
    "\"TIMCustomElem\",\"MsgContent\":{\"Data\":\"{\\\"a\\\":[1,null]}\",\"Desc\":\"\",\"Ext\":\"\"}}],\"MsgSeq\":0,"
    "\"OnlineOnlyFlag\":null}",
    "{\"CallbackCommand\":\"Group.CallbackAfterRecallMsg\",\"MsgSeqList\":[{\"MsgSeq\":130},{\"MsgSeq\":131}],\n\t\"Ok\":true,"
    "\"No\":false}"};

static inline void mutated_webhook(struct buf *b)
{
    buf_reset(b);
    buf_add_text(b, webhook_bodies[below(COUNT(webhook_bodies))]);
    if (below(6) > 0)
        mutate(b, &texts_seed);
}

#endif
