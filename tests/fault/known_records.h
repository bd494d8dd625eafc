/* known_records.h - records that can be told from each other and from anything else, and a spool held against them.
 *
 * A record is made from its id alone: whoever has the id knows every byte. So whatever comes out of a spool is either
 * the record somebody put there or an invention. */
#ifndef CHATSLUICE_TESTS_KNOWN_RECORDS_H
#define CHATSLUICE_TESTS_KNOWN_RECORDS_H

#include "spool/spool.h"

enum { KNOWN_MAX_BYTES = 6000, KNOWN_CHECKER = 0xff };

/* Ids are made of who appended the record and a count from 1; KNOWN_CHECKER is the check's own. */
static inline uint64_t known_id(uint8_t round, uint8_t appender, uint32_t count)
{
    return (uint64_t)round << 40 | (uint64_t)appender << 32 | count;
}

/* The record, in out (KNOWN_MAX_BYTES). */
struct span known_record(char *out, uint64_t id);
/* The id of a record; 0: it is none, or a byte of it is wrong. */
uint64_t known_record_id(struct span data);

/* xorshift: the same numbers from the same seed everywhere. The state must not be 0. */
uint64_t known_random(uint64_t *state);
static inline uint64_t known_below(uint64_t *state, uint64_t limit)
{
    return known_random(state) % limit;
}

/* What somebody was told, by sequence number. */
struct known_ledger {
    uint64_t *ids; /* by number; 0: nobody was told of it, or it need not be there any more */
    size_t cap;
    uint64_t highest;          /* the highest number anybody was told */
    uint64_t released;         /* up to this one records may be gone */
    char spool[SPOOL_ID_TEXT]; /* the spool's id, "": not known */
};

void known_ledger_release(struct known_ledger *ledger);
/* False: the number was given to another record before. */
bool known_ledger_tell(struct known_ledger *ledger, uint64_t seq, uint64_t id);

/* What came out of a spool. */
struct known_reading {
    struct known_item {
        uint64_t seq, id;
    } * items;
    size_t count, cap;
    struct known_range {
        uint64_t from, to;
    } * ranges; /* reported as damaged or missing */
    size_t range_count, range_cap;
    struct err err;
};

void known_reading_release(struct known_reading *reading);
bool known_reading_reports(const struct known_reading *reading, uint64_t seq);

/* Reads a directory (sp NULL) or an open spool whole. Negative, with the reason in reading->err, when a record is an
 * invention, comes twice or out of order, is reported and delivered, or reading fails. */
int known_read(struct known_reading *reading, struct spool *sp, const char *directory);
/* The same; *notes is what the reader had to say at the end. */
int known_read_noting(struct known_reading *reading, struct spool *sp, const char *directory,
                      struct spool_reader_notes *notes);
/* Every record of the ledger that must be there is in the reading, and no number holds another one. */
int known_compare(struct known_reading *reading, const struct known_ledger *ledger);

/* Opens the spool, reads and compares, appends to it, closes it, opens it again and finds the same and the new ones.
 * *again is what was read then; its err says what is wrong when the result is negative. */
int known_check(struct known_reading *again, const struct spool_options *options, const struct known_ledger *ledger);

#endif
