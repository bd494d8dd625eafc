/* failing_calls.h - makes the nth call of the C library by our code fail, once or from then on.
 *
 * The test is linked with --wrap for each of the calls below (chatsluice_failing_calls() in CMake), so that calls of
 * the core and of the test itself come here first; those of other libraries do not. Threads: any; the calls of all
 * count. */
#ifndef CHATSLUICE_TESTS_FAILING_CALLS_H
#define CHATSLUICE_TESTS_FAILING_CALLS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum failing_mode {
    FAILING_NOT,
    FAILING_ONCE,
    FAILING_FOR_GOOD,
    FAILING_INTERRUPTED, /* reads and writes alone count */
    FAILING_MEMORY,      /* once; calls for memory alone count */
};

enum failing_kind { CALL_MEMORY, CALL_TRANSFER, CALL_OTHER };

static struct {
    _Atomic(enum failing_mode) mode;
    atomic_long left; /* calls until the one that fails */
    atomic_bool hit;
} failing;

static inline void fail_call(long number, enum failing_mode mode)
{
    atomic_store(&failing.left, number);
    atomic_store(&failing.hit, false);
    atomic_store(&failing.mode, mode);
}

/* No call fails any more; whether one did. */
static inline bool fail_no_more(void)
{
    atomic_store(&failing.mode, FAILING_NOT);
    return atomic_load(&failing.hit);
}

static inline bool failing_call(int number, enum failing_kind kind)
{
    enum failing_mode mode = atomic_load(&failing.mode);
    long left;

    if (mode == FAILING_NOT || (mode == FAILING_INTERRUPTED && kind != CALL_TRANSFER) ||
        (mode == FAILING_MEMORY && kind != CALL_MEMORY))
        return false;
    left = atomic_fetch_sub(&failing.left, 1);
    if (left > 1 || (left < 1 && mode != FAILING_FOR_GOOD))
        return false;
    atomic_store(&failing.hit, true);
    errno = mode == FAILING_INTERRUPTED ? EINTR : number;
    return true;
}

/* clang-format off */
#define FAILING_CALL(result, name, failure, number, kind, parameters, ...) \
    result __real_##name parameters; \
    result __wrap_##name parameters; \
    result __wrap_##name parameters { return failing_call(number, kind) ? failure : __real_##name(__VA_ARGS__); }

FAILING_CALL(void *, malloc, NULL, ENOMEM, CALL_MEMORY, (size_t len), len)
FAILING_CALL(void *, calloc, NULL, ENOMEM, CALL_MEMORY, (size_t count, size_t len), count, len)
FAILING_CALL(void *, realloc, NULL, ENOMEM, CALL_MEMORY, (void *old, size_t len), old, len)
FAILING_CALL(char *, strdup, NULL, ENOMEM, CALL_MEMORY, (const char *text), text)
FAILING_CALL(int, fstat, -1, EIO, CALL_OTHER, (int fd, struct stat *st), fd, st)
FAILING_CALL(int, fstatat, -1, EIO, CALL_OTHER, (int fd, const char *name, struct stat *st, int flags), fd, name, st, flags)
FAILING_CALL(ssize_t, pread, -1, EIO, CALL_TRANSFER, (int fd, void *to, size_t len, off_t at), fd, to, len, at)
FAILING_CALL(ssize_t, __pread_chk, -1, EIO, CALL_TRANSFER, (int fd, void *to, size_t len, off_t at, size_t room), fd, to, len, at, room)
FAILING_CALL(ssize_t, pwrite, -1, ENOSPC, CALL_TRANSFER, (int fd, const void *from, size_t len, off_t at), fd, from, len, at)
FAILING_CALL(int, fdatasync, -1, EIO, CALL_OTHER, (int fd), fd)
FAILING_CALL(int, fsync, -1, EIO, CALL_OTHER, (int fd), fd)
FAILING_CALL(int, renameat, -1, EIO, CALL_OTHER, (int from_fd, const char *from, int to_fd, const char *to), from_fd, from, to_fd, to)
FAILING_CALL(int, unlinkat, -1, EIO, CALL_OTHER, (int fd, const char *name, int flags), fd, name, flags)
FAILING_CALL(int, ftruncate, -1, EIO, CALL_OTHER, (int fd, off_t len), fd, len)
FAILING_CALL(int, mkdir, -1, ENOSPC, CALL_OTHER, (const char *path, mode_t mode), path, mode)
FAILING_CALL(int, mkdirat, -1, ENOSPC, CALL_OTHER, (int fd, const char *path, mode_t mode), fd, path, mode)
FAILING_CALL(int, flock, -1, ENOLCK, CALL_OTHER, (int fd, int what), fd, what)
FAILING_CALL(DIR *, fdopendir, NULL, ENOMEM, CALL_OTHER, (int fd), fd)
FAILING_CALL(struct dirent *, readdir, NULL, EIO, CALL_OTHER, (DIR *dir), dir)
FAILING_CALL(ssize_t, getrandom, -1, ENOSYS, CALL_OTHER, (void *to, size_t len, unsigned flags), to, len, flags)
FAILING_CALL(int, pthread_create, EAGAIN, EAGAIN, CALL_OTHER,
             (pthread_t *thread, const pthread_attr_t *how, void *(*start)(void *), void *arg), thread, how, start, arg)
/* clang-format on */

int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    if (flags & O_CREAT) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return failing_call(EMFILE, CALL_OTHER) ? -1 : __real_openat(fd, path, flags, mode);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    if (flags & O_CREAT) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return failing_call(EMFILE, CALL_OTHER) ? -1 : __real_open(path, flags, mode);
}

#endif
