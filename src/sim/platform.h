/* platform.h - the way of a message through the simulated platform: checks, Before webhook, verdict, the room's limit,
 * delivery, After webhook; and the recall of one that was delivered (`protocol.md` sections 1, 3, 4, 5 and 10).
 *
 * Where the documents are silent a choice is made and named:
 *   - checked before the Before webhook, in this order: room, its type, length, banned, muted, blocked_text (which
 *     stands for the platform's own moderation); the room's 40 messages a second after it;
 *   - an answer to Before that is no valid one (other status, no JSON, undocumented form) is treated like a timeout:
 *     the message is delivered, or with fail_closed refused with 10016;
 *   - a message discarded by verdict gets no MsgSeq (0 is shown); one dropped for frequency neither, so that a room
 *     counts without gaps, unless the rooms' number_dropped says otherwise;
 *   - a banned member cannot send, as if still in the room but without the right to;
 *   - messages disabled in a room silence everybody but its owner, senders named by a REST call included;
 *   - OnlineOnlyFlag, MsgPriority, GroupAtInfo and OfflinePushInfo change nothing in a live room and are not in its
 *     webhooks;
 *   - an administrator may recall every message, a client its own and the room's owner all; the others stay. Recalled
 *     is only what is younger than recall_s, for clients and REST alike, and a message the room has forgotten is not
 *     found. One webhook tells all that a call recalled; there is none when it is nothing;
 *   - neither Group.CallbackSendMsgException nor the Live engine's own webhooks are fired.
 *
 * Threads: any. platform_send blocks for the Before webhook and, unless after_later, for the After one. */
#ifndef CHATSLUICE_SIM_PLATFORM_H
#define CHATSLUICE_SIM_PLATFORM_H

#include "sim/fire.h"
#include "sim/room.h"
#include "sim/verdict_reply.h"

enum {
    PLATFORM_MAX_MESSAGE = 12 * 1024,
    PLATFORM_MSG_ID = 64,
    PLATFORM_RECALL_S = 3600, /* live groups; the platform says "within one hour" */
    PLATFORM_RECALL_MAX = 10, /* messages in one call */
};

struct platform_options {
    struct fire_options fire;
    bool fail_closed;
    const char *blocked_text; /* NULL, or what no MsgBody may contain; compared with its JSON as sent */
    int64_t recall_s;         /* how long a message can be recalled */
    uint64_t seed;            /* decides Random, MsgId and ids */
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
    bool no_before, no_after;                /* ForbidCallbackControl: that webhook is not fired */
    bool unmoderated;                        /* SendMsgControl NoMsgCheck: blocked_text does not count */
    bool random_given;                       /* the caller's Random, not one of ours */
    uint32_t random;
};

enum send_result {
    SEND_OK, /* the sender sees success, delivered or not */
    SEND_NO_ROOM,
    SEND_NOT_LIVE,
    SEND_MUTED,
    SEND_BANNED,
    SEND_BLOCKED, /* by blocked_text */
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

struct recall {
    struct span room_id;
    struct span operator_account; /* as the webhook says it */
    bool by_client;               /* operator_account may recall its own; else everybody's */
    bool after_later;             /* do not wait for the webhook */
    const char *client_ip, *opt_platform;
    uint32_t seqs[PLATFORM_RECALL_MAX];
    size_t count;
};

/* Fills results, one for each seq, and *fired. False: there is no such room, and nothing was filled. */
bool platform_recall(struct platform *p, const struct recall *recall, enum recall_result results[PLATFORM_RECALL_MAX],
                     struct fired *fired);

/* Signs webhooks with token from now on; NULL: not at all. Copied, at most FIRE_TOKEN_MAX bytes. */
void platform_sign_with(struct platform *p, const char *token);

/* The next number decided by the seed. */
uint64_t platform_random(struct platform *p);

/* Adds the members of a JSON object: counts of webhooks, verdicts, rooms and deliveries since the start. */
void platform_stats(struct platform *p, struct buf *out);

#endif
