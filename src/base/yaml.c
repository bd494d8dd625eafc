#include "base/yaml.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "base/yaml_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

enum { YAML_MAX_TEXT = 64 * 1024 * 1024 };

/* Nodes and texts live in a chain of blocks that is freed whole. */
struct block {
    struct block *next;
    size_t used, cap;
    max_align_t data[];
};

enum { BLOCK_BYTES = 64 * 1024 };

struct yaml_tree {
    char *source;
    struct yaml_node *root;
    struct block *blocks;
};

static void *doc_alloc(void *tree, size_t bytes)
{
    struct yaml_tree *doc = tree;
    struct block *b = doc->blocks;
    void *place;

    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!b || b->cap - b->used < bytes) {
        size_t cap = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

        b = malloc(sizeof(*b) + cap);
        if (!b)
            return NULL;
        *b = (struct block){.next = doc->blocks, .cap = cap};
        doc->blocks = b;
    }
    place = (char *)b->data + b->used;
    b->used += bytes;
    return memset(place, 0, bytes);
}

/* Everything one parse needs; the event is libyaml's, deleted after each step. */
struct loader {
    struct yaml_tree *doc;
    struct span text;
    yaml_parser_t parser;
    struct err *err;
    unsigned depth;
};

static int fault_at(struct loader *l, yaml_mark_t mark, const char *what)
{
    return err_set(l->err, ERR_USAGE, "%s:%zu:%zu: %s", l->doc->source, mark.line + 1, mark.column + 1, what);
}

/* What libyaml's reader refuses it places by the byte; people look for lines. */
static int unreadable(struct loader *l)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < l->parser.problem_offset && i < l->text.len; i++) {
        if (l->text.data[i] == '\n')
            mark = (yaml_mark_t){.line = mark.line + 1};
        else if (((unsigned char)l->text.data[i] & 0xC0) != 0x80)
            mark.column++;
    }
    return err_set(l->err, ERR_USAGE, "%s:%zu:%zu: %s; save the file as UTF-8, without it", l->doc->source,
                   mark.line + 1, mark.column + 1, l->parser.problem);
}

static int out_of_memory(struct loader *l)
{
    return err_set(l->err, ERR_FAILED, "%s: out of memory", l->doc->source);
}

static int next_event(struct loader *l, yaml_event_t *event)
{
    if (yaml_parser_parse(&l->parser, event))
        return 0;
    if (l->parser.error == YAML_MEMORY_ERROR)
        return out_of_memory(l);
    if (l->parser.error == YAML_READER_ERROR)
        return unreadable(l);
    return fault_at(l, l->parser.problem_mark, l->parser.problem ? l->parser.problem : "not valid YAML");
}

static struct yaml_node *node_new(struct loader *l, enum yaml_kind kind, yaml_mark_t mark)
{
    struct yaml_node *node = doc_alloc(l->doc, sizeof(*node));

    if (node) {
        node->kind = kind;
        node->line = (unsigned)mark.line + 1;
        node->column = (unsigned)mark.column + 1;
    }
    return node;
}

static int load_scalar(struct loader *l, const yaml_event_t *event, struct yaml_node **out)
{
    struct yaml_node *node = node_new(l, YAML_SCALAR, event->start_mark);
    size_t len = event->data.scalar.length;
    char *text = doc_alloc(l->doc, len + 1);

    if (!node || !text)
        return out_of_memory(l);
    memcpy(text, event->data.scalar.value, len);
    if (memchr(text, '\0', len) || utf8_valid_prefix(text, len) != len)
        return fault_at(l, event->start_mark, "a text must be UTF-8 without U+0000");
    node->text = (struct span){text, len};
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    *out = node;
    return 0;
}

static int load_node(struct loader *l, yaml_event_t *event, struct yaml_node **out);

/* Pointers gathered while their number is not known yet, then copied into the document. */
struct pointers {
    struct yaml_node **items;
    size_t count, cap;
};

static int pointers_add(struct loader *l, struct pointers *p, struct yaml_node *node)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        struct yaml_node **items = realloc(p->items, cap * sizeof(struct yaml_node *));

        if (!items)
            return out_of_memory(l);
        p->items = items;
        p->cap = cap;
    }
    p->items[p->count++] = node;
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct yaml_node *const *x = a, *const *y = b;
    size_t shorter = (*x)->text.len < (*y)->text.len ? (*x)->text.len : (*y)->text.len;
    int order = memcmp((*x)->text.data, (*y)->text.data, shorter);

    if (order != 0)
        return order;
    return ((*x)->text.len > (*y)->text.len) - ((*x)->text.len < (*y)->text.len);
}

static int refuse_duplicate_keys(struct loader *l, const struct yaml_node *map)
{
    struct yaml_node **sorted = doc_alloc(l->doc, (map->count + 1) * sizeof(struct yaml_node *));
    int r = 0;

    if (!sorted)
        return out_of_memory(l);
    memcpy(sorted, map->keys, map->count * sizeof(struct yaml_node *));
    qsort(sorted, map->count, sizeof(struct yaml_node *), compare_keys);
    for (size_t i = 1; i < map->count && r == 0; i++) {
        if (span_equal(sorted[i]->text, sorted[i - 1]->text)) {
            const struct yaml_node *a = sorted[i - 1], *b = sorted[i];
            const struct yaml_node *later = a->line > b->line || (a->line == b->line && a->column > b->column) ? a : b;

            r = err_set(l->err, ERR_USAGE, "%s:%u:%u: key \"%.*s\" stands here a second time; keep one of them",
                        l->doc->source, later->line, later->column, (int)later->text.len, later->text.data);
        }
    }
    return r;
}

/* List or map: children until the closing event. In a map every other child is a key. */
static int load_collection(struct loader *l, enum yaml_kind kind, yaml_mark_t mark, struct yaml_node **out)
{
    yaml_event_type_t closing = kind == YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    struct yaml_node *node = node_new(l, kind, mark);
    struct pointers keys = {0}, values = {0};
    bool want_key = kind == YAML_MAP;
    int r = node ? 0 : out_of_memory(l);

    if (r == 0 && ++l->depth > YAML_MAX_DEPTH)
        r = fault_at(l, mark, "nested too deeply");
    while (r == 0) {
        yaml_event_t event;
        struct yaml_node *child = NULL;

        r = next_event(l, &event);
        if (r < 0)
            break;
        if (event.type == closing) {
            yaml_event_delete(&event);
            break;
        }
        if (want_key && event.type != YAML_SCALAR_EVENT)
            r = fault_at(l, event.start_mark, "a key must be a plain text");
        if (r == 0)
            r = load_node(l, &event, &child);
        yaml_event_delete(&event);
        if (r == 0)
            r = pointers_add(l, want_key ? &keys : &values, child);
        if (kind == YAML_MAP)
            want_key = !want_key;
    }
    l->depth--;
    if (r == 0) {
        node->count = values.count;
        node->items = doc_alloc(l->doc, (values.count + 1) * sizeof(struct yaml_node *));
        node->keys = doc_alloc(l->doc, (keys.count + 1) * sizeof(struct yaml_node *));
        if (!node->items || !node->keys) {
            r = out_of_memory(l);
        } else {
            if (values.count > 0)
                memcpy(node->items, values.items, values.count * sizeof(struct yaml_node *));
            if (keys.count > 0)
                memcpy(node->keys, keys.items, keys.count * sizeof(struct yaml_node *));
        }
    }
    if (r == 0 && kind == YAML_MAP)
        r = refuse_duplicate_keys(l, node);
    free(keys.items);
    free(values.items);
    if (r == 0)
        *out = node;
    return r;
}

static int refuse_extras(struct loader *l, const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        return fault_at(l, event->start_mark, "anchors (&name) are not accepted");
    return tag ? fault_at(l, event->start_mark, "tags (!name) are not accepted; leave it out") : 0;
}

static int load_node(struct loader *l, yaml_event_t *event, struct yaml_node **out)
{
    int r;

    if (event->type == YAML_ALIAS_EVENT)
        return fault_at(l, event->start_mark, "aliases (*name) are not accepted; write the value out");
    if (event->type == YAML_SCALAR_EVENT) {
        r = refuse_extras(l, event, event->data.scalar.anchor, event->data.scalar.tag);
        return r < 0 ? r : load_scalar(l, event, out);
    }
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        r = refuse_extras(l, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return r < 0 ? r : load_collection(l, YAML_LIST, event->start_mark, out);
    }
    if (event->type == YAML_MAPPING_START_EVENT) {
        r = refuse_extras(l, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return r < 0 ? r : load_collection(l, YAML_MAP, event->start_mark, out);
    }
    return fault_at(l, event->start_mark, "a value is expected here");
}

/* The stream: one document at most, with one root. */
static int load_stream(struct loader *l)
{
    bool seen = false;

    for (;;) {
        yaml_event_t event;
        yaml_event_type_t type;
        int r = next_event(l, &event);

        if (r < 0)
            return r;
        type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && seen)
            r = fault_at(l, event.start_mark, "a second document starts here; use one file for each");
        else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                 type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT)
            r = load_node(l, &event, &l->doc->root);
        seen = seen || type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&event);
        if (r < 0 || type == YAML_STREAM_END_EVENT)
            return r;
    }
}

int yaml_tree_parse(struct yaml_tree **out, const char *source, struct span text, struct err *err)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* what some editors begin UTF-8 files with */
    struct loader l = {.err = err};
    int r;

    if (text.len >= 3 && memcmp(text.data, mark, 3) == 0)
        text = (struct span){text.data + 3, text.len - 3};
    l.text = text;
    l.doc = calloc(1, sizeof(*l.doc));
    if (l.doc)
        l.doc->source = strdup(source);
    if (l.doc && l.doc->source && text.len <= YAML_MAX_TEXT) {
        l.doc->root = yaml_json_parse(text, doc_alloc, l.doc);
        if (l.doc->root) {
            *out = l.doc;
            return 0;
        }
    }
    if (!l.doc || !l.doc->source || !yaml_parser_initialize(&l.parser)) {
        yaml_tree_free(l.doc);
        return err_set(err, ERR_FAILED, "%s: out of memory", source);
    }
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)(text.data ? text.data : ""), text.len);
    r = text.len > YAML_MAX_TEXT ? err_set(err, ERR_USAGE, "%s: longer than %d bytes", source, YAML_MAX_TEXT)
                                 : load_stream(&l);
    yaml_parser_delete(&l.parser);
    if (r < 0) {
        yaml_tree_free(l.doc);
        return r;
    }
    *out = l.doc;
    return 0;
}

int yaml_tree_read(struct yaml_tree **out, const char *path, size_t max_bytes, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    struct buf text;
    int r = 0;

    if (!file)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, "could not open \"%s\"", path);
    buf_init(&text, max_bytes);
    for (;;) {
        char piece[16384];
        size_t got = fread(piece, 1, sizeof(piece), file);

        buf_add(&text, piece, got);
        if (got < sizeof(piece) || buf_failed(&text))
            break;
    }
    if (ferror(file))
        r = err_set_errno(err, ERR_FAILED, "could not read \"%s\"", path);
    else if (buf_failed(&text))
        r = err_set(err, ERR_USAGE, "%s: longer than %zu bytes", path, max_bytes);
    else
        r = yaml_tree_parse(out, path, buf_span(&text), err);
    fclose(file);
    buf_release(&text);
    return r;
}

void yaml_tree_free(struct yaml_tree *doc)
{
    if (!doc)
        return;
    while (doc->blocks) {
        struct block *next = doc->blocks->next;

        free(doc->blocks);
        doc->blocks = next;
    }
    free(doc->source);
    free(doc);
}

const struct yaml_node *yaml_tree_root(const struct yaml_tree *doc)
{
    return doc->root;
}

const char *yaml_tree_source(const struct yaml_tree *doc)
{
    return doc->source;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (span_is(map->keys[i]->text, key))
            return map->items[i];
    }
    return NULL;
}
