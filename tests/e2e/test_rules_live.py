"""Rules change while messages pass: import, publish, take over, refuse, survive the database's absence."""
import json
import unittest
from pathlib import Path

from chat import Webhooks, before
from database import Cluster
from harness import EndToEnd, scaled, wait_for
from service import Service
from sim import Load

RULES = Path(__file__).with_name("rules.yaml")


def one_rule(word, **more):
    """A rule file that rejects one word."""
    return json.dumps([{"rule": "word", "match": {"any": [{"regex": word}]}, "action": "reject"} | more])


class RulesLive(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def setUp(self):
        self.database = self.cluster.create_database()

    def code_of(self, service, text):
        with Webhooks(service) as webhooks:
            reply = webhooks.post(before(text))
        self.assertEqual(reply.status, 200)
        return reply.code

    def test_a_publication_reaches_every_instance_under_load(self):
        first = Service(self, self.database, name="first").start()
        second = Service(self, self.database, name="second").start()
        load = Load(self, first, rate=scaled(500, 100), connections=8)
        self.assertEqual(self.code_of(first, "an apple"), 0)
        for service in (first, second):
            word = "apple" if service is first else "cherry"
            first.publish(one_rule(word))
            for instance in (first, second):
                wait_for(lambda: self.code_of(instance, f"a {word} pie") == 1, f"{instance.name} to reject {word}", 10)
        self.assertEqual(self.code_of(first, "an apple"), 0, "the second revision replaced the rule of the first")
        summary = load.finish()
        self.assertEqual((summary["failed"], summary["refused"]), (0, 0), summary)
        revision = self.database.value("SELECT max(revision) FROM chatsluice.rule_revision")
        wait_for(lambda: self.database.value("SELECT count(*) FROM chatsluice.rule_ack WHERE error IS NULL "
                                             f"AND revision = {revision}") == 2, "both acknowledgements", 10)
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.instance"), 2)
        first.wait_loaded()
        self.assertEqual(self.database.value("SELECT count(DISTINCT rule_revision) FROM chatsluice.event "
                                             f"WHERE rule_revision >= {revision - 1}"), 2)

    def test_a_failing_example_refuses_the_publication(self):
        service = Service(self, self.database).start()
        revision = service.publish(one_rule("apple"))
        wrong = service.folder / "wrong.yaml"
        wrong.write_text(one_rule("pear", examples=[{"text": "a pear", "verdict": "reject"},
                                                    {"text": "an apple a day", "verdict": "reject"}]))
        service.cli_ok("rules", "import", wrong)
        refused = service.cli("rules", "publish", "--note", "wrong")
        self.assertEqual(refused.returncode, 1, refused.stdout + refused.stderr)
        self.assertIn('an example of rule "word" fails: expected verdict reject, got allow', refused.stderr)
        self.assertEqual(service.metrics()["chatsluice_rule_revision"], revision)
        self.assertEqual(self.code_of(service, "an apple"), 1)
        self.assertEqual(self.code_of(service, "a pear"), 0)
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.rule_revision"), 1)

    def test_a_file_with_faults_is_refused_whole(self):
        service = Service(self, self.database).start()
        wrong = service.folder / "wrong.yaml"
        wrong.write_text("- rule: a\n  match: { any: [ { regex: 'x(' } ] }\n  action: mask\n"
                         "- rule: b\n  matc: { any: [ { terms: nowhere } ] }\n  action: masc\n")
        for verb in (("rules", "import", wrong), ("rules", "try", "--rules", wrong)):
            refused = service.cli(*verb, stdin="x\n")
            self.assertEqual(refused.returncode, 1, refused.stdout + refused.stderr)
            for place in (f"{wrong}:5:", f"{wrong}:6:"):
                self.assertIn(place, refused.stderr)
            self.assertIn("match", refused.stderr)
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.rule"), 0)

    def test_the_last_good_set_serves_while_the_database_is_away(self):
        service = Service(self, self.database).start()
        revision = service.publish(RULES)
        service.terminate()
        self.cluster.stop()
        service.start()
        self.assertEqual(service.metrics()["chatsluice_rule_revision"], revision)
        self.assertEqual(self.code_of(service, "casino night"), 1)
        self.cluster.start()
        service.publish(one_rule("apple"))
        self.assertEqual(self.code_of(service, "casino night"), 0)
        self.assertEqual(self.code_of(service, "an apple"), 1)

    def test_export_and_import_are_each_others_inverse(self):
        service = Service(self, self.database).start()
        service.publish(RULES)
        exported = service.cli_ok("rules", "export")
        again = self.cluster.create_database()
        other = Service(self, again, name="other").start()
        other.publish(exported)
        self.assertEqual(other.cli_ok("rules", "export"), exported)
        checksums = "SELECT checksum FROM chatsluice.rule_revision"
        self.assertEqual(again.rows(checksums), self.database.rows(checksums))

    def test_publishing_the_same_again_changes_nothing(self):
        service = Service(self, self.database).start()
        service.publish(RULES)
        service.cli_ok("rules", "import", RULES)
        service.cli("rules", "publish", "--note", "again")
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.rule_revision"), 1)

    def test_list_names_rules_and_lists(self):
        service = Service(self, self.database).start()
        service.publish(RULES)
        listed = json.loads(service.cli_ok("rules", "list", "--json"))
        self.assertLessEqual({"coarse", "phone", "flood", "trial"}, {r["rule"] for r in listed["rules"]})
        self.assertEqual({"coarse-words", "harmless-names", "betting-words"}, {t["list"] for t in listed["lists"]})
        people = service.cli_ok("rules", "list")
        self.assertIn("coarse-words", people)
        self.assertIn("shadow", people)


if __name__ == "__main__":
    unittest.main()
