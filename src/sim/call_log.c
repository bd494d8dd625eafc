#include "sim/call_log.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "sim/fault_spec.h"
#include "sim/limit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ENTRIES = FAULT_COMMANDS_MAX + 2, ALL = ENTRIES - 1, FIRST_RING = 256 };

/* The times of the calls of the last second are a ring that doubles until it holds CALL_LOG_RING. */
struct entry {
    uint64_t calls, without_code, other_codes;
    size_t most;
    int64_t *ring;
    size_t ring_size, first, count;
    struct {
        int64_t code;
        uint64_t count;
    } codes[CALL_LOG_CODES];
    size_t code_count;
};

struct call_log {
    pthread_mutex_t lock; /* guards the rest */
    struct entry entries[ENTRIES];
};

struct call_log *call_log_new(void)
{
    struct call_log *log = calloc(1, sizeof(*log));

    if (log)
        pthread_mutex_init(&log->lock, NULL);
    return log;
}

static void entries_clear(struct call_log *log)
{
    for (size_t i = 0; i < ENTRIES; i++)
        free(log->entries[i].ring);
    memset(log->entries, 0, sizeof(log->entries));
}

void call_log_free(struct call_log *log)
{
    if (!log)
        return;
    entries_clear(log);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void call_log_reset(struct call_log *log)
{
    pthread_mutex_lock(&log->lock);
    entries_clear(log);
    pthread_mutex_unlock(&log->lock);
}

/* Arrivals ------------------------------------------------------------------------------------------------------- */

static bool ring_grow(struct entry *e)
{
    const size_t size = e->ring_size ? e->ring_size * 2 : FIRST_RING;
    int64_t *ring = size <= CALL_LOG_RING ? calloc(size, sizeof(*ring)) : NULL;

    if (!ring)
        return false;
    for (size_t i = 0; i < e->count; i++)
        ring[i] = e->ring[(e->first + i) % e->ring_size];
    free(e->ring);
    e->ring = ring;
    e->ring_size = size;
    e->first = 0;
    return true;
}

static void entry_arrived(struct entry *e, int64_t now_us)
{
    e->calls++;
    while (e->count > 0 && now_us - e->ring[e->first] >= LIMIT_WINDOW_US) {
        e->first = (e->first + 1) % e->ring_size;
        e->count--;
    }
    if (e->count == e->ring_size && !ring_grow(e))
        return;
    e->ring[(e->first + e->count++) % e->ring_size] = now_us;
    if (e->count > e->most)
        e->most = e->count;
}

static struct entry *entry_of(struct call_log *log, size_t command)
{
    return &log->entries[command < FAULT_COMMANDS_MAX ? command : FAULT_COMMANDS_MAX];
}

static void arrived_locked(struct call_log *log, size_t command, int64_t now_us)
{
    entry_arrived(entry_of(log, command), now_us);
    entry_arrived(&log->entries[ALL], now_us);
}

void call_log_arrived_at(struct call_log *log, size_t command, int64_t now_us)
{
    pthread_mutex_lock(&log->lock);
    arrived_locked(log, command, now_us);
    pthread_mutex_unlock(&log->lock);
}

void call_log_arrived(struct call_log *log, size_t command)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    arrived_locked(log, command, clock_mono_us());
    pthread_mutex_unlock(&log->lock);
}

/* Answers -------------------------------------------------------------------------------------------------------- */

static void entry_answered(struct entry *e, int64_t code)
{
    size_t i = 0;

    while (i < e->code_count && e->codes[i].code != code)
        i++;
    if (i == CALL_LOG_CODES) {
        e->other_codes++;
        return;
    }
    if (i == e->code_count)
        e->codes[e->code_count++].code = code;
    e->codes[i].count++;
}

void call_log_answered(struct call_log *log, size_t command, int64_t code)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    entry_answered(entry_of(log, command), code);
    entry_answered(&log->entries[ALL], code);
    pthread_mutex_unlock(&log->lock);
}

void call_log_spoiled(struct call_log *log, size_t command)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    entry_of(log, command)->without_code++;
    log->entries[ALL].without_code++;
    pthread_mutex_unlock(&log->lock);
}

/* Looking -------------------------------------------------------------------------------------------------------- */

static void entry_show(const struct entry *e, const char *name, struct buf *out)
{
    json_add_key(out, name);
    buf_add_char(out, '{');
    json_add_member_u64(out, "calls", e->calls);
    json_add_member_u64(out, "max_in_a_second", e->most);
    json_add_key(out, "answered");
    buf_add_char(out, '{');
    for (size_t i = 0; i < e->code_count; i++) {
        char code[24];
        snprintf(code, sizeof(code), "%" PRId64, e->codes[i].code);
        json_add_member_u64(out, code, e->codes[i].count);
    }
    if (e->other_codes > 0)
        json_add_member_u64(out, "other", e->other_codes);
    buf_add_char(out, '}');
    json_add_member_u64(out, "without_code", e->without_code);
    buf_add_char(out, '}');
}

void call_log_show(struct call_log *log, struct buf *out)
{
    pthread_mutex_lock(&log->lock);
    buf_add_char(out, '{');
    for (size_t i = 0; i <= FAULT_COMMANDS_MAX; i++) {
        const char *name = i < FAULT_COMMANDS_MAX ? fault_command_name(i) : "unknown";
        if (log->entries[i].calls > 0)
            entry_show(&log->entries[i], name ? name : "unknown", out);
    }
    entry_show(&log->entries[ALL], "all", out);
    buf_add_char(out, '}');
    pthread_mutex_unlock(&log->lock);
}
