/* scope.h - which messages a rule looks at: globs over room and sender. Case counts, * is any text, ? one character. */
#ifndef CHATSLUICE_RULES_SCOPE_H
#define CHATSLUICE_RULES_SCOPE_H

#include "rules/ruleset_priv.h"

bool glob_matches(const char *glob, struct span text);

/* A rule that names rooms or senders does not hold for a message that says none. */
bool scope_holds(const struct compiled_rule *rule, const struct message *message);

#endif
