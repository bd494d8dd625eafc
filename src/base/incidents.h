/* incidents.h - what this process lives through and auditors want to know of: kept in memory from wherever it is
 * noticed until it can be written to the database, for the database may be what is away.
 *
 * At most INCIDENTS_KEPT at a time: further ones are left out, and logged. A crash loses what was not written. Threads:
 * any; one takes and settles. */
#ifndef CHATSLUICE_BASE_INCIDENTS_H
#define CHATSLUICE_BASE_INCIDENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum incident_kind {
    INCIDENT_SPOOL_FILLING, /* over 70 % */
    INCIDENT_SPOOL_FULL,
    INCIDENT_SPOOL_STALLED, /* the disk does not answer */
    INCIDENT_DATABASE_AWAY,
    INCIDENT_BREAKER_OPEN, /* of an application, the subject */
    INCIDENT_KINDS
};
enum { INCIDENTS_KEPT = 64, INCIDENT_DETAIL = 200 };

struct incident {
    enum incident_kind kind;
    uint64_t subject;           /* 0: none */
    int64_t began_us, ended_us; /* wall clock; ended 0: it goes on */
    char detail[INCIDENT_DETAIL];
    uint64_t change; /* grows with every change of it */
};

const char *incident_kind_name(enum incident_kind kind); /* as in table incident */

/* Whether it is so now. Called as often as one likes: what has not changed changes nothing. detail (NULL: "") is of its
 * beginning. */
void incident_set(enum incident_kind kind, uint64_t subject, bool now, const char *detail);

/* Copies what is to be written: new, ended since it was written, or going on. Returns their number. */
size_t incidents_take(struct incident out[INCIDENTS_KEPT]);
/* It is written: forgets it when it is over, unless it has changed since. */
void incidents_settle(const struct incident *written);

#endif
