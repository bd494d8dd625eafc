"""config/roles.sql: the service works as a role that can add events and move its position, and little else."""
import time
import unittest

from chat import Webhooks, after, before
from database import Cluster, Database
from harness import ROOT, EndToEnd, run, run_ok, wait_for
from live import Live
from service import Service

RULES = "- rule: darn\n  match: { regex: darn }\n  action: mask\n"
CORRECTED = """
- rule: number
  when: before
  match: { regex: '555 \\d{4}' }
  action: discard
  then: [resend, mute 10m]
- rule: secret
  when: after
  match: { regex: secret }
  action: mask
  then: [recall, resend]
"""
ROLES = ROOT / "config/roles.sql"
DAY_MS = 86400 * 1000


class Roles(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def setUp(self):
        """A database whose owner is no superuser, and the loader's login in the service's role."""
        admin = Database(self.cluster, "postgres")
        admin.execute("DO $$ BEGIN IF to_regrole('chatsluice_owner') IS NULL THEN CREATE ROLE chatsluice_owner LOGIN; "
                      "END IF; END $$")
        self.owner = self.cluster.create_database(migrated=False)
        self.superuser = Database(self.cluster, self.owner.name)
        admin.execute(f"ALTER DATABASE {self.owner.name} OWNER TO chatsluice_owner")
        self.owner.url = self.login("chatsluice_owner")
        self.owner.migrate()
        self.apply_roles()
        admin.execute("DO $$ BEGIN IF to_regrole('loader') IS NULL THEN CREATE ROLE loader LOGIN IN ROLE "
                      "chatsluice_service; END IF; END $$")
        self.loader = Database(self.cluster, self.owner.name)
        self.loader.url = self.login("loader")

    def login(self, role):
        self.assertIn("user=postgres", self.superuser.url)
        return self.superuser.url.replace("user=postgres", f"user={role}")

    def apply_roles(self):
        run_ok("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.superuser.url, "-f", ROLES)

    def test_all_of_loading_works(self):
        """The plain way, duplicates, a poison record, partitions of other days, rules, the instance's row."""
        owned = Service(self, self.owner, name="owner")  # for rules, which the service cannot publish
        service = Service(self, self.loader, name="loader")
        service.config["database"]["migrate"] = "off"
        service.write_config()
        service.start()
        self.owner.execute("ALTER TABLE chatsluice.event ADD CONSTRAINT poison CHECK (text <> 'poison')")
        owned.config_path.with_name("r.yaml").write_text(RULES)
        owned.cli_ok("rules", "import", owned.config_path.with_name("r.yaml"))
        owned.cli_ok("rules", "publish", "--note", "test", "--wait", "0")
        wait_for(lambda: service.metrics()["chatsluice_rule_revision"] == 1, "the published rules")
        wait_for(lambda: self.owner.value("SELECT count(*) FROM chatsluice.rule_ack WHERE error IS NULL") == 1, "the ack")
        with Webhooks(service) as webhooks:
            sent = before("fine")
            for body in (sent, before("darn"), after(sent), before("poison"),
                         before("long ago", EventTime=int(time.time() * 1000) - 90 * DAY_MS)):
                self.assertEqual(webhooks.post(body).status, 200)
                service.wait_loaded()
            again = after(sent)
            for _ in range(2):
                self.assertEqual(webhooks.post(again).status, 200)
            service.wait_loaded()
        self.assertEqual(self.owner.value("SELECT count(*) FROM chatsluice.event"), 5)
        self.assertEqual(self.owner.value("SELECT count(*) FROM chatsluice.dead_letter WHERE sqlstate = '23514'"), 1)
        self.assertEqual(self.owner.value("SELECT count(*) FROM chatsluice.event_default"), 0, "partitions were made")
        self.assertEqual(self.owner.value("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = "
                                          "(SELECT max(relname) FROM pg_class WHERE relname LIKE 'event_2%' "
                                          "AND relkind = 'r')"), "chatsluice_owner")
        self.assertEqual(self.owner.value("SELECT count(*) FROM chatsluice.instance"), 1)
        wait_for(lambda: self.owner.value("SELECT sum(events) FROM moderation.verdict_by_hour") == 5, "the rollups")
        self.assertEqual(service.metrics()["chatsluice_rollup_failures_total"], 0)
        metrics = service.metrics()
        self.assertEqual((metrics["chatsluice_loader_failures_total"], metrics["chatsluice_loader_duplicates_total"]),
                         (0, 1))
        service.terminate()
        self.assertEqual(self.owner.value("SELECT count(*) FROM chatsluice.instance"), 0)
        self.assertNotIn("permission denied", service.log())

    def test_all_of_sending_works(self):
        """A follow-up, a call that gets no answer, its webhooks, a mute and a recall; the service may do all of it."""
        live = Live(self, self.loader, outbox={"confirm_within": "2s", "timeout": "3s"}, database={"migrate": "off"})
        owned = Service(self, self.owner, name="owner")
        owned.config_path.with_name("r.yaml").write_text(CORRECTED)
        owned.cli_ok("rules", "import", owned.config_path.with_name("r.yaml"))
        owned.cli_ok("rules", "publish", "--note", "test", "--wait", "0")
        wait_for(lambda: live.service.metrics()["chatsluice_rule_revision"] == 1, "the published rules")
        live.sim.create_room("room-1")
        live.faults("send_text_msg:processed-reset")
        live.sim.send("room-1", "viewer_1", "call 555 0199")
        live.wait_outbox(2)
        live.faults()
        live.sim.send("room-1", "viewer_2", "a secret")
        live.wait_outbox(4)
        self.assertEqual(live.texts(), ["call ********", "a secret", "a ******"])
        self.assertEqual(live.count("done"), 4)
        self.assertNotIn("permission denied", live.service.log())

    def test_nothing_else_does(self):
        self.loader.execute("SELECT count(*) FROM chatsluice.event")
        for sql in (
                "UPDATE chatsluice.event SET text = ''", "DELETE FROM chatsluice.event", "TRUNCATE chatsluice.event",
                "DROP TABLE chatsluice.event", "ALTER TABLE chatsluice.event ADD x int",
                "SELECT * FROM chatsluice.event_default", "DELETE FROM chatsluice.event_default",
                "UPDATE chatsluice.dead_letter SET error = ''", "DELETE FROM chatsluice.dead_letter",
                "DELETE FROM chatsluice.spool_position", "DELETE FROM chatsluice.outbox",
                "SELECT * FROM chatsluice.rule", "INSERT INTO chatsluice.term_list (name) VALUES ('x')",
                "UPDATE chatsluice.rule_revision SET status = 'withdrawn'", "DELETE FROM chatsluice.rule_revision",
                "UPDATE chatsluice.rule_publication SET last_revision = 0", "DELETE FROM chatsluice.rule_ack",
                "UPDATE chatsluice.outbox_move SET to_state = 'done'",
                "INSERT INTO chatsluice.schema_version (version, name, checksum) VALUES (99, '', '')",
                "CREATE TABLE chatsluice.mine (x int)", "CREATE TABLE public.mine (x int)", "CREATE SCHEMA mine",
                "SELECT * FROM moderation.message", "SET ROLE chatsluice_owner", "COPY (SELECT 1) TO '/tmp/x'"):
            with self.subTest(sql):
                done = run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.loader.url, "-c", sql)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, "permission denied|must be (owner|superuser)")

    def test_every_table_is_decided_about(self):
        """A table that a later migration brings is either in roles.sql or in this list."""
        for_others = {"rule", "term_list", "term", "scorecard", "fold_table", "rule_admin", "rule_publication", "annotation",
                      "publication_request", "frozen_report", "frozen_report_person"}
        by_functions = "rollup_"  # the beginning of names: the service calls functions that write them
        granted = {row["name"] for row in self.owner.rows(
            "SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'chatsluice'::regnamespace "
            "AND has_table_privilege('chatsluice_service', c.oid, 'SELECT, INSERT, UPDATE, DELETE') "
            "AND c.relkind IN ('r', 'p')")}
        tables = {row["name"] for row in self.owner.rows(
            "SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'chatsluice'::regnamespace "
            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition")}
        self.assertEqual({t for t in tables - granted if not t.startswith(by_functions)}, for_others)

    def test_it_can_be_run_again_and_undoes_what_was_given_beside(self):
        self.owner.execute("GRANT DELETE ON chatsluice.event TO chatsluice_service")
        self.apply_roles()
        self.test_nothing_else_does()


if __name__ == "__main__":
    unittest.main()
