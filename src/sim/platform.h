/* platform.h - the way of a message through the simulated platform: checks, Before webhook, verdict, the room's limit,
 * delivery, After webhook (`protocol.md` sections 1, 3, 4 and 10).
 *
 * Where the documents are silent a choice is made and named:
 *   - length and muting are checked before the Before webhook, the room's 40 messages a second after it;
 *   - an answer to Before that is no valid one (other status, no JSON, undocumented form) is treated like a timeout:
 * the message is delivered, or with fail_closed refused with 10016;
 *   - a message discarded by verdict or dropped for frequency gets no MsgSeq (0 is shown), so a room counts without
 * gaps.
 *
 * Threads: any. platform_send blocks for the Before webhook and, unless after_later, for the After one. */
#ifndef CHATSLUICE_SIM_PLATFORM_H
#define CHATSLUICE_SIM_PLATFORM_H

#include "sim/fire.h"
#include "sim/room.h"
#include "sim/verdict_reply.h"

enum { PLATFORM_MAX_MESSAGE = 12 * 1024, PLATFORM_MSG_ID = 64 };

struct platform_options {
    struct fire_options fire;
    bool fail_closed;
    uint64_t seed; /* decides Random, MsgId and ids */
};

struct platform;

/* Borrows rooms, and the texts of options, until platform_free. */
int platform_new(struct platform **out, const struct platform_options *options, struct rooms *rooms, struct err *err);
void platform_free(struct platform *p); /* NULL is fine */

/* A message somebody wants to send. */
struct outgoing {
    struct span room_id, from_account, operator_account;
    struct span msg_body, cloud_custom_data; /* JSON; cloud_custom_data.data NULL: missing */
    size_t content_bytes;                    /* what counts against 12 KB */
    const char *client_ip, *opt_platform;    /* fit for a query as they are */
    bool live_only;                          /* a room that is not of type Live will not do */
    bool after_later;                        /* do not wait for the After webhook */
    bool over_limit;                         /* a fault: dropped as one too many for the room, whatever its rate */
};

enum send_result {
    SEND_OK, /* the sender sees success, delivered or not */
    SEND_NO_ROOM,
    SEND_NOT_LIVE,
    SEND_MUTED,
    SEND_TOO_LONG,
    SEND_REJECTED, /* by verdict 1 or, failing closed, for want of a verdict */
    SEND_CODE,     /* by verdict 10100..10200: error_code and error_info are the sender's */
    SEND_INTERNAL, /* memory */
    SEND_RESULTS
};

struct delivery {
    enum send_result result;
    enum verdict_form verdict;
    struct fired before, after;
    const char *reply_fault; /* what is wrong with the answer to Before, NULL: nothing; static text */
    int64_t error_code;      /* SEND_CODE */
    struct span error_info;  /* SEND_CODE: JSON string, data NULL: none */
    bool delivered;
    bool over_limit; /* dropped as more than the room takes in a second */
    uint32_t random, msg_seq;
    int64_t msg_time_s;
    char msg_id[PLATFORM_MSG_ID];
    struct span msg_body, cloud_custom_data; /* JSON, as delivered */
    struct http_answer answer;               /* to the Before webhook; the spans may point into it */
};

/* *out is borrowed from message and freed with delivery_release. */
void platform_send(struct platform *p, const struct outgoing *message, struct delivery *out);
void delivery_release(struct delivery *d);

/* The next number decided by the seed. */
uint64_t platform_random(struct platform *p);

/* Adds the members of a JSON object: counts of webhooks, verdicts, rooms and deliveries since the start. */
void platform_stats(struct platform *p, struct buf *out);

#endif
