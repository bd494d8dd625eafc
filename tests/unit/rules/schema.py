#!/usr/bin/env python3
"""The JSON Schema of rule files against the reader: schema.py CHATSLUICE SOURCE_DIRECTORY

What we ship and show passes both; wrong files are refused by both; and every key and word that the reader's tables know
stands in the schema, and the other way round.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
SCHEMA = json.loads((SOURCE / "config/rules/rules.schema.json").read_text())
faults = 0


def fault(words):
    global faults
    faults += 1
    print(words)


class Loader(yaml.SafeLoader):
    """YAML 1.2, as editors read it: only true and false are booleans, off and yes are texts."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"^(?:true|false)$", "tf"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?[0-9]*\.[0-9]+$", "-+.0123456789"),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
]:
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), list(first))


def schema_refuses(text):
    """The reason, or None. YAML that cannot be read is refused as well."""
    try:
        entries = yaml.load(text, Loader)
    except yaml.YAMLError as e:
        return str(e)
    error = jsonschema.exceptions.best_match(VALIDATOR.iter_errors(json.loads(json.dumps(entries))))
    return error and "%s: %s" % ("/".join(map(str, error.absolute_path)), error.message)


def reader_refuses(text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        r = subprocess.run([PROGRAM, "rules", "try", "--rules", f.name], input=b"", capture_output=True, timeout=60)
    return r.stderr.decode() if r.returncode else None


def good_files():
    for path in sorted((SOURCE / "config/rules").glob("*.yaml")) + sorted((SOURCE / "tests/data").rglob("*.yaml")):
        yield str(path.relative_to(SOURCE)), path.read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", (SOURCE / "README.md").read_text(), re.M | re.S)
    rules = [b for b in blocks if re.match(r"(#.*\n)*- (rule|list|table|scorecard|admins):", b)]
    if not rules:
        fault("README.md shows no rules")
    for i, block in enumerate(rules):
        yield "README.md, block %d" % (i + 1), block
    for i, block in enumerate(GOOD):
        yield "good text %d" % (i + 1), block


def rule(condition="regex: x", rest="action: flag"):
    return "- rule: a\n  match: { %s }\n  %s\n" % (condition, rest)


GOOD = [
    rule(rest="action: reject\n  replace: y\n  then: resend\n  examples: [{ text: x, verdict: reject, becomes: y }]"),
    rule(rest="action: discard\n  mask: '#'\n  then: [recall, resend]\n"
              "  examples: [{ text: x, verdict: discard, becomes: '#' }]"),
    rule(rest="action: reject\n  mask: '#'\n  replace: y\n  reject_code: 10100\n  then: [resend, mute 10m]"),
    "- scorecard: s\n  at: { flag: 1, discard: 3 }\n  mask: '#'\n  then: resend\n",
    "- scorecard: s\n  at: { reject: 3 }\n  replace: x\n  then: [mute 1s, resend]\n",
]

BAD = [
    "hello\n",
    "- terms: [x]\n",
    "rules: {}\n",
    "- rule: a\n  action: flag\n",
    "- rule: a\n  match: { regex: x }\n",
    "- rule: a b\n  match: { regex: x }\n  action: flag\n",
    "- rule: a\n  match: regex\n  action: flag\n",
    "- list: a\n",
    "- list: a\n  terms: []\n",
    "- list: a\n  terms: [{ x: y }]\n",
    "- list: a\n  terms: [x]\n  folding: [acents]\n",
    "- list: a\n  terms: [x]\n  folding: case\n",
    "- list: a\n  terms: [x]\n  boundary: words\n",
    "- list: a\n  terms: [x]\n  author: me\n",
    "- list: a\n  terms: [%s]\n" % ("x" * 600),
    "- table: t\n",
    "- table: t\n  map: {}\n",
    "- table: t\n  map: [x]\n",
    "- table: t\n  map: { '': x }\n",
    "- table: t\n  map: { %s: x }\n" % ("x" * 200),
    "- admins: [{ a: b }]\n",
    "- admins: [a]\n  note: b\n",
    "- scorecard: s\n",
    "- scorecard: s\n  at: {}\n",
    "- scorecard: s\n  at: { allow: 3 }\n",
    "- scorecard: s\n  at: { flag: 0 }\n",
    "- scorecard: s\n  at: { flag: 3 }\n  mask: '#'\n",
    "- scorecard: s\n  at: { replace: 3 }\n",
    "- scorecard: s\n  at: { flag: 3 }\n  reject_code: 10100\n",
    "- scorecard: s\n  at: { reject: 3 }\n  reject_text: no\n",
    "- scorecard: s\n  at: { reject: 3 }\n  action: mask\n",
    "- scorecard: s\n  at: { flag: 3 }\n" + rule(rest="score: { s: 0 }"),
    "- scorecard: s\n  at: { flag: 3 }\n" + rule(rest="score: { s: 1, t: 1 }"),
    "- scorecard: s\n  at: { flag: 3 }\n" + rule(rest="score: 3"),
    "- scorecard: s\n  at: { flag: 3 }\n" + rule(rest="score: { s: 1 }\n  action: mask"),
    "- scorecard: s\n  at: { flag: 3 }\n" + rule(rest="score: { s: 1 }\n  then: [recall]"),
    rule(rest="action: masc"),
    rule(rest="action: flag\n  when: never"),
    rule(rest="action: flag\n  mode: on"),
    rule(rest="action: flag\n  rollout: 101"),
    rule(rest="action: flag\n  rollout: 25%"),
    rule(rest="action: flag\n  mask: '#'"),
    rule(rest="action: flag\n  replace: x"),
    rule(rest="action: flag\n  replace: x\n  then: [resend]"),
    rule(rest="action: reject\n  replace: x"),
    rule(rest="action: reject\n  mask: x\n  then: [recall]"),
    rule(rest="action: mask\n  replace: x\n  then: [resend]"),
    "- scorecard: s\n  at: { reject: 3 }\n  mask: '#'\n  then: recall\n",
    "- scorecard: s\n  at: { flag: 3 }\n  replace: x\n  then: resend\n",
    rule(rest="action: replace"),
    rule(rest="action: flag\n  reject_code: 1"),
    rule(rest="action: reject\n  reject_code: 2"),
    rule(rest="action: reject\n  reject_text: no"),
    rule(rest="action: reject\n  reject_code: 1\n  reject_text: no"),
    rule(rest="action: flag\n  then: [mute]"),
    rule(rest="action: flag\n  examples: { text: x }"),
    rule(rest="action: flag\n  examples: [{ text: x }]"),
    rule(rest="action: flag\n  examples: [{ text: x, verdict: flag, becomes: y }]"),
    rule(rest="action: flag\n  scope: { group: [x] }"),
    rule(rest="action: flag\n  scope: { groups: [] }"),
    rule(rest="action: flag\n  scope: { apps: [live] }"),
    rule(rest="action: flag\n  scope: { exempt_admins: maybe }"),
    rule("regex: x, terms: y"),
    rule("folding: [case]"),
    rule("length: { more_than: 3 }, folding: [case]"),
    rule("terms: [x, y]"),
    rule("link: any"),
    rule("links: all"),
    rule("links: {}"),
    rule("links: { deny: 'https://x.example/' }"),
    rule("links: { deny: '*.example' }"),
    rule("contact: fax"),
    rule("contact: []"),
    rule("length: 500"),
    rule("length: {}"),
    rule("length: { more_than: 3, at_least: 3 }"),
    rule("lines: { less_than: many }"),
    rule("lines: { more_than: -1 }"),
    rule("share: { of: emoji }"),
    rule("share: { of: smiles, percent: 3 }"),
    rule("share: { of: emoji, percent: 0 }"),
    rule("share: { of: script, percent: 3 }"),
    rule("share: { of: caps, percent: 3, scripts: [Latin] }"),
    rule("types: [img]"),
    rule("json: { path: a, exists: true }"),
    rule("json: { in: cloud_custom_data, path: a }"),
    rule("json: { in: cloud_custom_data, path: a, exists: false }"),
    rule("json: { in: cloud_custom_data, path: a, exists: true, glob: x }"),
    rule("json: { in: cloud_custom_data, path: 'a..b', exists: true }"),
    rule("json: { in: cloud_custom_data, path: 'a[x]', exists: true }"),
    rule("json: { in: cloud_custom_data, path: a, more_than: x }"),
    rule("repeated: { times: 1, within: 10s, by: sender }"),
    rule("repeated: { times: 3, within: 10, by: sender }"),
    rule("repeated: { times: 3, within: 10s, by: sender, tighten: 1 }"),
    rule("rate: { times: 3, within: 10s }"),
    rule("rate: { times: 1001, within: 10s, by: room }"),
    rule("rate: { times: 3, within: 10d, by: room }"),
    rule("any: []"),
    rule("not: [{ regex: x }]"),
]

# The reader's table NAME_keys describes the schema's definition or the part of it at this path.
KEY_TABLES = {
    "document": "document",
    "rule": "rule",
    "example": "example",
    "list": "list",
    "table": "table",
    "admins": "admins",
    "scorecard": "scorecard",
    "at": "scorecard.at",
    "scope": "scope",
    "condition": "condition",
    "links": "condition.links",
    "bounds": "condition.length",
    "share": "condition.share",
    "json": "condition.json",
    "repeated": "condition.repeated",
    "rate": "condition.rate",
}

# The reader's list of words is the schema's enum at this path; what the schema has beside it.
WORD_LISTS = {
    "fold_step_names": ("folding", {"all"}),
    "boundary_names": ("list.boundary", set()),
    "when_names": ("rule.when", set()),
    "mode_names": ("rule.mode", set()),
    "action_names_list": ("rule.action", set()),
    "contact_names": ("condition.contact", {"any"}),
    "share_names": ("condition.share.of", set()),
    "type_names": ("condition.types", set()),
    "json_where_names": ("condition.json.in", set()),
    "counted_names": ("condition.rate.by", set()),
}


def inside(node, word):
    """All values of the key word in node, however deep, but not inside of further properties."""
    found = [node[word]] if word in node else []
    for key, value in node.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict) and key != "properties":
                found += inside(part, word)
    return found


def at(path):
    name, *keys = path.split(".")
    node = SCHEMA["definitions"][name]
    for key in keys:
        node = next(p[key] for p in inside(node, "properties") if key in p)
    return node


def check_drift():
    sources = "".join(p.read_text() for p in sorted((SOURCE / "src/rules/language").glob("*_read.c")))
    tables = dict(re.findall(r"static const struct key (\w+)_keys\[\] = \{(.*?)\n?\};", sources, re.S))
    if set(tables) != set(KEY_TABLES):
        fault("key tables of the reader and of this test differ: %s" % sorted(set(tables) ^ set(KEY_TABLES)))
    for name in sorted(set(tables) & set(KEY_TABLES)):
        reader = set(re.findall(r'\{"(\w+)",', tables[name]))
        schema = set(max(inside(at(KEY_TABLES[name]), "properties"), key=len))
        if not reader or reader != schema:
            fault("%s_keys and the schema's %s differ: %s" % (name, KEY_TABLES[name], sorted(reader ^ schema)))

    names = (SOURCE / "src/rules/language/rule_names.c").read_text()
    lists = {}
    for name, words in re.findall(r'^NAMES\(\s*(\w+),\s*"[^;]*?",(.*?)\);', names, re.M | re.S):
        lists[name] = set(re.findall(r'"(\w+)"', words))
    expected = set(WORD_LISTS) | {"scope_names", "except_names"}  # those two are keys, compared above
    if set(lists) != expected:
        fault("word lists of the reader and of this test differ: %s" % sorted(set(lists) ^ expected))
    for name, (path, beside) in sorted(WORD_LISTS.items()):
        schema = set().union(*inside(at(path), "enum")) | set(inside(at(path), "const"))
        if lists.get(name, set()) | beside != schema:
            fault("%s and the schema's %s differ: %s" % (name, path, sorted((lists.get(name, set()) | beside) ^ schema)))


jsonschema.Draft7Validator.check_schema(SCHEMA)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
good = 0
for where, text in good_files():
    good += 1
    for who, why in [("the schema", schema_refuses(text)), ("the reader", reader_refuses(text))]:
        if why:
            fault("%s is refused by %s: %s" % (where, who, why))
for text in BAD:
    if not schema_refuses(text):
        fault("the schema accepts\n%s" % text)
    if not reader_refuses(text):
        fault("the reader accepts\n%s" % text)
check_drift()
print("%d good files, %d bad ones, %d key tables, %d word lists: %d faults"
      % (good, len(BAD), len(KEY_TABLES), len(WORD_LISTS), faults))
sys.exit(1 if faults else 0)
