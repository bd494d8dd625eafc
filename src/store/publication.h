/* publication.h - publications and rollbacks that people ask for by SQL (moderation.publish, moderation.rollback): an
 * instance takes a request, does what `chatsluice rules publish` and `rules rollback` do, and writes down what came of
 * it.
 *
 * A request becomes at most one revision: the revision and the end of the request are one transaction, fenced by the
 * number of the attempt. A request whose instance died is taken over once its lease is over; after three of them it is
 * given up. The author is whoever asked, which the database sees to (migration 0009): an instance cannot publish
 * without a request.
 *
 * Threads: the caller's, which is busy as long as the gate runs. */
#ifndef CHATSLUICE_STORE_PUBLICATION_H
#define CHATSLUICE_STORE_PUBLICATION_H

#include "store/publish_gate.h"

/* One request at most. gate: limits and lexicon; what the asker allows is added. *found tells whether there was one to
 * carry out. An error with SQLSTATE 42501: the rights that roles.sql gives for this are missing. After one that is
 * worth another try, the request is left to whoever comes when the lease is over. */
int publication_carry_out(struct db *db, const char *instance_id, const struct gate_options *gate, bool *found,
                          struct err *err);

/* What the gate said, for people who have neither files nor command line: adds each line of faults without line and
 * column, with the rule's or list's name in place of the table's, and options as the arguments of moderation.publish.
 */
void publication_words(struct span faults, struct buf *out);

#endif
