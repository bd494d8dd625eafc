/* rule_store.h - rules in the database: tables rule, term_list, term hold what moderators edit, rule_revision the
 * immutable published sets. One transaction for each call. */
#ifndef CHATSLUICE_STORE_RULE_STORE_H
#define CHATSLUICE_STORE_RULE_STORE_H

#include "rules/rule.h"
#include "store/db.h"

/* Makes the tables hold the document: its rules and lists are added or replaced; with prune those it does not name are
 * removed. */
int rule_store_import(struct db *db, const struct rule_document *doc, bool prune, const char *author, struct err *err);
/* Reads the tables into doc. */
int rule_store_export(struct db *db, struct rule_document *doc, struct faults *faults, struct err *err);

/* Compiles the tables' content, runs its examples and makes it the newest revision, all against one snapshot; ERR_USAGE
 * with *faults filled when it does not pass. ERR_CONFLICT when it equals the revision in force (*revision says which).
 */
int rule_store_publish(struct db *db, const char *author, const char *note, uint64_t *revision, struct faults *faults,
                       struct err *err);

/* The revision in force: its number, checksum and document; number 0 when none was published. document may be NULL. */
int rule_store_current(struct db *db, uint64_t *revision, struct buf *checksum, struct buf *document, struct err *err);
int rule_store_acknowledge(struct db *db, uint64_t revision, const char *instance_id, const char *error,
                           struct err *err);

#endif
