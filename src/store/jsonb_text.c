#include "store/jsonb_text.h"

#include "base/hex.h"

#include <stdint.h>
#include <stdlib.h>

enum { MAX_DEPTH = 64, MAX_SHIFT = 4096, MAX_MEMBERS = 512 /* of one object: they are sorted by insertion */ };

struct member { /* one of an object that is being written: places in out and in names */
    size_t name, name_len;
    size_t from, to;
};

struct writer {
    const char *at, *end;
    struct buf *out;
    struct buf names;   /* without escapes: what they are sorted by */
    struct buf members; /* struct member, a stack */
    struct buf sorted;
    unsigned depth;
};

static bool write_value(struct writer *w);

static void skip_blanks(struct writer *w)
{
    while (w->at < w->end && (*w->at == ' ' || *w->at == '\t' || *w->at == '\n' || *w->at == '\r'))
        w->at++;
}

static bool take(struct writer *w, char c)
{
    skip_blanks(w);
    if (w->at == w->end || *w->at != c)
        return false;
    w->at++;
    return true;
}

/* Strings --------------------------------------------------------------------------------------------------------- */

static void add_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_add_char(b, (char)c);
    } else if (c < 0x800) {
        buf_add_char(b, (char)(0xC0 | c >> 6));
        buf_add_char(b, (char)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        buf_add_char(b, (char)(0xE0 | c >> 12));
        buf_add_char(b, (char)(0x80 | (c >> 6 & 0x3F)));
        buf_add_char(b, (char)(0x80 | (c & 0x3F)));
    } else {
        buf_add_char(b, (char)(0xF0 | c >> 18));
        buf_add_char(b, (char)(0x80 | (c >> 12 & 0x3F)));
        buf_add_char(b, (char)(0x80 | (c >> 6 & 0x3F)));
        buf_add_char(b, (char)(0x80 | (c & 0x3F)));
    }
}

static bool take_hex4(struct writer *w, uint32_t *unit)
{
    if (w->end - w->at < 4)
        return false;
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*w->at++);

        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

static bool take_escaped(struct writer *w, struct buf *plain)
{
    static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const char *letter;
    uint32_t unit, low;

    if (w->at == w->end)
        return false;
    if (*w->at != 'u') {
        letter = memchr(letters, *w->at++, sizeof(letters) - 1);
        if (letter)
            buf_add_char(plain, means[letter - letters]);
        return letter != NULL;
    }
    w->at++;
    if (!take_hex4(w, &unit) || unit == 0 || (unit >= 0xDC00 && unit < 0xE000))
        return false;
    if (unit >= 0xD800 && unit < 0xDC00) {
        if (w->end - w->at < 6 || w->at[0] != '\\' || w->at[1] != 'u')
            return false;
        w->at += 2;
        if (!take_hex4(w, &low) || low < 0xDC00 || low >= 0xE000)
            return false;
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    add_utf8(plain, unit);
    return true;
}

/* Adds what the string says to plain. */
static bool take_string(struct writer *w, struct buf *plain)
{
    if (!take(w, '"'))
        return false;
    while (w->at < w->end && *w->at != '"') {
        const char *from = w->at;

        while (w->at < w->end && *w->at != '"' && *w->at != '\\' && (unsigned char)*w->at >= 0x20)
            w->at++;
        buf_add(plain, from, (size_t)(w->at - from));
        if (w->at == w->end || *w->at == '"')
            break;
        if (*w->at++ != '\\' || !take_escaped(w, plain))
            return false;
    }
    return w->at < w->end && *w->at++ == '"';
}

static void add_string(struct buf *out, const char *text, size_t len)
{
    static const char letters[] = "btn?fr"; /* of 8 to 13 */

    buf_add_char(out, '"');
    for (size_t i = 0, from = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char)text[i] : 0;

        if (i < len && c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(out, text + from, i - from);
        from = i + 1;
        if (i == len)
            break;
        if (c == '"' || c == '\\') {
            buf_add_char(out, '\\');
            buf_add_char(out, (char)c);
        } else if (c >= 8 && c <= 13 && c != 11) {
            buf_add_char(out, '\\');
            buf_add_char(out, letters[c - 8]);
        } else {
            buf_addf(out, "\\u%04x", c);
        }
    }
    buf_add_char(out, '"');
}

/* Numbers --------------------------------------------------------------------------------------------------------- */

static size_t take_digits(struct writer *w)
{
    const char *from = w->at;

    while (w->at < w->end && *w->at >= '0' && *w->at <= '9')
        w->at++;
    return (size_t)(w->at - from);
}

/* digits with the point behind the first `whole` of them, which may be less than none or more than there are. */
static void add_decimal(struct buf *out, const char *digits, size_t count, long whole)
{
    size_t start = 0;

    while ((long)start < whole - 1 && start < count && digits[start] == '0')
        start++;
    if (whole <= 0)
        buf_add_char(out, '0');
    for (long i = (long)start; i < whole; i++)
        buf_add_char(out, i < (long)count ? digits[i] : '0');
    if (whole >= (long)count)
        return;
    buf_add_char(out, '.');
    for (long i = whole; i < 0; i++)
        buf_add_char(out, '0');
    buf_add(out, digits + (whole > 0 ? whole : 0), count - (size_t)(whole > 0 ? whole : 0));
}

static bool write_number(struct writer *w)
{
    const char *whole_from;
    bool minus = w->at < w->end && *w->at == '-', small_exponent = false, zero = true;
    size_t whole, decimals = 0;
    struct buf digits = BUF_INIT;
    long shift = 0;

    w->at += minus;
    whole_from = w->at;
    whole = take_digits(w);
    if (whole == 0 || (whole > 1 && *whole_from == '0'))
        return false;
    buf_add(&digits, whole_from, whole);
    if (w->at < w->end && *w->at == '.') {
        const char *from = ++w->at;

        decimals = take_digits(w);
        buf_add(&digits, from, decimals);
    }
    if (w->at < w->end && (*w->at == 'e' || *w->at == 'E')) {
        w->at++;
        if (w->at < w->end && (*w->at == '+' || *w->at == '-'))
            small_exponent = *w->at++ == '-';
        for (; w->at < w->end && *w->at >= '0' && *w->at <= '9' && shift <= MAX_SHIFT; w->at++)
            shift = shift * 10 + (*w->at - '0');
    }
    if (digits.len > MAX_SHIFT || shift > MAX_SHIFT || buf_failed(&digits)) {
        buf_release(&digits);
        return false;
    }
    for (size_t i = 0; i < digits.len; i++)
        zero = zero && digits.data[i] == '0';
    if (minus && !zero)
        buf_add_char(w->out, '-');
    /* Zero has no places before the point to be moved to, but keeps those behind it. */
    if (zero && !small_exponent)
        add_decimal(w->out, digits.data, 1 + (shift < (long)decimals ? decimals - (size_t)shift : 0), 1);
    else
        add_decimal(w->out, digits.data, digits.len, (long)whole + (small_exponent ? -shift : shift));
    buf_release(&digits);
    return true;
}

/* Objects and arrays ---------------------------------------------------------------------------------------------- */

static int compare_members(const struct writer *w, const struct member *a, const struct member *b)
{
    if (a->name_len != b->name_len)
        return a->name_len < b->name_len ? -1 : 1;
    return a->name_len == 0 ? 0 : memcmp(w->names.data + a->name, w->names.data + b->name, a->name_len);
}

/* By insertion from behind: objects are small, mostly in order, and the last of equal names is to win. Returns how many
 * are left. */
static size_t sort_members(const struct writer *w, struct member *m, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct member one = m[i];
        size_t at = kept;
        int order = 1;

        while (at > 0 && (order = compare_members(w, &m[at - 1], &one)) > 0)
            at--;
        if (at > 0 && order == 0) {
            m[at - 1] = one;
            continue;
        }
        memmove(m + at + 1, m + at, (kept - at) * sizeof(*m));
        m[at] = one;
        kept++;
    }
    return kept;
}

/* Writes the members, which stand in out from `from` on as they came, in their order. */
static void put_in_order(struct writer *w, size_t from, size_t first_member)
{
    struct member *m = (struct member *)(void *)(w->members.data + first_member);
    size_t count = sort_members(w, m, (w->members.len - first_member) / sizeof(*m));

    buf_reset(&w->sorted);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_text(&w->sorted, ", ");
        buf_add(&w->sorted, w->out->data + m[i].from, m[i].to - m[i].from);
    }
    w->out->len = from;
    buf_add_span(w->out, buf_span(&w->sorted));
}

static bool write_member(struct writer *w)
{
    struct member m = {.name = w->names.len};

    if (!take_string(w, &w->names) || !take(w, ':') || buf_failed(&w->names))
        return false;
    m.name_len = w->names.len - m.name;
    m.from = w->out->len;
    add_string(w->out, w->names.data + m.name, m.name_len);
    buf_add_text(w->out, ": ");
    if (!write_value(w))
        return false;
    m.to = w->out->len;
    buf_add(&w->members, &m, sizeof(m));
    return !buf_failed(&w->members) && !buf_failed(w->out);
}

static bool write_object(struct writer *w)
{
    size_t first_member = w->members.len, first_name = w->names.len, from;
    bool more;

    w->at++;
    buf_add_char(w->out, '{');
    from = w->out->len;
    more = !take(w, '}');
    while (more) {
        if (!write_member(w) || w->members.len - first_member > MAX_MEMBERS * sizeof(struct member))
            return false;
        more = take(w, ',');
        if (!more && !take(w, '}'))
            return false;
    }
    if (w->members.len > first_member)
        put_in_order(w, from, first_member);
    buf_add_char(w->out, '}');
    w->members.len = first_member;
    w->names.len = first_name;
    return !buf_failed(&w->sorted);
}

static bool write_array(struct writer *w)
{
    bool more, first = true;

    w->at++;
    buf_add_char(w->out, '[');
    more = !take(w, ']');
    while (more) {
        if (!first)
            buf_add_text(w->out, ", ");
        first = false;
        if (!write_value(w))
            return false;
        more = take(w, ',');
        if (!more && !take(w, ']'))
            return false;
    }
    buf_add_char(w->out, ']');
    return true;
}

static bool write_word(struct writer *w)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);

        if ((size_t)(w->end - w->at) < len || memcmp(w->at, words[i], len) != 0)
            continue;
        w->at += len;
        buf_add(w->out, words[i], len);
        return true;
    }
    return false;
}

static bool write_string(struct writer *w)
{
    size_t from = w->names.len;

    if (!take_string(w, &w->names) || buf_failed(&w->names))
        return false;
    add_string(w->out, w->names.data + from, w->names.len - from);
    w->names.len = from;
    return true;
}

static bool write_value(struct writer *w)
{
    bool good = false;

    skip_blanks(w);
    if (w->at == w->end || w->depth >= MAX_DEPTH)
        return false;
    w->depth++;
    if (*w->at == '{')
        good = write_object(w);
    else if (*w->at == '[')
        good = write_array(w);
    else if (*w->at == '"')
        good = write_string(w);
    else if (*w->at == '-' || (*w->at >= '0' && *w->at <= '9'))
        good = write_number(w);
    else
        good = write_word(w);
    w->depth--;
    return good;
}

bool jsonb_text(struct buf *out, struct span json)
{
    struct writer w = {.at = json.data, .end = json.data + json.len, .out = out};
    size_t before = out->len;
    bool good = write_value(&w);

    skip_blanks(&w);
    good = good && w.at == w.end && !buf_failed(out);
    if (!good && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    buf_release(&w.names);
    buf_release(&w.members);
    buf_release(&w.sorted);
    return good;
}
