/* publish.h - makes the tables' content the revision in force, when it passes the gate. */
#ifndef CHATSLUICE_STORE_PUBLISH_H
#define CHATSLUICE_STORE_PUBLISH_H

#include "store/publish_gate.h"
#include "store/rule_revision.h"

struct publish_options {
    const char *author, *note;
    struct gate_options gate;
    bool dry_run; /* everything but the publication itself */
    const struct revision_ticket *ticket;
};

/* Reads the tables, asks the gate and adds a revision, all against one snapshot. *report is initialised and tells of
 * every step, whatever comes of it.
 *   0             published as *revision; with dry_run it would be, and *revision is 0
 *   ERR_USAGE     refused: report->faults
 *   ERR_CONFLICT  nothing has changed since *revision, which is in force */
int rule_publish(struct db *db, const struct publish_options *options, uint64_t *revision, struct gate_report *report,
                 struct err *err);

#endif
