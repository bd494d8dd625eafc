#include "rules/scope.h"

#include "base/utf8.h"

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

static bool any_glob_matches(struct texts globs, const struct optional_text *id)
{
    for (size_t i = 0; i < globs.count && id->presence == GIVEN; i++)
        if (glob_matches(globs.items[i], id->text))
            return true;
    return false;
}

bool scope_holds(const struct compiled_rule *rule, const struct message *m)
{
    const struct scope *scope = &rule->scope;

    if (scope->only[SCOPE_GROUPS].count && !any_glob_matches(scope->only[SCOPE_GROUPS], &m->group_id))
        return false;
    if (scope->only[SCOPE_SENDERS].count && !any_glob_matches(scope->only[SCOPE_SENDERS], &m->from_account))
        return false;
    return !any_glob_matches(scope->except[SCOPE_GROUPS], &m->group_id) &&
           !any_glob_matches(scope->except[SCOPE_SENDERS], &m->from_account);
}
