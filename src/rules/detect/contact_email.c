/* E-mail addresses: an @ in one of its forms, a user to its left, a host with a public ending to its right. */
#include "rules/detect/contact_priv.h"

#include "rules/detect/hosts.h"

enum { USER_MAX = 64 };

enum at_form { AT_NONE, AT_SIGN, AT_BRACKETED, AT_WORD, AT_HASH };

/* An @ at glyph i: its form and number of glyphs. */
static enum at_form at_sign(const struct glyphs *g, size_t i, size_t *len)
{
    static const char *const bracketed[] = {"(at)", "[at]", "{at}", "<at>", "(@)", "[@]", "(a)", "【at】", "【@】"};

    *len = 1;
    if (g->items[i].code == '@')
        return AT_SIGN;
    if (g->items[i].code == '#')
        return AT_HASH;
    if (g->items[i].code == ' ' && glyphs_word(g, i + 1, "at ")) {
        *len = 4;
        return AT_WORD;
    }
    for (size_t k = 0; k < sizeof(bracketed) / sizeof(*bracketed) && !(g->items[i].flags & GLYPH_LETTER); k++)
        if ((*len = glyphs_word(g, i, bracketed[k])) > 0)
            return AT_BRACKETED;
    *len = 0;
    return AT_NONE;
}

static bool is_user_glyph(const struct glyph *c)
{
    return glyph_is_alnum(c) || (c->code < 0x80 && c->code > ' ' && strchr("._%+-", (char)c->code));
}

/* Where the user that ends before i begins; i when there is none. */
static size_t user_start(const struct glyphs *g, size_t i)
{
    size_t start = i;

    while (start > 0 && i - start < USER_MAX && is_user_glyph(&g->items[start - 1]))
        start--;
    while (start < i && !glyph_is_alnum(&g->items[start]))
        start++;
    return start;
}

/* Great providers, whose hosts are known as such even behind a # or among blanks. */
static bool is_provider(const char *host)
{
    static const char *const hosts[] = {
        "qq.com",      "vip.qq.com", "foxmail.com", "163.com",    "126.com",   "yeah.net",      "sina.com",
        "sina.cn",     "sohu.com",   "aliyun.com",  "139.com",    "189.cn",    "gmail.com",     "outlook.com",
        "hotmail.com", "live.com",   "yahoo.com",   "icloud.com", "mail.com",  "gmx.com",       "gmx.de",
        "web.de",      "mail.ru",    "yandex.ru",   "naver.com",  "proton.me", "protonmail.com"};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
        if (strcmp(host, hosts[i]) == 0)
            return true;
    return false;
}

static bool passes(const struct glyphs *g, enum at_form form, const struct host_chain *chain, size_t labels,
                   const char *host, bool spaced)
{
    switch (form) {
    case AT_SIGN:
        return !spaced || is_provider(host);
    case AT_BRACKETED:
        return true;
    case AT_WORD: /* "meet me at example.com" is none, "joe at example dot com" is */
        return (chain->dressed && !domain_ending_is_word(host) &&
                !host_label_is_article(g, &chain->labels[labels - 2])) ||
               is_provider(host);
    case AT_HASH:
        return is_provider(host);
    case AT_NONE:
        break;
    }
    return false;
}

/* The address whose @ is at i; the glyph after it, or 0. */
static size_t read_address(struct contact_run *run, enum at_form form, size_t i, size_t len)
{
    const struct glyphs *g = run->g;
    size_t at = i, start, labels;
    struct host_chain chain;
    char host[DOMAIN_MAX + 1];
    bool spaced = false;

    if (form != AT_WORD) { /* blanks around it */
        spaced = (i > 0 && g->items[i - 1].code == ' ') || g->items[i + len].code == ' ';
        at -= i > 0 && g->items[i - 1].code == ' ';
        len += g->items[i + len].code == ' ';
    }
    start = user_start(g, at);
    if (start == at)
        return 0;
    host_chain_read(g, i + len, &chain);
    labels = chain.count ? host_registrable(g, &chain, run->folded, host) : 0;
    if (!labels || !passes(g, form, &chain, labels, host, spaced))
        return 0;
    contact_tell(run, CONTACT_TERM_EMAIL, start, chain.labels[labels - 1].end);
    return chain.labels[labels - 1].end;
}

void contact_find_emails(struct contact_run *run)
{
    const struct glyphs *g = run->g;

    for (size_t i = 0; i < g->count && !run->stopped;) {
        size_t len, end = 0;
        enum at_form form = at_sign(g, i, &len);

        if (form != AT_NONE)
            end = read_address(run, form, i, len);
        i = end > i ? end : i + 1;
    }
}
