/* http_sockets.h - private to http_server.c: the server's own TCP sockets, found by their address. civetweb keeps its
 * descriptors to itself, and four things cannot be done without one: to stop accepting while connections live on, to
 * end a body that is not coming, to end idle connections without cutting an answer, and to reset one on purpose.
 *
 * All of them look through /proc/self/fd, so they are for the rare moments, not for every request. */
#ifndef CHATSLUICE_BASE_HTTP_SOCKETS_H
#define CHATSLUICE_BASE_HTTP_SOCKETS_H

#include <netinet/in.h>
#include <stdbool.h>

/* Refuses new connections from now on, after those already made have been accepted (waits up to 100 ms for that). The
 * descriptor number stays taken, as civetweb goes on polling it and in the end closes it: it then stands for an
 * eventfd, silent until somebody writes to it. Returns another descriptor of that eventfd, which the caller closes, or
 * -1. */
int http_sockets_stop_listening(const struct sockaddr_in *address);

/* Ends the input of the connection from peer: what has arrived can still be read, then a reader sees the end. Its
 * output stays open. The caller sees to it that the connection is not closed meanwhile. */
bool http_sockets_end_input_of(const struct sockaddr_in *address, const struct sockaddr_in *peer);

/* Resets the connection from peer: RST, and what was not sent yet is lost. The same care is the caller's. */
bool http_sockets_reset(const struct sockaddr_in *address, const struct sockaddr_in *peer);

/* Counts the connections accepted on address, those still waiting for a thread included; with end_input, ends the
 * input of each. */
unsigned http_sockets_connections(const struct sockaddr_in *address, bool end_input);

#endif
