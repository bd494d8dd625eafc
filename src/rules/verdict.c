#include "rules/verdict.h"

#include "base/json_write.h"
#include "base/utf8.h"
#include "rules/language/rule_names.h"

const char *action_name(enum action a)
{
    return action_names_list.names[a];
}

bool action_of(struct span name, enum action *out)
{
    for (size_t a = 0; a < action_names_list.count; a++)
        if (span_is(name, action_names_list.names[a])) {
            *out = (enum action)a;
            return true;
        }
    return false;
}

const char *decided_by_name(enum decided_by d)
{
    switch (d) {
    case DECIDED_RULE:
        return "rule";
    case DECIDED_DEFAULT:
        return "default";
    case DECIDED_DEADLINE:
        return "deadline";
    case DECIDED_OVERLOAD:
        return "overload";
    case DECIDED_CORRECTION:
        return "correction";
    }
    return "default";
}

bool verdict_wants_resend(const struct verdict *verdict)
{
    for (size_t i = 0; i < verdict->follow_up_count; i++)
        if (strcmp(verdict->follow_ups[i], "resend") == 0)
            return true;
    return false;
}

static const char *field_name(enum judged_field f)
{
    return f == FIELD_TEXT ? "text" : "cloud_custom_data";
}

static const char *hit_state_name(enum hit_state s)
{
    switch (s) {
    case HIT_COUNTED:
        return "counted";
    case HIT_ALLOWED:
        return "allowed";
    case HIT_SHADOW:
        return "shadow";
    case HIT_ALLOW:
        return "allow";
    case HIT_UNMET:
        return "unmet";
    }
    return "unmet";
}

static struct span matched_of(const struct hit *h, struct span field)
{
    struct span matched = {field.data + h->start, h->end - h->start};

    matched.len = utf8_cut(matched.data, matched.len, VERDICT_MAX_MATCHED);
    return matched;
}

void verdict_hits_json(struct buf *out, const struct verdict *verdict, struct span text, struct span custom_data)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < verdict->hit_count; i++) {
        const struct hit *h = &verdict->hits[i];
        struct span field = h->field == FIELD_TEXT ? text : custom_data;

        if (i)
            buf_add_char(out, ',');
        buf_add_char(out, '{');
        json_add_member_text(out, "rule", h->rule);
        json_add_member_text(out, "list", h->list);
        json_add_member_span(out, "term", h->term);
        json_add_member_u64(out, "start", h->start);
        json_add_member_u64(out, "end", h->end);
        json_add_member_text(out, "folding", h->folding);
        json_add_member_text(out, "field", field_name(h->field));
        json_add_member_text(out, "state", hit_state_name(h->state));
        json_add_member_text(out, "action", action_name(h->action));
        if (h->scorecard) {
            json_add_member_text(out, "scorecard", h->scorecard);
            json_add_member_i64(out, "points", h->points);
        }
        if (h->start < h->end && h->end <= field.len)
            json_add_member_span(out, "matched", matched_of(h, field));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}
