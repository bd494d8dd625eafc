/* query.h - private to webhook.c: what a webhook's URL says (`protocol.md` section 1). Names without case, values
 * percent-decoded; unknown parameters are ignored. */
#ifndef CHATSLUICE_SERVE_QUERY_H
#define CHATSLUICE_SERVE_QUERY_H

#include "base/buf.h"

enum query_name {
    QUERY_SDKAPPID,
    QUERY_COMMAND, /* CallbackCommand, or WebhookCommand as some pages print it */
    QUERY_CLIENT_IP,
    QUERY_PLATFORM,
    QUERY_REQUEST_ID,
    QUERY_SIGN,
    QUERY_REQUEST_TIME,
    QUERY_NAMES,
};

struct query {
    unsigned count[QUERY_NAMES];    /* how often it was given */
    struct span value[QUERY_NAMES]; /* of the last; data NULL when not given */
    struct buf decoded[QUERY_NAMES];
};

/* Values are borrowed from text and q until the next call. */
void query_read(struct query *q, struct span text);
void query_release(struct query *q);

/* The value if it may be stored as text: at most max_bytes, valid UTF-8 without control characters; else data NULL. */
struct span query_text(const struct query *q, enum query_name name, size_t max_bytes);

#endif
