/* event_record.h - what one webhook leaves in the spool: the raw body and everything the loader cannot find in it.
 *
 * A record may also carry what the parser found in the body. It saves the loader parsing it a second time, which would
 * be four fifths of its work and slow the service by as much on a busy machine. The format is told byte by byte in the
 * .c.
 */
#ifndef CHATSLUICE_STORE_EVENT_RECORD_H
#define CHATSLUICE_STORE_EVENT_RECORD_H

#include "base/buf.h"
#include "base/err.h"
#include "rules/verdict.h"
#include "wire/marker.h"
#include "wire/message.h"

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
    uint32_t judge_us;     /* from the head of the request to the verdict */
    struct span rule;      /* deciding rule, data NULL by default */
    struct span hits_json; /* data NULL when there are none */
    struct span becomes;   /* rewritten text, also of a message that is to be resent; data NULL: there is none */
    struct span becomes_custom_data; /* the same of CloudCustomData */
    struct span follow_ups_json;     /* data NULL when there are none */
    struct span correction_id; /* the outbox row this message carries out, by a true marker that did not come from a
                                  client; data NULL: none */
    enum marker_use marker;
    struct span body; /* as received, byte for byte */
    /* What callback_parse() made of body; parsed may be false, then the loader parses. Kept for COMMAND_BEFORE and
     * COMMAND_AFTER alone. Decoding gives all but pieces, elements (only their count) and what those two commands do
     * not have: error_info, error_code, recalled_seqs; msg_priority and online_only are not kept. */
    bool parsed;
    struct message message;
};

void event_record_encode(struct buf *out, const struct event_record *record);
/* Borrows from bytes. ERR_INVALID for anything that is not a record of a known version. */
int event_record_decode(struct span bytes, struct event_record *out, struct err *err);

#endif
