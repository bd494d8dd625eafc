#include "sim/control_api.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "wire/gate.h"

#include <ctype.h>
#include <stdio.h>

enum { MAX_ACCOUNT = 128, LIST_DEFAULT = 1000, LIST_MAX = 100000 };

struct control_call {
    const struct control_api *api;
    const struct http_request *request;
    struct span body;
    struct http_reply *reply;
    struct span room, user; /* of the path */
};

/* Members of a client's message --------------------------------------------------------------------------------- */

/* Reads a string without escapes: account ids and platform names need none. An absent one leaves *out as it is. */
static bool plain_member(struct span body, const char *key, struct span *out)
{
    struct span json;

    if (!gate_member(body, key, &json))
        return true;
    if (json.len < 3 || json.len > MAX_ACCOUNT + 2 || json.data[0] != '"' || memchr(json.data, '\\', json.len))
        return false;
    *out = (struct span){json.data + 1, json.len - 2};
    return true;
}

/* The same into a C string that may stand in a query unescaped; empty when absent. */
static bool query_member(struct span body, const char *key, char *out, size_t size)
{
    struct span text = {0};

    out[0] = '\0';
    if (!plain_member(body, key, &text) || text.len >= size)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!isalnum((unsigned char)text.data[i]) && !strchr(".:_-", text.data[i]))
            return false;
        out[i] = text.data[i];
        out[i + 1] = '\0';
    }
    return true;
}

/* Where a client is, of which the webhook tells; NULL, or what is wrong. */
static const char *client_read(struct control_call *c, char client_ip[64], char opt_platform[32])
{
    if (!query_member(c->body, "OptPlatform", opt_platform, 32))
        return "OptPlatform must be a short string of letters and digits";
    if (!query_member(c->body, "ClientIP", client_ip, 64))
        return "ClientIP must be an address";
    if (!client_ip[0])
        snprintf(client_ip, 64, "%s", c->request->remote_address);
    if (!opt_platform[0])
        snprintf(opt_platform, 32, "Web");
    return NULL;
}

/* NULL, or what is wrong. */
static const char *message_read(struct control_call *c, struct outgoing *m, char client_ip[64], char opt_platform[32])
{
    struct gate_fault fault;
    const char *body_fault;

    if (!gate_check(c->body, GATE_WIRE, &fault))
        return "the body is not JSON";
    if (!plain_member(c->body, "From_Account", &m->from_account) || m->from_account.len == 0)
        return "From_Account must be a string of 1 to 128 bytes without escapes";
    m->operator_account = m->from_account;
    if (!plain_member(c->body, "Operator_Account", &m->operator_account))
        return "Operator_Account must be a string of 1 to 128 bytes without escapes";
    if (!gate_member(c->body, "MsgBody", &m->msg_body))
        return "MsgBody is missing";
    if ((body_fault = msg_body_fault(m->msg_body)) != NULL)
        return body_fault;
    if (gate_member(c->body, "CloudCustomData", &m->cloud_custom_data) && m->cloud_custom_data.data[0] != '"' &&
        !span_is(m->cloud_custom_data, "null"))
        return "CloudCustomData must be a string";
    m->content_bytes = m->msg_body.len + m->cloud_custom_data.len;
    m->client_ip = client_ip;
    m->opt_platform = opt_platform;
    return client_read(c, client_ip, opt_platform);
}

/* The answer ---------------------------------------------------------------------------------------------------- */

/* What the client SDK tells the sender (`protocol.md` sections 3 and 9.2); SEND_CODE brings its own. */
static const struct {
    int64_t code;
    const char *info;
} seen[SEND_RESULTS] = {
    [SEND_OK] = {0, ""},
    [SEND_NO_ROOM] = {10010, "the group does not exist"},
    [SEND_NOT_LIVE] = {10004, "the group is not of the type wanted"},
    [SEND_MUTED] = {10017, "the sender is muted"},
    [SEND_BANNED] = {10007, "the sender is banned from the group"},
    [SEND_BLOCKED] = {80001, "the message was blocked by the platform's own moderation"},
    [SEND_TOO_LONG] = {80002, "the message is longer than 12 KB"},
    [SEND_REJECTED] = {10016, "the app backend refused the message"},
    [SEND_CODE] = {0, ""},
    [SEND_INTERNAL] = {10002, "internal error"},
};

static void sender_add(struct buf *out, const struct delivery *d)
{
    json_add_key(out, "sender");
    buf_add_char(out, '{');
    json_add_member_i64(out, "ErrorCode", d->result == SEND_CODE ? d->error_code : seen[d->result].code);
    if (d->result == SEND_CODE && d->error_info.data) {
        json_add_key(out, "ErrorInfo");
        buf_add_span(out, d->error_info);
    } else {
        json_add_member_text(out, "ErrorInfo", seen[d->result].info);
    }
    buf_add_char(out, '}');
}

static void fired_add(struct buf *out, const struct fired *fired, const char *ms, const char *status)
{
    if (!fired->fired)
        return;
    json_add_key(out, ms);
    buf_addf(out, "%.3f", (double)fired->elapsed_us / 1000);
    json_add_member_i64(out, status, fired->status);
}

static void webhook_add(struct buf *out, const struct delivery *d)
{
    const char *failure = d->before.failure ? d->before.failure : d->reply_fault;

    json_add_key(out, "webhook");
    buf_add_char(out, '{');
    fired_add(out, &d->before, "before_ms", "status");
    if (failure)
        json_add_member_text(out, "failure", failure);
    fired_add(out, &d->after, "after_ms", "after_status");
    if (d->after.failure)
        json_add_member_text(out, "after_failure", d->after.failure);
    buf_add_char(out, '}');
}

static void delivery_add(struct buf *out, const struct delivery *d)
{
    buf_add_char(out, '{');
    sender_add(out, d);
    json_add_member_text(out, "verdict", verdict_form_name(d->verdict));
    json_add_member_bool(out, "delivered", d->delivered);
    json_add_member_text(out, "MsgDropReason", d->over_limit ? "MsgFreqCtrl" : "");
    json_add_member_text(out, "MsgId", d->msg_id);
    json_add_member_u64(out, "Random", d->random);
    json_add_member_u64(out, "MsgSeq", d->msg_seq);
    json_add_member_i64(out, "MsgTime", d->msg_time_s);
    if (d->delivered) {
        json_add_key(out, "MsgBody");
        buf_add_span(out, d->msg_body);
    }
    if (d->cloud_custom_data.data) {
        json_add_key(out, "CloudCustomData");
        buf_add_span(out, d->cloud_custom_data);
    }
    webhook_add(out, d);
    buf_add_char(out, '}');
}

/* Routes -------------------------------------------------------------------------------------------------------- */

static void room_answer(struct control_call *c, enum room_result result)
{
    switch (result) {
    case ROOM_OK:
        buf_add_text(c->reply->body, "{}");
        return;
    case ROOM_MISSING:
        http_refuse(c->reply, 404, "there is no such room");
        return;
    case ROOM_TOO_MANY:
        http_refuse(c->reply, 503, "no more of these can be held");
        return;
    case ROOM_THERE: /* nothing here asks for a new one */
    case ROOM_INVALID:
        http_refuse(c->reply, 400, "a room id has 1 to %d bytes, a type 1 to %d", ROOM_ID_MAX, ROOM_TYPE_MAX);
        return;
    }
}

static void message_post(struct control_call *c)
{
    struct outgoing message = {.room_id = c->room};
    char client_ip[64], opt_platform[32], type[ROOM_TYPE_MAX + 1];
    const char *fault = message_read(c, &message, client_ip, opt_platform);
    enum room_result made = ROOM_OK;
    struct delivery delivery;

    if (fault) {
        http_refuse(c->reply, 400, "%s", fault);
        return;
    }
    if (!c->api->strict_rooms && rooms_type(c->api->rooms, c->room, type) == ROOM_MISSING)
        made = rooms_put(c->api->rooms, c->room, SPAN("Live"));
    if (made != ROOM_OK) {
        room_answer(c, made);
        return;
    }
    platform_send(c->api->platform, &message, &delivery);
    delivery_add(c->reply->body, &delivery);
    delivery_release(&delivery);
}

/* A number of the query, or the default when it is not there. */
static bool query_number(struct control_call *c, const char *name, uint64_t standard, uint64_t max, uint64_t *out)
{
    struct buf value = {.max = 64};
    unsigned long long n = standard;
    const bool ok = http_query(c->request->query, name, &value) == 0 || (span_to_u64(buf_span(&value), &n) && n <= max);

    buf_release(&value);
    *out = n;
    return ok;
}

static void message_list(struct control_call *c)
{
    uint64_t after, limit;
    enum room_result result;

    if (!query_number(c, "after", 0, UINT32_MAX, &after) || !query_number(c, "limit", LIST_DEFAULT, LIST_MAX, &limit)) {
        http_refuse(c->reply, 400, "after and limit must be numbers");
        return;
    }
    result = rooms_list(c->api->rooms, c->room, (uint32_t)after, (size_t)limit, c->reply->body);
    if (result != ROOM_OK)
        room_answer(c, result);
}

/* What the client SDK tells who recalls. */
static const struct {
    int64_t code;
    const char *info;
} recall_seen[RECALL_RESULTS] = {
    [RECALL_OK] = {0, ""},
    [RECALL_UNKNOWN] = {10030, "the message does not exist"},
    [RECALL_TOO_LATE] = {10031, "the message is too old to be recalled"},
    [RECALL_AGAIN] = {10032, "the message has been recalled already"},
    [RECALL_NOT_ALLOWED] = {10007, "the message is somebody else's"},
    [RECALL_NOT_HERE] = {10033, "messages of this type of group cannot be recalled"},
};

static const char *recall_read(struct control_call *c, struct recall *recall, char client_ip[64], char opt_platform[32])
{
    unsigned long long seq;
    struct gate_fault fault;
    struct span json;

    if (!gate_check(c->body, GATE_WIRE, &fault))
        return "the body is not JSON";
    if (!plain_member(c->body, "From_Account", &recall->operator_account) || recall->operator_account.len == 0)
        return "From_Account must be a string of 1 to 128 bytes without escapes";
    if (!gate_member(c->body, "MsgSeq", &json) || !span_to_u64(json, &seq) || seq > UINT32_MAX)
        return "MsgSeq must be a number";
    recall->seqs[0] = (uint32_t)seq;
    recall->count = 1;
    recall->client_ip = client_ip;
    recall->opt_platform = opt_platform;
    return client_read(c, client_ip, opt_platform);
}

static void recall_post(struct control_call *c)
{
    struct recall recall = {.room_id = c->room, .by_client = true};
    enum recall_result results[PLATFORM_RECALL_MAX];
    char client_ip[64], opt_platform[32];
    const char *fault = recall_read(c, &recall, client_ip, opt_platform);
    struct buf *out = c->reply->body;
    struct fired fired;

    if (fault) {
        http_refuse(c->reply, 400, "%s", fault);
        return;
    }
    if (!platform_recall(c->api->platform, &recall, results, &fired)) {
        room_answer(c, ROOM_MISSING);
        return;
    }
    buf_add_text(out, "{\"sender\":{");
    json_add_member_i64(out, "ErrorCode", recall_seen[results[0]].code);
    json_add_member_text(out, "ErrorInfo", recall_seen[results[0]].info);
    buf_add_char(out, '}');
    json_add_member_bool(out, "recalled", results[0] == RECALL_OK);
    json_add_key(out, "webhook");
    buf_add_char(out, '{');
    fired_add(out, &fired, "recall_ms", "status");
    if (fired.failure)
        json_add_member_text(out, "failure", fired.failure);
    buf_add_text(out, "}}");
}

static void room_put(struct control_call *c)
{
    struct span type = SPAN("Live");
    struct gate_fault fault;

    if (c->body.len > 0 && (!gate_check(c->body, GATE_WIRE, &fault) || !plain_member(c->body, "Type", &type)))
        http_refuse(c->reply, 400, "the body must be empty or {\"Type\":\"Live\"}");
    else
        room_answer(c, rooms_put(c->api->rooms, c->room, type));
}

static void room_delete(struct control_call *c)
{
    room_answer(c, rooms_dissolve(c->api->rooms, c->room));
}

static void muted_put(struct control_call *c)
{
    room_answer(c, rooms_sanction(c->api->rooms, ROOM_MUTED, c->room, c->user, MEMBER_FOREVER, clock_wall_us()));
}

static void muted_delete(struct control_call *c)
{
    room_answer(c, rooms_pardon(c->api->rooms, ROOM_MUTED, c->room, c->user));
}

static void stats_get(struct control_call *c)
{
    buf_add_char(c->reply->body, '{');
    platform_stats(c->api->platform, c->reply->body);
    json_add_key(c->reply->body, "rest");
    call_log_show(c->api->calls, c->reply->body);
    json_add_key(c->reply->body, "faults");
    fault_plan_count(c->api->faults, c->reply->body);
    buf_add_char(c->reply->body, '}');
}

static void stats_delete(struct control_call *c)
{
    call_log_reset(c->api->calls);
    fault_plan_count_reset(c->api->faults);
    buf_add_text(c->reply->body, "{}");
}

/* Faults -------------------------------------------------------------------------------------------------------- */

static void faults_get(struct control_call *c)
{
    buf_add_char(c->reply->body, '{');
    fault_plan_list(c->api->faults, c->reply->body);
    buf_add_char(c->reply->body, '}');
}

/* Reads {"faults":["WHERE:KIND..",..]}; specs holds FAULTS_MAX. */
static int faults_read(struct span body, struct fault_spec *specs, size_t *count, struct err *err)
{
    static const char form[] = "the body must be {\"faults\":[\"send_text_msg:code=100001:0.1\",...]}";
    struct span list, item;
    struct gate_fault fault;
    struct buf text = BUF_INIT;
    size_t cursor = 0;
    int r = 0;

    if (!gate_check(body, GATE_WIRE, &fault) || !gate_member(body, "faults", &list) || list.data[0] != '[')
        return err_set(err, ERR_USAGE, "%s", form);
    for (*count = 0; r == 0 && gate_next(list, &cursor, &item); ++*count) {
        buf_reset(&text);
        if (*count == FAULTS_MAX)
            r = err_set(err, ERR_USAGE, "at most %d faults can be set at a time", FAULTS_MAX);
        else if (!gate_string(item, &text) || memchr(buf_text(&text), '\0', text.len))
            r = err_set(err, ERR_USAGE, "%s", form);
        else
            r = fault_spec_read(&specs[*count], buf_text(&text), err);
    }
    buf_release(&text);
    return r;
}

static void faults_put(struct control_call *c)
{
    struct fault_spec specs[FAULTS_MAX];
    struct err err = {0};
    size_t count = 0;

    if (faults_read(c->body, specs, &count, &err) < 0 || fault_plan_set(c->api->faults, specs, count, &err) < 0)
        http_refuse(c->reply, 400, "%s", err.text);
    else
        faults_get(c);
}

static void faults_delete(struct control_call *c)
{
    fault_plan_set(c->api->faults, NULL, 0, NULL);
    faults_get(c);
}

/* "*" stands for one part of the path: the first for the room, the second for the user. */
static const struct route {
    const char *method, *path;
    void (*run)(struct control_call *c);
} routes[] = {
    {"POST", "/sim/rooms/*/messages", message_post},
    {"GET", "/sim/rooms/*/messages", message_list},
    {"POST", "/sim/rooms/*/recalls", recall_post},
    {"PUT", "/sim/rooms/*", room_put},
    {"DELETE", "/sim/rooms/*", room_delete},
    {"PUT", "/sim/rooms/*/muted/*", muted_put},
    {"DELETE", "/sim/rooms/*/muted/*", muted_delete},
    {"GET", "/sim/stats", stats_get},
    {"DELETE", "/sim/stats", stats_delete},
    {"GET", "/sim/faults", faults_get},
    {"PUT", "/sim/faults", faults_put},
    {"DELETE", "/sim/faults", faults_delete},
};

static bool path_matches(struct span path, const char *pattern, struct span parts[2])
{
    size_t at = 0, part = 0;

    for (; *pattern; pattern++) {
        if (*pattern != '*') {
            if (at >= path.len || path.data[at++] != *pattern)
                return false;
            continue;
        }
        parts[part].data = path.data + at;
        while (at < path.len && path.data[at] != '/')
            at++;
        parts[part].len = (size_t)(path.data + at - parts[part].data);
        if (parts[part++].len == 0)
            return false;
    }
    return at == path.len;
}

void control_api_handle(const struct control_api *api, const struct http_request *request, struct span body,
                        struct http_reply *reply)
{
    struct control_call call = {.api = api, .request = request, .body = body, .reply = reply};
    bool known = false;

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct span parts[2] = {{0}};
        if (!path_matches(request->path, routes[i].path, parts))
            continue;
        known = true;
        if (!span_is(request->method, routes[i].method))
            continue;
        call.room = parts[0];
        call.user = parts[1];
        routes[i].run(&call);
        return;
    }
    if (known)
        http_refuse(reply, 405, "this path does not serve that method");
    else
        http_refuse(reply, 404, "there is nothing at this path; chatsim serve --help names them");
}
