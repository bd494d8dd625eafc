#include "rules/compile.h"

#include "rules/judge.h"

/* Something that the first glob matches: star and question say what stands for a * and a ?. */
static struct optional_text in_scope(struct buf *out, struct texts globs, const char *star, const char *question)
{
    buf_reset(out);
    if (!globs.count)
        return (struct optional_text){MISSING, {NULL, 0}};
    for (const char *g = globs.items[0]; *g; g++) {
        if (*g == '*')
            buf_add_text(out, star);
        else if (*g == '?')
            buf_add_text(out, question);
        else
            buf_add_char(out, *g);
    }
    return (struct optional_text){GIVEN, buf_span(out)};
}

static void run_example(struct compiler *c, struct judge *j, const struct rule *rule, const struct example *example)
{
    struct buf ids[SCOPE_KINDS] = {0};
    struct optional_text said[SCOPE_KINDS];
    unsigned long long app = 0;
    struct text_piece piece = {TEXT_TEXT, 0, 0, (uint32_t)example->text.len};
    enum element_type element = ELEMENT_TEXT;

    for (size_t k = 0; k < SCOPE_KINDS; k++)
        said[k] = in_scope(&ids[k], rule->scope.only[k], k == SCOPE_APPS ? "1" : "", k == SCOPE_APPS ? "1" : "x");
    if (said[SCOPE_APPS].presence == GIVEN)
        span_to_u64(said[SCOPE_APPS].text, &app);

    struct message message = {
        .command = rule->when == WHEN_AFTER ? COMMAND_AFTER : COMMAND_BEFORE,
        .group_id = said[SCOPE_GROUPS],
        .type = said[SCOPE_GROUP_TYPES],
        .from_account = said[SCOPE_SENDERS],
        .operator_account = said[SCOPE_OPERATORS],
        .text = example->text,
        .pieces = &piece,
        .piece_count = 1,
        .elements = &element,
        .element_count = 1,
    };
    struct circumstances circumstances = {.sdkappid = app, .platform = said[SCOPE_PLATFORMS].text};
    struct judge_options options = {.enforced = rule->name};
    const char *source = rule_document_source(c->doc, rule);
    struct place at = example->place;
    struct verdict got;

    judge_with(j, c->set, &message, &circumstances, &options, &got);
    if (got.decided_by == DECIDED_OVERLOAD)
        faults_add(c->faults, source, at.line, at.column, "an example of rule \"%s\" could not be run: out of memory",
                   rule->name);
    else if (got.action != example->verdict)
        faults_add(
            c->faults, source, at.line, at.column,
            "an example of rule \"%s\" fails: expected verdict %s, got %s%s%s%s; correct the rule or the example",
            rule->name, action_name(example->verdict), action_name(got.action), got.rule ? " by rule \"" : "",
            got.rule ? got.rule : "", got.rule ? "\"" : "");
    else if (example->has_becomes && !span_equal(got.becomes, example->becomes))
        faults_add(c->faults, source, at.line, at.column,
                   "an example of rule \"%s\" fails: expected it to become \"%.*s\", got \"%.*s\"; correct the rule or "
                   "the example",
                   rule->name, (int)example->becomes.len, example->becomes.data, (int)got.becomes.len,
                   got.becomes.data ? got.becomes.data : "");
    for (size_t k = 0; k < SCOPE_KINDS; k++)
        buf_release(&ids[k]);
}

void run_examples(struct compiler *c)
{
    const struct rule *const *rules;
    size_t count = rule_document_rules(c->doc, &rules);
    struct judge *j = judge_new();

    if (!j)
        c->arena->failed = true;
    for (size_t i = 0; i < count && j; i++)
        for (size_t e = 0; e < rules[i]->example_count && rules[i]->mode != MODE_OFF; e++)
            run_example(c, j, rules[i], &rules[i]->examples[e]);
    judge_free(j);
}
