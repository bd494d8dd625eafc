/* Every call of the C library the spool makes fails once, and from then on, in a life of it: made, filled over several
 * segments, read, released, damaged, recovered, closed. Whatever fails: no crash, words that say what happened, and in
 * the end, with the calls back, everything acknowledged is there and nothing else. */
#include "../failing_calls.h"
#include "spool_fixture.h"

enum {
    RECORDS = 14,
    RECORD_BYTES = 900,
    DAMAGED = 2,
    MOST_CALLS = 4000,
    IN_TIME_MS = 20000,
    MOST_ACKNOWLEDGED = 2 * RECORDS,
};

struct life {
    struct fixture *fixture;
    struct {
        uint64_t seq, record;
    } acknowledged[MOST_ACKNOWLEDGED]; /* recovery skips many numbers behind a tail that is torn or cannot be read */
    size_t count;
    uint64_t released;
};

/* Which record was acknowledged under the number; 0: none that we know of. */
static uint64_t acknowledged(const struct life *life, uint64_t seq)
{
    for (size_t i = 0; i < life->count; i++)
        if (life->acknowledged[i].seq == seq)
            return life->acknowledged[i].record;
    return 0;
}

static struct span record_of(uint64_t seq, char out[RECORD_BYTES])
{
    memset(out, (int)('A' + seq % 50), RECORD_BYTES);
    memcpy(out, &seq, sizeof(seq));
    return (struct span){out, RECORD_BYTES - seq};
}

/* A record of ours; one that was acknowledged under its number. */
static void check_record(const struct life *life, const struct spool_record *record)
{
    uint64_t said;

    assert_true(record->data.len > sizeof(said));
    memcpy(&said, record->data.data, sizeof(said));
    assert_true(said >= 1 && said <= 2 * RECORDS);
    assert_int_equal(record->data.len, RECORD_BYTES - said);
    assert_true(acknowledged(life, record->seq) == 0 || acknowledged(life, record->seq) == said);
}

static void append_some(struct life *life, struct spool *sp, uint64_t from)
{
    char data[RECORD_BYTES];
    struct err err = {0};
    uint64_t seq;

    for (uint64_t i = from; i < from + RECORDS; i++) {
        if (spool_append(sp, record_of(i, data), in_ms(IN_TIME_MS), &seq, &err) == 0) {
            assert_true(life->count < MOST_ACKNOWLEDGED && acknowledged(life, seq) == 0);
            life->acknowledged[life->count].seq = seq;
            life->acknowledged[life->count++].record = i;
        } else {
            assert_int_not_equal(err.code, ERR_TIMEOUT);
            assert_true(err.text[0] != '\0');
        }
    }
}

static void read_some(const struct life *life, struct spool *sp)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct err err = {0};
    uint64_t last = 0;
    int r = sp ? spool_reader_open(&reader, sp, 1, &err)
               : spool_reader_open_directory(&reader, life->fixture->directory, 1, &err);

    for (int faults = 0; r >= 0 && faults < 3;) {
        int got = spool_reader_next(reader, &record, &err);

        if (got == 0)
            break;
        if (got == 1)
            check_record(life, &record);
        else
            assert_true(err.text[0] != '\0');
        if (got == 1 || got == ERR_INVALID) {
            assert_true(record.seq > last);
            last = record.seq;
        } else {
            faults++; /* goes on where it stood */
        }
    }
    assert_true(r >= 0 || err.text[0] != '\0');
    spool_reader_close(reader);
}

static struct spool *try_open(const struct life *life)
{
    struct spool *sp = NULL;
    struct err err = {0};

    if (spool_open(&sp, &life->fixture->options, &err) < 0) {
        assert_true(err.text[0] != '\0');
        return NULL;
    }
    return sp;
}

/* A byte of record DAMAGED changes, and junk stands behind the last one. */
static void damage(const struct life *life)
{
    enum failing_mode mode = atomic_exchange(&failing.mode, FAILING_NOT);
    struct segment_list list = {0};
    int dir_fd = open(life->fixture->directory, O_RDONLY | O_DIRECTORY);
    char name[NAME_BYTES];
    int fd;

    if (dir_fd >= 0)
        assert_int_equal(directory_list(dir_fd, &list, NULL), 0);
    if (list.count > 0 && list.first_seqs[0] == 1) {
        segment_name(name, 1);
        fd = openat(dir_fd, name, O_RDWR);
        assert_int_equal(
            pwrite(fd, "\xEE\xEE\xEE", 3, SEGMENT_HEADER_BYTES + (off_t)record_bytes(RECORD_BYTES - 1) + 60), 3);
        close(fd);
    }
    if (list.count > 1) {
        segment_name(name, list.first_seqs[list.count - 1]);
        fd = openat(dir_fd, name, O_RDWR);
        assert_int_equal(pwrite(fd, "junk", 4, (off_t)life->fixture->options.segment_bytes - 8), 4);
        close(fd);
    }
    segment_list_release(&list);
    if (dir_fd >= 0)
        close(dir_fd);
    atomic_store(&failing.mode, mode);
}

/* Segments leave by and by; a while is enough for most, and what stays changes nothing. */
static void release_some(struct life *life, struct spool *sp)
{
    struct spool_status before, now;

    spool_get_status(sp, &before);
    life->released = RECORDS + 9;
    spool_release(sp, life->released);
    for (int i = 0; i < 10; i++) {
        spool_get_status(sp, &now);
        if (now.failed || now.used_bytes < before.used_bytes / 2)
            return;
        clock_sleep_ms(1);
    }
}

static void live(struct life *life)
{
    struct spool *sp = try_open(life);

    if (sp) {
        append_some(life, sp, 1);
        read_some(life, sp);
    }
    spool_close(sp);
    damage(life);
    read_some(life, NULL);
    sp = try_open(life);
    if (sp) {
        append_some(life, sp, RECORDS + 1);
        read_some(life, sp);
        release_some(life, sp);
    }
    spool_close(sp);
}

static void check_all_there(struct life *life)
{
    struct spool *sp = open_spool(life->fixture);
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct err err;
    int r;

    assert_int_equal(spool_reader_open(&reader, sp, 1, &err), 0);
    while ((r = spool_reader_next(reader, &record, &err)) != 0) {
        assert_true(r == 1 || r == ERR_INVALID);
        if (r == 1) {
            check_record(life, &record);
            for (size_t i = 0; i < life->count; i++)
                if (life->acknowledged[i].seq == record.seq)
                    life->acknowledged[i].record = 0; /* found */
        }
    }
    for (size_t i = 0; i < life->count; i++) {
        const uint64_t seq = life->acknowledged[i].seq;

        if (seq > life->released && seq != DAMAGED && life->acknowledged[i].record != 0)
            fail_msg("record %" PRIu64 " was acknowledged and is lost", seq);
    }
    spool_reader_close(reader);
    spool_close(sp);
}

/* Whether there was such a call. */
static bool live_with_fault(long number, enum failing_mode mode)
{
    struct life life = {.fixture = fixture_new(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")};
    void *state = life.fixture;
    bool hit;

    life.fixture->options.segment_bytes = SPOOL_MIN_SEGMENT;
    remove_tree(life.fixture->directory); /* to be made by the spool */
    fail_call(number, mode);
    live(&life);
    hit = fail_no_more();
    check_all_there(&life);
    fixture_teardown(&state);
    return hit;
}

static void every_call(enum failing_mode mode, long least)
{
    long number = 1;

    while (live_with_fault(number, mode)) {
        number++;
        assert_true(number < MOST_CALLS);
    }
    print_message("%ld calls\n", number - 1);
    assert_true(number > least);
}

static void test_each_call_fails_once(void **state)
{
    (void)state;
    every_call(FAILING_ONCE, 100);
}

static void test_each_call_and_all_after_it_fail(void **state)
{
    (void)state;
    every_call(FAILING_FOR_GOOD, 100);
}

static void test_each_read_and_write_is_interrupted(void **state)
{
    (void)state;
    every_call(FAILING_INTERRUPTED, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_fails_once),
        cmocka_unit_test(test_each_call_and_all_after_it_fail),
        cmocka_unit_test(test_each_read_and_write_is_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
