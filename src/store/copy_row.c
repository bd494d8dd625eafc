/* The format (PostgreSQL manual, COPY, "Binary Format"), all integers big-endian:
 *
 *     header   "PGCOPY\n\377\r\n\0"  flags i32 = 0  length of extension i32 = 0
 *     row      number of columns i16, then each value: length i32 (-1: null) and as many bytes
 *     trailer  i16 = -1
 *
 * Values as the types' receive functions read them: timestamptz is i64 microseconds since 2000-01-01 UTC; jsonb is a
 * version byte 1 and the text; an array is dimensions i32, has-nulls i32, element type oid, then length and lower bound
 * of each dimension, then its values. */
#include "store/copy_row.h"

#include "base/utf8.h"

enum { OID_INT8 = 20 };

static const int64_t us_from_1970_to_2000 = 946684800000000;

static char *put_u16(char *p, uint16_t n)
{
    p[0] = (char)(n >> 8);
    p[1] = (char)n;
    return p + 2;
}

static char *put_u32(char *p, uint32_t n)
{
    p[0] = (char)(n >> 24);
    p[1] = (char)(n >> 16);
    p[2] = (char)(n >> 8);
    p[3] = (char)n;
    return p + 4;
}

static char *put_u64(char *p, uint64_t n)
{
    return put_u32(put_u32(p, (uint32_t)(n >> 32)), (uint32_t)n);
}

static void add_u32(struct buf *b, uint32_t n)
{
    char bytes[4];

    put_u32(bytes, n);
    buf_add(b, bytes, sizeof(bytes));
}

void copy_header(struct buf *b)
{
    static const char header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

    buf_add(b, header, sizeof(header));
}

void copy_trailer(struct buf *b)
{
    buf_add(b, "\377\377", 2);
}

void copy_row_begin(struct buf *b, unsigned columns)
{
    char bytes[2];

    put_u16(bytes, (uint16_t)columns);
    buf_add(b, bytes, sizeof(bytes));
}

void copy_null(struct buf *b)
{
    add_u32(b, UINT32_MAX);
}

void copy_bool(struct buf *b, bool yes)
{
    add_u32(b, 1);
    buf_add_char(b, yes);
}

void copy_i32(struct buf *b, int32_t n)
{
    char bytes[8];

    put_u32(put_u32(bytes, 4), (uint32_t)n);
    buf_add(b, bytes, sizeof(bytes));
}

void copy_i64(struct buf *b, int64_t n)
{
    char bytes[12];

    put_u64(put_u32(bytes, 8), (uint64_t)n);
    buf_add(b, bytes, sizeof(bytes));
}

void copy_timestamptz(struct buf *b, int64_t us)
{
    copy_i64(b, us - us_from_1970_to_2000);
}

void copy_uuid(struct buf *b, const uint8_t uuid[UUID_BYTES])
{
    add_u32(b, UUID_BYTES);
    buf_add(b, uuid, UUID_BYTES);
}

void copy_bytea(struct buf *b, struct span bytes)
{
    add_u32(b, (uint32_t)bytes.len);
    buf_add_span(b, bytes);
}

/* The slow way: character by character, the length filled in behind. */
static void add_repaired(struct buf *b, struct span text)
{
    size_t at = b->len;

    add_u32(b, 0);
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_char_len(text.data + i, text.len - i);

        if (n == 0 || text.data[i] == '\0')
            buf_add_text(b, "\xEF\xBF\xBD");
        else
            buf_add(b, text.data + i, n);
        i += n ? n : 1;
    }
    if (!buf_failed(b))
        put_u32(b->data + at, (uint32_t)(b->len - at - 4));
}

void copy_text(struct buf *b, struct span text)
{
    if (!text.data) {
        copy_null(b);
    } else if (memchr(text.data, '\0', text.len) || utf8_valid_prefix(text.data, text.len) < text.len) {
        add_repaired(b, text);
    } else {
        add_u32(b, (uint32_t)text.len);
        buf_add_span(b, text);
    }
}

void copy_jsonb(struct buf *b, struct span json)
{
    if (!json.data) {
        copy_null(b);
        return;
    }
    add_u32(b, (uint32_t)json.len + 1);
    buf_add_char(b, 1);
    buf_add_span(b, json);
}

void copy_i64_array(struct buf *b, const int64_t *items, size_t count)
{
    char head[24];
    char *p = put_u32(head, (uint32_t)(count ? 20 + 12 * count : 12));

    p = put_u32(p, count ? 1 : 0); /* dimensions: an empty array has none */
    p = put_u32(p, 0);
    p = put_u32(p, OID_INT8);
    if (count) {
        p = put_u32(p, (uint32_t)count);
        p = put_u32(p, 1);
    }
    buf_add(b, head, (size_t)(p - head));
    for (size_t i = 0; i < count; i++)
        copy_i64(b, items[i]);
}

/* Reading --------------------------------------------------------------------------------------------------------- */

uint64_t copy_read_number(struct span value)
{
    uint64_t n = 0;

    for (size_t i = 0; i < value.len; i++)
        n = n << 8 | (uint8_t)value.data[i];
    return n;
}

int64_t copy_read_time(struct span value)
{
    return (int64_t)copy_read_number(value) + us_from_1970_to_2000;
}

bool copy_read_row(struct span bytes, struct span *values, size_t count)
{
    const char *at = bytes.data + 2, *end = bytes.data + bytes.len;

    if (bytes.len < 2 || copy_read_number((struct span){bytes.data, 2}) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t len;

        if (end - at < 4)
            return false;
        len = (uint32_t)copy_read_number((struct span){at, 4});
        at += 4;
        values[i] = (struct span){NULL, 0};
        if (len == UINT32_MAX)
            continue;
        if (len > (size_t)(end - at))
            return false;
        values[i] = (struct span){at, len};
        at += len;
    }
    return at == end;
}
