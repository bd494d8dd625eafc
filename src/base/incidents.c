#include "base/incidents.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct {
    pthread_mutex_t lock; /* guards the rest */
    struct incident kept[INCIDENTS_KEPT];
    size_t count;
    uint64_t changes;
} list = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *incident_kind_name(enum incident_kind kind)
{
    static const char *const names[INCIDENT_KINDS] = {
        [INCIDENT_SPOOL_FILLING] = "spool filling", [INCIDENT_SPOOL_FULL] = "spool full",
        [INCIDENT_SPOOL_STALLED] = "spool stalled", [INCIDENT_DATABASE_AWAY] = "database away",
        [INCIDENT_BREAKER_OPEN] = "breaker open",
    };

    return names[kind];
}

static struct incident *find_going_on(enum incident_kind kind, uint64_t subject)
{
    for (size_t i = 0; i < list.count; i++)
        if (list.kept[i].kind == kind && list.kept[i].subject == subject && list.kept[i].ended_us == 0)
            return &list.kept[i];
    return NULL;
}

/* False when there is no room. */
static bool begin_locked(enum incident_kind kind, uint64_t subject, const char *detail)
{
    struct incident *i;

    if (list.count == INCIDENTS_KEPT)
        return false;
    i = &list.kept[list.count++];
    *i = (struct incident){.kind = kind, .subject = subject, .began_us = clock_wall_us(), .change = ++list.changes};
    if (detail) {
        size_t len = utf8_cut(detail, strlen(detail), sizeof(i->detail) - 1);

        memcpy(i->detail, detail, len);
        i->detail[len] = '\0';
    }
    return true;
}

void incident_set(enum incident_kind kind, uint64_t subject, bool now, const char *detail)
{
    struct incident *i;
    bool kept = true;

    pthread_mutex_lock(&list.lock);
    i = find_going_on(kind, subject);
    if (now && !i) {
        kept = begin_locked(kind, subject, detail);
    } else if (!now && i) {
        i->ended_us = clock_wall_us();
        if (i->ended_us < i->began_us) /* the clock was set back */
            i->ended_us = i->began_us;
        i->change = ++list.changes;
    }
    pthread_mutex_unlock(&list.lock);
    if (!kept)
        log_warn("incident left out, too many are not written yet", log_str("kind", incident_kind_name(kind)));
}

size_t incidents_take(struct incident out[INCIDENTS_KEPT])
{
    size_t count;

    pthread_mutex_lock(&list.lock);
    count = list.count;
    memcpy(out, list.kept, count * sizeof(*out));
    pthread_mutex_unlock(&list.lock);
    return count;
}

void incidents_settle(const struct incident *written)
{
    pthread_mutex_lock(&list.lock);
    for (size_t i = 0; i < list.count; i++)
        if (list.kept[i].change == written->change && written->ended_us != 0) {
            list.kept[i] = list.kept[--list.count];
            break;
        }
    pthread_mutex_unlock(&list.lock);
}
