/* room.h - the rooms of the simulated platform: their type, message numbers, muted members, the limit of 40 messages a
 * second, and the messages everybody in the room saw.
 *
 * All of it is bounded: ROOMS_MAX rooms, ROOM_MUTED_MAX muted members in each, `keep` messages in each and `keep_bytes`
 * in all. Beyond the last two a room forgets its oldest messages, and says how many.
 * Threads: any; one lock, never held for longer than a copy. */
#ifndef CHATSLUICE_SIM_ROOM_H
#define CHATSLUICE_SIM_ROOM_H

#include "base/buf.h"

#include <stdint.h>

enum { ROOMS_MAX = 10000, ROOM_MUTED_MAX = 10000, ROOM_ID_MAX = 128, ROOM_TYPE_MAX = 32, ROOM_MESSAGES_A_SECOND = 40 };

struct rooms;

struct rooms_options {
    size_t keep;       /* messages kept a room */
    size_t keep_bytes; /* over all rooms */
};

struct rooms *rooms_new(const struct rooms_options *options); /* NULL: no memory */
void rooms_free(struct rooms *rooms);                         /* NULL is fine */

enum room_result {
    ROOM_OK,
    ROOM_MISSING,  /* never created or dissolved */
    ROOM_TOO_MANY, /* a bound is reached, or memory */
    ROOM_INVALID,  /* the id or the type is empty or too long */
};

/* Creates the room or changes the type of one that exists. "Live" is the type that send_text_msg wants. */
enum room_result rooms_put(struct rooms *rooms, struct span id, struct span type);
enum room_result rooms_dissolve(struct rooms *rooms, struct span id);
/* ROOM_OK and the type's name in type, which holds ROOM_TYPE_MAX + 1 bytes. */
enum room_result rooms_type(struct rooms *rooms, struct span id, char *type);

/* id.data NULL: muted in every room, also in those to come. */
enum room_result rooms_mute(struct rooms *rooms, struct span id, struct span user);
enum room_result rooms_unmute(struct rooms *rooms, struct span id, struct span user);
bool rooms_is_muted(struct rooms *rooms, struct span id, struct span user);

/* The next number of the room, from 1, in *seq; *over_limit says that the message is one too many for this second and
 * got no number (*seq is 0). */
enum room_result rooms_number(struct rooms *rooms, struct span id, int64_t now_us, uint32_t *seq, bool *over_limit);
/* Shows the room a message: json is one JSON object, copied. */
enum room_result rooms_deliver(struct rooms *rooms, struct span id, uint32_t seq, struct span json);

/* Adds {"RoomId":..,"Type":..,"Delivered":n,"Forgotten":n,"Messages":[..]}: at most limit messages with a number above
 * after_seq, by number. */
enum room_result rooms_list(struct rooms *rooms, struct span id, uint32_t after_seq, size_t limit, struct buf *out);

struct rooms_count {
    size_t rooms;
    uint64_t delivered, forgotten, kept_bytes;
};
void rooms_count(struct rooms *rooms, struct rooms_count *out);

#endif
