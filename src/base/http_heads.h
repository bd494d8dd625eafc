/* http_heads.h - private to http_server.c: ends connections whose client has begun a head and does not finish it.
 *
 * civetweb has one time for the silence before a head and for the head itself, counted from when the connection was
 * opened or last answered. So it cannot tell an idle client, which may send its request a minute later, from a slow
 * one. The kernel knows what has come and when; what it said is remembered here from one look to the next.
 *
 * Threads: one, the watch. */
#ifndef CHATSLUICE_BASE_HTTP_HEADS_H
#define CHATSLUICE_BASE_HTTP_HEADS_H

#include "base/http_sockets.h"

struct http_heads;

/* A thread of the server that has a connection and knows whose it is, which it does from the first request on. */
struct http_served {
    struct sockaddr_in peer;
    int64_t waits_us; /* since when it waits for the next head; 0: a request is being answered */
};

struct http_heads *http_heads_new(unsigned threads); /* NULL: no memory */
void http_heads_free(struct http_heads *h);          /* NULL is fine */

/* A place for each thread, to be filled before each look. */
struct http_served *http_heads_served(struct http_heads *h);

/* Looks at all connections: `count` places are filled; a connection of nobody among them has had no request yet. Ends
 * the input of those that were already in the middle of the same head limit_ms ago or earlier. Returns how many. */
unsigned http_heads_end_slow(struct http_heads *h, struct http_sockets *sockets, unsigned count, int64_t limit_ms);

#endif
