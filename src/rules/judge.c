#include "rules/judge.h"

#include "base/utf8.h"
#include "rules/best_hits.h"
#include "rules/cover.h"
#include "rules/find.h"
#include "rules/measure.h"
#include "rules/rewrite.h"
#include "rules/ruleset_priv.h"
#include "rules/scope.h"

#include <stdlib.h>

/* A rule of the set, in the message being judged. */
struct rule_now {
    enum rule_state { RULE_UNSEEN, RULE_OUTSIDE, RULE_CANDIDATE, RULE_HOLDS } state;
    bool enforced; /* else it is a shadow: by its mode, or because its rollout has not reached the room */
};

struct score { /* of a scorecard */
    int64_t points;
    enum action reached; /* allow: no threshold */
};

/* What the verdict follows: a rule or a scorecard. */
struct decision {
    const struct compiled_rule *rule; /* NULL: nothing applies */
    enum action action;
};

struct judge {
    uint64_t serial; /* of the set that the next four are made for */
    struct rule_now *rules;
    struct score *scores; /* by number of the scorecard */
    uint32_t *candidates;
    uint8_t *counted; /* by slot: its hits make their rule's condition hold */
    size_t candidate_count;

    struct buf clean[FIND_FIELDS]; /* a field made valid UTF-8 */
    struct finder found;
    struct measurer measurer;
    const struct measure *measures; /* of the set judged by */
    struct cover allowed;
    bool failed;
    struct best_hits best;
    struct rewriter rewriter;
};

struct judge *judge_new(void)
{
    return calloc(1, sizeof(struct judge));
}

static void drop_set(struct judge *j)
{
    free(j->rules);
    free(j->scores);
    free(j->candidates);
    free(j->counted);
    j->rules = NULL;
    j->scores = NULL;
    j->counted = NULL;
    j->candidates = NULL;
    j->serial = 0;
}

void judge_free(struct judge *j)
{
    if (!j)
        return;
    drop_set(j);
    for (size_t i = 0; i < FIND_FIELDS; i++)
        buf_release(&j->clean[i]);
    finder_release(&j->found);
    measurer_release(&j->measurer);
    cover_release(&j->allowed);
    rewriter_release(&j->rewriter);
    free(j);
}

/* Makes the scratch fit for set; nothing to do as long as the set stays the same. */
static bool take_set(struct judge *j, const struct ruleset *set)
{
    if (!finder_take_set(&j->found, set) || !measurer_take_set(&j->measurer, set->serial, set->measure_count))
        return false;
    j->measures = set->measures;
    if (j->serial == set->serial)
        return true;
    drop_set(j);
    j->rules = calloc(set->rule_count + 1, sizeof(*j->rules));
    j->scores = calloc(set->scorecard_count + 1, sizeof(*j->scores));
    j->candidates = calloc(set->rule_count + 1, sizeof(*j->candidates));
    j->counted = calloc(set->slot_count + 1, sizeof(*j->counted));
    if (!j->rules || !j->scores || !j->candidates || !j->counted) {
        drop_set(j);
        return false;
    }
    j->serial = set->serial;
    return true;
}

/* vectorscan and the fold want valid UTF-8. The parser gives nothing else; the command line may. */
static struct span valid_text(struct judge *j, size_t field, struct span text)
{
    struct buf *clean = &j->clean[field];
    size_t valid = utf8_valid_prefix(text.data, text.len);

    if (valid == text.len)
        return text;
    buf_reset(clean);
    for (size_t i = 0; i < text.len; i += valid + 1) {
        valid = utf8_valid_prefix(text.data + i, text.len - i);
        buf_add(clean, text.data + i, valid);
        if (i + valid < text.len)
            buf_add_char(clean, '?'); /* one byte for one byte: offsets stay */
    }
    j->failed = j->failed || buf_failed(clean);
    return buf_span(clean);
}

/* Who takes part --------------------------------------------------------------------------------- */

/* The message and all that is known of it. */
struct case_file {
    const struct message *message;
    const struct circumstances *circumstances;
    const struct judge_options *options;
    struct span fields[FIND_FIELDS];
};

static bool is_enforced(const struct compiled_rule *rule, const struct case_file *file)
{
    if (file->options->enforced && strcmp(file->options->enforced, rule->name) == 0)
        return true;
    return rule->mode == MODE_ENFORCE &&
           ((file->options->any_scope && rule->rollout > 0) || rollout_holds(rule, file->message));
}

static void consider_rule(struct judge *j, const struct ruleset *set, uint32_t index, const struct case_file *file)
{
    const struct compiled_rule *rule = &set->rules[index];
    unsigned phase = file->message->command == COMMAND_BEFORE ? WHEN_BEFORE : WHEN_AFTER;

    if (j->rules[index].state != RULE_UNSEEN)
        return;
    if (!(rule->when & phase) ||
        !(file->options->any_scope || scope_holds(set, rule, file->message, file->circumstances))) {
        j->rules[index].state = RULE_OUTSIDE;
        return;
    }
    j->rules[index] = (struct rule_now){RULE_CANDIDATE, is_enforced(rule, file)};
    j->candidates[j->candidate_count++] = index;
}

/* The rules that have a match or need none, in phase and scope. */
static void gather_candidates(struct judge *j, const struct ruleset *set, const struct case_file *file)
{
    for (size_t i = 0; i < j->found.match_count; i += j->found.leaves[j->found.matches[i].leaf].count) {
        const struct leaf *leaf = &set->leaves[j->found.matches[i].leaf];

        for (size_t k = 0; k < leaf->rule_count; k++)
            consider_rule(j, set, leaf->rules[k], file);
    }
    for (uint32_t i = 0; i < set->rule_count && set->any_holds_without_match; i++)
        if (set->rules[i].holds_without_match)
            consider_rule(j, set, i, file);
}

/* The law ------------------------------------------------------------------------------------------ */

static bool condition_holds(struct judge *j, const struct compiled_rule *rule, const struct node *n)
{
    const struct leaf_found *leaf;

    switch (n->kind) {
    case NODE_LEAF:
        leaf = &j->found.leaves[rule->leaves[n->slot]];
        return (rule->action == ACTION_ALLOW ? leaf->count : leaf->surviving) > 0;
    case NODE_MEASURE:
        return measurer_holds(&j->measurer, &j->measures[n->measure], n->measure);
    case NODE_NOT:
        return !condition_holds(j, rule, &n->parts[0]);
    case NODE_ANY:
        for (size_t i = 0; i < n->part_count; i++)
            if (condition_holds(j, rule, &n->parts[i]))
                return true;
        return false;
    case NODE_ALL:
        for (size_t i = 0; i < n->part_count; i++)
            if (!condition_holds(j, rule, &n->parts[i]))
                return false;
        return true;
    }
    return false;
}

/* The hits that count are those of the parts that make a condition hold; what stands under a `not` never does. */
static void count_slots(struct judge *j, const struct compiled_rule *rule, const struct node *n)
{
    switch (n->kind) {
    case NODE_LEAF:
        j->counted[rule->first_slot + n->slot] = 1;
        return;
    case NODE_MEASURE:
        if (condition_holds(j, rule, n))
            measurer_count(&j->measurer, n->measure);
        return;
    case NODE_NOT:
        return;
    case NODE_ANY:
    case NODE_ALL:
        for (size_t i = 0; i < n->part_count; i++)
            if (condition_holds(j, rule, &n->parts[i]))
                count_slots(j, rule, &n->parts[i]);
        return;
    }
}

static void evaluate(struct judge *j, const struct ruleset *set, uint32_t index)
{
    const struct compiled_rule *rule = &set->rules[index];

    if (!condition_holds(j, rule, &rule->match))
        return;
    j->rules[index].state = RULE_HOLDS;
    count_slots(j, rule, &rule->match);
}

static bool applies(const struct judge *j, uint32_t index)
{
    return j->rules[index].state == RULE_HOLDS && j->rules[index].enforced;
}

/* Steps 1 and 2 of the law: allow rules see all matches. */
static void apply_allow_rules(struct judge *j, const struct ruleset *set)
{
    cover_begin(&j->allowed);
    for (size_t c = 0; c < j->candidate_count; c++) {
        uint32_t index = j->candidates[c];
        const struct compiled_rule *rule = &set->rules[index];

        if (rule->action != ACTION_ALLOW)
            continue;
        evaluate(j, set, index);
        if (!applies(j, index))
            continue;
        for (size_t s = 0; s < rule->leaf_count; s++) {
            const struct leaf_found *leaf = &j->found.leaves[rule->leaves[s]];

            for (uint32_t i = 0; i < leaf->count && j->counted[rule->first_slot + s] && !j->failed; i++) {
                const struct match *m = &j->found.matches[leaf->first + i];

                j->failed = !cover_add(&j->allowed, m->field, m->start, m->end);
            }
        }
    }
    cover_finish(&j->allowed);
}

/* Step 3. */
static void find_survivors(struct judge *j)
{
    for (size_t i = 0; i < j->found.match_count; i++) {
        struct match *m = &j->found.matches[i];

        m->covered = cover_contains(&j->allowed, m->field, m->start, m->end);
        j->found.leaves[m->leaf].surviving += !m->covered;
    }
}

/* Step 5: the strongest threshold that the points of each scorecard reach. */
static void count_points(struct judge *j, const struct ruleset *set)
{
    for (size_t c = 0; c < j->candidate_count && set->scorecard_count; c++) {
        const struct compiled_rule *rule = &set->rules[j->candidates[c]];

        if (rule->acts_as != j->candidates[c] && applies(j, j->candidates[c]))
            j->scores[set->rules[rule->acts_as].card].points += rule->points;
    }
    for (size_t s = 0; s < set->scorecard_count; s++) {
        const struct threshold *thresholds = set->rules[set->scorecards[s]].thresholds;

        for (enum action a = ACTION_FLAG; a < ACTION_COUNT; a++)
            if (thresholds[a].given && j->scores[s].points >= thresholds[a].points)
                j->scores[s].reached = a;
    }
}

/* What a rule, or a scorecard, would do: a rule with points does what its scorecard came to. */
static enum action action_now(const struct judge *j, const struct ruleset *set, uint32_t index)
{
    const struct compiled_rule *acting = &set->rules[set->rules[index].acts_as];

    return acting->thresholds ? j->scores[acting->card].reached : acting->action;
}

static void take_stronger(struct decision *best, const struct compiled_rule *rule, enum action action)
{
    if (!best->rule || action > best->action || (action == best->action && rule < best->rule))
        *best = (struct decision){rule, action};
}

/* Steps 4 to 6. */
static struct decision decide(struct judge *j, const struct ruleset *set)
{
    struct decision best = {NULL, ACTION_ALLOW};

    for (size_t c = 0; c < j->candidate_count; c++) {
        uint32_t index = j->candidates[c];
        const struct compiled_rule *rule = &set->rules[index];

        if (rule->action != ACTION_ALLOW)
            evaluate(j, set, index);
        if (applies(j, index) && rule->acts_as == index)
            take_stronger(&best, rule, rule->action);
    }
    count_points(j, set);
    for (size_t s = 0; s < set->scorecard_count; s++)
        if (j->scores[s].reached != ACTION_ALLOW)
            take_stronger(&best, &set->rules[set->scorecards[s]], j->scores[s].reached);
    return best;
}

/* Reporting ---------------------------------------------------------------------------------------- */

static enum hit_state state_of(const struct compiled_rule *rule, const struct match *m, bool counted, bool enforced)
{
    if (rule->action != ACTION_ALLOW && m->covered)
        return HIT_ALLOWED;
    if (!counted)
        return HIT_UNMET;
    if (!enforced)
        return HIT_SHADOW;
    return rule->action == ACTION_ALLOW ? HIT_ALLOW : HIT_COUNTED;
}

static uint32_t rank_of(const struct hit *hit, bool decided)
{
    if (decided && (hit->state == HIT_COUNTED || hit->state == HIT_ALLOW))
        return 0;
    if (hit->state == HIT_COUNTED)
        return 1 + (uint32_t)(ACTION_DISCARD - hit->action);
    return 1 + ACTION_COUNT + (uint32_t)hit->state;
}

/* Whose hits are being reported. */
struct reporting {
    const struct compiled_rule *rule;
    uint32_t index;
    bool holds, enforced, decided;
    enum action action;
    const char *scorecard;
};

static void report_hit(struct judge *j, const struct reporting *now, struct hit hit)
{
    struct ranked_hit h = {.hit = hit, .rule = now->index};

    h.hit.rule = now->rule->name;
    h.hit.action = now->action;
    h.hit.scorecard = now->scorecard;
    h.hit.points = now->scorecard ? now->rule->points : 0;
    h.rank = rank_of(&h.hit, now->decided);
    best_hits_add(&j->best, &h);
}

/* What was measured to make a rule hold: hits without a range, which nothing paints or covers. */
static size_t report_measures(struct judge *j, const struct reporting *now)
{
    static const struct match nowhere = {0};
    const struct compiled_rule *rule = now->rule;
    size_t reported = 0;

    for (size_t i = rule->first_measure; i < rule->first_measure + rule->measure_count; i++) {
        struct hit hit = {
            .term = measurer_words(&j->measurer, i),
            .folding = "none",
            .field = FIELD_TEXT,
            .state = state_of(rule, &nowhere, true, now->enforced),
        };

        if (!hit.term.len)
            continue;
        report_hit(j, now, hit);
        reported++;
    }
    return reported;
}

static size_t report_matches(struct judge *j, const struct ruleset *set, const struct reporting *now, size_t slot)
{
    const struct compiled_rule *rule = now->rule;
    const struct leaf *leaf = &set->leaves[rule->leaves[slot]];
    const struct leaf_found *found = &j->found.leaves[rule->leaves[slot]];
    bool counted = now->holds && j->counted[rule->first_slot + slot];

    for (uint32_t i = 0; i < found->count; i++) {
        const struct match *m = &j->found.matches[found->first + i];

        report_hit(j, now,
                   (struct hit){
                       .list = leaf->list,
                       .term = leaf->terms ? leaf->terms[m->term] : span_of(leaf->expression),
                       .folding = set->foldings[leaf->folding].name,
                       .field = (enum judged_field)m->field,
                       .start = m->start,
                       .end = m->end,
                       .state = state_of(rule, m, counted, now->enforced),
                   });
    }
    return found->count;
}

static void report_hits(struct judge *j, const struct ruleset *set, const struct compiled_rule *deciding,
                        struct verdict *out)
{
    size_t total = 0;

    best_hits_begin(&j->best);
    for (size_t c = 0; c < j->candidate_count; c++) {
        uint32_t index = j->candidates[c];
        const struct compiled_rule *rule = &set->rules[index], *acting = &set->rules[rule->acts_as];
        struct reporting now = {
            .rule = rule,
            .index = index,
            .holds = j->rules[index].state == RULE_HOLDS,
            .enforced = j->rules[index].enforced,
            .decided = acting == deciding,
            .action = action_now(j, set, index),
            .scorecard = acting != rule ? acting->name : NULL,
        };

        if (now.holds)
            total += report_measures(j, &now);
        for (size_t s = 0; s < rule->leaf_count; s++)
            total += report_matches(j, set, &now, s);
    }
    out->hits = best_hits_finish(&j->best, &out->hit_count);
    out->hits_cut = j->found.too_many || total > out->hit_count;
}

/* What the verdict does ---------------------------------------------------------------------------- */

/* Hands the counted hits of a rule to the rewriter. */
static void paint_rule(struct judge *j, const struct compiled_rule *rule, bool replaces)
{
    for (size_t s = 0; s < rule->leaf_count; s++) {
        const struct leaf_found *now = &j->found.leaves[rule->leaves[s]];

        for (uint32_t i = 0; i < now->count && j->counted[rule->first_slot + s]; i++) {
            const struct match *m = &j->found.matches[now->first + i];

            if (m->covered)
                continue;
            if (replaces)
                rewriter_replace(&j->rewriter, (enum judged_field)m->field, m->start, m->end);
            else
                rewriter_mask(&j->rewriter, (enum judged_field)m->field, m->start, m->end, rule->acts_as);
        }
    }
}

/* The same for all rules that apply with this action. */
static void paint_hits(struct judge *j, const struct ruleset *set, enum action action)
{
    for (size_t c = 0; c < j->candidate_count; c++) {
        uint32_t index = j->candidates[c];

        if (applies(j, index) && action_now(j, set, index) == action)
            paint_rule(j, &set->rules[index], action == ACTION_REPLACE);
    }
}

static void set_codes(const struct compiled_rule *rule, struct verdict *out)
{
    out->error_code = REPLY_ALLOW;
    if (out->action == ACTION_DISCARD)
        out->error_code = REPLY_DISCARD;
    if (out->action == ACTION_REJECT) {
        out->error_code = rule ? rule->reject_code : REPLY_REJECT;
        out->error_info = rule ? span_of(rule->reject_text) : (struct span){NULL, 0};
    }
}

static void forget_rewrites(struct verdict *out, bool all)
{
    out->rewrites = NULL;
    out->rewrite_count = 0;
    if (!all)
        return;
    out->becomes = (struct span){NULL, 0};
    out->cloud_custom_data = NULL;
}

static bool rewrite(struct judge *j, const struct ruleset *set, const struct decision *decision,
                    const struct case_file *file, struct verdict *out)
{
    bool replace = decision->action == ACTION_REPLACE;

    rewriter_begin(&j->rewriter, file->message, file->fields[FIELD_TEXT], file->fields[FIELD_CLOUD_CUSTOM_DATA]);
    paint_hits(j, set, ACTION_MASK);
    if (replace)
        paint_hits(j, set, ACTION_REPLACE);
    switch (rewriter_finish(&j->rewriter, set, replace ? decision->rule->replace : NULL, out)) {
    case REWRITE_DONE:
        return true;
    case REWRITE_IMPOSSIBLE:
        forget_rewrites(out, true);
        out->action = ACTION_REJECT;
        return true;
    case REWRITE_NO_MEMORY:
        return false;
    }
    return false;
}

/* Masks what all deny rules hit; with a replacement, hits of the rule that decides are what it replaces. */
static void paint_correction(struct judge *j, const struct ruleset *set, const struct compiled_rule *deciding)
{
    for (size_t c = 0; c < j->candidate_count; c++) {
        uint32_t index = j->candidates[c];
        const struct compiled_rule *rule = &set->rules[index];

        if (!applies(j, index) || action_now(j, set, index) < ACTION_MASK)
            continue;
        paint_rule(j, rule, deciding->replace && &set->rules[rule->acts_as] == deciding);
    }
}

/* What is to be sent in place of a message that is rejected or discarded. A correction that cannot be made is none: the
 * verdict stands without it. Behind the last match looked at there may be anything, so then only a replacement is safe.
 */
static void correct(struct judge *j, const struct ruleset *set, const struct decision *decision,
                    const struct case_file *file, struct verdict *out)
{
    const char *replacement = decision->rule->replace;
    bool made;

    if (j->found.too_many && !replacement)
        return;
    rewriter_begin(&j->rewriter, file->message, file->fields[FIELD_TEXT], file->fields[FIELD_CLOUD_CUSTOM_DATA]);
    paint_correction(j, set, decision->rule);
    made = rewriter_finish(&j->rewriter, set, replacement, out) == REWRITE_DONE &&
           (out->cloud_custom_data || !span_equal(out->becomes, file->fields[FIELD_TEXT]));
    forget_rewrites(out, !made);
}

/* Leaves the scratch as the next message expects it. */
static void clean_up(struct judge *j, const struct ruleset *set)
{
    if (j->candidate_count || j->found.match_count) {
        memset(j->rules, 0, set->rule_count * sizeof(*j->rules));
        memset(j->counted, 0, set->slot_count * sizeof(*j->counted));
        memset(j->scores, 0, set->scorecard_count * sizeof(*j->scores));
    }
    j->candidate_count = 0;
    finder_reset(&j->found, set);
}

/* Of a message that cannot be judged as a whole nothing weaker than a rejection is safe. */
static void reject_unjudged(struct verdict *out)
{
    out->action = ACTION_REJECT;
    out->decided_by = DECIDED_OVERLOAD;
    out->error_code = REPLY_REJECT;
}

/* False when memory ran out. */
static bool judge_fields(struct judge *j, const struct ruleset *set, const struct case_file *file, struct verdict *out)
{
    struct decision decision;

    finder_run(&j->found, set, file->circumstances, file->fields);
    if (j->found.failed)
        return false;
    if (!j->found.match_count && !j->found.too_many && !set->any_holds_without_match)
        return true;
    gather_candidates(j, set, file);
    apply_allow_rules(j, set);
    if (j->failed)
        return false;
    find_survivors(j);
    decision = decide(j, set);
    report_hits(j, set, decision.rule, out);

    if (decision.rule) {
        out->action = decision.action;
        out->decided_by = DECIDED_RULE;
        out->rule = decision.rule->name;
        out->follow_ups = decision.rule->then.items;
        out->follow_up_count = decision.rule->then.count;
    }
    if (j->found.too_many && out->action < ACTION_REJECT) /* what lies beyond the last match looked at is unknown */
        reject_unjudged(out);
    if ((out->action == ACTION_MASK || out->action == ACTION_REPLACE) && !rewrite(j, set, &decision, file, out))
        return false;
    if (decision.action >= ACTION_REJECT && verdict_wants_resend(out))
        correct(j, set, &decision, file, out);
    set_codes(decision.rule, out);
    return true;
}

static size_t text_len(const struct message *m)
{
    return m->text.len + (m->cloud_custom_data.presence == GIVEN ? m->cloud_custom_data.text.len : 0);
}

void judge_with(struct judge *j, const struct ruleset *set, const struct message *message,
                const struct circumstances *circumstances, const struct judge_options *options, struct verdict *out)
{
    const struct verdict allow = {.action = ACTION_ALLOW, .decided_by = DECIDED_DEFAULT};
    const struct optional_text *custom = &message->cloud_custom_data;
    struct case_file file = {message, circumstances, options, {{0}}};
    bool done = false;

    *out = allow;
    if (!set || (message->command != COMMAND_BEFORE && message->command != COMMAND_AFTER))
        return;
    out->revision = set->revision;
    rewriter_trim(&j->rewriter); /* what the last verdict borrowed is free now */
    if (set->rule_count && text_len(message) > JUDGE_MAX_TEXT) {
        reject_unjudged(out);
        return;
    }
    j->failed = false;
    file.fields[FIELD_TEXT] = valid_text(j, FIELD_TEXT, message->text);
    if (custom->presence == GIVEN)
        file.fields[FIELD_CLOUD_CUSTOM_DATA] = valid_text(j, FIELD_CLOUD_CUSTOM_DATA, custom->text);
    if (!j->failed && take_set(j, set)) {
        measurer_begin(&j->measurer, message, file.fields[FIELD_TEXT], circumstances);
        done = judge_fields(j, set, &file, out);
        clean_up(j, set);
    }
    if (!done) {
        *out = allow;
        out->revision = set->revision;
        out->decided_by = DECIDED_OVERLOAD;
    }
}

void judge_message(struct judge *j, const struct ruleset *set, const struct message *message,
                   const struct circumstances *circumstances, struct verdict *out)
{
    judge_with(j, set, message, circumstances, &(struct judge_options){0}, out);
}

void judge_text(struct judge *j, const struct ruleset *set, struct span text, struct verdict *out)
{
    struct text_piece piece = {.source = TEXT_TEXT, .len = (uint32_t)text.len};
    enum element_type element = ELEMENT_TEXT;
    struct message message = {
        .command = COMMAND_BEFORE,
        .text = text,
        .pieces = &piece,
        .piece_count = 1,
        .elements = &element,
        .element_count = 1,
    };

    judge_with(j, set, &message, NULL, &(struct judge_options){.any_scope = true}, out);
}
