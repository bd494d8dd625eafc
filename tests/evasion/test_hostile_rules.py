"""Hostile rule files against `chatsluice check` and `chatsluice rules try`: refused with every fault named, or taken where
they are legal; no crash, no hang, no flood of lines."""
import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import hostile_files as files
from trial import CHATSLUICE, SANITIZER_REPORT, clean_environment
from harness import SCALE

SECONDS = 240           # a bound on a hang, not a measure
LINES_AT_MOST = 300
PLACE = re.compile(r":(\d+):(\d+): ")

# `check` also looks at the configuration; this one is in order.
ENVIRONMENT = {"CHATSLUICE_APPS_1_SDKAPPID": "1400000001", "CHATSLUICE_APPS_1_TOKEN": "live-hook-token-01"}


def execute(*words, stdin=b"hello\n"):
    return subprocess.run([str(CHATSLUICE), *words], input=stdin, capture_output=True, timeout=SECONDS,
                          env=clean_environment(**ENVIRONMENT))


class Hostile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "rules.yaml"

    def write(self, content):
        content = content() if callable(content) else content
        self.path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def ends_well(self, done):
        """What holds for every file: an orderly end, a bounded output."""
        words = done.stderr.decode(errors="replace")
        self.assertIn(done.returncode, (0, 1), f"ended with {done.returncode}: {words[-2000:]}")
        self.assertNotRegex(words, SANITIZER_REPORT)
        self.assertLessEqual(len(words.splitlines()), LINES_AT_MOST)
        self.assertLessEqual(max([len(line) for line in words.splitlines()] or [0]), 2000, "one line is endless")
        return words

    def names(self, words, expected):
        """Every expected fault has its line."""
        lines = [line for line in words.splitlines() if str(self.path) in line]
        for place, say in expected:
            found = [line for line in lines if say in line and self.stands_at(line, place)]
            self.assertTrue(found, f"nothing about {say!r} at {place}; it says:\n" + "\n".join(lines[:20]))

    def stands_at(self, line, place):
        found = PLACE.search(line)
        if place is None:
            return True
        return bool(found) and place in (found[1], f"{found[1]}:{found[2]}")

    def judge(self, content, expected, once=False):
        self.write(content)
        commands = [("check", str(self.path)), ("rules", "try", "--json", "--rules", str(self.path))]
        for command in commands[:1] if once else commands:
            with self.subTest(command=command[0]):
                done = execute(*command)
                words = self.ends_well(done)
                if expected == files.FINE:
                    self.assertEqual(done.returncode, 0, words[-2000:])
                    continue
                self.assertEqual(done.returncode, 1, "it was taken")
                self.names(words, expected)
                if command[0] == "rules":
                    self.assertEqual(done.stdout, b"", "it judged by refused rules")

    def rows(self, table):
        for name, content, expected in table:
            with self.subTest(file=name):
                self.judge(content, expected, once=name in files.SLOW)


class Files(Hostile):
    def test_yaml(self):
        self.rows(files.YAML)

    def test_bytes(self):
        self.rows(files.BYTES)

    def test_meaning(self):
        self.rows(files.MEANING)

    def test_expressions(self):
        self.rows(files.EXPRESSIONS)

    def test_sizes(self):
        self.rows([row for row in files.SIZES if SCALE == 1 or row[0] not in files.SLOW])

    def test_files_that_are_none(self):
        for path in ("/nonexistent/rules.yaml", "/", "/dev/full"):
            for command in (("check", path), ("rules", "try", "--rules", path)):
                with self.subTest(path=path, command=command[0]):
                    done = execute(*command)
                    self.assertIn(path, self.ends_well(done))
                    self.assertEqual(done.returncode, 1)

    def test_the_count_of_faults_is_told(self):
        self.write("".join(f"- rule: r{i}\n  match: {{ regex: x }}\n  action: msk\n" for i in range(1000)))
        words = self.ends_well(execute("check", str(self.path)))
        self.assertIn("1000 faults", words)
        self.assertIn("and 800 more", words)
        self.assertIn("and 800 more", self.ends_well(execute("rules", "try", "--rules", str(self.path))))

    def test_several_files_are_all_looked_at(self):
        self.write("- list: a\n  term: [x]\n")
        other = self.path.with_name("other.yaml")
        other.write_text("- rule: r\n  acton: mask\n")
        words = self.ends_well(execute("check", str(self.path), str(other)))
        self.assertIn("rules.yaml:2:3", words)
        self.assertIn("other.yaml:2:3", words)


class Scanning(Hostile):
    """Expressions that were taken meet texts made for them."""

    def texts(self):
        return ["a" * n for n in (255, 256, 1000, 12000)] + ["ab" * 6000, "abcd" * 3000, "x" * 12000, "é" * 6000]

    def scan(self, *expressions):
        self.write(files.regex(*expressions))
        done = execute("rules", "try", "--json", "--rules", str(self.path), stdin=("\n".join(self.texts()) + "\n").encode())
        words = self.ends_well(done)
        self.assertEqual(done.returncode, 0, words)
        self.assertEqual(len([json.loads(line) for line in done.stdout.decode().splitlines()]), len(self.texts()))

    def test_slow_elsewhere(self):
        for expression in ("(a*)*x", "([a-z]+)+1", "(a|aa)+$", "[a-z]", "a.*b.*c.*d", r"(\w+\s?)+!"):
            with self.subTest(expression=expression):
                self.scan(expression)

    def test_an_ordinary_expression_and_a_long_text(self):
        """vectorscan 5.4.9 copies the text into 255 bytes before it looks for the expression's last two letters."""
        self.scan("a+b")

    def test_the_same_among_others(self):
        self.scan("(a+)+b", "foo|a+b")


if __name__ == "__main__":
    unittest.main()
