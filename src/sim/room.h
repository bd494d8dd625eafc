/* room.h - the rooms of the simulated platform: what is known of them, message numbers, muted and banned members, the
 * limit of 40 messages a second, the Randoms of send_group_msg, and the messages everybody in the room saw.
 *
 * All of it is bounded: ROOMS_MAX rooms, MEMBER_LIST_MAX muted and as many banned members in each, `keep` messages in
 * each and `keep_bytes` in all. Beyond the last two a room forgets its oldest messages, and says how many. A room that
 * is dissolved takes everything with it; one made again under its name begins anew.
 * Threads: any; one lock, never held for longer than a copy. */
#ifndef CHATSLUICE_SIM_ROOM_H
#define CHATSLUICE_SIM_ROOM_H

#include "sim/dedupe.h"
#include "sim/member_list.h"
#include "sim/message_ring.h"
#include "sim/room_info.h"

enum { ROOMS_MAX = 10000, ROOM_ID_MAX = 128, ROOM_TYPE_MAX = 32, ROOM_MESSAGES_A_SECOND = 40 };

struct rooms;

struct rooms_options {
    size_t keep;         /* messages kept a room */
    size_t keep_bytes;   /* over all rooms */
    bool number_dropped; /* a message over the limit takes a number, too, and leaves a gap */
};

struct rooms *rooms_new(const struct rooms_options *options); /* NULL: no memory */
void rooms_free(struct rooms *rooms);                         /* NULL is fine */

enum room_result {
    ROOM_OK,
    ROOM_MISSING,  /* never created or dissolved */
    ROOM_THERE,    /* it exists already */
    ROOM_TOO_MANY, /* a bound is reached, or memory */
    ROOM_INVALID,  /* the id or the type is empty or too long */
};

/* Creates the room or changes the type of one that exists. "Live" is the type that send_text_msg wants. */
enum room_result rooms_put(struct rooms *rooms, struct span id, struct span type);
/* Creates a room of type Live; ROOM_THERE when there is one of that name. */
enum room_result rooms_create(struct rooms *rooms, struct span id, const struct room_info_change *info);
enum room_result rooms_dissolve(struct rooms *rooms, struct span id);
/* ROOM_OK and the type's name in type, which holds ROOM_TYPE_MAX + 1 bytes. */
enum room_result rooms_type(struct rooms *rooms, struct span id, char *type);
enum room_result rooms_info(struct rooms *rooms, struct span id, struct room_info *info);
enum room_result rooms_change(struct rooms *rooms, struct span id, const struct room_info_change *info);

/* Members. until_us is of clock_wall_us(), as now_us, or MEMBER_FOREVER. */
enum room_list { ROOM_MUTED, ROOM_BANNED };
/* id.data NULL: muted in every room, also in those to come. */
enum room_result rooms_sanction(struct rooms *rooms, enum room_list list, struct span id, struct span user,
                                int64_t until_us, int64_t now_us);
enum room_result rooms_pardon(struct rooms *rooms, enum room_list list, struct span id, struct span user);
/* As member_list_add(); *next is the first number left out or 0. Who is muted everywhere is not on a room's list. */
enum room_result rooms_members(struct rooms *rooms, enum room_list list, struct span id, size_t offset, size_t limit,
                               int64_t now_us, struct buf *out, size_t *next);

enum room_voice { VOICE_FREE, VOICE_MUTED, VOICE_BANNED };
/* Whether the user may send: banned, muted here or everywhere, or in a room whose messages are disabled, which leaves
 * only its owner free. In a room that does not exist only those muted everywhere are not. */
enum room_voice rooms_voice(struct rooms *rooms, struct span id, struct span user, int64_t now_us);

/* The Randoms of send_group_msg, see dedupe.h. ROOM_THERE: claimed before, *earlier says what became of it. */
enum room_result rooms_random_claim(struct rooms *rooms, struct span id, uint32_t random, int64_t now_us,
                                    struct dedupe_entry *earlier);
void rooms_random_settle(struct rooms *rooms, struct span id, uint32_t random, uint32_t msg_seq, int64_t msg_time_s);
void rooms_random_give_back(struct rooms *rooms, struct span id, uint32_t random);

/* The next number of the room, from 1, in *seq; *over_limit says that the message is one too many for this second: it
 * got no number (*seq is 0) unless number_dropped. now_us is of clock_mono_us(). */
enum room_result rooms_number(struct rooms *rooms, struct span id, int64_t now_us, uint32_t *seq, bool *over_limit);
/* Shows the room a message, copied. */
enum room_result rooms_deliver(struct rooms *rooms, struct span id, const struct shown_message *message);
/* Marks a message as recalled, by its sender, the room's owner or (by.data NULL) an administrator; messages of the
 * second since_s and older ones cannot be. A missing room is RECALL_UNKNOWN. */
enum recall_result rooms_recall(struct rooms *rooms, struct span id, uint32_t seq, struct span by, int64_t since_s);

/* Adds {"RoomId":..,"Type":..,"Delivered":n,"Forgotten":n,"Messages":[..]}: at most limit messages with a number above
 * after_seq, by number; a recalled one has "Recalled":true. */
enum room_result rooms_list(struct rooms *rooms, struct span id, uint32_t after_seq, size_t limit, struct buf *out);

struct rooms_count {
    size_t rooms;
    uint64_t delivered, recalled, forgotten, kept_bytes;
};
void rooms_count(struct rooms *rooms, struct rooms_count *out);

#endif
