/* migrate.h - brings a database to the schema this binary knows. The numbered files of migrations/ are embedded at
 * build time; each runs in one transaction under a lock, so two instances at once are safe. */
#ifndef CHATSLUICE_STORE_MIGRATE_H
#define CHATSLUICE_STORE_MIGRATE_H

#include "store/db.h"

unsigned migrate_known_version(void); /* the newest one embedded */

/* 0 for a database without a schema. */
int migrate_database_version(struct db *db, unsigned *version, struct err *err);

/* Applies what is missing; applied(version, name, arg) is told of each. ERR_CONFLICT when the database is newer than
 * this binary: nothing is changed. dry_run: only tells. */
int migrate_run(struct db *db, bool dry_run, void (*applied)(unsigned version, const char *name, void *arg), void *arg,
                struct err *err);

#endif
