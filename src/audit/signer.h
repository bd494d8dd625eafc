/* signer.h - the thread that signs checkpoints of this instance's chain.
 *
 * At intervals, and once more at the stop, when the chain has moved: reads its head, signs, appends the line to the
 * file `checkpoints` (synced), then adds it to table checkpoint. A line that came into the file alone is added to the
 * table the next time. It has a connection of its own and touches nothing that loads or answers. Without the database
 * it waits. */
#ifndef CHATSLUICE_AUDIT_SIGNER_H
#define CHATSLUICE_AUDIT_SIGNER_H

#include "base/config.h"
#include "base/err.h"

struct signer;

/* *out is NULL, and 0 returned, when no key is configured: that is logged. ERR_USAGE for a key that is none. Borrows
 * all until signer_stop. */
int signer_start(struct signer **out, const struct config *config, const char *spool_id, const char *instance_id,
                 struct err *err);
/* After the loader has stopped. NULL is fine. */
void signer_stop(struct signer *signer);

#endif
