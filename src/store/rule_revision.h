/* rule_revision.h - the rows of rule_revision: reading, adding, history, and who runs which. What is added here is
 * there for good; the database itself refuses to change it (migration 0003). */
#ifndef CHATSLUICE_STORE_RULE_REVISION_H
#define CHATSLUICE_STORE_RULE_REVISION_H

#include "base/buf.h"
#include "rules/ruleset.h"
#include "store/db.h"

enum revision_kind { REVISION_PUBLISH, REVISION_ROLLBACK, REVISION_AUTOMATIC_ROLLBACK };

/* Of a publication that was asked for by SQL (publication.h): the database then takes author, note and kind from the
 * request, and ends it with the same transaction. Numbers as text. */
struct revision_ticket {
    const char *request, *attempt;
};

struct revision_row {          /* a row to be added */
    const struct ruleset *set; /* counts and checksum */
    const char *document, *author, *note;
    enum revision_kind kind;
    uint64_t restores;            /* of a rollback, else 0 */
    const char *gate, *overrides; /* JSON, NULL: none */
    bool canary_ran;
    uint64_t canary_judged, canary_changed;
    const struct revision_ticket *ticket; /* NULL: nobody asked by SQL */
};

/* Takes the next number and adds the row, in the transaction that is open. With a ticket the revisions that a rollback
 * passes over are set aside as well. */
int rule_revision_add(struct db *db, const struct revision_row *row, uint64_t *revision, struct err *err);

/* The document of a revision, whatever its status. ERR_NOT_FOUND. */
int rule_revision_read(struct db *db, uint64_t revision, struct buf *document, struct err *err);
/* The same, read into a new document. */
int rule_revision_document(struct db *db, uint64_t revision, struct rule_document **out, struct err *err);

struct revision_entry {
    uint64_t revision;
    uint64_t predecessor; /* the revision before it by number; 0: none */
    struct span published_at, author, note, kind, status, status_by, status_at, checksum; /* "" for null */
    uint64_t restores, rolled_back_by;                                                    /* 0: null */
    uint64_t rules, terms;
    bool in_force, canary_ran;
    uint64_t canary_judged, canary_changed;
    struct span overrides, gate;     /* JSON; gate "" for none */
    uint64_t taken, refused, silent; /* instances; silent: live ones that have not acknowledged the one in force */
};
/* The newest `limit` ones, the newest first; an error of each() ends it. Entries are valid during the call. */
int rule_revision_history(struct db *db, uint64_t limit,
                          int (*each)(const struct revision_entry *entry, void *arg, struct err *err), void *arg,
                          struct err *err);

/* An instance seen within 15 s, and what it has made of a revision. */
struct revision_instance {
    struct span instance_id, host, error;                            /* error: why it refused */
    uint64_t pid, runs;                                              /* the revision it says it runs */
    enum { INSTANCE_SILENT, INSTANCE_TOOK, INSTANCE_REFUSED } state; /* one that has gone on to a newer one took it */
    int64_t after_ms; /* from publication to acknowledgement; -1: unknown */
};
int rule_revision_instances(struct db *db, uint64_t revision,
                            void (*each)(const struct revision_instance *instance, void *arg), void *arg,
                            struct err *err);

#endif
