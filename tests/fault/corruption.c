/* corruption.c - a spool whose every byte is known, damaged in every way, and held against what it gives back.
 *
 *   corruption WORK SEED CASES [CHATSLUICE EVERY]
 *
 * A case damages one to three places: a bit, a stretch of up to some kilobytes (noise, zeros or ones), the end of a
 * file, a whole file; segments mostly, spool.id now and then. Which records that touches is known byte by byte. Then:
 *   - read as a directory (which is what `chatsluice spool verify` does): every untouched record is there, no touched
 *     one, and the touched ones are inside the ranges reported - but those nobody can know of: segments gone before the
 *     oldest or behind the newest one there is, and the end of the newest segment, where the reader's notes must tell;
 *   - opened: the same, and the spool goes on under numbers that no record had (known_check);
 *   - every EVERYth: CHATSLUICE spool verify says the same figures, and ends with 1 where there is something to tell.
 *
 * Prints one JSON line. Status 1: a promise was broken, the directory is WORK/case; 2: the run is void. */
#include "known_records.h"
#include "survive.h"

#include "base/log.h"
#include "spool/spool_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RECORDS = 150, SEGMENT = 16 * 1024, MAX_FILES = 64, MAX_PLACES = 3, MAX_STRETCH = 6000 };

struct file {
    char name[256];
    uint64_t first_seq; /* 0: not a segment */
    char whole[SEGMENT], now[SEGMENT];
    size_t whole_len, now_len;
    bool gone;
};

struct place {
    struct file *file;
    size_t from, end; /* of the record, without what fills it up to 8 bytes */
};

struct corruption {
    const char *work, *program;
    uint64_t state, cases, verify_every;
    struct spool_options options;
    struct file files[MAX_FILES]; /* the segments first, in order */
    size_t file_count, segment_count;
    struct place places[RECORDS + 1]; /* by number */
    bool touched[RECORDS + 1];
    struct {
        uint64_t points, flips, stretches, truncations, deletions;
        uint64_t touched, reported, ranges, untold, unknown_id, verified;
    } figures;
};

static void die(const char *why, const char *what)
{
    fprintf(stderr, "corruption: %s: %s\n", why, what);
    exit(2);
}

static int broken(const char *why, uint64_t seq)
{
    fprintf(stderr, "corruption: %s: %s", survive_where(), why);
    if (seq > 0)
        fprintf(stderr, " (number %" PRIu64 ")", seq);
    fprintf(stderr, "\n");
    return 1;
}

/* The whole spool -------------------------------------------------------------------------------------------------- */

static void fill(const struct corruption *c, const char *directory)
{
    struct spool_options options = c->options;
    char data[KNOWN_MAX_BYTES];
    struct spool *sp;
    struct err err = {0};
    uint64_t seq = 0;

    options.directory = directory;
    if (spool_open(&sp, &options, &err) < 0)
        die("open", err.text);
    for (uint32_t i = 1; i <= RECORDS; i++)
        if (spool_append(sp, known_record(data, known_id(1, 0, i)), INT64_MAX, &seq, &err) < 0 || seq != i)
            die("append", err.text);
    spool_close(sp);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void load(struct corruption *c, const char *directory)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;

    if (!dir)
        die("list", directory);
    while ((entry = readdir(dir))) {
        struct file *f = &c->files[c->file_count];
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (entry->d_name[0] == '.' || c->file_count == MAX_FILES) {
            close(fd);
            continue;
        }
        snprintf(f->name, sizeof(f->name), "%s", entry->d_name);
        f->first_seq = strtoull(entry->d_name, NULL, 10);
        n = pread(fd, f->whole, sizeof(f->whole), 0);
        if (n < 0)
            die("read", entry->d_name);
        f->whole_len = (size_t)n;
        close(fd);
        c->segment_count += f->first_seq > 0;
        c->file_count++;
    }
    closedir(dir);
    qsort(c->files, c->file_count, sizeof(c->files[0]), by_name); /* digits before letters */
}

/* Where each record lies, checked against the bytes that are there. */
static void lay_out(struct corruption *c)
{
    struct file *f = c->files - 1;
    char data[KNOWN_MAX_BYTES];
    size_t pos = 0;

    for (uint32_t seq = 1; seq <= RECORDS; seq++) {
        struct span record = known_record(data, known_id(1, 0, seq));

        if (f + 1 < c->files + c->segment_count && f[1].first_seq == seq) {
            f++;
            pos = SEGMENT_HEADER_BYTES;
        }
        c->places[seq] = (struct place){f, pos, pos + RECORD_HEADER_BYTES + record.len};
        if (c->places[seq].end > f->whole_len ||
            memcmp(f->whole + pos + RECORD_HEADER_BYTES, record.data, record.len) != 0)
            die("a record is not where it should be", f->name);
        pos += record_bytes(record.len);
    }
    if (c->segment_count < 4)
        die("too few segments", c->work);
}

/* Damage ------------------------------------------------------------------------------------------------------------
 */

static void damage_stretch(struct corruption *c, struct file *f, size_t at)
{
    size_t len = 1 + known_below(&c->state, known_below(&c->state, 2) ? 64 : MAX_STRETCH);
    uint64_t how = known_below(&c->state, 4);

    for (size_t i = at; i < at + len && i < f->now_len; i++)
        f->now[i] = (char)(how == 0 ? 0 : how == 1 ? 0xff : (int)known_random(&c->state));
    c->figures.stretches++;
}

static void damage_once(struct corruption *c)
{
    bool id = known_below(&c->state, 20) == 0;
    struct file *f = &c->files[id ? c->segment_count : known_below(&c->state, c->segment_count)];
    size_t at;

    if (f->gone || f->now_len == 0)
        return;
    at = known_below(&c->state, 8) == 0 ? known_below(&c->state, 64) : known_below(&c->state, f->now_len);
    at %= f->now_len;
    switch (known_below(&c->state, 8)) {
    case 0:
        f->gone = true;
        c->figures.deletions++;
        break;
    case 1:
        f->now_len = at;
        c->figures.truncations++;
        break;
    case 2:
    case 3:
    case 4:
        damage_stretch(c, f, at);
        break;
    default:
        f->now[at] = (char)(f->now[at] ^ 1 << known_below(&c->state, 8));
        c->figures.flips++;
    }
}

static void damage(struct corruption *c)
{
    for (size_t i = 0; i < c->file_count; i++) {
        struct file *f = &c->files[i];

        memcpy(f->now, f->whole, f->whole_len);
        f->now_len = f->whole_len;
        f->gone = false;
    }
    for (uint64_t places = 1 + known_below(&c->state, MAX_PLACES); places > 0; places--)
        damage_once(c);
    for (uint64_t seq = 1; seq <= RECORDS; seq++) {
        const struct place *p = &c->places[seq];

        c->touched[seq] = p->file->gone || p->end > p->file->now_len ||
                          memcmp(p->file->now + p->from, p->file->whole + p->from, p->end - p->from) != 0;
        c->figures.touched += c->touched[seq];
    }
}

static void write_out(const struct corruption *c, const char *directory)
{
    char command[PATH_MAX + 16];
    int dir_fd;

    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    if (access(directory, F_OK) == 0 && system(command) != 0)
        die("remove", directory);
    if (mkdir(directory, 0700) < 0)
        die("make", directory);
    dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < c->file_count; i++) {
        const struct file *f = &c->files[i];
        int fd;

        if (f->gone)
            continue;
        fd = openat(dir_fd, f->name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || pwrite(fd, f->now, f->now_len, 0) != (ssize_t)f->now_len)
            die("write", f->name);
        close(fd);
    }
    close(dir_fd);
}

/* What must be found ------------------------------------------------------------------------------------------------
 */

static bool header_intact(const struct file *f)
{
    return !f->gone && f->now_len >= SEGMENT_HEADER_BYTES && memcmp(f->now, f->whole, SEGMENT_HEADER_BYTES) == 0;
}

static bool id_known(const struct corruption *c)
{
    const struct file *id = &c->files[c->segment_count];
    bool known = !id->gone && id->now_len >= SPOOL_ID_TEXT - 1 && memcmp(id->now, id->whole, SPOOL_ID_TEXT - 1) == 0;

    for (size_t i = 0; i < c->segment_count; i++)
        known = known || header_intact(&c->files[i]);
    return known;
}

/* The oldest and the newest segment that are there; false: none. */
static bool find_ends(const struct corruption *c, const struct file **oldest, const struct file **newest)
{
    *oldest = *newest = NULL;
    for (size_t i = 0; i < c->segment_count; i++) {
        if (c->files[i].gone)
            continue;
        if (!*oldest)
            *oldest = &c->files[i];
        *newest = &c->files[i];
    }
    return *oldest;
}

/* The last record that is whole, or 0; behind it only the notes can tell. */
static uint64_t last_untouched(const struct corruption *c)
{
    for (uint64_t seq = RECORDS; seq > 0; seq--)
        if (!c->touched[seq])
            return seq;
    return 0;
}

/* Zeros are as if never written: the newest segment seems written up to here. All of it, when its header or its size
 * tells that something is wrong. */
static size_t seems_written_upto(const struct file *newest)
{
    size_t end = newest->now_len;

    if (newest->now_len != newest->whole_len || !header_intact(newest))
        return newest->whole_len;
    while (end > 0 && newest->now[end - 1] == 0)
        end--;
    return end;
}

/* Nothing but zeros behind the last whole record. */
static bool tail_looks_unwritten(const struct corruption *c, const struct file *newest)
{
    uint64_t last = last_untouched(c);

    return seems_written_upto(newest) <=
           (last >= newest->first_seq ? c->places[last].end : (size_t)SEGMENT_HEADER_BYTES);
}

/* The last number that must not come again: of the last record of which the newest segment has as much as a byte. */
static uint64_t last_number_taken(const struct corruption *c, const struct file *newest)
{
    size_t end = seems_written_upto(newest);

    for (uint64_t seq = RECORDS; seq > 0; seq--)
        if (c->places[seq].file < newest || (c->places[seq].file == newest && c->places[seq].from < end))
            return seq;
    return 0;
}

static int expect_found(struct corruption *c, const struct known_reading *reading, const struct file *oldest,
                        const struct file *newest, const struct spool_reader_notes *notes)
{
    bool tail_told = !notes || notes->tail_to > 0 || notes->damaged_headers > 0 || notes->short_segments > 0 ||
                     tail_looks_unwritten(c, newest);
    uint64_t last = last_untouched(c);
    size_t at = 0;

    for (uint64_t seq = 1; seq <= RECORDS; seq++) {
        const struct file *f = c->places[seq].file;
        bool reported = known_reading_reports(reading, seq);
        bool delivered;

        while (at < reading->count && reading->items[at].seq < seq)
            at++;
        delivered = at < reading->count && reading->items[at].seq == seq &&
                    reading->items[at].id == known_id(1, 0, (uint32_t)seq); /* or the check's own, in its place */
        if (delivered == c->touched[seq])
            return broken(c->touched[seq] ? "a damaged record was delivered" : "an intact record is missing", seq);
        if (!c->touched[seq] && reported)
            return broken("an intact record was reported as damaged", seq);
        if (!c->touched[seq] || f < oldest || f > newest)
            continue;
        if (!reported && f < newest)
            return broken("a damaged record was not reported", seq);
        if (!reported && seq < last)
            return broken("a damaged record with an intact one behind it was not reported", seq);
        if (!reported && !tail_told)
            return broken("nothing tells of a damaged record at the end", seq);
        c->figures.reported += reported;
        c->figures.untold += !reported;
    }
    return 0;
}

static int expect_verify(struct corruption *c, const char *directory, const struct known_reading *reading,
                         bool something_to_tell)
{
    char command[2 * PATH_MAX];
    size_t records = 0, stretches = 0;
    FILE *output;
    int fields, status;

    snprintf(command, sizeof(command), "'%s' spool verify --directory '%s' 2>/dev/null", c->program, directory);
    output = popen(command, "re");
    if (!output)
        die("run", command);
    fields = fscanf(output, "%zu records read, %zu damaged stretches", &records, &stretches);
    status = pclose(output);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        return broken("chatsluice spool verify crashed", 0);
    if (fields != 2 || records != reading->count || stretches != reading->range_count)
        return broken("chatsluice spool verify counts otherwise", 0);
    if ((WEXITSTATUS(status) != 0) != something_to_tell)
        return broken("chatsluice spool verify ended with the wrong status", 0);
    c->figures.verified++;
    return 0;
}

/* One case ----------------------------------------------------------------------------------------------------------
 */

static int look_at_directory(struct corruption *c, const char *directory, const struct file *oldest,
                             const struct file *newest)
{
    struct known_reading reading = {0};
    struct spool_reader_notes notes;
    int r = known_read_noting(&reading, NULL, directory, &notes);

    if (r < 0)
        r = broken(reading.err.text, 0);
    else
        r = expect_found(c, &reading, oldest, newest, &notes);
    c->figures.ranges += reading.range_count;
    if (r == 0 && c->program && c->figures.points % c->verify_every == 0)
        r = expect_verify(c, directory, &reading,
                          reading.range_count > 0 || notes.tail_to > 0 || notes.damaged_headers > 0 ||
                              notes.short_segments > 0);
    known_reading_release(&reading);
    return r;
}

static int open_it(struct corruption *c, const char *directory, const struct file *oldest, const struct file *newest)
{
    struct spool_options options = c->options;
    struct known_ledger ledger = {0};
    struct known_reading reading = {0};
    uint64_t taken;
    int r;

    options.directory = directory;
    for (uint64_t seq = 1; seq <= RECORDS; seq++)
        if (!c->touched[seq])
            known_ledger_tell(&ledger, seq, known_id(1, 0, (uint32_t)seq));
    taken = last_number_taken(c, newest);
    if (taken > ledger.highest)
        known_ledger_tell(&ledger, taken, 0);
    r = known_check(&reading, &options, &ledger);
    r = r < 0 ? broken(reading.err.text, 0) : expect_found(c, &reading, oldest, newest, NULL);
    known_reading_release(&reading);
    known_ledger_release(&ledger);
    return r;
}

static int expect_unknown(const struct corruption *c, const char *directory)
{
    struct spool_options options = c->options;
    struct spool *sp = NULL;

    options.directory = directory;
    return spool_open(&sp, &options, NULL) == ERR_NOT_FOUND ? 0 : broken("opened without knowing its id", 0);
}

static int try_case(struct corruption *c)
{
    const struct file *oldest, *newest;
    char directory[PATH_MAX];
    int r;

    survive_at("case %" PRIu64 ", read", c->figures.points);
    snprintf(directory, sizeof(directory), "%s/case", c->work);
    damage(c);
    write_out(c, directory);
    if (!find_ends(c, &oldest, &newest)) {
        r = 0;
    } else if (!id_known(c)) {
        c->figures.unknown_id++;
        r = expect_unknown(c, directory);
    } else {
        r = look_at_directory(c, directory, oldest, newest);
        survive_at("case %" PRIu64 ", opened", c->figures.points);
        if (r == 0)
            r = open_it(c, directory, oldest, newest);
    }
    c->figures.points++;
    return r;
}

static int attack(void *arg)
{
    struct corruption *c = arg;
    char whole[PATH_MAX];

    snprintf(whole, sizeof(whole), "%s/whole", c->work);
    survive_at("the making of the spool");
    fill(c, whole);
    load(c, whole);
    lay_out(c);
    while (c->figures.points < c->cases) {
        int r = try_case(c);

        if (r != 0)
            return r;
    }
    printf("{\"cases\": %" PRIu64 ", \"bit_flips\": %" PRIu64 ", \"stretches\": %" PRIu64 ", \"truncations\": %" PRIu64
           ", \"deletions\": %" PRIu64 ", \"records_damaged\": %" PRIu64 ", \"reported_by_range\": %" PRIu64
           ", \"at_the_end\": %" PRIu64 ", \"ranges\": %" PRIu64 ", \"id_unknown\": %" PRIu64
           ", \"verify_runs\": %" PRIu64 "}\n",
           c->figures.points, c->figures.flips, c->figures.stretches, c->figures.truncations, c->figures.deletions,
           c->figures.touched, c->figures.reported / 2, c->figures.untold / 2, c->figures.ranges, c->figures.unknown_id,
           c->figures.verified);
    return 0;
}

int main(int argc, char **argv)
{
    static struct corruption c = {.options = {.max_bytes = 16 << 20, .segment_bytes = SEGMENT}};

    if (argc != 4 && argc != 6) {
        fprintf(stderr, "usage: corruption WORK SEED CASES [CHATSLUICE EVERY]\n");
        return 2;
    }
    log_configure(LOG_LOGFMT, LOG_ERROR);
    c.work = argv[1];
    c.state = strtoull(argv[2], NULL, 10) * 2 + 1;
    c.cases = strtoull(argv[3], NULL, 10);
    if (argc == 6) {
        c.program = argv[4];
        c.verify_every = strtoull(argv[5], NULL, 10);
    }
    if (c.program && c.verify_every == 0)
        return 2;
    return survive(attack, &c);
}
