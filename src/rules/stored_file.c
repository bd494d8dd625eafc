#include "rules/stored_file.h"

#include "base/crypto.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_MAX = 160 };

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The rename is durable only when the directory is. */
static int sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -1;
    r = fsync(fd);
    close(fd);
    return r;
}

int stored_file_write(const char *directory, const char *name, uint64_t number, struct span content, struct err *err)
{
    char path[PATH_MAX], temporary[PATH_MAX], head[HEAD_MAX], digest[SHA256_HEX];
    int fd = -1, r, head_len;

    crypto_sha256_hex(&content, 1, digest);
    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path) ||
        snprintf(temporary, sizeof(temporary), "%s/.%s.XXXXXX", directory, name) >= (int)sizeof(temporary))
        return err_set(err, ERR_USAGE, "could not write \"%s\": the path of its directory is too long", name);
    head_len = snprintf(head, sizeof(head), "chatsluice 1 %" PRIu64 " %zu %s\n", number, content.len, digest);

    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_FAILED, "could not make directory \"%s\"", directory);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not make a file in \"%s\"", directory);
    r = write_all(fd, head, (size_t)head_len);
    if (r == 0)
        r = write_all(fd, content.data, content.len);
    if (r == 0)
        r = fsync(fd);
    if (close(fd) < 0)
        r = -1;
    if (r == 0)
        r = rename(temporary, path);
    if (r == 0)
        r = sync_directory(directory);
    if (r < 0) {
        r = err_set_errno(err, ERR_FAILED, "could not write \"%s\"", path);
        unlink(temporary);
    }
    return r;
}

static int read_all(int fd, struct buf *into, size_t bytes)
{
    char *to = buf_reserve(into, bytes);
    size_t have = 0;

    if (!to)
        return ERR_FAILED;
    while (have < bytes) {
        ssize_t n = read(fd, to + have, bytes - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_FAILED;
        if (n == 0)
            return ERR_INVALID;
        have += (size_t)n;
    }
    buf_commit(into, bytes);
    return 0;
}

int stored_file_read(const char *directory, const char *name, uint64_t *number, struct buf *content, struct err *err)
{
    char path[PATH_MAX], digest[SHA256_HEX], stated_digest[SHA256_HEX];
    struct buf whole = BUF_INIT;
    struct span rest;
    struct stat st;
    const char *line_end;
    uint64_t stated_number;
    size_t stated_bytes;
    int fd, r = ERR_FAILED;

    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
        return err_set(err, ERR_USAGE, "could not read \"%s\": the path of its directory is too long", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "there is no \"%s\"", path);
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_set_errno(err, r, "could not read \"%s\"", path);
        goto out;
    }
    r = ERR_INVALID;
    if (!S_ISREG(st.st_mode) || st.st_size > STORED_FILE_MAX) {
        err_set(err, r, "\"%s\" is not one of our files", path);
        goto out;
    }
    r = read_all(fd, &whole, (size_t)st.st_size);
    if (r < 0) {
        err_set_errno(err, r, "could not read \"%s\"", path);
        goto out;
    }
    r = ERR_INVALID;
    line_end = whole.len ? memchr(whole.data, '\n', whole.len < HEAD_MAX ? whole.len : HEAD_MAX) : NULL;
    if (!line_end || sscanf(whole.data, "chatsluice 1 %" SCNu64 " %zu %64[0-9a-f]", &stated_number, &stated_bytes,
                            stated_digest) != 3) {
        err_set(err, r, "\"%s\" is not one of our files", path);
        goto out;
    }
    rest = (struct span){line_end + 1, whole.len - (size_t)(line_end + 1 - whole.data)};
    crypto_sha256_hex(&rest, 1, digest);
    if (rest.len != stated_bytes || strcmp(digest, stated_digest) != 0) {
        err_set(err, r, "\"%s\" is damaged: its content does not match its checksum", path);
        goto out;
    }
    buf_add_span(content, rest);
    r = buf_failed(content) ? err_set(err, ERR_FAILED, "could not read \"%s\": out of memory", path) : 0;
    if (r == 0)
        *number = stated_number;
out:
    if (fd >= 0)
        close(fd);
    buf_release(&whole);
    return r;
}

struct aged_name {
    struct timespec written;
    char name[NAME_MAX + 1];
};

static int newest_first(const void *a, const void *b)
{
    const struct aged_name *x = a, *y = b;

    if (x->written.tv_sec != y->written.tv_sec)
        return x->written.tv_sec < y->written.tv_sec ? 1 : -1;
    if (x->written.tv_nsec != y->written.tv_nsec)
        return x->written.tv_nsec < y->written.tv_nsec ? 1 : -1;
    return strcmp(x->name, y->name);
}

void stored_file_prune(const char *directory, const char *prefix, size_t keep)
{
    struct aged_name *found = NULL;
    size_t count = 0, cap = 0;
    DIR *dir = opendir(directory);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        struct stat st;

        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (count == cap) {
            size_t wanted = cap ? cap * 2 : 32;
            struct aged_name *grown = realloc(found, wanted * sizeof(*grown));

            if (!grown)
                break;
            found = grown;
            cap = wanted;
        }
        found[count].written = st.st_mtim;
        snprintf(found[count].name, sizeof(found[count].name), "%s", entry->d_name);
        count++;
    }
    if (count > keep) {
        qsort(found, count, sizeof(*found), newest_first);
        for (size_t i = keep; i < count; i++)
            unlinkat(dirfd(dir), found[i].name, 0);
    }
    closedir(dir);
    free(found);
}
