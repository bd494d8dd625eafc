/* incident_log.h - incidents of this process (base/incidents.h) written to table incident. */
#ifndef CHATSLUICE_STORE_INCIDENT_LOG_H
#define CHATSLUICE_STORE_INCIDENT_LOG_H

#include "store/db.h"

/* Writes what is new, over or going on; what goes on is seen again. Costs nothing when there is nothing. Repeating it
 * is harmless: what was not written yet, or of which that is not known, is written again. */
int incident_log_write(struct db *db, const char *instance_id, struct err *err);

#endif
