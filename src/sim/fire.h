/* fire.h - fires webhooks at the configured URL: at once, or later from a queue. Faults (fault_plan.h) are decided for
 * each webhook as it is handed over here.
 *
 * Every request has the platform's deadline, and leaves over a bounded pool of kept connections; waiting for one of
 * them counts. A Before webhook is never repeated; an After one is, when switched on, after a timeout.
 * Threads: any. The queue is bounded; what does not fit is not fired, and counted. */
#ifndef CHATSLUICE_SIM_FIRE_H
#define CHATSLUICE_SIM_FIRE_H

#include "base/err.h"
#include "base/http_client.h"
#include "sim/fault_plan.h"
#include "sim/seeded.h"
#include "sim/webhook_form.h"

enum {
    FIRE_DEADLINE_MS = 2000,
    FIRE_AFTER_RETRIES = 2,
    FIRE_AFTER_RETRY_MS = 1000,
    FIRE_QUEUE = 10000,
    FIRE_TOKEN_MAX = 512
};

struct fire_options {
    const char *url; /* texts are borrowed until fire_free */
    struct webhook_style style;
    unsigned connections;
    int64_t deadline_ms;
    bool after_retry;
    bool request_id;           /* add a RequestID to the query */
    struct fault_plan *faults; /* borrowed as well; NULL: none */
};

struct fired {
    bool fired; /* false also for an After webhook that a fault puts off */
    int status; /* of HTTP; 0: no answer */
    int64_t elapsed_us;
    const char *failure; /* NULL, "timeout", "connection", "status" or, by a fault, "lost" */
};

struct fire_counts { /* what is lost on purpose has failed */
    uint64_t before, before_failed;
    uint64_t after, after_failed, after_repeated, after_not_queued; /* the last two with the recalls' */
    uint64_t recall, recall_failed;
};

struct fire;

/* Borrows random. */
int fire_new(struct fire **out, const struct fire_options *options, struct seeded *random, struct err *err);
void fire_free(struct fire *f); /* what is still queued is given up; NULL is fine */

/* Fires and waits for the answer or the deadline; the body of the answer is in *answer. */
void fire_now(struct fire *f, enum command command, const struct group_message *message, struct http_answer *answer,
              struct fired *out);
/* Queues an After webhook (COMMAND_AFTER, COMMAND_RECALL); copies what it needs. */
void fire_after_later(struct fire *f, enum command command, const struct group_message *message);

/* Webhooks sent from now on are signed with this token (at most FIRE_TOKEN_MAX bytes, copied); NULL: not at all. */
void fire_sign_with(struct fire *f, const char *token);

void fire_count(struct fire *f, struct fire_counts *out);

#endif
