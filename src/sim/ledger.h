/* ledger.h - a file with one line for each request that was acknowledged, to be compared with what the other side
 * holds. Lines are gathered and written whole, so that several writers may share a file; ledger_close writes the rest.
 * One thread at a time. */
#ifndef CHATSLUICE_SIM_LEDGER_H
#define CHATSLUICE_SIM_LEDGER_H

#include "base/buf.h"
#include "base/err.h"

struct ledger {
    int fd; /* -1: no ledger is kept */
    struct buf lines;
    bool failed;
};

/* Appends to path, made if it is not there; path NULL: none is kept. */
int ledger_open(struct ledger *l, const char *path, struct err *err);
void ledger_add(struct ledger *l, const char *line); /* without newline */
void ledger_flush(struct ledger *l);
/* False: some line could not be written. */
bool ledger_close(struct ledger *l);

#endif
