#include "disk.h"

#include "plant.h"
#include "scheduler.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, FILES_MOST = 512, NAMES_MOST = 128, CHANGES_MOST = 512, DESCRIPTORS = 1024, DISKS = 4 };

struct image {
    char *bytes;
    size_t len, cap;
};

struct file {
    struct image seen, durable;
    bool dirty[1024]; /* blocks; a segment of a simulation has at most so many */
    bool lost[1024];  /* dirty, and a failed sync has called them clean */
};

/* "name", or "quarantine/name" */
struct name {
    char text[NAME_BYTES + 16];
    struct file *file;
};

/* A name that was made (file not NULL) or removed, or both at once. */
struct change {
    char made[NAME_BYTES + 16], removed[NAME_BYTES + 16]; /* "": none */
    struct file *file;
};

struct names {
    struct name items[NAMES_MOST];
    size_t count;
};

struct disk {
    struct spool_io io; /* first: the calls get this address */
    char directory[64];
    struct disk_faults faults;
    bool refused_reads;
    struct file *files[FILES_MOST];
    size_t file_count;
    struct names seen, durable;
    struct change changes[CHANGES_MOST];
    size_t change_count;
};

/* What a descriptor stands for. */
static struct descriptor {
    struct disk *disk; /* NULL: none of ours */
    struct file *file; /* NULL: a folder */
    bool in_quarantine;
    unsigned process;
} descriptors[DESCRIPTORS];

static struct disk *disks[DISKS];

/* Images and names ------------------------------------------------------------------------------------------------- */

static void image_resize(struct image *i, size_t len)
{
    if (len > i->cap) {
        char *grown = realloc(i->bytes, len);

        if (!grown)
            sched_fail("no memory for a file");
        i->bytes = grown;
        i->cap = len;
    }
    if (len > i->len)
        memset(i->bytes + i->len, 0, len - i->len);
    i->len = len;
}

static void image_write(struct image *i, size_t at, const void *data, size_t len)
{
    if (at + len > i->len)
        image_resize(i, at + len);
    if (len > 0)
        memcpy(i->bytes + at, data, len);
}

static struct file *names_find(const struct names *n, const char *text)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->items[i].text, text) == 0)
            return n->items[i].file;
    return NULL;
}

static void names_remove(struct names *n, const char *text)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->items[i].text, text) == 0) {
            n->items[i] = n->items[--n->count];
            return;
        }
}

static void names_set(struct names *n, const char *text, struct file *file)
{
    names_remove(n, text);
    if (n->count == NAMES_MOST)
        sched_fail("more than %d files on a simulated disk", NAMES_MOST);
    snprintf(n->items[n->count].text, sizeof(n->items[0].text), "%s", text);
    n->items[n->count++].file = file;
}

static void change_apply(struct names *n, const struct change *c)
{
    if (c->removed[0])
        names_remove(n, c->removed);
    if (c->made[0])
        names_set(n, c->made, c->file);
}

static void change_add(struct disk *d, const char *made, const char *removed, struct file *file)
{
    struct change *c = &d->changes[d->change_count];

    if (d->change_count == CHANGES_MOST)
        sched_fail("more than %d unsynced changes of names", CHANGES_MOST);
    d->change_count++;
    snprintf(c->made, sizeof(c->made), "%s", made);
    snprintf(c->removed, sizeof(c->removed), "%s", removed);
    c->file = file;
    change_apply(&d->seen, c);
}

static bool in_quarantine(const char *text)
{
    return strncmp(text, "quarantine/", 11) == 0;
}

/* A sync of a folder: what was changed in it is there. */
static void changes_sync(struct disk *d, bool quarantine)
{
    size_t left = 0;

    for (size_t i = 0; i < d->change_count; i++) {
        const struct change *c = &d->changes[i];
        const bool here = (c->made[0] && in_quarantine(c->made) == quarantine) ||
                          (c->removed[0] && in_quarantine(c->removed) == quarantine);

        if (here)
            change_apply(&d->durable, c);
        else
            d->changes[left++] = *c;
    }
    d->change_count = left;
}

/* Files ------------------------------------------------------------------------------------------------------------ */

static struct file *file_new(struct disk *d)
{
    struct file *f = calloc(1, sizeof(*f));

    if (!f || d->file_count == FILES_MOST)
        sched_fail("too many files on a simulated disk");
    d->files[d->file_count++] = f;
    return f;
}

static void file_touch(struct file *f, size_t from, size_t to)
{
    for (size_t block = from / BLOCK; block * BLOCK < to; block++) {
        if (block >= sizeof(f->dirty))
            sched_fail("a file too large for a simulated disk");
        f->dirty[block] = true;
        f->lost[block] = false;
    }
}

static void block_keep(struct file *f, size_t block)
{
    const size_t at = block * BLOCK, end = at + BLOCK < f->seen.len ? at + BLOCK : f->seen.len;

    if (at < end)
        image_write(&f->durable, at, f->seen.bytes + at, end - at);
    f->dirty[block] = false;
}

/* all: a sync; else any of the blocks, as when the power goes. */
static void file_settle(struct file *f, bool all)
{
    const bool length = all || f->seen.len >= f->durable.len || sched_chance(2);

    for (size_t block = 0; block < sizeof(f->dirty); block++) {
        if (!f->dirty[block] || f->lost[block])
            continue;
        if (all || sched_chance(2))
            block_keep(f, block);
    }
    if (length)
        image_resize(&f->durable, all || f->seen.len < f->durable.len ? f->seen.len : f->durable.len);
}

/* A sync that failed: any of it may have come through, and the rest is forgotten. */
static void file_sync_failed(struct file *f)
{
    file_settle(f, false);
    for (size_t block = 0; block < sizeof(f->dirty); block++)
        f->lost[block] = f->dirty[block];
}

static struct descriptor *descriptor_of(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS && descriptors[fd].disk ? &descriptors[fd] : NULL;
}

static struct descriptor *file_descriptor(int fd)
{
    struct descriptor *o = descriptor_of(fd);

    if (!o || !o->file)
        sched_fail("descriptor %d is no file of a simulated disk", fd);
    return o;
}

/* The calls -------------------------------------------------------------------------------------------------------- */

static struct disk *disk_of(const struct spool_io *io)
{
    return (struct disk *)(uintptr_t)io;
}

static bool chance(unsigned n)
{
    return n > 0 && sched_chance(n);
}

static int fails(const char *call, int number)
{
    sched_trace("disk: %s fails: %s", call, strerrorname_np(number));
    errno = number;
    return -1;
}

static ssize_t disk_pread(const struct spool_io *io, int fd, void *data, size_t len, off_t offset)
{
    struct disk *d = disk_of(io);

    sched_pause();
    if (chance(d->faults.read_error)) {
        d->refused_reads = true;
        return fails("pread", EIO);
    }
    if (len > 1 && chance(d->faults.short_io))
        len = 1 + sched_random(len - 1);
    return pread(fd, data, len, offset);
}

static ssize_t disk_pwrite(const struct spool_io *io, int fd, const void *data, size_t len, off_t offset)
{
    struct disk *d = disk_of(io);
    struct file *f = file_descriptor(fd)->file;
    ssize_t n;

    sched_pause();
    if (d->faults.full && (size_t)offset + len > f->seen.len)
        return fails("pwrite", ENOSPC);
    if (chance(d->faults.write_error))
        return fails("pwrite", EIO);
    if (len > 1 && chance(d->faults.short_io))
        len = 1 + sched_random(len - 1);
    n = pwrite(fd, data, len, offset);
    if (n > 0) {
        image_write(&f->seen, (size_t)offset, data, (size_t)n);
        file_touch(f, (size_t)offset, (size_t)(offset + n));
    }
    return n;
}

static void take_time(struct disk *d)
{
    if (chance(d->faults.stall))
        sched_sleep_us(100000 + (int64_t)sched_random(1900000));
    else if (chance(d->faults.slow))
        sched_sleep_us((int64_t)sched_random(50000));
    else
        sched_sleep_us(50 + (int64_t)sched_random(1000));
}

static int disk_fdatasync(const struct spool_io *io, int fd)
{
    struct disk *d = disk_of(io);
    struct file *f = file_descriptor(fd)->file;

    take_time(d);
    if (chance(d->faults.sync_error)) {
        file_sync_failed(f);
        return fails("fdatasync", EIO);
    }
    if (!planted(BUG_EARLY_ACK))
        file_settle(f, true);
    return 0;
}

static int disk_fsync(const struct spool_io *io, int fd)
{
    struct disk *d = disk_of(io);
    const struct descriptor *o = descriptor_of(fd);

    take_time(d);
    if (chance(d->faults.sync_error))
        return fails("fsync", EIO);
    if (o && !o->file && !planted(BUG_NO_FOLDER_SYNC))
        changes_sync(d, o->in_quarantine);
    return 0;
}

static void path_of(char out[NAME_BYTES + 16], int dir_fd, const char *name)
{
    const struct descriptor *o = descriptor_of(dir_fd);

    snprintf(out, NAME_BYTES + 16, "%s%s", o && o->in_quarantine ? "quarantine/" : "", name);
}

static int disk_rename(const struct spool_io *io, int dir_fd, const char *from, const char *to)
{
    struct disk *d = disk_of(io);
    char old[NAME_BYTES + 16], new[NAME_BYTES + 16];
    int r;

    sched_pause();
    if (chance(d->faults.write_error))
        return fails("rename", EIO);
    r = renameat(dir_fd, from, dir_fd, to);
    if (r == 0) {
        path_of(old, dir_fd, from);
        path_of(new, dir_fd, to);
        change_add(d, new, old, names_find(&d->seen, old));
    }
    return r;
}

static int disk_unlink(const struct spool_io *io, int dir_fd, const char *name)
{
    struct disk *d = disk_of(io);
    char old[NAME_BYTES + 16];
    int r;

    sched_pause();
    r = unlinkat(dir_fd, name, 0);
    if (r == 0) {
        path_of(old, dir_fd, name);
        change_add(d, "", old, NULL);
    }
    return r;
}

static void file_cut(struct file *f, size_t len)
{
    const size_t was = f->seen.len;

    image_resize(&f->seen, len);
    file_touch(f, len < was ? len : was, len < was ? was : len);
}

static int disk_ftruncate(const struct spool_io *io, int fd, off_t len)
{
    (void)io;
    sched_pause();
    file_cut(file_descriptor(fd)->file, (size_t)len);
    return ftruncate(fd, len);
}

/* Opening and closing, by --wrap ----------------------------------------------------------------------------------- */

#define WRAP(type, name)                                                                                               \
    type __wrap_##name;                                                                                                \
    type __wrap_##name

int __real_openat(int dir_fd, const char *name, int flags, ...);
int __real_open(const char *name, int flags, ...);
int __real_close(int fd);
int __real_closedir(DIR *dir);

static void adopt(int fd, struct disk *d, struct file *f, bool quarantine)
{
    if (fd >= DESCRIPTORS)
        sched_fail("more than %d descriptors", DESCRIPTORS);
    descriptors[fd] = (struct descriptor){d, f, quarantine, sched_process()};
}

static int open_in(struct descriptor *where, int dir_fd, const char *name, int flags, unsigned mode)
{
    struct disk *d = where->disk;
    struct file *f;
    char path[NAME_BYTES + 16];
    int fd;

    sched_pause();
    fd = __real_openat(dir_fd, name, flags, mode);
    if (fd < 0)
        return fd;
    path_of(path, dir_fd, name);
    if (flags & O_DIRECTORY) {
        if (strcmp(name, "..") != 0)
            adopt(fd, d, NULL, where->in_quarantine || strcmp(name, "quarantine") == 0);
        return fd;
    }
    f = names_find(&d->seen, path);
    if (!f) {
        f = file_new(d);
        if (strcmp(name, "spool.lock") != 0) /* says nothing that matters, and is not written through spool_io */
            change_add(d, path, "", f);
        else
            names_set(&d->seen, path, f);
    }
    if (flags & O_TRUNC)
        file_cut(f, 0);
    adopt(fd, d, f, false);
    return fd;
}

WRAP(int, openat(int dir_fd, const char *name, int flags, ...))
{
    struct descriptor *where = descriptor_of(dir_fd);
    unsigned mode = 0;
    va_list args;

    if (flags & O_CREAT) {
        va_start(args, flags);
        mode = va_arg(args, unsigned);
        va_end(args);
    }
    return where ? open_in(where, dir_fd, name, flags, mode) : __real_openat(dir_fd, name, flags, mode);
}

WRAP(int, __openat_2(int dir_fd, const char *name, int flags))
{
    return __wrap_openat(dir_fd, name, flags);
}

WRAP(int, open(const char *name, int flags, ...))
{
    unsigned mode = 0;
    va_list args;
    int fd;

    if (flags & O_CREAT) {
        va_start(args, flags);
        mode = va_arg(args, unsigned);
        va_end(args);
    }
    fd = __real_open(name, flags, mode);
    for (size_t i = 0; i < DISKS && fd >= 0; i++)
        if (disks[i] && strcmp(disks[i]->directory, name) == 0)
            adopt(fd, disks[i], NULL, false);
    return fd;
}

WRAP(int, __open_2(const char *name, int flags))
{
    return __wrap_open(name, flags);
}

static void forget(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        descriptors[fd] = (struct descriptor){0};
}

WRAP(int, close(int fd))
{
    forget(fd);
    return __real_close(fd);
}

WRAP(int, closedir(DIR *dir))
{
    forget(dirfd(dir));
    return __real_closedir(dir);
}

/* Life ------------------------------------------------------------------------------------------------------------- */

struct disk *disk_new(const char *directory)
{
    struct disk *d = calloc(1, sizeof(*d));

    if (!d || mkdir(directory, 0700) < 0)
        sched_fail("could not make \"%s\"", directory);
    d->io = (struct spool_io){disk_pread,  disk_pwrite, disk_fdatasync, disk_fsync,
                              disk_rename, disk_unlink, disk_ftruncate};
    snprintf(d->directory, sizeof(d->directory), "%s", directory);
    for (size_t i = 0; i < DISKS; i++)
        if (!disks[i]) {
            disks[i] = d;
            return d;
        }
    sched_fail("more than %d disks", DISKS);
}

const struct spool_io *disk_io(struct disk *d)
{
    return &d->io;
}

const char *disk_directory(const struct disk *d)
{
    return d->directory;
}

struct disk_faults *disk_faults(struct disk *d)
{
    return &d->faults;
}

bool disk_refused_reads(const struct disk *d)
{
    return d->refused_reads;
}

static void write_out(const struct disk *d, const char *name, const struct image *image)
{
    char path[256];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", d->directory, name);
    out = fopen(path, "w");
    if (!out || fwrite(image->len ? image->bytes : "", 1, image->len, out) != image->len || fclose(out) != 0)
        sched_fail("could not write \"%s\"", path);
}

static void remove_all(const struct disk *d)
{
    char path[256];

    for (size_t i = 0; i < d->seen.count; i++) {
        snprintf(path, sizeof(path), "%s/%s", d->directory, d->seen.items[i].text);
        unlink(path);
    }
}

/* A new process reads from the platter what a failed sync has called clean: recovery has the kernel forget its pages.
 */
static void lose_forgotten(struct disk *d)
{
    for (size_t i = 0; i < d->seen.count; i++) {
        struct file *f = d->seen.items[i].file;
        bool any = false;

        for (size_t block = 0; block < sizeof(f->lost); block++) {
            const size_t at = block * BLOCK;
            size_t end = at + BLOCK;

            if (!f->lost[block])
                continue;
            any = true;
            f->lost[block] = f->dirty[block] = false;
            if (end > f->seen.len)
                end = f->seen.len;
            for (size_t b = at; b < end; b++)
                f->seen.bytes[b] = b < f->durable.len ? f->durable.bytes[b] : 0;
        }
        if (any)
            write_out(d, d->seen.items[i].text, &f->seen);
    }
}

void disk_process_over(struct disk *d, unsigned process)
{
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (descriptors[fd].disk && descriptors[fd].process == process) {
            forget(fd);
            __real_close(fd);
        }
    lose_forgotten(d);
}

void disk_power_cut(struct disk *d)
{
    const bool in_order = sched_chance(2);
    size_t upto = sched_random(d->change_count + 1);
    struct file *lock = names_find(&d->seen, "spool.lock");

    sched_trace("disk: power cut, %zu changes of names unsynced", d->change_count);
    for (size_t i = 0; i < d->change_count; i++)
        if (in_order ? i < upto : sched_chance(2))
            change_apply(&d->durable, &d->changes[i]);
    d->change_count = 0;
    for (size_t i = 0; i < d->file_count; i++) {
        struct file *f = d->files[i];

        file_settle(f, false);
        image_resize(&f->seen, 0);
        image_write(&f->seen, 0, f->durable.len ? f->durable.bytes : "", f->durable.len);
        memset(f->dirty, 0, sizeof(f->dirty));
        memset(f->lost, 0, sizeof(f->lost));
    }
    remove_all(d);
    d->seen = d->durable;
    for (size_t i = 0; i < d->seen.count; i++)
        write_out(d, d->seen.items[i].text, &d->seen.items[i].file->durable);
    if (lock)
        names_set(&d->seen, "spool.lock", lock);
}

void disk_free(struct disk *d)
{
    char path[256];

    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (descriptors[fd].disk == d) {
            forget(fd);
            __real_close(fd);
        }
    remove_all(d);
    snprintf(path, sizeof(path), "%s/spool.lock", d->directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/quarantine", d->directory);
    rmdir(path);
    if (rmdir(d->directory) < 0)
        sched_fail("\"%s\" is not empty: the simulated disk has lost sight of a file", d->directory);
    for (size_t i = 0; i < d->file_count; i++) {
        free(d->files[i]->seen.bytes);
        free(d->files[i]->durable.bytes);
        free(d->files[i]);
    }
    for (size_t i = 0; i < DISKS; i++)
        if (disks[i] == d)
            disks[i] = NULL;
    free(d);
}
