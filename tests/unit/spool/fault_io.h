/* fault_io.h - a disk that fails, fills, stalls or loses its power when the test says so. */
#ifndef CHATSLUICE_TESTS_FAULT_IO_H
#define CHATSLUICE_TESTS_FAULT_IO_H

#include "spool_fixture.h"

enum fault {
    FAULT_NONE,
    FAULT_NO_SPACE,      /* no segment can be made */
    FAULT_RECORD_PWRITE, /* records cannot be written */
    FAULT_FDATASYNC,
    FAULT_FSYNC, /* of a directory */
    FAULT_RENAME,
    FAULT_FTRUNCATE,
    FAULT_PREAD, /* of the bytes bad_from..bad_to of the file bad_inode */
};

struct fault_io {
    struct spool_io io; /* first: from it the calls find the rest */
    pthread_mutex_t lock;
    pthread_cond_t change;
    enum fault fault;
    bool stalled; /* fdatasync waits */
    uint64_t bad_from, bad_to;
    ino_t bad_inode;
    int bad_errno;   /* EIO unless the test says otherwise */
    long calls_left; /* then every call fails, a pwrite half done; negative: never */
};

static inline struct fault_io *fault_of(const struct spool_io *io)
{
    return (struct fault_io *)(uintptr_t)io;
}

static inline bool all_zero(const char *data, size_t len)
{
    return len > 0 && data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* True when this call is to fail; errno is set. */
static inline bool fault_hits(struct fault_io *f, enum fault which, int number)
{
    bool hits;

    pthread_mutex_lock(&f->lock);
    hits = f->fault == which || f->calls_left == 0;
    if (f->calls_left > 0)
        f->calls_left--;
    pthread_mutex_unlock(&f->lock);
    errno = number;
    return hits;
}

/* Any byte that cannot be read spoils the whole call, as it does with the kernel's pages. */
static inline ssize_t fault_pread(const struct spool_io *io, int fd, void *data, size_t len, off_t offset)
{
    struct fault_io *f = fault_of(io);
    struct stat st;
    bool hits;

    pthread_mutex_lock(&f->lock);
    hits = f->fault == FAULT_PREAD && fstat(fd, &st) == 0 && st.st_ino == f->bad_inode &&
           (uint64_t)offset < f->bad_to && (uint64_t)offset + len > f->bad_from;
    pthread_mutex_unlock(&f->lock);
    errno = f->bad_errno;
    return hits ? -1 : pread(fd, data, len, offset);
}

static inline ssize_t fault_pwrite(const struct spool_io *io, int fd, const void *data, size_t len, off_t offset)
{
    bool zeros = all_zero(data, len);

    if (fault_hits(fault_of(io), zeros ? FAULT_NO_SPACE : FAULT_RECORD_PWRITE, zeros ? ENOSPC : EIO)) {
        if (fault_of(io)->calls_left == 0 && pwrite(fd, data, len / 2, offset) < 0)
            return -1;
        errno = zeros ? ENOSPC : EIO;
        return -1;
    }
    return pwrite(fd, data, len, offset);
}

static inline int fault_fdatasync(const struct spool_io *io, int fd)
{
    struct fault_io *f = fault_of(io);

    pthread_mutex_lock(&f->lock);
    while (f->stalled)
        pthread_cond_wait(&f->change, &f->lock);
    pthread_mutex_unlock(&f->lock);
    return fault_hits(f, FAULT_FDATASYNC, EIO) ? -1 : fdatasync(fd);
}

static inline int fault_fsync(const struct spool_io *io, int fd)
{
    return fault_hits(fault_of(io), FAULT_FSYNC, EIO) ? -1 : fsync(fd);
}

static inline int fault_rename(const struct spool_io *io, int dir_fd, const char *from, const char *to)
{
    return fault_hits(fault_of(io), FAULT_RENAME, EIO) ? -1 : renameat(dir_fd, from, dir_fd, to);
}

static inline int fault_unlink(const struct spool_io *io, int dir_fd, const char *name)
{
    (void)io;
    return unlinkat(dir_fd, name, 0);
}

static inline int fault_ftruncate(const struct spool_io *io, int fd, off_t len)
{
    return fault_hits(fault_of(io), FAULT_FTRUNCATE, EIO) ? -1 : ftruncate(fd, len);
}

static inline void fault_io_init(struct fault_io *f)
{
    *f = (struct fault_io){
        .io = {fault_pread, fault_pwrite, fault_fdatasync, fault_fsync, fault_rename, fault_unlink, fault_ftruncate},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .change = PTHREAD_COND_INITIALIZER,
        .bad_errno = EIO,
        .calls_left = -1,
    };
}

static inline void fault_io_set(struct fault_io *f, enum fault fault)
{
    pthread_mutex_lock(&f->lock);
    f->fault = fault;
    pthread_mutex_unlock(&f->lock);
}

static inline void fault_io_stall(struct fault_io *f, bool stalled)
{
    pthread_mutex_lock(&f->lock);
    f->stalled = stalled;
    pthread_cond_broadcast(&f->change);
    pthread_mutex_unlock(&f->lock);
}

#endif
