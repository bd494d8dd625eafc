/* stored_file.h - what the rules keep on disk between runs: small files that are whole or taken for missing.
 *
 * Written to a temporary file, synced, renamed; read back only if length and SHA-256 agree with the first line,
 *
 *     chatsluice 1 <number> <bytes> <sha256 of the rest, hex>\n
 *
 * so a torn, damaged or foreign file is never used. */
#ifndef CHATSLUICE_RULES_STORED_FILE_H
#define CHATSLUICE_RULES_STORED_FILE_H

#include "base/buf.h"
#include "base/err.h"

enum { STORED_FILE_MAX = 256 * 1024 * 1024 };

/* directory is made when it is missing (its parent must exist). */
int stored_file_write(const char *directory, const char *name, uint64_t number, struct span content, struct err *err);

/* Adds the content to *content. ERR_NOT_FOUND when there is no such file, ERR_INVALID when it is not intact. */
int stored_file_read(const char *directory, const char *name, uint64_t *number, struct buf *content, struct err *err);

/* Removes all but the `keep` files last written whose name begins with prefix. Failing to is no harm. */
void stored_file_prune(const char *directory, const char *prefix, size_t keep);

#endif
