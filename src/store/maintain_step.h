/* maintain_step.h - what a step of maintain.c is given; private to store.
 *
 * A step asks maintain_goes_on() before each piece of work, does it unless dry_run, and tells what came of it. It
 * returns negative only when it cannot go on at all; a piece that failed is told, and the next one tried. */
#ifndef CHATSLUICE_STORE_MAINTAIN_STEP_H
#define CHATSLUICE_STORE_MAINTAIN_STEP_H

#include "store/maintain.h"

struct maintain {
    struct db *db;
    const struct maintain_options *options;
    const char *step;    /* the name of the one that runs */
    int64_t deadline_us; /* of the monotonic clock; 0: none */
    size_t failures;
};

bool maintain_goes_on(const struct maintain *m);
/* *err: why it was not done; NULL: it was. outcome: in words, when it was. */
void maintain_tell(struct maintain *m, const char *what, const char *outcome, const struct err *err);

/* The heavy indexes of days that are over (chatsluice.heavy_index). */
int maintain_indexes(struct maintain *m, struct err *err);
/* Statistics, and what VACUUM leaves for reading, of days that are over: once. */
int maintain_statistics(struct maintain *m, struct err *err);

#endif
