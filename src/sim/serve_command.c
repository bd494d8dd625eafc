/* serve_command.c - `chatsim serve`: options, start, and the wait for SIGINT or SIGTERM. */
#include "sim/commands.h"

#include "base/clock.h"
#include "base/log.h"
#include "sim/arguments.h"
#include "sim/simulator.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_NAMES = 1000 };

static const char help[] =
    "usage: chatsim serve --webhook URL [OPTIONS]\n"
    "\n"
    "The platform on one address: /v4/ is its REST API; clients send through POST /sim/rooms/<id>/messages and\n"
    "GET /sim/rooms/<id>/messages shows what a room saw. Both fire Before and After webhooks at URL.\n"
    "POST /sim/rooms/<id>/recalls takes a client's message back and fires the webhook of that.\n"
    "\n"
    "  --webhook URL            where webhooks go, without query\n"
    "  --listen HOST:PORT       127.0.0.1:8090\n"
    "  --threads N              connections served at the same time: 64\n"
    "  --sdkappid N             1400000001\n"
    "  --admin NAME             the administrator account of the REST API: administrator\n"
    "  --secret-file FILE       the key UserSigs are verified with; without it they are not verified\n"
    "  --token-file FILE        the token webhooks are signed with; without it they carry no Sign\n"
    "  --connections N          kept to the webhook: 16\n"
    "  --deadline-ms N          for the answer to a webhook: 2000\n"
    "  --fail-closed            without a valid answer to Before the message is refused, not delivered\n"
    "  --after-retry            After webhooks are repeated after a timeout\n"
    "  --string-event-time      EventTime as a string\n"
    "  --documented-key-order   members of bodies as the documents list them, not alphabetically\n"
    "  --request-id             webhook URLs carry a RequestID\n"
    "  --frequency-error        REST messages over 40 a second in a room: 100602 (Chat: 10023), not MsgDropReason\n"
    "  --number-dropped         a message with MsgDropReason takes a MsgSeq that nobody sees, not 0\n"
    "  --reject-code N          what a REST message refused by the Before webhook is answered with: 10016\n"
    "  --duplicate-zero         a repeated Random of send_group_msg is answered MsgSeq 0, not that of the first\n"
    "  --callback-once          live_config/set_callback does not replace an earlier one: 100300\n"
    "  --block TEXT             the platform's own moderation: a MsgBody with it is refused with 80001\n"
    "  --recall-seconds N       how old a message may be to be recalled: 3600\n"
    "  --strict-rooms           clients cannot send to a room that was not made before\n"
    "  --room ID                make this room; may be repeated\n"
    "  --mute USER              mute this user everywhere; may be repeated\n"
    "  --keep N                 messages remembered a room: 10000\n"
    "  --seed N                 decides Random, MsgId, ids and whom faults hit: the time\n"
    "  --fault SPEC             a fault to inject; may be repeated, and changed by PUT /sim/faults\n"
    "\n"
    "SPEC is WHERE:KIND[=VALUE][:PROBABILITY], the probability from 0 to 1, always when not said; for example\n"
    "send_text_msg:code=100001:0.1 or after:duplicate. WHERE is a command of the REST API, or rest for all of them,\n"
    "before, after, recall, or webhooks for the three. Kinds for REST (processed-: carried out, only the answer is spoiled):\n"
    "  code=N, processed-code=N, http=N, processed-http=N, reset, processed-reset, garbage, truncated,\n"
    "  oversized=BYTES, delay=MS, MsgFreqCtrl\n"
    "Kinds for webhooks:\n"
    "  lost, delay=MS, reorder=MS, slow=MS, missing=MsgId|EventTime|Operator_Account|OptPlatform, string-event-time,\n"
    "  duplicate[=MS] (not for before)\n";

enum option_code {
    OPT_WEBHOOK = 256,
    OPT_LISTEN,
    OPT_THREADS,
    OPT_SDKAPPID,
    OPT_ADMIN,
    OPT_SECRET_FILE,
    OPT_TOKEN_FILE,
    OPT_CONNECTIONS,
    OPT_DEADLINE_MS,
    OPT_FAIL_CLOSED,
    OPT_AFTER_RETRY,
    OPT_STRING_EVENT_TIME,
    OPT_DOCUMENTED_KEY_ORDER,
    OPT_REQUEST_ID,
    OPT_FREQUENCY_ERROR,
    OPT_NUMBER_DROPPED,
    OPT_REJECT_CODE,
    OPT_DUPLICATE_ZERO,
    OPT_CALLBACK_ONCE,
    OPT_BLOCK,
    OPT_RECALL_SECONDS,
    OPT_STRICT_ROOMS,
    OPT_ROOM,
    OPT_MUTE,
    OPT_KEEP,
    OPT_SEED,
    OPT_FAULT,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    {"webhook", required_argument, NULL, OPT_WEBHOOK},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"sdkappid", required_argument, NULL, OPT_SDKAPPID},
    {"admin", required_argument, NULL, OPT_ADMIN},
    {"secret-file", required_argument, NULL, OPT_SECRET_FILE},
    {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"deadline-ms", required_argument, NULL, OPT_DEADLINE_MS},
    {"fail-closed", no_argument, NULL, OPT_FAIL_CLOSED},
    {"after-retry", no_argument, NULL, OPT_AFTER_RETRY},
    {"string-event-time", no_argument, NULL, OPT_STRING_EVENT_TIME},
    {"documented-key-order", no_argument, NULL, OPT_DOCUMENTED_KEY_ORDER},
    {"request-id", no_argument, NULL, OPT_REQUEST_ID},
    {"frequency-error", no_argument, NULL, OPT_FREQUENCY_ERROR},
    {"number-dropped", no_argument, NULL, OPT_NUMBER_DROPPED},
    {"reject-code", required_argument, NULL, OPT_REJECT_CODE},
    {"duplicate-zero", no_argument, NULL, OPT_DUPLICATE_ZERO},
    {"callback-once", no_argument, NULL, OPT_CALLBACK_ONCE},
    {"block", required_argument, NULL, OPT_BLOCK},
    {"recall-seconds", required_argument, NULL, OPT_RECALL_SECONDS},
    {"strict-rooms", no_argument, NULL, OPT_STRICT_ROOMS},
    {"room", required_argument, NULL, OPT_ROOM},
    {"mute", required_argument, NULL, OPT_MUTE},
    {"keep", required_argument, NULL, OPT_KEEP},
    {"seed", required_argument, NULL, OPT_SEED},
    {"fault", required_argument, NULL, OPT_FAULT},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

/* The command line as read; owns what the options point to. */
struct serve_arguments {
    struct simulator_options options;
    const char *rooms[MAX_NAMES], *muted[MAX_NAMES];
    struct fault_spec faults[FAULTS_MAX];
    struct buf secret, token;
    bool help, version;
};

static bool name_add(const char *const option, const char **names, size_t *count, const char *name)
{
    if (*count == MAX_NAMES) {
        fprintf(stderr, "chatsim: %s can be given %d times at most\n", option, MAX_NAMES);
        return false;
    }
    names[(*count)++] = name;
    return true;
}

static bool fault_add(struct serve_arguments *a, const char *text)
{
    struct err err = {0};

    if (a->options.fault_count == FAULTS_MAX) {
        fprintf(stderr, "chatsim: --fault can be given %d times at most\n", FAULTS_MAX);
        return false;
    }
    if (fault_spec_read(&a->faults[a->options.fault_count], text, &err) < 0) {
        fprintf(stderr, "chatsim: --fault: %s\n", err.text);
        return false;
    }
    a->options.fault_count++;
    return true;
}

static bool take(struct serve_arguments *a, int code, const char *text)
{
    struct simulator_options *o = &a->options;
    struct fire_options *fire = &o->platform.fire;
    uint64_t n = 0;
    bool ok = true;

    switch (code) {
    case OPT_WEBHOOK:
        fire->url = text;
        break;
    case OPT_LISTEN:
        o->listen = text;
        break;
    case OPT_THREADS:
        ok = argument_u64("--threads", text, 1, 4096, &n);
        o->threads = (unsigned)n;
        break;
    case OPT_SDKAPPID:
        ok = argument_u64("--sdkappid", text, 1, UINT32_MAX, &n);
        o->rest.sdkappid = fire->style.sdkappid = n;
        break;
    case OPT_ADMIN:
        o->rest.admin = text;
        break;
    case OPT_SECRET_FILE:
        ok = argument_secret_file("--secret-file", text, &a->secret);
        o->rest.secret = buf_text(&a->secret);
        break;
    case OPT_TOKEN_FILE:
        ok = argument_secret_file("--token-file", text, &a->token);
        fire->style.token = buf_text(&a->token);
        break;
    case OPT_CONNECTIONS:
        ok = argument_u64("--connections", text, 1, 1000, &n);
        fire->connections = (unsigned)n;
        break;
    case OPT_DEADLINE_MS:
        ok = argument_u64("--deadline-ms", text, 1, 60000, &n);
        fire->deadline_ms = (int64_t)n;
        break;
    case OPT_FAIL_CLOSED:
        o->platform.fail_closed = true;
        break;
    case OPT_AFTER_RETRY:
        fire->after_retry = true;
        break;
    case OPT_STRING_EVENT_TIME:
        fire->style.string_event_time = true;
        break;
    case OPT_DOCUMENTED_KEY_ORDER:
        fire->style.documented_key_order = true;
        break;
    case OPT_REQUEST_ID:
        fire->request_id = true;
        break;
    case OPT_FREQUENCY_ERROR:
        o->rest.frequency_error = true;
        break;
    case OPT_NUMBER_DROPPED:
        o->rooms.number_dropped = true;
        break;
    case OPT_REJECT_CODE:
        ok = argument_u64("--reject-code", text, 1, INT32_MAX, &n);
        o->rest.reject_code = (int64_t)n;
        break;
    case OPT_DUPLICATE_ZERO:
        o->rest.duplicate_zero = true;
        break;
    case OPT_CALLBACK_ONCE:
        o->rest.callback_once = true;
        break;
    case OPT_BLOCK:
        o->platform.blocked_text = text;
        ok = *text != '\0';
        if (!ok)
            fprintf(stderr, "chatsim: --block needs a text\n");
        break;
    case OPT_RECALL_SECONDS:
        ok = argument_u64("--recall-seconds", text, 0, INT32_MAX, &n);
        o->platform.recall_s = (int64_t)n;
        break;
    case OPT_STRICT_ROOMS:
        o->strict_rooms = true;
        break;
    case OPT_ROOM:
        ok = name_add("--room", a->rooms, &o->room_count, text);
        break;
    case OPT_MUTE:
        ok = name_add("--mute", a->muted, &o->muted_count, text);
        break;
    case OPT_KEEP:
        ok = argument_u64("--keep", text, 0, 10000000, &n);
        o->rooms.keep = (size_t)n;
        break;
    case OPT_SEED:
        ok = argument_u64("--seed", text, 0, UINT64_MAX, &o->platform.seed);
        break;
    case OPT_FAULT:
        ok = fault_add(a, text);
        break;
    case OPT_HELP:
        a->help = true;
        break;
    case OPT_VERSION:
        a->version = true;
        break;
    default: /* getopt has told what is wrong */
        ok = false;
    }
    return ok;
}

static bool read_arguments(struct serve_arguments *a, int argc, char **argv)
{
    int code;

    a->options = simulator_defaults();
    a->options.listen = "127.0.0.1:8090";
    a->options.platform.seed = (uint64_t)clock_wall_us();
    a->options.room_ids = a->rooms;
    a->options.muted = a->muted;
    a->options.faults = a->faults;
    while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!take(a, code, optarg))
            return false;
    }
    if (a->help || a->version)
        return true;
    if (optind < argc) {
        fprintf(stderr, "chatsim serve: what is \"%s\"?\n", argv[optind]);
        return false;
    }
    if (!a->options.platform.fire.url) {
        fprintf(stderr, "chatsim serve: --webhook is needed\n");
        return false;
    }
    return true;
}

/* Serves until a signal comes. They are blocked before any thread starts, so that only this one takes them. */
static int run(const struct simulator_options *options)
{
    struct simulator *simulator;
    struct err err = {0};
    sigset_t ends;
    int signal_number;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (simulator_start(&simulator, options, &err) < 0) {
        fprintf(stderr, "chatsim serve: %s\n", err.text);
        return 1;
    }
    log_info("chatsim is serving", log_str("listen", options->listen), log_u64("port", simulator_port(simulator)),
             log_u64("sdkappid", options->rest.sdkappid), log_bool("usersig_verified", options->rest.secret != NULL),
             log_bool("webhooks_signed", options->platform.fire.style.token != NULL),
             log_u64("seed", options->platform.seed));
    sigwait(&ends, &signal_number);
    simulator_stop(simulator);
    log_info("chatsim has stopped", log_i64("signal", signal_number));
    return 0;
}

int chatsim_serve(int argc, char **argv)
{
    struct serve_arguments *a = calloc(1, sizeof(*a));
    int status = 2;

    if (!a) {
        fprintf(stderr, "chatsim serve: out of memory\n");
        return 1;
    }
    if (!read_arguments(a, argc, argv))
        fprintf(stderr, "`chatsim serve --help` lists the options\n");
    else if (a->help)
        status = fputs(help, stdout) < 0;
    else if (a->version)
        status = printf("chatsim " CHATSLUICE_VERSION "\n") < 0;
    else
        status = run(&a->options);
    buf_release(&a->secret);
    buf_release(&a->token);
    free(a);
    return status;
}
