#include "cli/hit_text.h"

#include "base/json_write.h"
#include "cli/marked_text.h"

#include <inttypes.h>

static struct span given(struct optional_text text)
{
    return text.presence == GIVEN ? text.text : (struct span){NULL, 0};
}

struct judged_text judged_text_of(const struct message *message)
{
    return (struct judged_text){message->text, given(message->cloud_custom_data)};
}

struct span judged_field(const struct judged_text *fields, enum judged_field field)
{
    return field == FIELD_TEXT ? fields->text : fields->custom_data;
}

bool hit_is_measure(const struct hit *hit)
{
    return !hit->list && hit->start == 0 && hit->end == 0;
}

static bool is_inside(const struct hit *hit, struct span field)
{
    return hit->start < hit->end && hit->end <= field.len;
}

void hit_text_marked(struct buf *out, const char *indent, const struct judged_text *fields, const struct verdict *v,
                     bool reverse)
{
    struct text_mark marks[JUDGE_MAX_HITS];

    for (int f = FIELD_TEXT; f <= FIELD_CLOUD_CUSTOM_DATA; f++) {
        struct span field = judged_field(fields, (enum judged_field)f);
        size_t count = 0;

        for (size_t i = 0; i < v->hit_count && count < JUDGE_MAX_HITS; i++)
            if (v->hits[i].field == (enum judged_field)f && is_inside(&v->hits[i], field))
                marks[count++] = (struct text_mark){v->hits[i].start, v->hits[i].end};
        if (f == FIELD_TEXT || count > 0)
            marked_text_add(out, indent, field, marks, count, reverse);
    }
}

static const char *state_words(enum hit_state state)
{
    switch (state) {
    case HIT_COUNTED:
        return "counted";
    case HIT_ALLOWED:
        return "covered by an allow hit";
    case HIT_SHADOW:
        return "only recorded: shadow";
    case HIT_ALLOW:
        return "allows";
    case HIT_UNMET:
        return "the rule does not hold as a whole";
    }
    return "";
}

void hit_text_add(struct buf *out, const char *indent, const struct judged_text *fields, const struct hit *hit)
{
    struct span field = judged_field(fields, hit->field);

    buf_addf(out, "%s%s%s%s: ", indent, hit->rule, hit->list ? ", list " : "", hit->list ? hit->list : "");
    if (hit_is_measure(hit)) {
        shown_text_add(out, hit->term);
    } else {
        buf_addf(out, "bytes %" PRIu32 "-%" PRIu32 "%s \"", hit->start, hit->end,
                 hit->field == FIELD_TEXT ? "" : " of CloudCustomData");
        if (is_inside(hit, field))
            shown_text_add(out, (struct span){field.data + hit->start, hit->end - hit->start});
        buf_addf(out, "\", %s \"", hit->list ? "term" : "by");
        shown_text_add(out, hit->term);
        buf_addf(out, "\", folding %s", hit->folding);
    }
    buf_addf(out, ", %s, %s\n", action_name(hit->action), state_words(hit->state));
}

void hit_text_explain(struct buf *out, const char *indent, const struct explanation *e)
{
    if (!e->found) {
        buf_addf(out, "%s(these rules do not find it by itself)\n", indent);
        return;
    }
    if (e->detected) {
        buf_addf(out, "%slinks and contact data are found in all their forms, without a folding\n", indent);
        return;
    }
    buf_addf(out, "%sas written: \"", indent);
    shown_text_add(out, e->plain);
    buf_add_text(out, e->stage_count > 0 ? "\"\n" : "\", which needs no folding\n");
    for (size_t i = 0; i < e->stage_count; i++) {
        buf_addf(out, "%safter %s: \"", indent, e->stages[i].step);
        shown_text_add(out, buf_span(&e->stages[i].text));
        buf_add_text(out, "\"\n");
    }
}

void hit_explanation_json(struct buf *out, const struct explanation *e)
{
    buf_add_char(out, '{');
    json_add_member_bool(out, "found", e->found);
    json_add_member_bool(out, "detected", e->detected);
    json_add_member_span(out, "from", e->plain);
    json_add_key(out, "steps");
    buf_add_char(out, '[');
    for (size_t i = 0; i < e->stage_count; i++) {
        buf_add_text(out, i == 0 ? "{" : ",{");
        json_add_member_text(out, "step", e->stages[i].step);
        json_add_member_span(out, "text", (struct span){buf_text(&e->stages[i].text), e->stages[i].text.len});
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]}");
}
