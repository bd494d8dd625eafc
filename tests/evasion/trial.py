"""trial.py - runs `chatsluice rules try` over many texts and says which lists hit them."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness import CHATSLUICE, SANITIZER_REPORT, clean_environment  # noqa: E402

SECONDS = 300   # a bound on a hang, not a measure


class Refused(AssertionError):
    """The program did not take the rules, or died."""


def rules_file(lists):
    """lists: [(name, folding, terms)]. A rule for each; JSON strings are YAML strings."""
    lines = []
    for name, folding, terms in lists:
        lines += [f"- list: {json.dumps(name)}", f"  folding: [{', '.join(folding)}]", "  terms:"]
        lines += [f"    - {json.dumps(term, ensure_ascii=False)}" for term in terms]
        lines += [f"- rule: {json.dumps('rule-' + name)}", f"  match: {{ terms: {json.dumps(name)} }}",
                  "  action: mask"]
    return "\n".join(lines) + "\n"


def try_file(path, texts, callback=False):
    """One verdict object for each text (or webhook body)."""
    if not texts:
        return []
    command = [str(CHATSLUICE), "rules", "try", "--rules", str(path), "--json"]
    done = subprocess.run(command + (["--callback"] if callback else []), input="".join(t + "\n" for t in texts),
                          capture_output=True, encoding="utf-8", env=clean_environment(), timeout=SECONDS)
    if done.returncode != 0 or SANITIZER_REPORT.search(done.stderr):
        raise Refused(f"rules try ended with {done.returncode}:\n{done.stderr[:2000]}{done.stdout[-500:]}")
    verdicts = [json.loads(line) for line in done.stdout.split("\n") if line]
    if len(verdicts) != len(texts):
        raise Refused(f"rules try gave {len(verdicts)} verdicts for {len(texts)} texts")
    return verdicts


def try_lists(lists, variants):
    """One verdict object for each variant, in order: those a line of text can hold as text, the rest as webhook bodies."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(rules_file(lists))
        file.flush()
        plain = [v for v in variants if not v.needs_callback()]
        bodies = [v for v in variants if v.needs_callback()]
        of_plain = iter(try_file(file.name, [v.text for v in plain]))
        of_bodies = iter(try_file(file.name, [v.body for v in bodies], callback=True))
    return [next(of_bodies if v.needs_callback() else of_plain) for v in variants]


def hits_of(verdict, name, term):
    return [hit for hit in verdict["hits"] if hit["list"] == name and hit["term"] == term]


def overlapping(hits, span):
    return [hit for hit in hits if hit["start"] < span[1] and span[0] < hit["end"]]
