/* The platform and the people on it: clients that talk, rooms, webhooks, and the REST API in the place of libcurl
 * (base/http_client.h is wrapped).
 *
 * A call takes time each way. It may never arrive, be refused, be carried out and answered late, wrongly or not at all;
 * it may be carried out long after the caller has given it up. But it arrives before the caller sees its end: that is
 * what the service's permits stand on. */
#include "world.h"

#include "database.h"
#include "scheduler.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/json_write.h"
#include "outbox/row.h"
#include "wire/json_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES = 2048, ROOM = 16, TEXT_MOST = 1100, CUSTOM_MOST = 900, ARRIVALS = 64, ANSWER_US = 2000 * 1000 };

struct message_said {
    uint32_t random;
    char room[ROOM], sender[ROOM], text[TEXT_MOST], custom[CUSTOM_MOST];
    const char *platform;
    int64_t seq; /* in the room; 0: not delivered */
    bool recalled;
};

static struct message_said *said[MESSAGES];
static uint32_t said_count;
static int64_t room_seq[16];
static unsigned under_way; /* tasks of the platform that still have something to do */
static bool well;
static struct platform_figures figures;

static struct message_said *message_new(const char *platform)
{
    struct message_said *m = keep(sizeof(*m));

    if (said_count + 1 == MESSAGES)
        sched_fail("more than %d messages", MESSAGES);
    m->random = ++said_count;
    m->platform = platform;
    said[m->random] = m;
    return m;
}

static void start(const char *name, void *(*run)(void *arg), void *arg)
{
    under_way++;
    sched_spawn(0, name, run, arg);
}

/* Webhooks --------------------------------------------------------------------------------------------------------- */

static void write_webhook(struct webhook *w, const struct message_said *m)
{
    struct buf b = BUF_INIT;

    buf_add_char(&b, '{');
    json_add_member_text(&b, "CallbackCommand",
                         w->command == COMMAND_BEFORE ? "Group.CallbackBeforeSendMsg" : "Group.CallbackAfterSendMsg");
    json_add_member_text(&b, "GroupId", m->room);
    json_add_member_text(&b, "Type", "Live");
    json_add_member_text(&b, "From_Account", m->sender);
    json_add_member_text(&b, "Operator_Account", m->sender);
    json_add_member_u64(&b, "Random", m->random);
    if (w->command == COMMAND_AFTER) {
        json_add_member_i64(&b, "MsgSeq", m->seq);
        json_add_member_i64(&b, "MsgTime", clock_wall_us() / 1000000);
    } else {
        json_add_member_i64(&b, "EventTime", clock_wall_us() / 1000);
    }
    json_add_key(&b, "MsgBody");
    buf_add_text(&b, "[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{");
    json_add_member_text(&b, "Text", m->text);
    buf_add_text(&b, "}}]");
    if (m->custom[0])
        json_add_member_text(&b, "CloudCustomData", m->custom);
    buf_add_char(&b, '}');
    if (buf_failed(&b) || b.len > sizeof(w->body))
        sched_fail("a webhook of %zu bytes", b.len);
    memcpy(w->body, b.data, b.len);
    w->len = b.len;
    buf_release(&b);
}

static struct webhook *webhook_new(const struct message_said *m, enum command command)
{
    struct webhook *w = keep(sizeof(*w));

    w->command = command;
    w->random = m->random;
    w->platform = m->platform;
    write_webhook(w, m);
    return w;
}

/* Fires it, and waits for the answer for as long as the platform does. */
static bool fire(struct webhook *w)
{
    const int64_t until_us = sched_now_us() + ANSWER_US;

    figures.webhooks++;
    sched_sleep_us((int64_t)sched_random(3000));
    if (!webhook_send(w))
        return false;
    while (!w->answered && sched_wait(w, until_us))
        ;
    return w->answered;
}

/* Repeated when it is not acknowledged, and sometimes although it was: to another instance, perhaps. */
static void *fire_after(void *arg)
{
    const struct webhook *first = arg;
    unsigned tries = 1 + (unsigned)sched_random(3) + (sched_chance(10) ? 1 : 0);

    sched_sleep_us((int64_t)sched_random(sched_chance(8) ? 3000000 : 20000));
    for (; tries > 0; tries--) {
        struct webhook *w = keep(sizeof(*w));

        *w = *first;
        if (fire(w) && w->acknowledged && !sched_chance(12))
            break;
        sched_sleep_us((int64_t)sched_random(500000));
    }
    under_way--;
    return NULL;
}

/* Saying something ------------------------------------------------------------------------------------------------- */

static unsigned room_number(const char *room)
{
    return (unsigned)strtoul(room + strlen("room-"), NULL, 10) % 16;
}

/* silent: no webhook after it. */
static void deliver(struct message_said *m, bool silent)
{
    m->seq = ++room_seq[room_number(m->room)];
    figures.delivered++;
    sched_trace("%s: %" PRIu32 " \"%.20s\" is in the room as %" PRId64, m->room, m->random, m->text, m->seq);
    if (!silent)
        start("after", fire_after, webhook_new(m, COMMAND_AFTER));
}

/* What the sender is told: 0, or 10016 when a webhook refused it. */
static int64_t say(struct message_said *m)
{
    struct webhook *w = webhook_new(m, COMMAND_BEFORE);

    if (!fire(w)) {
        if (!plan.deliver_unasked)
            return 10016;
    } else if (w->action == ACTION_DISCARD) {
        return 0;
    } else if (w->action == ACTION_REJECT) {
        return 10016;
    } else if (w->without_marker) {
        m->custom[0] = '\0';
    }
    deliver(m, false);
    return 0;
}

static void *client_says(void *arg)
{
    say(arg);
    under_way--;
    return NULL;
}

/* All people in one task. */
static void *clients(void *arg)
{
    static const char *const kinds[] = {"hello", "hello", "bad", "bad", "late", "rude"};

    (void)arg;
    for (unsigned n = 0; n < plan.messages; n++) {
        struct message_said *m = message_new("Web");
        const char *kind = kinds[sched_random(sizeof(kinds) / sizeof(kinds[0]))];

        snprintf(m->room, sizeof(m->room), "room-%u", (unsigned)sched_random(plan.rooms));
        snprintf(m->sender, sizeof(m->sender), "ann-%u", (unsigned)sched_random(4));
        snprintf(m->text, sizeof(m->text), "%s %" PRIu32, kind, m->random);
        if (plan.padding_most > 0 && kind[0] == 'h')
            snprintf(m->text, sizeof(m->text), "%s %0*" PRIu32, kind, (int)sched_random(plan.padding_most), m->random);
        start("client", client_says, m);
        sched_sleep_us((int64_t)sched_random((uint64_t)plan.gap_us * 2));
    }
    under_way--;
    return NULL;
}

/* The REST API ----------------------------------------------------------------------------------------------------- */

struct call {
    struct http_calls *calls;
    void *arg;
    enum rest_command command;
    struct message_said *message; /* of a text */
    char room[ROOM];
    int64_t recalled_seq;
    uint64_t platform_random; /* send_group_msg: the caller's */
    int64_t send_before_us, deadline_us;
    bool sent, ended, given;
    int result, status;
    struct http_answer answer;
    char words[300];
};

enum { CALLS = 256 };

struct http_calls {
    unsigned connections;
    struct call *items[CALLS];
    unsigned count, under_way;
    bool woken;
    struct http_answer answer; /* the last one given */
};

static int64_t arrivals[REST_COMMANDS][ARRIVALS];
static unsigned arrival_count[REST_COMMANDS];

#define WRAP(type, name)                                                                                               \
    type __wrap_##name;                                                                                                \
    type __wrap_##name

WRAP(int, http_calls_new(struct http_calls **out, const struct http_client_options *options, struct err *err))
{
    (void)err;
    *out = keep(sizeof(**out));
    (*out)->connections = options->connections;
    return 0;
}

/* Calls under way stay where they are: the platform does not know that nobody waits for them. */
WRAP(void, http_calls_free(struct http_calls *calls))
{
    (void)calls;
}

WRAP(unsigned, http_calls_under_way(const struct http_calls *calls))
{
    return calls->under_way;
}

static void copy(char *out, size_t size, struct span text)
{
    if (text.len >= size)
        sched_fail("a text of %zu bytes in a call", text.len);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
}

static void read_text(struct call *c, struct json_value body)
{
    const bool live = c->command == REST_SEND_TEXT_MSG;
    const struct json_value element = json_item(json_member(body, "MsgBody"), 0);
    struct message_said *m = keep(sizeof(*m));
    int64_t random = 0;

    m->platform = "RESTAPI";
    copy(m->room, sizeof(m->room), json_string(json_member(body, live ? "RoomId" : "GroupId")));
    copy(m->sender, sizeof(m->sender), json_string(json_member(body, live ? "Sender_Account" : "From_Account")));
    copy(
        m->text, sizeof(m->text),
        json_string(live ? json_member(body, "TextContent") : json_member(json_member(element, "MsgContent"), "Text")));
    copy(m->custom, sizeof(m->custom), json_string(json_member(body, live ? "ExtensionInfo" : "CloudCustomData")));
    json_integer(json_member(body, "Random"), &random);
    c->platform_random = (uint64_t)random;
    c->message = m;
    copy(c->room, sizeof(c->room), (struct span){m->room, strlen(m->room)});
}

static void read_call(struct call *c, const struct http_call *request)
{
    struct json_reader *reader = json_reader_new();
    struct json_value body;
    struct err err;

    for (c->command = 0; c->command < REST_COMMANDS; c->command++)
        if (strstr(request->url, rest_command_path(c->command)))
            break;
    if (c->command == REST_COMMANDS || !reader || json_read(reader, request->body, &body, &err) < 0)
        sched_fail("a call that cannot be read");
    if (c->command == REST_SEND_TEXT_MSG || c->command == REST_SEND_GROUP_MSG) {
        read_text(c, body);
    } else if (c->command == REST_GROUP_MSG_RECALL) {
        copy(c->room, sizeof(c->room), json_string(json_member(body, "GroupId")));
        json_integer(json_member(json_item(json_member(body, "MsgSeqList"), 0), "MsgSeq"), &c->recalled_seq);
    } else {
        copy(c->room, sizeof(c->room), json_string(json_member(body, "RoomId")));
    }
    json_reader_free(reader);
}

static void end_call(struct call *c, int result, const char *words)
{
    if (c->ended)
        return;
    c->ended = true;
    c->result = result;
    c->status = result == 0 ? 200 : 0;
    snprintf(c->words, sizeof(c->words), "%s", words);
    sched_trace("call %s of %s ends: %d %s", rest_command_name(c->command), c->room, result, words);
    sched_wake(c->calls);
}

static void end_with_code(struct call *c, int64_t code, const char *members)
{
    char body[300];

    snprintf(body, sizeof(body),
             "{\"ActionStatus\":\"%s\",\"ErrorCode\":%" PRId64 ",\"ErrorInfo\":\"\",\"RequestId\":\"r\"%s}",
             code == 0 ? "OK" : "FAIL", code, members);
    end_call(c, 0, body);
}

/* Never more than the rate in any second, over all instances. */
static void note_arrival(const struct call *c)
{
    const unsigned most = (unsigned)plan.config.outbox.calls_a_second;
    int64_t *ring = arrivals[c->command];
    const unsigned n = arrival_count[c->command]++;

    figures.calls++;
    if (n >= most && sched_now_us() - ring[(n - most) % ARRIVALS] < 1000000)
        sched_fail("more than %u calls of %s within a second", most, rest_command_name(c->command));
    ring[n % ARRIVALS] = sched_now_us();
}

/* The platform discards what it has seen. */
static bool is_repeated(const struct call *c)
{
    for (uint32_t i = 1; i <= said_count; i++)
        if (strcmp(said[i]->platform, "RESTAPI") == 0 && c->command == REST_SEND_GROUP_MSG &&
            strcmp(said[i]->room, c->message->room) == 0 && strcmp(said[i]->text, c->message->text) == 0)
            return true;
    return false;
}

static void recall(const char *room, int64_t seq)
{
    for (uint32_t i = 1; i <= said_count; i++)
        if (strcmp(said[i]->room, room) == 0 && said[i]->seq == seq) {
            said[i]->recalled = true;
            sched_trace("%s: %" PRId64 " is recalled", room, seq);
        }
}

/* Carries the call out. The code of the answer; *seq: of the message, 0: it is not in the room. */
static int64_t carry_out(struct call *c, int64_t *seq)
{
    struct message_said *m;
    int64_t code = 0;

    *seq = 0;
    if (c->command == REST_GROUP_MSG_RECALL)
        recall(c->room, c->recalled_seq);
    if (!c->message)
        return 0;
    if (is_repeated(c)) {
        *seq = 1;
        return 0;
    }
    m = message_new("RESTAPI");
    snprintf(m->room, sizeof(m->room), "%s", c->message->room);
    snprintf(m->sender, sizeof(m->sender), "%s", c->message->sender);
    snprintf(m->text, sizeof(m->text), "%s", c->message->text);
    snprintf(m->custom, sizeof(m->custom), "%s", c->message->custom);
    if (c->command == REST_SEND_GROUP_MSG)
        deliver(m, true);
    else
        code = say(m);
    *seq = m->seq;
    figures.corrections += m->seq > 0;
    return code;
}

static void carry_out_and_answer(struct call *c, bool named)
{
    char members[100] = "";
    int64_t seq = 0;
    const int64_t code = carry_out(c, &seq);

    sched_sleep_us((int64_t)sched_random(5000));
    if (c->message && code == 0)
        snprintf(members, sizeof(members),
                 ",\"Response\":{\"MsgTime\":%" PRId64 ",\"MsgSeq\":%" PRId64 ",\"MsgDropReason\":\"\"}",
                 clock_wall_us() / 1000000, named ? seq : 0);
    end_with_code(c, code, members);
}

/* Not done, and said so. */
static void refuse(struct call *c)
{
    static const int64_t codes[] = {60007, 60011, 100001, 10002, 100602, 10023, 70001, 100601, 100004, 60020};
    /* The last few end a row for good or stop the application for seconds: seldom. */
    const size_t count = sched_chance(6) ? sizeof(codes) / sizeof(codes[0]) : 6;

    end_with_code(c, codes[sched_random(count)], "");
}

static void misbehave(struct call *c)
{
    int64_t seq;

    switch (sched_random(8)) {
    case 0:
    case 1:
        refuse(c);
        break;
    case 2: /* done, and the answer is lost */
        carry_out(c, &seq);
        end_call(c, ERR_LOST, "the connection was reset");
        break;
    case 3: /* not done, and nobody says so */
        end_call(c, ERR_LOST, "the connection was reset");
        break;
    case 4: /* a service behind it did not answer in time: done or not */
        if (sched_chance(2))
            carry_out(c, &seq);
        end_with_code(c, 60014, "");
        break;
    case 5: /* long after the caller has given up, perhaps */
        sched_sleep_us((int64_t)sched_random(10000000));
        carry_out(c, &seq);
        end_with_code(c, 0, "");
        break;
    case 6:
        if (c->message)
            end_with_code(c, 0, ",\"Response\":{\"MsgTime\":1,\"MsgSeq\":0,\"MsgDropReason\":\"MsgFreqCtrl\"}");
        else
            refuse(c);
        break;
    default:
        carry_out_and_answer(c, false);
    }
}

static void *call_main(void *arg)
{
    struct call *c = arg;

    sched_sleep_us((int64_t)sched_random(!well && sched_chance(10) ? 1000000 : 20000));
    if (c->ended) {
        /* given up before it left */
    } else if (!well && sched_chance(plan.call_faults * 4)) {
        end_call(c, ERR_LOST, "no connection");
    } else if (sched_now_us() > c->send_before_us) {
        end_call(c, ERR_TIMEOUT, "no connection stood in time");
    } else {
        c->sent = true;
        note_arrival(c);
        if (!well && sched_chance(plan.call_faults))
            misbehave(c);
        else
            carry_out_and_answer(c, true);
    }
    under_way--;
    return NULL;
}

WRAP(int, http_calls_begin(struct http_calls *calls, const struct http_call *request, struct err *err))
{
    struct call *c;

    if (calls->under_way == calls->connections)
        return err_set(err, ERR_FULL, "all %u connections are busy", calls->connections);
    if (calls->count == CALLS)
        sched_fail("more than %d calls", CALLS);
    c = keep(sizeof(*c));
    c->calls = calls;
    c->arg = request->arg;
    c->send_before_us = request->send_before_us > 0 ? request->send_before_us : FOREVER_US;
    c->deadline_us = sched_now_us() + request->timeout_ms * 1000;
    read_call(c, request);
    sched_trace("call %s of %s begins", rest_command_name(c->command), c->room);
    calls->items[calls->count++] = c;
    calls->under_way++;
    start("call", call_main, c);
    return 0;
}

static bool some_ended(struct http_calls *calls, int64_t *next_us)
{
    bool ended = false;

    for (unsigned i = 0; i < calls->count; i++) {
        struct call *c = calls->items[i];

        if (!c->ended && sched_now_us() >= c->deadline_us)
            end_call(c, ERR_TIMEOUT, "no answer in time");
        if (!c->ended && c->deadline_us < *next_us)
            *next_us = c->deadline_us;
        ended = ended || c->ended;
    }
    return ended;
}

WRAP(void, http_calls_wait(struct http_calls *calls, int64_t timeout_ms))
{
    int64_t until_us = sched_now_us() + timeout_ms * 1000;

    sched_pause();
    if (some_ended(calls, &until_us) || calls->woken || timeout_ms <= 0) {
        calls->woken = false;
        return;
    }
    sched_wait(calls, until_us);
    calls->woken = false;
    some_ended(calls, &until_us);
}

WRAP(bool, http_calls_next(struct http_calls *calls, struct http_end *out))
{
    for (unsigned i = 0; i < calls->count; i++) {
        struct call *c = calls->items[i];

        if (!c->ended)
            continue;
        *out = (struct http_end){.arg = c->arg, .result = c->result, .answer = &calls->answer};
        buf_reset(&calls->answer.body);
        calls->answer.status = c->status;
        calls->answer.sent = c->sent;
        if (c->result == 0)
            buf_add_text(&calls->answer.body, c->words);
        else
            err_set(&out->err, c->result, "%s", c->words);
        calls->items[i] = calls->items[--calls->count];
        calls->under_way--;
        return true;
    }
    return false;
}

WRAP(void, http_calls_wake(struct http_calls *calls))
{
    calls->woken = true;
    sched_wake(calls);
    sched_pause();
}

/* Life ------------------------------------------------------------------------------------------------------------- */

void platform_begin(void)
{
    said_count = 0;
    memset(room_seq, 0, sizeof(room_seq));
    memset(arrival_count, 0, sizeof(arrival_count));
    under_way = 0;
    well = false;
    figures = (struct platform_figures){0};
}

void platform_start(void)
{
    start("clients", clients, NULL);
}

bool platform_is_done(void)
{
    return under_way == 0;
}

void platform_make_well(void)
{
    well = true;
}

struct platform_figures platform_figures(void)
{
    return figures;
}

/* The rooms against the outbox ------------------------------------------------------------------------------------- */

static unsigned times_in_room(struct span room, struct span text)
{
    unsigned n = 0;

    for (uint32_t i = 1; i <= said_count; i++)
        n += said[i]->seq > 0 && span_is(room, said[i]->room) && span_is(text, said[i]->text);
    return n;
}

static void check_text(struct span room, struct span text, struct span state)
{
    const unsigned n = times_in_room(room, text);
    const bool kept_out = span_is(state, "failed") || span_is(state, "expired") || span_is(state, "cancelled");

    if (n > 1)
        sched_fail("a correction is in the room %u times: \"%.*s\"", n, (int)text.len, text.data);
    if (n == 0 && span_is(state, "done"))
        sched_fail("a correction is done and not in the room: \"%.*s\"", (int)text.len, text.data);
    if (n == 1 && kept_out)
        sched_fail("a correction is %.*s and in the room: \"%.*s\"", (int)state.len, state.data, (int)text.len,
                   text.data);
}

static bool was_recalled(struct span room, struct span seq)
{
    for (uint32_t i = 1; i <= said_count; i++)
        if (span_is(room, said[i]->room) && said[i]->seq == strtoll(seq.data, NULL, 10) && said[i]->recalled)
            return true;
    return false;
}

void platform_check_rooms(void)
{
    struct db_result *result;

    database_look(&result, "SELECT room_id, action, text, state, msg_seq FROM chatsluice.outbox ORDER BY 1, 2, 3");
    for (size_t row = 0; row < db_rows(result); row++) {
        const struct span room = db_value(result, row, 0), action = db_value(result, row, 1),
                          text = db_value(result, row, 2), state = db_value(result, row, 3);

        sched_trace("outbox: %.*s in %.*s is %.*s", (int)action.len, action.data, (int)room.len, room.data,
                    (int)state.len, state.data);
        if (span_is(action, "send_text"))
            check_text(room, text, state);
        else if (span_is(action, "recall") && span_is(state, "done") && !was_recalled(room, db_value(result, row, 4)))
            sched_fail("a recall is done and the message still in the room");
    }
    db_result_free(result);
}
