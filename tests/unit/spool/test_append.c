/* Appending, reading, releasing, opening again: a disk without faults. */
#include "spool_fixture.h"

#include "base/metrics.h"

static int access_in(const struct fixture *f, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", f->directory, name);
    return access(path, F_OK);
}

static void round_trip_of_all_sizes(void **state)
{
    const size_t sizes[] = {1, 7, 8, 9, 24, 700, 4095, 65536, 1000003, SPOOL_MAX_RECORD};
    struct fixture *f = *state;
    char *data = malloc(SPOOL_MAX_RECORD);
    struct spool_reader *reader;
    struct spool_record record;
    struct spool_status status;
    struct spool *sp;
    int64_t before_us = clock_wall_us();
    struct err err = {0};

    assert_non_null(data);
    f->options = (struct spool_options){f->directory, 64 << 20, 8 << 20};
    sp = open_spool(f);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t seq = 0;

        memset(data, (int)('a' + i), sizes[i]);
        assert_int_equal(spool_append(sp, (struct span){data, sizes[i]}, INT64_MAX, &seq, &err), 0);
        assert_int_equal(seq, i + 1);
        memset(data, 'z', sizes[i]); /* the caller's bytes were copied */
    }
    assert_int_equal(spool_reader_open(&reader, sp, 0, &err), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(spool_reader_next(reader, &record, &err), 1);
        assert_int_equal(record.seq, i + 1);
        assert_int_equal(record.data.len, sizes[i]);
        memset(data, (int)('a' + i), sizes[i]);
        assert_memory_equal(record.data.data, data, sizes[i]);
        assert_in_range((uint64_t)record.appended_us, (uint64_t)before_us, (uint64_t)clock_wall_us());
    }
    assert_int_equal(spool_reader_next(reader, &record, &err), 0);
    spool_reader_close(reader);
    spool_get_status(sp, &status);
    assert_int_equal(status.next_seq, sizeof(sizes) / sizeof(sizes[0]) + 1);
    assert_int_equal(status.durable_seq, status.next_seq - 1);
    assert_int_equal(status.released_seq, 0);
    assert_true(status.oldest_us >= before_us && status.oldest_us <= clock_wall_us());
    assert_string_equal(status.id, spool_id(sp));
    spool_close(sp);
    free(data);
}

static void records_of_no_or_too_many_bytes_are_refused(void **state)
{
    struct spool *sp = open_spool(*state);
    struct err err = {0};

    assert_int_equal(spool_append(sp, SPAN(""), INT64_MAX, NULL, &err), ERR_USAGE);
    assert_int_equal(spool_append(sp, (struct span){"x", SPOOL_MAX_RECORD + 1}, INT64_MAX, NULL, &err), ERR_USAGE);
    assert_int_equal(spool_append(sp, (struct span){"x", 64 * 1024}, INT64_MAX, NULL, &err), ERR_USAGE);
    append_numbered(sp, 1);
    spool_close(sp);
}

/* Reads the numbers first..last from the reader, then nothing. */
static void expect_read(struct spool_reader *reader, uint64_t first, uint64_t last)
{
    struct spool_record record;
    struct err err = {0};

    for (uint64_t seq = first; seq <= last; seq++) {
        if (spool_reader_next(reader, &record, &err) != 1)
            fail_msg("record %" PRIu64 ": %s", seq, err.text);
        assert_int_equal(record.seq, seq);
        expect_numbered(&record);
    }
    assert_int_equal(spool_reader_next(reader, &record, &err), 0);
}

/* The housekeeper removes segments in its own time. */
static void wait_for_segments(const struct fixture *f, size_t at_most)
{
    int64_t deadline_us = in_ms(FOREVER_MS);

    while (count_segments(f) > at_most) {
        assert_true(clock_mono_us() < deadline_us);
        clock_sleep_ms(1);
    }
}

static void many_segments_read_from_anywhere_and_released(void **state)
{
    enum { RECORDS = 300 };
    struct fixture *f = *state;
    struct spool_reader *first;
    struct spool_reader *reader;
    struct spool_status status;
    struct spool *sp;

    f->options.segment_bytes = SPOOL_MIN_SEGMENT;
    sp = open_spool(f);
    append_upto(sp, RECORDS);
    assert_true(count_segments(f) > 10);
    assert_int_equal(spool_reader_open(&first, sp, 1, NULL), 0);
    expect_read(first, 1, RECORDS);
    for (uint64_t from = 1; from <= RECORDS + 1; from += 7) {
        assert_int_equal(spool_reader_open(&reader, sp, from, NULL), 0);
        expect_read(reader, from, RECORDS);
        spool_reader_close(reader);
    }

    spool_release(sp, RECORDS / 2);
    spool_release(sp, 3); /* never backwards */
    assert_int_equal(spool_reader_open(&reader, sp, RECORDS / 2 + 1, NULL), 0);
    expect_read(reader, RECORDS / 2 + 1, RECORDS);
    spool_release(sp, RECORDS + 50); /* not durable: taken as what is */
    spool_get_status(sp, &status);
    assert_int_equal(status.released_seq, RECORDS);
    assert_int_equal(status.used_bytes, 0);
    assert_int_equal(status.oldest_us, 0);
    wait_for_segments(f, 1);

    append_upto(sp, RECORDS + 40); /* both go on where they were */
    expect_read(first, RECORDS + 1, RECORDS + 40);
    expect_read(reader, RECORDS + 1, RECORDS + 40);
    spool_reader_close(reader);
    spool_reader_close(first);
    spool_close(sp);
}

static void reader_overtaken_by_release_goes_on_with_what_is_kept(void **state)
{
    struct fixture *f = *state;
    struct spool_reader *reader;
    struct spool_record record;
    struct spool *sp;
    uint64_t last = 0;
    int r;

    f->options.segment_bytes = SPOOL_MIN_SEGMENT;
    sp = open_spool(f);
    append_upto(sp, 100);
    assert_int_equal(spool_reader_open(&reader, sp, 1, NULL), 0);
    assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
    spool_release(sp, 100);
    wait_for_segments(f, 1);
    while ((r = spool_reader_next(reader, &record, NULL)) == 1) {
        assert_true(record.seq > last);
        expect_numbered(&record);
        last = record.seq;
    }
    assert_int_equal(r, 0);
    assert_int_equal(last, 100);
    spool_reader_close(reader);
    spool_close(sp);
}

enum { WRITERS = 16, PER_WRITER = 400 };

struct writer {
    pthread_t thread;
    struct spool *spool;
    uint32_t number;
    uint64_t seqs[PER_WRITER];
};

static void *writer_thread(void *arg)
{
    struct writer *w = arg;

    for (uint32_t i = 0; i < PER_WRITER; i++) {
        uint32_t data[64] = {w->number, i};

        if (spool_append(w->spool, (struct span){(const char *)data, 8 + i % 200}, in_ms(FOREVER_MS), &w->seqs[i],
                         NULL) != 0)
            w->seqs[i] = 0;
    }
    return NULL;
}

static void many_threads_and_a_reader_beside_them(void **state)
{
    struct fixture *f = *state;
    struct writer *writers = calloc(WRITERS, sizeof(*writers));
    struct spool_reader *reader;
    struct spool_record record;
    struct spool *sp;
    uint64_t next = 1;
    struct err err = {0};
    int64_t appended = metric_value(METRIC_SPOOL_APPENDED);

    assert_non_null(writers);
    f->options.segment_bytes = 16 * 1024;
    sp = open_spool(f);
    assert_int_equal(spool_reader_open(&reader, sp, 1, NULL), 0);
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i].spool = sp;
        writers[i].number = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, writer_thread, &writers[i]), 0);
    }
    while (next <= WRITERS * PER_WRITER) {
        uint32_t data[2];
        int r = spool_reader_next(reader, &record, &err);

        if (r < 0)
            fail_msg("%s", err.text);
        if (r == 0) {
            spool_wait(sp, next, FOREVER_MS);
            continue;
        }
        assert_int_equal(record.seq, next++);
        memcpy(data, record.data.data, sizeof(data));
        assert_true(data[0] < WRITERS && data[1] < PER_WRITER);
        assert_int_equal(record.data.len, 8 + data[1] % 200);
        if (record.seq % 1000 == 0)
            spool_release(sp, record.seq);
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    for (size_t i = 0; i < WRITERS; i++)
        for (size_t j = 0; j < PER_WRITER; j++)
            assert_true(writers[i].seqs[j] > (j > 0 ? writers[i].seqs[j - 1] : 0));
    assert_int_equal(spool_reader_next(reader, &record, &err), 0);
    spool_reader_close(reader);
    spool_close(sp);
    assert_int_equal(metric_value(METRIC_SPOOL_APPENDED) - appended, WRITERS * PER_WRITER);
    free(writers);
}

static void restart_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    char id[SPOOL_ID_TEXT];
    struct spool_status status;
    struct spool_reader *reader;
    struct spool *sp;

    f->options.segment_bytes = SPOOL_MIN_SEGMENT;
    for (uint64_t start = 0; start < 10; start++) {
        sp = open_spool(f);
        if (start == 0)
            memcpy(id, spool_id(sp), sizeof(id));
        assert_string_equal(spool_id(sp), id);
        spool_get_status(sp, &status);
        assert_int_equal(status.next_seq, start * 13 + 1);
        assert_int_equal(status.durable_seq, start * 13);
        assert_int_equal(status.quarantined, 0);
        append_upto(sp, (start + 1) * 13);
        assert_int_equal(spool_reader_open(&reader, sp, 1, NULL), 0);
        expect_read(reader, 1, (start + 1) * 13);
        spool_reader_close(reader);
        spool_close(sp);
    }
}

static void released_numbers_never_come_again(void **state)
{
    struct fixture *f = *state;
    struct spool_status status;
    struct spool *sp;

    f->options.segment_bytes = SPOOL_MIN_SEGMENT;
    for (uint64_t start = 0; start < 5; start++) {
        sp = open_spool(f);
        append_upto(sp, (start + 1) * 40);
        spool_release(sp, (start + 1) * 40);
        wait_for_segments(f, 1);
        spool_get_status(sp, &status);
        assert_int_equal(status.used_bytes, 0);
        spool_close(sp);
    }
}

static void full_at_its_bound_and_usable_after_release(void **state)
{
    struct fixture *f = *state;
    struct spool_status status;
    char data[512];
    struct spool *sp;
    struct err err = {0};
    uint64_t seq = 1;
    bool alarmed = false;
    int r;

    f->options = (struct spool_options){f->directory, 32 * 1024, SPOOL_MIN_SEGMENT};
    sp = open_spool(f);
    for (;; seq++) {
        r = spool_append(sp, make_record(data, sizeof(data), seq), INT64_MAX, NULL, &err);
        if (r < 0)
            break;
        spool_get_status(sp, &status);
        assert_true(status.used_bytes <= status.max_bytes);
        assert_false(status.full);
        assert_true(status.alarm || !alarmed);
        alarmed = status.alarm;
    }
    assert_int_equal(r, ERR_FULL);
    spool_get_status(sp, &status);
    assert_true(status.full);
    assert_true(alarmed);
    assert_false(status.failed);
    assert_int_equal(status.next_seq, seq);

    spool_release(sp, seq - 1);
    spool_get_status(sp, &status);
    assert_false(status.full);
    assert_false(status.alarm);
    append_upto(sp, seq + 20);
    spool_close(sp);
}

static void second_opener_is_told_the_first_ones_pid(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    struct spool *second = NULL;
    char pid[32];
    struct err err = {0};

    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_int_equal(spool_open(&second, &f->options, &err), ERR_CONFLICT);
    assert_null(second);
    assert_non_null(strstr(err.text, pid));
    spool_close(sp);
    sp = open_spool(f);
    spool_close(sp);
}

static void wait_ends_with_a_record_a_wake_or_the_time(void **state)
{
    struct spool *sp = open_spool(*state);

    spool_wait(sp, 1, 1); /* the time */
    append_numbered(sp, 1);
    spool_wait(sp, 1, FOREVER_MS); /* it is there already */
    spool_wake(sp);                /* before anybody waits: not lost */
    spool_wait(sp, 2, FOREVER_MS);
    spool_close(sp);
}

static void directory_is_read_beside_its_owner_and_after(void **state)
{
    struct fixture *f = *state;
    struct spool_reader *reader;
    struct spool *sp;

    f->options.segment_bytes = SPOOL_MIN_SEGMENT;
    assert_int_equal(spool_reader_open_directory(&reader, "/nonexistent", 1, NULL), ERR_NOT_FOUND);
    assert_int_equal(spool_reader_open_directory(&reader, f->directory, 1, NULL), ERR_NOT_FOUND);
    sp = open_spool(f);
    assert_int_equal(spool_reader_open_directory(&reader, f->directory, 1, NULL), 0);
    expect_read(reader, 1, 0);
    append_upto(sp, 5);
    expect_read(reader, 1, 5);
    append_upto(sp, 90);
    expect_read(reader, 6, 90);
    spool_close(sp);
    expect_read(reader, 91, 90);
    spool_reader_close(reader);
    assert_int_equal(spool_reader_open_directory(&reader, f->directory, 50, NULL), 0);
    expect_read(reader, 50, 90);
    spool_reader_close(reader);
}

static void age_keeps_to_its_interval_and_its_memory(void **state)
{
    struct age *age = malloc(sizeof(*age));
    const int64_t start_us = 1700000000000000;
    const uint64_t records = 20 * AGE_MARKS;

    (void)state;
    assert_non_null(age);
    age_init(age);
    assert_int_equal(age_of(age, 1), 0);
    for (uint64_t seq = 1; seq <= records; seq++) { /* two a second */
        age_note(age, seq, start_us + (int64_t)seq * 500000);
        assert_true(age->count <= AGE_MARKS);
    }
    for (uint64_t seq = 1; seq <= records; seq += 99) {
        int64_t off_us = start_us + (int64_t)seq * 500000 - age_of(age, seq);

        assert_true(off_us >= 0 && off_us <= age->interval_us);
    }
    age_forget(age, records);
    assert_int_equal(age->count, 1);
    assert_true(age_of(age, records) > start_us);
    free(age);
}

/* While the reader keeps up, the files of released segments come back as new ones; what is in them must never show.
 * After a backlog most go for good. Either way only records not released are there at the next start. */
static void released_segments_are_used_again(void **state)
{
    enum { ROUND = 1000 };
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    uint64_t last = 0;

    for (int round = 0; round < 20; round++) {
        append_upto(sp, last + ROUND); /* four segments and more */
        last += ROUND;
        spool_release(sp, round % 5 == 4 ? last : last - ROUND); /* keeping up, then falling back again */
        if (round % 7 == 6) {
            struct spool_reader *reader;
            struct spool_record record;
            struct spool_status status;
            uint64_t expected;

            spool_get_status(sp, &status);
            spool_close(sp);
            sp = open_spool(f);
            assert_int_equal(spool_reader_open(&reader, sp, 0, NULL), 0);
            assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
            assert_true(record.seq <= status.released_seq + 1);
            for (expected = record.seq; expected < last; expected++) {
                assert_int_equal(record.seq, expected);
                expect_numbered(&record);
                assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
            }
            assert_int_equal(spool_reader_next(reader, &record, NULL), 0);
            spool_reader_close(reader);
            spool_get_status(sp, &status);
            assert_int_equal(status.quarantined, 0);
            assert_int_equal(status.next_seq, last + 1);
        }
    }
    spool_close(sp);
    assert_int_equal(access_in(f, SPARE_NAME), -1);
    assert_int_equal(access_in(f, LEAVING_NAME), -1);
}

int main(void)
{
#define SPOOL_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(round_trip_of_all_sizes),
        SPOOL_TEST(records_of_no_or_too_many_bytes_are_refused),
        SPOOL_TEST(many_segments_read_from_anywhere_and_released),
        SPOOL_TEST(reader_overtaken_by_release_goes_on_with_what_is_kept),
        SPOOL_TEST(many_threads_and_a_reader_beside_them),
        SPOOL_TEST(restart_goes_on_where_it_was),
        SPOOL_TEST(released_numbers_never_come_again),
        SPOOL_TEST(released_segments_are_used_again),
        SPOOL_TEST(full_at_its_bound_and_usable_after_release),
        SPOOL_TEST(second_opener_is_told_the_first_ones_pid),
        SPOOL_TEST(wait_ends_with_a_record_a_wake_or_the_time),
        SPOOL_TEST(directory_is_read_beside_its_owner_and_after),
        cmocka_unit_test(age_keeps_to_its_interval_and_its_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
