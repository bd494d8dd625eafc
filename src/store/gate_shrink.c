/* gate_shrink.c - has anything got lost? A half-finished import, a DELETE without its WHERE and a truncated download
 * all look like this: a list, or the rules, much shorter than what is in force. Terms are counted as lost when they
 * are gone, whatever came in their place: a list whose content was swapped is as suspicious as a short one. */
#include "base/json_write.h"
#include "store/publish_gate_priv.h"
#include "store/rule_diff.h"

struct shrink {
    struct gate_report *report;
    const struct gate_options *options;
    size_t shrunken, allowed;
    const char *comma; /* between the entries of details */
};

static bool list_is_allowed(const struct gate_options *o, const char *name)
{
    for (size_t i = 0; i < o->allow_shrink_count; i++)
        if (strcmp(o->allow_shrink_lists[i], name) == 0)
            return true;
    return o->allow_shrink;
}

static void look_at_list(struct shrink *s, const struct list_change *list)
{
    struct buf *details = &s->report->steps[GATE_SHRINK].details;
    bool gone = list->change == CHANGE_REMOVED;
    bool allowed = list_is_allowed(s->options, list->name);

    if (!gate_exceeds(list->terms_removed, list->terms_before, s->options->max_shrink_percent, 100))
        return;
    s->shrunken++;
    buf_addf(details, "%s{", s->comma);
    s->comma = ",";
    json_add_member_text(details, "list", list->name);
    json_add_member_u64(details, "terms_before", list->terms_before);
    json_add_member_u64(details, "terms_lost", list->terms_removed);
    json_add_member_bool(details, "allowed", allowed);
    buf_add_char(details, '}');
    if (allowed) {
        s->allowed++;
        gate_override(s->report, "shrink", list->name);
    } else if (gone) {
        faults_add(&s->report->faults, "shrink", 0, 0,
                   "list \"%s\" with %zu terms is in force and now gone; bring it back, or say --allow-shrink %s",
                   list->name, list->terms_before, list->name);
    } else {
        faults_add(&s->report->faults, "shrink", 0, 0,
                   "list \"%s\" has lost %zu of the %zu terms in force (%.1f %%, at most %u %% may go); bring them "
                   "back, or say --allow-shrink %s",
                   list->name, list->terms_removed, list->terms_before,
                   100.0 * (double)list->terms_removed / (double)list->terms_before,
                   (unsigned)s->options->max_shrink_percent, list->name);
    }
}

/* A rule that is off or only records now is lost as well: that is what the rooms notice. */
static void look_at_rules(struct shrink *s, const struct rule_diff *diff)
{
    struct gate_step *step = &s->report->steps[GATE_SHRINK];
    size_t before = 0, lost = 0;
    struct buf names = BUF_INIT;

    for (size_t i = 0; i < diff->rule_count; i++) {
        before += diff->rules[i].was_enforced;
        if (!diff->rules[i].was_enforced || diff->rules[i].is_enforced)
            continue;
        if (lost++ < 10)
            buf_addf(&names, "%s%s", lost > 1 ? ", " : "", diff->rules[i].name);
    }
    buf_add_char(&step->details, ']');
    json_add_member_u64(&step->details, "rules_before", before);
    json_add_member_u64(&step->details, "rules_lost", lost);
    if (gate_exceeds(lost, before, s->options->max_shrink_percent, 100)) {
        s->shrunken++;
        if (s->options->allow_shrink) {
            s->allowed++;
            gate_override(s->report, "shrink", NULL);
        } else {
            faults_add(&s->report->faults, "shrink", 0, 0,
                       "%zu of the %zu rules enforced now are gone or not enforced any more (at most %u %% may): "
                       "%s%s; bring them back, or say --allow-shrink",
                       lost, before, (unsigned)s->options->max_shrink_percent, buf_text(&names),
                       lost > 10 ? " and others" : "");
        }
    }
    buf_release(&names);
}

int gate_shrink(struct gate_report *report, const struct gate_options *options, const struct gate_sets *sets,
                struct err *err)
{
    struct gate_step *step = &report->steps[GATE_SHRINK];
    struct shrink s = {.report = report, .options = options, .comma = ""};
    struct rule_diff diff;
    int r = rule_diff_make(&diff, sets->in_force, sets->candidate, err);

    if (r < 0)
        return r;
    buf_reset(&step->details);
    buf_reset(&step->summary);
    buf_add_text(&step->details, "\"lists\":[");
    for (size_t i = 0; i < diff.list_count; i++)
        if (diff.lists[i].change == CHANGE_REMOVED || diff.lists[i].change == CHANGE_CHANGED)
            look_at_list(&s, &diff.lists[i]);
    look_at_rules(&s, &diff);
    json_add_member_u64(&step->details, "terms_added", diff.terms_added);
    json_add_member_u64(&step->details, "terms_removed", diff.terms_removed);
    step->outcome = s.shrunken == 0 ? GATE_PASSED : s.allowed == s.shrunken ? GATE_OVERRIDDEN : GATE_REFUSED;
    buf_addf(&step->summary, "terms +%zu -%zu", diff.terms_added, diff.terms_removed);
    if (s.shrunken > 0)
        buf_addf(&step->summary, ", %zu loss%s, %zu of them allowed", s.shrunken, s.shrunken == 1 ? "" : "es",
                 s.allowed);
    rule_diff_release(&diff);
    return 0;
}
