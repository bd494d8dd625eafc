/* kill -9 of a process that is appending: what it was told is durable must be there. */
#include "spool_fixture.h"

#include <signal.h>
#include <sys/wait.h>

enum { CHILD_THREADS = 8, ROUNDS = 6 };

struct child_thread {
    struct spool *spool;
    int pipe_fd;
    uint32_t number;
};

/* Appends for ever; tells the parent each number it was given, with the number its record holds. */
static void *child_append(void *arg)
{
    struct child_thread *t = arg;

    for (uint64_t i = 0;; i++) {
        uint64_t told[2] = {0, (uint64_t)t->number << 32 | (i + 1)};
        uint64_t data[90];

        for (size_t j = 0; j < sizeof(data) / sizeof(data[0]); j++)
            data[j] = told[1];
        if (spool_append(t->spool, (struct span){(const char *)data, 16 + i % 700}, INT64_MAX, &told[0], NULL) != 0 ||
            write(t->pipe_fd, told, sizeof(told)) != sizeof(told))
            _exit(1);
        if (i % 100 == 99)
            spool_release(t->spool, told[0] - 50);
    }
}

static void child_main(const struct fixture *f, int pipe_fd, uint32_t round)
{
    struct spool *sp = NULL;
    struct child_thread threads[CHILD_THREADS];
    pthread_t thread;

    if (spool_open(&sp, &f->options, NULL) < 0)
        _exit(1);
    for (uint32_t i = 0; i < CHILD_THREADS; i++) {
        threads[i] = (struct child_thread){sp, pipe_fd, round * CHILD_THREADS + i};
        if (pthread_create(&thread, NULL, child_append, &threads[i]) != 0)
            _exit(1);
    }
    for (;;)
        pause();
}

static bool read_told(int fd, uint64_t told[2])
{
    return read(fd, told, 2 * sizeof(told[0])) == 2 * sizeof(told[0]);
}

/* Checks all kept records against what the child was told: values[seq - base] of acknowledged ones. */
static void expect_acknowledged(struct spool *sp, const uint64_t *values, uint64_t base, uint64_t highest)
{
    struct spool_reader *reader;
    struct spool_record record;
    struct spool_status status;
    struct err err = {0};
    uint64_t next = 0;
    int r;

    spool_get_status(sp, &status);
    assert_true(status.next_seq > highest);
    assert_int_equal(status.quarantined, 0);
    assert_int_equal(spool_reader_open(&reader, sp, base, NULL), 0);
    while ((r = spool_reader_next(reader, &record, &err)) == 1) {
        uint64_t value;

        if (next == 0)
            next = record.seq;
        assert_true(record.seq == next || record.seq > highest); /* a torn tail may leave a gap behind */
        memcpy(&value, record.data.data, sizeof(value));
        if (record.seq <= highest && values[record.seq - base] != 0)
            assert_int_equal(value, values[record.seq - base]);
        next = record.seq + 1;
    }
    if (r < 0)
        fail_msg("%s", err.text);
    assert_true(next > highest);
    spool_reader_close(reader);
}

static void acknowledged_records_survive_kill(void **state)
{
    enum { MAX_TOLD = 200000 };
    struct fixture *f = *state;
    uint64_t *values = calloc(MAX_TOLD, sizeof(*values));
    uint64_t base = 1;

    assert_non_null(values);
    f->options = (struct spool_options){f->directory, 8 << 20, 32 * 1024};
    srandom(4);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t told[2];
        uint64_t highest = base - 1;
        long enough = 200 + random() % 2000;
        struct spool_status status;
        struct spool *sp;
        int fds[2];
        pid_t child;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            child_main(f, fds[1], round);
        close(fds[1]);
        memset(values, 0, MAX_TOLD * sizeof(*values));
        for (long n = 0; read_told(fds[0], told); n++) {
            assert_true(told[0] >= base && told[0] - base < MAX_TOLD);
            assert_int_equal(values[told[0] - base], 0); /* no number twice */
            values[told[0] - base] = told[1];
            if (told[0] > highest)
                highest = told[0];
            if (n == enough)
                kill(child, SIGKILL); /* what is in the pipe is still read */
        }
        close(fds[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_true(highest >= base);

        sp = open_spool(f);
        expect_acknowledged(sp, values, base, highest);
        spool_get_status(sp, &status);
        base = status.next_seq;
        spool_release(sp, base - 1);
        spool_close(sp);
    }
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(acknowledged_records_survive_kill, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
