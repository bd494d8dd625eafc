/* message_ring.h - the messages a room saw, by number, until they are recalled or forgotten. The ring doubles until it
 * holds as many as wanted. Not locked: its owner does that, and counts the bytes. */
#ifndef CHATSLUICE_SIM_MESSAGE_RING_H
#define CHATSLUICE_SIM_MESSAGE_RING_H

#include "base/buf.h"

struct shown_message {
    uint32_t seq;
    int64_t time_s;
    struct span sender;
    struct span json; /* one JSON object, what the room is shown */
};

struct ring_message;
struct message_ring { /* {0} is an empty one */
    struct ring_message *messages;
    size_t size, first, count;
};

void message_ring_release(struct message_ring *ring);

size_t message_ring_bytes(const struct shown_message *message); /* what keeping it costs */
/* Copies it in, keep being the most the ring may hold (count is less). False: no memory. */
bool message_ring_put(struct message_ring *ring, size_t keep, const struct shown_message *message);
/* Forgets the oldest of at least one; returns the bytes it cost. */
size_t message_ring_forget(struct message_ring *ring);

enum recall_result {
    RECALL_OK,
    RECALL_UNKNOWN,     /* never there or forgotten */
    RECALL_TOO_LATE,    /* older than allowed */
    RECALL_AGAIN,       /* recalled before */
    RECALL_NOT_ALLOWED, /* not the message of who wants it recalled */
    RECALL_NOT_HERE,    /* the group's type knows no recall */
    RECALL_RESULTS
};

/* Marks a message as recalled. by.data NULL: an administrator, who may recall everybody's; since_s: those of
 * that second and older ones stay. */
enum recall_result message_ring_recall(struct message_ring *ring, uint32_t seq, struct span by, int64_t since_s);

/* Adds at most limit messages with a number above after_seq, separated by commas; a recalled one has the last member
 * "Recalled":true. */
void message_ring_list(const struct message_ring *ring, uint32_t after_seq, size_t limit, struct buf *out);

#endif
