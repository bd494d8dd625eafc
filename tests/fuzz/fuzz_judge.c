/* A message of any pieces against rules of every kind: what the verdict says must hold together.
 *
 * Input: the rule set, what kind of message, then parts that end with FF: what the sender said before, CloudCustomData,
 * and for each piece of text one byte that chooses its source and the text. Bytes that are no UTF-8, and NUL, become
 * '?', as the parser gives none. */
#include "fuzz.h"

enum { MAX_PIECES = 12 };

struct input {
    struct buf text, custom_data, earlier;
    struct text_piece pieces[MAX_PIECES];
    enum element_type elements[MAX_PIECES];
    struct message message;
    struct circumstances circumstances;
    uint32_t meters[16];
};

static struct span take_part(struct span *rest)
{
    const char *end = rest->len ? memchr(rest->data, 0xFF, rest->len) : NULL;
    struct span part = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
    size_t used = part.len + (end != NULL);

    *rest = (struct span){rest->data + used, rest->len - used};
    return part;
}

static void add_utf8(struct buf *out, struct span bytes)
{
    for (size_t i = 0, valid; i < bytes.len; i += valid + 1) {
        valid = utf8_valid_prefix(bytes.data + i, bytes.len - i);
        buf_add(out, bytes.data + i, valid);
        if (i + valid < bytes.len)
            buf_add_char(out, '?');
    }
    for (size_t i = 0; i < out->len; i++)
        if (!out->data[i])
            out->data[i] = '?';
}

static void add_piece(struct input *in, struct span part)
{
    size_t n = in->message.piece_count;
    unsigned choice = (unsigned char)part.data[0];
    enum text_source source = (enum text_source)(choice % (TEXT_RELAY_NESTED + 1));
    uint32_t start;

    if (n == MAX_PIECES)
        return;
    if (n && !(source == TEXT_TEXT && in->pieces[n - 1].source == TEXT_TEXT))
        buf_add_char(&in->text, '\n');
    start = (uint32_t)in->text.len;
    add_utf8(&in->text, (struct span){part.data + 1, part.len - 1});
    in->pieces[n] = (struct text_piece){source, (uint32_t)n, start, (uint32_t)in->text.len - start};
    in->elements[n] = (enum element_type)(choice % (ELEMENT_UNKNOWN + 1));
    in->message.piece_count++;
}

static void read_input(struct input *in, struct span bytes)
{
    static const char *const rooms[] = {"room1", "x", "r2"};
    unsigned kind = (unsigned char)bytes.data[1];
    struct span rest = {bytes.data + 2, bytes.len - 2}, custom_data;

    add_utf8(&in->earlier, take_part(&rest));
    if (in->earlier.len > 96)
        in->earlier.len = 0;
    custom_data = take_part(&rest);
    add_utf8(&in->custom_data, custom_data);
    while (rest.len) {
        struct span part = take_part(&rest);

        if (part.len)
            add_piece(in, part);
    }
    for (size_t i = 0; i < 16; i++)
        in->meters[i] = kind >> 4;
    in->message.command = kind & 1 ? COMMAND_AFTER : COMMAND_BEFORE;
    in->message.text = buf_span(&in->text);
    in->message.pieces = in->pieces;
    in->message.elements = in->elements;
    in->message.element_count = in->message.piece_count;
    in->message.cloud_custom_data.presence = custom_data.len ? GIVEN : MISSING;
    in->message.cloud_custom_data.text = buf_span(&in->custom_data);
    in->message.group_id = (struct optional_text){GIVEN, span_of(rooms[kind / 2 % 3])};
    in->message.from_account = (struct optional_text){GIVEN, SPAN("bob")};
    if (in->earlier.len && buf_text(&in->earlier)[in->earlier.len - 1] != 0x1F)
        buf_add_char(&in->earlier, 0x1F);
    in->circumstances = (struct circumstances){1400000001, SPAN("Android"), buf_span(&in->earlier), in->meters};
}

static bool is_boundary(struct span text, size_t at)
{
    return at == text.len || ((unsigned char)text.data[at] & 0xC0) != 0x80;
}

static void check_hits(const struct verdict *v, const struct message *m)
{
    struct span fields[] = {m->text, m->cloud_custom_data.text};
    struct buf json = BUF_INIT;
    struct gate_fault fault;

    MUST(v->hit_count <= JUDGE_MAX_HITS);
    for (size_t i = 0; i < v->hit_count; i++) {
        const struct hit *h = &v->hits[i];
        struct span field = fields[h->field];

        MUST(h->rule && h->folding && h->term.len);
        if (h->start || h->end)
            MUST(h->start < h->end && h->end <= field.len);
        MUST(h->end == 0 || (is_boundary(field, h->start) && is_boundary(field, h->end)));
    }
    verdict_hits_json(&json, v, m->text, m->cloud_custom_data.text);
    MUST(gate_check(buf_span(&json), GATE_JSONB, &fault));
    buf_release(&json);
}

static size_t line_ends(struct span text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    return count;
}

static bool paints_text(const struct verdict *v)
{
    for (size_t i = 0; i < v->hit_count; i++)
        if (v->hits[i].state == HIT_COUNTED && v->hits[i].field == FIELD_TEXT && v->hits[i].end)
            return true;
    return v->hits_cut;
}

static void check_rewrite(const struct verdict *v, const struct message *m)
{
    struct span old = m->cloud_custom_data.text;
    struct gate_fault fault;
    size_t next = 0;

    if (v->action != ACTION_MASK && v->action != ACTION_REPLACE) {
        MUST(!v->rewrite_count && (v->becomes.data || !v->cloud_custom_data));
        if (!v->becomes.data)
            return;
        MUST(v->action >= ACTION_REJECT && verdict_wants_resend(v));
        MUST(v->cloud_custom_data || !span_equal(v->becomes, m->text));
    }
    MUST(is_utf8(v->becomes));
    for (size_t i = 0; i < v->rewrite_count; i++) {
        MUST(v->rewrites[i].piece >= next && v->rewrites[i].piece < m->piece_count);
        MUST(m->pieces[v->rewrites[i].piece].source < TEXT_RELAY_ABSTRACT);
        MUST(is_utf8(v->rewrites[i].text));
        next = v->rewrites[i].piece + 1;
    }
    if (v->cloud_custom_data) {
        MUST(is_utf8(*v->cloud_custom_data));
        MUST(!gate_check(old, GATE_WIRE, &fault) || gate_check(*v->cloud_custom_data, GATE_WIRE, &fault));
    }
    if (v->action != ACTION_MASK)
        return;
    MUST(line_ends(v->becomes) == line_ends(m->text));
    if (!paints_text(v)) /* what is allowed, or only recorded, is not touched */
        MUST(v->rewrite_count == 0 && span_equal(v->becomes, m->text));
}

static uint64_t verdict_sum(const struct verdict *v)
{
    uint64_t sum = (uint64_t)v->action * 31 + (uint64_t)v->error_code + v->hit_count * 7919 + v->rewrite_count * 104729;

    for (size_t i = 0; i < v->hit_count; i++)
        sum = sum * 1099511628211u + v->hits[i].start * 31 + v->hits[i].end * 17 + (unsigned)v->hits[i].state;
    for (size_t i = 0; i < v->becomes.len; i++)
        sum = sum * 1099511628211u + (unsigned char)v->becomes.data[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct judge *judge;
    struct input in = {.text = BUF_INIT, .custom_data = BUF_INIT, .earlier = BUF_INIT};
    const struct ruleset *set;
    struct verdict v;
    uint64_t sum;

    if (size < 2)
        return 0;
    if (!judge)
        judge = judge_new();
    MUST(judge);
    set = fuzz_set_number(data[0]);
    read_input(&in, (struct span){(const char *)data, size});
    judge_message(judge, set, &in.message, &in.circumstances, &v);
    MUST(v.decided_by != DECIDED_OVERLOAD || v.hits_cut);
    check_hits(&v, &in.message);
    check_rewrite(&v, &in.message);
    sum = verdict_sum(&v);
    judge_text(judge, set, (struct span){(const char *)data + 2, size - 2},
               &v); /* raw bytes; another message between */
    MUST(!v.becomes.data || is_utf8(v.becomes));
    judge_message(judge, set, &in.message, &in.circumstances, &v);
    MUST(verdict_sum(&v) == sum);
    buf_release(&in.text);
    buf_release(&in.custom_data);
    buf_release(&in.earlier);
    return 0;
}
