/* spool_faults.c - every call of a spool's life fails once, and from then on for good.
 *
 *   spool_faults WORK SEED EVERY
 *
 * The life: a directory with several segments, one of them damaged, and a torn tail is opened, read, appended to, half
 * released (so that segments are recycled, removed, and made anew), read again and closed. A first run counts the
 * calls. Then, for each kind of call and each EVERYth call of that kind (from a place the seed chooses): the same life
 * with that call failing, in a child:
 *   - it ends in order: no crash, no endless wait, and in the address build no leak;
 *   - nothing is acknowledged by the writer once it was told of a failure;
 *   - what was refused or not read is accompanied by words that say what failed;
 * and without faults the directory then holds every record acknowledged, before and in this life (known_check).
 *
 * Prints one JSON line. Status 1: a promise was broken, the directory is WORK/run; 2: the run is void. */
#include "failing_calls.h"
#include "known_records.h"
#include "survive.h"

#include "base/clock.h"
#include "base/log.h"
#include "spool/spool_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENT = 16 * 1024,
    OLD_RECORDS = 90,
    NEW_RECORDS = 80,
    DAMAGED = 30,
    LIFE_S = 60,
    TRIES = 30,
    WORDS = 64 * 1024
};

static const struct fault {
    enum failing_call call;
    int error;
} faults[] = {
    {CALL_PWRITE, EIO},        {CALL_PWRITE, ENOSPC},
    {CALL_PWRITE, FAIL_SHORT}, {CALL_PWRITE, EINTR},
    {CALL_FDATASYNC, EIO},     {CALL_FDATASYNC, ENOSPC},
    {CALL_FSYNC, EIO},         {CALL_RENAMEAT, EIO},
    {CALL_UNLINKAT, EIO},      {CALL_FTRUNCATE, EIO},
    {CALL_OPENAT, EIO},        {CALL_OPENAT, EMFILE},
    {CALL_OPEN, EACCES},       {CALL_MKDIRAT, ENOSPC},
    {CALL_PREAD, EIO},         {CALL_PREAD, FAIL_SHORT},
    {CALL_PREAD, EINTR},       {CALL_FSTAT, EIO},
    {CALL_FLOCK, ENOLCK},      {CALL_FDOPENDIR, ENOMEM},
    {CALL_READDIR, EIO},       {CALL_PTHREAD_CREATE, EAGAIN},
    {CALL_MALLOC, ENOMEM},     {CALL_CALLOC, ENOMEM},
    {CALL_REALLOC, ENOMEM},    {CALL_STRDUP, ENOMEM},
};
enum { FAULTS = sizeof(faults) / sizeof(faults[0]) };

/* Shared with the child that lives the life. */
struct life {
    struct failing_calls calls;
    uint64_t acknowledged[NEW_RECORDS]; /* by count: the number given, 0: none */
    uint64_t released;
    bool false_acknowledgement;
    bool refused; /* something was */
    char words[1024];
};

struct campaign {
    const char *work;
    uint64_t state, every;
    const struct fault *fault; /* of the present run; NULL: none */
    uint64_t at;
    bool for_good;
    struct life *life;
    struct known_ledger before;
    struct {
        uint64_t runs, hits, not_opened, refused, acknowledged;
    } figures;
};

static void die(const char *why, const char *what)
{
    fprintf(stderr, "spool_faults: %s: %s\n", why, what);
    exit(2);
}

static struct spool_options options_in(const char *directory)
{
    return (struct spool_options){directory, 12 * SEGMENT, SEGMENT};
}

/* The directory every run begins with ---------------------------------------------------------------------------------
 */

static void spoil(const char *directory, uint64_t first_seq, off_t offset, const char *bytes, size_t len)
{
    char name[NAME_BYTES];
    char path[PATH_MAX];
    int fd;

    segment_name(name, first_seq);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, bytes, len, offset) != (ssize_t)len)
        die("damage", path);
    close(fd);
}

/* Damages record DAMAGED and puts half a record behind the last one. */
static void make_troubled(struct campaign *c, const char *directory)
{
    char data[KNOWN_MAX_BYTES];
    uint64_t segment = 0, pos = 0;

    for (uint64_t seq = 1; seq <= OLD_RECORDS; seq++) {
        uint64_t bytes = record_bytes(known_record(data, known_id(1, 0, (uint32_t)seq)).len);

        if (segment == 0 || pos + bytes > SEGMENT) {
            segment = seq;
            pos = SEGMENT_HEADER_BYTES;
        }
        if (seq == DAMAGED)
            spoil(directory, segment, (off_t)pos + 2, "#", 1);
        else
            known_ledger_tell(&c->before, seq, known_id(1, 0, (uint32_t)seq));
        pos += bytes;
    }
    if (pos + 100 > SEGMENT)
        die("no room for a torn tail", directory);
    spoil(directory, segment, (off_t)pos, "torn", 4);
}

static void make_beginning(struct campaign *c)
{
    char directory[PATH_MAX];
    char data[KNOWN_MAX_BYTES];
    struct spool_options options;
    struct spool *sp;
    struct err err = {0};

    snprintf(directory, sizeof(directory), "%s/beginning", c->work);
    options = options_in(directory);
    if (spool_open(&sp, &options, &err) < 0)
        die("open", err.text);
    memcpy(c->before.spool, spool_id(sp), sizeof(c->before.spool));
    for (uint32_t i = 1; i <= OLD_RECORDS; i++)
        if (spool_append(sp, known_record(data, known_id(1, 0, i)), INT64_MAX, NULL, &err) < 0)
            die("append", err.text);
    spool_close(sp);
    make_troubled(c, directory);
}

/* The life ----------------------------------------------------------------------------------------------------------
 */

static void refuse(struct life *life, const struct err *err)
{
    size_t used = strlen(life->words);

    life->refused = true;
    snprintf(life->words + used, sizeof(life->words) - used, "%s\n", err->text);
}

/* Reads from where the reader is; gives the last number that came. */
static uint64_t read_on(struct life *life, struct spool_reader *reader, uint64_t last)
{
    struct spool_record record;
    struct err err;
    int r;

    for (int tries = 0; tries < TRIES && (r = spool_reader_next(reader, &record, &err)) != 0;) {
        if (r > 0) {
            last = record.seq;
        } else if (r != ERR_INVALID) {
            refuse(life, &err);
            tries++;
        }
    }
    return last;
}

static void append(struct life *life, struct spool *sp, uint32_t from, uint32_t to)
{
    int64_t deadline_us = clock_mono_us() + LIFE_S * INT64_C(1000000) / 4;
    char data[KNOWN_MAX_BYTES];
    struct err err;
    int tries = 0;

    for (uint32_t i = from; i < to && tries < TRIES;) {
        uint64_t seq;
        int r = spool_append(sp, known_record(data, known_id(2, 0, i + 1)), deadline_us, &seq, &err);

        if (r == 0) {
            life->false_acknowledgement = life->false_acknowledgement || atomic_load(&life->calls.writer_failed);
            life->acknowledged[i++] = seq;
            continue;
        }
        refuse(life, &err);
        if (r == ERR_FAILED)
            return;
        tries++;
        clock_sleep_ms(1);
    }
}

static void live(struct life *life, const struct spool_options *options)
{
    struct spool_reader *reader = NULL;
    struct spool *sp = NULL;
    struct err err = {0};
    uint64_t last = 0;

    if (spool_open(&sp, options, &err) < 0) {
        refuse(life, &err);
        return;
    }
    atomic_store(&life->calls.watching, true);
    sp->patience_us = 0;
    if (spool_reader_open(&reader, sp, 1, &err) < 0)
        refuse(life, &err);
    if (reader)
        last = read_on(life, reader, last);
    append(life, sp, 0, NEW_RECORDS / 2);
    if (last > 0) {
        life->released = last;
        spool_release(sp, last);
    }
    append(life, sp, NEW_RECORDS / 2, NEW_RECORDS);
    if (reader)
        read_on(life, reader, last);
    spool_reader_close(reader);
    spool_close(sp);
}

static int run_life(void *arg)
{
    struct campaign *c = arg;
    char path[PATH_MAX];
    struct spool_options options;
    int log_fd;

    snprintf(path, sizeof(path), "%s/log", c->work);
    log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log_fd < 0 || dup2(log_fd, STDERR_FILENO) < 0)
        return 2;
    close(log_fd);
    known_ledger_release(&c->before);
    alarm(LIFE_S); /* an endless wait is a crash */
    snprintf(path, sizeof(path), "%s/run", c->work);
    options = options_in(path);
    failing_calls_arm(&c->life->calls, c->fault ? c->fault->call : CALL_PREAD, c->at, c->for_good,
                      c->fault ? c->fault->error : 0);
    live(c->life, &options);
    failing_calls_disarm();
    return 0;
}

/* What must be so after it -------------------------------------------------------------------------------------------
 */

static int broken(const struct campaign *c, const char *why)
{
    fprintf(stderr, "spool_faults: %s: %s (its log: %s/log)\n", survive_where(), why, c->work);
    return 1;
}

/* The words of the refusals and the log name what failed. */
static bool told(const struct campaign *c)
{
    static char log[WORDS];
    char path[PATH_MAX];
    const char *words = c->fault->error == ENOMEM ? "memory" : strerror(c->fault->error);
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "%s/log", c->work);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : pread(fd, log, sizeof(log) - 1, 0);
    log[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return strstr(c->life->words, words) || strstr(log, words) || strstr(c->life->words, "does not give") ||
           strstr(c->life->words, "no space");
}

static int check_directory(struct campaign *c, const char *directory)
{
    struct spool_options options = options_in(directory);
    struct known_reading reading = {0};
    struct known_ledger ledger = {.released = c->life->released};
    int r;

    options.max_bytes *= 4;
    memcpy(ledger.spool, c->before.spool, sizeof(ledger.spool));
    for (uint64_t seq = 1; seq <= c->before.highest; seq++)
        if (c->before.ids[seq] != 0)
            known_ledger_tell(&ledger, seq, c->before.ids[seq]);
    for (uint32_t i = 0; i < NEW_RECORDS; i++) {
        if (c->life->acknowledged[i] == 0)
            continue;
        c->figures.acknowledged++;
        if (!known_ledger_tell(&ledger, c->life->acknowledged[i], known_id(2, 0, i + 1)))
            return broken(c, "a number was given twice");
    }
    r = known_check(&reading, &options, &ledger);
    if (r < 0)
        r = broken(c, reading.err.text);
    known_reading_release(&reading);
    known_ledger_release(&ledger);
    return r;
}

static int run_once(struct campaign *c)
{
    char command[2 * PATH_MAX + 64];
    char directory[PATH_MAX];
    int r;

    snprintf(directory, sizeof(directory), "%s/run", c->work);
    snprintf(command, sizeof(command), "rm -rf '%s' && cp -r '%s/beginning' '%s'", directory, c->work, directory);
    if (system(command) != 0)
        die("copy", directory);
    memset(c->life, 0, sizeof(*c->life));
    survive_at("%s %" PRIu64 " %s with %s", c->fault ? failing_call_name(c->fault->call) : "nothing", c->at,
               c->for_good ? "and all after" : "alone",
               !c->fault || c->fault->error == FAIL_SHORT ? "half done" : strerror(c->fault->error));
    r = survive(run_life, c);
    if (r != 0)
        return broken(c, "the spool did not end in order");
    if (c->life->false_acknowledgement)
        return broken(c, "a record was acknowledged after the writer had failed");
    if (c->fault && c->life->refused && c->fault->error != FAIL_SHORT && !told(c))
        return broken(c, "nothing says what failed");
    if (c->life->refused && (!c->fault || c->fault->error == FAIL_SHORT || c->fault->error == EINTR))
        return broken(c, c->life->words);
    c->figures.runs++;
    c->figures.hits += atomic_load(&c->life->calls.hits) > 0;
    c->figures.refused += c->life->refused;
    c->figures.not_opened += c->life->refused && !atomic_load(&c->life->calls.watching);
    return check_directory(c, directory);
}

static int run_fault(struct campaign *c, uint64_t calls)
{
    /* The threads make the count of a run vary a little: the last calls may not come. */
    for (c->at = 1 + known_below(&c->state, c->every); c->at <= calls; c->at += c->every)
        for (int for_good = 0; for_good < 2; for_good++) {
            int r;

            c->for_good = for_good;
            if (for_good && c->fault->error == EINTR)
                continue; /* nobody is interrupted for ever */
            r = run_once(c);
            if (r != 0)
                return r;
        }
    return 0;
}

static int attack(struct campaign *c)
{
    uint64_t seen[CALL_COUNT];

    make_beginning(c);
    for (int i = 0; i < 3; i++)
        if (run_once(c) != 0)
            return 2;
    for (size_t i = 0; i < CALL_COUNT; i++) {
        seen[i] = atomic_load(&c->life->calls.seen[i]);
        fprintf(stderr, "%s: %" PRIu64 " calls\n", failing_call_name((enum failing_call)i), seen[i]);
    }
    for (c->fault = faults; c->fault < faults + FAULTS; c->fault++) {
        int r = run_fault(c, seen[c->fault->call]);

        if (r != 0)
            return r;
    }
    printf("{\"kinds\": %d, \"runs\": %" PRIu64 ", \"faults_hit\": %" PRIu64 ", \"not_opened\": %" PRIu64
           ", \"refused\": %" PRIu64 ", \"acknowledged\": %" PRIu64 "}\n",
           (int)FAULTS, c->figures.runs, c->figures.hits, c->figures.not_opened, c->figures.refused,
           c->figures.acknowledged);
    return 0;
}

int main(int argc, char **argv)
{
    static struct campaign c;

    if (argc != 4) {
        fprintf(stderr, "usage: spool_faults WORK SEED EVERY\n");
        return 2;
    }
    log_configure(LOG_LOGFMT, LOG_WARN);
    c.work = argv[1];
    c.state = strtoull(argv[2], NULL, 10) * 2 + 1;
    c.every = strtoull(argv[3], NULL, 10);
    c.life = mmap(NULL, sizeof(*c.life), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c.life == MAP_FAILED || c.every == 0)
        die("no memory", "or EVERY is 0");
    return attack(&c);
}
