/* yaml_json.h - the quick way for a document that is JSON: the same nodes that libyaml would give, five times faster.
 * Private to yaml.c. What is not plain JSON is left to libyaml, which also finds the words for what is wrong. */
#ifndef CHATSLUICE_BASE_YAML_JSON_H
#define CHATSLUICE_BASE_YAML_JSON_H

#include "base/yaml.h"

enum { YAML_MAX_DEPTH = 32 };

/* The root, made of memory from alloc (zeroed, never freed one by one; NULL: none left), or NULL: not plain JSON. */
struct yaml_node *yaml_json_parse(struct span text, void *(*alloc)(void *arg, size_t bytes), void *arg);

#endif
