#include "rules/detect/hosts.h"

#include "base/utf8.h"

enum { HOST_BYTES = 1024 }; /* of a name before it is normalized */

static bool is_open(uint32_t code)
{
    return code == '(' || code == '[' || code == '{' || code == '<' || code == 0x3010 /* 【 */ || code == 0x300C;
}

static bool is_close(uint32_t code)
{
    return code == ')' || code == ']' || code == '}' || code == '>' || code == 0x3011 /* 】 */ || code == 0x300D;
}

/* A sign or word for a dot at i, without what stands around it. */
static size_t dot_sign(const struct glyphs *g, size_t i, bool *plain)
{
    uint32_t code = g->items[i].code;

    *plain = code == '.';
    if (code == '.' || code == 0x3002 /* 。 */ || code == 0x70B9 /* 点 */ || code == 0x9EDE /* 點 */ || code == 0xB7 ||
        code == 0x2022 || code == 0x30FB /* middle dots */)
        return 1;
    return glyphs_word(g, i, "dot");
}

size_t host_dot(const struct glyphs *g, size_t i, bool *dressed)
{
    size_t from = i, n;
    bool plain;

    if (i >= g->count)
        return 0;
    if (is_open(g->items[i].code)) {
        n = i + 1 < g->count ? dot_sign(g, i + 1, &plain) : 0;
        return n && i + 1 + n < g->count && is_close(g->items[i + 1 + n].code) ? n + 2 : 0;
    }
    if (g->items[i].code == ' ') {
        i++;
        if (i < g->count && is_open(g->items[i].code)) { /* "example [dot] com" */
            n = host_dot(g, i, dressed);
            return n && i + n < g->count && g->items[i + n].code == ' ' ? n + 2 : 0;
        }
        n = glyphs_word(g, i, "dot");
        if (!n || i + n >= g->count || g->items[i + n].code != ' ')
            return 0;
        *dressed = true;
        return i + n + 1 - from;
    }
    n = dot_sign(g, i, &plain);
    if (n != 1) /* "dot" within a word */
        return 0;
    *dressed = *dressed || !plain;
    return n;
}

static bool is_label_glyph(const struct glyph *g)
{
    return (g->flags & GLYPH_LETTER) || g->code == '-' || g->code == '_';
}

/* Signs of Chinese that stand for a dot end a label, though they are letters. */
static bool is_dot_letter(const struct glyph *g)
{
    return g->code == 0x70B9 || g->code == 0x9EDE || g->code == 0x30FB;
}

static size_t label_end(const struct glyphs *g, size_t i)
{
    uint32_t class = g->items[i].flags & GLYPH_UNSPACED;

    while (i < g->count && is_label_glyph(&g->items[i]) && !is_dot_letter(&g->items[i]) &&
           (g->items[i].flags & GLYPH_UNSPACED) == class)
        i++;
    return i;
}

void host_chain_read(const struct glyphs *g, size_t i, struct host_chain *chain)
{
    *chain = (struct host_chain){.count = 0};
    while (i < g->count && chain->count < HOST_LABELS) {
        size_t end = label_end(g, i), n;
        bool dressed = chain->dressed;

        if (end == i)
            return;
        chain->labels[chain->count++] = (struct host_label){i, end};
        n = host_dot(g, end, &dressed);
        if (!n || end + n >= g->count || label_end(g, end + n) == end + n)
            return;
        /* A full stop of Chinese between Chinese and a name ends a sentence. */
        if (n == 1 && g->items[end].code != '.' &&
            !(glyph_is_alnum(&g->items[end - 1]) && glyph_is_alnum(&g->items[end + 1])))
            return;
        chain->dressed = dressed;
        i = end + n;
    }
}

size_t host_name(const struct glyphs *g, const struct host_chain *chain, size_t count, struct folded *scratch,
                 char out[DOMAIN_MAX + 1])
{
    char name[HOST_BYTES];
    size_t len = 0;

    for (size_t k = 0; k < count; k++) {
        for (size_t i = chain->labels[k].start; i < chain->labels[k].end; i++) {
            const struct glyph *c = &g->items[i];
            /* What is plain ASCII is taken so; of the rest the bytes, whose marks tell names apart. */
            bool plain = c->code < 0x80 && !(c->flags & GLYPH_MARKED);
            size_t n = plain ? 1 : c->end - c->start;

            if (len + n + 1 > sizeof(name))
                return 0;
            if (plain)
                name[len] = (char)c->code;
            else
                memcpy(name + len, g->text.data + c->start, n);
            len += n;
        }
        name[len++] = '.';
    }
    return domain_normalize((struct span){name, len}, scratch, out);
}

/* Whether a name can end in this label: cheap, so that a long row of dots costs little. */
static bool can_end(const struct glyphs *g, const struct host_label *label)
{
    char text[64];
    size_t len = label->end - label->start;

    if (len < 2 || len >= sizeof(text))
        return false;
    for (size_t i = 0; i < len; i++) {
        uint32_t code = g->items[label->start + i].code;

        if (code >= 0x80)
            return true; /* is looked at as a whole */
        text[i] = (char)code;
    }
    text[len] = '\0';
    return domain_is_ending(text);
}

size_t host_registrable(const struct glyphs *g, const struct host_chain *chain, struct folded *scratch,
                        char out[DOMAIN_MAX + 1])
{
    for (size_t k = chain->count; k >= 2; k--)
        if (can_end(g, &chain->labels[k - 1]) && host_name(g, chain, k, scratch, out) && domain_is_registrable(out))
            return k;
    return 0;
}

bool host_label_is_article(const struct glyphs *g, const struct host_label *label)
{
    static const char *const words[] = {"a", "the", "this", "that", "of", "to", "every", "polka"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strlen(words[i]) == label->end - label->start && glyphs_word(g, label->start, words[i]))
            return true;
    return false;
}
