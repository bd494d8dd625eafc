#include "base/json_write.h"
#include "cli/cli.h"
#include "store/rule_store.h"

#include <inttypes.h>

static const char *const mode_names[] = {[MODE_ENFORCE] = "enforce", [MODE_SHADOW] = "shadow", [MODE_OFF] = "off"};
static const char *const when_names[] = {[WHEN_BEFORE] = "before", [WHEN_AFTER] = "after", [WHEN_BOTH] = "both"};

static void list_text(struct buf *out, const struct rule_document *doc, uint64_t revision, const char *checksum)
{
    const struct rule *const *rules;
    const struct term_list *const *lists;
    size_t rule_count = rule_document_rules(doc, &rules), list_count = rule_document_lists(doc, &lists);

    for (size_t i = 0; i < rule_count; i++)
        buf_addf(out, "rule  %-32s  %-8s  %-6s  %s\n", rules[i]->name, mode_names[rules[i]->mode],
                 when_names[rules[i]->when], action_name(rules[i]->action));
    for (size_t i = 0; i < list_count; i++)
        buf_addf(out, "list  %-32s  %zu terms\n", lists[i]->name, lists[i]->term_count);
    if (revision > 0)
        buf_addf(out, "revision %" PRIu64 " is in force, checksum %.12s\n", revision, checksum);
    else
        buf_add_text(out, "no revision was published yet\n");
}

static void list_json(struct buf *out, const struct rule_document *doc, uint64_t revision, const char *checksum)
{
    const struct rule *const *rules;
    const struct term_list *const *lists;
    size_t rule_count = rule_document_rules(doc, &rules), list_count = rule_document_lists(doc, &lists);

    buf_add_char(out, '{');
    json_add_member_u64(out, "revision", revision);
    json_add_member_text(out, "checksum", revision > 0 ? checksum : NULL);
    json_add_key(out, "rules");
    buf_add_char(out, '[');
    for (size_t i = 0; i < rule_count; i++) {
        buf_add_text(out, i == 0 ? "{" : ",{");
        json_add_member_text(out, "rule", rules[i]->name);
        json_add_member_text(out, "mode", mode_names[rules[i]->mode]);
        json_add_member_text(out, "when", when_names[rules[i]->when]);
        json_add_member_text(out, "action", action_name(rules[i]->action));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    json_add_key(out, "lists");
    buf_add_char(out, '[');
    for (size_t i = 0; i < list_count; i++) {
        buf_add_text(out, i == 0 ? "{" : ",{");
        json_add_member_text(out, "list", lists[i]->name);
        json_add_member_u64(out, "terms", lists[i]->term_count);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]}\n");
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
