#include "store/partitions.h"

#include "base/log.h"

#include <stdio.h>
#include <time.h>

enum { DATE_TEXT = 16, MAX_DISTANCE_DAYS = 366 };

static const int64_t us_per_day = 86400 * 1000000LL;

static int64_t day_of(int64_t us)
{
    return us >= 0 ? us / us_per_day : -1;
}

static bool in_calendar(int64_t day)
{
    return day >= 0 && day < PARTITIONS_DAYS;
}

static void day_text(int64_t day, char out[DATE_TEXT])
{
    time_t t = (time_t)(day * 86400);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, DATE_TEXT, "%Y-%m-%d", &tm);
}

void partitions_reset(struct partitions *p)
{
    p->today = 0;
    memset(p->settled, 0, sizeof(p->settled));
}

/* A day that could not be made now counts as settled too: loading goes on into the default partition rather than wait
 * for a lock that a long report may hold for hours. */
static int make(struct partitions *p, struct db *db, int64_t from, int64_t to, struct err *err)
{
    char from_text[DATE_TEXT], to_text[DATE_TEXT];
    const char *params[] = {from_text, to_text};
    struct db_result *result;
    int r;

    day_text(from, from_text);
    day_text(to, to_text);
    r = db_query(db, &result, "SELECT day::text, outcome FROM chatsluice.ensure_partitions($1::date, $2::date)", 2,
                 params, err);
    if (r < 0)
        return err_prefix(err, "could not make partitions");
    for (size_t i = 0; i < db_rows(result); i++) {
        if (span_is(db_value(result, i, 1), "made"))
            log_info("partition made", log_span("day", db_value(result, i, 0)));
        else
            log_warn("partition not made, its rows go to the default partition",
                     log_span("day", db_value(result, i, 0)), log_span("reason", db_value(result, i, 1)));
    }
    db_result_free(result);
    for (int64_t day = from; day <= to; day++)
        p->settled[day / 8] |= (unsigned char)(1u << (day % 8));
    return 0;
}

int partitions_make_ahead(struct partitions *p, struct db *db, int64_t now_us, struct err *err)
{
    int64_t today = day_of(now_us);
    int64_t last = today + p->days_ahead;
    int r;

    if (today == p->today || !in_calendar(today - 1) || !in_calendar(last))
        return 0;
    r = make(p, db, today - 1, last, err);
    if (r == 0)
        p->today = today;
    return r;
}

bool partitions_settled(const struct partitions *p, int64_t event_time_us)
{
    int64_t day = day_of(event_time_us);

    if (!in_calendar(day) || day < p->today - MAX_DISTANCE_DAYS || day > p->today + MAX_DISTANCE_DAYS)
        return true;
    return p->settled[day / 8] >> (day % 8) & 1;
}

int partitions_make(struct partitions *p, struct db *db, int64_t event_time_us, struct err *err)
{
    int64_t day = day_of(event_time_us);

    return make(p, db, day, day, err);
}
