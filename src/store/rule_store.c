#include "store/rule_store.h"

#include "base/json_write.h"
#include "rules/ruleset.h"

#include <inttypes.h>
#include <stdio.h>

enum { PUBLISH_ATTEMPTS = 5, NUMBER_TEXT = 24 };

static int begin(struct db *db, const char *mode, struct err *err)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "BEGIN %s", mode);
    return db_exec(db, sql, err);
}

/* Ends the transaction as r says and returns r, or why it could not be committed. */
static int end(struct db *db, int r, struct err *err)
{
    if (r == 0)
        r = db_exec(db, "COMMIT", err);
    if (r < 0 && db_alive(db))
        db_exec(db, "ROLLBACK", NULL);
    return r;
}

/* Import ---------------------------------------------------------------------------------------------------------- */

/* $1 is an entry of a rule file as JSON, $2 the author. What is there already and does not change keeps its author and
 * time. */
static const char import_list[] =
    "INSERT INTO chatsluice.term_list AS t (name, folding, boundary, author)"
    " SELECT l->>'list',"
    "        CASE WHEN l ? 'folding' THEN ARRAY(SELECT jsonb_array_elements_text(l->'folding'))"
    "             ELSE '{case,invisible}' END,"
    "        coalesce(l->>'boundary', 'script'), $2"
    " FROM (SELECT $1::jsonb AS l) AS entry ON CONFLICT (name) DO UPDATE"
    " SET folding = excluded.folding, boundary = excluded.boundary, author = excluded.author, changed_at = now()"
    " WHERE (t.folding, t.boundary) IS DISTINCT FROM (excluded.folding, excluded.boundary)";

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
static const char import_terms[] = "INSERT INTO chatsluice.term (list, term, author)"
                                   " SELECT $1, term, $3 FROM jsonb_array_elements_text($2::jsonb) AS term"
                                   " ON CONFLICT DO NOTHING";

/* $1 is the JSON array of the names that stay. */
static const char prune_rules[] = "DELETE FROM chatsluice.rule"
                                  " WHERE name NOT IN (SELECT jsonb_array_elements_text($1::jsonb))";
static const char prune_lists[] = "DELETE FROM chatsluice.term_list"
                                  " WHERE name NOT IN (SELECT jsonb_array_elements_text($1::jsonb))";

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

static int prune(struct db *db, const struct rule_document *doc, struct buf *json, struct err *err)
{
    const struct rule *const *rules;
    const struct term_list *const *lists;
    const char *params[1];
    size_t rule_count = rule_document_rules(doc, &rules), list_count = rule_document_lists(doc, &lists);

    buf_reset(json);
    buf_add_char(json, '[');
    for (size_t i = 0; i < rule_count; i++)
        add_item(json, span_of(rules[i]->name));
    buf_add_char(json, ']');
    int r = with_json(db, prune_rules, 1, params, 0, json, err);
    if (r < 0)
        return r;
    buf_reset(json);
    buf_add_char(json, '[');
    for (size_t i = 0; i < list_count; i++)
        add_item(json, span_of(lists[i]->name));
    buf_add_char(json, ']');
    return with_json(db, prune_lists, 1, params, 0, json, err);
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

static int import_document(struct db *db, const struct rule_document *doc, bool prune_rest, const char *author,
                           struct err *err)
{
    const struct rule *const *rules;
    const struct term_list *const *lists;
    size_t rule_count = rule_document_rules(doc, &rules), list_count = rule_document_lists(doc, &lists);
    struct buf json = BUF_INIT;
    /* One import at a time: two at once could wait for each other's rows. */
    int r = db_exec(db, "SELECT FROM chatsluice.rule_publication FOR UPDATE", err);

    if (r == 0 && prune_rest)
        r = prune(db, doc, &json, err);
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
    int r = begin(db, "", err);

    if (r == 0)
        r = end(db, import_document(db, doc, prune_rest, author, err), err);
    return r < 0 ? err_prefix(err, "could not import the rules") : 0;
}

/* Export ---------------------------------------------------------------------------------------------------------- */

/* One statement, hence one snapshot. Each row is one entry as in a rule file: JSON is YAML. */
static const char export_entries[] =
    "SELECT 'table term_list \"' || name || '\"',"
    "       jsonb_build_array(jsonb_build_object('list', name, 'folding', to_jsonb(folding), 'boundary', boundary,"
    "        'terms', (SELECT coalesce(jsonb_agg(w.term ORDER BY w.term COLLATE \"C\"), '[]')"
    "                  FROM chatsluice.term AS w WHERE w.list = t.name)))::text"
    " FROM chatsluice.term_list AS t"
    " UNION ALL "
    "SELECT 'table rule \"' || name || '\"',"
    "       jsonb_build_array(definition || jsonb_build_object('rule', name, 'mode', mode))::text"
    " FROM chatsluice.rule ORDER BY 1";

static int read_tables(struct db *db, struct rule_document *doc, struct faults *faults, struct err *err)
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
    int r = read_tables(db, doc, faults, err);

    return r < 0 ? err_prefix(err, "could not export the rules") : 0;
}

/* Publish --------------------------------------------------------------------------------------------------------- */

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

static int insert_revision(struct db *db, const struct ruleset *set, const char *document, const char *author,
                           const char *note, uint64_t *revision, struct err *err)
{
    char rules[NUMBER_TEXT], terms[NUMBER_TEXT];
    const char *params[] = {document, ruleset_checksum(set), rules, terms, author, note};
    struct db_result *rows = NULL;
    unsigned long long number = 0;
    int r;

    snprintf(rules, sizeof(rules), "%zu", ruleset_rule_count(set));
    snprintf(terms, sizeof(terms), "%zu", ruleset_term_count(set));
    /* Two statements: Citus does not take data-modifying WITH over tables of different kinds. */
    r = db_query(db, NULL, "UPDATE chatsluice.rule_publication SET last_revision = last_revision + 1", 0, NULL, err);
    if (r == 0)
        r = db_query(db, &rows,
                     "INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note)"
                     " SELECT last_revision, $1, $2, $3::integer, $4::integer, $5, $6 FROM chatsluice.rule_publication"
                     " RETURNING revision",
                     6, params, err);
    if (r == 0 && (db_rows(rows) != 1 || !span_to_u64(db_value(rows, 0, 0), &number)))
        r = err_set(err, ERR_INVALID, "table rule_publication must hold exactly one row");
    db_result_free(rows);
    *revision = number;
    return r;
}

/* Inside a transaction of one snapshot: tables -> document -> set -> revision. */
static int publish_snapshot(struct db *db, const char *author, const char *note, uint64_t *revision,
                            struct faults *faults, struct err *err)
{
    struct rule_document *doc = rule_document_new();
    struct buf checksum = BUF_INIT, document = BUF_INIT;
    struct ruleset *set = NULL;
    uint64_t current = 0;
    const struct rule *const *rules;
    int r;

    if (!doc) {
        r = err_set(err, ERR_FAILED, "out of memory");
        goto out;
    }
    if ((r = read_tables(db, doc, faults, err)) < 0)
        goto out;
    if (rule_document_rules(doc, &rules) == 0)
        faults_add(faults, "table rule", 0, 0, "there is no rule to publish; import some first");
    else if (rule_document_check(doc, faults) == 0)
        ruleset_compile(&set, doc, 0, NULL, faults);
    if (!set) {
        r = err_set(err, ERR_USAGE, "the rules do not pass");
        goto out;
    }
    if ((r = rule_store_current(db, &current, &checksum, NULL, err)) < 0)
        goto out;
    if (current > 0 && strcmp(buf_text(&checksum), ruleset_checksum(set)) == 0) {
        *revision = current;
        r = err_set(err, ERR_CONFLICT, "nothing has changed since revision %" PRIu64, current);
        goto out;
    }
    rule_document_write_json(doc, &document);
    r = buf_failed(&document) ? err_set(err, ERR_FAILED, "out of memory")
                              : insert_revision(db, set, buf_text(&document), author, note, revision, err);
out:
    ruleset_unref(set);
    rule_document_free(doc);
    buf_release(&document);
    buf_release(&checksum);
    return r;
}

int rule_store_publish(struct db *db, const char *author, const char *note, uint64_t *revision, struct faults *faults,
                       struct err *err)
{
    uint64_t number = 0;
    struct err why;
    int r = ERR_FAILED;

    /* Of two publishers at once the second finds rule_publication changed since its snapshot (SQLSTATE 40001) and
     * starts again, from what the first one left. */
    for (int attempt = 0; attempt < PUBLISH_ATTEMPTS; attempt++) {
        r = begin(db, "ISOLATION LEVEL REPEATABLE READ", &why);
        if (r == 0)
            r = end(db, publish_snapshot(db, author, note, &number, faults, &why), &why);
        if (r == 0 || !db_alive(db) || !db_error_is_transient(&why))
            break;
    }
    if (r == 0 || r == ERR_CONFLICT)
        *revision = number;
    if (r < 0)
        err_set(err, r, "could not publish: %s", why.text);
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
