/* CloudCustomData of any bytes, as the sender's own and as what came back: the first comes back as it was (but for
 * members named like ours, once dropped), the second is believed only if it is what we would write.
 *
 * Input: the sender's text, FF, CloudCustomData. Bytes that are no UTF-8 become '?', as the parser gives none. */
#include "fuzz.h"

#include "wire/marker.h"

static const struct marker marker = {"872cb24b-d851-473a-9a47-3b2cb9c5b3e2", 1, 1764000000};

static void add_utf8(struct buf *out, struct span bytes)
{
    for (size_t i = 0, valid; i < bytes.len; i += valid + 1) {
        valid = utf8_valid_prefix(bytes.data + i, bytes.len - i);
        buf_add(out, bytes.data + i, valid);
        if (i + valid < bytes.len)
            buf_add_char(out, '?');
    }
}

static bool has_own_member(struct span data)
{
    struct gate_fault fault;
    struct span value;

    return gate_check(data, GATE_WIRE, &fault) && gate_member(data, "chatsluice", &value);
}

/* What was marked comes back; what comes back can be marked again and then stays. */
static void check_as_own(const uint8_t key[MARKER_KEY], struct marked m)
{
    struct buf data = BUF_INIT, strings = BUF_INIT, again = BUF_INIT;
    struct span given = m.custom_data.text;
    struct optional_text own;
    struct marker out;
    struct err err;
    struct gate_fault fault;

    MUST(marker_add(&data, key, &marker, &m, &err) == 0);
    MUST(gate_check(buf_span(&data), GATE_WIRE, &fault));
    m.custom_data.text = buf_span(&data);
    MUST(marker_read(key, &m, &out, &strings, &own) == MARKER_TRUE);
    MUST(own.presence == GIVEN && strcmp(out.id, marker.id) == 0);
    MUST(span_equal(own.text, given) || has_own_member(given));
    MUST(!has_own_member(own.text));
    m.custom_data = own;
    MUST(marker_add(&again, key, &marker, &m, &err) == 0);
    MUST(span_equal(buf_span(&data), buf_span(&again)));
    buf_release(&data);
    buf_release(&strings);
    buf_release(&again);
}

/* What is believed is what we would have written. */
static void check_as_received(const uint8_t key[MARKER_KEY], struct marked m)
{
    struct buf strings = BUF_INIT, made = BUF_INIT;
    struct span given = m.custom_data.text;
    struct marker out;
    struct err err;

    if (marker_read(key, &m, &out, &strings, &m.custom_data) == MARKER_TRUE) {
        MUST(marker_add(&made, key, &out, &m, &err) == 0);
        MUST(span_equal(buf_span(&made), given));
    }
    buf_release(&strings);
    buf_release(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0xFF, size) : NULL;
    size_t text_len = end ? (size_t)(end - data) : size, from = text_len + (end != NULL);
    struct buf text = BUF_INIT, custom_data = BUF_INIT;
    struct marked m = {.room = SPAN("room-7"), .sender = SPAN("viewer_19")};
    uint8_t key[MARKER_KEY];

    marker_key(key, "secret");
    add_utf8(&text, (struct span){(const char *)data, text_len});
    add_utf8(&custom_data, (struct span){(const char *)data + from, size - from});
    m.text = (struct span){buf_text(&text), text.len};
    m.custom_data = (struct optional_text){GIVEN, {buf_text(&custom_data), custom_data.len}};
    check_as_own(key, m);
    check_as_received(key, m);
    buf_release(&text);
    buf_release(&custom_data);
    return 0;
}
