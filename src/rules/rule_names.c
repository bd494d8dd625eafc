#include "rules/rule_names.h"

/* clang-format off */
#define NAMES(list, text, ...)                                                                                          \
    static const char *const list##_words[] = {__VA_ARGS__};                                                           \
    const struct name_list list = {list##_words, sizeof(list##_words) / sizeof(*list##_words), text}
/* clang-format on */

NAMES(fold_step_names, "case, invisible", "case", "invisible");
NAMES(boundary_names, "script, any, word", "script", "any", "word");
NAMES(when_names, "before, after, both", "before", "after", "both");
NAMES(mode_names, "enforce, shadow, off", "enforce", "shadow", "off");
NAMES(action_names_list, "allow, flag, mask, replace, reject, discard", "allow", "flag", "mask", "replace", "reject",
      "discard");
