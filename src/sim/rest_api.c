#include "sim/rest_api.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "sim/limit.h"
#include "sim/rest_fault.h"
#include "wire/gate.h"
#include "wire/rest.h"
#include "wire/usersig.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS_A_SECOND = 200, REQUEST_ID = 96, MAX_PARAMETER = 4096 };

/* One call, and what is to be answered. info is written where it is known. */
struct call {
    struct rest_api *api;
    const struct http_request *request;
    struct span body;
    struct buf *strings; /* scratch */
    bool over_limit;     /* a fault wants the message dropped as one too many for the room */
    int64_t code;
    char info[sizeof(((struct err *)NULL)->text)]; /* may hold the words of an err */
    struct buf response;                           /* members of the object under "Response" */
};

struct rest_command {
    const char *path;
    void (*run)(struct call *call);
};

static void send_text_msg(struct call *call);

static const struct rest_command commands[] = {
    {"/v4/live_engine_http_srv/send_text_msg", send_text_msg},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };
_Static_assert((int)COMMANDS <= (int)FAULT_COMMANDS_MAX, "faults and counts are kept for each command");

const char *rest_api_command(size_t index)
{
    return index < COMMANDS ? commands[index].path : NULL;
}

struct rest_api {
    struct rest_api_options options; /* fixed */
    struct platform *platform;
    _Atomic uint64_t answered;
    pthread_mutex_t lock;                  /* guards limits */
    struct rolling_limit limits[COMMANDS]; /* 200 calls a second each */
};

struct rest_api *rest_api_new(const struct rest_api_options *options, struct platform *platform)
{
    struct rest_api *api = calloc(1, sizeof(*api));

    if (!api)
        return NULL;
    api->options = *options;
    api->platform = platform;
    pthread_mutex_init(&api->lock, NULL);
    for (size_t i = 0; i < COMMANDS; i++)
        rolling_limit_init(&api->limits[i], CALLS_A_SECOND);
    return api;
}

void rest_api_free(struct rest_api *api)
{
    if (!api)
        return;
    pthread_mutex_destroy(&api->lock);
    free(api);
}

static bool fail(struct call *call, int64_t code, const char *info)
{
    call->code = code;
    snprintf(call->info, sizeof(call->info), "%s", info);
    return false;
}

/* The query ----------------------------------------------------------------------------------------------------- */

/* The value of a parameter, "" when it is missing; names are case-sensitive here, unlike in webhooks. */
static struct span parameter(struct call *call, const char *name, struct buf *value)
{
    const size_t name_len = strlen(name);
    struct span rest = call->request->query;

    buf_reset(value);
    while (rest.len > 0) {
        const char *amp = memchr(rest.data, '&', rest.len);
        const size_t len = amp ? (size_t)(amp - rest.data) : rest.len;
        if (len > name_len && rest.data[name_len] == '=' && memcmp(rest.data, name, name_len) == 0) {
            http_query((struct span){rest.data, len}, name, value);
            break;
        }
        rest.data += amp ? len + 1 : len;
        rest.len -= amp ? len + 1 : len;
    }
    return buf_span(value);
}

static bool check_sdkappid(struct call *call, struct buf *value)
{
    const struct span text = parameter(call, "sdkappid", value);
    unsigned long long id;

    if (text.len == 0)
        return fail(call, 60012, "sdkappid is missing in the URL");
    if (!span_to_u64(text, &id) || id != call->api->options.sdkappid)
        return fail(call, 60006, "sdkappid is not that of this application");
    return true;
}

static bool check_usersig(struct call *call, const char *identifier, struct buf *value)
{
    const struct rest_api_options *options = &call->api->options;
    const struct span text = parameter(call, "usersig", value);

    if (text.len == 0)
        return fail(call, 70002, "usersig is missing or empty");
    if (!options->secret)
        return true;
    switch (usersig_check(text, options->secret, identifier, options->sdkappid, clock_wall_us() / 1000000)) {
    case USERSIG_OK:
        return true;
    case USERSIG_MALFORMED:
        return fail(call, 70003, "usersig could not be read");
    case USERSIG_EXPIRED:
        return fail(call, 70001, "usersig has expired");
    case USERSIG_WRONG_USER:
        return fail(call, 70013, "usersig is that of another identifier");
    case USERSIG_WRONG_APP:
        return fail(call, 70014, "usersig is that of another sdkappid");
    case USERSIG_WRONG_KEY:
        break;
    }
    return fail(call, 70009, "usersig was made with another key");
}

static bool check_query(struct call *call)
{
    struct buf value = {.max = MAX_PARAMETER}, identifier = {.max = MAX_PARAMETER};
    unsigned long long random;
    bool ok = check_sdkappid(call, &value);

    if (ok && parameter(call, "identifier", &identifier).len == 0)
        ok = fail(call, 60004, "identifier is missing in the URL");
    if (ok)
        ok = check_usersig(call, buf_text(&identifier), &value);
    if (ok && !span_is(buf_span(&identifier), call->api->options.admin))
        ok = fail(call, 60010, "identifier is no administrator of this application");
    if (ok && (!span_to_u64(parameter(call, "random", &value), &random) || random > UINT32_MAX))
        ok = fail(call, 60002, "random is not a number from 0 to 4294967295");
    if (ok && !span_is(parameter(call, "contenttype", &value), "json"))
        ok = fail(call, 60002, "contenttype is not json");
    buf_release(&value);
    buf_release(&identifier);
    return ok;
}

/* Commands ------------------------------------------------------------------------------------------------------ */

/* How platform_send's outcome is told to a caller of the REST API; SEND_CODE brings its own. */
static const struct {
    int64_t code;
    const char *info;
} told[SEND_RESULTS] = {
    [SEND_OK] = {0, ""},
    [SEND_NO_ROOM] = {100004, "the room does not exist or has been dissolved"},
    [SEND_NOT_LIVE] = {100006, "the room is not a live room"},
    [SEND_MUTED] = {100601, "the sender is muted"},
    [SEND_TOO_LONG] = {100603, "the message is longer than 12 KB"},
    [SEND_REJECTED] = {10016, "the app backend refused the message through a webhook"},
    [SEND_CODE] = {0, ""},
    [SEND_INTERNAL] = {100001, "internal error, please try again"},
};

static bool read_send_text_msg(struct call *call, struct send_text_msg *request)
{
    struct err err = {0};
    struct span account;

    if (gate_member(call->body, "Sender_Account", &account) && account.data[0] != '"')
        return fail(call, 60015, "Sender_Account is not a string");
    if (rest_read_send_text_msg(call->body, call->strings, request, &err) < 0)
        return fail(call, 100002, err.text);
    return true;
}

static void message_answer(struct call *call, const struct delivery *delivery)
{
    struct rest_answer webhook;

    fail(call, told[delivery->result].code, told[delivery->result].info);
    if (delivery->result == SEND_CODE) {
        fail(call, delivery->error_code, "");
        if (rest_read_answer(buf_span(&delivery->answer.body), &webhook, NULL) == 0)
            fail(call, delivery->error_code, webhook.error_info);
    } else if (delivery->over_limit && call->api->options.frequency_error) {
        fail(call, 100602, "too many messages in the room, try again later");
    }
    if (call->code != 0)
        return;
    json_add_member_i64(&call->response, "MsgTime", delivery->msg_time_s);
    json_add_member_u64(&call->response, "MsgSeq", delivery->msg_seq);
    json_add_member_text(&call->response, "MsgDropReason", delivery->over_limit ? "MsgFreqCtrl" : "");
}

static void send_text_msg(struct call *call)
{
    struct buf msg_body = BUF_INIT, custom_data = BUF_INIT;
    struct send_text_msg request;
    struct delivery delivery;
    struct outgoing message;

    if (!read_send_text_msg(call, &request))
        return;
    buf_add_text(&msg_body, "[{\"MsgContent\":{\"Text\":");
    json_add_string(&msg_body, request.text_content);
    buf_add_text(&msg_body, "},\"MsgType\":\"TIMTextElem\"}]");
    if (request.extension_info.presence == GIVEN)
        json_add_string(&custom_data, request.extension_info.text);
    message = (struct outgoing){
        .room_id = request.room_id,
        .from_account = request.sender_account,
        .operator_account = span_of(call->api->options.admin),
        .msg_body = buf_span(&msg_body),
        .cloud_custom_data = buf_span(&custom_data),
        .content_bytes = request.text_content.len + request.extension_info.text.len,
        .client_ip = call->request->remote_address,
        .opt_platform = "RESTAPI",
        .live_only = true,
        .over_limit = call->over_limit,
        .after_later = true,
    };
    if (buf_failed(&msg_body) || buf_failed(&custom_data)) {
        fail(call, told[SEND_INTERNAL].code, told[SEND_INTERNAL].info);
    } else {
        platform_send(call->api->platform, &message, &delivery);
        message_answer(call, &delivery);
        delivery_release(&delivery);
    }
    buf_release(&msg_body);
    buf_release(&custom_data);
}

/* Dispatch ------------------------------------------------------------------------------------------------------ */

static bool limit_take(struct rest_api *api, size_t command)
{
    bool taken;

    pthread_mutex_lock(&api->lock);
    taken = rolling_limit_take(&api->limits[command], clock_mono_us());
    pthread_mutex_unlock(&api->lock);
    return taken;
}

static void run(struct call *call)
{
    struct gate_fault fault;
    size_t command = 0;

    while (command < COMMANDS && !span_is(call->request->path, commands[command].path))
        command++;
    if (command == COMMANDS)
        fail(call, 60009, "there is no such resource, check the URL");
    else if (!span_is(call->request->method, "POST"))
        fail(call, 60002, "only POST is served");
    else if (check_query(call)) {
        if (!limit_take(call->api, command))
            fail(call, 60007, "more than 200 calls a second");
        else if (!gate_check(call->body, GATE_WIRE, &fault))
            fail(call, 60003, fault.what);
        else
            commands[command].run(call);
    }
}

void rest_api_handle(struct rest_api *api, const struct http_request *request, struct span body, struct buf *strings,
                     struct http_reply *reply)
{
    struct call call = {.api = api, .request = request, .body = body, .strings = strings};
    const uint64_t number = atomic_fetch_add_explicit(&api->answered, 1, memory_order_relaxed) + 1;
    const struct rest_fault fault = rest_fault_begin(api->options.faults, api->options.calls, request->path);
    char request_id[REQUEST_ID];

    call.over_limit = fault.faults.over_limit;
    if (rest_fault_carries_out(&fault))
        run(&call);
    if (rest_fault_code(&fault) != 0) {
        fail(&call, rest_fault_code(&fault), "chatsim was told to fail this call");
        buf_reset(&call.response);
    }
    snprintf(request_id, sizeof(request_id), "Id-%016" PRIx64 "%016" PRIx64 "-O-Seq-%" PRIu64,
             platform_random(api->platform), platform_random(api->platform), number);
    rest_write_answer(reply->body, call.code, call.info, request_id, buf_span(&call.response));
    rest_fault_end(&fault, call.code, reply);
    buf_release(&call.response);
}
