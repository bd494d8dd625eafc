#include "store/rollback.h"

#include "store/rule_revision.h"
#include "store/rule_store.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_TEXT = 24 };

/* The name under which an instance rolls back by itself. */
#define OURSELVES "chatsluice"

/* $1: the revision in force. */
static const char previous[] =
    "SELECT max(p.revision) FROM chatsluice.rule_revision AS p, chatsluice.rule_revision AS c"
    " WHERE c.revision = $1::bigint AND p.revision < c.revision AND p.status = 'published'"
    " AND p.checksum <> c.checksum";
/* $1: the restored one, $2: the new one, $3: who. */
static const char set_aside[] =
    "UPDATE chatsluice.rule_revision SET status = 'rolled back', status_by = $3, rolled_back_by = $2::bigint"
    " WHERE revision > $1::bigint AND revision < $2::bigint AND status = 'published'";

static int find_previous(struct db *db, uint64_t current, uint64_t *out, struct err *err)
{
    char number[NUMBER_TEXT];
    const char *params[] = {number};
    struct db_result *rows = NULL;
    unsigned long long found = 0;

    snprintf(number, sizeof(number), "%" PRIu64, current);
    int r = db_query(db, &rows, previous, 1, params, err);
    if (r < 0)
        return r;
    if (db_rows(rows) != 1 || !span_to_u64(db_value(rows, 0, 0), &found))
        r = err_set(err, ERR_NOT_FOUND, "there is no revision before %" PRIu64 " to go back to", current);
    db_result_free(rows);
    *out = found;
    return r;
}

static int mark_set_aside(struct db *db, const struct rollback_result *result, const char *author, struct err *err)
{
    char restored[NUMBER_TEXT], revision[NUMBER_TEXT];
    const char *params[] = {restored, revision, author};

    snprintf(restored, sizeof(restored), "%" PRIu64, result->restored);
    snprintf(revision, sizeof(revision), "%" PRIu64, result->revision);
    return db_query(db, NULL, set_aside, 3, params, err);
}

/* Compiles the document and adds it once more. */
static int restore(struct db *db, const struct rule_document *doc, const struct rollback_options *options,
                   enum revision_kind kind, const char *checksum_in_force, struct rollback_result *result,
                   struct faults *faults, struct err *err)
{
    struct ruleset *set = NULL;
    struct buf document = BUF_INIT;
    int r = 0;

    if (rule_document_check(doc, faults) == 0)
        ruleset_compile(&set, doc, 0, NULL, faults);
    rule_document_write_json(doc, &document);
    if (!set)
        r = err_set(err, ERR_USAGE, "this program cannot compile revision %" PRIu64, result->restored);
    else if (strcmp(ruleset_checksum(set), checksum_in_force) == 0)
        r = err_set(err, ERR_CONFLICT, "revision %" PRIu64 " in force says the same as %" PRIu64, result->replaced,
                    result->restored);
    else if (buf_failed(&document))
        r = err_set(err, ERR_FAILED, "out of memory");
    else
        r = rule_revision_add(db,
                              &(struct revision_row){.set = set,
                                                     .document = buf_text(&document),
                                                     .author = options->author,
                                                     .note = options->note,
                                                     .kind = kind,
                                                     .restores = result->restored,
                                                     .ticket = options->ticket},
                              &result->revision, err);
    if (r == 0 && !options->ticket)
        r = mark_set_aside(db, result, options->author, err);
    if (r == 0 && options->tables)
        r = rule_store_write_tables(db, doc, true, options->author, err);
    buf_release(&document);
    ruleset_unref(set);
    return r;
}

/* One at a time: the row lock lasts to the end of the transaction. */
static int take_turn(struct db *db, const struct revision_ticket *ticket, struct err *err)
{
    if (ticket) {
        const char *params[] = {ticket->request, ticket->attempt};
        return db_query(db, NULL, "SELECT chatsluice.publication_turn($1::uuid, $2::integer)", 2, params, err);
    }
    return db_exec(db, "SELECT FROM chatsluice.rule_publication FOR UPDATE", err);
}

static int roll_back(struct db *db, const struct rollback_options *options, enum revision_kind kind,
                     struct rollback_result *result, struct faults *faults, struct err *err)
{
    struct buf checksum = BUF_INIT;
    struct rule_document *doc = NULL;
    int r = rule_store_current(db, &result->replaced, &checksum, NULL, err);

    if (r == 0 && result->replaced == 0 && options->to == 0)
        r = err_set(err, ERR_NOT_FOUND, "no revision is in force");
    result->restored = options->to;
    if (r == 0 && options->to == 0)
        r = find_previous(db, result->replaced, &result->restored, err);
    if (r == 0)
        r = rule_revision_document(db, result->restored, &doc, err);
    if (r == 0)
        r = restore(db, doc, options, kind, buf_text(&checksum), result, faults, err);
    rule_document_free(doc);
    buf_release(&checksum);
    return r;
}

int rule_rollback(struct db *db, const struct rollback_options *options, struct rollback_result *result,
                  struct faults *faults, struct err *err)
{
    struct rollback_result done = {0};
    int r = db_begin(db, "", err);

    if (r == 0) {
        r = take_turn(db, options->ticket, err);
        if (r == 0)
            r = roll_back(db, options, REVISION_ROLLBACK, &done, faults, err);
        r = db_end(db, r, err);
    }
    if (r < 0)
        return err_prefix(err, "could not roll back");
    *result = done;
    return 0;
}

/* $1: the revision, $2: the window in milliseconds. What was rolled back by itself before and published once more is
 * what a person wants: that is the last word. */
static const char may_go_back[] =
    "SELECT FROM chatsluice.rule_revision AS r WHERE r.revision = $1::bigint AND r.kind = 'publish'"
    " AND r.revision = (SELECT max(n.revision) FROM chatsluice.rule_revision AS n WHERE n.status = 'published')"
    " AND r.published_at > now() - interval '1 minute' - $2::bigint * interval '1 millisecond'"
    " AND NOT EXISTS (SELECT FROM chatsluice.rule_revision AS b"
    "                 JOIN chatsluice.rule_revision AS a ON a.revision = b.rolled_back_by"
    "                 WHERE b.checksum = r.checksum AND a.kind = 'automatic rollback')";

static int check_automatic(struct db *db, uint64_t from, int64_t window_ms, struct err *err)
{
    char number[NUMBER_TEXT], window[NUMBER_TEXT];
    const char *params[] = {number, window};
    struct db_result *rows = NULL;

    snprintf(number, sizeof(number), "%" PRIu64, from);
    snprintf(window, sizeof(window), "%" PRId64, window_ms);
    int r = db_query(db, &rows, may_go_back, 2, params, err);
    if (r == 0 && db_rows(rows) != 1)
        r = err_set(err, ERR_CONFLICT, "revision %s is not in force any more, or may not be rolled back", number);
    db_result_free(rows);
    return r;
}

int rule_rollback_automatic(struct db *db, uint64_t from, const char *note, int64_t window_ms,
                            struct rollback_result *result, struct err *err)
{
    const struct rollback_options options = {.author = OURSELVES, .note = note};
    struct rollback_result done = {0};
    struct faults faults = FAULTS_INIT;
    int r = db_begin(db, "", err);

    if (r == 0) {
        r = take_turn(db, NULL, err);
        if (r == 0)
            r = check_automatic(db, from, window_ms, err);
        if (r == 0)
            r = roll_back(db, &options, REVISION_AUTOMATIC_ROLLBACK, &done, &faults, err);
        r = db_end(db, r, err);
    }
    faults_release(&faults);
    if (r < 0)
        return err_prefix(err, "could not roll back by itself");
    *result = done;
    return 0;
}
