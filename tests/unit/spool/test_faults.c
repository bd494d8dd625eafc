/* Disks that stall, fill and fail; directories that are not what they should be. */
#include "fault_io.h"

#include "spool/crc32c.h"

#include <endian.h>

#include <sys/mount.h>

static int append_word(struct spool *sp, const char *word, int64_t deadline_us)
{
    return spool_append(sp, span_of(word), deadline_us, NULL, NULL);
}

static uint64_t next_seq(struct spool *sp)
{
    struct spool_status status;

    spool_get_status(sp, &status);
    return status.next_seq;
}

static void timed_out_records_are_written_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct fault_io disk;
    struct spool_reader *reader;
    struct spool_record record;
    struct spool_status status;
    struct spool *sp;

    fault_io_init(&disk);
    sp = open_io(f, &disk.io);
    append_numbered(sp, 1);
    fault_io_stall(&disk, true);
    assert_int_equal(append_word(sp, "two", in_ms(20)), ERR_TIMEOUT);
    assert_int_equal(append_word(sp, "three", in_ms(20)), ERR_TIMEOUT);
    assert_int_equal(append_word(sp, "four", 0), ERR_TIMEOUT);
    spool_get_status(sp, &status);
    assert_true(status.stalled_us > 0);
    assert_false(status.full); /* slow is not full */
    assert_int_equal(spool_reader_open(&reader, sp, 2, NULL), 0);
    assert_int_equal(spool_reader_next(reader, &record, NULL), 0);
    fault_io_stall(&disk, false);
    spool_wait(sp, 4, FOREVER_MS);
    assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
    assert_true(span_is(record.data, "two"));
    assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
    assert_true(span_is(record.data, "three"));
    assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
    assert_true(span_is(record.data, "four"));
    spool_get_status(sp, &status);
    assert_int_equal(status.stalled_us, 0);
    spool_reader_close(reader);
    spool_close(sp);
}

static void close_writes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct fault_io disk;
    struct spool *sp;

    fault_io_init(&disk);
    sp = open_io(f, &disk.io);
    append_numbered(sp, 1);
    fault_io_stall(&disk, true);
    for (int i = 0; i < 20; i++)
        assert_int_equal(append_word(sp, "queued", 0), ERR_TIMEOUT);
    fault_io_stall(&disk, false);
    spool_close(sp);
    sp = open_spool(f);
    assert_int_equal(next_seq(sp), 22);
    spool_close(sp);
}

static void what_waits_in_memory_is_bounded(void **state)
{
    enum { BIG = 1024 * 1024 };
    struct fixture *f = *state;
    char *data = calloc(1, BIG);
    struct fault_io disk;
    struct spool *sp;
    unsigned taken = 0;
    int r;

    assert_non_null(data);
    f->options = (struct spool_options){f->directory, 256 << 20, 64 << 20};
    fault_io_init(&disk);
    sp = open_io(f, &disk.io);
    append_numbered(sp, 1);
    fault_io_stall(&disk, true);
    while ((r = spool_append(sp, (struct span){data, BIG}, in_ms(20), NULL, NULL)) == ERR_TIMEOUT)
        taken++;
    assert_int_equal(r, ERR_FULL);
    assert_in_range(taken, 7, 14);
    fault_io_stall(&disk, false);
    spool_wait(sp, taken + 1, FOREVER_MS);
    assert_int_equal(append_word(sp, "again", INT64_MAX), 0);
    assert_int_equal(next_seq(sp), taken + 3);
    spool_close(sp);
    free(data);
}

struct appender {
    pthread_t thread;
    struct spool *spool;
    uint64_t acknowledged; /* the last one */
    int result;            /* of the first that was not */
};

static void *append_until_refused(void *arg)
{
    struct appender *a = arg;
    struct err err;

    do
        a->result = spool_append(a->spool, SPAN("a record of an ordinary length"), INT64_MAX, &a->acknowledged, &err);
    while (a->result == 0);
    return NULL;
}

/* Each of these is final, and takes nothing back that was acknowledged. */
static void an_error_of_the_disk_is_final(void **state)
{
    const enum fault faults[] = {FAULT_FDATASYNC, FAULT_RECORD_PWRITE, FAULT_RENAME, FAULT_FSYNC};
    enum { THREADS = 8 };
    struct fixture *f = *state;

    f->options.segment_bytes = 8 * 1024;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct appender appenders[THREADS];
        struct spool_status status;
        struct fault_io disk;
        struct spool *sp;
        uint64_t acknowledged = 0;
        uint64_t first;

        fault_io_init(&disk);
        sp = open_io(f, &disk.io);
        first = next_seq(sp);
        for (size_t t = 0; t < THREADS; t++) {
            appenders[t] = (struct appender){.spool = sp};
            assert_int_equal(pthread_create(&appenders[t].thread, NULL, append_until_refused, &appenders[t]), 0);
        }
        spool_wait(sp, first + 500, FOREVER_MS);
        fault_io_set(&disk, faults[i]);
        for (size_t t = 0; t < THREADS; t++) {
            pthread_join(appenders[t].thread, NULL);
            assert_int_equal(appenders[t].result, ERR_FAILED);
            if (appenders[t].acknowledged > acknowledged)
                acknowledged = appenders[t].acknowledged;
        }
        fault_io_set(&disk, FAULT_NONE); /* a disk that is fine again is not trusted */
        assert_int_equal(append_word(sp, "later", INT64_MAX), ERR_FAILED);
        spool_get_status(sp, &status);
        assert_true(status.failed);
        assert_true(status.durable_seq >= acknowledged);
        spool_close(sp);

        sp = open_spool(f);
        assert_true(next_seq(sp) > acknowledged);
        assert_int_equal(append_word(sp, "fine", INT64_MAX), 0);
        spool_release(sp, next_seq(sp) - 1);
        spool_close(sp);
    }
}

/* The last process may have named a segment and died before it synced the name: what is appended to it now must not go
 * with the name when the power does. */
static void names_are_synced_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    struct fault_io disk;
    struct err err = {0};

    assert_int_equal(append_word(sp, "one", INT64_MAX), 0);
    spool_close(sp);
    fault_io_init(&disk);
    fault_io_set(&disk, FAULT_FSYNC);
    assert_int_equal(spool_open_io(&sp, &f->options, &disk.io, &err), ERR_FAILED);
    assert_non_null(strstr(err.text, "could not sync the spool directory"));
    sp = open_spool(f);
    assert_int_equal(next_seq(sp), 2);
    spool_close(sp);
}

/* Appends until there is no space, makes space with arg, and appends again. */
static void expect_full_then_fine(struct fixture *f, const struct spool_io *io, void (*make_space)(void *arg),
                                  void *arg)
{
    struct spool *sp = open_io(f, io);
    int64_t deadline_us = in_ms(FOREVER_MS);
    struct spool_status status;
    char data[512];
    struct err err = {0};
    uint64_t seq = 1;
    int r;

    while ((r = spool_append(sp, make_record(data, sizeof(data), seq), INT64_MAX, NULL, &err)) == 0)
        seq++;
    assert_int_equal(r, ERR_FULL);
    assert_non_null(strstr(err.text, "no space"));
    spool_get_status(sp, &status);
    assert_true(status.full);
    assert_false(status.failed);
    assert_true(status.used_bytes < status.max_bytes);
    make_space(arg);
    spool_release(sp, seq - 1);
    while ((r = spool_append(sp, make_record(data, sizeof(data), seq), INT64_MAX, NULL, &err)) == ERR_FULL) {
        assert_true(clock_mono_us() < deadline_us);
        clock_sleep_ms(5);
    }
    assert_int_equal(r, 0);
    spool_get_status(sp, &status);
    assert_false(status.full);
    append_upto(sp, seq + 50);
    spool_close(sp);
    sp = open_spool(f);
    assert_int_equal(next_seq(sp), seq + 51);
    spool_close(sp);
}

static void heal(void *disk)
{
    fault_io_set(disk, FAULT_NONE);
}

static void no_space_is_not_final(void **state)
{
    struct fixture *f = *state;
    struct fault_io disk;

    f->options.segment_bytes = SPOOL_MIN_SEGMENT;
    fault_io_init(&disk);
    fault_io_set(&disk, FAULT_NO_SPACE);
    expect_full_then_fine(f, &disk.io, heal, &disk);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void a_full_file_system_recovers_by_release(void **state)
{
    struct fixture *f = *state;
    char mounted[64];

    snprintf(mounted, sizeof(mounted), "%s", f->directory);
    if (mount("none", mounted, "tmpfs", 0, "size=256k") < 0)
        skip();
    f->options.segment_bytes = 16 * 1024;
    strcat(f->directory, "/spool");
    expect_full_then_fine(f, &spool_io_system, nothing, NULL);
    f->directory[strlen(mounted)] = '\0';
    assert_int_equal(umount(mounted), 0);
}

/* Shrinking spares the disk a stall, nothing more. */
static void a_segment_that_cannot_shrink_goes_all_the_same(void **state)
{
    enum { BIG = 1024 * 1024 };
    struct fixture *f = *state;
    char *data = calloc(1, BIG);
    int64_t deadline_us = in_ms(FOREVER_MS);
    struct fault_io disk;
    struct spool *sp;

    assert_non_null(data);
    f->options = (struct spool_options){f->directory, 64 << 20, 3 * BIG};
    fault_io_init(&disk);
    fault_io_set(&disk, FAULT_FTRUNCATE);
    sp = open_io(f, &disk.io);
    for (int i = 0; i < 11; i++)
        assert_int_equal(spool_append(sp, (struct span){data, BIG}, INT64_MAX, NULL, NULL), 0);
    assert_true(count_segments(f) > 4);
    spool_release(sp, next_seq(sp) - 1);
    while (count_segments(f) > 1) {
        assert_true(clock_mono_us() < deadline_us);
        clock_sleep_ms(5);
    }
    assert_int_equal(append_word(sp, "fine", INT64_MAX), 0);
    spool_close(sp);
    free(data);
}

static void overwrite(const struct fixture *f, const char *name, const void *data, size_t len, off_t offset)
{
    char path[192];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", f->directory, name);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, offset), len);
    close(fd);
}

static void remove_file(const struct fixture *f, const char *name)
{
    char path[192];

    snprintf(path, sizeof(path), "%s/%s", f->directory, name);
    assert_int_equal(unlink(path), 0);
}

static const char first_segment[] = "00000000000000000001.segment";

static void another_format_version_is_refused(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    struct spool_reader *reader;
    struct spool_record record;
    char header[SEGMENT_HEADER_BYTES];
    char path[192];
    struct err err = {0};
    uint32_t crc;
    int fd;

    append_numbered(sp, 1);
    spool_close(sp);
    snprintf(path, sizeof(path), "%s/%s", f->directory, first_segment);
    fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, header, sizeof(header), 0), sizeof(header));
    close(fd);
    header[8] = 2;
    memset(header + 12, 0, 4);
    crc = htole32(crc32c(0, header, sizeof(header)));
    memcpy(header + 12, &crc, sizeof(crc));
    overwrite(f, first_segment, header, sizeof(header), 0);

    assert_int_equal(spool_open(&sp, &f->options, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "format version 2"));
    assert_int_equal(spool_reader_open_directory(&reader, f->directory, 1, &err), 0);
    assert_int_equal(spool_reader_next(reader, &record, &err), ERR_USAGE);
    spool_reader_close(reader);
}

static void a_segment_of_another_spool_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fixture *other = fixture_new("/tmp");
    struct spool *sp = NULL;
    struct err err = {0};
    char command[512];

    f->options.segment_bytes = other->options.segment_bytes = SPOOL_MIN_SEGMENT;
    sp = open_spool(f);
    append_numbered(sp, 1);
    spool_close(sp);
    sp = open_spool(other);
    append_upto(sp, 60);
    spool_close(sp);
    remove_file(other, first_segment);
    snprintf(command, sizeof(command), "cp '%s'/*.segment '%s'", other->directory, f->directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(spool_open(&sp, &f->options, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "another spool"));
    fixture_teardown((void **)&other);
}

/* A digit of it gone bad makes no stranger of every segment. */
static void the_id_of_all_segments_counts_more_than_its_file(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    char id[SPOOL_ID_TEXT];

    memcpy(id, spool_id(sp), sizeof(id));
    append_numbered(sp, 1);
    spool_close(sp);
    for (int round = 0; round < 2; round++) {
        overwrite(f, "spool.id", id[3] == '7' ? "8" : "7", 1, 3);
        sp = open_spool(f);
        assert_string_equal(spool_id(sp), id);
        append_numbered(sp, (uint64_t)round + 2);
        spool_close(sp);
    }
}

static void the_id_outlives_its_file_but_not_the_segments(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    char id[SPOOL_ID_TEXT];

    memcpy(id, spool_id(sp), sizeof(id));
    assert_int_equal(strlen(id), SPOOL_ID_TEXT - 1);
    append_numbered(sp, 1);
    spool_close(sp);
    remove_file(f, "spool.id");
    sp = open_spool(f);
    assert_string_equal(spool_id(sp), id);
    append_numbered(sp, 2);
    spool_close(sp);
    remove_file(f, first_segment);
    sp = open_spool(f); /* the numbers begin again: not under the old id */
    assert_string_not_equal(spool_id(sp), id);
    append_numbered(sp, 1);
    spool_close(sp);
}

static void options_out_of_range_are_refused(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = NULL;

    f->options.segment_bytes = 100;
    assert_int_equal(spool_open(&sp, &f->options, NULL), ERR_USAGE);
    f->options = (struct spool_options){f->directory, 4096, 8192};
    assert_int_equal(spool_open(&sp, &f->options, NULL), ERR_USAGE);
    f->options = (struct spool_options){"/nonexistent/spool", 1 << 20, 4096};
    assert_int_equal(spool_open(&sp, &f->options, NULL), ERR_FAILED);
    assert_null(sp);
    spool_close(NULL);
}

int main(void)
{
#define SPOOL_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(timed_out_records_are_written_all_the_same),
        SPOOL_TEST(close_writes_what_is_queued),
        SPOOL_TEST(what_waits_in_memory_is_bounded),
        SPOOL_TEST(an_error_of_the_disk_is_final),
        SPOOL_TEST(names_are_synced_at_the_start),
        SPOOL_TEST(no_space_is_not_final),
        SPOOL_TEST(a_full_file_system_recovers_by_release),
        SPOOL_TEST(a_segment_that_cannot_shrink_goes_all_the_same),
        SPOOL_TEST(another_format_version_is_refused),
        SPOOL_TEST(a_segment_of_another_spool_is_refused),
        SPOOL_TEST(the_id_of_all_segments_counts_more_than_its_file),
        SPOOL_TEST(the_id_outlives_its_file_but_not_the_segments),
        SPOOL_TEST(options_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
