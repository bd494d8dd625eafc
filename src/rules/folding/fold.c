#include "rules/folding/fold.h"

#include "base/utf8.h"
#include "rules/folding/unicode.h"

#include <stdlib.h>

enum { FOLD_KEEP_BYTES = 256 * 1024 };

void folded_release(struct folded *f)
{
    buf_release(&f->out);
    free(f->segments);
    *f = FOLDED_INIT;
}

void folded_trim(struct folded *f)
{
    if (f->out.cap > FOLD_KEEP_BYTES || f->segment_cap * sizeof(*f->segments) > FOLD_KEEP_BYTES)
        folded_release(f);
}

/* One pass over one text. */
struct folding {
    struct folded *f;
    const struct unicode_tables *tables;
    struct span text;
    bool casefold, drop;
    bool failed;
    /* The last character written, with which a joining one may still combine. */
    bool has_last;
    size_t last_original, last_folded;
};

static struct fold_segment *segment_new(struct folding *w)
{
    struct folded *f = w->f;

    if (f->segment_count == f->segment_cap) {
        size_t cap = f->segment_cap ? f->segment_cap * 2 : 64;
        struct fold_segment *grown = realloc(f->segments, cap * sizeof(*grown));

        if (!grown) {
            w->failed = true;
            return NULL;
        }
        f->segments = grown;
        f->segment_cap = cap;
    }
    return &f->segments[f->segment_count++];
}

/* Says that the len bytes at folded are the counterparts of those at original. */
static void segment_exact(struct folding *w, size_t folded, size_t original, size_t len)
{
    struct folded *f = w->f;
    struct fold_segment *s = f->segment_count ? &f->segments[f->segment_count - 1] : NULL;

    if (s && s->exact && s->original + s->original_len == original) {
        s->original_len += (uint32_t)len;
        return;
    }
    s = segment_new(w);
    if (s)
        *s = (struct fold_segment){(uint32_t)folded, (uint32_t)original, (uint32_t)len, true};
}

static void segment_whole(struct folding *w, size_t folded, size_t original, size_t original_len)
{
    struct fold_segment *s = segment_new(w);

    if (s)
        *s = (struct fold_segment){(uint32_t)folded, (uint32_t)original, (uint32_t)original_len, false};
}

/* Takes back everything written from the folded position on; it begins a character. */
static void take_back(struct folding *w, size_t folded)
{
    struct folded *f = w->f;

    while (f->segment_count && f->segments[f->segment_count - 1].folded >= folded)
        f->segment_count--;
    if (f->segment_count && f->segments[f->segment_count - 1].exact) {
        struct fold_segment *s = &f->segments[f->segment_count - 1];

        s->original_len = (uint32_t)(folded - s->folded);
    }
    f->out.len = folded;
}

static void wrote(struct folding *w, size_t original, size_t folded)
{
    w->has_last = true;
    w->last_original = original;
    w->last_folded = folded;
}

/* Copies ASCII, in lower case when casefolding: what NFKC casefold does to it while nothing combines. */
static size_t fold_ascii(struct folding *w, size_t at)
{
    const char *in = w->text.data + at;
    size_t left = w->text.len - at, n = 0;
    char *out;

    while (n < left && (unsigned char)in[n] < 0x80)
        n++;
    out = buf_reserve(&w->f->out, n);
    if (!out) {
        w->failed = true;
        return n;
    }
    if (w->casefold) {
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)in[i];

            out[i] = (char)(c + ((unsigned)(c - 'A') < 26u ? 32 : 0));
        }
    } else {
        memcpy(out, in, n);
    }
    segment_exact(w, w->f->out.len, at, n);
    wrote(w, at + n - 1, w->f->out.len + n - 1);
    buf_commit(&w->f->out, n);
    return n;
}

/* The class of the character of n bytes at `at`, as far as the steps asked for care. */
static unsigned class_at(const struct folding *w, size_t at, size_t n)
{
    unsigned class = unicode_fold_class(w->tables, utf8_decode(w->text.data + at, n));

    if (class == CHAR_INVISIBLE)
        return w->drop ? CHAR_INVISIBLE : CHAR_PLAIN;
    return w->casefold ? class : CHAR_PLAIN;
}

/* Copies characters that stand for themselves. */
static size_t fold_plain(struct folding *w, size_t at)
{
    size_t end = at, last = at;

    while (end < w->text.len && (unsigned char)w->text.data[end] >= 0x80) {
        size_t n = utf8_char_len(w->text.data + end, w->text.len - end);

        if (class_at(w, end, n) != CHAR_PLAIN)
            break;
        last = end;
        end += n;
    }
    segment_exact(w, w->f->out.len, at, end - at);
    wrote(w, last, w->f->out.len + (last - at));
    /* An invisible character that is kept parts what stands on its two sides. */
    if (unicode_fold_class(w->tables, utf8_decode(w->text.data + last, end - last)) == CHAR_INVISIBLE)
        w->has_last = false;
    buf_add(&w->f->out, w->text.data + at, end - at);
    return end - at;
}

/* A joining character at `at`: normalises it together with the character before it, if that may still combine, and
 * with all joining ones that follow. A run is cut at UNICODE_RUN characters: longer ones are no writing, and putting
 * their marks in order would take quadratic time. Returns the number of bytes read from `at` on. */
static size_t fold_run(struct folding *w, size_t at)
{
    char run[UNICODE_RUN * 4];
    struct buf *out = &w->f->out;
    size_t len = 0, count = 0, begin = at, i = at, end = at, folded;

    if (w->has_last) {
        begin = w->last_original;
        len = utf8_char_len(w->text.data + begin, w->text.len - begin);
        memcpy(run, w->text.data + begin, len);
        count = 1;
        take_back(w, w->last_folded);
    }
    while (i < w->text.len && count < UNICODE_RUN) {
        size_t n = utf8_char_len(w->text.data + i, w->text.len - i);
        unsigned class = class_at(w, i, n);

        if (class != CHAR_JOINING && class != CHAR_INVISIBLE)
            break;
        if (class == CHAR_JOINING) {
            memcpy(run + len, w->text.data + i, n);
            len += n;
            count++;
            end = i + n;
        }
        i += n;
    }

    folded = out->len;
    if (!unicode_casefold((struct span){run, len}, out))
        w->failed = true;
    else if (span_equal((struct span){out->data + folded, out->len - folded},
                        (struct span){w->text.data + begin, end - begin}))
        segment_exact(w, folded, begin, end - begin);
    else
        segment_whole(w, folded, begin, end - begin);
    w->has_last = false;
    return i - at;
}

int fold_text(struct folded *f, unsigned folding, struct span text)
{
    struct folding w = {
        .f = f,
        .text = text,
        .casefold = folding & FOLD_CASE,
        .drop = folding & FOLD_INVISIBLE,
    };

    f->segment_count = 0;
    f->original = text;
    f->identical = folding == FOLD_NONE;
    if (f->identical) {
        f->text = text;
        return 0;
    }
    w.tables = unicode_tables();
    if (text.len >= UINT32_MAX)
        return ERR_FAILED;
    buf_reset(&f->out);
    for (size_t at = 0; at < text.len && !w.failed;) {
        size_t n;
        unsigned class;

        if ((unsigned char)text.data[at] < 0x80) {
            at += fold_ascii(&w, at);
            continue;
        }
        n = utf8_char_len(text.data + at, text.len - at);
        if (!n)
            return ERR_FAILED;
        class = class_at(&w, at, n);
        if (class == CHAR_PLAIN) {
            n = fold_plain(&w, at);
        } else if (class == CHAR_JOINING) {
            n = fold_run(&w, at);
        } else if (class != CHAR_INVISIBLE) {
            const struct unicode_mapping *m = &w.tables->mappings[class - CHAR_MAPPED];

            segment_whole(&w, f->out.len, at, n);
            wrote(&w, at, f->out.len);
            buf_add(&f->out, m->text, m->len);
        }
        at += n;
    }
    f->text = buf_span(&f->out);
    return w.failed || buf_failed(&f->out) ? ERR_FAILED : 0;
}

/* The segment that holds byte at of the folded text. */
static const struct fold_segment *segment_at(const struct folded *f, size_t at)
{
    size_t low = 0, high = f->segment_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (f->segments[middle].folded <= at)
            low = middle;
        else
            high = middle;
    }
    return &f->segments[low];
}

void folded_range(const struct folded *f, size_t start, size_t end, uint32_t *original_start, uint32_t *original_end)
{
    const struct fold_segment *first, *last;

    if (f->identical || !f->segment_count) {
        *original_start = (uint32_t)start;
        *original_end = (uint32_t)end;
        return;
    }
    first = segment_at(f, start);
    last = segment_at(f, end - 1);
    *original_start = first->original + (first->exact ? (uint32_t)start - first->folded : 0);
    *original_end = last->exact ? last->original + (uint32_t)end - last->folded : last->original + last->original_len;
}
