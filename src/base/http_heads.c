#include "base/http_heads.h"

#include "base/clock.h"

#include <stdlib.h>

/* The kernel tells the age of the last byte in its own ticks. What came so shortly after a reply may be the end of the
 * request that was answered; a head that began there is noticed with its next byte, or is as good as idle. */
enum { TICKS_MS = 50 };

/* A head in the middle of which a connection was found. */
struct begun {
    uint64_t connection;
    int64_t waits_us; /* which of the connection's heads it is */
    int64_t seen_us;  /* first */
};

struct http_heads {
    unsigned threads;
    struct http_served *served;
    struct begun *before, *now; /* at the look before, and at this one */
    size_t before_count, now_count;
};

struct http_heads *http_heads_new(unsigned threads)
{
    struct http_heads *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->threads = threads;
    h->served = calloc(threads, sizeof(*h->served));
    h->before = calloc(threads, sizeof(*h->before));
    h->now = calloc(threads, sizeof(*h->now));
    if (h->served && h->before && h->now)
        return h;
    http_heads_free(h);
    return NULL;
}

void http_heads_free(struct http_heads *h)
{
    if (!h)
        return;
    free(h->served);
    free(h->before);
    free(h->now);
    free(h);
}

struct http_served *http_heads_served(struct http_heads *h)
{
    return h->served;
}

struct look {
    struct http_heads *heads;
    unsigned count;
    int64_t now_us, limit_us;
};

static const struct http_served *served_from(const struct look *look, const struct sockaddr_in *peer)
{
    for (unsigned i = 0; i < look->count; i++) {
        const struct http_served *s = &look->heads->served[i];

        if (s->peer.sin_port == peer->sin_port && s->peer.sin_addr.s_addr == peer->sin_addr.s_addr)
            return s;
    }
    return NULL;
}

/* Whether bytes of a head have come that is not whole, as its thread would have taken it up. */
static bool is_in_a_head(const struct http_connection *c, const struct http_served *served, int64_t now_us)
{
    if (!served) /* what nobody has begun to read waits for a thread, for which its client is not to blame */
        return c->received > c->unread;
    return served->waits_us != 0 && now_us - (int64_t)c->quiet_ms * 1000 > served->waits_us + TICKS_MS * 1000;
}

static int64_t seen_since(const struct http_heads *h, const struct begun *head)
{
    for (size_t i = 0; i < h->before_count; i++)
        if (h->before[i].connection == head->connection && h->before[i].waits_us == head->waits_us)
            return h->before[i].seen_us;
    return head->seen_us;
}

static bool is_too_slow(const struct http_connection *c, void *arg)
{
    const struct look *look = arg;
    struct http_heads *h = look->heads;
    const struct http_served *served = served_from(look, &c->peer);
    struct begun head = {c->id, served ? served->waits_us : 0, look->now_us};

    if (!is_in_a_head(c, served, look->now_us))
        return false;
    head.seen_us = seen_since(h, &head);
    if (h->now_count < h->threads) /* as many as can be in a head; more are connections just being closed */
        h->now[h->now_count++] = head;
    return look->now_us - head.seen_us >= look->limit_us;
}

unsigned http_heads_end_slow(struct http_heads *h, struct http_sockets *sockets, unsigned count, int64_t limit_ms)
{
    struct look look = {h, count, clock_mono_us(), limit_ms * 1000};
    struct begun *before = h->before;
    unsigned ended;

    h->now_count = 0;
    ended = http_sockets_end_where(sockets, is_too_slow, &look);
    h->before = h->now;
    h->before_count = h->now_count;
    h->now = before;
    return ended;
}
