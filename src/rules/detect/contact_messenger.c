/* Messenger accounts: the name of a messenger, a short gap, and what looks like an account of it; or a link into one.
 */
#include "rules/detect/contact_priv.h"

enum { GAP_MAX = 16, ACCOUNT_MIN = 5, ACCOUNT_MAX = 32, NUMBER_MIN = 6, NUMBER_MAX = 12 };

enum {
    NAME_NUMBERS = 1, /* its accounts may be numbers alone */
    NAME_PLAIN = 2,   /* also a word of ordinary text: needs a colon, an @ or "id" before the account */
};

struct messenger_name {
    const char *text;
    unsigned flags;
};

/* Plain as glyphs are; longer names before those they begin with. */
static const struct messenger_name names[] = {
    {"wechat", NAME_NUMBERS},
    {"weixin", NAME_NUMBERS},
    {"we chat", NAME_NUMBERS},
    {"wei xin", NAME_NUMBERS},
    {"whatsapp", NAME_NUMBERS},
    {"whats app", NAME_NUMBERS},
    {"telegram", 0},
    {"telegran", 0},
    {"kakaotalk", 0},
    {"kakao talk", 0},
    {"kakao", 0},
    {"snapchat", 0},
    {"instagram", 0},
    {"messenger", NAME_PLAIN},
    {"viber", NAME_NUMBERS},
    {"skype", 0},
    {"discord", 0},
    {"signal", NAME_PLAIN},
    {"snap", NAME_PLAIN},
    {"line", NAME_PLAIN},
    {"tele", NAME_PLAIN},
    {"insta", NAME_PLAIN},
    {"tg", NAME_PLAIN},
    {"ig", NAME_PLAIN},
    {"vx", NAME_NUMBERS},
    {"wx", NAME_NUMBERS},
    {"v信", NAME_NUMBERS},
    {"vxin", NAME_NUMBERS},
    {"+vx", NAME_NUMBERS},
    {"+v", NAME_NUMBERS},
    {"+wx", NAME_NUMBERS},
    {"+qq", NAME_NUMBERS},
    {"加vx", NAME_NUMBERS},
    {"加v信", NAME_NUMBERS},
    {"加v", NAME_NUMBERS},
    {"加wx", NAME_NUMBERS},
    {"加我v", NAME_NUMBERS},
    {"加我微", NAME_NUMBERS},
    {"加微", NAME_NUMBERS},
    {"加薇", NAME_NUMBERS},
    {"加威", NAME_NUMBERS},
    {"微信", NAME_NUMBERS},
    {"威信", NAME_NUMBERS},
    {"薇信", NAME_NUMBERS},
    {"徽信", NAME_NUMBERS},
    {"微x", NAME_NUMBERS},
    {"薇x", NAME_NUMBERS},
    {"威x", NAME_NUMBERS},
    {"微:", NAME_NUMBERS},
    {"薇:", NAME_NUMBERS},
    {"微号", NAME_NUMBERS},
    {"qq", NAME_NUMBERS},
    {"q q", NAME_NUMBERS},
    {"扣扣", NAME_NUMBERS},
    {"抠抠", NAME_NUMBERS},
    {"企鹅", NAME_NUMBERS},
    {"电报", 0},
    {"飞机", NAME_PLAIN},
    {"纸飞机", 0},
};

/* Links that lead to an account. */
static const char *const links[] = {
    "t.me/",           "telegram.me/", "wa.me/",       "discord.gg/",       "discord.com/invite/", "line.me/",
    "u.wechat.com/",   "qm.qq.com/",   "m.me/",        "snapchat.com/add/", "chat.whatsapp.com/",  "join.skype.com/",
    "open.kakao.com/", "signal.me/",   "signal.group/"};

/* What may stand between a name and its account beside blanks and punctuation. */
static const char *const fillers[] = {"id",   "is",     "no",   "num",      "number", "name", "account",
                                      "acc",  "handle", "user", "username", "me",     "my",   "add",
                                      "号码", "账号",   "帐号", "号",       "是",     "为",   "我的",
                                      "我",   "加",     "搜",   "群",       "联系",   "也是", "同号"};

/* Whether a text of the tables may begin with this glyph: most glyphs end here. */
static bool may_begin(const char *text, const struct glyph *c)
{
    unsigned char first = (unsigned char)text[0];

    return first < 0x80 ? first == c->code : c->code >= 0x80;
}

/* Of the names that are not ASCII. */
static bool begins_han_name(uint32_t code)
{
    switch (code) {
    case 0x52A0: /* 加 */
    case 0x5FAE: /* 微 */
    case 0x5A01: /* 威 */
    case 0x8587: /* 薇 */
    case 0x5FBD: /* 徽 */
    case 0x6263: /* 扣 */
    case 0x62A0: /* 抠 */
    case 0x4F01: /* 企 */
    case 0x7535: /* 电 */
    case 0x98DE: /* 飞 */
    case 0x7EB8: /* 纸 */
        return true;
    default:
        return false;
    }
}

/* Whether a name or a link can begin at i: at the beginning of a word, with the right letter. */
static bool may_be_here(const struct glyphs *g, size_t i)
{
    const struct glyph *c = &g->items[i];

    if (c->code >= 0x80)
        return begins_han_name(c->code);
    return c->code == '+' || (strchr("wtksmvidlquojc", (char)c->code) && contact_is_border(g, i - 1));
}

static const struct messenger_name *name_at(const struct glyphs *g, size_t i, size_t *len)
{
    const struct messenger_name *best = NULL;

    for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
        size_t n = may_begin(names[k].text, &g->items[i]) ? glyphs_word(g, i, names[k].text) : 0;

        if (!n || (best && n <= *len))
            continue;
        /* "line" within "linear"; but vx123456 is a name and an account */
        if (glyph_is_ascii_letter(&g->items[i + n - 1]) && glyph_is_ascii_letter(&g->items[i + n]))
            continue;
        best = &names[k];
        *len = n;
    }
    return best;
}

struct gap {
    size_t end;
    bool pointed; /* a colon, an @, "id" or the like: what follows is meant as an account */
    bool at;      /* an @ right before the account */
    bool named;   /* "id" or 号 and a colon: even a word of letters alone is one */
};

/* The longest filler word at i. */
static size_t filler_at(const struct glyphs *g, size_t i, bool *names_account)
{
    size_t longest = 0;

    for (size_t k = 0; k < sizeof(fillers) / sizeof(*fillers); k++) {
        size_t n = glyphs_word(g, i, fillers[k]);

        if (n <= longest || (glyph_is_ascii_letter(&g->items[i]) && !contact_is_border(g, i + n)))
            continue;
        longest = n;
        *names_account = strcmp(fillers[k], "id") == 0 || strcmp(fillers[k], "account") == 0 ||
                         strcmp(fillers[k], "号") == 0 || strcmp(fillers[k], "号码") == 0 ||
                         strcmp(fillers[k], "账号") == 0 || strcmp(fillers[k], "帐号") == 0 ||
                         strcmp(fillers[k], "username") == 0 || strcmp(fillers[k], "handle") == 0;
    }
    return longest;
}

static struct gap pass_gap(const struct glyphs *g, size_t i)
{
    struct gap gap = {.end = i};
    bool account_word = false, colon = false;

    while (gap.end < g->count && gap.end - i < GAP_MAX) {
        const struct glyph *c = &g->items[gap.end];
        bool names_account = false;
        size_t n = 1;

        if (c->code == ':' || c->code == '=' || c->code == 0x2192 /* → */ || c->code == '>') {
            colon = true;
        } else if (c->code == '@') {
            gap.at = true;
        } else if (c->flags & GLYPH_LETTER) {
            n = filler_at(g, gap.end, &names_account);
            account_word = account_word || names_account;
        } else if (c->code == '\n') {
            n = 0;
        }
        if (!n)
            break;
        gap.end += n;
    }
    gap.pointed = colon || gap.at || account_word;
    gap.named = gap.at || (colon && account_word);
    return gap;
}

static bool is_account_glyph(const struct glyph *c)
{
    return glyph_is_alnum(c) || c->code == '_' || c->code == '-' || c->code == '.';
}

/* A row of digits at i, also Chinese and dressed up, as accounts that are numbers are written. */
static size_t number_end(const struct glyphs *g, size_t i, size_t *digits)
{
    unsigned value;
    size_t n;

    *digits = 0;
    while ((n = contact_digit(g, i, &value)) > 0) {
        if (n > 1) /* English words are sentences here */
            return i;
        i++;
        (*digits)++;
    }
    return i;
}

/* The account at i: its end, or i. */
static size_t account_end(const struct glyphs *g, size_t i, const struct messenger_name *name, const struct gap *gap)
{
    size_t end = i, letters = 0, others = 0, digits, number = number_end(g, i, &digits);

    if (digits >= NUMBER_MIN && digits <= NUMBER_MAX && contact_is_border(g, number))
        return (name->flags & NAME_NUMBERS) || (digits >= 10 && gap->pointed) ? number : i;
    while (end < g->count && end - i <= ACCOUNT_MAX && is_account_glyph(&g->items[end])) {
        letters += glyph_is_ascii_letter(&g->items[end]);
        others += glyph_is_digit(&g->items[end]) || g->items[end].code == '_';
        end++;
    }
    while (end > i && (g->items[end - 1].code == '.' || g->items[end - 1].code == '-'))
        end--;
    if (end - i < ACCOUNT_MIN || end - i > ACCOUNT_MAX || !letters || (!others && !gap->named))
        return i;
    return end;
}

/* A messenger's name at i with its account. Returns where to go on. */
static size_t read_account(struct contact_run *run, size_t i)
{
    const struct glyphs *g = run->g;
    size_t len = 0, end;
    const struct messenger_name *name = name_at(g, i, &len);
    struct gap gap;

    if (!name)
        return i + 1;
    gap = pass_gap(g, i + len);
    gap.pointed = gap.pointed || g->items[i + len - 1].code == ':';
    if ((name->flags & NAME_PLAIN) && !gap.pointed)
        return i + len;
    end = account_end(g, gap.end, name, &gap);
    if (end == gap.end)
        return i + len;
    contact_tell(run, CONTACT_TERM_MESSENGER, i, i + len);
    contact_tell(run, CONTACT_TERM_MESSENGER, gap.end, end);
    return end;
}

static size_t read_link(struct contact_run *run, size_t i)
{
    const struct glyphs *g = run->g;

    for (size_t k = 0; k < sizeof(links) / sizeof(*links); k++) {
        size_t n = may_begin(links[k], &g->items[i]) ? glyphs_word(g, i, links[k]) : 0, end = i + n;

        while (n && end < g->count &&
               (is_account_glyph(&g->items[end]) || g->items[end].code == '+' || g->items[end].code == '/'))
            end++;
        if (n && end - i - n >= 3) {
            contact_tell(run, CONTACT_TERM_MESSENGER, i, end);
            return end;
        }
    }
    return i;
}

void contact_find_messengers(struct contact_run *run)
{
    const struct glyphs *g = run->g;

    for (size_t i = 0; i < g->count && !run->stopped;) {
        size_t end = i;

        if (!may_be_here(g, i)) {
            i++;
            continue;
        }
        end = read_link(run, i);
        i = end > i ? end : read_account(run, i);
    }
}
