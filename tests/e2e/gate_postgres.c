/* gate_postgres URL - holds the gate against PostgreSQL's own verdict on many random byte strings (fixed seed):
 * utf8_valid_prefix() against convert_from(..., 'UTF8'), gate_check(GATE_JSONB) against ::jsonb. What the gate accepts
 * PostgreSQL must accept; what it refuses PostgreSQL must refuse, too, unless a limit of ours was the reason.
 * Prints each disagreement; status 0 when there is none. */
#include "../unit/wire/json_texts.h"
#include "base/utf8.h"
#include "wire/gate.h"

#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 500, BATCHES = 12, MAX_DISAGREEMENTS = 20 };

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
    {"webhooks", mutated_webhook, our_jsonb,
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
