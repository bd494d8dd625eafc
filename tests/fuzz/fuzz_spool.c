/* Segment files of any content: what was intact in them is delivered, nothing else is, every number in between is
 * accounted for; by a reader before recovery, by recovery, by a reader after it, and by a spool that goes on from
 * there.
 *
 * Input: a byte of choices, then either steps that make segments (spool_image.h) or, with bit 0 set, a segment file as
 * it is. */
#include "spool_image.h"

#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <sys/stat.h>

enum { RAW = 1, RAW_WITH_HEADER = 2, GO_ON = 4 };

/* Syncs cost time and prove nothing here. */
static int no_sync(const struct spool_io *io, int fd)
{
    (void)io;
    (void)fd;
    return 0;
}

static struct spool_io quick_io(void)
{
    struct spool_io io = spool_io_system;

    io.fdatasync = io.fsync = no_sync;
    return io;
}

/* The directory -------------------------------------------------------------------------------------------------- */

static char directory[64];
static int directory_fd = -1;

static void empty_directory(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    for (const struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlinkat(fd, e->d_name, 0) < 0) {
            empty_directory(fd, e->d_name);
            unlinkat(fd, e->d_name, AT_REMOVEDIR);
        }
    if (dir)
        closedir(dir);
}

static void leave(void)
{
    empty_directory(directory_fd, ".");
    rmdir(directory);
}

static void use_directory(void)
{
    if (directory_fd < 0) {
        log_configure(LOG_LOGFMT, LOG_ERROR);
        snprintf(directory, sizeof(directory), "%s/fuzz-spool-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        MUST(mkdtemp(directory));
        directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        MUST(directory_fd >= 0);
        atexit(leave);
    }
    empty_directory(directory_fd, ".");
}

/* The ledger ------------------------------------------------------------------------------------------------------ */

struct account {
    const struct image *image;
    uint64_t seen_upto; /* delivered or reported */
};

static void check_record(struct account *account, const struct spool_record *record)
{
    const struct image *im = account->image;
    char data[IMAGE_RECORD];

    MUST(record->seq > account->seen_upto && record->seq < im->next_seq);
    for (uint64_t seq = account->seen_upto + 1; seq < record->seq; seq++)
        MUST(im->fate[seq] == FATE_USED_UP);
    MUST(im->fate[record->seq] == FATE_INTACT);
    MUST(span_equal(record->data, image_record(record->seq, im->len[record->seq], data)));
    MUST(record->appended_us == (int64_t)record->seq * 1000);
    account->seen_upto = record->seq;
}

/* *first is the first number reported, read from the words an operator sees. */
static void check_damage(struct account *account, const struct spool_record *record, const struct err *err)
{
    const struct image *im = account->image;
    unsigned long long first = 0, last = 0;

    MUST(sscanf(err->text, "spool records %llu to %llu", &first, &last) == 2);
    MUST(last == record->seq && first <= last && first > account->seen_upto && last < im->next_seq);
    for (uint64_t seq = account->seen_upto + 1; seq < first; seq++)
        MUST(im->fate[seq] == FATE_USED_UP);
    for (uint64_t seq = first; seq <= last; seq++)
        MUST(im->fate[seq] == FATE_LOST);
    account->seen_upto = last;
}

static void read_all(const struct image *im, struct spool *sp, uint64_t upto)
{
    struct account account = {.image = im};
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct err err;
    int r;

    MUST((sp ? spool_reader_open(&reader, sp, 1, &err) : spool_reader_open_directory(&reader, directory, 1, &err)) ==
         0);
    while ((r = spool_reader_next(reader, &record, &err)) != 0) {
        MUST(r == 1 || r == ERR_INVALID);
        if (r == 1 && record.seq > upto) /* what was appended here */
            break;
        if (r == 1)
            check_record(&account, &record);
        else
            check_damage(&account, &record, &err);
    }
    MUST(account.seen_upto >= im->last_intact);
    spool_reader_close(reader);
}

static uint64_t recover_image(const struct image *im)
{
    static struct age age;
    struct spool_io io = quick_io();
    struct segment_list list = {0};
    struct recovery recovery = {.tail_fd = -1};
    uint64_t intact = 0;
    struct err err;

    for (uint64_t seq = 1; seq < im->next_seq; seq++)
        intact += im->fate[seq] == FATE_INTACT;
    age_init(&age);
    MUST(directory_list(directory_fd, &list, &err) == 0 && list.count == im->segments);
    MUST(recover(&recovery, &io, directory_fd, &list, &im->id, &age, &err) == 0);
    MUST(recovery.records == intact && recovery.last_seq == im->last_intact);
    MUST(recovery.next_seq > im->last_intact && (im->skipped || recovery.next_seq >= im->next_seq));
    if (recovery.tail_fd >= 0)
        close(recovery.tail_fd);
    free(recovery.kept.items);
    segment_list_release(&list);
    return recovery.next_seq;
}

static void go_on(const struct image *im, uint64_t next_seq)
{
    const struct spool_options options = {directory, 1 << 20, 4096};
    struct spool_io io = quick_io();
    struct spool *sp = NULL;
    uint64_t seq = 0;
    struct err err;

    MUST(spool_open_io(&sp, &options, &io, &err) == 0);
    MUST(spool_append(sp, SPAN("one more"), clock_mono_us() + 60 * 1000000, &seq, &err) == 0);
    MUST(seq == next_seq);
    read_all(im, sp, seq - 1);
    spool_close(sp);
}

static void try_image(const uint8_t *data, size_t size)
{
    static struct image image;
    uint64_t next_seq;

    memset(&image, 0, sizeof(image));
    image.dir_fd = directory_fd;
    image_make(&image, data, size);
    MUST(directory_write_id(&spool_io_system, directory_fd, &image.id, NULL) == 0);
    read_all(&image, NULL, IMAGE_NUMBERS);
    next_seq = recover_image(&image);
    read_all(&image, NULL, IMAGE_NUMBERS);
    MUST(recover_image(&image) == next_seq); /* a second time there is nothing to do */
    if (data[0] & GO_ON)
        go_on(&image, next_seq);
}

/* A file nobody of us wrote: refused or read, by both in bounded time. */
static void try_raw(const uint8_t *data, size_t size)
{
    static struct age age;
    static const struct spool_uuid id = {"an id of sixteen"};
    struct spool_io io = quick_io();
    struct segment_list list = {0};
    struct recovery recovery = {.tail_fd = -1};
    struct spool_reader *reader = NULL;
    struct spool_record record;
    uint64_t last = 0;
    char name[NAME_BYTES];
    struct err err;
    int fd, r;

    segment_name(name, 1);
    fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
    if (data[0] & RAW_WITH_HEADER)
        MUST(segment_write_header(&io, fd, &id, 1, size) == 0);
    close(fd);
    MUST(directory_write_id(&spool_io_system, directory_fd, &id, NULL) == 0);
    MUST(spool_reader_open_directory(&reader, directory, 1, &err) == 0);
    while ((r = spool_reader_next(reader, &record, &err)) == 1 || r == ERR_INVALID) {
        MUST(record.seq > last);
        last = record.seq;
    }
    MUST(r == 0 || r == ERR_USAGE);
    spool_reader_close(reader);
    age_init(&age);
    MUST(directory_list(directory_fd, &list, &err) == 0);
    if (recover(&recovery, &io, directory_fd, &list, &id, &age, &err) == 0) {
        MUST(recovery.next_seq > last);
        if (recovery.tail_fd >= 0)
            close(recovery.tail_fd);
        free(recovery.kept.items);
    }
    segment_list_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    use_directory();
    if (data[0] & RAW)
        try_raw(data, size);
    else
        try_image(data, size);
    return 0;
}
