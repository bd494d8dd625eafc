/* audit_keys.h - the keys checkpoints are checked with; private to cli. */
#ifndef CHATSLUICE_CLI_AUDIT_KEYS_H
#define CHATSLUICE_CLI_AUDIT_KEYS_H

#include "base/config.h"
#include "base/crypto.h"

/* Of the PEM file path, which may hold several; path NULL: that of audit.key, if there is one. Gives the keys, to be
 * freed with crypto_key_free(). */
int audit_keys_read(const char *path, const struct config *config, struct crypto_key **keys, size_t max, size_t *count,
                    struct err *err);
/* Adds all of a file of at most max_bytes. */
int audit_file_read(const char *path, size_t max_bytes, struct buf *out, struct err *err);

#endif
