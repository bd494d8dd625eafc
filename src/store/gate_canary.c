/* gate_canary.c - the newest stored events, judged by the set in force and by the candidate. What would be answered
 * counts, not what hits. Too many changes refuse: whoever meant them sees the figures and says so. */
#include "base/clock.h"
#include "base/json_write.h"
#include "base/uuid.h"
#include "store/publish_gate_priv.h"
#include "store/rejudge.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    RULES_KEPT = 256, /* rules counted one by one; the changes of further ones count in the total alone */
    RULES_NAMED = 10, /* in the fault */
    FEW_EVENTS = 256, /* judged faster than a second thread is started */
};
static const int64_t oldest_us = (int64_t)7 * 86400 * 1000000;
static const int64_t ahead_us = (int64_t)300 * 1000000; /* the platform's clock may be before ours */

struct rule_counts { /* of the rule that decided: the new verdict's, or the old one's where nothing hits any more */
    const char *name;
    uint64_t changes[REJUDGE_CHANGES];
    uint64_t total;
    char example[UUID_STRING]; /* an event, for `rules why` */
};

struct canary {
    const struct gate_options *options;
    uint64_t read, judged, unreadable, changes[REJUDGE_CHANGES];
    struct rule_counts rules[RULES_KEPT];
    size_t rule_count;
    int64_t first_us, last_us; /* event times; 0: none yet */
};

static struct rule_counts *counts_of(struct canary *c, const char *name)
{
    for (size_t i = 0; i < c->rule_count; i++)
        if (strcmp(c->rules[i].name, name) == 0)
            return &c->rules[i];
    if (c->rule_count == RULES_KEPT)
        return NULL;
    c->rules[c->rule_count] = (struct rule_counts){.name = name};
    return &c->rules[c->rule_count++];
}

static void judged(const struct rejudged *event, void *arg)
{
    struct canary *c = arg;
    enum rejudge_change change;
    const char *name;

    if (!event->message) {
        c->unreadable++;
        return;
    }
    c->judged++;
    if (c->first_us == 0 || event->event_time_us < c->first_us)
        c->first_us = event->event_time_us;
    if (event->event_time_us > c->last_us)
        c->last_us = event->event_time_us;
    change = rejudge_compare(&event->before, &event->after);
    c->changes[change]++;
    if (change == REJUDGE_SAME)
        return;
    name = change != REJUDGE_NEWLY_PASSED && event->after.rule ? event->after.rule : event->before.rule;
    struct rule_counts *rule = counts_of(c, name ? name : "(no rule)");
    if (!rule)
        return;
    rule->changes[change]++;
    if (rule->total++ == 0 && event->event_id.len < sizeof(rule->example))
        memcpy(rule->example, event->event_id.data, event->event_id.len);
}

static bool progress(uint64_t done, void *arg)
{
    const struct canary *c = arg;

    if (c->options->progress)
        c->options->progress(done, c->options->canary_events, c->options->progress_arg);
    return true;
}

static int by_total(const void *a, const void *b)
{
    const struct rule_counts *x = a, *y = b;

    return x->total != y->total ? (x->total < y->total) - (x->total > y->total) : strcmp(x->name, y->name);
}

static uint64_t changed(const struct canary *c)
{
    return c->judged - c->changes[REJUDGE_SAME];
}

static double percent(const struct canary *c)
{
    return c->judged > 0 ? 100.0 * (double)changed(c) / (double)c->judged : 0;
}

/* What came of it --------------------------------------------------------------------------------------------------*/

static void add_changes(struct buf *out, const uint64_t changes[REJUDGE_CHANGES])
{
    for (enum rejudge_change i = REJUDGE_NEWLY_BLOCKED; i < REJUDGE_CHANGES; i++)
        json_add_member_u64(out, rejudge_change_name(i), changes[i]);
}

static void details(struct buf *out, const struct canary *c, bool allowed)
{
    json_add_member_u64(out, "judged", c->judged);
    json_add_member_u64(out, "unreadable", c->unreadable);
    json_add_member_u64(out, "changed", changed(c));
    json_add_key(out, "share");
    buf_addf(out, "%.6f", percent(c) / 100);
    add_changes(out, c->changes);
    json_add_member_u64(out, "max_changed_percent", c->options->max_changed_percent);
    json_add_member_bool(out, "allowed", allowed);
    json_add_member_i64(out, "first_event_us", c->first_us);
    json_add_member_i64(out, "last_event_us", c->last_us);
    json_add_key(out, "rules");
    buf_add_char(out, '[');
    for (size_t i = 0; i < c->rule_count; i++) {
        buf_add_text(out, i == 0 ? "{" : ",{");
        json_add_member_text(out, "rule", c->rules[i].name);
        json_add_member_u64(out, "changed", c->rules[i].total);
        add_changes(out, c->rules[i].changes);
        json_add_member_text(out, "example_event", c->rules[i].example);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void summary(struct buf *out, const struct canary *c)
{
    buf_addf(out, "%" PRIu64 " of %" PRIu64 " events answered differently (%.2f %%)", changed(c), c->judged,
             percent(c));
    if (changed(c) > 0)
        buf_addf(out,
                 ": %" PRIu64 " newly blocked, %" PRIu64 " newly passed, %" PRIu64 " rewritten otherwise, %" PRIu64
                 " other",
                 c->changes[REJUDGE_NEWLY_BLOCKED], c->changes[REJUDGE_NEWLY_PASSED],
                 c->changes[REJUDGE_REWRITE_CHANGED], c->changes[REJUDGE_OTHER]);
}

static void refuse(struct faults *faults, const struct canary *c)
{
    struct buf rules = BUF_INIT;

    for (size_t i = 0; i < c->rule_count && i < RULES_NAMED; i++)
        buf_addf(&rules, "%s%s %" PRIu64, i > 0 ? ", " : "", c->rules[i].name, c->rules[i].total);
    faults_add(faults, "canary", 0, 0,
               "%" PRIu64 " of the %" PRIu64 " newest events would be answered differently (%.2f %%, at most %u %% "
               "may), by rule: %s%s; if that is meant, say --allow-changes",
               changed(c), c->judged, percent(c), (unsigned)c->options->max_changed_percent, buf_text(&rules),
               c->rule_count > RULES_NAMED ? " and others" : "");
    buf_release(&rules);
}

static void conclude(struct gate_report *report, struct canary *c)
{
    struct gate_step *step = &report->steps[GATE_CANARY];
    bool too_many = gate_exceeds(changed(c), c->judged, c->options->max_changed_percent, 100);

    qsort(c->rules, c->rule_count, sizeof(*c->rules), by_total);
    buf_reset(&step->summary);
    buf_reset(&step->details);
    summary(&step->summary, c);
    details(&step->details, c, too_many && c->options->allow_changes);
    report->canary_ran = true;
    report->canary_judged = c->judged;
    report->canary_changed = changed(c);
    step->outcome = !too_many ? GATE_PASSED : c->options->allow_changes ? GATE_OVERRIDDEN : GATE_REFUSED;
    if (step->outcome == GATE_OVERRIDDEN)
        gate_override(report, "changes", NULL);
    else if (step->outcome == GATE_REFUSED)
        refuse(&report->faults, c);
}

/* Running it ------------------------------------------------------------------------------------------------------ */

/* The set in force as this program compiles it; NULL when it does not: it was published by another version. */
static struct ruleset *compile_in_force(const struct gate_sets *sets)
{
    struct faults faults = FAULTS_INIT;
    struct ruleset *set = NULL;

    ruleset_compile(&set, sets->in_force, sets->revision, NULL, &faults);
    faults_release(&faults);
    return set;
}

int gate_canary(struct gate_report *report, const struct gate_options *options, const struct gate_sets *sets,
                struct db *db, struct err *err)
{
    int64_t now_us = clock_wall_us();
    const struct rejudge_events events = {
        .from_us = now_us - oldest_us, .to_us = now_us + ahead_us, .newest = options->canary_events};
    struct ruleset *in_force;
    struct canary *c;
    int r;

    if (options->canary_events == 0 || !sets->in_force) {
        gate_skip(report, GATE_CANARY, sets->in_force ? "it is off" : "nothing is in force to compare with");
        return 0;
    }
    in_force = compile_in_force(sets);
    if (!in_force) {
        gate_skip(report, GATE_CANARY, "this program cannot compile the set in force");
        faults_warn(&report->faults, "canary", 0, 0, "this program cannot compile the set in force to compare with");
        return 0;
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        ruleset_unref(in_force);
        return err_set(err, ERR_FAILED, "could not run the canary: out of memory");
    }
    c->options = options;
    r = rejudge_run(db, &events,
                    &(struct rejudge_options){
                        .before = in_force,
                        .after = sets->candidate_set,
                        .threads = options->canary_events < FEW_EVENTS ? 1 : options->canary_threads,
                        .judged = judged,
                        .progress = progress,
                        .arg = c,
                    },
                    err);
    if (r == 0)
        conclude(report, c);
    free(c);
    ruleset_unref(in_force);
    return r;
}
