/* call.h - what is sent for a row: the URL with its signature, and the body (`protocol.md` sections 8 and 9). Pure. */
#ifndef CHATSLUICE_OUTBOX_CALL_H
#define CHATSLUICE_OUTBOX_CALL_H

#include "base/buf.h"
#include "base/err.h"
#include "outbox/row.h"
#include "wire/marker.h"

enum { CALL_MESSAGE_MAX = 12 * 1024 }; /* text and ExtensionInfo or CloudCustomData: the platform's bound */

struct caller {
    const char *url; /* "https://host", without a final slash */
    uint64_t sdkappid;
    const char *admin;
    const char *usersig; /* secret */
    const uint8_t *marker_key;
    int64_t now_s;   /* Unix time, goes into the marker */
    uint32_t random; /* of the URL: any */
};

/* Adds to both, which are empty. *url is secret. ERR_INVALID: the row cannot be sent as it is, *err says why for
 * people. ERR_FAILED: no memory. */
int call_make(struct buf *url, struct buf *body, const struct row *row, const struct caller *caller, struct err *err);

#endif
