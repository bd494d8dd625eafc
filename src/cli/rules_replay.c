/* rules_replay.c - candidate rules over stored traffic: what they would answer differently from those in force. */
#include "base/clock.h"
#include "base/json_write.h"
#include "cli/marked_text.h"
#include "cli/replay_count.h"
#include "cli/rules_pick.h"
#include "cli/times.h"
#include "rules/scope.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SAMPLES_DEFAULT = 3,
    SAMPLES_MOST = 1000,
    LAST_MOST = 100000000,
    ROOMS_SHOWN = 20, /* to people */
};
static const int64_t last_reaches_us = (int64_t)30 * 86400 * 1000000; /* how far --last looks back by itself */
static const int64_t ahead_us = (int64_t)300 * 1000000;               /* the platform's clock may be before ours */

struct replay {
    const struct cli *cli;
    struct db *db;
    struct picked_rules candidate, against;
    struct rejudge_events events;
    const char *group; /* glob; NULL: all */
    struct db_result *rooms;
    const char **room_names;
    bool no_rooms; /* the glob matches none */
    struct replay_count count;
    unsigned threads;
    bool json, progress;
};

/* Which events ------------------------------------------------------------------------------------------------------
 */

/* Rooms are asked for by their whole ids: a glob stands for those that have events in the time. */
static int find_rooms(struct replay *r, struct err *err)
{
    char from[32], to[32];
    const char *params[] = {from, to};
    int result;

    if (!r->group)
        return 0;
    if (!strpbrk(r->group, "*?")) {
        r->events.groups = &r->group;
        r->events.group_count = 1;
        return 0;
    }
    snprintf(from, sizeof(from), "%" PRId64, r->events.from_us);
    snprintf(to, sizeof(to), "%" PRId64, r->events.to_us);
    result = db_query(r->db, &r->rooms,
                      "SELECT DISTINCT group_id FROM chatsluice.event"
                      " WHERE event_time >= 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'"
                      " AND event_time < 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'",
                      2, params, err);
    if (result < 0)
        return err_prefix(err, "could not look for rooms");
    r->room_names = calloc(db_rows(r->rooms) + 1, sizeof(*r->room_names));
    if (!r->room_names)
        return err_set(err, ERR_FAILED, "out of memory");
    for (size_t i = 0; i < db_rows(r->rooms); i++)
        if (glob_matches(r->group, db_value(r->rooms, i, 0)))
            r->room_names[r->events.group_count++] = db_value(r->rooms, i, 0).data; /* ends with a NUL */
    r->events.groups = r->room_names;
    r->no_rooms = r->events.group_count == 0;
    return 0;
}

static bool show_progress(uint64_t judged, void *arg)
{
    const struct replay_count *c = arg;
    const struct replay *r = (const struct replay *)((const char *)c - offsetof(struct replay, count));

    if (!r->progress)
        return true;
    if (r->events.newest > 0)
        fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " events", judged, r->events.newest);
    else
        fprintf(stderr, "\r%" PRIu64 " events", judged);
    fflush(stderr);
    return true;
}

static int run(struct replay *r, struct err *err)
{
    const struct rejudge_options options = {.before = r->against.set,
                                            .after = r->candidate.set,
                                            .threads = r->threads,
                                            .judged = replay_count_event,
                                            .progress = show_progress,
                                            .arg = &r->count};
    int result = db_exec(r->db, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", err);

    if (result == 0)
        result = find_rooms(r, err);
    if (result == 0 && !r->no_rooms)
        result = rejudge_run(r->db, &r->events, &options, err);
    if (r->progress)
        fputc('\n', stderr);
    if (db_alive(r->db))
        db_exec(r->db, "ROLLBACK", NULL);
    if (result == 0 && r->count.failed)
        result = err_set(err, ERR_FAILED, "out of memory");
    replay_count_finish(&r->count);
    return result;
}

/* For people --------------------------------------------------------------------------------------------------------
 */

static const char *const change_words[REJUDGE_CHANGES] = {
    [REJUDGE_SAME] = "the same",
    [REJUDGE_NEWLY_BLOCKED] = "newly blocked",
    [REJUDGE_NEWLY_PASSED] = "newly passed",
    [REJUDGE_REWRITE_CHANGED] = "rewritten otherwise",
    [REJUDGE_OTHER] = "other",
};

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void set_text(struct buf *out, const char *what, const struct picked_rules *rules)
{
    buf_addf(out, "%s ", what);
    if (!rules->set)
        buf_add_text(out, "no rules\n");
    else if (rules->revision > 0)
        buf_addf(out, "revision %" PRIu64 "\n", rules->revision);
    else
        buf_addf(out, "files, checksum %.12s\n", ruleset_checksum(rules->set));
}

static void table_text(struct buf *out, const char *what, const struct replay_table *t, size_t most)
{
    if (t->count == 0)
        return;
    buf_addf(out, "\n%8s %8s %9s %8s  %s\n", "blocked", "passed", "rewritten", "other", what);
    for (size_t i = 0; i < t->count && i < most; i++) {
        const uint64_t *n = t->rows[i].changes;

        buf_addf(out, "%8" PRIu64 " %8" PRIu64 " %9" PRIu64 " %8" PRIu64 "  ", n[REJUDGE_NEWLY_BLOCKED],
                 n[REJUDGE_NEWLY_PASSED], n[REJUDGE_REWRITE_CHANGED], n[REJUDGE_OTHER]);
        shown_text_add(out, t->rows[i].name[0] ? span_of(t->rows[i].name) : SPAN("(none)"));
        buf_add_char(out, '\n');
    }
    if (t->count > most)
        buf_addf(out, "%38s and %zu more; --json has all\n", "", t->count - most);
}

static void answer_text(struct buf *out, const char *when, enum action action, const char *rule, const char *becomes)
{
    buf_addf(out, "    %s: %s%s%s", when, action_name(action), rule ? " by rule " : "", rule ? rule : "");
    if (becomes) {
        buf_add_text(out, ", ");
        shown_text_add(out, span_of(becomes));
    }
    buf_add_char(out, '\n');
}

static void sample_text(struct buf *out, const struct replay_sample *s)
{
    char when[TIMES_TEXT];

    buf_addf(out, "  %s  %s  room ", s->event_id, times_text(s->event_time_us, when));
    shown_text_add(out, span_of(s->group_id));
    buf_add_char(out, '\n');
    if (s->text) {
        buf_add_text(out, "    ");
        shown_text_add(out, span_of(s->text));
        buf_add_text(out, s->text_cut ? "...\n" : "\n");
    }
    answer_text(out, "was", s->before, s->rule_before, s->becomes_before);
    answer_text(out, "would be", s->after, s->rule_after, s->becomes_after);
}

static void samples_text(struct buf *out, const struct replay_table *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        for (enum rejudge_change k = REJUDGE_NEWLY_BLOCKED; k < REJUDGE_CHANGES; k++) {
            const struct replay_samples *samples = &rules->rows[i].samples[k];

            if (samples->count == 0)
                continue;
            buf_addf(out, "\n%s, rule %s: %" PRIu64 "\n", change_words[k],
                     rules->rows[i].name[0] ? rules->rows[i].name : "(none)", rules->rows[i].changes[k]);
            for (size_t s = 0; s < samples->count; s++)
                sample_text(out, &samples->items[s]);
        }
}

static void report_text(const struct replay *r, struct buf *out)
{
    const struct replay_count *c = &r->count;
    char first[TIMES_TEXT], last[TIMES_TEXT];

    set_text(out, "judged by", &r->candidate);
    set_text(out, "against  ", &r->against);
    buf_addf(out, "%" PRIu64 " events", c->judged);
    if (c->judged + c->unreadable > 0)
        buf_addf(out, " from %s to %s", times_text(c->first_us, first), times_text(c->last_us, last));
    if (c->unreadable > 0)
        buf_addf(out, ", and %" PRIu64 " whose body cannot be read", c->unreadable);
    buf_addf(out, "\n\n%8" PRIu64 " %6.2f %%  changed\n", replay_changed(c), percent(replay_changed(c), c->judged));
    for (enum rejudge_change k = REJUDGE_NEWLY_BLOCKED; k < REJUDGE_CHANGES; k++)
        buf_addf(out, "%8" PRIu64 " %6.2f %%  %s\n", c->changes[k], percent(c->changes[k], c->judged), change_words[k]);
    table_text(out, "rule", &c->rules, SIZE_MAX);
    table_text(out, "room", &c->rooms, ROOMS_SHOWN);
    samples_text(out, &c->rules);
}

/* For programs ------------------------------------------------------------------------------------------------------
 */

static void set_json(struct buf *out, const char *key, const struct picked_rules *rules)
{
    json_add_key(out, key);
    buf_add_char(out, '{');
    json_add_key(out, "revision");
    if (rules->revision > 0)
        buf_add_u64(out, rules->revision);
    else
        buf_add_text(out, "null");
    json_add_member_text(out, "checksum", rules->set ? ruleset_checksum(rules->set) : NULL);
    buf_add_char(out, '}');
}

static void changes_json(struct buf *out, const uint64_t changes[REJUDGE_CHANGES], uint64_t changed)
{
    json_add_member_u64(out, "changed", changed);
    for (enum rejudge_change k = REJUDGE_NEWLY_BLOCKED; k < REJUDGE_CHANGES; k++)
        json_add_member_u64(out, rejudge_change_name(k), changes[k]);
}

static void answer_json(struct buf *out, const char *key, enum action action, const char *rule, const char *becomes)
{
    json_add_key(out, key);
    buf_add_char(out, '{');
    json_add_member_text(out, "verdict", action_name(action));
    json_add_member_text(out, "rule", rule);
    if (becomes)
        json_add_member_text(out, "becomes", becomes);
    buf_add_char(out, '}');
}

static void samples_json(struct buf *out, const struct replay_row *row)
{
    bool first = true;

    json_add_key(out, "samples");
    buf_add_char(out, '[');
    for (enum rejudge_change k = REJUDGE_NEWLY_BLOCKED; k < REJUDGE_CHANGES; k++)
        for (size_t i = 0; i < row->samples[k].count; i++) {
            const struct replay_sample *s = &row->samples[k].items[i];
            char when[TIMES_TEXT];

            buf_add_text(out, first ? "{" : ",{");
            first = false;
            json_add_member_text(out, "event_id", s->event_id);
            json_add_member_text(out, "event_time", times_text(s->event_time_us, when));
            json_add_member_text(out, "group", s->group_id);
            json_add_member_text(out, "change", rejudge_change_name(k));
            if (s->text)
                json_add_member_text(out, "text", s->text);
            answer_json(out, "before", s->before, s->rule_before, s->becomes_before);
            answer_json(out, "after", s->after, s->rule_after, s->becomes_after);
            buf_add_char(out, '}');
        }
    buf_add_char(out, ']');
}

static void table_json(struct buf *out, const char *key, const char *name, const struct replay_table *t, bool samples)
{
    json_add_key(out, key);
    buf_add_char(out, '[');
    for (size_t i = 0; i < t->count; i++) {
        const struct replay_row *row = &t->rows[i];

        buf_add_text(out, i == 0 ? "{" : ",{");
        json_add_member_text(out, name, samples && !row->name[0] ? NULL : row->name);
        changes_json(out, row->changes, row->total);
        if (samples)
            samples_json(out, row);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void report_json(const struct replay *r, struct buf *out)
{
    const struct replay_count *c = &r->count;
    char first[TIMES_TEXT], last[TIMES_TEXT];
    bool any = c->judged + c->unreadable > 0;

    buf_add_char(out, '{');
    set_json(out, "candidate", &r->candidate);
    set_json(out, "against", &r->against);
    json_add_member_text(out, "first_event", any ? times_text(c->first_us, first) : NULL);
    json_add_member_text(out, "last_event", any ? times_text(c->last_us, last) : NULL);
    json_add_member_u64(out, "judged", c->judged);
    json_add_member_u64(out, "unreadable", c->unreadable);
    json_add_member_u64(out, "same", c->changes[REJUDGE_SAME]);
    changes_json(out, c->changes, replay_changed(c));
    json_add_key(out, "share");
    buf_addf(out, "%.6f", percent(replay_changed(c), c->judged) / 100);
    table_json(out, "rules", "rule", &c->rules, true);
    table_json(out, "rooms", "group", &c->rooms, false);
    buf_add_text(out, "}\n");
}

/* The whole ---------------------------------------------------------------------------------------------------------
 */

struct words { /* of the command line */
    struct cli_files files;
    const char *revision, *against, *from, *to, *last, *threads, *samples;
    bool no_text;
};

static bool read_time(struct cli *cli, const char *name, const char *text, int64_t now_us, int64_t *us)
{
    if (times_moment(span_of(text), now_us, us))
        return true;
    cli->status =
        cli_usage(cli, "--%s: \"%.60s\" is no time; write 2026-11-24T18:30:00Z, or 2h for two hours ago", name, text);
    return false;
}

static bool read_words(struct replay *r, struct cli *cli, const struct words *w, uint64_t *revision, uint64_t *against)
{
    int64_t now_us = clock_wall_us();
    uint64_t threads = 0, samples = SAMPLES_DEFAULT;

    cli->status = CLI_USAGE;
    if ((w->files.count > 0) == (w->revision != NULL))
        return cli_usage(cli, "name the candidate: --rules FILE... or --revision N"), false;
    if (!w->from && !w->last)
        return cli_usage(cli, "say which events: --from TIME, with or without --to TIME, or --last N"), false;
    r->events.to_us = now_us + ahead_us;
    r->events.from_us = now_us - last_reaches_us;
    if ((w->from && !read_time(cli, "from", w->from, now_us, &r->events.from_us)) ||
        (w->to && !read_time(cli, "to", w->to, now_us, &r->events.to_us)))
        return false;
    if (r->events.from_us >= r->events.to_us)
        return cli_usage(cli, "--from is not before --to"), false;
    if ((w->last && !cli_number(cli, "--last", w->last, LAST_MOST, &r->events.newest)) ||
        (w->threads && !cli_number(cli, "--threads", w->threads, REJUDGE_MAX_THREADS, &threads)) ||
        (w->samples && !cli_number(cli, "--samples", w->samples, SAMPLES_MOST, &samples)) ||
        (w->revision && !cli_number(cli, "--revision", w->revision, INT64_MAX, revision)) ||
        (w->against && !cli_number(cli, "--against", w->against, INT64_MAX, against)))
        return false;
    if ((w->last && r->events.newest == 0) || (w->revision && *revision == 0) || (w->against && *against == 0))
        return cli_usage(cli, "--last, --revision and --against begin with 1"), false;
    r->threads = (unsigned)threads;
    r->count.most_samples = (size_t)samples;
    r->count.keep_text = !w->no_text;
    return true;
}

static int replay(struct replay *r, const struct words *w, uint64_t revision, uint64_t against)
{
    struct buf out = BUF_INIT;
    struct err err;
    int status;

    r->db = cli_database(r->cli);
    if (!r->db)
        return CLI_FAILED;
    if (!(w->files.count > 0 ? pick_files(r->cli, &w->files, &r->candidate)
                             : pick_revision(r->cli, r->db, revision, &r->candidate)))
        return CLI_FAILED;
    /* Without a revision in force everything passed. */
    if (against == 0 && !pick_in_force(r->cli, r->db, &against))
        return CLI_FAILED;
    if (against > 0 && !pick_revision(r->cli, r->db, against, &r->against))
        return CLI_FAILED;
    if (run(r, &err) < 0)
        return cli_fail(r->cli, "%s", err.text);
    (r->json ? report_json : report_text)(r, &out);
    status = cli_print(r->cli, &out);
    buf_release(&out);
    return status;
}

int cli_rules_replay(struct cli *cli)
{
    struct replay r = {.cli = cli};
    struct words w = {.no_text = false};
    uint64_t revision = 0, against = 0;
    const struct cli_option options[] = {
        {"rules", CLI_FILES, &w.files, "FILE...", "the candidate: these files"},
        {"revision", CLI_TEXT, &w.revision, "N", "the candidate: a revision"},
        {"against", CLI_TEXT, &w.against, "N", "the revision to compare with, else the one in force"},
        {"from", CLI_TEXT, &w.from, "TIME", "events from this time on: RFC 3339, or 2h, 1d: so long ago"},
        {"to", CLI_TEXT, &w.to, "TIME", "events before this time, else up to now"},
        {"last", CLI_TEXT, &w.last, "N", "the newest N events, of 30 days unless --from says otherwise"},
        {"group", CLI_TEXT, &r.group, "GLOB", "of these rooms alone: live-*"},
        {"threads", CLI_TEXT, &w.threads, "N", "judge by so many, else one for each processor"},
        {"samples", CLI_TEXT, &w.samples, "N", "show so many events of each change of each rule, else 3"},
        {"no-text", CLI_FLAG, &w.no_text, NULL, "without what people wrote"},
        {"json", CLI_FLAG, &r.json, NULL, "one JSON object"},
        {0}};
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    if (!read_words(&r, cli, &w, &revision, &against))
        return cli->status;
    r.progress = isatty(STDERR_FILENO);
    status = replay(&r, &w, revision, against);
    replay_count_release(&r.count);
    free(r.room_names);
    db_result_free(r.rooms);
    picked_release(&r.candidate);
    picked_release(&r.against);
    db_close(r.db);
    return status;
}
