/* gate_postgres URL - holds the gate against PostgreSQL's own verdict on many random byte strings (fixed seed):
 * utf8_valid_prefix() against convert_from(..., 'UTF8'), gate_check(GATE_JSONB) against ::jsonb. What the gate accepts
 * PostgreSQL must accept; what it refuses PostgreSQL must refuse, too, unless a limit of ours was the reason.
 * Prints each disagreement; status 0 when there is none. */
#include "base/buf.h"
#include "base/utf8.h"
#include "wire/gate.h"

#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 500, BATCHES = 12, MAX_DISAGREEMENTS = 20 };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static uint64_t seed = 20240607;

/* splitmix64: the same sequence everywhere */
static uint64_t next_random(void)
{
    uint64_t z = seed += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return next_random() % n;
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
static void random_bytes(struct buf *b)
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
    "\\u00e9", "\\ud83d\\ude00", "\\uDBFF\\uDFFF", "\\uFFFF", "\\u0001",
    /* bad ones */
    "\\u0000", "\\ud83d", "\\ude00", "\\ud83d\\u0041", "\\ude00\\ud83d", "\\x", "\\u12", "\\u12g4", "\n", "\t", "\x01",
    "\x1F", "\\", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE4\xBD", "\x80"};
enum { GOOD_STRING_PARTS = 18 };

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
static void add_part(struct buf *b, const char *const *parts, size_t count, size_t good, size_t risk)
{
    buf_add_text(b, parts[below(risk && below(risk) == 0 ? count : good)]);
}

static void add_random_string(struct buf *b, size_t risk)
{
    size_t parts = below(5);

    buf_add_char(b, '"');
    for (size_t i = 0; i < parts; i++)
        add_part(b, string_parts, COUNT(string_parts), GOOD_STRING_PARTS, risk);
    buf_add_char(b, '"');
}

static void add_random_value(struct buf *b, size_t depth, size_t risk)
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
                add_random_string(b, risk);
                buf_add_char(b, ':');
            }
            add_random_value(b, depth - 1, risk);
        }
        buf_add_char(b, object ? '}' : ']');
    }
    add_part(b, spaces, COUNT(spaces), GOOD_SPACES, risk);
}

static void random_json(struct buf *b)
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

/* Comparing ---------------------------------------------------------------------------------------------------------
 */

/* What our side says: NULL accepts; else the reason. */
static const char *our_utf8(struct span text)
{
    return utf8_valid_prefix(text.data, text.len) == text.len ? NULL : "not UTF-8";
}

static const char *our_jsonb(struct span text)
{
    struct gate_fault fault;

    return gate_check(text, GATE_JSONB, &fault) ? NULL : fault.what;
}

static bool is_limit(const char *reason)
{
    return strstr(reason, "beyond 400") || strstr(reason, "longer than") || strstr(reason, "deeper than");
}

static const struct comparison {
    const char *name;
    void (*make)(struct buf *b);
    const char *(*ours)(struct span text);
    const char *sql; /* the SQLSTATE of each element's refusal, "" for what PostgreSQL reads */
} comparisons[] = {
    {"utf8", random_bytes, our_utf8,
     "select pg_temp.reads_utf8(t) from unnest($1::bytea[]) with ordinality as u(t, n) order by n"},
    {"jsonb", random_json, our_jsonb,
     "select pg_temp.reads_jsonb(t) from unnest($1::bytea[]) with ordinality as u(t, n) order by n"},
};

static const char functions[] =
    "create function pg_temp.reads_utf8(t bytea) returns text language plpgsql as $$ begin"
    " perform convert_from(t, 'UTF8'); return ''; exception when others then return sqlstate; end $$;"
    "create function pg_temp.reads_jsonb(t bytea) returns text language plpgsql as $$ begin"
    " perform convert_from(t, 'UTF8')::jsonb; return ''; exception when others then return sqlstate; end $$";

struct tally {
    size_t accepted, refused, beyond_limits, disagreements;
};

/* One text as an element of a bytea[] literal. */
static void add_element(struct buf *array, struct span text)
{
    buf_add_text(array, array->len > 1 ? ",\"\\\\x" : "\"\\\\x");
    for (size_t i = 0; i < text.len; i++)
        buf_addf(array, "%02x", (unsigned char)text.data[i]);
    buf_add_char(array, '"');
}

static void compare_one(const struct comparison *c, struct span text, const char *sqlstate, struct tally *tally)
{
    const char *ours = c->ours(text);
    bool theirs = sqlstate[0] == '\0';

    if (!ours && theirs) {
        tally->accepted++;
    } else if (ours && !theirs) {
        tally->refused++;
    } else if (ours && is_limit(ours)) {
        tally->beyond_limits++;
    } else if (tally->disagreements++ < MAX_DISAGREEMENTS) {
        printf("%s: we %s, PostgreSQL %s%s: ", c->name, ours ? ours : "accept", theirs ? "accepts" : "refuses with ",
               sqlstate);
        for (size_t i = 0; i < text.len; i++)
            printf("%02x", (unsigned char)text.data[i]);
        printf("\n");
    }
}

static bool compare_batch(PGconn *conn, const struct comparison *c, struct tally *tally)
{
    struct buf array = BUF_INIT, text = BUF_INIT, all = BUF_INIT;
    size_t ends[BATCH], from = 0;
    const char *value;
    PGresult *res;
    bool good;

    buf_add_char(&array, '{');
    for (size_t i = 0; i < BATCH; i++) {
        c->make(&text);
        add_element(&array, buf_span(&text));
        buf_add_span(&all, buf_span(&text));
        ends[i] = all.len;
    }
    buf_add_char(&array, '}');
    value = buf_text(&array);
    res = PQexecParams(conn, c->sql, 1, NULL, &value, NULL, NULL, 0);
    good =
        !buf_failed(&array) && !buf_failed(&all) && PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == BATCH;
    if (!good)
        fprintf(stderr, "gate_postgres: %s: %s\n", c->name, PQerrorMessage(conn));
    for (int i = 0; good && i < BATCH; i++) {
        compare_one(c, (struct span){all.data + from, ends[i] - from}, PQgetvalue(res, i, 0), tally);
        from = ends[i];
    }
    PQclear(res);
    buf_release(&array);
    buf_release(&text);
    buf_release(&all);
    return good;
}

/* True when both sides agreed, and the texts were of both kinds in fair number. */
static bool compare(PGconn *conn, const struct comparison *c)
{
    struct tally tally = {0};

    for (int i = 0; i < BATCHES; i++)
        if (!compare_batch(conn, c, &tally))
            return false;
    printf("%s: %zu accepted by both, %zu refused by both, %zu beyond our limits, %zu disagreements\n", c->name,
           tally.accepted, tally.refused, tally.beyond_limits, tally.disagreements);
    return tally.disagreements == 0 && tally.accepted > BATCH && tally.refused > BATCH;
}

int main(int argc, char **argv)
{
    PGconn *conn;
    PGresult *res;
    bool good;

    if (argc != 2) {
        fprintf(stderr, "usage: gate_postgres URL\n");
        return 2;
    }
    conn = PQconnectdb(argv[1]);
    res = PQexec(conn, functions);
    good = PQresultStatus(res) == PGRES_COMMAND_OK;
    if (!good)
        fprintf(stderr, "gate_postgres: %s\n", PQerrorMessage(conn));
    PQclear(res);
    for (size_t i = 0; good && i < COUNT(comparisons); i++)
        good = compare(conn, &comparisons[i]);
    PQfinish(conn);
    return good ? 0 : 1;
}
