#include "cli/audit_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MOST_PEM = 64 << 10, PIECE = 64 << 10 };

int audit_file_read(const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not open \"%.256s\"", path);
    while (n > 0 && out->len <= max_bytes) {
        char *room = buf_reserve(out, PIECE);

        n = room ? read(fd, room, PIECE) : -1;
        if (n > 0)
            buf_commit(out, (size_t)n);
    }
    close(fd);
    if (n < 0)
        return err_set_errno(err, ERR_FAILED, "could not read \"%.256s\"", path);
    if (out->len > max_bytes)
        return err_set(err, ERR_USAGE, "\"%.256s\" is larger than %zu bytes", path, max_bytes);
    return 0;
}

int audit_keys_read(const char *path, const struct config *config, struct crypto_key **keys, size_t max, size_t *count,
                    struct err *err)
{
    struct buf pem = BUF_INIT;
    struct span rest;
    int r = 0;

    *count = 0;
    if (path)
        r = audit_file_read(path, MOST_PEM, &pem, err);
    else if (config->audit.key)
        buf_addf(&pem, "%s\n", config->audit.key);
    rest = buf_span(&pem);
    if (r == 0 && path) {
        while (*count < max && rest.len > 0 && (keys[*count] = crypto_key_public(&rest)))
            ++*count;
        if (*count == 0)
            r = err_set(err, ERR_USAGE, "\"%.256s\" holds no Ed25519 public key in PEM", path);
    } else if (r == 0 && pem.len > 0) {
        keys[0] = crypto_key_private(rest);
        *count = keys[0] != NULL;
        if (!keys[0])
            r = err_set(err, ERR_USAGE, "audit.key is no Ed25519 private key in PEM");
        explicit_bzero(pem.data, pem.len);
    }
    buf_release(&pem);
    return r;
}
