/* simulation.c - deterministic simulation of the service: one seed drives clock, faults and interleaving.
 *
 *   simulation --prepare --database URL          once for a database: virtual clock and schema
 *   simulation [--seeds N] [--from S] [--world spool|loader|outbox] [--database URL] [--plant BUG] [--trace] [--twice]
 *              [--until-broken]
 *
 * Runs the seeds S..S+N-1 in a present folder it may write to (put it on a tmpfs), each in the world it draws; world.h
 * tells of them. --trace prints what happens, --twice runs each seed a second time and holds the traces against each
 * other. One line of JSON at the end; status 1 when a promise was broken or two traces of a seed differ.
 *
 * The seeds run in bunches, a process each: what killed processes of the simulation held is lost with it. */
#include "database.h"
#include "disk.h"
#include "plant.h"
#include "scheduler.h"
#include "world.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUNCH = 32 };

/* Shared by all processes. */
struct totals {
    uint64_t seed; /* under way */
    uint64_t done, failed, differing, by_world[WORLD_KINDS];
    uint64_t steps, switches, tasks, statements, commits, faults, acknowledged, webhooks, calls, delivered, corrections;
    uint64_t virtual_ms, hash;
};

struct options {
    uint64_t from, seeds;
    int world;
    const char *database;
    bool prepare, trace, twice, until_broken;
};

static const char *const world_names[WORLD_KINDS] = {"spool", "loader", "outbox"};

static uint64_t run_seed(const struct options *o, uint64_t seed, struct totals *totals)
{
    uint64_t hash;

    sched_begin(seed, o->trace);
    plan_draw(seed, o->world);
    if (plan.kind != WORLD_SPOOL && !o->database)
        sched_fail("world %s needs --database", world_names[plan.kind]);
    ledger_begin();
    platform_begin();
    if (plan.kind != WORLD_SPOOL)
        database_begin(o->database);
    instances_begin();
    sched_trace("seed %" PRIu64 ", world %s", seed, world_names[plan.kind]);
    sched_spawn(0, "world", world_main, NULL);
    sched_run();
    hash = sched_trace_hash();
    instances_end();
    plan_end();

    const struct sched_figures f = sched_figures();
    const struct platform_figures p = platform_figures();
    const struct database_figures d = database_figures();
    totals->steps += f.steps;
    totals->switches += f.switches;
    totals->tasks += f.tasks;
    totals->virtual_ms += (uint64_t)f.virtual_us / 1000;
    totals->webhooks += p.webhooks;
    totals->calls += p.calls;
    totals->delivered += p.delivered;
    totals->corrections += p.corrections;
    totals->acknowledged += ledger_acknowledgements();
    if (plan.kind != WORLD_SPOOL) {
        totals->statements += d.statements;
        totals->commits += d.commits;
        totals->faults += d.faults;
    }
    totals->by_world[plan.kind]++;
    return hash;
}

static void run_bunch(const struct options *o, uint64_t from, uint64_t upto, struct totals *totals)
{
    for (uint64_t seed = from; seed < upto; seed++) {
        uint64_t hash;

        totals->seed = seed;
        hash = run_seed(o, seed, totals);
        totals->hash = totals->hash * 31 + hash;
        if (o->twice && run_seed(o, seed, totals) != hash) {
            fprintf(stderr, "seed %" PRIu64 " took two ways\n", seed);
            totals->differing++;
        }
        totals->done++;
    }
    fflush(stdout);
    _exit(0);
}

static void empty_folder(void)
{
    for (int i = 0; i < INSTANCES; i++) {
        char line[64];

        snprintf(line, sizeof(line), "rm -rf disk%d", i);
        if (system(line) != 0)
            exit(2);
    }
}

static void run_all(const struct options *o, struct totals *totals)
{
    uint64_t next = o->from;

    while (next < o->from + o->seeds) {
        const uint64_t left = o->from + o->seeds - next, upto = next + (left < BUNCH ? left : BUNCH);
        int status = 0;
        pid_t child;

        fflush(stdout);
        child = fork();
        if (child == 0)
            run_bunch(o, next, upto, totals);
        if (child < 0 || waitpid(child, &status, 0) != child) {
            fprintf(stderr, "simulation: could not start a process: %s\n", strerror(errno));
            exit(2);
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            next = upto;
            continue;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
            exit(2);
        if (WIFSIGNALED(status))
            fprintf(stderr, "seed %" PRIu64 " ended by signal %d\n", totals->seed, WTERMSIG(status));
        totals->failed++;
        next = totals->seed + 1;
        empty_folder();
        if (o->until_broken)
            break;
    }
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print(const struct options *o, const struct totals *t, double took)
{
    printf("{\"campaign\":\"simulation\",\"from\":%" PRIu64 ",\"seeds\":%" PRIu64 ",\"broken\":%" PRIu64
           ",\"differing\":%" PRIu64,
           o->from, t->done + t->failed, t->failed, t->differing);
    for (int i = 0; i < WORLD_KINDS; i++)
        printf(",\"%s\":%" PRIu64, world_names[i], t->by_world[i]);
    printf(",\"steps\":%" PRIu64 ",\"tasks\":%" PRIu64 ",\"virtual_s\":%" PRIu64 ",\"webhooks\":%" PRIu64
           ",\"acknowledged\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"statements\":%" PRIu64 ",\"commits\":%" PRIu64
           ",\"database_faults\":%" PRIu64 ",\"calls\":%" PRIu64 ",\"corrections\":%" PRIu64 ",\"hash\":\"%016" PRIx64
           "\",\"seconds\":%.1f,\"seeds_per_second\":%.1f}\n",
           t->steps, t->tasks, t->virtual_ms / 1000, t->webhooks, t->acknowledged, t->delivered, t->statements,
           t->commits, t->faults, t->calls, t->corrections, t->hash, took, (double)(t->done + t->failed) / took);
}

static void usage(void)
{
    fputs("usage: simulation [--prepare] [--seeds N] [--from S] [--world spool|loader|outbox] [--database URL]\n"
          "                  [--plant BUG] [--trace] [--twice] [--until-broken]\n",
          stderr);
    plant_list(stderr);
    exit(2);
}

static int world_of(const char *name)
{
    for (int i = 0; i < WORLD_KINDS; i++)
        if (strcmp(name, world_names[i]) == 0)
            return i;
    usage();
    return -1;
}

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"prepare", no_argument, NULL, 'p'},        {"seeds", required_argument, NULL, 'n'},
        {"from", required_argument, NULL, 'f'},     {"world", required_argument, NULL, 'w'},
        {"database", required_argument, NULL, 'd'}, {"plant", required_argument, NULL, 'b'},
        {"trace", no_argument, NULL, 't'},          {"twice", no_argument, NULL, '2'},
        {"until-broken", no_argument, NULL, 'u'},   {0}};

    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) >= 0;) {
        switch (c) {
        case 'p':
            o->prepare = true;
            break;
        case 'n':
            o->seeds = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            o->from = strtoull(optarg, NULL, 10);
            break;
        case 'w':
            o->world = world_of(optarg);
            break;
        case 'd':
            o->database = optarg;
            break;
        case 'b':
            if (!plant(optarg))
                usage();
            break;
        case 't':
            o->trace = true;
            break;
        case 'u':
            o->until_broken = true;
            break;
        case '2':
            o->twice = true;
            break;
        default:
            usage();
        }
    }
    if (optind < argc || (o->prepare && !o->database))
        usage();
}

int main(int argc, char **argv)
{
    struct options o = {.seeds = 1, .world = -1};
    const double began = seconds();
    struct totals *totals;
    struct err err = {0};

    read_options(&o, argc, argv);
    if (o.prepare) {
        if (database_prepare(o.database, &err) == 0)
            return 0;
        fprintf(stderr, "simulation: %s\n", err.text);
        return 2;
    }
    totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED)
        return 2;
    run_all(&o, totals);
    print(&o, totals, seconds() - began);
    return totals->failed > 0 || totals->differing > 0;
}
