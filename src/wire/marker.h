/* marker.h - the mark a corrected message carries in ExtensionInfo, which comes back as CloudCustomData in the webhooks
 * the platform fires for it (`protocol.md` sections 9.1 and 9.3). It tells our own message from everybody else's: it
 * prevents loops and shows that a call whose answer was lost did reach the room.
 *
 * In a JSON object it is one more member, at the end, the rest byte for byte as it was:
 *
 *     {"lvl":3,"chatsluice":{"id":"<uuid>","n":1,"at":1764000000,"mac":"<64 hex>"}}
 *
 * What else the sender's CloudCustomData may be is kept apart, and "text" says what it was:
 *
 *     {"chatsluice":{"id":..,"n":..,"at":..,"text":"<what it was>","mac":..}}   no JSON object, or one without members
 *     {"chatsluice":{"id":..,"n":..,"at":..,"text":null,"mac":..}}              null
 *     {"chatsluice":{"id":..,"n":..,"at":..,"mac":..}}                          missing
 *
 * so that all of them come back as they were. Members "chatsluice" of the sender's own, however their keys are written,
 * are dropped for good.
 *
 * mac is HMAC-SHA256 over id, n, at, room, sender, text and the sender's own CloudCustomData as it stands beside or in
 * the marker, with their lengths before them. A marker is true only in exactly these bytes. Clients can read a marker
 * when the platform does not honour its removal, and set CloudCustomData as they like: so it is worth one message (id
 * and n), for a short time (at), of one sender in one room with one text.
 *
 * Threads: any. */
#ifndef CHATSLUICE_WIRE_MARKER_H
#define CHATSLUICE_WIRE_MARKER_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/message.h"

enum {
    MARKER_KEY = 32,
    MARKER_ID = 36,              /* characters of a UUID */
    MARKER_LIFE_S = 60,          /* it is accepted from this long before `at` to this long after: clocks differ, too */
    MARKER_MAX = 256,            /* bytes it adds at most to a JSON object */
    MARKER_MAX_MERGED = 1 << 16, /* a longer object is kept apart; the platform takes 12 KB, so none ever is */
};

struct marker {
    char id[MARKER_ID + 1]; /* outbox.outbox_id, in lower case */
    uint32_t attempt;       /* outbox.attempts when it was made */
    int64_t at_s;           /* 0 and later */
};

/* What the mac binds beside. */
struct marked {
    struct span room, sender, text;
    struct optional_text custom_data; /* the sender's own */
};

/* An application's key, made from its secret key: nothing else to configure, equal in all instances. */
void marker_key(uint8_t key[MARKER_KEY], const char *secret_key);

/* Adds ExtensionInfo. ERR_FAILED: no memory. */
int marker_add(struct buf *out, const uint8_t key[MARKER_KEY], const struct marker *marker, const struct marked *marked,
               struct err *err);

enum marker_result {
    MARKER_NONE,
    MARKER_FORGED, /* there is one, but this key did not make it for this message */
    MARKER_TRUE,   /* whether it is in time and unused is the caller's to judge */
};

/* What became of a marker that came with a webhook, as in the column event.marker. The order is part of the spool's
 * format. */
enum marker_use {
    MARKER_ABSENT,   /* null in the column */
    MARKER_ACCEPTED, /* "accepted": ours; of a Before the message was let through for it */
    MARKER_USED,     /* "used": true, but an earlier Before has used it */
    MARKER_LATE,     /* "late": true, but not of this time */
    MARKER_COPIED,   /* "copied": true, but it came from a client */
    MARKER_WRONG,    /* "forged" */
    MARKER_USES
};
const char *marker_use_name(enum marker_use use); /* NULL for MARKER_ABSENT */

/* Looks for a marker in marked->custom_data, which here is CloudCustomData as received. Of a true one *out is filled,
 * and *own says what the sender's own CloudCustomData was, in memory of `strings` (cleared first). Allocates nothing
 * for messages without a marker, and nothing but `strings` for others; without memory there MARKER_FORGED. */
enum marker_result marker_read(const uint8_t key[MARKER_KEY], const struct marked *marked, struct marker *out,
                               struct buf *strings, struct optional_text *own);

/* Whether a webhook with this OptPlatform may be of a REST call: a client's names its platform. What names none is
 * given the benefit of the doubt. */
bool marker_may_be_rest(struct span platform);

/* Whether now_s is within MARKER_LIFE_S of the marker's time. */
bool marker_in_time(const struct marker *marker, int64_t now_s);

#endif
