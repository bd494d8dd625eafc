/* commands.h - the subcommands of chatsim: each takes its own arguments and returns the exit status (0 fine, 1 failed,
 * 2 wrong usage). */
#ifndef CHATSLUICE_SIM_COMMANDS_H
#define CHATSLUICE_SIM_COMMANDS_H

int chatsim_serve(int argc, char **argv);
int chatsim_load(int argc, char **argv);

#endif
