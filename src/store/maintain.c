#include "store/maintain.h"

#include "base/clock.h"
#include "store/maintain_step.h"

#include <string.h>

/* One line a step, in the order they are done: the indexes before the statistics, which tell of what indexes compute.
 */
static const struct {
    const char *name, *purpose;
    int (*run)(struct maintain *m, struct err *err);
} steps[] = {
    {"indexes", "build the heavy indexes of days that are over", maintain_indexes},
    {"statistics", "vacuum and analyze days that are over, once", maintain_statistics},
};

enum { STEP_COUNT = sizeof(steps) / sizeof(steps[0]) };

const char *maintain_step_name(size_t i)
{
    return i < STEP_COUNT ? steps[i].name : NULL;
}

const char *maintain_step_purpose(size_t i)
{
    return i < STEP_COUNT ? steps[i].purpose : NULL;
}

bool maintain_goes_on(const struct maintain *m)
{
    return db_alive(m->db) && (m->deadline_us == 0 || clock_mono_us() < m->deadline_us);
}

void maintain_tell(struct maintain *m, const char *what, const char *outcome, const struct err *err)
{
    m->failures += err != NULL;
    m->options->told(m->step, what, err ? err->text : outcome, err != NULL, m->options->arg);
}

/* A lock that is not to be had soon is somebody's who matters more: the next run tries again. Building an index waits
 * for every transaction that began before it, a report of an hour among them. */
static const char patience[] = "SET lock_timeout = '60s'; SET statement_timeout = 0";

int maintain_run(struct db *db, const struct maintain_options *options, struct err *err)
{
    struct maintain m = {.db = db, .options = options};
    struct err why;
    int r = 0;

    if (options->at_most_us > 0)
        m.deadline_us = clock_mono_us() + options->at_most_us;
    if (db_exec(db, patience, err) < 0)
        return err_prefix(err, "could not begin");
    for (size_t i = 0; i < STEP_COUNT && r == 0; i++) {
        if (options->only_step && strcmp(options->only_step, steps[i].name) != 0)
            continue;
        m.step = steps[i].name;
        if (steps[i].run(&m, &why) < 0)
            maintain_tell(&m, "", NULL, &why);
        if (!db_alive(db))
            r = err_set(err, ERR_LOST, "the database connection was lost during \"%s\"", m.step);
    }
    if (r == 0 && m.failures > 0)
        r = err_set(err, ERR_FAILED, "%zu pieces of work were not done", m.failures);
    return r;
}
