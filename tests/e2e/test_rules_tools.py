"""The tools around rules, with stored traffic: `rules why` and `rules replay` say exactly what happened and what would,
`rules lint` counts hits, `rules try` and `rules evade` show what is found and what gets through."""
import json
import time
import unittest
from pathlib import Path

from chat import Webhooks, after, before
from database import Cluster
from harness import CHATSLUICE, EndToEnd, Folder, run, run_ok
from service import Service

RULES = Path(__file__).with_name("rules.yaml")

# The revision that follows RULES: `darn` is rejected in place of masked, `casino night` passes, `gift` is new.
CHANGED = """
- list: coarse-words
  terms: [darn, 坏蛋]
- list: gift-words
  terms: [gift]
- rule: coarse
  when: both
  match: { terms: coarse-words }
  action: reject
- rule: phone
  when: before
  match: { regex: '\\b1[3-9]\\d{9}\\b' }
  action: mask
  mask: "#"
- rule: gifts
  match: { terms: gift-words }
  action: mask
"""


class Stored(EndToEnd):
    """One service, one database; the traffic is posted once and stays."""
    rules = RULES

    @classmethod
    def setUpClass(cls):
        cls.database = Cluster(cls).create_database()
        cls.service = Service(cls, cls.database).start()
        cls.publish(cls.rules)
        with Webhooks(cls.service) as webhooks:
            for body in cls.traffic():
                webhooks.post(body)
        cls.service.wait_loaded()

    @classmethod
    def publish(cls, rules):
        path = rules
        if not isinstance(rules, Path):
            path = cls.service.folder / "changed.yaml"
            path.write_text(rules)
        cls.service.cli_ok("rules", "import", "--prune", path)
        cls.service.cli_ok("rules", "publish", "--note", "test", "--allow-changes", "--allow-shrink")

    def event(self, condition):
        return self.database.value(f"SELECT event_id FROM chatsluice.event WHERE {condition}")


class Why(Stored):
    @classmethod
    def traffic(cls):
        cls.sent = before("oh d\u200bARn it", group="why-1", sender="ann")
        return [cls.sent, after(cls.sent, MsgSeq=77), before("DARN tough socks, darn", group="why-2"),
                before("on trial", group="why-3"), before("casino night, darn", group="why-4"),
                before("buy buy buy", group="why-5", sender="admin-7"), before("hello", group="why-6"),
                before("13800138000", group="why-7") | {"CallbackCommand": after(cls.sent)["CallbackCommand"],
                                                        "MsgSeq": 4, "MsgTime": int(time.time())},
                before("newest", group="why-1", sender="ann"), b'{"CallbackCommand":"Group.CallbackBeforeSendMsg",',
                {"CallbackCommand": "Group.CallbackAfterRecallMsg", "GroupId": "why-8", "MsgSeqList": [{"MsgSeq": 5}]}]

    def why(self, *arguments, status=0):
        done = self.service.cli("rules", "why", *arguments, "--json")
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def of_room(self, room, status=0):
        return self.why(self.event(f"group_id = '{room}'"), status=status)

    def test_what_was_answered_and_the_steps_to_it(self):
        told = self.why(self.event("group_id = 'why-1' AND command = 'before' AND verdict = 'mask'"))
        self.assertEqual((told["verdict"], told["rule"], told["decided_by"], told["becomes"]),
                         ("mask", "coarse", "rule", "oh **** it"))
        self.assertEqual((told["command"], told["group"], told["sender"], told["platform"], told["sdkappid"]),
                         ("before", "why-1", "ann", "Android", 1400000001))
        self.assertEqual((told["same"], told["differences"]), (True, []))
        again = told["again"]
        self.assertEqual((again["verdict"], again["revision"], again["becomes"]), ("mask", 1, "oh **** it"))
        self.assertEqual(again["reasons"], [None])
        steps = again["explanations"][0]
        self.assertEqual((steps["found"], steps["from"]), (True, "oh d\u200bARn it"))
        self.assertEqual([(s["step"], s["text"]) for s in steps["steps"]],
                         [("case", "oh d\u200barn it"), ("invisible", "oh darn it")])

    def test_by_room_and_number_or_sender(self):
        wanted = self.event("group_id = 'why-1' AND command = 'before' AND verdict = 'mask'")
        self.assertEqual(self.why("--group", "why-1", "--seq", "77")["event_id"], wanted)
        self.assertEqual(self.why(wanted, "--group", "why-1")["event_id"], wanted)
        self.assertEqual(self.why("--group", "why-1", "--sender", "ann", "--last")["text"], "newest")

    def test_why_a_hit_did_not_decide(self):
        cases = [  # room, verdict, (rule, words of the reason) of each hit
            ("why-2", "mask", [("coarse", "allow rule harmless covers it with term \"darn tough socks\""),
                               ("harmless", "allows"), ("coarse", None)]),
            ("why-3", "allow", [("trial", "the rule is a shadow")]),
            ("why-4", "reject", [("betting", None), ("coarse", "mask is weaker than reject")]),
        ]
        for room, verdict, hits in cases:
            with self.subTest(room):
                told = self.of_room(room)
                self.assertEqual(told["verdict"], verdict)
                self.assertTrue(told["same"])
                got = list(zip((h["rule"] for h in told["again"]["hits"]), told["again"]["reasons"]))
                self.assertEqual([rule for rule, _ in got], [rule for rule, _ in hits])
                for (_, reason), (_, words) in zip(got, hits):
                    self.assertTrue(reason is None if words is None else words in reason, reason)

    def test_rules_whose_scope_or_phase_left_it_out(self):
        told = self.of_room("why-5")
        self.assertEqual((told["verdict"], told["again"]["hits"]), ("allow", []))
        self.assertEqual(told["again"]["outside"], [{"rule": "flood", "reason": "the message is outside of its scope"}])
        told = self.of_room("why-7")
        self.assertEqual((told["command"], told["verdict"]), ("after", "allow"))
        self.assertEqual(told["again"]["outside"], [{"rule": "phone", "reason": "it looks at Before webhooks alone"}])

    def test_people_get_the_same_in_words(self):
        event = self.event("group_id = 'why-4'")
        words = self.service.cli_ok("rules", "why", event)
        for part in ("before webhook", "room why-4", "answered: reject, code 1, by rule betting, revision 1",
                     "  casino night, darn\n  ^^^^^^^^^^^^  ^^^^\n", "this decided", "mask is weaker than reject",
                     "judged again by the same revision: the same", "in force now"):
            self.assertIn(part, words)

    def test_a_record_that_does_not_hold_is_status_1(self):
        event = self.event("group_id = 'why-6'")
        self.assertTrue(self.why(event)["same"])
        self.database.execute("UPDATE chatsluice.event SET verdict = 'reject', rule = 'coarse', hits = "
                              "'[{\"rule\":\"coarse\",\"list\":null,\"term\":\"x\",\"start\":0,\"end\":1}]' "
                              f"WHERE event_id = '{event}'")
        told = self.why(event, status=1)
        self.assertEqual((told["same"], told["differences"]), (False, ["verdict", "rule", "hits"]))
        self.assertEqual(told["again"]["verdict"], "allow")
        self.assertIn("DIFFERENT", self.service.cli("rules", "why", event).stdout)
        self.database.execute("UPDATE chatsluice.event SET verdict = 'allow', rule = NULL, hits = NULL, "
                              f"decided_by = 'default' WHERE event_id = '{event}'")

    def test_a_deadline_is_named_and_is_no_difference(self):
        event = self.event("group_id = 'why-3'")
        self.database.execute("UPDATE chatsluice.event SET verdict = 'reject', decided_by = 'deadline', error_code = 1 "
                              f"WHERE event_id = '{event}'")
        self.assertTrue(self.why(event)["same"])
        self.assertIn("no verdict by the deadline", self.service.cli_ok("rules", "why", event))
        self.database.execute("UPDATE chatsluice.event SET verdict = 'allow', decided_by = 'default', error_code = 0 "
                              f"WHERE event_id = '{event}'")

    def test_our_own_corrections_are_not_judged_again(self):
        event = self.event("group_id = 'why-6'")
        correction = "872cb24b-d851-473a-9a47-3b2cb9c5b3e2"
        self.database.execute("UPDATE chatsluice.event SET decided_by = 'correction', marker = 'accepted', "
                              f"correction_id = '{correction}' WHERE event_id = '{event}'")
        told = self.why(event)
        self.assertEqual((told["decided_by"], told["marker"], told["correction_id"]),
                         ("correction", "accepted", correction))
        self.assertNotIn("again", told)
        words = self.service.cli_ok("rules", "why", event)
        self.assertIn(f"a corrected message of our own, correction {correction}", words)
        self.assertIn("the rules were not asked", words)
        self.database.execute("UPDATE chatsluice.event SET decided_by = 'default', marker = 'copied', "
                              f"correction_id = NULL WHERE event_id = '{event}'")
        self.assertTrue(self.why(event)["same"])
        self.assertIn("a marker of ours, copied: judged as any other message, but without follow-ups",
                      self.service.cli_ok("rules", "why", event))
        self.database.execute(f"UPDATE chatsluice.event SET marker = 'forged' WHERE event_id = '{event}'")
        self.assertIn("a forged marker", self.service.cli_ok("rules", "why", event))
        self.database.execute(f"UPDATE chatsluice.event SET marker = NULL WHERE event_id = '{event}'")

    def test_what_today_s_rules_say(self):
        self.publish(CHANGED)
        told = self.why("--group", "why-1", "--seq", "77")
        self.assertEqual((told["revision"], told["same"], told["verdict"]), (1, True, "mask"))
        self.assertEqual((told["today"]["revision"], told["today"]["verdict"], told["today"]["rule"]),
                         (2, "reject", "coarse"))
        self.publish(RULES)

    def test_what_was_not_judged(self):
        unreadable = self.event("fault IS NOT NULL")
        told = self.why(unreadable)
        self.assertIn("body: ", told["fault"])
        self.assertNotIn("again", told)
        self.assertIn("because the body could not be read: body: ", self.service.cli_ok("rules", "why", unreadable))
        self.assertIn("not judged, only stored", self.service.cli_ok("rules", "why", self.event("group_id = 'why-8'")))

    def test_what_is_not_there(self):
        for words, said in ((("00000000-0000-8000-8000-000000000000",), "no such event"),
                            (("--group", "nowhere", "--seq", "1"), "no such event")):
            done = self.service.cli("rules", "why", *words)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(said, done.stderr)
        for words in ((), ("x",), ("--group", "g"), ("--group", "g", "--sender", "s"), ("--seq", "1"),
                      ("--group", "g", "--seq", "x")):
            self.assertEqual(self.service.cli("rules", "why", *words).returncode, 2, words)


# Words split over messages, a rate and a repetition: what was before the message decides.
BEFORE_IT = """
- list: split-words
  folding: [case, invisible, split]
  terms: [darnation]
- rule: split
  match: { terms: split-words }
  action: reject
- rule: rate
  match: { rate: { times: 3, within: 60s, by: sender_in_room } }
  action: reject
- rule: repeated
  match: { all: [ { repeated: { times: 2, within: 60s, by: sender } }, { length: { more_than: 5 } } ] }
  action: discard
"""


class WhyBefore(Stored):
    rules = BEFORE_IT

    @classmethod
    def traffic(cls):
        def said(text, room):
            return before(text, group=room, sender=f"one-in-{room}")
        return [said("Darn", "split"), said("ation", "split"),
                *(said(text, "rate") for text in ("a", "b", "c", "d")),
                said("same again", "repeated"), said("same again", "repeated")]

    def test_what_was_before_is_taken_into_account(self):
        for room, text, verdict, rule in (("split", "ation", "reject", "split"), ("rate", "d", "reject", "rate"),
                                          ("repeated", "same again", "discard", "repeated")):
            with self.subTest(room):
                event = self.event(f"group_id = '{room}' AND text = '{text}' AND verdict <> 'allow'")
                told = json.loads(self.service.cli_ok("rules", "why", event, "--json"))
                self.assertEqual((told["verdict"], told["rule"], told["same"]), (verdict, rule, True), told)
                self.assertEqual(told["again"]["verdict"], verdict)
        event = self.event("group_id = 'split' AND text = 'ation'")
        self.assertEqual(json.loads(self.service.cli_ok("rules", "why", event, "--json"))["earlier"], ["Darn"])
        words = self.service.cli_ok("rules", "why", event)
        self.assertIn("  (before: Darn)\n  ation\n", words)
        self.assertIn('rate 4 in 60s by sender_in_room', self.service.cli_ok("rules", "why", self.event(
            "group_id = 'rate' AND verdict = 'reject'")))


class Replay(Stored):
    @classmethod
    def traffic(cls):
        cls.start = time.time()
        for i in range(40):  # of each the rooms live-0 to live-3 get ten
            room = f"live-{i % 4}"
            yield before("nothing to see", group=room)
            yield before("darn it", group=room)             # mask -> reject
            if i % 2 == 0:  # live-0 and live-2
                yield before("casino night", group=room)    # reject -> allow
            if i % 4 == 3:  # live-3
                yield before("13800138000", group=room)     # mask, as before
                yield before("a gift, 13800138000", group=room)  # masked otherwise
        yield before("add me on chatapp", group="other")    # reject -> allow

    def replay(self, *arguments):
        return json.loads(self.service.cli_ok("rules", "replay", *arguments, "--json"))

    def candidate(self):
        path = self.service.folder / "candidate.yaml"
        path.write_text(CHANGED)
        return path

    TOTALS = {"judged": 121, "same": 50, "changed": 71, "newly_blocked": 40, "newly_passed": 21, "rewrite_changed": 10,
              "other": 0, "unreadable": 0}

    def test_exact_numbers_whatever_the_threads(self):
        reports = [self.replay("--rules", self.candidate(), "--from", "1h", "--threads", n) for n in ("1", "2", "7")]
        for report in reports:
            self.assertEqual({k: report[k] for k in self.TOTALS}, self.TOTALS)
            self.assertAlmostEqual(report["share"], 71 / 121, 5)
            self.assertEqual({(r["rule"], r["newly_blocked"], r["newly_passed"], r["rewrite_changed"])
                              for r in report["rules"]},
                             {("coarse", 40, 0, 0), ("betting", 0, 20, 0), ("contact", 0, 1, 0), ("gifts", 0, 0, 10)})
            self.assertEqual({(r["group"], r["newly_blocked"], r["newly_passed"], r["rewrite_changed"])
                              for r in report["rooms"]},
                             {("live-0", 10, 10, 0), ("live-1", 10, 0, 0), ("live-2", 10, 10, 0), ("live-3", 10, 0, 10),
                              ("other", 0, 1, 0)})
        self.assertEqual(reports[0], reports[1])
        self.assertEqual(reports[0], reports[2])
        self.assertEqual((reports[0]["candidate"]["revision"], reports[0]["against"]["revision"]), (None, 1))

    def test_samples_are_the_newest_and_can_be_without_text(self):
        report = self.replay("--rules", self.candidate(), "--from", "1h", "--samples", "2")
        samples = {r["rule"]: r["samples"] for r in report["rules"]}
        newest = self.database.rows("SELECT event_id FROM chatsluice.event WHERE text = 'darn it' "
                                    "ORDER BY event_time DESC, event_id LIMIT 2")
        self.assertEqual([s["event_id"] for s in samples["coarse"]], [row["event_id"] for row in newest])
        self.assertEqual({s["text"] for s in samples["coarse"]}, {"darn it"})
        self.assertEqual(samples["coarse"][0]["before"], {"verdict": "mask", "rule": "coarse", "becomes": "**** it"})
        self.assertEqual(samples["coarse"][0]["after"], {"verdict": "reject", "rule": "coarse"})
        self.assertEqual(samples["gifts"][0]["after"]["becomes"], "a ****, ###########")
        silent = self.replay("--rules", self.candidate(), "--from", "1h", "--no-text")
        self.assertNotIn("darn it", json.dumps(silent))
        self.assertNotIn("becomes", json.dumps(silent))
        none = self.replay("--rules", self.candidate(), "--from", "1h", "--samples", "0")
        self.assertEqual([r["samples"] for r in none["rules"]], [[], [], [], []])

    def test_rooms_times_and_numbers(self):
        rules = ("--rules", self.candidate())
        self.assertEqual(self.replay(*rules, "--from", "1h", "--group", "live-3")["judged"], 40)
        self.assertEqual(self.replay(*rules, "--from", "1h", "--group", "live-[")["judged"], 0)
        self.assertEqual(self.replay(*rules, "--from", "1h", "--group", "live-?")["judged"], 120)
        self.assertEqual(self.replay(*rules, "--from", "1h", "--group", "nowhere-*")["judged"], 0)
        self.assertEqual(self.replay(*rules, "--last", "30")["judged"], 30)
        self.assertEqual(self.replay(*rules, "--last", "30", "--group", "l*-0")["judged"], 30)
        self.assertEqual(self.replay(*rules, "--from", "2h", "--to", "1h")["judged"], 0)
        zero = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.start - 5))
        self.assertEqual(self.replay(*rules, "--from", zero)["judged"], 121)
        self.assertEqual(self.replay(*rules, "--from", "1h", "--to", zero)["judged"], 0)

    def test_two_revisions(self):
        self.publish(CHANGED)
        self.publish(RULES)
        forth = self.replay("--revision", "2", "--against", "1", "--from", "1h")
        self.assertEqual({k: forth[k] for k in self.TOTALS}, self.TOTALS)
        back = self.replay("--revision", "1", "--against", "2", "--from", "1h")
        self.assertEqual((back["newly_blocked"], back["newly_passed"], back["rewrite_changed"]), (21, 40, 10))
        same = self.replay("--revision", "1", "--from", "1h")
        self.assertEqual((same["changed"], same["judged"], same["rules"], same["rooms"]), (0, 121, [], []))

    def test_people_get_a_report(self):
        words = self.service.cli_ok("rules", "replay", "--rules", self.candidate(), "--from", "1h")
        for part in ("121 events from ", "      71  58.68 %  changed", "      40  33.06 %  newly blocked",
                     "newly passed, rule betting: 20", "was: mask by rule coarse, **** it",
                     "would be: reject by rule coarse"):
            self.assertIn(part, words)

    def test_wrong_words(self):
        rules = ("--rules", self.candidate())
        for words in ((), rules, ("--from", "1h"), (*rules, "--revision", "1", "--from", "1h"),
                      (*rules, "--from", "yesterday"), (*rules, "--from", "2026-13-01"), (*rules, "--last", "0"),
                      (*rules, "--from", "1h", "--to", "2h"), (*rules, "--last", "x")):
            with self.subTest(words=words):
                done = self.service.cli("rules", "replay", *words)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        done = self.service.cli("rules", "replay", "--revision", "99", "--from", "1h")
        self.assertEqual(done.returncode, 1)
        self.assertIn("99", done.stderr)


class Lint(Stored):
    @classmethod
    def traffic(cls):
        return [before(text) for text in ("darn", "DARN!", "darn tough socks", "hello")]

    def test_hits_of_each_term_and_those_that_never_hit(self):
        told = json.loads(self.service.cli_ok("rules", "lint", "--traffic", "1d", "--json"))
        hits = {(t["list"], t["term"]): t["hits"] for t in told["term_hits"]}
        self.assertEqual(hits, {("betting-words", "casino night"): 0, ("betting-words", "赌场"): 0,
                                ("coarse-words", "darn"): 3, ("coarse-words", "坏蛋"): 0,
                                ("harmless-names", "darn tough socks"): 1})
        never = {f["term"] for f in told["findings"] if f["kind"] == "never_hit"}
        self.assertEqual(never, {"casino night", "赌场", "坏蛋"})
        self.assertGreater(told["harmless_texts"], 0)
        words = self.service.cli_ok("rules", "lint", "--traffic", "1d")
        self.assertIn("\n       3  coarse-words: darn\n       1  harmless-names: darn tough socks\n", words)

    def test_files_need_no_database(self):
        folder = Folder(self).path
        path = folder / "odd.yaml"
        path.write_text('- list: a\n  terms: [x, X]\n- rule: r\n  match: { terms: a }\n  action: mask\n')
        words = run_ok(CHATSLUICE, "rules", "lint", path)
        self.assertIn(f'note     {path}:1:3: list a: term "x" is found already by "X"', words)
        self.assertEqual(run(CHATSLUICE, "rules", "lint", path, "--strict").returncode, 1)
        lexicon = folder / "words.txt"
        lexicon.write_text("# a comment\nan x-ray\nnothing\n")
        told = json.loads(run_ok(CHATSLUICE, "rules", "lint", path, "--lexicon", lexicon, "--json"))
        self.assertEqual(told["harmless_texts"], 2)
        hit = [f for f in told["findings"] if f["kind"] == "hits_harmless"]
        self.assertEqual([(f["rule"], f["list"], f["other"], f["hits"], f["of"]) for f in hit],
                         [("r", "a", "an x-ray", 1, 2)])


class TryAndEvade(EndToEnd):
    def test_scopes_look_at_what_options_say(self):
        path = Folder(self).path / "scoped.yaml"
        path.write_text('- rule: live\n  scope: { groups: ["live-*"], except_senders: ["admin-*"], platforms: [Web],'
                        ' group_types: [Live], apps: ["7"] }\n'
                        '  match: { regex: "darn" }\n  action: reject\n')
        right = {"--group": "live-1", "--sender": "ann", "--platform": "Web", "--type": "Live", "--app": "7"}
        cases = [({}, "allow"), ({"--group": "room"}, "allow"), ({"--sender": "admin-1"}, "allow"),
                 ({"--platform": "iOS"}, "allow"), ({"--type": "Public"}, "allow"), ({"--app": "8"}, "allow")]
        self.assertEqual(self.verdict(path, {}), "reject", "a text comes from nowhere")
        self.assertEqual(self.verdict(path, right), "reject")
        for change, verdict in cases[1:]:
            with self.subTest(change):
                self.assertEqual(self.verdict(path, right | change), verdict)

    def verdict(self, path, options):
        words = [word for pair in options.items() for word in pair]
        return json.loads(run_ok(CHATSLUICE, "rules", "try", "--rules", path, "--json", *words,
                                 stdin="darn\n"))["verdict"]

    def test_the_text_is_marked_and_harmless_to_a_terminal(self):
        words = run_ok(CHATSLUICE, "rules", "try", "--rules", RULES, "--explain", stdin="你好 d\u200barn\x1b[2J\n")
        self.assertIn("你好 d\\u{200B}arn\\u{1B}[2J\n         " + " " * 5 + "^" * 12 + "\n", words)
        self.assertIn('after invisible: "你好 darn\\u{1B}[2J"', words)
        self.assertNotIn("\x1b", words)
        self.assertNotIn("\u200b", words)

    def test_evasions_and_what_would_catch_them(self):
        told = json.loads(run_ok(CHATSLUICE, "rules", "evade", "darn", "--rules", RULES, "--json"))
        self.assertEqual((told["list"], told["folding"], told["found"]), ("coarse-words", ["case", "invisible"], True))
        classes = {c["class"]: c for c in told["classes"]}
        for name in ("case", "width", "invisible", "elements", "escapes"):
            self.assertEqual((classes[name]["caught"], classes[name]["missed"]), (classes[name]["total"], []), name)
        self.assertEqual(told["caught"], sum(c["caught"] for c in told["classes"]))
        self.assertEqual(told["total"], sum(c["total"] for c in told["classes"]))
        nothing = json.loads(run_ok(CHATSLUICE, "rules", "evade", "darn", "--folding", "none", "--json"))
        invisible = next(c for c in nothing["classes"] if c["class"] == "invisible")
        self.assertEqual((invisible["caught"], invisible["add"], invisible["caught_with"]),
                         (0, ["invisible"], invisible["total"]))
        self.assertEqual(run(CHATSLUICE, "rules", "evade", "darn", "--folding", "none", "--strict").returncode, 1)
        for words in ((), ("a", "b"), ("a", "--folding", "cse"), ("a", "--most", "0"), ("",)):
            self.assertEqual(run(CHATSLUICE, "rules", "evade", *words).returncode, 2, words)


if __name__ == "__main__":
    unittest.main()
