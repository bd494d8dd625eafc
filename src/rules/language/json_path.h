/* json_path.h - where a value stands in JSON, as rules write it: keys separated by dots, ["quoted key"] for keys with
 * other characters, [n] for an item of a list, counted from 0: mod.tags[0], ["a.b"].level */
#ifndef CHATSLUICE_RULES_LANGUAGE_JSON_PATH_H
#define CHATSLUICE_RULES_LANGUAGE_JSON_PATH_H

#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

enum { JSON_PATH_MAX = 512, JSON_PATH_MAX_STEPS = 16, JSON_PATH_MAX_INDEX = 65535 };

struct json_step {
    bool is_index;
    struct span key; /* borrowed from the path; quotes taken off */
    uint32_t index;
};

/* 0 and the steps of the path with their number, or ERR_USAGE with what is wrong. steps has room for
 * JSON_PATH_MAX_STEPS. */
int json_path_parse(struct span path, struct json_step *steps, size_t *count, struct err *err);

#endif
