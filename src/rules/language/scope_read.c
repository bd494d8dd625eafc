/* Reads scopes: globs over what a message says of itself. */
#include "rules/language/rule_reader.h"

#include <stdlib.h>

/* Applications are numbers: any other character could never match. */
static const char *read_app(struct reader *r, const struct yaml_node *item, const char *what)
{
    const char *text = read_line(r, item, what);

    if (text && (text[strspn(text, "0123456789*?")] || *text == '0' || strlen(text) > 20)) {
        reader_fault(r, item, "%s is the number of an SDKAppID, * and ? included; it cannot be \"%s\"", what, text);
        return NULL;
    }
    return text;
}

/* The words the platform uses today. New ones may come, so that another word is only suspicious. */
static const char *const platforms[] = {"RESTAPI", "Web",   "Android", "iOS",    "Windows",
                                        "Mac",     "macOS", "iPad",    "Unknown"};
static const char *const group_types[] = {"Live",     "AVChatRoom", "Public", "Community",
                                          "ChatRoom", "Private",    "Work",   "Meeting"};

static void warn_unless_known(struct reader *r, const struct yaml_node *item, const char *text, const char *what,
                              const char *const *words, size_t count)
{
    const char *meant;

    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], text) == 0)
            return;
    meant = strpbrk(text, "*?") ? NULL : faults_suggest(text, words, count);
    if (meant)
        reader_warn(r, item, "%s \"%s\" is not known; did you mean \"%s\"?", what, text, meant);
}

static const char *read_platform(struct reader *r, const struct yaml_node *item, const char *what)
{
    const char *text = read_line(r, item, what);

    if (text)
        warn_unless_known(r, item, text, "platform", platforms, sizeof(platforms) / sizeof(*platforms));
    return text;
}

static const char *read_group_type(struct reader *r, const struct yaml_node *item, const char *what)
{
    const char *text = read_line(r, item, what);

    if (text)
        warn_unless_known(r, item, text, "group type", group_types, sizeof(group_types) / sizeof(*group_types));
    return text;
}

static const struct {
    const char *what;
    item_reader read;
} kinds[SCOPE_KINDS] = {
    [SCOPE_APPS] = {"an app of the scope", read_app},
    [SCOPE_GROUPS] = {"a group of the scope", read_line},
    [SCOPE_GROUP_TYPES] = {"a group type of the scope", read_group_type},
    [SCOPE_SENDERS] = {"a sender of the scope", read_line},
    [SCOPE_OPERATORS] = {"an operator of the scope", read_line},
    [SCOPE_PLATFORMS] = {"a platform of the scope", read_platform},
};

static void read_globs(struct reader *r, const struct yaml_node *node, enum scope_kind kind, struct texts *out)
{
    size_t faults = r->faults->count;

    *out = read_sorted(r, node, kinds[kind].what, kinds[kind].read);
    if (!out->count && r->faults->count == faults)
        reader_fault(r, node, "this list of the scope is empty and says nothing; remove it");
}

#define SCOPE_READER(name, kind)                                                                                       \
    static void scope_##name(struct reader *r, const struct yaml_node *node, void *into)                               \
    {                                                                                                                  \
        read_globs(r, node, kind, &((struct scope *)into)->only[kind]);                                                \
    }                                                                                                                  \
    static void scope_except_##name(struct reader *r, const struct yaml_node *node, void *into)                        \
    {                                                                                                                  \
        read_globs(r, node, kind, &((struct scope *)into)->except[kind]);                                              \
    }

SCOPE_READER(apps, SCOPE_APPS)
SCOPE_READER(groups, SCOPE_GROUPS)
SCOPE_READER(group_types, SCOPE_GROUP_TYPES)
SCOPE_READER(senders, SCOPE_SENDERS)
SCOPE_READER(operators, SCOPE_OPERATORS)
SCOPE_READER(platforms, SCOPE_PLATFORMS)

static void scope_exempt_admins(struct reader *r, const struct yaml_node *node, void *into)
{
    read_bool(r, node, "exempt_admins", &((struct scope *)into)->exempt_admins);
}

static const struct key scope_keys[] = {
    {"apps", scope_apps},
    {"except_apps", scope_except_apps},
    {"groups", scope_groups},
    {"except_groups", scope_except_groups},
    {"group_types", scope_group_types},
    {"except_group_types", scope_except_group_types},
    {"senders", scope_senders},
    {"except_senders", scope_except_senders},
    {"operators", scope_operators},
    {"except_operators", scope_except_operators},
    {"platforms", scope_platforms},
    {"except_platforms", scope_except_platforms},
    {"exempt_admins", scope_exempt_admins},
};

void read_scope(struct reader *r, const struct yaml_node *node, struct scope *scope)
{
    read_map(r, node, "a scope", KEYS(scope_keys), scope);
}
