/* arguments.h - what both subcommands need to read their command line. Faults are told on standard error, with the name
 * of the option. */
#ifndef CHATSLUICE_SIM_ARGUMENTS_H
#define CHATSLUICE_SIM_ARGUMENTS_H

#include "base/buf.h"
#include "base/err.h"

/* A whole number from min to max. */
bool argument_u64(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* A decimal number from min to max. */
bool argument_decimal(const char *option, const char *text, double min, double max, double *out);

/* Reads a whole file of at most max bytes into *out (reset first). */
int argument_read_file(const char *path, size_t max, struct buf *out, struct err *err);
/* A file that holds one secret; the final newline is dropped. False: told on standard error. */
bool argument_secret_file(const char *option, const char *path, struct buf *out);

#endif
