/* rollup_rebuild.c - the rollups of some days, counted anew from the events. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/times.h"
#include "store/rollup.h"

#include <inttypes.h>
#include <unistd.h>

static bool read_time(struct cli *cli, const char *name, const char *text, int64_t *us)
{
    if (times_moment(span_of(text), clock_wall_us(), us))
        return true;
    cli->status =
        cli_usage(cli, "--%s: \"%.60s\" is no time; write 2026-11-24T18:30:00Z, or 2d for two days ago", name, text);
    return false;
}

static void show_day(int64_t day_us, uint64_t events, void *arg)
{
    char day[TIMES_TEXT];

    (void)arg;
    fprintf(stderr, "%.10s: %" PRIu64 " events\n", times_text(day_us, day), events);
}

int cli_rollup_rebuild(struct cli *cli)
{
    const char *from = NULL, *to = "now";
    const struct cli_option options[] = {
        {"from", CLI_TEXT, &from, "TIME",
         "the first day, by a moment in it: 2026-11-24, 2026-11-24T18:30:00Z, 2d (ago)"},
        {"to", CLI_TEXT, &to, "TIME", "until then; left out, until now"},
        {0}};
    int64_t from_us, to_us;
    uint64_t events;
    struct err err;

    if (!cli_options(cli, options))
        return cli->status;
    if (!from)
        return cli_usage(cli, "say from when: --from TIME");
    if (!read_time(cli, "from", from, &from_us) || !read_time(cli, "to", to, &to_us))
        return cli->status;
    if (from_us < 0 || from_us >= to_us)
        return cli_usage(cli, "there is nothing between --from and --to");
    struct db *db = cli_database(cli);
    if (!db)
        return CLI_FAILED;
    int r = rollup_rebuild(db, from_us, to_us, isatty(STDERR_FILENO) ? show_day : NULL, NULL, &events, &err);
    db_close(db);
    if (r < 0)
        return cli_fail(cli, "%s", err.text);
    printf("%" PRIu64 " events counted\n", events);
    return CLI_FINE;
}
