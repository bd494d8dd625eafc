#include "rules/detect/domain.h"

#include "base/utf8.h"
#include "rules/sort.h"

#include <libpsl.h>
#include <stdlib.h>

enum { LABEL_MAX = 63 };

/* One form ----------------------------------------------------------------------------------------------------------
 */

/* RFC 3492, with its parameters for domain names. */
enum { PUNY_BASE = 36, PUNY_TMIN = 1, PUNY_TMAX = 26, PUNY_SKEW = 38, PUNY_DAMP = 700, PUNY_BIAS = 72, PUNY_N = 0x80 };

struct label {
    uint32_t codes[LABEL_MAX];
    size_t count;
};

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / PUNY_DAMP : delta / 2;
    delta += delta / points;
    for (; delta > ((PUNY_BASE - PUNY_TMIN) * PUNY_TMAX) / 2; k += PUNY_BASE)
        delta /= PUNY_BASE - PUNY_TMIN;
    return k + (PUNY_BASE - PUNY_TMIN + 1) * delta / (delta + PUNY_SKEW);
}

static char puny_digit(uint32_t d)
{
    return (char)(d < 26 ? 'a' + d : '0' + d - 26);
}

/* Writes delta as a generalized variable-length integer. False when out is full. */
static bool puny_number(uint32_t delta, uint32_t bias, char *out, size_t *len)
{
    for (uint32_t k = PUNY_BASE;; k += PUNY_BASE) {
        uint32_t t = k <= bias ? PUNY_TMIN : k >= bias + PUNY_TMAX ? PUNY_TMAX : k - bias;

        if (*len == LABEL_MAX)
            return false;
        if (delta < t) {
            out[(*len)++] = puny_digit(delta);
            return true;
        }
        out[(*len)++] = puny_digit(t + (delta - t) % (PUNY_BASE - t));
        delta = (delta - t) / (PUNY_BASE - t);
    }
}

static uint32_t smallest_from(const struct label *label, uint32_t n)
{
    uint32_t smallest = UINT32_MAX;

    for (size_t i = 0; i < label->count; i++)
        if (label->codes[i] >= n && label->codes[i] < smallest)
            smallest = label->codes[i];
    return smallest;
}

/* "xn--..." of a label that is not ASCII; 0 when it gets too long. delta stays far below 2^32 for 63 characters. */
static size_t puny_label(const struct label *label, char out[LABEL_MAX])
{
    uint32_t n = PUNY_N, delta = 0, bias = PUNY_BIAS, done;
    size_t len = 4, basic = 0;

    memcpy(out, "xn--", 4);
    for (size_t i = 0; i < label->count; i++) {
        if (label->codes[i] >= PUNY_N)
            continue;
        if (len == LABEL_MAX)
            return 0;
        out[len++] = (char)label->codes[i];
        basic++;
    }
    if (basic && len < LABEL_MAX)
        out[len++] = '-';
    for (done = (uint32_t)basic; done < label->count;) {
        uint32_t next = smallest_from(label, n);

        delta += (next - n) * (done + 1);
        n = next;
        for (size_t i = 0; i < label->count; i++) {
            delta += label->codes[i] < n;
            if (label->codes[i] != n)
                continue;
            if (!puny_number(delta, bias, out, &len))
                return 0;
            bias = adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
        delta++;
        n++;
    }
    return len;
}

/* Adds one label to out. False when it cannot be one. */
static bool add_label(struct span text, char out[DOMAIN_MAX + 1], size_t *len)
{
    struct label label = {.count = 0};
    char puny[LABEL_MAX];
    bool ascii = true;
    size_t n, puny_len;

    for (size_t i = 0; i < text.len; i += n) {
        n = utf8_char_len(text.data + i, text.len - i);
        if (!n || label.count == LABEL_MAX)
            return false;
        label.codes[label.count] = utf8_decode(text.data + i, n);
        ascii = label.codes[label.count++] < 0x80 && ascii;
    }
    if (!ascii) {
        puny_len = puny_label(&label, puny);
        text = (struct span){puny, puny_len};
    }
    if (!text.len || text.len > LABEL_MAX || *len + text.len + 1 > DOMAIN_MAX)
        return false;
    if (*len)
        out[(*len)++] = '.';
    memcpy(out + *len, text.data, text.len);
    *len += text.len;
    return true;
}

size_t domain_normalize(struct span host, struct folded *scratch, char out[DOMAIN_MAX + 1])
{
    size_t len = 0;

    while (host.len && host.data[host.len - 1] == '.')
        host.len--;
    if (!host.len || fold_text(scratch, FOLD_BASE, host) < 0)
        return 0;
    host = scratch->text;
    for (size_t at = 0; at <= host.len;) {
        const char *dot = at < host.len ? memchr(host.data + at, '.', host.len - at) : NULL;
        size_t end = dot ? (size_t)(dot - host.data) : host.len;

        if (!add_label((struct span){host.data + at, end - at}, out, &len))
            return 0;
        at = end + 1;
    }
    out[len] = '\0';
    return len;
}

/* Endings -----------------------------------------------------------------------------------------------------------
 */

/* Without the list's rule "*", by which every word would be an ending. */
static bool is_public_suffix(const char *name)
{
    const psl_ctx_t *psl = psl_builtin();

    return psl && psl_is_public_suffix2(psl, name, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE);
}

bool domain_is_ending(const char *label)
{
    return is_public_suffix(label);
}

bool domain_is_registrable(const char *name)
{
    const char *last = strrchr(name, '.');

    return last && is_public_suffix(last + 1) && !is_public_suffix(name);
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

bool domain_ending_is_word(const char *name)
{
    /* Of two letters: words of ordinary English, German, Spanish, French or Italian chat that come right after a full
     * stop when the blank is forgotten ("yes.so what", "fin.la suite"), and endings of files people talk about. */
    static const char *const short_words[] = {"ad", "ai", "al", "am", "as", "at", "be", "by", "do", "es", "gg", "hm",
                                              "hn", "id", "il", "im", "in", "is", "it", "la", "ma", "md", "me", "mm",
                                              "mo", "mr", "ms", "mt", "my", "na", "ne", "no", "nu", "pa", "pm", "ps",
                                              "py", "rs", "se", "sh", "so", "st", "su", "to", "tt", "us", "va"};
    /* Longer ones are words of some language (live, shop, top, online, zip, mov...), but for these. */
    static const char *const long_others[] = {"com", "net", "org", "edu", "gov", "mil",
                                              "int", "biz", "xyz", "vip", "icu"};
    /* Software that is named like a host. */
    static const char *const names[] = {"asp.net", "vb.net", "ado.net", "ml.net", "paint.net", "socket.io", "draw.io"};
    const char *last = strrchr(name, '.');

    if (is_one_of(name, names, sizeof(names) / sizeof(*names)))
        return true;
    last = last ? last + 1 : name;
    return strlen(last) <= 2 ? is_one_of(last, short_words, sizeof(short_words) / sizeof(*short_words))
                             : !is_one_of(last, long_others, sizeof(long_others) / sizeof(*long_others));
}

/* Sets --------------------------------------------------------------------------------------------------------------
 */

struct entry {
    const char *name;
    uint32_t written;
};

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->written > y->written) - (x->written < y->written);
}

void domain_set_compile(struct domain_set *out, struct texts domains, struct arena *a)
{
    struct entry *entries = calloc(domains.count + 1, sizeof(*entries));
    const char **names = arena_array(a, domains.count, sizeof(*names));
    uint32_t *written = arena_array(a, domains.count, sizeof(*written));
    struct folded folded = FOLDED_INIT;
    size_t count = 0, kept = 0;

    *out = (struct domain_set){.count = 0};
    if (!entries)
        a->failed = true;
    for (size_t i = 0; i < domains.count && !a->failed; i++) {
        char name[DOMAIN_MAX + 1];

        if (domain_normalize(span_of(domains.items[i]), &folded, name))
            entries[count++] = (struct entry){arena_text(a, name), (uint32_t)i};
    }
    if (!a->failed) {
        sort_in_place(entries, count, sizeof(*entries), by_name);
        for (size_t i = 0; i < count; i++) {
            if (kept && strcmp(names[kept - 1], entries[i].name) == 0)
                continue;
            names[kept] = entries[i].name;
            written[kept++] = entries[i].written;
        }
        *out = (struct domain_set){names, written, kept};
    }
    folded_release(&folded);
    free(entries);
}

static int compare_name(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

size_t domain_set_find(const struct domain_set *set, const char *name)
{
    while (name && set->count) {
        const char *const *found = bsearch(name, set->names, set->count, sizeof(*set->names), compare_name);

        if (found)
            return (size_t)(found - set->names);
        name = strchr(name, '.');
        name = name ? name + 1 : NULL;
    }
    return SIZE_MAX;
}
