/* One segment file.
 *
 * Named after the sequence number it begins with, 20 digits and ".segment", and made full of zeros before its first
 * use, so that a commit changes no metadata. All numbers are little-endian.
 *
 *   header   0  8  "CSLSPOOL"
 *            8  4  format version, 1
 *           12  4  CRC-32C of the header's 64 bytes with this field zero
 *           16 16  id of the spool (UUID)
 *           32  8  first sequence number, as in the name
 *           40  8  size of the file
 *           48  8  when it was put to use, microseconds since 1970
 *           56  8  zero
 *   Other versions keep the first four fields where they are.
 *
 *   record   0  4  length of the data, 1 to 4 MiB; 0: a mark
 *            4  4  CRC-32C of: the data; bytes 0-3 and 8-23 of this; the segment's salt (4 bytes)
 *            8  8  sequence number, one more than that of the record before it
 *           16  8  when it was appended, microseconds since 1970; of a mark: the first number used up
 *           24     the data, then zeros to a multiple of 8
 *
 *   The first record follows the header. Behind the last one all is zero: length 0 with sequence number 0 is no mark.
 *
 *   A mark is left by recovery where it cut off a torn tail. The numbers up to the mark's own are used up: some may
 *   have been given to records that were lost with the tail, so they must not come again.
 *
 *   The salt is the CRC-32C of the spool's id and the first sequence number. It is not stored beside the records, and
 *   who sends us messages does not know it: no message can hold bytes that pass for a record when recovery searches
 *   behind damage. Nor can a record left over from another segment. */
#include "spool/spool_priv.h"

#include "base/clock.h"
#include "spool/crc32c.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = {'C', 'S', 'L', 'S', 'P', 'O', 'O', 'L'};

enum {
    FORMAT_VERSION = 1,
    WINDOW_BYTES = 256 * 1024,
    FIRST_READ_BYTES = 8 * 1024, /* after cursor_forget(): a reader at the tail asks for little, and often */
    PAGE_BYTES = 4096,           /* what the kernel reads at least: where that fails, it fails as a whole */
};

/* No stretch of one segment can make the numbers jump further than this: a cheap sieve before the checksum. */
#define MAX_JUMP ((uint64_t)1 << 32)

static void put32(char *out, uint32_t n)
{
    n = htole32(n);
    memcpy(out, &n, sizeof(n));
}

static void put64(char *out, uint64_t n)
{
    n = htole64(n);
    memcpy(out, &n, sizeof(n));
}

static uint32_t get32(const char *in)
{
    uint32_t n;

    memcpy(&n, in, sizeof(n));
    return le32toh(n);
}

static uint64_t get64(const char *in)
{
    uint64_t n;

    memcpy(&n, in, sizeof(n));
    return le64toh(n);
}

/* Header ------------------------------------------------------------------------------------------------------- */

void segment_name(char name[NAME_BYTES], uint64_t first_seq)
{
    snprintf(name, NAME_BYTES, "%020" PRIu64 ".segment", first_seq);
}

uint32_t segment_salt(const struct spool_uuid *id, uint64_t first_seq)
{
    char seed[ID_BYTES + 8];

    memcpy(seed, id->bytes, ID_BYTES);
    put64(seed + ID_BYTES, first_seq);
    return crc32c(0, seed, sizeof(seed));
}

static uint32_t header_crc(const char *header)
{
    char zeroed[SEGMENT_HEADER_BYTES];

    memcpy(zeroed, header, sizeof(zeroed));
    put32(zeroed + 12, 0);
    return crc32c(0, zeroed, sizeof(zeroed));
}

static bool header_intact(const char *header)
{
    return memcmp(header, magic, sizeof(magic)) == 0 && get32(header + 12) == header_crc(header);
}

int segment_write_header(const struct spool_io *io, int fd, const struct spool_uuid *id, uint64_t first_seq,
                         uint64_t file_bytes)
{
    char header[SEGMENT_HEADER_BYTES] = {0};

    memcpy(header, magic, sizeof(magic));
    put32(header + 8, FORMAT_VERSION);
    memcpy(header + 16, id->bytes, ID_BYTES);
    put64(header + 32, first_seq);
    put64(header + 40, file_bytes);
    put64(header + 48, (uint64_t)clock_wall_us());
    put32(header + 12, header_crc(header));
    return write_fully(io, fd, header, sizeof(header), 0);
}

/* Checks what an intact header says; a damaged one is only noted: the name and the id suffice to read the records. */
static int check_header(struct segment *segment, const char *header, const struct spool_uuid *id, const char *name,
                        struct err *err)
{
    segment->damaged_header = !header_intact(header);
    segment->cut_short = segment->damaged_header;
    segment->made_bytes = SPOOL_MAX_SEGMENT;
    if (segment->damaged_header)
        return 0;
    if (get32(header + 8) != FORMAT_VERSION)
        return err_set(err, ERR_USAGE,
                       "spool segment \"%s\" has format version %" PRIu32 ", this program knows version %d: load it "
                       "with the program that wrote it, or give another spool directory",
                       name, get32(header + 8), FORMAT_VERSION);
    if (memcmp(header + 16, id->bytes, ID_BYTES) != 0)
        return err_set(err, ERR_USAGE, "spool segment \"%s\" belongs to another spool: move it out of the directory",
                       name);
    if (get64(header + 32) != segment->first_seq)
        return err_set(err, ERR_USAGE, "spool segment \"%s\" was renamed: it begins with number %" PRIu64, name,
                       get64(header + 32));
    segment->made_bytes = get64(header + 40);
    segment->cut_short = segment->file_bytes != segment->made_bytes;
    return 0;
}

int segment_open(struct segment *out, const struct spool_io *io, int dir_fd, uint64_t first_seq,
                 const struct spool_uuid *id, int flags, struct err *err)
{
    struct segment segment = {.io = io, .first_seq = first_seq, .salt = segment_salt(id, first_seq)};
    char header[SEGMENT_HEADER_BYTES] = {0};
    char name[NAME_BYTES];
    struct stat st;
    ssize_t n;
    int r;

    segment_name(name, first_seq);
    segment.fd = openat(dir_fd, name, flags | O_CLOEXEC);
    if (segment.fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, "could not open spool segment \"%s\"",
                             name);
    n = read_fully(io, segment.fd, header, sizeof(header), 0);
    segment.unreadable_header = n < 0 && read_failed_for_good(errno);
    if ((n < 0 && !segment.unreadable_header) || fstat(segment.fd, &st) < 0) {
        r = err_set_errno(err, ERR_FAILED, "could not read spool segment \"%s\"", name);
        goto fail;
    }
    if (segment.unreadable_header)
        memset(header, 0, sizeof(header)); /* no less is known than of a damaged one */
    segment.file_bytes = (uint64_t)st.st_size;
    r = check_header(&segment, header, id, name, err);
    if (r < 0)
        goto fail;
    *out = segment;
    return 0;
fail:
    close(segment.fd);
    return r;
}

int segment_read_id(const struct spool_io *io, int dir_fd, uint64_t first_seq, struct spool_uuid *out)
{
    char header[SEGMENT_HEADER_BYTES];
    char name[NAME_BYTES];
    int number;
    ssize_t n;
    int fd;

    segment_name(name, first_seq);
    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read_fully(io, fd, header, sizeof(header), 0);
    number = errno;
    close(fd);
    errno = number;
    if (n < 0)
        return -1;
    if (n < SEGMENT_HEADER_BYTES || !header_intact(header))
        return 0;
    memcpy(out->bytes, header + 16, ID_BYTES);
    return 1;
}

/* Records ------------------------------------------------------------------------------------------------------ */

static uint32_t record_crc(const char *head, uint32_t data_crc, uint32_t salt)
{
    char rest[RECORD_HEADER_BYTES];

    memcpy(rest, head, 4);
    memcpy(rest + 4, head + 8, 16);
    put32(rest + 20, salt);
    return crc32c(data_crc, rest, sizeof(rest));
}

static void encode_head(char *out, size_t len, uint32_t data_crc, uint64_t seq, uint64_t last_field, uint32_t salt)
{
    put32(out, (uint32_t)len);
    put64(out + 8, seq);
    put64(out + 16, last_field);
    put32(out + 4, record_crc(out, data_crc, salt));
}

void record_encode(char *out, struct span data, uint32_t data_crc, uint64_t seq, int64_t appended_us, uint32_t salt)
{
    size_t end = RECORD_HEADER_BYTES + data.len;

    encode_head(out, data.len, data_crc, seq, (uint64_t)appended_us, salt);
    memcpy(out + RECORD_HEADER_BYTES, data.data, data.len);
    memset(out + end, 0, record_bytes(data.len) - end);
}

void mark_encode(char out[RECORD_HEADER_BYTES], uint64_t first_seq, uint64_t seq, uint32_t salt)
{
    encode_head(out, 0, 0, seq, first_seq, salt);
}

/* Reading ------------------------------------------------------------------------------------------------------ */

void cursor_init(struct segment_cursor *c)
{
    *c = (struct segment_cursor){.segment.fd = -1};
}

void cursor_release(struct segment_cursor *c)
{
    if (c->segment.fd >= 0)
        close(c->segment.fd);
    free(c->window);
    cursor_init(c);
}

void cursor_start(struct segment_cursor *c, const struct segment *segment)
{
    if (c->segment.fd >= 0)
        close(c->segment.fd);
    c->segment = *segment;
    c->pos = SEGMENT_HEADER_BYTES;
    c->next_seq = segment->first_seq;
    cursor_forget(c);
}

void cursor_forget(struct segment_cursor *c)
{
    c->unreadable_from = c->unreadable_to = 0;
    c->window_len = 0;
    c->read_bytes = FIRST_READ_BYTES;
}

static void note_unreadable(struct segment_cursor *c, uint64_t from, uint64_t to)
{
    if (c->unreadable_to == 0 || from < c->unreadable_from)
        c->unreadable_from = from;
    if (to > c->unreadable_to)
        c->unreadable_to = to;
}

/* Fills the window from pos on. Where the disk fails the pages are read one by one, and those it does not give are left
 * as zeros. */
static ssize_t read_window(struct segment_cursor *c, size_t want, uint64_t pos)
{
    const struct segment *s = &c->segment;
    ssize_t n = read_fully(s->io, s->fd, c->window, want, pos);
    size_t len;

    if (n >= 0 || !read_failed_for_good(errno))
        return n;
    for (size_t done = 0; done < want; done += len) {
        uint64_t at = pos + done;

        len = PAGE_BYTES - (size_t)(at % PAGE_BYTES);
        if (len > want - done)
            len = want - done;
        if (at >= s->file_bytes)
            return (ssize_t)done;
        n = read_fully(s->io, s->fd, c->window + done, len, at);
        if (n < 0 && !read_failed_for_good(errno))
            return -1;
        if (n < 0)
            note_unreadable(c, at, at + len < s->file_bytes ? at + len : s->file_bytes);
        n = n < 0 ? 0 : n;
        memset(c->window + done + n, 0, len - (size_t)n);
    }
    return (ssize_t)want;
}

/* Points *out to len bytes of the file from pos on; what lies behind the end of the file reads as zeros, and so does
 * what cannot be read. */
static int cursor_bytes(struct segment_cursor *c, uint64_t pos, size_t len, const char **out, struct err *err)
{
    size_t cap = len > WINDOW_BYTES ? len : WINDOW_BYTES;
    size_t want;
    ssize_t n;

    if (pos >= c->window_pos && pos + len <= c->window_pos + c->window_len) {
        *out = c->window + (pos - c->window_pos);
        return 0;
    }
    if (c->window_cap < cap) {
        free(c->window);
        c->window_cap = c->window_len = 0;
        c->window = malloc(cap);
        if (!c->window)
            return err_set(err, ERR_FAILED, "no memory to read a spool segment");
        c->window_cap = cap;
    }
    want = len > c->read_bytes ? len : c->read_bytes;
    n = read_window(c, want, pos);
    if (n < 0) {
        c->window_len = 0;
        return err_set_errno(err, ERR_FAILED, "could not read the spool segment of number %" PRIu64,
                             c->segment.first_seq);
    }
    memset(c->window + n, 0, want - (size_t)n);
    c->window_pos = pos;
    c->window_len = want;
    if (c->read_bytes < WINDOW_BYTES)
        c->read_bytes *= 2;
    *out = c->window;
    return 0;
}

struct record_head {
    uint32_t len; /* 0: a mark */
    uint64_t first_seq, seq;
    int64_t appended_us;
    const char *data;
};

/* 1: an intact record or mark with a number from the cursor's next up to limit stands at pos. 0: none does. */
static int record_at(struct segment_cursor *c, uint64_t pos, uint64_t limit, struct record_head *out, struct err *err)
{
    const char *bytes;
    int r;

    if (pos + RECORD_HEADER_BYTES > c->segment.file_bytes)
        return 0;
    r = cursor_bytes(c, pos, RECORD_HEADER_BYTES, &bytes, err);
    if (r < 0)
        return r;
    out->len = get32(bytes);
    out->seq = get64(bytes + 8);
    out->first_seq = out->len > 0 ? out->seq : get64(bytes + 16);
    out->appended_us = (int64_t)get64(bytes + 16);
    if (out->seq < c->next_seq || out->seq > limit || out->seq - c->next_seq > MAX_JUMP ||
        out->len > SPOOL_MAX_RECORD || pos + RECORD_HEADER_BYTES + out->len > c->segment.file_bytes)
        return 0;
    r = cursor_bytes(c, pos, RECORD_HEADER_BYTES + (size_t)out->len, &bytes, err);
    if (r < 0)
        return r;
    out->data = bytes + RECORD_HEADER_BYTES;
    return get32(bytes + 4) == record_crc(bytes, crc32c(0, out->data, out->len), c->segment.salt);
}

int cursor_take(struct segment_cursor *c, uint64_t limit, struct segment_item *item, struct err *err)
{
    struct record_head head;

    for (;;) {
        uint64_t expected = c->next_seq;
        int r = record_at(c, c->pos, limit, &head, err);

        if (r <= 0)
            return r;
        if (head.first_seq > expected)
            return 0; /* numbers are missing in between, before a mark as before a record */
        c->pos += record_bytes(head.len);
        c->next_seq = head.seq + 1;
        if (head.len == 0)
            continue; /* a mark: goes on behind it */
        *item = (struct segment_item){
            .first_seq = head.seq,
            .seq = head.seq,
            .appended_us = head.appended_us,
            .data = {head.data, head.len},
        };
        return 1;
    }
}

static bool unreadable_between(const struct segment_cursor *c, uint64_t from, uint64_t to)
{
    return c->unreadable_from < to && c->unreadable_to > from;
}

/* Stands the cursor before the record or mark found at pos; item says what was lost on the way. */
static int resume_at(struct segment_cursor *c, uint64_t pos, const struct record_head *head, struct segment_item *item)
{
    bool lost = head->first_seq > c->next_seq;

    *item = (struct segment_item){.first_seq = c->next_seq, .seq = head->first_seq - 1, .from = c->pos, .to = pos};
    item->unreadable = unreadable_between(c, c->pos, pos);
    c->pos = pos;
    if (lost)
        c->next_seq = head->first_seq;
    return lost ? SEGMENT_DAMAGED : SEGMENT_RESUMED;
}

int cursor_resync(struct segment_cursor *c, uint64_t limit, struct segment_item *item, struct err *err)
{
    uint64_t dirty_end = c->pos; /* behind the last byte that is not zero, or not known to be */

    for (uint64_t pos = c->pos; pos < c->segment.file_bytes && c->next_seq <= limit; pos += 8) {
        struct record_head head;
        const char *word;
        int r = cursor_bytes(c, pos, 8, &word, err);

        if (r < 0)
            return r;
        if (get64(word) == 0)
            continue; /* a record has a length, a mark a checksum */
        dirty_end = pos + 8;
        r = record_at(c, pos, limit, &head, err);
        if (r < 0)
            return r;
        if (r > 0)
            return resume_at(c, pos, &head, item);
    }
    if (c->unreadable_to > dirty_end)
        dirty_end = c->unreadable_to;
    *item = (struct segment_item){.first_seq = c->next_seq, .seq = limit, .from = c->pos, .to = dirty_end};
    item->unreadable = unreadable_between(c, c->pos, dirty_end);
    if (limit == LIMIT_UNKNOWN)
        return dirty_end > c->pos ? SEGMENT_TORN : SEGMENT_CLEAN;
    if (c->next_seq > limit)
        return SEGMENT_CLEAN;
    c->pos = dirty_end;
    c->next_seq = limit + 1;
    return SEGMENT_DAMAGED;
}
