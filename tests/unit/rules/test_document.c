/* Reading rules and writing them back. */
#include "rules/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* Everything the language has, in an order and form that are not the canonical ones. */
static const char full[] =
    "- rule: z-last\n"
    "  when: before\n"
    "  mode: shadow\n"
    "  rollout: 25\n"
    "  scope:\n"
    "    exempt_admins: yes\n"
    "    platforms: [iOS, Android, iOS]\n"
    "    groups: [\"live-*\", \"a?\"]\n"
    "    except_senders: [admin-*]\n"
    "    senders: u*\n"
    "    except_groups: [x]\n"
    "    apps: [\"14*\"]\n"
    "    except_operators: [o]\n"
    "    group_types: Live\n"
    "  match:\n"
    "    any:\n"
    "      - terms: words\n"
    "      - all: [{regex: '\\d+', folding: [invisible, case]}, {not: {regex: \"a'b\\\\\\\\\", tables: [slang]}}]\n"
    "  action: mask\n"
    "  mask: ■\n"
    "  reject_code: 10121\n"
    "  reject_text: 'no: #1'\n"
    "  then: [resend, mute 10m]\n"
    "  note: \"two\\nlines\\ttab\"\n"
    "  examples:\n"
    "    - { text: \" lead\\u2028\\x85\\ufeff \", verdict: mask, becomes: \"\" }\n"
    "    - { text: yes, verdict: allow }\n"
    "- rule: a-first\n"
    "  action: replace\n"
    "  replace: gone\n"
    "  match: { terms: exact }\n"
    "- rule: m-scores\n"
    "  score: { spam: -3 }\n"
    "  match:\n"
    "    all:\n"
    "      - links: any\n"
    "      - links: { deny: [T.CN, bit.ly], allow: BÜCHER.example }\n"
    "      - contact: [messenger, phone]\n"
    "      - contact: [messenger, phone, email]\n"
    "      - length: { more_than: 500, less_than: 900 }\n"
    "      - lines: { at_most: 10 }\n"
    "      - share: { of: script, scripts: [latn, Han, Cyrillic], percent: 60, least: 5 }\n"
    "      - share: { of: caps, percent: 100, least: 1 }\n"
    "      - types: [custom, image]\n"
    "      - json: { in: cloud_custom_data, path: 'mod.tags[0][\"a.b\"]', one_of: [8, '7', true] }\n"
    "      - json: { in: custom_element, path: x, exists: true }\n"
    "      - json: { in: custom_element, path: x, glob: [b*, a?] }\n"
    "      - json: { in: custom_element, path: x, more_than: -3 }\n"
    "      - repeated: { times: 3, within: 60s, by: sender }\n"
    "      - rate: { times: 10, within: 1500ms, by: sender_in_room, tighten: 2 }\n"
    "- scorecard: spam\n"
    "  note: points\n"
    "  at: { reject: 8, mask: 5, flag: 3 }\n"
    "  mask: '#'\n"
    "  reject_code: 10100\n"
    "  reject_text: too much\n"
    "  then: recall\n"
    "- list: words\n"
    "  terms: [zwei, eins, 'null', \"微信\", eins, \"- x\", \"{a: b}\", \"tail \", \"#c\", \"q\\\"q\", \"it's\"]\n"
    "- list: exact\n"
    "  folding: []\n"
    "  tables: [slang]\n"
    "  boundary: word\n"
    "  terms: [B, a]\n"
    "- list: everything\n"
    "  folding: [case, all]\n"
    "  terms: [x]\n"
    "- list: some\n"
    "  folding: [split, lookalikes, case]\n"
    "  terms: [x]\n"
    "- table: slang\n"
    "  map: { \"弓虫\": \"强\", 4u: \"for you\", \"'\": '', \"\\u2028: #\": \"- x\" }\n"
    "- admins: [root, \"@TIM#*\"]\n"
    "- admins: root\n";

static const char full_json[] =
    "{\"admins\":[\"@TIM#*\",\"root\"],"
    "\"lists\":[{\"list\":\"everything\",\"folding\":[\"all\"],\"terms\":[\"x\"]},"
    "{\"list\":\"exact\",\"folding\":[],\"tables\":[\"slang\"],\"boundary\":\"word\",\"terms\":[\"B\",\"a\"]},"
    "{\"list\":\"some\",\"folding\":[\"case\",\"lookalikes\",\"split\"],\"terms\":[\"x\"]},"
    "{\"list\":\"words\",\"terms\":[\"#c\",\"- x\",\"eins\",\"it's\",\"null\",\"q\\\"q\",\"tail \",\"zwei\",\"{a: b}\","
    "\"微信\"]}],"
    "\"rules\":[{\"rule\":\"a-first\",\"match\":{\"terms\":\"exact\"},\"action\":\"replace\",\"replace\":\"gone\"},"
    "{\"rule\":\"m-scores\",\"match\":{\"all\":[{\"links\":\"any\"},"
    "{\"links\":{\"allow\":[\"bücher.example\"],\"deny\":[\"bit.ly\",\"t.cn\"]}},"
    "{\"contact\":[\"phone\",\"messenger\"]},{\"contact\":\"any\"},"
    "{\"length\":{\"at_least\":501,\"at_most\":899}},{\"lines\":{\"at_most\":10}},"
    "{\"share\":{\"of\":\"script\",\"scripts\":[\"Cyrillic\",\"Han\",\"Latin\"],\"percent\":60,\"least\":5}},"
    "{\"share\":{\"of\":\"caps\",\"percent\":100}},{\"types\":[\"custom\",\"image\"]},"
    "{\"json\":{\"in\":\"cloud_custom_data\",\"path\":\"mod.tags[0][\\\"a.b\\\"]\",\"one_of\":[\"7\",\"8\",\"true\"]}},"
    "{\"json\":{\"in\":\"custom_element\",\"path\":\"x\",\"exists\":true}},"
    "{\"json\":{\"in\":\"custom_element\",\"path\":\"x\",\"glob\":[\"a?\",\"b*\"]}},"
    "{\"json\":{\"in\":\"custom_element\",\"path\":\"x\",\"at_least\":-2}},"
    "{\"repeated\":{\"times\":3,\"within\":\"1m\",\"by\":\"sender\"}},"
    "{\"rate\":{\"times\":10,\"within\":\"1500ms\",\"by\":\"sender_in_room\",\"tighten\":2}}]},\"score\":{\"spam\":-3}},"
    "{\"rule\":\"z-last\",\"when\":\"before\",\"mode\":\"shadow\",\"rollout\":25,\"scope\":{\"apps\":[\"14*\"],"
    "\"groups\":[\"a?\",\"live-*\"],\"except_groups\":[\"x\"],\"group_types\":[\"Live\"],\"senders\":[\"u*\"],"
    "\"except_senders\":[\"admin-*\"],\"except_operators\":[\"o\"],\"platforms\":[\"Android\",\"iOS\"],"
    "\"exempt_admins\":true},"
    "\"match\":{\"any\":[{\"terms\":\"words\"},{\"all\":[{\"regex\":\"\\\\d+\",\"folding\":[\"case\",\"invisible\"]},"
    "{\"not\":{\"regex\":\"a'b\\\\\\\\\",\"tables\":[\"slang\"]}}]}]},\"action\":\"mask\",\"mask\":\"■\",\"reject_code\":10121,"
    "\"reject_text\":\"no: #1\",\"then\":[\"resend\",\"mute 10m\"],\"note\":\"two\\nlines\\ttab\","
    "\"examples\":[{\"text\":\" lead\\u2028\\u0085\\ufeff \",\"verdict\":\"mask\",\"becomes\":\"\"},"
    "{\"text\":\"yes\",\"verdict\":\"allow\"}]}],"
    "\"scorecards\":[{\"scorecard\":\"spam\",\"at\":{\"flag\":3,\"mask\":5,\"reject\":8},\"mask\":\"#\","
    "\"reject_code\":10100,\"reject_text\":\"too much\",\"then\":[\"recall\"],\"note\":\"points\"}],"
    "\"tables\":[{\"table\":\"slang\",\"map\":{\"'\":\"\",\"4u\":\"for you\",\"\\u2028: #\":\"- x\",\"弓虫\":\"强\"}}]}";

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
    assert_int_equal(rule_document_rules(doc, &rules), 3);
    assert_int_equal(rule_document_lists(doc, &lists), 4);
    assert_string_equal(rule_document_source(doc, rules[0]), "text");
    assert_int_equal(rules[0]->place.line, 1);
    assert_int_equal(rules[0]->examples[1].place.line, 27);
    rule_write_json(rules[1], &json);
    assert_string_equal(buf_text(&json), "{\"rule\":\"a-first\",\"match\":{\"terms\":\"exact\"},\"action\":\"replace\","
                                         "\"replace\":\"gone\"}");
    buf_reset(&json);
    term_list_write_json(lists[1], false, &json);
    assert_string_equal(buf_text(&json),
                        "{\"list\":\"exact\",\"folding\":[],\"tables\":[\"slang\"],\"boundary\":\"word\"}");
    buf_release(&json);
    rule_document_free(doc);
}

static void what_nothing_names_is_warned_of(void **state)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;

    (void)state;
    read_into(doc, span_of("- table: used\n  map: {a: b}\n"
                           "- table: in-regex\n  map: {a: b}\n"
                           "- table: forgotten\n  map: {a: b}\n"
                           "- list: used\n  tables: used\n  terms: [x]\n"
                           "- list: forgotten\n  terms: [x]\n"
                           "- scorecard: used-card\n  at: {flag: 1}\n"
                           "- scorecard: forgotten-card\n  at: {flag: 1}\n"
                           "- rule: r\n  match: {any: [{not: {terms: used}}, {regex: x, tables: [in-regex]}]}\n"
                           "  score: {used-card: 1}\n"));
    rule_document_warn_unused(doc, &faults);
    assert_int_equal(faults.count, 0);
    assert_int_equal(faults.warnings, 3);
    assert_string_equal(buf_text(&faults.text),
                        "text:10:3: warning: no rule names list \"forgotten\"\n"
                        "text:5:3: warning: no list and no expression names table \"forgotten\"\n"
                        "text:14:3: warning: no rule names scorecard \"forgotten-card\"\n");
    faults_release(&faults);
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
        cmocka_unit_test(written_rules_are_canonical_and_come_back),
        cmocka_unit_test(yaml_is_readable),
        cmocka_unit_test(places_and_single_entries),
        cmocka_unit_test(what_nothing_names_is_warned_of),
        cmocka_unit_test(hostile_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
