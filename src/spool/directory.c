/* The directory of a spool:
 *
 *   spool.id            the spool's UUID as text and a newline
 *   spool.lock          locked by the process that has the spool open; its pid as text
 *   <number>.segment    the segments (segment.c)
 *   next.zero           the next segment being made; has no meaning after a crash
 *   quarantine/         copies of damaged bytes, <first number>-<last number>.at-<offset>-of-<segment>; released
 *                       segments that could not be read whole, under their own names */
#include "spool/spool_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char id_name[] = "spool.id";
static const char lock_name[] = "spool.lock";
static const char quarantine_name[] = "quarantine";

/* System calls ------------------------------------------------------------------------------------------------- */

static ssize_t system_pread(const struct spool_io *io, int fd, void *data, size_t len, off_t offset)
{
    (void)io;
    return pread(fd, data, len, offset);
}

static ssize_t system_pwrite(const struct spool_io *io, int fd, const void *data, size_t len, off_t offset)
{
    (void)io;
    return pwrite(fd, data, len, offset);
}

static int system_fdatasync(const struct spool_io *io, int fd)
{
    (void)io;
    return fdatasync(fd);
}

static int system_fsync(const struct spool_io *io, int fd)
{
    (void)io;
    return fsync(fd);
}

static int system_rename(const struct spool_io *io, int dir_fd, const char *from, const char *to)
{
    (void)io;
    return renameat(dir_fd, from, dir_fd, to);
}

static int system_unlink(const struct spool_io *io, int dir_fd, const char *name)
{
    (void)io;
    return unlinkat(dir_fd, name, 0);
}

static int system_ftruncate(const struct spool_io *io, int fd, off_t len)
{
    (void)io;
    return ftruncate(fd, len);
}

const struct spool_io spool_io_system = {
    .pread = system_pread,
    .pwrite = system_pwrite,
    .fdatasync = system_fdatasync,
    .fsync = system_fsync,
    .rename = system_rename,
    .unlink = system_unlink,
    .ftruncate = system_ftruncate,
};

int write_fully(const struct spool_io *io, int fd, const void *data, size_t len, uint64_t offset)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = io->pwrite(io, fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0) {
            errno = EIO;
            return -1;
        }
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

ssize_t read_fully(const struct spool_io *io, int fd, void *data, size_t len, uint64_t offset)
{
    char *out = data;
    size_t have = 0;

    while (have < len) {
        ssize_t n = io->pread(io, fd, out + have, len - have, (off_t)(offset + have));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

bool read_failed_for_good(int number)
{
    switch (number) {
    case EIO:
    case ENODATA:   /* a sector the drive has given up */
    case EBADMSG:   /* a checksum of the file system does not fit */
    case EUCLEAN:   /* nor does its structure */
    case EREMOTEIO: /* the drive's own trouble */
        return true;
    default:
        return false;
    }
}

/* The directory itself ----------------------------------------------------------------------------------------- */

int directory_sync(const struct spool_io *io, int dir_fd, struct err *err)
{
    if (io->fsync(io, dir_fd) < 0)
        return err_set_errno(err, ERR_FAILED, "could not sync the spool directory");
    return 0;
}

int directory_open(const char *path, bool create, const struct spool_io *io, struct err *err)
{
    bool made = create && mkdir(path, 0700) == 0;
    int dir_fd;

    if (create && !made && errno != EEXIST)
        return err_set_errno(err, ERR_FAILED, "could not create spool directory \"%s\"", path);
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, "could not open spool directory \"%s\"",
                             path);
    if (made) { /* its name must survive too */
        int parent_fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = parent_fd < 0
                    ? err_set_errno(err, ERR_FAILED, "could not open the parent of spool directory \"%s\"", path)
                    : directory_sync(io, parent_fd, err);

        if (parent_fd >= 0)
            close(parent_fd);
        if (r < 0) {
            close(dir_fd);
            return r;
        }
    }
    return dir_fd;
}

int directory_lock(int dir_fd, const char *path, struct err *err)
{
    char pid[32] = "";
    int fd = openat(dir_fd, lock_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not open the lock of spool directory \"%s\"", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) {
            r = err_set_errno(err, ERR_FAILED, "could not lock spool directory \"%s\"", path);
        } else {
            ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

            pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
            r = err_set(err, ERR_CONFLICT, "spool directory \"%s\" is in use by process %s", path,
                        pid[0] ? pid : "(unknown)");
        }
        close(fd);
        return r;
    }
    /* Of fixed length and written over: on a full disk a spool must open, or it could never be emptied. */
    snprintf(pid, sizeof(pid), "%-20ld\n", (long)getpid());
    if (write_fully(&spool_io_system, fd, pid, strlen(pid), 0) < 0) {
        r = err_set_errno(err, ERR_FAILED, "could not write the lock of spool directory \"%s\"", path);
        close(fd);
        return r;
    }
    return fd;
}

/* Listing ------------------------------------------------------------------------------------------------------ */

void segment_list_release(struct segment_list *list)
{
    free(list->first_seqs);
    *list = (struct segment_list){0};
}

static bool parse_segment_name(const char *name, uint64_t *first_seq)
{
    char again[NAME_BYTES];
    struct span digits = {name, 20};
    unsigned long long n;

    if (strlen(name) < digits.len || !span_to_u64(digits, &n) || n == 0)
        return false;
    segment_name(again, n);
    *first_seq = n;
    return strcmp(again, name) == 0;
}

static int segment_list_add(struct segment_list *list, uint64_t first_seq)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        uint64_t *grown = realloc(list->first_seqs, cap * sizeof(*grown));

        if (!grown)
            return -1;
        list->first_seqs = grown;
        list->cap = cap;
    }
    list->first_seqs[list->count++] = first_seq;
    return 0;
}

static int compare_seqs(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

int directory_list(int dir_fd, struct segment_list *out, struct err *err)
{
    struct segment_list list = {0};
    const struct dirent *entry;
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int r = 0;

    if (!dir) {
        r = err_set_errno(err, ERR_FAILED, "could not list the spool directory");
        if (fd >= 0)
            close(fd);
        return r;
    }
    while (errno = 0, (entry = readdir(dir))) {
        uint64_t first_seq;

        if (parse_segment_name(entry->d_name, &first_seq) && segment_list_add(&list, first_seq) < 0) {
            r = err_set(err, ERR_FAILED, "no memory to list the spool directory");
            goto out;
        }
    }
    if (errno != 0) {
        r = err_set_errno(err, ERR_FAILED, "could not list the spool directory");
        goto out;
    }
    if (list.count > 0)
        qsort(list.first_seqs, list.count, sizeof(*list.first_seqs), compare_seqs);
    *out = list;
out:
    closedir(dir);
    if (r < 0)
        segment_list_release(&list);
    return r;
}

/* Identity ----------------------------------------------------------------------------------------------------- */

int uuid_make(struct spool_uuid *out, struct err *err)
{
    return uuid_random(out->bytes) ? 0
                                   : err_set_errno(err, ERR_FAILED, "could not get random bytes for the spool's id");
}

static bool uuid_parse(struct spool_uuid *out, const char *text)
{
    struct spool_uuid id;
    char again[SPOOL_ID_TEXT];
    size_t at = 0;

    for (size_t i = 0; i < ID_BYTES; i++) {
        unsigned byte;

        if (i == 4 || i == 6 || i == 8 || i == 10)
            at++;
        if (sscanf(text + at, "%2x", &byte) != 1)
            return false;
        id.bytes[i] = (uint8_t)byte;
        at += 2;
    }
    uuid_write(again, id.bytes);
    if (strncmp(again, text, SPOOL_ID_TEXT - 1) != 0)
        return false;
    *out = id;
    return true;
}

/* 1: done, 0: it is not there or tells none, -1: errno says why it cannot be read. */
static int read_id_file(const struct spool_io *io, int dir_fd, struct spool_uuid *out)
{
    char text[SPOOL_ID_TEXT] = "";
    int fd = openat(dir_fd, id_name, O_RDONLY | O_CLOEXEC);
    int number;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    n = read_fully(io, fd, text, SPOOL_ID_TEXT - 1, 0);
    number = errno;
    close(fd);
    errno = number;
    return n < 0 ? -1 : n == SPOOL_ID_TEXT - 1 && uuid_parse(out, text);
}

static bool uuid_equal(const struct spool_uuid *a, const struct spool_uuid *b)
{
    return memcmp(a->bytes, b->bytes, ID_BYTES) == 0;
}

bool directory_id_is(const struct spool_io *io, int dir_fd, const struct spool_uuid *id)
{
    struct spool_uuid found;

    return read_id_file(io, dir_fd, &found) == 1 && uuid_equal(&found, id);
}

/* The file has no checksum, a segment's header has one, and its records are salted with the id: where the file stands
 * alone against the segments, one damaged digit shall not make strangers of them all. */
int directory_read_id(const struct spool_io *io, int dir_fd, const struct segment_list *list, struct spool_uuid *out,
                      struct err *err)
{
    struct spool_uuid of_file, of_segment;
    int file = read_id_file(io, dir_fd, &of_file);
    int failure = file < 0 ? errno : 0;
    bool known = false;

    for (size_t i = 0; i < list->count; i++) {
        int r = segment_read_id(io, dir_fd, list->first_seqs[i], &of_segment);

        if (r < 0)
            failure = errno;
        if (r <= 0)
            continue;
        if (file == 1 && (uuid_equal(&of_segment, &of_file) || (known && !uuid_equal(&of_segment, out)))) {
            *out = of_file;
            return 0;
        }
        *out = of_segment;
        known = true;
        if (file != 1)
            return 0;
    }
    if (known)
        return 0;
    if (file == 1) {
        *out = of_file;
        return 0;
    }
    errno = failure;
    return failure != 0 ? err_set_errno(err, ERR_FAILED, "could not read the spool's id from %s or a segment", id_name)
                        : err_set(err, ERR_NOT_FOUND,
                                  "the directory holds no spool: neither %s nor a segment tells its id", id_name);
}

/* Writes a whole file so that after a crash it is there with all its bytes or not at all. */
static int write_atomically(const struct spool_io *io, int dir_fd, const char *name, const char *data, size_t len,
                            struct err *err)
{
    char temporary[NAME_BYTES + 8];
    int fd;
    int r = 0;

    snprintf(temporary, sizeof(temporary), "%s.new", name);
    fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not create \"%s\"", temporary);
    if (write_fully(io, fd, data, len, 0) < 0 || io->fdatasync(io, fd) < 0 ||
        io->rename(io, dir_fd, temporary, name) < 0)
        r = err_set_errno(err, ERR_FAILED, "could not write \"%s\"", name);
    close(fd);
    return r < 0 ? r : directory_sync(io, dir_fd, err);
}

int directory_write_id(const struct spool_io *io, int dir_fd, const struct spool_uuid *id, struct err *err)
{
    char line[SPOOL_ID_TEXT + 1];

    uuid_write(line, id->bytes);
    line[SPOOL_ID_TEXT - 1] = '\n';
    return write_atomically(io, dir_fd, id_name, line, SPOOL_ID_TEXT, err);
}

/* Quarantine --------------------------------------------------------------------------------------------------- */

static int open_quarantine(int dir_fd, struct err *err)
{
    int fd;

    if (mkdirat(dir_fd, quarantine_name, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_FAILED, "could not create \"%s\"", quarantine_name);
    fd = openat(dir_fd, quarantine_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not open \"%s\"", quarantine_name);
    return fd;
}

int quarantine_move(const struct spool_io *io, int dir_fd, const char *name, struct err *err)
{
    char inside[NAME_BYTES + sizeof(quarantine_name)];
    int fd = open_quarantine(dir_fd, err);
    int r = 0;

    if (fd < 0)
        return fd;
    snprintf(inside, sizeof(inside), "%s/%s", quarantine_name, name);
    if (io->rename(io, dir_fd, name, inside) < 0)
        r = err_set_errno(err, ERR_FAILED, "could not move \"%s\" to %s", name, quarantine_name);
    if (r == 0)
        r = directory_sync(io, fd, err); /* never out of both */
    close(fd);
    return r < 0 ? r : directory_sync(io, dir_fd, err);
}

int quarantine_save(const struct spool_io *io, int dir_fd, const struct segment *segment,
                    const struct segment_item *damage, struct err *err)
{
    char name[NAME_BYTES];
    size_t len = (size_t)(damage->to - damage->from);
    char *bytes = NULL;
    ssize_t n;
    int fd;
    int r;

    fd = open_quarantine(dir_fd, err);
    if (fd < 0)
        return fd;
    snprintf(name, sizeof(name), "%020" PRIu64 "-%020" PRIu64 ".at-%" PRIu64 "-of-%020" PRIu64, damage->first_seq,
             damage->seq, damage->from, segment->first_seq);
    if (faccessat(fd, name, F_OK, 0) == 0) {
        r = 0; /* kept by an earlier start */
        goto out;
    }
    bytes = malloc(len);
    if (!bytes) {
        r = err_set(err, ERR_FAILED, "no memory to keep damaged bytes");
        goto out;
    }
    n = read_fully(io, segment->fd, bytes, len, damage->from);
    if (n < 0) {
        r = err_set_errno(err, ERR_FAILED, "could not read damaged bytes");
        goto out;
    }
    r = directory_sync(io, dir_fd, err);
    if (r == 0)
        r = write_atomically(io, fd, name, bytes, (size_t)n, err);
out:
    free(bytes);
    close(fd);
    return r;
}
