/* main.c - chatsim, the local stand-in for the Chat platform: the table of its subcommands. */
#include "sim/commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct subcommand {
    const char *name, *does;
    int (*run)(int argc, char **argv);
} subcommands[] = {
    {"serve", "the platform: its REST API, rooms, and the webhooks it fires", chatsim_serve},
    {"load", "sends webhooks at a rate or flat out, and measures the answers", chatsim_load},
};
enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]) };

static void usage(FILE *to)
{
    fprintf(to, "chatsim " CHATSLUICE_VERSION ": a local stand-in for the Tencent Cloud Chat platform\n\n"
                "usage: chatsim COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-8s %s\n", subcommands[i].name, subcommands[i].does);
    fprintf(to, "\n`chatsim COMMAND --help` explains a command; `chatsim --version` prints the version.\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN); /* a peer that hangs up is an error of the write, not the end of the process */
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("chatsim " CHATSLUICE_VERSION "\n");
        return 0;
    }
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(name, subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    }
    if (*name)
        fprintf(stderr, "chatsim: there is no command \"%s\"\n\n", name);
    usage(stderr);
    return 2;
}
