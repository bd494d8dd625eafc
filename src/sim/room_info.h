/* room_info.h - what the Live engine keeps of a room (`protocol.md` section 9.2, get_room_info). Limits as the pages of
 * create_room give them. */
#ifndef CHATSLUICE_SIM_ROOM_INFO_H
#define CHATSLUICE_SIM_ROOM_INFO_H

#include "base/buf.h"

enum {
    ROOM_NAME_MAX = 100,
    ROOM_OWNER_MAX = 128,
    ROOM_COVER_MAX = 200,
    ROOM_CATEGORIES_MAX = 3,
    ROOM_SEAT_MODE_MAX = 32
};

struct room_info {
    char name[ROOM_NAME_MAX + 1]; /* "": the room's id */
    char owner[ROOM_OWNER_MAX + 1];
    char cover_url[ROOM_COVER_MAX + 1];
    char take_seat_mode[ROOM_SEAT_MODE_MAX + 1];
    int64_t create_time_s, max_seat_count, max_member_count, activity_status;
    int64_t category[ROOM_CATEGORIES_MAX];
    size_t category_count;
    bool seat_enabled, message_disabled, public_visible;
};

/* Some of the members above, as create_room and update_room_info bring them. */
enum room_info_member {
    INFO_NAME = 1 << 0,
    INFO_OWNER = 1 << 1,
    INFO_COVER_URL = 1 << 2,
    INFO_TAKE_SEAT_MODE = 1 << 3,
    INFO_MAX_SEAT_COUNT = 1 << 4,
    INFO_MAX_MEMBER_COUNT = 1 << 5,
    INFO_ACTIVITY_STATUS = 1 << 6,
    INFO_CATEGORY = 1 << 7,
    INFO_SEAT_ENABLED = 1 << 8,
    INFO_MESSAGE_DISABLED = 1 << 9,
    INFO_PUBLIC_VISIBLE = 1 << 10,
};
struct room_info_change {
    unsigned given; /* of enum room_info_member */
    struct room_info to;
};

struct room_info room_info_defaults(int64_t create_time_s);
void room_info_apply(struct room_info *info, const struct room_info_change *change);

/* Adds the JSON object "RoomInfo" holds. */
void room_info_add(struct buf *out, struct span id, const char *type, const struct room_info *info);

#endif
