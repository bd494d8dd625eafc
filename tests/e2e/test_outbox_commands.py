"""`chatsluice resend`, `outbox` and `usersig` as people and scripts see them. Nothing is sent here: what the database
holds is looked at, and a row's outcome is played by the functions the sender uses."""
import json
import subprocess
import threading
import time
import unittest

from chat import Webhooks, after, before, text_element
from database import Cluster
from harness import CHATSLUICE, SDKAPPID, TOKEN, EndToEnd, Folder, clean_environment, run, wait_for
from service import Service

SECRET = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e"
VECTOR = ("eJw1yk0KwjAUBOC7vK1SklKMBFy0KFT8WdR4gGJieZg0IQm1Rby70NTZzTfzAXG*ZYPywCHPCKznjlL1EZ84cysN9hiib6P1yyHIV*scSuC0IC"
          "k0LRGNAk7ZoiSpGh16BXy7Kf4UsAMOtTOPspymXFdDPQa90kQY1wj2JkfLun3VyPslXk-2YHfw-QHDvzSJ")
RULES = """
rules:
  - rule: bad
    when: before
    match: { regex: 'bad' }
    action: reject
"""


class Commands(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.database = Cluster(cls).create_database()
        cls.service = Service(cls, cls.database).start()
        cls.service.publish(RULES)

    def store(self, *bodies):
        """The event ids of webhooks, once they are loaded."""
        with Webhooks(self.service) as webhooks:
            for body in bodies:
                webhooks.post(body)
        self.service.wait_loaded()
        return [self.database.value(f"SELECT event_id FROM chatsluice.event WHERE random = {b['Random']} AND command = "
                                    f"'{'after' if 'MsgSeq' in b else 'before'}'") for b in bodies]

    def row(self, outbox_id):
        (row,) = self.database.rows(f"SELECT * FROM chatsluice.outbox WHERE outbox_id = '{outbox_id}'")
        return row

    def test_resend_takes_a_text_from_standard_input_or_a_file(self):
        (event,) = self.store(before("so bad", CloudCustomData='{"lvl":3}'))
        first = json.loads(self.service.cli_ok("resend", "--event", event, "--group", "room-7", "--text-file", "-",
                                               "--why", "kinder", "--author", "mia", "--json", stdin="so ***\n"))
        self.assertEqual((first["state"], first["group"], first["asked_by"], first["event_id"]),
                         ("queued", "room-7", "mia", event))
        row = self.row(first["outbox_id"])
        self.assertEqual((row["text"], row["custom_data"], row["account"], row["cause"], row["sdkappid"]),
                         ("so ***", '{"lvl":3}', "viewer_19", "command", SDKAPPID))
        path = self.service.folder / "text"
        path.write_text("so ***")
        again = json.loads(self.service.cli_ok("resend", "--event", event, "--text-file", path, "--json"))
        self.assertEqual(again["outbox_id"], first["outbox_id"], "the same once more is the same row")
        other = self.service.cli("resend", "--event", event, "--text-file", "-", stdin="else")
        self.assertEqual(other.returncode, 1)
        self.assertIn(first["outbox_id"], other.stderr)
        self.assertEqual(self.database.value(f"SELECT count(*) FROM chatsluice.outbox WHERE event_id = '{event}'"), 1)
        (action,) = self.database.rows(f"SELECT who, action, why FROM moderation.action WHERE event_id = '{event}'")
        self.assertEqual(action, {"who": "mia", "action": "resend", "why": "kinder"})

    def test_original_is_what_was_said(self):
        stopped, passed = self.store(before("bad, bad", CloudCustomData=""), before("good"))
        done = json.loads(self.service.cli_ok("resend", "--event", stopped, "--original", "--json"))
        row = self.row(done["outbox_id"])
        self.assertEqual((row["text"], row["custom_data"]), ("bad, bad", ""))
        refused = self.service.cli("resend", "--event", passed, "--original")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("was not stopped", refused.stderr)

    def test_a_delivered_message_is_recalled_first(self):
        said = before("good", group="room-8")
        ids = self.store(said, after(said))
        for event in ids:
            with self.subTest(event=event):
                done = json.loads(self.service.cli_ok("resend", "--event", event, "--text-file", "-", "--json", stdin="better"))
                self.assertEqual(done["state"], "held")
        self.assertEqual(self.database.rows("SELECT action, state, count(*) AS n FROM chatsluice.outbox WHERE room_id = "
                                            "'room-8' GROUP BY 1, 2 ORDER BY 1"),
                         [{"action": "recall", "state": "queued", "n": 1}, {"action": "send_text", "state": "held", "n": 1}])

    def test_wait_tells_the_outcome(self):
        for state, status in (("done", 0), ("failed", 1), ("uncertain", 1), (None, 1)):
            with self.subTest(state=state):
                (event,) = self.store(before("bad again"))
                waiting = subprocess.Popen([CHATSLUICE, "resend", "--event", event, "--original", "--json", "--wait",
                                            "30" if state else "0", "--config", self.service.config_path],
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                                           env=clean_environment())
                if state:
                    wait_for(lambda: self.database.value(f"SELECT count(*) FROM chatsluice.outbox WHERE event_id = '{event}'"),
                             "the row")
                    self.database.execute(f"UPDATE chatsluice.outbox SET state = '{state}', reason = 'because', error_code = "
                                          f"100002, error_info = 'so', request_id = 'Id-1' WHERE event_id = '{event}'")
                output, errors = waiting.communicate(timeout=60)
                self.assertEqual(waiting.returncode, status, errors)
                told = json.loads(output)
                self.assertEqual(told["state"], state or "queued")
                if state == "failed":
                    self.assertEqual((told["reason"], told["error_code"], told["error_info"], told["request_id"]),
                                     ("because", 100002, "so", "Id-1"))

    def test_wrong_words(self):
        event = "00000000-0000-8000-8000-000000000000"
        for words in (["--event", event], ["--event", event, "--original", "--text-file", "-"], ["--original"],
                      ["--event", "7", "--original"], ["--event", event, "--original", "--wait", "soon"],
                      ["--event", event, "a text"]):
            with self.subTest(words=words):
                self.assertEqual(self.service.cli("resend", *words).returncode, 2)
        nobody = self.service.cli("resend", "--event", event, "--original")
        self.assertEqual(nobody.returncode, 1)
        self.assertIn(f"there is no event {event}", nobody.stderr)
        for text, words in (("", "no text"), ("\n", "no text"), ("x" * 12289, "12 KB")):
            done = self.service.cli("resend", "--event", event, "--text-file", "-", stdin=text)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)
        picture, = self.store(before(elements=[text_element("bad"), {"MsgType": "TIMFaceElem", "MsgContent": {"Index": 1}}]))
        refused = self.service.cli("resend", "--event", picture, "--text-file", "-", stdin="x")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("text elements alone", refused.stderr)

    def test_outbox_list_cancel_and_settle(self):
        room = "room-9"
        ids = []
        for event in self.store(*(before("bad", group=room) for _ in range(3))):
            ids.append(json.loads(self.service.cli_ok("resend", "--event", event, "--original", "--json"))["outbox_id"])

        def listed(*options):
            lines = self.service.cli_ok("outbox", "list", "--group", room, "--json", *options).splitlines()
            return {row["outbox_id"]: row["state"] for row in map(json.loads, lines)}
        self.assertEqual(listed(), {i: "queued" for i in ids})
        self.database.execute(f"UPDATE chatsluice.outbox SET state = 'uncertain' WHERE outbox_id IN ('{ids[1]}', '{ids[2]}')")
        self.assertEqual(set(listed("--state", "uncertain")), set(ids[1:]))
        self.assertEqual(len(listed("--limit", "1")), 1)
        self.assertIn("cancelled", self.service.cli_ok("outbox", "cancel", ids[0], "--why", "changed my mind"))
        twice = self.service.cli("outbox", "cancel", ids[0])
        self.assertEqual(twice.returncode, 1)
        self.assertIn("cancelled", twice.stderr)
        self.assertEqual(self.service.cli("outbox", "settle", ids[0], "drop").returncode, 1)
        self.assertIn("done", self.service.cli_ok("outbox", "settle", ids[1], "delivered"))
        self.assertIn("queued", self.service.cli_ok("outbox", "settle", ids[2], "again"))
        self.assertEqual(listed(), {ids[2]: "queued"})
        self.assertIn("changed my mind", self.service.cli_ok("outbox", "list", "--state", "cancelled", "--group", room))
        self.assertNotIn("bad", self.service.cli_ok("outbox", "list", "--group", room), "no text of a message")
        for words in (["list", "--state", "lost"], ["list", "--limit", "x"], ["settle", ids[0]], ["settle", ids[0], "maybe"],
                      ["cancel"], ["cancel", "x"]):
            with self.subTest(words=words):
                self.assertEqual(self.service.cli("outbox", *words).returncode, 2)


class UserSig(EndToEnd):
    def setUp(self):
        self.folder = Folder(self).path

    def usersig(self, *words, apps=({"sdkappid": SDKAPPID, "token": TOKEN, "secret_key": SECRET, "rest_api": "singapore"},),
                stdin=None):
        path = self.folder / "chatsluice.yaml"
        path.write_text(json.dumps({"apps": list(apps)}))
        return run(CHATSLUICE, "usersig", "--config", path, *words, stdin=stdin)

    def decoded(self, text, status, **options):
        done = self.usersig("--decode", "--json", stdin=text, **options)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_made_and_taken_apart(self):
        made = self.usersig("--admin", "mod-bot_01", "--expire", "1h")
        self.assertEqual(made.returncode, 0, made.stderr)
        fields = self.decoded(made.stdout, 0)
        self.assertAlmostEqual(fields.pop("time"), time.time(), delta=60)
        self.assertEqual(fields, {"identifier": "mod-bot_01", "sdkappid": SDKAPPID, "expire": 3600, "expired": False,
                                  "genuine": True, "judgement": "genuine"})
        self.assertEqual(self.decoded(self.usersig().stdout, 0)["identifier"], "administrator")
        words = self.usersig("--decode", stdin=made.stdout)
        self.assertIn("mod-bot_01", words.stdout)
        self.assertNotIn(SECRET, words.stdout + words.stderr)

    def test_the_vendors_vector_is_genuine_and_over(self):
        fields = self.decoded(VECTOR + "\n", 1)
        self.assertEqual((fields["identifier"], fields["time"], fields["expire"], fields["expired"], fields["genuine"]),
                         ("administrator", 1700000000, 86400, True, True))

    def test_another_key_is_told(self):
        made = self.usersig().stdout
        other = ({"sdkappid": SDKAPPID, "token": TOKEN, "secret_key": "x" * 64, "rest_api": "china"},)
        self.assertEqual(self.decoded(made, 1, apps=other)["genuine"], False)
        none = ({"sdkappid": SDKAPPID, "token": TOKEN},)
        self.assertIn("not known", self.decoded(made, 0, apps=none)["judgement"])
        self.assertEqual(self.usersig(apps=none).returncode, 1)
        two = other + ({"sdkappid": 7, "token": TOKEN, "secret_key": "y", "rest_api": "china"},)
        self.assertIn("--app", self.usersig(apps=two).stderr)
        self.assertEqual(self.decoded(self.usersig("--app", "7", apps=two).stdout, 0, apps=two)["sdkappid"], 7)
        self.assertIn("not configured", self.usersig("--app", "8", apps=two).stderr)

    def test_what_is_none(self):
        for text in ("", "hello", "eJw*", VECTOR[:-4], "A" * 20000):
            with self.subTest(text=text[:10]):
                done = self.usersig("--decode", stdin=text)
                self.assertEqual(done.returncode, 1)
                self.assertTrue(done.stderr.strip())
        for words in (["--expire", "soon"], ["--expire", "0s"], ["--app", "x"], ["--json"], ["--decode", "--app", "1"]):
            with self.subTest(words=words):
                self.assertEqual(self.usersig(*words).returncode, 2)
        self.assertEqual(self.usersig("--admin", "not good!").returncode, 1)


if __name__ == "__main__":
    unittest.main()
