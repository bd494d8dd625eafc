/* database_side.h - the part of serve that needs PostgreSQL: the schema once, then loader, rule source,
 * rollups and sender.
 *
 * A thread of its own tries until the database answers, so that answering webhooks never waits for it. */
#ifndef CHATSLUICE_CLI_DATABASE_SIDE_H
#define CHATSLUICE_CLI_DATABASE_SIDE_H

#include "base/config.h"
#include "rules/ruleset.h"
#include "spool/spool.h"

struct database_side;

/* Borrows config, spool and slot until database_side_stop. */
int database_side_start(struct database_side **out, const struct config *config, struct spool *spool,
                        struct ruleset_slot *slot, const char *instance_id, struct err *err);
void database_side_look_for_rules(struct database_side *side); /* NULL is fine */
/* Takes over changed applications and outbox.time_to_live. Borrows config until the next reload or database_side_stop.
 * NULL is fine. */
int database_side_reload(struct database_side *side, const struct config *config, struct err *err);
/* As outbox_breaker_open. NULL is fine. */
bool database_side_breaker_open(struct database_side *side, char *why, size_t size);
/* No new REST calls; those under way are waited for. Before the webhooks stop: a call's own Before webhook comes back
 * here while it is under way, and unanswered it would go out unmarked or not at all. NULL is fine. */
void database_side_stop_sending(struct database_side *side);
/* Waits until the loader has stored what is durable now, at most timeout_ms, and not at all without a database. */
void database_side_drain(struct database_side *side, int64_t timeout_ms);
void database_side_stop(struct database_side *side); /* NULL is fine */

#endif
