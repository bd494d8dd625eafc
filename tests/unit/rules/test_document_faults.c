/* Every fault of a rule file: where it is, what it says, and that reading goes on after it. */
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
    {"- rule: a\n"
     "  match: {regex: 'x+'}\n"
     "  action: masc\n",
     "r.yaml:3:11: action cannot be \"masc\"; did you mean \"mask\"? (rule \"a\")\n"},
    {"- rule: a\n"
     "  macth: {regex: 'x+'}\n"
     "  action: mask\n",
     "r.yaml:2:3: a rule has no key \"macth\"; did you mean \"match\"? (rule \"a\")\n"
     "r.yaml:1:3: rule \"a\" has no match; add the condition under which it applies\n"},
    {"- rule: a\n"
     "  match: {regex: '(x)\\1'}\n"
     "  action: mask\n",
     "r.yaml:2:18: the expression cannot be used: Back-references are unsupported; write out the repeated text (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: 'x*'}\n"
     "  action: mask\n",
     "r.yaml:2:18: the expression cannot be used: Pattern matches empty buffer; make at least one character required, for example + in place of * (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: '(?<=a)b'}\n"
     "  action: mask\n",
     "r.yaml:2:18: the expression cannot be used: Zero-width assertions are not supported; look-ahead and look-behind do not exist here; use \\b or an allow rule for what must pass (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: 'a.{1,600}b\\{.{,300}c{101}d{5,}'}\n"
     "  action: mask\n",
     "r.yaml:2:18: the expression cannot be used: its repeats add up to 1006, more than 1000; use + or smaller repeats (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {terms: words}\n"
     "  action: flag\n",
     "r.yaml:2:10: there is no list \"words\"; add it as an entry of its own, - list: words (rule \"a\")\n"},
    {"- list: words\n"
     "  terms: [x]\n"
     "- rule: a\n"
     "  match: {terms: wrods}\n"
     "  action: flag\n",
     "r.yaml:4:10: there is no list \"wrods\"; did you mean \"words\"?\n"},
    {"- list: w\n"
     "  terms: [x]\n"
     "- list: w\n"
     "  terms: [y]\n",
     "r.yaml:3:3: there is another list \"w\" at r.yaml:1:3; rename one of them\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: flag\n"
     "- rule: a\n"
     "  match: {regex: y}\n"
     "  action: flag\n",
     "r.yaml:4:3: there is another rule \"a\" at r.yaml:1:3; rename one of them\n"},
    {"- list: w\n"
     "  terms: [\"\\u200b\", ok, \"\"]\n",
     "r.yaml:2:11: term number 1 folds to nothing and would match everywhere; remove it (list \"w\")\n"
     "r.yaml:2:25: a term is empty; give a text or leave the key out (list \"w\")\n"},
    {"- list: w\n"
     "  folding: [case, acents]\n"
     "  boundary: words\n"
     "  terms: []\n",
     "r.yaml:2:19: folding cannot be \"acents\"; did you mean \"accents\"? (list \"w\")\n"
     "r.yaml:3:13: boundary cannot be \"words\"; did you mean \"word\"? (list \"w\")\n"
     "r.yaml:4:10: list \"w\" has no terms; add some or remove the list\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: reject\n"
     "  reject_code: 10099\n"
     "  reject_text: no\n",
     "r.yaml:4:16: reject_code must be 1, or 10100 to 10200 with a reject_text (rule \"a\")\n"
     "r.yaml:5:16: the sender reads reject_text only with a code of its own; add reject_code: 10100 to 10200 (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: flag\n"
     "  mask: '#'\n"
     "  replace: y\n"
     "  reject_code: 1\n",
     "r.yaml:4:9: mask is for rules with action: mask; remove it (rule \"a\")\n"
     "r.yaml:5:12: replace is for rules with action: replace; remove it (rule \"a\")\n"
     "r.yaml:6:16: reject_code is for rules with action: reject, mask or replace; remove it (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: replace\n",
     "r.yaml:1:3: rule \"a\" has no text to replace the message with; add replace: \"...\"\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: mask\n"
     "  mask: '##'\n",
     "r.yaml:4:9: mask must be one character; it stands for each masked one (rule \"a\")\n"},
    {"- rule: a b\n"
     "  match: {regex: x}\n"
     "  action: mask\n",
     "r.yaml:1:9: the name of the rule \"a b\" holds a blank; use \"-\" instead\n"},
    {"- rule: a\n"
     "  match: {regex: x, terms: y}\n"
     "  action: mask\n",
     "r.yaml:2:10: a condition is one of: terms, regex, links, contact, length, lines, share, types, json, repeated, rate, any, all, not; put several into any or all (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {any: []}\n"
     "  action: mask\n",
     "r.yaml:2:16: any must be a list of at least one condition (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {terms: [x, y]}\n"
     "  action: mask\n",
     "r.yaml:2:18: terms must be the name of a list; put the words into an entry of their own, - list: NAME (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {not: {all: [{regex: x, folding: [case]}], folding: [case]}}\n"
     "  action: mask\n",
     "r.yaml:2:62: folding belongs to a regex or to a list, not to this condition (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: mask\n"
     "  then: [mute]\n",
     "r.yaml:4:10: \"mute\" is no follow-up; use resend, recall, or mute with a duration: mute 10m (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: mask\n"
     "  examples: [{text: x}, {text: x, verdict: flag, becomes: y}]\n",
     "r.yaml:4:14: an example needs a text and a verdict (rule \"a\")\n"
     "r.yaml:4:25: becomes is for the verdicts mask and replace, and with then: [resend] for reject and discard; "
     "remove it (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: discard\n"
     "  mask: '#'\n"
     "  replace: y\n"
     "  then: [recall]\n"
     "- rule: b\n" /* is fine */
     "  match: {regex: x}\n"
     "  action: reject\n"
     "  mask: '#'\n"
     "  replace: y\n"
     "  then: [recall, resend]\n"
     "- rule: c\n"
     "  match: {regex: x}\n"
     "  action: flag\n"
     "  mask: '#'\n"
     "  then: [resend]\n",
     "r.yaml:4:9: mask is for rules with action: mask; remove it (rule \"a\")\n"
     "r.yaml:5:12: replace is for rules with action: replace; remove it (rule \"a\")\n"
     "r.yaml:16:9: mask is for rules with action: mask; remove it (rule \"c\")\n"},
    {"- rule: a\n"
     "  scope: {group: [x]}\n"
     "  match: {regex: x}\n"
     "  action: mask\n",
     "r.yaml:2:11: a scope has no key \"group\"; did you mean \"groups\"? (rule \"a\")\n"},
    {"- terms: [x]\n",
     "r.yaml:1:3: an entry begins with \"rule: NAME\", \"list: NAME\", \"table: NAME\", \"scorecard: NAME\" or \"admins: [..]\"\n"},
    {"hello\n", "r.yaml:1:1: a rule file is a list of entries; begin each with \"- rule: NAME\" or \"- list: NAME\"\n"},
    {"- rule: a\n"
     "  rule: b\n",
     "r.yaml:2:3: key \"rule\" stands here a second time; keep one of them\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n",
     "r.yaml:1:3: rule \"a\" has no action; add one of: allow, flag, mask, replace, reject, discard, or score: { SCORECARD: points }\n"},
    {"", ""},
    {"- list: unused\n"
     "  terms: [no, 12, ~]\n",
     ""},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: flag\n"
     "  modus: off\n"
     "  rollout: 101\n"
     "  when: befor\n",
     "r.yaml:4:3: a rule has no key \"modus\"; did you mean \"mode\"? (rule \"a\")\n"
     "r.yaml:5:12: rollout must be a whole number from 0 to 100 (rule \"a\")\n"
     "r.yaml:6:9: when cannot be \"befor\"; did you mean \"before\"? (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  action: flag\n"
     "  rollout: 25%\n",
     "r.yaml:4:12: rollout must be a whole number from 0 to 100 (rule \"a\")\n"},
    {"- list: w\n"
     "  tables: [slang, slnag]\n"
     "  terms: [x]\n"
     "- table: slang\n"
     "  map: {a: b}\n",
     "r.yaml:1:3: there is no table \"slnag\"; did you mean \"slang\"?\n"},
    {"- table: t\n"
     "  map: {a: a, \"\": b, c: \"\"}\n",
     "r.yaml:2:9: \"a\" becomes itself; remove it (table \"t\")\n"
     "r.yaml:2:15: the left side of a table's entry is empty; give a text or leave the key out (table \"t\")\n"},
    {"- table: t\n"
     "  map: [a]\n"
     "- table: u\n"
     "- table: t\n"
     "  map: {x: y}\n",
     "r.yaml:2:8: map must be a map of 1 to 100000 texts and what they become: { \"4u\": \"for you\" } (table \"t\")\n"
     "r.yaml:3:3: table \"u\" has no map; add map: { FROM: TO }\n"
     "r.yaml:4:3: there is another table \"t\" at r.yaml:1:3; rename one of them\n"},
    {"- list: w\n"
     "  folding: all\n"
     "  terms: [x]\n",
     "r.yaml:2:12: folding must be a list of: case, invisible, accents, letters, lookalikes, leet, numbers, simplified, separators, repeats, censored, pinyin, initials, homophones, split, or all; [] for none (list \"w\")\n"},
    {"- rule: a\n"
     "  match: {regex: x, tables: [nowhere]}\n"
     "  action: flag\n",
     "r.yaml:2:10: there is no table \"nowhere\"; add it as an entry of its own, - table: nowhere (rule \"a\")\n"},
    {"- list: w\n"
     "  terms: [x]\n"
     "- rule: a\n"
     "  match: {terms: w, tables: [w]}\n"
     "  action: flag\n",
     "r.yaml:4:29: tables belong to a regex or to a list, not to this condition (rule \"a\")\n"
     "r.yaml:4:10: there is no table \"w\"; add it as an entry of its own, - table: w (rule \"a\")\n"},
    {"- admins: [a, {b: c}]\n"
     "  more: x\n",
     "r.yaml:1:15: an account of the admins must be a text\n"
     "r.yaml:2:3: an entry of admins has no key \"more\"; remove it\n"},
    {"- rule: a\n"
     "  scope: {apps: [live], except_apps: [14?0*], platforms: [android], group_types: Life, operators: []}\n"
     "  match: {regex: x}\n"
     "  action: flag\n",
     "r.yaml:2:18: an app of the scope is the number of an SDKAppID, * and ? included; it cannot be \"live\" (rule \"a\")\n"
     "r.yaml:2:59: warning: platform \"android\" is not known; did you mean \"Android\"? (rule \"a\")\n"
     "r.yaml:2:82: warning: group type \"Life\" is not known; did you mean \"Live\"? (rule \"a\")\n"
     "r.yaml:2:99: this list of the scope is empty and says nothing; remove it (rule \"a\")\n"},
    {"- rule: a\n"
     "  scope: {exempt_admins: maybe, except_group: [x]}\n"
     "  match: {regex: x}\n"
     "  action: flag\n",
     "r.yaml:2:26: exempt_admins must be true or false (rule \"a\")\n"
     "r.yaml:2:33: a scope has no key \"except_group\"; did you mean \"except_groups\"? (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  score: {spam: 3}\n"
     "- scorecard: span\n"
     "  at: {mask: 3}\n",
     "r.yaml:1:3: there is no scorecard \"spam\"; did you mean \"span\"?\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  score: {spam: 0, ham: 1}\n"
     "- rule: b\n"
     "  match: {regex: x}\n"
     "  score: {b: many}\n",
     "r.yaml:3:10: score must be one scorecard and points for it: { spam: 3 } (rule \"a\")\n"
     "r.yaml:6:14: points must be a whole number from -1000000 to 1000000 (rule \"b\")\n"
     "r.yaml:4:3: there is no scorecard \"b\"; add it as an entry of its own, - scorecard: b (rule \"b\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  score: {s: 0}\n"
     "  action: flag\n"
     "- scorecard: s\n"
     "  at: {mask: 3}\n",
     "r.yaml:3:14: 0 points change nothing; give some, or less than none to take some away (rule \"a\")\n"
     "r.yaml:3:10: a rule has an action or a score, not both; remove one (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {regex: x}\n"
     "  score: {s: 1}\n"
     "  mask: \"#\"\n"
     "  then: [recall]\n"
     "- scorecard: s\n"
     "  at: {flag: 5, mask: 5, discard: 4}\n",
     "r.yaml:4:9: a rule with a score leaves mask to its scorecard; write it there (rule \"a\")\n"
     "r.yaml:5:9: a rule with a score leaves then to its scorecard; write it there (rule \"a\")\n"
     "r.yaml:7:23: mask must need more points than the weaker flag, which needs 5 (scorecard \"s\")\n"},
    {"- scorecard: s\n"
     "  at: {flag: 3, reject: 2}\n",
     "r.yaml:2:25: reject must need more points than the weaker flag, which needs 3 (scorecard \"s\")\n"},
    {"- scorecard: s\n"
     "  at: {allow: 3, reject: 0}\n"
     "- scorecard: t\n"
     "- scorecard: u\n"
     "  at: {}\n",
     "r.yaml:2:8: at has no key \"allow\"; remove it (scorecard \"s\")\n"
     "r.yaml:2:26: reject must be a whole number from 1 to 1000000 (scorecard \"s\")\n"
     "r.yaml:3:3: scorecard \"t\" has no thresholds; add at: { mask: 5 }\n"
     "r.yaml:5:7: at has no threshold; add one: { mask: 5 } (scorecard \"u\")\n"},
    {"- scorecard: s\n"
     "  at: {flag: 3}\n"
     "  mask: x\n"
     "  replace: y\n"
     "  reject_code: 10100\n",
     "r.yaml:3:9: mask is for scorecards with a threshold for mask; remove it (scorecard \"s\")\n"
     "r.yaml:4:12: replace is for scorecards with a threshold for replace; remove it (scorecard \"s\")\n"
     "r.yaml:5:16: reject_code is for scorecards with a threshold for reject, mask or replace; remove it (scorecard \"s\")\n"},
    {"- scorecard: s\n" /* is fine */
     "  at: {flag: 3, discard: 4}\n"
     "  mask: x\n"
     "  replace: y\n"
     "  then: resend\n"
     "- scorecard: t\n"
     "  at: {flag: 3}\n"
     "  mask: x\n"
     "  replace: y\n"
     "  then: resend\n",
     "r.yaml:8:9: mask is for scorecards with a threshold for mask; remove it (scorecard \"t\")\n"
     "r.yaml:9:12: replace is for scorecards with a threshold for replace; remove it (scorecard \"t\")\n"},
    {"- scorecard: s\n"
     "  at: {replace: 3}\n"
     "- rule: s\n"
     "  match: {regex: x}\n"
     "  action: flag\n",
     "r.yaml:1:3: scorecard \"s\" has no text to replace the message with; add replace: \"...\"\n"
     "r.yaml:3:3: there is another scorecard \"s\" at r.yaml:1:3; rename one of them\n"},
    {"- rule: a\n"
     "  match: {link: any}\n"
     "  action: flag\n",
     "r.yaml:2:11: a condition has no key \"link\"; did you mean \"links\"? (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {links: all}\n"
     "  action: flag\n",
     "r.yaml:2:18: links must be any, { allow: [example.com] } or { deny: [example.com] } (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {links: {}}\n"
     "  action: flag\n",
     "r.yaml:2:18: links names no domain; write links: any for all of them (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {links: {allow: [\"https://User@Example.com:80/x?y\", \"*.bit.ly\", \"a..b\", \"ex ample.com\"], denied: [x]}}\n"
     "  action: flag\n",
     "r.yaml:2:27: an allowed domain is a domain without scheme, port and path, and stands for all below it; write \"example.com\" in place of \"https://User@Example.com:80/x?y\" (rule \"a\")\n"
     "r.yaml:2:62: an allowed domain is a domain without scheme, port and path, and stands for all below it; write \"bit.ly\" in place of \"*.bit.ly\" (rule \"a\")\n"
     "r.yaml:2:74: an allowed domain cannot be \"a..b\"; write it like \"example.com\" (rule \"a\")\n"
     "r.yaml:2:82: an allowed domain cannot be \"ex ample.com\"; write it like \"example.com\" (rule \"a\")\n"
     "r.yaml:2:99: links has no key \"denied\"; did you mean \"deny\"? (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {contact: [phone, mail, emial]}\n"
     "  action: flag\n",
     "r.yaml:2:28: contact cannot be \"mail\"; did you mean \"email\"? (rule \"a\")\n"
     "r.yaml:2:34: contact cannot be \"emial\"; did you mean \"email\"? (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {contact: []}\n"
     "  action: flag\n",
     "r.yaml:2:20: contact is empty; give some of: phone, email, messenger (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {length: 500}\n"
     "  action: flag\n",
     "r.yaml:2:19: length must be a map of keys and values (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {length: {}}\n"
     "  action: flag\n",
     "r.yaml:2:19: length needs a bound: more_than, less_than, at_least or at_most (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {length: {more_than: 5, at_least: 3, less_than: many}}\n"
     "  action: flag\n",
     "r.yaml:2:58: less_than must be a whole number from 0 to 1000000000 (rule \"a\")\n"
     "r.yaml:2:19: more_than and at_least both bound it from below; keep one (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {lines: {more_than: 5, less_than: 6}}\n"
     "  action: flag\n",
     "r.yaml:2:18: no number is at least 6 and at most 5; correct the bounds (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {lines: {less_than: 0}}\n"
     "  action: flag\n",
     "r.yaml:2:18: lines is never less than 0; correct the bound (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {length: {at_least: 0}}\n"
     "  action: flag\n",
     "r.yaml:2:19: warning: length is always at least 0: this always holds (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {share: {}}\n"
     "  action: flag\n",
     "r.yaml:2:18: share does not say of what; add of: one of emoji, caps, script, digits, symbols (rule \"a\")\n"
     "r.yaml:2:18: share has no percent; add percent: 1 to 100 (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {share: {of: emojis, percent: 0, least: -1}}\n"
     "  action: flag\n",
     "r.yaml:2:23: of cannot be \"emojis\"; did you mean \"emoji\"? (rule \"a\")\n"
     "r.yaml:2:40: percent must be a whole number from 1 to 100 (rule \"a\")\n"
     "r.yaml:2:50: least must be a whole number from 1 to 1000000000 (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {share: {of: script, percent: 5}}\n"
     "  action: flag\n",
     "r.yaml:2:18: share of script does not say which; add scripts: [Latin] (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {share: {of: caps, percent: 5, scripts: [Lattin, Klingonese]}}\n"
     "  action: flag\n",
     "r.yaml:2:51: there is no script \"Lattin\"; did you mean \"Latin\"? (rule \"a\")\n"
     "r.yaml:2:59: there is no script \"Klingonese\"; write its Unicode name, such as Latin, Han or Cyrillic, or its code, such as Latn (rule \"a\")\n"
     "r.yaml:2:50: scripts belong to of: script; remove them (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {types: [img, image]}\n"
     "  action: flag\n",
     "r.yaml:2:19: a type of element cannot be \"img\"; did you mean \"image\"? (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {json: {path: a.b}}\n"
     "  action: flag\n",
     "r.yaml:2:17: json does not say where; add in: one of cloud_custom_data, custom_element (rule \"a\")\n"
     "r.yaml:2:17: json needs exactly one test: exists, one_of, glob, or bounds of a number (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {json: {in: cloud_custom_data, exists: no}}\n"
     "  action: flag\n",
     "r.yaml:2:49: exists can only be true; put the condition under a not (rule \"a\")\n"
     "r.yaml:2:17: json has no path; add path: \"key.key\" (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {json: {in: custom, path: \"a..b\", glob: x, one_of: [y]}}\n"
     "  action: flag\n",
     "r.yaml:2:22: in cannot be \"custom\"; it is one of: cloud_custom_data, custom_element (rule \"a\")\n"
     "r.yaml:2:36: path cannot be read: after \"a\" comes no key; separate keys by dots and write other than plain ones as [\"key\"] (rule \"a\")\n"
     "r.yaml:2:17: json needs exactly one test: exists, one_of, glob, or bounds of a number (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {json: {in: custom_element, path: \"a[x]\", one_of: []}}\n"
     "  action: flag\n",
     "r.yaml:2:44: path cannot be read: \"[x]\" is no number of an item; write [0] to [65535], or a key as [\"key\"] (rule \"a\")\n"
     "r.yaml:2:60: one_of is empty and never holds; add values (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {json: {in: custom_element, path: \"a[\\\"x]\", more_than: 1.5}}\n"
     "  action: flag\n",
     "r.yaml:2:44: path cannot be read: [\"...\"] is not closed; write [\"key\"] (rule \"a\")\n"
     "r.yaml:2:65: more_than must be a whole number (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {json: {in: custom_element, path: \"a[0]b\", at_least: 5, at_most: 4}}\n"
     "  action: flag\n",
     "r.yaml:2:44: path cannot be read: after \"a[0]\" comes no key; separate keys by dots and write other than plain ones as [\"key\"] (rule \"a\")\n"
     "r.yaml:2:17: no number is at least 5 and at most 4; correct the bounds (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {repeated: {times: 1, within: 60, by: user}}\n"
     "  action: flag\n",
     "r.yaml:2:40: within must be a time from 1s to 1h, with its unit: 10s, 5m, 1h (rule \"a\")\n"
     "r.yaml:2:48: by cannot be \"user\"; it is one of: sender, sender_in_room, room (rule \"a\")\n"
     "r.yaml:2:21: the first time is no repetition; times must be 2 or more (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {repeated: {times: 3}}\n"
     "  action: flag\n",
     "r.yaml:2:21: repeated needs times, within and by: { times: 3, within: 60s, by: sender } (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {repeated: {times: 0, within: 2h, by: sender, tighten: 3}}\n"
     "  action: flag\n",
     "r.yaml:2:29: times must be a whole number from 1 to 1000 (rule \"a\")\n"
     "r.yaml:2:40: within must be a time from 1s to 1h, with its unit: 10s, 5m, 1h (rule \"a\")\n"
     "r.yaml:2:56: repeated has no key \"tighten\"; remove it (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {rate: {times: 1001, within: 500ms, by: room, tighten: 1001}}\n"
     "  action: flag\n",
     "r.yaml:2:25: times must be a whole number from 1 to 1000 (rule \"a\")\n"
     "r.yaml:2:39: within must be a time from 1s to 1h, with its unit: 10s, 5m, 1h (rule \"a\")\n"
     "r.yaml:2:65: tighten must be a whole number from 0 to 1000 (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {rate: {times: 400, within: 10s, by: room}}\n"
     "  action: flag\n",
     "r.yaml:2:17: warning: rate can never be reached: the platform lets 40 messages a second into a room; use fewer times or a longer time (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {repeated: {times: 41, within: 1s, by: room}}\n"
     "  action: flag\n",
     "r.yaml:2:21: warning: repeated can never be reached: the platform lets 40 messages a second into a room; use fewer times or a longer time (rule \"a\")\n"},
    {"- rule: a\n"
     "  match: {rate: {times: 39, within: 1s, by: room}}\n"
     "  action: flag\n",
     ""},
    {"- rule: a\n"
     "  match: {rate: {times: 40, within: 1s, by: room, tighten: 1}}\n"
     "  action: flag\n",
     ""},
    {"- rule: a\n"
     "  match: {length: {at_least: 3}, lines: {at_least: 4}}\n"
     "  action: flag\n",
     "r.yaml:2:10: a condition is one of: terms, regex, links, contact, length, lines, share, types, json, repeated, rate, any, all, not; put several into any or all (rule \"a\")\n"},
    {"rules: {}\n"
     "tables: [x]\n"
     "rule: y\n",
     "r.yaml:1:8: rules must be a list\n"
     "r.yaml:2:10: a table must be a map of keys and values\n"
     "r.yaml:3:1: a rule document has no key \"rule\"; did you mean \"rules\"?\n"},
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
        assert_int_equal(r, faults.count ? ERR_USAGE : 0);
        faults_release(&faults);
        rule_document_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_says_where_and_what),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
