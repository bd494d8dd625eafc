/* load_reply.h - reads answers as they come off a socket, quickly: just enough of HTTP/1.1 for a server that sends a
 * Content-Length, and just enough of the body to tell the verdicts apart. */
#ifndef CHATSLUICE_SIM_LOAD_REPLY_H
#define CHATSLUICE_SIM_LOAD_REPLY_H

#include "sim/verdict_reply.h"

enum { LOAD_REPLY_MAX = 128 * 1024 };

enum load_reply_state { LOAD_REPLY_MORE, LOAD_REPLY_WHOLE, LOAD_REPLY_BAD };

struct load_reply {
    int status;
    bool close; /* the server ends the connection after it */
    size_t len; /* head and body */
    struct span body;
};

/* LOAD_REPLY_MORE: the bytes so far are the start of an answer. */
enum load_reply_state load_reply_read(struct span bytes, struct load_reply *out);

/* The form of a verdict; VERDICT_FAILED when body is no answer the platform would accept. */
enum verdict_form load_reply_verdict(struct span body);

#endif
