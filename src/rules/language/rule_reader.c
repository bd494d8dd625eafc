#include "rules/language/rule_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The entry, (rule "x"), unless the words name it themselves. */
static void add_entry(const struct reader *r, char *words, size_t size)
{
    char entry[RULE_MAX_NAME + 16];
    size_t len = strlen(words);

    if (!r->name)
        return;
    snprintf(entry, sizeof(entry), "%s \"%s\"", r->kind, r->name);
    if (!strstr(words, entry))
        snprintf(words + len, size - len, " (%s)", entry);
}

void reader_fault(struct reader *r, const struct yaml_node *node, const char *fmt, ...)
{
    char words[960];
    va_list args;

    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    add_entry(r, words, sizeof(words));
    faults_add(r->faults, r->source, node->line, node->column, "%s", words);
}

void reader_warn(struct reader *r, const struct yaml_node *node, const char *fmt, ...)
{
    char words[960];
    va_list args;

    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    add_entry(r, words, sizeof(words));
    faults_warn(r->faults, r->source, node->line, node->column, "%s", words);
}

static void unknown_key(struct reader *r, const struct yaml_node *key, const char *what, const struct key *keys,
                        size_t count)
{
    const char *names[RULE_MAX_KEYS], *meant;

    for (size_t k = 0; k < count; k++)
        names[k] = keys[k].name;
    meant = faults_suggest(key->text.data, names, count);
    if (meant)
        reader_fault(r, key, "%s has no key \"%.*s\"; did you mean \"%s\"?", what, (int)key->text.len, key->text.data,
                     meant);
    else
        reader_fault(r, key, "%s has no key \"%.*s\"; remove it", what, (int)key->text.len, key->text.data);
}

bool read_map(struct reader *r, const struct yaml_node *map, const char *what, const struct key *keys, size_t count,
              void *into)
{
    if (map->kind != YAML_MAP) {
        reader_fault(r, map, "%s must be a map of keys and values", what);
        return false;
    }
    for (size_t i = 0; i < map->count; i++) {
        size_t k = 0;

        while (k < count && !span_is(map->keys[i]->text, keys[k].name))
            k++;
        if (k < count)
            keys[k].read(r, map->items[i], into);
        else
            unknown_key(r, map->keys[i], what, keys, count);
    }
    return true;
}

const char *read_text(struct reader *r, const struct yaml_node *node, const char *what, size_t max)
{
    if (node->kind != YAML_SCALAR) {
        reader_fault(r, node, "%s must be a text", what);
        return NULL;
    }
    if (node->text.len == 0) {
        reader_fault(r, node, "%s is empty; give a text or leave the key out", what);
        return NULL;
    }
    if (node->text.len > max) {
        reader_fault(r, node, "%s has %zu bytes; at most %zu are possible", what, node->text.len, max);
        return NULL;
    }
    for (size_t i = 0; i < node->text.len; i++) {
        unsigned char c = (unsigned char)node->text.data[i];

        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
            reader_fault(r, node, "%s holds the control character U+%04X; remove it", what, c);
            return NULL;
        }
    }
    return arena_span(r->arena, node->text).data;
}

const char *read_line(struct reader *r, const struct yaml_node *item, const char *what)
{
    const char *text = read_text(r, item, what, RULE_MAX_TEXT);

    if (text && strpbrk(text, "\n\t")) {
        reader_fault(r, item, "%s must be one line", what);
        return NULL;
    }
    return text;
}

const char *read_name(struct reader *r, const struct yaml_node *node, const char *what)
{
    const char *name = read_text(r, node, what, RULE_MAX_NAME);

    if (name && strpbrk(name, " \t\n")) {
        reader_fault(r, node, "%s \"%s\" holds a blank; use \"-\" instead", what, name);
        return NULL;
    }
    return name;
}

int read_word(struct reader *r, const struct yaml_node *node, const char *what, const struct name_list *names)
{
    const char *meant;

    if (node->kind != YAML_SCALAR) {
        reader_fault(r, node, "%s must be one of: %s", what, names->all);
        return -1;
    }
    for (size_t i = 0; i < names->count; i++)
        if (span_is(node->text, names->names[i]))
            return (int)i;
    meant = faults_suggest(node->text.data, names->names, names->count);
    if (meant)
        reader_fault(r, node, "%s cannot be \"%.*s\"; did you mean \"%s\"?", what, (int)node->text.len, node->text.data,
                     meant);
    else
        reader_fault(r, node, "%s cannot be \"%.*s\"; it is one of: %s", what, (int)node->text.len, node->text.data,
                     names->all);
    return -1;
}

/* The nodes of a list, or node itself as a list of one. */
static const struct yaml_node *const *items_of(const struct yaml_node *const *node, size_t *count)
{
    if ((*node)->kind != YAML_LIST) {
        *count = 1;
        return node;
    }
    *count = (*node)->count;
    return (const struct yaml_node *const *)(*node)->items;
}

unsigned read_words(struct reader *r, const struct yaml_node *node, const char *what, const struct name_list *names)
{
    size_t count;
    const struct yaml_node *const *items = items_of(&node, &count);
    unsigned bits = 0;

    if (!count)
        reader_fault(r, node, "%s is empty; give some of: %s", what, names->all);
    for (size_t i = 0; i < count; i++) {
        int word = read_word(r, items[i], what, names);

        bits |= word >= 0 ? 1u << word : 0;
    }
    return bits;
}

struct texts read_items(struct reader *r, const struct yaml_node *node, const char *what, item_reader read)
{
    size_t count, kept = 0;
    const struct yaml_node *const *items = items_of(&node, &count);
    const char **texts = arena_array(r->arena, count, sizeof(*texts));

    for (size_t i = 0; i < count && texts; i++) {
        const char *text = read(r, items[i], what);

        if (text)
            texts[kept++] = text;
    }
    return (struct texts){texts, kept};
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct texts read_sorted(struct reader *r, const struct yaml_node *node, const char *what, item_reader read)
{
    struct texts read_texts = read_items(r, node, what, read);
    const char **sorted = arena_array(r->arena, read_texts.count, sizeof(*sorted));
    size_t kept = 0;

    if (!sorted || !read_texts.count)
        return (struct texts){NULL, 0};
    memcpy(sorted, read_texts.items, read_texts.count * sizeof(*sorted));
    qsort(sorted, read_texts.count, sizeof(*sorted), by_text);
    for (size_t i = 0; i < read_texts.count; i++)
        if (!kept || strcmp(sorted[kept - 1], sorted[i]) != 0)
            sorted[kept++] = sorted[i];
    return (struct texts){sorted, kept};
}

static bool to_i64(struct span text, int64_t *out)
{
    bool negative = text.len && text.data[0] == '-';
    unsigned long long n;

    if (!span_to_u64((struct span){text.data + negative, text.len - negative}, &n) || n > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

bool read_number(struct reader *r, const struct yaml_node *node, const char *what, int64_t least, int64_t most,
                 int64_t *out)
{
    int64_t n;

    if (node->kind != YAML_SCALAR || !to_i64(node->text, &n) || n < least || n > most) {
        if (most > INT64_MAX / 2)
            reader_fault(r, node, "%s must be a whole number", what);
        else
            reader_fault(r, node, "%s must be a whole number from %lld to %lld", what, (long long)least,
                         (long long)most);
        return false;
    }
    *out = n;
    return true;
}

bool read_bool(struct reader *r, const struct yaml_node *node, const char *what, bool *out)
{
    bool yes = node->kind == YAML_SCALAR && (span_is(node->text, "true") || span_is(node->text, "yes"));
    bool no = node->kind == YAML_SCALAR && (span_is(node->text, "false") || span_is(node->text, "no"));

    if (!yes && !no)
        reader_fault(r, node, "%s must be true or false", what);
    else
        *out = yes;
    return yes || no;
}

bool read_duration(struct reader *r, const struct yaml_node *node, const char *what, int64_t least_ms, int64_t most_ms,
                   const char *shown, int64_t *out_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};
    struct span text = node->kind == YAML_SCALAR ? node->text : (struct span){NULL, 0};
    size_t digits = 0;
    unsigned long long n = 0;

    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    if (digits && digits < 10 && span_to_u64((struct span){text.data, digits}, &n))
        for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
            if (span_is((struct span){text.data + digits, text.len - digits}, units[i].name) &&
                (int64_t)n * units[i].ms >= least_ms && (int64_t)n * units[i].ms <= most_ms) {
                *out_ms = (int64_t)n * units[i].ms;
                return true;
            }
    reader_fault(r, node, "%s must be a time %s, with its unit: 10s, 5m, 1h", what, shown);
    return false;
}

/* `all` stands for every step, of this version and of later ones. */
void read_folding(struct reader *r, const struct yaml_node *node, unsigned *steps)
{
    unsigned read = FOLD_NONE;

    if (node->kind != YAML_LIST) {
        reader_fault(r, node, "folding must be a list of: %s, or all; [] for none", fold_step_names.all);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        int step;

        if (node->items[i]->kind == YAML_SCALAR && span_is(node->items[i]->text, "all")) {
            read = FOLD_ALL;
            continue;
        }
        step = read_word(r, node->items[i], "folding", &fold_step_names);
        if (step >= 0)
            read |= 1u << step;
    }
    *steps = read;
}

struct texts read_table_names(struct reader *r, const struct yaml_node *node)
{
    return read_sorted(r, node, "the name of a table", read_name);
}
