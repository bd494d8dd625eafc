/* Recovery: each case takes a spool of RECORDS records in several segments, damages its files, and says exactly which
 * records must still be there. */
#include "fault_io.h"

#include "base/metrics.h"
#include "spool/crc32c.h"

enum { RECORDS = 70, SEGMENT = SPOOL_MIN_SEGMENT };

/* Where each record lies. */
struct place {
    uint64_t segment; /* by its first number */
    uint64_t from;    /* of its header */
    uint64_t end;     /* of its data; zeros to a multiple of 8 follow */
    bool last_of_segment;
};

struct model {
    struct fixture *fixture;
    struct place places[RECORDS + 1]; /* by number, from 1 */
};

static void lay_out(struct model *m)
{
    uint64_t segment = 1;
    uint64_t pos = SEGMENT_HEADER_BYTES;
    char data[512];

    for (uint64_t seq = 1; seq <= RECORDS; seq++) {
        size_t len = make_record(data, sizeof(data), seq).len;

        if (pos + record_bytes(len) > SEGMENT) {
            m->places[seq - 1].last_of_segment = true;
            segment = seq;
            pos = SEGMENT_HEADER_BYTES;
        }
        m->places[seq] = (struct place){segment, pos, pos + RECORD_HEADER_BYTES + len, false};
        pos += record_bytes(len);
    }
    m->places[RECORDS].last_of_segment = true;
}

/* The spool as every case finds it is made once and copied: DIRECTORY.whole. */
static void restore(struct fixture *f)
{
    char command[256];

    snprintf(command, sizeof(command), "rm -rf '%s' && cp -r '%s.whole' '%s'", f->directory, f->directory,
             f->directory);
    assert_int_equal(system(command), 0);
}

static int recovery_setup(void **state)
{
    struct model *m = calloc(1, sizeof(*m));
    char whole[128];
    struct spool *sp;

    assert_non_null(m);
    m->fixture = fixture_new(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* thousands of syncs */
    m->fixture->options.segment_bytes = SEGMENT;
    lay_out(m);
    sp = open_spool(m->fixture);
    append_upto(sp, RECORDS);
    spool_close(sp);
    snprintf(whole, sizeof(whole), "%s.whole", m->fixture->directory);
    assert_int_equal(rename(m->fixture->directory, whole), 0);
    restore(m->fixture);
    *state = m;
    return 0;
}

static int recovery_teardown(void **state)
{
    struct model *m = *state;
    char whole[128];

    snprintf(whole, sizeof(whole), "%s.whole", m->fixture->directory);
    remove_tree(whole);
    fixture_teardown((void **)&m->fixture);
    free(m);
    return 0;
}

static int open_segment_file(const struct fixture *f, uint64_t segment)
{
    char name[NAME_BYTES];
    char path[256];
    int fd;

    segment_name(name, segment);
    snprintf(path, sizeof(path), "%s/%s", f->directory, name);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static void write_bytes(const struct fixture *f, uint64_t segment, uint64_t at, const void *data, size_t len)
{
    int fd = open_segment_file(f, segment);

    assert_int_equal(pwrite(fd, data, len, (off_t)at), len);
    close(fd);
}

static void flip_bit(const struct fixture *f, uint64_t segment, uint64_t at, unsigned bit)
{
    int fd = open_segment_file(f, segment);
    unsigned char byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte = (unsigned char)(byte ^ 1U << bit);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static void truncate_segment(const struct fixture *f, uint64_t segment, uint64_t bytes)
{
    int fd = open_segment_file(f, segment);

    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

static void remove_segment(const struct fixture *f, uint64_t segment)
{
    char name[NAME_BYTES];
    char path[256];

    segment_name(name, segment);
    snprintf(path, sizeof(path), "%s/%s", f->directory, name);
    assert_int_equal(unlink(path), 0);
}

/* What must be found: the numbers first..last, of which those from lost_from to lost_to are reported as lost. */
struct expected {
    uint64_t first, last;
    uint64_t lost_from, lost_to; /* 0: none */
    bool skips;                  /* the next number is beyond last + 1 */
    size_t quarantined;
};

static void expect_numbers(struct spool_reader *reader, uint64_t first, uint64_t last)
{
    struct spool_record record;
    struct err err = {0};

    for (uint64_t seq = first; seq <= last; seq++) {
        int r = spool_reader_next(reader, &record, &err);

        if (r != 1)
            fail_msg("record %" PRIu64 ": %s", seq, r < 0 ? err.text : "not found");
        assert_int_equal(record.seq, seq);
        expect_numbered(&record);
    }
}

static void expect_end(struct spool_reader *reader)
{
    struct spool_record record;
    struct err err = {0};
    int r = spool_reader_next(reader, &record, &err);

    if (r != 0)
        fail_msg("number %" PRIu64 " is too much: %s", record.seq, r < 0 ? err.text : "a record");
}

static void expect_read(struct spool_reader *reader, const struct expected *e)
{
    struct spool_record record;
    struct err err = {0};

    if (e->lost_from == 0) {
        expect_numbers(reader, e->first, e->last);
        return;
    }
    expect_numbers(reader, e->first, e->lost_from - 1);
    assert_int_equal(spool_reader_next(reader, &record, &err), ERR_INVALID); /* once */
    assert_int_equal(record.seq, e->lost_to);
    assert_int_equal(record.data.len, 0);
    expect_numbers(reader, e->lost_to + 1, e->last);
}

/* Opens the directory, compares, appends, and opens it again: what was recovered once is whole. */
static void expect_recovered(struct fixture *f, const struct expected *e)
{
    struct spool *sp = open_spool(f);
    struct spool_reader *reader;
    struct spool_status status;
    uint64_t next_seq;

    spool_get_status(sp, &status);
    next_seq = status.next_seq;
    if (e->skips)
        assert_true(next_seq > e->last + 1);
    else
        assert_int_equal(next_seq, e->last + 1);
    assert_int_equal(status.quarantined, e->quarantined);
    assert_int_equal(status.durable_seq, e->last);
    assert_int_equal(spool_reader_open(&reader, sp, 1, NULL), 0);
    expect_read(reader, e);
    expect_end(reader);
    append_upto(sp, next_seq + 19);
    expect_numbers(reader, next_seq, next_seq + 19);
    expect_end(reader);
    spool_reader_close(reader);
    spool_close(sp);

    sp = open_spool(f);
    spool_get_status(sp, &status);
    assert_int_equal(status.next_seq, next_seq + 20);
    assert_int_equal(status.quarantined, e->quarantined);
    assert_int_equal(spool_reader_open(&reader, sp, 1, NULL), 0);
    expect_read(reader, e);
    expect_numbers(reader, next_seq, next_seq + 19);
    expect_end(reader);
    spool_reader_close(reader);
    spool_close(sp);
}

static void nothing_damaged(void **state)
{
    struct model *m = *state;

    expect_recovered(m->fixture, &(struct expected){.first = 1, .last = RECORDS});
}

static void last_segment_truncated_at_every_byte_of_its_last_record(void **state)
{
    struct model *m = *state;
    const struct place *last = &m->places[RECORDS];

    for (uint64_t at = last->from; at < last->end + 16; at++) {
        restore(m->fixture);
        truncate_segment(m->fixture, last->segment, at);
        expect_recovered(m->fixture,
                         &(struct expected){.first = 1, .last = at < last->end ? RECORDS - 1 : RECORDS, .skips = true});
    }
}

static void last_record_half_written(void **state)
{
    struct model *m = *state;
    const struct place *last = &m->places[RECORDS];
    char zeros[1024] = {0};

    for (uint64_t at = last->from + 1; at < last->end; at += 13) {
        restore(m->fixture);
        write_bytes(m->fixture, last->segment, at, zeros, last->end - at);
        expect_recovered(m->fixture, &(struct expected){.first = 1, .last = RECORDS - 1, .skips = true});
    }
}

static void one_bit_flipped_anywhere(void **state)
{
    struct model *m = *state;

    srandom(20);
    for (int round = 0; round < 150; round++) {
        uint64_t seq = 1 + (uint64_t)random() % RECORDS;
        const struct place *p = &m->places[seq];
        uint64_t bytes = record_bytes(p->end - p->from - RECORD_HEADER_BYTES);
        uint64_t at = p->from + (uint64_t)random() % bytes;
        struct expected e = {.first = 1, .last = RECORDS};

        restore(m->fixture);
        flip_bit(m->fixture, p->segment, at, (unsigned)random() % 8);
        if (at < p->end && seq == RECORDS) {
            e.last = RECORDS - 1; /* cannot be told from a torn tail */
            e.skips = true;
        } else if (at < p->end) {
            e.lost_from = e.lost_to = seq;
            e.quarantined = 1;
        } /* else: in the zeros that fill up to 8 bytes, which mean nothing */
        expect_recovered(m->fixture, &e);
        assert_int_equal(count_quarantine(m->fixture), at < p->end ? 1 : 0);
    }
}

static void one_bit_flipped_in_the_header(void **state)
{
    struct model *m = *state;

    for (uint64_t at = 0; at < SEGMENT_HEADER_BYTES; at++) {
        uint64_t seq = at % 2 == 0 ? RECORDS : RECORDS / 2;

        restore(m->fixture);
        flip_bit(m->fixture, m->places[seq].segment, at, at % 8);
        expect_recovered(m->fixture, &(struct expected){.first = 1, .last = RECORDS, .skips = seq == RECORDS});
    }
}

static void garbage_behind_the_last_record(void **state)
{
    struct model *m = *state;
    const struct place *last = &m->places[RECORDS];
    const uint64_t behind[] = {(last->end + 7) & ~(uint64_t)7, SEGMENT - 100, SEGMENT - 1};

    for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
        restore(m->fixture);
        write_bytes(m->fixture, last->segment, behind[i], "\xff", 1);
        expect_recovered(m->fixture, &(struct expected){.first = 1, .last = RECORDS, .skips = true});
    }
}

static void several_records_overwritten(void **state)
{
    struct model *m = *state;
    char noise[SEGMENT];
    const struct {
        uint64_t from, to;
        unsigned char fill; /* 0: random bytes */
    } rows[] = {{1, 1, 0}, {2, 5, 0}, {3, 4, 0xff}, {1, 6, 0xee}};

    srandom(5);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct place *from = &m->places[rows[i].from];
        const struct place *to = &m->places[rows[i].to];

        assert_int_equal(from->segment, to->segment);
        for (size_t j = 0; j < sizeof(noise); j++)
            noise[j] = (char)(rows[i].fill ? rows[i].fill : random());
        restore(m->fixture);
        write_bytes(m->fixture, from->segment, from->from, noise, to->end - from->from);
        expect_recovered(m->fixture, &(struct expected){.first = 1,
                                                        .last = RECORDS,
                                                        .lost_from = rows[i].from,
                                                        .lost_to = rows[i].to,
                                                        .quarantined = rows[i].to - rows[i].from + 1});
        assert_int_equal(count_quarantine(m->fixture), 1);
    }
}

/* The first segment in the middle, and its first and last record. */
static uint64_t middle_segment(const struct model *m, uint64_t *last)
{
    uint64_t segment = m->places[RECORDS / 2].segment;

    *last = segment;
    while (!m->places[*last].last_of_segment)
        (*last)++;
    return segment;
}

static void end_of_a_segment_in_the_middle_lost(void **state)
{
    struct model *m = *state;
    uint64_t last;
    uint64_t segment = middle_segment(m, &last);
    char ones[SEGMENT];

    memset(ones, 0xff, sizeof(ones));
    write_bytes(m->fixture, segment, m->places[last - 1].from, ones, SEGMENT - m->places[last - 1].from);
    expect_recovered(
        m->fixture,
        &(struct expected){.first = 1, .last = RECORDS, .lost_from = last - 1, .lost_to = last, .quarantined = 2});
}

static void a_segment_in_the_middle_missing(void **state)
{
    struct model *m = *state;
    uint64_t last;
    uint64_t segment = middle_segment(m, &last);

    remove_segment(m->fixture, segment);
    expect_recovered(m->fixture,
                     &(struct expected){.first = 1, .last = RECORDS, .lost_from = segment, .lost_to = last});
}

static void the_oldest_segment_missing(void **state)
{
    struct model *m = *state;
    uint64_t last = 1;

    while (!m->places[last].last_of_segment)
        last++;
    remove_segment(m->fixture, 1);
    expect_recovered(m->fixture, &(struct expected){.first = last + 1, .last = RECORDS});
}

/* Whatever it held: no number it may have given comes again. */
static void the_last_segment_empty(void **state)
{
    struct model *m = *state;
    uint64_t segment = m->places[RECORDS].segment;

    truncate_segment(m->fixture, segment, 0);
    expect_recovered(m->fixture, &(struct expected){.first = 1, .last = segment - 1, .skips = true});
}

/* The numbers skipped at a cut are nobody's backlog: a reader has nothing to wait for, nothing grows old. */
static void released_up_to_a_cut_is_released_whole(void **state)
{
    struct model *m = *state;
    struct spool_status status;
    struct spool *sp;

    truncate_segment(m->fixture, m->places[RECORDS].segment, m->places[RECORDS].end - 1);
    sp = open_spool(m->fixture);
    spool_get_status(sp, &status);
    assert_int_equal(status.durable_seq, RECORDS - 1);
    assert_true(status.used_bytes > 0 && status.oldest_us > 0);
    spool_release(sp, RECORDS - 1);
    spool_get_status(sp, &status);
    assert_int_equal(status.used_bytes, 0);
    assert_int_equal(status.oldest_us, 0);
    assert_int_equal(metric_value(METRIC_SPOOL_RECORDS), 0);
    spool_close(sp);
}

/* The spool's first segment, of these bytes. */
static void write_segment(const struct fixture *f, const struct spool_uuid *id, const char *bytes, size_t len)
{
    char path[160];
    int fd;

    snprintf(path, sizeof(path), "%s/%020d.segment", f->directory, 1);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(segment_write_header(&spool_io_system, fd, id, 1, SEGMENT), 0);
    assert_int_equal(pwrite(fd, bytes, len, SEGMENT_HEADER_BYTES), len);
    assert_int_equal(ftruncate(fd, SEGMENT), 0);
    close(fd);
}

/* A message may hold the bytes of a record; only whoever knows the salt can make one that passes. */
static void a_record_inside_a_record_is_not_taken(void **state)
{
    for (int known_salt = 0; known_salt < 2; known_salt++) {
        struct model *m = *state;
        struct fixture *f = m->fixture;
        struct spool_uuid id;
        char body[256] = {0};
        struct span inner = SPAN("not a record");
        struct spool_status status;
        struct spool *sp;
        struct err err = {0};
        int dir_fd;

        remove_tree(f->directory);
        sp = open_spool(f);
        append_numbered(sp, 1);
        spool_close(sp);
        dir_fd = open(f->directory, O_RDONLY | O_DIRECTORY);
        assert_true(dir_fd >= 0);
        assert_int_equal(segment_read_id(&spool_io_system, dir_fd, 1, &id), 1);
        close(dir_fd);
        record_encode(body + 8, inner, crc32c(0, inner.data, inner.len), 3, 1, known_salt ? segment_salt(&id, 1) : 0);

        sp = open_spool(f);
        assert_int_equal(spool_append(sp, (struct span){body, sizeof(body)}, INT64_MAX, NULL, &err), 0);
        spool_close(sp);
        flip_bit(f, 1, (m->places[1].end + 7) & ~(uint64_t)7, 0);
        sp = open_spool(f);
        spool_get_status(sp, &status);
        assert_int_equal(status.quarantined, known_salt); /* 0: it was a torn tail, with nothing in it */
        spool_close(sp);
    }
}

/* A mark says which numbers are used up; those missing before it are reported like those before a record. */
static void numbers_missing_before_a_mark_are_reported(void **state)
{
    struct model *m = *state;
    struct fixture *f = m->fixture;
    char bytes[RECORD_HEADER_BYTES + 64] = {0};
    struct span last = SPAN("behind the mark");
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct spool_uuid id;
    struct err err;
    int dir_fd;

    remove_tree(f->directory);
    spool_close(open_spool(f));
    dir_fd = open(f->directory, O_RDONLY | O_DIRECTORY);
    assert_int_equal(directory_read_id(&spool_io_system, dir_fd, &(struct segment_list){0}, &id, &err), 0);
    close(dir_fd);
    mark_encode(bytes, 5, 6, segment_salt(&id, 1)); /* 1 to 4 are nowhere */
    record_encode(bytes + RECORD_HEADER_BYTES, last, crc32c(0, last.data, last.len), 7, 1, segment_salt(&id, 1));
    write_segment(f, &id, bytes, sizeof(bytes));

    assert_int_equal(spool_reader_open_directory(&reader, f->directory, 1, &err), 0);
    assert_int_equal(spool_reader_next(reader, &record, &err), ERR_INVALID);
    assert_int_equal(record.seq, 4);
    assert_non_null(strstr(err.text, "records 1 to 4 "));
    assert_int_equal(spool_reader_next(reader, &record, &err), 1);
    assert_int_equal(record.seq, 7);
    assert_true(span_equal(record.data, last));
    spool_reader_close(reader);
}

/* Recovery is cut off after each of its writes, half done, and must still come to the same end. */
static void a_crash_at_any_step_of_recovery(void **state)
{
    struct model *m = *state;
    const struct place *last = &m->places[RECORDS];
    bool opened = false;
    long calls = 0;

    for (; !opened; calls++) {
        struct fault_io disk;
        struct spool *sp = NULL;

        restore(m->fixture);
        flip_bit(m->fixture, m->places[3].segment, m->places[3].from, 0);
        truncate_segment(m->fixture, last->segment, last->end - 3);
        fault_io_init(&disk);
        disk.calls_left = calls;
        opened = spool_open_io(&sp, &m->fixture->options, &disk.io, NULL) == 0;
        spool_close(sp);
        expect_recovered(
            m->fixture,
            &(struct expected){
                .first = 1, .last = RECORDS - 1, .lost_from = 3, .lost_to = 3, .skips = true, .quarantined = 1});
    }
    assert_true(calls > 10);
}

static void damage_is_seen_without_opening(void **state)
{
    struct model *m = *state;
    struct spool_reader *reader;

    flip_bit(m->fixture, m->places[9].segment, m->places[9].from + 30, 1);
    flip_bit(m->fixture, m->places[RECORDS].segment, m->places[RECORDS].from + 30, 1);
    assert_int_equal(spool_reader_open_directory(&reader, m->fixture->directory, 1, NULL), 0);
    expect_read(reader, &(struct expected){.first = 1, .last = RECORDS - 1, .lost_from = 9, .lost_to = 9});
    expect_end(reader);
    spool_reader_close(reader);
    assert_int_equal(spool_reader_open_directory(&reader, m->fixture->directory, 10, NULL), 0);
    expect_numbers(reader, 10, RECORDS - 1);
    spool_reader_close(reader);
}

/* `spool verify` counts them and names the first. */
static void headers_and_lengths_are_noted_while_reading(void **state)
{
    struct model *m = *state;
    struct spool_reader_notes notes;
    struct spool_reader *reader;
    struct spool_record record;
    uint64_t segments[4] = {0};
    size_t count = 0;

    for (uint64_t seq = 1; seq <= RECORDS && count < 4; seq++)
        if (m->places[seq].last_of_segment)
            segments[count++] = m->places[seq].segment;
    assert_int_equal(count, 4);
    flip_bit(m->fixture, segments[0], 20, 3);
    flip_bit(m->fixture, segments[3], 20, 3);
    truncate_segment(m->fixture, segments[1], SEGMENT - 8);
    truncate_segment(m->fixture, segments[2], SEGMENT / 2);
    assert_int_equal(spool_reader_open_directory(&reader, m->fixture->directory, 1, NULL), 0);
    while (spool_reader_next(reader, &record, NULL) != 0)
        assert_true(record.seq <= RECORDS);
    spool_reader_get_notes(reader, &notes);
    assert_int_equal(notes.damaged_headers, 2);
    assert_int_equal(notes.damaged_segment, segments[0]);
    assert_int_equal(notes.short_segments, 2);
    assert_int_equal(notes.short_segment, segments[1]);
    spool_reader_close(reader);
}

int main(void)
{
#define RECOVERY_TEST(name) cmocka_unit_test_setup_teardown(name, recovery_setup, recovery_teardown)
    const struct CMUnitTest tests[] = {
        RECOVERY_TEST(nothing_damaged),
        RECOVERY_TEST(last_segment_truncated_at_every_byte_of_its_last_record),
        RECOVERY_TEST(last_record_half_written),
        RECOVERY_TEST(one_bit_flipped_anywhere),
        RECOVERY_TEST(one_bit_flipped_in_the_header),
        RECOVERY_TEST(garbage_behind_the_last_record),
        RECOVERY_TEST(several_records_overwritten),
        RECOVERY_TEST(end_of_a_segment_in_the_middle_lost),
        RECOVERY_TEST(a_segment_in_the_middle_missing),
        RECOVERY_TEST(the_oldest_segment_missing),
        RECOVERY_TEST(the_last_segment_empty),
        RECOVERY_TEST(released_up_to_a_cut_is_released_whole),
        RECOVERY_TEST(a_record_inside_a_record_is_not_taken),
        RECOVERY_TEST(numbers_missing_before_a_mark_are_reported),
        RECOVERY_TEST(a_crash_at_any_step_of_recovery),
        RECOVERY_TEST(damage_is_seen_without_opening),
        RECOVERY_TEST(headers_and_lengths_are_noted_while_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
