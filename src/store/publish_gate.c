#include "store/publish_gate.h"

#include "base/json_write.h"
#include "store/publish_gate_priv.h"

const char *gate_step_name(enum gate_step_id id)
{
    static const char *const names[GATE_STEPS] = {
        [GATE_COMPILE] = "compile", [GATE_SHRINK] = "shrink", [GATE_LEXICON] = "lexicon", [GATE_CANARY] = "canary"};

    return names[id];
}

const char *gate_outcome_name(enum gate_outcome o)
{
    switch (o) {
    case GATE_SKIPPED:
        return "skipped";
    case GATE_PASSED:
        return "passed";
    case GATE_WARNED:
        return "warned";
    case GATE_OVERRIDDEN:
        return "overridden";
    case GATE_REFUSED:
        return "refused";
    }
    return "skipped";
}

void gate_report_init(struct gate_report *report)
{
    *report = (struct gate_report){.faults = FAULTS_INIT};
    for (enum gate_step_id id = GATE_COMPILE; id < GATE_STEPS; id++)
        gate_skip(report, id, "not reached");
}

void gate_report_release(struct gate_report *report)
{
    for (size_t i = 0; i < GATE_STEPS; i++) {
        buf_release(&report->steps[i].summary);
        buf_release(&report->steps[i].details);
    }
    faults_release(&report->faults);
    buf_release(&report->overrides);
}

void gate_report_reset(struct gate_report *report)
{
    gate_report_release(report);
    gate_report_init(report);
}

void gate_skip(struct gate_report *report, enum gate_step_id id, const char *why)
{
    struct gate_step *step = &report->steps[id];

    step->outcome = GATE_SKIPPED;
    buf_reset(&step->summary);
    buf_reset(&step->details);
    buf_add_text(&step->summary, why);
    json_add_member_text(&step->details, "why", why);
}

void gate_override(struct gate_report *report, const char *name, const char *what)
{
    struct buf text = BUF_INIT;

    buf_addf(&text, "%s%s%s", name, what ? ":" : "", what ? what : "");
    if (report->overrides.len > 0)
        report->overrides.data[report->overrides.len - 1] = ','; /* in place of the "]" */
    else
        buf_add_char(&report->overrides, '[');
    json_add_string(&report->overrides, buf_span(&text));
    buf_add_char(&report->overrides, ']');
    buf_release(&text);
}

void gate_compiled(struct gate_report *report, const struct ruleset *set)
{
    struct gate_step *step = &report->steps[GATE_COMPILE];

    buf_reset(&step->summary);
    buf_reset(&step->details);
    if (set) {
        step->outcome = GATE_PASSED;
        buf_addf(&step->summary, "%zu rules, %zu terms", ruleset_rule_count(set), ruleset_term_count(set));
        json_add_member_u64(&step->details, "rules", ruleset_rule_count(set));
        json_add_member_u64(&step->details, "terms", ruleset_term_count(set));
        json_add_member_text(&step->details, "checksum", ruleset_checksum(set));
        return;
    }
    step->outcome = GATE_REFUSED;
    if (report->faults.count == 0)
        faults_add(&report->faults, "rules", 0, 0, "out of memory");
    buf_addf(&step->summary, "%zu fault%s", report->faults.count, report->faults.count == 1 ? "" : "s");
    json_add_member_u64(&step->details, "faults", report->faults.count);
}

int gate_run(struct gate_report *report, const struct gate_options *options, const struct gate_sets *sets,
             struct db *db, struct err *err)
{
    int r = 0;

    if (!sets->in_force)
        gate_skip(report, GATE_SHRINK, "nothing is in force to compare with");
    else if (!sets->candidate)
        gate_skip(report, GATE_SHRINK, "the rules cannot be read");
    else
        r = gate_shrink(report, options, sets, err);
    if (r == 0 && !sets->candidate_set) {
        gate_skip(report, GATE_LEXICON, "the rules do not compile");
        gate_skip(report, GATE_CANARY, "the rules do not compile");
        return 0;
    }
    if (r == 0)
        r = gate_lexicon(report, options, sets, err);
    if (r == 0)
        r = gate_canary(report, options, sets, db, err);
    return r;
}

bool gate_refused(const struct gate_report *report)
{
    for (size_t i = 0; i < GATE_STEPS; i++)
        if (report->steps[i].outcome == GATE_REFUSED)
            return true;
    return false;
}

void gate_report_json(const struct gate_report *report, struct buf *out)
{
    buf_add_char(out, '{');
    for (enum gate_step_id id = GATE_COMPILE; id < GATE_STEPS; id++) {
        const struct gate_step *step = &report->steps[id];
        json_add_key(out, gate_step_name(id));
        buf_add_char(out, '{');
        json_add_member_text(out, "outcome", gate_outcome_name(step->outcome));
        if (step->details.len > 0) {
            buf_add_char(out, ',');
            buf_add_span(out, buf_span(&step->details));
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}
