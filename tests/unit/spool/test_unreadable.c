/* A disk that does not give some bytes of a segment: nothing is lost by that but what stands there, and not even that
 * when the disk thinks better of it. */
#include "fault_io.h"

enum { RECORDS = 300, BAD_PAGE = 4096, SEGMENT = 16 * 1024 };

struct unreadable {
    struct fixture *fixture;
    struct fault_io disk;
    struct spool *spool;
    struct spool_reader *reader;
};

static int unreadable_setup(void **state)
{
    struct unreadable *u = calloc(1, sizeof(*u));

    assert_non_null(u);
    u->fixture = fixture_new(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    u->fixture->options.segment_bytes = SEGMENT;
    fault_io_init(&u->disk);
    u->spool = open_spool(u->fixture);
    append_upto(u->spool, RECORDS);
    spool_close(u->spool);
    u->spool = NULL;
    *state = u;
    return 0;
}

static int unreadable_teardown(void **state)
{
    struct unreadable *u = *state;

    spool_reader_close(u->reader);
    spool_close(u->spool);
    fixture_teardown((void **)&u->fixture);
    free(u);
    return 0;
}

static void segment_path(char out[256], const struct unreadable *u, const char *folder, uint64_t segment)
{
    char name[NAME_BYTES];

    segment_name(name, segment);
    snprintf(out, 256, "%s%s/%s", u->fixture->directory, folder, name);
}

/* The first number of the segment that comes as the nth, or of the newest for a large n. */
static uint64_t nth_segment(const struct unreadable *u, size_t n)
{
    struct segment_list list = {0};
    int dir_fd = open(u->fixture->directory, O_RDONLY | O_DIRECTORY);
    uint64_t first_seq;

    assert_int_equal(directory_list(dir_fd, &list, NULL), 0);
    assert_true(list.count > 2);
    first_seq = list.first_seqs[n < list.count ? n : list.count - 1];
    segment_list_release(&list);
    close(dir_fd);
    return first_seq;
}

static void spoil(struct unreadable *u, uint64_t segment, uint64_t from, uint64_t to)
{
    char path[256];
    struct stat st;

    segment_path(path, u, "", segment);
    assert_int_equal(stat(path, &st), 0);
    pthread_mutex_lock(&u->disk.lock);
    u->disk.bad_inode = st.st_ino;
    u->disk.bad_from = from;
    u->disk.bad_to = to;
    u->disk.fault = FAULT_PREAD;
    pthread_mutex_unlock(&u->disk.lock);
}

static void open_and_read(struct unreadable *u)
{
    u->spool = open_io(u->fixture, &u->disk.io);
    assert_int_equal(spool_reader_open(&u->reader, u->spool, 1, NULL), 0);
}

/* Records from first on, up to the first call that gives none; the number that was due then. */
static uint64_t read_from(struct unreadable *u, uint64_t first, int *result, struct spool_record *record,
                          struct err *err)
{
    for (;; first++) {
        *result = spool_reader_next(u->reader, record, err);
        if (*result != 1)
            return first;
        assert_int_equal(record->seq, first);
        expect_numbered(record);
    }
}

static void *read_whole_file(const char *path, size_t *len)
{
    char *bytes = malloc(SEGMENT);
    int fd = open(path, O_RDONLY);
    ssize_t n;

    assert_non_null(bytes);
    assert_true(fd >= 0);
    n = pread(fd, bytes, SEGMENT, 0);
    assert_true(n > 0);
    *len = (size_t)n;
    close(fd);
    return bytes;
}

static void what_can_be_read_again_is_whole(void **state)
{
    struct unreadable *u = *state;
    struct spool_record record;
    struct err err = {0};
    uint64_t due, again;
    int r;

    spoil(u, nth_segment(u, 1), BAD_PAGE + 100, BAD_PAGE + 101);
    open_and_read(u);
    due = read_from(u, 1, &r, &record, &err);
    assert_int_equal(r, ERR_FAILED);
    assert_non_null(strstr(err.text, "does not give spool records"));
    for (int i = 0; i < 3; i++) {
        again = read_from(u, due, &r, &record, &err);
        assert_int_equal(again, due);
        assert_int_equal(r, ERR_FAILED);
    }
    fault_io_set(&u->disk, FAULT_NONE);
    assert_int_equal(read_from(u, due, &r, &record, &err), RECORDS + 1);
    assert_int_equal(r, 0);
}

/* Reported as damage, once; behind it all goes on, and the segment is kept for a better day. */
static void what_stays_unreadable_is_reported_and_kept(void **state)
{
    struct unreadable *u = *state;
    uint64_t segment = nth_segment(u, 1);
    struct spool_record record;
    struct err err = {0};
    char path[256];
    char *before, *after;
    size_t before_len, after_len;
    uint64_t due;
    int r;

    segment_path(path, u, "", segment);
    before = read_whole_file(path, &before_len);
    spoil(u, segment, BAD_PAGE + 100, BAD_PAGE + 101);
    open_and_read(u);
    u->spool->patience_us = 0;
    due = read_from(u, 1, &r, &record, &err);
    assert_int_equal(r, ERR_INVALID);
    assert_non_null(strstr(err.text, "cannot be read"));
    assert_true(due > segment && record.seq > due && record.seq < nth_segment(u, 2));
    assert_int_equal(read_from(u, record.seq + 1, &r, &record, &err), RECORDS + 1);
    assert_int_equal(r, 0);
    append_numbered(u->spool, RECORDS + 1);

    spool_release(u->spool, RECORDS);
    segment_path(path, u, "/quarantine", segment);
    for (int64_t end_us = in_ms(FOREVER_MS); access(path, F_OK) < 0; clock_sleep_ms(5))
        assert_true(clock_mono_us() < end_us);
    after = read_whole_file(path, &after_len);
    assert_int_equal(after_len, before_len);
    assert_memory_equal(after, before, before_len);
    free(before);
    free(after);
}

/* Nothing is written over it, no number it may hold is given again, and once it can be read all of it is there. */
static void expect_sealed(struct unreadable *u, uint64_t from, uint64_t to, uint64_t last_readable)
{
    uint64_t segment = nth_segment(u, SIZE_MAX);
    struct spool_record record;
    struct spool_status status;
    struct err err = {0};
    char path[256], data[512];
    char *before, *after;
    size_t before_len, after_len;
    uint64_t seq;
    int r;

    segment_path(path, u, "", segment);
    before = read_whole_file(path, &before_len);
    spoil(u, segment, from, to);
    open_and_read(u);
    spool_get_status(u->spool, &status);
    assert_true(status.next_seq > RECORDS);
    assert_int_equal(status.durable_seq, last_readable);
    assert_int_equal(read_from(u, 1, &r, &record, &err), last_readable + 1);
    assert_int_equal(r, 0);
    assert_int_equal(
        spool_append(u->spool, make_record(data, sizeof(data), status.next_seq % 100), INT64_MAX, &seq, &err), 0);
    assert_int_equal(seq, status.next_seq);
    fault_io_set(&u->disk, FAULT_NONE);
    assert_int_equal(read_from(u, last_readable + 1, &r, &record, &err), RECORDS + 1);
    assert_int_equal(r, ERR_INVALID); /* the numbers left out */
    assert_int_equal(record.seq, seq - 1);
    assert_int_equal(spool_reader_next(u->reader, &record, &err), 1);
    assert_int_equal(record.seq, seq);
    after = read_whole_file(path, &after_len);
    assert_int_equal(after_len, before_len);
    assert_memory_equal(after, before, before_len);
    free(before);
    free(after);
}

static void an_unreadable_tail_is_sealed(void **state)
{
    struct unreadable *u = *state;

    expect_sealed(u, 0, SEGMENT, nth_segment(u, SIZE_MAX) - 1);
}

static void an_unreadable_header_of_the_newest_segment_seals_it(void **state)
{
    struct unreadable *u = *state;

    expect_sealed(u, 0, 1, RECORDS);
}

/* Of another segment the header says nothing that its name and the spool's id do not. */
static void an_unreadable_header_is_as_a_damaged_one(void **state)
{
    struct unreadable *u = *state;
    struct spool_record record;
    struct err err = {0};
    int r;

    spoil(u, nth_segment(u, 1), 0, 1);
    open_and_read(u);
    assert_int_equal(read_from(u, 1, &r, &record, &err), RECORDS + 1);
    assert_int_equal(r, 0);
    assert_int_equal(u->spool->next_seq, RECORDS + 1);
}

/* What is no fault of the disk's bytes says nothing about them: not that they are damaged, nor that there are none. */
static const struct trouble {
    uint64_t from;
    const char *says;
} troubles[] = {
    {0, "could not read spool segment"}, /* its header */
    {SEGMENT_HEADER_BYTES, "could not read the spool segment of number"},
    {BAD_PAGE + 100, "could not read the spool segment of number"},
    {SEGMENT - 100, "could not read the spool segment of number"},
};

static void what_fails_for_a_moment_is_no_damage(void **state)
{
    struct unreadable *u = *state;
    struct spool_record record;
    struct err err;
    int r;

    u->disk.bad_errno = ENOMEM;
    u->spool = open_io(u->fixture, &u->disk.io);
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        uint64_t due;

        assert_int_equal(spool_reader_open(&u->reader, u->spool, 1, NULL), 0);
        spoil(u, nth_segment(u, 1), troubles[i].from, troubles[i].from + 1);
        due = read_from(u, 1, &r, &record, &err);
        assert_int_equal(r, ERR_FAILED);
        assert_non_null(strstr(err.text, troubles[i].says));
        assert_true(due < nth_segment(u, 2));
        assert_int_equal(read_from(u, due, &r, &record, &err), due);
        assert_int_equal(r, ERR_FAILED);
        fault_io_set(&u->disk, FAULT_NONE);
        assert_int_equal(read_from(u, due, &r, &record, &err), RECORDS + 1);
        assert_int_equal(r, 0);
        spool_reader_close(u->reader);
        u->reader = NULL;
    }
}

static void a_spool_is_not_opened_by_guess(void **state)
{
    struct unreadable *u = *state;
    struct spool_record record;
    struct err err;
    int r;

    u->disk.bad_errno = ENOMEM;
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        spoil(u, nth_segment(u, 1), troubles[i].from, troubles[i].from + 1);
        assert_int_equal(spool_open_io(&u->spool, &u->fixture->options, &u->disk.io, &err), ERR_FAILED);
        assert_non_null(strstr(err.text, "could not read"));
        assert_null(u->spool);
        fault_io_set(&u->disk, FAULT_NONE);
    }
    open_and_read(u);
    assert_int_equal(read_from(u, 1, &r, &record, &err), RECORDS + 1);
    assert_int_equal(r, 0);
    assert_int_equal(count_quarantine(u->fixture), 0);
}

/* The end of damage is looked for over a stretch that cannot be read at that moment. */
static void damage_is_not_measured_while_reading_fails(void **state)
{
    struct unreadable *u = *state;
    uint64_t segment = nth_segment(u, 1), due;
    struct spool_record record;
    struct err err;
    char path[256], junk[SEGMENT - 2000 - SEGMENT_HEADER_BYTES];
    int fd, r;

    segment_path(path, u, "", segment);
    fd = open(path, O_WRONLY);
    memset(junk, 0xFF, sizeof(junk));
    assert_int_equal(pwrite(fd, junk, sizeof(junk), SEGMENT_HEADER_BYTES), sizeof(junk));
    close(fd);
    u->disk.bad_errno = ENOMEM;
    spoil(u, segment, 12000, 12001);
    assert_int_equal(spool_open_io(&u->spool, &u->fixture->options, &u->disk.io, &err), ERR_FAILED);
    assert_int_equal(count_quarantine(u->fixture), 0);

    fault_io_set(&u->disk, FAULT_NONE);
    open_and_read(u);
    assert_int_equal(count_quarantine(u->fixture), 1);
    spoil(u, segment, 12000, 12001);
    due = read_from(u, 1, &r, &record, &err);
    assert_int_equal(due, segment);
    assert_int_equal(r, ERR_FAILED);
    assert_int_equal(read_from(u, due, &r, &record, &err), due);
    assert_int_equal(r, ERR_FAILED);
    fault_io_set(&u->disk, FAULT_NONE);
    assert_int_equal(read_from(u, due, &r, &record, &err), due);
    assert_int_equal(r, ERR_INVALID);
    assert_true(record.seq > due && record.seq < nth_segment(u, 2) - 1);
    assert_int_equal(read_from(u, record.seq + 1, &r, &record, &err), RECORDS + 1);
    assert_int_equal(r, 0);
}

int main(void)
{
#define UNREADABLE_TEST(name) cmocka_unit_test_setup_teardown(name, unreadable_setup, unreadable_teardown)
    const struct CMUnitTest tests[] = {
        UNREADABLE_TEST(what_can_be_read_again_is_whole),
        UNREADABLE_TEST(what_stays_unreadable_is_reported_and_kept),
        UNREADABLE_TEST(an_unreadable_tail_is_sealed),
        UNREADABLE_TEST(an_unreadable_header_of_the_newest_segment_seals_it),
        UNREADABLE_TEST(an_unreadable_header_is_as_a_damaged_one),
        UNREADABLE_TEST(what_fails_for_a_moment_is_no_damage),
        UNREADABLE_TEST(a_spool_is_not_opened_by_guess),
        UNREADABLE_TEST(damage_is_not_measured_while_reading_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
