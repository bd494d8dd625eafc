#include "store/rule_revision.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_TEXT = 24 };

/* An instance counts as live while its row is fresher than this; it is written every five seconds. */
#define LIVE "interval '15 seconds'"

static const char *const kind_names[] = {[REVISION_PUBLISH] = "publish",
                                         [REVISION_ROLLBACK] = "rollback",
                                         [REVISION_AUTOMATIC_ROLLBACK] = "automatic rollback"};

static uint64_t number_at(const struct db_result *rows, size_t row, unsigned column)
{
    unsigned long long n = 0;

    span_to_u64(db_value(rows, row, column), &n);
    return n;
}

/* Adding ---------------------------------------------------------------------------------------------------------- */

/* params as of rule_revision_add; the right to add is the request's. */
static int add_as_asked(struct db *db, const struct revision_ticket *ticket, const char *const *p,
                        struct db_result **rows, struct err *err)
{
    const char *params[] = {ticket->request, ticket->attempt, p[0], p[1], p[2], p[3], p[7], p[8], p[9], p[10], p[11]};

    return db_query(db, rows,
                    "SELECT chatsluice.publication_add($1::uuid, $2::integer, $3, $4, $5::integer, $6::integer,"
                    " $7::bigint, $8::jsonb, $9::jsonb, $10::bigint, $11::bigint)",
                    11, params, err);
}

static int add_row(struct db *db, const char *const *params, struct db_result **rows, struct err *err)
{
    int r =
        db_query(db, NULL, "UPDATE chatsluice.rule_publication SET last_revision = last_revision + 1", 0, NULL, err);

    return r < 0 ? r
                 : db_query(db, rows,
                            "INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author,"
                            " note, kind, restores, gate, overrides, canary_judged, canary_changed, published_at)"
                            " SELECT last_revision, $1, $2, $3::integer, $4::integer, $5, $6, $7, $8::bigint,"
                            " $9::jsonb, ARRAY(SELECT jsonb_array_elements_text($10::jsonb)), $11::bigint,"
                            " $12::bigint, clock_timestamp() FROM chatsluice.rule_publication RETURNING revision",
                            12, params, err);
}

int rule_revision_add(struct db *db, const struct revision_row *row, uint64_t *revision, struct err *err)
{
    char rules[NUMBER_TEXT], terms[NUMBER_TEXT], restores[NUMBER_TEXT], judged[NUMBER_TEXT], changed[NUMBER_TEXT];
    const char *params[] = {row->document,
                            ruleset_checksum(row->set),
                            rules,
                            terms,
                            row->author,
                            row->note,
                            kind_names[row->kind],
                            row->restores > 0 ? restores : NULL,
                            row->gate,
                            row->overrides ? row->overrides : "[]",
                            row->canary_ran ? judged : NULL,
                            row->canary_ran ? changed : NULL};
    struct db_result *rows = NULL;
    unsigned long long number = 0;

    snprintf(rules, sizeof(rules), "%zu", ruleset_rule_count(row->set));
    snprintf(terms, sizeof(terms), "%zu", ruleset_term_count(row->set));
    snprintf(restores, sizeof(restores), "%" PRIu64, row->restores);
    snprintf(judged, sizeof(judged), "%" PRIu64, row->canary_judged);
    snprintf(changed, sizeof(changed), "%" PRIu64, row->canary_changed);
    int r = row->ticket ? add_as_asked(db, row->ticket, params, &rows, err) : add_row(db, params, &rows, err);
    if (r == 0 && (db_rows(rows) != 1 || !span_to_u64(db_value(rows, 0, 0), &number)))
        r = err_set(err, ERR_INVALID, "table rule_publication must hold exactly one row");
    db_result_free(rows);
    if (r == 0)
        *revision = number;
    return r;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

int rule_revision_read(struct db *db, uint64_t revision, struct buf *document, struct err *err)
{
    char number[NUMBER_TEXT];
    const char *params[] = {number};
    struct db_result *rows = NULL;

    snprintf(number, sizeof(number), "%" PRIu64, revision);
    int r = db_query(db, &rows, "SELECT document FROM chatsluice.rule_revision WHERE revision = $1::bigint", 1, params,
                     err);
    if (r < 0)
        return err_prefix(err, "could not read rule revision %s", number);
    buf_reset(document);
    if (db_rows(rows) == 1)
        buf_add_span(document, db_value(rows, 0, 0));
    else
        r = err_set(err, ERR_NOT_FOUND, "there is no rule revision %s", number);
    if (buf_failed(document))
        r = err_set(err, ERR_FAILED, "could not read rule revision %s: out of memory", number);
    db_result_free(rows);
    return r;
}

int rule_revision_document(struct db *db, uint64_t revision, struct rule_document **out, struct err *err)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;
    struct buf text = BUF_INIT;
    char source[64];
    int r = doc ? rule_revision_read(db, revision, &text, err) : err_set(err, ERR_FAILED, "out of memory");

    snprintf(source, sizeof(source), "rule_revision %" PRIu64, revision);
    if (r == 0 && rule_document_read_text(doc, source, buf_span(&text), &faults) < 0)
        r = err_set(err, ERR_INVALID, "this program cannot read rule revision %" PRIu64 ": %s", revision,
                    buf_text(&faults.text));
    if (r == 0) {
        *out = doc;
        doc = NULL;
    }
    rule_document_free(doc);
    faults_release(&faults);
    buf_release(&text);
    return r;
}

/* History --------------------------------------------------------------------------------------------------------- */

/* The columns in the order read_entry takes them. Times in UTC to the second: what people read and programs sort. */
static const char history[] =
    "SELECT h.revision,"
    " coalesce((SELECT max(p.revision) FROM chatsluice.rule_revision AS p WHERE p.revision < h.revision), 0),"
    " to_char(h.published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), h.author, h.note, h.kind, h.status,"
    " h.status_by, to_char(h.status_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), h.checksum,"
    " h.restores, h.rolled_back_by, h.rules, h.terms, h.in_force, h.canary_judged, h.canary_changed,"
    " to_jsonb(h.overrides), h.gate, h.taken, h.refused,"
    " CASE WHEN h.in_force THEN"
    "  (SELECT count(*) FROM chatsluice.instance AS i WHERE i.seen_at > now() - " LIVE
    "   AND NOT EXISTS (SELECT FROM chatsluice.rule_ack AS k"
    "                   WHERE k.revision = h.revision AND k.instance_id = i.instance_id)) ELSE 0 END"
    " FROM moderation.rule_history AS h ORDER BY h.revision DESC LIMIT $1::bigint";

static void read_entry(const struct db_result *rows, size_t row, struct revision_entry *e)
{
    *e = (struct revision_entry){
        .revision = number_at(rows, row, 0),
        .predecessor = number_at(rows, row, 1),
        .published_at = db_value(rows, row, 2),
        .author = db_value(rows, row, 3),
        .note = db_value(rows, row, 4),
        .kind = db_value(rows, row, 5),
        .status = db_value(rows, row, 6),
        .status_by = db_value(rows, row, 7),
        .status_at = db_value(rows, row, 8),
        .checksum = db_value(rows, row, 9),
        .restores = number_at(rows, row, 10),
        .rolled_back_by = number_at(rows, row, 11),
        .rules = number_at(rows, row, 12),
        .terms = number_at(rows, row, 13),
        .in_force = span_is(db_value(rows, row, 14), "t"),
        .canary_ran = !db_is_null(rows, row, 15),
        .canary_judged = number_at(rows, row, 15),
        .canary_changed = number_at(rows, row, 16),
        .overrides = db_value(rows, row, 17),
        .gate = db_value(rows, row, 18),
        .taken = number_at(rows, row, 19),
        .refused = number_at(rows, row, 20),
        .silent = number_at(rows, row, 21),
    };
}

int rule_revision_history(struct db *db, uint64_t limit,
                          int (*each)(const struct revision_entry *entry, void *arg, struct err *err), void *arg,
                          struct err *err)
{
    char number[NUMBER_TEXT];
    const char *params[] = {number};
    struct db_result *rows = NULL;
    struct revision_entry entry;

    snprintf(number, sizeof(number), "%" PRIu64, limit);
    int r = db_query(db, &rows, history, 1, params, err);
    if (r < 0)
        return err_prefix(err, "could not read the history of the rules");
    for (size_t i = 0; r == 0 && i < db_rows(rows); i++) {
        read_entry(rows, i, &entry);
        r = each(&entry, arg, err);
    }
    db_result_free(rows);
    return r;
}

/* Instances ------------------------------------------------------------------------------------------------------- */

static const char instances[] =
    "SELECT i.instance_id, i.host, i.pid, i.revision, k.error, k.revision IS NOT NULL,"
    " greatest(0, floor(extract(epoch FROM k.at - r.published_at) * 1000))::bigint"
    " FROM chatsluice.instance AS i"
    " JOIN chatsluice.rule_revision AS r ON r.revision = $1::bigint"
    " LEFT JOIN chatsluice.rule_ack AS k ON k.revision = r.revision AND k.instance_id = i.instance_id"
    " WHERE i.seen_at > now() - " LIVE " ORDER BY i.host, i.pid, i.instance_id";

int rule_revision_instances(struct db *db, uint64_t revision,
                            void (*each)(const struct revision_instance *instance, void *arg), void *arg,
                            struct err *err)
{
    char number[NUMBER_TEXT];
    const char *params[] = {number};
    struct db_result *rows = NULL;

    snprintf(number, sizeof(number), "%" PRIu64, revision);
    int r = db_query(db, &rows, instances, 1, params, err);
    if (r < 0)
        return err_prefix(err, "could not read who runs rule revision %s", number);
    for (size_t i = 0; i < db_rows(rows); i++) {
        bool acknowledged = span_is(db_value(rows, i, 5), "t");
        struct revision_instance one = {.instance_id = db_value(rows, i, 0),
                                        .host = db_value(rows, i, 1),
                                        .pid = number_at(rows, i, 2),
                                        .runs = number_at(rows, i, 3),
                                        .error = db_value(rows, i, 4),
                                        .after_ms = acknowledged ? (int64_t)number_at(rows, i, 6) : -1};
        one.state = acknowledged && !db_is_null(rows, i, 4) ? INSTANCE_REFUSED
                    : acknowledged || one.runs > revision   ? INSTANCE_TOOK
                                                            : INSTANCE_SILENT;
        each(&one, arg);
    }
    db_result_free(rows);
    return 0;
}
