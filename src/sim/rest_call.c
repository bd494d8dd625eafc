#include "sim/rest_call.h"

#include <stdio.h>

bool rest_fail(struct rest_call *call, int64_t code, const char *info)
{
    call->code = code;
    snprintf(call->info, sizeof(call->info), "%s", info);
    return false;
}

bool rest_invalid(struct rest_call *call, const char *fmt, ...)
{
    va_list args;

    call->code = call->service == REST_LIVE ? 100002 : 10004;
    va_start(args, fmt);
    vsnprintf(call->info, sizeof(call->info), fmt, args);
    va_end(args);
    return false;
}

bool rest_internal(struct rest_call *call)
{
    return rest_fail(call, call->service == REST_LIVE ? 100001 : 10002, "internal error, please try again");
}

bool rest_no_room(struct rest_call *call)
{
    return call->service == REST_LIVE ? rest_fail(call, 100004, "the room does not exist or has been dissolved")
                                      : rest_fail(call, 10010, "the group does not exist or has been dissolved");
}

/* Members ---------------------------------------------------------------------------------------------------------- */

static bool is_absent(struct json_value v)
{
    return v.kind == JSON_ABSENT || v.kind == JSON_NULL;
}

/* The strings buffer has room for the whole body, and each string is shorter than its literal: nothing moves. */
static struct span keep(struct rest_call *call, struct json_value string)
{
    const size_t from = call->strings->len;

    json_string_without_nul(call->strings, string);
    return (struct span){call->strings->data + from, call->strings->len - from};
}

/* An absent value is fine unless it is needed. */
static bool absent_ok(struct rest_call *call, const char *key, enum rest_wanted wanted)
{
    return wanted == REST_OPTIONAL || rest_invalid(call, "%s is missing", key);
}

bool rest_text(struct rest_call *call, struct json_value object, const char *key, enum rest_wanted wanted, size_t max,
               struct span *out)
{
    const struct json_value v = json_member(object, key);

    *out = (struct span){0};
    if (is_absent(v))
        return absent_ok(call, key, wanted);
    if (v.kind != JSON_STRING)
        return rest_invalid(call, "%s is not a string", key);
    *out = keep(call, v);
    if (wanted == REST_NEEDED && out->len == 0)
        return rest_invalid(call, "%s is empty", key);
    return out->len <= max || rest_invalid(call, "%s is longer than %zu bytes", key, max);
}

static bool account_of(struct rest_call *call, const char *key, struct json_value v, struct span *out)
{
    if (v.kind != JSON_STRING) {
        rest_invalid(call, "%s is not a string", key);
        call->code = 60015;
        return false;
    }
    *out = keep(call, v);
    if (out->len == 0 || out->len > ROOM_USER_MAX)
        return rest_invalid(call, "an account of %s has 1 to %d bytes", key, ROOM_USER_MAX);
    return true;
}

bool rest_account(struct rest_call *call, struct json_value object, const char *key, enum rest_wanted wanted,
                  struct span *out)
{
    const struct json_value v = json_member(object, key);

    *out = (struct span){0};
    return is_absent(v) ? absent_ok(call, key, wanted) : account_of(call, key, v, out);
}

bool rest_accounts(struct rest_call *call, const char *key, size_t max, struct span *out, size_t *count)
{
    const struct json_value list = json_member(call->root, key);

    *count = json_count(list);
    if (*count == 0 || *count > max)
        return rest_invalid(call, "%s is not an array of 1 to %zu accounts", key, max);
    for (size_t i = 0; i < *count; i++) {
        if (!account_of(call, key, json_item(list, i), &out[i]))
            return false;
    }
    return true;
}

bool rest_number(struct rest_call *call, struct json_value object, const char *key, enum rest_wanted wanted,
                 int64_t min, int64_t max, int64_t *out)
{
    const struct json_value v = json_member(object, key);
    int64_t n;

    if (is_absent(v))
        return absent_ok(call, key, wanted);
    if (v.kind != JSON_INTEGER || !json_integer(v, &n) || n < min || n > max)
        return rest_invalid(call, "%s is not a number from %lld to %lld", key, (long long)min, (long long)max);
    *out = n;
    return true;
}

bool rest_flag(struct rest_call *call, struct json_value object, const char *key, enum rest_wanted wanted, bool *out)
{
    const struct json_value v = json_member(object, key);

    if (is_absent(v))
        return absent_ok(call, key, wanted);
    return json_boolean(v, out) || rest_invalid(call, "%s is neither true nor false", key);
}

static bool word_of(struct rest_call *call, const char *key, struct json_value v, const struct rest_word *known,
                    size_t count)
{
    for (size_t i = 0; i < count && v.kind == JSON_STRING; i++) {
        if (!span_is(json_string(v), known[i].word))
            continue;
        if (known[i].has)
            *known[i].has = true;
        return true;
    }
    return rest_invalid(call, "%s holds something that is none of its words", key);
}

bool rest_words(struct rest_call *call, const char *key, const struct rest_word *known, size_t count)
{
    const struct json_value list = json_member(call->root, key);

    if (is_absent(list))
        return true;
    if (list.kind != JSON_ARRAY)
        return rest_invalid(call, "%s is not an array", key);
    for (size_t i = 0; i < json_count(list); i++) {
        if (!word_of(call, key, json_item(list, i), known, count))
            return false;
    }
    return true;
}

/* Rooms ------------------------------------------------------------------------------------------------------------ */

bool rest_room_id(struct rest_call *call, struct json_value object, struct span *out)
{
    if (call->service == REST_LIVE)
        return rest_text(call, object, "RoomId", REST_NEEDED, ROOM_ID_MAX, out);
    if (!rest_text(call, object, "GroupId", REST_NEEDED, SIZE_MAX, out))
        return false;
    return out->len <= ROOM_ID_MAX || rest_fail(call, 10015, "GroupId is not that of a group, check its length");
}

bool rest_room(struct rest_call *call, struct span *out)
{
    return rest_room_id(call, call->root, out) && rest_room_there(call, *out);
}

bool rest_room_there(struct rest_call *call, struct span room)
{
    char type[ROOM_TYPE_MAX + 1];

    if (rooms_type(call->rooms, room, type) != ROOM_OK)
        return rest_no_room(call);
    if (call->service == REST_LIVE && strcmp(type, "Live") != 0)
        return rest_fail(call, 100006, "the room is not a live room");
    return true;
}
