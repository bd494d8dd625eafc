#include "rules/rewrite.h"

#include "base/utf8.h"
#include "wire/gate.h"

#include <stdlib.h>

enum { REWRITE_KEEP_BYTES = 256 * 1024 };

void rewriter_release(struct rewriter *w)
{
    free(w->text.paint);
    free(w->custom_data.paint);
    buf_release(&w->text.out);
    buf_release(&w->custom_data.out);
    free(w->pieces);
    free(w->rewrites);
    graphemes_free(w->graphemes);
    *w = (struct rewriter){0};
}

void rewriter_trim(struct rewriter *w)
{
    if (w->text.cap * sizeof(*w->text.paint) > REWRITE_KEEP_BYTES ||
        w->custom_data.cap * sizeof(*w->custom_data.paint) > REWRITE_KEEP_BYTES ||
        w->text.out.cap > REWRITE_KEEP_BYTES || w->custom_data.out.cap > REWRITE_KEEP_BYTES ||
        w->piece_cap * sizeof(*w->rewrites) > REWRITE_KEEP_BYTES)
        rewriter_release(w);
}

static void field_begin(struct rewriter *w, struct rewritten_field *f, struct span text)
{
    f->text = text.data ? text : SPAN(""); /* so that there is an address to count from */
    f->painted = false;
    buf_reset(&f->out);
    if (f->cap < text.len) {
        free(f->paint);
        f->cap = 0;
        f->paint = malloc(text.len * sizeof(*f->paint));
        if (!f->paint) {
            w->failed = true;
            return;
        }
        f->cap = text.len;
    }
    if (text.len)
        memset(f->paint, 0, text.len * sizeof(*f->paint));
}

void rewriter_begin(struct rewriter *w, const struct message *message, struct span text, struct span custom_data)
{
    size_t pieces = message->piece_count;

    w->failed = false;
    w->message = message;
    w->replace_custom_data = false;
    field_begin(w, &w->text, text);
    field_begin(w, &w->custom_data, custom_data);
    if (w->piece_cap < pieces) {
        free(w->pieces);
        free(w->rewrites);
        w->pieces = malloc(pieces * sizeof(*w->pieces));
        w->rewrites = malloc(pieces * sizeof(*w->rewrites));
        w->piece_cap = w->pieces && w->rewrites ? pieces : 0;
        w->failed = w->failed || !w->piece_cap;
    }
    if (pieces && !w->failed)
        memset(w->pieces, 0, pieces * sizeof(*w->pieces));
}

void rewriter_mask(struct rewriter *w, enum judged_field field, uint32_t start, uint32_t end, size_t rule)
{
    struct rewritten_field *f = field == FIELD_TEXT ? &w->text : &w->custom_data;
    uint16_t colour = (uint16_t)(rule + 1);

    if (w->failed)
        return;
    f->painted = true;
    for (uint32_t i = start; i < end; i++)
        if (!f->paint[i] || f->paint[i] > colour) /* of several masks, that of the smallest name */
            f->paint[i] = colour;
}

/* The first piece that ends after byte at. */
static size_t piece_after(const struct message *m, size_t at)
{
    size_t low = 0, high = m->piece_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((size_t)m->pieces[middle].start + m->pieces[middle].len > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void rewriter_replace(struct rewriter *w, enum judged_field field, uint32_t start, uint32_t end)
{
    const struct message *m = w->message;

    if (w->failed)
        return;
    if (field == FIELD_CLOUD_CUSTOM_DATA) {
        w->replace_custom_data = true;
        return;
    }
    for (size_t i = piece_after(m, start); i < m->piece_count && m->pieces[i].start < end; i++)
        w->pieces[i].replaced = true;
}

/* Whether a cluster shows nothing of its own: made only of default-ignorable characters, or of marks that an invisible
 * character parted from their letter. */
static bool is_invisible(struct span cluster)
{
    const struct unicode_tables *t = unicode_tables();

    for (size_t i = 0; i < cluster.len && t;) {
        size_t n = utf8_char_len(cluster.data + i, cluster.len - i);
        uint32_t c = utf8_decode(cluster.data + i, n);

        if (unicode_fold_class(t, c) != CHAR_INVISIBLE && !(unicode_word_class(t, c) & WORD_MARK))
            return false;
        i += n;
    }
    return true;
}

/* Adds bytes from..to of the field with its masks. A cluster is masked as a whole as soon as one of its bytes is
 * painted. Returns where reading stopped: to, or later when a masked cluster reaches beyond it. */
static size_t add_masked(struct rewriter *w, struct rewritten_field *f, const struct ruleset *set, size_t from,
                         size_t to)
{
    size_t at = from;

    while (at < to) {
        size_t painted = at, start, end;
        uint16_t colour;
        struct span cluster;

        while (painted < to && !f->paint[painted])
            painted++;
        if (painted == to) {
            buf_add(&f->out, f->text.data + at, to - at);
            return to;
        }
        start = graphemes_start(w->graphemes, painted);
        end = graphemes_end(w->graphemes, painted);
        if (start > at)
            buf_add(&f->out, f->text.data + at, start - at);
        colour = f->paint[painted];
        for (size_t i = painted; i < end; i++)
            if (f->paint[i] && f->paint[i] < colour)
                colour = f->paint[i];
        cluster = (struct span){f->text.data + start, end - start};
        if (memchr(cluster.data, '\n', cluster.len))
            buf_add_span(&f->out, cluster);
        else if (!is_invisible(cluster))
            buf_add(&f->out, set->rules[colour - 1].mask, set->rules[colour - 1].mask_len);
        at = end;
    }
    return at;
}

static bool can_be_rewritten(enum text_source source)
{
    return source != TEXT_RELAY_ABSTRACT && source != TEXT_RELAY_NESTED;
}

/* JSON that stops being JSON would break the client that reads it. */
static bool breaks_json(struct span before, struct span after)
{
    struct gate_fault fault;

    return gate_check(before, GATE_WIRE, &fault) && !gate_check(after, GATE_WIRE, &fault);
}

/* The replacement stands in the first text element and in every other piece that a replace rule hit. */
static bool choose_replaced(struct rewriter *w)
{
    bool any = w->replace_custom_data;

    for (size_t i = 0; i < w->message->piece_count; i++) {
        if (w->message->pieces[i].source == TEXT_TEXT)
            w->pieces[i].replaced = true;
        any = any || w->pieces[i].replaced;
    }
    return any;
}

/* The new text of piece number i. Reading of the old text has come to *at, which may be inside the piece already when
 * a masked cluster reached over its edge. */
static struct span rewrite_piece(struct rewriter *w, const struct ruleset *set, const char *replacement, size_t i,
                                 bool *replacement_shown, size_t *at)
{
    const struct text_piece *p = &w->message->pieces[i];
    struct rewritten_field *f = &w->text;
    size_t from = f->out.len, end = (size_t)p->start + p->len;

    w->pieces[i].from = from;
    if (replacement && w->pieces[i].replaced) {
        if (p->source != TEXT_TEXT || !*replacement_shown)
            buf_add_text(&f->out, replacement);
        *replacement_shown = *replacement_shown || p->source == TEXT_TEXT;
        *at = *at > end ? *at : end;
    } else {
        *at = add_masked(w, f, set, *at, end);
    }
    return (struct span){buf_text(&f->out) + from, f->out.len - from};
}

/* Writes message.text anew and lists the pieces that changed. */
static enum rewrite_result rewrite_text(struct rewriter *w, const struct ruleset *set, const char *replacement,
                                        struct verdict *out)
{
    const struct message *m = w->message;
    struct rewritten_field *f = &w->text;
    bool replacement_shown = false;
    size_t at = 0, count = 0;

    if (f->painted && !graphemes_set(w->graphemes, f->text))
        return REWRITE_NO_MEMORY;
    for (size_t i = 0; i < m->piece_count; i++) {
        const struct text_piece *p = &m->pieces[i];
        struct span before = {f->text.data + p->start, p->len}, after;

        if (at < p->start) {
            buf_add(&f->out, f->text.data + at, p->start - at); /* the separator */
            at = p->start;
        }
        after = rewrite_piece(w, set, replacement, i, &replacement_shown, &at);
        if (buf_failed(&f->out))
            return REWRITE_NO_MEMORY;
        if (span_equal(before, after))
            continue;
        if (!can_be_rewritten(p->source) || (p->source != TEXT_TEXT && breaks_json(before, after)))
            return REWRITE_IMPOSSIBLE;
        w->rewrites[count++] = (struct text_rewrite){i, after};
    }
    for (size_t k = 0; k < count; k++) /* out does not move any more */
        w->rewrites[k].text.data = buf_text(&f->out) + w->pieces[w->rewrites[k].piece].from;
    out->becomes = (struct span){buf_text(&f->out), f->out.len};
    out->rewrites = count ? w->rewrites : NULL;
    out->rewrite_count = count;
    return REWRITE_DONE;
}

static enum rewrite_result rewrite_custom_data(struct rewriter *w, const struct ruleset *set, const char *replacement,
                                               struct verdict *out)
{
    struct rewritten_field *f = &w->custom_data;

    if (replacement && w->replace_custom_data)
        buf_add_text(&f->out, replacement);
    else if (!f->painted)
        return REWRITE_DONE;
    else if (!graphemes_set(w->graphemes, f->text))
        return REWRITE_NO_MEMORY;
    else
        add_masked(w, f, set, 0, f->text.len);
    if (buf_failed(&f->out))
        return REWRITE_NO_MEMORY;
    w->new_custom_data = (struct span){buf_text(&f->out), f->out.len};
    if (span_equal(f->text, w->new_custom_data))
        return REWRITE_DONE;
    if (breaks_json(f->text, w->new_custom_data))
        return REWRITE_IMPOSSIBLE;
    out->cloud_custom_data = &w->new_custom_data;
    return REWRITE_DONE;
}

enum rewrite_result rewriter_finish(struct rewriter *w, const struct ruleset *set, const char *replacement,
                                    struct verdict *out)
{
    enum rewrite_result result;

    if ((w->text.painted || w->custom_data.painted) && !w->graphemes)
        w->graphemes = graphemes_new();
    if (w->failed || ((w->text.painted || w->custom_data.painted) && !w->graphemes))
        return REWRITE_NO_MEMORY;
    if (replacement && !choose_replaced(w))
        return REWRITE_IMPOSSIBLE;
    result = rewrite_text(w, set, replacement, out);
    return result == REWRITE_DONE ? rewrite_custom_data(w, set, replacement, out) : result;
}
