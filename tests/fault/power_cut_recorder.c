/* power_cut_recorder.c - LD_PRELOAD: writes down everything a process does to the spool's directory.
 *
 *   POWER_CUT_DIRECTORY=DIR POWER_CUT_TRACE=FILE LD_PRELOAD=power_cut_recorder.so PROGRAM
 *
 * Calls with an effect run under one lock, so that the trace has the order in which they took effect; syncs run outside
 * it, for others overtake them. What is in the directory when the program opens it is taken as durable. Calls that
 * src/spool does not use (mmap for writing, link, truncate by name, dup) are not seen: the replayer compares the end of
 * the trace with the directory and refuses a trace that does not lead there. */
#include "power_cut_trace.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MAX_FDS = 4096, MAX_OBJECTS = 65536, COPY_BYTES = 1 << 20 };

static struct {
    int (*openat)(int, const char *, int, ...);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    int (*fdatasync)(int);
    int (*fsync)(int);
    int (*renameat)(int, const char *, int, const char *);
    int (*unlinkat)(int, const char *, int);
    int (*mkdirat)(int, const char *, mode_t);
    int (*ftruncate)(int, off_t);
    int (*fallocate)(int, int, off_t, off_t);
} real;

static int trace_fd = -1;
static const char *root;
static uint32_t object_of_fd[MAX_FDS]; /* under the lock; 0: not in the spool's directory */

/* One for a process and its children, for one may be killed and another go on in the same trace. */
static struct {
    pthread_mutex_t lock;      /* guards the rest */
    ino_t inodes[MAX_OBJECTS]; /* by object */
    uint32_t objects;
    uint64_t syncs;
    bool dying;
} * shared;

static void die(const char *why)
{
    fprintf(stderr, "power_cut_recorder: %s\n", why);
    abort();
}

static void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        die(name);
    memcpy(function, &found, sizeof(found));
}

static void lock(void)
{
    if (pthread_mutex_lock(&shared->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&shared->lock); /* power_cut_die() */
}

static void unlock(void)
{
    pthread_mutex_unlock(&shared->lock);
}

static void share(void)
{
    pthread_mutexattr_t attributes;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("no memory");
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->lock, &attributes);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("POWER_CUT_TRACE");

    share();

    find(&real.openat, "openat");
    find(&real.write, "write");
    find(&real.pwrite, "pwrite");
    find(&real.fdatasync, "fdatasync");
    find(&real.fsync, "fsync");
    find(&real.renameat, "renameat");
    find(&real.unlinkat, "unlinkat");
    find(&real.mkdirat, "mkdirat");
    find(&real.ftruncate, "ftruncate");
    find(&real.fallocate, "fallocate");
    root = getenv("POWER_CUT_DIRECTORY");
    if (path)
        trace_fd = real.openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (!root || trace_fd < 0)
        die("POWER_CUT_DIRECTORY and POWER_CUT_TRACE must be set");
}

/* Writing down -------------------------------------------------------------------------------------------------- */

static void put(const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = syscall(SYS_write, trace_fd, at, len);

        if (n <= 0)
            die("the trace cannot be written");
        at += n;
        len -= (size_t)n;
    }
}

static void enter(struct trace_entry entry, const void *data, size_t len)
{
    entry.bytes = (uint32_t)len;
    put(&entry, sizeof(entry));
    put(data, len);
}

static void enter_named(enum trace_kind kind, uint32_t object, uint32_t directory, const char *name)
{
    enter((struct trace_entry){.kind = kind, .object = object, .directory = directory}, name, strlen(name));
}

void power_cut_note(enum trace_note note, uint64_t a, uint64_t b, const char *text);
void power_cut_note(enum trace_note note, uint64_t a, uint64_t b, const char *text)
{
    lock();
    enter((struct trace_entry){.kind = TRACE_NOTE, .object = note, .a = a, .b = b}, text ? text : "",
          text ? strlen(text) : 0);
    unlock();
}

void power_cut_die(void);
void power_cut_die(void)
{
    lock();
    shared->dying = true;
    unlock();
}

/* Objects -------------------------------------------------------------------------------------------------------- */

static uint32_t object_of(int fd)
{
    return fd >= 0 && fd < MAX_FDS ? object_of_fd[fd] : 0;
}

static uint32_t object_of_inode(ino_t inode)
{
    for (uint32_t object = shared->objects; object > 0; object--) /* the newest: numbers of inodes come again */
        if (shared->inodes[object] == inode)
            return object;
    return 0;
}

static uint32_t new_object(ino_t inode)
{
    if (shared->objects + 1 == MAX_OBJECTS)
        die("too many files");
    shared->inodes[++shared->objects] = inode;
    return shared->objects;
}

static void remember(int fd, uint32_t object)
{
    if (fd < 0)
        return;
    if (fd >= MAX_FDS)
        die("too many file descriptors");
    object_of_fd[fd] = object;
}

/* What is there before the program does anything. */
static void snapshot_file(int dir_fd, uint32_t directory, const char *name, ino_t inode)
{
    static char bytes[COPY_BYTES];
    uint32_t object = new_object(inode);
    int fd = real.openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    uint64_t offset = 0;
    ssize_t n;

    enter_named(TRACE_MAKE_FILE, object, directory, name);
    while ((n = pread(fd, bytes, sizeof(bytes), (off_t)offset)) > 0) {
        enter((struct trace_entry){.kind = TRACE_WRITE, .object = object, .a = offset}, bytes, (size_t)n);
        offset += (uint64_t)n;
    }
    close(fd);
    enter((struct trace_entry){.kind = TRACE_SYNC_BEGIN, .object = object, .a = ++shared->syncs}, "", 0);
    enter((struct trace_entry){.kind = TRACE_SYNC_END, .a = shared->syncs}, "", 0);
}

static void snapshot_directory(int dir_fd, uint32_t directory)
{
    int fd = real.openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        struct stat st;

        if (entry->d_name[0] == '.' || fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISREG(st.st_mode)) {
            snapshot_file(dir_fd, directory, entry->d_name, st.st_ino);
        } else if (S_ISDIR(st.st_mode)) {
            uint32_t object = new_object(st.st_ino);
            int sub_fd = real.openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

            enter_named(TRACE_MAKE_DIRECTORY, object, directory, entry->d_name);
            snapshot_directory(sub_fd, object);
            close(sub_fd);
        }
    }
    closedir(dir);
    enter((struct trace_entry){.kind = TRACE_SYNC_BEGIN, .object = directory, .a = ++shared->syncs}, "", 0);
    enter((struct trace_entry){.kind = TRACE_SYNC_END, .a = shared->syncs}, "", 0);
}

static void opened_root(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && shared->objects == 0) {
        uint32_t object = new_object(st.st_ino);

        snapshot_directory(fd, object);
    }
    remember(fd, TRACE_ROOT);
}

static void opened_inside(int fd, uint32_t directory, const char *name, int flags, bool existed)
{
    struct stat st;
    uint32_t object;

    if (fd < 0 || fstat(fd, &st) < 0)
        return;
    if (!existed) {
        object = new_object(st.st_ino);
        enter_named(TRACE_MAKE_FILE, object, directory, name);
    } else {
        object = object_of_inode(st.st_ino);
        if (flags & O_TRUNC)
            enter((struct trace_entry){.kind = TRACE_SIZE, .object = object}, "", 0);
    }
    remember(fd, object);
}

/* The calls ------------------------------------------------------------------------------------------------------ */

static int record_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    uint32_t directory;
    struct stat st;
    bool existed;
    int fd;
    int number;

    lock();
    directory = dir_fd == AT_FDCWD ? 0 : object_of(dir_fd);
    existed = directory == 0 || !(flags & O_CREAT) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    fd = real.openat(dir_fd, name, flags, mode);
    number = errno;
    if (fd >= 0 && strcmp(name, root) == 0)
        opened_root(fd);
    else if (fd >= 0 && directory != 0 && strcmp(name, "..") != 0)
        opened_inside(fd, directory, name, flags, existed);
    else
        remember(fd, 0);
    unlock();
    errno = number;
    return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

int openat(int dir_fd, const char *name, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return record_openat(dir_fd, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return record_openat(AT_FDCWD, name, flags, mode);
}

/* The hardened libc's names for the same calls. */
int __openat_2(int dir_fd, const char *name, int flags);
int __openat_2(int dir_fd, const char *name, int flags)
{
    return record_openat(dir_fd, name, flags, 0);
}

int __open_2(const char *name, int flags);
int __open_2(const char *name, int flags)
{
    return record_openat(AT_FDCWD, name, flags, 0);
}

static void wrote(int fd, const void *data, ssize_t n, off_t offset)
{
    uint32_t object = object_of(fd);

    if (object != 0 && n > 0)
        enter((struct trace_entry){.kind = TRACE_WRITE, .object = object, .a = (uint64_t)offset}, data, (size_t)n);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    ssize_t n;

    lock();
    n = real.pwrite(fd, data, len, offset);
    wrote(fd, data, n, offset);
    unlock();
    return n;
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t n;

    if (object_of(fd) == 0)
        return real.write(fd, data, len);
    lock();
    n = real.write(fd, data, len);
    wrote(fd, data, n, lseek(fd, 0, SEEK_CUR) - (n > 0 ? n : 0));
    unlock();
    return n;
}

/* One call that writes less than all of it is what the system may make of any of these. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return count > 0 ? pwrite(fd, parts[0].iov_base, parts[0].iov_len, offset) : 0;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return count > 0 ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0;
}

static int record_sync(int fd, int (*sync)(int))
{
    uint32_t object;
    uint64_t number;
    int r;

    lock();
    object = object_of(fd);
    number = ++shared->syncs;
    if (object != 0)
        enter((struct trace_entry){.kind = TRACE_SYNC_BEGIN, .object = object, .a = number}, "", 0);
    if (object != 0 && shared->dying) {
        shared->dying = false;
        kill(getpid(), SIGKILL); /* under the lock: nobody is between doing and writing down */
    }
    unlock();
    r = sync(fd);
    if (object == 0 || r < 0)
        return r;
    lock();
    enter((struct trace_entry){.kind = TRACE_SYNC_END, .a = number}, "", 0);
    unlock();
    return r;
}

int fdatasync(int fd)
{
    return record_sync(fd, real.fdatasync);
}

int fsync(int fd)
{
    return record_sync(fd, real.fsync);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    uint32_t directory;
    struct stat st;
    char names[2 * 256];
    int r;

    lock();
    directory = object_of(from_fd);
    if (directory != 0 && directory != object_of(to_fd))
        die("renamed from one directory into another");
    r = real.renameat(from_fd, from, to_fd, to);
    if (r == 0 && directory != 0 && fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        snprintf(names, sizeof(names), "%s%s", from, to);
        enter(
            (struct trace_entry){
                .kind = TRACE_RENAME, .object = object_of_inode(st.st_ino), .directory = directory, .a = strlen(from)},
            names, strlen(names));
    }
    unlock();
    return r;
}

int unlinkat(int dir_fd, const char *name, int flags)
{
    struct stat st = {0};
    uint32_t directory;
    int r;

    lock();
    directory = object_of(dir_fd);
    if (directory != 0 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        directory = 0;
    r = real.unlinkat(dir_fd, name, flags);
    if (r == 0 && directory != 0)
        enter_named(TRACE_UNLINK, object_of_inode(st.st_ino), directory, name);
    unlock();
    return r;
}

int mkdirat(int dir_fd, const char *name, mode_t mode)
{
    uint32_t directory;
    struct stat st;
    int r;

    lock();
    directory = object_of(dir_fd);
    r = real.mkdirat(dir_fd, name, mode);
    if (r == 0 && directory != 0 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        enter_named(TRACE_MAKE_DIRECTORY, new_object(st.st_ino), directory, name);
    unlock();
    return r;
}

int ftruncate(int fd, off_t len)
{
    int r;

    lock();
    r = real.ftruncate(fd, len);
    if (r == 0 && object_of(fd) != 0)
        enter((struct trace_entry){.kind = TRACE_SIZE, .object = object_of(fd), .a = (uint64_t)len}, "", 0);
    unlock();
    return r;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    struct stat st;
    int r;

    lock();
    if (object_of(fd) != 0 && mode != 0)
        die("fallocate with a mode");
    r = real.fallocate(fd, mode, offset, len);
    if (r == 0 && object_of(fd) != 0 && fstat(fd, &st) == 0)
        enter((struct trace_entry){.kind = TRACE_SIZE, .object = object_of(fd), .a = (uint64_t)st.st_size}, "", 0);
    unlock();
    return r;
}
