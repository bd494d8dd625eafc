"""The gate before a publication and the ways back, by the command line, with real traffic behind the canary."""
import json
import unittest

from chat import Webhooks, after, before
from database import Cluster
from harness import EndToEnd, wait_for
from service import Service


def rules(*entries):
    return json.dumps(list(entries))


def rule(name, regex, action="reject", **more):
    return {"rule": name, "match": {"regex": regex}, "action": action} | more


def words(name, *terms):
    return {"list": name, "terms": list(terms)}


class RulesGate(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def setUp(self):
        self.database = self.cluster.create_database()
        self.service = Service(self, self.database).start()

    def say(self, *texts, delivered=False):
        with Webhooks(self.service) as webhooks:
            for text in texts:
                body = before(text)
                code = webhooks.post(body).code
                if delivered:
                    webhooks.post(after(body))
        return code

    def tables(self, *entries):
        path = self.service.folder / "candidate.yaml"
        path.write_text(rules(*entries))
        self.service.cli_ok("rules", "import", "--prune", path)

    def publish(self, *options, note="test", status=0, canary=False):
        """Without a canary unless asked for: what a test has just said may or may not be stored yet."""
        if not canary:
            options += ("--canary", "0")
        done = self.service.cli("rules", "publish", "--note", note, *options)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def publish_json(self, *options, **more):
        return json.loads(self.publish("--json", *options, **more).stdout)

    def revisions(self):
        return self.database.value("SELECT count(*) FROM chatsluice.rule_revision")

    def history(self, *options):
        return json.loads(self.service.cli_ok("rules", "history", "--json", *options))["revisions"]

    def test_a_list_that_got_lost_is_refused_and_the_running_set_stays(self):
        terms = [f"naughty{i}" for i in range(10)]
        uses = {"rule": "words", "match": {"terms": "words"}, "action": "reject"}
        self.tables(words("words", *terms), uses)
        self.publish()
        self.database.execute("DELETE FROM chatsluice.term WHERE term > 'naughty4'")
        refused = self.publish(status=1)
        self.assertIn('list "words" has lost 5 of the 10 terms in force (50.0 %, at most 20 % may go)', refused.stderr)
        self.assertIn("--allow-shrink words", refused.stderr)
        self.assertIn("the rules do not pass", refused.stderr)
        self.assertEqual(self.say("naughty9"), 1)
        self.assertEqual(self.revisions(), 1)

        told = self.publish_json("--allow-shrink", "other", "words", note="fewer words")
        self.assertEqual((told["published"], told["revision"], told["overrides"]), (True, 2, ["shrink:words"]))
        self.assertEqual(told["steps"]["shrink"]["outcome"], "overridden")
        self.assertEqual(self.say("naughty9"), 0)
        self.assertEqual(self.history()[0]["overrides"], ["shrink:words"])

        # Nothing left of the list, and of the rules: whole permission for both.
        self.tables(rule("fruit", "apple"))
        for options in ((), ("--allow-shrink", "words")):
            refused = self.publish(*options, status=1)
            self.assertIn("1 of the 1 rules enforced now are gone or not enforced any more", refused.stderr)
            self.assertEqual("and now gone" in refused.stderr, not options)
        self.publish("--allow-shrink")

        # An empty list is a fault as such, which nothing overrides.
        self.tables(words("words", *terms), uses)
        self.publish("--allow-shrink")
        self.database.execute("DELETE FROM chatsluice.term")
        self.assertIn('list "words" has no terms', self.publish("--allow-shrink", status=1).stderr)
        self.assertEqual(self.say("naughty9"), 1)

    def test_the_canary_judges_what_was_said(self):
        self.tables(rule("fruit", "apple"))
        self.publish()
        self.say(*[f"good evening {i}" for i in range(40)], delivered=True)
        self.say(*["an apple"] * 10, *["a cherry"] * 10)
        self.service.wait_loaded()
        self.tables(rule("fruit", "cherry"))
        refused = self.publish(status=1, canary=True)
        # An After webhook is judged as well: 80 of the greetings.
        self.assertIn("20 of the 100 newest events would be answered differently (20.00 %, at most 5 % may), by rule: "
                      "fruit 20; if that is meant, say --allow-changes", refused.stderr)
        self.assertEqual(self.revisions(), 1)
        self.assertEqual(self.say("a cherry"), 0)

        told = self.publish_json("--dry-run")
        self.assertEqual((told["published"], told["revision"], told["dry_run"]), (False, None, True))
        self.assertEqual(told["steps"]["canary"]["outcome"], "skipped")
        told = self.publish_json("--canary", "200", status=1, canary=True)
        self.assertEqual((told["refused"], told["steps"]["canary"]["outcome"]), (True, "refused"))
        self.assertEqual(self.revisions(), 1)
        self.service.wait_loaded()
        told = self.publish_json("--allow-changes", note="cherries now", canary=True)
        canary = told["steps"]["canary"]
        self.assertEqual((canary["judged"], canary["newly_blocked"], canary["newly_passed"]), (101, 11, 10))
        self.assertEqual(told["overrides"], ["changes"])
        example = canary["rules"][0]["example_event"]
        self.assertEqual(self.database.value(f"SELECT count(*) FROM chatsluice.event WHERE event_id = '{example}'"), 1)
        newest = self.history()[0]
        self.assertEqual((newest["canary_judged"], newest["canary_changed"]), (101, 21))
        self.assertAlmostEqual(newest["canary_share"], 21 / 101, places=5)
        self.assertIn("canary 21 of 101 changed", self.service.cli_ok("rules", "history"))

    def test_harmless_texts_warn_or_refuse(self):
        lexicon = self.service.folder / "lexicon.txt"
        lexicon.write_text("# ours\n" + "".join(f"harmless text {i}\n" for i in range(100)))
        self.tables(words("words", "harmless"), {"rule": "words", "match": {"terms": "words"}, "action": "mask"})
        refused = self.publish("--lexicon", lexicon, "--strict", status=1)
        self.assertIn('list "words", term "harmless" of rule "words" hits 100 of 100 harmless texts (at most 2 in 1000 '
                      'may be hit), for example "harmless text 0"', refused.stderr)
        warned = self.publish("--lexicon", lexicon)
        self.assertIn('warning: list "words", term "harmless"', warned.stderr)
        self.assertIn("lexicon  warned", warned.stdout)
        self.assertEqual(self.history()[0]["gate"]["lexicon"]["terms"][0]["hits"], 100)

    def test_back_and_forth(self):
        for number, word in enumerate(("apple", "cherry", "plum"), 1):
            self.tables(rule("fruit", word), *([rule("more", "pear")] if number == 2 else []))
            self.publish("--allow-shrink", note=f"number {number}")
        self.assertEqual(self.say("a plum"), 1)
        done = self.service.cli_ok("rules", "rollback", "--note", "too many complaints", "--author", "alice")
        self.assertIn("revision 4 is in force, with the rules of 2 in place of those of 3\n", done)
        self.assertIn("the tables stay as they are", done)
        self.assertIn("took it after", done)
        self.assertEqual((self.say("a plum"), self.say("a cherry")), (0, 1))
        history = self.history("--changes")
        self.assertEqual([(r["revision"], r["kind"], r["restores"], r["status"], r["in_force"]) for r in history],
                         [(4, "rollback", 2, "published", True), (3, "publish", None, "rolled back", False),
                          (2, "publish", None, "published", False), (1, "publish", None, "published", False)])
        self.assertEqual((history[0]["author"], history[0]["note"]),
                         ("alice", "back to the revision before: too many complaints"))
        self.assertEqual((history[1]["status_by"], history[1]["rolled_back_by"]), ("alice", 4))
        self.assertEqual(history[2]["changes"]["rules"], [{"rule": "fruit", "change": "changed"},
                                                          {"rule": "more", "change": "added"}])
        self.assertEqual(self.service.cli_ok("rules", "diff", "2", "4"), "")
        self.assertEqual(self.service.cli_ok("rules", "diff", "2", "3"), "rule fruit changed\nrule more removed\n")

        # To a named one, with the tables: then there is nothing to publish.
        told = json.loads(self.service.cli_ok("rules", "rollback", "1", "--note", "all the way", "--tables", "--json"))
        self.assertEqual((told["revision"], told["restored"], told["replaced"]), (5, 1, 4))
        self.assertEqual(self.say("an apple"), 1)
        self.assertIn("nothing has changed: revision 5 stays in force", self.publish().stdout)
        for words, why in ((["9"], "there is no rule revision 9"), (["1"], "says the same"), ([], "no revision before")):
            refused = self.service.cli("rules", "rollback", *words, "--note", "x")
            self.assertEqual(refused.returncode, 1)
            self.assertIn(why, refused.stderr)
        text = self.service.cli_ok("rules", "history", "--changes", "--limit", "2")
        self.assertIn("rollback to the rules of 1\n", text)
        self.assertIn("in favour of 5\n", text)
        self.assertNotIn("number 3", text)

    def test_withdrawing_in_sql_is_followed_and_remembered(self):
        for word in ("apple", "cherry"):
            self.tables(rule("fruit", word))
            self.publish(note=word)
        self.database.execute("UPDATE chatsluice.rule_revision SET status = 'withdrawn' WHERE revision = 2")
        wait_for(lambda: self.service.metrics()["chatsluice_rule_revision"] == 1, "revision 1 to be in force", 10)
        self.assertEqual(self.say("an apple"), 1)
        newest = self.history("--limit", "1")[0]
        self.assertEqual((newest["status"], newest["status_by"]),
                         ("withdrawn", self.database.value("SELECT current_user")))
        self.assertIsNotNone(newest["status_at"])


if __name__ == "__main__":
    unittest.main()
