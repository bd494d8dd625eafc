#include "known_records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEAD_BYTES = 16, APPENDED = 3 };

uint64_t known_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* Records -------------------------------------------------------------------------------------------------------- */

/* Mostly short, as chat is; some longer than several disk blocks. */
static size_t length_of(uint64_t seed)
{
    switch (seed % 8) {
    case 0:
        return HEAD_BYTES + 1 + seed / 8 % 16;
    case 1:
        return HEAD_BYTES + seed / 8 % (KNOWN_MAX_BYTES - HEAD_BYTES);
    default:
        return HEAD_BYTES + seed / 8 % 700;
    }
}

struct span known_record(char *out, uint64_t id)
{
    uint64_t state = id * 0x9e3779b97f4a7c15u | 1;
    size_t len;

    for (int i = 0; i < 4; i++)
        known_random(&state);
    len = length_of(known_random(&state) >> 20);
    for (size_t i = HEAD_BYTES; i < len; i++)
        out[i] = (char)known_random(&state);
    memcpy(out, &id, sizeof(id));
    memset(out + sizeof(id), (int)(id & 0xff), HEAD_BYTES - sizeof(id));
    return (struct span){out, len};
}

uint64_t known_record_id(struct span data)
{
    char expected[KNOWN_MAX_BYTES];
    uint64_t id;

    if (data.len < HEAD_BYTES)
        return 0;
    memcpy(&id, data.data, sizeof(id));
    return id != 0 && span_equal(data, known_record(expected, id)) ? id : 0;
}

/* Ledger --------------------------------------------------------------------------------------------------------- */

static void *grow(void *items, size_t *cap, size_t need, size_t size)
{
    size_t wanted = 2 * need + 64;
    char *grown;

    if (need <= *cap)
        return items;
    grown = realloc(items, wanted * size);
    if (!grown)
        abort();
    memset(grown + *cap * size, 0, (wanted - *cap) * size);
    *cap = wanted;
    return grown;
}

void known_ledger_release(struct known_ledger *ledger)
{
    free(ledger->ids);
    *ledger = (struct known_ledger){0};
}

bool known_ledger_tell(struct known_ledger *ledger, uint64_t seq, uint64_t id)
{
    ledger->ids = grow(ledger->ids, &ledger->cap, seq + 1, sizeof(*ledger->ids));
    if (ledger->ids[seq] != 0 && ledger->ids[seq] != id)
        return false;
    ledger->ids[seq] = id;
    if (seq > ledger->highest)
        ledger->highest = seq;
    return true;
}

/* Reading -------------------------------------------------------------------------------------------------------- */

void known_reading_release(struct known_reading *reading)
{
    free(reading->items);
    free(reading->ranges);
    *reading = (struct known_reading){0};
}

bool known_reading_reports(const struct known_reading *reading, uint64_t seq)
{
    for (size_t i = 0; i < reading->range_count; i++)
        if (seq >= reading->ranges[i].from && seq <= reading->ranges[i].to)
            return true;
    return false;
}

static int take_record(struct known_reading *reading, const struct spool_record *record)
{
    uint64_t id = known_record_id(record->data);
    uint64_t last_seq = reading->count > 0 ? reading->items[reading->count - 1].seq : 0;

    if (id == 0)
        return err_set(&reading->err, ERR_INVALID, "number %" PRIu64 " is no record anybody appended (%zu bytes)",
                       record->seq, record->data.len);
    if (record->seq <= last_seq)
        return err_set(&reading->err, ERR_INVALID, "number %" PRIu64 " comes after number %" PRIu64, record->seq,
                       last_seq);
    if (known_reading_reports(reading, record->seq))
        return err_set(&reading->err, ERR_INVALID, "number %" PRIu64 " was reported as damaged, then delivered",
                       record->seq);
    reading->items = grow(reading->items, &reading->cap, reading->count + 1, sizeof(*reading->items));
    reading->items[reading->count++] = (struct known_item){record->seq, id};
    return 0;
}

/* The words begin "spool records A to B are ...". */
static int take_range(struct known_reading *reading, const struct spool_record *record, const char *words)
{
    struct known_range range;

    if (sscanf(words, "spool records %" SCNu64 " to %" SCNu64, &range.from, &range.to) != 2 || range.to != record->seq)
        return err_set(&reading->err, ERR_INVALID, "damage is not reported by a range: %s", words);
    reading->ranges = grow(reading->ranges, &reading->range_cap, reading->range_count + 1, sizeof(*reading->ranges));
    reading->ranges[reading->range_count++] = range;
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = ((const struct known_item *)a)->id;
    uint64_t y = ((const struct known_item *)b)->id;

    return (x > y) - (x < y);
}

static int find_doubles(struct known_reading *reading)
{
    struct known_item *sorted = malloc((reading->count + 1) * sizeof(*sorted));
    int r = 0;

    if (!sorted)
        abort();
    if (reading->count > 0)
        memcpy(sorted, reading->items, reading->count * sizeof(*sorted));
    qsort(sorted, reading->count, sizeof(*sorted), compare_ids);
    for (size_t i = 1; i < reading->count && r == 0; i++)
        if (sorted[i].id == sorted[i - 1].id)
            r = err_set(&reading->err, ERR_INVALID, "numbers %" PRIu64 " and %" PRIu64 " are the same record",
                        sorted[i - 1].seq, sorted[i].seq);
    free(sorted);
    return r;
}

int known_read_noting(struct known_reading *reading, struct spool *sp, const char *directory,
                      struct spool_reader_notes *notes)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct err err;
    int r = sp ? spool_reader_open(&reader, sp, 1, &reading->err)
               : spool_reader_open_directory(&reader, directory, 1, &reading->err);

    if (r < 0)
        return r;
    while ((r = spool_reader_next(reader, &record, &err)) != 0) {
        if (r > 0)
            r = take_record(reading, &record);
        else if (r == ERR_INVALID)
            r = take_range(reading, &record, err.text);
        else
            r = err_set(&reading->err, r, "%s", err.text);
        if (r < 0)
            break;
    }
    spool_reader_get_notes(reader, notes);
    spool_reader_close(reader);
    return r < 0 ? r : find_doubles(reading);
}

int known_read(struct known_reading *reading, struct spool *sp, const char *directory)
{
    struct spool_reader_notes notes;

    return known_read_noting(reading, sp, directory, &notes);
}

int known_compare(struct known_reading *reading, const struct known_ledger *ledger)
{
    size_t at = 0;

    for (uint64_t seq = 1; seq <= ledger->highest; seq++) {
        uint64_t id = ledger->ids[seq];

        while (at < reading->count && reading->items[at].seq < seq)
            at++;
        if (id == 0)
            continue;
        if (at < reading->count && reading->items[at].seq == seq) {
            if (reading->items[at].id != id)
                return err_set(&reading->err, ERR_INVALID, "number %" PRIu64 " is another record than was acknowledged",
                               seq);
        } else if (seq > ledger->released) {
            return err_set(&reading->err, ERR_INVALID, "number %" PRIu64 " was acknowledged and is %s", seq,
                           known_reading_reports(reading, seq) ? "reported as damaged" : "not there");
        }
    }
    return 0;
}

/* The whole check ------------------------------------------------------------------------------------------------- */

static int open_and_read(struct spool **sp, struct known_reading *reading, const struct spool_options *options,
                         const struct known_ledger *ledger)
{
    int r = spool_open(sp, options, &reading->err);

    if (r < 0)
        return r;
    if (ledger->highest > 0 && ledger->spool[0] && strcmp(ledger->spool, spool_id(*sp)) != 0)
        r = err_set(&reading->err, ERR_INVALID, "the spool has another id");
    if (r == 0)
        r = known_read(reading, *sp, NULL);
    if (r == 0)
        r = known_compare(reading, ledger);
    return r;
}

/* Appends to a spool that was just opened; the new records go behind those of reading. */
static int append_some(struct spool *sp, struct known_reading *reading, uint64_t highest)
{
    char data[KNOWN_MAX_BYTES];
    uint64_t last_seq = reading->count > 0 ? reading->items[reading->count - 1].seq : 0;
    uint64_t floor = last_seq > highest ? last_seq : highest;

    for (uint32_t i = 1; i <= APPENDED; i++) {
        uint64_t id = known_id(KNOWN_CHECKER, KNOWN_CHECKER, i);
        uint64_t seq;
        int r = spool_append(sp, known_record(data, id), INT64_MAX, &seq, &reading->err);

        if (r < 0)
            return r;
        if (seq <= floor)
            return err_set(&reading->err, ERR_INVALID, "number %" PRIu64 " was given again", seq);
        floor = seq;
        reading->items = grow(reading->items, &reading->cap, reading->count + 1, sizeof(*reading->items));
        reading->items[reading->count++] = (struct known_item){seq, id};
    }
    return 0;
}

static int expect_same(struct known_reading *again, const struct known_reading *first)
{
    if (again->count != first->count)
        return err_set(&again->err, ERR_INVALID, "%zu records at the second opening, not %zu", again->count,
                       first->count);
    for (size_t i = 0; i < first->count; i++)
        if (again->items[i].seq != first->items[i].seq || again->items[i].id != first->items[i].id)
            return err_set(&again->err, ERR_INVALID, "number %" PRIu64 " is another record at the second opening",
                           first->items[i].seq);
    return 0;
}

int known_check(struct known_reading *again, const struct spool_options *options, const struct known_ledger *ledger)
{
    struct known_reading first = {0};
    struct spool *sp = NULL;
    int r = open_and_read(&sp, &first, options, ledger);

    if (r == 0)
        r = append_some(sp, &first, ledger->highest);
    spool_close(sp);
    sp = NULL;
    if (r < 0) {
        again->err = first.err;
        goto out;
    }
    r = open_and_read(&sp, again, options, ledger);
    spool_close(sp);
    if (r < 0)
        err_prefix(&again->err, "at the second opening");
    else
        r = expect_same(again, &first);
out:
    known_reading_release(&first);
    return r;
}
