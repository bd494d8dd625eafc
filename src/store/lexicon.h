/* lexicon.h - a lexicon of harmless texts: one a line, # begins a comment line, empty lines count for nothing. The
 * program carries config/rules/benign.txt within itself, so that every publisher has the same one. */
#ifndef CHATSLUICE_STORE_LEXICON_H
#define CHATSLUICE_STORE_LEXICON_H

#include "base/buf.h"
#include "base/err.h"

enum { LEXICON_MAX_BYTES = 16 * 1024 * 1024 };

struct span lexicon_embedded(void);
/* Adds a file to out. ERR_FAILED: it cannot be read; ERR_INVALID: too long, or not UTF-8. */
int lexicon_read(struct buf *out, const char *path, struct err *err);

/* Takes the next text off *rest, without its line end; false at the end. */
bool lexicon_next(struct span *rest, struct span *text);

/* Made at build time. */
extern const char lexicon_file[];
extern const size_t lexicon_file_length;

#endif
