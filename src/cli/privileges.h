/* privileges.h - what a process that holds secrets and other people's messages does about its own rights. */
#ifndef CHATSLUICE_CLI_PRIVILEGES_H
#define CHATSLUICE_CLI_PRIVILEGES_H

/* No core dumps, whatever the limit and the kernel's core_pattern are; and no other process of the same account reads
 * this one's memory or environment. Called before any secret is read. */
void privileges_keep_memory_private(void);

/* Logs a warning when the process runs as root, which it never needs. */
void privileges_warn_of_root(void);

#endif
