/* http_sockets.h - private to http_server.c: the server's own TCP sockets, found by their address. civetweb keeps its
 * descriptors to itself, and seven things cannot be done without one: to stop accepting while connections live on, to
 * end a body that is not coming, to tell an idle client from one in the middle of a head, to end idle connections
 * without cutting an answer, to reset one on purpose, to refuse a connection that no thread will ever take, and to keep
 * civetweb from spinning when the process has no descriptor left to accept with.
 *
 * All of them look through /proc/self/fd, so they are for the rare moments, not for every request. They work without
 * a free descriptor: what they need was opened at the start. Threads: any; one at a time is let in. */
#ifndef CHATSLUICE_BASE_HTTP_SOCKETS_H
#define CHATSLUICE_BASE_HTTP_SOCKETS_H

#include "base/err.h"
#include "base/span.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct http_sockets;

/* Of the server that listens on address. */
int http_sockets_open(struct http_sockets **out, const struct sockaddr_in *address, struct err *err);
void http_sockets_close(struct http_sockets *s); /* NULL is fine */

/* Refuses new connections from now on, after those already made have been accepted (waits up to 100 ms for that). The
 * descriptor number stays taken, as civetweb goes on polling it and in the end closes it: it then stands for an
 * eventfd, silent until http_sockets_wake(). */
void http_sockets_stop_listening(struct http_sockets *s);
/* Makes civetweb's accept loop look at its stop flag; after http_sockets_stop_listening(). */
void http_sockets_wake(struct http_sockets *s);

/* Ends the connection from peer: with how SHUT_RD its input (what has arrived can still be read, then a reader sees the
 * end), with SHUT_RDWR both sides. The caller sees to it that the connection is not closed meanwhile. */
void http_sockets_end(struct http_sockets *s, const struct sockaddr_in *peer, int how);

/* Resets the connection from peer: RST, and what was not sent yet is lost. The same care is the caller's. */
void http_sockets_reset(struct http_sockets *s, const struct sockaddr_in *peer);

/* Ends the input of connections on which nothing has come for least_ms and nothing is left to be read, the longest
 * quiet first, at most `most` of them. Returns how many. A request that is being answered is not harmed. */
unsigned http_sockets_end_quiet(struct http_sockets *s, unsigned least_ms, unsigned most);

/* A connection accepted, as the kernel knows it. */
struct http_connection {
    struct sockaddr_in peer;
    uint64_t id;               /* no other open connection has it, nor one that closed lately */
    uint64_t received, unread; /* bytes that came from the peer, and those of them that nobody has read yet */
    unsigned quiet_ms;         /* since the last of them came, or since it was opened */
};

/* Ends the input of each connection of which `ends` says true; returns how many those were. */
unsigned http_sockets_end_where(struct http_sockets *s, bool (*ends)(const struct http_connection *c, void *arg),
                                void *arg);

/* Counts the connections accepted, those still waiting for a thread included; with end_input, ends the input of each.
 */
unsigned http_sockets_connections(struct http_sockets *s, bool end_input);

/* Takes the connections that civetweb has not accepted yet, at most `most`, gives each reply and closes it. Returns how
 * many those were. */
unsigned http_sockets_refuse(struct http_sockets *s, struct span reply, unsigned most);

/* Whether the process is about to run out of descriptors (RLIMIT_NOFILE, which may be lowered while it runs). */
bool http_sockets_short_of_descriptors(const struct http_sockets *s);
/* Shut: civetweb accepts nothing and its accept loop sleeps, while connections can still be made and refused. Opened
 * again: a connection may wait two seconds once. No-ops when it is so already. It cannot be shut under a limit lower
 * than the listener's own number; with so few descriptors nothing else works either. */
void http_sockets_shut_door(struct http_sockets *s, bool shut);

#endif
