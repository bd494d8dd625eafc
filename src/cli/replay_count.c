#include "cli/replay_count.h"

#include "base/utf8.h"

#include <stdlib.h>

static char *copy(struct replay_count *c, struct span text)
{
    char *own = malloc(text.len + 1);

    if (!own) {
        c->failed = true;
        return NULL;
    }
    if (text.len > 0)
        memcpy(own, text.data, text.len);
    own[text.len] = '\0';
    return own;
}

/* Tables ------------------------------------------------------------------------------------------------------------
 */

static size_t hash(struct span name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.data[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* The slot of a name: where its row is, or where it is to go. There is a free one. */
static uint32_t *slot_of(struct replay_table *t, struct span name)
{
    size_t at = hash(name) & (t->slot_count - 1);

    while (t->slots[at] != 0 && !span_is(name, t->rows[t->slots[at] - 1].name))
        at = (at + 1) & (t->slot_count - 1);
    return &t->slots[at];
}

/* Room for one more row, with at least half of the slots free. */
static bool grow(struct replay_table *t)
{
    size_t cap = t->cap ? t->cap * 2 : 64;
    struct replay_row *rows;
    uint32_t *slots;

    if (t->count < t->cap)
        return true;
    rows = cap < UINT32_MAX / 2 ? realloc(t->rows, cap * sizeof(*rows)) : NULL;
    if (!rows)
        return false;
    t->rows = rows;
    slots = calloc(cap * 2, sizeof(*slots));
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->slot_count = cap * 2;
    t->cap = cap;
    for (size_t i = 0; i < t->count; i++)
        *slot_of(t, span_of(rows[i].name)) = (uint32_t)i + 1;
    return true;
}

static struct replay_row *row_of(struct replay_count *c, struct replay_table *t, struct span name)
{
    uint32_t *slot;
    char *own;

    if (!grow(t)) {
        c->failed = true;
        return NULL;
    }
    slot = slot_of(t, name);
    if (*slot == 0) {
        own = copy(c, name);
        if (!own)
            return NULL;
        t->rows[t->count] = (struct replay_row){.name = own};
        *slot = (uint32_t)++t->count;
    }
    return &t->rows[*slot - 1];
}

/* Samples -----------------------------------------------------------------------------------------------------------
 */

static void release_sample(struct replay_sample *s)
{
    free(s->event_id);
    free(s->group_id);
    free(s->text);
    free(s->becomes_before);
    free(s->becomes_after);
    free(s->rule_before);
    free(s->rule_after);
}

static int compare_ids(struct span a, const char *b)
{
    struct span other = span_of(b);
    size_t least = a.len < other.len ? a.len : other.len;
    int order = memcmp(a.data, other.data, least);

    return order ? order : (a.len > other.len) - (a.len < other.len);
}

/* Where the event stands among the samples, the newest first. */
static size_t place_of(const struct replay_samples *samples, const struct rejudged *event)
{
    size_t at = 0;

    while (at < samples->count && (samples->items[at].event_time_us > event->event_time_us ||
                                   (samples->items[at].event_time_us == event->event_time_us &&
                                    compare_ids(event->event_id, samples->items[at].event_id) > 0)))
        at++;
    return at;
}

static char *copy_text(struct replay_count *c, struct span text, bool *cut)
{
    size_t len = utf8_cut(text.data, text.len, REPLAY_SAMPLE_TEXT);

    *cut = *cut || len < text.len;
    return c->keep_text && text.data ? copy(c, (struct span){text.data, len}) : NULL;
}

static struct replay_sample make_sample(struct replay_count *c, const struct rejudged *event)
{
    struct replay_sample s = {.before = event->before.action,
                              .after = event->after.action,
                              .event_time_us = event->event_time_us,
                              .event_id = copy(c, event->event_id),
                              .group_id = copy(c, event->group_id)};

    s.text = copy_text(c, event->message->text, &s.text_cut);
    s.becomes_before = copy_text(c, event->before.becomes, &s.text_cut);
    s.becomes_after = copy_text(c, event->after.becomes, &s.text_cut);
    if (event->before.rule)
        s.rule_before = copy(c, span_of(event->before.rule));
    if (event->after.rule)
        s.rule_after = copy(c, span_of(event->after.rule));
    return s;
}

static void keep_sample(struct replay_count *c, struct replay_samples *samples, const struct rejudged *event)
{
    size_t at = place_of(samples, event);

    if (at >= c->most_samples)
        return;
    if (!samples->items)
        samples->items = calloc(c->most_samples, sizeof(*samples->items));
    if (!samples->items) {
        c->failed = true;
        return;
    }
    if (samples->count == c->most_samples)
        release_sample(&samples->items[--samples->count]);
    memmove(&samples->items[at + 1], &samples->items[at], (samples->count - at) * sizeof(*samples->items));
    samples->items[at] = make_sample(c, event);
    samples->count++;
}

/* Counting ----------------------------------------------------------------------------------------------------------
 */

static void count_time(struct replay_count *c, int64_t us)
{
    bool first = c->judged + c->unreadable == 0;

    c->first_us = first || us < c->first_us ? us : c->first_us;
    c->last_us = first || us > c->last_us ? us : c->last_us;
}

void replay_count_event(const struct rejudged *event, void *arg)
{
    struct replay_count *c = arg;
    enum rejudge_change change;
    struct replay_row *rule, *room;
    const char *name;

    count_time(c, event->event_time_us);
    if (!event->message) {
        c->unreadable++;
        return;
    }
    c->judged++;
    change = rejudge_compare(&event->before, &event->after);
    c->changes[change]++;
    if (change == REJUDGE_SAME)
        return;
    name = event->after.rule ? event->after.rule : event->before.rule;
    rule = row_of(c, &c->rules, span_of(name ? name : ""));
    room = row_of(c, &c->rooms, event->group_id);
    if (!rule || !room)
        return;
    rule->changes[change]++;
    rule->total++;
    room->changes[change]++;
    room->total++;
    keep_sample(c, &rule->samples[change], event);
}

static int by_total(const void *a, const void *b)
{
    const struct replay_row *x = a, *y = b;

    return x->total != y->total ? (x->total < y->total) - (x->total > y->total) : strcmp(x->name, y->name);
}

void replay_count_finish(struct replay_count *c)
{
    if (c->rules.count > 0)
        qsort(c->rules.rows, c->rules.count, sizeof(*c->rules.rows), by_total);
    if (c->rooms.count > 0)
        qsort(c->rooms.rows, c->rooms.count, sizeof(*c->rooms.rows), by_total);
}

static void release_table(struct replay_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < REJUDGE_CHANGES; k++) {
            for (size_t s = 0; s < t->rows[i].samples[k].count; s++)
                release_sample(&t->rows[i].samples[k].items[s]);
            free(t->rows[i].samples[k].items);
        }
        free(t->rows[i].name);
    }
    free(t->rows);
    free(t->slots);
}

void replay_count_release(struct replay_count *c)
{
    release_table(&c->rules);
    release_table(&c->rooms);
    *c = (struct replay_count){0};
}
