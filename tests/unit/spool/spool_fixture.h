/* spool_fixture.h - a directory per test, and spools in it. */
#ifndef CHATSLUICE_TESTS_SPOOL_FIXTURE_H
#define CHATSLUICE_TESTS_SPOOL_FIXTURE_H

#include "base/clock.h"
#include "base/log.h"
#include "spool/spool_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FOREVER_MS = 60 * 1000 };

struct fixture {
    char directory[64];
    struct spool_options options;
};

static inline void remove_tree(const char *path)
{
    char command[256];

    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static inline struct fixture *fixture_new(const char *parent)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    log_configure(LOG_LOGFMT, LOG_ERROR);
    snprintf(f->directory, sizeof(f->directory), "%s/test-spool-XXXXXX", parent);
    assert_non_null(mkdtemp(f->directory));
    f->options = (struct spool_options){f->directory, 1 << 20, 64 * 1024};
    return f;
}

static inline int fixture_setup(void **state)
{
    *state = fixture_new("/tmp");
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    remove_tree(f->directory);
    free(f);
    return 0;
}

static inline int64_t in_ms(int64_t ms)
{
    return clock_mono_us() + ms * 1000;
}

static inline struct spool *open_io(const struct fixture *f, const struct spool_io *io)
{
    struct spool *sp = NULL;
    struct err err = {0};

    if (spool_open_io(&sp, &f->options, io, &err) < 0)
        fail_msg("%s", err.text);
    return sp;
}

static inline struct spool *open_spool(const struct fixture *f)
{
    return open_io(f, &spool_io_system);
}

/* Record number seq of these tests: its number in words, and as many letters as the number says. */
static inline struct span make_record(char *out, size_t cap, uint64_t seq)
{
    size_t len = (size_t)snprintf(out, cap, "record %" PRIu64 " ", seq);
    size_t letters = (size_t)(seq * 37 % 300);

    assert_true(len + letters <= cap);
    memset(out + len, (int)('a' + seq % 26), letters);
    return (struct span){out, len + letters};
}

static inline void append_numbered(struct spool *sp, uint64_t seq)
{
    char data[512];
    uint64_t got = 0;
    struct err err = {0};

    if (spool_append(sp, make_record(data, sizeof(data), seq), in_ms(FOREVER_MS), &got, &err) < 0)
        fail_msg("record %" PRIu64 ": %s", seq, err.text);
    assert_int_equal(got, seq);
}

static inline void append_upto(struct spool *sp, uint64_t last)
{
    struct spool_status status;

    spool_get_status(sp, &status);
    for (uint64_t seq = status.next_seq; seq <= last; seq++)
        append_numbered(sp, seq);
}

static inline void expect_numbered(const struct spool_record *record)
{
    char data[512];
    struct span expected = make_record(data, sizeof(data), record->seq);

    assert_int_equal(record->data.len, expected.len);
    assert_memory_equal(record->data.data, expected.data, expected.len);
}

static inline size_t count_segments(const struct fixture *f)
{
    struct segment_list list = {0};
    int dir_fd = open(f->directory, O_RDONLY | O_DIRECTORY);
    size_t count;

    assert_true(dir_fd >= 0);
    assert_int_equal(directory_list(dir_fd, &list, NULL), 0);
    count = list.count;
    segment_list_release(&list);
    close(dir_fd);
    return count;
}

static inline size_t count_quarantine(const struct fixture *f)
{
    char path[128];
    size_t count = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/quarantine", f->directory);
    dir = opendir(path);
    if (!dir)
        return 0;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

#endif
