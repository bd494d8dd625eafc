/* simulator.h - the whole simulated platform behind one HTTP address: /v4/ is the platform's REST API (rest_api.h),
 * /sim/ the clients' and the tests' side (control_api.h). */
#ifndef CHATSLUICE_SIM_SIMULATOR_H
#define CHATSLUICE_SIM_SIMULATOR_H

#include "sim/control_api.h"
#include "sim/rest_api.h"

struct simulator_options { /* texts are borrowed until simulator_stop */
    const char *listen;    /* host:port */
    unsigned threads;      /* connections served at the same time */
    struct platform_options platform;
    struct rest_api_options rest;
    struct rooms_options rooms;
    bool strict_rooms;
    const struct fault_spec *faults; /* at the start; decided by the platform's seed */
    size_t fault_count;
    const char *const *room_ids; /* made at the start, of type Live */
    size_t room_count;
    const char *const *muted; /* users muted everywhere */
    size_t muted_count;
};

/* What `chatsim serve` does when nothing else is said; listen and webhook stay NULL. */
struct simulator_options simulator_defaults(void);

struct simulator;
int simulator_start(struct simulator **out, const struct simulator_options *options, struct err *err);
unsigned simulator_port(const struct simulator *s);
void simulator_stop(struct simulator *s); /* NULL is fine */

#endif
