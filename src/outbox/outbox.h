/* outbox.h - the sender: carries out what stands in table outbox by calling the platform's REST API.
 *
 * Promise: a message is sent at most once; the API's rate is never exceeded, over all instances; what cannot be known
 *          is not guessed: it waits for the After webhook that carries its marker and is then left to a person.
 * Rhythm:  one thread: claim as many rows as may be sent now, call, write down what came of it, look after rows that
 *          wait. Woken by the loader when this instance has written rows, else every outbox.poll_interval.
 * Stop:    no new claims; calls under way are finished or their outcome counts as unknown.
 * Crash:   rows stay in `sending`; when their lease has run out any instance takes them over as unknown. */
#ifndef CHATSLUICE_OUTBOX_OUTBOX_H
#define CHATSLUICE_OUTBOX_OUTBOX_H

#include "base/config.h"

struct outbox;

/* Copies what it needs of config. Applications without a secret_key are left alone. */
int outbox_start(struct outbox **out, const struct config *config, const char *instance_id, struct err *err);
/* From any thread: there are new rows. NULL is fine. */
void outbox_wake(struct outbox *outbox);
/* Takes over changed applications and keys. NULL is fine. */
int outbox_reload(struct outbox *outbox, const struct config *config, struct err *err);
void outbox_stop(struct outbox *outbox); /* NULL is fine */

/* For /readyz: whether some application's breaker is open, and if so why, in a few words, cut to size. NULL is fine. */
bool outbox_breaker_open(struct outbox *outbox, char *why, size_t size);

#endif
