#include "base/json_write.h"
#include "cli/cli.h"
#include "store/rule_store.h"

#include <inttypes.h>

static const char *const mode_names[] = {[MODE_ENFORCE] = "enforce", [MODE_SHADOW] = "shadow", [MODE_OFF] = "off"};
static const char *const when_names[] = {[WHEN_BEFORE] = "before", [WHEN_AFTER] = "after", [WHEN_BOTH] = "both"};

/* What a rule does: its action, or points for a scorecard. */
static void add_effect(struct buf *out, const struct rule *rule)
{
    if (rule->scorecard)
        buf_addf(out, "%+d for %s", rule->points, rule->scorecard);
    else
        buf_add_text(out, action_name(rule->action));
}

static void add_thresholds(struct buf *out, const struct scorecard *card)
{
    for (size_t a = 0; a < ACTION_COUNT; a++)
        if (card->thresholds[a].given)
            buf_addf(out, "  %s at %d", action_name((enum action)a), card->thresholds[a].points);
}

static void list_text(struct buf *out, const struct rule_document *doc, uint64_t revision, const char *checksum)
{
    const struct rule *const *rules;
    const struct scorecard *const *cards;
    const struct term_list *const *lists;
    const struct fold_table *const *tables;
    size_t rule_count = rule_document_rules(doc, &rules), card_count = rule_document_scorecards(doc, &cards);
    size_t list_count = rule_document_lists(doc, &lists), table_count = rule_document_tables(doc, &tables);
    struct texts admins = rule_document_admins(doc);

    for (size_t i = 0; i < rule_count; i++) {
        buf_addf(out, "rule  %-32s  %-8s  %-6s  ", rules[i]->name, mode_names[rules[i]->mode],
                 when_names[rules[i]->when]);
        add_effect(out, rules[i]);
        if (rules[i]->rollout < 100)
            buf_addf(out, "  in %u%% of the rooms", rules[i]->rollout);
        buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < card_count; i++) {
        buf_addf(out, "score %-32s", cards[i]->name);
        add_thresholds(out, cards[i]);
        buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < list_count; i++)
        buf_addf(out, "list  %-32s  %zu terms\n", lists[i]->name, lists[i]->term_count);
    for (size_t i = 0; i < table_count; i++)
        buf_addf(out, "table %-32s  %zu entries\n", tables[i]->name, tables[i]->entry_count);
    for (size_t i = 0; i < admins.count; i++)
        buf_addf(out, "admin %s\n", admins.items[i]);
    if (revision > 0)
        buf_addf(out, "revision %" PRIu64 " is in force, checksum %.12s\n", revision, checksum);
    else
        buf_add_text(out, "no revision was published yet\n");
}

/* Opens the next object of an array. */
static void begin_item(struct buf *out, size_t i)
{
    buf_add_text(out, i == 0 ? "{" : ",{");
}

static void json_rules(struct buf *out, const struct rule_document *doc)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(doc, &rules);

    for (size_t i = 0; i < count; i++) {
        begin_item(out, i);
        json_add_member_text(out, "rule", rules[i]->name);
        json_add_member_text(out, "mode", mode_names[rules[i]->mode]);
        json_add_member_text(out, "when", when_names[rules[i]->when]);
        json_add_member_u64(out, "rollout", rules[i]->rollout);
        if (rules[i]->scorecard) {
            json_add_member_text(out, "scorecard", rules[i]->scorecard);
            json_add_member_i64(out, "points", rules[i]->points);
        } else {
            json_add_member_text(out, "action", action_name(rules[i]->action));
        }
        buf_add_char(out, '}');
    }
}

static void json_scorecards(struct buf *out, const struct rule_document *doc)
{
    const struct scorecard *const *cards;
    size_t count = rule_document_scorecards(doc, &cards);

    for (size_t i = 0; i < count; i++) {
        begin_item(out, i);
        json_add_member_text(out, "scorecard", cards[i]->name);
        json_add_key(out, "at");
        buf_add_char(out, '{');
        for (size_t a = 0; a < ACTION_COUNT; a++)
            if (cards[i]->thresholds[a].given)
                json_add_member_i64(out, action_name((enum action)a), cards[i]->thresholds[a].points);
        buf_add_text(out, "}}");
    }
}

static void json_lists(struct buf *out, const struct rule_document *doc)
{
    const struct term_list *const *lists;
    size_t count = rule_document_lists(doc, &lists);

    for (size_t i = 0; i < count; i++) {
        begin_item(out, i);
        json_add_member_text(out, "list", lists[i]->name);
        json_add_member_u64(out, "terms", lists[i]->term_count);
        buf_add_char(out, '}');
    }
}

static void json_tables(struct buf *out, const struct rule_document *doc)
{
    const struct fold_table *const *tables;
    size_t count = rule_document_tables(doc, &tables);

    for (size_t i = 0; i < count; i++) {
        begin_item(out, i);
        json_add_member_text(out, "table", tables[i]->name);
        json_add_member_u64(out, "entries", tables[i]->entry_count);
        buf_add_char(out, '}');
    }
}

static void json_admins(struct buf *out, const struct rule_document *doc)
{
    struct texts admins = rule_document_admins(doc);

    for (size_t i = 0; i < admins.count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        json_add_string(out, span_of(admins.items[i]));
    }
}

static void list_json(struct buf *out, const struct rule_document *doc, uint64_t revision, const char *checksum)
{
    static const struct {
        const char *key;
        void (*add)(struct buf *out, const struct rule_document *doc);
    } arrays[] = {{"rules", json_rules},
                  {"scorecards", json_scorecards},
                  {"lists", json_lists},
                  {"tables", json_tables},
                  {"admins", json_admins}};

    buf_add_char(out, '{');
    json_add_member_u64(out, "revision", revision);
    json_add_member_text(out, "checksum", revision > 0 ? checksum : NULL);
    for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays); i++) {
        json_add_key(out, arrays[i].key);
        buf_add_char(out, '[');
        arrays[i].add(out, doc);
        buf_add_char(out, ']');
    }
    buf_add_text(out, "}\n");
}

int cli_rules_list(struct cli *cli)
{
    bool json = false;
    const struct cli_option options[] = {{"json", CLI_FLAG, &json, NULL, "one JSON object"}, {0}};
    struct faults faults = FAULTS_INIT;
    struct buf out = BUF_INIT, checksum = BUF_INIT;
    uint64_t revision = 0;
    struct err err;

    if (!cli_options(cli, options))
        return cli->status;
    struct db *db = cli_database(cli);
    struct rule_document *doc = db ? rule_document_new() : NULL;
    int status = CLI_FAILED;
    if (doc && (rule_store_export(db, doc, &faults, &err) < 0 ||
                rule_store_current(db, &revision, &checksum, NULL, &err) < 0)) {
        cli_print_faults(&faults);
        cli_fail(cli, "%s", err.text);
    } else if (doc) {
        (json ? list_json : list_text)(&out, doc, revision, buf_text(&checksum));
        status = cli_print(cli, &out);
    }
    buf_release(&checksum);
    buf_release(&out);
    faults_release(&faults);
    rule_document_free(doc);
    db_close(db);
    return status;
}
