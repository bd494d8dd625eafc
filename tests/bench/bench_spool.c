/* bench_spool THREADS RECORD_BYTES SECONDS [DIRECTORY]: what group commit costs.
 *
 * First a plain loop of pwrite and fdatasync on a file of zeros in the same directory, then THREADS threads that append
 * as fast as they are answered. Prints records/s, latency, and context switches; a ratio says more than a rate. */
#include "base/clock.h"
#include "base/log.h"
#include "spool/spool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    MAX_THREADS = 1024,
    MAX_SAMPLES = 1 << 20,
    PLAIN_BYTES = 64 * 1024 * 1024,
};

struct bench {
    struct spool *spool;
    struct span record;
    int64_t until_us;
};

struct bench_thread {
    pthread_t thread;
    struct bench *bench;
    uint64_t appended;
    uint32_t *samples_us;
    size_t samples;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int compare_samples(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double plain_loop(const char *directory, struct span record, int64_t seconds)
{
    static char zeros[1024 * 1024];
    char path[512];
    off_t pos = 0;
    uint64_t written = 0;
    int64_t started_us;
    int64_t now_us;
    int fd;

    snprintf(path, sizeof(path), "%s/plain", directory);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path);
    for (off_t at = 0; at < PLAIN_BYTES; at += (off_t)sizeof(zeros))
        if (pwrite(fd, zeros, sizeof(zeros), at) != (ssize_t)sizeof(zeros))
            die(path);
    if (fsync(fd) < 0)
        die(path);
    started_us = clock_mono_us();
    do {
        if (pwrite(fd, record.data, record.len, pos) != (ssize_t)record.len || fdatasync(fd) < 0)
            die(path);
        pos = (pos + (off_t)record.len) % (PLAIN_BYTES - (off_t)record.len);
        written++;
        now_us = clock_mono_us();
    } while (now_us - started_us < seconds * 1000000);
    close(fd);
    unlink(path);
    return (double)written * 1e6 / (double)(now_us - started_us);
}

static void *append_main(void *arg)
{
    struct bench_thread *t = arg;
    int64_t now_us = clock_mono_us();

    while (now_us < t->bench->until_us) {
        struct err err;
        int64_t done_us;

        if (spool_append(t->bench->spool, t->bench->record, now_us + 10 * 1000000, NULL, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        done_us = clock_mono_us();
        if (t->samples < MAX_SAMPLES)
            t->samples_us[t->samples++] = (uint32_t)(done_us - now_us);
        t->appended++;
        now_us = done_us;
    }
    return NULL;
}

static void *release_main(void *arg)
{
    struct bench *bench = arg;
    struct spool_status status;

    while (clock_mono_us() < bench->until_us) {
        spool_get_status(bench->spool, &status);
        spool_release(bench->spool, status.durable_seq);
        clock_sleep_ms(100);
    }
    return NULL;
}

static void run(struct bench *bench, size_t threads, int64_t seconds, double plain)
{
    struct bench_thread *t = calloc(threads, sizeof(*t));
    uint32_t *all = malloc(threads * MAX_SAMPLES * sizeof(*all));
    pthread_t releaser;
    struct rusage before, after;
    uint64_t appended = 0;
    size_t samples = 0;
    double rate;

    if (!t || !all)
        die("memory");
    getrusage(RUSAGE_SELF, &before);
    bench->until_us = clock_mono_us() + seconds * 1000000;
    pthread_create(&releaser, NULL, release_main, bench);
    for (size_t i = 0; i < threads; i++) {
        t[i].bench = bench;
        t[i].samples_us = all + i * MAX_SAMPLES;
        pthread_create(&t[i].thread, NULL, append_main, &t[i]);
    }
    for (size_t i = 0; i < threads; i++) {
        pthread_join(t[i].thread, NULL);
        appended += t[i].appended;
        memmove(all + samples, t[i].samples_us, t[i].samples * sizeof(*all));
        samples += t[i].samples;
    }
    pthread_join(releaser, NULL);
    getrusage(RUSAGE_SELF, &after);
    qsort(all, samples, sizeof(*all), compare_samples);
    rate = (double)appended / (double)seconds;
    printf(
        "threads=%zu bytes=%zu plain_per_s=%.0f records_per_s=%.0f ratio=%.2f p50_us=%" PRIu32 " p99_us=%" PRIu32
        " max_us=%" PRIu32 " voluntary_switches_per_record=%.2f cpu=%.2f\n",
        threads, bench->record.len, plain, rate, rate / plain, all[samples / 2], all[samples / 100 * 99],
        all[samples - 1], (double)(after.ru_nvcsw - before.ru_nvcsw) / (double)appended,
        ((double)(after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec - before.ru_stime.tv_sec) +
         (double)(after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec - before.ru_stime.tv_usec) /
             1e6) /
            (double)seconds);
    free(all);
    free(t);
}

int main(int argc, char **argv)
{
    long threads = argc > 1 ? atol(argv[1]) : 0;
    long bytes = argc > 2 ? atol(argv[2]) : 0;
    long seconds = argc > 3 ? atol(argv[3]) : 0;
    char directory[256];
    char command[300];
    struct bench bench = {0};
    struct spool_options options = {directory, (uint64_t)1 << 30, (uint64_t)64 << 20};
    struct err err;
    char *data;
    double plain;

    if (threads < 1 || threads > MAX_THREADS || bytes < 1 || bytes > SPOOL_MAX_RECORD || seconds < 1) {
        fprintf(stderr, "usage: bench_spool THREADS RECORD_BYTES SECONDS [DIRECTORY]\n");
        return 2;
    }
    snprintf(directory, sizeof(directory), "%s/bench-spool-XXXXXX", argc > 4 ? argv[4] : ".");
    data = malloc((size_t)bytes);
    if (!data || !mkdtemp(directory))
        die(directory);
    memset(data, 'x', (size_t)bytes);
    bench.record = (struct span){data, (size_t)bytes};
    log_configure(LOG_LOGFMT, LOG_WARN);
    plain = plain_loop(directory, bench.record, seconds);
    if (spool_open(&bench.spool, &options, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (spool_append(bench.spool, bench.record, INT64_MAX, NULL, &err) < 0) /* the first segment is there now */
        return 1;
    run(&bench, (size_t)threads, seconds, plain);
    spool_close(bench.spool);
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    free(data);
    return system(command) == 0 ? 0 : 1;
}
