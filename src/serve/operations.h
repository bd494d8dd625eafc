/* operations.h - /healthz /readyz /metrics /version on an address and threads of their own, so that probes answer when
 * all webhook workers are busy.
 * Ready means: an event can be made durable now. A missing database is not unready, nor is a REST API that refuses an
 * application; /readyz tells of both. */
#ifndef CHATSLUICE_SERVE_OPERATIONS_H
#define CHATSLUICE_SERVE_OPERATIONS_H

#include "base/config.h"
#include "spool/spool.h"

struct operations;

int operations_start(struct operations **out, const struct config *config, struct spool *spool, struct err *err);
/* Where /readyz learns whether the REST API refuses an application, and why in a few words; NULL: nowhere any more, and
 * no call of it is under way when this returns. NULL operations are fine. */
void operations_watch_sender(struct operations *operations, bool (*breaker_open)(void *arg, char *why, size_t size),
                             void *arg);
unsigned operations_port(const struct operations *operations);
void operations_draining(struct operations *operations); /* from now on /readyz says 503 draining */
void operations_stop(struct operations *operations);     /* NULL is fine */

#endif
