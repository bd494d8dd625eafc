#include "cli/why_judge.h"

#include "rules/tools/explain.h"
#include "rules/language/rule_names.h"
#include "rules/ruleset_priv.h" /* judge_with: to see what a rule's scope leaves out */
#include "wire/marker.h"
#include "wire/reply.h"

#include <inttypes.h>
#include <stdio.h>

const char *const why_difference_names[WHY_DIFFERENCES] = {"verdict", "rule", "error_code", "rewritten", "hits"};

/* Rates and repetitions ---------------------------------------------------------------------------------------------
 */

/* "rate 12 in 10s by sender_in_room", as measure.c words it. */
struct measured {
    enum meter_kind kind;
    uint32_t count;
    int64_t within_ms;
    enum counted of;
};

static bool read_measured(struct span line, struct measured *out)
{
    char text[96], kind[12], unit[3], of[16];
    long long within;
    unsigned count;

    if (line.len >= sizeof(text))
        return false;
    memcpy(text, line.data, line.len);
    text[line.len] = '\0';
    if (sscanf(text, "%11s %u in %lld%2[ms] by %15s", kind, &count, &within, unit, of) != 5)
        return false;
    *out = (struct measured){strcmp(kind, "repeated") == 0 ? METER_REPEATED : METER_RATE, count,
                             strcmp(unit, "s") == 0 ? within * 1000 : within, COUNTED_SENDER};
    for (size_t i = 0; i < counted_names.count; i++)
        if (strcmp(of, counted_names.names[i]) == 0)
            out->of = (enum counted)i;
    return strcmp(kind, "repeated") == 0 || strcmp(kind, "rate") == 0;
}

/* Of several recorded counts the smallest one that makes the meter's conditions hold is its own: the fuller one belongs
 * to a rule that asks for more. */
static void take_measured(const struct ruleset *set, const struct measured *m, uint32_t *counts)
{
    const struct meter *meters;
    size_t meter_count = ruleset_meters(set, &meters);

    for (size_t i = 0; i < meter_count && i < HISTORY_MAX_METERS; i++) {
        const struct rate_condition *rate = &meters[i].rate;
        uint32_t least = rate->times + (meters[i].kind == METER_RATE);

        if (meters[i].kind == m->kind && rate->within_ms == m->within_ms && rate->of == m->of && m->count >= least &&
            (counts[i] == 0 || m->count < counts[i]))
            counts[i] = m->count;
    }
}

static void restore_meters(const struct evidence *e, const struct ruleset *set, uint32_t *counts)
{
    struct span rest = e->measured;

    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        struct measured m;

        if (read_measured((struct span){rest.data, len}, &m))
            take_measured(set, &m, counts);
        rest.data += len + (end != NULL);
        rest.len -= len + (end != NULL);
    }
}

/* Judging ---------------------------------------------------------------------------------------------------------- */

static void judge_by(struct rejudgement *r, const struct ruleset *set, const struct message *message,
                     const struct judge_options *options)
{
    judge_with(r->judge, set, message, &r->circumstances, options, &r->verdict);
}

/* The service rejects what it cannot rewrite in the body. */
static bool answer(struct rejudgement *r, const struct evidence *e, const struct message *message)
{
    const struct verdict *v = &r->verdict;
    struct buf reply = BUF_INIT;
    struct err err;
    bool fine = true;

    r->action = v->action;
    r->error_code = message->command == COMMAND_BEFORE ? v->error_code : REPLY_ALLOW;
    if (message->command == COMMAND_BEFORE && v->error_code == REPLY_ALLOW &&
        (v->rewrite_count > 0 || v->cloud_custom_data) &&
        reply_rewrite(&reply, buf_span(&e->raw), message, v->rewrites, v->rewrite_count, v->cloud_custom_data, &err) <
            0) {
        fine = err.code != ERR_FAILED;
        r->action = ACTION_REJECT;
        r->error_code = REPLY_REJECT;
    }
    buf_release(&reply);
    return fine;
}

bool why_judge(struct rejudgement *out, const struct evidence *e, struct span earlier, const struct message *message,
               const struct ruleset *set)
{
    *out = (struct rejudgement){.judge = judge_new()};
    if (!out->judge)
        return false;
    if (set)
        restore_meters(e, set, out->meters);
    out->circumstances = (struct circumstances){
        .sdkappid = e->sdkappid, .platform = e->platform, .earlier = earlier, .meters = out->meters};
    judge_by(out, set, message, &(struct judge_options){0});
    return answer(out, e, message);
}

void why_release(struct rejudgement *r)
{
    judge_free(r->judge);
    *r = (struct rejudgement){0};
}

/* Comparing ---------------------------------------------------------------------------------------------------------
 */

bool why_decided_otherwise(const struct evidence *e)
{
    return span_is(e->decided_by, decided_by_name(DECIDED_DEADLINE)) ||
           span_is(e->decided_by, decided_by_name(DECIDED_OVERLOAD));
}

bool why_is_correction(const struct evidence *e)
{
    return span_is(e->decided_by, decided_by_name(DECIDED_CORRECTION));
}

bool why_marker_is_true(const struct evidence *e)
{
    return e->marker.data && !span_is(e->marker, marker_use_name(MARKER_WRONG));
}

/* The corrected text as the service records it (serve/webhook.c): what was delivered in the message's place, or is to
 * be sent again. */
static struct span recorded_text(const struct evidence *e, const struct message *message, const struct rejudgement *r)
{
    const struct verdict *v = &r->verdict;
    bool before = message->command == COMMAND_BEFORE;
    bool delivered = before && r->action == v->action && v->error_code == REPLY_ALLOW;
    bool resent = (!before || r->action >= ACTION_REJECT) && verdict_wants_resend(v) && !why_marker_is_true(e);

    return delivered || resent ? v->becomes : (struct span){NULL, 0};
}

int why_compare(struct db *db, const struct evidence *e, const struct message *message, const struct rejudgement *r,
                bool differs[WHY_DIFFERENCES], struct err *err)
{
    const struct verdict *v = &r->verdict;
    struct buf hits = BUF_INIT;
    struct span rewritten = recorded_text(e, message, r);
    bool same;
    int result;

    memset(differs, 0, sizeof(*differs) * WHY_DIFFERENCES);
    differs[WHY_RULE] = !span_equal(e->rule, span_of(v->rule));
    if (!why_decided_otherwise(e)) {
        differs[WHY_VERDICT] = !span_is(e->verdict, action_name(r->action));
        differs[WHY_CODE] = e->error_code != r->error_code;
        differs[WHY_REWRITTEN] = !e->rewritten.data != !rewritten.data || !span_equal(e->rewritten, rewritten);
    }
    verdict_hits_json(&hits, v, message->text, message->cloud_custom_data.text);
    result = evidence_same_hits(db, e, (struct span){buf_text(&hits), hits.len}, &same, err);
    differs[WHY_HITS] = result == 0 && !same;
    buf_release(&hits);
    return result;
}

/* Reasons -----------------------------------------------------------------------------------------------------------
 */

static const struct hit *covering(const struct verdict *v, const struct hit *hit)
{
    for (size_t i = 0; i < v->hit_count; i++) {
        const struct hit *a = &v->hits[i];

        if (a->state == HIT_ALLOW && a->field == hit->field && a->start <= hit->start && a->end >= hit->end)
            return a;
    }
    return NULL;
}

static void shadow_reason(struct buf *out, const struct rule_document *doc, const struct hit *hit)
{
    const struct rule *rule = rule_document_find_rule(doc, hit->rule);

    if (rule && rule->mode == MODE_ENFORCE && rule->rollout < 100)
        buf_addf(out, "only recorded: the rule is enforced in %u percent of the rooms, and not in this one",
                 rule->rollout);
    else
        buf_add_text(out, "only recorded: the rule is a shadow");
}

static void weaker_reason(struct buf *out, const struct verdict *v, const struct hit *hit)
{
    if (hit->action == ACTION_ALLOW)
        buf_addf(out, "its points do not reach a threshold of scorecard %s", hit->scorecard ? hit->scorecard : "?");
    else if (hit->action < v->action)
        buf_addf(out, "%s is weaker than %s", action_name(hit->action), action_name(v->action));
    else
        buf_addf(out, "as strong as rule %s, whose name comes first", v->rule ? v->rule : "?");
    if (hit->action == ACTION_MASK && (v->action == ACTION_MASK || v->action == ACTION_REPLACE))
        buf_add_text(out, "; what it masks is masked all the same");
}

void why_reason(struct buf *out, const struct rule_document *doc, const struct verdict *v, size_t at)
{
    const struct hit *hit = &v->hits[at], *allow;

    switch (hit->state) {
    case HIT_COUNTED:
        if (v->rule && (strcmp(v->rule, hit->rule) == 0 || (hit->scorecard && strcmp(v->rule, hit->scorecard) == 0)))
            return;
        weaker_reason(out, v, hit);
        return;
    case HIT_ALLOWED:
        allow = covering(v, hit);
        if (!allow) {
            buf_add_text(out, "an allow hit covers it");
            return;
        }
        buf_addf(out, "allow rule %s covers it with %s \"%.*s\"", allow->rule, allow->list ? "term" : "expression",
                 (int)allow->term.len, allow->term.data);
        return;
    case HIT_SHADOW:
        shadow_reason(out, doc, hit);
        return;
    case HIT_ALLOW:
        buf_add_text(out, "it allows what it covers");
        return;
    case HIT_UNMET:
        buf_add_text(out, "the condition of its rule does not hold as a whole");
        return;
    }
}

static bool is_among(const struct verdict *v, const char *rule)
{
    for (size_t i = 0; i < v->hit_count; i++)
        if (strcmp(v->hits[i].rule, rule) == 0)
            return true;
    return false;
}

void why_each_outside(const struct rejudgement *r, const struct message *message, const struct picked_rules *rules,
                      void (*outside)(const struct rule *rule, const char *reason, void *arg), void *arg)
{
    struct rejudgement again = {.judge = judge_new(), .circumstances = r->circumstances};
    const struct rule *const *all;
    size_t count = rules->doc ? rule_document_rules(rules->doc, &all) : 0;

    for (enum command phase = COMMAND_BEFORE; phase <= COMMAND_AFTER && again.judge && rules->set; phase++) {
        struct message other = *message;
        bool own = phase == message->command;

        other.command = phase;
        judge_by(&again, rules->set, &other, &(struct judge_options){.any_scope = true});
        for (size_t i = 0; i < count; i++) {
            bool both = all[i]->when == WHEN_BOTH;

            if (is_among(&again.verdict, all[i]->name) && !is_among(&r->verdict, all[i]->name) && (own || !both))
                outside(all[i],
                        own                       ? "the message is outside of its scope"
                        : phase == COMMAND_BEFORE ? "it looks at Before webhooks alone"
                                                  : "it looks at After webhooks alone",
                        arg);
        }
    }
    judge_free(again.judge);
}
