"""hostile_files.py - rule files nobody means well with, and what the program has to make of each.

A row: name, file (text or bytes), expected. Expected is FINE, or the faults that must be named: (place, words) with the
place as "line:column", or "line" where the column is a matter of taste, or None where the file has no such place.
"""
import random

FINE = "fine"
USES_A = "- rule: r\n  match: { terms: a }\n  action: mask\n"
LIST_A = "- list: a\n  terms: [hello]\n"
MEGABYTE = 1000 * 1000


def regex(*expressions):
    """A rule for each expression; each stands on its own line, the second, fifth, ..."""
    return "".join(f"- rule: r{i}\n  match: {{ regex: '{expression}' }}\n  action: mask\n"
                   for i, expression in enumerate(expressions))


def big_list(lines):
    return "- list: a\n  terms:\n" + "".join(f"    - {line}\n" for line in lines) + USES_A


def ascii_terms(size):
    return big_list(f"term{i:08d}x" for i in range(size // 19))


def chinese_terms(size):
    return big_list(chr(0x4E00 + i % 4999) + chr(0x4E00 + i // 4999) + chr(0x4E00 + i * 7 % 4999)
                    for i in range(size // 16))


def seeded_bytes(size):
    return random.Random(size).randbytes(size)


YAML = [
    ("an indentation that cannot be", "- list: a\n   terms: [x\n", [("2", "mapping values")]),
    ("a tab", "- list: a\n\tterms: [x]\n", [("2:1", "tab")]),
    ("not closed", "- list: a\n  terms: [x, y\n" + USES_A, [("3", "expected")]),
    ("a quote not closed", "- list: \"a\n  terms: [x]\n", [(None, "unexpected end")]),
    ("one word", "hello\n", [("1:1", "list of entries")]),
    ("a map", "rule: x\n", [("1:1", "list of entries")]),
    ("entries of all kinds", "- ~\n- 5\n- []\n- {}\n", [(str(i), "begins with") for i in range(1, 5)]),
    ("two documents", LIST_A + USES_A + "---\n" + LIST_A, [("6", "second document")]),
    ("a version from the future", "%YAML 9.9\n---\n" + LIST_A + USES_A, [("1:1", "incompatible")]),
    ("anchors", "- list: a\n  terms: &t [x]\n- list: b\n  terms: *t\n" + USES_A, [("2:10", "anchors")]),
    ("an alias of nothing", "- *x\n", [("1:3", "aliases")]),
    ("an alias of itself", "- &a [*a]\n", [("1:3", "anchors")]),
    ("a laugh a billion times", "- &a [x, x, x, x]\n" + "".join(
        f"- &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)), [("1:3", "anchors")]),
    ("a merged map", "- &x\n  list: a\n  terms: [x]\n- <<: *x\n  list: b\n", [("1:3", "anchors")]),
    ("100,000 brackets", "[" * 100000, [("1", "nested too deeply")]),
    ("100,000 braces", "- rule: r\n  match: " + "{not: " * 100000, [("2", "nested too deeply")]),
    ("5,000 times not", "- rule: r\n  match: " + "{not: " * 5000 + "{regex: x}" + "}" * 5000 + "\n  action: mask\n",
     [("2", "nested too deeply")]),
    ("5,000 lists in lists", "".join(" " * (2 * i) + "-\n" for i in range(5000)), [(None, "nested too deeply")]),
    ("a key of 100,000 bytes", "- list: a\n  " + "k" * 100000 + ": 1\n  terms: [x]\n", [("2", "")]),
    ("30,000 keys", "- list: a\n" + "".join(f"  k{i}: 1\n" for i in range(30000)), [("2:3", 'no key "k0"')]),
]

BYTES = [
    ("NUL", b"- list: a\n  terms: [x\x00y]\n", [(None, "control characters")]),
    ("an escaped NUL", '- list: a\n  terms: ["x\\0y"]\n' + USES_A, [("2:11", "U+0000")]),
    ("a byte that is never UTF-8", b"- list: a\n  terms: [x\xffy]\n", [(None, "UTF-8")]),
    ("an overlong form", b"- list: a\n  terms: [x\xc0\x80y]\n", [(None, "UTF-8")]),
    ("a surrogate", b"- list: a\n  terms: [x\xed\xa0\x80y]\n", [(None, "Unicode")]),
    ("an escaped surrogate", '- list: a\n  terms: ["x\\ud800y"]\n' + USES_A, [("2", "Unicode")]),
    ("beyond Unicode", b"- list: a\n  terms: [x\xf4\x90\x80\x80y]\n", [(None, "")]),
    ("a sequence cut off", b"- list: a\n  terms: [x]\n# \xe4\xb8", [(None, "UTF-8")]),
    ("a control character", b"- list: a\n  terms: [x\x01y]\n", [(None, "control characters")]),
    ("UTF-16", (LIST_A + USES_A).encode("utf-16"), [(None, "UTF-8")]),
    ("a mark before a comment", b"\xef\xbb\xbf# made elsewhere\n" + (LIST_A + USES_A).encode(), FINE),
    ("CR LF", (LIST_A + USES_A).replace("\n", "\r\n"), FINE),
    ("10 MB of noise", lambda: seeded_bytes(10 * MEGABYTE), [(None, "")]),
]

MEANING = [
    ("terms that fold to nothing", '- list: a\n  terms: ["\\u200b", ok, "\\u200b\\u2060"]\n' + USES_A,
     [("2:11", "folds to nothing"), ("2:25", "folds to nothing")]),
    ("empty terms", '- list: a\n  terms: ["", ok, " "]\n' + USES_A, [("2:11", "empty"), ("2:19", "folds to nothing")]),
    ("a list without terms", "- list: a\n  terms: []\n" + USES_A, [("2", "no terms")]),
    ("a list without the key", "- list: a\n" + USES_A, [("1:3", "terms")]),
    ("a list nobody defines", USES_A, [("2", '"a"')]),
    ("the same names", LIST_A + LIST_A + USES_A + USES_A, [("3:3", "another list"), ("8:3", "another rule")]),
    ("the same key", "- list: a\n  terms: [x]\n  terms: [y]\n" + USES_A, [("3:3", "second time")]),
    ("near misses", "- list: a\n  term: [x]\n  boundry: any\n- rule: q\n  mach: { terms: a }\n  acton: mask\n  "
     "scop: { group: [x] }\n", [("2:3", '"terms"'), ("3:3", '"boundary"'), ("5:3", '"match"'), ("6:3", '"action"'),
                                ("7:3", '"scope"')]),
    ("values near ones that exist", "- list: a\n  folding: [cas]\n  boundary: words\n  terms: [x]\n- rule: q\n"
     "  when: befor\n  mode: shaddow\n  match: { terms: a }\n  action: msk\n",
     [("2", '"case"'), ("3", '"word"'), ("6", '"before"'), ("7", '"shadow"'), ("9", '"mask"')]),
    ("wrong kinds everywhere", "- rule: [a]\n  match: 5\n  action: {}\n  scope: 3\n  examples: 7\n  then: {a: b}\n"
     "  when: [now]\n  mode: {}\n  note: []\n", [(str(i), "") for i in range(1, 10)]),
    ("numbers out of range", "- rule: r\n  match: { regex: x }\n  action: reject\n  reject_code: "
     "99999999999999999999\n", [("4", "10100")]),
    ("a name of 100,000 bytes", "- list: " + "a" * 100000 + "\n  terms: [x]\n", [("1:9", "100000 bytes")]),
    ("a term of 100,000 bytes", "- list: a\n  terms: [" + "x" * 100000 + "]\n" + USES_A, [("2:11", "100000 bytes")]),
    ("one term of 10 MB", lambda: "- list: a\n  terms: [" + "x" * (10 * MEGABYTE) + "]\n" + USES_A, [("2:11", "bytes")]),
    ("a mark before the first entry", b"\xef\xbb\xbf" + (LIST_A + USES_A).encode(), FINE),
    ("the place of a bad byte", b"- list: a\n  terms: [x\xffy]\n", [("2:12", "UTF-8")]),
    ("the place of a control character", b"- list: a\n  terms: [x\x01y]\n", [("2:12", "control")]),
    ("a name's key near one that exists", "- lst: a\n  terms: [x]\n- rul: r\n  match: { regex: x }\n  action: mask\n",
     [("1:3", '"list"'), ("3:3", '"rule"')]),
    ("a tag", "- list: !!python/object:os.system a\n  terms: [x]\n" + USES_A, [("1:9", "tag")]),
    ("a tag of a list", "- list: a\n  terms: !foo [x]\n" + USES_A, [("2:10", "tag")]),
    ("an example that fails", LIST_A + USES_A + "  examples: [{ text: hello, verdict: allow }]\n", [("6", "mask")]),
]

EXPRESSIONS = [
    ("faults of many kinds", regex("((", "a{2,1}", "[z-a]", "(?=a)b", "(?<!a)b", r"(a)\1", "", "a*", "a?", "*a", "a" * 5000),
     [(str(2 + 3 * i), "") for i in range(11)]),
    ("repeats in repeats", regex("((((a{1,1000}){1,1000}){1,1000}){1,1000})", "(.{1,200}){1,200}z", ".{32000}x",
                                 "[a-z]{1,9999}[0-9]{1,9999}"), [(str(2 + 3 * i), "repeat") for i in range(4)]),
    ("more than it looks", regex("(x{1,500}y){1,500}"), [("2", "repeats add up")]),
    ("branches in a row", regex("(a|b|ab)*c" * 200), [("2", "groups")]),
    ("20,000 brackets", regex("(" * 20000 + ")" * 20000), [("2", "40000 bytes")]),
    ("brackets as deep as fits", regex("(" * 2000 + "a" + ")" * 2000), FINE),
    ("every expression that is too large", regex("(x{1,50}y){1,50}", "(z{1,50}y){1,50}"),
     [("2", "repeats add up"), ("5", "repeats add up")]),
    ("too large, twice", regex("(x{1,30}y){1,30}", "(z{1,30}y){1,30}"), [("2", "too large"), ("5", "too large")]),
    ("too large, behind another fault", regex("(?=a)b", "(x{1,30}y){1,30}", "(z{1,30}y){1,30}"),
     [("2", "look-ahead"), ("5", "too large"), ("8", "too large")]),
    ("too large, behind too many",
     regex("(a|b|ab)*c" * 40, *(f"({c}{{1,30}}y){{1,30}}" for c in "abcdefghijklmnopqrstuvwxyz")),
     [("2", "too large"), (None, "all expressions")]),
    ("groups that are repeated", regex(r"(\w*a)*" * 300 + "z", "(ab|cd|e)?" * 300 + "z"),
     [("2", "groups"), ("5", "groups")]),
    ("many groups that are repeated", regex(*(r"(\w*a)*" * 39 + c for c in "abcdefghijklmnopqrstuvwxyz" * 3)),
     [("2", "too large")]),
    ("properties", regex(*[r"\p{L}+" * 400 + c for c in "abcdefgh"]), [("2", "properties"), ("23", "properties")]),
    ("many properties", regex(*(r"\p{L}+" * 15 + c for c in "abcdefghijklmnopqrstuvwxyz" * 3)), [(None, "all expressions")]),
    ("many that are nearly too large", regex(*(f"({c}{{1,30}}y){{1,30}}{d}" for c in "abcdefgh" for d in "ijklmno")),
     [("83", "all expressions")]),
    ("slow elsewhere, not here", regex("(a+)+$", "([a-z]+)*1", "(a|a)*b", "(x+x+)+y"), FINE),
]

SIZES = [
    ("a legal list of 10 MB", lambda: ascii_terms(10 * MEGABYTE), FINE),
    ("a legal Chinese list of 10 MB", lambda: chinese_terms(10 * MEGABYTE), FINE),
    ("30,000 rules", lambda: LIST_A + "".join(USES_A.replace(": r\n", f": r{i}\n") for i in range(30000)), FINE),
    ("20,000 lists", lambda: "".join(f"- list: a{i}\n  terms: [t{i}x]\n" for i in range(20000)), FINE),
    ("100,000 conditions", lambda: LIST_A + "- rule: r\n  action: mask\n  match:\n    any: [" +
     ", ".join(["{ terms: a }"] * 100000) + "]\n", FINE),
    ("10,000 examples", lambda: LIST_A + USES_A + "  examples: [" +
     ", ".join(["{ text: hello, verdict: mask }"] * 10000) + "]\n", FINE),
    ("30,000 rules of one name", lambda: LIST_A + USES_A * 30000, [("6:3", "another rule")]),
    ("1,000 faults", "".join(f"- rule: r{i}\n  match: {{ terms: nolist }}\n  action: msk\n" for i in range(1000)),
     [("3", '"mask"'), ("6", '"mask"')]),
    ("1,000 faulty expressions", regex(*["(("] * 1000), [("2", "parenthesis"), ("5", "parenthesis")]),
]

# Many seconds each, minutes with a sanitizer: one command, and only in the release build.
SLOW = {"a legal list of 10 MB", "a legal Chinese list of 10 MB"}
