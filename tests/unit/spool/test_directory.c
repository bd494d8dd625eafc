/* What stands in the spool's directory beside good segments: names that look like theirs, an id that is none, a lock
 * without a number, a segment under another's name; many segments, and large ones that leave step by step. */
#include "spool_fixture.h"

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", f->directory, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_all(struct spool *sp, uint64_t last)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;

    assert_int_equal(spool_reader_open(&reader, sp, 1, NULL), 0);
    for (uint64_t seq = 1; seq <= last; seq++) {
        assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
        assert_int_equal(record.seq, seq);
        expect_numbered(&record);
    }
    assert_int_equal(spool_reader_next(reader, &record, NULL), 0);
    spool_reader_close(reader);
}

static void names_that_are_no_segment_are_left_alone(void **state)
{
    static const char *const names[] = {"x", "00000000000000000000.segment", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa.segment",
                                        "00000000000000000001.segment.old", "99999999999999999999999.segment"};
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);

    append_upto(sp, 5);
    spool_close(sp);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        write_file(f, names[i], "not ours");
    sp = open_spool(f);
    expect_all(sp, 5);
    spool_close(sp);
}

/* Then a segment tells it. */
static void an_id_that_is_none_is_not_believed(void **state)
{
    static const char *const ids[] = {"", "too short", "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz\n",
                                      "AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA\n",
                                      "12345678x1234x4234x8234x123456789012\n"};
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    char id[SPOOL_ID_TEXT];

    append_upto(sp, 5);
    snprintf(id, sizeof(id), "%s", spool_id(sp));
    spool_close(sp);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        write_file(f, "spool.id", ids[i]);
        sp = open_spool(f);
        assert_string_equal(spool_id(sp), id);
        expect_all(sp, 5);
        spool_close(sp);
    }
}

static void a_directory_that_tells_no_id_is_refused(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    struct spool_reader *reader = NULL;
    struct err err = {0};

    append_upto(sp, 1);
    spool_close(sp);
    write_file(f, "spool.id", "?");
    write_file(f, "00000000000000000001.segment", "short");
    assert_int_equal(spool_open(&sp, &f->options, &err), ERR_NOT_FOUND);
    assert_int_equal(spool_reader_open_directory(&reader, f->directory, 1, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "holds no spool"));
}

static void a_lock_names_who_holds_it_if_it_can(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = open_spool(f), *second = NULL;
    struct err err = {0};
    char number[32];

    snprintf(number, sizeof(number), "process %ld", (long)getpid());
    assert_int_equal(spool_open(&second, &f->options, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, number));
    write_file(f, "spool.lock", "");
    assert_int_equal(spool_open(&second, &f->options, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "(unknown)"));
    spool_close(sp);
}

static void a_renamed_segment_is_refused(void **state)
{
    struct fixture *f = *state;
    struct spool *sp = open_spool(f);
    char from[160], to[160];
    struct err err = {0};

    append_upto(sp, 5);
    spool_close(sp);
    snprintf(from, sizeof(from), "%s/%020d.segment", f->directory, 1);
    snprintf(to, sizeof(to), "%s/%020d.segment", f->directory, 9);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(spool_open(&sp, &f->options, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "was renamed: it begins with number 1"));
}

static void wait_until_segments(struct fixture *f, size_t count)
{
    for (int64_t until = in_ms(FOREVER_MS); count_segments(f) > count; clock_sleep_ms(1))
        assert_true(clock_mono_us() < until);
}

static void many_segments(void **state)
{
    struct fixture *f = *state;
    struct spool *sp;

    f->options.segment_bytes = SPOOL_MIN_SEGMENT;
    sp = open_spool(f);
    append_upto(sp, 1500);
    assert_true(count_segments(f) > 64);
    spool_close(sp);
    sp = open_spool(f);
    expect_all(sp, 1500);
    spool_release(sp, 1500);
    wait_until_segments(f, 1);
    spool_close(sp);
}

/* Numbers whose segments were removed are told from those a torn tail used up: of these nobody was promised one. */
static void what_is_gone_is_told(void **state)
{
    struct fixture *f = *state;
    struct spool_reader *reader = NULL;
    struct spool_record record;
    char path[256];
    struct spool *sp;

    f->options.segment_bytes = SPOOL_MIN_SEGMENT;
    sp = open_spool(f);
    append_upto(sp, 100);
    spool_close(sp);
    snprintf(path, sizeof(path), "%s/%020d.segment", f->directory, 1);
    assert_int_equal(unlink(path), 0);
    sp = open_spool(f);
    assert_int_equal(spool_reader_open(&reader, sp, 3, NULL), 0);
    assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
    assert_true(record.seq > 4);
    assert_int_equal(record.gone_from, 3);
    assert_int_equal(record.gone_to, record.seq - 1);
    assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
    assert_int_equal(record.gone_to, 0);
    spool_reader_close(reader);
    spool_close(sp);
}

static void numbers_of_a_torn_tail_are_not_gone(void **state)
{
    struct fixture *f = *state;
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct spool *sp = open_spool(f);
    char path[256];
    FILE *file;
    uint64_t last;

    append_upto(sp, 3);
    spool_close(sp);
    snprintf(path, sizeof(path), "%s/%020d.segment", f->directory, 1);
    file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 1024, SEEK_SET), 0);
    fputs("torn", file);
    fclose(file);
    sp = open_spool(f);
    assert_int_equal(spool_append(sp, SPAN("x"), in_ms(FOREVER_MS), &last, NULL), 0);
    assert_true(last > 4);
    assert_int_equal(spool_reader_open(&reader, sp, 4, NULL), 0);
    assert_int_equal(spool_reader_next(reader, &record, NULL), 1);
    assert_int_equal(record.seq, last);
    assert_int_equal(record.gone_to, 0);
    spool_reader_close(reader);
    spool_close(sp);
}

static void large_segments_leave_step_by_step(void **state)
{
    static char data[1024 * 1024];
    struct fixture *f = *state;
    struct spool *sp;
    struct err err;

    memset(data, 'x', sizeof(data));
    f->options.segment_bytes = 3 * 1024 * 1024;
    f->options.max_bytes = 64 * 1024 * 1024;
    sp = open_spool(f);
    for (int i = 0; i < 12; i++)
        assert_int_equal(spool_append(sp, (struct span){data, sizeof(data)}, in_ms(FOREVER_MS), NULL, &err), 0);
    spool_release(sp, 12);
    wait_until_segments(f, 1);
    spool_close(sp);
}

static int directory_setup(void **state)
{
    *state = fixture_new(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return 0;
}

int main(void)
{
#define DIRECTORY_TEST(name) cmocka_unit_test_setup_teardown(name, directory_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(names_that_are_no_segment_are_left_alone),
        DIRECTORY_TEST(an_id_that_is_none_is_not_believed),
        DIRECTORY_TEST(a_directory_that_tells_no_id_is_refused),
        DIRECTORY_TEST(a_lock_names_who_holds_it_if_it_can),
        DIRECTORY_TEST(a_renamed_segment_is_refused),
        DIRECTORY_TEST(many_segments),
        DIRECTORY_TEST(what_is_gone_is_told),
        DIRECTORY_TEST(numbers_of_a_torn_tail_are_not_gone),
        DIRECTORY_TEST(large_segments_leave_step_by_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
