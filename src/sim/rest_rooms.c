/* rest_rooms.c - rooms of the Live engine in the REST API. */
#include "sim/rest_call.h"

#include "base/json_write.h"

enum { LIVE_ROOM_ID_MAX = 48 }; /* of create_room's page; a room made through /sim/ may have a longer one */

/* RoomInfo --------------------------------------------------------------------------------------------------------- */

static bool info_text(struct rest_call *call, struct json_value from, const char *key, enum room_info_member member,
                      struct room_info_change *info, char *to, size_t size)
{
    struct span text;

    if (!rest_text(call, from, key, REST_OPTIONAL, size - 1, &text))
        return false;
    if (text.data) {
        memcpy(to, text.data, text.len);
        to[text.len] = '\0';
        info->given |= member;
    }
    return true;
}

static bool info_number(struct rest_call *call, struct json_value from, const char *key, enum room_info_member member,
                        struct room_info_change *info, int64_t *to)
{
    *to = -1;
    if (!rest_number(call, from, key, REST_OPTIONAL, 0, UINT32_MAX, to))
        return false;
    if (*to >= 0)
        info->given |= member;
    return true;
}

static bool info_flag(struct rest_call *call, struct json_value from, const char *key, enum room_info_member member,
                      struct room_info_change *info, bool *to)
{
    const enum json_kind kind = json_member(from, key).kind;

    if (!rest_flag(call, from, key, REST_OPTIONAL, to))
        return false;
    if (kind == JSON_BOOLEAN)
        info->given |= member;
    return true;
}

static bool info_category(struct rest_call *call, struct json_value from, struct room_info_change *info)
{
    const struct json_value list = json_member(from, "Category");

    if (list.kind == JSON_ABSENT || list.kind == JSON_NULL)
        return true;
    info->to.category_count = json_count(list);
    if (list.kind != JSON_ARRAY || info->to.category_count > ROOM_CATEGORIES_MAX)
        return rest_invalid(call, "Category is not an array of at most %d numbers", ROOM_CATEGORIES_MAX);
    for (size_t i = 0; i < info->to.category_count; i++) {
        const struct json_value v = json_item(list, i);
        if (v.kind != JSON_INTEGER || !json_integer(v, &info->to.category[i]))
            return rest_invalid(call, "Category holds something that is no number");
    }
    info->given |= INFO_CATEGORY;
    return true;
}

static bool info_owner(struct rest_call *call, struct json_value from, struct room_info_change *info)
{
    struct span owner;

    if (!rest_account(call, from, "Owner_Account", REST_OPTIONAL, &owner))
        return false;
    if (owner.data) {
        memcpy(info->to.owner, owner.data, owner.len);
        info->to.owner[owner.len] = '\0';
        info->given |= INFO_OWNER;
    }
    return true;
}

_Static_assert((int)ROOM_USER_MAX <= (int)ROOM_OWNER_MAX, "an owner is an account");

/* All that both commands take. */
static bool info_read(struct rest_call *call, struct json_value from, struct room_info_change *info)
{
    struct room_info *to = &info->to;

    return info_text(call, from, "RoomName", INFO_NAME, info, to->name, sizeof(to->name)) &&
           info_text(call, from, "CoverURL", INFO_COVER_URL, info, to->cover_url, sizeof(to->cover_url)) &&
           info_text(call, from, "TakeSeatMode", INFO_TAKE_SEAT_MODE, info, to->take_seat_mode,
                     sizeof(to->take_seat_mode)) &&
           info_number(call, from, "MaxSeatCount", INFO_MAX_SEAT_COUNT, info, &to->max_seat_count) &&
           info_number(call, from, "MaxMemberCount", INFO_MAX_MEMBER_COUNT, info, &to->max_member_count) &&
           info_number(call, from, "ActivityStatus", INFO_ACTIVITY_STATUS, info, &to->activity_status) &&
           info_flag(call, from, "IsSeatEnabled", INFO_SEAT_ENABLED, info, &to->seat_enabled) &&
           info_flag(call, from, "IsMessageDisabled", INFO_MESSAGE_DISABLED, info, &to->message_disabled) &&
           info_flag(call, from, "IsPublicVisible", INFO_PUBLIC_VISIBLE, info, &to->public_visible) &&
           info_category(call, from, info);
}

/* The object "RoomInfo" of the request and the room it names. */
static bool room_info_of(struct rest_call *call, struct json_value *info, struct span *room)
{
    *info = json_member(call->root, "RoomInfo");
    if (info->kind != JSON_OBJECT)
        return rest_invalid(call, "RoomInfo is not an object");
    return rest_room_id(call, *info, room);
}

/* Commands --------------------------------------------------------------------------------------------------------- */

void rest_create_room(struct rest_call *call)
{
    struct room_info_change info = {.given = 0};
    struct json_value from;
    struct span room, type;

    if (!room_info_of(call, &from, &room) || !rest_text(call, from, "RoomType", REST_NEEDED, ROOM_TYPE_MAX, &type) ||
        !info_owner(call, from, &info) || !info_read(call, from, &info))
        return;
    if (room.len > LIVE_ROOM_ID_MAX || !span_is(type, "Live")) {
        rest_invalid(call, "RoomId has at most %d bytes, RoomType is Live", LIVE_ROOM_ID_MAX);
        return;
    }
    if (!(info.given & INFO_OWNER)) { /* who calls */
        const size_t len = strlen(call->options->admin);
        if (len > ROOM_OWNER_MAX) {
            rest_internal(call);
            return;
        }
        memcpy(info.to.owner, call->options->admin, len + 1);
        info.given |= INFO_OWNER;
    }
    switch (rooms_create(call->rooms, room, &info)) {
    case ROOM_OK:
        break;
    case ROOM_THERE:
        rest_fail(call, 100003, "there is a room of that RoomId already");
        break;
    case ROOM_MISSING:
    case ROOM_TOO_MANY:
    case ROOM_INVALID:
        rest_internal(call);
        break;
    }
}

void rest_destroy_room(struct rest_call *call)
{
    struct span room;

    if (rest_room(call, &room) && rooms_dissolve(call->rooms, room) != ROOM_OK)
        rest_no_room(call); /* somebody else has done it since */
}

void rest_get_room_info(struct rest_call *call)
{
    struct room_info info;
    struct span room;

    if (!rest_room(call, &room))
        return;
    if (rooms_info(call->rooms, room, &info) != ROOM_OK) {
        rest_no_room(call);
        return;
    }
    json_add_key(&call->result, "RoomInfo");
    room_info_add(&call->result, room, "Live", &info);
}

void rest_update_room_info(struct rest_call *call)
{
    struct room_info_change info = {.given = 0};
    struct json_value from;
    struct span room;

    if (room_info_of(call, &from, &room) && info_read(call, from, &info) && rest_room_there(call, room) &&
        rooms_change(call->rooms, room, &info) != ROOM_OK)
        rest_no_room(call);
}
