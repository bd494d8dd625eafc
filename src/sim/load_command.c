/* load_command.c - `chatsim load`: options, workers, progress, report. */
#include "sim/commands.h"

#include "base/clock.h"
#include "sim/arguments.h"
#include "sim/load_report.h"

#include <getopt.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORKERS = 16, MAX_CONNECTIONS = 10000, MAX_URL = 1024 };

static const char help[] =
    "usage: chatsim load --url URL [OPTIONS]\n"
    "\n"
    "Sends group message webhooks and measures the answers. Latency counts from the time a request was due.\n"
    "\n"
    "  --url URL            http://HOST:PORT/PATH of the webhook\n"
    "  --rate N|max         requests a second, or flat out: max\n"
    "  --connections N      each with one request in flight: 64\n"
    "  --seconds N          length of the run: 10, without end when --count is given\n"
    "  --count N            end after so many requests\n"
    "  --sign TOKEN         sign with this token; other users of the machine can read it in the list of processes\n"
    "  --sign-file FILE     sign with the token in this file\n"
    "  --sdkappid N         1400000001\n"
    "  --after-share P      share of After webhooks, 0 to 1: 0\n"
    "  --rooms N            spread over so many rooms: 20\n"
    "  --corpus FILE        one text a line; otherwise our own chat lines\n"
    "  --ledger FILE        append a line for each request answered with 200: its unique key\n"
    "  --threads N          of this program: 1\n"
    "  --json               end with one JSON object\n"
    "\n"
    "Exit status 1 when the counts do not add up (the run is void), nothing was answered, or the ledger failed.\n";

enum option_code {
    OPT_URL = 256,
    OPT_RATE,
    OPT_CONNECTIONS,
    OPT_SECONDS,
    OPT_COUNT,
    OPT_SIGN,
    OPT_SIGN_FILE,
    OPT_SDKAPPID,
    OPT_AFTER_SHARE,
    OPT_ROOMS,
    OPT_CORPUS,
    OPT_LEDGER,
    OPT_THREADS,
    OPT_JSON,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    {"url", required_argument, NULL, OPT_URL},
    {"rate", required_argument, NULL, OPT_RATE},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"count", required_argument, NULL, OPT_COUNT},
    {"sign", required_argument, NULL, OPT_SIGN},
    {"sign-file", required_argument, NULL, OPT_SIGN_FILE},
    {"sdkappid", required_argument, NULL, OPT_SDKAPPID},
    {"after-share", required_argument, NULL, OPT_AFTER_SHARE},
    {"rooms", required_argument, NULL, OPT_ROOMS},
    {"corpus", required_argument, NULL, OPT_CORPUS},
    {"ledger", required_argument, NULL, OPT_LEDGER},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

struct load_arguments {
    const char *url, *corpus, *ledger;
    double rate, seconds, after_share; /* rate 0: flat out */
    uint64_t count, connections, threads, rooms, sdkappid;
    const char *token;
    struct buf token_file;
    bool json, help, version;
    char host[MAX_URL], path[MAX_URL]; /* of the URL; host with its port, as in the Host header */
};

/* The URL -------------------------------------------------------------------------------------------------------- */

static bool url_split(struct load_arguments *a)
{
    const char *rest = a->url, *slash;

    if (strncmp(rest, "http://", 7) != 0 || strlen(rest) >= MAX_URL || strpbrk(rest, " ?#\r\n")) {
        fprintf(stderr, "chatsim load: --url must be http://HOST:PORT/PATH without query, not \"%s\"\n", a->url);
        return false;
    }
    rest += 7;
    slash = strchr(rest, '/');
    snprintf(a->host, sizeof(a->host), "%.*s", slash ? (int)(slash - rest) : (int)strlen(rest), rest);
    snprintf(a->path, sizeof(a->path), "%s", slash ? slash : "/");
    return true;
}

static bool address_find(const struct load_arguments *a, struct load_run *run)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[MAX_URL];
    char *colon;
    int r;

    memcpy(host, a->host, sizeof(host));
    colon = strrchr(host, ':');
    if (colon)
        *colon = '\0';
    r = getaddrinfo(host, colon ? colon + 1 : "80", &wanted, &found);
    if (r != 0) {
        fprintf(stderr, "chatsim load: could not find \"%s\": %s\n", a->host, gai_strerror(r));
        return false;
    }
    memcpy(&run->address, found->ai_addr, found->ai_addrlen);
    run->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

/* Options ------------------------------------------------------------------------------------------------------- */

static bool take(struct load_arguments *a, int code, const char *text)
{
    switch (code) {
    case OPT_URL:
        a->url = text;
        return true;
    case OPT_RATE:
        a->rate = 0;
        return strcmp(text, "max") == 0 || argument_decimal("--rate", text, 0.01, 1e7, &a->rate);
    case OPT_CONNECTIONS:
        return argument_u64("--connections", text, 1, MAX_CONNECTIONS, &a->connections);
    case OPT_SECONDS:
        return argument_decimal("--seconds", text, 0.001, 1e6, &a->seconds);
    case OPT_COUNT:
        return argument_u64("--count", text, 1, UINT64_MAX, &a->count);
    case OPT_SIGN:
        a->token = text;
        if (!*text)
            fputs("chatsim load: --sign needs a token\n", stderr);
        return *text != '\0';
    case OPT_SIGN_FILE:
        if (!argument_secret_file("--sign-file", text, &a->token_file))
            return false;
        a->token = buf_text(&a->token_file);
        return true;
    case OPT_SDKAPPID:
        return argument_u64("--sdkappid", text, 1, UINT32_MAX, &a->sdkappid);
    case OPT_AFTER_SHARE:
        return argument_decimal("--after-share", text, 0, 1, &a->after_share);
    case OPT_ROOMS:
        return argument_u64("--rooms", text, 1, LOAD_MAX_ROOMS, &a->rooms);
    case OPT_CORPUS:
        a->corpus = text;
        return true;
    case OPT_LEDGER:
        a->ledger = text;
        return true;
    case OPT_THREADS:
        return argument_u64("--threads", text, 1, MAX_WORKERS, &a->threads);
    case OPT_JSON:
        return a->json = true;
    case OPT_HELP:
        return a->help = true;
    case OPT_VERSION:
        return a->version = true;
    default: /* getopt has told what is wrong */
        return false;
    }
}

static bool read_arguments(struct load_arguments *a, int argc, char **argv)
{
    int code;

    while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!take(a, code, optarg))
            return false;
    }
    if (a->help || a->version)
        return true;
    if (optind < argc) {
        fprintf(stderr, "chatsim load: what is \"%s\"?\n", argv[optind]);
        return false;
    }
    if (!a->url) {
        fprintf(stderr, "chatsim load: --url is needed\n");
        return false;
    }
    if (a->threads > a->connections) {
        fprintf(stderr, "chatsim load: --threads must not be more than --connections\n");
        return false;
    }
    if (a->seconds <= 0 && a->count == 0)
        a->seconds = 10;
    return url_split(a);
}

/* The run ------------------------------------------------------------------------------------------------------- */

static void progress(const struct load_run *run, int64_t now_us)
{
    fprintf(stderr, "\r%4.0f s  sent %llu  answered %llu  refused or failed %llu ",
            (double)(now_us - run->schedule.start_us) / 1e6, (unsigned long long)atomic_load(&run->sent_so_far),
            (unsigned long long)atomic_load(&run->answered_so_far),
            (unsigned long long)atomic_load(&run->failed_so_far));
}

/* Waits for the workers, shows progress on a terminal; a signal stops the run, which then still ends in order. */
static void accompany(struct load_run *run, unsigned started, const sigset_t *ends)
{
    const struct timespec moment = {0, 20000000};
    const bool terminal = isatty(STDERR_FILENO);
    int64_t shown_us = run->schedule.start_us;

    while (atomic_load(&run->finished) < started) {
        const int64_t now_us = clock_mono_us();
        if (sigtimedwait(ends, NULL, &moment) > 0)
            atomic_store(&run->stop, true);
        if (terminal && now_us - shown_us >= 1000000) {
            progress(run, now_us);
            shown_us = now_us;
        }
    }
    if (terminal)
        fputs("\r\033[K", stderr);
}

static int report(const struct load_arguments *a, const struct load_counts *counts, double seconds, bool ledger_ok)
{
    struct buf text = BUF_INIT;
    int status = load_is_void(counts) || counts->answered == 0;

    if (a->json)
        load_report_json(&text, counts, seconds);
    else
        load_report_text(&text, counts, seconds);
    if (buf_failed(&text) || fputs(buf_text(&text), stdout) < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "chatsim load: could not write the report\n");
        status = 1;
    }
    if (!ledger_ok) {
        fprintf(stderr, "chatsim load: the ledger is not whole: a line could not be written\n");
        status = 1;
    }
    buf_release(&text);
    return status;
}

/* Runs the workers and sums up; the signals are blocked before any thread starts, so that only this one takes them. */
static int run_workers(const struct load_arguments *a, struct load_run *run, struct load_counts *sum)
{
    struct load_worker *workers[MAX_WORKERS] = {NULL};
    pthread_t threads[MAX_WORKERS];
    struct err err = {0};
    unsigned made = 0, started = 0;
    bool ledger_ok = true;
    sigset_t ends;
    int status = 1;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    for (; made < run->workers; made++) {
        const uint64_t share = a->connections / a->threads + (made < a->connections % a->threads);
        if (load_worker_new(&workers[made], run, made, (unsigned)share, &err) < 0) {
            fprintf(stderr, "chatsim load: %s\n", err.text);
            goto out;
        }
    }
    run->schedule.start_us = clock_mono_us();
    for (; started < made; started++) {
        if (pthread_create(&threads[started], NULL, load_worker_run, workers[started]) != 0) {
            fprintf(stderr, "chatsim load: could not start a thread\n");
            atomic_store(&run->stop, true);
            break;
        }
    }
    accompany(run, started, &ends);
    for (unsigned i = 0; i < started; i++) {
        bool ok;
        pthread_join(threads[i], NULL);
        load_counts_merge(sum, load_worker_counts(workers[i], &ok));
        ledger_ok = ledger_ok && ok;
    }
    if (started == made)
        status = report(a, sum, (double)(sum->ended_us - run->schedule.start_us) / 1e6, ledger_ok);
out:
    for (unsigned i = 0; i < made; i++)
        load_worker_free(workers[i]);
    return status;
}

static int run_load(const struct load_arguments *a)
{
    struct load_run run = {
        .schedule = {.rate = a->rate, .seconds_us = (int64_t)(a->seconds * 1e6), .count = a->count},
        .workers = (unsigned)a->threads,
        .ledger_path = a->ledger,
    };
    const struct load_requests_options options = {
        .host = a->host,
        .path = a->path,
        .style = {.sdkappid = a->sdkappid, .token = a->token},
        .after_share = a->after_share,
        .rooms = (uint32_t)a->rooms,
        .run = (uint32_t)(clock_wall_us() / 1000 * 2654435761u + (int64_t)getpid()), /* differs from run to run */
    };
    struct load_counts *sum = calloc(1, sizeof(*sum));
    struct load_requests *requests = NULL;
    struct corpus corpus = {0};
    struct err err = {0};
    int status = 1;

    if (!sum) {
        fprintf(stderr, "chatsim load: out of memory\n");
    } else if (corpus_open(&corpus, a->corpus, &err) < 0 || load_requests_new(&requests, &options, &corpus, &err) < 0) {
        fprintf(stderr, "chatsim load: %s\n", err.text);
        status = err.code == ERR_USAGE ? 2 : 1;
    } else if (address_find(a, &run)) {
        run.requests = requests;
        status = run_workers(a, &run, sum);
    }
    load_requests_free(requests);
    corpus_release(&corpus);
    free(sum);
    return status;
}

int chatsim_load(int argc, char **argv)
{
    struct load_arguments a = {.connections = 64, .threads = 1, .rooms = 20, .sdkappid = 1400000001};
    int status = 2;

    if (!read_arguments(&a, argc, argv))
        fprintf(stderr, "`chatsim load --help` lists the options\n");
    else if (a.help)
        status = fputs(help, stdout) < 0;
    else if (a.version)
        status = printf("chatsim " CHATSLUICE_VERSION "\n") < 0;
    else
        status = run_load(&a);
    buf_release(&a.token_file);
    return status;
}
