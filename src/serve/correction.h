/* correction.h - private to webhook.c: whether a message is one of our own, sent through the REST API to correct
 * another (`protocol.md` section 9.3), as its marker tells.
 *
 * A Before whose marker is true, unused, of this minute and did not come from a client is let through unread, and the
 * reply takes the marker off. Whatever else has a marker is a message as any other, but one with a true marker, copied
 * or used or late as it may be, has no follow-ups: so nothing is ever sent in answer to what we sent. A forged marker
 * changes nothing: anybody can write one. */
#ifndef CHATSLUICE_SERVE_CORRECTION_H
#define CHATSLUICE_SERVE_CORRECTION_H

#include "serve/marker_memory.h"
#include "store/event_record.h"

struct correction {
    enum marker_use use;
    struct marker marker;     /* of a true one, as is own */
    struct optional_text own; /* the sender's CloudCustomData without the marker */
};

/* Where a message came from and when. */
struct origin {
    const uint8_t *key;   /* the application's; NULL: no markers are looked for */
    struct span platform; /* OptPlatform as it came; data NULL: absent */
    int64_t wall_s, mono_s;
};

/* Looks at a Before or After message, and uses its marker if it is a Before one; any other message has none. own is
 * borrowed from strings (cleared first). Counts what it finds. Allocates nothing for messages without a marker. */
void correction_find(struct correction *out, const struct message *message, const struct origin *origin,
                     struct marker_memory *used, struct buf *strings);

/* Whether it has a marker that we made, accepted or not. */
bool correction_is_ours(const struct correction *c);

/* What the event says of it. Borrows *c. */
void correction_record(struct event_record *record, const struct correction *c);

/* The reply that lets an accepted one through without its marker: the sender's own CloudCustomData, "" when there was
 * none. */
int correction_reply(struct buf *out, const struct correction *c, struct span body, const struct message *message,
                     struct err *err);

#endif
