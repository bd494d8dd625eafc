/* plant.h - known bugs that can be put into the service, to prove that the simulation finds them. */
#ifndef CHATSLUICE_SIMULATION_PLANT_H
#define CHATSLUICE_SIMULATION_PLANT_H

#include <stdbool.h>
#include <stdio.h>

enum bug {
    BUG_NONE,
    BUG_EARLY_ACK,
    BUG_NO_FOLDER_SYNC,
    BUG_LOST_WAKEUP,
    BUG_TWO_TRANSACTIONS,
    BUG_EARLY_RELEASE,
    BUG_REPEAT,
    BUG_GIVE_UP,
    BUG_RATE,
    BUGS
};

bool plant(const char *name); /* false: there is no such bug */
bool planted(enum bug bug);
void plant_list(FILE *out);

#endif
