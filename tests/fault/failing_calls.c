#define FIU_ENABLE

#include "failing_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fiu-control.h>
#include <fiu.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[CALL_COUNT] = {
#define X(name, text) [CALL_##name] = text,
    FAILING_CALLS(X)
#undef X
};

static struct failing_calls *calls; /* NULL: disarmed */
static enum failing_call armed;
static uint64_t armed_at;
static bool armed_for_good;
static _Thread_local bool writes_records;

const char *failing_call_name(enum failing_call call)
{
    return names[call];
}

/* libfiu asks; it has found the point to be the armed one. */
static int decide(const char *name, int *failnum, void **failinfo, unsigned int *flags)
{
    uint64_t number = atomic_load(&calls->seen[armed]);

    (void)name;
    (void)failnum;
    (void)failinfo;
    (void)flags;
    return armed_for_good ? number >= armed_at : number == armed_at;
}

void failing_calls_arm(struct failing_calls *state, enum failing_call call, uint64_t at, bool for_good, int error)
{
    fiu_init(0);
    armed = call;
    armed_at = at;
    armed_for_good = for_good;
    if (at > 0)
        fiu_enable_external(names[call], 1, (void *)(intptr_t)error, 0, decide);
    calls = state;
}

void failing_calls_disarm(void)
{
    calls = NULL;
    fiu_disable(names[armed]);
}

/* 0: the call goes through. Else the error it fails with. */
static int fails(enum failing_call call)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the number counted is the one decided on */
    int error = 0;

    if (!calls)
        return 0;
    pthread_mutex_lock(&lock);
    atomic_fetch_add(&calls->seen[call], 1);
    if (fiu_fail(names[call])) {
        error = (int)(intptr_t)fiu_failinfo();
        atomic_fetch_add(&calls->hits, 1);
        if (writes_records && error != FAIL_SHORT && error != EINTR)
            atomic_store(&calls->writer_failed, true);
    }
    pthread_mutex_unlock(&lock);
    return error;
}

/* The same for calls that set errno. */
static bool fails_with_errno(enum failing_call call)
{
    int error = fails(call);

    if (error != 0)
        errno = error;
    return error != 0;
}

static void watch_writer(const char *data, size_t len)
{
    if (!calls || !atomic_load(&calls->watching) || writes_records)
        return;
    for (size_t i = 0; i < len && !writes_records; i++)
        writes_records = data[i] != 0;
}

/* What the linker puts in the place of the calls. -------------------------------------------------------------------
 */

#define WRAP(result, name, ...)                                                                                        \
    result __real_##name(__VA_ARGS__);                                                                                 \
    result __wrap_##name(__VA_ARGS__);                                                                                 \
    result __wrap_##name(__VA_ARGS__)

WRAP(ssize_t, pread, int fd, void *data, size_t len, off_t offset)
{
    int error = fails(CALL_PREAD);

    if (error == FAIL_SHORT)
        return __real_pread(fd, data, (len + 1) / 2, offset);
    errno = error != 0 ? error : errno;
    return error != 0 ? -1 : __real_pread(fd, data, len, offset);
}

WRAP(ssize_t, pwrite, int fd, const void *data, size_t len, off_t offset)
{
    int error;

    watch_writer(data, len);
    error = fails(CALL_PWRITE);
    if (error == FAIL_SHORT)
        return __real_pwrite(fd, data, (len + 1) / 2, offset);
    errno = error != 0 ? error : errno;
    return error != 0 ? -1 : __real_pwrite(fd, data, len, offset);
}

WRAP(int, fdatasync, int fd)
{
    return fails_with_errno(CALL_FDATASYNC) ? -1 : __real_fdatasync(fd);
}

WRAP(int, fsync, int fd)
{
    return fails_with_errno(CALL_FSYNC) ? -1 : __real_fsync(fd);
}

int __real_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_openat(int dir_fd, const char *name, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    va_start(arguments, flags);
    if (flags & O_CREAT)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return fails_with_errno(CALL_OPENAT) ? -1 : __real_openat(dir_fd, name, flags, mode);
}

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    va_start(arguments, flags);
    if (flags & O_CREAT)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return fails_with_errno(CALL_OPEN) ? -1 : __real_open(name, flags, mode);
}

/* The hardened libc's names for calls without a mode. */
WRAP(int, __openat_2, int dir_fd, const char *name, int flags)
{
    return fails_with_errno(CALL_OPENAT) ? -1 : __real_openat(dir_fd, name, flags);
}

WRAP(int, __open_2, const char *name, int flags)
{
    return fails_with_errno(CALL_OPEN) ? -1 : __real_open(name, flags);
}

WRAP(ssize_t, __pread_chk, int fd, void *data, size_t len, off_t offset, size_t room)
{
    if (len > room)
        abort();
    return __wrap_pread(fd, data, len, offset);
}

WRAP(int, mkdirat, int dir_fd, const char *name, mode_t mode)
{
    return fails_with_errno(CALL_MKDIRAT) ? -1 : __real_mkdirat(dir_fd, name, mode);
}

WRAP(int, renameat, int from_fd, const char *from, int to_fd, const char *to)
{
    return fails_with_errno(CALL_RENAMEAT) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

WRAP(int, unlinkat, int dir_fd, const char *name, int flags)
{
    return fails_with_errno(CALL_UNLINKAT) ? -1 : __real_unlinkat(dir_fd, name, flags);
}

WRAP(int, ftruncate, int fd, off_t len)
{
    return fails_with_errno(CALL_FTRUNCATE) ? -1 : __real_ftruncate(fd, len);
}

WRAP(int, fstat, int fd, struct stat *out)
{
    return fails_with_errno(CALL_FSTAT) ? -1 : __real_fstat(fd, out);
}

WRAP(int, flock, int fd, int operation)
{
    return fails_with_errno(CALL_FLOCK) ? -1 : __real_flock(fd, operation);
}

WRAP(DIR *, fdopendir, int fd)
{
    return fails_with_errno(CALL_FDOPENDIR) ? NULL : __real_fdopendir(fd);
}

WRAP(struct dirent *, readdir, DIR *dir)
{
    return fails_with_errno(CALL_READDIR) ? NULL : __real_readdir(dir);
}

WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg)
{
    int error = fails(CALL_PTHREAD_CREATE);

    return error != 0 ? error : __real_pthread_create(thread, attributes, main, arg);
}

WRAP(void *, malloc, size_t len)
{
    return fails_with_errno(CALL_MALLOC) ? NULL : __real_malloc(len);
}

WRAP(void *, calloc, size_t count, size_t len)
{
    return fails_with_errno(CALL_CALLOC) ? NULL : __real_calloc(count, len);
}

WRAP(void *, realloc, void *data, size_t len)
{
    return fails_with_errno(CALL_REALLOC) ? NULL : __real_realloc(data, len);
}

WRAP(char *, strdup, const char *text)
{
    return fails_with_errno(CALL_STRDUP) ? NULL : __real_strdup(text);
}
