#include "store/publish.h"

#include "store/rule_revision.h"
#include "store/rule_store.h"

#include <inttypes.h>

enum { ATTEMPTS = 5 };

/* What one attempt works with. */
struct publication {
    struct rule_document *tables, *in_force; /* in_force NULL: no revision yet */
    struct ruleset *set;
    struct buf checksum; /* of the revision in force */
    uint64_t revision;
};

static void publication_release(struct publication *p)
{
    ruleset_unref(p->set);
    rule_document_free(p->tables);
    rule_document_free(p->in_force);
    buf_release(&p->checksum);
}

/* Fills p->set, or leaves it NULL with the faults in the report. */
static int read_and_compile(struct publication *p, struct db *db, struct gate_report *report, struct err *err)
{
    const struct rule *const *rules;
    int r;

    p->tables = rule_document_new();
    if (!p->tables)
        return err_set(err, ERR_FAILED, "out of memory");
    r = rule_store_read_tables(db, p->tables, &report->faults, err);
    if (r < 0 && report->faults.count == 0)
        return r;
    if (r < 0) { /* what could be read is not what is meant: nothing may be concluded from it */
        rule_document_free(p->tables);
        p->tables = NULL;
    } else if (rule_document_rules(p->tables, &rules) == 0) {
        faults_add(&report->faults, "table rule", 0, 0, "there is no rule to publish; import some first");
    } else if (rule_document_check(p->tables, &report->faults) == 0) {
        ruleset_compile(&p->set, p->tables, 0, NULL, &report->faults);
    }
    gate_compiled(report, p->set);
    return 0;
}

/* A document that this program cannot read was published by another version: then there is nothing to compare with, and
 * that is said. */
static int read_in_force(struct publication *p, struct db *db, struct gate_report *report, struct err *err)
{
    struct err why;
    int r = rule_store_current(db, &p->revision, &p->checksum, NULL, err);

    if (r < 0 || p->revision == 0)
        return r;
    r = rule_revision_document(db, p->revision, &p->in_force, &why);
    if (r == ERR_INVALID)
        faults_warn(&report->faults, "rule_revision", 0, 0, "nothing to compare with: %s", why.text);
    else if (r < 0)
        return err_set(err, r, "%s", why.text);
    return 0;
}

static int add_revision(const struct publication *p, struct db *db, const struct publish_options *options,
                        const struct gate_report *report, uint64_t *revision, struct err *err)
{
    struct buf document = BUF_INIT, gate = BUF_INIT;
    int r;

    rule_document_write_json(p->tables, &document);
    gate_report_json(report, &gate);
    if (buf_failed(&document) || buf_failed(&gate)) {
        r = err_set(err, ERR_FAILED, "out of memory");
    } else {
        const struct revision_row row = {.set = p->set,
                                         .document = buf_text(&document),
                                         .author = options->author,
                                         .note = options->note,
                                         .kind = REVISION_PUBLISH,
                                         .gate = buf_text(&gate),
                                         .overrides = report->overrides.len > 0 ? buf_text(&report->overrides) : NULL,
                                         .canary_ran = report->canary_ran,
                                         .canary_judged = report->canary_judged,
                                         .canary_changed = report->canary_changed,
                                         .ticket = options->ticket};
        r = rule_revision_add(db, &row, revision, err);
    }
    buf_release(&document);
    buf_release(&gate);
    return r;
}

/* Inside a transaction of one snapshot: tables -> document -> set -> gate -> revision. */
static int publish_snapshot(struct db *db, const struct publish_options *options, uint64_t *revision,
                            struct gate_report *report, struct err *err)
{
    struct publication p = {.checksum = BUF_INIT};
    int r = read_and_compile(&p, db, report, err);

    if (r == 0)
        r = read_in_force(&p, db, report, err);
    if (r < 0)
        goto out;
    if (p.set && p.revision > 0 && strcmp(buf_text(&p.checksum), ruleset_checksum(p.set)) == 0) {
        *revision = p.revision;
        r = err_set(err, ERR_CONFLICT, "nothing has changed since revision %" PRIu64, p.revision);
        goto out;
    }
    const struct gate_sets sets = {
        .candidate = p.tables, .in_force = p.in_force, .candidate_set = p.set, .revision = p.revision};
    if ((r = gate_run(report, &options->gate, &sets, db, err)) < 0)
        goto out;
    if (gate_refused(report))
        r = err_set(err, ERR_USAGE, "the rules do not pass");
    else if (!options->dry_run)
        r = add_revision(&p, db, options, report, revision, err);
out:
    publication_release(&p);
    return r;
}

int rule_publish(struct db *db, const struct publish_options *options, uint64_t *revision, struct gate_report *report,
                 struct err *err)
{
    uint64_t number = 0;
    struct err why;
    int r = ERR_FAILED;

    /* Of two publishers at once the second finds rule_publication changed since its snapshot (SQLSTATE 40001) and
     * starts again, from what the first one left. */
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        gate_report_reset(report);
        r = db_begin(db, "ISOLATION LEVEL REPEATABLE READ", &why);
        if (r == 0)
            r = db_end(db, publish_snapshot(db, options, &number, report, &why), &why);
        if (r == 0 || !db_alive(db) || !db_error_is_transient(&why))
            break;
    }
    if (r == 0 || r == ERR_CONFLICT)
        *revision = number;
    if (r < 0)
        err_set(err, r, "could not publish: %s", why.text);
    return r;
}
