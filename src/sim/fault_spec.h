/* fault_spec.h - one fault in words, as `chatsim serve --fault` and PUT /sim/faults take it:
 *
 *   WHERE:KIND[=VALUE][:PROBABILITY]        send_text_msg:code=100001:0.1
 *
 * WHERE is what it hits: a command of the REST API by its last part, `rest` (all of them), `before`, `after`,
 * `recall` (the webhook after a recall), or `webhooks` (all three). PROBABILITY is a decimal number from 0 to 1, and 1
 * when it is not said.
 *
 * Kinds for REST commands; `processed-` means that the command was carried out first and only the answer is lost:
 *   code=N, processed-code=N     answered with ErrorCode N
 *   http=N, processed-http=N     HTTP status N, 400 to 599, and no JSON
 *   reset, processed-reset       the connection is reset without an answer
 *   garbage                      carried out; the answer is no JSON
 *   truncated                    carried out; half of the answer leaves, then the connection closes
 *   oversized=BYTES              carried out; that much of an answer
 *   delay=MS                     carried out at once; the answer, whatever it is, leaves that much later
 *   MsgFreqCtrl                  messages only: treated as over the room's limit, that is accepted and not delivered
 * Kinds for webhooks:
 *   lost                         not sent; no deadline is waited for (delay=MS beside it makes it late as well)
 *   delay=MS                     sent that much later
 *   reorder=MS                   sent later by some time from 0 to MS, which the seed decides
 *   slow=MS                      written in about a dozen pieces, each MS after the one before; plain HTTP only
 *   missing=NAME                 without MsgId, EventTime, Operator_Account or OptPlatform
 *   string-event-time            EventTime as a string
 *   duplicate[=MS]               not `before`: sent again, MS later
 * Threads: any; pure. */
#ifndef CHATSLUICE_SIM_FAULT_SPEC_H
#define CHATSLUICE_SIM_FAULT_SPEC_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

enum fault_kind {
    FAULT_CODE,
    FAULT_PROCESSED_CODE,
    FAULT_HTTP,
    FAULT_PROCESSED_HTTP,
    FAULT_RESET,
    FAULT_PROCESSED_RESET,
    FAULT_GARBAGE,
    FAULT_TRUNCATED,
    FAULT_OVERSIZED,
    FAULT_REST_DELAY,
    FAULT_FREQUENCY,
    FAULT_LOST,
    FAULT_WEBHOOK_DELAY,
    FAULT_REORDER,
    FAULT_SLOW,
    FAULT_MISSING,
    FAULT_STRING_EVENT_TIME,
    FAULT_DUPLICATE,
    FAULT_KINDS
};

/* The word of a kind; the two delays share one. */
const char *fault_kind_name(enum fault_kind kind);

/* What a fault may hit; commands of the REST API are numbered from 0 as in rest_api_command(). */
enum { FAULT_COMMANDS_MAX = 64 };
enum fault_where { WHERE_COMMAND, WHERE_REST, WHERE_BEFORE, WHERE_AFTER, WHERE_RECALL, WHERE_WEBHOOKS };

enum { FAULT_SPEC_MAX = 128, FAULT_DELAY_MAX_MS = 60000, FAULT_OVERSIZED_MAX = 64 * 1024 * 1024 };

struct fault_spec {
    char text[FAULT_SPEC_MAX + 1]; /* as given */
    enum fault_where where;
    size_t command; /* WHERE_COMMAND */
    enum fault_kind kind;
    int64_t value; /* of the kind; FAULT_MISSING: bits of enum webhook_part */
    double probability;
};

/* ERR_USAGE, with words that say what is wrong and what would be right. */
int fault_spec_read(struct fault_spec *out, const char *text, struct err *err);

/* The number of the command that path calls; FAULT_COMMANDS_MAX when it calls none. */
size_t fault_command_of(struct span path);
/* The last part of a command's path; NULL past the last command. */
const char *fault_command_name(size_t command);

#endif
