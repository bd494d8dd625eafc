/* The marker: what the sender had comes back byte for byte, and nothing but what marker_add() wrote is believed. */
#include "mutate.h"

#include "base/utf8.h"
#include "wire/gate.h"
#include "wire/marker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define GIVEN_TEXT(text)                                                                                               \
    {                                                                                                                  \
        GIVEN,                                                                                                         \
        {                                                                                                              \
            (text), sizeof(text) - 1                                                                                   \
        }                                                                                                              \
    }

static const struct marker marker = {"872cb24b-d851-473a-9a47-3b2cb9c5b3e2", 3, 1764000000};
static uint8_t key[MARKER_KEY];

static int make_key(void **state)
{
    (void)state;
    marker_key(key, "the secret key");
    return 0;
}

static struct marked marked_of(struct optional_text data)
{
    return (struct marked){SPAN("room-7"), SPAN("viewer_19"), SPAN("call me ***"), data};
}

static void add(struct buf *out, const struct marked *original)
{
    struct err err = {0};

    buf_reset(out);
    if (marker_add(out, key, &marker, original, &err) != 0)
        fail_msg("%s", err.text);
}

/* Reads from a copy without a byte to spare, so that the address sanitizer sees any read outside. */
static enum marker_result read_with(const uint8_t with[MARKER_KEY], struct marked m, struct span data,
                                    struct marker *out, struct buf *strings, struct optional_text *own)
{
    char *copy = malloc(data.len ? data.len : 1);
    enum marker_result result;

    assert_non_null(copy);
    if (data.len)
        memcpy(copy, data.data, data.len);
    m.custom_data = (struct optional_text){GIVEN, {copy, data.len}};
    result = marker_read(with, &m, out, strings, own);
    free(copy); /* nothing of it may be needed any more */
    return result;
}

static enum marker_result read_data(struct span data)
{
    struct buf strings = BUF_INIT;
    struct optional_text own;
    struct marker out;
    enum marker_result result = read_with(key, marked_of((struct optional_text){0}), data, &out, &strings, &own);

    buf_release(&strings);
    return result;
}

static void expect_round_trip(struct optional_text original, struct optional_text restored)
{
    struct buf data = BUF_INIT, strings = BUF_INIT;
    struct marked m = marked_of(original);
    struct optional_text own = {0};
    struct marker out = {0};
    struct gate_fault fault;

    add(&data, &m);
    assert_true(gate_check(buf_span(&data), GATE_WIRE, &fault));
    assert_int_equal(read_with(key, m, buf_span(&data), &out, &strings, &own), MARKER_TRUE);
    assert_string_equal(out.id, marker.id);
    assert_int_equal(out.attempt, marker.attempt);
    assert_int_equal(out.at_s, marker.at_s);
    if (own.presence != restored.presence || !span_equal(own.text, restored.text))
        fail_msg("%.*s came back as %.*s", (int)restored.text.len, restored.text.data, (int)own.text.len,
                 own.text.data);
    buf_release(&data);
    buf_release(&strings);
}

static void what_the_sender_had_comes_back(void **state)
{
    static const struct {
        struct optional_text original;
        const char *marked; /* what stands before "mac"; NULL: not looked at */
    } cases[] = {
#define HEAD "\"chatsluice\":{\"id\":\"872cb24b-d851-473a-9a47-3b2cb9c5b3e2\",\"n\":3,\"at\":1764000000"
        {{MISSING, {NULL, 0}}, "{" HEAD ",\"mac\":\""},
        {{IS_NULL, {NULL, 0}}, "{" HEAD ",\"text\":null,\"mac\":\""},
        {GIVEN_TEXT(""), "{" HEAD ",\"text\":\"\",\"mac\":\""},
        {GIVEN_TEXT("{}"), "{" HEAD ",\"text\":\"{}\",\"mac\":\""},
        {GIVEN_TEXT(" { \n } "), "{" HEAD ",\"text\":\" { \\n } \",\"mac\":\""},
        {GIVEN_TEXT("null"), "{" HEAD ",\"text\":\"null\",\"mac\":\""},
        {GIVEN_TEXT("plain \"words\" \\ and\n\t\x01 \xE4\xBD\xA0"), NULL},
        {GIVEN_TEXT("[{\"a\":1}]"), "{" HEAD ",\"text\":\"[{\\\"a\\\":1}]\",\"mac\":\""},
        {GIVEN_TEXT("\"{}\""), NULL},
        {GIVEN_TEXT("{\"a\":1"), NULL},
        {GIVEN_TEXT("{\"a\":1}}"), NULL},
        {GIVEN_TEXT("{\"a\":01}"), NULL},
        {GIVEN_TEXT("{'chatsluice':1}"), NULL},
        {GIVEN_TEXT("{\"lvl\":3}"), "{\"lvl\":3," HEAD ",\"mac\":\""},
        {GIVEN_TEXT("\n{ \"lvl\" : 3\t, \"b\":[ ] } \r\n"), "\n{ \"lvl\" : 3\t, \"b\":[ ] ," HEAD ",\"mac\":\""},
        {GIVEN_TEXT("{\"a\":1,\"a\":{\"chatsluice\":{}},\"b\":\"chatsluice\"}"), NULL},
        {GIVEN_TEXT("{\"a\":\"\\u0000\\ud800}\",\"\":-1.5e+3}"), NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct marked m = marked_of(cases[i].original);
        struct buf data = BUF_INIT;

        expect_round_trip(cases[i].original, cases[i].original);
        add(&data, &m);
        if (cases[i].marked && strncmp(data.data, cases[i].marked, strlen(cases[i].marked)) != 0)
            fail_msg("%s", data.data);
        buf_release(&data);
    }
}

static void members_named_like_ours_are_dropped(void **state)
{
    static const struct {
        const char *original, *restored;
    } cases[] = {
        {"{\"chatsluice\":1}", "{}"},
        {"{ \"chatsluice\" : {\"id\":1} }", "{  }"},
        {"{\"chatsluice\":1,\"a\":2}", "{\"a\":2}"},
        {"{\"a\":2,\"chatsluice\":1}", "{\"a\":2}"},
        {"{\"a\":2, \"chatsluice\":1 , \"b\":3}", "{\"a\":2 , \"b\":3}"},
        {"{\"ch\\u0061tsluice\":1,\"a\":2}", "{\"a\":2}"},
        {"{\"\\u0063\\u0068\\u0061\\u0074\\u0073\\u006C\\u0075\\u0069\\u0063\\u0065\":[],\"chatsluice\":1}", "{}"},
        {"{\"chatsluice\":1,\"a\":2,\"chatsluice\":{},\"b\":[3],\"chatsluic\\u0065\":null}", "{\"a\":2,\"b\":[3]}"},
        {"{\"chatsluice2\":1,\"Chatsluice\":2,\"chatsluic\":3}",
         "{\"chatsluice2\":1,\"Chatsluice\":2,\"chatsluic\":3}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_round_trip((struct optional_text){GIVEN, span_of(cases[i].original)},
                          (struct optional_text){GIVEN, span_of(cases[i].restored)});
}

/* Objects as clients write them, and what random edits make of them: whatever it is, it comes back. */
static void generated_originals_come_back(void **state)
{
    static const char *const seeds[] = {
        "{\"lvl\":3,\"tags\":[\"a\",\"b\"],\"deep\":{\"x\":{\"y\":null}}}",
        "{ \"name\" : \"\xE4\xBD\xA0\xE5\xA5\xBD\" , \"n\" : -12.5e3 , \"ok\" : true }",
        "plain text \xF0\x9F\x98\x80",
        "[1,2,{\"a\":\"b\"}]",
        "{\"a\":{},\"b\":[],\"c\":\"\\\"}{\\\\\"}",
    };
    uint64_t seed = 20261124;
    size_t merged = 0;

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct buf original = BUF_INIT;
        struct gate_fault fault;
        struct optional_text own;

        buf_add_text(&original, seeds[i % COUNT(seeds)]);
        for (uint64_t edits = next_random(&seed) % 3; edits > 0; edits--)
            mutate(&original, &seed);
        for (size_t at = 0; at < original.len; at++) { /* the parser gives valid UTF-8 only */
            at += utf8_valid_prefix(original.data + at, original.len - at);
            if (at < original.len)
                original.data[at] = '?';
        }
        own = (struct optional_text){GIVEN, {buf_text(&original), original.len}};
        merged += own.text.len > 0 && own.text.data[0] == '{' && gate_check(own.text, GATE_WIRE, &fault);
        expect_round_trip(own, own);
        buf_release(&original);
    }
    assert_true(merged > 2000);
}

static void every_changed_byte_is_refused(void **state)
{
    static const struct optional_text originals[] = {
        {MISSING, {NULL, 0}},         {IS_NULL, {NULL, 0}},
        GIVEN_TEXT("words \"\n\x01"), GIVEN_TEXT("{\"lvl\":3,\"x\":\"\x01\"}"),
        GIVEN_TEXT(" {\"lvl\":3 } "), GIVEN_TEXT("{}"),
    };

    (void)state;
    for (size_t o = 0; o < COUNT(originals); o++) {
        struct marked m = marked_of(originals[o]);
        struct buf data = BUF_INIT;
        size_t forged = 0;

        add(&data, &m);
        for (size_t i = 0; i < data.len; i++) {
            char was = data.data[i];

            for (int value = 0; value < 256; value++) {
                data.data[i] = (char)value;
                if ((char)value == was)
                    assert_int_equal(read_data(buf_span(&data)), MARKER_TRUE);
                else if (read_data(buf_span(&data)) == MARKER_TRUE)
                    fail_msg("original %zu, byte %zu: %d is believed", o, i, value);
                else
                    forged += read_data(buf_span(&data)) == MARKER_FORGED;
            }
            data.data[i] = was;
        }
        assert_true(forged > 5000); /* most changes leave it an object with a marker */
        buf_release(&data);
    }
}

static void every_other_message_is_refused(void **state)
{
    static const char *const rooms[] = {"room-8", "room-", "room-7v", ""};
    static const char *const senders[] = {"viewer_20", "viewer_1", "iewer_19", ""};
    static const char *const texts[] = {"call me **", "call me ****", "Call me ***", ""};
    struct marked m = marked_of((struct optional_text){GIVEN, SPAN("{\"lvl\":3}")}), other;
    struct buf data = BUF_INIT, strings = BUF_INIT;
    struct optional_text own;
    struct marker out;
    uint8_t other_key[MARKER_KEY];

    (void)state;
    add(&data, &m);
    for (size_t i = 0; i < COUNT(rooms); i++) {
        other = m;
        other.room = span_of(rooms[i]);
        assert_int_equal(read_with(key, other, buf_span(&data), &out, &strings, &own), MARKER_FORGED);
        other = m;
        other.sender = span_of(senders[i]);
        assert_int_equal(read_with(key, other, buf_span(&data), &out, &strings, &own), MARKER_FORGED);
        other = m;
        other.text = span_of(texts[i]);
        assert_int_equal(read_with(key, other, buf_span(&data), &out, &strings, &own), MARKER_FORGED);
    }
    other = m; /* the same bytes, divided otherwise */
    other.room = SPAN("room-7v");
    other.sender = SPAN("iewer_19");
    assert_int_equal(read_with(key, other, buf_span(&data), &out, &strings, &own), MARKER_FORGED);
    for (size_t i = 0; i < MARKER_KEY; i++) {
        memcpy(other_key, key, sizeof(other_key));
        other_key[i] ^= 1;
        assert_int_equal(read_with(other_key, m, buf_span(&data), &out, &strings, &own), MARKER_FORGED);
    }
    marker_key(other_key, "the secret key ");
    assert_int_equal(read_with(other_key, m, buf_span(&data), &out, &strings, &own), MARKER_FORGED);
    buf_release(&data);
    buf_release(&strings);
}

static void replace(struct buf *out, const char *template, const struct buf *marked)
{
    const char *member = strstr(marked->data, "\"chatsluice\":");
    const char *end = strchr(member + 15, '}') + 1;

    buf_reset(out);
    for (const char *c = template; *c; c++) {
        if (*c == '@')
            buf_add(out, member, (size_t)(end - member));
        else if (*c == '#')
            buf_add(out, member + 13, (size_t)(end - member - 13));
        else
            buf_add_char(out, *c);
    }
}

/* A true marker (@, its value #) in other surroundings. */
static void a_marker_elsewhere_is_not_believed(void **state)
{
    static const struct {
        const char *data;
        enum marker_result result;
    } cases[] = {
        {"{\"lvl\":3,@}", MARKER_TRUE},
        {"{\"lvl\":4,@}", MARKER_FORGED},
        {"{\"lvl\":3,@,@}", MARKER_FORGED},
        {"{@,\"lvl\":3,@}", MARKER_FORGED},
        {"{\"ch\\u0061tsluice\":1,\"lvl\":3,@}", MARKER_FORGED},
        {"{@,\"lvl\":3}", MARKER_FORGED},
        {"{@}", MARKER_FORGED},
        {"{\"lvl\":3, @}", MARKER_FORGED},
        {"{\"lvl\":3 ,@}", MARKER_FORGED},
        {"{\"lvl\":3,@ }", MARKER_FORGED},
        {"{\"lvl\":3,@}\n", MARKER_FORGED},
        {" {\"lvl\":3,@}", MARKER_FORGED},
        {"{\"lvl\":3,\"chatsluice\": #}", MARKER_FORGED},
        {"{\"lvl\":3,\"ch\\u0061tsluice\":#,\"chatsluic\":1}", MARKER_NONE}, /* escaped alone: nothing we ever write */
        {"{\"lvl\":3,\"chatsluice\":[#]}", MARKER_FORGED},
        {"{\"lvl\":3,\"a\":{@}}", MARKER_NONE},
        {"[{\"lvl\":3,@}]", MARKER_NONE},
        {"{\"lvl\":3,@", MARKER_NONE},
        {"{\"lvl\":3,@}}", MARKER_NONE},
        {"{\"lvl\":3,\"chatsluice\":{}}", MARKER_FORGED},
        {"{\"lvl\":3,\"chatsluice\":1}", MARKER_FORGED},
        {"{\"lvl\":3,\"chatsluice\":null}", MARKER_FORGED},
        {"{\"chatsluice\":true}", MARKER_FORGED},
        {"chatsluice", MARKER_NONE},
        {"", MARKER_NONE},
        {"\"chatsluice\"", MARKER_NONE},
        {"{\"a\":\"chatsluice\"}", MARKER_NONE},
    };
    struct marked m = marked_of((struct optional_text){GIVEN, SPAN("{\"lvl\":3}")});
    struct buf marked = BUF_INIT, data = BUF_INIT;

    (void)state;
    add(&marked, &m);
    for (size_t i = 0; i < COUNT(cases); i++) {
        replace(&data, cases[i].data, &marked);
        if (read_data((struct span){buf_text(&data), data.len}) != cases[i].result)
            fail_msg("case %zu: %s", i, cases[i].data);
    }
    buf_release(&marked);
    buf_release(&data);
}

static void numbers_are_written_one_way(void **state)
{
    static const char *const starts[] = {
        "\"n\":03,",  "\"n\":3.0,", "\"n\":-3,", "\"n\":4294967299,",           "\"n\":\"3\",",
        "\"n\":3e0,", "\"n\":+3,",  "\"n\":,",   "\"n\":18446744073709551619,", "\"n\":3,\"n\":3,",
    };
    struct marked m = marked_of((struct optional_text){0});
    struct buf data = BUF_INIT, changed = BUF_INIT;

    (void)state;
    add(&data, &m);
    for (size_t i = 0; i < COUNT(starts); i++) {
        const char *n = strstr(data.data, "\"n\":3,");

        buf_reset(&changed);
        buf_add(&changed, data.data, (size_t)(n - data.data));
        buf_add_text(&changed, starts[i]);
        buf_add_text(&changed, n + 6);
        assert_int_not_equal(read_data(buf_span(&changed)), MARKER_TRUE);
    }
    buf_release(&data);
    buf_release(&changed);
}

static void truncated_markers_are_refused(void **state)
{
    struct marked m = marked_of((struct optional_text){GIVEN, SPAN("{\"lvl\":3}")});
    struct buf data = BUF_INIT;

    (void)state;
    add(&data, &m);
    for (size_t len = 0; len < data.len; len++)
        assert_int_equal(read_data((struct span){data.data, len}), MARKER_NONE); /* no JSON any more */
    buf_release(&data);
}

static void huge_and_nested_data_comes_back(void **state)
{
    struct buf huge = BUF_INIT, data = BUF_INIT;

    (void)state;
    buf_add_text(&huge, "{\"a\":[");
    for (size_t i = 0; i < MARKER_MAX_MERGED; i++) /* longer than is merged */
        buf_add_text(&huge, "1,");
    buf_add_text(&huge, "1]}");
    expect_round_trip((struct optional_text){GIVEN, buf_span(&huge)}, (struct optional_text){GIVEN, buf_span(&huge)});

    buf_reset(&huge);
    for (size_t i = 0; i < GATE_MAX_DEPTH; i++)
        buf_add_text(&huge, "{\"a\":");
    buf_add_char(&huge, '1');
    for (size_t i = 0; i < GATE_MAX_DEPTH; i++)
        buf_add_char(&huge, '}');
    expect_round_trip((struct optional_text){GIVEN, buf_span(&huge)}, (struct optional_text){GIVEN, buf_span(&huge)});

    buf_reset(&huge); /* as a claim */
    buf_add_text(&huge, "{\"chatsluice\":");
    for (size_t i = 0; i < 100000; i++)
        buf_add_char(&huge, '[');
    assert_int_equal(read_data(buf_span(&huge)), MARKER_NONE);
    buf_release(&huge);
    buf_release(&data);
}

/* Its size is known beforehand: 12 KB is the most the platform takes. */
static void it_is_as_small_as_promised(void **state)
{
    static const struct marker largest = {"ffffffff-ffff-ffff-ffff-ffffffffffff", UINT32_MAX, INT64_MAX};
    struct marked m = marked_of((struct optional_text){GIVEN, SPAN("{\"lvl\":3}")});
    struct buf data = BUF_INIT, strings = BUF_INIT;
    struct optional_text own;
    struct marker out;

    (void)state;
    assert_int_equal(marker_add(&data, key, &largest, &m, NULL), 0);
    assert_true(data.len <= m.custom_data.text.len + MARKER_MAX);
    assert_int_equal(read_with(key, m, buf_span(&data), &out, &strings, &own), MARKER_TRUE);
    assert_int_equal(out.attempt, UINT32_MAX);
    assert_int_equal(out.at_s, INT64_MAX);
    buf_release(&data);
    buf_release(&strings);
}

static void messages_without_a_marker_cost_nothing(void **state)
{
    static const struct optional_text ordinary[] = {
        {MISSING, {NULL, 0}},
        {IS_NULL, {NULL, 0}},
        GIVEN_TEXT(""),
        GIVEN_TEXT("{\"lvl\":3}"),
        GIVEN_TEXT("{\"a\":\"chatsluice\"}"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(ordinary); i++) {
        struct marked m = marked_of(ordinary[i]);
        struct buf strings = BUF_INIT;
        struct optional_text own;
        struct marker out;

        assert_int_equal(marker_read(key, &m, &out, &strings, &own), MARKER_NONE);
        assert_null(strings.data);
    }
}

static void it_is_in_time_for_a_minute(void **state)
{
    static const struct {
        int64_t at_s, now_s;
        bool in_time;
    } cases[] = {
        {1000, 1000, true},
        {1000, 1000 + MARKER_LIFE_S, true},
        {1000, 1000 - MARKER_LIFE_S, true},
        {1000, 1061, false},
        {1000, 939, false},
        {INT64_MAX, 0, false},
        {0, INT64_MAX, false},
        {INT64_MAX, INT64_MAX, true},
        {0, 0, true},
        {0, -1, false},
        {INT64_MAX, INT64_MIN, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct marker m = marker;

        m.at_s = cases[i].at_s;
        assert_int_equal(marker_in_time(&m, cases[i].now_s), cases[i].in_time);
    }
}

static void keys_differ_and_stay(void **state)
{
    uint8_t a[MARKER_KEY], b[MARKER_KEY];

    (void)state;
    marker_key(a, "the secret key");
    assert_memory_equal(a, key, sizeof(a));
    marker_key(b, "the secret kez");
    assert_memory_not_equal(a, b, sizeof(a));
}

static void uses_have_the_names_of_the_column(void **state)
{
    static const char *const names[MARKER_USES] = {NULL, "accepted", "used", "late", "copied", "forged"};

    (void)state;
    assert_null(marker_use_name(MARKER_ABSENT));
    for (size_t i = 1; i < MARKER_USES; i++)
        assert_string_equal(marker_use_name((enum marker_use)i), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_sender_had_comes_back),
        cmocka_unit_test(members_named_like_ours_are_dropped),
        cmocka_unit_test(generated_originals_come_back),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(every_other_message_is_refused),
        cmocka_unit_test(a_marker_elsewhere_is_not_believed),
        cmocka_unit_test(numbers_are_written_one_way),
        cmocka_unit_test(truncated_markers_are_refused),
        cmocka_unit_test(huge_and_nested_data_comes_back),
        cmocka_unit_test(it_is_as_small_as_promised),
        cmocka_unit_test(messages_without_a_marker_cost_nothing),
        cmocka_unit_test(it_is_in_time_for_a_minute),
        cmocka_unit_test(keys_differ_and_stay),
        cmocka_unit_test(uses_have_the_names_of_the_column),
    };

    return cmocka_run_group_tests_name("marker", tests, make_key, NULL);
}
