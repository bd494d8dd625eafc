#include "store/rule_store.h"

#include "base/json_write.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_TEXT = 24 };

/* Import ---------------------------------------------------------------------------------------------------------- */

/* $1 is an entry of a rule file as JSON, $2 the author. What is there already and does not change keeps its author and
 * time. */
static const char import_list[] =
    "INSERT INTO chatsluice.term_list AS t (name, folding, tables, boundary, author)"
    " SELECT l->>'list',"
    "        CASE WHEN l ? 'folding' THEN ARRAY(SELECT jsonb_array_elements_text(l->'folding'))"
    "             ELSE '{case,invisible}' END,"
    "        ARRAY(SELECT jsonb_array_elements_text(l->'tables')), coalesce(l->>'boundary', 'script'), $2"
    " FROM (SELECT $1::jsonb AS l) AS entry ON CONFLICT (name) DO UPDATE"
    " SET folding = excluded.folding, tables = excluded.tables, boundary = excluded.boundary,"
    "     author = excluded.author, changed_at = now()"
    " WHERE (t.folding, t.tables, t.boundary) IS DISTINCT FROM (excluded.folding, excluded.tables, excluded.boundary)";

static const char import_rule[] =
    "INSERT INTO chatsluice.rule AS t (name, mode, definition, author)"
    " SELECT r->>'rule', coalesce(r->>'mode', 'enforce'), r - 'rule' - 'mode', $2"
    " FROM (SELECT $1::jsonb AS r) AS entry ON CONFLICT (name) DO UPDATE"
    " SET mode = excluded.mode, definition = excluded.definition, author = excluded.author, changed_at = now()"
    " WHERE (t.mode, t.definition) IS DISTINCT FROM (excluded.mode, excluded.definition)";

/* $1 is the list's name, $2 the JSON array of its terms. NOT IN, for it is hashed whatever the planner thinks of the
 * number of terms: a join here took minutes for 65,000 of them. */
static const char remove_terms[] = "DELETE FROM chatsluice.term"
                                   " WHERE list = $1 AND term NOT IN (SELECT jsonb_array_elements_text($2::jsonb))";
/* One that had expired is back for good; one that will expire keeps its time. */
static const char import_terms[] = "INSERT INTO chatsluice.term AS t (list, term, author)"
                                   " SELECT DISTINCT $1, term, $3 FROM jsonb_array_elements_text($2::jsonb) AS term"
                                   " ON CONFLICT (list, term) DO UPDATE"
                                   " SET expires_at = NULL, author = excluded.author, changed_at = now()"
                                   " WHERE t.expires_at <= now()";

/* What else a document has, few and small: $1 is all of it as canonical JSON, $2 the author. */
static const char *const import_rest[] = {
    "INSERT INTO chatsluice.scorecard AS t (name, definition, author)"
    " SELECT s->>'scorecard', s - 'scorecard', $2 FROM jsonb_array_elements($1::jsonb->'scorecards') AS s"
    " ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, author = excluded.author, changed_at = now()"
    " WHERE t.definition IS DISTINCT FROM excluded.definition",
    "INSERT INTO chatsluice.fold_table AS t (name, map, author)"
    " SELECT f->>'table', f->'map', $2 FROM jsonb_array_elements($1::jsonb->'tables') AS f"
    " ON CONFLICT (name) DO UPDATE SET map = excluded.map, author = excluded.author, changed_at = now()"
    " WHERE t.map IS DISTINCT FROM excluded.map",
    "INSERT INTO chatsluice.rule_admin (account, author)"
    " SELECT account, $2 FROM jsonb_array_elements_text($1::jsonb->'admins') AS account ON CONFLICT DO NOTHING",
};

/* $1 is the document as canonical JSON: what it does not name goes. */
static const char *const prune_all[] = {
    "DELETE FROM chatsluice.rule WHERE name NOT IN (SELECT r->>'rule' FROM jsonb_array_elements($1::jsonb->'rules') AS r)",
    "DELETE FROM chatsluice.term_list"
    " WHERE name NOT IN (SELECT l->>'list' FROM jsonb_array_elements($1::jsonb->'lists') AS l)",
    "DELETE FROM chatsluice.scorecard"
    " WHERE name NOT IN (SELECT s->>'scorecard' FROM jsonb_array_elements($1::jsonb->'scorecards') AS s)",
    "DELETE FROM chatsluice.fold_table"
    " WHERE name NOT IN (SELECT f->>'table' FROM jsonb_array_elements($1::jsonb->'tables') AS f)",
    "DELETE FROM chatsluice.rule_admin"
    " WHERE account NOT IN (SELECT jsonb_array_elements_text($1::jsonb->'admins'))",
};

/* Runs sql with the text in json as parameter number at, from 0. */
static int with_json(struct db *db, const char *sql, size_t count, const char **params, size_t at, struct buf *json,
                     struct err *err)
{
    if (buf_failed(json))
        return err_set(err, ERR_FAILED, "out of memory");
    params[at] = buf_text(json);
    return db_query(db, NULL, sql, count, params, err);
}

static void add_item(struct buf *json, struct span text)
{
    if (json->len > 1)
        buf_add_char(json, ',');
    json_add_string(json, text);
}

/* Runs statements that take the whole document and, if they want it, the author. */
static int with_document(struct db *db, const char *const *statements, size_t count, const struct rule_document *doc,
                         const char *author, struct buf *json, struct err *err)
{
    const char *params[] = {NULL, author};
    int r = 0;

    buf_reset(json);
    rule_document_write_json(doc, json);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = with_json(db, statements[i], author ? 2 : 1, params, 0, json, err);
    return r;
}

static int import_one_list(struct db *db, const struct term_list *list, const char *author, struct buf *json,
                           struct err *err)
{
    const char *entry[] = {NULL, author};
    const char *terms[] = {list->name, NULL, author};

    buf_reset(json);
    term_list_write_json(list, false, json);
    int r = with_json(db, import_list, 2, entry, 0, json, err);
    if (r < 0)
        return r;
    buf_reset(json);
    buf_add_char(json, '[');
    for (size_t i = 0; i < list->term_count; i++)
        add_item(json, list->terms[i]);
    buf_add_char(json, ']');
    r = with_json(db, remove_terms, 2, terms, 1, json, err);
    return r < 0 ? r : with_json(db, import_terms, 3, terms, 1, json, err);
}

int rule_store_write_tables(struct db *db, const struct rule_document *doc, bool prune_rest, const char *author,
                            struct err *err)
{
    const struct rule *const *rules;
    const struct term_list *const *lists;
    size_t rule_count = rule_document_rules(doc, &rules), list_count = rule_document_lists(doc, &lists);
    struct buf json = BUF_INIT;
    /* One import at a time: two at once could wait for each other's rows. */
    int r = db_exec(db, "SELECT FROM chatsluice.rule_publication FOR UPDATE", err);

    if (r == 0 && prune_rest)
        r = with_document(db, prune_all, sizeof(prune_all) / sizeof(*prune_all), doc, NULL, &json, err);
    if (r == 0)
        r = with_document(db, import_rest, sizeof(import_rest) / sizeof(*import_rest), doc, author, &json, err);
    for (size_t i = 0; r == 0 && i < list_count; i++)
        r = import_one_list(db, lists[i], author, &json, err);
    for (size_t i = 0; r == 0 && i < rule_count; i++) {
        const char *params[] = {NULL, author};
        buf_reset(&json);
        rule_write_json(rules[i], &json);
        r = with_json(db, import_rule, 2, params, 0, &json, err);
    }
    buf_release(&json);
    return r;
}

int rule_store_import(struct db *db, const struct rule_document *doc, bool prune_rest, const char *author,
                      struct err *err)
{
    int r = db_begin(db, "", err);

    if (r == 0)
        r = db_end(db, rule_store_write_tables(db, doc, prune_rest, author, err), err);
    return r < 0 ? err_prefix(err, "could not import the rules") : 0;
}

/* Export ---------------------------------------------------------------------------------------------------------- */

/* One statement, hence one snapshot. Each row is one entry as in a rule file: JSON is YAML. */
static const char export_entries[] =
    "SELECT 'table term_list \"' || name || '\"',"
    "       jsonb_build_array(jsonb_build_object('list', name, 'folding', to_jsonb(folding), 'boundary', boundary)"
    "        || CASE WHEN tables = '{}' THEN '{}' ELSE jsonb_build_object('tables', to_jsonb(tables)) END"
    "        || jsonb_build_object('terms', (SELECT coalesce(jsonb_agg(w.term ORDER BY w.term COLLATE \"C\"), '[]')"
    "                  FROM chatsluice.term AS w WHERE w.list = t.name"
    "                   AND (w.expires_at IS NULL OR w.expires_at > now()))))::text"
    " FROM chatsluice.term_list AS t"
    " UNION ALL "
    "SELECT 'table rule \"' || name || '\"',"
    "       jsonb_build_array(definition || jsonb_build_object('rule', name, 'mode', mode))::text"
    " FROM chatsluice.rule"
    " UNION ALL "
    "SELECT 'table scorecard \"' || name || '\"',"
    "       jsonb_build_array(definition || jsonb_build_object('scorecard', name))::text FROM chatsluice.scorecard"
    " UNION ALL "
    "SELECT 'table fold_table \"' || name || '\"', jsonb_build_array(jsonb_build_object('table', name, 'map', map))::text"
    " FROM chatsluice.fold_table"
    " UNION ALL "
    "SELECT 'table rule_admin', jsonb_build_array(jsonb_build_object('admins', jsonb_agg(account)))::text"
    " FROM chatsluice.rule_admin HAVING count(*) > 0 ORDER BY 1";

int rule_store_read_tables(struct db *db, struct rule_document *doc, struct faults *faults, struct err *err)
{
    struct db_result *rows = NULL;
    struct buf source = BUF_INIT;
    bool fault = false;
    int r = db_query(db, &rows, export_entries, 0, NULL, err);

    for (size_t i = 0; r == 0 && i < db_rows(rows); i++) {
        buf_reset(&source);
        buf_add_span(&source, db_value(rows, i, 0));
        if (buf_failed(&source))
            r = err_set(err, ERR_FAILED, "out of memory");
        else if (rule_document_read_text(doc, buf_text(&source), db_value(rows, i, 1), faults) < 0)
            fault = true;
    }
    if (r == 0 && fault)
        r = err_set(err, ERR_USAGE, "the tables hold rules that are not right");
    buf_release(&source);
    db_result_free(rows);
    return r;
}

int rule_store_export(struct db *db, struct rule_document *doc, struct faults *faults, struct err *err)
{
    int r = rule_store_read_tables(db, doc, faults, err);

    return r < 0 ? err_prefix(err, "could not export the rules") : 0;
}

/* Revisions ------------------------------------------------------------------------------------------------------- */

int rule_store_current(struct db *db, uint64_t *revision, struct buf *checksum, struct buf *document, struct err *err)
{
    struct db_result *rows = NULL;
    unsigned long long number = 0;
    int r = db_query(db, &rows,
                     document ? "SELECT revision, checksum, document FROM chatsluice.rule_revision"
                                " WHERE status = 'published' ORDER BY revision DESC LIMIT 1"
                              : "SELECT revision, checksum FROM chatsluice.rule_revision"
                                " WHERE status = 'published' ORDER BY revision DESC LIMIT 1",
                     0, NULL, err);

    if (r < 0)
        return err_prefix(err, "could not read the rule revision in force");
    buf_reset(checksum);
    if (document)
        buf_reset(document);
    if (db_rows(rows) == 1) {
        if (!span_to_u64(db_value(rows, 0, 0), &number))
            r = err_set(err, ERR_INVALID, "table rule_revision holds a revision that is no number");
        buf_add_span(checksum, db_value(rows, 0, 1));
        if (document)
            buf_add_span(document, db_value(rows, 0, 2));
        if (buf_failed(checksum) || (document && buf_failed(document)))
            r = err_set(err, ERR_FAILED, "could not read rule revision %llu: out of memory", number);
    }
    if (r == 0)
        *revision = number;
    db_result_free(rows);
    return r;
}

int rule_store_acknowledge(struct db *db, uint64_t revision, const char *instance_id, const char *error,
                           struct err *err)
{
    char number[NUMBER_TEXT];
    const char *params[] = {number, instance_id, error};

    snprintf(number, sizeof(number), "%" PRIu64, revision);
    int r = db_query(db, NULL,
                     "INSERT INTO chatsluice.rule_ack (revision, instance_id, error) VALUES ($1::bigint, $2, $3)"
                     " ON CONFLICT (revision, instance_id) DO UPDATE SET at = now(), error = excluded.error",
                     3, params, err);
    return r < 0 ? err_prefix(err, "could not acknowledge rule revision %s", number) : 0;
}
