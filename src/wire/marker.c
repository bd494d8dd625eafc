/* The mac's input, all integers little-endian: version 1 (u8), form (u8, enum form), n (u32), at (i64), then the
 * lengths of id, room, sender, text and own data (u64 each), then those five. The lengths stand in front together, so
 * no two messages have the same input. Own data of a merged marker is the object without it, of one kept apart the
 * string literal. */
#include "wire/marker.h"

#include "base/crypto.h"
#include "base/json_write.h"
#include "wire/gate.h"

#include <assert.h>
#include <limits.h>

static const char member_name[] = "chatsluice";

enum form { FORM_MISSING, FORM_NULL, FORM_APART, FORM_MERGED };
enum { MAC_HEX = SHA256_HEX - 1, MAC_HEAD = 2 + 4 + 8 + 5 * 8 };

const char *marker_use_name(enum marker_use use)
{
    static const char *const names[MARKER_USES] = {
        [MARKER_ACCEPTED] = "accepted", [MARKER_USED] = "used",    [MARKER_LATE] = "late",
        [MARKER_COPIED] = "copied",     [MARKER_WRONG] = "forged",
    };

    return names[use];
}

bool marker_in_time(const struct marker *marker, int64_t now_s)
{
    return now_s >= 0 && marker->at_s >= 0 && marker->at_s - now_s <= MARKER_LIFE_S &&
           now_s - marker->at_s <= MARKER_LIFE_S;
}

/* `Unkown` is how older notes spell it. */
bool marker_may_be_rest(struct span platform)
{
    static const char *const names[] = {"", "RESTAPI", "Unknown", "Unkown"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (span_is_nocase(platform, names[i]))
            return true;
    return false;
}

void marker_key(uint8_t key[MARKER_KEY], const char *secret_key)
{
    static const struct span purpose = SPAN("chatsluice marker, version 1");

    crypto_hmac_parts(span_of(secret_key), &purpose, 1, key);
}

/* The mac --------------------------------------------------------------------------------------------------------- */

static void put(uint8_t **at, uint64_t n, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *(*at)++ = (uint8_t)(n >> (8 * i));
}

/* The sender's own data in two pieces: a merged marker may stand between them. */
struct own_bytes {
    enum form form;
    struct span before, after;
};

static void make_mac(char out[SHA256_HEX], const uint8_t key[MARKER_KEY], const struct marker *marker,
                     const struct marked *marked, const struct own_bytes *own)
{
    uint8_t head[MAC_HEAD], mac[SHA256_BYTES], *at = head;
    const struct span parts[] = {
        {(const char *)head, sizeof(head)},
        {marker->id, MARKER_ID},
        marked->room,
        marked->sender,
        marked->text,
        own->before,
        own->after,
    };

    put(&at, 1, 1);
    put(&at, own->form, 1);
    put(&at, marker->attempt, 4);
    put(&at, (uint64_t)marker->at_s, 8);
    put(&at, MARKER_ID, 8);
    put(&at, marked->room.len, 8);
    put(&at, marked->sender.len, 8);
    put(&at, marked->text.len, 8);
    put(&at, own->before.len + own->after.len, 8);
    assert(at == head + sizeof(head));
    crypto_hmac_parts((struct span){(const char *)key, MARKER_KEY}, parts, sizeof(parts) / sizeof(parts[0]), mac);
    crypto_hex(mac, out);
}

/* Making ---------------------------------------------------------------------------------------------------------- */

static struct span between(const char *from, const char *to)
{
    return (struct span){from, (size_t)(to - from)};
}

/* Adds the object without its members named like ours: all of it but what stands behind the last member, which is left
 * in *tail. Returns how many members were added. */
static size_t add_members(struct buf *out, struct span object, struct span *tail)
{
    const char *copied = object.data, *end = object.data + object.len; /* of the object all before is dealt with */
    struct span key, value;
    size_t cursor = 0, count = 0;
    bool first = true;

    while (gate_next_member(object, &cursor, &key, &value)) {
        bool keeps = !gate_string_is(key, member_name);

        if (first) /* the bracket, which stands before whatever comes first */
            buf_add_span(out, between(copied, key.data));
        if (keeps && count == 0)
            buf_add_span(out, between(key.data, value.data + value.len));
        else if (keeps)
            buf_add_span(out, between(copied, value.data + value.len));
        count += keeps;
        copied = value.data + value.len;
        first = false;
    }
    *tail = between(copied, end);
    return count;
}

/* Whether the sender's own data is an object that the marker can be a member of; then it stands in out, and *tail is
 * what comes behind the marker. */
static bool add_object(struct buf *out, const struct optional_text *own, struct span *tail)
{
    struct gate_fault ignored;
    size_t before = out->len, count;
    const char *bracket;

    if (own->presence != GIVEN || own->text.len > MARKER_MAX_MERGED || !gate_check(own->text, GATE_WIRE, &ignored))
        return false;
    count = add_members(out, own->text, tail);
    bracket = tail->len > 0 ? memchr(tail->data, '}', tail->len) : NULL;
    if (count == 0 || !bracket) { /* no member, or no object at all */
        if (out->data)
            out->len = before;
        return false;
    }
    buf_add_span(out, between(tail->data, bracket));
    *tail = between(bracket, tail->data + tail->len);
    return true;
}

/* Adds the value of "text": the own data of a marker kept apart, without such members of an object as are dropped. */
static void add_apart(struct buf *out, const struct optional_text *own)
{
    struct gate_fault ignored;
    struct span key, value, tail;
    size_t cursor = 0;

    if (own->text.len <= MARKER_MAX_MERGED && gate_check(own->text, GATE_WIRE, &ignored) &&
        gate_next_member(own->text, &cursor, &key, &value)) { /* all its members are named like ours */
        struct buf rest = BUF_INIT;

        add_members(&rest, own->text, &tail);
        buf_add_span(&rest, tail);
        json_add_string(out, buf_span(&rest));
        out->failed = out->failed || buf_failed(&rest);
        buf_release(&rest);
        return;
    }
    json_add_string(out, own->text);
}

static void add_head(struct buf *out, const struct marker *marker)
{
    json_add_string(out, span_of(member_name));
    buf_add_text(out, ":{\"id\":\"");
    buf_add(out, marker->id, MARKER_ID);
    buf_add_text(out, "\",\"n\":");
    buf_add_u64(out, marker->attempt);
    buf_add_text(out, ",\"at\":");
    buf_add_i64(out, marker->at_s);
}

int marker_add(struct buf *out, const uint8_t key[MARKER_KEY], const struct marker *marker, const struct marked *marked,
               struct err *err)
{
    size_t from = out->len, literal = 0;
    struct own_bytes own = {FORM_MISSING, {NULL, 0}, {NULL, 0}};
    char mac[SHA256_HEX] = {0};

    assert(strlen(marker->id) == MARKER_ID && marker->at_s >= 0);
    if (add_object(out, &marked->custom_data, &own.after)) {
        own.form = FORM_MERGED;
        own.before.len = out->len - from;
        buf_add_char(out, ',');
        add_head(out, marker);
    } else {
        own.after = (struct span){NULL, 0};
        buf_add_char(out, '{');
        add_head(out, marker);
        if (marked->custom_data.presence != MISSING)
            buf_add_text(out, ",\"text\":");
        literal = out->len;
        if (marked->custom_data.presence == GIVEN) {
            own.form = FORM_APART;
            add_apart(out, &marked->custom_data);
            own.before.len = out->len - literal;
        } else if (marked->custom_data.presence == IS_NULL) {
            own.form = FORM_NULL;
            buf_add_text(out, "null");
        }
    }
    if (!buf_failed(out)) {
        own.before.data = out->data + (own.form == FORM_MERGED ? from : literal);
        make_mac(mac, key, marker, marked, &own);
    }
    buf_add_text(out, ",\"mac\":\"");
    buf_add(out, mac, MAC_HEX);
    buf_add_text(out, "\"}");
    buf_add_span(out, own.form == FORM_MERGED ? own.after : SPAN("}"));
    return buf_failed(out) ? err_set(err, ERR_FAILED, "could not mark a message: no memory") : 0;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

/* Each cuts what it wants off the front; false, and nothing promised of *rest, when it is not there. */

static bool take(struct span *rest, const char *text)
{
    size_t len = strlen(text);

    if (rest->len < len || memcmp(rest->data, text, len) != 0)
        return false;
    *rest = (struct span){rest->data + len, rest->len - len};
    return true;
}

static bool take_id(struct span *rest, char id[MARKER_ID + 1])
{
    if (rest->len < MARKER_ID)
        return false;
    for (size_t i = 0; i < MARKER_ID; i++) {
        char c = rest->data[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        id[i] = c;
    }
    id[MARKER_ID] = '\0';
    *rest = (struct span){rest->data + MARKER_ID, rest->len - MARKER_ID};
    return true;
}

static bool take_number(struct span *rest, unsigned long long most, unsigned long long *out)
{
    size_t len = 0;

    while (len < rest->len && rest->data[len] >= '0' && rest->data[len] <= '9')
        len++;
    if (!span_to_u64((struct span){rest->data, len}, out) || *out > most || (len > 1 && rest->data[0] == '0'))
        return false;
    *rest = (struct span){rest->data + len, rest->len - len};
    return true;
}

/* What a marker says, before anything is believed. */
struct claim {
    struct marker marker;
    struct own_bytes own;
    char mac[MAC_HEX];
};

/* The string literal that begins *rest; *rest is inside a text that passed the gate. */
static bool take_literal(struct span *rest, struct span *literal)
{
    size_t len = 1;

    if (rest->len == 0 || rest->data[0] != '"')
        return false;
    while (len < rest->len && rest->data[len] != '"')
        len += rest->data[len] == '\\' ? 2 : 1;
    if (len >= rest->len)
        return false;
    *literal = (struct span){rest->data, len + 1};
    *rest = (struct span){rest->data + len + 1, rest->len - len - 1};
    return true;
}

/* The marker's object, byte by byte as marker_add() writes it. */
static bool read_claim(struct claim *claim, struct span value)
{
    unsigned long long attempt, at_s;

    if (!take(&value, "{\"id\":\"") || !take_id(&value, claim->marker.id) || !take(&value, "\",\"n\":") ||
        !take_number(&value, UINT32_MAX, &attempt) || !take(&value, ",\"at\":") ||
        !take_number(&value, INT64_MAX, &at_s))
        return false;
    claim->marker.attempt = (uint32_t)attempt;
    claim->marker.at_s = (int64_t)at_s;
    if (take(&value, ",\"text\":")) {
        bool null = take(&value, "null");

        claim->own.form = null ? FORM_NULL : FORM_APART;
        if (!null && !take_literal(&value, &claim->own.before))
            return false;
    }
    if (!take(&value, ",\"mac\":\"") || value.len != MAC_HEX + 2)
        return false;
    memcpy(claim->mac, value.data, MAC_HEX);
    value = (struct span){value.data + MAC_HEX, 2};
    return take(&value, "\"}");
}

/* Where the member stands in the object: alone in exactly its bytes, or last, and then what is around it is the
 * sender's. */
static bool read_surroundings(struct claim *claim, struct span data, struct span key, struct span value)
{
    const char *end = data.data + data.len, *behind = value.data + value.len;

    if (key.data + key.len + 1 != value.data || key.len != sizeof(member_name) + 1)
        return false; /* blanks around the colon, or escapes in the key: not ours */
    if (key.data == data.data + 1)
        return behind + 1 == end;
    if (claim->own.form != FORM_MISSING || key.data[-1] != ',')
        return false;
    claim->own = (struct own_bytes){FORM_MERGED, between(data.data, key.data - 1), between(behind, end)};
    return behind < end && *behind == '}';
}

static bool claim_is_true(const struct claim *claim, const uint8_t key[MARKER_KEY], const struct marked *marked)
{
    char mac[SHA256_HEX];

    make_mac(mac, key, &claim->marker, marked, &claim->own);
    return crypto_equal(mac, claim->mac, MAC_HEX);
}

static bool restore(const struct own_bytes *own, struct buf *strings, struct optional_text *out)
{
    *out = (struct optional_text){MISSING, {NULL, 0}};
    if (own->form == FORM_NULL)
        out->presence = IS_NULL;
    if (own->form == FORM_MISSING || own->form == FORM_NULL)
        return true;
    if (own->form == FORM_APART) {
        gate_string(own->before, strings);
    } else {
        buf_add_span(strings, own->before);
        buf_add_span(strings, own->after);
    }
    *out = (struct optional_text){GIVEN, {buf_text(strings), strings->len}};
    return !buf_failed(strings);
}

enum marker_result marker_read(const uint8_t key[MARKER_KEY], const struct marked *marked, struct marker *out,
                               struct buf *strings, struct optional_text *own)
{
    const struct optional_text *data = &marked->custom_data;
    struct span name, value, last_name = {NULL, 0}, last_value = {NULL, 0};
    struct claim claim = {.own = {FORM_MISSING, {NULL, 0}, {NULL, 0}}};
    struct gate_fault ignored;
    size_t cursor = 0, count = 0;

    buf_reset(strings);
    if (data->presence != GIVEN || !memmem(data->text.data, data->text.len, member_name, sizeof(member_name) - 1) ||
        !gate_check(data->text, GATE_WIRE, &ignored))
        return MARKER_NONE;
    while (gate_next_member(data->text, &cursor, &name, &value)) {
        count += gate_string_is(name, member_name);
        last_name = name;
        last_value = value;
    }
    if (count == 0)
        return MARKER_NONE;
    if (count > 1 || !gate_string_is(last_name, member_name) || !read_claim(&claim, last_value) ||
        !read_surroundings(&claim, data->text, last_name, last_value) || !claim_is_true(&claim, key, marked) ||
        !restore(&claim.own, strings, own))
        return MARKER_FORGED;
    *out = claim.marker;
    return MARKER_TRUE;
}
