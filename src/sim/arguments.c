#include "sim/arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_SECRET = 512 }; /* more than a token or a key of the platform has */

bool argument_u64(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    unsigned long long n;

    if (!span_to_u64(span_of(text), &n) || n < min || n > max) {
        fprintf(stderr, "chatsim: %s must be a number from %llu to %llu, not \"%s\"\n", option, (unsigned long long)min,
                (unsigned long long)max, text);
        return false;
    }
    *out = n;
    return true;
}

bool argument_decimal(const char *option, const char *text, double min, double max, double *out)
{
    char *end;
    const double n = strtod(text, &end);

    if (end == text || *end || !isfinite(n) || n < min || n > max) {
        fprintf(stderr, "chatsim: %s must be a number from %g to %g, not \"%s\"\n", option, min, max, text);
        return false;
    }
    *out = n;
    return true;
}

int argument_read_file(const char *path, size_t max, struct buf *out, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    int r = 0;

    if (fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not open \"%s\"", path);
    buf_reset(out);
    do {
        char *space = buf_reserve(out, 65536);
        if (!space) {
            r = err_set(err, ERR_FULL, "could not read \"%s\": out of memory", path);
            break;
        }
        n = read(fd, space, 65536);
        if (n < 0 && errno != EINTR) {
            r = err_set_errno(err, ERR_FAILED, "could not read \"%s\"", path);
            break;
        }
        if (n > 0)
            buf_commit(out, (size_t)n);
        if (out->len > max) {
            r = err_set(err, ERR_FULL, "could not read \"%s\": longer than %zu bytes", path, max);
            break;
        }
    } while (n != 0);
    close(fd);
    return r;
}

bool argument_secret_file(const char *option, const char *path, struct buf *out)
{
    struct err err;

    if (argument_read_file(path, MAX_SECRET, out, &err) < 0) {
        fprintf(stderr, "chatsim: %s: %s\n", option, err.text);
        return false;
    }
    while (out->len > 0 && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r'))
        out->data[--out->len] = '\0';
    if (out->len == 0 || memchr(out->data, '\0', out->len)) {
        fprintf(stderr, "chatsim: %s: \"%s\" holds no secret\n", option, path);
        return false;
    }
    return true;
}
