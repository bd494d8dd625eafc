#include "store/rejudge.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "wire/callback.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PIECE_ROWS = 64,
    PIECES_WAITING = 4, /* for each worker: a body is 1 MiB at most, so this bounds memory even at the worst */
    PROGRESS_US = 200000,
    NUMBER_TEXT = 24,
};

/* Which events ---------------------------------------------------------------------------------------------------- */

#define COLUMNS                                                                                                        \
    "e.event_id, e.group_id, (extract(epoch FROM e.event_time) * 1000000)::bigint, e.sdkappid, e.platform,"            \
    " e.client_ip, e.verdict, e.rule, coalesce(e.rule_revision, 0), e.raw"
enum {
    COLUMN_ID,
    COLUMN_GROUP,
    COLUMN_TIME,
    COLUMN_APP,
    COLUMN_PLATFORM,
    COLUMN_IP,
    COLUMN_VERDICT,
    COLUMN_RULE,
    COLUMN_REVISION,
    COLUMN_RAW
};

#define TIME_AT(parameter) "(timestamptz 'epoch' + " parameter "::bigint * interval '1 microsecond')"
/* Our own corrected messages were let through unread: the rules have no part in what became of them. */
#define JUDGED "e.command IN ('before', 'after') AND e.decided_by IS DISTINCT FROM 'correction'"

/* $1, $2: from and to; $3: JSON array of rooms, or null. */
static const char all_events[] =
    "DECLARE rejudge NO SCROLL CURSOR FOR SELECT " COLUMNS " FROM chatsluice.event AS e"
    " WHERE e.event_time >= " TIME_AT("$1") " AND e.event_time < " TIME_AT(
        "$2") " AND " JUDGED " AND ($3::jsonb IS NULL OR e.group_id IN (SELECT jsonb_array_elements_text($3::jsonb)))";

/* The newest events of all rooms by the primary key (group_id, event_time, event_id), the only index there is: the
 * rooms of the days in question, found by leaping from one to the next, and of each room the end of its stretch.
 * $1, $2: from and to; $3: rooms; $4: how many; $5: the beginning of the day of $1, for within whole partitions every
 * step of the leaping is one descent of the index. */
#define ROOMS                                                                                                          \
    "WITH RECURSIVE leap AS ("                                                                                         \
    " (SELECT e.group_id FROM chatsluice.event AS e"                                                                   \
    "  WHERE e.event_time >= " TIME_AT("$5") " AND e.event_time < " TIME_AT(                                           \
        "$2") " ORDER BY e.group_id LIMIT 1)"                                                                          \
              " UNION ALL"                                                                                             \
              " SELECT (SELECT e.group_id FROM chatsluice.event AS e WHERE e.group_id > leap.group_id"                 \
              "         AND e.event_time >= " TIME_AT("$5") " AND e.event_time < " TIME_AT(                            \
                  "$2") "         ORDER BY e.group_id LIMIT 1) FROM leap WHERE leap.group_id IS NOT NULL),"            \
                        " room AS (SELECT group_id FROM leap WHERE group_id IS NOT NULL AND $3::jsonb IS NULL"         \
                        " UNION ALL SELECT DISTINCT jsonb_array_elements_text($3::jsonb)) "
#define NEWEST_OF_ROOM                                                                                                 \
    " FROM chatsluice.event AS e WHERE e.group_id = room.group_id AND e.event_time >= " TIME_AT(                       \
        "$1") " AND e.event_time < " TIME_AT("$2") " AND " JUDGED " ORDER BY e.event_time DESC LIMIT $4::bigint"

static const char count_newest[] =
    ROOMS "SELECT count(*) FROM room CROSS JOIN LATERAL (SELECT 1" NEWEST_OF_ROOM ") AS e";
static const char newest_events[] =
    "DECLARE rejudge NO SCROLL CURSOR FOR " ROOMS "SELECT " COLUMNS
    " FROM room CROSS JOIN LATERAL (SELECT e.*" NEWEST_OF_ROOM ") AS e ORDER BY e.event_time DESC LIMIT $4::bigint";

#define DAY_US ((int64_t)86400 * 1000000)

struct parameters {
    char from[NUMBER_TEXT], to[NUMBER_TEXT], newest[NUMBER_TEXT], day[NUMBER_TEXT];
    struct buf rooms;
    const char *items[5];
};

static int parameters_set(struct parameters *p, const struct rejudge_events *events, struct err *err)
{
    *p = (struct parameters){.rooms = BUF_INIT};
    snprintf(p->to, sizeof(p->to), "%" PRId64, events->to_us);
    snprintf(p->newest, sizeof(p->newest), "%" PRIu64, events->newest);
    for (size_t i = 0; i < events->group_count; i++) {
        buf_add_char(&p->rooms, i == 0 ? '[' : ',');
        json_add_string(&p->rooms, span_of(events->groups[i]));
    }
    if (events->group_count > 0)
        buf_add_char(&p->rooms, ']');
    p->items[0] = p->from;
    p->items[1] = p->to;
    p->items[2] = events->group_count > 0 ? buf_text(&p->rooms) : NULL;
    p->items[3] = p->newest;
    p->items[4] = p->day;
    return buf_failed(&p->rooms) ? err_set(err, ERR_FAILED, "out of memory") : 0;
}

static void parameters_from(struct parameters *p, int64_t from_us)
{
    int64_t day_us = from_us - ((from_us % DAY_US) + DAY_US) % DAY_US;

    snprintf(p->from, sizeof(p->from), "%" PRId64, from_us);
    snprintf(p->day, sizeof(p->day), "%" PRId64, day_us);
}

/* Looks back a minute, then eight times as far and so on, until there are enough events or the range ends: what is
 * read stays in proportion to what is wanted, however busy the day was. */
static int find_newest(struct db *db, const struct rejudge_events *events, struct parameters *p, struct err *err)
{
    int64_t back_us = (int64_t)60 * 1000000;
    unsigned long long found = 0;
    int r = 0;

    for (;;) {
        struct db_result *rows = NULL;
        bool whole = back_us >= events->to_us - events->from_us;
        parameters_from(p, whole ? events->from_us : events->to_us - back_us);
        if (whole)
            return 0;
        if ((r = db_query(db, &rows, count_newest, 5, p->items, err)) < 0)
            return r;
        if (db_rows(rows) != 1 || !span_to_u64(db_value(rows, 0, 0), &found))
            found = 0;
        db_result_free(rows);
        if (found >= events->newest)
            return 0;
        back_us *= 8;
    }
}

static int open_cursor(struct db *db, const struct rejudge_events *events, struct err *err)
{
    struct parameters p;
    int r = parameters_set(&p, events, err);

    parameters_from(&p, events->from_us);
    if (r == 0 && events->newest == 0)
        r = db_query(db, NULL, all_events, 3, p.items, err);
    else if (r == 0 && (r = find_newest(db, events, &p, err)) == 0)
        r = db_query(db, NULL, newest_events, 5, p.items, err);
    buf_release(&p.rooms);
    return r;
}

/* Judging --------------------------------------------------------------------------------------------------------- */

struct rejudge {
    const struct rejudge_options *options; /* fixed */
    size_t capacity;                       /* of pieces */

    pthread_mutex_t lock; /* guards the rest of this block */
    pthread_cond_t changed;
    struct db_result **pieces; /* waiting, the oldest first */
    size_t piece_count;
    bool complete; /* no more pieces will come */

    pthread_mutex_t calling; /* held during judged(), and guards the count */
    uint64_t judged;
};

struct worker {
    struct rejudge *run;
    pthread_t thread;
    struct callback_parser *parser;
    struct judge *before, *after;
    struct buf raw;
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* bytea as PostgreSQL writes it: \x and two digits a byte. */
static bool read_bytea(struct buf *out, struct span text)
{
    char *to;

    buf_reset(out);
    if (text.len < 2 || text.len % 2 != 0 || text.data[0] != '\\' || text.data[1] != 'x')
        return false;
    to = buf_reserve(out, text.len / 2);
    if (!to)
        return false;
    for (size_t i = 2; i < text.len; i += 2) {
        int high = hex_digit(text.data[i]), low = hex_digit(text.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        *to++ = (char)(high << 4 | low);
    }
    buf_commit(out, text.len / 2 - 1);
    return true;
}

static struct span text_or_null(const struct db_result *rows, size_t row, unsigned column)
{
    return db_is_null(rows, row, column) ? (struct span){NULL, 0} : db_value(rows, row, column);
}

static void judge_row(struct worker *w, const struct db_result *rows, size_t row)
{
    const struct rejudge_options *options = w->run->options;
    unsigned long long time_us = 0, app = 0, revision = 0;
    struct message message;
    struct rejudged event = {.event_id = db_value(rows, row, COLUMN_ID),
                             .group_id = db_value(rows, row, COLUMN_GROUP),
                             .platform = text_or_null(rows, row, COLUMN_PLATFORM),
                             .client_ip = text_or_null(rows, row, COLUMN_IP),
                             .verdict = db_value(rows, row, COLUMN_VERDICT),
                             .rule = db_value(rows, row, COLUMN_RULE)};

    span_to_u64(db_value(rows, row, COLUMN_TIME), &time_us);
    span_to_u64(db_value(rows, row, COLUMN_APP), &app);
    span_to_u64(db_value(rows, row, COLUMN_REVISION), &revision);
    event.event_time_us = (int64_t)time_us;
    event.sdkappid = app;
    event.revision = revision;
    if (read_bytea(&w->raw, db_value(rows, row, COLUMN_RAW)))
        event.raw = buf_span(&w->raw);
    if (callback_parse(w->parser, event.raw, &message, NULL) == 0) {
        event.message = &message;
        const struct circumstances known = {.sdkappid = event.sdkappid, .platform = event.platform};
        judge_message(w->before, options->before, &message, &known, &event.before);
        judge_message(w->after, options->after, &message, &known, &event.after);
    }
    pthread_mutex_lock(&w->run->calling);
    options->judged(&event, options->arg);
    w->run->judged++;
    pthread_mutex_unlock(&w->run->calling);
}

/* The next piece, or NULL when there will be none. */
static struct db_result *take_piece(struct rejudge *run)
{
    struct db_result *piece = NULL;

    pthread_mutex_lock(&run->lock);
    while (run->piece_count == 0 && !run->complete)
        pthread_cond_wait(&run->changed, &run->lock);
    if (run->piece_count > 0) {
        piece = run->pieces[0];
        memmove(run->pieces, run->pieces + 1, --run->piece_count * sizeof(*run->pieces));
        pthread_cond_broadcast(&run->changed);
    }
    pthread_mutex_unlock(&run->lock);
    return piece;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct db_result *piece;

    while ((piece = take_piece(w->run))) {
        for (size_t row = 0; row < db_rows(piece); row++)
            judge_row(w, piece, row);
        db_result_free(piece);
    }
    return NULL;
}

/* Gives the piece to the workers, waiting while too many wait already. */
static void give_piece(struct rejudge *run, struct db_result *piece)
{
    pthread_mutex_lock(&run->lock);
    while (run->piece_count == run->capacity)
        pthread_cond_wait(&run->changed, &run->lock);
    run->pieces[run->piece_count++] = piece;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

/* No more pieces; with drop those that wait are thrown away. */
static void complete(struct rejudge *run, bool drop)
{
    pthread_mutex_lock(&run->lock);
    while (drop && run->piece_count > 0)
        db_result_free(run->pieces[--run->piece_count]);
    run->complete = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

static bool report_progress(struct rejudge *run)
{
    const struct rejudge_options *options = run->options;

    pthread_mutex_lock(&run->calling);
    uint64_t judged = run->judged;
    pthread_mutex_unlock(&run->calling);
    return !options->progress || options->progress(judged, options->arg);
}

/* Reads the cursor to its end, in the calling thread. */
static int read_events(struct rejudge *run, struct db *db, struct err *err)
{
    int64_t tell_us = clock_mono_us() + PROGRESS_US;
    char fetch[64];

    snprintf(fetch, sizeof(fetch), "FETCH %d FROM rejudge", PIECE_ROWS);
    for (;;) {
        struct db_result *piece = NULL;
        int r = db_query(db, &piece, fetch, 0, NULL, err);
        if (r < 0)
            return r;
        if (db_rows(piece) == 0) {
            db_result_free(piece);
            return 0;
        }
        give_piece(run, piece);
        if (clock_mono_us() < tell_us)
            continue;
        if (!report_progress(run))
            return err_set(err, ERR_CONFLICT, "stopped");
        tell_us = clock_mono_us() + PROGRESS_US;
    }
}

/* Threads --------------------------------------------------------------------------------------------------------- */

static void worker_release(struct worker *w)
{
    callback_parser_free(w->parser);
    judge_free(w->before);
    judge_free(w->after);
    buf_release(&w->raw);
}

static bool worker_start(struct worker *w, struct rejudge *run)
{
    *w = (struct worker){
        .run = run, .parser = callback_parser_new(), .before = judge_new(), .after = judge_new(), .raw = BUF_INIT};
    if (w->parser && w->before && w->after && pthread_create(&w->thread, NULL, work, w) == 0)
        return true;
    worker_release(w);
    return false;
}

static unsigned thread_count(unsigned wanted)
{
    long processors = wanted > 0 ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 1 ? 1 : processors > REJUDGE_MAX_THREADS ? REJUDGE_MAX_THREADS : (unsigned)processors;
}

/* Everything between the opened cursor and the last worker's end. */
static int judge_cursor(struct rejudge *run, struct db *db, struct err *err)
{
    struct worker workers[REJUDGE_MAX_THREADS];
    unsigned wanted = thread_count(run->options->threads), started = 0;
    int r = 0;

    run->capacity = (size_t)wanted * PIECES_WAITING;
    run->pieces = calloc(run->capacity, sizeof(*run->pieces));
    while (run->pieces && started < wanted && worker_start(&workers[started], run))
        started++;
    if (started == 0)
        r = err_set(err, ERR_FAILED, "no memory for a thread that judges");
    else
        r = read_events(run, db, err);
    complete(run, r < 0);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        worker_release(&workers[i]);
    }
    free(run->pieces);
    if (r == 0)
        report_progress(run);
    return r;
}

int rejudge_run(struct db *db, const struct rejudge_events *events, const struct rejudge_options *options,
                struct err *err)
{
    struct rejudge run = {.options = options};
    int r = open_cursor(db, events, err);

    if (r == 0) {
        pthread_mutex_init(&run.lock, NULL);
        pthread_cond_init(&run.changed, NULL);
        pthread_mutex_init(&run.calling, NULL);
        r = judge_cursor(&run, db, err);
        pthread_mutex_destroy(&run.calling);
        pthread_cond_destroy(&run.changed);
        pthread_mutex_destroy(&run.lock);
    }
    if (r == 0)
        r = db_exec(db, "CLOSE rejudge", err);
    return r < 0 ? err_prefix(err, "could not judge stored events") : 0;
}

/* Comparing ------------------------------------------------------------------------------------------------------- */

const char *rejudge_change_name(enum rejudge_change c)
{
    static const char *const names[REJUDGE_CHANGES] = {[REJUDGE_SAME] = "same",
                                                       [REJUDGE_NEWLY_BLOCKED] = "newly_blocked",
                                                       [REJUDGE_NEWLY_PASSED] = "newly_passed",
                                                       [REJUDGE_REWRITE_CHANGED] = "rewrite_changed",
                                                       [REJUDGE_OTHER] = "other"};

    return names[c];
}

static bool is_blocked(const struct verdict *v)
{
    return v->action == ACTION_REJECT || v->action == ACTION_DISCARD;
}

static bool same_rewrites(const struct verdict *a, const struct verdict *b)
{
    if (a->rewrite_count != b->rewrite_count || !a->cloud_custom_data != !b->cloud_custom_data)
        return false;
    for (size_t i = 0; i < a->rewrite_count; i++)
        if (a->rewrites[i].piece != b->rewrites[i].piece || !span_equal(a->rewrites[i].text, b->rewrites[i].text))
            return false;
    return !a->cloud_custom_data || span_equal(*a->cloud_custom_data, *b->cloud_custom_data);
}

enum rejudge_change rejudge_compare(const struct verdict *before, const struct verdict *after)
{
    if (is_blocked(before) != is_blocked(after))
        return is_blocked(after) ? REJUDGE_NEWLY_BLOCKED : REJUDGE_NEWLY_PASSED;
    if (is_blocked(after))
        return before->action == after->action && before->error_code == after->error_code &&
                       span_equal(before->error_info, after->error_info)
                   ? REJUDGE_SAME
                   : REJUDGE_OTHER;
    if (!same_rewrites(before, after))
        return REJUDGE_REWRITE_CHANGED;
    return before->action == after->action ? REJUDGE_SAME : REJUDGE_OTHER;
}
