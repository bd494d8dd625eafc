#include "sim/rest_call.h"

#include "base/clock.h"
#include "sim/limit.h"
#include "sim/rest_fault.h"
#include "wire/rest.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS_A_SECOND = 200, REQUEST_ID = 96 };

#define LIVE   "/v4/live_engine_http_srv/"
#define CHAT   "/v4/group_open_http_svc/"
#define CONFIG "/v4/live_config/"

static const struct rest_command {
    const char *path;
    enum rest_service service;
    void (*run)(struct rest_call *call);
} commands[] = {
    {LIVE "send_text_msg", REST_LIVE, rest_send_text_msg},
    {LIVE "send_custom_msg", REST_LIVE, rest_send_custom_msg},
    {LIVE "mute_member", REST_LIVE, rest_mute_member},
    {LIVE "get_muted_member_list", REST_LIVE, rest_get_muted_member_list},
    {LIVE "ban_member", REST_LIVE, rest_ban_member},
    {LIVE "unban_member", REST_LIVE, rest_unban_member},
    {LIVE "get_banned_member_list", REST_LIVE, rest_get_banned_member_list},
    {LIVE "get_room_info", REST_LIVE, rest_get_room_info},
    {LIVE "update_room_info", REST_LIVE, rest_update_room_info},
    {LIVE "create_room", REST_LIVE, rest_create_room},
    {LIVE "destroy_room", REST_LIVE, rest_destroy_room},
    {CHAT "send_group_msg", REST_CHAT, rest_send_group_msg},
    {CHAT "group_msg_recall", REST_CHAT, rest_group_msg_recall},
    {CHAT "forbid_send_msg", REST_CHAT, rest_forbid_send_msg},
    {CONFIG "set_callback", REST_LIVE, rest_set_callback},
    {CONFIG "get_callback", REST_LIVE, rest_get_callback},
    {CONFIG "set_callback_token", REST_LIVE, rest_set_callback_token},
    {CONFIG "get_callback_token", REST_LIVE, rest_get_callback_token},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };
_Static_assert((int)COMMANDS <= (int)FAULT_COMMANDS_MAX, "faults and counts are kept for each command");

const char *rest_api_command(size_t index)
{
    return index < COMMANDS ? commands[index].path : NULL;
}

struct rest_api {
    struct rest_api_options options; /* fixed, as the next three */
    struct platform *platform;
    struct rooms *rooms;
    struct rest_config *config;
    _Atomic uint64_t answered;
    pthread_mutex_t lock;                  /* guards limits */
    struct rolling_limit limits[COMMANDS]; /* 200 calls a second each */
};

struct rest_api *rest_api_new(const struct rest_api_options *options, struct platform *platform, struct rooms *rooms)
{
    struct rest_api *api = calloc(1, sizeof(*api));

    if (!api || !(api->config = rest_config_new())) {
        free(api);
        return NULL;
    }
    api->options = *options;
    api->platform = platform;
    api->rooms = rooms;
    pthread_mutex_init(&api->lock, NULL);
    for (size_t i = 0; i < COMMANDS; i++)
        rolling_limit_init(&api->limits[i], CALLS_A_SECOND);
    return api;
}

void rest_api_free(struct rest_api *api)
{
    if (!api)
        return;
    rest_config_free(api->config);
    pthread_mutex_destroy(&api->lock);
    free(api);
}

static bool limit_take(struct rest_api *api, size_t command)
{
    bool taken;

    pthread_mutex_lock(&api->lock);
    taken = rolling_limit_take(&api->limits[command], clock_mono_us());
    pthread_mutex_unlock(&api->lock);
    return taken;
}

/* Reads the body and runs the command over it. */
static void serve(struct rest_call *call, const struct rest_command *command)
{
    struct json_reader *reader = json_reader_new();
    struct err err = {0};

    buf_reset(call->strings);
    if (!reader || !buf_reserve(call->strings, call->body.len + 1))
        rest_internal(call);
    else if (json_read(reader, call->body, &call->root, &err) < 0)
        rest_fail(call, 60003, err.text);
    else if (call->root.kind != JSON_OBJECT)
        rest_invalid(call, "the body is not an object");
    else
        command->run(call);
    json_reader_free(reader);
}

static void run(struct rest_api *api, struct rest_call *call)
{
    size_t command = 0;

    while (command < COMMANDS && !span_is(call->request->path, commands[command].path))
        command++;
    if (command == COMMANDS) {
        rest_fail(call, 60009, "there is no such resource, check the URL");
        return;
    }
    call->service = commands[command].service;
    if (!span_is(call->request->method, "POST"))
        rest_fail(call, 60002, "only POST is served");
    else if (rest_check_query(call)) {
        if (!limit_take(api, command))
            rest_fail(call, 60007, "more than 200 calls a second");
        else
            serve(call, &commands[command]);
    }
}

/* The envelope: Live results sit under "Response", Chat results beside the code. */
static void answer(struct rest_call *call, const char *request_id, struct buf *out)
{
    const bool live = call->service == REST_LIVE;
    const struct span result = call->code == 0 ? buf_span(&call->result) : (struct span){0};

    rest_write_answer(out, call->code, call->info, request_id, live ? result : (struct span){0});
    if (live || result.len == 0 || buf_failed(out))
        return;
    out->data[out->len - 1] = ','; /* for the bracket that closed the envelope */
    buf_add_span(out, result);
    buf_add_char(out, '}');
}

void rest_api_handle(struct rest_api *api, const struct http_request *request, struct span body, struct buf *strings,
                     struct http_reply *reply)
{
    struct rest_call call = {
        .options = &api->options,
        .platform = api->platform,
        .rooms = api->rooms,
        .config = api->config,
        .request = request,
        .body = body,
        .strings = strings,
    };
    const uint64_t number = atomic_fetch_add_explicit(&api->answered, 1, memory_order_relaxed) + 1;
    const struct rest_fault fault = rest_fault_begin(api->options.faults, api->options.calls, request->path);
    char request_id[REQUEST_ID];

    call.over_limit = fault.faults.over_limit;
    if (rest_fault_carries_out(&fault))
        run(api, &call);
    if (buf_failed(&call.result))
        rest_internal(&call);
    if (rest_fault_code(&fault) != 0)
        rest_fail(&call, rest_fault_code(&fault), "chatsim was told to fail this call");
    snprintf(request_id, sizeof(request_id), "Id-%016" PRIx64 "%016" PRIx64 "-O-Seq-%" PRIu64,
             platform_random(api->platform), platform_random(api->platform), number);
    answer(&call, request_id, reply->body);
    rest_fault_end(&fault, call.code, reply);
    buf_release(&call.result);
}
