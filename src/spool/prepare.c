/* The housekeeper thread: what must be done to files without holding up a commit.
 *
 * It makes the next segment: a file full of zeros, in steps of 1 MiB, each synced before the next so that the disk
 * never has a queue of them to serve before a commit; paced while the newest segment fills more slowly than this one
 * grows. It removes segments that are released. And once a second it brings the gauges up to date.
 *
 * A segment that cannot be made - a full disk, in most cases - is tried again every second and when a segment was
 * removed. Until then appends that need it get ERR_FULL; nothing acknowledged was touched, so nothing has failed. */
#include "spool/spool_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    STEP_BYTES = 1024 * 1024,
    PAUSE_US = 20 * 1000,
    ROUND_US = 1000 * 1000,
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

/* The descriptor of a file of zeros, or -1 with errno; 0 in errno: the spool is being closed. */
static int make_zeros(struct spool *sp)
{
    static const char zeros[STEP_BYTES];
    int fd = openat(sp->dir_fd, PREPARED_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
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

/* Called with the lock held, works without it. */
static void prepare_next(struct spool *sp)
{
    int fd;
    int number;

    pthread_mutex_unlock(&sp->lock);
    fd = make_zeros(sp);
    number = errno;
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

/* Called with the lock held, works without it. A segment that cannot be removed now goes after the next start. */
static void remove_released(struct spool *sp)
{
    struct err err;

    while (oldest_may_go_locked(sp)) {
        char name[NAME_BYTES];

        segment_name(name, sp->kept.items[0].first_seq);
        sp->kept.count--;
        memmove(sp->kept.items, sp->kept.items + 1, sp->kept.count * sizeof(sp->kept.items[0]));
        pthread_mutex_unlock(&sp->lock);
        if (sp->io->unlink(sp->io, sp->dir_fd, name) < 0)
            log_warn("spool segment not removed", log_str("segment", name));
        pthread_mutex_lock(&sp->lock);
    }
    pthread_mutex_unlock(&sp->lock);
    if (directory_sync(sp->io, sp->dir_fd, &err) < 0)
        log_warn("spool directory not synced", log_str("reason", err.text)); /* a segment may come back: harmless */
    pthread_mutex_lock(&sp->lock);
}

void *prepare_main(void *arg)
{
    struct spool *sp = arg;
    int64_t retry_us = 0;

    pthread_mutex_lock(&sp->lock);
    while (!sp->stopping) {
        int64_t now_us = clock_mono_us();

        if (oldest_may_go_locked(sp)) {
            remove_released(sp);
            retry_us = 0;
        } else if (sp->next == NEXT_MISSING && now_us >= retry_us && !atomic_load(&sp->failed)) {
            prepare_next(sp);
            retry_us = sp->no_space ? clock_mono_us() + ROUND_US : 0;
        } else {
            spool_show_gauges_locked(sp);
            cond_wait_until(&sp->chores, &sp->lock, now_us + ROUND_US);
        }
    }
    pthread_mutex_unlock(&sp->lock);
    return NULL;
}
