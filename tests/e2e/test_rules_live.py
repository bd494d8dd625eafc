"""Rules change while messages pass: import, publish, take over, refuse, survive the database's absence."""
import json
import threading
import time
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

    def live_after(self, services, text, code, *publish):
        """Publishes while every service is asked again and again; milliseconds from the publication to the first answer
        with this code, for each, and what `rules publish` said."""
        answered = {}

        def ask(service):
            def look():
                if self.code_of(service, text) == code:
                    return time.time()
                return None
            answered[service.name] = wait_for(look, f"{service.name} to answer {code}", 30)
        threads = [threading.Thread(target=ask, args=(service,)) for service in services]
        for thread in threads:
            thread.start()
        # Without a canary: it would judge what is asked here.
        told = json.loads(services[0].cli_ok("rules", "publish", "--json", "--canary", "0", *publish))
        for thread in threads:
            thread.join()
        published = float(self.database.value("SELECT extract(epoch FROM published_at) FROM chatsluice.rule_revision "
                                              "ORDER BY revision DESC LIMIT 1"))
        return {name: round((at - published) * 1000) for name, at in answered.items()}, told

    def test_changes_in_yaml_and_sql_are_live_on_two_instances(self):
        services = [Service(self, self.database, name=name, rules={"poll_interval": "500ms"}).start()
                    for name in ("first", "second")]
        terms = [f"word{i:05d}x" for i in range(scaled(10_000, 1000))]
        rules = services[0].folder / "rules.yaml"
        rules.write_text(json.dumps([
            {"list": "words", "terms": terms},
            {"rule": "words", "match": {"terms": "words"}, "action": "reject"},
            {"rule": "fruit", "match": {"regex": "apple"}, "action": "reject"}]))
        services[0].cli_ok("rules", "import", rules)
        services[0].cli_ok("rules", "publish", "--note", "the first", "--author", "carol")
        for service in services:
            self.assertEqual(self.code_of(service, f"a {terms[-1]} here"), 1)

        rules.write_text(json.dumps([{"rule": "fruit", "match": {"regex": "cherry"}, "action": "reject"}]))
        services[0].cli_ok("rules", "import", "--author", "alice", rules)
        live, told = self.live_after(services, "a cherry", 1, "--note", "cherries, by file", "--author", "alice")
        print(f"a change in YAML, {len(terms)} terms: live after {live} ms, "
              f"acknowledged after {[i['after_ms'] for i in told['instances']]} ms")
        self.assertEqual({"took"}, {i["state"] for i in told["instances"]})
        self.assertEqual(len(told["instances"]), 2)

        self.database.execute("INSERT INTO chatsluice.term (list, term) VALUES ('words', 'tomato')")
        live, told = self.live_after(services, "a tomato", 1, "--note", "a term, by SQL", "--author", "bob")
        print(f"a change in SQL, {len(terms)} terms: live after {live} ms, "
              f"acknowledged after {[i['after_ms'] for i in told['instances']]} ms")
        self.assertEqual(len(told["instances"]), 2)

        history = json.loads(services[1].cli_ok("rules", "history", "--json", "--changes", "--limit", "2"))["revisions"]
        self.assertEqual([(r["revision"], r["author"], r["note"], r["acknowledged"], r["instances"]) for r in history],
                         [(3, "bob", "a term, by SQL", 2, 2), (2, "alice", "cherries, by file", 2, 2)])
        for revision in history:
            published = time.mktime(time.strptime(revision["published_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
            self.assertLess(abs(time.time() - published), 600)
        self.assertEqual(history[0]["changes"]["lists"],
                         [{"list": "words", "change": "changed", "terms_added": 1, "terms_removed": 0}])
        self.assertEqual(history[1]["changes"]["rules"], [{"rule": "fruit", "change": "changed"}])
        owner = self.database.value("SELECT current_user")
        self.assertEqual(self.database.value("SELECT author FROM chatsluice.term WHERE term = 'tomato'"), owner)

    def test_who_refuses_and_who_is_silent_is_told(self):
        service = Service(self, self.database).start()
        service.publish(one_rule("apple"))
        # One that could not compile the next revision and one that hangs, as they look in the tables.
        self.database.execute(
            "INSERT INTO chatsluice.instance (instance_id, host, pid, version, spool_id, revision, spool_records, "
            "spool_oldest_seconds) VALUES ('old', 'old-host', 1, '0', '', 1, 0, 0), ('stuck', 'stuck-host', 2, '0', '', "
            "1, 0, 0), ('dead', 'dead-host', 3, '0', '', 1, 0, 0);"
            "UPDATE chatsluice.instance SET seen_at = now() - interval '20 seconds' WHERE instance_id = 'dead';"
            "INSERT INTO chatsluice.rule_ack VALUES (2, 'old', now(), 'it knows no cherries')")
        rules = service.folder / "next.yaml"
        rules.write_text(one_rule("cherry"))
        service.cli_ok("rules", "import", rules)
        done = service.cli("rules", "publish", "--note", "next", "--wait", "2")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("published revision 2\n", done.stdout)
        self.assertRegex(done.stdout, r"old-host pid 1 refused it and keeps 1: it knows no cherries\n")
        self.assertRegex(done.stdout, r"stuck-host pid 2 has not answered, it runs 1\n")
        self.assertRegex(done.stdout, r"pid \d+ took it after \d+ ms\n")
        self.assertNotIn("dead-host", done.stdout)
        self.assertEqual(self.code_of(service, "a cherry"), 1)
        newest = json.loads(service.cli_ok("rules", "history", "--json"))["revisions"][0]
        self.assertEqual((newest["acknowledged"], newest["refused"], newest["instances"]), (1, 1, 3))

    def test_a_jump_of_the_hit_rate_rolls_back_once(self):
        services = [Service(self, self.database, name=name, rules={"rollback_factor": 3}).start()
                    for name in ("first", "second")]

        def say(service, count, text):
            with Webhooks(service) as webhooks:
                for i in range(count):
                    webhooks.post(before(f"{text} {i}", sender=f"u{i}"))
        for word in ("apple", "cherry"):
            services[0].publish(one_rule(word))
        wait_for(lambda: services[1].metrics()["chatsluice_rule_revision"] == 2, "the second instance to follow", 10)
        for service in services:
            say(service, 5, "a cherry")
            say(service, 295, "good evening")
        good = self.database.value("SELECT checksum FROM chatsluice.rule_revision WHERE revision = 2")

        services[0].publish(one_rule("evening"))
        wait_for(lambda: services[1].metrics()["chatsluice_rule_revision"] == 3, "the second instance to follow", 10)
        for service in services:
            say(service, 250, "good evening")
        for service in services:
            wait_for(lambda: service.metrics()["chatsluice_rule_revision"] == 4, f"{service.name} to go back", 10)
            self.assertEqual(self.code_of(service, "good evening"), 0)
            self.assertEqual(self.code_of(service, "a cherry"), 1)
        history = json.loads(services[0].cli_ok("rules", "history", "--json"))["revisions"]
        self.assertEqual([(r["revision"], r["kind"], r["author"], r["status"]) for r in history[:2]],
                         [(4, "automatic rollback", "chatsluice", "published"),
                          (3, "publish", history[1]["author"], "rolled back")])
        self.assertEqual((history[0]["restores"], history[0]["checksum"], history[1]["rolled_back_by"]), (2, good, 4))
        self.assertRegex(history[0]["note"], r"hit rate jumped under revision 3: 100.0 % of \d+ messages hit, "
                                             r"1.7 % of 300 before; seen by instance ")
        self.assertEqual(sum(s.metrics()["chatsluice_rule_rollbacks_total"] for s in services), 1)
        self.assertEqual(sum(len(s.events("rule revision rolled back by itself")) for s in services), 1)

        # The rates differ as much again, the other way round and back: a rollback is not rolled back.
        for service in services:
            say(service, 250, "a cherry")
        for service in services:
            service.reload()
            service.wait_event("configuration taken over")
        self.assertEqual(self.database.value("SELECT max(revision) FROM chatsluice.rule_revision"), 4)

    def test_a_revision_that_does_not_compile_is_passed_over(self):
        service = Service(self, self.database).start()
        service.publish(one_rule("apple"))
        self.database.execute(
            "INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note) VALUES (2, "
            "'{\"rules\":[{\"rule\":\"new\",\"match\":{\"telepathy\":1},\"action\":\"mask\"}]}', repeat('0', 64), "
            "1, 0, 'x', 'of a newer version'); UPDATE chatsluice.rule_publication SET last_revision = 2")
        refused = wait_for(lambda: self.database.rows("SELECT error FROM chatsluice.rule_ack WHERE revision = 2"),
                           "the acknowledgement", 10)
        self.assertIn("telepathy", refused[0]["error"])
        self.assertEqual(self.code_of(service, "an apple"), 1)
        self.assertEqual(service.metrics()["chatsluice_rule_revision"], 1)
        service.publish(one_rule("cherry"))
        self.assertEqual(self.code_of(service, "a cherry"), 1)

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
