/* spool_image.h - private to fuzz_spool.c: segment files made from the input's bytes, with a ledger of what stands in
 * them.
 *
 * Each step is a byte and what it needs: a record, a record one byte of which has changed since, numbers that never
 * reached the disk, a mark, junk, zeros, the next segment. The spool's id, and so the salt of every checksum, comes
 * from the whole input: no junk can be made to pass for a record. */
#ifndef CHATSLUICE_TESTS_FUZZ_SPOOL_IMAGE_H
#define CHATSLUICE_TESTS_FUZZ_SPOOL_IMAGE_H

#include "fuzz.h"

#include "base/siphash.h"
#include "spool/crc32c.h"
#include "spool/spool_priv.h"

#include <fcntl.h>
#include <unistd.h>

enum { IMAGE_NUMBERS = 4096, IMAGE_SEGMENTS = 8, IMAGE_FILE = 128 * 1024, IMAGE_RECORD = 600 };

enum fate {
    FATE_NONE,    /* behind everything */
    FATE_INTACT,  /* must be delivered */
    FATE_LOST,    /* must be reported, when something intact follows */
    FATE_USED_UP, /* by a mark: neither */
};

struct image {
    int dir_fd;
    struct spool_uuid id;
    uint64_t next_seq, segment_seq;
    uint64_t last_intact; /* 0: none */
    bool skipped;         /* numbers without bytes since the last intact record or mark */
    size_t segments, file_len;
    uint32_t salt;
    bool damaged_header, short_file;
    enum fate fate[IMAGE_NUMBERS];
    uint16_t len[IMAGE_NUMBERS]; /* of intact records */
    char file[IMAGE_FILE];
};

static inline struct span image_record(uint64_t seq, size_t len, char out[IMAGE_RECORD])
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(seq * 31 + i * 7 + (i >> 3));
    return (struct span){out, len};
}

static inline void image_begin(struct image *im)
{
    im->segment_seq = im->next_seq;
    im->salt = segment_salt(&im->id, im->segment_seq);
    im->file_len = SEGMENT_HEADER_BYTES;
    memset(im->file, 0, sizeof(im->file));
}

/* Puts the segment into its file. */
static inline void image_end(struct image *im, size_t zeros)
{
    size_t size = im->file_len + zeros;
    char name[NAME_BYTES];
    int fd;

    segment_name(name, im->segment_seq);
    fd = openat(im->dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0 && pwrite(fd, im->file, size, 0) == (ssize_t)size);
    MUST(segment_write_header(&spool_io_system, fd, &im->id, im->segment_seq, size + (im->short_file ? 4096 : 0)) == 0);
    if (im->damaged_header)
        MUST(pwrite(fd, "\x55", 1, 13) == 1 && pwrite(fd, "\xAA", 1, 12) == 1);
    close(fd);
    im->segments++;
}

static inline void image_add_record(struct image *im, size_t len, bool damaged, unsigned where)
{
    char data[IMAGE_RECORD], *at = im->file + im->file_len;
    struct span record = image_record(im->next_seq, len, data);

    record_encode(at, record, crc32c(0, record.data, record.len), im->next_seq, (int64_t)im->next_seq * 1000, im->salt);
    if (damaged)
        at[where % (RECORD_HEADER_BYTES + len)] ^= (char)(1 + where % 255);
    im->file_len += record_bytes(len);
    im->fate[im->next_seq] = damaged ? FATE_LOST : FATE_INTACT;
    im->len[im->next_seq] = (uint16_t)len;
    if (!damaged) {
        im->last_intact = im->next_seq;
        im->skipped = false;
    }
    im->next_seq++;
}

static inline void image_use_up(struct image *im, size_t count)
{
    mark_encode(im->file + im->file_len, im->next_seq, im->next_seq + count - 1, im->salt);
    im->file_len += RECORD_HEADER_BYTES;
    while (count-- > 0)
        im->fate[im->next_seq++] = FATE_USED_UP;
    im->skipped = false;
}

static inline void image_skip(struct image *im, size_t count)
{
    while (count-- > 0)
        im->fate[im->next_seq++] = FATE_LOST;
    im->skipped = true;
}

struct image_steps {
    const uint8_t *at, *end;
};

static inline unsigned image_byte(struct image_steps *steps)
{
    return steps->at < steps->end ? *steps->at++ : 0;
}

static inline void image_junk(struct image *im, struct image_steps *steps)
{
    size_t len = image_byte(steps), left = (size_t)(steps->end - steps->at);

    len = len < left ? len : left;
    memcpy(im->file + im->file_len, steps->at, len);
    steps->at += len;
    im->file_len += (len + 7) & ~(size_t)7;
}

static inline void image_step(struct image *im, struct image_steps *steps)
{
    unsigned step = image_byte(steps);

    switch (step % 8) {
    case 0:
    case 1:
        image_add_record(im, 1 + image_byte(steps) * (1 + step % 2), false, 0);
        break;
    case 2:
        image_add_record(im, 1 + image_byte(steps), true, image_byte(steps) << 8 | image_byte(steps));
        break;
    case 3:
        image_skip(im, 1 + image_byte(steps) % 16);
        break;
    case 4:
        image_junk(im, steps);
        break;
    case 5:
        im->file_len += 8 * (1 + image_byte(steps));
        break;
    case 6:
        if (im->segments + 1 < IMAGE_SEGMENTS && im->next_seq > im->segment_seq) {
            im->damaged_header = step & 0x80;
            im->short_file = step & 0x40;
            image_end(im, step & 0x20 ? 0 : 512);
            image_begin(im);
        }
        break;
    default:
        image_use_up(im, 1 + image_byte(steps) % 16);
        break;
    }
}

/* The input's first byte: what becomes of the last segment. */
static inline void image_make(struct image *im, const uint8_t *data, size_t size)
{
    static const uint64_t key[2] = {1, 2};
    struct image_steps steps = {data + 1, data + size};
    struct siphash hash;
    uint64_t halves[2];

    for (uint64_t i = 0; i < 2; i++) {
        siphash_begin(&hash, key);
        siphash_add(&hash, data, size);
        siphash_add_u64(&hash, i);
        halves[i] = siphash_end(&hash);
    }
    memcpy(im->id.bytes, halves, sizeof(im->id.bytes));
    im->next_seq = 1;
    image_begin(im);
    while (steps.at < steps.end && im->next_seq < IMAGE_NUMBERS - 32 && im->file_len < IMAGE_FILE - 8192)
        image_step(im, &steps);
    im->damaged_header = data[0] & 0x10;
    im->short_file = data[0] & 0x20;
    image_end(im, (size_t)(data[0] >> 6) * 64);
}

#endif
