/* sender.h - private to src/outbox: what the sender's thread does, one step at a time. outbox.c owns the thread, the
 * connection to the database and the rhythm.
 *
 *     due? ──▶ claim ──▶ ready ──permit, connection──▶ under way ──▶ ended ──▶ answer ──▶ written down
 *
 * A row is claimed only when a permit and a connection are there for it now or in a few milliseconds. */
#ifndef CHATSLUICE_OUTBOX_SENDER_H
#define CHATSLUICE_OUTBOX_SENDER_H

#include "base/http_client.h"
#include "outbox/job.h"
#include "store/db.h"

#include <pthread.h>

struct sender_options {
    const char *instance_id; /* borrowed */
    enum rest_command transport;
    unsigned connections;
    int64_t timeout_ms, confirm_ms;
    bool retry_unconfirmed;
    uint64_t attempts, room_per_minute, calls_a_second;
};

/* What others may ask for. */
struct sender_note {
    pthread_mutex_t lock; /* guards the rest */
    bool breaker_open;
    char why[256];
};

struct sender {
    struct sender_options options;
    struct http_calls *calls;
    struct application *apps;
    struct sender_note note;
    struct job *ready;    /* oldest first */
    struct buf answers;   /* lines that are still to be written down */
    struct buf url, body; /* of the call being made */
    bool answer_lost;     /* an answer could not be written down: see sender_settle_claims */
    unsigned turn;        /* which application comes first */
    unsigned seed;
};

/* Database steps; a failure means: close the connection. */
int sender_write_answers(struct sender *s, struct db *db, struct err *err);
int sender_settle_claims(struct sender *s, struct db *db, struct err *err); /* once for each new connection */
int sender_lease(struct sender *s, struct db *db, struct err *err);
int sender_claim(struct sender *s, struct db *db, struct err *err);

/* Steps without the database. */
void sender_begin_ready(struct sender *s);
void sender_collect(struct sender *s);
void sender_drop_ready(struct sender *s); /* claimed calls that have not begun go back */
void sender_take_applications(struct sender *s, struct application *wanted);

bool sender_has_due(const struct sender *s); /* sender_claim would ask the database, permits or not */
void sender_show(struct sender *s);          /* gauges */
uint32_t sender_random(struct sender *s);

#endif
