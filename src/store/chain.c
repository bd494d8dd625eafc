/* The form. An image of a value is what COPY ... (FORMAT binary) gives of it: a length of four bytes, big-endian, and
 * as many bytes, or length -1 for null. `||` puts bytes one behind the other; a tag ends with a newline.
 *
 *     personal = SHA-256( salt (16 bytes) || images of the personal columns of event, in the order of EVENT_PERSONAL )
 *     leaf     = SHA-256( "chatsluice event 1\n" || images of the columns of EVENT_OPEN || personal )
 *
 * The columns are those of event_row.h; their number is fixed and every value says its length, so different rows have
 * different bytes. When a person's data is erased, the personal columns and the salt go and `personal` stays in the
 * row: the leaf is still proven, what was in it can no longer be guessed from it. A parked record is the one personal
 * column of its row:
 *
 *     personal = SHA-256( salt || image of record )
 *     leaf     = SHA-256( "chatsluice parked 1\n" || images of spool_id, spool_seq || personal )
 *
 * The entries of a block stand in the order of the spool, the first is of first_seq, each next one of the number
 * behind:
 *
 *     entry    = kind (1 byte, enum chain_kind) || day (4 bytes, big-endian) || 32 bytes
 *
 * The 32 bytes are: of 'e' and 'p' the leaf; of 'd' zeros; of 'x' and 'm', which stand for a stretch, zeros and the
 * stretch's last number in the last eight bytes, big-endian.
 *
 *     hash     = SHA-256( "chatsluice block 1\n" || hash of the block before (of the first: 32 zeros)
 *                         || images of the columns of CHAIN_HEADER_COLUMNS || SHA-256( all entries ) )
 */
#include "store/chain.h"

#include "store/copy_row.h"

static const int64_t us_per_day = 86400 * 1000000LL;
static const int64_t day_2000_from_1970 = 10957;

static struct span digest_span(const uint8_t digest[SHA256_BYTES])
{
    return (struct span){(const char *)digest, SHA256_BYTES};
}

void chain_personal_digest(const uint8_t salt[CHAIN_SALT_BYTES], struct span personal, uint8_t out[SHA256_BYTES])
{
    struct span parts[] = {{(const char *)salt, CHAIN_SALT_BYTES}, personal};

    crypto_sha256(parts, 2, out);
}

void chain_event_leaf(struct span open, const uint8_t personal_digest[SHA256_BYTES], uint8_t out[SHA256_BYTES])
{
    struct span parts[] = {SPAN("chatsluice event 1\n"), open, digest_span(personal_digest)};

    crypto_sha256(parts, 3, out);
}

void chain_parked_leaf(struct span open, const uint8_t personal_digest[SHA256_BYTES], uint8_t out[SHA256_BYTES])
{
    struct span parts[] = {SPAN("chatsluice parked 1\n"), open, digest_span(personal_digest)};

    crypto_sha256(parts, 3, out);
}

int32_t chain_day(int64_t event_time_us)
{
    int64_t day = event_time_us / us_per_day;

    day -= event_time_us % us_per_day < 0;
    return (int32_t)(day - day_2000_from_1970);
}

static void put_number(uint8_t *out, size_t bytes, uint64_t n)
{
    for (size_t i = bytes; i-- > 0; n >>= 8)
        out[i] = (uint8_t)n;
}

static uint64_t get_number(const uint8_t *bytes, size_t count)
{
    uint64_t n = 0;

    for (size_t i = 0; i < count; i++)
        n = n << 8 | bytes[i];
    return n;
}

bool chain_is_stretch(enum chain_kind kind)
{
    return kind == CHAIN_DAMAGED || kind == CHAIN_MISSING;
}

void chain_add_entry(struct buf *leaves, const struct chain_entry *entry)
{
    uint8_t bytes[CHAIN_ENTRY_BYTES] = {(uint8_t)entry->kind};

    put_number(bytes + 1, 4, (uint32_t)entry->day);
    if (chain_is_stretch(entry->kind))
        put_number(bytes + CHAIN_ENTRY_BYTES - 8, 8, entry->to);
    else
        memcpy(bytes + 5, entry->leaf, SHA256_BYTES);
    buf_add(leaves, bytes, sizeof(bytes));
}

bool chain_read_entry(const char *from, struct chain_entry *entry)
{
    const uint8_t *bytes = (const uint8_t *)from;

    if (!memchr("edpxm", bytes[0], 5))
        return false;
    *entry = (struct chain_entry){.kind = (enum chain_kind)bytes[0], .day = (int32_t)get_number(bytes + 1, 4)};
    if (chain_is_stretch(entry->kind))
        entry->to = get_number(bytes + CHAIN_ENTRY_BYTES - 8, 8);
    else
        memcpy(entry->leaf, bytes + 5, SHA256_BYTES);
    return true;
}

static void add_time(struct buf *out, bool given, int64_t us)
{
    if (given)
        copy_timestamptz(out, us);
    else
        copy_null(out);
}

void chain_add_header(struct buf *out, const struct chain_block *block)
{
    copy_uuid(out, block->spool_id);
    copy_i64(out, (int64_t)block->block);
    copy_i64(out, (int64_t)block->first_seq);
    copy_i64(out, (int64_t)block->last_seq);
    copy_i32(out, (int32_t)block->events);
    add_time(out, block->events > 0, block->from_us);
    add_time(out, block->events > 0, block->to_us);
    if (block->went_back_from > 0)
        copy_i64(out, (int64_t)block->went_back_from);
    else
        copy_null(out);
    copy_timestamptz(out, block->loaded_us);
}

void chain_block_hash(struct span header, const uint8_t previous[SHA256_BYTES],
                      const uint8_t leaves_digest[SHA256_BYTES], uint8_t out[SHA256_BYTES])
{
    struct span parts[] = {SPAN("chatsluice block 1\n"), digest_span(previous), header, digest_span(leaves_digest)};

    crypto_sha256(parts, 4, out);
}
