/* rest_members.c - muted and banned members in the REST API. */
#include "sim/rest_call.h"

#include "base/clock.h"
#include "base/json_write.h"

enum { ACCOUNTS_LIVE = 20, ACCOUNTS_CHAT = 500, REASON_MAX = 200, PAGE_MAX = 100 };

static void room_answer(struct rest_call *call, enum room_result result)
{
    if (result == ROOM_MISSING)
        rest_no_room(call);
    else if (result != ROOM_OK)
        rest_internal(call);
}

/* Puts the accounts on a list for so many seconds, or takes them off it when that is 0. */
static void sanction(struct rest_call *call, enum room_list list, struct span room, const struct span *accounts,
                     size_t count, int64_t seconds)
{
    const int64_t now_us = clock_wall_us();
    const int64_t until_us = seconds == MEMBER_FOREVER_S ? MEMBER_FOREVER : now_us + seconds * 1000000;
    enum room_result result = ROOM_OK;

    for (size_t i = 0; i < count && result == ROOM_OK; i++)
        result = seconds > 0 ? rooms_sanction(call->rooms, list, room, accounts[i], until_us, now_us)
                             : rooms_pardon(call->rooms, list, room, accounts[i]);
    room_answer(call, result);
}

void rest_mute_member(struct rest_call *call)
{
    struct span room, accounts[ACCOUNTS_LIVE];
    int64_t seconds = 0;
    size_t count;

    if (rest_accounts(call, "MemberList_Account", ACCOUNTS_LIVE, accounts, &count) &&
        rest_number(call, call->root, "MuteTime", REST_NEEDED, 0, MEMBER_FOREVER_S, &seconds) && rest_room(call, &room))
        sanction(call, ROOM_MUTED, room, accounts, count, seconds);
}

void rest_ban_member(struct rest_call *call)
{
    struct span room, reason, accounts[ACCOUNTS_LIVE];
    int64_t seconds = 0;
    size_t count;

    if (rest_accounts(call, "MemberList_Account", ACCOUNTS_LIVE, accounts, &count) &&
        rest_text(call, call->root, "Reason", REST_OPTIONAL, REASON_MAX, &reason) &&
        rest_number(call, call->root, "Duration", REST_NEEDED, 1, MEMBER_FOREVER_S, &seconds) && rest_room(call, &room))
        sanction(call, ROOM_BANNED, room, accounts, count, seconds);
}

void rest_unban_member(struct rest_call *call)
{
    struct span room, accounts[ACCOUNTS_LIVE];
    size_t count;

    if (rest_accounts(call, "MemberList_Account", ACCOUNTS_LIVE, accounts, &count) && rest_room(call, &room))
        sanction(call, ROOM_BANNED, room, accounts, count, 0);
}

void rest_forbid_send_msg(struct rest_call *call)
{
    struct span room, accounts[ACCOUNTS_CHAT];
    int64_t seconds = 0;
    size_t count;

    if (rest_accounts(call, "Members_Account", ACCOUNTS_CHAT, accounts, &count) &&
        rest_number(call, call->root, "ShutUpTime", REST_NEEDED, 0, MEMBER_FOREVER_S, &seconds) &&
        rest_room(call, &room))
        sanction(call, ROOM_MUTED, room, accounts, count, seconds);
}

/* Lists ------------------------------------------------------------------------------------------------------------ */

static bool list_add(struct rest_call *call, enum room_list list, const char *key, struct span room, size_t offset,
                     size_t limit, size_t *next)
{
    enum room_result result;

    json_add_key(&call->result, key);
    buf_add_char(&call->result, '[');
    result = rooms_members(call->rooms, list, room, offset, limit, clock_wall_us(), &call->result, next);
    buf_add_char(&call->result, ']');
    room_answer(call, result);
    return result == ROOM_OK;
}

void rest_get_muted_member_list(struct rest_call *call)
{
    struct span room;
    size_t next;

    if (rest_room(call, &room))
        list_add(call, ROOM_MUTED, "MutedAccountList", room, 0, MEMBER_LIST_MAX, &next);
}

void rest_get_banned_member_list(struct rest_call *call)
{
    int64_t offset = 0, limit = PAGE_MAX;
    struct span room;
    size_t next;

    if (rest_number(call, call->root, "Offset", REST_OPTIONAL, 0, UINT32_MAX, &offset) &&
        rest_number(call, call->root, "Limit", REST_OPTIONAL, 1, PAGE_MAX, &limit) && rest_room(call, &room) &&
        list_add(call, ROOM_BANNED, "BannedAccountList", room, (size_t)offset, (size_t)limit, &next))
        json_add_member_u64(&call->result, "NextOffset", next);
}
