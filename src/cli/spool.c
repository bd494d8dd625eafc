/* spool.c - looks into the files of a spool, whether its process runs or not, without the database. */
#include "spool/spool.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "store/event_record.h"

#include <inttypes.h>
#include <time.h>

struct tally {
    uint64_t records, first_seq, last_seq, bytes;
    int64_t oldest_us, newest_us;
    uint64_t damaged; /* stretches */
    struct spool_reader_notes notes;
};

/* So often what is no record at the end is looked at again before it is called one: a commit takes milliseconds. */
enum { TAIL_LOOKS = 5, TAIL_LOOK_MS = 40 };

/* What to do with a record or with a damaged stretch (record NULL, words say which); anything but CLI_FINE ends. */
typedef int visitor(const struct cli *cli, const struct spool_record *record, const char *damage);

static void count(struct tally *tally, const struct spool_record *record)
{
    if (tally->records++ == 0) {
        tally->first_seq = record->seq;
        tally->oldest_us = record->appended_us;
    }
    tally->last_seq = record->seq;
    tally->newest_us = record->appended_us;
    tally->bytes += record->data.len;
}

/* Reads on to where the files end for now. */
static int walk_on(const struct cli *cli, struct spool_reader *reader, visitor *visit, struct tally *tally)
{
    struct spool_record record;
    struct err err;
    int status = CLI_FINE;
    int r;

    while (status == CLI_FINE && (r = spool_reader_next(reader, &record, &err)) != 0) {
        if (r > 0) {
            count(tally, &record);
            status = visit(cli, &record, NULL);
        } else if (r == ERR_INVALID) {
            tally->damaged++;
            status = visit(cli, NULL, err.text);
        } else {
            status = cli_fail(cli, "%s", err.text);
        }
    }
    return status;
}

static int walk(const struct cli *cli, const char *directory, visitor *visit, struct tally *tally)
{
    struct spool_reader *reader = NULL;
    struct err err;
    int status;
    int r = spool_reader_open_directory(&reader, directory, 0, &err);

    if (r < 0)
        return cli_fail(cli, "%s", err.text);
    status = walk_on(cli, reader, visit, tally);
    spool_reader_get_notes(reader, &tally->notes);
    for (int i = 0; i < TAIL_LOOKS && status == CLI_FINE && tally->notes.tail_to > 0; i++) {
        clock_sleep_ms(TAIL_LOOK_MS); /* a living process may be writing just there */
        status = walk_on(cli, reader, visit, tally);
        spool_reader_get_notes(reader, &tally->notes);
    }
    spool_reader_close(reader);
    return status;
}

/* Reads the options all three share and walks the spool. False: end with *status. */
static bool look(struct cli *cli, bool *json, visitor *visit, struct tally *tally, int *status)
{
    const char *directory = NULL;
    const struct cli_option options[] = {
        {"directory", CLI_TEXT, &directory, "DIR", "this spool instead of the configured one"},
        {json ? "json" : NULL, CLI_FLAG, json, NULL, "one JSON object"},
        {0}};
    struct config *config = NULL;

    if (!cli_options(cli, options)) {
        *status = cli->status;
        return false;
    }
    if (!directory && !(config = cli_config(cli))) {
        *status = CLI_FAILED;
        return false;
    }
    *status = walk(cli, directory ? directory : config->spool.directory, visit, tally);
    config_free(config);
    return *status == CLI_FINE;
}

static int print_damage(const struct cli *cli, const struct spool_record *record, const char *damage)
{
    if (!record)
        cli_fail(cli, "%s", damage);
    return CLI_FINE;
}

static void add_time(struct buf *out, const char *words, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm utc;
    char text[32];

    gmtime_r(&seconds, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    buf_addf(out, "%s%s", words, text);
}

int cli_spool_status(struct cli *cli)
{
    struct tally t = {0};
    struct buf out = BUF_INIT;
    bool json = false;
    int status;

    if (!look(cli, &json, print_damage, &t, &status))
        return status;
    if (json) {
        buf_add_char(&out, '{');
        json_add_member_u64(&out, "records", t.records);
        json_add_member_u64(&out, "first_seq", t.first_seq);
        json_add_member_u64(&out, "last_seq", t.last_seq);
        json_add_member_u64(&out, "bytes", t.bytes);
        json_add_member_i64(&out, "oldest_us", t.oldest_us);
        json_add_member_i64(&out, "newest_us", t.newest_us);
        json_add_member_u64(&out, "damaged", t.damaged);
        buf_add_text(&out, "}\n");
    } else if (t.records == 0) {
        buf_add_text(&out, "no record\n");
    } else {
        buf_addf(&out, "%" PRIu64 " records, %" PRIu64 " to %" PRIu64 ", %" PRIu64 " bytes", t.records, t.first_seq,
                 t.last_seq, t.bytes);
        add_time(&out, ", from ", t.oldest_us);
        add_time(&out, " to ", t.newest_us);
        buf_addf(&out, ", %" PRIu64 " damaged stretches\n", t.damaged);
    }
    status = cli_print(cli, &out);
    buf_release(&out);
    return status;
}

static void print_notes(const struct cli *cli, const struct spool_reader_notes *notes)
{
    if (notes->damaged_headers > 0)
        cli_fail(cli,
                 "the headers of %" PRIu64 " segments are damaged (the first: segment of number %" PRIu64
                 "); no record is lost by that",
                 notes->damaged_headers, notes->damaged_segment);
    if (notes->short_segments > 0)
        cli_fail(cli,
                 "%" PRIu64 " segments are not as long as they were made (the first: segment of number %" PRIu64 ")",
                 notes->short_segments, notes->short_segment);
    if (notes->tail_to > 0)
        cli_fail(cli,
                 "bytes %" PRIu64 " to %" PRIu64 " of the newest segment (of number %" PRIu64 ") %s: a write that was "
                 "torn, or damage to the records from number %" PRIu64 " on",
                 notes->tail_from, notes->tail_to, notes->tail_segment,
                 notes->tail_unreadable ? "cannot be read" : "are no record", notes->tail_seq);
}

int cli_spool_verify(struct cli *cli)
{
    struct tally t = {0};
    int status;

    if (!look(cli, NULL, print_damage, &t, &status))
        return status;
    print_notes(cli, &t.notes);
    printf("%" PRIu64 " records read, %" PRIu64 " damaged stretches\n", t.records, t.damaged);
    return t.damaged > 0 || t.notes.damaged_headers > 0 || t.notes.short_segments > 0 || t.notes.tail_to > 0
               ? CLI_FAILED
               : CLI_FINE;
}

/* Text as a JSON string when that keeps every byte, else the bytes in hex under NAME_hex. */
static void add_bytes(struct buf *out, struct span bytes)
{
    static const char digits[] = "0123456789abcdef";

    if (utf8_valid_prefix(bytes.data, bytes.len) == bytes.len) {
        json_add_member_span(out, "body", bytes);
        return;
    }
    json_add_key(out, "body_hex");
    buf_add_char(out, '"');
    for (size_t i = 0; i < bytes.len; i++) {
        buf_add_char(out, digits[(unsigned char)bytes.data[i] >> 4]);
        buf_add_char(out, digits[(unsigned char)bytes.data[i] & 15]);
    }
    buf_add_char(out, '"');
}

static void add_event(struct buf *out, const struct event_record *e)
{
    json_add_member_i64(out, "received_us", e->received_us);
    json_add_member_u64(out, "sdkappid", e->sdkappid);
    json_add_member_text(out, "command", command_name(e->command));
    json_add_member_span(out, "client_ip", e->client_ip);
    json_add_member_span(out, "platform", e->platform);
    json_add_member_span(out, "request_id", e->request_id);
    json_add_member_span(out, "fault", e->fault);
    json_add_member_text(out, "verdict", action_name(e->action));
    json_add_member_text(out, "decided_by", decided_by_name(e->decided_by));
    json_add_member_i64(out, "error_code", e->error_code);
    json_add_member_u64(out, "revision", e->revision);
    json_add_member_u64(out, "judge_us", e->judge_us);
    json_add_member_span(out, "rule", e->rule);
    json_add_key(out, "hits");
    buf_add_span(out, e->hits_json.data ? e->hits_json : SPAN("[]"));
    json_add_member_span(out, "becomes", e->becomes);
    json_add_member_span(out, "becomes_custom_data", e->becomes_custom_data);
    json_add_key(out, "follow_ups");
    buf_add_span(out, e->follow_ups_json.data ? e->follow_ups_json : SPAN("[]"));
    json_add_member_span(out, "correction_id", e->correction_id);
    json_add_member_text(out, "marker", marker_use_name(e->marker));
    add_bytes(out, e->body);
}

static int export_record(const struct cli *cli, const struct spool_record *record, const char *damage)
{
    struct event_record event;
    struct buf out = BUF_INIT;
    struct err err;

    if (!record) {
        cli_fail(cli, "%s", damage);
        return CLI_FINE;
    }
    buf_add_char(&out, '{');
    json_add_member_u64(&out, "seq", record->seq);
    json_add_member_i64(&out, "appended_us", record->appended_us);
    if (event_record_decode(record->data, &event, &err) == 0)
        add_event(&out, &event);
    else
        json_add_member_text(&out, "error", err.text);
    buf_add_text(&out, "}\n");
    int status = cli_print(cli, &out);
    buf_release(&out);
    return status;
}

int cli_spool_export(struct cli *cli)
{
    struct tally t = {0};
    int status;

    if (!look(cli, NULL, export_record, &t, &status))
        return status;
    return t.damaged > 0 ? CLI_FAILED : CLI_FINE;
}
