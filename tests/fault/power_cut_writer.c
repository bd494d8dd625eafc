/* power_cut_writer.c - a spool at work, to be recorded: power_cut_writer DIRECTORY SEED ROUND RECORDS [LEDGER]
 *
 * Several threads append, one reads and releases, so that segments are made, rolled into, recycled and removed. The
 * spool lives three times: the first life is a child's that is killed in the midst of it, the others end in order.
 * LEDGER ("number id" lines) says what was acknowledged in DIRECTORY before. What is told to anybody is noted in the
 * trace; without a recorder it goes nowhere. */
#include "known_records.h"
#include "power_cut_trace.h"

#include "base/clock.h"
#include "base/log.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    APPENDERS = 4,
    LIVES = 3,
    SEGMENT_BYTES = 16 * 1024,
    MAX_BYTES = 10 * SEGMENT_BYTES,
    KEEP = 25,        /* records that are not released at the end */
    RELEASE_STEP = 7, /* at most so many more before the next release */
    PATIENCE_MS = 20 * 1000,
};

struct writer {
    struct spool *spool;
    uint64_t seed;
    uint8_t round;
    uint32_t records;   /* of each appender in this life of the spool */
    uint32_t first;     /* the count of the first of them */
    unsigned die_after; /* acknowledgements; 0: never */
    atomic_uint told;
    atomic_uint appending;
};

struct appender {
    pthread_t thread;
    struct writer *writer;
    uint8_t number;
};

static trace_note_fn *note_in_trace;
static trace_die_fn *die_in_trace;

static void note(enum trace_note kind, uint64_t a, uint64_t b, const char *text)
{
    if (note_in_trace)
        note_in_trace(kind, a, b, text);
}

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "power_cut_writer: %s: %s\n", what, err ? err->text : "");
    exit(1);
}

static void append_one(struct writer *w, uint64_t id)
{
    int64_t deadline_us = clock_mono_us() + PATIENCE_MS * 1000;
    char data[KNOWN_MAX_BYTES];
    struct span record = known_record(data, id);
    struct err err = {0};
    uint64_t seq;
    int r;

    note(NOTE_ASKED, 0, id, NULL);
    while ((r = spool_append(w->spool, record, deadline_us, &seq, &err)) == ERR_FULL && clock_mono_us() < deadline_us)
        clock_sleep_ms(1); /* until the reader has released some */
    if (r < 0)
        die("append", &err);
    note(NOTE_ACKNOWLEDGED, seq, id, NULL);
    if (atomic_fetch_add(&w->told, 1) + 1 == w->die_after) {
        if (die_in_trace)
            die_in_trace(); /* in a moment */
        else
            kill(getpid(), SIGKILL);
    }
}

static void *append_all(void *arg)
{
    struct appender *a = arg;
    struct writer *w = a->writer;

    for (uint32_t i = 0; i < w->records; i++)
        append_one(w, known_id(w->round, a->number, w->first + i));
    atomic_fetch_sub(&w->appending, 1);
    return NULL;
}

static void release(struct writer *w, uint64_t seq)
{
    note(NOTE_RELEASED, seq, 0, NULL);
    spool_release(w->spool, seq);
}

/* Reads everything from the start, releasing as it goes, while the others append. */
static void read_and_release(struct writer *w, struct spool_reader *reader)
{
    uint64_t state = w->seed | 1;
    uint64_t wanted = KEEP + known_below(&state, RELEASE_STEP);
    uint64_t seqs[KEEP + RELEASE_STEP];
    struct spool_record record;
    struct err err;
    size_t waiting = 0;
    int r;

    for (;;) {
        bool last = atomic_load(&w->appending) == 0;

        while ((r = spool_reader_next(reader, &record, &err)) != 0) {
            if (r < 0 && r != ERR_INVALID)
                die("read", &err);
            if (r < 0)
                continue;
            note(NOTE_ACKNOWLEDGED, record.seq, known_record_id(record.data), NULL);
            seqs[waiting++] = record.seq;
            if (waiting > wanted) {
                size_t going = waiting - KEEP;

                release(w, seqs[going - 1]);
                memmove(seqs, seqs + going, KEEP * sizeof(seqs[0]));
                waiting = KEEP;
                wanted = KEEP + known_below(&state, RELEASE_STEP);
            }
        }
        if (last)
            return;
        spool_wait(w->spool, UINT64_MAX, 1);
    }
}

/* What recovery hands out is durable: whoever reads it acts on it. So it is noted before the first append syncs the
 * segment it may be in. */
static void read_what_was_recovered(struct writer *w)
{
    struct spool_reader *reader;
    struct spool_record record;
    struct err err = {0};
    int r;

    if (spool_reader_open(&reader, w->spool, 1, &err) < 0)
        die("open a reader", &err);
    while ((r = spool_reader_next(reader, &record, &err)) != 0) {
        if (r < 0 && r != ERR_INVALID)
            die("read", &err);
        if (r > 0)
            note(NOTE_ACKNOWLEDGED, record.seq, known_record_id(record.data), NULL);
    }
    spool_reader_close(reader);
}

/* The spool from its opening to its closing. */
static void live(struct writer *w, const struct spool_options *options)
{
    struct appender appenders[APPENDERS];
    struct spool_reader *reader;
    struct err err = {0};

    if (spool_open(&w->spool, options, &err) < 0)
        die("open", &err);
    note(NOTE_IDENTITY, 0, 0, spool_id(w->spool));
    read_what_was_recovered(w);
    if (spool_reader_open(&reader, w->spool, 1, &err) < 0)
        die("open a reader", &err);
    atomic_store(&w->appending, APPENDERS);
    for (uint8_t i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){.writer = w, .number = i};
        if (pthread_create(&appenders[i].thread, NULL, append_all, &appenders[i]) != 0)
            die("no thread", NULL);
    }
    read_and_release(w, reader);
    for (size_t i = 0; i < APPENDERS; i++)
        pthread_join(appenders[i].thread, NULL);
    spool_reader_close(reader);
    spool_close(w->spool);
}

/* A life that ends by kill -9: what was written and not synced is in the kernel, for the next life to find. */
static void live_and_be_killed(struct writer *w, const struct spool_options *options)
{
    uint64_t state = w->seed | 1;
    pid_t child = fork();
    int status;

    if (child == 0) {
        w->die_after = 1 + (unsigned)known_below(&state, w->records * APPENDERS / 2);
        live(w, options);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        die("the first life did not end as it should", NULL);
    w->first += w->records;
}

static void note_ledger(const char *path)
{
    FILE *file = fopen(path, "re");
    uint64_t seq, id, released = 0;

    if (!file)
        die(path, NULL);
    if (fscanf(file, "%" SCNu64, &released) == 1 && released > 0)
        note(NOTE_RELEASED, released, 0, NULL);
    while (fscanf(file, "%" SCNu64 " %" SCNu64, &seq, &id) == 2)
        note(NOTE_ACKNOWLEDGED, seq, id, NULL);
    fclose(file);
}

int main(int argc, char **argv)
{
    struct spool_options options = {.max_bytes = MAX_BYTES, .segment_bytes = SEGMENT_BYTES};
    struct writer w = {0};
    void *found = dlsym(RTLD_DEFAULT, TRACE_NOTE_SYMBOL);
    void *found_die = dlsym(RTLD_DEFAULT, TRACE_DIE_SYMBOL);

    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: power_cut_writer DIRECTORY SEED ROUND RECORDS [LEDGER]\n");
        return 2;
    }
    log_configure(LOG_LOGFMT, LOG_ERROR);
    memcpy(&note_in_trace, &found, sizeof(found));
    memcpy(&die_in_trace, &found_die, sizeof(found_die));
    options.directory = argv[1];
    if (open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0) /* here the recorder looks at what is there */
        die(argv[1], NULL);
    w.seed = strtoull(argv[2], NULL, 10);
    w.round = (uint8_t)strtoul(argv[3], NULL, 10);
    w.records = (uint32_t)strtoul(argv[4], NULL, 10) / APPENDERS / LIVES;
    if (argc == 6)
        note_ledger(argv[5]);
    note(NOTE_BEGIN, 0, 0, NULL);
    w.first = 1;
    live_and_be_killed(&w, &options);
    live(&w, &options);
    w.first += w.records;
    live(&w, &options);
    return 0;
}
