#include "sim/room.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "sim/limit.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

struct room {
    struct room *next; /* in its bucket */
    char *id;
    size_t id_len;
    char type[ROOM_TYPE_MAX + 1];
    struct room_info info;
    uint32_t last_seq;
    struct rolling_limit limit;
    struct member_list members[2]; /* by enum room_list */
    struct dedupe randoms;
    struct message_ring messages;
    uint64_t delivered, forgotten;
};

struct rooms {
    struct rooms_options options; /* fixed */
    pthread_mutex_t lock;         /* guards the rest */
    struct room *buckets[BUCKETS];
    struct member_list muted_everywhere;
    struct rooms_count count;
};

/* Finding ------------------------------------------------------------------------------------------------------- */

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

/* The room with the lock held, or NULL and nothing held. */
static struct room *room_lock(struct rooms *rooms, struct span id)
{
    struct room *room;

    pthread_mutex_lock(&rooms->lock);
    room = room_find_locked(rooms, id);
    if (!room)
        pthread_mutex_unlock(&rooms->lock);
    return room;
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

static void room_free(struct rooms *rooms, struct room *room)
{
    while (room->messages.count > 0)
        rooms->count.kept_bytes -= message_ring_forget(&room->messages);
    message_ring_release(&room->messages);
    member_list_release(&room->members[ROOM_MUTED]);
    member_list_release(&room->members[ROOM_BANNED]);
    dedupe_release(&room->randoms);
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
    member_list_release(&rooms->muted_everywhere);
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
    room->info = room_info_defaults(clock_wall_us() / 1000000);
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

enum room_result rooms_create(struct rooms *rooms, struct span id, const struct room_info_change *info)
{
    enum room_result result = ROOM_THERE;
    struct room *room;

    if (id.len == 0 || id.len > ROOM_ID_MAX)
        return ROOM_INVALID;
    pthread_mutex_lock(&rooms->lock);
    if (!room_find_locked(rooms, id)) {
        room = room_new_locked(rooms, id);
        result = room ? ROOM_OK : ROOM_TOO_MANY;
        if (room) {
            memcpy(room->type, "Live", sizeof("Live"));
            room_info_apply(&room->info, info);
        }
    }
    pthread_mutex_unlock(&rooms->lock);
    return result;
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
    const struct room *room = room_lock(rooms, id);

    if (!room)
        return ROOM_MISSING;
    memcpy(type, room->type, sizeof(room->type));
    pthread_mutex_unlock(&rooms->lock);
    return ROOM_OK;
}

enum room_result rooms_info(struct rooms *rooms, struct span id, struct room_info *info)
{
    const struct room *room = room_lock(rooms, id);

    if (!room)
        return ROOM_MISSING;
    *info = room->info;
    pthread_mutex_unlock(&rooms->lock);
    return ROOM_OK;
}

enum room_result rooms_change(struct rooms *rooms, struct span id, const struct room_info_change *info)
{
    struct room *room = room_lock(rooms, id);

    if (!room)
        return ROOM_MISSING;
    room_info_apply(&room->info, info);
    pthread_mutex_unlock(&rooms->lock);
    return ROOM_OK;
}

/* Members ------------------------------------------------------------------------------------------------------- */

static struct member_list *members_locked(struct rooms *rooms, enum room_list list, struct span id)
{
    struct room *room;

    if (!id.data && list == ROOM_MUTED)
        return &rooms->muted_everywhere;
    room = room_find_locked(rooms, id);
    return room ? &room->members[list] : NULL;
}

enum room_result rooms_sanction(struct rooms *rooms, enum room_list list, struct span id, struct span user,
                                int64_t until_us, int64_t now_us)
{
    enum room_result result = ROOM_MISSING;
    struct member_list *members;

    pthread_mutex_lock(&rooms->lock);
    members = members_locked(rooms, list, id);
    if (members)
        result = member_list_put(members, user, until_us, now_us) ? ROOM_OK : ROOM_TOO_MANY;
    pthread_mutex_unlock(&rooms->lock);
    return result;
}

enum room_result rooms_pardon(struct rooms *rooms, enum room_list list, struct span id, struct span user)
{
    struct member_list *members;

    pthread_mutex_lock(&rooms->lock);
    members = members_locked(rooms, list, id);
    if (members)
        member_list_remove(members, user);
    pthread_mutex_unlock(&rooms->lock);
    return members ? ROOM_OK : ROOM_MISSING;
}

enum room_result rooms_members(struct rooms *rooms, enum room_list list, struct span id, size_t offset, size_t limit,
                               int64_t now_us, struct buf *out, size_t *next)
{
    struct room *room = room_lock(rooms, id);

    if (!room)
        return ROOM_MISSING;
    *next = member_list_add(&room->members[list], list == ROOM_MUTED ? "MutedUntil" : "BannedUntil", offset, limit,
                            now_us, out);
    pthread_mutex_unlock(&rooms->lock);
    return ROOM_OK;
}

static enum room_voice voice_locked(struct rooms *rooms, struct room *room, struct span user, int64_t now_us)
{
    if (room && member_list_has(&room->members[ROOM_BANNED], user, now_us))
        return VOICE_BANNED;
    if (member_list_has(&rooms->muted_everywhere, user, now_us) ||
        (room && member_list_has(&room->members[ROOM_MUTED], user, now_us)))
        return VOICE_MUTED;
    return room && room->info.message_disabled && !span_is(user, room->info.owner) ? VOICE_MUTED : VOICE_FREE;
}

enum room_voice rooms_voice(struct rooms *rooms, struct span id, struct span user, int64_t now_us)
{
    enum room_voice voice;

    pthread_mutex_lock(&rooms->lock);
    voice = voice_locked(rooms, room_find_locked(rooms, id), user, now_us);
    pthread_mutex_unlock(&rooms->lock);
    return voice;
}

/* Randoms ------------------------------------------------------------------------------------------------------- */

enum room_result rooms_random_claim(struct rooms *rooms, struct span id, uint32_t random, int64_t now_us,
                                    struct dedupe_entry *earlier)
{
    static const enum room_result told[] = {
        [DEDUPE_FIRST] = ROOM_OK, [DEDUPE_AGAIN] = ROOM_THERE, [DEDUPE_FULL] = ROOM_TOO_MANY};
    struct room *room = room_lock(rooms, id);
    enum dedupe_claim claim;

    if (!room)
        return ROOM_MISSING;
    claim = dedupe_take(&room->randoms, random, now_us, earlier);
    pthread_mutex_unlock(&rooms->lock);
    return told[claim];
}

void rooms_random_settle(struct rooms *rooms, struct span id, uint32_t random, uint32_t msg_seq, int64_t msg_time_s)
{
    struct room *room = room_lock(rooms, id);

    if (!room)
        return; /* dissolved, and its Randoms with it */
    dedupe_settle(&room->randoms, random, msg_seq, msg_time_s);
    pthread_mutex_unlock(&rooms->lock);
}

void rooms_random_give_back(struct rooms *rooms, struct span id, uint32_t random)
{
    struct room *room = room_lock(rooms, id);

    if (!room)
        return;
    dedupe_give_back(&room->randoms, random);
    pthread_mutex_unlock(&rooms->lock);
}

/* Messages ------------------------------------------------------------------------------------------------------ */

enum room_result rooms_number(struct rooms *rooms, struct span id, int64_t now_us, uint32_t *seq, bool *over_limit)
{
    struct room *room = room_lock(rooms, id);

    if (!room)
        return ROOM_MISSING;
    *over_limit = !rolling_limit_take(&room->limit, now_us);
    *seq = *over_limit && !rooms->options.number_dropped ? 0 : ++room->last_seq;
    pthread_mutex_unlock(&rooms->lock);
    return ROOM_OK;
}

static bool room_keep_locked(struct rooms *rooms, struct room *room, const struct shown_message *message)
{
    const struct rooms_options *options = &rooms->options;
    const size_t bytes = message_ring_bytes(message);

    while (room->messages.count > 0 &&
           (room->messages.count >= options->keep || rooms->count.kept_bytes + bytes > options->keep_bytes)) {
        rooms->count.kept_bytes -= message_ring_forget(&room->messages);
        room->forgotten++;
        rooms->count.forgotten++;
    }
    if (options->keep == 0 || rooms->count.kept_bytes + bytes > options->keep_bytes ||
        !message_ring_put(&room->messages, options->keep, message))
        return false;
    rooms->count.kept_bytes += bytes;
    return true;
}

enum room_result rooms_deliver(struct rooms *rooms, struct span id, const struct shown_message *message)
{
    struct room *room = room_lock(rooms, id);

    if (!room)
        return ROOM_MISSING;
    room->delivered++;
    rooms->count.delivered++;
    if (!room_keep_locked(rooms, room, message)) {
        room->forgotten++;
        rooms->count.forgotten++;
    }
    pthread_mutex_unlock(&rooms->lock);
    return ROOM_OK;
}

enum recall_result rooms_recall(struct rooms *rooms, struct span id, uint32_t seq, struct span by, int64_t since_s)
{
    struct room *room = room_lock(rooms, id);
    enum recall_result result = RECALL_NOT_HERE;

    if (!room)
        return RECALL_UNKNOWN;
    if (by.data && room->info.owner[0] && span_is(by, room->info.owner))
        by.data = NULL;
    if (strcmp(room->type, "BChatRoom") != 0) /* the one type whose messages cannot be recalled */
        result = message_ring_recall(&room->messages, seq, by, since_s);
    rooms->count.recalled += result == RECALL_OK;
    pthread_mutex_unlock(&rooms->lock);
    return result;
}

enum room_result rooms_list(struct rooms *rooms, struct span id, uint32_t after_seq, size_t limit, struct buf *out)
{
    const struct room *room = room_lock(rooms, id);

    if (!room)
        return ROOM_MISSING;
    buf_add_char(out, '{');
    json_add_member_span(out, "RoomId", id);
    json_add_member_text(out, "Type", room->type);
    json_add_member_u64(out, "Delivered", room->delivered);
    json_add_member_u64(out, "Forgotten", room->forgotten);
    json_add_key(out, "Messages");
    buf_add_char(out, '[');
    message_ring_list(&room->messages, after_seq, limit, out);
    buf_add_text(out, "]}");
    pthread_mutex_unlock(&rooms->lock);
    return ROOM_OK;
}

void rooms_count(struct rooms *rooms, struct rooms_count *out)
{
    pthread_mutex_lock(&rooms->lock);
    *out = rooms->count;
    pthread_mutex_unlock(&rooms->lock);
}
