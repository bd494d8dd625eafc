/* verdict_reply.h - how the platform understands the answer to a Before webhook (`protocol.md` section 3). */
#ifndef CHATSLUICE_SIM_VERDICT_REPLY_H
#define CHATSLUICE_SIM_VERDICT_REPLY_H

#include "base/span.h"

#include <stdint.h>

enum verdict_form {
    VERDICT_NONE, /* no webhook was fired */
    VERDICT_ALLOW,
    VERDICT_REJECT,  /* 1 */
    VERDICT_DISCARD, /* 2 */
    VERDICT_CODE,    /* 10100..10200 */
    VERDICT_REWRITE, /* 0 with MsgBody, CloudCustomData or both */
    VERDICT_FAILED,  /* no valid answer in time: the console's failure policy decides */
    VERDICT_FORMS
};
const char *verdict_form_name(enum verdict_form form); /* "none", "allow", ... */

struct verdict_reply {
    enum verdict_form form;
    int64_t error_code;
    struct span error_info;        /* JSON, as sent; data NULL: missing */
    struct span msg_body;          /* JSON, as sent; data NULL: leave it */
    struct span cloud_custom_data; /* likewise */
    const char *fault;             /* VERDICT_FAILED: what is wrong with the answer; static text */
};

/* Borrows from body. old_body_bytes: length of the MsgBody a new one would replace; a new one may not be longer than
 * 12 KB unless the old one was. Forms the documents leave open (other codes, ActionStatus FAIL, an empty MsgBody, a
 * MsgBody beside a code) are taken as no valid answer, so that who sends them finds out here. */
void verdict_reply_read(struct span body, size_t old_body_bytes, struct verdict_reply *out);

/* Whether json (which passed the gate) is a MsgBody: an array of at least one {"MsgType": string, "MsgContent":
 * object}, at most one of them a TIMCustomElem. NULL, or what is wrong. */
const char *msg_body_fault(struct span json);

#endif
