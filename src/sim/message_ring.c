#include "sim/message_ring.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_SIZE = 16 };

struct ring_message {
    uint32_t seq;
    bool recalled;
    int64_t time_s;
    size_t sender_len, json_len;
    char *bytes; /* the sender, then the JSON object */
};

static struct ring_message *message_at(const struct message_ring *ring, size_t index)
{
    return &ring->messages[(ring->first + index) % ring->size];
}

void message_ring_release(struct message_ring *ring)
{
    while (ring->count > 0)
        message_ring_forget(ring);
    free(ring->messages);
    *ring = (struct message_ring){0};
}

size_t message_ring_bytes(const struct shown_message *message)
{
    return message->sender.len + message->json.len;
}

size_t message_ring_forget(struct message_ring *ring)
{
    struct ring_message *oldest = message_at(ring, 0);
    const size_t bytes = oldest->sender_len + oldest->json_len;

    free(oldest->bytes);
    ring->first = (ring->first + 1) % ring->size;
    ring->count--;
    return bytes;
}

/* Makes the ring larger, its messages in order from slot 0. */
static bool grow(struct message_ring *ring, size_t keep)
{
    size_t size = ring->size ? ring->size * 2 : FIRST_SIZE;
    struct ring_message *messages;

    if (size > keep)
        size = keep;
    messages = calloc(size, sizeof(*messages));
    if (!messages)
        return false;
    for (size_t i = 0; i < ring->count; i++)
        messages[i] = *message_at(ring, i);
    free(ring->messages);
    ring->messages = messages;
    ring->size = size;
    ring->first = 0;
    return true;
}

/* Numbers are given before delivery, so two threads may arrive the other way round: the newer message then moves up and
 * lets the older one in before it. */
static void insert(struct message_ring *ring, struct ring_message message)
{
    size_t at = ring->count++;

    while (at > 0 && message_at(ring, at - 1)->seq >= message.seq) {
        *message_at(ring, at) = *message_at(ring, at - 1);
        at--;
    }
    *message_at(ring, at) = message;
}

bool message_ring_put(struct message_ring *ring, size_t keep, const struct shown_message *message)
{
    const size_t bytes = message_ring_bytes(message);
    char *copy;

    assert(ring->count < keep);
    if (ring->count == ring->size && !grow(ring, keep))
        return false;
    copy = malloc(bytes ? bytes : 1);
    if (!copy)
        return false;
    if (message->sender.len > 0)
        memcpy(copy, message->sender.data, message->sender.len);
    if (message->json.len > 0)
        memcpy(copy + message->sender.len, message->json.data, message->json.len);
    insert(ring, (struct ring_message){
                     .seq = message->seq,
                     .time_s = message->time_s,
                     .sender_len = message->sender.len,
                     .json_len = message->json.len,
                     .bytes = copy,
                 });
    return true;
}

enum recall_result message_ring_recall(struct message_ring *ring, uint32_t seq, struct span by, int64_t since_s)
{
    struct ring_message *m = NULL;

    for (size_t i = ring->count; i-- > 0 && !m;) { /* recent ones are recalled most */
        if (message_at(ring, i)->seq == seq)
            m = message_at(ring, i);
    }
    if (!m)
        return RECALL_UNKNOWN;
    if (by.data && !span_equal(by, (struct span){m->bytes, m->sender_len}))
        return RECALL_NOT_ALLOWED;
    if (m->recalled)
        return RECALL_AGAIN;
    if (m->time_s <= since_s)
        return RECALL_TOO_LATE;
    m->recalled = true;
    return RECALL_OK;
}

void message_ring_list(const struct message_ring *ring, uint32_t after_seq, size_t limit, struct buf *out)
{
    for (size_t i = 0, listed = 0; i < ring->count && listed < limit; i++) {
        const struct ring_message *m = message_at(ring, i);
        if (m->seq <= after_seq)
            continue;
        if (listed++ > 0)
            buf_add_char(out, ',');
        if (m->recalled) { /* before the closing bracket */
            buf_add(out, m->bytes + m->sender_len, m->json_len - 1);
            buf_add_text(out, ",\"Recalled\":true}");
        } else {
            buf_add(out, m->bytes + m->sender_len, m->json_len);
        }
    }
}
