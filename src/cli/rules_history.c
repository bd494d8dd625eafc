#include "base/json_write.h"
#include "cli/cli.h"
#include "store/rule_diff.h"
#include "store/rule_revision.h"

#include <inttypes.h>

enum { HISTORY_LIMIT = 20, HISTORY_MOST = 100000 };

struct history {
    struct db *db;
    bool json, changes;
    struct buf out;
    size_t entries;
};

/* What people typed, on one line and without control characters, for a terminal. */
static void add_plain(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        buf_add_char(out, c < 0x20 || c == 0x7F ? ' ' : (char)c);
    }
}

static uint64_t instances(const struct revision_entry *e)
{
    return e->taken + e->refused + e->silent;
}

static void add_text(struct buf *out, const struct revision_entry *e)
{
    buf_addf(out, "%" PRIu64 "  %.*s  ", e->revision, (int)e->published_at.len, e->published_at.data);
    add_plain(out, e->author);
    buf_addf(out, "  %s%.*s\n    ", e->in_force ? "in force, " : "", (int)e->status.len, e->status.data);
    add_plain(out, e->note);
    buf_addf(out, "\n    %" PRIu64 " rules, %" PRIu64 " terms, checksum %.12s, acknowledged by %" PRIu64 " of %" PRIu64,
             e->rules, e->terms, e->checksum.data, e->taken, instances(e));
    if (e->canary_ran)
        buf_addf(out, ", canary %" PRIu64 " of %" PRIu64 " changed", e->canary_changed, e->canary_judged);
    if (!span_is(e->overrides, "[]"))
        buf_addf(out, ", allowed %.*s", (int)e->overrides.len, e->overrides.data);
    buf_add_char(out, '\n');
    if (e->restores > 0)
        buf_addf(out, "    %.*s to the rules of %" PRIu64 "\n", (int)e->kind.len, e->kind.data, e->restores);
    if (e->status_at.len > 0) {
        buf_addf(out, "    %.*s %.*s by ", (int)e->status.len, e->status.data, (int)e->status_at.len,
                 e->status_at.data);
        add_plain(out, e->status_by);
        if (e->rolled_back_by > 0)
            buf_addf(out, ", in favour of %" PRIu64, e->rolled_back_by);
        buf_add_char(out, '\n');
    }
}

static struct span or_null(struct span text)
{
    return text.len > 0 ? text : (struct span){NULL, 0};
}

static void add_number_or_null(struct buf *out, const char *key, bool is, uint64_t n)
{
    json_add_key(out, key);
    if (is)
        buf_add_u64(out, n);
    else
        buf_add_text(out, "null");
}

static void add_raw(struct buf *out, const char *key, struct span json)
{
    json_add_key(out, key);
    buf_add_span(out, json.len > 0 ? json : SPAN("null"));
}

/* The members of one revision, without the closing brace. */
static void add_json(struct buf *out, const struct revision_entry *e)
{
    buf_add_char(out, '{');
    json_add_member_u64(out, "revision", e->revision);
    json_add_member_span(out, "published_at", e->published_at);
    json_add_member_span(out, "author", e->author);
    json_add_member_span(out, "note", e->note);
    json_add_member_span(out, "kind", e->kind);
    add_number_or_null(out, "restores", e->restores > 0, e->restores);
    json_add_member_u64(out, "rules", e->rules);
    json_add_member_u64(out, "terms", e->terms);
    json_add_member_span(out, "checksum", e->checksum);
    json_add_member_span(out, "status", e->status);
    json_add_member_span(out, "status_by", or_null(e->status_by));
    json_add_member_span(out, "status_at", or_null(e->status_at));
    add_number_or_null(out, "rolled_back_by", e->rolled_back_by > 0, e->rolled_back_by);
    json_add_member_bool(out, "in_force", e->in_force);
    add_raw(out, "overrides", e->overrides);
    add_number_or_null(out, "canary_judged", e->canary_ran, e->canary_judged);
    add_number_or_null(out, "canary_changed", e->canary_ran, e->canary_changed);
    json_add_key(out, "canary_share");
    if (e->canary_ran && e->canary_judged > 0)
        buf_addf(out, "%.6f", (double)e->canary_changed / (double)e->canary_judged);
    else
        buf_add_text(out, "null");
    json_add_member_u64(out, "acknowledged", e->taken);
    json_add_member_u64(out, "refused", e->refused);
    json_add_member_u64(out, "instances", instances(e));
    add_raw(out, "gate", e->gate);
}

/* What a revision changes against the one before it by number. */
static int add_changes(struct history *h, const struct revision_entry *e, struct err *err)
{
    struct rule_document *before = NULL, *after = NULL;
    struct rule_diff diff = {0};
    int r = rule_revision_document(h->db, e->revision, &after, err);

    if (r == 0 && e->predecessor > 0)
        r = rule_revision_document(h->db, e->predecessor, &before, err);
    if (r == 0)
        r = rule_diff_make(&diff, before, after, err);
    if (r == 0 && h->json) {
        json_add_key(&h->out, "changes");
        rule_diff_json(&diff, &h->out);
    } else if (r == 0) {
        rule_diff_text(&diff, "      ", &h->out);
    }
    rule_diff_release(&diff);
    rule_document_free(before);
    rule_document_free(after);
    return r;
}

static int each(const struct revision_entry *entry, void *arg, struct err *err)
{
    struct history *h = arg;
    int r = 0;

    if (h->json && h->entries > 0)
        buf_add_char(&h->out, ',');
    h->entries++;
    (h->json ? add_json : add_text)(&h->out, entry);
    if (h->changes)
        r = add_changes(h, entry, err);
    if (h->json)
        buf_add_char(&h->out, '}');
    return r;
}

int cli_rules_history(struct cli *cli)
{
    struct history h = {.out = BUF_INIT};
    const char *limit_text = NULL;
    uint64_t limit = HISTORY_LIMIT;
    const struct cli_option options[] = {
        {"limit", CLI_TEXT, &limit_text, "N", "the newest N, else 20"},
        {"changes", CLI_FLAG, &h.changes, NULL, "what each changed against the one before"},
        {"json", CLI_FLAG, &h.json, NULL, "one JSON object"},
        {0}};
    struct err err;

    if (!cli_options(cli, options) || (limit_text && !cli_number(cli, "--limit", limit_text, HISTORY_MOST, &limit)))
        return cli->status;
    h.db = cli_database(cli);
    if (!h.db)
        return CLI_FAILED;
    if (h.json)
        buf_add_text(&h.out, "{\"revisions\":[");
    int status = rule_revision_history(h.db, limit, each, &h, &err) < 0 ? cli_fail(cli, "%s", err.text) : CLI_FINE;
    if (h.json)
        buf_add_text(&h.out, "]}\n");
    else if (h.entries == 0)
        buf_add_text(&h.out, "no revision was published yet\n");
    if (status == CLI_FINE)
        status = cli_print(cli, &h.out);
    buf_release(&h.out);
    db_close(h.db);
    return status;
}
