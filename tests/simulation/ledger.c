#include "world.h"

#include "database.h"
#include "disk.h"
#include "scheduler.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 4096, SPOOLS = 64 };

static struct entry {
    unsigned sent, acknowledged, stored;
} entries[COMMAND_OTHER][ENTRIES];

static struct position {
    char spool_id[40];
    uint64_t seq;
} positions[SPOOLS];

static uint64_t acknowledgements, taken_upto;

void ledger_begin(void)
{
    memset(entries, 0, sizeof(entries));
    memset(positions, 0, sizeof(positions));
    acknowledgements = taken_upto = 0;
    database_on_position = ledger_position;
}

static struct entry *entry_of(enum command command, uint32_t random)
{
    if (command >= COMMAND_OTHER || random >= ENTRIES)
        sched_fail("a webhook nobody sent: %s of %" PRIu32, command_name(command), random);
    return &entries[command][random];
}

void ledger_sent(enum command command, uint32_t random)
{
    entry_of(command, random)->sent++;
}

void ledger_acknowledged(enum command command, uint32_t random)
{
    entry_of(command, random)->acknowledged++;
    acknowledgements++;
}

bool ledger_was_sent(enum command command, uint32_t random)
{
    return entry_of(command, random)->sent > 0;
}

uint64_t ledger_acknowledgements(void)
{
    return acknowledgements;
}

/* A spool whose end could not be read at its start knows less than the database, and is loaded once more from where its
 * files begin: what is there already collides with itself. */
static bool may_go_back(void)
{
    for (unsigned i = 0; i < plan.instances; i++)
        if (disk_refused_reads(instance_disk(i)))
            return true;
    return false;
}

void ledger_position(const char *spool_id, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < SPOOLS; i++) {
        struct position *p = &positions[i];

        if (p->spool_id[0] && strcmp(p->spool_id, spool_id) != 0)
            continue;
        if (from != p->seq || (to <= from && !may_go_back()))
            sched_fail("the position of spool %s went from %" PRIu64 " to %" PRIu64 " and stood at %" PRIu64, spool_id,
                       from, to, p->seq);
        memcpy(p->spool_id, spool_id, strlen(spool_id) + 1);
        p->seq = to;
        return;
    }
    sched_fail("more than %d spools", SPOOLS);
}

/* Each Before is fired once, and is one event if it is one at all; an After may be fired again, and is still one. In a
 * spool, which does not read, it is as many records as were acknowledged, and perhaps those that were not. */
static void check_entries(bool records)
{
    for (enum command c = COMMAND_BEFORE; c < COMMAND_OTHER; c++)
        for (uint32_t random = 0; random < ENTRIES; random++) {
            const struct entry *e = &entries[c][random];

            const unsigned most = records ? e->sent : 1, least = records ? e->acknowledged : e->acknowledged > 0;

            if (e->stored < least)
                sched_fail("an acknowledged webhook is lost: %s of %" PRIu32, command_name(c), random);
            if (e->stored > most)
                sched_fail("a webhook is stored %u times: %s of %" PRIu32, e->stored, command_name(c), random);
        }
}

void ledger_check_events(void)
{
    struct db_result *result;

    database_look(&result, "SELECT command, random, count(*) FROM chatsluice.event GROUP BY 1, 2");
    for (size_t row = 0; row < db_rows(result); row++) {
        const struct span name = db_value(result, row, 0);
        const uint32_t random = (uint32_t)strtoul(db_value(result, row, 1).data, NULL, 10);
        enum command command = COMMAND_BEFORE;

        while (command < COMMAND_OTHER && !span_is(name, command_name(command)))
            command++;
        if (!ledger_was_sent(command, random))
            sched_fail("an event nobody sent: %.*s of %" PRIu32, (int)name.len, name.data, random);
        entry_of(command, random)->stored = (unsigned)strtoul(db_value(result, row, 2).data, NULL, 10);
    }
    db_result_free(result);
    database_look(&result, "SELECT FROM chatsluice.dead_letter");
    if (db_rows(result) > 0)
        sched_fail("%zu records were refused", db_rows(result));
    db_result_free(result);
    check_entries(false);
}

void ledger_taken(uint64_t seq, enum command command, uint32_t random)
{
    struct entry *e = entry_of(command, random);

    if (e->sent == 0)
        sched_fail("the spool gives a record nobody appended: number %" PRIu64, seq);
    if (seq <= taken_upto)
        sched_fail("number %" PRIu64 " comes after %" PRIu64, seq, taken_upto);
    e->stored++;
    taken_upto = seq;
}

void ledger_skipped(uint64_t seq)
{
    if (seq > taken_upto)
        taken_upto = seq;
}

uint64_t ledger_taken_upto(void)
{
    return taken_upto;
}

void ledger_check_taken(void)
{
    check_entries(true);
}
