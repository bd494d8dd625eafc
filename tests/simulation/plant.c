#include "plant.h"

#include "outbox/outcome.h"
#include "outbox/pacer.h"

#include <string.h>

static const struct {
    const char *name, *what;
} bugs[BUGS] = {
    [BUG_NONE] = {"none", "nothing"},
    [BUG_EARLY_ACK] = {"early-ack", "a record counts as durable before its fdatasync"},
    [BUG_NO_FOLDER_SYNC] = {"no-folder-sync", "the folder is not synced after a segment got its name"},
    [BUG_LOST_WAKEUP] = {"lost-wakeup", "one signal in fifty reaches nobody"},
    [BUG_TWO_TRANSACTIONS] = {"two-transactions", "the position moves in a transaction before that of its rows"},
    [BUG_EARLY_RELEASE] = {"early-release", "the spool lets go of a batch before its COMMIT"},
    [BUG_REPEAT] = {"repeat", "a text whose call got no answer is sent again at once"},
    [BUG_GIVE_UP] = {"give-up", "a text whose call got no answer counts as refused"},
    [BUG_RATE] = {"rate", "permits do not rest after a call"},
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

/* Those that are functions of ours, by --wrap -----------------------------------------------------------------------
 */

void __real_outcome_settle(struct settled *out, struct outcome *outcome, const struct row *row,
                           const struct settling *settling);
void __wrap_outcome_settle(struct settled *out, struct outcome *outcome, const struct row *row,
                           const struct settling *settling);
void __real_pacer_end(struct pacer *p, int64_t now_us, bool sent);
void __wrap_pacer_end(struct pacer *p, int64_t now_us, bool sent);

void __wrap_outcome_settle(struct settled *out, struct outcome *outcome, const struct row *row,
                           const struct settling *settling)
{
    __real_outcome_settle(out, outcome, row, settling);
    if (strcmp(out->event, "no_answer") != 0)
        return;
    if (planted(BUG_REPEAT))
        *out = (struct settled){.event = "repeat", .due_ms = 10};
    else if (planted(BUG_GIVE_UP))
        out->event = "refused";
}

void __wrap_pacer_end(struct pacer *p, int64_t now_us, bool sent)
{
    __real_pacer_end(p, now_us, sent && !planted(BUG_RATE));
}
