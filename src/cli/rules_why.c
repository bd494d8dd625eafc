/* rules_why.c - why a stored event was answered as it was: judged again by the revision in force then, with the steps
 * that made each hit match, and by the revision in force now. */
#include "base/json_write.h"
#include "cli/hit_text.h"
#include "cli/marked_text.h"
#include "cli/why_judge.h"
#include "rules/tools/explain.h"
#include "rules/folding/folding.h"
#include "wire/callback.h"

#include <inttypes.h>

struct asking {
    const struct cli *cli;
    struct db *db;
    struct evidence event;
    struct callback_parser *parser;
    struct message message;
    struct judged_text fields;
    struct buf earlier; /* what the sender said just before */
    struct picked_rules then, now;
    struct rejudgement again, today;
    bool differs[WHY_DIFFERENCES], any_difference;
    bool json;
    struct buf out;
    bool first; /* of a JSON list being written */
    bool failed;
};

/* Takes the next text off what the sender said just before; none where no rule looks at it. */
static bool next_earlier(const struct asking *a, struct span *rest, struct span *text)
{
    const char *end = rest->len > 0 ? memchr(rest->data, MESSAGE_END, rest->len) : NULL;

    if (!end || !a->then.set || !ruleset_wants_earlier(a->then.set))
        return false;
    *text = (struct span){rest->data, (size_t)(end - rest->data)};
    rest->len -= text->len + 1;
    rest->data = end + 1;
    return true;
}

/* For people --------------------------------------------------------------------------------------------------------
 */

static const char indent[] = "  ", deeper[] = "      ";

static void add_named(struct buf *out, const char *name, struct span text)
{
    if (!text.data || text.len == 0)
        return;
    buf_addf(out, ", %s ", name);
    shown_text_add(out, text);
}

static void event_text(struct asking *a)
{
    const struct evidence *e = &a->event;
    struct buf *out = &a->out;

    buf_addf(out, "event %.*s, %.*s webhook of %.*s\n", (int)e->event_id.len, e->event_id.data, (int)e->command.len,
             e->command.data, (int)e->event_time.len, e->event_time.data);
    buf_addf(out, "application %llu", e->sdkappid);
    add_named(out, "room", e->group_id);
    add_named(out, "type", e->group_type);
    add_named(out, "sender", e->from_account);
    add_named(out, "platform", e->platform);
    buf_add_text(out, "\n\n");
}

/* The marker that came with the message and was not accepted: what that means for it. */
static void marker_text(struct asking *a)
{
    const struct evidence *e = &a->event;
    struct buf *out = &a->out;

    if (!e->marker.data)
        return;
    if (!why_marker_is_true(e)) {
        buf_add_text(out, "came with a forged marker: judged as any other message\n");
        return;
    }
    buf_addf(out, "came with a marker of ours, %.*s", (int)e->marker.len, e->marker.data);
    add_named(out, "of correction", e->correction_id);
    buf_add_text(out, ": judged as any other message, but without follow-ups\n");
}

static void answer_text(struct asking *a)
{
    const struct evidence *e = &a->event;
    struct buf *out = &a->out;

    buf_addf(out, "answered: %.*s, code %lld", (int)e->verdict.len, e->verdict.data, e->error_code);
    if (span_is(e->decided_by, "deadline"))
        buf_add_text(out, ", because there was no verdict by the deadline; webhook.fallback_verdict says what then");
    else if (span_is(e->decided_by, "overload"))
        buf_add_text(out, ", because the message could not be judged whole: no memory, or too much in it");
    else if (e->rule.data)
        add_named(out, "by rule", e->rule);
    else
        buf_add_text(out, ", by default: no enforced rule held");
    if (e->revision > 0)
        buf_addf(out, ", revision %llu", e->revision);
    else
        buf_add_text(out, ", without any rules");
    buf_addf(out, ", after %llu us\n", e->judge_us);
    if (e->rewritten.data) {
        buf_add_text(out, "became:   ");
        shown_text_add(out, e->rewritten);
        buf_add_char(out, '\n');
    }
    add_named(out, "follow-ups", e->follow_ups);
    if (e->follow_ups.data)
        buf_add_char(out, '\n');
}

static void outside_text(const struct rule *rule, const char *reason, void *arg)
{
    struct asking *a = arg;

    buf_addf(&a->out, "%s%s would have hit, but %s\n", indent, rule->name, reason);
}

static void explain_text(struct asking *a, size_t i)
{
    const struct hit *hit = &a->again.verdict.hits[i];
    struct explanation e;
    struct err err;

    if (hit_is_measure(hit))
        return;
    if (explain_hit(&e, a->then.doc, hit, &a->message, &a->again.circumstances, &err) < 0)
        a->failed = true;
    hit_text_explain(&a->out, deeper, &e);
    explanation_release(&e);
}

static void hits_text(struct asking *a)
{
    const struct verdict *v = &a->again.verdict;

    for (size_t i = 0; i < v->hit_count; i++) {
        struct buf reason = BUF_INIT;

        why_reason(&reason, a->then.doc, v, i);
        hit_text_add(&a->out, indent, &a->fields, &v->hits[i]);
        buf_addf(&a->out, "%s%s%s\n", deeper, reason.len > 0 ? "" : "this decided", buf_text(&reason));
        explain_text(a, i);
        buf_release(&reason);
    }
    if (v->hits_cut)
        buf_addf(&a->out, "%s(and more)\n", indent);
    if (a->then.doc)
        why_each_outside(&a->again, &a->message, &a->then, outside_text, a);
}

static void comparison_text(struct asking *a)
{
    struct buf *out = &a->out;
    bool first = true;

    if (why_decided_otherwise(&a->event))
        buf_addf(out, "judged again without that: %s%s%s\n", action_name(a->again.action),
                 a->again.verdict.rule ? " by rule " : "", a->again.verdict.rule ? a->again.verdict.rule : "");
    if (!a->any_difference) {
        buf_add_text(out, "judged again by the same revision: the same\n");
        return;
    }
    buf_addf(out, "judged again by the same revision: DIFFERENT, %s%s%s; what differs: ", action_name(a->again.action),
             a->again.verdict.rule ? " by rule " : "", a->again.verdict.rule ? a->again.verdict.rule : "");
    for (size_t d = 0; d < WHY_DIFFERENCES; d++)
        if (a->differs[d]) {
            buf_addf(out, "%s%s", first ? "" : ", ", why_difference_names[d]);
            first = false;
        }
    buf_add_char(out, '\n');
}

static void today_text(struct asking *a)
{
    const struct verdict *v = &a->today.verdict;
    struct buf *out = &a->out;

    if (!a->now.set) {
        buf_add_text(out, "no revision is in force now\n");
        return;
    }
    buf_addf(out, "judged by revision %" PRIu64 ", in force now%s: %s%s%s", a->now.revision,
             a->now.revision == a->event.revision ? " as then" : "", action_name(a->today.action),
             v->rule ? " by rule " : "", v->rule ? v->rule : "");
    if (v->becomes.data && a->today.action == v->action) {
        buf_add_text(out, ", becomes ");
        shown_text_add(out, v->becomes);
    }
    buf_add_char(out, '\n');
}

static void earlier_text(struct asking *a)
{
    struct span rest = buf_span(&a->earlier), text;

    while (next_earlier(a, &rest, &text)) {
        buf_addf(&a->out, "%s(before: ", indent);
        shown_text_add(&a->out, text);
        buf_add_text(&a->out, ")\n");
    }
}

static void report_text(struct asking *a)
{
    event_text(a);
    if (a->event.fault.data) {
        buf_addf(&a->out, "answered: %.*s, code %lld, because the body could not be read: %.*s\n",
                 (int)a->event.verdict.len, a->event.verdict.data, a->event.error_code, (int)a->event.fault.len,
                 a->event.fault.data);
        return;
    }
    if (!a->event.verdict.data) {
        buf_add_text(&a->out, "webhooks of this kind are not judged, only stored\n");
        return;
    }
    if (why_is_correction(&a->event)) {
        buf_addf(&a->out, "answered: %.*s: a corrected message of our own", (int)a->event.verdict.len,
                 a->event.verdict.data);
        add_named(&a->out, "correction", a->event.correction_id);
        buf_add_text(&a->out, ", known by its marker; the rules were not asked\n");
        return;
    }
    marker_text(a);
    earlier_text(a);
    hit_text_marked(&a->out, indent, &a->fields, &a->again.verdict, terminal_marks());
    answer_text(a);
    hits_text(a);
    comparison_text(a);
    today_text(a);
}

/* For programs ------------------------------------------------------------------------------------------------------
 */

static void next_item(struct asking *a)
{
    if (!a->first)
        buf_add_char(&a->out, ',');
    a->first = false;
}

static void earlier_json(struct asking *a)
{
    struct span rest = buf_span(&a->earlier), text;

    json_add_key(&a->out, "earlier");
    buf_add_char(&a->out, '[');
    a->first = true;
    while (next_earlier(a, &rest, &text)) {
        next_item(a);
        json_add_string(&a->out, text);
    }
    buf_add_char(&a->out, ']');
}

static void event_json(struct asking *a)
{
    const struct evidence *e = &a->event;
    struct buf *out = &a->out;

    json_add_member_span(out, "event_id", e->event_id);
    json_add_member_span(out, "event_time", e->event_time);
    json_add_member_span(out, "command", e->command);
    json_add_member_u64(out, "sdkappid", e->sdkappid);
    json_add_member_span(out, "group", e->group_id);
    json_add_member_span(out, "sender", e->from_account);
    json_add_member_span(out, "platform", e->platform);
    json_add_member_span(out, "text", e->text);
    earlier_json(a);
    json_add_member_span(out, "fault", e->fault);
    json_add_member_span(out, "verdict", e->verdict);
    json_add_member_span(out, "decided_by", e->decided_by);
    json_add_member_span(out, "marker", e->marker);
    json_add_member_span(out, "correction_id", e->correction_id);
    json_add_member_span(out, "rule", e->rule);
    json_add_member_i64(out, "error_code", e->error_code);
    json_add_member_span(out, "becomes", e->rewritten);
    json_add_member_u64(out, "revision", e->revision);
    json_add_member_u64(out, "judge_us", e->judge_us);
}

static void verdict_json(struct asking *a, const char *key, const struct rejudgement *r, uint64_t revision)
{
    struct buf *out = &a->out;

    json_add_key(out, key);
    buf_add_char(out, '{');
    json_add_member_u64(out, "revision", revision);
    json_add_member_text(out, "verdict", action_name(r->action));
    json_add_member_span(out, "becomes", r->action == r->verdict.action ? r->verdict.becomes : (struct span){NULL, 0});
    json_add_member_text(out, "decided_by", decided_by_name(r->verdict.decided_by));
    json_add_member_text(out, "rule", r->verdict.rule);
    json_add_member_i64(out, "error_code", r->error_code);
    json_add_key(out, "hits");
    verdict_hits_json(out, &r->verdict, a->fields.text, a->fields.custom_data);
}

static void outside_json(const struct rule *rule, const char *reason, void *arg)
{
    struct asking *a = arg;

    next_item(a);
    buf_add_char(&a->out, '{');
    json_add_member_text(&a->out, "rule", rule->name);
    json_add_member_text(&a->out, "reason", reason);
    buf_add_char(&a->out, '}');
}

/* reasons and explanations: one for each hit; a reason is null for what decided. */
static void hits_json(struct asking *a)
{
    const struct verdict *v = &a->again.verdict;
    struct buf *out = &a->out;

    json_add_key(out, "reasons");
    buf_add_char(out, '[');
    for (size_t i = 0; i < v->hit_count; i++) {
        struct buf reason = BUF_INIT;

        if (i > 0)
            buf_add_char(out, ',');
        why_reason(&reason, a->then.doc, v, i);
        if (reason.len > 0)
            json_add_string(out, buf_span(&reason));
        else
            buf_add_text(out, "null");
        buf_release(&reason);
    }
    buf_add_char(out, ']');
    json_add_key(out, "explanations");
    buf_add_char(out, '[');
    for (size_t i = 0; i < v->hit_count; i++) {
        struct explanation e;
        struct err err;

        if (i > 0)
            buf_add_char(out, ',');
        if (explain_hit(&e, a->then.doc, &v->hits[i], &a->message, &a->again.circumstances, &err) < 0)
            a->failed = true;
        hit_explanation_json(out, &e);
        explanation_release(&e);
    }
    buf_add_char(out, ']');
    json_add_key(out, "outside");
    buf_add_char(out, '[');
    a->first = true;
    if (a->then.doc)
        why_each_outside(&a->again, &a->message, &a->then, outside_json, a);
    buf_add_char(out, ']');
}

/* Whether there was something to judge, and rules judged it. */
static bool was_judged(const struct evidence *e)
{
    return !e->fault.data && e->verdict.data && !why_is_correction(e);
}

static void report_json(struct asking *a)
{
    struct buf *out = &a->out;

    buf_add_char(out, '{');
    event_json(a);
    if (was_judged(&a->event)) {
        verdict_json(a, "again", &a->again, a->event.revision);
        hits_json(a);
        buf_add_char(out, '}');
        json_add_member_bool(out, "same", !a->any_difference);
        json_add_key(out, "differences");
        buf_add_char(out, '[');
        a->first = true;
        for (size_t d = 0; d < WHY_DIFFERENCES; d++)
            if (a->differs[d]) {
                next_item(a);
                json_add_string(out, span_of(why_difference_names[d]));
            }
        buf_add_char(out, ']');
        if (a->now.set) {
            verdict_json(a, "today", &a->today, a->now.revision);
            buf_add_char(out, '}');
        }
    }
    buf_add_text(out, "}\n");
}

/* The whole ---------------------------------------------------------------------------------------------------------
 */

/* False, and said why, when the event cannot be judged again although it was judged. */
static bool judge_again(struct asking *a)
{
    const struct cli *cli = a->cli;
    uint64_t in_force = 0;
    struct err err;

    if (!was_judged(&a->event))
        return true;
    a->parser = callback_parser_new();
    if (!a->parser || callback_parse(a->parser, buf_span(&a->event.raw), &a->message, &err) < 0)
        return cli_fail(cli, "%s", a->parser ? err.text : "out of memory"), false;
    a->message.command = span_is(a->event.command, "after") ? COMMAND_AFTER : COMMAND_BEFORE;
    a->fields = judged_text_of(&a->message);
    if (a->event.revision > 0 && !pick_revision(cli, a->db, a->event.revision, &a->then))
        return false;
    if (evidence_earlier(a->db, &a->event, &a->earlier, &err) < 0)
        return cli_fail(cli, "%s", err.text), false;
    if (!why_judge(&a->again, &a->event, buf_span(&a->earlier), &a->message, a->then.set))
        return cli_fail(cli, "out of memory"), false;
    if (why_compare(a->db, &a->event, &a->message, &a->again, a->differs, &err) < 0)
        return cli_fail(cli, "%s", err.text), false;
    for (size_t d = 0; d < WHY_DIFFERENCES; d++)
        a->any_difference = a->any_difference || a->differs[d];
    if (pick_in_force(cli, a->db, &in_force) && in_force > 0 &&
        (!pick_revision(cli, a->db, in_force, &a->now) ||
         !why_judge(&a->today, &a->event, buf_span(&a->earlier), &a->message, a->now.set)))
        return cli_fail(cli, "the message cannot be judged by revision %" PRIu64, in_force), false;
    return true;
}

static int answer(struct asking *a, const struct evidence_key *key)
{
    struct err err;
    int status;

    a->db = cli_database(a->cli);
    if (!a->db)
        return CLI_FAILED;
    if (evidence_find(&a->event, a->db, key, &err) < 0)
        return cli_fail(a->cli, "%s", err.text);
    if (!judge_again(a))
        return CLI_FAILED;
    (a->json ? report_json : report_text)(a);
    if (a->failed)
        return cli_fail(a->cli, "out of memory");
    status = cli_print(a->cli, &a->out);
    return status == CLI_FINE && a->any_difference ? CLI_FAILED : status;
}

int cli_rules_why(struct cli *cli)
{
    struct asking a = {.cli = cli};
    struct evidence_key key = {0};
    bool last = false;
    const struct cli_option options[] = {
        {"group", CLI_TEXT, &key.group, "ID", "the room; with an event's id it only makes finding it faster"},
        {"seq", CLI_TEXT, &key.seq, "N", "the message of this MsgSeq in the room"},
        {"sender", CLI_TEXT, &key.sender, "ID", "with --last: whose message in the room"},
        {"last", CLI_FLAG, &last, NULL, "the newest message of the sender in the room"},
        {"json", CLI_FLAG, &a.json, NULL, "one JSON object"},
        {0}};
    unsigned long long seq;
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    key.event_id = cli->arguments.count == 1 ? cli->arguments.items[0] : NULL;
    if (cli->arguments.count > 1 || (!key.event_id && !(key.group && (key.seq || (key.sender && last)))))
        return cli_usage(cli, "name an event's id, or --group and --seq, or --group, --sender and --last");
    if (key.event_id && (key.seq || key.sender || last || !cli_is_uuid(key.event_id)))
        return cli_usage(cli, "an event's id is a UUID, and stands alone or with --group");
    if (key.seq && (!span_to_u64(span_of(key.seq), &seq) || seq > INT64_MAX || key.sender || last))
        return cli_usage(cli, "--seq is a number, and needs no sender");
    status = answer(&a, &key);
    why_release(&a.again);
    why_release(&a.today);
    picked_release(&a.then);
    picked_release(&a.now);
    callback_parser_free(a.parser);
    evidence_release(&a.event);
    buf_release(&a.earlier);
    buf_release(&a.out);
    db_close(a.db);
    return status;
}
