/* Phone numbers. Digits are read into a run: groups with one separator between two of them. The run as a whole, or what
 * stands between its blanks, must look like a number in one of the ways people write them; so prices, scores, dates,
 * versions and order numbers stay what they are. */
#include "rules/detect/contact_priv.h"

enum { RUN_DIGITS = 24, RUN_GROUPS = 24 };

enum separator { SEPARATOR_NONE, SEPARATOR_BLANK, SEPARATOR_TIGHT }; /* a hyphen, dot, comma of any kind */

struct group {
    size_t start, end;     /* glyphs, end exclusive */
    unsigned first, count; /* of the run's digits */
    enum separator before;
    bool words;          /* has English words */
    bool opened, closed; /* in parentheses */
};

struct run {
    struct group groups[RUN_GROUPS];
    size_t count;
    char digits[RUN_DIGITS];
    unsigned digit_count;
    bool plus;     /* a + before it */
    bool too_long; /* more digits than any number has: nothing in it is one */
    size_t start, end;
};

/* Reading a run
 * --------------------------------------------------------------------------------------------------------- */

static bool is_tight(uint32_t code)
{
    return code == '-' || code == '.' || code == '_' || code == '~' || code == '*' || code == ',' || code == 0x3001 ||
           code == 0x3002 || code == 0xB7 || code == 0x2013 || code == 0x2014 || code == 0x2010 || code == 0x2212;
}

/* Whether code is a sign of a sum of money or a share, which no phone number touches. */
static bool is_money(uint32_t code)
{
    return code == '$' || code == '%' || code == 0xA3 || code == 0xA5 || code == 0x20AC || code == 0x20A9 ||
           code == 0x5143 /* 元 */ || code == 0x5757 /* 块 */ || code == 0x5186 /* 円 */;
}

static size_t read_group(const struct glyphs *g, size_t i, enum separator before, struct run *run)
{
    struct group *group = &run->groups[run->count];
    unsigned value;
    size_t n;

    *group = (struct group){.start = i, .first = run->digit_count, .before = before};
    while ((n = contact_digit(g, i, &value)) > 0) {
        group->words = group->words || n > 1;
        if (run->digit_count == RUN_DIGITS)
            run->too_long = true;
        else
            run->digits[run->digit_count++] = (char)('0' + value);
        group->count++;
        i += n;
    }
    group->end = i;
    return i;
}

/* One separator at i, at most two glyphs: its number of glyphs when a digit may follow. */
static size_t separator_at(const struct glyphs *g, size_t i, enum separator *kind)
{
    uint32_t code = g->items[i].code, next;

    if (i + 1 >= g->count)
        return 0;
    next = g->items[i + 1].code;
    if (code == ' ') {
        *kind = SEPARATOR_BLANK;
        if (next == '-' || next == 0x2013) /* " - " */ {
            *kind = SEPARATOR_TIGHT;
            return i + 2 < g->count && g->items[i + 2].code == ' ' ? 3 : 2;
        }
        return next == ' ' ? 2 : 1;
    }
    if (is_tight(code)) {
        *kind = next == ' ' ? SEPARATOR_BLANK : SEPARATOR_TIGHT;
        return next == ' ' ? 2 : 1;
    }
    return 0;
}

/* The run at i, which is a digit, a + or an opening parenthesis before one. Its end, or i when there is none. */
static size_t read_run(const struct glyphs *g, size_t i, struct run *run)
{
    enum separator before = SEPARATOR_NONE;
    unsigned value;
    size_t n;

    *run = (struct run){.start = i, .end = i};
    if (g->items[i].code == '+') {
        run->plus = true;
        i++;
        i += i < g->count && g->items[i].code == ' ';
    }
    while (i < g->count) {
        bool opened = g->items[i].code == '(';

        if (!contact_digit(g, i + opened, &value))
            break;
        if (run->count == RUN_GROUPS) {
            run->too_long = true;
            run->count--;
        }
        i = read_group(g, i + opened, before, run);
        run->groups[run->count].opened = opened;
        run->groups[run->count].start -= opened;
        run->groups[run->count].closed = opened && g->items[i].code == ')';
        i += run->groups[run->count].closed;
        run->end = run->groups[run->count++].end = i;
        before = SEPARATOR_NONE;
        n = separator_at(g, i, &before);
        if (!n && !(run->groups[run->count - 1].closed || g->items[i].code == '('))
            break;
        i += n;
    }
    return run->end;
}

/* What is a number
 * ------------------------------------------------------------------------------------------------------ */

struct part { /* of a run: groups first..last */
    const struct run *run;
    size_t first, last;
    const char *digits;
    unsigned count;
};

static struct part part_of(const struct run *run, size_t first, size_t last)
{
    unsigned end = run->groups[last].first + run->groups[last].count;

    return (struct part){run, first, last, run->digits + run->groups[first].first, end - run->groups[first].first};
}

/* Whether the groups from the skip-th on have these sizes, as "344" says, or are all single digits. */
static bool is_grouped(const struct part *p, size_t skip, const char *const *ways, size_t way_count)
{
    size_t count = p->last - p->first + 1 - skip;
    bool single = true;

    for (size_t i = 0; i < count; i++)
        single = single && p->run->groups[p->first + skip + i].count == 1;
    if (single)
        return true;
    for (size_t w = 0; w < way_count; w++) {
        size_t i = 0;

        while (i < count && ways[w][i] && p->run->groups[p->first + skip + i].count == (unsigned)(ways[w][i] - 'a'))
            i++;
        if (i == count && !ways[w][i])
            return true;
    }
    return false;
}

/* Sizes of groups, a letter each: 'a' is 0, so "dee" is 3-4-4. */
static const char *const mobile_ways[] = {"l", "dee", "di", "he", "ddf", "eed", "ede", "fg", "decc", "dddc", "bcee"};
static const char *const national_ways[] = {"l", "dee", "fg", "ede", "di", "ded"};

#define WAYS(ways) ways, sizeof(ways) / sizeof(*(ways))

static bool starts_mobile(const char *digits)
{
    return digits[0] == '1' && digits[1] >= '3';
}

static bool is_all_same(const char *digits, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if (digits[i] != digits[0])
            return false;
    return true;
}

/* 13800138000, with or without 86 in a group of its own, or 8613800138000. */
static bool is_mobile(const struct part *p)
{
    const struct group *first = &p->run->groups[p->first];
    bool code = first->count == 2 && p->digits[0] == '8' && p->digits[1] == '6';
    bool long_code = first->count == 4 && strncmp(p->digits, "0086", 4) == 0;

    if (p->count == 11 && starts_mobile(p->digits))
        return !is_all_same(p->digits + 2, 9) && is_grouped(p, 0, WAYS(mobile_ways));
    if (p->count == 13 && strncmp(p->digits, "86", 2) == 0 && starts_mobile(p->digits + 2))
        return p->first == p->last || (code && is_grouped(p, 1, WAYS(mobile_ways))) || is_grouped(p, 0, NULL, 0) ||
               first->count == 5;
    if (p->count == 15 && strncmp(p->digits, "0086", 4) == 0 && starts_mobile(p->digits + 4))
        return p->first == p->last || (long_code && is_grouped(p, 1, WAYS(mobile_ways)));
    return false;
}

/* With a + and a country code. */
static bool is_international(const struct part *p)
{
    if (!p->run->plus || p->first != 0 || p->count < 8 || p->count > 15 || p->digits[0] == '0' ||
        is_all_same(p->digits + 2, p->count - 2))
        return false;
    if (p->digits[0] == '1' || p->digits[0] == '7')
        return p->count == 11;
    return p->count >= 9;
}

/* 00 and a country code, in groups: in one it is a number of something else. */
static bool is_dialled_international(const struct part *p)
{
    return p->last > p->first && p->count >= 11 && p->count <= 16 && p->digits[0] == '0' && p->digits[1] == '0' &&
           p->digits[2] != '0' && p->run->groups[p->first].count >= 4 && p->run->groups[p->first].count <= 5;
}

/* (021) 5555 1234, 021-55551234, (212) 555-0123, 212-555-0123, 020 7946 0958 */
static bool is_national(const struct part *p)
{
    const struct group *first = &p->run->groups[p->first];
    size_t groups = p->last - p->first + 1;
    bool tight = groups > 1 && p->run->groups[p->first + 1].before == SEPARATOR_TIGHT;

    if (groups < 2 || groups > 4 || first->count < 3 || first->count > 5)
        return false;
    if (p->digits[0] == '0' && p->digits[1] != '0' && (first->closed || tight) && p->count >= 10 && p->count <= 12)
        return p->count - first->count >= 6;
    if (p->digits[0] == '0' && p->digits[1] != '0' && p->count == 11)
        return groups >= 2 && is_grouped(p, 0, WAYS(national_ways));
    if (p->count == 10 && groups <= 3 && first->count == 3 && p->digits[0] >= '2' && p->digits[3] >= '2' &&
        (first->closed || tight)) {
        const struct group *second = &p->run->groups[p->first + 1];

        return groups == 3 ? second->count == 3 && (first->closed || p->run->groups[p->last].before == SEPARATOR_TIGHT)
                           : first->closed;
    }
    return false;
}

/* Spelled in English words: who writes ten digits so means a number, unless he counts. */
static bool is_spelled(const struct part *p)
{
    bool counting_up = true, counting_down = true;

    for (size_t i = p->first; i <= p->last; i++)
        if (!p->run->groups[i].words)
            return false;
    for (unsigned i = 1; i < p->count; i++) {
        counting_up = counting_up && (p->digits[i] - p->digits[i - 1] + 10) % 10 == 1; /* zero after nine */
        counting_down = counting_down && (p->digits[i - 1] - p->digits[i] + 10) % 10 == 1;
    }
    return p->count >= 10 && p->count <= 13 && !counting_up && !counting_down && !is_all_same(p->digits, p->count);
}

static bool is_number(const struct glyphs *g, const struct part *p)
{
    size_t start = p->run->groups[p->first].start, end = p->run->groups[p->last].end;
    bool plus = p->run->plus && p->first == 0;

    if (plus)
        start = p->run->start;
    if (!contact_is_border(g, start - 1) || !contact_is_border(g, end) ||
        (start && is_money(g->items[start - 1].code)) || is_money(g->items[end].code))
        return false;
    return is_mobile(p) || is_international(p) || is_dialled_international(p) || is_national(p) || is_spelled(p);
}

static bool tell_if_number(struct contact_run *now, const struct part *p)
{
    bool plus = p->run->plus && p->first == 0;

    if (!is_number(now->g, p))
        return false;
    contact_tell(now, CONTACT_TERM_PHONE, plus ? p->run->start : p->run->groups[p->first].start,
                 p->run->groups[p->last].end);
    return true;
}

/* The whole run, or what stands between its blanks. */
static void look_at(struct contact_run *now, const struct run *run)
{
    struct part all = part_of(run, 0, run->count - 1);
    size_t first = 0;

    if (tell_if_number(now, &all))
        return;
    for (size_t i = 1; i <= run->count; i++) {
        struct part p;

        if (i < run->count && run->groups[i].before != SEPARATOR_BLANK)
            continue;
        p = part_of(run, first, i - 1);
        tell_if_number(now, &p);
        first = i;
    }
}

void contact_find_phones(struct contact_run *now)
{
    const struct glyphs *g = now->g;

    for (size_t i = 0; i < g->count && !now->stopped;) {
        struct run run;
        uint32_t code = g->items[i].code;
        unsigned value;
        size_t end;

        if (code != '+' && code != '(' && !contact_digit(g, i, &value)) {
            i++;
            continue;
        }
        if (glyph_is_digit(&g->items[i]) && !contact_is_border(g, i - 1)) { /* the end of a word */
            while (i < g->count && glyph_is_digit(&g->items[i]))
                i++;
            continue;
        }
        end = read_run(g, i, &run);
        if (run.count && !run.too_long && run.digit_count >= 8)
            look_at(now, &run);
        i = end > i ? end : i + 1;
    }
}
