"""Every earlier version of the schema, with data in place, comes to the newest one: each row is still there as it was, and
the service goes on working with what it finds.

A database grows version by version through the files of migrations/, and a copy is kept of it at each. After each file
data is put in: what tests/data/migrations/NNNN.sql holds, and one row for every table that is still empty, made from its
columns, so that a table of a migration yet to be written is looked after as well. `chatsluice migrate` has to bring every
copy to the newest version; some (WITH_SERVICE) are given to a service, which does it itself and then works with it.
"""
import hashlib
import json
import re
import unittest
from pathlib import Path

from chat import Webhooks, before
from database import Cluster
from harness import ROOT, EndToEnd
from service import Service

MIGRATIONS = sorted((ROOT / "migrations").glob("[0-9][0-9][0-9][0-9]_*.sql"))
DATA = ROOT / "tests/data/migrations"
# Without rules, with the first ones, with the whole rule language, and the one before the newest.
WITH_SERVICE = {1, 2, 4, len(MIGRATIONS) - 1}
RULES = Path(__file__).with_name("rules.yaml")

VALUES = {
    "text": "'a text'", "bigint": "7", "integer": "7", "smallint": "7", "boolean": "true", "uuid": "gen_random_uuid()",
    "timestamp with time zone": "'2026-03-01 12:34:56.789+00'", "date": "'2026-03-01'", "interval": "'1 minute'",
    "jsonb": "'{\"a\": 1}'", "json": "'{\"a\": 1}'", "bytea": "'\\x00ff'", "text[]": "'{a text}'", "bigint[]": "'{7}'", "numeric": "7",
    "double precision": "0.5", "inet": "'203.0.113.7'",
}

COLUMNS = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AND NOT a.atthasdef AS needed,
           (SELECT string_agg(pg_get_constraintdef(c.oid), ' ') FROM pg_constraint c
            WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum]) AS checks,
           (SELECT format('(SELECT %%I FROM %%s LIMIT 1)', k.attname, c.confrelid::regclass)
            FROM pg_constraint c JOIN pg_attribute k ON k.attrelid = c.confrelid AND k.attnum = c.confkey[1]
            WHERE c.conrelid = a.attrelid AND c.contype = 'f' AND c.conkey = ARRAY[a.attnum]) AS points_to
    FROM pg_attribute a
    WHERE a.attrelid = 'chatsluice.%s'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY a.attnum"""


class OldDatabase:
    """A database that grows from version to version, with data; at first of version 0."""
    def __init__(self, cluster):
        self.database = cluster.create_database(migrated=False)
        self.version = 0
        self.database.execute("CREATE SCHEMA chatsluice; CREATE TABLE chatsluice.schema_version ("
                              "version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
                              "applied_at timestamptz NOT NULL DEFAULT now())")

    def grow(self):
        self.version += 1
        self.apply(self.version, MIGRATIONS[self.version - 1])
        data = DATA / f"{self.version:04}.sql"
        if data.exists():
            self.database.execute(data.read_text())
        empty = " UNION ALL ".join(f"SELECT '{table}' WHERE NOT EXISTS (SELECT FROM chatsluice.{table})"
                                   for table in tables_of(self.database))
        for table in self.database.execute(empty).split():
            self.fill(table)

    def apply(self, number, path):
        """As the service does it, in one transaction."""
        name = path.stem.split("_", 1)[1]
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        self.database.execute(f"BEGIN; {path.read_text()}; INSERT INTO chatsluice.schema_version (version, name, checksum) "
                              f"VALUES ({number}, '{name}', '{checksum}'); COMMIT")

    def fill(self, table):
        names, values = [], []
        for column in self.database.rows(COLUMNS % table):
            value = self.value(column)
            if value is None:
                assert not column["needed"], f"VALUES knows no {column['type']} for {table}.{column['name']}"
                continue
            names.append(column["name"])
            values.append(value)
        self.database.execute(f"INSERT INTO chatsluice.{table} ({', '.join(names)}) VALUES ({', '.join(values)})")

    @staticmethod
    def value(column):
        if column["points_to"]:
            return column["points_to"]
        one_of = re.search(r"ARRAY\[('(?:[^']|'')*')", column["checks"] or "")
        return one_of[1] if one_of else VALUES.get(column["type"])


def tables_of(database):
    return database.execute("SELECT relname FROM pg_class WHERE relnamespace = 'chatsluice'::regnamespace AND "
                            "relkind IN ('r', 'p') AND NOT relispartition ORDER BY oid").split()


def content_of(database):
    """Every row of every table, as PostgreSQL's own JSON: {table: [row]}."""
    tables = tables_of(database)
    rows = {table: [] for table in tables}
    all_rows = " UNION ALL ".join(f"SELECT json_build_array('{table}', to_jsonb(t)) FROM chatsluice.{table} t"
                                  for table in tables)
    for line in database.execute(all_rows).splitlines():
        table, row = json.loads(line)
        rows[table].append(row)
    return rows


class Migrations(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def assert_kept(self, old, new):
        """Each row of then is one of now, with at least the same columns and values."""
        for table, rows in old.items():
            self.assertGreater(len(rows), 0, f"nothing was put into {table}")
            self.assertGreaterEqual(len(new[table]), len(rows), table)
            for row in rows:
                self.assertTrue(any(contains(candidate, row) for candidate in new[table]), f"{table} has lost {row}")

    def assert_service_works(self, version, service, database):
        """What was there is seen, what comes is judged and stored."""
        if version < 2:  # no rules yet
            service.publish(RULES)
        else:
            exported = service.cli_ok("rules", "export")
            self.assertIn("darn", exported)
            published = service.cli_ok("rules", "publish", "--note", "after the migration", "--wait", "20")
            self.assertIn("revision", published)
        with Webhooks(service) as webhooks:
            answer = webhooks.post(before("oh darn it", group="new-room"))
        self.assertIn("oh **** it", answer.bytes.decode())
        service.wait_loaded()
        seen = database.rows("SELECT group_id, verdict, outcome, text, delivered_text FROM moderation.message "
                             "WHERE group_id IN ('old-room', 'new-room') ORDER BY sent_at")
        self.assertEqual(seen, [
            {"group_id": "old-room", "verdict": "mask", "outcome": "delivered rewritten", "text": "oh darn it",
             "delivered_text": "oh **** it"},
            {"group_id": "new-room", "verdict": "mask", "outcome": "not confirmed", "text": "oh darn it",
             "delivered_text": None}])
        self.assertEqual(database.value("SELECT count(*) FROM chatsluice.dead_letter WHERE error <> 'unreadable'"), 0)

    def serve(self, version, database):
        """A service migrates by itself, and works with it."""
        service = Service(self, database, name=f"from-{version}").start()
        service.wait_event("loading into the database")
        self.assert_service_works(version, service, database)
        service.terminate()

    def test_every_earlier_version(self):
        self.assertGreater(len(MIGRATIONS), max(WITH_SERVICE), "there are earlier versions")
        old = OldDatabase(self.cluster)
        for version in range(1, len(MIGRATIONS)):
            old.grow()
            content = content_of(old.database)
            with self.subTest(version):
                database = self.cluster.create_database(copy_of=old.database)
                database.migrate()
                self.assert_kept(content, content_of(database))
                self.assert_newest(database)
            if version in WITH_SERVICE:
                with self.subTest(version, serving=True):
                    database = self.cluster.create_database(copy_of=old.database)
                    self.serve(version, database)
                    self.assert_kept(self.lasting(content), content_of(database))
                    self.assert_newest(database)

    def assert_newest(self, database):
        self.assertEqual(database.value("SELECT max(version) FROM chatsluice.schema_version"), len(MIGRATIONS))

    @staticmethod
    def lasting(content):
        """Without what a running service itself writes over, or clears away by age."""
        passing = ("rule_publication", "instance", "outbox_sighting", "room_budget", "send_lease", "rollup_state",
                   "rollup_dirty", "rollup_hour_delivery", "rollup_hour_outcome", "rollup_opinion",
                   "rollup_opinion_hit")
        return {table: rows for table, rows in content.items() if table not in passing}


def contains(now, then):
    return all(name in now and now[name] == value for name, value in then.items())


if __name__ == "__main__":
    unittest.main()
