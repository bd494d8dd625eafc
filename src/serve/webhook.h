/* webhook.h - the platform's side of the service: one request from bytes to reply (design.md section 3). */
#ifndef CHATSLUICE_SERVE_WEBHOOK_H
#define CHATSLUICE_SERVE_WEBHOOK_H

#include "base/config.h"
#include "base/http_server.h"
#include "rules/history.h"
#include "rules/ruleset.h"
#include "spool/spool.h"

struct webhook;

/* Starts answering on config->webhook.listen. Borrows spool, slot and history until webhook_stop. */
int webhook_start(struct webhook **out, const struct config *config, struct spool *spool, struct ruleset_slot *slot,
                  struct history *history, struct err *err);
unsigned webhook_port(const struct webhook *webhook);
/* Takes over what may change while running (tokens, applications, verdicts, deadlines); copies what it needs. */
int webhook_reload(struct webhook *webhook, const struct config *config, struct err *err);
/* Drains: no reply is lost. NULL is fine. */
void webhook_stop(struct webhook *webhook);

#endif
