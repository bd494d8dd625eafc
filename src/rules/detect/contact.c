#include "rules/detect/contact_priv.h"

static const struct span term_names[CONTACT_TERMS] = {
    [CONTACT_TERM_PHONE] = {"phone", 5},
    [CONTACT_TERM_EMAIL] = {"email", 5},
    [CONTACT_TERM_MESSENGER] = {"messenger", 9},
};

void contact_compile(struct detector *out, unsigned contacts)
{
    out->contacts = contacts;
    out->terms = term_names;
    out->term_count = CONTACT_TERMS;
}

void contact_tell(struct contact_run *run, uint32_t term, size_t start, size_t end)
{
    const struct glyphs *g = run->g;

    if (!run->stopped && end > start)
        run->stopped = !run->found(run->arg, term, g->items[start].start, g->items[end - 1].end);
}

bool contact_is_border(const struct glyphs *g, size_t i)
{
    return i >= g->count || !(glyph_is_alnum(&g->items[i]) || g->items[i].code == '_');
}

/* The value of a Chinese numeral, plain, formal or as numbers are read out; or -1. */
static int numeral_value(uint32_t code)
{
    switch (code) {
    case 0x96F6: /* 零 */
    case 0x3007: /* 〇 */
        return 0;
    case 0x4E00: /* 一 */
    case 0x58F9: /* 壹 */
    case 0x5E7A: /* 幺 */
        return 1;
    case 0x4E8C: /* 二 */
    case 0x8D30: /* 贰 */
    case 0x8CB3: /* 貳 */
        return 2;
    case 0x4E09: /* 三 */
    case 0x53C1: /* 叁 */
        return 3;
    case 0x56DB: /* 四 */
    case 0x8086: /* 肆 */
        return 4;
    case 0x4E94: /* 五 */
    case 0x4F0D: /* 伍 */
        return 5;
    case 0x516D: /* 六 */
    case 0x9646: /* 陆 */
    case 0x9678: /* 陸 */
        return 6;
    case 0x4E03: /* 七 */
    case 0x67D2: /* 柒 */
    case 0x62D0: /* 拐 */
        return 7;
    case 0x516B: /* 八 */
    case 0x634C: /* 捌 */
        return 8;
    case 0x4E5D: /* 九 */
    case 0x7396: /* 玖 */
        return 9;
    default:
        return -1;
    }
}

size_t contact_digit(const struct glyphs *g, size_t i, unsigned *value)
{
    static const char *const words[] = {"zero", "one",   "two",   "three", "four", "five",
                                        "six",  "seven", "eight", "nine",  "oh",   "o"};
    const struct glyph *c = &g->items[i];
    int numeral;

    if (i >= g->count)
        return 0;
    if (glyph_is_digit(c)) {
        *value = c->code - '0';
        return 1;
    }
    if (c->code >= 0x3007) {
        numeral = numeral_value(c->code);
        *value = numeral < 0 ? 0 : (unsigned)numeral;
        return numeral >= 0;
    }
    if (!glyph_is_ascii_letter(c) || !strchr("zotfsen", (char)c->code) || !contact_is_border(g, i - 1))
        return 0;
    for (unsigned k = 0; k < sizeof(words) / sizeof(*words); k++) {
        size_t n = (uint32_t)words[k][0] == c->code ? glyphs_word(g, i, words[k]) : 0;

        if (n && contact_is_border(g, i + n)) {
            *value = k < 10 ? k : 0;
            return n;
        }
    }
    return 0;
}

bool contact_find(const struct detector *d, struct detector_scratch *scratch, detector_found *found, void *arg)
{
    struct contact_run run = {&scratch->glyphs, &scratch->folded, found, arg, false};

    if (d->contacts & CONTACT_PHONE)
        contact_find_phones(&run);
    if (d->contacts & CONTACT_EMAIL)
        contact_find_emails(&run);
    if (d->contacts & CONTACT_MESSENGER)
        contact_find_messengers(&run);
    return !run.stopped;
}
