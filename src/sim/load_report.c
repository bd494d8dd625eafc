#include "sim/load_report.h"

#include "base/json_write.h"

#include <inttypes.h>

static const struct quantile {
    const char *name;
    double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}};
enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

void load_counts_merge(struct load_counts *sum, const struct load_counts *other)
{
    sum->sent += other->sent;
    sum->answered += other->answered;
    sum->refused += other->refused;
    sum->failed += other->failed;
    sum->unsent += other->unsent;
    sum->timeouts += other->timeouts;
    sum->broken += other->broken;
    sum->invalid += other->invalid;
    sum->late += other->late;
    sum->connects += other->connects;
    sum->connect_failures += other->connect_failures;
    if (other->last_refusal)
        sum->last_refusal = other->last_refusal;
    for (int form = 0; form < VERDICT_FORMS; form++)
        sum->verdicts[form] += other->verdicts[form];
    latency_merge(&sum->latency, &other->latency);
    if (other->ended_us > sum->ended_us)
        sum->ended_us = other->ended_us;
}

bool load_is_void(const struct load_counts *c)
{
    return c->sent != c->answered + c->refused + c->failed;
}

static double milliseconds(const struct load_counts *c, const struct quantile *q)
{
    return (double)latency_at(&c->latency, q->share) / 1000;
}

static double rate(const struct load_counts *c, double seconds)
{
    return seconds > 0 ? (double)c->answered / seconds : 0;
}

void load_report_json(struct buf *out, const struct load_counts *c, double seconds)
{
    buf_add_char(out, '{');
    json_add_member_u64(out, "sent", c->sent);
    json_add_member_u64(out, "answered", c->answered);
    json_add_member_u64(out, "refused", c->refused);
    json_add_member_u64(out, "failed", c->failed);
    json_add_key(out, "latency_ms");
    buf_add_char(out, '{');
    for (size_t i = 0; i < QUANTILES; i++) {
        json_add_key(out, quantiles[i].name);
        buf_addf(out, "%.3f", milliseconds(c, &quantiles[i]));
    }
    buf_add_char(out, '}');
    json_add_key(out, "verdicts");
    buf_add_char(out, '{');
    for (int form = VERDICT_ALLOW; form < VERDICT_FAILED; form++)
        json_add_member_u64(out, verdict_form_name((enum verdict_form)form), c->verdicts[form]);
    buf_add_char(out, '}');
    json_add_key(out, "duration");
    buf_addf(out, "%.3f", seconds);
    json_add_key(out, "rate");
    buf_addf(out, "%.1f", rate(c, seconds));
    json_add_member_u64(out, "unsent", c->unsent);
    json_add_key(out, "failures");
    buf_add_char(out, '{');
    json_add_member_u64(out, "timeout", c->timeouts);
    json_add_member_u64(out, "connection", c->broken);
    json_add_member_u64(out, "invalid", c->invalid);
    buf_add_char(out, '}');
    json_add_member_u64(out, "late", c->late);
    json_add_member_i64(out, "last_refusal", c->last_refusal);
    json_add_member_u64(out, "connects", c->connects);
    json_add_member_u64(out, "connect_failures", c->connect_failures);
    json_add_member_bool(out, "void", load_is_void(c));
    buf_add_text(out, "}\n");
}

void load_report_text(struct buf *out, const struct load_counts *c, double seconds)
{
    buf_addf(out, "%" PRIu64 " sent in %.1f s: %" PRIu64 " answered (%.0f/s), %" PRIu64 " refused, %" PRIu64 " failed",
             c->sent, seconds, c->answered, rate(c, seconds), c->refused, c->failed);
    buf_addf(out, " (%" PRIu64 " timeout, %" PRIu64 " connection, %" PRIu64 " invalid)\n", c->timeouts, c->broken,
             c->invalid);
    if (c->refused > 0)
        buf_addf(out, "last refusal: HTTP status %d\n", c->last_refusal);
    if (c->late > 0)
        buf_addf(out, "%" PRIu64 " were answered when the platform had given up, after %d ms\n", c->late, LOAD_LATE_MS);
    if (c->unsent > 0)
        buf_addf(out, "%" PRIu64 " were due and found no connection in time\n", c->unsent);
    buf_add_text(out, "latency from the scheduled time, ms:");
    for (size_t i = 0; i < QUANTILES; i++)
        buf_addf(out, " %s %.3f", quantiles[i].name, milliseconds(c, &quantiles[i]));
    buf_add_text(out, "\nverdicts:");
    for (int form = VERDICT_ALLOW; form < VERDICT_FAILED; form++)
        buf_addf(out, " %s %" PRIu64, verdict_form_name((enum verdict_form)form), c->verdicts[form]);
    buf_addf(out, "\n%" PRIu64 " connections made, %" PRIu64 " attempts failed\n", c->connects, c->connect_failures);
    if (load_is_void(c))
        buf_add_text(out, "VOID: sent is not answered + refused + failed\n");
}
