#include "rules/detect/links.h"

#include "rules/detect/hosts.h"

enum { TERM_LINK, TERM_NOT_ALLOWED, TERM_DENIED, SCHEME_MAX = 12 };

struct finder {
    const struct detector *d;
    struct detector_scratch *scratch;
    const struct glyphs *g;
};

struct link {
    size_t start, end; /* glyphs */
    char host[DOMAIN_MAX + 1];
};

void links_compile(struct detector *out, const struct links_condition *condition, struct arena *a)
{
    struct span *terms = arena_array(a, TERM_DENIED + condition->deny.count, sizeof(*terms));

    if (!terms)
        return;
    terms[TERM_LINK] = SPAN("link");
    terms[TERM_NOT_ALLOWED] = SPAN("link off the allow list");
    for (size_t i = 0; i < condition->deny.count; i++)
        terms[TERM_DENIED + i] = arena_span(a, span_of(condition->deny.items[i]));
    out->terms = terms;
    out->term_count = TERM_DENIED + condition->deny.count;
    out->has_allow = condition->allow.count > 0;
    out->has_deny = condition->deny.count > 0;
    domain_set_compile(&out->allow, condition->allow, a);
    domain_set_compile(&out->deny, condition->deny, a);
}

/* Whether the condition asks for a link to host; *term is what it then is called. */
static bool is_wanted(const struct detector *d, const char *host, uint32_t *term)
{
    size_t denied = d->has_deny ? domain_set_find(&d->deny, host) : SIZE_MAX;

    if (denied != SIZE_MAX) {
        *term = TERM_DENIED + d->deny.written[denied];
        return true;
    }
    if (d->has_allow) {
        *term = TERM_NOT_ALLOWED;
        return domain_set_find(&d->allow, host) == SIZE_MAX;
    }
    *term = TERM_LINK;
    return !d->has_deny;
}

/* Pieces of a link ----------------------------------------------------------------------------------------------------
 */

/* Of what stands behind the host. Full-width letters belong to it, full-width punctuation is the sentence's. */
static bool is_path_glyph(const struct glyph *c)
{
    if (c->flags & GLYPH_CHANGED)
        return glyph_is_alnum(c) || (c->code < 0x80 && c->code > ' ' && strchr("/.-_=&%", (char)c->code));
    return glyph_is_alnum(c) || (c->code < 0x80 && c->code > ' ' && strchr("-._~:/?#[]@!$&'()*+,;=%", (char)c->code));
}

static size_t pass_port(const struct glyphs *g, size_t i)
{
    size_t end = i + 1;

    if (i >= g->count || g->items[i].code != ':')
        return i;
    while (end < g->count && end - i < 7 && glyph_is_digit(&g->items[end]))
        end++;
    return end - i >= 3 && end - i <= 6 ? end : i;
}

/* Port, path, query and fragment at i; what ends a sentence does not belong to them. */
static size_t pass_tail(const struct glyphs *g, size_t i)
{
    size_t port = pass_port(g, i), end = port;
    bool opened = false;

    if (end >= g->count || !strchr("/?#\\", (char)g->items[end].code) || g->items[end].code >= 0x80)
        return port;
    end++;
    while (end < g->count && is_path_glyph(&g->items[end])) {
        opened = opened || g->items[end].code == '(';
        end++;
    }
    while (end > port && g->items[end - 1].code < 0x80 && strchr(".,;:!?'", (char)g->items[end - 1].code))
        end--;
    if (end > port && g->items[end - 1].code == ')' && !opened)
        end--;
    return end;
}

/* Whether something stands behind a host that only a link has: cheap, as it is asked for everything that looks like a
 * host. */
static bool has_tail(const struct glyphs *g, size_t i)
{
    uint32_t code = i < g->count ? g->items[i].code : ' ';

    if (code == '?' || code == '#')
        return i + 1 < g->count && glyph_is_alnum(&g->items[i + 1]);
    return code == '/' || code == '\\' || pass_port(g, i) > i;
}

/* Digits and colons in brackets. */
static size_t pass_ipv6(const struct glyphs *g, size_t i)
{
    size_t at = i + 1, colons = 0;

    if (i >= g->count || g->items[i].code != '[')
        return i;
    for (; at < g->count && at - i < 48; at++) {
        uint32_t code = g->items[at].code;

        if (code == ']')
            return colons >= 2 ? at + 1 : i;
        if (code != ':' && code != '.' && !glyph_is_digit(&g->items[at]) && !(code >= 'a' && code <= 'f'))
            return i;
        colons += code == ':';
    }
    return i;
}

static bool is_number_label(const struct glyphs *g, const struct host_label *label)
{
    unsigned value = 0;

    for (size_t i = label->start; i < label->end; i++) {
        if (!glyph_is_digit(&g->items[i]) || label->end - label->start > 3)
            return false;
        value = value * 10 + (g->items[i].code - '0');
    }
    return value <= 255;
}

static bool is_ipv4(const struct glyphs *g, const struct host_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        if (!is_number_label(g, &chain->labels[i]))
            return false;
    return chain->count == 4;
}

/* With a scheme
 * --------------------------------------------------------------------------------------------------------- */

/* "://" at i, also as "[:]//" and with backslashes: its number of glyphs. */
static size_t scheme_mark(const struct glyphs *g, size_t i)
{
    size_t from = i, slashes = 0;

    if (glyphs_word(g, i, "[:]"))
        i += 3;
    else if (i < g->count && g->items[i].code == ':')
        i++;
    else
        return 0;
    while (i < g->count && slashes < 4 && (g->items[i].code == '/' || g->items[i].code == '\\')) {
        slashes++;
        i++;
    }
    return slashes >= 2 ? i - from : 0;
}

/* The scheme that ends where the label does, as in "seehttp": its number of glyphs, or 0. */
static size_t scheme_at_end(const struct glyphs *g, const struct host_label *label)
{
    static const char *const schemes[] = {"https",   "hxxps",  "ftps",   "http",  "hxxp",   "h**p",   "sftp",
                                          "ftp",     "wss",    "ws",     "ssh",   "tg",     "weixin", "wechat",
                                          "alipays", "alipay", "taobao", "tmall", "mqqapi", "mqq",    "whatsapp",
                                          "viber",   "intent", "market", "snssdk"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        size_t len = strlen(schemes[i]);

        if (len <= label->end && glyphs_word(g, label->end - len, schemes[i]))
            return len;
    }
    return 0;
}

/* Behind the last @ before the host's end. */
static size_t pass_user(const struct glyphs *g, size_t i)
{
    size_t host = i;

    for (; i < g->count; i++) {
        const struct glyph *c = &g->items[i];

        if ((c->flags & GLYPH_BLANK) || c->code == '/' || c->code == '\\' || c->code == '?' || c->code == '#')
            break;
        if (c->code == '@')
            host = i + 1;
    }
    return host;
}

static bool read_schemed(struct finder *f, size_t start, size_t i, struct link *out)
{
    const struct glyphs *g = f->g;
    struct host_chain chain;
    size_t end;

    i = pass_user(g, i);
    end = pass_ipv6(g, i);
    if (end > i) {
        size_t len = 0;

        for (size_t k = i; k < end; k++)
            out->host[len++] = (char)g->items[k].code;
        out->host[len] = '\0';
    } else {
        host_chain_read(g, i, &chain);
        if (!chain.count)
            return false;
        end = chain.labels[chain.count - 1].end;
        if (!host_name(g, &chain, chain.count, &f->scratch->folded, out->host))
            out->host[0] = '\0'; /* no host anybody could list */
    }
    if (end + 1 < g->count && g->items[end].code == '.' && g->items[end + 1].code == '/')
        end++; /* the dot of the root */
    out->start = start;
    out->end = pass_tail(g, end);
    return true;
}

/* Without
 * --------------------------------------------------------------------------------------------------------------- */

static bool has_letter(const struct glyphs *g, const struct host_label *label)
{
    for (size_t i = label->start; i < label->end; i++)
        if (glyph_is_ascii_letter(&g->items[i]))
            return true;
    return false;
}

static bool is_ascii_name(const char *name)
{
    const char *last = strrchr(name, '.');

    return last && strncmp(last + 1, "xn--", 4) != 0;
}

/* How many labels of the chain are a host by themselves; 0: none. */
static size_t bare_host(struct finder *f, const struct host_chain *chain, char host[DOMAIN_MAX + 1])
{
    const struct glyphs *g = f->g;
    bool tail = has_tail(g, chain->labels[chain->count - 1].end);
    size_t k;

    if (is_ipv4(g, chain))
        return tail && host_name(g, chain, 4, &f->scratch->folded, host) ? 4 : 0;
    if (chain->count >= 3 && chain->labels[0].end - chain->labels[0].start == 3 &&
        glyphs_word(g, chain->labels[0].start, "www") &&
        chain->labels[chain->count - 1].end - chain->labels[chain->count - 1].start >= 2 &&
        has_letter(g, &chain->labels[chain->count - 1]))
        return host_name(g, chain, chain->count, &f->scratch->folded, host) ? chain->count : 0;
    k = host_registrable(g, chain, &f->scratch->folded, host);
    if (!k)
        return 0;
    if ((domain_ending_is_word(host) || !is_ascii_name(host)) && !(tail && k == chain->count))
        return 0;
    if (chain->dressed && (!has_letter(g, &chain->labels[k - 2]) || host_label_is_article(g, &chain->labels[k - 2])))
        return 0;
    return k;
}

/* Whether an e-mail address's user stands before an @ at i - 1. */
static bool follows_user(const struct glyphs *g, size_t i)
{
    return i >= 2 && g->items[i - 1].code == '@' &&
           (glyph_is_alnum(&g->items[i - 2]) || g->items[i - 2].code == '_' || g->items[i - 2].code == '-');
}

static bool read_bare(struct finder *f, const struct host_chain *chain, struct link *out)
{
    const struct glyphs *g = f->g;
    size_t start = chain->labels[0].start, k, end;

    if (chain->count < 2)
        return false;
    k = bare_host(f, chain, out->host);
    if (!k)
        return false;
    end = chain->labels[k - 1].end;
    if (g->items[end].code == '@') /* the user of an e-mail address */
        return false;
    out->start = start;
    out->end = k == chain->count ? pass_tail(g, end) : end;
    return !(follows_user(g, start) && out->end == end);
}

bool links_find(const struct detector *d, struct detector_scratch *scratch, detector_found *found, void *arg)
{
    struct finder f = {d, scratch, &scratch->glyphs};
    const struct glyphs *g = f.g;

    for (size_t i = 0; i < g->count;) {
        struct host_chain chain;
        struct link link;
        size_t last, scheme, mark;
        uint32_t term;
        bool is_link;

        host_chain_read(g, i, &chain);
        if (!chain.count) {
            i++;
            continue;
        }
        last = chain.labels[chain.count - 1].end;
        mark = scheme_mark(g, last);
        scheme = mark ? scheme_at_end(g, &chain.labels[chain.count - 1]) : 0;
        if (scheme)
            is_link = read_schemed(&f, last - scheme, last + mark, &link);
        else
            is_link = read_bare(&f, &chain, &link);
        if (!is_link) {
            i = last;
            continue;
        }
        if (is_wanted(d, link.host, &term) && !found(arg, term, g->items[link.start].start, g->items[link.end - 1].end))
            return false;
        i = link.end;
    }
    return true;
}
