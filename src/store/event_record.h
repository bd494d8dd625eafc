/* event_record.h - what one webhook leaves in the spool: everything the loader cannot find in the raw body.
 * The format is told byte by byte in the .c. */
#ifndef CHATSLUICE_STORE_EVENT_RECORD_H
#define CHATSLUICE_STORE_EVENT_RECORD_H

#include "base/buf.h"
#include "base/err.h"
#include "rules/verdict.h"

struct event_record {
    int64_t received_us; /* wall clock */
    uint64_t sdkappid;
    enum command command;                        /* as dispatched */
    struct span client_ip, platform, request_id; /* of the URL; data NULL when absent */
    struct span fault;                           /* why the body could not be read; data NULL when it could */
    /* the verdict */
    enum action action;
    enum decided_by decided_by;
    int error_code;
    uint64_t revision;
    uint32_t judge_us;           /* from the head of the request to the verdict */
    struct span rule;            /* deciding rule, data NULL by default */
    struct span hits_json;       /* data NULL when there are none */
    struct span becomes;         /* rewritten text, data NULL when not rewritten */
    struct span follow_ups_json; /* data NULL when there are none */
    struct span body;            /* as received, byte for byte */
};

void event_record_encode(struct buf *out, const struct event_record *record);
/* Borrows from bytes. ERR_INVALID for anything that is not a record of a known version. */
int event_record_decode(struct span bytes, struct event_record *out, struct err *err);

#endif
