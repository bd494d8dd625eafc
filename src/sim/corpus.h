/* corpus.h - the texts a load run sends: our own chat lines, English and Chinese, one in twenty with contact data; or a
 * file with one text a line. */
#ifndef CHATSLUICE_SIM_CORPUS_H
#define CHATSLUICE_SIM_CORPUS_H

#include "base/buf.h"
#include "base/err.h"

enum { CORPUS_MAX_TEXTS = 20000, CORPUS_MAX_TEXT = 4096 };

struct corpus {
    struct span *texts;
    size_t count;
    struct buf file; /* what texts point into; empty for our own */
};

/* path NULL: our own. Empty lines are skipped. */
int corpus_open(struct corpus *c, const char *path, struct err *err);
void corpus_release(struct corpus *c);

#endif
