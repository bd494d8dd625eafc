#include "rules/scope.h"

#include "base/utf8.h"

#include <stdio.h>

bool glob_matches(const char *glob, struct span text)
{
    const char *star = NULL;
    size_t at = 0, star_at = 0;

    while (at < text.len) {
        size_t n = utf8_char_len(text.data + at, text.len - at);

        if (*glob == '*') {
            star = ++glob;
            star_at = at;
        } else if (*glob == '?') {
            glob++;
            at += n ? n : 1;
        } else if (*glob && *glob == text.data[at]) {
            glob++;
            at++;
        } else if (star) {
            glob = star;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

static bool any_glob_matches(struct texts globs, const struct optional_text *said)
{
    for (size_t i = 0; i < globs.count && said->presence == GIVEN; i++)
        if (glob_matches(globs.items[i], said->text))
            return true;
    return false;
}

/* What a message says for one kind of scope. number has room for the digits of an app. */
static struct optional_text said(enum scope_kind kind, const struct message *m, const struct circumstances *c,
                                 char number[24])
{
    static const struct optional_text missing = {MISSING, {NULL, 0}};

    switch (kind) {
    case SCOPE_APPS:
        if (!c || !c->sdkappid)
            return missing;
        return (struct optional_text){GIVEN,
                                      {number, (size_t)snprintf(number, 24, "%llu", (unsigned long long)c->sdkappid)}};
    case SCOPE_GROUPS:
        return m->group_id;
    case SCOPE_GROUP_TYPES:
        return m->type;
    case SCOPE_SENDERS:
        return m->from_account;
    case SCOPE_OPERATORS:
        return m->operator_account;
    case SCOPE_PLATFORMS:
        return c && c->platform.len ? (struct optional_text){GIVEN, c->platform} : missing;
    case SCOPE_KINDS:
        break;
    }
    return missing;
}

bool scope_holds(const struct ruleset *set, const struct compiled_rule *rule, const struct message *message,
                 const struct circumstances *circumstances)
{
    const struct scope *scope = &rule->scope;
    char number[24];

    for (enum scope_kind k = 0; k < SCOPE_KINDS; k++) {
        struct optional_text text;

        if (!scope->only[k].count && !scope->except[k].count)
            continue;
        text = said(k, message, circumstances, number);
        if ((scope->only[k].count && !any_glob_matches(scope->only[k], &text)) ||
            any_glob_matches(scope->except[k], &text))
            return false;
    }
    return !scope->exempt_admins || !(any_glob_matches(set->admins, &message->from_account) ||
                                      any_glob_matches(set->admins, &message->operator_account));
}

static uint64_t fnv1a(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    return hash;
}

unsigned rollout_bucket(const char *rule, struct span group_id)
{
    uint64_t h = fnv1a(0xCBF29CE484222325u, rule, strlen(rule) + 1);

    h = fnv1a(h, group_id.data, group_id.len);
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
    return (unsigned)((h ^ h >> 33) % 100);
}

bool rollout_holds(const struct compiled_rule *rule, const struct message *message)
{
    if (rule->rollout >= 100)
        return true;
    return message->group_id.presence == GIVEN && rollout_bucket(rule->name, message->group_id.text) < rule->rollout;
}
