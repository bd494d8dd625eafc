#include "sim/room.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define R SPAN("r")

static struct rooms *make(size_t keep, size_t keep_bytes)
{
    const struct rooms_options options = {.keep = keep, .keep_bytes = keep_bytes};
    struct rooms *rooms = rooms_new(&options);

    assert_non_null(rooms);
    assert_int_equal(rooms_put(rooms, R, SPAN("Live")), ROOM_OK);
    return rooms;
}

static void assert_list(struct rooms *rooms, uint32_t after, size_t limit, const char *expected)
{
    struct buf out = BUF_INIT;

    assert_int_equal(rooms_list(rooms, R, after, limit, &out), ROOM_OK);
    assert_string_equal(buf_text(&out), expected);
    buf_release(&out);
}

static enum room_result deliver(struct rooms *rooms, struct span room, uint32_t seq, const char *json)
{
    const struct shown_message message = {.seq = seq, .time_s = 100 + seq, .json = span_of(json)};

    return rooms_deliver(rooms, room, &message);
}

static void rooms_are_made_changed_and_dissolved(void **state)
{
    char type[ROOM_TYPE_MAX + 1], long_id[ROOM_ID_MAX + 1] = {'x'};
    struct rooms *rooms = make(10, 1000);

    (void)state;
    assert_int_equal(rooms_type(rooms, R, type), ROOM_OK);
    assert_string_equal(type, "Live");
    assert_int_equal(rooms_put(rooms, R, SPAN("AVChatRoom")), ROOM_OK);
    assert_int_equal(rooms_type(rooms, R, type), ROOM_OK);
    assert_string_equal(type, "AVChatRoom");
    assert_int_equal(rooms_type(rooms, SPAN("R"), type), ROOM_MISSING);
    assert_int_equal(rooms_put(rooms, SPAN(""), SPAN("Live")), ROOM_INVALID);
    assert_int_equal(rooms_put(rooms, (struct span){long_id, sizeof(long_id)}, SPAN("Live")), ROOM_INVALID);
    assert_int_equal(rooms_put(rooms, SPAN("s"), SPAN("")), ROOM_INVALID);
    assert_int_equal(rooms_dissolve(rooms, R), ROOM_OK);
    assert_int_equal(rooms_dissolve(rooms, R), ROOM_MISSING);
    rooms_free(rooms);
}

static void rooms_are_bounded(void **state)
{
    struct rooms *rooms = make(10, 1000);
    char id[16];

    (void)state;
    for (unsigned i = 1; i < ROOMS_MAX; i++) {
        snprintf(id, sizeof(id), "room-%u", i);
        assert_int_equal(rooms_put(rooms, span_of(id), SPAN("Live")), ROOM_OK);
    }
    assert_int_equal(rooms_put(rooms, SPAN("one more"), SPAN("Live")), ROOM_TOO_MANY);
    assert_int_equal(rooms_dissolve(rooms, SPAN("room-77")), ROOM_OK);
    assert_int_equal(rooms_put(rooms, SPAN("one more"), SPAN("Live")), ROOM_OK);
    rooms_free(rooms);
}

static void rooms_are_made_once_by_create(void **state)
{
    struct rooms *rooms = make(10, 1000);
    struct room_info_change change = {.given = INFO_NAME | INFO_MESSAGE_DISABLED};
    struct room_info info;

    (void)state;
    strcpy(change.to.name, "a name");
    change.to.message_disabled = true;
    assert_int_equal(rooms_create(rooms, R, &change), ROOM_THERE);
    assert_int_equal(rooms_create(rooms, SPAN(""), &change), ROOM_INVALID);
    assert_int_equal(rooms_create(rooms, SPAN("s"), &change), ROOM_OK);
    assert_int_equal(rooms_info(rooms, SPAN("s"), &info), ROOM_OK);
    assert_string_equal(info.name, "a name");
    assert_true(info.message_disabled && info.public_visible && info.create_time_s > 1700000000);
    change = (struct room_info_change){.given = INFO_MESSAGE_DISABLED};
    assert_int_equal(rooms_change(rooms, SPAN("s"), &change), ROOM_OK);
    assert_int_equal(rooms_info(rooms, SPAN("s"), &info), ROOM_OK);
    assert_string_equal(info.name, "a name");
    assert_false(info.message_disabled);
    assert_int_equal(rooms_change(rooms, SPAN("t"), &change), ROOM_MISSING);
    assert_int_equal(rooms_info(rooms, SPAN("t"), &info), ROOM_MISSING);
    rooms_free(rooms);
}

/* Members ------------------------------------------------------------------------------------------------------- */

enum { NOW = 1000000, LATER = 2000000 };

static enum room_result mute(struct rooms *rooms, struct span room, const char *user)
{
    return rooms_sanction(rooms, ROOM_MUTED, room, span_of(user), MEMBER_FOREVER, NOW);
}

static void muting_is_by_room_or_everywhere(void **state)
{
    struct rooms *rooms = make(10, 1000);

    (void)state;
    assert_int_equal(mute(rooms, R, "a"), ROOM_OK);
    assert_int_equal(mute(rooms, R, "a"), ROOM_OK);
    assert_int_equal(mute(rooms, (struct span){0}, "b"), ROOM_OK);
    assert_int_equal(mute(rooms, SPAN("s"), "a"), ROOM_MISSING);
    assert_int_equal(rooms_voice(rooms, R, SPAN("a"), NOW), VOICE_MUTED);
    assert_int_equal(rooms_voice(rooms, R, SPAN("b"), NOW), VOICE_MUTED);
    assert_int_equal(rooms_voice(rooms, SPAN("s"), SPAN("b"), NOW), VOICE_MUTED);
    assert_int_equal(rooms_voice(rooms, SPAN("s"), SPAN("a"), NOW), VOICE_FREE);
    assert_int_equal(rooms_voice(rooms, R, SPAN("ab"), NOW), VOICE_FREE);
    assert_int_equal(rooms_pardon(rooms, ROOM_MUTED, R, SPAN("a")), ROOM_OK);
    assert_int_equal(rooms_pardon(rooms, ROOM_MUTED, R, SPAN("a")), ROOM_OK);
    assert_int_equal(rooms_voice(rooms, R, SPAN("a"), NOW), VOICE_FREE);
    rooms_free(rooms);
}

static void sanctions_end_by_time(void **state)
{
    struct rooms *rooms = make(10, 1000);

    (void)state;
    for (int list = ROOM_MUTED; list <= ROOM_BANNED; list++) {
        const enum room_voice voice = list == ROOM_MUTED ? VOICE_MUTED : VOICE_BANNED;
        assert_int_equal(rooms_sanction(rooms, (enum room_list)list, R, SPAN("a"), LATER, NOW), ROOM_OK);
        assert_int_equal(rooms_voice(rooms, R, SPAN("a"), NOW), voice);
        assert_int_equal(rooms_voice(rooms, R, SPAN("a"), LATER - 1), voice);
        assert_int_equal(rooms_voice(rooms, R, SPAN("a"), LATER), VOICE_FREE);
        assert_int_equal(rooms_sanction(rooms, (enum room_list)list, R, SPAN("a"), LATER, NOW), ROOM_OK);
        assert_int_equal(rooms_sanction(rooms, (enum room_list)list, R, SPAN("a"), MEMBER_FOREVER, NOW), ROOM_OK);
        assert_int_equal(rooms_voice(rooms, R, SPAN("a"), INT64_MAX - 1), voice);
        assert_int_equal(rooms_pardon(rooms, (enum room_list)list, R, SPAN("a")), ROOM_OK);
    }
    rooms_free(rooms);
}

static void a_ban_is_told_before_a_mute(void **state)
{
    struct rooms *rooms = make(10, 1000);

    (void)state;
    assert_int_equal(mute(rooms, R, "a"), ROOM_OK);
    assert_int_equal(rooms_sanction(rooms, ROOM_BANNED, R, SPAN("a"), LATER, NOW), ROOM_OK);
    assert_int_equal(rooms_voice(rooms, R, SPAN("a"), NOW), VOICE_BANNED);
    assert_int_equal(rooms_voice(rooms, R, SPAN("a"), LATER), VOICE_MUTED);
    rooms_free(rooms);
}

static void a_room_without_messages_leaves_its_owner_free(void **state)
{
    struct room_info_change change = {.given = INFO_OWNER | INFO_MESSAGE_DISABLED};
    struct rooms *rooms = make(10, 1000);

    (void)state;
    strcpy(change.to.owner, "host");
    change.to.message_disabled = true;
    assert_int_equal(rooms_change(rooms, R, &change), ROOM_OK);
    assert_int_equal(rooms_voice(rooms, R, SPAN("a"), NOW), VOICE_MUTED);
    assert_int_equal(rooms_voice(rooms, R, SPAN("host"), NOW), VOICE_FREE);
    assert_int_equal(mute(rooms, R, "host"), ROOM_OK);
    assert_int_equal(rooms_voice(rooms, R, SPAN("host"), NOW), VOICE_MUTED);
    rooms_free(rooms);
}

static void members_come_in_pages(void **state)
{
    static const struct {
        size_t offset, limit;
        int64_t now_us;
        const char *listed;
        size_t next;
    } cases[] = {
        {0, 2, NOW, "{\"Member_Account\":\"u0\",\"BannedUntil\":2},{\"Member_Account\":\"u1\",\"BannedUntil\":3}", 2},
        {2, 2, NOW,
         "{\"Member_Account\":\"u2\",\"BannedUntil\":4},{\"Member_Account\":\"u3\",\"BannedUntil\":4294967295}", 0},
        {3, 100, NOW, "{\"Member_Account\":\"u3\",\"BannedUntil\":4294967295}", 0},
        {4, 100, NOW, "", 0},
        {UINT32_MAX, 1, NOW, "", 0},
        {0, 1, LATER + 1, "{\"Member_Account\":\"u2\",\"BannedUntil\":4}", 1}, /* the first two are free by now */
    };
    static const int64_t untils[] = {LATER, LATER + 1, 3000001, MEMBER_FOREVER};
    struct rooms *rooms = make(10, 1000);
    struct buf out = BUF_INIT;
    size_t next;

    (void)state;
    for (size_t i = 0; i < sizeof(untils) / sizeof(untils[0]); i++) {
        char user[8];
        snprintf(user, sizeof(user), "u%zu", i);
        assert_int_equal(rooms_sanction(rooms, ROOM_BANNED, R, span_of(user), untils[i], NOW), ROOM_OK);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_reset(&out);
        assert_int_equal(
            rooms_members(rooms, ROOM_BANNED, R, cases[i].offset, cases[i].limit, cases[i].now_us, &out, &next),
            ROOM_OK);
        assert_string_equal(buf_text(&out), cases[i].listed);
        assert_int_equal(next, cases[i].next);
    }
    assert_int_equal(rooms_members(rooms, ROOM_BANNED, SPAN("s"), 0, 1, NOW, &out, &next), ROOM_MISSING);
    buf_release(&out);
    rooms_free(rooms);
}

static void member_lists_are_bounded(void **state)
{
    struct member_list list = {0};
    char user[16];

    (void)state;
    for (unsigned i = 0; i < MEMBER_LIST_MAX; i++) {
        snprintf(user, sizeof(user), "u%u", i);
        assert_true(member_list_put(&list, span_of(user), i < 3 ? LATER : MEMBER_FOREVER, NOW));
    }
    assert_false(member_list_put(&list, SPAN("one more"), LATER, NOW));
    assert_true(member_list_put(&list, SPAN("u0"), LATER, NOW)); /* who is on it stays */
    assert_true(member_list_put(&list, SPAN("one more"), MEMBER_FOREVER, LATER));
    assert_int_equal(list.count, MEMBER_LIST_MAX - 2);
    member_list_release(&list);
}

/* Randoms ------------------------------------------------------------------------------------------------------- */

static void a_random_counts_for_five_minutes(void **state)
{
    const int64_t window_us = (int64_t)DEDUPE_WINDOW_S * 1000000;
    struct rooms *rooms = make(10, 1000);
    struct dedupe_entry earlier;

    (void)state;
    assert_int_equal(rooms_put(rooms, SPAN("s"), SPAN("Live")), ROOM_OK);
    assert_int_equal(rooms_random_claim(rooms, R, 7, 0, &earlier), ROOM_OK);
    assert_int_equal(rooms_random_claim(rooms, R, 7, 1, &earlier), ROOM_THERE); /* still under way */
    assert_int_equal(earlier.msg_seq, 0);
    rooms_random_settle(rooms, R, 7, 12, 1764000000);
    assert_int_equal(rooms_random_claim(rooms, R, 7, window_us - 1, &earlier), ROOM_THERE);
    assert_int_equal(earlier.msg_seq, 12);
    assert_int_equal(earlier.msg_time_s, 1764000000);
    assert_int_equal(rooms_random_claim(rooms, R, 8, 1, &earlier), ROOM_OK);
    assert_int_equal(rooms_random_claim(rooms, SPAN("s"), 7, 1, &earlier), ROOM_OK); /* by group */
    assert_int_equal(rooms_random_claim(rooms, R, 7, window_us, &earlier), ROOM_OK);
    rooms_random_give_back(rooms, R, 7);
    assert_int_equal(rooms_random_claim(rooms, R, 7, window_us, &earlier), ROOM_OK);
    assert_int_equal(rooms_random_claim(rooms, SPAN("t"), 7, 1, &earlier), ROOM_MISSING);
    assert_int_equal(rooms_dissolve(rooms, R), ROOM_OK);
    assert_int_equal(rooms_put(rooms, R, SPAN("Live")), ROOM_OK);
    assert_int_equal(rooms_random_claim(rooms, R, 7, window_us, &earlier), ROOM_OK); /* a new room */
    rooms_free(rooms);
}

static void randoms_are_bounded(void **state)
{
    struct dedupe_entry earlier;
    struct dedupe d = {0};

    (void)state;
    for (uint32_t i = 0; i < 40; i++) /* around the ring a few times as it grows and its first ones end */
        assert_int_equal(dedupe_take(&d, i, (int64_t)i * 20 * 1000000, &earlier), DEDUPE_FIRST);
    assert_int_equal(d.count, DEDUPE_WINDOW_S / 20);
    for (uint32_t i = 40 - DEDUPE_WINDOW_S / 20; i < 40; i++)
        assert_int_equal(dedupe_take(&d, i, 39 * 20 * 1000000, &earlier), DEDUPE_AGAIN);
    d.count = DEDUPE_MAX; /* as if */
    d.size = DEDUPE_MAX;
    free(d.entries);
    d.entries = calloc(DEDUPE_MAX, sizeof(*d.entries));
    assert_non_null(d.entries);
    for (size_t i = 0; i < DEDUPE_MAX; i++)
        d.entries[i] = (struct dedupe_entry){.random = (uint32_t)i};
    d.first = 0;
    assert_int_equal(dedupe_take(&d, UINT32_MAX, 1, &earlier), DEDUPE_FULL);
    assert_int_equal(dedupe_take(&d, 0, 1, &earlier), DEDUPE_AGAIN);
    dedupe_release(&d);
}

enum { CLAIMANTS = 4, CLAIMS = 500 };

struct claimant {
    pthread_t thread;
    struct rooms *rooms;
    unsigned won;
};

static void *claim_all(void *arg)
{
    struct claimant *c = arg;
    struct dedupe_entry earlier;

    for (uint32_t i = 0; i < CLAIMS; i++) {
        if (rooms_random_claim(c->rooms, R, i, 0, &earlier) != ROOM_OK)
            continue;
        c->won++;
        rooms_random_settle(c->rooms, R, i, i + 1, 1764000000);
    }
    return NULL;
}

static void of_calls_at_the_same_time_one_goes_on(void **state)
{
    struct rooms *rooms = make(10, 1000);
    struct claimant claimants[CLAIMANTS] = {{0}};
    unsigned won = 0;

    (void)state;
    for (size_t i = 0; i < CLAIMANTS; i++) {
        claimants[i].rooms = rooms;
        assert_int_equal(pthread_create(&claimants[i].thread, NULL, claim_all, &claimants[i]), 0);
    }
    for (size_t i = 0; i < CLAIMANTS; i++) {
        assert_int_equal(pthread_join(claimants[i].thread, NULL), 0);
        won += claimants[i].won;
    }
    assert_int_equal(won, CLAIMS);
    rooms_free(rooms);
}

/* Messages ------------------------------------------------------------------------------------------------------ */

static void numbers_grow_and_forty_a_second_are_given(void **state)
{
    struct rooms *rooms = make(10, 1000);
    uint32_t seq;
    bool over;

    (void)state;
    for (uint32_t i = 1; i <= ROOM_MESSAGES_A_SECOND; i++) {
        assert_int_equal(rooms_number(rooms, R, 1000, &seq, &over), ROOM_OK);
        assert_int_equal(seq, i);
        assert_false(over);
    }
    assert_int_equal(rooms_number(rooms, R, 1000, &seq, &over), ROOM_OK);
    assert_int_equal(seq, 0);
    assert_true(over);
    assert_int_equal(rooms_number(rooms, R, 1001000, &seq, &over), ROOM_OK);
    assert_int_equal(seq, ROOM_MESSAGES_A_SECOND + 1);
    assert_int_equal(rooms_number(rooms, SPAN("s"), 1000, &seq, &over), ROOM_MISSING);
    rooms_free(rooms);
}

static void a_dropped_message_takes_a_number_when_told_to(void **state)
{
    const struct rooms_options options = {.keep = 1, .keep_bytes = 100, .number_dropped = true};
    struct rooms *rooms = rooms_new(&options);
    uint32_t seq;
    bool over = false;

    (void)state;
    assert_non_null(rooms);
    assert_int_equal(rooms_put(rooms, R, SPAN("Live")), ROOM_OK);
    for (uint32_t i = 1; i <= ROOM_MESSAGES_A_SECOND + 2; i++) {
        assert_int_equal(rooms_number(rooms, R, 1000, &seq, &over), ROOM_OK);
        assert_int_equal(seq, i);
        assert_int_equal(over, i > ROOM_MESSAGES_A_SECOND);
    }
    rooms_free(rooms);
}

static void messages_are_listed_by_number(void **state)
{
    static const uint32_t arrival[] = {2, 1, 3, 6, 5, 4};
    struct rooms *rooms = make(100, 1000);
    char json[8];

    (void)state;
    assert_list(rooms, 0, 10, "{\"RoomId\":\"r\",\"Type\":\"Live\",\"Delivered\":0,\"Forgotten\":0,\"Messages\":[]}");
    for (size_t i = 0; i < sizeof(arrival) / sizeof(arrival[0]); i++) {
        snprintf(json, sizeof(json), "{%u}", arrival[i]);
        assert_int_equal(deliver(rooms, R, arrival[i], json), ROOM_OK);
    }
    assert_list(rooms, 0, 10,
                "{\"RoomId\":\"r\",\"Type\":\"Live\",\"Delivered\":6,\"Forgotten\":0,\"Messages\":[{1},{2},{3},{4},{5},"
                "{6}]}");
    assert_list(rooms, 2, 2,
                "{\"RoomId\":\"r\",\"Type\":\"Live\",\"Delivered\":6,\"Forgotten\":0,\"Messages\":[{3},{4}]}");
    assert_int_equal(deliver(rooms, SPAN("s"), 1, "{}"), ROOM_MISSING);
    rooms_free(rooms);
}

static void the_oldest_are_forgotten(void **state)
{
    static const struct {
        size_t keep, keep_bytes;
        const char *listed;
    } cases[] = {
        {3, 1000, "\"Delivered\":50,\"Forgotten\":47,\"Messages\":[{48},{49},{50}]}"},
        {100, 9, "\"Delivered\":50,\"Forgotten\":48,\"Messages\":[{49},{50}]}"},
        {100, 3, "\"Delivered\":50,\"Forgotten\":50,\"Messages\":[]}"},
        {0, 1000, "\"Delivered\":50,\"Forgotten\":50,\"Messages\":[]}"},
    };

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct rooms *rooms = make(cases[c].keep, cases[c].keep_bytes);
        struct rooms_count count;
        char expected[160], json[8];
        for (uint32_t i = 1; i <= 50; i++) {
            snprintf(json, sizeof(json), "{%02u}", i);
            assert_int_equal(deliver(rooms, R, i, json), ROOM_OK);
        }
        snprintf(expected, sizeof(expected), "{\"RoomId\":\"r\",\"Type\":\"Live\",%s", cases[c].listed);
        assert_list(rooms, 0, 100, expected);
        rooms_count(rooms, &count);
        assert_true(count.kept_bytes <= cases[c].keep_bytes);
        rooms_free(rooms);
    }
}

static void messages_are_recalled(void **state)
{
    static const struct {
        uint32_t seq;
        const char *by; /* NULL: an administrator */
        int64_t since_s;
        enum recall_result result;
    } cases[] = {
        {9, NULL, 0, RECALL_UNKNOWN},    {2, "b", 0, RECALL_NOT_ALLOWED}, {2, "a", 102, RECALL_TOO_LATE},
        {2, "a", 101, RECALL_OK},        {2, "a", 101, RECALL_AGAIN},     {2, NULL, 101, RECALL_AGAIN},
        {3, NULL, 103, RECALL_TOO_LATE}, {3, NULL, 102, RECALL_OK},       {1, "", 0, RECALL_NOT_ALLOWED},
        {1, "host", 0, RECALL_OK},
    };
    struct room_info_change change = {.given = INFO_OWNER};
    struct rooms *rooms = make(10, 1000);
    struct rooms_count count;

    (void)state;
    strcpy(change.to.owner, "host");
    assert_int_equal(rooms_change(rooms, R, &change), ROOM_OK);
    for (uint32_t seq = 1; seq <= 4; seq++) {
        const struct shown_message message = {
            .seq = seq, .time_s = 100 + seq, .sender = SPAN("a"), .json = SPAN("{\"x\":1}")};
        assert_int_equal(rooms_deliver(rooms, R, &message), ROOM_OK);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(rooms_recall(rooms, R, cases[i].seq, span_of(cases[i].by), cases[i].since_s), cases[i].result);
    assert_int_equal(rooms_recall(rooms, SPAN("s"), 1, (struct span){0}, 0), RECALL_UNKNOWN);
    assert_list(rooms, 2, 10,
                "{\"RoomId\":\"r\",\"Type\":\"Live\",\"Delivered\":4,\"Forgotten\":0,\"Messages\":[{\"x\":1,"
                "\"Recalled\":true},{\"x\":1}]}");
    rooms_count(rooms, &count);
    assert_int_equal(count.recalled, 3);
    assert_int_equal(rooms_put(rooms, R, SPAN("BChatRoom")), ROOM_OK);
    assert_int_equal(rooms_recall(rooms, R, 4, (struct span){0}, 0), RECALL_NOT_HERE);
    rooms_free(rooms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_are_made_changed_and_dissolved),
        cmocka_unit_test(rooms_are_bounded),
        cmocka_unit_test(rooms_are_made_once_by_create),
        cmocka_unit_test(muting_is_by_room_or_everywhere),
        cmocka_unit_test(sanctions_end_by_time),
        cmocka_unit_test(a_ban_is_told_before_a_mute),
        cmocka_unit_test(a_room_without_messages_leaves_its_owner_free),
        cmocka_unit_test(members_come_in_pages),
        cmocka_unit_test(member_lists_are_bounded),
        cmocka_unit_test(a_random_counts_for_five_minutes),
        cmocka_unit_test(randoms_are_bounded),
        cmocka_unit_test(of_calls_at_the_same_time_one_goes_on),
        cmocka_unit_test(numbers_grow_and_forty_a_second_are_given),
        cmocka_unit_test(a_dropped_message_takes_a_number_when_told_to),
        cmocka_unit_test(messages_are_listed_by_number),
        cmocka_unit_test(the_oldest_are_forgotten),
        cmocka_unit_test(messages_are_recalled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
