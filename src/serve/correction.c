#include "serve/correction.h"

#include "base/metrics.h"
#include "wire/reply.h"

/* What send_text_msg makes; the marker's text says nothing of where in the message it stands. */
static bool is_one_text(const struct message *m)
{
    return m->element_count == 1 && m->elements[0] == ELEMENT_TEXT;
}

static enum marker_use judge_use(const struct message *message, const struct origin *origin,
                                 const struct marker *marker, struct marker_memory *used)
{
    if (!marker_may_be_rest(origin->platform))
        return MARKER_COPIED;
    if (message->command == COMMAND_AFTER) /* its Before was the use, and it may come as late as it likes */
        return MARKER_ACCEPTED;
    if (!marker_in_time(marker, origin->wall_s))
        return MARKER_LATE;
    return marker_memory_use(used, marker, origin->mono_s) ? MARKER_ACCEPTED : MARKER_USED;
}

static void count(enum marker_use use)
{
    static const enum metric metrics[MARKER_USES] = {
        [MARKER_ACCEPTED] = METRIC_MARKERS_ACCEPTED, [MARKER_USED] = METRIC_MARKERS_USED,
        [MARKER_LATE] = METRIC_MARKERS_LATE,         [MARKER_COPIED] = METRIC_MARKERS_COPIED,
        [MARKER_WRONG] = METRIC_MARKERS_FORGED,
    };

    if (use != MARKER_ABSENT)
        metric_count(metrics[use]);
}

void correction_find(struct correction *out, const struct message *message, const struct origin *origin,
                     struct marker_memory *used, struct buf *strings)
{
    const struct marked marked = {
        .room = message->group_id.text,
        .sender = message->from_account.text,
        .text = message->text,
        .custom_data = message->cloud_custom_data,
    };

    *out = (struct correction){.use = MARKER_ABSENT};
    if (!origin->key || (message->command != COMMAND_BEFORE && message->command != COMMAND_AFTER))
        return;
    switch (marker_read(origin->key, &marked, &out->marker, strings, &out->own)) {
    case MARKER_NONE:
        return;
    case MARKER_FORGED:
        out->use = MARKER_WRONG;
        break;
    case MARKER_TRUE:
        out->use = is_one_text(message) ? judge_use(message, origin, &out->marker, used) : MARKER_WRONG;
        break;
    }
    count(out->use);
}

bool correction_is_ours(const struct correction *c)
{
    return c->use != MARKER_ABSENT && c->use != MARKER_WRONG;
}

/* What a client copied is no sign that our own message came through: it does not carry out that row. */
void correction_record(struct event_record *record, const struct correction *c)
{
    record->marker = c->use;
    if (correction_is_ours(c) && c->use != MARKER_COPIED)
        record->correction_id = (struct span){c->marker.id, MARKER_ID};
}

int correction_reply(struct buf *out, const struct correction *c, struct span body, const struct message *message,
                     struct err *err)
{
    const struct span own = c->own.presence == GIVEN ? c->own.text : SPAN("");

    return reply_rewrite(out, body, message, NULL, 0, &own, err);
}
