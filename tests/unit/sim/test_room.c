#include "sim/room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define R SPAN("r")

static struct rooms *make(size_t keep, size_t keep_bytes)
{
    const struct rooms_options options = {keep, keep_bytes};
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

static void muting_is_by_room_or_everywhere(void **state)
{
    struct rooms *rooms = make(10, 1000);

    (void)state;
    assert_int_equal(rooms_mute(rooms, R, SPAN("a")), ROOM_OK);
    assert_int_equal(rooms_mute(rooms, R, SPAN("a")), ROOM_OK);
    assert_int_equal(rooms_mute(rooms, (struct span){0}, SPAN("b")), ROOM_OK);
    assert_int_equal(rooms_mute(rooms, SPAN("s"), SPAN("a")), ROOM_MISSING);
    assert_true(rooms_is_muted(rooms, R, SPAN("a")));
    assert_true(rooms_is_muted(rooms, R, SPAN("b")));
    assert_true(rooms_is_muted(rooms, SPAN("s"), SPAN("b")));
    assert_false(rooms_is_muted(rooms, SPAN("s"), SPAN("a")));
    assert_false(rooms_is_muted(rooms, R, SPAN("ab")));
    assert_int_equal(rooms_unmute(rooms, R, SPAN("a")), ROOM_OK);
    assert_int_equal(rooms_unmute(rooms, R, SPAN("a")), ROOM_OK);
    assert_false(rooms_is_muted(rooms, R, SPAN("a")));
    rooms_free(rooms);
}

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

static void messages_are_listed_by_number(void **state)
{
    static const uint32_t arrival[] = {2, 1, 3, 6, 5, 4};
    struct rooms *rooms = make(100, 1000);
    char json[8];

    (void)state;
    assert_list(rooms, 0, 10, "{\"RoomId\":\"r\",\"Type\":\"Live\",\"Delivered\":0,\"Forgotten\":0,\"Messages\":[]}");
    for (size_t i = 0; i < sizeof(arrival) / sizeof(arrival[0]); i++) {
        snprintf(json, sizeof(json), "{%u}", arrival[i]);
        assert_int_equal(rooms_deliver(rooms, R, arrival[i], span_of(json)), ROOM_OK);
    }
    assert_list(rooms, 0, 10,
                "{\"RoomId\":\"r\",\"Type\":\"Live\",\"Delivered\":6,\"Forgotten\":0,\"Messages\":[{1},{2},{3},{4},{5},"
                "{6}]}");
    assert_list(rooms, 2, 2,
                "{\"RoomId\":\"r\",\"Type\":\"Live\",\"Delivered\":6,\"Forgotten\":0,\"Messages\":[{3},{4}]}");
    assert_int_equal(rooms_deliver(rooms, SPAN("s"), 1, SPAN("{}")), ROOM_MISSING);
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
            assert_int_equal(rooms_deliver(rooms, R, i, span_of(json)), ROOM_OK);
        }
        snprintf(expected, sizeof(expected), "{\"RoomId\":\"r\",\"Type\":\"Live\",%s", cases[c].listed);
        assert_list(rooms, 0, 100, expected);
        rooms_count(rooms, &count);
        assert_true(count.kept_bytes <= cases[c].keep_bytes);
        rooms_free(rooms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_are_made_changed_and_dissolved),
        cmocka_unit_test(rooms_are_bounded),
        cmocka_unit_test(muting_is_by_room_or_everywhere),
        cmocka_unit_test(numbers_grow_and_forty_a_second_are_given),
        cmocka_unit_test(messages_are_listed_by_number),
        cmocka_unit_test(the_oldest_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
