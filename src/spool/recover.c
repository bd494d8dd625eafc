/* Recovery: reads every segment in order and says where this process goes on.
 *
 * Each segment is first synced and dropped from the page cache: what the last process wrote but did not sync would
 * otherwise be taken here, handed to the database and then vanish with the power, and after a failed fdatasync the
 * cache may hold what the disk does not.
 *
 * What it finds, and does:
 *   damage with intact records behind it, or in a segment that is not the last: the bytes are copied to quarantine/,
 * the numbers lost are counted and logged; the segment stays as it is, readers step over the damage in the same way;
 *   bytes behind the last intact record of the last segment (a torn tail, or a last record gone bad - nobody can tell):
 *     copied to quarantine/ too, then cut: a mark is written in their place, synced, and only then the rest is zeroed
 *     and synced. The numbers the lost bytes may have had are never given again;
 *   a last segment shorter than it was made: the same, and its header is made to agree with its size;
 *   bytes the disk does not give: as damage, but nothing is ever written over them, for they may be whole and readable
 *     another day. So a last segment whose end or header cannot be read is not cut but sealed: appending goes on in a
 *     new one, behind every number the unreadable bytes may hold. Readers try again for themselves.
 *
 * A crash between any two of these steps leaves a directory for which recovery does the rest. */
#include "spool/spool_priv.h"

#include "base/log.h"
#include "base/metrics.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

int kept_reserve(struct kept_list *list, size_t count)
{
    struct kept_segment *grown;

    if (count <= list->cap)
        return 0;
    grown = realloc(list->items, 2 * count * sizeof(*grown));
    if (!grown)
        return -1;
    list->items = grown;
    list->cap = 2 * count;
    return 0;
}

/* A copy that cannot be made (a full disk) stops nothing: the bytes are still in the segment, or of a torn tail. */
static void keep_copy(const struct spool_io *io, int dir_fd, const struct segment *segment,
                      const struct segment_item *damage)
{
    struct err err;

    if (damage->to > damage->from && quarantine_save(io, dir_fd, segment, damage, &err) < 0)
        log_warn("spool damage not copied to quarantine", log_str("reason", err.text));
}

static void quarantine(struct recovery *rec, const struct spool_io *io, int dir_fd, const struct segment *segment,
                       const struct segment_item *damage)
{
    if (damage->from == damage->to) { /* released ones, perhaps: files need not vanish in order when the power goes */
        log_warn("spool records missing", log_u64("first_seq", damage->first_seq), log_u64("last_seq", damage->seq));
        return;
    }
    if (!damage->unreadable) /* else there is nothing to copy */
        keep_copy(io, dir_fd, segment, damage);
    rec->quarantined += damage->seq - damage->first_seq + 1;
    log_error(damage->unreadable ? "spool records cannot be read" : "spool records damaged",
              log_u64("first_seq", damage->first_seq), log_u64("last_seq", damage->seq),
              log_u64("segment", segment->first_seq), log_u64("from_byte", damage->from),
              log_u64("to_byte", damage->to));
}

static int zero_range(const struct spool_io *io, int fd, uint64_t from, uint64_t to)
{
    static const char zeros[64 * 1024];

    while (from < to) {
        size_t len = to - from < sizeof(zeros) ? (size_t)(to - from) : sizeof(zeros);

        if (write_fully(io, fd, zeros, len, from) < 0)
            return -1;
        from += len;
    }
    return 0;
}

/* The highest number that may have been given to a record in the bytes behind the cursor. */
static uint64_t last_possible_seq(const struct segment *segment, const struct segment_item *torn)
{
    uint64_t lost_bytes = torn->to - torn->from;

    if (segment->cut_short && segment->made_bytes > torn->to)
        lost_bytes = segment->made_bytes - torn->from; /* nobody knows what stood there */
    return torn->first_seq + lost_bytes / record_bytes(1);
}

/* Leaves the last segment as it is, and its numbers to whatever may be in it. */
static void seal_tail(struct recovery *rec, struct segment_cursor *c, const struct segment_item *torn)
{
    rec->sealed = true;
    c->next_seq = last_possible_seq(&c->segment, torn) + 1;
    log_error("spool tail cannot be read, goes on in a new segment", log_u64("segment", c->segment.first_seq),
              log_u64("first_seq", torn->first_seq), log_u64("from_byte", torn->from), log_u64("to_byte", torn->to),
              log_u64("next_seq", c->next_seq));
}

/* Cuts the last segment at the cursor; torn says which bytes are there. */
static int cut_tail(const struct spool_io *io, int dir_fd, struct segment_cursor *c, struct segment_item *torn,
                    const struct spool_uuid *id, struct err *err)
{
    struct segment *segment = &c->segment;
    char mark[RECORD_HEADER_BYTES];
    uint64_t end;

    torn->seq = last_possible_seq(segment, torn);
    log_warn("spool tail cut", log_u64("segment", segment->first_seq), log_u64("at_byte", torn->from),
             log_u64("bytes", torn->to - torn->from), log_u64("next_seq", torn->seq + 1));
    keep_copy(io, dir_fd, segment, torn);

    mark_encode(mark, torn->first_seq, torn->seq, segment->salt);
    if (write_fully(io, segment->fd, mark, sizeof(mark), c->pos) < 0 || io->fdatasync(io, segment->fd) < 0)
        goto fail;
    c->pos += sizeof(mark);
    c->next_seq = torn->seq + 1;
    end = c->pos > torn->to ? c->pos : torn->to;
    if (zero_range(io, segment->fd, c->pos, end) < 0)
        goto fail;
    if (segment->file_bytes < end) {
        segment->file_bytes = end;
        segment->cut_short = true;
    }
    if (segment->cut_short && segment_write_header(io, segment->fd, id, segment->first_seq, segment->file_bytes) < 0)
        goto fail;
    if (io->fdatasync(io, segment->fd) < 0)
        goto fail;
    return 0;
fail:
    return err_set_errno(err, ERR_FAILED, "could not cut the torn tail of the spool segment of number %" PRIu64,
                         segment->first_seq);
}

static int end_tail(struct recovery *rec, const struct spool_io *io, int dir_fd, struct segment_cursor *c,
                    struct segment_item *torn, const struct spool_uuid *id, struct err *err)
{
    if (!torn->unreadable && !c->segment.unreadable_header)
        return cut_tail(io, dir_fd, c, torn, id, err);
    seal_tail(rec, c, torn);
    return 0;
}

static int recover_segment(struct recovery *rec, const struct spool_io *io, int dir_fd, struct segment_cursor *c,
                           uint64_t limit, const struct spool_uuid *id, struct age *age, struct err *err)
{
    struct segment_item item;
    int r;

    for (;;) {
        r = cursor_take(c, limit, &item, err);
        if (r < 0)
            return r;
        if (r > 0) {
            age_note(age, item.seq, item.appended_us);
            rec->last_seq = item.seq;
            rec->records++;
            continue;
        }
        r = cursor_resync(c, limit, &item, err);
        if (r < 0)
            return r;
        switch ((enum segment_state)r) {
        case SEGMENT_RESUMED:
            break;
        case SEGMENT_DAMAGED:
            quarantine(rec, io, dir_fd, &c->segment, &item);
            break;
        case SEGMENT_TORN:
            return end_tail(rec, io, dir_fd, c, &item, id, err);
        case SEGMENT_CLEAN:
            if (limit == LIMIT_UNKNOWN && c->segment.cut_short)
                return end_tail(rec, io, dir_fd, c, &item, id, err);
            return 0;
        }
    }
}

/* Makes sure that what is read is what the disk holds. */
static int settle(const struct spool_io *io, const struct segment *segment, struct err *err)
{
    if (io->fdatasync(io, segment->fd) < 0)
        return err_set_errno(err, ERR_FAILED, "could not sync the spool segment of number %" PRIu64,
                             segment->first_seq);
    posix_fadvise(segment->fd, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
}

int recover(struct recovery *out, const struct spool_io *io, int dir_fd, const struct segment_list *list,
            const struct spool_uuid *id, struct age *age, struct err *err)
{
    struct recovery rec = {.next_seq = 1, .tail_fd = -1};
    struct segment_cursor cursor;
    int r = 0;

    cursor_init(&cursor);
    if (kept_reserve(&rec.kept, list->count + 1) < 0) {
        r = err_set(err, ERR_FAILED, "no memory to list the spool's segments");
        goto out;
    }
    for (size_t i = 0; i < list->count; i++) {
        bool last = i + 1 == list->count;
        struct segment segment;

        r = segment_open(&segment, io, dir_fd, list->first_seqs[i], id, O_RDWR, err);
        if (r < 0)
            goto out;
        cursor_start(&cursor, &segment);
        if (segment.damaged_header)
            log_error("spool segment header damaged", log_u64("segment", segment.first_seq));
        r = settle(io, &segment, err);
        if (r == 0)
            r = recover_segment(&rec, io, dir_fd, &cursor, last ? LIMIT_UNKNOWN : list->first_seqs[i + 1] - 1, id, age,
                                err);
        if (r < 0)
            goto out;
        rec.next_seq = cursor.next_seq;
        rec.kept.items[rec.kept.count++] = (struct kept_segment){
            .first_seq = segment.first_seq,
            .bytes = cursor.pos - SEGMENT_HEADER_BYTES,
            .unreadable = cursor.unreadable_to > 0 || segment.unreadable_header,
        };
    }
    if (list->count > 0 && !rec.sealed && cursor.pos + record_bytes(1) <= cursor.segment.file_bytes) {
        rec.tail_fd = cursor.segment.fd;
        rec.tail_pos = cursor.pos;
        rec.tail_bytes = cursor.segment.file_bytes;
        cursor.segment.fd = -1;
    }
    metric_add(METRIC_SPOOL_QUARANTINED, rec.quarantined);
    *out = rec;
out:
    cursor_release(&cursor);
    if (r < 0)
        free(rec.kept.items);
    return r;
}
