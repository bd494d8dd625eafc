/* The housekeeper thread: what must be done to files without holding up a commit.
 *
 * It makes the next segment: a file full of zeros, in steps of 1 MiB, each synced before the next so that the disk
 * never has a queue of them to serve before a commit; paced while the newest segment fills more slowly than this one
 * grows. It takes released segments out of the directory. And once a second it brings the gauges up to date.
 *
 * To free the blocks of a segment at once holds up every sync on that disk (measured: 50 ms for 32 MiB on ext4 with
 * discard). So one released segment is kept as the spare that is zeroed again as the next segment: while the database
 * keeps up no block is ever freed. What is left over, after a backlog, shrinks in steps before it goes.
 *
 * A segment that cannot be made - a full disk, in most cases - is tried again every second and when a segment was
 * taken out; while the disk itself says that it has no room for one nothing is written, and it is asked more often.
 * Until then appends that need it get ERR_FULL; nothing acknowledged was touched, so nothing has failed. */
#include "spool/spool_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    STEP_BYTES = 1024 * 1024,
    PAUSE_US = 20 * 1000,
    SHRINK_PAUSE_MS = 5,
    ROUND_US = 1000 * 1000,
    ASK_US = 200 * 1000, /* so that webhooks are taken again well within a second of there being room */
};

/* After a step: rests, unless an appender waits or the newest segment is filling up as fast. False: the spool is being
 * closed. */
static bool pace(struct spool *sp, uint64_t done)
{
    bool go_on;

    pthread_mutex_lock(&sp->lock);
    if (!sp->stopping && sp->waiting_for_room == 0 && done > 2 * sp->fill_pos && sp->fill_bytes > 0)
        cond_wait_until(&sp->chores, &sp->lock, clock_mono_us() + PAUSE_US);
    go_on = !sp->stopping && !atomic_load(&sp->failed);
    pthread_mutex_unlock(&sp->lock);
    return go_on;
}

/* Without a room for a whole segment none is begun: it would take from others on this disk what is left, and give it
 * back, again and again. What cannot tell its size is tried. */
static bool disk_has_room(const struct spool *sp)
{
    struct statvfs disk;

    return sp->has_spare || fstatvfs(sp->dir_fd, &disk) < 0 || disk.f_blocks == 0 ||
           disk.f_bavail >= (sp->segment_bytes + disk.f_frsize - 1) / disk.f_frsize;
}

/* A file to be filled with zeros: the spare if there is one, else a new one. */
static int open_prepared(struct spool *sp)
{
    bool spare = sp->has_spare && sp->io->rename(sp->io, sp->dir_fd, SPARE_NAME, PREPARED_NAME) == 0;

    sp->has_spare = false;
    return openat(sp->dir_fd, PREPARED_NAME, O_RDWR | O_CREAT | O_CLOEXEC | (spare ? 0 : O_TRUNC), 0600);
}

/* The descriptor of a file of zeros, or -1 with errno; 0 in errno: the spool is being closed. */
static int make_zeros(struct spool *sp)
{
    static const char zeros[STEP_BYTES];
    int fd = open_prepared(sp);
    int number;

    if (fd < 0)
        return -1;
    for (uint64_t done = 0; done < sp->segment_bytes;) {
        uint64_t left = sp->segment_bytes - done;
        size_t len = left < STEP_BYTES ? (size_t)left : STEP_BYTES;

        if (write_fully(sp->io, fd, zeros, len, done) < 0 || sp->io->fdatasync(sp->io, fd) < 0)
            goto fail;
        done += len;
        errno = 0;
        if (done < sp->segment_bytes && !pace(sp, done))
            goto fail;
    }
    return fd;
fail:
    number = errno;
    close(fd);
    sp->io->unlink(sp->io, sp->dir_fd, PREPARED_NAME);
    errno = number;
    return -1;
}

/* Called with the lock held, works without it. Gives the time to wait before the next try, 0: it is made. */
static int64_t prepare_next(struct spool *sp)
{
    int fd = -1;
    int number = ENOSPC;
    bool room;

    pthread_mutex_unlock(&sp->lock);
    room = disk_has_room(sp);
    if (room) {
        fd = make_zeros(sp);
        number = errno;
    }
    if (fd < 0 && number != 0) {
        struct err err;

        errno = number;
        err_set_errno(&err, ERR_FULL, "could not make the next segment");
        log_warn("spool cannot grow", log_str("directory", sp->directory), log_str("reason", err.text));
    }
    pthread_mutex_lock(&sp->lock);
    if (fd >= 0 && kept_reserve(&sp->kept, sp->kept.count + 1) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0) {
        sp->next = NEXT_READY;
        sp->next_fd = fd;
        sp->next_bytes = sp->segment_bytes;
        if (sp->no_space)
            sp->refusing = false;
    }
    sp->no_space = fd < 0;
    pthread_cond_broadcast(&sp->room);
    return fd >= 0 ? 0 : room ? ROUND_US : ASK_US;
}

/* The oldest segment may go when all its records are released and the one after it is on disk: the newest segment
 * tells where the numbers go on. */
static bool oldest_may_go_locked(const struct spool *sp)
{
    uint64_t next_first;

    if (sp->kept.count < 2)
        return false;
    next_first = sp->kept.items[1].first_seq;
    return next_first - 1 <= sp->released_seq && next_first <= atomic_load(&sp->durable_seq);
}

/* Frees the file's blocks a step at a time. A failure costs smoothness, nothing else. */
static void shrink(struct spool *sp, const char *name)
{
    int fd = openat(sp->dir_fd, name, O_RDWR | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0)
        while (st.st_size > STEP_BYTES && sp->io->ftruncate(sp->io, fd, st.st_size - STEP_BYTES) == 0) {
            st.st_size -= STEP_BYTES;
            clock_sleep_ms(SHRINK_PAUSE_MS);
        }
    close(fd);
}

/* Takes a released segment out of the directory, one with bytes that could not be read into quarantine; the directory
 * is synced before the file's bytes change, for under its own name it would look damaged. */
static int retire(struct spool *sp, const char *name, bool unreadable, struct err *err)
{
    struct stat st;
    bool keep;

    if (unreadable)
        return quarantine_move(sp->io, sp->dir_fd, name, err);
    keep = !sp->has_spare && fstatat(sp->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (uint64_t)st.st_size == sp->segment_bytes;
    if (sp->io->rename(sp->io, sp->dir_fd, name, keep ? SPARE_NAME : LEAVING_NAME) < 0)
        return err_set_errno(err, ERR_FAILED, "could not rename spool segment \"%s\"", name);
    if (directory_sync(sp->io, sp->dir_fd, err) < 0)
        return err->code;
    sp->has_spare = sp->has_spare || keep;
    if (keep)
        return 0;
    shrink(sp, LEAVING_NAME);
    if (sp->io->unlink(sp->io, sp->dir_fd, LEAVING_NAME) < 0)
        return err_set_errno(err, ERR_FAILED, "could not remove what was spool segment \"%s\"", name);
    return 0;
}

/* Called with the lock held, works without it. A segment that cannot be taken out now goes after the next start. */
static void retire_oldest(struct spool *sp)
{
    char name[NAME_BYTES];
    bool unreadable;
    struct err err;

    segment_name(name, sp->kept.items[0].first_seq);
    unreadable = sp->kept.items[0].unreadable;
    sp->kept.count--;
    memmove(sp->kept.items, sp->kept.items + 1, sp->kept.count * sizeof(sp->kept.items[0]));
    pthread_mutex_unlock(&sp->lock);
    if (retire(sp, name, unreadable, &err) < 0)
        log_warn("released spool segment not removed", log_str("reason", err.text));
    pthread_mutex_lock(&sp->lock);
}

void *prepare_main(void *arg)
{
    struct spool *sp = arg;
    int64_t retry_us = 0;

    pthread_mutex_lock(&sp->lock);
    while (!sp->stopping) {
        int64_t now_us = clock_mono_us();

        if (sp->next == NEXT_MISSING && now_us >= retry_us && !atomic_load(&sp->failed)) {
            int64_t pause_us = prepare_next(sp);

            retry_us = pause_us > 0 ? clock_mono_us() + pause_us : 0;
        } else if (oldest_may_go_locked(sp)) {
            retire_oldest(sp);
            retry_us = 0;
        } else {
            spool_show_gauges_locked(sp);
            cond_wait_until(&sp->chores, &sp->lock, retry_us > now_us ? retry_us : now_us + ROUND_US);
        }
    }
    pthread_mutex_unlock(&sp->lock);
    return NULL;
}
