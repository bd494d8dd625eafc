/* faults.h - a list of everything wrong with a file a person wrote: each with place, what, and what to do. Parsers of
 * such files go on after a fault so that all are reported at once. */
#ifndef CHATSLUICE_BASE_FAULTS_H
#define CHATSLUICE_BASE_FAULTS_H

#include "base/buf.h"

enum { FAULTS_KEPT = 200 };

struct faults {
    size_t count; /* errors */
    size_t warnings;
    struct buf text; /* one line each: "file:line:column: what; what to do\n"; at most FAULTS_KEPT lines are kept */
};

#define FAULTS_INIT ((struct faults){.text = {.max = 256 * 1024}})

void faults_add(struct faults *f, const char *source, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void faults_warn(struct faults *f, const char *source, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void faults_release(struct faults *f);

/* The candidate nearest to word by edit distance, if near enough to be what was meant; else NULL. */
const char *faults_suggest(const char *word, const char *const *candidates, size_t count);

#endif
