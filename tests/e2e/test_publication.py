"""A moderator's evening by SQL, on two instances that work as chatsluice_service: a flagged message is claimed and upheld, a
stopped one approved and sent again, a term published for a while, refused, published, rolled back. What an instance may
publish, and that a request becomes one revision whoever dies over it."""
import re
import unittest

from chat import Webhooks, before
from database import Cluster
from harness import EndToEnd, run, wait_for
from live import Live
from people import ROLES, People, login
from service import Service

RULES = """
- list: words
  terms: [apple, pear, plum, peach]
- rule: fruit
  match: { terms: words }
  action: reject
- rule: odd
  match: { regex: 'odd' }
  action: flag
"""


def optional_grants(about):
    """The statements that roles.sql has in the comment about a setting."""
    text = ROLES.read_text()
    start = text.index(about)
    block = re.match(r"(.*\n)(--.*\n)+", text[start:])[0]
    return " ".join(re.findall(r"GRANT [^;]+;", re.sub(r"\n--\s+", " ", block)))


class Publication(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)
        cls.template = cls.cluster.create_database()
        People(cls.template, "alice", "bob")
        People(cls.template, "loader", role="chatsluice_service")

    def setUp(self):
        self.database = self.cluster.copy(self.template)
        self.alice, self.bob, self.loader = (login(self.database, name) for name in ("alice", "bob", "loader"))
        self.owner = Service(self, self.database, name="owner")  # never started: its commands are the operator's

    def allow(self):
        self.database.execute(optional_grants("rules.publish_requests"))

    def import_rules(self, text=RULES, publish=True):
        path = self.owner.folder / "r.yaml"
        path.write_text(text)
        self.owner.cli_ok("rules", "import", path)
        if publish:
            self.owner.cli_ok("rules", "publish", "--note", "first", "--author", "carol", "--wait", "0")

    def start(self, name="serve", **rules):
        return Service(self, self.loader, name=name, database={"migrate": "off"},
                       rules={"publish_requests": "on", "poll_interval": "100ms"} | rules).start()

    def publications(self, request=None):
        return self.alice.rows("SELECT request_id, kind, asked_by, state, revision, outcome FROM moderation.publication " +
                               (f"WHERE request_id = '{request}'" if request else "ORDER BY asked_at"))

    def ask(self, call, who=None):
        """Asks for a publication and waits for its end."""
        request = (who or self.alice).execute(f"SELECT moderation.{call}").strip()
        return wait_for(lambda: next((p for p in self.publications(request) if p["state"] not in ("waiting", "running")), None),
                        "the request to be carried out")

    def refused(self, who, sql, words):
        done = run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", who.url, "-c", sql)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, words)

    def code_of(self, service, text):
        with Webhooks(service) as webhooks:
            return webhooks.post(before(text)).code

    def test_an_evening(self):
        self.allow()
        self.import_rules()
        live = Live(self, self.loader, instances=2, database={"migrate": "off"},
                    rules={"publish_requests": "on", "poll_interval": "100ms"},
                    outbox={"confirm_within": "2s", "timeout": "3s"})

        def in_force(revision):
            for service in live.services:
                wait_for(lambda: service.metrics()["chatsluice_rule_revision"] == revision, f"revision {revision}")
        in_force(1)
        live.database = self.database
        live.sim.create_room("room-1")
        live.sim.send("room-1", "viewer_1", "an odd thing")
        live.sim.send("room-1", "viewer_2", "an apple a day")
        self.assertEqual(live.texts(), ["an odd thing"])
        waiting = wait_for(lambda: self.alice.rows("SELECT event_id, text, rule FROM moderation.review_queue"), "the queue")
        self.assertEqual([(w["text"], w["rule"]) for w in waiting], [("an odd thing", "odd")])
        flagged = waiting[0]["event_id"]
        self.alice.execute(f"SELECT moderation.claim('{flagged}')")
        self.refused(self.bob, f"SELECT moderation.claim('{flagged}')", "claimed by alice")
        self.alice.execute(f"SELECT moderation.uphold('{flagged}', 'rude')")
        stopped = wait_for(lambda: self.bob.rows("SELECT before_event_id AS id FROM moderation.message WHERE verdict = 'reject'"),
                           "the rejected message")[0]["id"]
        self.bob.execute(f"SELECT moderation.approve('{stopped}', 'a proverb')")
        live.wait_outbox(1)
        self.assertEqual(live.texts(), ["an odd thing", "an apple a day"])
        self.assertEqual(self.alice.rows("SELECT kind FROM moderation.review_queue"), [])
        self.assertEqual([(a["who"], a["action"], a["why"]) for a in self.alice.rows(
            "SELECT who, action, why FROM moderation.action ORDER BY at")],
            [("alice", "claim", None), ("alice", "uphold", "rude"), ("bob", "approve", "a proverb")])

        # A term for a while, then for too short a while.
        self.assertEqual(self.code_of(live.services[1], "a tomato"), 0)
        self.alice.execute("SELECT moderation.add_term('words', 'tomato', now() + interval '1 hour', 'tonight')")
        done = self.ask("publish('tomatoes, tonight')")
        self.assertEqual(done["state"], "refused", "one of five messages would be answered differently")
        self.assertIn("allow_changes => true", done["outcome"])
        done = self.ask("publish('tomatoes, tonight', allow_changes => true)")
        self.assertEqual((done["state"], done["revision"], done["asked_by"]), ("done", 2, "alice"))
        in_force(2)
        self.assertEqual([self.code_of(service, "a tomato") for service in live.services], [1, 1])
        (revision,) = self.bob.rows("SELECT author, note, kind FROM moderation.rule_history WHERE in_force")
        self.assertEqual(revision, {"author": "alice", "note": "tomatoes, tonight", "kind": "publish"})
        self.assertEqual(self.ask("publish('again')")["state"], "unchanged")
        self.bob.execute("SELECT moderation.add_term('words', 'tomato', now() + interval '1 second')")
        self.bob.execute("SELECT moderation.remove_term('words', 'plum')")
        wait_for(lambda: self.bob.rows("SELECT FROM moderation.term WHERE expired"), "the term to expire")
        done = self.ask("publish('the evening is over', allow_changes => true)", self.bob)
        self.assertEqual((done["state"], done["revision"]), ("refused", None))
        self.assertIn("list \"words\" has lost 2 of the 5 terms in force", done["outcome"])
        self.assertIn("allow_shrink => '{words}'", done["outcome"])
        self.assertNotIn("--", done["outcome"])
        done = self.ask("publish('the evening is over', '{words}', allow_changes => true)", self.bob)
        self.assertEqual((done["state"], done["revision"]), ("done", 3))
        in_force(3)
        self.assertEqual([self.code_of(service, "a tomato") for service in live.services], [0, 0])

        # Back, and back to the beginning.
        done = self.ask("rollback('not yet')", self.bob)
        self.assertEqual((done["state"], done["revision"]), ("done", 4))
        in_force(4)
        self.assertEqual([self.code_of(service, "a tomato") for service in live.services], [1, 1])
        self.assertEqual(self.ask("rollback('enough', 1)")["revision"], 5)
        self.assertEqual(self.alice.rows("SELECT revision, author, note, kind, restores, status, status_by, rolled_back_by FROM "
                                         "moderation.rule_history WHERE revision > 2 ORDER BY revision"), [
            {"revision": 3, "author": "bob", "note": "the evening is over", "kind": "publish", "restores": None,
             "status": "rolled back", "status_by": "bob", "rolled_back_by": 4},
            {"revision": 4, "author": "bob", "note": "back to the revision before: not yet", "kind": "rollback", "restores": 2,
             "status": "rolled back", "status_by": "alice", "rolled_back_by": 5},
            {"revision": 5, "author": "alice", "note": "back to revision 1: enough", "kind": "rollback", "restores": 1,
             "status": "published", "status_by": None, "rolled_back_by": None}])
        self.assertEqual(self.ask("rollback('once more', 1)")["state"], "unchanged")
        for service in live.services:
            self.assertNotIn("permission denied", service.log())

    def test_faults_are_told_by_the_names_of_rules_and_lists(self):
        self.allow()
        self.import_rules()
        self.start()
        self.database.execute("INSERT INTO chatsluice.rule (name, definition) VALUES ('torn', '{\"match\": {\"regex\": \"(\"}, "
                              "\"action\": \"mask\"}'), ('lost', '{\"match\": {\"terms\": \"no-list\"}, \"action\": \"mask\"}')")
        done = self.ask("publish('x')")
        self.assertEqual(done["state"], "refused")
        self.assertRegex(done["outcome"], r'(?m)^rule "torn": ')
        self.database.execute("DELETE FROM chatsluice.rule WHERE name = 'torn'")
        lost = self.ask("publish('y')")
        self.assertRegex(lost["outcome"], r'(?m)^rule "lost": .*no-list')
        done["outcome"] += lost["outcome"]
        self.assertNotRegex(done["outcome"], r":\d+:\d+:|table ")
        self.assertEqual(self.alice.value("SELECT DISTINCT gate -> 'compile' ->> 'outcome' FROM moderation.publication"), "refused")
        self.assertEqual(self.ask("rollback('x')")["outcome"],
                         "could not roll back: there is no revision before 1 to go back to\n")

    def test_a_request_becomes_one_revision(self):
        """Of an instance that died over it, of two at once, of one that comes back late."""
        self.allow()
        self.import_rules(publish=False)
        put = ("INSERT INTO chatsluice.publication_request (request_id, kind, asked_by, expires_at, note, state, attempts, "
               "taken_by, taken_until) VALUES (gen_random_uuid(), 'publish', '{}', now() + interval '{}', 'n', '{}', {}, 'dead', "
               "now() - interval '1 second') RETURNING request_id")
        died = self.database.execute(put.format("alice", "1 minute", "running", 1)).strip()
        hopeless = self.database.execute(put.format("bob", "1 minute", "running", 3)).strip()
        late = self.database.execute(put.format("bob", "-1 second", "waiting", 0)).strip()
        for _ in range(3):
            self.bob.execute("SELECT moderation.publish('me too')")
        for name in ("first", "second"):
            self.start(name)
        wait_for(lambda: all(p["state"] not in ("waiting", "running") for p in self.publications()), "all to end")
        ended = {p["request_id"]: p for p in self.publications()}
        self.assertEqual([ended[r]["state"] for r in (hopeless, late)], ["failed", "expired"])
        self.assertEqual(sorted(p["state"] for r, p in ended.items() if r not in (hopeless, late)),
                         ["done", "unchanged", "unchanged", "unchanged"])
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.rule_revision"), 1)
        self.assertEqual(self.database.value(f"SELECT attempts FROM chatsluice.publication_request WHERE request_id = '{died}'"), 2)
        self.refused(self.loader, f"SELECT chatsluice.publication_add('{died}', 1, '', '', 0, 0, NULL, NULL, '[]', 0, 0)",
                     "is not this instance's to carry out")
        self.assertEqual(self.database.value("SELECT last_revision FROM chatsluice.rule_publication"), 1)

    def test_what_an_instance_may_publish(self):
        add = ("SELECT chatsluice.publication_add('{}', {}, 'mine', repeat('a', 64), 1, 1, {}, NULL, '[]', 0, 0)")
        nobody = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
        self.refused(self.loader, "SELECT * FROM chatsluice.publication_take('x', '1 minute')", "permission denied")
        self.refused(self.loader, add.format(nobody, 1, "NULL"), "permission denied")
        service = self.start()
        self.import_rules()
        service.wait_event("publications asked for by SQL cannot be carried out, see config/roles.sql")
        wait_for(lambda: service.metrics()["chatsluice_rule_revision"] == 1, "the rest to go on")
        self.alice.execute("SELECT moderation.publish('x')")
        (waiting,) = self.publications()
        self.assertEqual((waiting["state"], waiting["outcome"]),
                         ("waiting", "no running instance carries out publications (rules.publish_requests)"))
        service.terminate()
        self.allow()
        self.refused(self.loader, add.format(nobody, 1, "NULL"), "is not this instance's to carry out")
        self.refused(self.loader, add.format(waiting["request_id"], 0, "NULL"), "is not this instance's to carry out")
        self.loader.execute("SELECT * FROM chatsluice.publication_take('x', '1 minute')")
        self.refused(self.loader, add.format(waiting["request_id"], 1, 1), "is not this instance's to carry out")
        self.loader.execute(add.format(waiting["request_id"], 1, "NULL"))
        self.refused(self.loader, add.format(waiting["request_id"], 1, "NULL"), "is not this instance's to carry out")
        self.assertEqual(self.database.rows("SELECT author, note FROM chatsluice.rule_revision WHERE revision = 2"),
                         [{"author": "alice", "note": "x"}])
        for sql in ("INSERT INTO chatsluice.rule_revision (revision) VALUES (9)", "UPDATE chatsluice.rule SET mode = 'off'",
                    "UPDATE chatsluice.rule_revision SET status = 'withdrawn'", "SELECT * FROM chatsluice.publication_request",
                    "SELECT moderation.publish('x')", "UPDATE chatsluice.rule_publication SET last_revision = 7"):
            self.refused(self.loader, sql, "permission denied")


if __name__ == "__main__":
    unittest.main()
