/* export.h - stored events with the proof that they are as they were loaded, for somebody who has openssl and no
 * database.
 *
 * In the directory, for each spool the events came through, a folder of its id:
 *     public.pem  checkpoint.txt  checkpoint.sig     what was signed, and how to check it
 *     blocks/N.header N.digest                       of each block up to the one the checkpoint names
 *     blocks/N.leaves                                of those the events are in
 *     first.previous                                 the hash before the first of them
 *     blocks.txt                                     their numbers in order
 *     events/SEQ.open SEQ.personal SEQ.salt SEQ.raw  the bytes that are digested (of an erased event SEQ.digest instead
 * of the last three), and the webhook's body events.txt                                     lines "SEQ BLOCK PLACE":
 * PLACE counts the leaves of the block from 0 The script that checks it stands in the README. */
#ifndef CHATSLUICE_AUDIT_EXPORT_H
#define CHATSLUICE_AUDIT_EXPORT_H

#include "base/crypto.h"
#include "store/db.h"

struct export_options {
    int64_t from_us, to_us; /* event times, to_us not included */
    const char *room;       /* NULL: any */
    const char *event_id;   /* NULL: any */
    const char *directory;  /* made; must not be there */
    struct crypto_key *const *keys;
    size_t key_count;
};

enum { EXPORT_MOST_EVENTS = 10000 };

/* ERR_NOT_FOUND: no such events. ERR_CONFLICT: no checkpoint covers them yet, or they do not fit the chain. */
int audit_export(struct db *db, const struct export_options *options, uint64_t *events, struct err *err);

#endif
