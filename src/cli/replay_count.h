/* replay_count.h - what `rules replay` counts: changes in all, of each rule and of each room, with samples; private to
 * rules_replay.c.
 *
 * The events come in no particular order. Of each kind of change of each rule the newest are kept as samples (equal
 * times: the smaller id), so the same traffic gives the same report whatever the threads. One call at a time. */
#ifndef CHATSLUICE_CLI_REPLAY_COUNT_H
#define CHATSLUICE_CLI_REPLAY_COUNT_H

#include "store/rejudge.h"

enum { REPLAY_SAMPLE_TEXT = 400 }; /* bytes of a text that are kept */

struct replay_sample {
    char *event_id, *group_id, *text, *becomes_before, *becomes_after, *rule_before, *rule_after; /* own */
    enum action before, after;
    int64_t event_time_us;
    bool text_cut;
};

struct replay_samples { /* the newest first */
    struct replay_sample *items;
    size_t count;
};

/* A rule (the one that decides now; where nothing does any more, the one that did) or a room. */
struct replay_row {
    char *name; /* own; "" : no rule */
    uint64_t changes[REJUDGE_CHANGES], total;
    struct replay_samples samples[REJUDGE_CHANGES]; /* of rules alone */
};

struct replay_table {
    struct replay_row *rows;
    size_t count, cap;
    uint32_t *slots; /* 1 + index, by hash of the name; 0: free */
    size_t slot_count;
};

struct replay_count {
    size_t most_samples; /* of one kind of change of one rule */
    bool keep_text;
    uint64_t judged, unreadable, changes[REJUDGE_CHANGES];
    int64_t first_us, last_us; /* event times; 0: no event yet */
    struct replay_table rules, rooms;
    bool failed; /* memory ran out */
};

/* For rejudge_options.judged; arg is a struct replay_count. */
void replay_count_event(const struct rejudged *event, void *arg);
/* Sorts the rows by their number of changes, then by name. No event may follow. */
void replay_count_finish(struct replay_count *c);
void replay_count_release(struct replay_count *c);
static inline uint64_t replay_changed(const struct replay_count *c)
{
    return c->judged - c->changes[REJUDGE_SAME];
}

#endif
