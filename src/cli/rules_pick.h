/* rules_pick.h - the rules a command works with: those of files, or a revision of the database; private to cli. */
#ifndef CHATSLUICE_CLI_RULES_PICK_H
#define CHATSLUICE_CLI_RULES_PICK_H

#include "cli/cli.h"

struct picked_rules {
    struct rule_document *doc;
    struct ruleset *set;
    uint64_t revision; /* 0: files */
};

/* Each says on standard error what is wrong, and then gives false and nothing to release. */
bool pick_files(const struct cli *cli, const struct cli_files *files, struct picked_rules *out);
/* revision 0: the one in force. */
bool pick_revision(const struct cli *cli, struct db *db, uint64_t revision, struct picked_rules *out);
/* The files when any are named, else the revision in force of the configured database. */
bool pick_rules(const struct cli *cli, const struct cli_files *files, struct picked_rules *out);
/* The number of the revision in force, 0: none. */
bool pick_in_force(const struct cli *cli, struct db *db, uint64_t *revision);
void picked_release(struct picked_rules *picked);

#endif
