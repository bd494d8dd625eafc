/* Reading in order, on file descriptors of its own, so that neither the writer nor the removal of segments disturbs it.
 *
 * With a spool the reader goes as far as durable_seq says, and what is durable is complete on disk. Without one it
 * looks at the files of a process that may be alive: it stops at the first record that is not complete. */
#include "spool/spool_priv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

struct spool_reader {
    struct spool *spool; /* NULL: only a directory */
    const struct spool_io *io;
    int dir_fd;
    struct spool_uuid id;
    uint64_t from;               /* records below are skipped */
    uint64_t read_upto;          /* what was durable when the cursor's window was filled */
    uint64_t gone_from, gone_to; /* as in the next record */
    struct segment_cursor cursor;
    struct spool_reader_notes notes;
};

static struct spool_reader *reader_new(struct spool *sp, const struct spool_io *io, uint64_t from)
{
    struct spool_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return NULL;
    reader->spool = sp;
    reader->io = io;
    reader->dir_fd = -1;
    reader->from = from > 0 ? from : 1;
    cursor_init(&reader->cursor);
    return reader;
}

int spool_reader_open(struct spool_reader **out, struct spool *sp, uint64_t from, struct err *err)
{
    struct spool_reader *reader = reader_new(sp, sp->io, from);
    int r;

    if (!reader)
        return err_set(err, ERR_FAILED, "no memory for a spool reader");
    reader->id = sp->id;
    reader->dir_fd = openat(sp->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reader->dir_fd < 0) {
        r = err_set_errno(err, ERR_FAILED, "could not open the spool directory");
        spool_reader_close(reader);
        return r;
    }
    *out = reader;
    return 0;
}

int spool_reader_open_directory(struct spool_reader **out, const char *directory, uint64_t from, struct err *err)
{
    struct spool_reader *reader = reader_new(NULL, &spool_io_system, from);
    struct segment_list list = {0};
    int r;

    if (!reader)
        return err_set(err, ERR_FAILED, "no memory for a spool reader");
    r = reader->dir_fd = directory_open(directory, false, &spool_io_system, err);
    if (r >= 0)
        r = directory_list(r, &list, err);
    if (r == 0)
        r = directory_read_id(reader->io, reader->dir_fd, &list, &reader->id, err);
    segment_list_release(&list);
    if (r < 0) {
        spool_reader_close(reader);
        return r;
    }
    *out = reader;
    return 0;
}

void spool_reader_close(struct spool_reader *reader)
{
    if (!reader)
        return;
    cursor_release(&reader->cursor);
    if (reader->dir_fd >= 0)
        close(reader->dir_fd);
    free(reader);
}

static int enter_segment(struct spool_reader *reader, uint64_t first_seq, struct err *err)
{
    struct segment segment;
    int r = segment_open(&segment, reader->io, reader->dir_fd, first_seq, &reader->id, O_RDONLY, err);

    if (r < 0)
        return r;
    cursor_start(&reader->cursor, &segment);
    if (segment.damaged_header && reader->notes.damaged_headers++ == 0)
        reader->notes.damaged_segment = first_seq;
    if (segment.cut_short && !segment.damaged_header && reader->notes.short_segments++ == 0)
        reader->notes.short_segment = first_seq;
    return 0;
}

static void note_gone(struct spool_reader *reader, uint64_t from, uint64_t first_seq)
{
    if (from >= first_seq)
        return;
    if (reader->gone_to == 0)
        reader->gone_from = from;
    reader->gone_to = first_seq - 1;
}

/* Enters the segment that holds from, or the oldest one. 1: done, 0: there is no segment yet. */
static int enter_first(struct spool_reader *reader, struct err *err)
{
    struct segment_list list;
    size_t at = 0;
    int r;

    do { /* until no release comes between listing and opening */
        r = directory_list(reader->dir_fd, &list, err);
        if (r < 0)
            return r;
        if (list.count == 0)
            return 0;
        for (size_t i = 1; i < list.count && list.first_seqs[i] <= reader->from; i++)
            at = i;
        r = enter_segment(reader, list.first_seqs[at], err);
        if (r == 0)
            note_gone(reader, reader->from, list.first_seqs[at]);
        segment_list_release(&list);
        at = 0;
    } while (r == ERR_NOT_FOUND);
    return r < 0 ? r : 1;
}

struct segment_after {
    uint64_t first_seq; /* of the next segment, 0: there is none */
    bool oldest;        /* it is the oldest one there is: what came before was released */
};

static int find_segment_after(struct spool_reader *reader, struct segment_after *out, struct err *err)
{
    struct segment_list list;
    int r = directory_list(reader->dir_fd, &list, err);

    *out = (struct segment_after){0};
    if (r < 0)
        return r;
    for (size_t i = 0; i < list.count && out->first_seq == 0; i++)
        if (list.first_seqs[i] > reader->cursor.segment.first_seq)
            *out = (struct segment_after){list.first_seqs[i], i == 0};
    segment_list_release(&list);
    return 0;
}

static void note_tail(struct spool_reader *reader, const struct segment_item *torn)
{
    reader->notes.tail_segment = reader->cursor.segment.first_seq;
    reader->notes.tail_seq = torn->first_seq;
    reader->notes.tail_from = torn->from;
    reader->notes.tail_to = torn->to;
    reader->notes.tail_unreadable = torn->unreadable;
}

void spool_reader_get_notes(const struct spool_reader *reader, struct spool_reader_notes *out)
{
    *out = reader->notes;
}

enum reader_step { STEP_RECORD, STEP_DAMAGE, STEP_AGAIN, STEP_WAIT };

/* Damage seen in the files of a living process may be a record that was being written during the search: looks again.
 * Leaves the cursor behind the damage if it is that. */
static int confirm_damage(struct segment_cursor *c, uint64_t limit, struct segment_item *item, struct err *err)
{
    struct segment_item damage = *item;
    uint64_t pos = c->pos;
    uint64_t next_seq = c->next_seq;
    int r;

    c->pos = damage.from;
    c->next_seq = damage.first_seq;
    cursor_forget(c);
    r = cursor_take(c, limit, item, err);
    if (r != 0)
        return r < 0 ? r : STEP_RECORD;
    c->pos = pos;
    c->next_seq = next_seq;
    *item = damage;
    return STEP_DAMAGE;
}

/* The item is damage, the cursor stands behind it. What only could not be read is tried again for a while, from before
 * it: the disk may come back, and what is reported as damage is not loaded any more. */
static int step_over_damage(struct spool_reader *reader, uint64_t durable, struct segment_item *item, struct err *err)
{
    struct segment_cursor *c = &reader->cursor;
    int r = confirm_damage(c, durable, item, err);

    if (r != STEP_DAMAGE || !item->unreadable || !reader->spool ||
        spool_gives_up_reading(reader->spool, c->segment.first_seq))
        return r;
    c->pos = item->from;
    c->next_seq = item->first_seq;
    cursor_forget(c);
    return err_set(err, ERR_FAILED,
                   "the disk does not give spool records %" PRIu64 " to %" PRIu64 " (segment of number %" PRIu64
                   ", bytes %" PRIu64 " to %" PRIu64 ")",
                   item->first_seq, item->seq, c->segment.first_seq, item->from, item->to);
}

/* No intact record with a number up to durable was at the cursor: finds out why. */
static int step_over(struct spool_reader *reader, uint64_t durable, struct segment_item *item, struct err *err)
{
    struct segment_cursor *c = &reader->cursor;
    struct segment_after after;
    uint64_t limit = durable;
    int r = find_segment_after(reader, &after, err);

    if (r < 0)
        return r;
    cursor_forget(c); /* where there is a segment after, this one is complete by now */
    r = cursor_take(c, durable, item, err);
    if (r != 0)
        return r < 0 ? r : STEP_RECORD;
    if (after.first_seq > 0 && (c->next_seq >= after.first_seq || after.oldest)) {
        const uint64_t next_seq = c->next_seq;

        r = enter_segment(reader, after.first_seq, err);
        if (r == 0)
            note_gone(reader, next_seq, after.first_seq);
        return r < 0 && r != ERR_NOT_FOUND ? r : STEP_AGAIN;
    }
    if (after.first_seq > 0 && after.first_seq - 1 < limit)
        limit = after.first_seq - 1;
    r = cursor_resync(c, limit, item, err);
    if (r < 0)
        return r;
    switch ((enum segment_state)r) {
    case SEGMENT_RESUMED:
        return STEP_AGAIN;
    case SEGMENT_DAMAGED:
        return step_over_damage(reader, durable, item, err);
    case SEGMENT_TORN:
        note_tail(reader, item);
        cursor_forget(c);
        break;
    case SEGMENT_CLEAN:
        cursor_forget(c);
    }
    return STEP_WAIT;
}

/* The next item, record or damage, of any number. */
static int next_item(struct spool_reader *reader, struct segment_item *item, struct err *err)
{
    struct segment_cursor *c = &reader->cursor;
    uint64_t durable = reader->spool ? atomic_load(&reader->spool->durable_seq) : LIMIT_UNKNOWN;
    int r;

    if (durable == 0)
        return STEP_WAIT;
    if (c->segment.fd < 0) {
        r = enter_first(reader, err);
        if (r <= 0)
            return r < 0 ? r : STEP_WAIT;
    }
    if (c->next_seq > durable)
        return STEP_WAIT;
    if (reader->spool && c->next_seq > reader->read_upto) {
        reader->read_upto = durable;
        cursor_forget(c);
    }
    r = cursor_take(c, durable, item, err);
    if (r != 0)
        return r < 0 ? r : STEP_RECORD;
    return c->next_seq > durable ? STEP_WAIT : step_over(reader, durable, item, err); /* a mark may have come last */
}

int spool_reader_next(struct spool_reader *reader, struct spool_record *record, struct err *err)
{
    struct segment_item item;

    for (;;) {
        int r = next_item(reader, &item, err);

        if (r < 0)
            return r;
        if (r == STEP_WAIT)
            return 0;
        if (r == STEP_AGAIN || item.seq < reader->from)
            continue;
        reader->notes.tail_to = 0; /* there was more to come */
        *record = (struct spool_record){.seq = item.seq,
                                        .appended_us = item.appended_us,
                                        .data = item.data,
                                        .gone_from = reader->gone_from,
                                        .gone_to = reader->gone_to};
        reader->gone_from = reader->gone_to = 0;
        if (r == STEP_RECORD)
            return 1;
        record->data = (struct span){0};
        return err_set(err, ERR_INVALID,
                       "spool records %" PRIu64 " to %" PRIu64 " %s (segment of number %" PRIu64 ", bytes %" PRIu64
                       " to %" PRIu64 ")",
                       item.first_seq, item.seq, item.unreadable ? "cannot be read" : "are damaged or missing",
                       reader->cursor.segment.first_seq, item.from, item.to);
    }
}
