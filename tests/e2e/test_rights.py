"""Every role of config/roles.sql against everything there is, found in pg_catalog and tried: a view, column, table or function
that a migration brings and roles.sql says nothing about fails here."""
import re
import subprocess
import unittest

from database import Cluster
from harness import EndToEnd, clean_environment
from people import People, login

# What stays the owner's.
OWNER_VIEWS = set()
OWNER_FUNCTIONS = {"erase_sender"}
# What tells who people are, what they said, or may repeat it: not for chatsluice_auditor. A view that is about persons
# altogether is "view.*".
PERSONAL = {
    "account", "client_ip", "cloud_custom_data", "corrected_text", "custom_data", "delivered_cloud_custom_data",
    "delivered_custom_data", "delivered_text", "detail", "error_info", "exception_info", "from_account", "hits", "label.note", "msg_id",
    "operator_account", "original_custom_data", "original_sender", "original_text", "reason", "request_id", "rewritten", "said",
    "text", "why", "sender.*", "offender.*",
}
# A number of hits, not what they hit.
PLAIN = {"rule_by_hour.hits", "rule_quality.hits", "term_by_hour.hits", "term_quality.hits"}
# What auditors call, and those alone who may know who people are.
AUDITOR_FUNCTIONS = {"latency_between", "report", "room_between"}
PERSONAL_FUNCTIONS = {"offender", "report_people"}
DENIED = "42501"


def quote(name):
    return '"' + name.replace('"', '""') + '"'


class Rights(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)
        cls.database = cls.cluster.create_database()
        for name, role in (("alice", "chatsluice_moderator"), ("bob", "chatsluice_moderator"), ("ada", "chatsluice_auditor"),
                           ("ann", "chatsluice_auditor_personal"), ("loader", "chatsluice_service")):
            People(cls.database, name, role=role)
        cls.database.execute("CREATE ROLE nobody LOGIN")
        cls.database.execute(
            "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, command, "
            "from_account, random, text, verdict, rule, duplicate_keys, raw) VALUES (now(), now(), 1400000001, 1, "
            "'f81d4fae-7dec-81d0-8765-00a0c91e6bf6', gen_random_uuid(), 'room', 'before', 'eve', 1, 'so bad', 'flag', 'r', "
            "false, '{}')")
        relations = cls.database.rows(
            "SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, (SELECT json_agg(a.attname ORDER BY a.attnum) FROM "
            "pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns FROM pg_class c JOIN "
            "pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('chatsluice', 'moderation') AND c.relkind IN "
            "('r', 'p', 'v', 'm', 'f', 'S') ORDER BY 1, 2")
        cls.views = [r for r in relations if r["schema"] == "moderation"]
        cls.tables = [r for r in relations if r["schema"] == "chatsluice"]
        cls.functions = cls.database.rows(
            "SELECT n.nspname AS schema, p.proname AS name, p.proisstrict AS strict, p.oid::regprocedure::text AS signature, "
            "ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) t) AS arguments FROM pg_proc p JOIN pg_namespace n ON "
            "n.oid = p.pronamespace WHERE n.nspname IN ('chatsluice', 'moderation') AND p.prorettype <> 'trigger'::regtype "
            "ORDER BY 1, 2")

    def tried(self, role, statements):
        """The SQLSTATE of each statement, None where it worked; nothing of it stays."""
        script = ["\\set VERBOSITY sqlstate", "\\set ON_ERROR_ROLLBACK on", "BEGIN;"]
        for number, statement in enumerate(statements):
            script += [f"\\echo '@@@' {number}", f"{statement};", "\\if :ERROR", "\\echo '@@@' error :SQLSTATE", "\\endif"]
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", login(self.database, role).url], input="\n".join(script) +
                              "\nROLLBACK;\n", capture_output=True, text=True, env=clean_environment(), timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr[-500:])
        states = [None] * len(statements)
        at = -1
        for line in re.findall(r"^@@@ (.*)$", done.stdout, re.M):
            if line.startswith("error"):
                states[at] = line.split()[1]
            else:
                at = int(line)
        self.assertEqual(at, len(statements) - 1, "the last one was tried")
        return dict(zip(statements, states))

    def assert_all_denied(self, role, statements, *also):
        self.assertEqual({s: state for s, state in self.tried(role, statements).items() if state not in (DENIED, *also)}, {},
                         role)

    def assert_none_denied(self, role, statements):
        self.assertEqual({s: state for s, state in self.tried(role, statements).items() if state == DENIED}, {}, role)

    @staticmethod
    def call(function):
        """With nulls, which no function that asks for anything takes; a strict one is given something."""
        values = {"bytea": "''", "jsonb": "'{}'", "text": "''", "uuid": "gen_random_uuid()"}
        arguments = ", ".join(f"{values.get(a, 'NULL') if function['strict'] else 'NULL'}::{a}" for a in function["arguments"])
        return f"SELECT {function['schema']}.{quote(function['name'])}({arguments})"

    @staticmethod
    def changes(relation):
        name = f"{relation['schema']}.{quote(relation['name'])}"
        column = quote(relation["columns"][0]) if relation["columns"] else "x"
        return [f"INSERT INTO {name} DEFAULT VALUES", f"UPDATE {name} SET {column} = {column}", f"DELETE FROM {name}"]

    def test_people_reach_no_table(self):
        everything = [s for t in self.tables for s in
                      [f"SELECT FROM {t['schema']}.{quote(t['name'])} LIMIT 1", f"TRUNCATE {t['schema']}.{quote(t['name'])}",
                       *self.changes(t)]]
        for role in ("nobody", "alice", "ada", "ann"):
            self.assert_all_denied(role, everything)
            # 55000: a view of more than one table cannot be written, whoever asks.
            self.assert_all_denied(role, [s for v in self.views for s in self.changes(v)], "55000")
            self.assert_all_denied(role, [self.call(f) for f in self.functions if f["schema"] == "chatsluice"])
            self.assert_all_denied(role, ["CREATE TABLE chatsluice.mine (x int)", "CREATE TABLE public.mine (x int)",
                                          "CREATE VIEW moderation.mine AS SELECT 1", "CREATE SCHEMA mine",
                                          "SET ROLE chatsluice_service", "COPY (SELECT 1) TO '/tmp/x'"])

    def test_views(self):
        names = {v["name"]: f"SELECT * FROM moderation.{quote(v['name'])} LIMIT 1" for v in self.views}
        for role in ("nobody", "loader"):
            self.assert_all_denied(role, list(names.values()))
        for role in ("alice", "ann"):
            self.assert_none_denied(role, [s for n, s in names.items() if n not in OWNER_VIEWS])
            self.assert_all_denied(role, [s for n, s in names.items() if n in OWNER_VIEWS])

    def test_columns_an_auditor_sees(self):
        """A column that is neither granted nor known as personal is one that nobody has thought about."""
        plain, personal = [], []
        for view in self.views:
            for column in view["columns"]:
                mine = f"{view['name']}.{column}"
                hidden = mine not in PLAIN and PERSONAL & {f"{view['name']}.*", mine, column}
                (personal if hidden else plain).append(f"SELECT {quote(column)} FROM moderation.{quote(view['name'])} LIMIT 1")
        self.assert_all_denied("ada", personal)
        self.assert_none_denied("ada", plain)
        self.assert_none_denied("ada", ["SELECT count(*), verdict FROM moderation.message GROUP BY verdict",
                                        "SELECT moderator, median_time_to_decision FROM moderation.moderator_activity"])
        self.assert_all_denied("ada", ["SELECT count(*) FROM moderation.message WHERE from_account = 'eve'",
                                       "SELECT verdict FROM moderation.message ORDER BY text",
                                       "SELECT m FROM moderation.message m", "TABLE moderation.message"])

    def test_functions(self):
        calls = {f["signature"]: (f["name"], self.call(f)) for f in self.functions if f["schema"] == "moderation"}
        for role in ("nobody", "loader"):
            self.assert_all_denied(role, [c for _, c in calls.values()])
        for role, theirs in (("ada", AUDITOR_FUNCTIONS), ("ann", AUDITOR_FUNCTIONS | PERSONAL_FUNCTIONS)):
            self.assert_none_denied(role, [c for name, c in calls.values() if name in theirs])
            self.assert_all_denied(role, [c for name, c in calls.values() if name not in theirs])
        self.assert_none_denied("alice", [c for name, c in calls.values() if name not in OWNER_FUNCTIONS])
        self.assert_all_denied("alice", [c for name, c in calls.values() if name in OWNER_FUNCTIONS])

    def test_the_service(self):
        """It adds events and reads rules; what it may besides is in e2e.roles, table by table."""
        for_ever = [t for t in self.tables if re.match(r"event|dead_letter$|rule_revision$|moderator_action$|review$|annotation$|"
                                                       r"publication_request$|rule$|term$|term_list$", t["name"])]
        statements = [s for t in for_ever for s in self.changes(t) + [f"TRUNCATE chatsluice.{quote(t['name'])}"]]
        allowed = {f"INSERT INTO chatsluice.\"{name}\" DEFAULT VALUES" for name in ("event", "dead_letter")}
        self.assert_all_denied("loader", [s for s in statements if s not in allowed])
        self.assert_all_denied("loader", [self.call(f) for f in self.functions if f["name"].startswith("publication_")])

    def test_what_works_with_the_owners_rights_is_safe(self):
        """No name is looked for where others may put theirs, nothing is waited for without end, nobody is let in unasked."""
        (found,) = self.database.rows(
            "SELECT array_agg(p.oid::regprocedure::text) FILTER (WHERE NOT coalesce('search_path=pg_catalog, pg_temp' = "
            "ANY (p.proconfig), false)) AS open, array_agg(p.oid::regprocedure::text) FILTER (WHERE p.provolatile = 'v' AND "
            "p.pronamespace = 'moderation'::regnamespace AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE "
            "'lock_timeout=%')) AS waiting, array_agg(p.oid::regprocedure::text) FILTER (WHERE EXISTS (SELECT FROM "
            "aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)) AS public, count(*) > 20 AS many "
            "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef AND n.nspname IN "
            "('chatsluice', 'moderation')")
        self.assertEqual(found, {"open": None, "waiting": None, "public": None, "many": True})

    def test_nobody_acts_under_another_name(self):
        alice = login(self.database, "alice")
        event = "f81d4fae-7dec-81d0-8765-00a0c91e6bf6"
        alice.execute(
            "CREATE TEMPORARY TABLE annotation (LIKE moderation.label); CREATE TEMPORARY TABLE pg_class (x int);"
            "CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz 'epoch' $$;"
            "CREATE FUNCTION pg_temp.is_it(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'run as %', "
            "current_user; END $$; CREATE OPERATOR pg_temp.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = pg_temp.is_it);"
            "SET search_path = pg_temp, moderation; SET ROLE chatsluice_moderator;"
            f"SELECT moderation.annotate('{event}', 'benign')")
        self.assertEqual(self.database.rows("SELECT who, at > now() - interval '1 hour' AS now FROM chatsluice.annotation"),
                         [{"who": "alice", "now": True}])
        self.assert_all_denied("alice", ["SET SESSION AUTHORIZATION bob", "SET ROLE bob", "SET ROLE postgres"])


if __name__ == "__main__":
    unittest.main()
