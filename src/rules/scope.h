/* scope.h - which messages a rule looks at, and in which rooms it is enforced. */
#ifndef CHATSLUICE_RULES_SCOPE_H
#define CHATSLUICE_RULES_SCOPE_H

#include "rules/judge.h"
#include "rules/ruleset_priv.h"

/* Case counts, * is any text, ? one character. */
bool glob_matches(const char *glob, struct span text);

/* Globs over what the message says of itself, or what is known of it. A rule that names rooms (senders, apps...) does
 * not hold for a message that says none; what is excepted is excepted only where it is said. circumstances may be NULL:
 * no app and no platform are known. */
bool scope_holds(const struct ruleset *set, const struct compiled_rule *rule, const struct message *message,
                 const struct circumstances *circumstances);

/* A number 0..99 that a rule gives to a room, always the same one, on every instance and in every version: a rollout of
 * n percent is enforced in the rooms below n, so that raising it only adds rooms. Another rule deals them out anew.
 * FNV-1a (64 bits) of name, a zero byte and group id, then the finaliser of MurmurHash3, modulo 100. */
unsigned rollout_bucket(const char *rule, struct span group_id);

/* Whether a rollout has reached the message's room. A message of no room waits for 100 percent. */
bool rollout_holds(const struct compiled_rule *rule, const struct message *message);

#endif
