#include "base/yaml_json.h"

#include "base/utf8.h"

#include <stdlib.h>

struct reading {
    const char *at, *end;
    unsigned line, column; /* of at; a column is a character, as libyaml counts */
    unsigned depth;
    void *(*alloc)(void *arg, size_t bytes);
    void *arg;
};

/* Children whose number is not known yet. */
struct children {
    struct yaml_node **items;
    size_t count, cap;
};

static void skip(struct reading *r, size_t bytes)
{
    for (const char *stop = r->at + bytes; r->at < stop; r->at++)
        r->column += ((unsigned char)*r->at & 0xC0) != 0x80;
}

static void skip_blanks(struct reading *r)
{
    for (; r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'); r->at++) {
        r->column++;
        if (*r->at == '\n') {
            r->line++;
            r->column = 1;
        }
    }
}

static bool take(struct reading *r, char c)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    r->column++;
    return true;
}

static struct yaml_node *node_new(struct reading *r, enum yaml_kind kind)
{
    struct yaml_node *node = r->alloc(r->arg, sizeof(*node));

    if (node)
        *node = (struct yaml_node){.kind = kind, .line = r->line, .column = r->column};
    return node;
}

/* Characters that YAML folds, strips or refuses: C1 controls, U+2028, U+2029, U+FEFF, U+FFFE, U+FFFF. */
static bool is_special(const char *p)
{
    unsigned char a = (unsigned char)p[0], b = (unsigned char)p[1], c = b ? (unsigned char)p[2] : 0;

    return (a == 0xC2 && b < 0xA0) || (a == 0xE2 && b == 0x80 && (c == 0xA8 || c == 0xA9)) ||
           (a == 0xEF && b == 0xBB && c == 0xBF) || (a == 0xEF && b == 0xBF && c >= 0xBE);
}

/* A string without escapes but \" and \\ and without control characters; anything else is libyaml's. */
static struct yaml_node *read_string(struct reading *r)
{
    const char *start = r->at + 1, *p = start;
    struct yaml_node *node = node_new(r, YAML_SCALAR);
    size_t len = 0;
    char *text;

    while (p < r->end && *p != '"' && (unsigned char)*p >= 0x20 && *p != 0x7F &&
           !((unsigned char)*p >= 0xC2 && r->end - p > 2 && is_special(p)))
        p += *p == '\\' ? 2 : 1;
    if (p >= r->end || *p != '"' || !node || !(text = r->alloc(r->arg, (size_t)(p - start) + 1)))
        return NULL;
    for (const char *q = start; q < p; q++) {
        if (*q == '\\' && *++q != '"' && *q != '\\')
            return NULL;
        text[len++] = *q;
    }
    node->quoted = true;
    node->text = (struct span){text, len};
    skip(r, (size_t)(p + 1 - r->at));
    return node;
}

/* A number, true, false or null: letters, digits and what stands in numbers. */
static struct yaml_node *read_word(struct reading *r)
{
    size_t len = 0, left = (size_t)(r->end - r->at);
    struct yaml_node *node = node_new(r, YAML_SCALAR);
    char *text;

    while (len < left && ((r->at[len] >= '0' && r->at[len] <= '9') || (r->at[len] >= 'a' && r->at[len] <= 'z') ||
                          (len && (r->at[len] == '.' || r->at[len] == 'E')) || r->at[len] == '-'))
        len++;
    if (!len || (*r->at == '-' && len == 1) || !node || !(text = r->alloc(r->arg, len + 1)))
        return NULL;
    memcpy(text, r->at, len);
    node->text = (struct span){text, len};
    skip(r, len);
    return node;
}

static bool keep(struct children *c, struct yaml_node *node)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 16;
        struct yaml_node **grown = realloc(c->items, cap * sizeof(struct yaml_node *));

        if (!grown)
            return false;
        c->items = grown;
        c->cap = cap;
    }
    c->items[c->count++] = node;
    return node != NULL;
}

static struct yaml_node **copy_children(struct reading *r, const struct children *c)
{
    struct yaml_node **items = r->alloc(r->arg, (c->count + 1) * sizeof(struct yaml_node *));

    if (items && c->count)
        memcpy(items, c->items, c->count * sizeof(struct yaml_node *));
    return items;
}

static struct yaml_node *read_value(struct reading *r);

/* A map is short, so looking at all keys before is no harm; one with many is libyaml's. */
static bool is_new_key(const struct children *keys, const struct yaml_node *key)
{
    for (size_t i = 0; key && i < keys->count; i++)
        if (span_equal(keys->items[i]->text, key->text))
            return false;
    return key && keys->count < 256;
}

static bool read_members(struct reading *r, enum yaml_kind kind, struct children *keys, struct children *values)
{
    char closing = kind == YAML_MAP ? '}' : ']';

    if (take(r, closing))
        return true;
    do {
        if (kind == YAML_MAP) {
            struct yaml_node *key;

            skip_blanks(r);
            key = r->at < r->end && *r->at == '"' ? read_string(r) : NULL;
            if (!is_new_key(keys, key) || !keep(keys, key) || !take(r, ':'))
                return false;
        }
        if (!keep(values, read_value(r)))
            return false;
    } while (take(r, ','));
    return take(r, closing);
}

static struct yaml_node *read_collection(struct reading *r, enum yaml_kind kind)
{
    struct yaml_node *node = node_new(r, kind);
    struct children keys = {0}, values = {0};
    bool ok;

    skip(r, 1);
    ok = node && ++r->depth <= YAML_MAX_DEPTH && read_members(r, kind, &keys, &values);
    r->depth--;
    if (ok) {
        node->count = values.count;
        node->items = copy_children(r, &values);
        node->keys = copy_children(r, &keys);
        ok = node->items && node->keys;
    }
    free(keys.items);
    free(values.items);
    return ok ? node : NULL;
}

static struct yaml_node *read_value(struct reading *r)
{
    skip_blanks(r);
    if (r->at == r->end)
        return NULL;
    switch (*r->at) {
    case '{':
        return read_collection(r, YAML_MAP);
    case '[':
        return read_collection(r, YAML_LIST);
    case '"':
        return read_string(r);
    default:
        return read_word(r);
    }
}

struct yaml_node *yaml_json_parse(struct span text, void *(*alloc)(void *arg, size_t bytes), void *arg)
{
    struct reading r = {.line = 1, .column = 1, .alloc = alloc, .arg = arg};
    struct yaml_node *root;

    if (!text.len || *text.data != '{' || utf8_valid_prefix(text.data, text.len) != text.len)
        return NULL;
    r.at = text.data;
    r.end = text.data + text.len;
    root = read_value(&r);
    skip_blanks(&r);
    return root && r.at == r.end ? root : NULL;
}
