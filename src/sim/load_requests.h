/* load_requests.h - the requests of a load run, made cheaply: for each text a whole request, head and body, stands
 * ready; what differs from one to the next has a fixed width and is written over in place.
 *
 * Request n of a run is decided by n alone: whether it is Before or After, and of which message. After webhook number j
 * belongs to the message of Before webhook number j, so the two can be paired. Ids are unique over runs: room ids carry
 * the run's number, and MsgSeq (from 1000000001, for the width) grows by room.
 * A load_requests is shared by all threads, a load_signer belongs to one. */
#ifndef CHATSLUICE_SIM_LOAD_REQUESTS_H
#define CHATSLUICE_SIM_LOAD_REQUESTS_H

#include "base/err.h"
#include "sim/corpus.h"
#include "sim/webhook_form.h"
#include "wire/signature.h"

enum { LOAD_MAX_ROOMS = 1000 };

struct load_requests_options { /* texts are borrowed until load_requests_free */
    const char *host, *path;   /* of the URL */
    struct webhook_style style;
    double after_share; /* 0..1 */
    uint32_t rooms;     /* at most LOAD_MAX_ROOMS */
    uint32_t run;       /* the number of this run */
};

struct load_requests;
int load_requests_new(struct load_requests **out, const struct load_requests_options *options,
                      const struct corpus *corpus, struct err *err);
void load_requests_free(struct load_requests *r); /* NULL is fine */

/* The signature of the current second. */
struct load_signer {
    int64_t time_s;
    char time[11], sign[SIGNATURE_HEX + 1];
};

/* What a request is known by in a ledger: "before <MsgId>" or "after <GroupId> <MsgSeq>". */
struct load_key {
    enum command command;
    char text[96];
};

/* Puts request n into *out (reset first). */
void load_requests_make(const struct load_requests *r, struct load_signer *signer, uint64_t n, int64_t wall_us,
                        struct buf *out, struct load_key *key);

#endif
