#include "store/incident_log.h"

#include "base/incidents.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_TEXT = 24 };

static int write_one(struct db *db, const char *instance_id, const struct incident *i, struct err *err)
{
    static const char sql[] =
        "INSERT INTO chatsluice.incident (instance_id, kind, subject, began_at, ended_at, seen_at, detail)"
        " VALUES ($1, $2, $3, 'epoch'::timestamptz + $4::bigint * interval '1 microsecond',"
        " 'epoch'::timestamptz + nullif($5::bigint, 0) * interval '1 microsecond', now(), $6)"
        " ON CONFLICT (instance_id, kind, subject, began_at)"
        " DO UPDATE SET ended_at = excluded.ended_at, seen_at = excluded.seen_at";
    char subject[NUMBER_TEXT] = "", began[NUMBER_TEXT], ended[NUMBER_TEXT];
    const char *params[] = {instance_id, incident_kind_name(i->kind), subject, began, ended, i->detail};

    if (i->subject > 0)
        snprintf(subject, sizeof(subject), "%" PRIu64, i->subject);
    snprintf(began, sizeof(began), "%" PRId64, i->began_us);
    snprintf(ended, sizeof(ended), "%" PRId64, i->ended_us);
    return db_query(db, NULL, sql, 6, params, err);
}

int incident_log_write(struct db *db, const char *instance_id, struct err *err)
{
    struct incident taken[INCIDENTS_KEPT];
    size_t count = incidents_take(taken);

    for (size_t i = 0; i < count; i++) {
        if (write_one(db, instance_id, &taken[i], err) < 0)
            return err_prefix(err, "could not write table incident");
        incidents_settle(&taken[i]);
    }
    return 0;
}
