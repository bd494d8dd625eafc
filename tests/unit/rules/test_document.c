/* Reading rules, every fault with its place and words, and writing them back. */
#include "rules/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct fault_case {
    const char *yaml;
    const char *faults; /* all lines */
};

static const struct fault_case fault_cases[] = {
    {"- rule: a\n  match: {regex: 'x+'}\n  action: masc\n",
     "r.yaml:3:11: action cannot be \"masc\"; did you mean \"mask\"?\n"},
    {"- rule: a\n  macth: {regex: 'x+'}\n  action: mask\n",
     "r.yaml:2:3: a rule has no key \"macth\"; did you mean \"match\"?\n"
     "r.yaml:1:3: rule \"a\" has no match; add the condition under which it applies\n"},
    {"- rule: a\n  match: {regex: '(x)\\1'}\n  action: mask\n",
     "r.yaml:2:18: the expression cannot be used: Back-references are unsupported; write out the repeated text\n"},
    {"- rule: a\n  match: {regex: 'x*'}\n  action: mask\n",
     "r.yaml:2:18: the expression cannot be used: Pattern matches empty buffer; make at least one character "
     "required, for example + in place of *\n"},
    {"- rule: a\n  match: {regex: '(?<=a)b'}\n  action: mask\n",
     "r.yaml:2:18: the expression cannot be used: Zero-width assertions are not supported; look-ahead and "
     "look-behind do not exist here; use \\b or an allow rule for what must pass\n"},
    {"- rule: a\n  match: {regex: 'a.{1,600}b\\{.{,300}c{101}d{5,}'}\n  action: mask\n",
     "r.yaml:2:18: the expression cannot be used: its repeats add up to 1006, more than 1000; use + or smaller "
     "repeats\n"},
    {"- rule: a\n  match: {terms: words}\n  action: flag\n",
     "r.yaml:2:10: there is no list \"words\"; add it as an entry of its own, - list: words\n"},
    {"- list: words\n  terms: [x]\n- rule: a\n  match: {terms: wrods}\n  action: flag\n",
     "r.yaml:4:10: there is no list \"wrods\"; did you mean \"words\"?\n"},
    {"- list: w\n  terms: [x]\n- list: w\n  terms: [y]\n",
     "r.yaml:3:3: there is another list \"w\" at r.yaml:1:3; rename one of them\n"},
    {"- rule: a\n  match: {regex: x}\n  action: flag\n- rule: a\n  match: {regex: y}\n  action: flag\n",
     "r.yaml:4:3: there is another rule \"a\" at r.yaml:1:3; rename one of them\n"},
    {"- list: w\n  terms: [\"\\u200b\", ok, \"\"]\n",
     "r.yaml:2:11: term number 1 folds to nothing and would match everywhere; remove it\n"
     "r.yaml:2:25: a term is empty; give a text or leave the key out\n"},
    {"- list: w\n  folding: [case, acents]\n  boundary: words\n  terms: []\n",
     "r.yaml:2:19: folding cannot be \"acents\"; it is one of: case, invisible\n"
     "r.yaml:3:13: boundary cannot be \"words\"; did you mean \"word\"?\n"
     "r.yaml:4:10: list \"w\" has no terms; add some or remove the list\n"},
    {"- rule: a\n  match: {regex: x}\n  action: reject\n  reject_code: 10099\n  reject_text: no\n",
     "r.yaml:4:16: reject_code must be 1, or 10100 to 10200 with a reject_text\n"
     "r.yaml:5:16: the sender reads reject_text only with a code of its own; add reject_code: 10100 to 10200\n"},
    {"- rule: a\n  match: {regex: x}\n  action: flag\n  mask: '#'\n  replace: y\n  reject_code: 1\n",
     "r.yaml:4:9: mask is for rules with action: mask; remove it\n"
     "r.yaml:5:12: replace is for rules with action: replace; remove it\n"
     "r.yaml:6:16: reject_code is for rules with action: reject, mask or replace; remove it\n"},
    {"- rule: a\n  match: {regex: x}\n  action: replace\n",
     "r.yaml:1:3: rule \"a\" has no text to replace the message with; add replace: \"...\"\n"},
    {"- rule: a\n  match: {regex: x}\n  action: mask\n  mask: '##'\n",
     "r.yaml:4:9: mask must be one character; it stands for each masked one\n"},
    {"- rule: a b\n  match: {regex: x}\n  action: mask\n",
     "r.yaml:1:9: the name of the rule \"a b\" holds a blank; use \"-\" instead\n"},
    {"- rule: a\n  match: {regex: x, terms: y}\n  action: mask\n",
     "r.yaml:2:10: a condition is one of: terms, regex, any, all, not; put several into any or all\n"},
    {"- rule: a\n  match: {any: []}\n  action: mask\n", "r.yaml:2:16: any must be a list of at least one condition\n"},
    {"- rule: a\n  match: {terms: [x, y]}\n  action: mask\n",
     "r.yaml:2:18: terms must be the name of a list; put the words into an entry of their own, - list: NAME\n"},
    {"- rule: a\n  match: {not: {all: [{regex: x, folding: [case]}], folding: [case]}}\n  action: mask\n",
     "r.yaml:2:62: folding belongs to a regex or to a list, not to this condition\n"},
    {"- rule: a\n  match: {regex: x}\n  action: mask\n  then: [mute]\n",
     "r.yaml:4:9: \"mute\" is no follow-up; use resend, recall, or mute with a duration: mute 10m\n"},
    {"- rule: a\n  match: {regex: x}\n  action: mask\n  examples: [{text: x}, {text: x, verdict: flag, becomes: y}]\n",
     "r.yaml:4:14: an example needs a text and a verdict\n"
     "r.yaml:4:25: becomes is for the verdicts mask and replace; remove it\n"},
    {"- rule: a\n  scope: {group: [x]}\n  match: {regex: x}\n  action: mask\n",
     "r.yaml:2:11: a scope has no key \"group\"; did you mean \"groups\"?\n"},
    {"- terms: [x]\n", "r.yaml:1:3: an entry begins with \"rule: NAME\" or \"list: NAME\"\n"},
    {"hello\n", "r.yaml:1:1: a rule file is a list of entries; begin each with \"- rule: NAME\" or \"- list: NAME\"\n"},
    {"- rule: a\n  rule: b\n", "r.yaml:2:3: key \"rule\" stands here a second time; keep one of them\n"},
    {"- rule: a\n  match: {regex: x}\n", "r.yaml:1:3: rule \"a\" has no action; add one of: allow, flag, mask, "
                                         "replace, reject, discard\n"},
    {"", ""},
    {"- list: unused\n  terms: [no, 12, ~]\n", ""},
};

static void every_fault_says_where_and_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fault_cases) / sizeof(*fault_cases); i++) {
        const struct fault_case *c = &fault_cases[i];
        struct rule_document *doc = rule_document_new();
        struct faults faults = FAULTS_INIT;
        int r = rule_document_read_text(doc, "r.yaml", span_of(c->yaml), &faults);

        if (rule_document_check(doc, &faults) < 0)
            r = ERR_USAGE;
        if (strcmp(buf_text(&faults.text), c->faults) != 0)
            print_error("case %zu:\n%s-- expected\n%s-- got\n%s", i, c->yaml, c->faults, buf_text(&faults.text));
        assert_string_equal(buf_text(&faults.text), c->faults);
        assert_int_equal(r, *c->faults ? ERR_USAGE : 0);
        faults_release(&faults);
        rule_document_free(doc);
    }
}

/* Everything the language has, in an order and form that are not the canonical ones. */
static const char full[] =
    "- rule: z-last\n"
    "  when: before\n"
    "  mode: shadow\n"
    "  scope: { groups: [\"live-*\", \"a?\"], except_senders: [admin-*], senders: u*, except_groups: [x] }\n"
    "  match:\n"
    "    any:\n"
    "      - terms: words\n"
    "      - all: [ {regex: '\\d+', folding: [invisible, case]}, {not: {regex: \"a'b\\\\\\\\\"}} ]\n"
    "  action: mask\n"
    "  mask: \"■\"\n"
    "  reject_code: 10121\n"
    "  reject_text: \"no: #1\"\n"
    "  then: [resend, mute 10m]\n"
    "  note: \"two\\nlines\\ttab\"\n"
    "  examples:\n"
    "    - { verdict: mask, text: \" lead\\u2028\\u0085\\uFEFF \", becomes: \"\" }\n"
    "    - { verdict: allow, text: yes }\n"
    "- rule: a-first\n"
    "  match: { terms: exact }\n"
    "  action: replace\n"
    "  replace: \"gone\"\n"
    "- list: words\n"
    "  folding: [invisible, case]\n"
    "  boundary: script\n"
    "  terms: [\"zwei\", eins, 'null', \"微信\", eins, \"- x\", \"{a: b}\", \"tail \", \"#c\", \"q\\\"q\", \"it's\"]\n"
    "- list: exact\n"
    "  folding: []\n"
    "  boundary: word\n"
    "  terms: [B, a]\n";

static const char full_json[] =
    "{\"lists\":[{\"list\":\"exact\",\"folding\":[],\"boundary\":\"word\",\"terms\":[\"B\",\"a\"]},"
    "{\"list\":\"words\",\"terms\":[\"#c\",\"- x\",\"eins\",\"it's\",\"null\",\"q\\\"q\",\"tail \",\"zwei\",\"{a: b}\","
    "\"微信\"]}],"
    "\"rules\":[{\"rule\":\"a-first\",\"match\":{\"terms\":\"exact\"},\"action\":\"replace\",\"replace\":\"gone\"},"
    "{\"rule\":\"z-last\",\"when\":\"before\",\"mode\":\"shadow\",\"scope\":{\"groups\":[\"a?\",\"live-*\"],"
    "\"except_groups\":[\"x\"],\"senders\":[\"u*\"],\"except_senders\":[\"admin-*\"]},"
    "\"match\":{\"any\":[{\"terms\":\"words\"},{\"all\":[{\"regex\":\"\\\\d+\",\"folding\":[\"case\",\"invisible\"]},"
    "{\"not\":{\"regex\":\"a'b\\\\\\\\\"}}]}]},\"action\":\"mask\",\"mask\":\"■\",\"reject_code\":10121,"
    "\"reject_text\":\"no: #1\",\"then\":[\"resend\",\"mute 10m\"],\"note\":\"two\\nlines\\ttab\","
    "\"examples\":[{\"text\":\" lead\\u2028\\u0085\\ufeff \",\"verdict\":\"mask\",\"becomes\":\"\"},"
    "{\"text\":\"yes\",\"verdict\":\"allow\"}]}]}";

static void read_into(struct rule_document *doc, struct span text)
{
    struct faults faults = FAULTS_INIT;

    if (rule_document_read_text(doc, "text", text, &faults) < 0 || rule_document_check(doc, &faults) < 0)
        print_error("%s\n%.*s", buf_text(&faults.text), (int)text.len, text.data);
    assert_int_equal(faults.count, 0);
    faults_release(&faults);
}

static void written_rules_are_canonical_and_come_back(void **state)
{
    struct rule_document *doc = rule_document_new(), *from_json = rule_document_new(), *from_yaml = rule_document_new();
    struct buf json = BUF_INIT, yaml = BUF_INIT, again = BUF_INIT;

    (void)state;
    read_into(doc, span_of(full));
    rule_document_write_json(doc, &json);
    assert_string_equal(buf_text(&json), full_json);

    read_into(from_json, buf_span(&json));
    rule_document_write_json(from_json, &again);
    assert_string_equal(buf_text(&again), full_json);

    rule_document_write_yaml(doc, &yaml);
    read_into(from_yaml, buf_span(&yaml));
    buf_reset(&again);
    rule_document_write_json(from_yaml, &again);
    assert_string_equal(buf_text(&again), full_json);

    buf_release(&json);
    buf_release(&yaml);
    buf_release(&again);
    rule_document_free(doc);
    rule_document_free(from_json);
    rule_document_free(from_yaml);
}

static void yaml_is_readable(void **state)
{
    static const char written[] = "- list: words\n"
                                  "  folding: [case]\n"
                                  "  terms:\n"
                                  "    - '12'\n"
                                  "    - one\n"
                                  "- rule: r\n"
                                  "  scope:\n"
                                  "    groups: ['live-*']\n"
                                  "  match:\n"
                                  "    all:\n"
                                  "      - terms: words\n"
                                  "      - not:\n"
                                  "          regex: '\\bx\\b'\n"
                                  "  action: reject\n"
                                  "  reject_code: 10100\n"
                                  "  examples:\n"
                                  "    - text: 'one two'\n"
                                  "      verdict: reject\n";
    struct rule_document *doc = rule_document_new();
    struct buf yaml = BUF_INIT;

    (void)state;
    read_into(doc, span_of(written));
    rule_document_write_yaml(doc, &yaml);
    assert_string_equal(buf_text(&yaml), written);
    buf_release(&yaml);
    rule_document_free(doc);
}

static void places_and_single_entries(void **state)
{
    struct rule_document *doc = rule_document_new();
    const struct rule *const *rules;
    const struct term_list *const *lists;
    struct buf json = BUF_INIT;

    (void)state;
    read_into(doc, span_of(full));
    assert_int_equal(rule_document_rules(doc, &rules), 2);
    assert_int_equal(rule_document_lists(doc, &lists), 2);
    assert_string_equal(rule_document_source(doc, rules[0]), "text");
    assert_int_equal(rules[0]->place.line, 1);
    assert_int_equal(rules[0]->examples[1].place.line, 17);
    rule_write_json(rules[1], &json);
    assert_string_equal(buf_text(&json), "{\"rule\":\"a-first\",\"match\":{\"terms\":\"exact\"},\"action\":\"replace\","
                                         "\"replace\":\"gone\"}");
    buf_reset(&json);
    term_list_write_json(lists[1], false, &json);
    assert_string_equal(buf_text(&json), "{\"list\":\"exact\",\"folding\":[],\"boundary\":\"word\"}");
    buf_release(&json);
    rule_document_free(doc);
}

static void hostile_files_are_refused(void **state)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;
    struct buf text = BUF_INIT;

    (void)state;
    assert_int_equal(rule_document_read_file(doc, "/nonexistent/rules.yaml", &faults), ERR_USAGE);
    assert_non_null(strstr(buf_text(&faults.text), "could not open \"/nonexistent/rules.yaml\""));

    assert_int_equal(rule_document_read_text(doc, "bad", SPAN("- list: w\n  terms: [\"\xC0\xAF\"]\n"), &faults),
                     ERR_USAGE);
    assert_int_equal(rule_document_read_text(doc, "bad", SPAN("- list: w\n  terms: [\"a\\0b\"]\n"), &faults),
                     ERR_USAGE);
    assert_int_equal(rule_document_read_text(doc, "bad", SPAN("- list: w\n  terms: [\"a\\x07b\"]\n"), &faults),
                     ERR_USAGE);

    buf_add_text(&text, "- rule: deep\n  action: mask\n  match: ");
    for (int i = 0; i < 200; i++)
        buf_add_text(&text, "{not: ");
    assert_int_equal(rule_document_read_text(doc, "deep", buf_span(&text), &faults), ERR_USAGE);

    buf_reset(&text);
    buf_add_text(&text, "- list: long\n  terms: [\"");
    for (int i = 0; i < 600; i++)
        buf_add_char(&text, 'x');
    buf_add_text(&text, "\"]\n");
    assert_int_equal(rule_document_read_text(doc, "long", buf_span(&text), &faults), ERR_USAGE);
    assert_non_null(strstr(buf_text(&faults.text), "long:2:11: a term has 600 bytes; at most 512 are possible"));
    assert_int_equal(faults.count, 6);
    buf_release(&text);
    faults_release(&faults);
    rule_document_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_says_where_and_what),
        cmocka_unit_test(written_rules_are_canonical_and_come_back),
        cmocka_unit_test(yaml_is_readable),
        cmocka_unit_test(places_and_single_entries),
        cmocka_unit_test(hostile_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
