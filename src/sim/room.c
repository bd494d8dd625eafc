#include "sim/room.h"

#include "base/json_write.h"
#include "sim/limit.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096, FIRST_RING = 16 };

struct room_message {
    uint32_t seq;
    size_t len;
    char *json;
};

/* The messages are a ring that doubles until it holds `keep`. */
struct room {
    struct room *next; /* in its bucket */
    char *id;
    size_t id_len;
    char type[ROOM_TYPE_MAX + 1];
    uint32_t last_seq;
    struct rolling_limit limit;
    struct muted *muted;
    struct room_message *ring;
    size_t ring_size, first, count;
    uint64_t delivered, forgotten;
};

struct muted {
    struct muted *next;
    size_t len;
    char user[];
};

struct rooms {
    struct rooms_options options; /* fixed */
    pthread_mutex_t lock;         /* guards the rest */
    struct room *buckets[BUCKETS];
    struct muted *muted_everywhere;
    struct rooms_count count;
};

/* Names and member lists ---------------------------------------------------------------------------------------- */

static size_t bucket_of(struct span id)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < id.len; i++)
        h = (h ^ (unsigned char)id.data[i]) * 0x100000001b3u;
    return (size_t)(h % BUCKETS);
}

static struct room *room_find_locked(const struct rooms *rooms, struct span id)
{
    struct room *room = rooms->buckets[bucket_of(id)];

    while (room && !span_equal((struct span){room->id, room->id_len}, id))
        room = room->next;
    return room;
}

static struct muted **muted_find(struct muted **list, struct span user, size_t *length)
{
    *length = 0;
    for (; *list; list = &(*list)->next, ++*length) {
        if (span_equal((struct span){(*list)->user, (*list)->len}, user))
            break;
    }
    return list;
}

static enum room_result muted_add(struct muted **list, struct span user)
{
    size_t length;
    struct muted **end = muted_find(list, user, &length);
    struct muted *m;

    if (*end)
        return ROOM_OK;
    if (length >= ROOM_MUTED_MAX || !(m = malloc(sizeof(*m) + user.len)))
        return ROOM_TOO_MANY;
    m->next = NULL;
    m->len = user.len;
    if (user.len > 0)
        memcpy(m->user, user.data, user.len);
    *end = m;
    return ROOM_OK;
}

static void muted_remove(struct muted **list, struct span user)
{
    size_t length;
    struct muted **found = muted_find(list, user, &length);

    if (*found) {
        struct muted *gone = *found;
        *found = gone->next;
        free(gone);
    }
}

static void muted_free(struct muted *list)
{
    while (list) {
        struct muted *next = list->next;
        free(list);
        list = next;
    }
}

/* Rooms --------------------------------------------------------------------------------------------------------- */

struct rooms *rooms_new(const struct rooms_options *options)
{
    struct rooms *rooms = calloc(1, sizeof(*rooms));

    if (!rooms)
        return NULL;
    rooms->options = *options;
    pthread_mutex_init(&rooms->lock, NULL);
    return rooms;
}

static void room_forget_oldest(struct rooms *rooms, struct room *room)
{
    struct room_message *oldest = &room->ring[room->first];

    rooms->count.kept_bytes -= oldest->len;
    free(oldest->json);
    room->first = (room->first + 1) % room->ring_size;
    room->count--;
}

static void room_free(struct rooms *rooms, struct room *room)
{
    while (room->count > 0)
        room_forget_oldest(rooms, room);
    muted_free(room->muted);
    free(room->ring);
    free(room->id);
    free(room);
}

void rooms_free(struct rooms *rooms)
{
    if (!rooms)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (rooms->buckets[i]) {
            struct room *room = rooms->buckets[i];
            rooms->buckets[i] = room->next;
            room_free(rooms, room);
        }
    }
    muted_free(rooms->muted_everywhere);
    pthread_mutex_destroy(&rooms->lock);
    free(rooms);
}

static struct room *room_new_locked(struct rooms *rooms, struct span id)
{
    struct room **bucket = &rooms->buckets[bucket_of(id)];
    struct room *room = rooms->count.rooms < ROOMS_MAX ? calloc(1, sizeof(*room)) : NULL;

    if (!room || !(room->id = malloc(id.len))) {
        free(room);
        return NULL;
    }
    memcpy(room->id, id.data, id.len);
    room->id_len = id.len;
    rolling_limit_init(&room->limit, ROOM_MESSAGES_A_SECOND);
    room->next = *bucket;
    *bucket = room;
    rooms->count.rooms++;
    return room;
}

enum room_result rooms_put(struct rooms *rooms, struct span id, struct span type)
{
    struct room *room;

    if (id.len == 0 || id.len > ROOM_ID_MAX || type.len == 0 || type.len > ROOM_TYPE_MAX)
        return ROOM_INVALID;
    pthread_mutex_lock(&rooms->lock);
    room = room_find_locked(rooms, id);
    if (!room)
        room = room_new_locked(rooms, id);
    if (room) {
        memcpy(room->type, type.data, type.len);
        room->type[type.len] = '\0';
    }
    pthread_mutex_unlock(&rooms->lock);
    return room ? ROOM_OK : ROOM_TOO_MANY;
}

enum room_result rooms_dissolve(struct rooms *rooms, struct span id)
{
    struct room **link, *room;

    pthread_mutex_lock(&rooms->lock);
    link = &rooms->buckets[bucket_of(id)];
    while (*link && !span_equal((struct span){(*link)->id, (*link)->id_len}, id))
        link = &(*link)->next;
    room = *link;
    if (room) {
        *link = room->next;
        room_free(rooms, room);
        rooms->count.rooms--;
    }
    pthread_mutex_unlock(&rooms->lock);
    return room ? ROOM_OK : ROOM_MISSING;
}

enum room_result rooms_type(struct rooms *rooms, struct span id, char *type)
{
    const struct room *room;

    pthread_mutex_lock(&rooms->lock);
    room = room_find_locked(rooms, id);
    if (room)
        memcpy(type, room->type, sizeof(room->type));
    pthread_mutex_unlock(&rooms->lock);
    return room ? ROOM_OK : ROOM_MISSING;
}

/* Muting -------------------------------------------------------------------------------------------------------- */

static struct muted **muted_list_locked(struct rooms *rooms, struct span id)
{
    struct room *room;

    if (!id.data)
        return &rooms->muted_everywhere;
    room = room_find_locked(rooms, id);
    return room ? &room->muted : NULL;
}

enum room_result rooms_mute(struct rooms *rooms, struct span id, struct span user)
{
    enum room_result result = ROOM_MISSING;
    struct muted **list;

    pthread_mutex_lock(&rooms->lock);
    list = muted_list_locked(rooms, id);
    if (list)
        result = muted_add(list, user);
    pthread_mutex_unlock(&rooms->lock);
    return result;
}

enum room_result rooms_unmute(struct rooms *rooms, struct span id, struct span user)
{
    struct muted **list;

    pthread_mutex_lock(&rooms->lock);
    list = muted_list_locked(rooms, id);
    if (list)
        muted_remove(list, user);
    pthread_mutex_unlock(&rooms->lock);
    return list ? ROOM_OK : ROOM_MISSING;
}

bool rooms_is_muted(struct rooms *rooms, struct span id, struct span user)
{
    struct room *room;
    size_t length;
    bool muted;

    pthread_mutex_lock(&rooms->lock);
    room = room_find_locked(rooms, id);
    muted = *muted_find(&rooms->muted_everywhere, user, &length) || (room && *muted_find(&room->muted, user, &length));
    pthread_mutex_unlock(&rooms->lock);
    return muted;
}

/* Messages ------------------------------------------------------------------------------------------------------ */

enum room_result rooms_number(struct rooms *rooms, struct span id, int64_t now_us, uint32_t *seq, bool *over_limit)
{
    struct room *room;

    pthread_mutex_lock(&rooms->lock);
    room = room_find_locked(rooms, id);
    if (room) {
        *over_limit = !rolling_limit_take(&room->limit, now_us);
        *seq = *over_limit ? 0 : ++room->last_seq;
    }
    pthread_mutex_unlock(&rooms->lock);
    return room ? ROOM_OK : ROOM_MISSING;
}

/* Makes the ring larger, its messages in order from slot 0. */
static bool ring_grow(struct room *room, size_t keep)
{
    size_t size = room->ring_size ? room->ring_size * 2 : FIRST_RING;
    struct room_message *ring;

    if (size > keep)
        size = keep;
    ring = calloc(size, sizeof(*ring));
    if (!ring)
        return false;
    for (size_t i = 0; i < room->count; i++)
        ring[i] = room->ring[(room->first + i) % room->ring_size];
    free(room->ring);
    room->ring = ring;
    room->ring_size = size;
    room->first = 0;
    return true;
}

/* Takes json. Numbers are given before delivery, so two threads may arrive the other way round: the newer message then
 * moves up and lets the older one in before it. */
static void ring_insert(struct room *room, uint32_t seq, char *json, size_t len)
{
    size_t at = room->count++;

    while (at > 0) {
        const size_t before = (room->first + at - 1) % room->ring_size;
        if (room->ring[before].seq < seq)
            break;
        room->ring[(before + 1) % room->ring_size] = room->ring[before];
        at--;
    }
    room->ring[(room->first + at) % room->ring_size] = (struct room_message){seq, len, json};
}

static bool room_keep_locked(struct rooms *rooms, struct room *room, uint32_t seq, struct span json)
{
    char *copy;

    while (room->count > 0 &&
           (room->count >= rooms->options.keep || rooms->count.kept_bytes + json.len > rooms->options.keep_bytes)) {
        room_forget_oldest(rooms, room);
        room->forgotten++;
        rooms->count.forgotten++;
    }
    if (rooms->options.keep == 0 || rooms->count.kept_bytes + json.len > rooms->options.keep_bytes)
        return false;
    if (room->count == room->ring_size && !ring_grow(room, rooms->options.keep))
        return false;
    copy = malloc(json.len);
    if (!copy)
        return false;
    memcpy(copy, json.data, json.len);
    ring_insert(room, seq, copy, json.len);
    rooms->count.kept_bytes += json.len;
    return true;
}

enum room_result rooms_deliver(struct rooms *rooms, struct span id, uint32_t seq, struct span json)
{
    struct room *room;

    pthread_mutex_lock(&rooms->lock);
    room = room_find_locked(rooms, id);
    if (room) {
        room->delivered++;
        rooms->count.delivered++;
        if (!room_keep_locked(rooms, room, seq, json)) {
            room->forgotten++;
            rooms->count.forgotten++;
        }
    }
    pthread_mutex_unlock(&rooms->lock);
    return room ? ROOM_OK : ROOM_MISSING;
}

enum room_result rooms_list(struct rooms *rooms, struct span id, uint32_t after_seq, size_t limit, struct buf *out)
{
    const struct room *room;

    pthread_mutex_lock(&rooms->lock);
    room = room_find_locked(rooms, id);
    if (room) {
        buf_add_char(out, '{');
        json_add_member_span(out, "RoomId", id);
        json_add_member_text(out, "Type", room->type);
        json_add_member_u64(out, "Delivered", room->delivered);
        json_add_member_u64(out, "Forgotten", room->forgotten);
        json_add_key(out, "Messages");
        buf_add_char(out, '[');
        for (size_t i = 0, listed = 0; i < room->count && listed < limit; i++) {
            const struct room_message *m = &room->ring[(room->first + i) % room->ring_size];
            if (m->seq <= after_seq)
                continue;
            if (listed++ > 0)
                buf_add_char(out, ',');
            buf_add(out, m->json, m->len);
        }
        buf_add_text(out, "]}");
    }
    pthread_mutex_unlock(&rooms->lock);
    return room ? ROOM_OK : ROOM_MISSING;
}

void rooms_count(struct rooms *rooms, struct rooms_count *out)
{
    pthread_mutex_lock(&rooms->lock);
    *out = rooms->count;
    pthread_mutex_unlock(&rooms->lock);
}
