#include "rules/contact_priv.h"

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

size_t contact_digit(const struct glyphs *g, size_t i, unsigned *value)
{
    static const struct {
        uint32_t code;
        unsigned value;
    } numerals[] = {{0x96F6, 0}, {0x3007, 0}, {0x4E00, 1}, {0x58F9, 1}, {0x5E7A, 1}, {0x4E8C, 2},
                    {0x8D30, 2}, {0x8CB3, 2}, {0x4E09, 3}, {0x53C1, 3}, {0x56DB, 4}, {0x8086, 4},
                    {0x4E94, 5}, {0x4F0D, 5}, {0x516D, 6}, {0x9646, 6}, {0x9678, 6}, {0x4E03, 7},
                    {0x67D2, 7}, {0x62D0, 7}, {0x516B, 8}, {0x634C, 8}, {0x4E5D, 9}, {0x7396, 9}};
    static const char *const words[] = {"zero", "one",   "two",   "three", "four", "five",
                                        "six",  "seven", "eight", "nine",  "oh",   "o"};
    const struct glyph *c = &g->items[i];

    if (i >= g->count)
        return 0;
    if (glyph_is_digit(c)) {
        *value = c->code - '0';
        return 1;
    }
    if (c->code >= 0x3007) {
        for (size_t k = 0; k < sizeof(numerals) / sizeof(*numerals); k++) {
            if (numerals[k].code == c->code) {
                *value = numerals[k].value;
                return 1;
            }
        }
        return 0;
    }
    if (!glyph_is_ascii_letter(c) || !strchr("zotfsen", (char)c->code) || !contact_is_border(g, i - 1))
        return 0;
    for (unsigned k = 0; k < sizeof(words) / sizeof(*words); k++) {
        size_t n = glyphs_word(g, i, words[k]);

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
