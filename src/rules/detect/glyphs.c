#include "rules/detect/glyphs.h"

#include "base/utf8.h"
#include "rules/characters.h"
#include "rules/folding/unicode.h"

#include <stdlib.h>

enum { GLYPHS_KEEP = 32 * 1024 };

static uint32_t blank_code(const struct character *c)
{
    return c->kind & CHARACTER_LINE_END ? '\n' : ' ';
}

static void add_ascii(struct glyphs *g, unsigned char byte, uint32_t at)
{
    struct glyph *to = &g->items[g->count];

    *to = (struct glyph){byte, at, at + 1, 0};
    if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9')) {
        to->flags = GLYPH_LETTER;
    } else if (byte >= 'A' && byte <= 'Z') {
        to->code += 'a' - 'A';
        to->flags = GLYPH_LETTER;
    } else if (byte == ' ' || (byte >= '\t' && byte <= '\r')) {
        to->code = byte == ' ' || byte == '\t' ? ' ' : '\n';
        to->flags = GLYPH_BLANK;
    } else if (byte < ' ' || byte == 0x7F) {
        return; /* seen by nobody */
    }
    g->count++;
}

static void add_other(struct glyphs *g, const struct character *table, const struct unicode_tables *words,
                      uint32_t code, uint32_t at, uint32_t end)
{
    const struct character *c = character_of(table, code);
    unsigned word = unicode_word_class(words, code);
    struct glyph *to = &g->items[g->count];

    if (c->kind & CHARACTER_INVISIBLE)
        return;
    if (word & WORD_MARK) {
        if (g->count) {
            to[-1].end = end;
            to[-1].flags |= code >= 0x20DD && code <= 0x20E4 ? 0 : GLYPH_MARKED;
        }
        return;
    }
    *to = (struct glyph){c->plain ? c->plain : code, at, end, GLYPH_CHANGED};
    if (c->kind & CHARACTER_BLANK) {
        to->code = blank_code(c);
        to->flags |= GLYPH_BLANK;
    } else if (to->code < 0x80) {
        to->flags |= glyph_is_alnum(to) ? GLYPH_LETTER : 0;
    } else if (word & WORD_PART) {
        to->flags |= GLYPH_LETTER | (word & WORD_UNSPACED ? GLYPH_UNSPACED : 0);
    }
    g->count++;
}

bool glyphs_read(struct glyphs *g, struct span text)
{
    const struct character *table = characters();
    const struct unicode_tables *words = unicode_tables();
    size_t n;

    if (!table || !words)
        return false;
    if (text.len + 1 > g->cap) {
        size_t cap = text.len + 1 > 512 ? text.len + 1 : 512;
        struct glyph *grown = malloc(cap * sizeof(*grown));

        if (!grown)
            return false;
        free(g->items);
        g->items = grown;
        g->cap = cap;
    }
    g->text = text;
    g->count = 0;
    for (size_t i = 0; i < text.len; i += n) {
        unsigned char byte = (unsigned char)text.data[i];

        n = 1;
        if (byte < 0x80) {
            add_ascii(g, byte, (uint32_t)i);
            continue;
        }
        n = utf8_char_len(text.data + i, text.len - i);
        if (n)
            add_other(g, table, words, utf8_decode(text.data + i, n), (uint32_t)i, (uint32_t)(i + n));
        else
            n = 1;
    }
    g->items[g->count] = (struct glyph){' ', (uint32_t)text.len, (uint32_t)text.len, GLYPH_BLANK};
    return true;
}

void glyphs_trim(struct glyphs *g)
{
    if (g->cap > GLYPHS_KEEP)
        glyphs_release(g);
}

void glyphs_release(struct glyphs *g)
{
    free(g->items);
    *g = (struct glyphs){0};
}

size_t glyphs_word(const struct glyphs *g, size_t i, const char *word)
{
    size_t from = i;

    while (*word) {
        size_t n = (signed char)*word > 0 ? 1 : utf8_char_len(word, strlen(word));

        if (!n || i >= g->count || g->items[i].code != utf8_decode(word, n))
            return 0;
        word += n;
        i++;
    }
    return i - from;
}
