#include "sim/simulator.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    MAX_BODY = 4 * 1024 * 1024, /* far over every limit of the API, so that its own codes say what is too long */
    BODY_TIMEOUT_MS = 5000,
    KEEP_ALIVE_MS = 65000,
    STOP_MS = 5000,
};

struct simulator {
    struct fault_plan *faults;
    struct call_log *calls;
    struct rooms *rooms;
    struct platform *platform;
    struct rest_api *rest;
    struct control_api control;
    struct http_server *server;
};

/* Memory of one server thread. */
struct worker {
    struct buf body, strings;
};

struct simulator_options simulator_defaults(void)
{
    return (struct simulator_options){
        .threads = 64,
        .platform = {.fire = {.style = {.sdkappid = 1400000001}, .connections = 16, .deadline_ms = FIRE_DEADLINE_MS},
                     .recall_s = PLATFORM_RECALL_S},
        .rest = {.sdkappid = 1400000001, .admin = "administrator", .reject_code = 10016},
        .rooms = {.keep = 10000, .keep_bytes = (size_t)256 * 1024 * 1024},
    };
}

static void *worker_new(void *arg)
{
    (void)arg;
    return calloc(1, sizeof(struct worker));
}

static void worker_free(void *thread)
{
    struct worker *w = thread;

    buf_release(&w->body);
    buf_release(&w->strings);
    free(w);
}

static void handle(const struct http_request *request, struct http_reply *reply, void *arg)
{
    struct simulator *s = arg;
    struct worker *w = request->thread;

    if (http_read_body(request, &w->body, reply) != HTTP_BODY_OK)
        return;
    if (request->path.len >= 4 && memcmp(request->path.data, "/v4/", 4) == 0)
        rest_api_handle(s->rest, request, buf_span(&w->body), &w->strings, reply);
    else
        control_api_handle(&s->control, request, buf_span(&w->body), reply);
}

/* The rooms, muted users and faults the options name. */
static int furnish(struct simulator *s, const struct simulator_options *options, struct err *err)
{
    for (size_t i = 0; i < options->room_count; i++) {
        if (rooms_put(s->rooms, span_of(options->room_ids[i]), SPAN("Live")) != ROOM_OK)
            return err_set(err, ERR_USAGE, "could not make room \"%s\": its id must have 1 to %d bytes",
                           options->room_ids[i], ROOM_ID_MAX);
    }
    for (size_t i = 0; i < options->muted_count; i++) {
        if (rooms_sanction(s->rooms, ROOM_MUTED, (struct span){0}, span_of(options->muted[i]), MEMBER_FOREVER,
                           clock_wall_us()) != ROOM_OK)
            return err_set(err, ERR_FAILED, "could not mute \"%s\": too many muted users", options->muted[i]);
    }
    return fault_plan_set(s->faults, options->faults, options->fault_count, err);
}

int simulator_start(struct simulator **out, const struct simulator_options *options, struct err *err)
{
    struct http_server_options server = {
        .listen = options->listen,
        .threads = options->threads,
        .max_body_bytes = MAX_BODY,
        .body_timeout_ms = BODY_TIMEOUT_MS,
        .keep_alive_ms = KEEP_ALIVE_MS,
        .handler = handle,
        .thread_new = worker_new,
        .thread_free = worker_free,
    };
    struct simulator *s = calloc(1, sizeof(*s));
    struct platform_options platform = options->platform;
    struct rest_api_options rest = options->rest;
    int r = ERR_FAILED;

    if (!s || !(s->rooms = rooms_new(&options->rooms)) || !(s->calls = call_log_new()) ||
        !(s->faults = fault_plan_new(platform.seed, platform.fire.url))) {
        err_set(err, r, "could not make the simulator: out of memory");
        goto failed;
    }
    platform.fire.faults = rest.faults = s->faults;
    rest.calls = s->calls;
    r = furnish(s, options, err);
    if (r == 0)
        r = platform_new(&s->platform, &platform, s->rooms, err);
    if (r < 0)
        goto failed;
    s->rest = rest_api_new(&rest, s->platform, s->rooms);
    if (!s->rest) {
        r = err_set(err, ERR_FAILED, "could not make the simulator: out of memory");
        goto failed;
    }
    s->control = (struct control_api){s->platform, s->rooms, s->faults, s->calls, options->strict_rooms};
    server.arg = s;
    r = http_server_start(&s->server, &server, err);
    if (r < 0)
        goto failed;
    *out = s;
    return 0;

failed:
    simulator_stop(s);
    return r;
}

unsigned simulator_port(const struct simulator *s)
{
    return http_server_port(s->server);
}

void simulator_stop(struct simulator *s)
{
    if (!s)
        return;
    fault_plan_stop(s->faults);
    http_server_stop(s->server, STOP_MS);
    rest_api_free(s->rest);
    platform_free(s->platform);
    rooms_free(s->rooms);
    call_log_free(s->calls);
    fault_plan_free(s->faults);
    free(s);
}
