/* yaml.h - a YAML (or JSON) document as a tree that knows line and column of every node. The one file over libyaml.
 *
 * Aliases and anchors are refused (they can grow a small text without bound), as are tags, duplicate keys, more than
 * one document, depth over 32 and texts over the given size. Text is valid UTF-8 without U+0000. */
#ifndef CHATSLUICE_BASE_YAML_H
#define CHATSLUICE_BASE_YAML_H

#include "base/err.h"
#include "base/span.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    unsigned line, column;    /* from 1 */
    bool quoted;              /* a scalar written with quotes: "no" is a text, no is a boolean */
    struct span text;         /* YAML_SCALAR; also ends with a NUL */
    size_t count;             /* YAML_LIST, YAML_MAP */
    struct yaml_node **items; /* values */
    struct yaml_node **keys;  /* YAML_MAP: scalars */
};

struct yaml_tree;

/* source names the text in error messages ("config/chatsluice.yaml", "rule_revision 7"): "source:line:column: ...". */
int yaml_tree_parse(struct yaml_tree **out, const char *source, struct span text, struct err *err);
int yaml_tree_read(struct yaml_tree **out, const char *path, size_t max_bytes, struct err *err);
void yaml_tree_free(struct yaml_tree *doc); /* NULL is fine; frees all nodes */

const struct yaml_node *yaml_tree_root(const struct yaml_tree *doc); /* NULL for an empty document */
const char *yaml_tree_source(const struct yaml_tree *doc);
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key); /* NULL if absent or map is no map */

#endif
