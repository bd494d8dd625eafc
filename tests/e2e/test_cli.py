"""The command line as people and scripts see it: help, exit statuses, `check`, `rules try`, `migrate`, `spool`."""
import json
import unittest
from pathlib import Path

from chat import Webhooks, before, encode
from database import Cluster
from harness import CHATSIM, CHATSLUICE, EndToEnd, Folder, clean_environment, run, run_ok
from service import Service

RULES = Path(__file__).with_name("rules.yaml")
COMMANDS = ["serve", "check", "migrate", "rules import", "rules export", "rules list", "rules publish", "rules history",
            "rules diff", "rules rollback", "rules try", "rules why", "rules replay", "rules lint", "rules evade",
            "resend", "outbox list", "outbox settle", "outbox cancel", "rollup rebuild", "usersig", "spool status",
            "spool verify"]


class Words(EndToEnd):
    def test_help_and_version(self):
        for program, commands in ((CHATSLUICE, COMMANDS), (CHATSIM, ["serve", "load"])):
            version = run_ok(program, "--version")
            self.assertRegex(version, rf"^{program.name} \d+\.\d+\.\d+\n$")
            overview = run_ok(program, "--help")
            for command in commands:
                with self.subTest(program=program.name, command=command):
                    self.assertIn(command, overview)
                    self.assertIn(f"{program.name} {command}", run_ok(program, *command.split(), "--help"))
                    self.assertEqual(run(program, *command.split(), "--version").stdout, version)

    def test_wrong_usage_is_status_2_on_standard_error(self):
        cases = [[], ["nonsense"], ["serve", "--nonsense"], ["check", "--config"], ["rules"], ["rules", "nonsense"],
                 ["rules", "import"], ["migrate", "surplus"], ["spool"], ["spool", "nonsense"],
                 ["rules", "try", "--config", "/nowhere", "--nonsense"]]
        for words in cases:
            with self.subTest(words=words):
                done = run(CHATSLUICE, *words)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertTrue(done.stderr.strip())
        self.assertIn("serve", run(CHATSLUICE, "serv").stderr, "a suggestion")
        for words in ([], ["nonsense"], ["load", "--rate", "much"]):
            with self.subTest(chatsim=words):
                self.assertEqual(run(CHATSIM, *words).returncode, 2)

    def test_a_failure_is_status_1_and_says_what(self):
        nowhere = clean_environment(CHATSLUICE_DATABASE_URL="postgresql:///x?host=/nonexistent-socket-folder")
        for words in (["migrate"], ["rules", "publish", "--note", "x"], ["rules", "export"]):
            with self.subTest(words=words):
                done = run(CHATSLUICE, *words, environment=nowhere)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn("nonexistent-socket-folder", done.stderr)
        done = run(CHATSLUICE, "check", "--config", "/nonexistent/file.yaml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/file.yaml", done.stderr)


class Check(EndToEnd):
    def setUp(self):
        self.folder = Folder(self).path
        self.path = self.folder / "chatsluice.yaml"

    def check(self, text, **environment):
        self.path.write_text(text)
        return run(CHATSLUICE, "check", "--config", self.path, environment=clean_environment(**environment))

    def test_all_faults_at_once_each_with_its_place(self):
        done = self.check("webhook:\n"
                          "  listen: 127.0.0.1:443s\n"
                          "  thread: 64\n"
                          "  deadline: 1500\n"
                          "  authentication: perhaps\n"
                          "spool:\n"
                          "  max_bytes: 8GB\n"
                          "loging:\n"
                          "  level: info\n"
                          "apps:\n"
                          "  - sdkappid: zero\n"
                          "    token: x\n"
                          "    token_file: /nonexistent-token\n")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        output = done.stdout + done.stderr
        for line, column, words in ((2, 11, "TLS"), (3, 3, "threads"), (4, 13, "ms"), (5, 19, "off"),
                                    (7, 14, "GiB"), (8, 1, "log"), (11, 15, "number")):
            place = f"{self.path}:{line}:{column}: "
            told = [row for row in output.splitlines() if place in row]
            self.assertEqual(len(told), 1, f"{place} in\n{output}")
            self.assertIn(words, told[0])
        self.assertIn("_file", output)

    def test_what_belongs_together_is_checked(self):
        app = "apps:\n  - { sdkappid: 1, token: t }\n"
        cases = [  # configuration, words in the complaint
            (app + "webhook: { listen: '0.0.0.0:8080', authentication: off }\n", "authentication"),
            ("apps:\n  - { sdkappid: 1 }\n", "token"),
            ("apps:\n  - { sdkappid: 1, token: t }\n  - { sdkappid: 1, token: u }\n", "sdkappid"),
            ("webhook: { listen: '127.0.0.1:8080' }\n", "apps"),
        ]
        for text, words in cases:
            with self.subTest(text=text):
                done = self.check(text)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn(words, done.stdout + done.stderr)

    def test_the_environment_wins_and_is_checked_too(self):
        good = f"apps:\n  - {{ sdkappid: 1, token: t }}\nspool: {{ directory: {self.folder}/spool }}\n"
        self.assertEqual(self.check(good).returncode, 0)
        done = self.check(good, CHATSLUICE_WEBHOOK_DEADLINE="soon", CHATSLUICE_WEBHOOK_LISTN="127.0.0.1:1")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for words in ("CHATSLUICE_WEBHOOK_DEADLINE", "CHATSLUICE_WEBHOOK_LISTN", "CHATSLUICE_WEBHOOK_LISTEN"):
            self.assertIn(words, done.stdout + done.stderr)
        fixed = self.check(good.replace("directory", "directry"), CHATSLUICE_SPOOL_DIRECTORY=f"{self.folder}/spool")
        self.assertEqual(fixed.returncode, 1, "a fault in the file stays one")

    def test_a_secret_can_come_from_a_file_and_is_never_shown(self):
        (self.folder / "token").write_text("PLANTED-TOKEN\n")
        done = self.check(f"apps:\n  - sdkappid: 1\n    token_file: {self.folder}/token\n"
                          f"spool: {{ directory: {self.folder}/spool }}\nlog: {{ level: loud }}\n"
                          "database: { url: 'postgresql://u:PLANTED-PASSWORD@h/d' }\n")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("PLANTED", done.stdout + done.stderr)

    def test_defaults_are_a_configuration(self):
        defaults = run_ok(CHATSLUICE, "check", "--defaults")
        self.assertIn("listen: 127.0.0.1:8080", defaults)
        done = self.check(defaults, CHATSLUICE_APPS_1_SDKAPPID="1", CHATSLUICE_APPS_1_TOKEN="t",
                          CHATSLUICE_SPOOL_DIRECTORY=str(self.folder / "spool"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class RulesTry(EndToEnd):
    """The interface of design.md section 11, which other people's scripts depend on."""
    def judged(self, *lines, options=()):
        output = run_ok(CHATSLUICE, "rules", "try", "--rules", RULES, "--json", *options,
                        stdin="".join(f"{line}\n" for line in lines))
        results = [json.loads(row) for row in output.splitlines()]
        self.assertEqual(len(results), len(lines))
        return results

    def test_one_object_a_line(self):
        clean, masked, rejected = self.judged("good evening", "你好 darn, call 13800138000", "casino night")
        self.assertGreaterEqual(clean.pop("us"), 0)
        self.assertEqual(clean, {"verdict": "allow", "becomes": None, "decided_by": "default", "hits": [], "rule": None})
        self.assertEqual({k: masked[k] for k in ("verdict", "becomes", "decided_by")},
                         {"verdict": "mask", "becomes": "你好 ****, call ###########", "decided_by": "rule"})
        self.assertEqual(
            [{k: hit[k] for k in ("rule", "list", "term", "start", "end")} for hit in masked["hits"]],
            [{"rule": "coarse", "list": "coarse-words", "term": "darn", "start": 7, "end": 11},
             {"rule": "phone", "list": None, "term": r"\b1[3-9]\d{9}\b", "start": 18, "end": 29}])
        self.assertTrue(all(hit["folding"] for hit in masked["hits"]))
        self.assertEqual((rejected["verdict"], rejected["becomes"], rejected["decided_by"]), ("reject", None, "rule"))

    def test_offsets_are_bytes_of_the_line_as_it_came(self):
        for line, part in (("ＤＡＲＮ!", "ＤＡＲＮ"), ("a d\u200bar\u200bn b", "d\u200bar\u200bn"), ("👍坏\u200d蛋", "坏\u200d蛋"),
                           ("ﬁne, darn", "darn")):
            with self.subTest(line=line):
                (result,) = self.judged(line)
                (hit,) = result["hits"]
                self.assertEqual(line.encode()[hit["start"]:hit["end"]].decode(), part)

    def test_odd_lines_have_an_answer_each(self):
        output = run_ok(CHATSLUICE, "rules", "try", "--rules", RULES, "--json", stdin="\nx\r\nno line feed: darn")
        self.assertEqual([json.loads(row)["verdict"] for row in output.splitlines()], ["allow", "allow", "mask"])

    def test_whole_webhooks(self):
        rows = [before("oh darn it"), before("hello", CloudCustomData="casino night"),
                before("buy buy buy", sender="admin-7"), before("da", "rn")]
        lines = [encode(row).decode() for row in rows]
        verdicts = [r["verdict"] for r in self.judged(*lines, options=["--callback"])]
        self.assertEqual(verdicts, ["mask", "reject", "allow", "mask"])

    def test_people_get_words(self):
        output = run_ok(CHATSLUICE, "rules", "try", "--rules", RULES, stdin="casino night\n")
        self.assertIn("reject", output)
        self.assertIn("betting", output)


class DatabaseAndSpool(EndToEnd):
    def test_migrate_twice_and_dry_run(self):
        database = Cluster(self).create_database(migrated=False)
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('chatsluice', 'moderation')"
        self.assertTrue(database.migrate("--dry-run").strip())
        self.assertEqual(database.value(tables), 0)
        database.migrate()
        count = database.value(tables)
        self.assertGreater(count, 8)
        database.migrate()
        self.assertEqual(database.value(tables), count)

    def test_spool_is_looked_into_without_a_database(self):
        service = Service(self).start()
        with Webhooks(service) as webhooks:
            for text in ("one", "two", "three"):
                webhooks.post(before(text))
        for state in ("running", "stopped"):
            with self.subTest(state):
                status = json.loads(service.cli_ok("spool", "status", "--json"))
                self.assertEqual(status["records"], 3)
                self.assertEqual((status["last_seq"], status["damaged"]), (3, 0))
                service.cli_ok("spool", "verify")
            if state == "running":
                service.terminate()
        segment = max(service.spool.glob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
        damaged = bytearray(segment.read_bytes())
        at = damaged.find(b'"two"')
        self.assertGreater(at, 0)
        damaged[at + 1] ^= 1
        segment.write_bytes(damaged)
        done = service.cli("spool", "verify")
        self.assertEqual(done.returncode, 1)
        self.assertIn("2", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
