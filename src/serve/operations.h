/* operations.h - /healthz /readyz /metrics /version on an address and threads of their own, so that probes answer when
 * all webhook workers are busy.
 * Ready means: an event can be made durable now. A missing database is not unready. */
#ifndef CHATSLUICE_SERVE_OPERATIONS_H
#define CHATSLUICE_SERVE_OPERATIONS_H

#include "base/config.h"
#include "spool/spool.h"

struct operations;

int operations_start(struct operations **out, const struct config *config, struct spool *spool, struct err *err);
unsigned operations_port(const struct operations *operations);
void operations_draining(struct operations *operations); /* from now on /readyz says 503 draining */
void operations_stop(struct operations *operations);     /* NULL is fine */

#endif
