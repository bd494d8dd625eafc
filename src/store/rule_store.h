/* rule_store.h - rules in the database: tables rule, term_list, term, scorecard, fold_table and rule_admin
 * hold what moderators edit, rule_revision the
 * immutable published sets (rule_revision.h has more of those, publish.h adds to them). One transaction for each call,
 * where nothing else is said. */
#ifndef CHATSLUICE_STORE_RULE_STORE_H
#define CHATSLUICE_STORE_RULE_STORE_H

#include "rules/rule.h"
#include "store/db.h"

/* Makes the tables hold the document: its rules, lists, scorecards and so on are added or replaced; with prune those it
 * does not name are removed. */
int rule_store_import(struct db *db, const struct rule_document *doc, bool prune, const char *author, struct err *err);
/* Reads the tables into doc. */
int rule_store_export(struct db *db, struct rule_document *doc, struct faults *faults, struct err *err);

/* The same two inside the transaction that is open on db. */
int rule_store_write_tables(struct db *db, const struct rule_document *doc, bool prune, const char *author,
                            struct err *err);
int rule_store_read_tables(struct db *db, struct rule_document *doc, struct faults *faults, struct err *err);

/* The revision in force: its number, checksum and document; number 0 when none was published. document may be NULL. */
int rule_store_current(struct db *db, uint64_t *revision, struct buf *checksum, struct buf *document, struct err *err);
int rule_store_acknowledge(struct db *db, uint64_t revision, const char *instance_id, const char *error,
                           struct err *err);

#endif
