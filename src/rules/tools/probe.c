#include "rules/tools/probe.h"

static void next_item(struct buf *items)
{
    if (items->len > 0)
        buf_add_char(items, ',');
}

void probe_begin(struct probe *p, const struct rule_document *doc)
{
    const struct fold_table *const *tables;
    size_t count = doc ? rule_document_tables(doc, &tables) : 0;

    *p = (struct probe){0};
    for (size_t i = 0; i < count; i++) {
        next_item(&p->tables);
        fold_table_write_json(tables[i], &p->tables);
    }
}

static void add_rule(struct probe *p, const char *name, const struct condition *match)
{
    const struct rule rule = {.name = name,
                              .when = WHEN_BOTH,
                              .rollout = 100,
                              .match = match,
                              .action = ACTION_FLAG,
                              .mask = "*",
                              .reject_code = REPLY_REJECT};

    next_item(&p->rules);
    rule_write_json(&rule, &p->rules);
}

void probe_add_list(struct probe *p, const char *name, const struct term_list *list)
{
    const struct condition match = {.kind = CONDITION_TERMS, .text = name};
    struct term_list named = *list;

    named.name = name;
    next_item(&p->lists);
    term_list_write_json(&named, true, &p->lists);
    add_rule(p, name, &match);
}

void probe_add_expression(struct probe *p, const char *name, const char *expression, const struct fold_spec *folding)
{
    const struct condition match = {.kind = CONDITION_REGEX, .text = expression, .folding = *folding};

    add_rule(p, name, &match);
}

static int compile(struct ruleset **out, struct rule_document *doc, struct span text, struct err *err)
{
    struct faults faults = FAULTS_INIT;
    int r = 0;

    if (rule_document_read_text(doc, "probe", text, &faults) < 0 || rule_document_check(doc, &faults) < 0 ||
        ruleset_compile(out, doc, 0, NULL, &faults) < 0)
        r = err_set(err, ERR_USAGE, "%.*s", (int)strcspn(buf_text(&faults.text), "\n"), buf_text(&faults.text));
    faults_release(&faults);
    return r;
}

int probe_compile(struct ruleset **out, struct probe *p, struct err *err)
{
    struct rule_document *doc = rule_document_new();
    struct buf text = BUF_INIT;
    int r;

    buf_add_text(&text, "{\"lists\":[");
    buf_add_span(&text, buf_span(&p->lists));
    buf_add_text(&text, "],\"rules\":[");
    buf_add_span(&text, buf_span(&p->rules));
    buf_add_char(&text, ']');
    if (p->tables.len > 0) {
        buf_add_text(&text, ",\"tables\":[");
        buf_add_span(&text, buf_span(&p->tables));
        buf_add_char(&text, ']');
    }
    buf_add_char(&text, '}');
    if (!doc || buf_failed(&text) || buf_failed(&p->lists) || buf_failed(&p->rules) || buf_failed(&p->tables))
        r = err_set(err, ERR_FAILED, "out of memory");
    else
        r = compile(out, doc, buf_span(&text), err);
    rule_document_free(doc);
    buf_release(&text);
    buf_release(&p->lists);
    buf_release(&p->rules);
    buf_release(&p->tables);
    return r;
}

int probe_term(struct ruleset **out, const struct rule_document *doc, struct span term, const struct fold_spec *folding,
               enum term_boundary boundary, struct err *err)
{
    const struct term_list list = {.folding = *folding, .boundary = boundary, .terms = &term, .term_count = 1};
    struct probe p;

    probe_begin(&p, doc);
    probe_add_list(&p, "probe", &list);
    return probe_compile(out, &p, err);
}
