/* fuzz.h - what the fuzz targets share: checks that stop the process, rule sets from YAML. */
#ifndef CHATSLUICE_TESTS_FUZZ_H
#define CHATSLUICE_TESTS_FUZZ_H

#include "base/utf8.h"
#include "rules/judge.h"
#include "wire/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(holds)                                                                                                    \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);                                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static inline bool is_utf8(struct span text)
{
    return utf8_valid_prefix(text.data, text.len) == text.len;
}

static inline struct ruleset *fuzz_set(const char *yaml)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    struct ruleset *set = NULL;

    if (rule_document_read_text(doc, "fuzz", span_of(yaml), &faults) < 0 || rule_document_check(doc, &faults) < 0 ||
        ruleset_compile(&set, doc, 7, NULL, &faults) < 0)
        fputs(buf_text(&faults.text), stderr);
    MUST(set);
    faults_release(&faults);
    rule_document_free(doc);
    return set;
}

#define ALL_CONDITIONS                                                                                                  \
    "- rule: long\n  action: flag\n  match: { any: [ { length: { more_than: 40 } }, { lines: { at_least: 3 } } ] }\n"   \
    "- rule: emoji\n  score: { spam: 3 }\n  match: { share: { of: emoji, percent: 50, least: 3 } }\n"                   \
    "- rule: caps\n  score: { spam: 3 }\n  match: { share: { of: caps, percent: 60, least: 4 } }\n"                     \
    "- rule: digits\n  score: { spam: 2 }\n  match: { share: { of: digits, percent: 30 } }\n"                           \
    "- rule: symbols\n  score: { spam: 2 }\n  match: { share: { of: symbols, percent: 30 } }\n"                         \
    "- rule: script\n  score: { spam: -1 }\n  match: { share: { of: script, scripts: [Cyrillic], percent: 40 } }\n"     \
    "- rule: types\n  action: flag\n  match: { not: { types: [image, custom, text] } }\n"                               \
    "- rule: data\n  score: { spam: 4 }\n"                                                                              \
    "  match: { json: { in: cloud_custom_data, path: 'a.b[1]', one_of: ['7', 8, true] } }\n"                            \
    "- rule: glob\n  score: { spam: 4 }\n  match: { json: { in: cloud_custom_data, path: 'a', glob: 'x*y?z*' } }\n"     \
    "- rule: element\n  score: { spam: 4 }\n  match: { json: { in: custom_element, path: 'a', more_than: 7 } }\n"       \
    "- rule: again\n  action: reject\n  then: [resend]\n  match: { repeated: { times: 3, within: 60s, by: sender } }\n" \
    "- rule: fast\n  action: discard\n  match: { rate: { times: 5, within: 10s, by: room, tighten: 2 } }\n"             \
    "- rule: word\n  score: { spam: 2 }\n  match: { all: [ { regex: 'ab+c' }, { not: { regex: 'x\\d' } } ] }\n"         \
    "- scorecard: spam\n  at: { flag: 2, mask: 4, replace: 7, reject: 9, discard: 12 }\n  replace: '[spam]'\n"

#define STEP_LIST(step)                                                                                                \
    "- list: l-" #step "\n  folding: [" #step "]\n  boundary: any\n"                                                   \
    "  terms: [hello, idiot, 'class act', 笨蛋, 加微信, 裏面, x9z, 微信群, привет, 'a*b']\n"           \
    "- rule: r-" #step "\n  action: mask\n  match: { terms: l-" #step " }\n"

/* Every step, every kind of condition, scorecards, tables, words over messages, allow rules. */
static const char *const fuzz_rules[] = {
    "- list: words\n  folding: [all]\n  terms: [hello, idiot, fuck, 笨蛋, 傻瓜蛋, 加微信, 'ok 8', 微信群, aab, 'a b c']\n"
    "- rule: words\n  action: mask\n  match: { terms: words }\n",
    STEP_LIST(case) STEP_LIST(invisible) STEP_LIST(accents) STEP_LIST(letters) STEP_LIST(lookalikes) STEP_LIST(leet)
        STEP_LIST(numbers) STEP_LIST(simplified) STEP_LIST(separators) STEP_LIST(repeats) STEP_LIST(censored)
            STEP_LIST(pinyin) STEP_LIST(initials) STEP_LIST(homophones) STEP_LIST(split),
    ALL_CONDITIONS,
    "- rule: links\n  action: mask\n  mask: '█'\n  match: { links: { allow: [example.com], deny: [bit.ly, a.example.com] } }\n"
    "- rule: any-link\n  action: flag\n  match: { links: any }\n"
    "- rule: contact\n  action: mask\n  match: { contact: any }\n"
    "- rule: good\n  action: allow\n  match: { regex: 'https?://[a-z.]+/ok|13800138000|加微信' }\n",
    "- table: slang\n  map: { '弓虫': '强', '4u': 'for you', 'a': 'b', 'ab': 'cc', 'abc': 'd', '。': 'x', 'é': 'e' }\n"
    "- table: more\n  map: { 'cc': 'hello', 'ss': '笨', 'xx': 'y' }\n"
    "- list: t\n  folding: [case, repeats, separators]\n  tables: [slang, more]\n  terms: [强大, 'for you', bd, hello, dd]\n"
    "- rule: t\n  action: replace\n  replace: '…'\n  match: { terms: t }\n"
    "- rule: r\n  action: mask\n  match: { regex: 'b+d?x', folding: [all], tables: [slang] }\n",
    "- list: s\n  folding: [all]\n  boundary: word\n  terms: [idiot, fuck, 笨蛋东西, loser, 'a**b']\n"
    "- list: fine\n  folding: [case, separators, split]\n  boundary: any\n  terms: [fuckoo, 笨蛋东西南北, 'i.d']\n"
    "- rule: s\n  action: mask\n  mask: '❤️'\n  match: { terms: s }\n"
    "- rule: fine\n  action: allow\n  match: { terms: fine }\n",
    "- rule: none\n  action: mask\n  match: { regex: '[aeiou]{2,}|[\\x{4e00}-\\x{9fff}]+' }\n"
    "- rule: quote\n  action: replace\n  replace: '\"\\'\n  match: { regex: '\"|\\\\\\\\' }\n"
    "- rule: some\n  rollout: 40\n  scope: { groups: ['r*'], except_senders: ['adm*'], exempt_admins: true }\n"
    "  action: discard\n  then: [resend]\n  match: { regex: 'x\\d+y' }\n"
    "- rule: other\n  action: reject\n  replace: '[gone]'\n  then: [resend]\n  match: { regex: 'z\\d+y' }\n"
    "- rule: shy\n  mode: shadow\n  action: reject\n  match: { regex: '.' }\n"
    "- admins: ['boss*']\n"
    "- rule: after\n  when: after\n  action: reject\n  match: { regex: 'q', folding: [case, separators] }\n",
    ALL_CONDITIONS
    "- list: w\n  folding: [all]\n  terms: [abc, 加微信]\n"
    "- rule: w\n  action: mask\n  match: { any: [ { terms: w }, { contact: [phone] }, { length: { at_least: 1 } } ] }\n",
};

enum { FUZZ_SETS = sizeof(fuzz_rules) / sizeof(*fuzz_rules) };

static inline const struct ruleset *fuzz_set_number(size_t n)
{
    static struct ruleset *sets[FUZZ_SETS];

    n %= FUZZ_SETS;
    if (!sets[n])
        sets[n] = fuzz_set(fuzz_rules[n]);
    return sets[n];
}

#endif
