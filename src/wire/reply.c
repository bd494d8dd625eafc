#include "wire/reply.h"

#include "base/json_write.h"
#include "base/utf8.h"
#include "wire/elements.h"
#include "wire/gate.h"

#include <assert.h>

/* The text for the sender as it may leave: one line of valid UTF-8, cut at a character. */
static size_t clean_info(struct span info, char out[REPLY_MAX_ERROR_INFO])
{
    size_t used = 0, at = 0;

    while (at < info.len) {
        size_t len = utf8_char_len(info.data + at, info.len - at), clean_len;
        uint32_t code = len > 0 ? utf8_decode(info.data + at, len) : 0xFFFD;
        char clean[4];

        if (code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029)
            code = ' '; /* control characters and line ends */
        clean_len = utf8_encode(code, clean);
        if (used + clean_len > REPLY_MAX_ERROR_INFO)
            break;
        memcpy(out + used, clean, clean_len);
        used += clean_len;
        at += len > 0 ? len : 1;
    }
    return used;
}

static void add_verdict_members(struct buf *out, int code, struct span info)
{
    char clean[REPLY_MAX_ERROR_INFO];

    buf_add_text(out, "\"ActionStatus\":\"OK\",\"ErrorCode\":");
    buf_add_i64(out, code);
    buf_add_text(out, ",\"ErrorInfo\":");
    json_add_string(out, (struct span){clean, clean_info(info, clean)});
}

void reply_verdict(struct buf *out, int code, struct span info)
{
    assert(code == REPLY_ALLOW || code == REPLY_REJECT || code == REPLY_DISCARD ||
           (code >= REPLY_CODE_MIN && code <= REPLY_CODE_MAX));
    buf_add_char(out, '{');
    add_verdict_members(out, code, info);
    buf_add_char(out, '}');
}

/* The new text for one value of the body. */
struct change {
    struct span old; /* the value as it stands in the body */
    struct span text;
};

enum { MAX_CHANGES = 4 }; /* in one element: no type has more texts that can be rewritten */

/* Copying MsgBody from the body, with changes. */
struct rewriting {
    struct buf *out;
    const char *copied; /* up to here */
    const struct message *message;
    const struct text_rewrite *next, *end; /* rewrites not yet done */
    struct err *err;
};

static int cannot_rewrite(const struct rewriting *w, const char *why)
{
    return err_set(w->err, ERR_INVALID, "piece %zu of the text cannot be rewritten: %s", w->next->piece, why);
}

/* The change the next rewrite asks for in this element. */
static int find_change(const struct rewriting *w, struct span element, struct change *change)
{
    const struct text_piece *piece = &w->message->pieces[w->next->piece];
    const char *key = elements_rewritable_key(piece->source);
    struct span content;

    if (!key)
        return cannot_rewrite(w, "it is inside a relay");
    if (!gate_member(element, "MsgContent", &content) || !gate_member(content, key, &change->old))
        return cannot_rewrite(w, "the body does not hold it");
    change->text = w->next->text;
    return 0;
}

/* Where the pieces of one element stand in its bytes is up to the sender. */
static void insert_change(struct change *changes, size_t count, struct change change)
{
    while (count > 0 && changes[count - 1].old.data > change.old.data) {
        changes[count] = changes[count - 1];
        count--;
    }
    changes[count] = change;
}

static int rewrite_element(struct rewriting *w, size_t index, struct span element)
{
    struct change changes[MAX_CHANGES];
    size_t count = 0;

    for (; w->next < w->end && w->message->pieces[w->next->piece].element == index; w->next++) {
        struct change change;
        int r = count < MAX_CHANGES ? find_change(w, element, &change) : cannot_rewrite(w, "too many in its element");

        if (r < 0)
            return r;
        insert_change(changes, count++, change);
    }
    for (size_t i = 0; i < count; i++) {
        buf_add(w->out, w->copied, (size_t)(changes[i].old.data - w->copied));
        json_add_string(w->out, changes[i].text);
        w->copied = changes[i].old.data + changes[i].old.len;
    }
    return 0;
}

static int check_rewrites(const struct message *message, const struct text_rewrite *rewrites, size_t count,
                          struct err *err)
{
    if (message->duplicate_keys)
        return err_set(err, ERR_INVALID, "the body has a key twice and is not rewritten");
    for (size_t i = 0; i < count; i++)
        if (rewrites[i].piece >= message->piece_count || (i > 0 && rewrites[i].piece <= rewrites[i - 1].piece))
            return err_set(err, ERR_INVALID, "rewrite %zu is out of order", i);
    return 0;
}

static int add_msg_body(struct buf *out, struct span body, const struct message *message,
                        const struct text_rewrite *rewrites, size_t count, struct err *err)
{
    struct rewriting w = {.out = out, .message = message, .next = rewrites, .end = rewrites + count, .err = err};
    struct span array, element;
    size_t cursor = 0, from;
    int r = check_rewrites(message, rewrites, count, err);

    if (r < 0)
        return r;
    if (!gate_member(body, "MsgBody", &array))
        return err_set(err, ERR_INVALID, "the body has no MsgBody to rewrite");
    json_add_key(out, "MsgBody");
    from = out->len;
    w.copied = array.data;
    for (size_t i = 0; w.next < w.end && gate_next(array, &cursor, &element); i++) {
        r = rewrite_element(&w, i, element);
        if (r < 0)
            return r;
    }
    if (w.next < w.end)
        return cannot_rewrite(&w, "the body does not hold it");
    buf_add(out, w.copied, (size_t)(array.data + array.len - w.copied));
    if (!buf_failed(out) && out->len - from > REPLY_MAX_MESSAGE && array.len <= REPLY_MAX_MESSAGE)
        return err_set(err, ERR_FULL, "the rewritten MsgBody has %zu bytes, more than %d", out->len - from,
                       REPLY_MAX_MESSAGE);
    return 0;
}

int reply_rewrite(struct buf *out, struct span body, const struct message *message, const struct text_rewrite *rewrites,
                  size_t count, const struct span *cloud_custom_data, struct err *err)
{
    size_t before = out->len;
    int r = 0;

    buf_add_char(out, '{');
    add_verdict_members(out, REPLY_ALLOW, SPAN(""));
    if (count > 0)
        r = add_msg_body(out, body, message, rewrites, count, err);
    if (r == 0 && cloud_custom_data)
        json_add_member_span(out, "CloudCustomData", *cloud_custom_data);
    buf_add_char(out, '}');
    if (r == 0 && buf_failed(out))
        r = err_set(err, ERR_FAILED, "no room for the reply");
    if (r < 0 && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return r;
}
