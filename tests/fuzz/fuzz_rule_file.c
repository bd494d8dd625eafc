/* A rule file: read, checked, compiled when it is small, written as JSON and YAML and read again to the same. */
#include "fuzz.h"

enum { MAX_TERMS = 200, MAX_RULES = 20 };

static struct rule_document *read_again(const struct buf *text, const struct buf *json)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    struct buf second = BUF_INIT;

    MUST(doc);
    if (rule_document_read_text(doc, "again", buf_span(text), &faults) < 0)
        fprintf(stderr, "%s\n%s", buf_text(text), buf_text(&faults.text));
    MUST(faults.count == 0);
    rule_document_write_json(doc, &second);
    if (!span_equal(buf_span(json), buf_span(&second)))
        fprintf(stderr, "%s\n%s\n", buf_text(json), buf_text(&second));
    MUST(span_equal(buf_span(json), buf_span(&second)));
    buf_release(&second);
    faults_release(&faults);
    return doc;
}

static bool is_small(const struct rule_document *doc)
{
    const struct term_list *const *lists;
    const struct rule *const *rules;
    size_t count = rule_document_lists(doc, &lists), terms = 0;

    for (size_t i = 0; i < count; i++)
        terms += lists[i]->term_count;
    return terms <= MAX_TERMS && rule_document_rules(doc, &rules) <= MAX_RULES;
}

static void compile_and_judge(const struct rule_document *doc)
{
    static struct judge *judge;
    struct faults faults = FAULTS_INIT;
    struct ruleset *set = NULL;
    struct verdict v;

    if (!judge)
        judge = judge_new();
    MUST(judge);
    if (ruleset_compile(&set, doc, 1, NULL, &faults) == 0)
        judge_text(judge, set, SPAN("he11o w0rld, 加 微 信 13800138000 at www.example.com/x f*ck"), &v);
    ruleset_unref(set);
    faults_release(&faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    struct buf json = BUF_INIT, yaml = BUF_INIT;
    struct gate_fault fault;

    MUST(doc);
    if (rule_document_read_text(doc, "fuzz", (struct span){(const char *)data, size}, &faults) == 0 &&
        rule_document_check(doc, &faults) == 0) {
        rule_document_write_json(doc, &json);
        MUST(gate_check(buf_span(&json), GATE_JSONB, &fault));
        rule_document_free(read_again(&json, &json));
        rule_document_write_yaml(doc, &yaml);
        rule_document_free(read_again(&yaml, &json));
        if (is_small(doc))
            compile_and_judge(doc);
    }
    buf_release(&json);
    buf_release(&yaml);
    faults_release(&faults);
    rule_document_free(doc);
    return 0;
}
