/* bench_loader URL [EVENTS [ROUNDS]]: the loader against a raw binary COPY of the same rows.
 *
 * Fills a spool with synthetic events once. Each round empties the table, times the loader from start to its last
 * commit (it reads the spool, parses, encodes and loads batches of 1,000), empties the table again and times a COPY of
 * the same rows, encoded beforehand, in transactions of 1,000, into the same table with the same index. Prints each
 * round's two rates and the median of their ratio. Then it times the loader again with the rollup thread beside it, and
 * how much later all is counted; and the counting alone. In the end it loads once more and times `audit verify` over
 * it. The database is one made for this: it is migrated and its events are removed. */
#include "audit/verify.h"
#include "base/clock.h"
#include "spool/spool.h"
#include "store/event_record.h"
#include "store/event_row.h"
#include "store/loader.h"
#include "store/loader_batch.h"
#include "store/migrate.h"
#include "store/rollup.h"
#include "wire/callback.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The spool lets go of what is loaded by whole segments, and here it is loaded again: all must be in one. */
enum { MAX_EVENTS = 300000 };
enum { BATCH_ROWS = 1000, MAX_ROUNDS = 101, APPENDERS = 32 };

static void must(int r, const struct err *err)
{
    if (r < 0) {
        fprintf(stderr, "bench_loader: %s\n", err->text);
        exit(1);
    }
}

/* One of several threads that append, so that they share the syncs of the disk. */
struct appender {
    struct spool *spool;
    unsigned long from, to;
    pthread_t thread;
};

/* Room and sender repeat as in live rooms, text is short, every tenth message carries CloudCustomData. */
static void write_body(struct buf *body, unsigned long number, bool after, int64_t now_us, unsigned *seed)
{
    static const char *const words[] = {"hello", "nice", "stream", "where", "are",
                                        "you",   "from", "加油",   "主播",  "666"};
    unsigned room = (unsigned)rand_r(seed) % 200, sender = (unsigned)rand_r(seed) % 5000;

    buf_reset(body);
    buf_addf(body,
             "{\"CallbackCommand\":\"%s\",\"From_Account\":\"viewer_%u\",\"GroupId\":\"room-%u\",\"MsgBody\":"
             "[{\"MsgContent\":{\"Text\":\"",
             after ? "Group.CallbackAfterSendMsg" : "Group.CallbackBeforeSendMsg", sender, room);
    for (int w = 0; w < 8; w++)
        buf_addf(body, "%s ", words[(unsigned)rand_r(seed) % 10]);
    buf_addf(body,
             "\"},\"MsgType\":\"TIMTextElem\"}],\"MsgId\":\"144115300000000001-1764000000-%lu\","
             "\"Operator_Account\":\"viewer_%u\",\"Random\":%lu,\"Type\":\"Live\",\"EventTime\":%" PRId64,
             number, sender, number, now_us / 1000);
    if (number % 10 == 0)
        buf_add_text(body, ",\"CloudCustomData\":\"{\\\"lvl\\\":3}\"");
    if (after)
        buf_addf(body, ",\"MsgSeq\":%lu,\"MsgTime\":%" PRId64, number, now_us / 1000000);
    buf_add_char(body, '}');
}

static void *append_range(void *arg)
{
    struct appender *a = arg;
    struct callback_parser *parser = callback_parser_new();
    struct buf body = BUF_INIT, bytes = BUF_INIT;
    unsigned seed = (unsigned)a->from;

    for (unsigned long i = a->from; i < a->to; i++) {
        int64_t now_us = clock_wall_us();
        bool after = i % 2 == 0;
        struct err err = {0};

        write_body(&body, i, after, now_us, &seed);
        struct event_record record = {
            .received_us = now_us,
            .sdkappid = 1400000001,
            .command = after ? COMMAND_AFTER : COMMAND_BEFORE,
            .client_ip = SPAN("203.0.113.7"),
            .platform = SPAN("Android"),
            .revision = 1,
            .judge_us = 250,
            .body = buf_span(&body),
        };
        if (i % 32 == 0) { /* some are hit, as in live rooms */
            record.action = after ? ACTION_FLAG : ACTION_MASK;
            record.rule = SPAN("words");
            record.hits_json =
                SPAN("[{\"rule\":\"words\",\"list\":\"words\",\"term\":\"nice\",\"start\":0,\"end\":4,"
                     "\"folding\":\"case\",\"field\":\"text\",\"state\":\"counted\",\"action\":\"mask\"}]");
        }
        must(callback_parse(parser, buf_span(&body), &record.message, &err), &err);
        record.parsed = true; /* as the webhook threads leave it */
        buf_reset(&bytes);
        event_record_encode(&bytes, &record);
        must(spool_append(a->spool, buf_span(&bytes), clock_mono_us() + 60000000, NULL, &err), &err);
    }
    callback_parser_free(parser);
    buf_release(&body);
    buf_release(&bytes);
    return NULL;
}

static void append_events(struct spool *sp, unsigned long events)
{
    struct appender appenders[APPENDERS];

    for (unsigned i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){sp, 1 + events * i / APPENDERS, 1 + events * (i + 1) / APPENDERS, 0};
        if (pthread_create(&appenders[i].thread, NULL, append_range, &appenders[i]) != 0)
            exit(1);
    }
    for (unsigned i = 0; i < APPENDERS; i++)
        pthread_join(appenders[i].thread, NULL);
}

/* All rows as COPY streams of BATCH_ROWS rows, one behind another; *ends has the end of each. */
static size_t encode_all(struct spool *sp, unsigned long events, struct buf *rows, size_t *ends)
{
    struct event_encoder *encoder = NULL;
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct err err = {0};
    size_t batches = 0;
    int64_t time_us;

    must(event_encoder_new(&encoder, spool_id(sp), &err), &err);
    must(spool_reader_open(&reader, sp, 1, &err), &err);
    for (unsigned long i = 0; i < events; i++) {
        if (i % BATCH_ROWS == 0)
            copy_header(rows);
        must(spool_reader_next(reader, &record, &err), &err);
        must(event_encode(encoder, rows, &record, &time_us, &err), &err);
        if ((i + 1) % BATCH_ROWS == 0 || i + 1 == events) {
            copy_trailer(rows);
            ends[batches++] = rows->len;
        }
    }
    spool_reader_close(reader);
    event_encoder_free(encoder);
    return batches;
}

static void empty_tables(struct db *db)
{
    struct err err = {0};

    must(db_exec(db,
                 "TRUNCATE chatsluice.event, chatsluice.spool_position, chatsluice.dead_letter, "
                 "chatsluice.chain_block, "
                 "chatsluice.rollup_position, chatsluice.rollup_minute, chatsluice.rollup_hour, "
                 "chatsluice.rollup_hour_latency, chatsluice.rollup_hour_room, chatsluice.rollup_hour_sender, "
                 "chatsluice.rollup_day_sender, chatsluice.rollup_hour_rule, chatsluice.rollup_hour_term, "
                 "chatsluice.rollup_hour_delivery, chatsluice.rollup_hour_outcome, chatsluice.rollup_dirty",
                 &err),
         &err);
    must(db_exec(db, "CHECKPOINT", &err), &err);
}

static int64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* *own_us: processor time of this process, the server's not counted. */
static int64_t time_loader(struct spool *sp, const char *url, unsigned long events, int64_t *own_us)
{
    struct loader_options options = {.spool = sp,
                                     .database_url = url,
                                     .instance_id = "bench",
                                     .batch_rows = BATCH_ROWS,
                                     .connect_timeout_ms = 5000,
                                     .partition_days_ahead = 1};
    struct loader *loader = NULL;
    struct err err = {0};
    int64_t start_us = clock_mono_us(), start_cpu_us = cpu_us(), took_us;

    must(loader_start(&loader, &options, &err), &err);
    while (loader_position(loader) < events)
        usleep(500);
    took_us = clock_mono_us() - start_us;
    *own_us = cpu_us() - start_cpu_us;
    loader_stop(loader);
    return took_us;
}

static unsigned long counted(struct db *db)
{
    struct db_result *result;
    struct err err = {0};
    unsigned long n;

    must(db_query(db, &result, "SELECT coalesce(sum(events), 0) FROM chatsluice.rollup_hour", 0, NULL, &err), &err);
    n = strtoul(db_value(result, 0, 0).data, NULL, 10);
    db_result_free(result);
    return n;
}

/* Until all is loaded; *later_us: from then until all is counted, too. */
static int64_t time_beside_rollup(struct db *db, struct spool *sp, const char *url, unsigned long events,
                                  int64_t *later_us)
{
    int64_t own_us, took_us, loaded_us;
    struct rollup *rollup = NULL;
    struct err err = {0};

    must(rollup_start(&rollup, url, 5000, &err), &err);
    took_us = time_loader(sp, url, events, &own_us);
    loaded_us = clock_mono_us();
    while (counted(db) < events)
        usleep(5000);
    *later_us = clock_mono_us() - loaded_us;
    rollup_stop(rollup);
    return took_us;
}

/* Counting alone, of events that are there. */
static int64_t time_rollup(struct db *db, unsigned long events)
{
    int64_t start_us = clock_mono_us();
    struct err err = {0};

    must(db_exec(db, "SELECT chatsluice.rollup_summarise()", &err), &err);
    while (counted(db) < events)
        must(db_exec(db, "SELECT chatsluice.rollup_pass(50000)", &err), &err);
    return clock_mono_us() - start_us;
}

static int64_t time_copy(struct db *db, const struct buf *rows, const size_t *ends, size_t batches)
{
    int64_t start_us = clock_mono_us();
    struct err err = {0};
    size_t at = 0;

    for (size_t i = 0; i < batches; at = ends[i++]) {
        must(db_exec(db, "BEGIN", &err), &err);
        must(db_copy_begin(db, BATCH_COPY_SQL, &err), &err);
        must(db_copy_put(db, (struct span){rows->data + at, ends[i] - at}, &err), &err);
        must(db_copy_end(db, true, &err), &err);
        must(db_exec(db, "COMMIT", &err), &err);
    }
    return clock_mono_us() - start_us;
}

static void time_audit(const char *url)
{
    const struct audit_options options = {.database_url = url, .connect_timeout_ms = 5000};
    struct audit_report report;
    struct err err = {0};

    must(audit_verify(&options, &report, &err), &err);
    printf("audit verify %.0f rows/s, %s\n", (double)report.rows * 1e6 / (double)report.took_us,
           audit_report_is_clean(&report) ? "clean" : "NOT clean");
    audit_report_release(&report);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : NULL;
    unsigned long events = argc > 2 ? strtoul(argv[2], NULL, 10) : 50000;
    unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
    char directory[] = "/tmp/chatsluice-bench-XXXXXX", line[64];
    struct spool_options options = {directory, 8ull << 30, 256 << 20};
    double ratios[MAX_ROUNDS];
    struct buf rows = BUF_INIT;
    struct spool *sp = NULL;
    struct db *db = NULL;
    struct err err = {0};
    size_t *ends, batches;

    if (!url || events == 0 || events > MAX_EVENTS || rounds == 0 || rounds > MAX_ROUNDS || !mkdtemp(directory)) {
        fprintf(stderr, "usage: bench_loader DATABASE-URL [EVENTS, at most %d [ROUNDS]]\n", MAX_EVENTS);
        return 2;
    }
    must(db_open(&db, url, "bench_loader", 5000, &err), &err);
    must(migrate_run(db, false, NULL, NULL, &err), &err);
    must(spool_open(&sp, &options, &err), &err);
    append_events(sp, events);
    ends = calloc(events / BATCH_ROWS + 1, sizeof(*ends));
    must(ends ? 0 : err_set(&err, ERR_FAILED, "no memory"), &err);
    batches = encode_all(sp, events, &rows, ends);
    printf("%lu events, %zu bytes a row\n", events, rows.len / events);
    for (unsigned long i = 0; i < rounds; i++) {
        int64_t loader_us, copy_us, own_us, beside_us, later_us, rollup_us;

        empty_tables(db);
        loader_us = time_loader(sp, url, events, &own_us);
        rollup_us = time_rollup(db, events);
        empty_tables(db);
        beside_us = time_beside_rollup(db, sp, url, events, &later_us);
        empty_tables(db);
        copy_us = time_copy(db, &rows, ends, batches);
        ratios[i] = (double)copy_us / (double)loader_us;
        printf("loader %.0f rows/s (%.1f us of its own processor time a row), COPY %.0f rows/s, ratio %.2f\n",
               (double)events * 1e6 / (double)loader_us, (double)own_us / (double)events,
               (double)events * 1e6 / (double)copy_us, ratios[i]);
        printf(
            "rollups alone %.0f events/s; loader beside them %.0f rows/s, %.2f of without, all counted %.1f s later\n",
            (double)events * 1e6 / (double)rollup_us, (double)events * 1e6 / (double)beside_us,
            (double)loader_us / (double)beside_us, (double)later_us / 1e6);
    }
    qsort(ratios, rounds, sizeof(ratios[0]), by_size);
    printf("median ratio %.2f\n", ratios[rounds / 2]);
    int64_t own_us;
    empty_tables(db);
    time_loader(sp, url, events, &own_us);
    for (int i = 0; i < 3; i++)
        time_audit(url);
    free(ends);
    buf_release(&rows);
    spool_close(sp);
    db_close(db);
    snprintf(line, sizeof(line), "rm -rf '%s'", directory);
    return system(line) == 0 ? 0 : 1;
}
