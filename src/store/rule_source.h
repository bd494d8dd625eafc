/* rule_source.h - the thread that keeps this process on the published rule revision: polls the database, compiles a
 * new set off the request path, swaps it in, saves it as the last good one, acknowledges it in rule_ack, and keeps the
 * row of this process in table instance fresh. A revision that does not compile leaves the running set and is
 * acknowledged with its error.
 *
 * With a rollback_factor it also watches the share of messages of this process that rules act on: when that jumps under
 * a new revision, it rolls back, once for all instances (rollback.h).
 *
 * With publish_requests it carries out what people have asked for by SQL (publication.h), one request a look.
 *
 * Rhythm: one look each poll_interval_ms, the row in instance every five seconds. Without the database the set in the
 * slot stays in force and the thread tries again, growing to 5 s, with jitter. Options are copied. */
#ifndef CHATSLUICE_STORE_RULE_SOURCE_H
#define CHATSLUICE_STORE_RULE_SOURCE_H

#include "base/err.h"
#include "rules/ruleset.h"
#include "spool/spool.h"
#include "store/publish_gate.h"

struct rule_source;

struct rule_source_options {
    struct ruleset_slot *slot;
    const char *database_url;
    const char *instance_id; /* a UUID made anew at each start of the process */
    struct spool *spool;     /* its id and backlog go into table instance; NULL: none, as in tests */
    const char *cache_directory;
    int64_t poll_interval_ms;
    int64_t connect_timeout_ms;
    uint64_t rollback_factor; /* see rule_watch.h; 0: never by itself */
    int64_t rollback_window_ms;
    bool publish_requests;    /* publications asked for by SQL are carried out here */
    struct gate_options gate; /* limits and lexicon of those; borrowed to the end */
};

int rule_source_start(struct rule_source **out, const struct rule_source_options *options, struct err *err);
void rule_source_poll_now(struct rule_source *source); /* SIGHUP */
/* Waits for what is under way: a compilation, connect_timeout_ms, or three seconds for a statement. NULL is fine. */
void rule_source_stop(struct rule_source *source);

#endif
