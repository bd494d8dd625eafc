#include "sim/platform.h"

#include "base/clock.h"
#include "base/json_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct platform {
    bool fail_closed; /* fixed, as the next four */
    const char *blocked_text;
    int64_t recall_s;
    struct rooms *rooms;
    struct fire *fire;
    struct seeded random;
    _Atomic uint64_t messages, dropped;
    _Atomic uint64_t verdicts[VERDICT_FORMS];
};

int platform_new(struct platform **out, const struct platform_options *options, struct rooms *rooms, struct err *err)
{
    struct platform *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return err_set(err, ERR_FAILED, "could not make the platform: out of memory");
    p->fail_closed = options->fail_closed;
    p->blocked_text = options->blocked_text;
    p->recall_s = options->recall_s;
    p->rooms = rooms;
    seeded_init(&p->random, options->seed);
    r = fire_new(&p->fire, &options->fire, &p->random, err);
    if (r < 0) {
        platform_free(p);
        return r;
    }
    *out = p;
    return 0;
}

void platform_free(struct platform *p)
{
    if (!p)
        return;
    fire_free(p->fire);
    free(p);
}

uint64_t platform_random(struct platform *p)
{
    return seeded_next(&p->random);
}

void delivery_release(struct delivery *d)
{
    http_answer_release(&d->answer);
}

static bool is_blocked(const struct platform *p, const struct outgoing *message)
{
    return p->blocked_text && !message->unmoderated &&
           memmem(message->msg_body.data, message->msg_body.len, p->blocked_text, strlen(p->blocked_text));
}

/* The room as far as it decides whether the message may go on; its type for the webhooks. */
static enum send_result check(struct platform *p, const struct outgoing *message, char *type)
{
    if (rooms_type(p->rooms, message->room_id, type) != ROOM_OK)
        return SEND_NO_ROOM;
    if (message->live_only && strcmp(type, "Live") != 0)
        return SEND_NOT_LIVE;
    if (message->content_bytes > PLATFORM_MAX_MESSAGE)
        return SEND_TOO_LONG;
    switch (rooms_voice(p->rooms, message->room_id, message->from_account, clock_wall_us())) {
    case VOICE_BANNED:
        return SEND_BANNED;
    case VOICE_MUTED:
        return SEND_MUTED;
    case VOICE_FREE:
        break;
    }
    return is_blocked(p, message) ? SEND_BLOCKED : SEND_OK;
}

/* Fires Before and puts its verdict into *out and, where it rewrites, into *gm. */
static enum send_result judge(struct platform *p, struct group_message *gm, struct delivery *out)
{
    struct verdict_reply reply = {.form = VERDICT_FAILED};

    fire_now(p->fire, COMMAND_BEFORE, gm, &out->answer, &out->before);
    if (!out->before.failure)
        verdict_reply_read(buf_span(&out->answer.body), gm->msg_body.len, &reply);
    out->verdict = reply.form;
    out->reply_fault = reply.fault;
    atomic_fetch_add_explicit(&p->verdicts[reply.form], 1, memory_order_relaxed);
    switch (reply.form) {
    case VERDICT_REJECT:
        return SEND_REJECTED;
    case VERDICT_CODE:
        out->error_code = reply.error_code;
        out->error_info = reply.error_info;
        return SEND_CODE;
    case VERDICT_REWRITE:
        if (reply.msg_body.data)
            gm->msg_body = reply.msg_body;
        if (reply.cloud_custom_data.data)
            gm->cloud_custom_data = reply.cloud_custom_data;
        return SEND_OK;
    case VERDICT_FAILED:
        return p->fail_closed ? SEND_REJECTED : SEND_OK;
    case VERDICT_NONE:
    case VERDICT_ALLOW:
    case VERDICT_DISCARD:
    case VERDICT_FORMS:
        break;
    }
    return SEND_OK;
}

/* What the room sees: the message as one JSON object. */
static void shown_add(struct buf *out, const struct group_message *gm)
{
    buf_add_char(out, '{');
    json_add_member_u64(out, "MsgSeq", gm->msg_seq);
    json_add_member_i64(out, "MsgTime", gm->msg_time_s);
    json_add_member_span(out, "From_Account", gm->from_account);
    json_add_member_span(out, "Operator_Account", gm->operator_account);
    json_add_member_text(out, "OptPlatform", gm->opt_platform);
    json_add_member_span(out, "MsgId", gm->msg_id);
    json_add_member_u64(out, "Random", gm->random);
    json_add_key(out, "MsgBody");
    buf_add_span(out, gm->msg_body);
    if (gm->cloud_custom_data.data) {
        json_add_key(out, "CloudCustomData");
        buf_add_span(out, gm->cloud_custom_data);
    }
    buf_add_char(out, '}');
}

static enum send_result deliver(struct platform *p, const struct outgoing *message, struct group_message *gm,
                                struct delivery *out)
{
    struct shown_message seen = {.time_s = gm->msg_time_s, .sender = gm->from_account};
    struct buf shown = BUF_INIT;
    enum send_result result = SEND_OK;

    out->over_limit = message->over_limit;
    if (!out->over_limit &&
        rooms_number(p->rooms, gm->group_id, clock_mono_us(), &gm->msg_seq, &out->over_limit) != ROOM_OK)
        return SEND_NO_ROOM; /* dissolved meanwhile */
    out->msg_seq = gm->msg_seq;
    if (out->over_limit) {
        atomic_fetch_add_explicit(&p->dropped, 1, memory_order_relaxed);
        return SEND_OK;
    }
    shown_add(&shown, gm);
    seen.seq = gm->msg_seq;
    seen.json = buf_span(&shown);
    if (buf_failed(&shown))
        result = SEND_INTERNAL;
    else if (rooms_deliver(p->rooms, gm->group_id, &seen) != ROOM_OK)
        result = SEND_NO_ROOM;
    buf_release(&shown);
    out->delivered = result == SEND_OK;
    return result;
}

static void fire_after(struct platform *p, const struct outgoing *message, const struct group_message *gm,
                       struct delivery *out)
{
    struct http_answer answer = HTTP_ANSWER_INIT;

    if (message->no_after)
        return;
    if (message->after_later)
        fire_after_later(p->fire, COMMAND_AFTER, gm);
    else
        fire_now(p->fire, COMMAND_AFTER, gm, &answer, &out->after);
    http_answer_release(&answer);
}

/* Client-side ids look like three numbers (`protocol.md` section 3); the first makes them unique in a run. */
static void name_message(struct platform *p, const struct outgoing *message, struct delivery *out)
{
    const uint64_t number = atomic_fetch_add_explicit(&p->messages, 1, memory_order_relaxed) + 1;

    out->random = message->random_given ? message->random : (uint32_t)platform_random(p);
    out->msg_time_s = clock_wall_us() / 1000000;
    snprintf(out->msg_id, sizeof(out->msg_id), "%" PRIu64 "-%" PRId64 "-%" PRIu32, 144115300000000000u + number,
             out->msg_time_s, out->random);
}

void platform_send(struct platform *p, const struct outgoing *message, struct delivery *out)
{
    char type[ROOM_TYPE_MAX + 1];
    struct group_message gm;

    *out = (struct delivery){.verdict = VERDICT_NONE};
    name_message(p, message, out);
    out->result = check(p, message, type);
    if (out->result != SEND_OK)
        return;
    gm = (struct group_message){
        .group_id = message->room_id,
        .type = span_of(type),
        .from_account = message->from_account,
        .operator_account = message->operator_account,
        .msg_id = span_of(out->msg_id),
        .msg_body = message->msg_body,
        .cloud_custom_data = message->cloud_custom_data,
        .random = out->random,
        .event_time_ms = clock_wall_us() / 1000,
        .client_ip = message->client_ip,
        .opt_platform = message->opt_platform,
    };
    if (!message->no_before)
        out->result = judge(p, &gm, out);
    if (out->result != SEND_OK || out->verdict == VERDICT_DISCARD)
        return;
    out->msg_time_s = gm.msg_time_s = clock_wall_us() / 1000000;
    out->result = deliver(p, message, &gm, out);
    if (!out->delivered)
        return;
    out->msg_body = gm.msg_body;
    out->cloud_custom_data = gm.cloud_custom_data;
    gm.event_time_ms = clock_wall_us() / 1000;
    fire_after(p, message, &gm, out);
}

bool platform_recall(struct platform *p, const struct recall *recall, enum recall_result results[PLATFORM_RECALL_MAX],
                     struct fired *fired)
{
    const struct span by = recall->by_client ? recall->operator_account : (struct span){0};
    const int64_t now_us = clock_wall_us(), since_s = now_us / 1000000 - p->recall_s;
    char type[ROOM_TYPE_MAX + 1];
    uint32_t recalled[PLATFORM_RECALL_MAX];
    struct group_message gm = {
        .group_id = recall->room_id,
        .operator_account = recall->operator_account,
        .event_time_ms = now_us / 1000,
        .recalled = recalled,
        .client_ip = recall->client_ip,
        .opt_platform = recall->opt_platform,
    };
    struct http_answer answer = HTTP_ANSWER_INIT;

    *fired = (struct fired){0};
    if (rooms_type(p->rooms, recall->room_id, type) != ROOM_OK)
        return false;
    gm.type = span_of(type);
    for (size_t i = 0; i < recall->count; i++) {
        results[i] = rooms_recall(p->rooms, recall->room_id, recall->seqs[i], by, since_s);
        if (results[i] == RECALL_OK)
            recalled[gm.recalled_count++] = recall->seqs[i];
    }
    if (gm.recalled_count == 0)
        return true;
    if (recall->after_later)
        fire_after_later(p->fire, COMMAND_RECALL, &gm);
    else
        fire_now(p->fire, COMMAND_RECALL, &gm, &answer, fired);
    http_answer_release(&answer);
    return true;
}

void platform_sign_with(struct platform *p, const char *token)
{
    fire_sign_with(p->fire, token);
}

void platform_stats(struct platform *p, struct buf *out)
{
    struct fire_counts fired;
    struct rooms_count rooms;

    fire_count(p->fire, &fired);
    rooms_count(p->rooms, &rooms);
    json_add_member_u64(out, "messages", atomic_load(&p->messages));
    json_add_member_u64(out, "delivered", rooms.delivered);
    json_add_member_u64(out, "dropped_for_frequency", atomic_load(&p->dropped));
    json_add_member_u64(out, "before_fired", fired.before);
    json_add_member_u64(out, "before_failed", fired.before_failed);
    json_add_member_u64(out, "after_fired", fired.after);
    json_add_member_u64(out, "after_failed", fired.after_failed);
    json_add_member_u64(out, "recall_fired", fired.recall);
    json_add_member_u64(out, "recall_failed", fired.recall_failed);
    json_add_member_u64(out, "after_repeated", fired.after_repeated);
    json_add_member_u64(out, "after_not_queued", fired.after_not_queued);
    json_add_key(out, "verdicts");
    buf_add_char(out, '{');
    for (int form = VERDICT_ALLOW; form < VERDICT_FORMS; form++)
        json_add_member_u64(out, verdict_form_name((enum verdict_form)form), atomic_load(&p->verdicts[form]));
    buf_add_char(out, '}');
    json_add_member_u64(out, "messages_recalled", rooms.recalled);
    json_add_member_u64(out, "rooms", rooms.rooms);
    json_add_member_u64(out, "messages_forgotten", rooms.forgotten);
    json_add_member_u64(out, "messages_kept_bytes", rooms.kept_bytes);
}
