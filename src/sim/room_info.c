#include "sim/room_info.h"

#include "base/json_write.h"

struct room_info room_info_defaults(int64_t create_time_s)
{
    return (struct room_info){.create_time_s = create_time_s, .take_seat_mode = "FreeToTake", .public_visible = true};
}

void room_info_apply(struct room_info *info, const struct room_info_change *change)
{
    const struct {
        enum room_info_member member;
        void *to;
        const void *from;
        size_t size;
    } parts[] = {
#define PART(name, field) {name, &info->field, &change->to.field, sizeof(info->field)}
        PART(INFO_NAME, name),
        PART(INFO_OWNER, owner),
        PART(INFO_COVER_URL, cover_url),
        PART(INFO_TAKE_SEAT_MODE, take_seat_mode),
        PART(INFO_MAX_SEAT_COUNT, max_seat_count),
        PART(INFO_MAX_MEMBER_COUNT, max_member_count),
        PART(INFO_ACTIVITY_STATUS, activity_status),
        PART(INFO_CATEGORY, category),
        PART(INFO_CATEGORY, category_count),
        PART(INFO_SEAT_ENABLED, seat_enabled),
        PART(INFO_MESSAGE_DISABLED, message_disabled),
        PART(INFO_PUBLIC_VISIBLE, public_visible),
#undef PART
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (change->given & parts[i].member)
            memcpy(parts[i].to, parts[i].from, parts[i].size);
    }
}

void room_info_add(struct buf *out, struct span id, const char *type, const struct room_info *info)
{
    buf_add_char(out, '{');
    json_add_member_span(out, "RoomId", id);
    json_add_member_span(out, "RoomName", info->name[0] ? span_of(info->name) : id);
    json_add_member_text(out, "RoomType", type);
    json_add_member_text(out, "Owner_Account", info->owner);
    json_add_member_i64(out, "CreateTime", info->create_time_s);
    json_add_member_bool(out, "IsSeatEnabled", info->seat_enabled);
    json_add_member_text(out, "TakeSeatMode", info->take_seat_mode);
    json_add_member_i64(out, "MaxSeatCount", info->max_seat_count);
    json_add_member_i64(out, "MaxMemberCount", info->max_member_count);
    json_add_member_bool(out, "IsMessageDisabled", info->message_disabled);
    json_add_member_text(out, "CoverURL", info->cover_url);
    json_add_key(out, "Category");
    buf_add_char(out, '[');
    for (size_t i = 0; i < info->category_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add_i64(out, info->category[i]);
    }
    buf_add_char(out, ']');
    json_add_member_i64(out, "ActivityStatus", info->activity_status);
    json_add_member_i64(out, "ViewCount", 0); /* nobody enters a room here */
    json_add_member_bool(out, "IsPublicVisible", info->public_visible);
    buf_add_char(out, '}');
}
