/* rollback.h - an earlier revision's document as the newest revision: history stays a line, numbers are not used twice,
 * and instances follow as with any publication. The revisions in between that count as published become "rolled back",
 * so that setting the rollback aside later does not bring them back.
 *
 * No gate is asked but the compiler: a rollback is for when it hurts. */
#ifndef CHATSLUICE_STORE_ROLLBACK_H
#define CHATSLUICE_STORE_ROLLBACK_H

#include "rules/ruleset.h"
#include "store/db.h"
#include "store/rule_revision.h"

struct rollback_options {
    uint64_t to; /* 0: the newest published one before the one in force with other content */
    const char *author, *note;
    bool tables; /* the tables become what the revision says, too */
    const struct revision_ticket *ticket;
};

struct rollback_result {
    uint64_t revision; /* the new one */
    uint64_t restored; /* whose document it has */
    uint64_t replaced; /* what was in force */
};

/* ERR_NOT_FOUND: there is no such revision, or none before. ERR_CONFLICT: what is in force says the same already.
 * ERR_USAGE: this program cannot compile it, *faults say why. */
int rule_rollback(struct db *db, const struct rollback_options *options, struct rollback_result *result,
                  struct faults *faults, struct err *err);

/* For an instance that has seen its hit rate jump under revision `from`: rolls back to what was before, unless another
 * one is in force by now, `from` is a rollback itself, or it was published longer ago than the window and a minute
 * (this instance is late, and others have run it in peace): then ERR_CONFLICT, and nothing is done. So of any number of
 * instances one does it, once. */
int rule_rollback_automatic(struct db *db, uint64_t from, const char *note, int64_t window_ms,
                            struct rollback_result *result, struct err *err);

#endif
