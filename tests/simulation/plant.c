#include "plant.h"

#include <string.h>

static const struct {
    const char *name, *what;
} bugs[BUGS] = {
    [BUG_NONE] = {"none", "nothing"},
    [BUG_EARLY_ACK] = {"early-ack", "a commit is called durable without its fdatasync"},
    [BUG_TWO_TRANSACTIONS] = {"two-transactions", "the position moves in a transaction after that of its rows"},
    [BUG_EARLY_RELEASE] = {"early-release", "the spool lets go of records before COMMIT"},
    [BUG_REPEAT] = {"repeat", "a call without an answer is made again"},
    [BUG_RATE] = {"rate", "permits do not rest after a call"},
    [BUG_DEAF] = {"deaf", "a committed batch does not wake those who wait for it"},
};

static enum bug present;

bool plant(const char *name)
{
    for (enum bug b = BUG_NONE; b < BUGS; b++)
        if (strcmp(name, bugs[b].name) == 0) {
            present = b;
            return true;
        }
    return false;
}

bool planted(enum bug bug)
{
    return present == bug;
}

void plant_list(FILE *out)
{
    fputs("bugs:\n", out);
    for (enum bug b = BUG_NONE; b < BUGS; b++)
        fprintf(out, "  %-18s %s\n", bugs[b].name, bugs[b].what);
}
