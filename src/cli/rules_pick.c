#include "cli/rules_pick.h"

#include "store/rule_revision.h"
#include "store/rule_store.h"

#include <inttypes.h>

void picked_release(struct picked_rules *picked)
{
    ruleset_unref(picked->set);
    rule_document_free(picked->doc);
    *picked = (struct picked_rules){0};
}

/* Compiles picked->doc, which may be NULL, and tells the faults; releases all when there are any. */
static bool finish(const struct cli *cli, struct picked_rules *picked, struct faults *faults)
{
    if (picked->doc)
        ruleset_compile(&picked->set, picked->doc, picked->revision, NULL, faults);
    cli_print_faults(faults);
    if (!picked->set && picked->revision > 0)
        cli_fail(cli, "revision %" PRIu64 " cannot be compiled by this version", picked->revision);
    faults_release(faults);
    if (!picked->set)
        picked_release(picked);
    return picked->set != NULL;
}

bool pick_files(const struct cli *cli, const struct cli_files *files, struct picked_rules *out)
{
    struct faults faults = FAULTS_INIT;

    *out = (struct picked_rules){.doc = cli_read_rules(files, &faults)};
    return finish(cli, out, &faults);
}

bool pick_in_force(const struct cli *cli, struct db *db, uint64_t *revision)
{
    struct buf checksum = BUF_INIT;
    struct err err;
    int r = rule_store_current(db, revision, &checksum, NULL, &err);

    buf_release(&checksum);
    if (r < 0)
        cli_fail(cli, "%s", err.text);
    return r == 0;
}

bool pick_revision(const struct cli *cli, struct db *db, uint64_t revision, struct picked_rules *out)
{
    struct faults faults = FAULTS_INIT;
    struct err err;

    *out = (struct picked_rules){.revision = revision};
    if (revision == 0 && !pick_in_force(cli, db, &out->revision))
        return false;
    if (out->revision == 0) {
        cli_fail(cli, "no rules are in force: publish some, or name files with --rules");
        return false;
    }
    if (rule_revision_document(db, out->revision, &out->doc, &err) < 0) {
        cli_fail(cli, "%s", err.text);
        *out = (struct picked_rules){0};
        return false;
    }
    return finish(cli, out, &faults);
}

bool pick_rules(const struct cli *cli, const struct cli_files *files, struct picked_rules *out)
{
    struct db *db;
    bool picked;

    if (files->count > 0)
        return pick_files(cli, files, out);
    *out = (struct picked_rules){0};
    db = cli_database(cli);
    picked = db && pick_revision(cli, db, 0, out);
    db_close(db);
    return picked;
}
