#include "store/publication.h"

#include "base/log.h"
#include "base/uuid.h"
#include "store/publish.h"
#include "store/rollback.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEASE_S = 120, NUMBER_TEXT = 24 };

struct request {
    struct db_result *row;
    struct revision_ticket ticket;
    char id[UUID_STRING], attempt[NUMBER_TEXT];
    bool rollback, allow_changes, strict;
    const char *asked_by, *note, *allow_shrink; /* of row */
    uint64_t restores;                          /* 0: the one before */
};

/* What came of it. */
struct ending {
    const char *state; /* NULL: done, and written down with the revision */
    uint64_t revision; /* 0: none to name */
    struct buf words, gate;
};

/* Words ----------------------------------------------------------------------------------------------------------- */

/* What a line begins with, and what people call it. */
static const struct {
    const char *table, *name;
} tables[] = {
    {"table rule \"", "rule \""},        {"table term_list \"", "list \""}, {"table scorecard \"", "scorecard \""},
    {"table fold_table \"", "table \""}, {"table rule_admin", "admins"},    {"table rule", "rules"},
};

static bool begins_with(struct span s, const char *with)
{
    return s.len >= strlen(with) && memcmp(s.data, with, strlen(with)) == 0;
}

static struct span after_bytes(struct span s, size_t n)
{
    return (struct span){s.data + n, s.len - n};
}

/* The length of ":12:34" where a line has its place, else 0. */
static size_t place_length(struct span s)
{
    size_t n = 0;

    for (int part = 0; part < 2; part++) {
        size_t digits = 0;
        if (n >= s.len || s.data[n++] != ':')
            return 0;
        while (n < s.len && s.data[n] >= '0' && s.data[n] <= '9') {
            n++;
            digits++;
        }
        if (digits == 0)
            return 0;
    }
    return begins_with(after_bytes(s, n), ": ") ? n : 0;
}

/* An option of the command line at the start of s, which reaches to the end of its line. Returns the bytes it takes. */
static size_t add_option(struct span s, struct buf *out)
{
    static const char shrink[] = "--allow-shrink", changes[] = "--allow-changes";

    if (begins_with(s, changes)) {
        buf_add_text(out, "allow_changes => true");
        return sizeof(changes) - 1;
    }
    if (!begins_with(s, shrink))
        return 0;
    if (s.len == sizeof(shrink) - 1) { /* of rules, no list is named */
        buf_add_text(out, "allow_shrink => '{*}'");
    } else {
        struct span name = after_bytes(s, sizeof(shrink)); /* and the space after it */
        buf_addf(out, "allow_shrink => '{%.*s}'", (int)name.len, name.data);
    }
    return s.len;
}

static void add_line(struct span line, struct buf *out)
{
    bool placed = false;

    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        if (begins_with(line, tables[i].table)) {
            buf_add_text(out, tables[i].name);
            line = after_bytes(line, strlen(tables[i].table));
            break;
        }
    while (line.len > 0) {
        size_t taken = placed ? 0 : place_length(line);
        placed = placed || taken > 0;
        if (taken == 0)
            taken = add_option(line, out);
        if (taken == 0) {
            buf_add_char(out, *line.data);
            taken = 1;
        }
        line = after_bytes(line, taken);
    }
    buf_add_char(out, '\n');
}

void publication_words(struct span faults, struct buf *out)
{
    while (faults.len > 0) {
        const char *end = memchr(faults.data, '\n', faults.len);
        size_t len = end ? (size_t)(end - faults.data) : faults.len;
        add_line((struct span){faults.data, len}, out);
        faults = after_bytes(faults, len + (end != NULL));
    }
}

/* A request ------------------------------------------------------------------------------------------------------- */

static void copy_text(char *to, size_t size, struct span s)
{
    snprintf(to, size, "%.*s", (int)s.len, s.data);
}

static int take(struct db *db, const char *instance_id, struct request *q, struct err *err)
{
    unsigned long long attempt = 0, restores = 0;
    char lease[NUMBER_TEXT];
    const char *params[] = {instance_id, lease};

    snprintf(lease, sizeof(lease), "%d", LEASE_S);
    int r = db_query(db, &q->row,
                     "SELECT request_id, attempt, kind = 'rollback', asked_by, note, restores, allow_shrink,"
                     " allow_changes, strict FROM chatsluice.publication_take($1, $2::bigint * interval '1 second')",
                     2, params, err);
    if (r < 0 || db_rows(q->row) == 0)
        return r;
    copy_text(q->id, sizeof(q->id), db_value(q->row, 0, 0));
    copy_text(q->attempt, sizeof(q->attempt), db_value(q->row, 0, 1));
    span_to_u64(db_value(q->row, 0, 1), &attempt);
    span_to_u64(db_value(q->row, 0, 5), &restores);
    q->ticket = (struct revision_ticket){.request = q->id, .attempt = q->attempt};
    q->rollback = span_is(db_value(q->row, 0, 2), "t");
    q->asked_by = db_value(q->row, 0, 3).data;
    q->note = db_value(q->row, 0, 4).data;
    q->restores = restores;
    q->allow_shrink = db_value(q->row, 0, 6).data;
    q->allow_changes = span_is(db_value(q->row, 0, 7), "t");
    q->strict = span_is(db_value(q->row, 0, 8), "t");
    log_info("publication asked for by SQL", log_str("request", q->id), log_u64("attempt", attempt),
             log_str("kind", q->rollback ? "rollback" : "publish"), log_str("asked_by", q->asked_by));
    return 0;
}

static int end(struct db *db, const struct request *q, const struct ending *e, struct err *err)
{
    char revision[NUMBER_TEXT];
    const char *params[] = {q->id,
                            q->attempt,
                            e->state,
                            e->revision > 0 ? revision : NULL,
                            e->words.len > 0 ? buf_text(&e->words) : NULL,
                            e->gate.len > 0 ? buf_text(&e->gate) : NULL};

    snprintf(revision, sizeof(revision), "%" PRIu64, e->revision);
    if (buf_failed(&e->words) || buf_failed(&e->gate))
        return err_set(err, ERR_FAILED, "out of memory");
    return db_query(db, NULL, "SELECT chatsluice.publication_end($1::uuid, $2::integer, $3, $4::bigint, $5, $6::jsonb)",
                    6, params, err);
}

/* Carrying it out ------------------------------------------------------------------------------------------------- */

/* The lists that may shrink, from a JSON array; *rows holds them. */
static int read_lists(struct db *db, const struct request *q, struct gate_options *gate, const char ***lists,
                      struct db_result **rows, struct err *err)
{
    const char *params[] = {q->allow_shrink};
    int r = db_query(db, rows, "SELECT jsonb_array_elements_text($1::jsonb)", 1, params, err);

    if (r < 0)
        return r;
    *lists = calloc(db_rows(*rows) + 1, sizeof(**lists));
    if (!*lists)
        return err_set(err, ERR_FAILED, "out of memory");
    for (size_t i = 0; i < db_rows(*rows); i++) {
        (*lists)[i] = db_value(*rows, i, 0).data;
        gate->allow_shrink = gate->allow_shrink || span_is(db_value(*rows, i, 0), "*");
    }
    gate->allow_shrink_lists = *lists;
    gate->allow_shrink_count = db_rows(*rows);
    return 0;
}

static int publish(struct db *db, const struct request *q, const struct gate_options *limits, struct ending *e,
                   struct err *err)
{
    struct publish_options options = {.author = q->asked_by, .note = q->note, .gate = *limits, .ticket = &q->ticket};
    struct gate_report report;
    struct db_result *rows = NULL;
    const char **lists = NULL;

    options.gate.allow_changes = q->allow_changes;
    options.gate.strict = q->strict;
    gate_report_init(&report);
    int r = read_lists(db, q, &options.gate, &lists, &rows, err);
    if (r == 0)
        r = rule_publish(db, &options, &e->revision, &report, err);
    publication_words(buf_span(&report.faults.text), &e->words);
    if (r == ERR_USAGE)
        gate_report_json(&report, &e->gate);
    gate_report_release(&report);
    db_result_free(rows);
    free(lists);
    return r;
}

static int roll_back(struct db *db, const struct request *q, struct ending *e, struct err *err)
{
    const struct rollback_options options = {
        .to = q->restores, .author = q->asked_by, .note = q->note, .ticket = &q->ticket};
    struct rollback_result result = {0};
    struct faults faults = FAULTS_INIT;
    int r = rule_rollback(db, &options, &result, &faults, err);

    publication_words(buf_span(&faults.text), &e->words);
    e->revision = result.revision;
    faults_release(&faults);
    return r;
}

/* The state that result r stands for; NULL for 0. */
static const char *state_of(int r)
{
    return r == 0                                 ? NULL
           : r == ERR_CONFLICT                    ? "unchanged"
           : r == ERR_USAGE || r == ERR_NOT_FOUND ? "refused"
                                                  : "failed";
}

static int carry_out(struct db *db, const struct request *q, const struct gate_options *gate, struct err *err)
{
    struct ending e = {0};
    int r = q->rollback ? roll_back(db, q, &e, err) : publish(db, q, gate, &e, err);
    const char *state = state_of(r);

    if (r < 0 && (r == ERR_LOST || db_error_is_transient(err)))
        goto out;
    if (r < 0 && (r != ERR_USAGE || e.words.len == 0)) {
        buf_add_text(&e.words, err->text);
        buf_add_char(&e.words, '\n');
    }
    log_info("publication ended", log_str("request", q->id), log_str("state", state ? state : "done"),
             log_u64("revision", e.revision));
    r = state || e.words.len > 0 ? end(db, q, &(struct ending){state, e.revision, e.words, e.gate}, err) : 0;
out:
    buf_release(&e.words);
    buf_release(&e.gate);
    return r;
}

int publication_carry_out(struct db *db, const char *instance_id, const struct gate_options *gate, bool *found,
                          struct err *err)
{
    struct request q = {0};
    int r = take(db, instance_id, &q, err);

    *found = r == 0 && q.id[0];
    if (*found)
        r = carry_out(db, &q, gate, err);
    db_result_free(q.row);
    return r < 0 ? err_prefix(err, "could not carry out a publication asked for by SQL") : 0;
}
