/* maintain.h - what the database needs done to it behind the loading: each piece of work is a step of the table in the
 * .c, and may be left for the next run.
 *
 * Promise: a run can be repeated and broken off at any moment, and beside a running service it holds up nothing but
 *          itself. What it did and what it could not do is told piece by piece.
 * Needs a connection that owns the tables. Threads: one at a time for each connection. */
#ifndef CHATSLUICE_STORE_MAINTAIN_H
#define CHATSLUICE_STORE_MAINTAIN_H

#include "store/db.h"

/* Told of one piece of work: the step's name, what it is about (a table or an index), and what came of it in words.
 * failed: it was not done, and will not be without somebody's help. */
typedef void maintain_told(const char *step, const char *what, const char *outcome, bool failed, void *arg);

struct maintain_options {
    bool dry_run;          /* tells what would be done */
    int64_t at_most_us;    /* begins no piece of work after that; what was begun is ended. 0: without end */
    const char *only_step; /* NULL: all */
    maintain_told *told;
    void *arg;
};

/* ERR_FAILED when a step could not be done; the others are done all the same, unless the connection is lost. */
int maintain_run(struct db *db, const struct maintain_options *options, struct err *err);

/* Names and purposes of the steps, in the order they are done; NULL after the last. */
const char *maintain_step_name(size_t i);
const char *maintain_step_purpose(size_t i);

#endif
