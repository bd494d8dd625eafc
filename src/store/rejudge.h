/* rejudge.h - stored events judged again, in parallel: the base of the canary of `rules publish` and of `rules replay`.
 *
 * Before and After webhooks are read from table event through a cursor, in the transaction that is open on db (there
 * must be one), parsed again from their raw bodies and judged by up to two sets. The calling thread reads; `threads`
 * workers, each with a parser and two judges of its own, take what it has read in pieces of a few dozen events, of
 * which a bounded number waits: memory does not grow with the number of events.
 *
 * judged() is called from the workers, one call at a time, in no particular order; what it gets is valid during the
 * call. So a caller counts without a lock, and should not do more than count.
 *
 * Each event is judged for itself, with its application and platform but without what went before it: conditions over
 * rates and repetitions do not hold, in either set. */
#ifndef CHATSLUICE_STORE_REJUDGE_H
#define CHATSLUICE_STORE_REJUDGE_H

#include "rules/judge.h"
#include "store/db.h"
#include "wire/message.h"

struct rejudge_events {        /* which */
    int64_t from_us, to_us;    /* event_time, wall clock; to is exclusive */
    uint64_t newest;           /* 0: all of them, in no order; else so many of the newest ones */
    const char *const *groups; /* rooms by their whole id; count 0: every room */
    size_t group_count;
};

struct rejudged { /* one event */
    struct span event_id, group_id;
    int64_t event_time_us;
    uint64_t sdkappid;
    struct span platform, client_ip; /* of the webhook's URL; data NULL when it had none */
    struct span raw;                 /* the body */
    const struct message *message;   /* NULL: the body cannot be read, and nothing was judged */
    /* as it was answered then */
    struct span verdict, rule; /* by name; empty when there was none */
    uint64_t revision;
    /* as it would be now; for an unreadable body both are unset */
    struct verdict before, after;
};

struct rejudge_options {
    const struct ruleset *before, *after; /* either may be NULL: allows by default */
    unsigned threads;                     /* 0: one for each processor, at most REJUDGE_MAX_THREADS */
    void (*judged)(const struct rejudged *event, void *arg);
    /* From the calling thread, every now and then and at the end: events judged so far. False: stop, which makes
     * rejudge_run give ERR_CONFLICT. NULL: nobody cares. */
    bool (*progress)(uint64_t judged, void *arg);
    void *arg;
};

enum { REJUDGE_MAX_THREADS = 16 };

/* 0 when all events were given to judged(). On an error those before it were. */
int rejudge_run(struct db *db, const struct rejudge_events *events, const struct rejudge_options *options,
                struct err *err);

/* How two verdicts differ for the one who sent the message, not by hits. An event whose fate is the same may be
 * answered with another text or code: REJUDGE_OTHER. */
enum rejudge_change {
    REJUDGE_SAME,
    REJUDGE_NEWLY_BLOCKED,   /* rejected or discarded, and was not */
    REJUDGE_NEWLY_PASSED,    /* the other way round */
    REJUDGE_REWRITE_CHANGED, /* passes both times, in another form */
    REJUDGE_OTHER,           /* flagged or not, rejected instead of discarded, another code or text for the sender */
    REJUDGE_CHANGES
};
const char *rejudge_change_name(enum rejudge_change c); /* "newly_blocked" ... */
enum rejudge_change rejudge_compare(const struct verdict *before, const struct verdict *after);

#endif
