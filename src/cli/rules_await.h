/* rules_await.h - waiting until the running instances have acknowledged a revision; for publish and rollback. */
#ifndef CHATSLUICE_CLI_RULES_AWAIT_H
#define CHATSLUICE_CLI_RULES_AWAIT_H

#include "store/db.h"

struct awaited {
    size_t took, refused, silent;
    struct buf text; /* a line for each instance; "" when there is none */
    struct buf json; /* JSON array of them */
};

enum { AWAIT_DEFAULT_S = 5, AWAIT_MOST_S = 3600 };

/* Looks until every live instance (seen within 15 s) has acknowledged, or wait_ms are over. *out is to be released in
 * any case. */
int rules_await(struct db *db, uint64_t revision, int64_t wait_ms, struct awaited *out, struct err *err);
void awaited_release(struct awaited *a);

#endif
