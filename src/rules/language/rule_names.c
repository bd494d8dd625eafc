#include "rules/language/rule_names.h"

/* clang-format off */
#define NAMES(list, text, ...)                                                                                          \
    static const char *const list##_words[] = {__VA_ARGS__};                                                           \
    const struct name_list list = {list##_words, sizeof(list##_words) / sizeof(*list##_words), text}
/* clang-format on */

NAMES(
    fold_step_names,
    "case, invisible, accents, letters, lookalikes, leet, numbers, simplified, separators, repeats, censored, pinyin, "
    "initials, homophones, split",
    "case", "invisible", "accents", "letters", "lookalikes", "leet", "numbers", "simplified", "separators", "repeats",
    "censored", "pinyin", "initials", "homophones", "split");
NAMES(boundary_names, "script, any, word", "script", "any", "word");
NAMES(when_names, "before, after, both", "before", "after", "both");
NAMES(mode_names, "enforce, shadow, off", "enforce", "shadow", "off");
NAMES(action_names_list, "allow, flag, mask, replace, reject, discard", "allow", "flag", "mask", "replace", "reject",
      "discard");
NAMES(contact_names, "phone, email, messenger", "phone", "email", "messenger");
NAMES(share_names, "emoji, caps, script, digits, symbols", "emoji", "caps", "script", "digits", "symbols");
NAMES(type_names, "text, face, custom, location, sound, image, file, video, relay, unknown", "text", "face", "custom",
      "location", "sound", "image", "file", "video", "relay", "unknown");
NAMES(json_where_names, "cloud_custom_data, custom_element", "cloud_custom_data", "custom_element");
NAMES(counted_names, "sender, sender_in_room, room", "sender", "sender_in_room", "room");
NAMES(scope_names, "apps, groups, group_types, senders, operators, platforms", "apps", "groups", "group_types",
      "senders", "operators", "platforms");
NAMES(except_names,
      "except_apps, except_groups, except_group_types, except_senders, except_operators, except_platforms",
      "except_apps", "except_groups", "except_group_types", "except_senders", "except_operators", "except_platforms");
