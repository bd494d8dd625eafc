/* world.h - one seed's world: what it is made of, who lives in it, and what must hold at its end.
 *
 *   spool   one instance without a database: appends, power cuts, and a reader in the loader's place
 *   loader  one or two instances with their loaders
 *   outbox  two instances with loaders and senders, the platform, rooms, corrections, mutes and recalls
 *
 * plan.c draws it from the seed, instance.c starts and kills the service, platform.c is everybody outside, ledger.c
 * keeps what was promised, world.c does the harm and looks at what is left. */
#ifndef CHATSLUICE_SIMULATION_WORLD_H
#define CHATSLUICE_SIMULATION_WORLD_H

#include "base/config.h"
#include "rules/verdict.h"
#include "wire/message.h"

enum world_kind { WORLD_SPOOL, WORLD_LOADER, WORLD_OUTBOX, WORLD_KINDS };

enum { INSTANCES = 2, APP = 1400000001, BODY_MOST = 2048 };

struct plan {
    enum world_kind kind;
    unsigned instances, messages, rooms;
    uint64_t segment_bytes, max_bytes, batch_rows;
    int64_t gap_us;        /* between two messages, on average */
    int64_t trouble_us;    /* how long there are faults */
    unsigned padding_most; /* bytes */
    bool deliver_unasked;  /* what the platform does when a Before webhook is not answered */
    unsigned call_faults;  /* a call goes wrong once in so many */
    struct config config;
};
extern struct plan plan;
void plan_draw(uint64_t seed, int kind); /* kind -1: the seed's */
void plan_end(void);                     /* frees what keep() gave */

/* Memory that lives as long as the seed; zeroed. */
void *keep(size_t size);

/* ledger.c: every webhook ever sent, by command and Random -------------------------------------------------------- */

void ledger_begin(void);
void ledger_sent(enum command command, uint32_t random);
void ledger_acknowledged(enum command command, uint32_t random);
bool ledger_was_sent(enum command command, uint32_t random);
uint64_t ledger_acknowledgements(void);
/* Holds the table against it. */
void ledger_check_events(void);
void ledger_position(const char *spool_id, uint64_t from, uint64_t to);
/* world spool: the reader in the loader's place has taken this record for good. */
void ledger_taken(uint64_t seq, enum command command, uint32_t random);
void ledger_skipped(uint64_t seq);
uint64_t ledger_taken_upto(void);
void ledger_check_taken(void);

/* instance.c ------------------------------------------------------------------------------------------------------ */

/* One request; in the simulator's memory, so that it outlives who answers it. */
struct webhook {
    enum command command;
    uint32_t random;
    const char *platform;
    char body[BODY_MOST];
    size_t len;
    bool answered, acknowledged; /* acknowledged: and recorded */
    enum action action;
    bool without_marker; /* the reply takes the marker off */
};

void instances_begin(void);
void instances_end(void);
void instance_start(unsigned i); /* if it is not running */
void instance_kill(unsigned i, bool power_cut);
void instance_stop(unsigned i); /* in an orderly way; it may take a while until it is down */
bool instance_is_down(unsigned i);
bool instance_has_failed(unsigned i); /* as the service sees it: it ends then */
bool instance_is_drained(unsigned i); /* all it has on disk is loaded */
void instance_step_clock(unsigned i, int64_t by_us);
struct disk *instance_disk(unsigned i);
void instance_release(unsigned process, uint64_t seq); /* for a planted bug */
/* Sends it to one that is up; false: there is none. Answers come by sched_wake(webhook). */
bool webhook_send(struct webhook *w);

/* platform.c ------------------------------------------------------------------------------------------------------ */

void platform_begin(void);
void platform_start(void);     /* clients begin to talk */
bool platform_is_done(void);   /* they have said all, and nothing is on its way */
void platform_make_well(void); /* from now on it answers every call */
void platform_check_rooms(void);
struct platform_figures {
    uint64_t webhooks, calls, delivered, corrections;
};
struct platform_figures platform_figures(void);

/* world.c --------------------------------------------------------------------------------------------------------- */

void *world_main(void *unused);

#endif
